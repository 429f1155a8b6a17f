//! `podExpr`: fields of a pod that follow values. Each is an expression of its own; what it comes to is looked at before there is
//! a pod, so that a mistake costs no attempt.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::expr::Place;
use super::expr::env::to_env;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::resources::is_quantity;
use super::words::quote;
use super::{PlannedTask, limits, value};
use crate::api::{PodExpr, Task};
use crate::mutant::{Mutant, is};

/// A field of a pod that an expression says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PodField {
    /// The image of `main`.
    Image,
    /// What `main` asks for of this resource.
    Request(String),
    /// What `main` may use of this resource.
    Limit(String),
    /// The label of this name that the pod's node must have.
    NodeSelector(String),
}

/// A field and its expression.
#[derive(Clone, Debug)]
pub struct PlannedField {
    /// The field.
    pub field: PodField,
    /// What it follows.
    pub expr: PlannedExpr,
}

/// What the pod of an attempt follows: the values of all of its expressions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodValues {
    /// The task's environment, as entries of a Pod.
    pub env: Vec<Value>,
    /// Fields, each with a value that it can have.
    pub fields: BTreeMap<PodField, String>,
}

/// A map of a podExpr.
struct Entries<'a> {
    /// Its name in the spec.
    name: &'static str,
    /// Expressions by name.
    exprs: &'a BTreeMap<String, String>,
    /// The most entries that it may have.
    max: usize,
    /// What an entry stands for.
    field: fn(String) -> PodField,
}

fn maps(expr: &PodExpr) -> [Entries<'_>; 3] {
    let of = |name, exprs, max, field| Entries { name, exprs, max, field };
    [
        of("requests", &expr.requests, limits::RESOURCES, PodField::Request),
        of("limits", &expr.limits, limits::RESOURCES, PodField::Limit),
        of("nodeSelector", &expr.node_selector, limits::NODE_SELECTOR, PodField::NodeSelector),
    ]
}

/// The text of every expression.
pub(super) fn texts(expr: &PodExpr) -> impl Iterator<Item = &String> {
    expr.image.iter().chain(maps(expr).into_iter().flat_map(|entries| entries.exprs.values()))
}

/// The fields of one podExpr; says what is wrong with it. `path` is its own.
pub(super) fn plan(
    expr: Option<&PodExpr>,
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Vec<Arc<PlannedField>> {
    let mut fields = Vec::new();
    let Some(expr) = expr else { return fields };
    let mut add = |field: PodField, text: &str, path: &Path<'_>, report: &mut Report| {
        let Some(expr) = expression::parse(text, Place::Env, path, report) else { return };
        let expr = PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) };
        fields.push(Arc::new(PlannedField { field, expr }));
    };
    if let Some(text) = &expr.image {
        add(PodField::Image, text, &path.field("image"), report);
    }
    for Entries { name, exprs, max, field } in maps(expr) {
        let path = path.field(name);
        if exprs.len() > max {
            report.add(Code::TooMany, &path, || format!("has {} entries, {max} are allowed", exprs.len()));
            // Looking at each would be work without bound.
            continue;
        }
        for (key, text) in exprs {
            let field = field(key.clone());
            let path = path.key(key);
            check_name(&field, key, &path, report);
            add(field, text, &path, report);
        }
    }
    fields
}

/// Names of resources are left to the cluster, which knows its devices.
fn check_name(field: &PodField, name: &str, path: &Path<'_>, report: &mut Report) {
    if name.chars().count() > limits::RESOURCE_NAME {
        let max = limits::RESOURCE_NAME;
        report.add(Code::TooLong, path, || format!("the name has more than {max} characters: shorten it"));
    } else if matches!(field, PodField::NodeSelector(_)) && !is_label_name(name) {
        report.add(Code::BadLabelName, path, || {
            let name = quote(name);
            format!("`{name}` can't be the name of a label: write disktype, or with a prefix example.org/disktype")
        });
    }
}

