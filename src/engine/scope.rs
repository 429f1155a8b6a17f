//! What a task's expressions see: the parameters, the run, and the tasks, as they are on record. So the same attempt has the same
//! pod whenever it is asked for.

use serde_json::Map;

use super::observed::Observed;
use super::start::run_value;
use super::verdict::so_far;
use crate::api::{RunPhase, WorkflowRunStatus};
use crate::plan::{Plan, PlannedTask, PodValues, Scope, TaskView};

/// What an attempt's pod follows.
pub(super) fn pod_values(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<PodValues, String> {
    in_scope(plan, planned, status, seen, attempt, |scope| planned.pod_values(scope))
        .map_err(|problem| problem.to_string())
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
    let empty = Map::new();
    // When a finally task is asked, all others have ended.
    let (phase, reason) = if planned.finally { so_far(status, plan) } else { (RunPhase::Running, None) };
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
