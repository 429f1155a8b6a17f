//! Tasks that are an object of any kind: what is made, and what of it says that it has done its work.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expr::{Fault, Place};
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::granted::{forbidden, is_kind, split};
use super::output::check_identifier;
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::task::of_pods;
use super::template::is_ours;
use super::words::{is_dns_label, listing, quote};
use super::{PlannedTask, Work, limits, pointer, size, value};
use crate::api::{ResourceOutput, ResourceTask, SetField, Task, ValueType};
use crate::mutant::{Mutant, is};

/// The service account of a task that names none.
const ACCOUNT: &str = "default";

/// A task that is an object of any kind.
#[derive(Clone, Debug)]
pub struct PlannedResource {
    /// Its apiVersion.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
    /// What it is made from.
    pub manifest: Map<String, Value>,
    /// The service account that must be allowed to make it.
    pub account: String,
    /// What is set in the manifest: where, and what.
    pub set: Vec<(Vec<String>, PlannedExpr)>,
    /// When it has done its work.
    pub success: PlannedExpr,
    /// When it has failed.
    pub failure: Option<PlannedExpr>,
    /// What it hands on.
    pub outputs: Vec<PlannedResourceOutput>,
}

/// A value that an object hands on.
#[derive(Clone, Debug)]
pub struct PlannedResourceOutput {
    /// Its name.
    pub name: String,
    /// Its value, once success holds.
    pub expr: PlannedExpr,
    /// Its type; any where absent.
    pub kind: Option<ValueType>,
}

/// What an object has come to.
#[derive(Clone, Debug, PartialEq)]
pub enum Told {
    /// It goes on.
    NotYet,
    /// Its failure holds.
    Failed,
    /// Its success holds. These are its outputs, or those that it lacks, or that aren't of their types.
    Succeeded(Result<Map<String, Value>, Lack>),
}

/// Why the outputs of an object can't be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// One isn't there.
    Missing(String),
    /// One isn't what it is to be.
    Invalid(String),
}

/// What a task is that is an object of any kind; says what is wrong with it. `path` is that of the task.
pub(super) fn plan(
    task: &Task,
    resource: &ResourceTask,
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Work {
    check_alone(task, path, report);
    let path = path.field("resource");
    let (api_version, kind) = check_manifest(&resource.manifest, &path.field("manifest"), report);
    check_account(resource.service_account_name.as_deref(), &path.field("serviceAccountName"), report);
    let set = set(&resource.set, &resource.manifest, &path.field("set"), numbers, report);
    let outputs = outputs(&resource.outputs, &path.field("outputs"), numbers, report);
    let mut condition = |text: &str, path: &Path<'_>| {
        let expr = expression::parse(text, Place::Object, path, report)?;
        Some(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) })
    };
    let failure = resource.failure.as_ref().and_then(|text| condition(text, &path.field("failure")));
    // Without it there is no plan, since the report isn't empty.
    let Some(success) = condition(&resource.success, &path.field("success")) else { return Work::default() };
    let account = resource.service_account_name.as_deref().unwrap_or(ACCOUNT).to_owned();
    let manifest = resource.manifest.clone();
    Work::Resource(Arc::new(PlannedResource { api_version, kind, manifest, account, set, success, failure, outputs }))
}

/// The texts of the expressions of a resource.
pub(super) fn texts(resource: &ResourceTask) -> impl Iterator<Item = &String> {
    let set = resource.set.iter().map(|field| &field.expr);
    let outputs = resource.outputs.iter().map(|output| &output.expr);
    set.chain([&resource.success]).chain(&resource.failure).chain(outputs)
}

