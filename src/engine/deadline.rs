//! Timeouts. Each has a deadline on record, so that it is the same for whoever decides next:
//!
//! | timeout | its deadline is set | when it has passed |
//! |---|---|---|
//! | of the run | when the run starts | the run is stopped, and ends Failed (RunTimedOut) |
//! | `finallyTimeout` | when the last main task has ended | finally tasks that were begun fail (FinallyTimedOut), the others are cancelled |
//! | `totalTimeout` | with the task's first attempt | the task fails (TotalTimedOut) |
//! | `startTimeout` | when the attempt's pod or child run is there | the attempt fails (StartTimedOut) |
//! | `timeout` | when `main` or the child run has started, or an object of any kind is made | the attempt fails (TimedOut) |
//!
//! Where no `startTimeout` is given, an attempt fails that the kubelet has not been able to start for ten minutes, for want of its
//! image or of what its pod refers to. An attempt that fails so has its pod stopped first; should that succeed all the same, so
//! does the attempt.
//!
//! All times are by the operator's own clock: that of a node may be off. Should it leap back, no deadline is further away than the
//! whole timeout. While a run is suspended, its own deadlines and those of `totalTimeout` move along.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::control::is_suspended;
use super::ledger::Ledger;
use super::observed::{MainState, Observed, Sight};
use super::track::{fail, told};
use super::unit::Unit;
use super::verdict::is_main_finished;
use super::{disruption, for_each, stop};
use crate::api::{Attempt, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask, Times};

/// How long a kubelet may be unable to start a pod, where no startTimeout is given.
const UNABLE_TO_START: SignedDuration = SignedDuration::from_mins(10);

/// The deadline of something that begins now.
fn from(now: Timestamp, timeout: SignedDuration) -> MicroTime {
    MicroTime(now.checked_add(timeout).unwrap_or(Timestamp::MAX))
}

/// The attempt's pod or child run is there.
pub(super) fn created(attempt: &mut Attempt, times: &Times, now: Timestamp) {
    let timeout = if is(Mutant::TimeoutFromCreation) { times.timeout } else { times.start_timeout };
    attempt.deadline_at = timeout.map(|timeout| from(now, timeout));
}

/// Its `main` or its child run has started.
pub(super) fn started(attempt: &mut Attempt, times: &Times, now: Timestamp) {
    if !is(Mutant::TimeoutFromCreation) {
        attempt.deadline_at = times.timeout.map(|timeout| from(now, timeout));
    }
}

/// Lets follow what has passed its deadline.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    if !ledger.phase().is_under_way() {
        return;
    }
    let counts = !is_suspended(seen.run.spec, &ledger.status, seen.lineage);
    if counts {
        resume(ledger);
    }
    if counts && has_time(ledger, plan) && has_passed(&mut ledger.status.deadline_at, plan.timeout(), ledger.now) {
        return stop::run(ledger, seen, Reason::RunTimedOut);
    }
    let now = ledger.now;
    if counts && has_passed(&mut ledger.status.finally_deadline_at, Some(plan.finally_timeout()), now) {
        finally(ledger, plan, seen);
    }
    for (index, planned) in plan.tasks().iter().enumerate() {
        let Some(task) = ledger.task_mut(index).filter(|task| is_open(task)) else { continue };
        if counts && has_passed(&mut task.deadline_at, planned.times.total_timeout, now) {
            over(ledger, seen, index, planned, Reason::TotalTimedOut);
        }
    }
    for unit in ledger.unfinished() {
        let Some(planned) = plan.tasks().get(unit.task) else { continue };
        // A child run is suspended with its parent, so that its time counts for nothing either.
        let runs = |task: &TaskStatus| counts || task.attempts.last().is_some_and(|last| last.run.is_empty());
        if ledger.unit(unit).is_some_and(|task| is_open(task) && task.phase.has_pod() && runs(task)) {
            attempt(ledger, seen, unit, planned);
        }
    }
    for (index, planned) in plan.tasks().iter().enumerate() {
        for_each::settle(ledger, index, planned, seen);
    }
}

