//! What the facts mean for each task and item whose attempt is open.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::attempt::{self, End};
use super::child;
use super::control::suspended_by;
use super::ledger::Ledger;
use super::observed::{ChildFacts, MainState, Observed, PodFacts, Refusal, RefusalKind, ResourceFacts, Sight};
use super::retry::{self, Next, Seed};
use super::scope::{Of, in_scope, inputs};
use super::stop;
use super::tally::Tally;
use super::unit::Unit;
use super::{deadline, disruption, for_each, pace, resource, text};
use crate::api::{Attempt, AttemptOutcome, Reason, TaskPhase, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::{Action, Failure, Plan, PlannedTask, Work};

/// Bytes that the outputs of a run may have in all.
pub(super) const ALL_OUTPUTS: usize = 384 * 1024;
/// Items of a list up to which each failure, retry and disruption is told as an Event.
const TOLD_ITEMS: usize = 16;
/// Failed items of a longer list up to which they are.
const TOLD_FAILURES: usize = 8;

/// A task or item whose attempt is open.
#[derive(Clone, Copy)]
struct Open<'a> {
    unit: Unit,
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
    for unit in ledger.unfinished() {
        let Some(planned) = plan.tasks().get(unit.task) else { continue };
        if is(Mutant::NextTimeAnew) {
            next_time_anew(ledger, unit);
        }
        let Some(task) = ledger.unit(unit).filter(|task| task.phase.has_pod()) else { continue };
        let was_running = task.phase == TaskPhase::Running;
        let stop = stop::of(task, &ledger.status);
        let open = Open { unit, planned, plan, seen, stop, pod: None };
        let Some(last) = task.attempts.last().filter(|last| last.outcome.is_none()) else { continue };
        let (is_made, number) = (last.uid.is_some(), last.number);
        // Its kind isn't granted any more, so that nothing can be known of it.
        if let Some(why) = planned.resource().and_then(|resource| resource::refused(resource, seen)) {
            finish(ledger, open, End::new(AttemptOutcome::Failed, Some(Reason::KindNotGranted), &why));
            continue;
        }
        // Of what isn't known, nothing is decided.
        let Some(sight) = seen.sight(last) else { continue };
        match sight {
            Sight::Hidden(why) => hidden(ledger, open, why),
            // Another pod of that name means that the attempt's own is gone.
            Sight::Pod(pod) if last.may_be(&pod.uid) => follow(ledger, open, pod),
            Sight::Child(run) if last.may_be(&run.uid) => follow_child(ledger, open, run),
            Sight::Resource(facts) if last.may_be(&facts.uid) => follow_resource(ledger, open, facts),
            // What was running had a pod, also where someone took its uid off the record.
            Sight::Pod(_) | Sight::Child(_) | Sight::Resource(_) | Sight::Absent | Sight::Refused(_)
                if is_made || was_running =>
            {
                finish(ledger, open, lost(planned, stop));
            }
            Sight::Refused(refusal) if !is_made => refused(ledger, open, refusal),
            Sight::Absent if stop.is_some() => finish(ledger, open, lost(planned, stop)),
            Sight::Absent if let Some(why) = suspended_by(seen, &ledger.status) => {
                ledger.wait(unit, WaitKind::Suspended, why);
            }
            Sight::Absent => {
                // It could be made when the intent was recorded; another version of this program may see that otherwise.
                if let Err(problem) = inputs(ledger, unit, plan, planned, seen, number) {
                    finish(ledger, open, End::new(AttemptOutcome::Failed, Some(Reason::ExpressionError), &problem));
                }
            }
            Sight::Pod(_) | Sight::Child(_) | Sight::Resource(_) | Sight::Refused(_) | Sight::Creating => {}
        }
    }
    for (index, planned) in plan.tasks().iter().enumerate() {
        for_each::settle(ledger, index, planned, seen);
    }
}

/// What the mutant does.
fn next_time_anew(ledger: &mut Ledger, unit: Unit) {
    let soon = ledger.now.checked_add(jiff::SignedDuration::from_secs(1)).unwrap_or(ledger.now);
    let waiting = ledger.unit_mut(unit).filter(|task| task.phase == TaskPhase::Backoff);
    if let Some(last) = waiting.and_then(|task| task.attempts.last_mut()) {
        last.next_at = Some(MicroTime(soon));
    }
}