/// Says what a task has besides that an object has no use for.
fn check_alone(task: &Task, path: &Path<'_>, report: &mut Report) {
    let fields = [
        ("workflowRef", task.workflow_ref.is_some()),
        ("workflow", task.workflow.is_some()),
        ("params", !task.params.is_empty()),
        ("startTimeout", task.start_timeout.is_some()),
        ("logTail", task.log_tail.is_some()),
        ("onNodeLost", task.on_node_lost.is_some()),
    ];
    let found: Vec<&str> =
        of_pods(task).iter().chain(&fields).filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if !found.is_empty() {
        report.add(Code::ResourceNotAlone, &path.field("resource"), || {
            let found = listing(found.iter().copied());
            format!(
                "the task is an object and has no container, and it has {found} too: remove one or the other (outputs of an object stand in resource.outputs)"
            )
        });
    }
}

/// Says what is wrong with a manifest; returns its apiVersion and kind.
fn check_manifest(manifest: &Map<String, Value>, path: &Path<'_>, report: &mut Report) -> (String, String) {
    let bytes = size::serialised(manifest);
    if bytes > limits::TEMPLATE_BYTES {
        report.add(Code::TooLong, path, || {
            let max = limits::TEMPLATE_BYTES;
            format!("has {bytes} bytes, {max} are allowed: move data into a ConfigMap")
        });
    }
    let text = |field: &str| manifest.get(field).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let group = split(api_version).map(|(group, _)| group);
    if group.is_none() {
        report.add(Code::BadManifest, &path.field("apiVersion"), || {
            "must be a version, or a group and its version, as in v1 or batch/v1".to_owned()
        });
    }
    if !is_kind(kind) {
        report.add(Code::BadManifest, &path.field("kind"), || "must be the name of a kind, as in Job".to_owned());
    } else if let Some(why) = group.and_then(|group| forbidden(group, kind, "")) {
        report.add(Code::ForbiddenKind, &path.field("kind"), || {
            format!("no task may make a {api_version} {kind}: {why}")
        });
    }
    if let Some(metadata) = manifest.get("metadata").filter(|metadata| !metadata.is_null()) {
        let path = path.field("metadata");
        match metadata.as_object() {
            Some(metadata) => check_metadata(metadata, &path, report),
            None => report.add(Code::BadManifest, &path, || "must be an object".to_owned()),
        }
    }
    (api_version.to_owned(), kind.to_owned())
}

fn check_metadata(metadata: &Map<String, Value>, path: &Path<'_>, report: &mut Report) {
    for (field, value) in metadata.iter().filter(|(_, value)| !value.is_null()) {
        let path = path.key(field);
        if !matches!(field.as_str(), "labels" | "annotations") {
            report.add(Code::ReservedField, &path, || {
                "of the metadata only labels and annotations are yours; Gantline names the object and owns it: remove it"
                    .to_owned()
            });
            continue;
        }
        let Some(map) = value.as_object() else {
            report.add(Code::BadManifest, &path, || "must be an object".to_owned());
            continue;
        };
        for (key, value) in map {
            let path = path.key(key);
            if is_ours(key) {
                report.add(Code::ReservedField, &path, || {
                    "names with gantline.dev/ are Gantline's own: choose another prefix".to_owned()
                });
            } else if !value.is_string() {
                report.add(Code::BadManifest, &path, || "must be a string: quote it".to_owned());
            }
        }
    }
}

fn check_account(name: Option<&str>, path: &Path<'_>, report: &mut Report) {
    let is_name = |name: &str| name.split('.').all(is_dns_label) && name.len() <= 253;
    if let Some(name) = name.filter(|name| !is_name(name)) {
        report.add(Code::BadName, path, || {
            let name = quote(name);
            format!("`{name}` can't name a service account: write lower-case letters, digits, dashes and dots")
        });
    }
}

