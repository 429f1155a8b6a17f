//! What the user asked for: cancel and suspend.

use super::ledger::Ledger;
use super::lineage::{Lineage, Wish};
use super::observed::Observed;
use super::{for_each, stop, verdict};
use crate::api::{Reason, RunPhase, TaskPhase, WorkflowRunSpec, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Whether nothing new of the run may start. A stop counts for more than a suspension: what is to run at the end runs.
#[must_use]
pub fn is_suspended(spec: &WorkflowRunSpec, status: &WorkflowRunStatus, lineage: &Lineage) -> bool {
    let holds = spec.suspend || matches!(lineage.wish, Wish::Hold(_));
    holds && status.phase != RunPhase::Stopping && stop::asked(spec, status, lineage).is_none()
}

/// Why the run is suspended, in words, if it is.
pub(super) fn suspended_by<'a>(seen: &'a Observed<'_>, status: &WorkflowRunStatus) -> Option<&'a str> {
    is_suspended(seen.run.spec, status, seen.lineage).then_some(match &seen.lineage.wish {
        Wish::Hold(why) if !seen.run.spec.suspend => why,
        _ => "spec.suspend is true",
    })
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
    let asked = stop::asked(seen.run.spec, &ledger.status, seen.lineage);
    // What comes after the last main task has no say in the verdict.
    let goes_on = !verdict::is_main_finished(&ledger.status, plan);
    if let (Some(reason), true) = (asked, goes_on) {
        stop::run(ledger, seen, reason);
    }
    // Once it is stopping it stops, whoever wrote that down.
    if ledger.phase() == RunPhase::Stopping && goes_on {
        let why = stop::why(&ledger.status);
        stop(ledger, plan, seen, false, why);
    }
    let skips = stop::words(seen).is_some_and(|cancel| cancel.skip_finally);
    if let (Some(reason), true) = (asked, skips || is(Mutant::CancelSkipsFinally)) {
        stop(ledger, plan, seen, true, reason);
    }
    if ledger.phase() != RunPhase::Stopping {
        let suspended = is_suspended(seen.run.spec, &ledger.status, seen.lineage);
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
