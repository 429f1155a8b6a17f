//! What is played: manifests, the behaviour of their pods, what people do meanwhile, and the end that must come.

mod build;
mod child;
mod follow;
mod for_each;
mod generation;
mod limits;
mod log;
mod measured;
mod outputs;
mod packed;
mod people;
mod resource;
mod rules;
mod standard;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

pub use self::measured::{graph, items};
pub use self::standard::standard;

use crate::human::Human;
use crate::kubelet::{Behaviour, Trouble};
use crate::model::Server;
use crate::reference::End;
use crate::wire::Wire;

/// The namespace that every scenario plays in.
pub const NAMESPACE: &str = "demo";

/// A scenario. Times are milliseconds since its beginning.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: words with dashes.
    pub name: &'static str,
    /// Replicas of the operator.
    pub replicas: u8,
    /// What is applied at the beginning, in this order; the namespace first.
    pub manifests: Vec<Value>,
    /// What [`Human::Create`] may create later, besides.
    pub later: Vec<Value>,
    /// Behaviours of the pods of each task, or of an item `task[3]`, by attempt; the last one repeats. What isn't named succeeds
    /// after two seconds.
    pub behaviours: BTreeMap<String, Vec<Behaviour>>,
    /// What people do, and when, in the order of time.
    pub humans: Vec<(u64, Human)>,
    /// Creates of pods and volume claims that the API server refuses for a while.
    pub refuse_creates: Option<Refusal>,
    /// Tasks whose environment can't be evaluated.
    pub broken_env: Vec<&'static str>,
    /// What conditions come to, by their tasks, after how all tasks ended; `None` where it hangs on time.
    pub conditions: BTreeMap<&'static str, fn(&BTreeMap<String, String>) -> Option<bool>>,
    /// Why no run of it can start: `InvalidWorkflow` or `InvalidParams`.
    pub mistake: Option<&'static str>,
    /// The end of each run without faults, by its name; a run that isn't named is gone.
    pub ends: BTreeMap<String, End>,
    /// Whether it is too large for exhaustive enumeration.
    pub wide: bool,
    /// Whether the statuses of its runs hold little of what has happened in every world, not in some.
    pub short_logs: bool,
    /// How many tasks or items the statuses of its runs spell out, where that isn't left to chance.
    pub spelt: Option<usize>,
    /// Bytes of outputs that the statuses of its runs have room for, where that isn't left to chance.
    pub outputs: Option<usize>,
    /// Whether it is there to be measured: nothing of it is left to chance.
    pub measured: bool,
    /// Whether the clock of an operator is off in it, so that what has a timeout may time out at any time.
    pub clock_is_off: bool,
}

/// The tasks of a workflow, those of `finally` last.
pub fn tasks_in(workflow: &Value) -> impl Iterator<Item = &Value> {
    ["tasks", "finally"].into_iter().filter_map(|list| workflow[list].as_array()).flatten()
}

/// The API server refuses to create pods and volume claims for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status.
    pub reason: &'static str,
    /// `message` of the Status.
    pub message: &'static str,
    /// From then.
    pub from_ms: u64,
    /// Until then.
    pub until_ms: u64,
}

/// The standard scenario of a name.
pub fn named(name: &str) -> Option<Scenario> {
    standard().into_iter().find(|scenario| scenario.name == name)
}

/// Someone applies a manifest; panics if the API server refuses it.
pub fn apply(server: &mut Server, manifest: &Value, now: Timestamp) {
    assert!(Wire { server, actor: "user", now }.create(manifest), "the API server refused {manifest:#}");
}