/// The pod exists: record its uid, its start, its trouble or its end.
fn follow(ledger: &mut Ledger, open: Open<'_>, pod: &PodFacts) {
    let Open { unit, planned, stop, .. } = open;
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
    let is_untold = ledger.unit(unit).and_then(|task| task.attempts.last()).is_some_and(Attempt::is_untold);
    if let Some(end) = attempt::end(pod, planned, now) {
        if is_untold && stop.is_none() && end.outcome != AttemptOutcome::Succeeded && !ledger.take_row() {
            // What follows has no room on record yet. Until it has, the pod stays as it is: nothing is lost.
            return;
        }
        meet(ledger, open, &pod.uid, pod.created_at, started.then_some(since.unwrap_or(now)));
        return finish(ledger, Open { pod: Some(pod), ..open }, end);
    }
    meet(ledger, open, &pod.uid, pod.created_at, started.then_some(since.unwrap_or(now)));
    if started && stop.is_none() {
        ledger.move_task(unit, TaskPhase::Running, None);
    }
    let since = pod.created_at.filter(|_| is_untold).unwrap_or(now).min(now);
    match &pod.trouble {
        _ if stop.is_some() || pod.deleting => pace::ending(ledger, unit, pod),
        _ if started => {}
        Some(trouble) => ledger.wait_since(unit, trouble.kind, &trouble.message, since),
        None => pace::starting(ledger, unit, pod, since),
    }
}

/// The child run exists: record its uid, its start, what it waits for or its end.
fn follow_child(ledger: &mut Ledger, open: Open<'_>, run: &ChildFacts) {
    let last = ledger.unit(open.unit).and_then(|task| task.attempts.last());
    let generation = last.map_or(0, |last| last.run_generation);
    let started_at = run.started_at.filter(|_| run.generation >= generation);
    meet(ledger, open, &run.uid, None, started_at);
    if let Some(end) = child::end(run, generation, open.stop.is_some()) {
        finish(ledger, open, end);
    } else if open.stop.is_some() {
        // The child run sees by itself that it is to stop.
        ledger.wait(open.unit, WaitKind::Child, &child::to_end(&run.name));
    } else if started_at.is_some() {
        ledger.move_task(open.unit, TaskPhase::Running, None);
        if run.message.is_empty() {
            ledger.wait_no_more(open.unit);
        } else {
            ledger.wait(open.unit, WaitKind::Child, &child::held_up(run));
        }
    } else {
        ledger.wait(open.unit, WaitKind::Child, &child::waits(run, generation));
    }
}

/// The object exists: record its uid, and what it has come to. It has started once it is made.
fn follow_resource(ledger: &mut Ledger, open: Open<'_>, facts: &ResourceFacts) {
    let now = ledger.now;
    meet(ledger, open, &facts.uid, None, Some(facts.created_at.unwrap_or(now)));
    if let Some(end) = resource::end(ledger, open.unit, (open.plan, open.planned), open.seen, facts) {
        finish(ledger, open, end);
    } else if open.stop.is_some() {
        ledger.wait(open.unit, WaitKind::Resource, &resource::to_go(&facts.resource));
    } else {
        ledger.move_task(open.unit, TaskPhase::Running, None);
        ledger.wait_no_more(open.unit);
    }
}

/// The object can't be looked up. What is on record of it stays so, and why nothing more comes of it is told.
fn hidden(ledger: &mut Ledger, open: Open<'_>, why: &str) {
    if let Some(resource) = open.planned.resource() {
        ledger.wait(open.unit, WaitKind::Admission, &resource::to_see(resource, why));
    }
}

