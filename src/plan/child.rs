//! Tasks that are a run of their own: a child run, of a Workflow by its name or of one written inline.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expr::Place;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::inline;
use super::output::check_identifier;
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::task::of_pods;
use super::words::{is_dns_label, listing, quote};
use super::{PlannedTask, Work, limits, size, value};
use crate::api::{ChildParam, Task};

/// A task that is a run of its own.
#[derive(Clone, Debug)]
pub struct PlannedChild {
    /// What it runs.
    pub workflow: ChildWorkflow,
    /// The parameters that it is given.
    pub params: Vec<PlannedChildParam>,
}

/// What a child run runs.
#[derive(Clone, Debug)]
pub enum ChildWorkflow {
    /// The Workflow of this name, as it is when the child run starts.
    Reference(String),
    /// One that is written inline.
    Inline {
        /// Its spec, as it is written.
        spec: Map<String, Value>,
        /// The names of its outputs.
        outputs: Vec<String>,
    },
}

/// A parameter that a child run is given.
#[derive(Clone, Debug)]
pub struct PlannedChildParam {
    /// Its name.
    pub name: String,
    /// Where its value comes from.
    pub source: ChildValue,
}

/// Where the value of a child's parameter comes from.
#[derive(Clone, Debug)]
pub enum ChildValue {
    /// A literal.
    Literal(Value),
    /// An expression, evaluated for each attempt.
    Expr(PlannedExpr),
}

/// Whether a task is to be a run of its own.
pub(super) const fn is_child(task: &Task) -> bool {
    task.workflow_ref.is_some() || task.workflow.is_some()
}

