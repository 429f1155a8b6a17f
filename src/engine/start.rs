//! Whether a run can start, and with what. It pins the workflow's revision and the parameters; only these are read later.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::control::is_suspended;
use super::ledger::Ledger;
use super::observed::{Definition, Observed, RunFacts};
use super::text::{MESSAGE_BYTES, clip, count};
use super::{packed, slot, stop};
use crate::api::{
    Attempt, AttemptOutcome, ItemsStatus, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind, WorkflowRunStatus,
};
use crate::plan::{Plan, PlannedTask, Problem};

/// How long after a run's creation its Workflow may still appear, so that one `kubectl apply` may hold both.
const WORKFLOW_GRACE: SignedDuration = SignedDuration::from_secs(10);

/// Pins the run if it isn't yet. Returns the plan by which its tasks are decided, or nothing where there is none.
pub(super) fn settle<'a>(ledger: &mut Ledger, seen: &Observed<'a>) -> Option<&'a Plan> {
    let pinned = ledger.status.revision.is_some();
    let waits = !pinned || ledger.phase() == RunPhase::Queued;
    // One that was stopping is not pinned anew, though someone took its revision off the record.
    let asked = stop::asked(seen.run.spec, &ledger.status, seen.lineage);
    if waits && (asked.is_some() || ledger.phase() == RunPhase::Stopping) {
        if ledger.phase() == RunPhase::Stopping {
            stop::verdict(ledger);
        } else {
            cancel(ledger, asked.unwrap_or(Reason::CancelRequested));
        }
        return None;
    }
    match seen.definition {
        Definition::Unread => None,
        Definition::Missing => {
            missing(ledger, seen);
            None
        }
        Definition::Invalid(problems) => {
            fail(ledger, Reason::InvalidWorkflow, &problems_text("workflow", problems));
            None
        }
        Definition::Unreadable(why) => {
            fail(ledger, Reason::InvalidWorkflow, &format!("the workflow can't be read: {why}"));
            None
        }
        Definition::Lost(why) => {
            fail(ledger, Reason::RevisionLost, why);
            None
        }
        // What comes next may hang on any of them.
        Definition::OutputsLost(why) => {
            fail(ledger, Reason::OutputsLost, why);
            None
        }
        Definition::Ready { plan, revision } if !pinned => {
            let goes_on = pin(ledger, seen, plan, revision) && has_slot(ledger, seen, plan);
            goes_on.then(|| begin(ledger, seen, plan, revision)).map(|()| *plan)
        }
        // One that begins anew, or was put back to its start by hand, has to wait for a slot like any other.
        Definition::Ready { plan, revision } if has_no_slot(ledger.phase(), plan) => {
            let goes_on = has_slot(ledger, seen, plan);
            goes_on.then(|| begin(ledger, seen, plan, revision)).map(|()| *plan)
        }
        Definition::Ready { plan, revision } => {
            let Some(what) = edited(&ledger.status, plan, revision) else { return Some(plan) };
            fail(ledger, Reason::RevisionLost, &format!("status.tasks was edited: {what}; make a new run"));
            None
        }
    }
}

/// What in the record of the tasks is not of our making, and would leave a task where nothing moves it on.
fn edited(status: &WorkflowRunStatus, plan: &Plan, revision: &str) -> Option<String> {
    let aligned = plan.tasks().len() == status.tasks.len()
        && plan
            .tasks()
            .iter()
            .zip(&status.tasks)
            .all(|(planned, task)| planned.name == task.name && planned.finally == task.finally);
    if !aligned {
        return Some(format!("it no longer lists the tasks of revision {revision}"));
    }
    let has_ended = |attempts: &[Attempt]| attempts.last().is_none_or(|last| last.outcome.is_some());
    for (planned, task) in plan.tasks().iter().zip(&status.tasks) {
        let stuck = match (&task.items, &planned.for_each) {
            (None, None) => task.phase.has_pod() && has_ended(&task.attempts),
            (None, Some(_)) => task.phase.has_pod() || task.phase == TaskPhase::Backoff,
            (Some(_), None) => return Some(format!("{} has items, and no forEach", task.name)),
            (Some(items), Some(_)) if items.total == 0 => task.phase.has_pod(),
            (Some(items), Some(_)) => {
                if let Some(index) = stuck_item(items) {
                    return Some(format!("item {index} of {} is under way, and no attempt of it is open", task.name));
                }
                false
            }
        };
        if stuck {
            return Some(format!("{} is {:?}, and no attempt of it is open", task.name, task.phase));
        }
    }
    None
}

