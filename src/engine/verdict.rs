//! Whether a run is finished, and how. First match:
//!
//! | facts | phase (reason) |
//! |---|---|
//! | a task isn't finished | goes on |
//! | cancel went on record before the last task finished | Cancelled |
//! | the run's timeout was over before that | Failed (RunTimedOut) |
//! | a rule of a task's retry says FailRun | Failed (FailRun) |
//! | a task failed | Failed (TaskFailed) |
//! | else | Succeeded |

use super::ledger::Ledger;
use super::stop;
use crate::api::{Reason, RunPhase, TaskPhase};

/// Ends the run if all of its tasks have ended.
pub(super) fn settle(ledger: &mut Ledger) {
    let tasks = &ledger.status.tasks;
    if !tasks.iter().all(|task| task.phase.is_finished()) {
        return;
    }
    if ledger.phase() == RunPhase::Stopping {
        stop::verdict(ledger);
    } else if tasks.iter().any(|task| task.phase == TaskPhase::Failed) {
        ledger.move_run(RunPhase::Failed, Some(Reason::TaskFailed));
    } else {
        ledger.move_run(RunPhase::Succeeded, None);
    }
}
