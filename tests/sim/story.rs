//! What happened in a world: a hash that two runs of one schedule must share, and, where it is recorded, one line an event.

use std::fmt::Write as _;

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
        self.steps += 1;
        self.hash = numbers.iter().fold(mix(self.hash ^ at), |hash, number| mix(hash ^ *number));
        if let Some(lines) = &mut self.lines {
            lines.push(format!("{:>6}.{:03} s  {}", at / 1_000, at % 1_000, line()));
        }
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