/// An item that is under way by its phase, and nothing more is told of it.
fn stuck_item(items: &ItemsStatus) -> Option<u32> {
    let known: BTreeMap<u32, &[Attempt]> =
        items.entries.iter().map(|entry| (entry.index, entry.attempts.as_slice())).collect();
    let phases = items.phases();
    let mut under_way = (0..).zip(&phases).filter(|(_, phase)| phase.has_pod() || **phase == TaskPhase::Backoff);
    let stuck = under_way.find(|(index, phase)| {
        let last = known.get(index).and_then(|attempts| attempts.last());
        last.is_none_or(|last| last.outcome.is_some() == phase.has_pod())
    });
    stuck.map(|(index, _)| index)
}

fn missing(ledger: &mut Ledger, seen: &Observed<'_>) {
    let name = seen.run.spec.workflow_ref.as_ref().map_or("", |reference| reference.name.as_str());
    if let Some(deadline) = grace(ledger, seen) {
        let detail = format!("no Workflow `{name}` in this namespace yet");
        ledger.wait_run(WaitKind::Workflow, &detail);
        ledger.wake(deadline);
    } else {
        let why = format!(
            "no Workflow `{name}` in namespace `{}`: apply it, then make a new run (kubectl get gwf lists them)",
            seen.run.namespace
        );
        fail(ledger, Reason::WorkflowNotFound, &why);
    }
}

/// Until when the Workflow may still appear; `None` once that is over. The time of the creation is by the API server's clock, which
/// ours may be far behind: then the time counts since which we wait. If that lies ahead, our clock leapt back.
fn grace(ledger: &Ledger, seen: &Observed<'_>) -> Option<Timestamp> {
    if ledger.status.revision.is_some() {
        return None;
    }
    let waiting = ledger.status.waiting_for.as_ref().filter(|waiting| waiting.kind == WaitKind::Workflow);
    let since = waiting.map_or(ledger.now, |waiting| waiting.since.0);
    let deadline = seen.run.created_at?.min(since).checked_add(WORKFLOW_GRACE).ok()?;
    (since <= ledger.now && ledger.now < deadline).then_some(deadline)
}

fn pin(ledger: &mut Ledger, seen: &Observed<'_>, plan: &Plan, revision: &str) -> bool {
    let run = run_value(&seen.run, RunPhase::Running, None, ledger.status.generation);
    match plan.resolve_params(seen.run.spec.params.as_ref(), &run) {
        Ok(params) => ledger.status.params = Some(params),
        Err(problems) => {
            fail(ledger, Reason::InvalidParams, &problems_text("params", &problems));
            return false;
        }
    }
    ledger.status.revision = Some(revision.to_owned());
    true
}

/// Whether the run has a slot, where the runs of its workflow share slots. If not, it is queued.
fn has_slot(ledger: &mut Ledger, seen: &Observed<'_>, plan: &Plan) -> bool {
    let Some(limit) = plan.concurrency() else { return true };
    if ledger.phase() != RunPhase::Queued || ledger.status.concurrency.is_none() {
        let run = run_value(&seen.run, RunPhase::Running, None, ledger.status.generation);
        let empty = Map::new();
        match limit.key(ledger.status.params.as_ref().unwrap_or(&empty), &run) {
            Ok(key) => slot::enter(ledger, limit, key),
            Err(problem) => {
                fail(ledger, Reason::InvalidParams, &problem.to_string());
                return false;
            }
        }
    }
    slot::settle(ledger, seen)
}

