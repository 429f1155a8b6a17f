//! Parameters of runs against the workflows that they name.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::finding::{Findings, Said, Severity};
use super::object::Object;
use super::path;
use super::tree::{Span, Tree};
use crate::plan::{Code, Plan, Problem, quote, suggestion};

/// The workflows of all files by name.
#[derive(Default)]
pub(super) struct Workflows<'o> {
    named: BTreeMap<String, Vec<Workflow<'o>>>,
}

/// A workflow.
pub(super) struct Workflow<'o> {
    pub object: &'o Object,
    pub tree: &'o Tree<'o>,
    pub namespace: Option<String>,
    /// Without one, it has mistakes of its own.
    pub plan: Option<Plan>,
}

/// Which workflow a run runs.
pub(super) enum Named {
    /// One that is written in it.
    Inline(Box<Plan>),
    /// One of this name.
    Reference(String),
}

/// A run whose parameters are to be checked.
pub(super) struct Run<'o> {
    pub object: &'o Object,
    pub tree: &'o Tree<'o>,
    pub workflow: Named,
    pub namespace: Option<String>,
    pub params: Option<Map<String, Value>>,
    /// What expressions read as `run`.
    pub values: Value,
}

impl<'o> Workflows<'o> {
    pub fn add(&mut self, name: String, workflow: Workflow<'o>) {
        self.named.entry(name).or_default().push(workflow);
    }

    /// All of them, by name.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Workflow<'o>)> {
        self.named.iter().flat_map(|(name, all)| all.iter().map(move |workflow| (name.as_str(), workflow)))
    }

    /// The workflow that a run means: of several the last, as it would be applied over the others. Where a manifest has no
    /// namespace, kubectl decides, so that it may be any.
    pub fn find(&self, name: &str, namespace: Option<&str>) -> Option<&Workflow<'o>> {
        let is_same = |workflow: &&Workflow<'o>| match (&workflow.namespace, namespace) {
            (Some(one), Some(other)) => one == other,
            _ => true,
        };
        self.named.get(name)?.iter().rev().find(is_same)
    }
}

/// Checks the parameters of a run.
pub(super) fn check(run: &Run<'_>, workflows: &Workflows<'_>, findings: &mut Findings<'_>) {
    let plan = match &run.workflow {
        Named::Inline(plan) => Some(plan.as_ref()),
        Named::Reference(name) => match workflows.find(name, run.namespace.as_deref()) {
            Some(workflow) => workflow.plan.as_ref(),
            None => return not_given(run, name, workflows, findings),
        },
    };
    let problems = plan.and_then(|plan| plan.resolve_params(run.params.as_ref(), &run.values).err());
    for Problem { code, path, message } in problems.into_iter().flatten() {
        // What there is no such param of, is its name.
        let locate = if code == Code::UnknownParam { path::locate_name } else { path::locate };
        let path = format!("spec.{path}");
        let span = locate(run.tree, run.object.root, run.object.span, &path);
        add(run, code, Severity::Error, span, path, message, findings);
    }
}

fn not_given(run: &Run<'_>, name: &str, workflows: &Workflows<'_>, findings: &mut Findings<'_>) {
    let advice = suggestion(name, workflows.named.keys().map(String::as_str));
    let name = quote(name);
    let message = format!("no Workflow `{name}` is in the files, so that the run's params can't be checked{advice}");
    let path = "spec.workflowRef.name".to_owned();
    let span = path::locate(run.tree, run.object.root, run.object.span, &path);
    add(run, Code::WorkflowNotGiven, Severity::Warning, span, path, message, findings);
}

fn add(
    run: &Run<'_>,
    code: Code,
    severity: Severity,
    span: Span,
    path: String,
    message: String,
    findings: &mut Findings<'_>,
) {
    let Object { file, title, .. } = run.object;
    findings.add(Said { file: *file, span, path, code, severity, message, object: Some(title) });
}
