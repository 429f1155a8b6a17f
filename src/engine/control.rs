//! What the user asked for: cancel and suspend.

use super::ledger::Ledger;
use super::observed::{Observed, Sight};
use super::verdict;
use crate::api::{AttemptOutcome, Reason, RunPhase, TaskPhase, WorkflowRunSpec, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Whether no new pod of the run may start. A cancel counts for more than a suspension: what is to run on cancel runs.
#[must_use]
pub fn is_suspended(spec: &WorkflowRunSpec, status: &WorkflowRunStatus) -> bool {
    spec.suspend && !is_cancelled(spec, status)
}

/// Whether the run is to stop. Once it is stopping it stops, whoever wrote that down.
fn is_cancelled(spec: &WorkflowRunSpec, status: &WorkflowRunStatus) -> bool {
    let asked = spec.cancel.as_ref().is_some_and(|cancel| cancel.generation >= status.generation);
    asked || status.phase == RunPhase::Stopping
}

/// Obeys `spec.cancel` and `spec.suspend`.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    // A run that was put back to its start by hand is on its way all the same.
    if ledger.phase() == RunPhase::Pending {
        ledger.move_run(RunPhase::Running, None);
    }
    if ledger.status.tasks.iter().all(|task| task.phase.is_finished()) {
        return;
    }
    let cancelled = is_cancelled(seen.run.spec, &ledger.status);
    // A cancel that comes after the last main task has no say in the verdict.
    if cancelled && !verdict::is_main_finished(&ledger.status, plan) {
        ledger.move_run(RunPhase::Stopping, Some(Reason::CancelRequested));
        stop(ledger, plan, seen, false);
    }
    let skips = seen.run.spec.cancel.as_ref().is_some_and(|cancel| cancel.skip_finally);
    if cancelled && (skips || is(Mutant::CancelSkipsFinally)) {
        stop(ledger, plan, seen, true);
    }
    if ledger.phase() != RunPhase::Stopping {
        let suspended = is_suspended(seen.run.spec, &ledger.status);
        ledger.move_run(if suspended { RunPhase::Suspended } else { RunPhase::Running }, None);
    }
}

/// Stops the tasks of `finally`, or all others.
fn stop(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>, finally: bool) {
    let why = Some(Reason::CancelRequested);
    for index in plan.tasks().iter().enumerate().filter(|(_, task)| task.finally == finally).map(|(index, _)| index) {
        let Some(task) = ledger.task_mut(index) else { continue };
        match task.phase {
            TaskPhase::Pending | TaskPhase::Backoff => {
                ledger.move_task(index, TaskPhase::Cancelled, why);
            }
            TaskPhase::Starting | TaskPhase::Running => {
                let stamp = ledger.stamp();
                let Some(last) = ledger.task_mut(index).and_then(|task| task.attempts.last_mut()) else { continue };
                // Its create was never sent or was refused, so there is nothing to stop.
                let nothing_there =
                    last.uid.is_none() && matches!(seen.sights.get(&last.pod), Some(Sight::Absent | Sight::Refused(_)));
                if nothing_there {
                    last.outcome = Some(AttemptOutcome::Cancelled);
                    last.reason = why;
                    last.finished_at = Some(stamp);
                    ledger.move_task(index, TaskPhase::Cancelled, why);
                } else {
                    ledger.move_task(index, TaskPhase::Stopping, why);
                }
            }
            TaskPhase::Stopping
            | TaskPhase::Succeeded
            | TaskPhase::Failed
            | TaskPhase::Skipped
            | TaskPhase::UpstreamFailed
            | TaskPhase::Cancelled => {}
        }
    }
}