/// Sets the deadlines of what has begun, and asks to be woken for all that are to come.
pub(super) fn write(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    let (now, counts) = (ledger.now, !is_suspended(seen.run.spec, &ledger.status, seen.lineage));
    let mut wakes = lost(ledger, plan, seen);
    if !ledger.phase().is_under_way() {
        return wakes.into_iter().filter(|at| *at > now).for_each(|at| ledger.wake(at));
    }
    if let Some(timeout) = plan.timeout().filter(|_| has_time(ledger, plan)) {
        let deadline = ledger.status.deadline_at.get_or_insert_with(|| from(now, timeout));
        wakes.extend(counts.then_some(deadline.0));
    }
    if is_main_finished(&ledger.status, plan) {
        let deadline = ledger.status.finally_deadline_at.get_or_insert_with(|| from(now, plan.finally_timeout()));
        wakes.extend(counts.then_some(deadline.0));
    }
    for (index, planned) in plan.tasks().iter().enumerate() {
        let Some(task) = ledger.task_mut(index).filter(|task| is_open(task)) else { continue };
        if let Some(timeout) = planned.times.total_timeout {
            let deadline = task.deadline_at.get_or_insert_with(|| from(now, timeout));
            wakes.extend(counts.then_some(deadline.0));
        }
    }
    for unit in ledger.unfinished() {
        let (Some(planned), Some(task)) = (plan.tasks().get(unit.task), ledger.unit(unit)) else { continue };
        let runs = counts || task.attempts.last().is_some_and(|last| last.run.is_empty());
        if is_open(task) && runs {
            wakes.extend(due(task, &planned.times).filter(|_| may_go_on(task, seen)).map(|(at, _)| at));
        }
    }
    for at in wakes.into_iter().filter(|at| *at > now) {
        ledger.wake(at);
    }
}

/// Whether the run's own timeout is for what goes on: it ends with the last main task.
fn has_time(ledger: &Ledger, plan: &Plan) -> bool {
    ledger.phase() != RunPhase::Stopping && !is_main_finished(&ledger.status, plan)
}

/// When pods whose nodes are lost count as over.
fn lost(ledger: &Ledger, plan: &Plan, seen: &Observed<'_>) -> Vec<Timestamp> {
    if !seen.pods().any(disruption::is_lost) {
        return Vec::new();
    }
    let over = ledger.unfinished().into_iter().filter_map(|unit| {
        let (planned, task) = (plan.tasks().get(unit.task)?, ledger.unit(unit)?);
        let Some(Sight::Pod(pod)) = seen.sights.get(&task.attempts.last()?.pod) else { return None };
        disruption::over_at(pod, planned)
    });
    over.collect()
}

/// Whether a task was begun and is not being stopped yet.
fn is_open(task: &TaskStatus) -> bool {
    matches!(task.phase, TaskPhase::Starting | TaskPhase::Running | TaskPhase::Backoff)
}

/// Whether a deadline has passed. One that is further away than the whole timeout is put right: the clock leapt back.
fn has_passed(deadline: &mut Option<MicroTime>, timeout: Option<SignedDuration>, now: Timestamp) -> bool {
    let (Some(at), Some(timeout)) = (deadline, timeout) else { return false };
    let latest = from(now, timeout);
    if at.0 > latest.0 {
        *at = latest;
    }
    at.0 <= now
}

/// The time that the run was suspended counts for nothing, whatever ended that.
fn resume(ledger: &mut Ledger) {
    let waiting = ledger.status.waiting_for.take_if(|waiting| waiting.kind == WaitKind::Suspended);
    let Some(since) = waiting.map(|waiting| waiting.since.0) else { return };
    let suspended = ledger.now.duration_since(since).max(SignedDuration::ZERO);
    let open = ledger.status.tasks.iter_mut().filter(|task| !task.phase.is_finished());
    let own = [&mut ledger.status.deadline_at, &mut ledger.status.finally_deadline_at];
    let deadlines = open.map(|task| &mut task.deadline_at).chain(own);
    let later = |deadline: &mut MicroTime| deadline.0 = deadline.0.checked_add(suspended).unwrap_or(Timestamp::MAX);
    deadlines.flatten().for_each(later);
    for unit in ledger.unfinished() {
        // Pods go on while their run is suspended; child runs don't.
        let goes_on = |last: &&mut Attempt| !last.run.is_empty() && last.outcome.is_none();
        let last = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut()).filter(goes_on);
        last.and_then(|last| last.deadline_at.as_mut()).into_iter().for_each(later);
    }
}

