//! How scenarios are written down.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{NAMESPACE, Refusal, Scenario};
use crate::human::Human;
use crate::kubelet::Behaviour;
use crate::reference::End;

impl Scenario {
    /// A scenario in which nothing is there but its namespace.
    pub(super) fn new(name: &'static str) -> Self {
        let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": NAMESPACE } });
        Self {
            name,
            replicas: 1,
            manifests: vec![namespace],
            later: Vec::new(),
            behaviours: BTreeMap::new(),
            humans: Vec::new(),
            refuse_creates: None,
            broken_env: Vec::new(),
            conditions: BTreeMap::new(),
            mistake: None,
            ends: BTreeMap::new(),
            wide: false,
            short_logs: false,
            spelt: None,
            outputs: None,
            measured: false,
            clock_is_off: false,
        }
    }

    /// With one run `run` of a workflow `workflow` of these tasks.
    pub(super) fn of(name: &'static str, tasks: &[Value]) -> Self {
        Self::new(name).with(workflow(tasks)).with(run("run"))
    }

    /// And this object.
    pub(super) fn with(mut self, manifest: Value) -> Self {
        self.manifests.push(manifest);
        self
    }

    /// And this object, which someone may create later.
    pub(super) fn with_later(mut self, manifest: Value) -> Self {
        self.later.push(manifest);
        self
    }

    /// With two replicas of the operator.
    pub(super) fn with_standby(self) -> Self {
        Self { replicas: 2, ..self }
    }

    /// The pods of a task behave so, attempt by attempt.
    pub(super) fn behaves(mut self, task: &str, attempts: impl Into<Vec<Behaviour>>) -> Self {
        self.behaviours.insert(task.to_owned(), attempts.into());
        self
    }

    /// Someone does something then; `text` is its textual form.
    pub(super) fn at(mut self, ms: u64, text: &str) -> Self {
        let human: Human = text.parse().unwrap_or_else(|unknown| panic!("{}: {unknown}", self.name));
        self.humans.push((ms, human));
        self
    }

    /// The condition of a task comes to this, after how all tasks ended.
    pub(super) fn when(mut self, task: &'static str, comes_to: fn(&BTreeMap<String, String>) -> Option<bool>) -> Self {
        self.conditions.insert(task, comes_to);
        self
    }

    /// Pods are refused for a while.
    pub(super) fn refusing(self, refusal: Refusal) -> Self {
        Self { refuse_creates: Some(refusal), ..self }
    }

    /// The run `run` ends so, its tasks in those phases: `a Succeeded, b Failed`.
    pub(super) fn ends(self, phase: &str, reason: &str, tasks: &str) -> Self {
        self.ends_of("run", phase, reason, tasks)
    }

    /// The same of another run.
    pub(super) fn ends_of(mut self, run: &str, phase: &str, reason: &str, tasks: &str) -> Self {
        self.ends.insert(run.to_owned(), End::new(phase, reason, tasks));
        self
    }

    /// The run `run` ends Succeeded, and so do all of its tasks.
    pub(super) fn succeeds(self) -> Self {
        let tasks = self.tasks_of("run");
        let names = tasks.iter().filter_map(|task| task["name"].as_str());
        let tasks: Vec<String> = names.map(|name| format!("{name} Succeeded")).collect();
        self.ends("Succeeded", "", &tasks.join(", "))
    }
}

/// A task that needs others.
pub(super) fn task(name: &str, needs: &[&str]) -> Value {
    json!({ "name": name, "needs": needs, "command": ["work", name] })
}

/// A task with more of its own.
pub(super) fn task_with(name: &str, needs: &[&str], more: Value) -> Value {
    merged(task(name, needs), more)
}

/// A join with more of its own.
pub(super) fn join(name: &str, needs: &[&str], more: Value) -> Value {
    merged(json!({ "name": name, "needs": needs, "join": {} }), more)
}

/// A task that is a run of its own, of `work`: a `workflowRef` or a `workflow`.
pub(super) fn child(name: &str, needs: &[&str], work: Value, more: Value) -> Value {
    merged(merged(json!({ "name": name, "needs": needs }), work), more)
}

/// A workflow of this name.
pub(super) fn named_workflow(name: &str, tasks: &[Value], more: Value) -> Value {
    object("Workflow", name, &merged(spec(tasks), more))
}

/// A workflow `workflow`.
pub(super) fn workflow(tasks: &[Value]) -> Value {
    workflow_with(tasks, json!({}))
}

/// A workflow `workflow` with more in its spec.
pub(super) fn workflow_with(tasks: &[Value], more: Value) -> Value {
    object("Workflow", "workflow", &merged(spec(tasks), more))
}

/// A run of the workflow `workflow`.
pub(super) fn run(name: &str) -> Value {
    run_with(name, json!({}))
}

/// A run of the workflow `workflow` with more in its spec.
pub(super) fn run_with(name: &str, more: Value) -> Value {
    object("WorkflowRun", name, &merged(json!({ "workflowRef": { "name": "workflow" } }), more))
}

/// A run with its workflow in it.
pub(super) fn inline(name: &str, tasks: &[Value]) -> Value {
    object("WorkflowRun", name, &json!({ "workflow": spec(tasks) }))
}

fn spec(tasks: &[Value]) -> Value {
    json!({ "taskDefaults": { "image": "busybox:1.37" }, "tasks": tasks })
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    let metadata = json!({ "name": name, "namespace": NAMESPACE });
    json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec })
}

pub(super) fn merged(object: Value, more: Value) -> Value {
    let fields = |value: Value| if let Value::Object(fields) = value { fields } else { Map::new() };
    Value::Object(fields(object).into_iter().chain(fields(more)).collect())
}
