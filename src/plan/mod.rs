//! From a spec to a plan that cannot be wrong.
//!
//! [`Plan::new`] finds every mistake of a workflow at once, each with its path; what it returns needs no further checks:
//! needs are indices in a graph without cycles, defaults are merged, expressions are parsed and read only what exists.
//! Pure: no I/O, no clock, no chance. The same bytes give the same plan.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod build;
mod child;
mod claim;
mod command;
mod concurrency;
mod condition;
mod duration;
mod env;
pub mod expr;
mod expression;
mod for_each;
mod granted;
mod graph;
mod inline;
pub mod limits;
mod names;
mod output;
mod param;
mod pod_expr;
mod pointer;
mod problem;
mod reads;
mod report;
mod resolve;
mod resource;
mod resources;
mod retry;
mod rule;
mod run_output;
mod size;
mod task;
mod tasks;
mod template;
mod times;
mod unguarded;
mod value;
mod words;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod testing;

pub use child::{ChildValue, ChildWorkflow, PlannedChild, PlannedChildParam};
pub use concurrency::PlannedConcurrency;
pub use expression::{PlannedExpr, Scope, TaskView};
pub use for_each::{List, PlannedForEach};
pub use granted::{Grant, Granted, forbidden};
pub use names::{
    child_name, claim_name, is_outputs_name, outputs_name, pod_name, resource_name, revision_name, segment_name,
};
pub use pod_expr::{PlannedField, PodField, PodValues};
pub use problem::{Code, Problem};
pub(crate) use report::{bounded, segment};
pub use resource::{Lack, PlannedResource, PlannedResourceOutput, Told};
pub use retry::{Action, Condition, Failure, PlannedBackoff, PlannedRetry, PlannedRule};
pub use rule::TriggerRule;
pub use run_output::PlannedOutput;
pub use times::Times;
pub use words::did_you_mean;
pub(crate) use words::{is_dns_label, listing, quote, suggestion};

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Map, Value};

use crate::api::{OnNodeLost, OutputDecl, Param, Resources, VolumeClaim};
use expr::Expr;

/// Where a spec comes from, which decides how large it can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A Workflow.
    Workflow,
    /// Written inline in a run.
    Inline,
}

/// A workflow that was checked and can run. Tasks share what they have from the defaults, so that a plan is not much larger
/// than its spec.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// The tasks, in the order of the spec, and after them those of `finally`.
    tasks: Vec<PlannedTask>,
    /// The index of each task by its name.
    index: BTreeMap<String, usize>,
    /// Indices into `tasks`, each after all that it needs, those of `finally` last.
    order: Vec<usize>,
    /// The parameters, with their rules compiled.
    params: Vec<PlannedParam>,
    /// How long a run may take.
    timeout: Option<SignedDuration>,
    /// The volume claims that each run has.
    volume_claims: Vec<VolumeClaim>,
    /// How long its finally tasks may take.
    finally_timeout: SignedDuration,
    /// How many runs may run at the same time.
    concurrency: Option<PlannedConcurrency>,
    /// How long a run is kept after its end.
    ttl: Option<SignedDuration>,
    /// What a run hands on when it has succeeded.
    outputs: Vec<PlannedOutput>,
}

/// What a task is.
#[derive(Clone, Debug, Default)]
pub enum Work {
    /// A container in a pod. The fields of the task tell of it.
    #[default]
    Pod,
    /// Nothing but a gate: it has no object, and what belongs to one is empty.
    Join,
    /// A run of its own.
    Child(Arc<PlannedChild>),
    /// An object of any kind.
    Resource(Arc<PlannedResource>),
}

