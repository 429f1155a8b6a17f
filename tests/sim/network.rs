//! What lies between an operator and the API server.
//!
//! A [`Connection`] is the service behind a real `kube::Client`. Each request becomes a task of the world: it travels, is carried
//! out, its answer travels back. A client that gives up, or dies, undoes nothing of that.

use std::future::pending;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use gantline::controller::SILENCE;
use http::{Method, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::fault::{Class, Fault, Point, Stage};
use crate::model::{Answer, Request};
use crate::replica::Process;
use crate::stream::hash;
use crate::watching;
use crate::world::World;

/// Any error of a connection.
pub type Broken = Box<dyn std::error::Error + Send + Sync>;
/// An answer's body: whole, or a stream of watch events.
pub type Payload = UnsyncBoxBody<Bytes, std::io::Error>;
type Reply = Result<Response<Payload>, Broken>;

/// How much later than the restart of its sender a write that was left on the way may be applied, in milliseconds.
const STRAGGLE: u64 = 3_000;

/// One process's way to the API server.
pub struct Connection {
    world: Arc<World>,
    process: Arc<Process>,
}

/// A request on its way.
struct Parcel {
    request: Request,
    point: Point,
    /// Its number among all requests.
    number: u64,
    faults: Vec<Fault>,
    /// It leaves its sender only after so long.
    held: Duration,
    /// It is applied even though its sender has died.
    survives: bool,
}

impl Connection {
    /// The connection of a process.
    pub fn new(world: Arc<World>, process: Arc<Process>) -> Self {
        Self { world, process }
    }
}

impl tower::Service<http::Request<Body>> for Connection {
    type Response = Response<Payload>;
    type Error = Broken;
    type Future = BoxFuture<'static, Reply>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if self.process.is_dead() {
            return Box::pin(pending());
        }
        let request = unpack(&self.world, request);
        let Some(parcel) = send(&self.world, &self.process, request) else { return Box::pin(pending()) };
        let (sender, receiver) = oneshot::channel();
        tokio::spawn(carry(Arc::clone(&self.world), Arc::clone(&self.process), parcel, sender));
        Box::pin(async move {
            match receiver.await {
                Ok(reply) => reply,
                // The answer was lost on its way: the client waits until it gives up.
                Err(_) => pending().await,
            }
        })
    }
}

/// The request as the API server takes it. The client sends whole bodies, so this never waits.
fn unpack(world: &World, request: http::Request<Body>) -> Request {
    let (head, body) = request.into_parts();
    let body = body.collect_bytes().now_or_never().and_then(Result::ok).unwrap_or_default();
    let mut path = head.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    if world.pages_are_short {
        // Lists come in pages, as they would of thousands of objects.
        path = path.replace("limit=500", "limit=2");
    }
    let content_type = head.headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    Request {
        method: head.method,
        path,
        content_type: content_type.unwrap_or_default().to_owned(),
        body: body.to_vec(),
        sent: world.now(),
    }
}

fn class_of(request: &Request) -> Class {
    let path = request.path.as_str();
    if path.contains("/leases") {
        Class::Lease
    } else if request.method != Method::GET {
        Class::Write
    } else if path.contains("watch=true") || path.contains("watch=1") {
        Class::Watch
    } else {
        Class::Read
    }
}

