//! What the user asked for: cancel and suspend.

use super::ledger::Ledger;
use super::observed::Observed;
use super::stop;
use crate::api::{Reason, RunPhase, TaskPhase};

/// Obeys `spec.cancel` and `spec.suspend`, and stops a run that is to be stopped for another reason.
pub(super) fn settle(ledger: &mut Ledger, seen: &Observed<'_>) {
    let generation = ledger.status.generation;
    let all_finished = ledger.status.tasks.iter().all(|task| task.phase.is_finished());
    // A run that was put back to its start by hand is on its way all the same.
    if ledger.phase() == RunPhase::Pending {
        ledger.move_run(RunPhase::Running, None);
    }
    if all_finished {
        return;
    }
    if stop::is_asked_for(seen, generation) {
        stop::run(ledger, seen, Reason::CancelRequested);
    }
    // Once it is stopping it stops, whoever wrote that down.
    if ledger.phase() == RunPhase::Stopping {
        stop(ledger, seen);
    } else if seen.run.spec.suspend {
        ledger.move_run(RunPhase::Suspended, None);
    } else {
        ledger.move_run(RunPhase::Running, None);
    }
}

fn stop(ledger: &mut Ledger, seen: &Observed<'_>) {
    let why = stop::why(&ledger.status);
    for index in 0..ledger.status.tasks.len() {
        let Some(task) = ledger.task(index) else { continue };
        match task.phase {
            TaskPhase::Pending | TaskPhase::Backoff => {
                ledger.move_task(index, TaskPhase::Cancelled, Some(why));
            }
            TaskPhase::Starting | TaskPhase::Running => stop::attempt(ledger, seen, index, why),
            TaskPhase::Stopping
            | TaskPhase::Succeeded
            | TaskPhase::Failed
            | TaskPhase::UpstreamFailed
            | TaskPhase::Cancelled => {}
        }
    }
}