/// The finally tasks have had their time. One that never began is cancelled; its own fault it was not.
fn finally(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    for (index, planned) in plan.tasks().iter().enumerate().filter(|(_, task)| task.finally) {
        match ledger.task(index) {
            Some(task) if is_open(task) || task.phase == TaskPhase::Pending && ledger.has_items(index) => {
                over(ledger, seen, index, planned, Reason::FinallyTimedOut);
            }
            Some(task) if task.phase == TaskPhase::Pending => {
                ledger.move_task(index, TaskPhase::Cancelled, Some(Reason::FinallyTimedOut));
            }
            _ => {}
        }
    }
}

/// A task that was begun has had its time.
fn over(ledger: &mut Ledger, seen: &Observed<'_>, index: usize, planned: &PlannedTask, reason: Reason) {
    let Some(task) = ledger.task(index) else { return };
    if planned.for_each.is_some() {
        for_each::stop(ledger, seen, index, reason);
    } else if task.phase == TaskPhase::Backoff {
        let of = if reason == Reason::TotalTimedOut { "its totalTimeout" } else { "the run's finallyTimeout" };
        let last = task.attempts.last().map(|last| format!("; the last time: {}", told(last))).unwrap_or_default();
        fail(ledger, index, Some(reason), &format!("was not done within {of}{last}"));
    } else {
        remember(ledger, index.into());
        stop::attempt(ledger, seen, index, reason);
    }
}

/// What keeps an attempt from starting would be forgotten with the wait for it: it goes on record.
fn remember(ledger: &mut Ledger, unit: Unit) {
    let task = ledger.unit(unit).filter(|task| !has_started(task));
    let Some(waiting) = task.and_then(|task| task.waiting_for.as_ref()) else { return };
    let why = format!("{:?}: {}", waiting.kind, waiting.detail);
    let why = ledger.message(&why);
    if let Some(last) = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut()) {
        last.message = why;
    }
}

/// Stops the open attempt if its time is over.
fn attempt(ledger: &mut Ledger, seen: &Observed<'_>, unit: Unit, planned: &PlannedTask) {
    let now = ledger.now;
    let Some(task) = ledger.unit_mut(unit) else { return };
    let timeout = if has_started(task) { planned.times.timeout } else { planned.times.start_timeout };
    if timeout.is_none() && due(task, &planned.times).is_none() || !may_go_on(task, seen) {
        return;
    }
    if let Some(last) = task.attempts.last_mut() {
        has_passed(&mut last.deadline_at, timeout, now);
    }
    let Some((_, reason)) = due(task, &planned.times).filter(|(at, _)| *at <= now) else { return };
    remember(ledger, unit);
    stop::attempt(ledger, seen, unit, reason);
}

/// Whether the object of the open attempt may go on for ever.
fn may_go_on(task: &TaskStatus, seen: &Observed<'_>) -> bool {
    let Some(last) = task.attempts.last().filter(|last| last.outcome.is_none()) else { return false };
    match seen.sight(last) {
        Some(Sight::Pod(pod)) => {
            let ends = pod.deleting || pod.is_over() || matches!(pod.main, MainState::Ended(_));
            !ends && last.is(&pod.uid)
        }
        Some(Sight::Child(child)) => {
            !child.deleting && !child.phase.is_finished() && last.uid.as_ref() == Some(&child.uid)
        }
        Some(Sight::Resource(facts)) => !facts.deleting && last.uid.as_ref() == Some(&facts.uid),
        Some(Sight::Absent | Sight::Creating | Sight::Refused(_) | Sight::Hidden(_)) | None => false,
    }
}

fn has_started(task: &TaskStatus) -> bool {
    task.attempts.last().is_some_and(|last| last.started_at.is_some())
}

/// When the time of the open attempt is over, and why it then fails.
fn due(task: &TaskStatus, times: &Times) -> Option<(Timestamp, Reason)> {
    let last = task.attempts.last()?;
    if has_started(task) {
        return Some((last.deadline_at.as_ref()?.0, Reason::TimedOut));
    }
    if times.start_timeout.is_some() {
        return Some((last.deadline_at.as_ref()?.0, Reason::StartTimedOut));
    }
    let unable = |kind| matches!(kind, WaitKind::ImagePull | WaitKind::PodConfig);
    let waiting = task.waiting_for.as_ref().filter(|waiting| unable(waiting.kind))?;
    Some((waiting.since.0.checked_add(UNABLE_TO_START).ok()?, Reason::StartTimedOut))
}
