//! What a test puts between an operator and the API server: a plain HTTP server on loopback that passes everything on, counts
//! the operator's writes, and strikes at the one that the test has chosen. The operator knows nothing of it.

use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, HOST};
use http::{HeaderMap, Method, StatusCode};
use kube::Client;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use super::api;
use super::stage::PATIENCE;

/// What happens at a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strike {
    /// The operator is to be killed before the write reaches the API server; it never does.
    Before,
    /// It is to be killed when the write was applied; the answer never comes.
    Unanswered,
    /// It is to be killed a moment, up to 20 ms, after the answer has gone out.
    After,
    /// It lives. The write never reaches the API server, and the answer, a gateway's, leaves that open.
    Lost,
    /// It lives. The write was applied, and the connection breaks where the answer should be.
    Broken,
    /// The write waits on its way until the test lets it go on: see [`Proxy::deliver`].
    Late,
}

impl Strike {
    /// Those that end the write's part in the story.
    pub const FINAL: [Self; 5] = [Self::Before, Self::Unanswered, Self::After, Self::Lost, Self::Broken];

    /// Whether the operator is to be killed.
    pub fn kills(self) -> bool {
        matches!(self, Self::Before | Self::Unanswered | Self::After)
    }
}

/// A proxy of one operator. It goes on until the tests end, but strikes once.
pub struct Proxy {
    kubeconfig: PathBuf,
    shared: Arc<Shared>,
}

struct Shared {
    client: Client,
    /// At which write, from 1, what happens.
    strike: Mutex<Option<(u64, Strike)>>,
    /// Counted since the strike was chosen.
    writes: AtomicU64,
    struck: Notify,
    /// Tells a late write to go on.
    deliver: Notify,
    /// Verb and path of the late write, and the code of the API server's answer.
    delivered: Mutex<Option<(String, StatusCode)>>,
    /// Whether watches are cut, and new ones have to wait.
    held: watch::Sender<bool>,
    /// Watches that the API server has answered with 410 Gone, or ended so.
    gone: AtomicU64,
}

impl Proxy {
    /// A proxy that passes everything on.
    pub fn new() -> Self {
        let shared = Arc::new(Shared {
            client: api::client(),
            strike: Mutex::new(None),
            writes: AtomicU64::new(0),
            struck: Notify::new(),
            deliver: Notify::new(),
            delivered: Mutex::new(None),
            held: watch::Sender::new(false),
            gone: AtomicU64::new(0),
        });
        let listener = api::block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let routes = Router::new().fallback(pass).with_state(Arc::clone(&shared));
        api::spawn(async move {
            axum::serve(listener, routes).await.expect("it serves for ever");
        });
        let kubeconfig = std::env::temp_dir().join(format!("gantline-test-{}-{port}.kubeconfig", std::process::id()));
        let text = format!(
            "{{apiVersion: v1, kind: Config, current-context: it, contexts: [{{name: it, context: {{cluster: it, user: it}}}}], clusters: [{{name: it, cluster: {{server: 'http://127.0.0.1:{port}'}}}}], users: [{{name: it, user: {{}}}}]}}"
        );
        std::fs::write(&kubeconfig, text).expect("a kubeconfig");
        Self { kubeconfig, shared }
    }

    /// The way through it.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// It is to strike at a write, the `at`-th from now.
    pub fn strike(&self, at: u64, strike: Strike) {
        let mut chosen = self.shared.strike.lock().expect("nobody panics with it");
        self.shared.writes.store(0, Ordering::SeqCst);
        *chosen = Some((at, strike));
    }

    /// Resolves when it has struck, which it never does at a write that doesn't come.
    pub async fn struck(&self) {
        self.shared.struck.notified().await;
    }

    /// Waits until it has struck, as it surely does soon.
    pub async fn strikes(&self) {
        tokio::time::timeout(PATIENCE, self.struck()).await.expect("the write that was chosen comes");
    }

    /// Whether the chosen write has come: what it does can be seen only after that, perhaps before the strike is.
    pub fn has_come(&self) -> bool {
        let chosen = self.shared.strike.lock().expect("nobody panics with it");
        chosen.is_some_and(|(at, _)| self.shared.writes.load(Ordering::SeqCst) >= at)
    }

    /// Lets the late write go on.
    pub fn deliver(&self) {
        self.shared.deliver.notify_one();
    }

    /// Verb and path of the late write and the code of the answer, once it has arrived.
    pub fn delivered(&self) -> Option<(String, StatusCode)> {
        self.shared.delivered.lock().expect("nobody panics with it").clone()
    }

    /// Cuts all watches and lets no new one through, until [`Proxy::release_watches`].
    pub fn hold_watches(&self) {
        self.shared.held.send_replace(true);
    }

    /// Lets watches through again.
    pub fn release_watches(&self) {
        self.shared.held.send_replace(false);
    }

    /// How many watches the API server has refused because their resourceVersion is too old.
    pub fn watches_gone(&self) -> u64 {
        self.shared.gone.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        std::fs::remove_file(&self.kubeconfig).expect("the kubeconfig is removed");
    }
}

/// A write that counts: the lease is renewed for ever, and says nothing of runs.
fn is_write(request: &Request) -> bool {
    request.method() != Method::GET && !request.uri().path().contains("/leases")
}

fn is_watch(request: &Request) -> bool {
    request.uri().query().is_some_and(|query| query.split('&').any(|part| part == "watch=true" || part == "watch=1"))
}

