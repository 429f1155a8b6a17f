//! S5: attempts are numbered from 1, only ever added to, each with one pod, and replaced within the budgets and only there. S10: at most
//! 256 attempts of a run wait for their pods at once.

use gantline::api::{AttemptOutcome, TaskPhase};
use jiff::Timestamp;

use super::read::{Attempt, Changed, Status, Task, text, time, told_of};
use super::retry::{Counts, FOR_GOOD, Retry};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Attempts of a run that may wait for their pods.
const WAITING: usize = 256;

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
            let names = |status: &Status<'j>| -> Vec<String> {
                status.tasks.iter().filter(|task| task.item.is_none()).map(|task| task.name.clone()).collect()
            };
            findings.check("S5", step.index, names(before) == names(after), || {
                "the tasks on record are others than before".to_owned()
            });
        }
        for changed in after.changed.iter().filter(|it| !it.new.is_bare()) {
            let task = changed.new.as_ref();
            let retry = run.and_then(|run| Retry::of_task(world, run, after, &task.name));
            let edited = run.is_some_and(|run| run.edited);
            let fault = grown(after, changed, retry.as_ref(), edited);
            let fault = fault.or_else(|| waits(run?, after, changed, retry.as_ref()?));
            let fault = fault.or_else(|| given_up(after, changed, retry.as_ref()?).filter(|_| !edited));
            // A hand may have left a state that none of our own would be, such as an end without an outcome.
            let fault = fault.or_else(|| open(task).filter(|_| !edited));
            findings.check("S5", step.index, fault.is_none(), || {
                format!("task {}: {}", task.name, fault.as_deref().unwrap_or_default())
            });
        }
    }
}

/// What is wrong with how the attempts of a task have grown. Without its spec, which the journal may not have, less is known.
fn grown(status: &Status<'_>, changed: &Changed<'_>, retry: Option<&Retry<'_>>, edited: bool) -> Option<String> {
    let task = changed.new.as_ref();
    let (old, new) = (changed.old_attempts(), &task.attempts);
    if new.is_empty() {
        // What ended anew without having begun lists no attempts of a former generation.
        let may_go = |old: &&Attempt<'_>| old.generation < status.generation && status.has_counted(task, old.number);
        return old.iter().find(|old| !may_go(old)).map(|old| format!("attempt {} is gone", old.number));
    }
    let was_told = changed.old.as_ref().is_none_or(|old| old.is_told) && task.is_told;
    let first = new.first().map_or(0, |first| first.number);
    let counted = old.iter().take_while(|old| old.number < first).count();
    // Those that are listed no more are counted instead, and only to make room for another.
    let before = changed.old.as_deref().map(Counts::earlier).unwrap_or_default();
    let before = if changed.is_reopened() { before.reopened() } else { before };
    if let Some(open) = old[..counted].iter().find(|old| old.outcome.is_none()) {
        return Some(format!("attempt {} is listed no more, and has no outcome", open.number));
    }
    let mut expected = before.and(status.generation, &old[..counted]);
    let former = status.former(task);
    if Counts::earlier(task).former == former {
        // What goes on from a letter, or in a list that is made anew, is numbered on from the highest number of all.
        expected.former = former;
    }
    // How those ended that aren't listed, a status that a hand wrote doesn't tell.
    if Counts::earlier(task) != expected && !(edited && changed.old.as_ref().is_none_or(|old| !old.is_told)) {
        return Some(format!(
            "{counted} attempts are listed no more, and {:?} are counted, not {expected:?}",
            Counts::earlier(task)
        ));
    }
    for (index, old) in old.iter().skip(counted).enumerate() {
        let Some(new) = new.get(index) else { return Some(format!("attempt {} is gone", old.number)) };
        if (new.number, new.pod) != (old.number, old.pod) {
            return Some(format!("attempt {} became {}, pod {} became {}", old.number, new.number, old.pod, new.pod));
        }
        if old.uid.is_some_and(|uid| !uid.is_empty()) && new.uid != old.uid {
            return Some(format!("the uid of attempt {} was {:?} and became {:?}", old.number, old.uid, new.uid));
        }
    }
    let added = new.get(old.len() - counted..).unwrap_or_default();
    let [added] = added else {
        // One that was a letter lists what it knows of.
        let fault = if added.is_empty() { counted > 0 && was_told } else { true };
        return fault.then(|| format!("{} attempts were added at once, {counted} are listed no more", added.len()));
    };
    // What isn't told of any more goes on from the highest number of all.
    let next = old.last().map_or(1, |last| last.number + 1);
    let expected = if next <= former && !(was_told && new.len() > 1) { former + 1 } else { next };
    if added.generation != status.generation {
        return Some(format!("attempt {} is of generation {}", added.number, added.generation));
    }
    // A hand that takes the attempts of one that is spelt out off the record takes their numbers with them.
    let is_anew = edited && was_told && old.is_empty() && added.number == next;
    if added.number != expected && !is_anew {
        return Some(format!("attempt {} was added where {expected} is next", added.number));
    }
    // A child run that goes on in its next generation is that of another attempt.
    let generation = |attempt: &Attempt<'_>| attempt.value["runGeneration"].as_u64();
    let same = |other: &&Attempt<'_>| other.pod == added.pod && generation(other) == generation(added);
    if status.attempts().filter(same).count() != 1 {
        return Some(format!("pod {} is that of several attempts", added.pod));
    }
    // It may have ended in this very write.
    let earlier = new.get(..new.len() - 1).unwrap_or_default();
    let last = earlier.last()?;
    if last.generation != status.generation {
        return None;
    }
    let counts = Counts::earlier(task).and(status.generation, earlier);
    retry?.forbids(counts, last).or_else(|| early(status, task, last, added, retry?))
}

