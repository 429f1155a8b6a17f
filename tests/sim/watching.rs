//! Watches: streams of events that lag, end, and can't always be resumed.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures::stream;
use gantline::controller::SILENCE;
use http::Response;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use serde_json::Value;
use tokio::sync::mpsc;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::fault::Fault;
use crate::model::Watch;
use crate::network::Payload;
use crate::replica::Process;
use crate::stream::hash;
use crate::world::World;

/// Time between bookmarks, as kube-apiserver sends them.
const BOOKMARK: Duration = Duration::from_mins(1);
/// How long a watch lasts that names no end.
const LONGEST: Duration = Duration::from_mins(30);

type Line = Result<Bytes, std::io::Error>;

/// A watch that is open.
struct Open {
    world: Arc<World>,
    process: Arc<Process>,
    watch: Watch,
    /// What tells this watch from all others.
    number: u64,
    /// Nothing is shown before.
    blind_until: Instant,
    lines: mpsc::UnboundedSender<Line>,
}

/// What becomes of a watch after an event.
#[derive(PartialEq, Eq)]
enum Next {
    GoesOn,
    Ends,
    /// Nothing more comes, and no end either, until the client gives the connection up.
    FallsSilent,
}

/// Opens a watch: the answer whose body is its events, one a line.
pub fn open(world: &Arc<World>, process: &Arc<Process>, watch: Watch, path: &str) -> Response<Payload> {
    let (lines, mut receiver) = mpsc::unbounded_channel::<Line>();
    let now = Instant::now();
    let number = {
        let state = world.state();
        state.sent.values().map(|count| u64::from(*count)).sum()
    };
    let mut blind_until = now;
    if process.incarnation > 1 {
        for fault in &world.schedule.faults {
            if let Fault::Blind { resource, by } = fault
                && resource == watch.resource()
            {
                world.strike(fault);
                blind_until = blind_until.max(now + Duration::from_millis(*by));
            }
        }
    }
    let timeout = path.split(['?', '&']).find_map(|part| part.strip_prefix("timeoutSeconds=")?.parse().ok());
    let end = now + timeout.map_or(LONGEST, Duration::from_secs);
    let open = Open { world: Arc::clone(world), process: Arc::clone(process), watch, number, blind_until, lines };
    tokio::spawn(open.go_on(end));
    let frames =
        stream::poll_fn(move |context| receiver.poll_recv(context).map(|line| line.map(|line| line.map(Frame::data))));
    Response::new(StreamBody::new(frames).boxed_unsync())
}

impl Open {
    /// Shows each revision after a lag of its own, in order, until the watch ends.
    async fn go_on(mut self, end: Instant) {
        let Some(mut revisions) = self.world.revisions_of(self.watch.resource()) else { return };
        let mut due: VecDeque<(Instant, u64)> = VecDeque::new();
        let mut bookmark = Instant::now() + BOOKMARK;
        // What happened between the answer and now is shown like the rest.
        let revision = self.world.state().server.revision();
        due.push_back((self.shown_at(None, revision), revision));
        loop {
            let first = due.front().map_or(end, |(at, _)| *at);
            tokio::select! {
                biased;
                () = self.lines.closed() => return,
                () = sleep_until(end) => return,
                () = revisions.changed() => {
                    let revision = self.world.state().server.revision();
                    due.push_back((self.shown_at(due.back().map(|(at, _)| *at), revision), revision));
                }
                () = sleep_until(first) => {
                    while let Some((_, revision)) = due.pop_front_if(|(at, _)| *at <= Instant::now()) {
                        match self.show(revision) {
                            Next::GoesOn => {}
                            Next::Ends => return,
                            Next::FallsSilent => return self.fall_silent().await,
                        }
                    }
                }
                () = sleep_until(bookmark), if due.is_empty() => {
                    bookmark = Instant::now() + BOOKMARK;
                    let revision = self.world.state().server.revision();
                    // The events, if there are any, are of other objects than those that are watched.
                    if self.show(revision) != Next::GoesOn || !self.line(&self.watch.bookmark()) {
                        return;
                    }
                }
            }
        }
    }

    /// When a revision is shown: after all before it, after its own lag, after what faults keep it back for.
    fn shown_at(&self, before: Option<Instant>, revision: u64) -> Instant {
        let now = Instant::now();
        let at = (now + self.world.lag(self.number, revision)).max(before.unwrap_or(now)).max(self.blind_until);
        let at = at.max(self.process.in_touch_at());
        self.world.lagging_until(&self.process.identity, self.watch.resource(), at)
    }

    /// Shows all events up to a revision.
    fn show(&mut self, upto: u64) -> Next {
        let events = {
            let state = self.world.state();
            self.watch.events(&state.server, upto)
        };
        for event in events {
            let next = self.deliver(&event);
            if next != Next::GoesOn {
                return next;
            }
        }
        Next::GoesOn
    }

    /// Waits until the client gives the connection up.
    async fn fall_silent(self) {
        sleep(SILENCE).await;
        let _ =
            self.lines.send(Err(std::io::Error::new(std::io::ErrorKind::TimedOut, "nothing was heard for too long")));
    }

    /// Delivers one event, or what a fault makes of it.
    fn deliver(&mut self, event: &Value) -> Next {
        if self.process.is_dead() {
            return Next::Ends;
        }
        let is_error = event["type"] == "ERROR";
        let number = {
            let mut state = self.world.state();
            state.delivered += 1;
            state.reached.showed(&self.process, self.watch.resource(), event);
            let (name, version) =
                (text(event, "/object/metadata/name"), text(event, "/object/metadata/resourceVersion"));
            let numbers = [3, u64::from(self.process.replica), hash(name.as_bytes()), hash(version.as_bytes())];
            let number = state.delivered;
            state.trace.note(self.world.millis(), &numbers, || {
                let kind = event["type"].as_str().unwrap_or_default();
                format!("{} <~ e{number} {kind} {}/{name} @{version}", self.process.identity, self.watch.resource())
            });
            number
        };
        let mut twice = false;
        for fault in &self.world.schedule.faults {
            if fault.event() != Some(number) {
                continue;
            }
            self.world.strike(fault);
            match fault {
                Fault::Gone { .. } => {
                    self.world.act(|server, _| {
                        let revision = server.revision();
                        server.compact(revision);
                    });
                    return Next::Ends;
                }
                Fault::Cut { .. } => {
                    if number.is_multiple_of(2) {
                        let broken =
                            std::io::Error::new(std::io::ErrorKind::ConnectionReset, "connection reset by peer");
                        let _ = self.lines.send(Err(broken));
                    }
                    return Next::Ends;
                }
                Fault::Mute { .. } => return Next::FallsSilent,
                Fault::Twice { .. } => twice = true,
                _ => {}
            }
        }
        let goes_on = self.line(event) && (!twice || self.line(event));
        if goes_on && !is_error { Next::GoesOn } else { Next::Ends }
    }

    /// Sends one line; false if nobody reads any more. The type comes first, as kube-apiserver writes it.
    fn line(&self, event: &Value) -> bool {
        let line = format!("{{\"type\":{},\"object\":{}}}\n", event["type"], event["object"]);
        self.lines.send(Ok(Bytes::from(line))).is_ok()
    }
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}