fn set(
    set: &[SetField],
    manifest: &Map<String, Value>,
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Vec<(Vec<String>, PlannedExpr)> {
    too_many(set.len(), limits::SET, "set an object or a list as a whole", path, report);
    let mut planned: Vec<(Vec<String>, PlannedExpr)> = Vec::with_capacity(set.len());
    for (at, field) in set.iter().enumerate() {
        let path = path.index(at);
        let to = path.field("path");
        let expr = path.field("expr");
        let parsed = expression::parse(&field.expr, Place::Env, &expr, report);
        let steps = match pointer::parse(&field.path) {
            Ok(steps) => steps,
            Err(why) => {
                report.add(Code::BadPointer, &to, || why.to_owned());
                continue;
            }
        };
        if let Some(first) = steps.first().filter(|it| matches!(it.as_str(), "apiVersion" | "kind" | "metadata")) {
            report.add(Code::ReservedField, &to, || {
                format!(
                    "{first} can't follow a value: what is made, and its name and owner, stand before the run starts"
                )
            });
        } else if let Err(why) = pointer::check(manifest, &steps) {
            report.add(Code::BadPointer, &to, || why);
        } else if planned.iter().any(|(other, _)| other.starts_with(&steps) || steps.starts_with(other)) {
            report.add(Code::BadPointer, &to, || {
                "is set already, or holds what is set, or is in it: set each field once".to_owned()
            });
        } else if let Some(parsed) = parsed {
            let numbers = Arc::clone(numbers);
            planned.push((steps, PlannedExpr { expr: parsed, path: expr.to_string(), numbers }));
        }
    }
    planned
}

fn outputs(
    outputs: &[ResourceOutput],
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Vec<PlannedResourceOutput> {
    too_many(outputs.len(), limits::OUTPUTS, "gather some in one list", path, report);
    let mut seen = BTreeSet::new();
    let mut planned = Vec::with_capacity(outputs.len());
    for (at, output) in outputs.iter().enumerate() {
        let path = path.index(at);
        check_identifier(&output.name, &path.field("name"), report);
        if !seen.insert(output.name.as_str()) {
            report.add(Code::DuplicateOutput, &path.field("name"), || {
                format!("the output `{}` is declared twice: remove one", quote(&output.name))
            });
        }
        let path = path.field("expr");
        if let Some(expr) = expression::parse(&output.expr, Place::Object, &path, report) {
            let expr = PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) };
            planned.push(PlannedResourceOutput { name: output.name.clone(), expr, kind: output.kind });
        }
    }
    planned
}

fn too_many(count: usize, max: usize, advice: &str, path: &Path<'_>, report: &mut Report) {
    if count > max {
        report.add(Code::TooMany, path, || format!("has {count} entries, {max} are allowed: {advice}"));
    }
}

impl PlannedResource {
    /// All of its expressions.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &PlannedExpr> {
        let set = self.set.iter().map(|(_, expr)| expr);
        let outputs = self.outputs.iter().map(|output| &output.expr);
        set.chain([&self.success]).chain(&self.failure).chain(outputs)
    }

    /// The names of its outputs.
    pub(super) fn output_names(&self) -> impl Iterator<Item = &str> {
        self.outputs.iter().map(|output| output.name.as_str())
    }
}

impl PlannedTask {
    /// The object that the task is, if it is one of any kind.
    #[must_use]
    pub fn resource(&self) -> Option<&PlannedResource> {
        match &self.work {
            Work::Resource(resource) => Some(resource),
            Work::Pod | Work::Join | Work::Child(_) => None,
        }
    }

    /// The names of the outputs that the task declares itself, as a container or as an object.
    pub fn output_names(&self) -> impl Iterator<Item = &str> {
        let of_object = self.resource().into_iter().flat_map(PlannedResource::output_names);
        self.outputs.iter().map(|output| output.name.as_str()).chain(of_object)
    }

