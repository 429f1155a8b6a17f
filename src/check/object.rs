//! One object: what its schema says, then what the plan says.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::finding::{Findings, Said, Severity};
use super::params::{Named, Run, Workflow, Workflows};
use super::path;
use super::schema::Schema;
use super::shape::{self, Shape};
use super::tree::{Id, Span, Tree};
use crate::api::{WorkflowRunSpec, WorkflowSpec};
use crate::plan::{Code, Origin, Plan, Problem, is_dns_label, limits, quote};

/// An object of one of our kinds.
#[derive(Debug)]
pub(super) struct Object {
    /// The number of its file.
    pub file: usize,
    pub root: Id,
    /// Where it begins.
    pub span: Span,
    pub kind: String,
    /// `Workflow/daily-sales`
    pub title: String,
    /// Whether it has a name, and not only the beginning of one.
    has_name: bool,
}

impl Object {
    pub fn new(tree: &Tree<'_>, file: usize, root: Id, kind: String) -> Self {
        let metadata = tree.entry(root, "metadata").map(|entry| entry.value);
        let text = |key: &str| metadata.and_then(|metadata| tree.text_at(metadata, key));
        let title = match text("name").or_else(|| text("generateName")) {
            Some(name) => format!("{kind}/{}", quote(name)),
            None => kind.clone(),
        };
        Self { file, root, span: tree.mark(root), kind, title, has_name: text("name").is_some() }
    }
}

/// Checks an object on its own; gathers what can only be said once all are known.
pub(super) fn check<'o>(
    object: &'o Object,
    tree: &'o Tree<'o>,
    schema: &Schema,
    workflows: &mut Workflows<'o>,
    runs: &mut Vec<Run<'o>>,
    findings: &mut Findings<'_>,
) {
    let (value, shape) = shape::check(tree, object.root, object.span, schema);
    let mut said = Problems { object, tree, shape, paths: BTreeSet::new() };
    let metadata = field(&value, "metadata");
    let name = said.name(metadata, findings);
    let namespace = field(metadata, "namespace").as_str().map(str::to_owned);
    match object.kind.as_str() {
        "Workflow" => {
            let plan = said.plan(field(&value, "spec"), "spec", Origin::Workflow, findings);
            workflows.add(name, Workflow { object, tree, namespace, plan });
        }
        "WorkflowRun" => runs.extend(said.run(field(&value, "spec"), &name, namespace, findings)),
        _ => {}
    }
    said.flaws(findings);
}

/// A field of an object; null if there is none.
fn field<'v>(value: &'v Value, name: &str) -> &'v Value {
    value.get(name).unwrap_or(&Value::Null)
}

/// What is said of an object.
struct Problems<'o> {
    object: &'o Object,
    tree: &'o Tree<'o>,
    shape: Shape,
    /// Where something was said already.
    paths: BTreeSet<String>,
}

impl<'o> Problems<'o> {
    fn add(&mut self, code: Code, path: String, message: String, findings: &mut Findings<'_>) {
        self.add_as(Severity::Error, code, path, message, findings);
    }

    fn add_as(&mut self, severity: Severity, code: Code, path: String, message: String, findings: &mut Findings<'_>) {
        if !self.shape.is_known(&path) {
            return;
        }
        let Object { file, root, span, title, .. } = self.object;
        let span = path::locate(self.tree, *root, *span, &path);
        self.paths.insert(path.clone());
        findings.add(Said { file: *file, span, path, code, severity, message, object: Some(title) });
    }

    /// What the schema doesn't allow, unless the plan has said it.
    fn flaws(mut self, findings: &mut Findings<'_>) {
        let Object { file, span, title, .. } = self.object;
        let mut last = *span;
        for flaw in std::mem::take(&mut self.shape.flaws) {
            last = last.max(flaw.span);
            if self.paths.contains(&flaw.path) || flaw.same.iter().any(|path| self.paths.contains(path)) {
                continue;
            }
            let shape::Flaw { code, path, span, message, .. } = flaw;
            let severity = Severity::Error;
            findings.add(Said { file: *file, span, path, code, severity, message, object: Some(title) });
        }
        if self.shape.beyond > 0 {
            let message = format!("and {} more that the schema doesn't allow: mend these first", self.shape.beyond);
            let (code, severity) = (Code::MoreProblems, Severity::Error);
            findings.add(Said {
                file: *file,
                span: last,
                path: String::new(),
                code,
                severity,
                message,
                object: Some(title),
            });
        }
    }

