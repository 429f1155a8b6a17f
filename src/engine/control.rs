//! What the user asked for: cancel and suspend.

use super::ledger::Ledger;
use super::observed::{Observed, Sight};
use crate::api::{AttemptOutcome, Reason, RunPhase, TaskPhase};

/// Obeys `spec.cancel` and `spec.suspend`.
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
    // Once it is stopping it stops, whoever wrote that down.
    let stopping = ledger.phase() == RunPhase::Stopping;
    if stopping || seen.run.spec.cancel.as_ref().is_some_and(|cancel| cancel.generation >= generation) {
        cancel(ledger, seen);
    } else if seen.run.spec.suspend {
        ledger.move_run(RunPhase::Suspended, None);
    } else {
        ledger.move_run(RunPhase::Running, None);
    }
}

fn cancel(ledger: &mut Ledger, seen: &Observed<'_>) {
    ledger.move_run(RunPhase::Stopping, Some(Reason::CancelRequested));
    let why = Some(Reason::CancelRequested);
    for index in 0..ledger.status.tasks.len() {
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
