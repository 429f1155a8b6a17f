//! Whether a run is finished, and how. First match:
//!
//! | facts | phase (reason) |
//! |---|---|
//! | a task isn't finished | goes on |
//! | cancel went on record before the last task finished | Cancelled |
//! | a task without `allowFailure` failed, whatever rules ran because of it | Failed (TaskFailed) |
//! | a task with `allowFailure` failed | Succeeded (AllowedFailures) |
//! | every task was skipped | Succeeded (AllSkipped) |
//! | else | Succeeded |
//!
//! What is UpstreamFailed is so because something failed, which is counted itself.

use super::ledger::Ledger;
use crate::api::{Reason, RunPhase, TaskPhase, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Ends the run if all of its tasks have ended.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan) {
    if ledger.status.tasks.iter().all(|task| task.phase.is_finished()) {
        let (phase, reason) = of(&ledger.status, plan);
        ledger.move_run(phase, reason);
    }
}

/// The verdict over tasks that have all ended.
fn of(status: &WorkflowRunStatus, plan: &Plan) -> (RunPhase, Option<Reason>) {
    if status.phase == RunPhase::Stopping {
        return (RunPhase::Cancelled, Some(Reason::CancelRequested));
    }
    let phases = || status.tasks.iter().map(|task| task.phase);
    let failed = |allowed: bool| {
        let tasks = plan.tasks().iter().zip(phases());
        tasks.filter(|(_, phase)| *phase == TaskPhase::Failed).any(|(planned, _)| planned.allow_failure == allowed)
    };
    let skipped = is(Mutant::SkippedFails) && phases().any(|phase| phase == TaskPhase::Skipped);
    if failed(false) || skipped || is(Mutant::AllowedFailureFails) && failed(true) {
        (RunPhase::Failed, Some(Reason::TaskFailed))
    } else if failed(true) {
        (RunPhase::Succeeded, Some(Reason::AllowedFailures))
    } else if phases().all(|phase| phase == TaskPhase::Skipped) {
        (RunPhase::Succeeded, Some(Reason::AllSkipped))
    } else {
        (RunPhase::Succeeded, None)
    }
}
