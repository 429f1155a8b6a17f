//! What the facts mean for each task whose attempt is open.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::attempt::{self, End};
use super::control::is_suspended;
use super::disruption;
use super::gate::to_start;
use super::ledger::Ledger;
use super::observed::{MainState, Observed, PodFacts, Refusal, RefusalKind, Sight};
use super::scope::environment;
use crate::api::{AttemptOutcome, Reason, TaskPhase, WaitKind};
use crate::plan::{Plan, PlannedTask};

/// Bytes that the outputs of a run may have in all.
const ALL_OUTPUTS: usize = 384 * 1024;

/// Puts on record what is seen of every open attempt.
pub(super) fn record_facts(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    for (index, planned) in plan.tasks().iter().enumerate() {
        let Some(task) = ledger.task(index).filter(|task| task.phase.has_pod()) else { continue };
        let stopping = task.phase == TaskPhase::Stopping;
        let was_running = task.phase == TaskPhase::Running;
        let Some(last) = task.attempts.last().filter(|last| last.outcome.is_none()) else { continue };
        let (known_uid, number) = (last.uid.clone(), last.number);
        // Of what isn't known, nothing is decided.
        let Some(sight) = seen.sights.get(&last.pod) else { continue };
        match sight {
            // Another pod of that name means that the attempt's own is gone.
            Sight::Pod(pod) if known_uid.as_ref().is_none_or(|uid| *uid == pod.uid) => {
                follow(ledger, index, planned, pod, stopping);
            }
            // What was running had a pod, also where someone took its uid off the record.
            Sight::Pod(_) | Sight::Absent | Sight::Refused(_) if known_uid.is_some() || was_running => {
                let end = if stopping { cancelled() } else { lost() };
                finish(ledger, index, planned, end, stopping);
            }
            Sight::Refused(refusal) if known_uid.is_none() => refused(ledger, index, planned, refusal, stopping),
            Sight::Absent if stopping => finish(ledger, index, planned, cancelled(), stopping),
            Sight::Absent if is_suspended(seen.run.spec, &ledger.status) => {
                ledger.wait(index, WaitKind::Suspended, "spec.suspend is true");
            }
            Sight::Absent => {
                // It could be made when the intent was recorded; another version of this program may see that otherwise.
                if let Err(problem) = environment(plan, planned, &ledger.status, seen, number) {
                    let end = End::new(AttemptOutcome::Failed, Some(Reason::ExpressionError), &problem);
                    finish(ledger, index, planned, end, stopping);
                }
            }
            Sight::Pod(_) | Sight::Refused(_) | Sight::Creating => {}
        }
    }
}

/// The pod exists: record its uid, its start, its trouble or its end.
fn follow(ledger: &mut Ledger, index: usize, planned: &PlannedTask, pod: &PodFacts, stopping: bool) {
    let since = match &pod.main {
        MainState::Running { since } => *since,
        MainState::Ended(main) => main.started_at,
        MainState::Waiting => None,
    };
    // A container that was never started ends too, when its pod is taken.
    let started = match &pod.main {
        MainState::Running { .. } => true,
        MainState::Ended(main) => main.started_at.is_some(),
        MainState::Waiting => false,
    };
    let now = ledger.now;
    if let Some(task) = ledger.task_mut(index) {
        if let Some(last) = task.attempts.last_mut() {
            last.uid.get_or_insert_with(|| pod.uid.clone());
            if started {
                last.started_at.get_or_insert(MicroTime(since.unwrap_or(now)));
            }
        }
        if started {
            task.started_at.get_or_insert(MicroTime(since.unwrap_or(now)));
        }
    }
    if let Some(end) = attempt::end(pod, &planned.outputs) {
        // Of a pod that we stopped, only an honest success counts for more than our stopping it.
        let end = if stopping && end.outcome != AttemptOutcome::Succeeded {
            End { outcome: AttemptOutcome::Cancelled, reason: Some(Reason::CancelRequested), ..end }
        } else {
            end
        };
        finish(ledger, index, planned, end, stopping);
    } else if started {
        if !stopping {
            ledger.move_task(index, TaskPhase::Running, None);
        }
    } else if let Some(trouble) = pod.trouble.as_ref().filter(|_| !stopping) {
        ledger.wait(index, trouble.kind, &trouble.message);
    } else if !stopping {
        ledger.wait(index, WaitKind::Node, &to_start(&pod.name));
    }
}

