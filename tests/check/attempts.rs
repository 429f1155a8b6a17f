//! S5: attempts are numbered from 1, only ever added to, each with one pod, and replaced only within the budgets. S10: at most
//! 64 attempts of a run wait for their pods at once.

use gantline::api::{AttemptOutcome, TaskPhase};
use jiff::{SignedDuration, Timestamp};

use super::read::{Attempt, Status, Task, text, time};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Disruptions of a task that are made good before its container started, and as many after.
const DISRUPTIONS: usize = 5;
/// The longest wait after a disruption. One that is still longer when it is looked at again was written by a clock that leapt
/// back since, and counts as over.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_secs(300);
/// Attempts of a run that may wait for their pods.
const WAITING: usize = 64;

/// Attempts.
pub struct Attempts;

impl<'j> Invariant<'j> for Attempts {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let run = world.runs.get(step.write.uid.as_str());
        let before = run.and_then(Run::status);

        let waiting = waiting(after);
        // More may have been put on record by hand; it must not become more still.
        let bound = before.map_or(0, self::waiting).max(WAITING);
        findings.check("S10", step.index, waiting <= bound, || format!("{waiting} attempts wait for their pods"));

        if let Some(before) = before.filter(|before| !before.tasks.is_empty()) {
            let names = before.tasks.iter().map(|task| task.name);
            findings.check("S5", step.index, names.eq(after.tasks.iter().map(|task| task.name)), || {
                "the tasks on record are others than before".to_owned()
            });
        }
        for changed in &after.changed {
            let task = changed.new.as_ref();
            let fault = grown(after, task, changed.old_attempts());
            // A hand may have left a state that none of our own would be, such as an end without an outcome.
            let fault = fault.or_else(|| open(task).filter(|_| !run.is_some_and(|run| run.edited)));
            findings.check("S5", step.index, fault.is_none(), || {
                format!("task {}: {}", task.name, fault.as_deref().unwrap_or_default())
            });
        }
    }
}

/// What is wrong with how the attempts of a task have grown.
fn grown(status: &Status<'_>, task: &Task<'_>, old: &[Attempt<'_>]) -> Option<String> {
    let new = &task.attempts;
    for (index, old) in old.iter().enumerate() {
        let Some(new) = new.get(index) else { return Some(format!("attempt {} is gone", old.number)) };
        if (new.number, new.pod) != (old.number, old.pod) {
            return Some(format!("attempt {} became {}, pod {} became {}", old.number, new.number, old.pod, new.pod));
        }
        if old.uid.is_some() && new.uid != old.uid {
            return Some(format!("the uid of attempt {} was {:?} and became {:?}", old.number, old.uid, new.uid));
        }
    }
    let added = new.get(old.len()..).unwrap_or_default();
    let [added] = added else {
        return (!added.is_empty()).then(|| format!("{} attempts were added at once", added.len()));
    };
    let earlier = new.get(..old.len()).unwrap_or_default();
    let expected = earlier.last().map_or(1, |last| last.number + 1);
    if added.number != expected {
        return Some(format!("attempt {} was added where {expected} is next", added.number));
    }
    if status.attempts().filter(|other| other.pod == added.pod).count() != 1 {
        return Some(format!("pod {} is that of several attempts", added.pod));
    }
    replaced(status, task, earlier, added)
}

/// What is wrong with an attempt that replaces others.
fn replaced(status: &Status<'_>, task: &Task<'_>, earlier: &[Attempt<'_>], added: &Attempt<'_>) -> Option<String> {
    let last = earlier.last()?;
    if last.outcome != Some(AttemptOutcome::Disrupted) {
        return Some(format!("attempt {} ended {:?}, and there is another", last.number, last.outcome));
    }
    for started in [false, true] {
        let disrupted =
            |it: &&Attempt<'_>| it.outcome == Some(AttemptOutcome::Disrupted) && it.has_started() == started;
        let count = earlier.iter().filter(disrupted).count();
        if last.has_started() == started && count > DISRUPTIONS {
            let when = if started { "after" } else { "before" };
            return Some(format!("{count} disruptions {when} the start, and there is another attempt"));
        }
    }
    let is_intent = |entry: &&serde_json::Value| {
        text(entry, "task") == task.name && entry["attempt"] == added.number && entry["to"] == "Starting"
    };
    let intended: Timestamp = time(status.history.iter().rev().find(is_intent)?, "at")?;
    let due = time(last.value, "nextAt")?;
    let early = intended < due && due.duration_since(intended) <= LONGEST_WAIT;
    early.then(|| format!("attempt {} was due at {due} and began at {intended}", added.number))
}

/// What is wrong with which attempt is open: only the newest may be, and it is while the task may have a pod.
fn open(task: &Task<'_>) -> Option<String> {
    let last = task.attempts.len().saturating_sub(1);
    let open: Vec<usize> = (0..task.attempts.len()).filter(|index| task.attempts[*index].outcome.is_none()).collect();
    let expected: &[usize] = if task.phase.has_pod() { &[last] } else { &[] };
    (open != expected)
        .then(|| format!("it is {:?}, and the attempts without an outcome are {open:?}, from 0", task.phase))
}

/// Attempts whose pod isn't known to exist.
fn waiting(status: &Status<'_>) -> usize {
    let starting = status.tasks.iter().filter(|task| task.phase == TaskPhase::Starting);
    starting.filter(|task| task.attempts.last().is_some_and(|last| last.uid.is_none())).count()
}
