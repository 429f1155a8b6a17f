//! What the facts mean for each task whose attempt is open.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::attempt::{self, End};
use super::child;
use super::control::suspended_by;
use super::gate::to_start;
use super::ledger::Ledger;
use super::observed::{ChildFacts, MainState, Observed, PodFacts, Refusal, RefusalKind, Sight};
use super::retry::{self, Next, Seed};
use super::scope::{in_scope, inputs};
use super::stop;
use super::tally::Tally;
use super::{deadline, disruption, text};
use crate::api::{Attempt, AttemptOutcome, Reason, TaskPhase, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::{Action, Failure, Plan, PlannedTask, Work};

/// Bytes that the outputs of a run may have in all.
const ALL_OUTPUTS: usize = 384 * 1024;

/// A task whose attempt is open.
#[derive(Clone, Copy)]
struct Open<'a> {
    index: usize,
    planned: &'a PlannedTask,
    plan: &'a Plan,
    seen: &'a Observed<'a>,
    /// Why its pod is being stopped, if it is.
    stop: Option<Reason>,
    /// Its pod, where that is seen.
    pod: Option<&'a PodFacts>,
}

/// Puts on record what is seen of every open attempt.
pub(super) fn record_facts(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    for (index, planned) in plan.tasks().iter().enumerate() {
        if is(Mutant::NextTimeAnew) {
            next_time_anew(ledger, index);
        }
        let Some(task) = ledger.task(index).filter(|task| task.phase.has_pod()) else { continue };
        let was_running = task.phase == TaskPhase::Running;
        let stop = stop::of(task, &ledger.status);
        let open = Open { index, planned, plan, seen, stop, pod: None };
        let Some(last) = task.attempts.last().filter(|last| last.outcome.is_none()) else { continue };
        let (known_uid, number) = (last.uid.clone(), last.number);
        // Of what isn't known, nothing is decided.
        let Some(sight) = seen.sight(last) else { continue };
        match sight {
            // Another pod of that name means that the attempt's own is gone.
            Sight::Pod(pod) if known_uid.as_ref().is_none_or(|uid| *uid == pod.uid) => follow(ledger, open, pod),
            Sight::Child(run) if known_uid.as_ref().is_none_or(|uid| *uid == run.uid) => {
                follow_child(ledger, open, run);
            }
            // What was running had a pod, also where someone took its uid off the record.
            Sight::Pod(_) | Sight::Child(_) | Sight::Absent | Sight::Refused(_)
                if known_uid.is_some() || was_running =>
            {
                finish(ledger, open, lost(planned, stop));
            }
            Sight::Refused(refusal) if known_uid.is_none() => refused(ledger, open, refusal),
            Sight::Absent if stop.is_some() => finish(ledger, open, lost(planned, stop)),
            Sight::Absent if let Some(why) = suspended_by(seen, &ledger.status) => {
                ledger.wait(index, WaitKind::Suspended, why);
            }
            Sight::Absent => {
                // It could be made when the intent was recorded; another version of this program may see that otherwise.
                if let Err(problem) = inputs(plan, planned, &ledger.status, seen, number) {
                    finish(ledger, open, End::new(AttemptOutcome::Failed, Some(Reason::ExpressionError), &problem));
                }
            }
            Sight::Pod(_) | Sight::Child(_) | Sight::Refused(_) | Sight::Creating => {}
        }
    }
}

/// What the mutant does.
fn next_time_anew(ledger: &mut Ledger, index: usize) {
    let soon = ledger.now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(ledger.now);
    let waiting = ledger.task_mut(index).filter(|task| task.phase == TaskPhase::Backoff);
    if let Some(last) = waiting.and_then(|task| task.attempts.last_mut()) {
        last.next_at = Some(MicroTime(soon));
    }
}

/// The pod exists: record its uid, its start, its trouble or its end.
fn follow(ledger: &mut Ledger, open: Open<'_>, pod: &PodFacts) {
    let Open { index, planned, stop, .. } = open;
    let since = match &pod.main {
        MainState::Running { since } => *since,
        MainState::Ended(main) => main.started_at,
        MainState::Waiting => None,
    };
    // A container that was never started ends too, when its pod is taken.
    let started = match &pod.main {
        MainState::Running { .. } => true,
        MainState::Ended(main) => main.started_at.is_some(),
        MainState::Waiting => false,
    };
    let now = ledger.now;
    meet(ledger, open, &pod.uid, started.then_some(since.unwrap_or(now)));
    if let Some(end) = attempt::end(pod, planned, now) {
        finish(ledger, Open { pod: Some(pod), ..open }, end);
    } else if stop.is_some() {
        // It is on record that it is being stopped.
    } else if started {
        ledger.move_task(index, TaskPhase::Running, None);
    } else if let Some(trouble) = &pod.trouble {
        ledger.wait(index, trouble.kind, &trouble.message);
    } else {
        ledger.wait(index, WaitKind::Node, &to_start(&pod.name));
    }
}