/// A task of a plan, with defaults merged.
#[derive(Clone, Debug, Default)]
pub struct PlannedTask {
    /// Its name, unique in the plan.
    pub name: String,
    /// Whether it is one of `finally`: it starts once all that aren't have ended.
    pub finally: bool,
    /// Indices of the tasks that it needs, ascending, each once; all of them of `finally`, or none, as it is itself.
    pub needs: Vec<usize>,
    /// When it runs, by how those ended.
    pub rule: TriggerRule,
    /// Whether it runs at all, once its rule lets it.
    pub when: Option<PlannedExpr>,
    /// The list of its items, where it is done for each of them.
    pub for_each: Option<PlannedForEach>,
    /// Whether the run may succeed although it fails.
    pub allow_failure: bool,
    /// What it is.
    pub work: Work,
    /// Image of `main`, where it doesn't come from a pod template.
    pub image: Option<String>,
    /// Command of `main`: the shell and script, or the command as written. `None` leaves it to template or image.
    pub command: Option<Vec<String>>,
    /// Arguments of `main`.
    pub args: Option<Vec<String>>,
    /// Environment, defaults first, an entry of the task in the place of the default of its name.
    pub env: Vec<Arc<PlannedEnv>>,
    /// Resources of `main`.
    pub resources: Option<Arc<Resources>>,
    /// Partial pod templates to merge in this order: of the defaults, of the task.
    pub templates: Vec<Arc<Map<String, Value>>>,
    /// The volume claims that its containers mount, by name.
    pub claims: Vec<Arc<str>>,
    /// Fields of its pod that follow values.
    pub pod_fields: Vec<Arc<PlannedField>>,
    /// The outputs it declares.
    pub outputs: Vec<OutputDecl>,
    /// The outputs that others read when it didn't succeed: those with a default.
    pub default_outputs: Map<String, Value>,
    /// Whether the end of a failed attempt's log is kept.
    pub keep_log_tail: bool,
    /// How long it may take.
    pub times: Times,
    /// What follows when the node of its pod doesn't answer any more.
    pub on_node_lost: OnNodeLost,
    /// When it is tried again.
    pub retry: Arc<PlannedRetry>,
}

/// An environment variable of a plan.
#[derive(Clone, Debug)]
pub struct PlannedEnv {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub source: EnvSource,
}

/// Where the value of an environment variable comes from.
#[derive(Clone, Debug)]
pub enum EnvSource {
    /// A literal, given to Kubernetes as it is.
    Literal(String),
    /// A source of Kubernetes', given to it as it is.
    From(Map<String, Value>),
    /// An expression, evaluated for each attempt.
    Expr(PlannedExpr),
}

/// A parameter of a plan.
#[derive(Clone, Debug)]
pub struct PlannedParam {
    /// As declared.
    pub decl: Param,
    /// `decl.pattern`, compiled with a size limit.
    pub pattern: Option<regex::Regex>,
    /// `decl.defaultExpr`, parsed.
    pub default_expr: Option<Expr>,
}

impl Plan {
    /// The tasks, in the order of the spec, and after them those of `finally`.
    #[must_use]
    pub fn tasks(&self) -> &[PlannedTask] {
        &self.tasks
    }

    /// The index in [`Plan::tasks`] of the task with this name.
    #[must_use]
    pub fn index(&self, name: &str) -> Option<usize> {
        self.index.get(name).copied()
    }

    /// How long a run may take, from its start to the end of its last main task.
    #[must_use]
    pub fn timeout(&self) -> Option<SignedDuration> {
        self.timeout
    }

    /// How long the finally tasks may take in all, from the end of the last main task.
    #[must_use]
    pub fn finally_timeout(&self) -> SignedDuration {
        self.finally_timeout
    }

    /// How many runs may run at the same time; any number where there is none.
    #[must_use]
    pub fn concurrency(&self) -> Option<&PlannedConcurrency> {
        self.concurrency.as_ref()
    }

    /// How long a run is kept after its end; for ever where there is none.
    #[must_use]
    pub fn ttl(&self) -> Option<SignedDuration> {
        self.ttl
    }

    /// What a run hands on when it has succeeded.
    #[must_use]
    pub fn outputs(&self) -> &[PlannedOutput] {
        &self.outputs
    }

    /// Names of the parameters that a run must give.
    pub(crate) fn required_params(&self) -> impl Iterator<Item = &str> {
        let required = self.params.iter().filter(|it| it.decl.default.is_none() && it.decl.default_expr.is_none());
        required.map(|param| param.decl.name.as_str())
    }

    /// Names of all parameters.
    pub(crate) fn param_names(&self) -> impl Iterator<Item = &str> {
        self.params.iter().map(|param| param.decl.name.as_str())
    }

    /// Indices of the tasks in an order in which each comes after all that it needs, and those of `finally` come last.
    #[must_use]
    pub fn order(&self) -> &[usize] {
        &self.order
    }
}
