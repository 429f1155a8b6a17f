//! S7, of timeouts: a deadline is as far away as the timeout when it is set, and nothing times out before it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::read::{Attempt, Changed, Status, list, main_start, meta, text, time, told_of};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// How long a kubelet may be unable to start a pod of a task without a startTimeout.
const UNABLE_TO_START: SignedDuration = SignedDuration::from_secs(600);

/// Deadlines.
pub struct Deadlines;

impl<'j> Invariant<'j> for Deadlines {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(run) = world.runs.get(step.write.uid.as_str()) else { return };
        let Some(pinned) = world.pinned(run, after) else { return };
        let mut faults = Vec::new();
        of_run(run, pinned, after, &mut faults);
        of_finally(world, run, pinned, after, &mut faults);
        for changed in after.changed.iter().filter(|it| !it.new.is_bare()) {
            let Some(planned) = world.planned(run, after, &changed.new.name) else { continue };
            let timeout = |field: &str| {
                let own = planned.get(field).filter(|own| !own.is_null());
                duration(own.or_else(|| pinned.pointer(&format!("/taskDefaults/{field}"))))
            };
            let pod = |attempt: &Attempt<'_>| world.pods.get(attempt.uid?).map(|pod| pod.object);
            of_task(
                run.status().map_or(&Value::Null, |status| status.value),
                after,
                changed,
                (timeout, pod),
                &mut faults,
            );
        }
        let told = faults.join("; ");
        findings.check("S7", step.index, faults.is_empty(), || told);
    }
}

fn duration(text: Option<&Value>) -> Option<SignedDuration> {
    Some(text?.as_str()?.parse().expect("a duration that was planned"))
}

/// When the run, where `task` is empty, or a task entered a phase, by the newest transition that says so.
fn entered(status: &Status<'_>, task: &str, phase: &str, reason: &str) -> Option<Timestamp> {
    let is_it = |entry: &&Value| {
        told_of(entry) == task && entry["to"] == phase && (reason.is_empty() || text(entry, "reason") == reason)
    };
    time(status.told.newest().find(is_it)?, "at")
}

fn of_run(run: &Run<'_>, pinned: &Value, after: &Status<'_>, faults: &mut Vec<String>) {
    let before = run.status().map_or(&Value::Null, |status| status.value);
    let timeout = duration(pinned.get("timeout"));
    if let (None, Some(deadline), Some(started), Some(timeout)) =
        (time(before, "deadlineAt"), time(after.value, "deadlineAt"), time(after.value, "startedAt"), timeout)
        && before.get("startedAt").is_none()
        && deadline.duration_since(started) != timeout
    {
        faults.push(format!("the run's deadline is {deadline}, and it started at {started}"));
    }
    let ttl = duration(pinned.get("ttl"));
    let (ended, expires) = (time(after.value, "finishedAt"), time(after.value, "expiresAt"));
    if before.get("finishedAt").is_none()
        && let (Some(ended), Some(ttl)) = (ended, ttl)
        && expires.map(|expires| expires.duration_since(ended)) != Some(ttl)
    {
        faults.push(format!("the run ended at {ended}, and expires at {expires:?}, not {ttl:#} later"));
    }
    if text(after.value, "reason") == "RunTimedOut" && text(before, "reason") != "RunTimedOut" {
        let deadline = time(after.value, "deadlineAt");
        let early =
            entered(after, "", "Stopping", "RunTimedOut").zip(deadline).is_none_or(|(at, deadline)| at < deadline);
        if early {
            faults.push(format!("the run timed out before {deadline:?}"));
        }
    }
}

/// How long the finally tasks may take where nothing is said.
const FINALLY: SignedDuration = SignedDuration::from_mins(30);

/// The finally tasks have their time from when the last main task ended.
fn of_finally(world: &World<'_>, run: &Run<'_>, pinned: &Value, after: &Status<'_>, faults: &mut Vec<String>) {
    let before = run.status().map_or(&Value::Null, |status| status.value);
    let Some(deadline) = time(after.value, "finallyDeadlineAt").filter(|_| before.get("finallyDeadlineAt").is_none())
    else {
        return;
    };
    if let Some(task) = world.unfinished_main(run, after) {
        faults.push(format!("the finally tasks' time counts, and task {task} goes on"));
    }
    let ended = after.told.newest().find(|it| it.get("task").is_some());
    // Where finally tasks alone run again, no other has ended.
    let ended = ended.filter(|it| it["to"] != "Pending").and_then(|it| time(it, "at"));
    let timeout = duration(pinned.get("finallyTimeout")).unwrap_or(FINALLY);
    // A main task ended in this very write, unless a hand wrote that.
    if let Some(ended) = ended.filter(|_| !run.edited)
        && deadline.duration_since(ended) != timeout
    {
        faults
            .push(format!("the deadline of the finally tasks is {deadline}, and the last other task ended at {ended}"));
    }
}