impl Shared {
    /// Counts the request, and says what happens at it.
    fn turn(&self, request: &Request) -> Option<(u64, Strike)> {
        if !is_write(request) {
            return None;
        }
        let chosen = self.strike.lock().expect("nobody panics with it");
        let number = self.writes.fetch_add(1, Ordering::SeqCst) + 1;
        chosen.filter(|(at, _)| *at == number)
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Infallible> {
    if is_watch(&request) {
        return Ok(follow(&shared, request).await);
    }
    let turn = shared.turn(&request);
    match turn.map(|(_, strike)| strike) {
        Some(Strike::Before) => {
            shared.struck.notify_one();
            return std::future::pending().await;
        }
        Some(Strike::Lost) => {
            shared.struck.notify_one();
            return Ok(plain(StatusCode::GATEWAY_TIMEOUT, "the server behind this gateway does not answer"));
        }
        Some(Strike::Unanswered | Strike::After | Strike::Broken | Strike::Late) | None => {}
    }
    let is_late = turn.is_some_and(|(_, strike)| strike == Strike::Late);
    // By itself: a request that is on its way arrives, and is struck at, whatever becomes of its sender.
    let on_its_way = Arc::clone(&shared);
    let sent = tokio::spawn(async move {
        let answer = arrive(Arc::clone(&on_its_way), request, is_late).await;
        match turn {
            Some((_, Strike::Unanswered | Strike::Broken)) => on_its_way.struck.notify_one(),
            Some((number, Strike::After)) => {
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(number * 7 % 20)).await;
                    on_its_way.struck.notify_one();
                });
            }
            Some((_, Strike::Before | Strike::Lost | Strike::Late)) | None => {}
        }
        answer
    });
    let (head, bytes) = match sent.await.expect("it does not panic") {
        Ok(answer) => answer,
        Err(error) => return Ok(plain(StatusCode::BAD_GATEWAY, &error)),
    };
    match turn {
        Some((_, Strike::Unanswered)) => std::future::pending().await,
        Some((_, Strike::Broken)) => {
            let broken = futures::stream::iter([Err::<Bytes, _>("the connection breaks")]);
            Ok(head.map(|()| Body::from_stream(broken)))
        }
        Some((_, Strike::After | Strike::Before | Strike::Lost | Strike::Late)) | None => {
            Ok(head.map(|()| Body::from(bytes)))
        }
    }
}

/// Passes a request on, a late one when it is told to.
async fn arrive(shared: Arc<Shared>, request: Request, is_late: bool) -> Result<(Response<()>, Bytes), String> {
    if !is_late {
        return forward(shared.client.clone(), request).await;
    }
    let what = format!("{} {}", request.method(), request.uri().path());
    // Read before its sender is stopped.
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    shared.struck.notify_one();
    shared.deliver.notified().await;
    let answer = forward(shared.client.clone(), Request::from_parts(parts, Body::from(body))).await;
    let code = answer.as_ref().map_or(StatusCode::BAD_GATEWAY, |(head, _)| head.status());
    *shared.delivered.lock().expect("nobody panics with it") = Some((what, code));
    answer
}

/// Passes a request on; returns the whole answer, or why there is none.
async fn forward(client: Client, request: Request) -> Result<(Response<()>, Bytes), String> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| error.to_string())?;
    let request = http::Request::from_parts(end_to_end(parts), kube::client::Body::from(body));
    let answer = client.send(request).await.map_err(|error| error.to_string())?;
    let (mut parts, body) = answer.into_parts();
    let bytes = body.collect_bytes().await.map_err(|error| error.to_string())?;
    parts.headers = headers(&parts.headers);
    Ok((Response::from_parts(parts, ()), bytes))
}

/// Passes a watch on, event by event, until it ends or is cut.
async fn follow(shared: &Arc<Shared>, request: Request) -> Response {
    let mut held = shared.held.subscribe();
    held.wait_for(|held| !held).await.expect("its sender is ours");
    let (parts, _) = request.into_parts();
    let request = http::Request::from_parts(end_to_end(parts), kube::client::Body::empty());
    let answer = match shared.client.send(request).await {
        Ok(answer) => answer,
        Err(error) => return plain(StatusCode::BAD_GATEWAY, &error.to_string()),
    };
    let (mut parts, body) = answer.into_parts();
    parts.headers = headers(&parts.headers);
    if parts.status == StatusCode::GONE {
        shared.gone.fetch_add(1, Ordering::SeqCst);
    }
    let counting = Arc::clone(shared);
    let events = Body::new(body).into_data_stream().inspect(move |part| {
        if part.as_ref().is_ok_and(|bytes| bytes.starts_with(br#"{"type":"ERROR""#)) {
            counting.gone.fetch_add(u64::from(contains(part, br#""code":410"#)), Ordering::SeqCst);
        }
    });
    let cut = async move {
        // That the sender is gone is an end too.
        let _ = held.wait_for(|held| *held).await;
    };
    Response::from_parts(parts, Body::from_stream(events.take_until(Box::pin(cut))))
}

fn contains(part: &Result<Bytes, axum::Error>, what: &[u8]) -> bool {
    part.as_ref().is_ok_and(|bytes| bytes.windows(what.len()).any(|window| window == what))
}

/// What is said of the connection to the proxy isn't said of that to the API server.
fn end_to_end(mut parts: http::request::Parts) -> http::request::Parts {
    parts.headers.remove(HOST);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers = headers(&parts.headers);
    parts.version = http::Version::HTTP_11;
    parts.extensions.clear();
    parts
}

/// The headers without those of a single connection (RFC 9110, 7.6.1).
fn headers(all: &HeaderMap) -> HeaderMap {
    let single = ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade"];
    all.iter()
        .filter(|(name, _)| !single.contains(&name.as_str()))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

fn plain(code: StatusCode, words: &str) -> Response {
    Response::builder().status(code).body(Body::from(words.to_owned())).expect("an answer")
}