/// What a task is that is a run of its own; says what is wrong with it. `path` is that of the task.
pub(super) fn plan(task: &Task, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> Work {
    check_alone(task, path, report);
    let params = params(&task.params, &path.field("params"), numbers, report);
    let workflow = match (&task.workflow, &task.workflow_ref) {
        (Some(spec), _) => inline::plan(spec, &params, &path.field("workflow"), report),
        (None, reference) => {
            let name = reference.as_ref().map_or("", |reference| reference.name.as_str());
            let path = path.field("workflowRef");
            check_name(name, &path.field("name"), report);
            ChildWorkflow::Reference(name.to_owned())
        }
    };
    Work::Child(Arc::new(PlannedChild { workflow, params }))
}

fn check_name(name: &str, path: &Path<'_>, report: &mut Report) {
    if !is_dns_label(name) || name.len() > limits::DNS_LABEL {
        report.add(Code::BadName, path, || {
            let (name, max) = (quote(name), limits::DNS_LABEL);
            format!("`{name}` can't name a Workflow: write at most {max} lower-case letters, digits and dashes, no dash at either end")
        });
    }
}

/// Says what a task has besides that a child run has no use for.
fn check_alone(task: &Task, path: &Path<'_>, report: &mut Report) {
    let kind = if task.workflow.is_some() { "workflow" } else { "workflowRef" };
    let fields = [
        ("workflowRef", task.workflow_ref.is_some() && task.workflow.is_some()),
        ("logTail", task.log_tail.is_some()),
        ("onNodeLost", task.on_node_lost.is_some()),
    ];
    let found: Vec<&str> =
        of_pods(task).iter().chain(&fields).filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if !found.is_empty() {
        report.add(Code::ChildWithContainer, &path.field(kind), || {
            let found = listing(found.iter().copied());
            format!(
                "the task is a run of its own and has no container, and it has {found} too: remove one or the other"
            )
        });
    }
}

fn params(
    params: &[ChildParam],
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Vec<PlannedChildParam> {
    if params.len() > limits::PARAMS {
        report.add(Code::TooMany, path, || {
            let (count, max) = (params.len(), limits::PARAMS);
            format!("has {count} entries, {max} are allowed: gather some in one of type object")
        });
    }
    let mut seen = BTreeSet::new();
    let mut planned = Vec::with_capacity(params.len());
    for (at, param) in params.iter().enumerate() {
        let path = path.index(at);
        let name = &param.name;
        check_identifier(name, &path.field("name"), report);
        if !seen.insert(name.as_str()) {
            report.add(Code::DuplicateParam, &path.field("name"), || {
                format!("the param `{}` is given twice: remove one", quote(name))
            });
        }
        planned.extend(
            source(param, &path, numbers, report).map(|source| PlannedChildParam { name: name.clone(), source }),
        );
    }
    let literals = planned.iter().filter_map(|param| match &param.source {
        ChildValue::Literal(value) => Some((param.name.as_str(), value)),
        ChildValue::Expr(_) => None,
    });
    let bytes = size::serialised(&literals.collect::<std::collections::BTreeMap<_, _>>());
    if bytes > limits::PARAM_BYTES {
        report.add(Code::ParamsTooLarge, path, || too_large(bytes));
    }
    planned
}

fn too_large(bytes: usize) -> String {
    let max = limits::PARAM_BYTES;
    format!("the parameters have {bytes} bytes, {max} are allowed: pass large data by a volume or an object store")
}

fn source(param: &ChildParam, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> Option<ChildValue> {
    match (&param.value, &param.expr) {
        (Some(value), None) => Some(ChildValue::Literal(value.clone())),
        (None, Some(text)) => {
            let path = path.field("expr");
            let expr = expression::parse(text, Place::Env, &path, report)?;
            Some(ChildValue::Expr(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) }))
        }
        _ => {
            report.add(Code::ParamSource, path, || {
                format!("the param `{}` has to have one of value and expr, and only one", quote(&param.name))
            });
            None
        }
    }
}

impl PlannedChild {
    /// The expressions of its parameters.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &PlannedExpr> {
        self.params.iter().filter_map(|param| match &param.source {
            ChildValue::Expr(expr) => Some(expr),
            ChildValue::Literal(_) => None,
        })
    }

    /// Names of the Workflows that it runs: itself, or in what is written inline.
    pub(crate) fn workflows(&self) -> Vec<&str> {
        let spec = match &self.workflow {
            ChildWorkflow::Reference(name) => return vec![name],
            ChildWorkflow::Inline { spec, .. } => spec,
        };
        let (mut found, mut left) = (Vec::new(), vec![spec]);
        while let Some(spec) = left.pop() {
            let tasks = ["tasks", "finally"].into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
            for task in tasks {
                found.extend(task.get("workflowRef").and_then(|reference| reference.get("name")?.as_str()));
                left.extend(task.get("workflow").and_then(Value::as_object));
            }
        }
        found
    }

    /// The names of the outputs that it has when it has succeeded; `None` where only its Workflow tells.
    #[must_use]
    pub fn outputs(&self) -> Option<&[String]> {
        match &self.workflow {
            ChildWorkflow::Reference(_) => None,
            ChildWorkflow::Inline { outputs, .. } => Some(outputs),
        }
    }
}

impl PlannedTask {
    /// The child run that the task is, if it is one.
    #[must_use]
    pub fn child(&self) -> Option<&PlannedChild> {
        match &self.work {
            Work::Child(child) => Some(child),
            Work::Pod | Work::Join | Work::Resource(_) => None,
        }
    }

    /// The parameters that the task's child run is given. What is null isn't given.
    ///
    /// # Errors
    ///
    /// That an expression has no value, or that the values are too large, at its path in the spec.
    pub fn child_params(&self, scope: &Scope<'_>) -> Result<Map<String, Value>, Problem> {
        let mut given = Map::new();
        for param in self.child().map_or(&[][..], |child| &child.params) {
            let value = match &param.source {
                ChildValue::Literal(value) => value.clone(),
                ChildValue::Expr(expr) => expr.evaluate(scope).map_err(|error| Problem {
                    code: Code::ExpressionFailed,
                    path: expr.path.clone(),
                    message: bounded(format!("task `{}`: param {}: {error}", self.name, param.name)),
                })?,
            };
            if !value.is_null() {
                given.insert(param.name.clone(), value::normal(&value));
            }
        }
        let bytes = size::serialised(&given);
        if bytes > limits::PARAM_BYTES {
            let message = bounded(format!("task `{}`: {}", self.name, too_large(bytes)));
            return Err(Problem { code: Code::ParamsTooLarge, path: "params".to_owned(), message });
        }
        Ok(given)
    }
}

#[cfg(test)]
#[path = "child_tests.rs"]
mod tests;
