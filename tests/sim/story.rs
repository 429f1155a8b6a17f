//! What happened in a world: a hash that two runs of one schedule must share, and, where it is recorded, one line an event.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::io;

use crate::check::journal::{Verb, Write};
use crate::stream::{hash, mix};

/// The trace of a world.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    steps: u64,
    lines: Option<Vec<String>>,
}

impl Trace {
    /// An empty trace; in words too, if it is recorded.
    pub fn new(recording: bool) -> Self {
        Self { hash: 0, steps: 0, lines: recording.then(Vec::new) }
    }

    /// Something happened at this millisecond. The numbers tell it from everything else that may have happened then.
    pub fn note(&mut self, at: u64, numbers: &[u64], line: impl FnOnce() -> String) {
        self.quietly(at, numbers);
        if let Some(lines) = &mut self.lines {
            let said = String::from_utf8(LOG.take()).unwrap_or_default();
            lines.extend(said.lines().map(|line| format!("{:>12}  | {line}", "")));
            lines.push(format!("{:>6}.{:03} s  {}", at / 1_000, at % 1_000, line()));
        }
    }

    /// Something happened that is no part of the story: a lease was renewed once more.
    pub fn quietly(&mut self, at: u64, numbers: &[u64]) {
        self.steps += 1;
        self.hash = numbers.iter().fold(mix(self.hash ^ at), |hash, number| mix(hash ^ *number));
    }

    /// A write was applied. What operators send is told by their requests; here the others have their say.
    pub fn wrote(&mut self, at: u64, write: &Write) {
        let (verb, words) = match write.verb {
            Verb::Create => (1, "created"),
            Verb::Update => (2, "updated"),
            Verb::Patch => (3, "patched"),
            Verb::Delete => (4, "deleted"),
        };
        let quiet = write.resource == "leases" || write.actor.starts_with("op-");
        let numbers = [1, verb, hash(write.name.as_bytes()), hash(write.uid.as_bytes()), u64::from(write.removed)];
        if quiet {
            self.hash = numbers.iter().fold(self.hash, |hash, number| mix(hash ^ *number));
            return;
        }
        self.note(at, &numbers, || {
            let mut line = format!("{} {words} {}/{}", write.actor, write.resource, write.name);
            if !write.subresource.is_empty() {
                let _ = write!(line, "/{}", write.subresource);
            }
            if let Some(phase) = write.object.pointer("/status/phase").and_then(serde_json::Value::as_str) {
                let _ = write!(line, " ({phase})");
            }
            if write.removed {
                line.push_str(", gone");
            }
            line
        });
    }

    /// The hash of everything so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many things happened so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The lines, where they were recorded.
    pub fn into_lines(self) -> Vec<String> {
        self.lines.unwrap_or_default()
    }
}

thread_local! {
    /// What the operators of this thread's world logged and the story doesn't tell yet.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Takes what is logged on this thread into the story, as long as the guard lives.
pub fn listen() -> tracing::subscriber::DefaultGuard {
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("gantline=debug")
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .with_writer(|| Log)
        .finish();
    LOG.take();
    tracing::subscriber::set_default(subscriber)
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
