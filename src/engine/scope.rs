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
use crate::api::{Reason, RunPhase, WorkflowRunStatus};
use crate::plan::{Plan, PlannedTask, PodValues, Scope, TaskView, Work};

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

/// What an attempt's object is made with.
pub(super) enum Inputs {
    /// What a pod follows.
    Pod(PodValues),
    /// The parameters of a child run.
    Params(Map<String, Value>),
    /// What an object of any kind is made from.
    Manifest(Map<String, Value>),
}

/// What an attempt's object is made with; or why it can't be.
pub(super) fn inputs(
    ledger: &mut Ledger,
    unit: Unit,
    plan: &Plan,
    planned: &PlannedTask,
    seen: &Observed<'_>,
    attempt: u32,
) -> Result<Inputs, String> {
    let item = for_each::item(ledger, unit, plan, planned, seen)?;
    let of = Of { plan, planned, status: &ledger.status, seen, attempt, item: item.as_ref() };
    let made = in_scope(&of, |scope| match planned.work {
        Work::Pod | Work::Join => planned.pod_values(scope).map(Inputs::Pod),
        Work::Child(_) => planned.child_params(scope).map(Inputs::Params),
        Work::Resource(_) => planned.resource_manifest(scope).map(Inputs::Manifest),
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
    let evaluate = |scope: &Scope<'_>| plan.run_outputs(scope);
    scope(plan, status, seen, (0, None), end, evaluate).map_err(|problem| problem.to_string())
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
    // When a finally task is asked, all others have ended.
    let verdict = if planned.finally { so_far(status, plan) } else { (RunPhase::Running, None) };
    scope(plan, status, seen, (attempt, item), verdict, evaluate)
}

fn scope<T>(
    plan: &Plan,
    status: &WorkflowRunStatus,
    seen: &Observed<'_>,
    (attempt, item): (u32, Option<&(u32, Value)>),
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
    let params = status.params.as_ref().unwrap_or(&empty);
    evaluate(&Scope { params, run: &run, tasks: &tasks, attempt, item: item.map(|(index, item)| (*index, item)) })
}
