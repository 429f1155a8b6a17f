//! Child runs against the workflows of all files: whether what they run is there and takes what it is given, and whether a workflow
//! would run within itself.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::finding::{Findings, Said, Severity};
use super::object::Object;
use super::params::{Named, Run, Workflows};
use super::path;
use super::tree::Tree;
use crate::plan::{ChildWorkflow, Code, Plan, PlannedChild, listing, quote, suggestion};

/// A plan with children, and where it stands.
struct Holder<'c, 'o> {
    object: &'o Object,
    tree: &'o Tree<'o>,
    /// Where its spec stands in the object.
    base: &'static str,
    namespace: Option<&'c str>,
    plan: &'c Plan,
}

/// Checks the child runs of all workflows, and of those that are written in runs.
pub(super) fn check(workflows: &Workflows<'_>, runs: &[Run<'_>], findings: &mut Findings<'_>) {
    let mut told = BTreeSet::new();
    for (name, workflow) in workflows.all() {
        let Some(plan) = &workflow.plan else { continue };
        let (object, tree, namespace) = (workflow.object, workflow.tree, workflow.namespace.as_deref());
        let holder = Holder { object, tree, base: "spec", namespace, plan };
        holder.check(workflows, findings);
        holder.check_circle(name, workflows, &mut told, findings);
    }
    for run in runs {
        if let Named::Inline(plan) = &run.workflow {
            let (object, tree, namespace) = (run.object, run.tree, run.namespace.as_deref());
            Holder { object, tree, base: "spec.workflow", namespace, plan }.check(workflows, findings);
        }
    }
}

impl Holder<'_, '_> {
    /// The children with the paths of their tasks.
    fn children(&self) -> impl Iterator<Item = (String, &PlannedChild)> {
        let main = self.plan.tasks().iter().filter(|task| !task.finally).count();
        self.plan.tasks().iter().enumerate().filter_map(move |(index, task)| {
            let place = match index.checked_sub(main) {
                None => format!("{}.tasks[{index}]", self.base),
                Some(index) => format!("{}.finally[{index}]", self.base),
            };
            Some((place, task.child()?))
        })
    }

    fn check(&self, workflows: &Workflows<'_>, findings: &mut Findings<'_>) {
        for (place, child) in self.children() {
            let ChildWorkflow::Reference(name) = &child.workflow else { continue };
            let at = format!("{place}.workflowRef.name");
            let Some(workflow) = workflows.find(name, self.namespace) else {
                let advice = suggestion(name, workflows.all().map(|(name, _)| name));
                let name = quote(name);
                let message =
                    format!("no Workflow `{name}` is in the files, so that the task's params can't be checked{advice}");
                self.add(Code::WorkflowNotGiven, Severity::Warning, at, message, findings);
                continue;
            };
            if let Some(plan) = &workflow.plan {
                self.check_params(&place, name, plan, child, findings);
            }
        }
    }

    fn check_params(&self, place: &str, name: &str, plan: &Plan, child: &PlannedChild, findings: &mut Findings<'_>) {
        let name = quote(name);
        for (at, param) in child.params.iter().enumerate() {
            let declared = || plan.param_names();
            if !declared().any(|declared| declared == param.name) {
                let (advice, known) = (suggestion(&param.name, declared()), listing(declared()));
                let param = quote(&param.name);
                let message = format!("Workflow `{name}` declares no param `{param}`{advice}; its params are {known}");
                let path = format!("{place}.params[{at}].name");
                self.add(Code::UnknownParam, Severity::Error, path, message, findings);
            }
        }
        for required in plan.required_params().filter(|it| !child.params.iter().any(|param| param.name == *it)) {
            let message = format!(
                "Workflow `{name}` requires the param `{}`, which isn't given: add it to params",
                quote(required)
            );
            self.add(Code::MissingParam, Severity::Error, format!("{place}.workflowRef.name"), message, findings);
        }
    }

    /// Says that the workflow of this name would run within itself. Each circle is told once.
    fn check_circle(
        &self,
        name: &str,
        workflows: &Workflows<'_>,
        told: &mut BTreeSet<String>,
        findings: &mut Findings<'_>,
    ) {
        if told.contains(name) {
            return;
        }
        for (place, child) in self.children() {
            let found = child.workflows().into_iter().find_map(|first| circle(name, first, workflows, self.namespace));
            let Some(circle) = found else { continue };
            let message = format!("the workflow would run within itself, and so without end: {}", circle.join(" -> "));
            told.extend(circle);
            let path = match child.workflow {
                ChildWorkflow::Reference(_) => format!("{place}.workflowRef.name"),
                ChildWorkflow::Inline { .. } => format!("{place}.workflow"),
            };
            self.add(Code::WorkflowCycle, Severity::Error, path, message, findings);
            return;
        }
    }

    fn add(&self, code: Code, severity: Severity, path: String, message: String, findings: &mut Findings<'_>) {
        let Object { file, root, span, title, .. } = self.object;
        let span = path::locate(self.tree, *root, *span, &path);
        findings.add(Said { file: *file, span, path, code, severity, message, object: Some(title) });
    }
}

/// A shortest way from the workflow `first` back to `name`, with `name` at both ends.
fn circle(name: &str, first: &str, workflows: &Workflows<'_>, namespace: Option<&str>) -> Option<Vec<String>> {
    let mut led: BTreeMap<String, String> = BTreeMap::from([(first.to_owned(), name.to_owned())]);
    let mut queue = VecDeque::from([first.to_owned()]);
    while let Some(at) = queue.pop_front() {
        if at == name {
            let mut circle = vec![at.clone()];
            let mut back = led.get(&at);
            while let Some(before) = back {
                circle.push(before.clone());
                back = if before == name { None } else { led.get(before) };
            }
            circle.reverse();
            return Some(circle);
        }
        let plan = workflows.find(&at, namespace).and_then(|workflow| workflow.plan.as_ref());
        let children = plan.into_iter().flat_map(Plan::tasks).filter_map(|task| task.child());
        for next in children.flat_map(PlannedChild::workflows) {
            if !led.contains_key(next) {
                led.insert(next.to_owned(), at.clone());
                queue.push_back(next.to_owned());
            }
        }
    }
    None
}
