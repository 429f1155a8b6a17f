//! What a task's expressions see: the parameters, the run, and the tasks, as they are on record. So the same attempt has the same
//! pod whenever it is asked for.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::for_each;
use super::ledger::Ledger;
use super::observed::Observed;
use super::start::run_value;
use super::unit::Unit;
use super::verdict::so_far;
use crate::api::{RunPhase, WorkflowRunStatus};
use crate::plan::{Plan, PlannedTask, PodValues, Scope, TaskView};

/// What an expression is evaluated for.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) plan: &'a Plan,
    pub(super) planned: &'a PlannedTask,
    pub(super) status: &'a WorkflowRunStatus,
    pub(super) seen: &'a Observed<'a>,
    /// Number of the attempt; 0 where there is none yet.
    pub(super) attempt: u32,
    /// Index and value of the item.
    pub(super) item: Option<&'a (u32, Value)>,
}

/// What an attempt's pod follows.
pub(super) fn pod_values(
    ledger: &mut Ledger,
    unit: Unit,
    plan: &Plan,
    planned: &PlannedTask,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<PodValues, String> {
    let item = for_each::item(ledger, unit, plan, planned, seen)?;
    let of = Of { plan, planned, status: &ledger.status, seen, attempt, item: item.as_ref() };
    in_scope(&of, |scope| planned.pod_values(scope)).map_err(|problem| problem.to_string())
}

/// What a task's `when` comes to now.
pub(super) fn condition(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
) -> Result<bool, String> {
    let of = Of { plan, planned, status, seen, attempt: 0, item: None };
    in_scope(&of, |scope| planned.condition(scope)).map_err(|problem| problem.to_string())
}

/// The list of a task's items.
pub(super) fn list(
    plan: &Plan,
    planned: &PlannedTask,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
) -> Result<Arc<Vec<Value>>, String> {
    let of = Of { plan, planned, status, seen, attempt: 0, item: None };
    in_scope(&of, |scope| planned.list(scope)).map_err(|problem| problem.to_string())
}

/// Evaluates something over what the expressions of an attempt can read.
pub(super) fn in_scope<T>(of: &Of<'_>, evaluate: impl FnOnce(&Scope<'_>) -> T) -> T {
    let Of { plan, planned, status, seen, attempt, item } = *of;
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
    let params = status.params.as_ref().unwrap_or(&empty);
    evaluate(&Scope { params, run: &run, tasks: &tasks, attempt, item: item.map(|(index, item)| (*index, item)) })
}
