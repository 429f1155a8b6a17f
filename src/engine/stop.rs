//! Stopping a run before its tasks have ended: why, and what that makes of its attempts, its tasks and the run.

use super::attempt::End;
use super::ledger::Ledger;
use super::observed::{Observed, Sight};
use crate::api::{AttemptOutcome, Reason, RunPhase, TaskPhase, WorkflowRunStatus};

/// Why a run is being stopped.
pub(super) fn why(status: &WorkflowRunStatus) -> Reason {
    match status.reason {
        Some(reason @ Reason::FailRun) => reason,
        // It stops when someone asked for it, and when a hand wrote that it does.
        _ => Reason::CancelRequested,
    }
}

/// The run begins to stop. A cancel counts for more than any other reason for which it may be stopping already.
pub(super) fn run(ledger: &mut Ledger, reason: Reason) {
    // One that was put back to its start by hand is on its way all the same.
    if ledger.phase() == RunPhase::Pending {
        ledger.move_run(RunPhase::Running, None);
    }
    if ledger.phase() != RunPhase::Stopping {
        ledger.move_run(RunPhase::Stopping, Some(reason));
    } else if reason == Reason::CancelRequested && ledger.status.reason != Some(reason) {
        ledger.status.reason = Some(reason);
        ledger.urgent = true;
    }
}

/// Stops the open attempt of a task. One whose create was never sent or was refused has nothing to stop, and ends at once.
pub(super) fn attempt(ledger: &mut Ledger, seen: &Observed<'_>, index: usize, reason: Reason) {
    let stamp = ledger.stamp();
    let Some(last) = ledger.task_mut(index).and_then(|task| task.attempts.last_mut()) else { return };
    let sight = seen.sights.get(&last.pod);
    if last.uid.is_some() || !matches!(sight, Some(Sight::Absent | Sight::Refused(_))) {
        ledger.move_task(index, TaskPhase::Stopping, Some(reason));
        return;
    }
    last.outcome = Some(AttemptOutcome::Cancelled);
    last.reason = Some(reason);
    last.finished_at = Some(stamp);
    ledger.move_task(index, TaskPhase::Cancelled, Some(reason));
}

/// What the end of a pod that we stopped comes to: only an honest success counts for more than our stopping it.
pub(super) fn judged(end: End, reason: Reason) -> End {
    if end.outcome == AttemptOutcome::Succeeded {
        return end;
    }
    End { outcome: AttemptOutcome::Cancelled, reason: Some(reason), ..end }
}

/// The run that was stopped ends.
pub(super) fn verdict(ledger: &mut Ledger) {
    match why(&ledger.status) {
        reason @ Reason::FailRun => ledger.move_run(RunPhase::Failed, Some(reason)),
        reason => ledger.move_run(RunPhase::Cancelled, Some(reason)),
    };
}

/// The message of a run that was stopped and ended Failed, if it did.
pub(super) fn told(status: &WorkflowRunStatus) -> Option<String> {
    let failed_it = |reason| status.tasks.iter().find(|task| task.reason == Some(reason));
    match status.reason {
        Some(reason @ Reason::FailRun) => {
            let task = failed_it(reason)?;
            Some(format!("{}: {}; by a rule of its retry the run fails", task.name, task.message))
        }
        _ => None,
    }
}