fn of_task<'j>(
    status: &Value,
    after: &Status<'_>,
    changed: &Changed<'j>,
    (timeout, pod): (impl Fn(&str) -> Option<SignedDuration>, impl Fn(&Attempt<'j>) -> Option<&'j Value>),
    faults: &mut Vec<String>,
) {
    let task = changed.new.as_ref();
    let before = changed.old.as_deref().map_or(&Value::Null, |old| old.value);
    // A hand may have taken attempts, or a whole task, out of the record, which doesn't begin the task anew.
    let begins = changed.old_attempts().is_empty() && before.get("deadlineAt").is_none();
    let seq = |entry: &Value| entry["seq"].as_u64().unwrap_or(0);
    let last = list(status, "history").last().map_or(0, seq);
    let mut fresh = after.told.newest().take_while(|entry| seq(entry) > last);
    let begins = begins && fresh.any(|entry| told_of(entry) == task.name && entry["to"] == "Starting");
    // Of items, their task has one for all.
    let first = entered(after, &task.name, "Starting", "").filter(|_| begins && task.item.is_none());
    let total = Set { of: "totalTimeout", task: &task.name, is_told: task.is_told };
    total.check(time(task.value, "deadlineAt"), first, timeout("totalTimeout"), faults);

    let Some(last) = task.attempts.last() else { return };
    let old = changed.old_attempts().iter().find(|old| old.number == last.number);
    let ran = old.is_some_and(super::read::Attempt::has_started);
    let runs = entered(after, &task.name, "Running", "").filter(|_| last.has_started() && !ran);
    // It may have entered that phase with an earlier attempt.
    let runs = runs.filter(|_| text(task.value, "phase") == "Running");
    // Of one that was a letter it counts from what its pod says.
    let both_told = task.is_told && changed.old.as_ref().is_none_or(|old| old.is_told);
    let from_pod = pod(last).and_then(main_start).filter(|_| !both_told && runs.is_some());
    let own = Set { of: "timeout", task: &task.name, is_told: task.is_told };
    if task.is_told {
        own.check(time(last.value, "deadlineAt"), from_pod.or(runs), timeout("timeout"), faults);
    }

    let reason = text(task.value, "reason");
    if text(before, "reason") == reason {
        return;
    }
    // A letter doesn't tell it: it is so long after what the pod says.
    let after_pod = |since: Option<Timestamp>, field: &str| since?.checked_add(timeout(field)?).ok();
    let on_record = |field: &str, since: Option<Timestamp>| {
        let told =
            changed.old.as_ref().filter(|old| old.is_told).and(old).and_then(|old| time(old.value, "deadlineAt"));
        told.or_else(|| after_pod(since, field))
    };
    let (deadline, of) = match reason {
        "TimedOut" => (on_record("timeout", old.and_then(&pod).and_then(main_start)), "timeout"),
        "StartTimedOut" if timeout("startTimeout").is_some() => {
            let made = old.and_then(&pod).and_then(|pod| time(meta::of(pod), "creationTimestamp"));
            (on_record("startTimeout", made), "startTimeout")
        }
        "StartTimedOut" => {
            let told = before.get("waitingFor").and_then(|waiting| time(waiting, "since"));
            // Of a letter it isn't told since when: its pod says when it was made.
            let was_letter = changed.old.as_ref().is_some_and(|old| !old.is_told);
            let made = old.and_then(&pod).and_then(|pod| time(meta::of(pod), "creationTimestamp"));
            let since = told.or(made.filter(|_| was_letter));
            (since.and_then(|since| since.checked_add(UNABLE_TO_START).ok()), "start")
        }
        "TotalTimedOut" if task.item.is_some() => return,
        "TotalTimedOut" => (time(before, "deadlineAt"), "totalTimeout"),
        "FinallyTimedOut" => (time(status, "finallyDeadlineAt"), "finallyTimeout"),
        _ => return,
    };
    // Only what we stop; a kubelet has a clock of its own.
    let total = matches!(reason, "TotalTimedOut" | "FinallyTimedOut");
    let failed = entered(after, &task.name, "Failed", reason).filter(|_| total);
    let Some(at) = entered(after, &task.name, "Stopping", reason).or(failed) else { return };
    if deadline.is_none_or(|deadline| at < deadline) {
        faults.push(format!("the {of} of {} was over at {at}, and its deadline is {deadline:?}", task.name));
    }
}

/// A deadline that is set in a write.
struct Set<'a> {
    /// The timeout that it is of.
    of: &'static str,
    task: &'a str,
    /// Whether it is told in full: a row tells whole milliseconds.
    is_told: bool,
}

impl Set<'_> {
    /// It is as far away as its timeout from what it counts from.
    fn check(
        &self,
        deadline: Option<Timestamp>,
        since: Option<Timestamp>,
        timeout: Option<SignedDuration>,
        faults: &mut Vec<String>,
    ) {
        let Self { of, task, is_told } = self;
        let (Some(since), Some(timeout)) = (since, timeout) else { return };
        let found = deadline.map(|deadline| deadline.duration_since(since));
        let less = found.and_then(|found| timeout.checked_sub(found));
        if found != Some(timeout) && (*is_told || less.is_none_or(|less| less.as_millis() != 0)) {
            faults.push(format!("the deadline of the {of} of {task} is {found:?} from its beginning, not {timeout:?}"));
        }
    }
}