/// A process sends a request. `None` if it dies before that.
fn send(world: &Arc<World>, process: &Arc<Process>, request: Request) -> Option<Parcel> {
    let class = class_of(&request);
    let is_deletion = request.method == Method::DELETE && request.path.contains("/pods/");
    let (point, number, deletion) = {
        let mut state = world.state();
        state.deletions += u32::from(is_deletion);
        let sent = state.sent.entry(class).or_insert(0);
        *sent += 1;
        let point = Point { class, number: *sent };
        let number = state.sent.values().map(|count| u64::from(*count)).sum();
        let numbers = [2, u64::from(process.replica), hash(request.path.as_bytes()), hash(&request.body)];
        let line = || format!("{} -> {point} {} {}", process.identity, request.method, short(&request.path));
        if class == Class::Lease {
            state.trace.quietly(world.millis(), &numbers);
        } else {
            state.trace.note(world.millis(), &numbers, line);
        }
        if class == Class::Write {
            // Also one that changes nothing is a sign of unrest.
            state.quiet_since = Instant::now();
        }
        (point, number, state.deletions)
    };
    let at_deletion = world.faults_at_deletion(deletion).filter(|_| is_deletion);
    let faults: Vec<Fault> = world.faults_at(point).chain(at_deletion).cloned().collect();
    let mut held = Duration::ZERO;
    let mut survives = false;
    for fault in &faults {
        match fault {
            Fault::Crash { stage: Stage::Before, downtime, .. } => {
                world.strike(fault);
                process.crash(Duration::from_millis(*downtime));
                return None;
            }
            Fault::Crash { stage: Stage::Late, downtime, .. } => {
                world.strike(fault);
                process.crash(Duration::from_millis(*downtime));
                held = Duration::from_millis(*downtime + 1 + number * 7_919 % STRAGGLE);
                survives = true;
            }
            Fault::Stop { downtime, .. } => {
                world.strike(fault);
                process.stop(Duration::from_millis(*downtime));
            }
            Fault::Freeze { held: is_held, length, .. } => {
                world.strike(fault);
                let length = Duration::from_millis(*length);
                process.freeze(world, length);
                if *is_held {
                    held = length;
                }
            }
            Fault::Apart { length, .. } => {
                world.strike(fault);
                process.part(world, Duration::from_millis(*length));
            }
            Fault::Late { by, .. } => {
                world.strike(fault);
                held += Duration::from_millis(*by);
                survives = true;
            }
            _ => {}
        }
    }
    Some(Parcel { request, point, number, faults, held, survives })
}

/// Carries a request to the API server, and its answer back.
async fn carry(world: Arc<World>, process: Arc<Process>, parcel: Parcel, reply: oneshot::Sender<Reply>) {
    let matters = parcel.point.class == Class::Write;
    if matters {
        world.hold();
    }
    let answer = if get_through(&process, &reply).await { deliver(&world, &process, &parcel).await } else { None };
    if matters {
        world.let_go();
    }
    let Some(answer) = answer else {
        reply_never(reply).await;
        return;
    };
    let answer = match answer {
        Ok(answer) => answer,
        Err(broken) => {
            let _ = reply.send(Err(broken));
            return;
        }
    };
    sleep(world.latency(parcel.number * 2 + 1)).await;
    get_through(&process, &reply).await;
    if process.is_dead() {
        return;
    }
    let response = match answer {
        Answer::Object { code, body, retry_after } => respond(code, &body, retry_after),
        Answer::Watch(watch) => watching::open(&world, &process, watch, &parcel.request.path),
    };
    let _ = reply.send(Ok(response));
    for fault in &parcel.faults {
        if let Fault::Crash { stage: Stage::Answered, downtime, .. } = fault {
            sleep(Duration::from_millis(1)).await;
            world.strike(fault);
            process.crash(Duration::from_millis(*downtime));
        }
    }
}

/// Waits until the network is up. False if it was down for longer than anybody waited for an answer.
async fn get_through(process: &Process, reply: &oneshot::Sender<Reply>) -> bool {
    let up = process.in_touch_at();
    if up <= Instant::now() {
        return true;
    }
    sleep_until(up).await;
    !reply.is_closed()
}

/// Nothing comes, until the client or its connection gives up.
async fn reply_never(mut reply: oneshot::Sender<Reply>) {
    let given_up = tokio::time::timeout(SILENCE, reply.closed()).await.is_ok();
    if !given_up {
        let _ = reply.send(Err(reset()));
    }
}