impl Scenario {
    /// The names of all objects of a kind, in their order.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let name = |manifest: &Value| manifest["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        self.all().filter(|manifest| manifest["kind"] == kind).map(name).collect()
    }

    /// The manifest of an object.
    pub fn manifest(&self, kind: &str, name: &str) -> Option<&Value> {
        self.all().find(|manifest| manifest["kind"] == kind && manifest["metadata"]["name"] == name)
    }

    /// The tasks of a run, those of `finally` last, from the workflow in it or named by it; none where that doesn't exist.
    pub fn tasks_of(&self, run: &str) -> Vec<&Value> {
        let tasks = self.workflow_of(run).and_then(|workflow| workflow["tasks"].as_array());
        tasks.into_iter().flatten().chain(self.finally_of(run)).collect()
    }

    /// The tasks of `finally` of a run.
    pub fn finally_of(&self, run: &str) -> &[Value] {
        let last = self.workflow_of(run).and_then(|workflow| workflow["finally"].as_array());
        last.map_or(&[], Vec::as_slice)
    }

    /// The names of the volume claims that a run has.
    pub fn claims_of(&self, run: &str) -> Vec<&str> {
        let claims = self.workflow_of(run).and_then(|workflow| workflow["volumeClaims"].as_array());
        claims.into_iter().flatten().filter_map(|claim| claim["name"].as_str()).collect()
    }

    /// The spec of a run's workflow.
    pub fn workflow_of(&self, run: &str) -> Option<&Value> {
        let spec = self.manifest("WorkflowRun", run).map(|run| &run["spec"]);
        let inline = spec.map(|spec| &spec["workflow"]).filter(|workflow| !workflow.is_null());
        let named = spec.and_then(|spec| spec["workflowRef"]["name"].as_str());
        inline.or_else(|| Some(&self.manifest("Workflow", named?)?["spec"]))
    }

    /// The names of all tasks of all runs, those of child runs included, each once.
    pub fn tasks(&self) -> Vec<String> {
        let runs = self.names("WorkflowRun");
        let mut left: Vec<&Value> = runs.iter().flat_map(|run| self.tasks_of(run)).collect();
        let (mut names, mut followed) = (BTreeSet::new(), BTreeSet::new());
        while let Some(task) = left.pop() {
            names.extend(task["name"].as_str().map(str::to_owned));
            // A workflow may run within itself, as far as anybody lets it.
            let is_new = task["workflowRef"]["name"].as_str().is_none_or(|name| followed.insert(name));
            if let Some(workflow) = self.workflow_of_task(task).filter(|_| is_new) {
                left.extend(tasks_in(workflow));
            }
        }
        names.into_iter().collect()
    }

    /// The spec of the workflow that a task runs, if it is a run of its own.
    pub fn workflow_of_task<'s>(&'s self, task: &'s Value) -> Option<&'s Value> {
        let inline = task.get("workflow");
        inline.or_else(|| Some(&self.manifest("Workflow", task["workflowRef"]["name"].as_str()?)?["spec"]))
    }

    /// Whether something in it may time out.
    pub fn may_time_out(&self) -> bool {
        let timed = |of: &Value| {
            ["timeout", "startTimeout", "totalTimeout", "finallyTimeout"].iter().any(|field| !of[*field].is_null())
        };
        let by_spec = self
            .names("WorkflowRun")
            .iter()
            .any(|run| self.workflow_of(run).is_some_and(timed) || self.tasks_of(run).into_iter().any(timed));
        let held_up = |script: &Behaviour| script.hindrances.iter().any(|it| it.kind != Trouble::Unschedulable);
        by_spec || self.behaviours.values().flatten().any(held_up)
    }

    /// Whether a failure keeps others from beginning that may, so that it is a matter of time which of them have begun.
    pub fn is_hasty(&self) -> bool {
        let is_hasty = |task: &Value| task["forEach"]["failFast"] == true || task.to_string().contains("FailRun");
        self.names("WorkflowRun").iter().any(|run| self.tasks_of(run).into_iter().any(is_hasty))
    }

    /// Whether somebody deletes objects of tasks in it.
    pub fn loses_objects(&self) -> bool {
        let comes = |task: &Value| {
            task.pointer("/resource/manifest/spec/comes").is_some_and(|all| all.to_string().contains("Gone"))
        };
        self.names("WorkflowRun").iter().any(|run| self.tasks_of(run).into_iter().any(comes))
    }

    fn all(&self) -> impl Iterator<Item = &Value> {
        self.manifests.iter().chain(&self.later)
    }
}
