//! What the user asked for: cancel and suspend.

use super::ledger::Ledger;
use super::observed::Observed;
use super::{for_each, stop, verdict};
use crate::api::{Reason, RunPhase, TaskPhase, WorkflowRunSpec, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Whether no new pod of the run may start. A stop counts for more than a suspension: what is to run at the end runs.
#[must_use]
pub fn is_suspended(spec: &WorkflowRunSpec, status: &WorkflowRunStatus) -> bool {
    spec.suspend && status.phase != RunPhase::Stopping && !stop::is_asked_for(spec, status)
}

/// Obeys `spec.cancel` and `spec.suspend`, and stops a run that is to be stopped for another reason.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    // A run that was put back to its start by hand is on its way all the same.
    if ledger.phase() == RunPhase::Pending {
        ledger.move_run(RunPhase::Running, None);
    }
    if ledger.status.tasks.iter().all(|task| task.phase.is_finished()) {
        return;
    }
    let asked = stop::is_asked_for(seen.run.spec, &ledger.status);
    // What comes after the last main task has no say in the verdict.
    let goes_on = !verdict::is_main_finished(&ledger.status, plan);
    if asked && goes_on {
        stop::run(ledger, seen, Reason::CancelRequested);
    }
    // Once it is stopping it stops, whoever wrote that down.
    if ledger.phase() == RunPhase::Stopping && goes_on {
        let why = stop::why(&ledger.status);
        stop(ledger, plan, seen, false, why);
    }
    let skips = seen.run.spec.cancel.as_ref().is_some_and(|cancel| cancel.skip_finally);
    if asked && (skips || is(Mutant::CancelSkipsFinally)) {
        stop(ledger, plan, seen, true, Reason::CancelRequested);
    }
    if ledger.phase() != RunPhase::Stopping {
        let suspended = is_suspended(seen.run.spec, &ledger.status);
        ledger.move_run(if suspended { RunPhase::Suspended } else { RunPhase::Running }, None);
    }
}

/// Stops the tasks of `finally`, or all others.
fn stop(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>, finally: bool, why: Reason) {
    for index in plan.tasks().iter().enumerate().filter(|(_, task)| task.finally == finally).map(|(index, _)| index) {
        let Some(task) = ledger.task(index) else { continue };
        if ledger.has_items(index) {
            if let Some(planned) = plan.tasks().get(index).filter(|_| !task.phase.is_finished()) {
                for_each::stop(ledger, seen, index, why);
                for_each::settle(ledger, index, planned, seen);
            }
            continue;
        }
        match task.phase {
            TaskPhase::Pending | TaskPhase::Backoff => {
                ledger.move_task(index, TaskPhase::Cancelled, Some(why));
            }
            TaskPhase::Starting | TaskPhase::Running => stop::attempt(ledger, seen, index, why),
            TaskPhase::Stopping
            | TaskPhase::Succeeded
            | TaskPhase::Failed
            | TaskPhase::Skipped
            | TaskPhase::UpstreamFailed
            | TaskPhase::Cancelled => {}
        }
    }
}