/// Takes a request to the API server; returns what comes back, if anything does.
async fn deliver(world: &Arc<World>, process: &Arc<Process>, parcel: &Parcel) -> Option<Result<Answer, Broken>> {
    sleep(parcel.held + world.latency(parcel.number * 2)).await;
    // What a process that died had just sent arrives, or doesn't.
    if process.is_dead() && !parcel.survives && world.latency(parcel.number * 2).as_millis().is_multiple_of(2) {
        return None;
    }
    for fault in &parcel.faults {
        match fault {
            Fault::Human { after: false, action, .. } => {
                world.strike(fault);
                world.human(action);
            }
            Fault::Stranger { kind, .. } => {
                world.strike(fault);
                world.stranger(*kind);
            }
            Fault::Namesake { .. } => {
                world.strike(fault);
                world.namesake(&parcel.request);
            }
            Fault::Answer { code, applied: false, .. } => {
                world.strike(fault);
                return Some(Ok(refuse(*code, &parcel.request)));
            }
            Fault::Lost { applied: false, .. } => {
                world.strike(fault);
                return None;
            }
            Fault::Reset { applied: false, .. } => {
                world.strike(fault);
                return Some(Err(reset()));
            }
            _ => {}
        }
    }
    let answer = world.carry_out(process, parcel.point, &parcel.request);
    for fault in &parcel.faults {
        match fault {
            Fault::Human { after: true, action, .. } => {
                world.strike(fault);
                world.human(action);
            }
            Fault::Crash { stage: Stage::Applied, downtime, .. } => {
                world.strike(fault);
                process.crash(Duration::from_millis(*downtime));
                return None;
            }
            Fault::Answer { code, applied: true, .. } => {
                world.strike(fault);
                world.state().reached.hidden(&parcel.request, &answer);
                return Some(Ok(refuse(*code, &parcel.request)));
            }
            Fault::Lost { applied: true, .. } => {
                world.strike(fault);
                world.state().reached.hidden(&parcel.request, &answer);
                return None;
            }
            Fault::Reset { applied: true, .. } => {
                world.strike(fault);
                world.state().reached.hidden(&parcel.request, &answer);
                return Some(Err(reset()));
            }
            _ => {}
        }
    }
    Some(Ok(answer))
}

fn reset() -> Broken {
    Box::new(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer"))
}

/// An answer that the API server, or something before it, gives instead of the true one.
fn refuse(code: u16, request: &Request) -> Answer {
    let (reason, message) = match code {
        // A pod that is itself invalid would rightly fail its task; one that a policy doesn't like for now is tried again.
        422 if request.method == Method::POST => {
            ("Invalid", "ValidatingAdmissionPolicy 'p' with binding 'b' denied request")
        }
        403 => ("Forbidden", "exceeded quota: simulated, requested: pods=1, used: pods=9, limited: pods=9"),
        409 => ("Conflict", "Operation cannot be fulfilled: the object has been modified"),
        422 => ("Invalid", "the object is invalid: simulated"),
        429 => ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
        500 => ("InternalError", "an error on the server has prevented the request from succeeding"),
        503 => ("ServiceUnavailable", "the server is currently unable to handle the request"),
        _ => ("Timeout", "request did not complete within the allotted timeout"),
    };
    let retry_after = (code == 429).then_some(1);
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": format!("{message} ({} {})", request.method, short(&request.path)), "reason": reason, "code": code,
        "details": { "retryAfterSeconds": retry_after.unwrap_or(0) },
    });
    Answer::Object { code, body, retry_after }
}

fn respond(code: u16, body: &Value, retry_after: Option<u32>) -> Response<Payload> {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let whole = Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(whole);
    *response.status_mut() = http::StatusCode::from_u16(code).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    if let Some(seconds) = retry_after {
        response.headers_mut().insert(http::header::RETRY_AFTER, seconds.into());
    }
    response
}

/// A path as people read it: resource and name.
pub fn short(path: &str) -> &str {
    let path = path.split('?').next().unwrap_or(path);
    path.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/')).map_or(path, |(_, rest)| rest)
}