/// Records what an attempt's object is known by, and when it started, if it has. Deadlines count from when that is first seen; of one
/// of many, of which that isn't on record, from what its pod says.
fn meet(
    ledger: &mut Ledger,
    Open { unit, planned, .. }: Open<'_>,
    uid: &str,
    created: Option<Timestamp>,
    started: Option<Timestamp>,
) {
    let now = ledger.now;
    let Some(task) = ledger.unit_mut(unit) else { return };
    if let Some(last) = task.attempts.last_mut() {
        let is_untold = last.is_untold();
        if last.uid.is_none() || is_untold {
            last.uid = Some(uid.to_owned());
            deadline::created(last, &planned.times, created.filter(|_| is_untold).unwrap_or(now));
        }
        if let (Some(at), None) = (started, &last.started_at) {
            last.started_at = Some(MicroTime(at));
            deadline::started(last, &planned.times, if is_untold { at } else { now });
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
        RefusalKind::Invalid => {
            let reason = match open.planned.work {
                Work::Pod | Work::Join => Reason::PodInvalid,
                Work::Child(_) => Reason::ChildInvalid,
                Work::Resource(_) => Reason::ResourceInvalid,
            };
            finish(ledger, open, for_good(reason));
        }
        RefusalKind::NotPermitted => finish(ledger, open, for_good(Reason::NotPermitted)),
        RefusalKind::NameClash => finish(ledger, open, for_good(Reason::NameClash)),
        RefusalKind::NamespaceTerminating => finish(ledger, open, for_good(Reason::NamespaceTerminating)),
        RefusalKind::Quota => still_wanted(ledger, open, WaitKind::Quota, &refusal.message),
        RefusalKind::Admission => still_wanted(ledger, open, WaitKind::Admission, &refusal.message),
        RefusalKind::Unreviewed | RefusalKind::NoSuchKind => {
            still_wanted(ledger, open, WaitKind::Resource, &refusal.message);
        }
    }
}

/// Waits for another try at a create. What its expressions read may have changed since it was recorded, as what goes on can end:
/// then it would never be asked for again.
fn still_wanted(ledger: &mut Ledger, open: Open<'_>, kind: WaitKind, message: &str) {
    let Open { unit, planned, plan, seen, .. } = open;
    let number = ledger.unit(unit).and_then(|task| task.attempts.last()).map_or(0, |last| last.number);
    match inputs(ledger, unit, plan, planned, seen, number) {
        Ok(_) => ledger.wait(unit, kind, message),
        Err(problem) => {
            finish(ledger, open, End::new(AttemptOutcome::Failed, Some(Reason::ExpressionError), &problem));
        }
    }
}

/// There is no object, or none any more. Of one that we stopped there is nothing more to say.
fn lost(planned: &PlannedTask, stop: Option<Reason>) -> End {
    let (reason, message) = match planned.work {
        Work::Pod | Work::Join => (Reason::PodLost, "the pod is gone, and nobody saw how it ended"),
        Work::Child(_) => (Reason::ChildDeleted, "the child run is gone: someone deleted it"),
        Work::Resource(_) => (Reason::ResourceDeleted, "the object is gone: someone deleted it"),
    };
    End::new(AttemptOutcome::Disrupted, Some(reason), if stop.is_none() { message } else { "" })
}

/// Records the end of the open attempt, and what follows for the task.
fn finish(ledger: &mut Ledger, open: Open<'_>, end: End) {
    let Open { unit, planned, stop, .. } = open;
    let end = within_bounds(ledger, end);
    let end = match stop {
        Some(reason) => stop::judged(end, reason, open.pod),
        None => end,
    };
    let message = ledger.message(&end.message);
    let now = ledger.now;
    let Some(task) = ledger.unit_mut(unit) else { return };
    let was_running = task.phase == TaskPhase::Running;
    let Some(last) = task.attempts.last_mut() else { return };
    // Of one of many that ran and is gone, the time of its start isn't known any more.
    let ran = (was_running && last.is_untold()).then_some(now);
    let started_at = end.started_at.or(last.started_at.as_ref().map(|at| at.0)).or(ran);
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
            task.message.clear();
            if has_outputs {
                match (unit.item, ledger.items.get_mut(&unit.task)) {
                    (Some(item), Some(items)) => items.add_outputs(item, end.outputs),
                    _ => ledger.unit_mut(unit).into_iter().for_each(|task| task.outputs = Some(end.outputs.clone())),
                }
            }
            ledger.move_task(unit, TaskPhase::Succeeded, None);
        }
        // Only what follows a failure says that it was none.
        AttemptOutcome::Failed | AttemptOutcome::NotYet => after_failure(ledger, open),
        AttemptOutcome::Cancelled => {
            ledger.move_task(unit, TaskPhase::Cancelled, end.reason);
        }
        AttemptOutcome::Disrupted => after_disruption(ledger, open),
    }
}

