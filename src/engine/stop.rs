//! Stopping what goes on: a whole run before its tasks have ended, or an attempt whose time is over; and what that makes of
//! attempts, tasks and the run.

use super::attempt::End;
use super::ledger::Ledger;
use super::lineage::{Lineage, Wish};
use super::observed::{MainState, Observed, PodFacts, Sight};
use super::text::names;
use super::track::{fail, told as told_of};
use super::unit::Unit;
use super::{child, pace, resource};
use crate::api::{
    Attempt, AttemptOutcome, Cancel, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind, WorkflowRunSpec,
    WorkflowRunStatus,
};
use crate::mutant::{Mutant, is};

/// Why a run is being stopped.
pub(super) fn why(status: &WorkflowRunStatus) -> Reason {
    match status.reason {
        Some(reason @ (Reason::FailRun | Reason::RunTimedOut | Reason::ConcurrencyLimit | Reason::ParentStopped)) => {
            reason
        }
        // It stops when someone asked for it, and when a hand wrote that it does.
        _ => Reason::CancelRequested,
    }
}

/// Why the pod of a task or an item is being stopped, if it is: its own time is over, its task can't succeed any more, or the whole
/// run is being stopped.
pub(super) fn of(task: &TaskStatus, run: &WorkflowRunStatus) -> Option<Reason> {
    // A finally task may be cancelled in a run that is stopping for another reason.
    let of_its_own = |reason| matches!(reason, Reason::CancelRequested | Reason::ParentStopped | Reason::FailFast);
    let own = task.reason.filter(|reason| is_timeout(*reason) || of_its_own(*reason));
    (task.phase == TaskPhase::Stopping).then(|| own.unwrap_or_else(|| why(run)))
}

/// Whether an attempt that is stopped for this reason has failed.
const fn is_timeout(reason: Reason) -> bool {
    matches!(reason, Reason::TimedOut | Reason::StartTimedOut | Reason::TotalTimedOut | Reason::FinallyTimedOut)
}

/// The run begins to stop. What is asked for counts for more than any other reason, also for one for which it is stopping already.
pub(super) fn run(ledger: &mut Ledger, seen: &Observed<'_>, reason: Reason) {
    let asked = asked(seen.run.spec, &ledger.status, seen.lineage);
    let reason = asked.unwrap_or(reason);
    // One that was put back to its start by hand is on its way all the same.
    if ledger.phase() == RunPhase::Pending {
        ledger.move_run(RunPhase::Running, None);
    }
    if ledger.phase() != RunPhase::Stopping {
        ledger.move_run(RunPhase::Stopping, Some(reason));
    } else if asked.is_some() && ledger.status.reason != asked {
        ledger.status.reason = Some(reason);
        ledger.urgent = true;
    }
}

/// Why a stop of this generation is asked for, if it is: by the user, or by the run that this one is a child of.
pub(super) fn asked(spec: &WorkflowRunSpec, status: &WorkflowRunStatus, lineage: &Lineage) -> Option<Reason> {
    let of_all = is(Mutant::CancelOfAllGenerations);
    if spec.cancel.as_ref().is_some_and(|cancel| cancel.generation >= status.generation || of_all) {
        return Some(Reason::CancelRequested);
    }
    matches!(lineage.wish, Wish::Stop(_)).then_some(Reason::ParentStopped)
}

/// How it is asked for: the user's own words for this run, or else for one that it is a child of.
pub(super) fn words<'a>(seen: &Observed<'a>) -> Option<&'a Cancel> {
    // Those of an earlier generation say nothing of this one.
    let own = seen.run.spec.cancel.as_ref().filter(|cancel| cancel.generation >= seen.status.generation);
    own.or(match &seen.lineage.wish {
        Wish::Stop(cancel) => Some(cancel),
        Wish::GoOn | Wish::Hold(_) => None,
    })
}

