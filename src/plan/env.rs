//! Environment variables: what manifests write, and what a pod is given.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expr::Place;
use super::expr::env::{escape_dollars, to_env};
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::words::{is_identifier, listing, quote, suggestion};
use super::{EnvSource, PlannedEnv, PlannedTask, limits};
use crate::api::EnvVar;

/// The prefix of Gantline's own variables.
pub(super) const RESERVED_PREFIX: &str = "GANTLINE_";

/// Kubernetes' sources of a value, each with the fields that it can't be without (`EnvVarSource` in the API reference).
const SOURCES: [(&str, &[&str]); 5] = [
    ("fieldRef", &["fieldPath"]),
    ("resourceFieldRef", &["resource"]),
    ("configMapKeyRef", &["name", "key"]),
    ("secretKeyRef", &["name", "key"]),
    ("fileKeyRef", &["volumeName", "path", "key"]),
];

/// The entries of one list; says what is wrong with them.
pub(super) fn plan(
    entries: &[EnvVar],
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Vec<Arc<PlannedEnv>> {
    if entries.len() > limits::ENV {
        report.add(Code::TooMany, path, || {
            let (count, max) = (entries.len(), limits::ENV);
            format!("has {count} entries, {max} are allowed: gather some in a ConfigMap, and name that in podTemplate as envFrom")
        });
    }
    let mut seen = BTreeSet::new();
    let mut planned = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let path = path.index(at);
        check_name(&entry.name, &path.field("name"), report);
        if !seen.insert(entry.name.as_str()) {
            report.add(Code::DuplicateEnv, &path.field("name"), || {
                format!("the variable `{}` is set twice: remove one", quote(&entry.name))
            });
        }
        if let Some(source) = source(entry, &path, numbers, report) {
            let name = entry.name.clone();
            planned.push(Arc::new(PlannedEnv { name, source }));
        }
    }
    planned
}

fn check_name(name: &str, path: &Path<'_>, report: &mut Report) {
    let count = name.chars().count();
    if count > limits::ENV_NAME {
        report.add(Code::TooLong, path, || {
            let max = limits::ENV_NAME;
            format!("the name has {count} characters, {max} are allowed: shorten it")
        });
    } else if !is_identifier(name) {
        report.add(Code::BadEnvName, path, || {
            let name = quote(name);
            format!(
                "`{name}` can't name a variable: write a letter or underscore, then letters, digits and underscores"
            )
        });
    } else if name.starts_with(RESERVED_PREFIX) {
        report.add(Code::ReservedEnv, path, || {
            let name = quote(name);
            format!("`{name}`: {RESERVED_PREFIX} is the prefix of Gantline's own variables: choose another name")
        });
    }
}

fn source(entry: &EnvVar, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> Option<EnvSource> {
    match (&entry.value, &entry.value_from, &entry.expr) {
        (Some(text), None, None) => {
            check_literal(text, &path.field("value"), report);
            Some(EnvSource::Literal(text.clone()))
        }
        (None, Some(from), None) => {
            check_from(from, &path.field("valueFrom"), report);
            Some(EnvSource::From(from.clone()))
        }
        (None, None, Some(text)) => {
            let path = path.field("expr");
            let expr = expression::parse(text, Place::Env, &path, report)?;
            Some(EnvSource::Expr(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) }))
        }
        (None, None, None) => {
            report.add(Code::EnvSource, path, || {
                let name = quote(&entry.name);
                format!("the variable `{name}` has no value: set value (\"\" for an empty one), valueFrom or expr")
            });
            None
        }
        _ => {
            report.add(Code::EnvSource, path, || {
                let name = quote(&entry.name);
                format!("the variable `{name}` has several values: set exactly one of value, valueFrom and expr")
            });
            None
        }
    }
}