    /// The name, be it one that is generated.
    fn name(&mut self, metadata: &Value, findings: &mut Findings<'_>) -> String {
        let Some(name) = field(metadata, "name").as_str() else {
            let message = "is required and missing: name the object".to_owned();
            self.add(Code::MissingField, "metadata.name".to_owned(), message, findings);
            return String::new();
        };
        let is_generated = !self.object.has_name;
        let path = if is_generated { "metadata.generateName" } else { "metadata.name" };
        let count = name.chars().count();
        if !is_dns_label(name) {
            let message = format!(
                "`{}` can't name an object: write lower-case letters, digits and dashes, no dash at either end",
                quote(name)
            );
            self.add(Code::BadName, path.to_owned(), message, findings);
        } else if count > limits::DNS_LABEL {
            let message = format!("has {count} characters, {} are allowed: shorten it", limits::DNS_LABEL);
            self.add(Code::TooLong, path.to_owned(), message, findings);
        }
        name.to_owned()
    }

    /// The plan of a spec that stands at `base`.
    fn plan(&mut self, spec: &Value, base: &str, origin: Origin, findings: &mut Findings<'_>) -> Option<Plan> {
        let spec: WorkflowSpec = self.typed(spec, base, findings)?;
        match Plan::checked(&spec, origin) {
            Ok(plan) => {
                self.problems(plan.warnings(), Severity::Warning, base, findings);
                Some(plan)
            }
            Err(problems) => {
                self.problems(problems, Severity::Error, base, findings);
                None
            }
        }
    }

    /// What the plan says. Its paths begin at `base`, which it calls `spec`.
    fn problems(&mut self, problems: Vec<Problem>, severity: Severity, base: &str, findings: &mut Findings<'_>) {
        for Problem { code, path, message } in problems {
            let path = if path == "spec" { base.to_owned() } else { format!("{base}.{path}") };
            self.add_as(severity, code, path, message, findings);
        }
    }

    /// A value as the operator's type.
    fn typed<T: DeserializeOwned>(&mut self, value: &Value, path: &str, findings: &mut Findings<'_>) -> Option<T> {
        match T::deserialize(value) {
            Ok(typed) => Some(typed),
            // Whatever the schema doesn't say of a type.
            Err(error) if self.shape.flaws.is_empty() => {
                self.add(Code::WrongType, path.to_owned(), format!("can't be read: {error}"), findings);
                None
            }
            Err(_) => None,
        }
    }

    fn run(
        &mut self,
        spec: &Value,
        name: &str,
        namespace: Option<String>,
        findings: &mut Findings<'_>,
    ) -> Option<Run<'o>> {
        let inline = spec.get("workflow").filter(|inline| !inline.is_null());
        let plan = inline.and_then(|inline| self.plan(inline, "spec.workflow", Origin::Inline, findings));
        let typed: WorkflowRunSpec = self.typed(spec, "spec", findings)?;
        if !self.shape.is_known("spec.params") {
            return None;
        }
        let values = run_value(name, namespace.as_deref());
        let workflow = match (plan, typed.workflow_ref) {
            (Some(plan), _) => Named::Inline(Box::new(plan)),
            (None, Some(reference)) if inline.is_none() && self.shape.is_right("spec.workflowRef.name") => {
                Named::Reference(reference.name)
            }
            _ => return None,
        };
        let (object, tree) = (self.object, self.tree);
        Some(Run { object, tree, workflow, namespace, params: typed.params, values })
    }
}

/// What expressions read of a run that isn't there yet.
fn run_value(name: &str, namespace: Option<&str>) -> Value {
    json!({
        "name": name,
        "uid": "00000000-0000-0000-0000-000000000000",
        "namespace": namespace.unwrap_or("default"),
        "phase": "Pending",
        "reason": "",
        "generation": 0,
    })
}
