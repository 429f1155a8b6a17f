//! S12: what is on record stays within its bounds.

use serde_json::Value;

use super::journal::Verb;
use super::read::{Status, list, text};
use super::world::{Step, World};
use super::{Findings, Invariant};

/// Bytes of a message, and of what something waits for.
const MESSAGE: usize = 1024;
/// Bytes of a condition's message.
const CONDITION: usize = 32 * 1024;
/// Transitions that a status spells out.
const HISTORY: usize = 64;
/// Bytes of a run's status: what etcd takes in one request, less what else is in it.
const STATUS: usize = 1_400_000;
/// Bytes of a log.
const LOG: usize = 24 * 1024;
/// Bytes of a revision.
const REVISION: usize = 1024 * 1024;
/// Bytes of a segment, and of a record of outputs.
const SEGMENT: usize = 256 * 1024;

/// Sizes.
pub struct Sizes;

impl<'j> Invariant<'j> for Sizes {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        if !step.by_operator {
            return;
        }
        if step.is(Verb::Create, "workflowrecords") {
            let size = size(&step.write.object);
            let of_run =
                ["/spec/segment", "/spec/outputs"].iter().any(|kind| step.write.object.pointer(kind).is_some());
            let most = if of_run { SEGMENT } else { REVISION };
            findings.check("S12", step.index, size <= most, || format!("the record has {size} bytes"));
        }
        if let Some(status) = &step.status {
            let run = world.runs.get(step.write.uid.as_str());
            // It grows slowly, so that it is enough to measure it now and then, and at the end.
            let turn = run.is_none_or(|run| {
                run.statuses.len().is_multiple_of(HISTORY) || run.status().is_none_or(|it| it.phase != status.phase)
            });
            let fault = fault(status).or_else(|| too_large(status).filter(|_| turn));
            findings.check("S12", step.index, fault.is_none(), || fault.unwrap_or_default());
        }
    }

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        for run in world.runs.values().filter(|run| !run.edited) {
            let fault = run.status().and_then(too_large);
            findings.check("S12", world.entries, fault.is_none(), || {
                format!("run {}: {}", run.name, fault.unwrap_or_default())
            });
        }
    }
}

fn too_large(status: &Status<'_>) -> Option<String> {
    let bytes = size(status.value);
    (bytes > STATUS).then(|| format!("the status has {bytes} bytes"))
}

/// A message that is too long, or too many transitions.
fn fault(status: &Status<'_>) -> Option<String> {
    let long = |whose: &str, value: &Value, bound: usize| {
        let bytes = text(value, "message").len();
        (bytes > bound).then(|| format!("the message of {whose} has {bytes} bytes"))
    };
    let waits = |whose: &str, value: &Value| {
        let bytes = value.get("waitingFor").map_or(0, |it| text(it, "detail").len());
        (bytes > MESSAGE).then(|| format!("what {whose} waits for is told in {bytes} bytes"))
    };
    if status.history().len() > HISTORY {
        return Some(format!("{} transitions are spelt out", status.history().len()));
    }
    let bytes = text(status.value, "log").len();
    if bytes > LOG {
        return Some(format!("the log has {bytes} bytes"));
    }
    let whole = long("the run", status.value, MESSAGE).or_else(|| waits("the run", status.value));
    let mut conditions = list(status.value, "conditions").iter();
    let mut found = whole.or_else(|| conditions.find_map(|it| long(text(it, "type"), it, CONDITION)));
    for task in status.changed.iter().map(|it| &it.new) {
        found = found.or_else(|| long(&task.name, task.value, MESSAGE)).or_else(|| waits(&task.name, task.value));
        for attempt in &task.attempts {
            found = found.or_else(|| long(attempt.pod, attempt.value, MESSAGE));
        }
    }
    found
}

/// Bytes of a value as JSON.
fn size(value: &Value) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}
