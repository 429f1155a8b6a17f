//! What may start now, and what does the rest wait for?
//!
//! In this order: what it needs, suspend, the wait before another attempt and the last pod's end, room to start, its environment.

use serde_json::Value;

use super::disruption;
use super::ledger::Ledger;
use super::observed::{Observed, Sight};
use super::retry;
use super::start::run_value;
use super::tally;
use super::text::{names, time};
use super::track::fail;
use crate::api::{Attempt, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask, Scope, TaskView, pod_name};

/// Attempts of a run that may be without a pod at once: more intents would only queue behind the API server.
const STARTING: usize = 64;

/// The state of one task's gates.
#[derive(Debug, PartialEq, Eq)]
enum Gate {
    /// It may start.
    Open,
    /// It can never run.
    UpstreamFailed(String),
    /// It waits.
    Waits(WaitKind, String),
}

/// Opens what may start, in an order in which each task comes after those it needs, so that one pass settles all.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    if !matches!(ledger.phase(), RunPhase::Running | RunPhase::Suspended) {
        return;
    }
    let mut room = STARTING.saturating_sub(without_pod(ledger));
    for &index in plan.order() {
        let (Some(planned), Some(task)) = (plan.tasks().get(index), ledger.task(index)) else { continue };
        let gate = match task.phase {
            TaskPhase::Pending => needs(ledger, planned, plan),
            TaskPhase::Backoff => backoff(ledger, planned, task, seen),
            _ => continue,
        };
        match gate {
            Gate::UpstreamFailed(which) => {
                if let Some(task) = ledger.task_mut(index) {
                    task.message = format!("needs {which}");
                }
                ledger.move_task(index, TaskPhase::UpstreamFailed, None);
            }
            Gate::Waits(kind, detail) => ledger.wait(index, kind, &detail),
            Gate::Open if seen.run.spec.suspend => ledger.wait(index, WaitKind::Suspended, "spec.suspend is true"),
            Gate::Open if room == 0 => {
                let detail = format!("{STARTING} attempts of this run wait for their pods to be made");
                ledger.wait(index, WaitKind::Quota, &detail);
            }
            Gate::Open => {
                if intend(ledger, index, plan, planned, seen) {
                    room = room.saturating_sub(1);
                }
            }
        }
    }
}

/// Trigger rule `AllSucceeded`, decided at the first moment when every way the unfinished needs can end gives the same.
fn needs(ledger: &Ledger, planned: &PlannedTask, plan: &Plan) -> Gate {
    let phase = |index: usize| ledger.task(index).map(|task| task.phase);
    let name = |index: &usize| plan.tasks().get(*index).map_or("", |task| task.name.as_str());
    let bad = |index: &&usize| phase(**index).is_some_and(|phase| phase.is_finished() && phase != TaskPhase::Succeeded);
    let open = |index: &&usize| !phase(**index).is_some_and(TaskPhase::is_finished);
    let has = |wanted: TaskPhase| planned.needs.iter().any(|index| phase(*index) == Some(wanted));
    if is(Mutant::NeedsAny) && has(TaskPhase::Succeeded) || is(Mutant::NeedsRunning) && has(TaskPhase::Running) {
        return Gate::Open;
    }
    if planned.needs.iter().any(|index| bad(&index)) {
        return Gate::UpstreamFailed(format!(
            "{}, which did not succeed",
            names(planned.needs.iter().filter(bad).map(name))
        ));
    }
    if planned.needs.iter().any(|index| open(&index)) {
        return Gate::Waits(WaitKind::Dependency, names(planned.needs.iter().filter(open).map(name)));
    }
    Gate::Open
}

/// Before another attempt: the recorded time must have come, and the last pod must really be over.
fn backoff(ledger: &Ledger, planned: &PlannedTask, task: &TaskStatus, seen: &Observed<'_>) -> Gate {
    let Some(last) = task.attempts.last() else { return Gate::Open };
    if let Some(at) = last.next_at.as_ref().filter(|at| retry::is_ahead(at.0, &planned.retry, ledger.now)) {
        return Gate::Waits(WaitKind::Backoff, format!("attempt {} at {}", last.number.saturating_add(1), time(at.0)));
    }
    match seen.sights.get(&last.pod) {
        _ if is(Mutant::RetryBesideLivePod) => Gate::Open,
        Some(Sight::Pod(pod))
            if !disruption::is_over(pod, planned, ledger.now) && last.uid.as_ref() == Some(&pod.uid) =>
        {
            Gate::Waits(WaitKind::Node, format!("pod {} to end", last.pod))
        }
        None => Gate::Waits(WaitKind::Node, format!("the end of pod {}", last.pod)),
        _ => Gate::Open,
    }
}

/// Records the intent of the next attempt. An environment that can't be made fails the task without an attempt.
fn intend(ledger: &mut Ledger, index: usize, plan: &Plan, planned: &PlannedTask, seen: &Observed<'_>) -> bool {
    let mut number =
        ledger.task(index).and_then(|task| task.attempts.last()).map_or(1, |last| last.number.saturating_add(1));
    if is(Mutant::NumberFromPods) {
        let own = |sight: &&Sight| matches!(sight, Sight::Pod(pod) if pod.task == planned.name);
        number = u32::try_from(seen.sights.values().filter(own).count()).unwrap_or(0).saturating_add(1);
    }
    if let Err(problem) = environment(plan, planned, &ledger.status, seen, number) {
        fail(ledger, index, Some(Reason::ExpressionError), &problem);
        return false;
    }
    let pod = pod_name(seen.run.name, seen.run.uid, &planned.name, number);
    ledger.wait(index, WaitKind::Node, &to_start(&pod));
    let listed = tally::listed(ledger.status.tasks.len());
    let Some(task) = ledger.task_mut(index) else { return false };
    tally::make_room(task, listed);
    task.attempts.push(Attempt { number, pod, ..Attempt::default() });
    ledger.move_task(index, TaskPhase::Starting, None)
}

/// What a task waits for whose pod is in no trouble that anyone tells of: it is being made, or its node gets it ready.
pub(super) fn to_start(pod: &str) -> String {
    format!("pod {pod} to start")
}

/// The environment of an attempt, from what is on record: the same for every evaluation of the same attempt.
pub(super) fn environment(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<Vec<Value>, String> {
    let environment = in_scope(plan, status, seen, attempt, |scope| planned.environment(scope));
    environment.map_err(|problem| problem.to_string())
}

/// Evaluates something over what expressions of an attempt can read.
pub(super) fn in_scope<R>(
    plan: &Plan,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
    evaluate: impl FnOnce(&Scope<'_>) -> R,
) -> R {
    let empty = serde_json::Map::new();
    let run = run_value(&seen.run, RunPhase::Running, None, status.generation);
    let tasks = |name: &str| plan.index(name).and_then(|index| status.tasks.get(index)).map(TaskView::from);
    evaluate(&Scope { params: status.params.as_ref().unwrap_or(&empty), run: &run, tasks: &tasks, attempt })
}

/// Open attempts whose pod isn't known to exist.
fn without_pod(ledger: &Ledger) -> usize {
    let open = |task: &&TaskStatus| task.phase == TaskPhase::Starting;
    let unmade = |task: &&TaskStatus| task.attempts.last().is_some_and(|last| last.uid.is_none());
    ledger.status.tasks.iter().filter(open).filter(unmade).count()
}