/// The newest attempt failed by the task's own fault.
fn after_failure(ledger: &mut Ledger, open: Open<'_>) {
    let Open { unit, planned, seen, .. } = open;
    let Some(task) = ledger.unit(unit) else { return };
    let Some(last) = task.attempts.last() else { return };
    let (name, told, reason) = (unit.told(&task.name), told(last), last.reason);
    let (number, tally) = (last.number, Tally::of(task, ledger.status.generation));
    let last = last.clone();
    let action = if retry::may_be_tried_again(reason) { action(ledger, open, &last) } else { Ok(Action::FailTask) };
    let action = match action {
        Ok(action) => action,
        Err(problem) => return fail(ledger, unit, Some(Reason::ExpressionError), &format!("{told}; {problem}")),
    };
    let seed = Seed { run: seen.run.uid, task: &name, attempt: number };
    match retry::next(&planned.retry, action, tally, seed, ledger.now) {
        Next::Again(at) => {
            again(ledger, unit, at, reason);
            let next = number.saturating_add(1);
            tell(ledger, unit, "TaskRetrying", &format!("{name}: {told}; attempt {next} at {}", text::time(at)));
        }
        Next::NotYet(at) => {
            if let Some(last) = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut()) {
                last.outcome = Some(AttemptOutcome::NotYet);
            }
            again(ledger, unit, at, reason);
        }
        Next::Fail => fail(ledger, unit, reason, &told),
        // What comes after the last main task has no say in what the run has come to.
        Next::FailRun if planned.finally => fail(ledger, unit, reason, &told),
        Next::FailRun => {
            fail(ledger, unit, Some(Reason::FailRun), &told);
            stop::run(ledger, seen, Reason::FailRun);
        }
    }
}

/// What the task's rules say of its failure.
fn action(ledger: &mut Ledger, open: Open<'_>, last: &Attempt) -> Result<Action, String> {
    let Open { unit, planned, plan, seen, .. } = open;
    let Attempt { number, exit_code, reason, ref message, .. } = *last;
    let failure = Failure { number, exit_code, reason, message };
    let item = for_each::item(ledger, unit, plan, planned, seen)?;
    let of = Of { plan, planned, status: &ledger.status, seen, attempt: number, item: item.as_ref() };
    let action = in_scope(&of, |scope| planned.retry.action(&failure, scope));
    action.map_err(|problem| problem.to_string())
}

/// The infrastructure took the pod of the newest attempt.
fn after_disruption(ledger: &mut Ledger, open: Open<'_>) {
    let Open { unit, planned, .. } = open;
    let Some(task) = ledger.unit(unit) else { return };
    let Some(last) = task.attempts.last() else { return };
    let (name, told, reason) = (unit.told(&task.name), told(last), last.reason);
    let (started, after_start) = (last.started_at.is_some(), planned.retry.disruptions);
    if let Some(at) =
        disruption::next_attempt_at(Tally::of(task, ledger.status.generation), started, after_start, ledger.now)
    {
        again(ledger, unit, at, reason);
        tell(ledger, unit, "TaskDisrupted", &format!("{name}: {told}; it will be tried again"));
    } else {
        let told = format!("disrupted too often; the last time: {told}");
        fail(ledger, unit, Some(Reason::TooManyDisruptions), &told);
    }
}

/// What the end of an attempt means, in a clause.
pub(super) fn told(Attempt { reason, exit_code, number, message, .. }: &Attempt) -> String {
    attempt::told(*reason, *exit_code, *number, message)
}

/// Another attempt may start at `at`; that is on record from now on.
fn again(ledger: &mut Ledger, unit: Unit, at: Timestamp, reason: Option<Reason>) {
    if let Some(last) = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut()) {
        last.next_at = Some(MicroTime(at));
    }
    ledger.move_task(unit, TaskPhase::Backoff, reason);
}

/// Fails a task or an item.
pub(super) fn fail(ledger: &mut Ledger, unit: impl Into<Unit>, reason: Option<Reason>, told: &str) {
    let unit: Unit = unit.into();
    let message = ledger.message(told);
    if let Some(task) = ledger.unit_mut(unit) {
        task.message = message;
        let name = unit.told(&task.name);
        if ledger.move_task(unit, TaskPhase::Failed, reason) {
            tell(ledger, unit, "TaskFailed", &format!("{name}: {told}"));
        }
    }
}

/// Tells people what went wrong. Of a long list only the first failures are told one by one: the task's own end tells of the rest.
fn tell(ledger: &mut Ledger, unit: Unit, reason: &'static str, message: &str) {
    let items = ledger.items.get(&unit.task).filter(|_| unit.item.is_some());
    if items.is_none_or(|items| items.total() <= TOLD_ITEMS || items.count(TaskPhase::Failed) <= TOLD_FAILURES) {
        ledger.note(true, reason, message);
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
