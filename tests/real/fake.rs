//! Runs whose pods are played: they land on the fake nodes of the cluster, and end as their annotations say. See
//! `tests/cluster/stages.yaml`.

use serde_json::{Value, json};

/// A run of these tasks on the fake nodes.
pub fn run(name: &str, description: &str, tasks: &[Value]) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": { "name": name },
        "spec": { "workflow": spec(description, tasks) },
    })
}

/// A workflow of these tasks on the fake nodes, for what is too large for an inline one.
pub fn workflow(name: &str, tasks: &[Value]) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": { "name": name },
        "spec": spec("", tasks),
    })
}

/// A run of a workflow.
pub fn run_of(workflow: &str, name: &str) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": { "name": name },
        "spec": { "workflowRef": { "name": workflow } },
    })
}

fn spec(description: &str, tasks: &[Value]) -> Value {
    json!({
        "description": description,
        "taskDefaults": { "image": "fake", "podTemplate": { "spec": on_nodes(&json!({ "type": "kwok" })) } },
        "tasks": tasks,
    })
}

/// The part of a pod's spec that brings it to fake nodes with these labels.
pub fn on_nodes(labels: &Value) -> Value {
    json!({
        "nodeSelector": labels,
        "tolerations": [{ "key": "kwok.x-k8s.io/node", "operator": "Exists" }],
    })
}

/// A task that takes this long, in milliseconds.
pub fn task(name: &str, needs: &[&str], milliseconds: u32) -> Value {
    let delay = format!("{milliseconds}ms");
    json!({
        "name": name,
        "needs": needs,
        "podTemplate": { "metadata": { "annotations": { "fake/delay": delay } } },
    })
}

/// A task that goes on until it is stopped.
pub fn endless(name: &str, needs: &[&str]) -> Value {
    task(name, needs, 86_400_000)
}