/// The child run exists: record its uid, its start, what it waits for or its end.
fn follow_child(ledger: &mut Ledger, open: Open<'_>, run: &ChildFacts) {
    meet(ledger, open, &run.uid, run.started_at);
    if let Some(end) = child::end(run) {
        finish(ledger, open, end);
    } else if open.stop.is_some() {
        // It is on record that it is being stopped, which the child run sees by itself.
    } else if run.started_at.is_some() {
        ledger.move_task(open.index, TaskPhase::Running, None);
    } else {
        ledger.wait(open.index, WaitKind::Child, &child::waits(run));
    }
}

/// Records what an attempt's object is known by, and when it started, if it has.
fn meet(ledger: &mut Ledger, Open { index, planned, .. }: Open<'_>, uid: &str, started: Option<Timestamp>) {
    let now = ledger.now;
    let Some(task) = ledger.task_mut(index) else { return };
    if let Some(last) = task.attempts.last_mut() {
        if last.uid.is_none() {
            last.uid = Some(uid.to_owned());
            deadline::created(last, &planned.times, now);
        }
        if let (Some(at), None) = (started, &last.started_at) {
            last.started_at = Some(MicroTime(at));
            deadline::started(last, &planned.times, now);
        }
    }
    if let Some(at) = started {
        task.started_at.get_or_insert(MicroTime(at));
    }
}

fn refused(ledger: &mut Ledger, open: Open<'_>, refusal: &Refusal) {
    let for_good = |reason| End::new(AttemptOutcome::Failed, Some(reason), &refusal.message);
    match refusal.kind {
        _ if open.stop.is_some() => finish(ledger, open, lost(open.planned, open.stop)),
        RefusalKind::Invalid if open.planned.child().is_some() => {
            finish(ledger, open, for_good(Reason::ChildInvalid));
        }
        RefusalKind::Invalid => finish(ledger, open, for_good(Reason::PodInvalid)),
        RefusalKind::NameClash => finish(ledger, open, for_good(Reason::NameClash)),
        RefusalKind::NamespaceTerminating => finish(ledger, open, for_good(Reason::NamespaceTerminating)),
        RefusalKind::Quota => still_wanted(ledger, open, WaitKind::Quota, &refusal.message),
        RefusalKind::Admission => still_wanted(ledger, open, WaitKind::Admission, &refusal.message),
    }
}

/// Waits for another try at a create. What its expressions read may have changed since it was recorded, as what goes on can end:
/// then it would never be asked for again.
fn still_wanted(ledger: &mut Ledger, open: Open<'_>, kind: WaitKind, message: &str) {
    let Open { index, planned, plan, seen, .. } = open;
    let number = ledger.task(index).and_then(|task| task.attempts.last()).map_or(0, |last| last.number);
    match inputs(plan, planned, &ledger.status, seen, number) {
        Ok(_) => ledger.wait(index, kind, message),
        Err(problem) => {
            finish(ledger, open, End::new(AttemptOutcome::Failed, Some(Reason::ExpressionError), &problem));
        }
    }
}

/// There is no pod or child run, or none any more. Of one that we stopped there is nothing more to say.
fn lost(planned: &PlannedTask, stop: Option<Reason>) -> End {
    let (reason, message) = match planned.work {
        Work::Pod | Work::Join => (Reason::PodLost, "the pod is gone, and nobody saw how it ended"),
        Work::Child(_) => (Reason::ChildDeleted, "the child run is gone: someone deleted it"),
    };
    End::new(AttemptOutcome::Disrupted, Some(reason), if stop.is_none() { message } else { "" })
}

/// Records the end of the open attempt, and what follows for the task.
fn finish(ledger: &mut Ledger, open: Open<'_>, end: End) {
    let Open { index, planned, stop, .. } = open;
    let end = within_bounds(ledger, end);
    let end = match stop {
        Some(reason) => stop::judged(end, reason, open.pod),
        None => end,
    };
    let message = ledger.message(&end.message);
    let now = ledger.now;
    let Some(task) = ledger.task_mut(index) else { return };
    let Some(last) = task.attempts.last_mut() else { return };
    let started_at = end.started_at.or(last.started_at.as_ref().map(|at| at.0));
    // The kubelet's clock isn't ours; an end before its start would be nonsense to a reader.
    let finished_at = end.finished_at.unwrap_or(now).max(started_at.unwrap_or(Timestamp::MIN));
    last.started_at = started_at.map(MicroTime);
    last.finished_at = Some(MicroTime(finished_at));
    last.exit_code = end.exit_code;
    last.outcome = Some(end.outcome);
    last.reason = end.reason;
    if !message.is_empty() || end.outcome != AttemptOutcome::Failed {
        last.message = message;
    }
    match end.outcome {
        AttemptOutcome::Succeeded => {
            let has_outputs = !planned.outputs.is_empty() || !end.outputs.is_empty();
            task.outputs = has_outputs.then_some(end.outputs);
            task.message.clear();
            ledger.move_task(index, TaskPhase::Succeeded, None);
        }
        // Only what follows a failure says that it was none.
        AttemptOutcome::Failed | AttemptOutcome::NotYet => after_failure(ledger, open),
        AttemptOutcome::Cancelled => {
            ledger.move_task(index, TaskPhase::Cancelled, end.reason);
        }
        AttemptOutcome::Disrupted => after_disruption(ledger, open),
    }
}

