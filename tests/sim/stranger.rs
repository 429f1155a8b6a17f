//! Objects that nobody expects, as odd as the API server lets them: none may harm the operator, or the runs of others.

use serde_json::{Value, json};

use crate::model::Server;
use crate::reached::text;
use crate::scenario::NAMESPACE;

/// How many kinds of strangers there are.
pub const KINDS: u8 = 8;

/// A stranger of a kind, beside the first run that is there.
pub fn object(kind: u8, server: &Server) -> Value {
    let run = server.list("workflowruns").next();
    let run_uid = run.map_or("00000000-0000-4000-8000-000000000000", |run| text(run, "/metadata/uid"));
    let run_name = run.map_or("run", |run| text(run, "/metadata/name"));
    let nobody = "11111111-1111-4111-8111-111111111111";
    let long = "x".repeat(63);
    match kind {
        0 => pod("default", "elsewhere", [run_name, run_uid, "a", "1"], Some(run_uid)),
        1 => pod(NAMESPACE, "orphan", ["nobody", nobody, "a", "1"], Some(nobody)),
        2 => pod(NAMESPACE, "unowned", ["nobody", nobody, "a", "1"], None),
        3 => pod(NAMESPACE, "absurd", [&long, &long, &long, "99999999999999999999"], Some(nobody)),
        4 => pod(NAMESPACE, "stray", [run_name, run_uid, "no-task-of-it", "7"], Some(run_uid)),
        5 => made("deep", &json!({ "workflowRef": { "name": "nothing" }, "params": { "deep": deep(100) } })),
        6 => {
            let tasks: Vec<Value> = (0..200).map(|number| costly(&format!("t{number}"))).collect();
            made("costly", &json!({ "workflow": { "tasks": tasks } }))
        }
        _ => {
            let bad =
                json!({ "name": "a", "image": "i", "needs": ["a", "b", "a"], "script": "\u{202e}\u{7f}'; rm -rf /" });
            made("wrong", &json!({ "workflow": { "tasks": [bad] } }))
        }
    }
}

/// A pod with our finalizer and our labels: the run's name and uid, the task, the attempt.
fn pod(namespace: &str, name: &str, labels: [&str; 4], owner: Option<&str>) -> Value {
    let [run, uid, task, attempt] = labels;
    let owners: Vec<Value> = owner
        .map(|owner| {
            json!({
                "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": run, "uid": owner, "controller": true,
            })
        })
        .into_iter()
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("stranger-{name}"), "namespace": namespace, "finalizers": ["gantline.dev/outcome"],
            "labels": {
                "gantline.dev/run": run, "gantline.dev/run-uid": uid, "gantline.dev/task": task,
                "gantline.dev/attempt": attempt,
            },
            "ownerReferences": owners,
        },
        "spec": { "containers": [{ "name": "main", "image": "i" }] },
    })
}

fn made(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": { "name": format!("stranger-{name}"), "namespace": NAMESPACE }, "spec": spec,
    })
}

/// A task whose expression costs what an expression may cost, and more.
fn costly(name: &str) -> Value {
    let list = vec!["1"; 200].join(",");
    let expr = format!("[{list}].map(a, [{list}].map(b, a + b).size()).size()");
    json!({ "name": name, "image": "i", "env": [{ "name": "X", "expr": expr }] })
}

fn deep(levels: u32) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }))
}