    /// The manifest of an attempt's object, but for its name, labels and owner.
    ///
    /// # Errors
    ///
    /// That an expression has no value, or that the manifest is too large with it, at its path in the spec.
    pub fn resource_manifest(&self, scope: &Scope<'_>) -> Result<Map<String, Value>, Problem> {
        let Some(resource) = self.resource() else { return Ok(Map::new()) };
        let mut manifest = resource.manifest.clone();
        for (steps, expr) in &resource.set {
            let value = expr.evaluate(scope).map_err(|error| self.told(expr, "set", &error))?;
            pointer::set(&mut manifest, steps, value::normal(&value));
        }
        let bytes = size::serialised(&manifest);
        if bytes > limits::RESOURCE_BYTES {
            let max = limits::RESOURCE_BYTES;
            let message = format!(
                "task `{}`: with its values the manifest has {bytes} bytes, {max} are allowed: name where the data is, not the data",
                self.name
            );
            return Err(Problem { code: Code::ExpressionFailed, path: "set".to_owned(), message: bounded(message) });
        }
        Ok(manifest)
    }

    /// What an object has come to.
    ///
    /// # Errors
    ///
    /// That an expression has no value for another reason than a key that is missing, or that a condition is no bool, at its path in
    /// the spec.
    pub fn told_by(&self, object: &Value, scope: &Scope<'_>) -> Result<Told, Problem> {
        let Some(resource) = self.resource() else { return Ok(Told::NotYet) };
        if let Some(failure) = &resource.failure
            && self.holds(failure, "failure", object, scope)?
        {
            return Ok(Told::Failed);
        }
        if !self.holds(&resource.success, "success", object, scope)? {
            return Ok(Told::NotYet);
        }
        let mut outputs = Map::new();
        for output in &resource.outputs {
            match self.output(output, object, scope)? {
                Ok(value) => outputs.insert(output.name.clone(), value),
                Err(lack) => return Ok(Told::Succeeded(Err(lack))),
            };
        }
        Ok(Told::Succeeded(Ok(outputs)))
    }

    /// Whether a condition holds. A key that is missing means not yet.
    fn holds(&self, expr: &PlannedExpr, name: &str, object: &Value, scope: &Scope<'_>) -> Result<bool, Problem> {
        match expr.evaluate_over(object, scope) {
            Ok(Value::Bool(holds)) => Ok(holds),
            Ok(other) => {
                let found = value::found(&other);
                Err(self.told(expr, name, &format!("it is {found}, not true or false: compare it")))
            }
            Err(error) if is_missing(&error.fault) => Ok(is(Mutant::MissingKeyHolds)),
            Err(error) => Err(self.told(expr, name, &error.to_string())),
        }
    }

    fn output(
        &self,
        output: &PlannedResourceOutput,
        object: &Value,
        scope: &Scope<'_>,
    ) -> Result<Result<Value, Lack>, Problem> {
        let name = &output.name;
        let value = match output.expr.evaluate_over(object, scope) {
            Ok(Value::Null) => return Ok(Err(Lack::Missing(format!("output {name}: it is null")))),
            Ok(value) => value::normal(&value),
            Err(error) if is_missing(&error.fault) => {
                return Ok(Err(Lack::Missing(format!("output {name}: {error}"))));
            }
            Err(error) => return Err(self.told(&output.expr, &format!("output {name}"), &error.to_string())),
        };
        let int = value.as_number().and_then(value::as_int);
        match output.kind.filter(|kind| !value::is_of(*kind, &value, int)) {
            Some(kind) => {
                let (found, kind) = (value::found(&value), value::type_name(kind));
                Ok(Err(Lack::Invalid(format!("output {name} is {found}, and its type is {kind}"))))
            }
            None => Ok(Ok(value)),
        }
    }

    fn told(&self, expr: &PlannedExpr, name: &str, error: &str) -> Problem {
        Problem {
            code: Code::ExpressionFailed,
            path: expr.path.clone(),
            message: bounded(format!("task `{}`: {name}: {error}", self.name)),
        }
    }
}

/// Whether something isn't there (yet).
const fn is_missing(fault: &Fault) -> bool {
    matches!(fault, Fault::NoField { .. } | Fault::NoKey | Fault::OutOfRange)
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