/// The newest attempt failed by the task's own fault.
fn after_failure(ledger: &mut Ledger, open: Open<'_>) {
    let Open { index, planned, seen, .. } = open;
    let Some(task) = ledger.task(index) else { return };
    let Some(last) = task.attempts.last() else { return };
    let (name, told, reason) = (task.name.clone(), told(last), last.reason);
    let seed = Seed { run: seen.run.uid, task: &planned.name, attempt: last.number };
    let number = last.number;
    let action = if retry::may_be_tried_again(reason) { action(ledger, open, last) } else { Ok(Action::FailTask) };
    let action = match action {
        Ok(action) => action,
        Err(problem) => return fail(ledger, index, Some(Reason::ExpressionError), &format!("{told}; {problem}")),
    };
    match retry::next(&planned.retry, action, Tally::of(task), seed, ledger.now) {
        Next::Again(at) => {
            again(ledger, index, at, reason);
            let next = number.saturating_add(1);
            ledger.note(true, "TaskRetrying", &format!("{name}: {told}; attempt {next} at {}", text::time(at)));
        }
        Next::NotYet(at) => {
            if let Some(last) = ledger.task_mut(index).and_then(|task| task.attempts.last_mut()) {
                last.outcome = Some(AttemptOutcome::NotYet);
            }
            again(ledger, index, at, reason);
        }
        Next::Fail => fail(ledger, index, reason, &told),
        // What comes after the last main task has no say in what the run has come to.
        Next::FailRun if planned.finally => fail(ledger, index, reason, &told),
        Next::FailRun => {
            fail(ledger, index, Some(Reason::FailRun), &told);
            stop::run(ledger, seen, Reason::FailRun);
        }
    }
}

/// What the task's rules say of its failure.
fn action(ledger: &Ledger, open: Open<'_>, last: &Attempt) -> Result<Action, String> {
    let Open { planned, plan, seen, .. } = open;
    let Attempt { number, exit_code, reason, ref message, .. } = *last;
    let failure = Failure { number, exit_code, reason, message };
    let action = in_scope(plan, planned, &ledger.status, seen, number, |scope| planned.retry.action(&failure, scope));
    action.map_err(|problem| problem.to_string())
}

/// The infrastructure took the pod of the newest attempt.
fn after_disruption(ledger: &mut Ledger, open: Open<'_>) {
    let Open { index, planned, .. } = open;
    let Some(task) = ledger.task(index) else { return };
    let Some(last) = task.attempts.last() else { return };
    let (name, told, reason) = (task.name.clone(), told(last), last.reason);
    let (started, after_start) = (last.started_at.is_some(), planned.retry.disruptions);
    match disruption::next_attempt_at(Tally::of(task), started, after_start, ledger.now) {
        Some(at) => {
            again(ledger, index, at, reason);
            ledger.note(true, "TaskDisrupted", &format!("{name}: {told}; it will be tried again"));
        }
        None => {
            fail(
                ledger,
                index,
                Some(Reason::TooManyDisruptions),
                &format!("disrupted too often; the last time: {told}"),
            );
        }
    }
}

/// What the end of an attempt means, in a clause.
pub(super) fn told(Attempt { reason, exit_code, number, message, .. }: &Attempt) -> String {
    attempt::told(*reason, *exit_code, *number, message)
}

/// Another attempt may start at `at`; that is on record from now on.
fn again(ledger: &mut Ledger, index: usize, at: Timestamp, reason: Option<Reason>) {
    if let Some(last) = ledger.task_mut(index).and_then(|task| task.attempts.last_mut()) {
        last.next_at = Some(MicroTime(at));
    }
    ledger.move_task(index, TaskPhase::Backoff, reason);
}

/// Fails a task.
pub(super) fn fail(ledger: &mut Ledger, index: usize, reason: Option<Reason>, told: &str) {
    let message = ledger.message(told);
    if let Some(task) = ledger.task_mut(index) {
        task.message = message;
        let name = task.name.clone();
        if ledger.move_task(index, TaskPhase::Failed, reason) {
            ledger.note(true, "TaskFailed", &format!("{name}: {told}"));
        }
    }
}

/// A success whose outputs don't fit beside those of the other tasks is a failure, said so.
fn within_bounds(ledger: &mut Ledger, end: End) -> End {
    if end.outputs.is_empty() {
        return end;
    }
    if ledger.add_outputs(&end.outputs, ALL_OUTPUTS) {
        return end;
    }
    End {
        outcome: AttemptOutcome::Failed,
        reason: Some(Reason::OutputTooLarge),
        message: format!("with this task's outputs, those of the run would be over {} KiB in all", ALL_OUTPUTS / 1024),
        outputs: serde_json::Map::new(),
        ..end
    }
}
