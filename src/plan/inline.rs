//! A workflow that is written inline in a task: opaque for the API server, so that all of it is checked here.

use serde_json::{Map, Value};

use super::child::{ChildWorkflow, PlannedChildParam};
use super::problem::{Code, Problem};
use super::report::{Path, Report};
use super::words::{listing, quote, suggestion};
use super::{Origin, Plan, limits, size};
use crate::api::WorkflowSpec;

/// A workflow written inline, and what it is given; says what is wrong with it. `path` is that of the workflow.
pub(super) fn plan(
    spec: &Map<String, Value>,
    params: &[PlannedChildParam],
    path: &Path<'_>,
    report: &mut Report,
) -> ChildWorkflow {
    let planned = |outputs| ChildWorkflow::Inline { spec: spec.clone(), outputs };
    let depth = depth(spec);
    if depth > limits::CHILD_DEPTH {
        report.add(Code::NestedTooDeep, path, || {
            let max = limits::CHILD_DEPTH;
            format!("workflows are written {depth} deep in one another, {max} are allowed: make one a Workflow, or flatten them")
        });
        return planned(Vec::new());
    }
    let typed = match serde_json::from_value::<WorkflowSpec>(Value::Object(spec.clone())) {
        Ok(typed) => typed,
        Err(error) => {
            report.add(Code::WrongType, path, || format!("can't be read as a workflow: {error}"));
            return planned(Vec::new());
        }
    };
    for unknown in unknown(spec, &typed) {
        report.add(Code::UnknownField, path, || {
            format!("there is no field `{}` in a workflow: remove it", quote(&unknown))
        });
    }
    match Plan::checked(&typed, Origin::Inline) {
        Ok(plan) => check_params(&plan, params, path, report),
        Err(problems) => {
            for Problem { code, path: at, message } in problems {
                // What concerns the whole of it is said of the spec.
                let (inner, whole) = (path.field(&at), at == "spec");
                report.add(code, if whole { path } else { &inner }, || message);
            }
        }
    }
    planned(typed.outputs.iter().map(|output| output.name.clone()).collect())
}

/// Says which parameters are given that aren't declared, and which are required and not given.
fn check_params(plan: &Plan, given: &[PlannedChildParam], path: &Path<'_>, report: &mut Report) {
    let declared = || plan.params.iter().map(|param| param.decl.name.as_str());
    for param in given.iter().filter(|param| !declared().any(|name| name == param.name)) {
        report.add(Code::UnknownParam, path, || {
            let (advice, known) = (suggestion(&param.name, declared()), listing(declared()));
            let name = quote(&param.name);
            format!("is given the param `{name}`, which it doesn't declare{advice}; its params are {known}")
        });
    }
    for name in plan.required_params().filter(|name| !given.iter().any(|param| param.name == *name)) {
        report.add(Code::MissingParam, path, || {
            format!("its param `{}` is required, and the task's params don't give it", quote(name))
        });
    }
}

/// How many workflows are written in one another, from this one on.
fn depth(spec: &Map<String, Value>) -> usize {
    let (mut deepest, mut left) = (0_usize, vec![(spec, 1_usize)]);
    while let Some((spec, depth)) = left.pop() {
        deepest = deepest.max(depth);
        let tasks = ["tasks", "finally"].into_iter().filter_map(|list| spec.get(list)?.as_array()).flatten();
        let inner = tasks.filter_map(|task| task.get("workflow")?.as_object());
        left.extend(inner.map(|inner| (inner, depth.saturating_add(1))));
    }
    deepest
}

/// Fields that are written and mean nothing: those that are lost when the workflow is read. What is empty or false may be lost
/// since that is what it is without being written.
fn unknown(written: &Map<String, Value>, typed: &WorkflowSpec) -> Vec<String> {
    let read = serde_json::to_value(typed).unwrap_or_default();
    let whole = Value::Object(written.clone());
    let mut found = Vec::new();
    let mut left = vec![(String::new(), &whole, &read)];
    while let Some((path, written, read)) = left.pop() {
        match (written, read) {
            (Value::Object(written), Value::Object(read)) => {
                for (key, value) in written {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    match read.get(key) {
                        Some(read) => left.push((path, value, read)),
                        None if means_nothing(value) => {}
                        None => found.push(path),
                    }
                }
            }
            (Value::Array(written), Value::Array(read)) => {
                let pairs = written.iter().zip(read).enumerate();
                left.extend(pairs.map(|(at, (written, read))| (format!("{path}[{at}]"), written, read)));
            }
            _ => {}
        }
        if found.len() > limits::PROBLEMS {
            break;
        }
    }
    found.sort_unstable();
    found
}

fn means_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) => false,
    }
}

/// Regular expressions of a workflow written inline, counted in its text: at least as many as there are.
pub(super) fn patterns(spec: &Map<String, Value>) -> usize {
    if size::is_too_deep_map(spec) {
        return 0;
    }
    let text = serde_json::to_string(spec).unwrap_or_default();
    ["matches", "\"pattern\""].iter().map(|word| text.matches(word).count()).fold(0, usize::saturating_add)
}