/// Whether a run that is pinned has yet to get a slot.
fn has_no_slot(phase: RunPhase, plan: &Plan) -> bool {
    phase == RunPhase::Queued || phase == RunPhase::Pending && plan.concurrency().is_some()
}

/// The run starts, or its next generation does.
fn begin(ledger: &mut Ledger, seen: &Observed<'_>, plan: &Plan, revision: &str) {
    ledger.status.waiting_for = None;
    let new =
        |task: &PlannedTask| TaskStatus { name: task.name.clone(), finally: task.finally, ..TaskStatus::default() };
    let first = ledger.status.tasks.is_empty();
    if first {
        ledger.status.started_at = Some(ledger.stamp());
        ledger.status.tasks = plan.tasks().iter().map(new).collect();
    }
    // One that is queued takes no slot while it is suspended, unless a hand changed what it waits for.
    let suspended = is_suspended(seen.run.spec, &ledger.status, seen.lineage) && ledger.phase() != RunPhase::Queued;
    let phase = if suspended { RunPhase::Suspended } else { RunPhase::Running };
    ledger.move_run(phase, None);
    if first {
        let message = format!("revision {revision}, {}", count(plan.tasks().len(), "task"));
        ledger.note(false, "Started", &message);
    }
}

/// Ends a run that has no slot. Tasks of an earlier generation that were to run again do not.
pub(super) fn cancel(ledger: &mut Ledger, reason: Reason) {
    close(ledger, reason);
    ledger.move_run(RunPhase::Cancelled, Some(reason));
}

/// Ends the run. Nothing tells any more what its tasks were to do, so those that have not ended are closed in the same write:
/// their pods are then stopped and let go.
fn fail(ledger: &mut Ledger, reason: Reason, why: &str) {
    close(ledger, reason);
    if ledger.phase() == RunPhase::Stopping {
        stop::verdict(ledger);
    } else if ledger.move_run(RunPhase::Failed, Some(reason)) {
        ledger.status.message = clip(why, MESSAGE_BYTES);
    }
}

/// Cancels the tasks that have not ended, and the attempts that are open.
fn close(ledger: &mut Ledger, reason: Reason) {
    let stamp = ledger.stamp();
    packed::close(&mut ledger.status);
    let units = ledger.unfinished();
    for index in 0..ledger.status.tasks.len() {
        if ledger.task(index).is_none_or(|task| task.phase.is_finished()) {
            continue;
        }
        if let Some(items) = ledger.items.get_mut(&index) {
            items.cancel_pending();
        }
        // They come in the order of their tasks.
        let first = units.partition_point(|unit| unit.task < index);
        for unit in units.iter().skip(first).take_while(|unit| unit.task == index).copied() {
            let last = ledger.unit_mut(unit).and_then(|task| task.attempts.last_mut());
            if let Some(open) = last.filter(|last| last.outcome.is_none()) {
                open.outcome = Some(AttemptOutcome::Cancelled);
                open.reason = Some(reason);
                open.finished_at = Some(stamp.clone());
            }
            ledger.move_task(unit, TaskPhase::Cancelled, Some(reason));
        }
        ledger.keep_items(index);
        ledger.move_task(index, TaskPhase::Cancelled, Some(reason));
    }
}

/// What expressions see as `run`.
pub(super) fn run_value(run: &RunFacts<'_>, phase: RunPhase, reason: Option<Reason>, generation: u32) -> Value {
    json!({
        "name": run.name,
        "uid": run.uid,
        "namespace": run.namespace,
        "phase": phase,
        "reason": reason.map_or(json!(""), |reason| json!(reason)),
        "generation": generation,
    })
}

fn problems_text(of: &str, problems: &[Problem]) -> String {
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    match all.as_slice() {
        [one] => one.clone(),
        _ => format!("{} mistakes in {of}: {}", all.len(), all.join("; ")),
    }
}
