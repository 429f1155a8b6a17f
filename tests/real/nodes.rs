//! Nodes that go away under running pods: what was lost is tried again elsewhere, and the run succeeds.

use serde_json::{Value, json};

use super::stage::{Stage, kubectl};
use super::{api, fake};

/// Tasks side by side on the node.
const TASKS: usize = 3;

/// A fake node that only pods of this test land on; it is deleted in the end.
struct Node {
    name: String,
}

impl Node {
    fn new(stage: &Stage, name: &str) -> Self {
        let name = format!("{}-{name}", stage.namespace);
        let capacity = json!({ "cpu": "1000", "memory": "1Ti", "ephemeral-storage": "10Ti", "pods": "10000" });
        let node = json!({
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": { "kwok.x-k8s.io/node": "fake", "node.alpha.kubernetes.io/ttl": "0" },
                "labels": { "gantline.dev/test": stage.namespace, "kubernetes.io/hostname": name },
            },
            "spec": { "taints": [{ "key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule" }] },
            "status": { "allocatable": capacity, "capacity": capacity },
        });
        api::create("/api/v1/nodes", &node);
        let is_ready = |node: &Value| {
            let conditions = list(&node["status"]["conditions"]);
            conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
                && list(&node["spec"]["taints"]).len() == 1
        };
        stage.until(&format!("node {name} to be ready"), || api::get(&path(&name)).filter(is_ready));
        Self { name }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        api::delete(&path(&self.name));
    }
}

fn path(name: &str) -> String {
    format!("/api/v1/nodes/{name}")
}

/// A run whose tasks go on until they are stopped, on a node of its own; returns once all run there.
fn start(stage: &Stage) -> Node {
    let node = Node::new(stage, "first");
    let spec = fake::on_nodes(&json!({ "gantline.dev/test": stage.namespace }));
    let mut tasks: Vec<Value> = (0..TASKS).map(|number| fake::endless(&format!("task-{number}"), &[])).collect();
    tasks.push(fake::task("last", &["task-0", "task-1", "task-2"], 0));
    let mut run = fake::run("moved", "", &tasks);
    run["spec"]["workflow"]["taskDefaults"]["podTemplate"]["spec"] = spec;
    api::create(&api::runs(&stage.namespace), &run);
    running(stage, 1);
    let pods = api::list(&api::pods(&stage.namespace));
    assert!(pods.iter().all(|pod| pod["spec"]["nodeName"] == node.name), "{pods:#?}");
    node
}

/// Waits until this attempt of every task runs.
fn running(stage: &Stage, attempt: usize) {
    let runs = |task: &&Value| task["phase"] == "Running" && list(&task["attempts"]).len() == attempt;
    let all = |status: &Value| list(&status["tasks"]).iter().filter(runs).count() == TASKS;
    api::block_on(api::status(api::client(), &stage.namespace, "moved", all));
}

/// The second attempts run on the second node; ends them, and the run must succeed with this reason for the first ones.
fn goes_on(stage: &Stage, second: &Node, reason: &str) {
    running(stage, 2);
    for pod in api::list(&api::pods(&stage.namespace)) {
        let meta = &pod["metadata"];
        if meta["labels"]["gantline.dev/attempt"] == "2" {
            assert_eq!(pod["spec"]["nodeName"], second.name, "{pod:#}");
            end(stage, &pod);
        }
    }
    let status = api::block_on(api::finished(api::client(), &stage.namespace, "moved"));
    assert_eq!(status["phase"], "Succeeded", "{status:#}");
    for task in list(&status["tasks"]).iter().filter(|task| task["name"] != "last") {
        let attempts = list(&task["attempts"]);
        let outcomes: Vec<&Value> = attempts.iter().map(|attempt| &attempt["outcome"]).collect();
        assert_eq!(outcomes, ["Disrupted", "Succeeded"], "{task:#}");
        assert_eq!(attempts[0]["reason"], reason, "{task:#}");
    }
    let last = list(&status["tasks"]).iter().find(|task| task["name"] == "last").expect("it");
    assert_eq!(list(&last["attempts"]).len(), 1, "{last:#}");
}

/// Ends a pod's container as a kubelet would, with exit code 0.
fn end(stage: &Stage, pod: &Value) {
    let since = &pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"];
    let name = pod["metadata"]["name"].as_str().expect("a name");
    let mut statuses = pod["status"]["containerStatuses"].clone();
    statuses[0]["ready"] = json!(false);
    statuses[0]["started"] = json!(false);
    statuses[0]["state"] = json!({
        "terminated": { "exitCode": 0, "reason": "Completed", "startedAt": since, "finishedAt": since },
    });
    let status = json!({ "status": { "phase": "Succeeded", "containerStatuses": statuses } });
    api::patch(&format!("{}/{name}/status", api::pods(&stage.namespace)), &status);
}

/// The node object is deleted; the controller that removes pods of such nodes comes by within a minute or so.
#[test]
fn pods_of_a_node_that_is_deleted_are_made_again() {
    let stage = Stage::new("node-deleted");
    let first = start(&stage);
    let second = Node::new(&stage, "second");
    drop(first);
    goes_on(&stage, &second, "NodeLost");
    println!("{}", stage.is_clean());
}

/// Pods that don't tolerate the node any more are removed at once.
#[test]
fn pods_of_a_node_that_repels_them_are_made_again() {
    let stage = Stage::new("node-tainted");
    let first = start(&stage);
    let second = Node::new(&stage, "second");
    kubectl(&["taint", "node", &first.name, "gantline.dev/test=away:NoExecute"]);
    goes_on(&stage, &second, "NodeLost");
    println!("{}", stage.is_clean());
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