fn refused(ledger: &mut Ledger, index: usize, planned: &PlannedTask, refusal: &Refusal, stopping: bool) {
    if stopping {
        return finish(ledger, index, planned, cancelled(), stopping);
    }
    let for_good = |reason| End::new(AttemptOutcome::Failed, Some(reason), &refusal.message);
    match refusal.kind {
        RefusalKind::Invalid => finish(ledger, index, planned, for_good(Reason::PodInvalid), stopping),
        RefusalKind::NameClash => finish(ledger, index, planned, for_good(Reason::NameClash), stopping),
        RefusalKind::NamespaceTerminating => {
            finish(ledger, index, planned, for_good(Reason::NamespaceTerminating), stopping);
        }
        RefusalKind::Quota => ledger.wait(index, WaitKind::Quota, &refusal.message),
        RefusalKind::Admission => ledger.wait(index, WaitKind::Admission, &refusal.message),
    }
}

fn lost() -> End {
    End::new(AttemptOutcome::Disrupted, Some(Reason::PodLost), "the pod is gone, and nobody saw how it ended")
}

fn cancelled() -> End {
    End::new(AttemptOutcome::Cancelled, Some(Reason::CancelRequested), "")
}

/// Records the end of the open attempt, and what follows for the task.
fn finish(ledger: &mut Ledger, index: usize, planned: &PlannedTask, end: End, stopping: bool) {
    let end = within_bounds(ledger, end);
    let message = ledger.message(&end.message);
    let now = ledger.now;
    let Some(task) = ledger.task_mut(index) else { return };
    let Some(last) = task.attempts.last_mut() else { return };
    let started_at = end.started_at.or(last.started_at.as_ref().map(|at| at.0));
    // The kubelet's clock isn't ours; an end before its start would be nonsense to a reader.
    let finished_at = end.finished_at.unwrap_or(now).max(started_at.unwrap_or(Timestamp::MIN));
    last.started_at = started_at.map(MicroTime);
    last.finished_at = Some(MicroTime(finished_at));
    last.exit_code = end.exit_code;
    last.outcome = Some(end.outcome);
    last.reason = end.reason;
    last.message.clone_from(&message);
    let number = last.number;
    match end.outcome {
        AttemptOutcome::Succeeded => {
            task.outputs = (!planned.outputs.is_empty()).then_some(end.outputs);
            task.message.clear();
            ledger.move_task(index, TaskPhase::Succeeded, None);
        }
        AttemptOutcome::Failed => {
            let told = attempt::told(end.reason, end.exit_code, number, &message);
            fail(ledger, index, end.reason, &told);
        }
        AttemptOutcome::Cancelled => {
            ledger.move_task(index, TaskPhase::Cancelled, Some(Reason::CancelRequested));
        }
        AttemptOutcome::Disrupted => after_disruption(ledger, index, end.reason, number, &message, stopping),
    }
}

fn after_disruption(
    ledger: &mut Ledger,
    index: usize,
    reason: Option<Reason>,
    number: u32,
    message: &str,
    stopping: bool,
) {
    let now = ledger.now;
    let told = attempt::told(reason, None, number, message);
    let Some(task) = ledger.task_mut(index) else { return };
    let name = task.name.clone();
    if stopping {
        ledger.move_task(index, TaskPhase::Cancelled, Some(Reason::CancelRequested));
    } else if let Some(next_at) = disruption::next_attempt_at(&task.attempts, now) {
        if let Some(last) = task.attempts.last_mut() {
            last.next_at = Some(MicroTime(next_at));
        }
        ledger.move_task(index, TaskPhase::Backoff, reason);
        ledger.note(true, "TaskDisrupted", &format!("{name}: {told}; it will be tried again"));
    } else {
        fail(ledger, index, Some(Reason::TooManyDisruptions), &format!("disrupted too often; the last time: {told}"));
    }
}

/// Fails a task.
pub(super) fn fail(ledger: &mut Ledger, index: usize, reason: Option<Reason>, told: &str) {
    let message = ledger.message(told);
    if let Some(task) = ledger.task_mut(index) {
        task.message = message;
        let name = task.name.clone();
        if ledger.move_task(index, TaskPhase::Failed, reason) {
            ledger.note(true, "TaskFailed", &format!("{name}: {told}"));
        }
    }
}

/// A success whose outputs don't fit beside those of the other tasks is a failure, said so.
fn within_bounds(ledger: &mut Ledger, end: End) -> End {
    if end.outputs.is_empty() {
        return end;
    }
    if ledger.add_outputs(&end.outputs, ALL_OUTPUTS) {
        return end;
    }
    End {
        outcome: AttemptOutcome::Failed,
        reason: Some(Reason::OutputTooLarge),
        message: format!("with this task's outputs, those of the run would be over {} KiB in all", ALL_OUTPUTS / 1024),
        outputs: serde_json::Map::new(),
        ..end
    }
}