fn check_literal(text: &str, path: &Path<'_>, report: &mut Report) {
    if text.len() > limits::ENV_VALUE_BYTES {
        report.add(Code::TooLong, path, || {
            let (count, max) = (text.len(), limits::ENV_VALUE_BYTES);
            format!("has {count} bytes, {max} are allowed: mount a ConfigMap instead")
        });
    }
    if text.contains('\0') {
        report.add(Code::NulCharacter, path, || {
            "has a NUL character, which no variable can hold: encode it, or mount a file".to_owned()
        });
    }
}

fn check_from(from: &Map<String, Value>, path: &Path<'_>, report: &mut Report) {
    let known = || SOURCES.iter().map(|(source, _)| *source);
    let mut sources = from.iter();
    let (Some((source, value)), None) = (sources.next(), sources.next()) else {
        report.add(Code::BadValueFrom, path, || {
            let found = listing(from.keys().map(String::as_str));
            format!("names {found}: name exactly one of {}", listing(known()))
        });
        return;
    };
    let Some((_, fields)) = SOURCES.iter().find(|(known, _)| known == source) else {
        report.add(Code::BadValueFrom, path, || {
            let (advice, known) = (suggestion(source, known()), listing(known()));
            format!("there is no source `{}`{advice}; there are {known}", quote(source))
        });
        return;
    };
    for field in *fields {
        let given = value.get(field).and_then(Value::as_str);
        if given.is_none_or(str::is_empty) {
            report.add(Code::BadValueFrom, &path.field(source), || {
                format!("has no {field}: a {source} is written with {}", listing(fields.iter().copied()))
            });
        }
    }
}

/// The defaults' entries and a task's own: one of the task takes the place of the default of its name.
pub(super) fn merge(defaults: &[Arc<PlannedEnv>], own: Vec<Arc<PlannedEnv>>) -> Vec<Arc<PlannedEnv>> {
    if defaults.is_empty() {
        return own;
    }
    let mut left: BTreeMap<&str, &Arc<PlannedEnv>> = own.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let mut merged: Vec<Arc<PlannedEnv>> =
        defaults.iter().map(|default| left.remove(default.name.as_str()).unwrap_or(default)).map(Arc::clone).collect();
    merged.extend(own.iter().filter(|entry| left.contains_key(entry.name.as_str())).map(Arc::clone));
    merged
}

impl PlannedTask {
    /// The environment of `main` in an attempt's pod, in order: entries as a Pod has them, `{name, value}` or
    /// `{name, valueFrom}`. Values of expressions have each `$` doubled, so that the kubelet hands them on byte for byte.
    /// Gantline's own variables are not among them.
    ///
    /// # Errors
    ///
    /// The first expression that has no value, or none that a variable can hold, at its path in the spec.
    pub fn environment(&self, scope: &Scope<'_>) -> Result<Vec<Value>, Problem> {
        self.env.iter().map(|entry| self.entry(entry, scope)).collect()
    }

    fn entry(&self, entry: &PlannedEnv, scope: &Scope<'_>) -> Result<Value, Problem> {
        let (field, value) = match &entry.source {
            EnvSource::Literal(text) => ("value", Value::String(text.clone())),
            EnvSource::From(from) => ("valueFrom", Value::Object(from.clone())),
            EnvSource::Expr(expr) => {
                let text = expr.evaluate(scope).and_then(|value| {
                    let text = to_env(&value).map_err(|error| error.to_string())?;
                    Ok(escape_dollars(&text))
                });
                let text = text.map_err(|error| Problem {
                    code: Code::ExpressionFailed,
                    path: expr.path.clone(),
                    message: bounded(format!("task `{}`: the variable `{}`: {error}", self.name, entry.name)),
                })?;
                ("value", Value::String(text))
            }
        };
        let name = ("name".to_owned(), Value::String(entry.name.clone()));
        Ok(Value::Object(Map::from_iter([name, (field.to_owned(), value)])))
    }
}

#[cfg(test)]
#[path = "env_tests.rs"]
mod tests;
