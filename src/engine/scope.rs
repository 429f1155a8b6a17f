//! What a task's expressions see: the parameters, the run, and the tasks, as they are on record. So the same attempt has the same
//! environment whenever it is asked for.

use serde_json::{Map, Value};

use super::observed::Observed;
use super::start::run_value;
use super::verdict::so_far;
use crate::api::{Reason, RunPhase, WorkflowRunStatus};
use crate::plan::{Plan, PlannedTask, Scope, TaskView, Work};

/// What an attempt's object is made with.
pub(super) enum Inputs {
    /// The environment of a pod.
    Env(Vec<Value>),
    /// The parameters of a child run.
    Params(Map<String, Value>),
}

/// What an attempt's object is made with; or why it can't be.
pub(super) fn inputs(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<Inputs, String> {
    let made = in_scope(plan, planned, status, seen, attempt, |scope| match planned.work {
        Work::Pod | Work::Join => planned.environment(scope).map(Inputs::Env),
        Work::Child(_) => planned.child_params(scope).map(Inputs::Params),
    });
    made.map_err(|problem| problem.to_string())
}

/// What the run hands on, which has come to this.
pub(super) fn run_outputs(
    plan: &Plan,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    end: (RunPhase, Option<Reason>),
) -> Result<Option<Map<String, Value>>, String> {
    scope(plan, status, seen, 0, end, |scope| plan.run_outputs(scope)).map_err(|problem| problem.to_string())
}

/// What a task's `when` comes to now.
pub(super) fn condition(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
) -> Result<bool, String> {
    in_scope(plan, planned, status, seen, 0, |scope| planned.condition(scope)).map_err(|problem| problem.to_string())
}

/// Evaluates something over what the expressions of an attempt can read.
pub(super) fn in_scope<T>(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
    evaluate: impl FnOnce(&Scope<'_>) -> T,
) -> T {
    // When a finally task is asked, all others have ended.
    let verdict = if planned.finally { so_far(status, plan) } else { (RunPhase::Running, None) };
    scope(plan, status, seen, attempt, verdict, evaluate)
}

fn scope<T>(
    plan: &Plan,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
    (phase, reason): (RunPhase, Option<Reason>),
    evaluate: impl FnOnce(&Scope<'_>) -> T,
) -> T {
    let empty = Map::new();
    let run = run_value(&seen.run, phase, reason, status.generation);
    let tasks = |name: &str| {
        let index = plan.index(name)?;
        // What succeeded has written its outputs, or has their defaults; of any other, the defaults can be read.
        let defaults = plan.tasks().get(index).map(|task| &task.default_outputs).filter(|it| !it.is_empty());
        let view = TaskView::from(status.tasks.get(index)?);
        Some(TaskView { outputs: view.outputs.or(defaults), ..view })
    };
    evaluate(&Scope { params: status.params.as_ref().unwrap_or(&empty), run: &run, tasks: &tasks, attempt })
}
