//! What a task's expressions see: the parameters, the run, and the tasks, as they are on record. So the same attempt has the same
//! environment whenever it is asked for.

use serde_json::{Map, Value};

use super::observed::Observed;
use super::start::run_value;
use crate::api::{RunPhase, WorkflowRunStatus};
use crate::plan::{Plan, PlannedTask, Scope, TaskView};

/// The environment of an attempt.
pub(super) fn environment(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<Vec<Value>, String> {
    scoped(plan, status, seen, attempt, |scope| planned.environment(scope)).map_err(|problem| problem.to_string())
}

/// What a task's `when` comes to now.
pub(super) fn condition(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
) -> Result<bool, String> {
    scoped(plan, status, seen, 0, |scope| planned.condition(scope)).map_err(|problem| problem.to_string())
}

fn scoped<T>(
    plan: &Plan,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
    evaluate: impl FnOnce(&Scope<'_>) -> T,
) -> T {
    let empty = Map::new();
    let run = run_value(&seen.run, RunPhase::Running, None, status.generation);
    let tasks = |name: &str| {
        let index = plan.index(name)?;
        // What succeeded has written its outputs, or has their defaults; of any other, the defaults can be read.
        let defaults = plan.tasks().get(index).map(|task| &task.default_outputs).filter(|it| !it.is_empty());
        let view = TaskView::from(status.tasks.get(index)?);
        Some(TaskView { outputs: view.outputs.or(defaults), ..view })
    };
    evaluate(&Scope { params: status.params.as_ref().unwrap_or(&empty), run: &run, tasks: &tasks, attempt })
}