/// The defaults' fields and a task's own: one of the task takes the place of the default. What the task says of its image or its
/// resources without an expression is nearer than an expression of the defaults.
pub(super) fn merge(
    defaults: &[Arc<PlannedField>],
    own: Vec<Arc<PlannedField>>,
    task: &Task,
) -> Vec<Arc<PlannedField>> {
    let said: BTreeSet<&PodField> = own.iter().map(|field| &field.field).collect();
    let holds = |field: &PodField| match field {
        PodField::Image => task.image.is_none(),
        PodField::Request(_) | PodField::Limit(_) => task.resources.is_none(),
        PodField::NodeSelector(_) => true,
    };
    let kept = defaults.iter().filter(|default| holds(&default.field) && !said.contains(&default.field));
    let kept: Vec<_> = kept.map(Arc::clone).collect();
    kept.into_iter().chain(own).collect()
}

impl PlannedTask {
    /// What the pod of an attempt follows.
    ///
    /// # Errors
    ///
    /// The first expression that has no value, or none that its variable or field can have, at its path in the spec.
    pub fn pod_values(&self, scope: &Scope<'_>) -> Result<PodValues, Problem> {
        let env = self.environment(scope)?;
        let mut fields = BTreeMap::new();
        for PlannedField { field, expr } in self.pod_fields.iter().map(AsRef::as_ref) {
            let scope = if is(Mutant::FieldsOfFirstAttempt) { &Scope { attempt: 1, ..*scope } } else { scope };
            let text = expr.evaluate(scope).and_then(|value| text(field, &value));
            let text = text.map_err(|error| Problem {
                code: Code::ExpressionFailed,
                path: expr.path.clone(),
                message: bounded(format!("task `{}`: {error}", self.name)),
            })?;
            if let Some(text) = text {
                fields.insert(field.clone(), text);
            }
        }
        Ok(PodValues { env, fields })
    }
}

/// A value as the text of a field; `None` if it leaves the field out.
fn text(field: &PodField, value: &Value) -> Result<Option<String>, String> {
    let is_named = *field != PodField::Image;
    match (field, value) {
        (_, Value::Null) if is_named => Ok(None),
        (PodField::Image, Value::String(image)) => {
            let good = !image.is_empty() && !image.chars().any(|c| c.is_whitespace() || c.is_control());
            if good && image.chars().count() <= limits::IMAGE {
                return Ok(Some(image.clone()));
            }
            Err(format!("\"{}\" is no image: make it a name without blanks, such as busybox:1.37", quote(image)))
        }
        (PodField::Request(_) | PodField::Limit(_), Value::String(_) | Value::Number(_)) => {
            let amount = to_env(value).map_err(|error| error.to_string())?;
            if is_quantity(&amount) {
                return Ok(Some(amount));
            }
            Err(format!("\"{}\" is no amount: make it a number and a unit, such as 500m, 256Mi or 2Gi", quote(&amount)))
        }
        (PodField::NodeSelector(_), Value::String(label)) => {
            if is_label_value(label) {
                return Ok(Some(label.clone()));
            }
            let max = limits::LABEL_VALUE;
            Err(format!(
                "\"{}\" is no label: make it at most {max} letters, digits, dashes, dots and underscores, with a letter or digit at both ends",
                quote(label)
            ))
        }
        (PodField::Image, other) => Err(format!("the image is {}, not a string", value::found(other))),
        (PodField::NodeSelector(_), other) => {
            Err(format!("the label is {}, not a string: write string(…), or null to leave it out", value::found(other)))
        }
        (_, other) => Err(format!("the amount is {}, not a string or a number", value::found(other))),
    }
}

/// Whether a text can be the value of a label (Kubernetes documentation: Labels and Selectors).
fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_word(text)
}

/// Whether a text can be the name of a label: a word, or a DNS name, a slash and a word.
fn is_label_name(text: &str) -> bool {
    let (prefix, word) = text.split_once('/').map_or((None, text), |(prefix, word)| (Some(prefix), word));
    let is_dns = |name: &str| name.len() <= 253 && name.split('.').all(super::is_dns_label);
    is_label_word(word) && prefix.is_none_or(is_dns)
}

fn is_label_word(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.len() <= limits::LABEL_VALUE
        && text.starts_with(is_end)
        && text.ends_with(is_end)
        && text.chars().all(|c| is_end(c) || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
#[path = "pod_expr_tests.rs"]
mod tests;