/// Stops the open attempt of a task or an item. One whose create was never sent or was refused has nothing to stop, and ends at once.
pub(super) fn attempt(ledger: &mut Ledger, seen: &Observed<'_>, unit: impl Into<Unit>, reason: Reason) {
    let unit: Unit = unit.into();
    let stamp = ledger.stamp();
    let Some(last) = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut()) else { return };
    let sight = seen.sight(last);
    let is_made = last.uid.is_some() || !matches!(sight, Some(Sight::Absent | Sight::Refused(_)));
    if is_made && (last.run.is_empty() || !is(Mutant::EndsBeforeChild)) {
        let (kind, detail) = match &*last {
            Attempt { resource: Some(resource), .. } => (WaitKind::Resource, resource::to_go(resource)),
            Attempt { run, .. } if !run.is_empty() => (WaitKind::Child, child::to_end(run)),
            Attempt { pod, .. } => (WaitKind::Node, pace::to_end(pod)),
        };
        if matches!(sight, Some(Sight::Child(child)) if child.phase.is_finished()) {
            // It was to go on, and won't now: nothing will change about it, so this run has to look again by itself.
            ledger.wake(ledger.now);
        }
        ledger.move_task(unit, TaskPhase::Stopping, Some(reason));
        ledger.wait(unit, kind, &detail);
        return;
    }
    last.reason = Some(reason);
    last.finished_at = Some(stamp);
    if is_timeout(reason) {
        last.outcome = Some(AttemptOutcome::Failed);
        let told = told_of(last);
        fail(ledger, unit, Some(reason), &told);
    } else {
        last.outcome = Some(AttemptOutcome::Cancelled);
        ledger.move_task(unit, TaskPhase::Cancelled, Some(reason));
    }
}

/// What the end of a pod or child run that we stopped comes to: only an honest success counts for more than our stopping it.
pub(super) fn judged(end: End, reason: Reason, pod: Option<&PodFacts>) -> End {
    if end.outcome == AttemptOutcome::Succeeded {
        return end;
    }
    if !is_timeout(reason) {
        return End { outcome: AttemptOutcome::Cancelled, reason: Some(reason), ..end };
    }
    // That we deleted it is no news. What it last said may be.
    let message = match pod.map(|pod| &pod.main) {
        Some(MainState::Ended(main)) => main.message.clone(),
        _ => String::new(),
    };
    End { outcome: AttemptOutcome::Failed, reason: Some(reason), message, ..end }
}

/// What a run that was stopped comes to.
pub(super) fn outcome(status: &WorkflowRunStatus) -> (RunPhase, Option<Reason>) {
    match why(status) {
        reason @ (Reason::CancelRequested | Reason::ConcurrencyLimit | Reason::ParentStopped) => {
            (RunPhase::Cancelled, Some(reason))
        }
        reason => (RunPhase::Failed, Some(reason)),
    }
}

/// The run that was stopped ends.
pub(super) fn verdict(ledger: &mut Ledger) {
    let (phase, reason) = outcome(&ledger.status);
    ledger.move_run(phase, reason);
}

/// In a word, what a run that is stopping will be once all that was to be stopped has ended.
pub(super) fn word(status: &WorkflowRunStatus) -> &'static str {
    match why(status) {
        Reason::RunTimedOut => "timed out",
        Reason::FailRun => "failed",
        _ => "cancelled",
    }
}

/// The message of a run that was stopped and ended Failed, if it did.
pub(super) fn told(status: &WorkflowRunStatus) -> Option<String> {
    let reason = status.reason?;
    let mut for_it = status.tasks.iter().filter(|task| task.reason == Some(reason));
    match reason {
        Reason::FailRun => {
            let task = for_it.find(|task| task.phase == TaskPhase::Failed)?;
            Some(format!("{}: {}; by a rule of its retry the run fails", task.name, task.message))
        }
        Reason::RunTimedOut => {
            let stopped = for_it.filter(|task| task.phase == TaskPhase::Cancelled);
            Some(format!("the run's timeout is over; stopped {}", names(stopped.map(|task| task.name.as_str()))))
        }
        _ => None,
    }
}
