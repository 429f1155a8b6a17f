//! Whether a run is finished, and how. First match:
//!
//! | facts | phase (reason) |
//! |---|---|
//! | a task isn't finished | goes on |
//! | cancel went on record before the last main task finished | Cancelled |
//! | the run's timeout was over before that | Failed (RunTimedOut) |
//! | a rule of a main task's retry says FailRun | Failed (FailRun) |
//! | a main task without `allowFailure` failed, whatever rules ran because of it | Failed (TaskFailed) |
//! | a main task with `allowFailure` failed | Succeeded (AllowedFailures) |
//! | every main task was skipped | Succeeded (AllSkipped) |
//! | else | Succeeded |
//! | then: a finally task without `allowFailure` failed | Succeeded becomes Failed (FinallyFailed); others stay |
//! | then: the workflow's outputs can't be made | Succeeded becomes Failed (OutputsFailed) |
//!
//! What is UpstreamFailed is so because something failed, which is counted itself. Main tasks are those that aren't of `finally`.

use super::ledger::Ledger;
use super::observed::Observed;
use super::scope::run_outputs;
use super::stop;
use super::text::{MESSAGE_BYTES, clip};
use crate::api::{Reason, RunPhase, TaskPhase, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask};

/// Ends the run if all of its tasks have ended.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    if !ledger.status.tasks.iter().all(|task| task.phase.is_finished()) {
        return;
    }
    let (phase, reason) = so_far(&ledger.status, plan);
    let spoilt = phase == RunPhase::Succeeded
        && of(&ledger.status, plan, true).any(|(task, phase)| phase == TaskPhase::Failed && !task.allow_failure);
    if spoilt {
        ledger.move_run(RunPhase::Failed, Some(Reason::FinallyFailed));
    } else if phase == RunPhase::Succeeded {
        succeed(ledger, plan, seen, reason);
    } else {
        ledger.move_run(phase, reason);
    }
}

/// The run has succeeded, if it has what it is to hand on.
fn succeed(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>, reason: Option<Reason>) {
    match run_outputs(plan, &ledger.status, seen, (RunPhase::Succeeded, reason)) {
        Ok(outputs) => {
            ledger.status.outputs = outputs;
            ledger.move_run(RunPhase::Succeeded, reason);
        }
        Err(problem) => {
            if ledger.move_run(RunPhase::Failed, Some(Reason::OutputsFailed)) {
                ledger.status.message = clip(&problem, MESSAGE_BYTES);
            }
        }
    }
}

/// The tasks of `finally`, or all others, each with its phase.
fn of<'a>(
    status: &'a WorkflowRunStatus,
    plan: &'a Plan,
    finally: bool,
) -> impl Iterator<Item = (&'a PlannedTask, TaskPhase)> {
    let tasks = plan.tasks().iter().zip(&status.tasks);
    tasks.filter(move |(planned, _)| planned.finally == finally).map(|(planned, task)| (planned, task.phase))
}

/// Whether every main task has ended.
pub(super) fn is_main_finished(status: &WorkflowRunStatus, plan: &Plan) -> bool {
    of(status, plan, false).all(|(_, phase)| phase.is_finished())
}

/// The verdict over the main tasks, which have all ended: what finally tasks read as `run.phase` and `run.reason`.
pub(super) fn so_far(status: &WorkflowRunStatus, plan: &Plan) -> (RunPhase, Option<Reason>) {
    if status.phase == RunPhase::Stopping {
        return stop::outcome(status);
    }
    let failed = |allowed: bool, finally: bool| {
        of(status, plan, finally).any(|(task, phase)| phase == TaskPhase::Failed && task.allow_failure == allowed)
    };
    let mut phases = of(status, plan, false).map(|(_, phase)| phase);
    let wrongly = is(Mutant::AllowedFailureFails) && failed(true, false)
        || is(Mutant::FinallyCountsAsMain) && failed(false, true)
        || is(Mutant::SkippedFails) && of(status, plan, false).any(|(_, phase)| phase == TaskPhase::Skipped);
    if failed(false, false) || wrongly {
        (RunPhase::Failed, Some(Reason::TaskFailed))
    } else if failed(true, false) {
        (RunPhase::Succeeded, Some(Reason::AllowedFailures))
    } else if phases.all(|phase| phase == TaskPhase::Skipped) {
        (RunPhase::Succeeded, Some(Reason::AllSkipped))
    } else {
        (RunPhase::Succeeded, None)
    }
}