/// Whether an attempt began before its time. A wait that is longer than any, when it is looked at, was written by a clock that
/// leapt back since, and counts as over.
fn early(
    status: &Status<'_>,
    task: &Task<'_>,
    last: &Attempt<'_>,
    added: &Attempt<'_>,
    retry: &Retry<'_>,
) -> Option<String> {
    let intended = entered(status, task, "Starting", added.number)?;
    let due = time(last.value, "nextAt")?;
    let early = intended < due && due.duration_since(intended) <= retry.longest_wait();
    early.then(|| format!("attempt {} was due at {due} and began at {intended}", added.number))
}

/// What is wrong with the wait after a failure that goes on record.
fn waits(run: &Run<'_>, status: &Status<'_>, changed: &Changed<'_>, retry: &Retry<'_>) -> Option<String> {
    let task = changed.new.as_ref();
    let was_open =
        |it: &&Attempt<'_>| changed.old_attempts().iter().all(|old| old.number != it.number || old.outcome.is_none());
    let (place, failed) =
        task.attempts.iter().enumerate().find(|(_, it)| {
            matches!(it.outcome, Some(AttemptOutcome::Failed | AttemptOutcome::NotYet)) && was_open(it)
        })?;
    let next_at = time(failed.value, "nextAt")?;
    let decided = entered(status, task, "Backoff", failed.number)?;
    let counts = Counts::earlier(task).and(status.generation, &task.attempts[..=place]);
    let due = if failed.outcome == Some(AttemptOutcome::NotYet) {
        retry.wait_after_poll(failed)?
    } else {
        retry.wait_after(counts, run.uid, &task.name, failed.number)
    };
    let found = next_at.duration_since(decided);
    // A row tells whole milliseconds.
    let is_it = found == due || !task.is_told && due.checked_sub(found).is_some_and(|less| less.as_millis() == 0);
    (!is_it).then(|| format!("attempt {} is followed by a wait of {found:?} instead of {due:?}", failed.number))
}

/// Whether a task failed with its newest attempt though its budgets, which are those of this generation, allow for another.
fn given_up(status: &Status<'_>, changed: &Changed<'_>, retry: &Retry<'_>) -> Option<String> {
    let task = changed.new.as_ref();
    let last = task.attempts.last().filter(|last| last.generation == status.generation)?;
    let was_closed = changed.old_attempts().iter().any(|old| old.number == last.number && old.outcome.is_some());
    if task.phase != TaskPhase::Failed || was_closed || !task.is_told || FOR_GOOD.contains(&text(task.value, "reason"))
    {
        return None;
    }
    retry.demands(Counts::earlier(task).and(status.generation, &task.attempts), last)
}

/// When a task entered a phase with an attempt, by the newest transition that says so.
fn entered(status: &Status<'_>, task: &Task<'_>, phase: &str, attempt: u64) -> Option<Timestamp> {
    let is_it =
        |entry: &&serde_json::Value| entry["attempt"] == attempt && entry["to"] == phase && told_of(entry) == task.name;
    time(status.told.newest().find(is_it)?, "at")
}

/// What is wrong with which attempt is open: only the newest may be, and it is while the task may have a pod.
fn open(task: &Task<'_>) -> Option<String> {
    let last = task.attempts.len().saturating_sub(1);
    let open: Vec<usize> = (0..task.attempts.len()).filter(|index| task.attempts[*index].outcome.is_none()).collect();
    // One that has items has no attempts of its own.
    let with_items = task.value.get("items").is_some();
    let expected: &[usize] = if task.phase.has_pod() && !with_items { &[last] } else { &[] };
    (open != expected)
        .then(|| format!("it is {:?}, and the attempts without an outcome are {open:?}, from 0", task.phase))
}

/// Attempts whose pod isn't known to exist.
fn waiting(status: &Status<'_>) -> usize {
    let starting = status.tasks.iter().filter(|task| task.phase == TaskPhase::Starting);
    starting.filter(|task| task.attempts.last().is_some_and(|last| last.uid.is_none())).count()
}
