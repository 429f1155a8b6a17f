//! The objects of random sequences, and what may become of them.

use serde_json::{Value, json};

use super::sequence::{ANCHOR, Dice, Subject};

/// Finalizers that nobody takes off but the sequence.
const FINALIZERS: [&str; 2] = ["gantline.dev/one", "gantline.dev/two"];

/// A workflow of one task.
pub fn workflow(name: &str) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "Workflow", "metadata": { "name": name },
        "spec": { "tasks": [{ "name": "a", "image": "busybox:1.37" }] },
    })
}

/// An object to be created: most are fine, some are not.
pub fn new(dice: &mut Dice, subject: Subject, name: &str) -> Value {
    let mut object = base(dice, subject, name);
    decorate(dice, &mut object["metadata"]);
    if dice.percent(25) {
        flaw(dice, subject, &mut object);
    }
    object
}

fn base(dice: &mut Dice, subject: Subject, name: &str) -> Value {
    match subject {
        Subject::Pod => json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name },
            "spec": {
                "schedulerName": "nobody", "automountServiceAccountToken": false,
                "restartPolicy": dice.pick(&["Never", "Always", "OnFailure"]),
                "terminationGracePeriodSeconds": dice.pick(&[0, 100, 300]),
                "containers": [{ "name": "main", "image": "busybox:1.37" }],
            },
        }),
        Subject::Run => json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": { "name": name },
            "spec": dice.pick(&[
                json!({ "workflowRef": { "name": "w" } }),
                json!({ "workflowRef": { "name": "w" }, "suspend": true, "params": { "a": 1, "b": [null] } }),
                json!({ "workflow": { "tasks": [{ "name": "a", "image": "i" }, { "name": "b", "image": "i", "needs": ["a"] }] } }),
                json!({ "workflowRef": { "name": "w" }, "cancel": { "reason": "r" } }),
            ]),
        }),
        Subject::Workflow => workflow(name),
        Subject::Record => json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRecord", "metadata": { "name": name },
            "spec": { "workflow": "w", "data": { "tasks": [{ "any": null }] } },
        }),
        Subject::Lease => json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": { "name": name },
            "spec": { "holderIdentity": dice.pick(&["a", "b"]), "leaseDurationSeconds": 10,
                "renewTime": "2026-01-02T03:04:05.000006Z", "leaseTransitions": 0 },
        }),
        Subject::Event => json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": name },
            "eventTime": "2026-01-02T03:04:05.000006Z", "reportingController": "gantline.dev/conformance",
            "reportingInstance": "i", "action": "Reconcile", "reason": "Because", "type": "Normal", "note": "n",
            "regarding": { "kind": "Pod", "name": "p", "namespace": "default" },
        }),
    }
}

/// Labels, annotations, finalizers, owners.
fn decorate(dice: &mut Dice, meta: &mut Value) {
    if dice.percent(60) {
        meta["labels"] = json!({ "app": dice.pick(&["a", "b"]), "tier": dice.pick(&["a", "b"]) });
    }
    if dice.percent(20) {
        meta["annotations"] = json!({ "gantline.dev/note": dice.pick(&["a", ""]) });
    }
    if dice.percent(30) {
        meta["finalizers"] = json!(FINALIZERS[..=dice.below(2)]);
    }
    if dice.percent(20) {
        meta["ownerReferences"] = json!([owner(dice)]);
    }
}

/// An owner that is there, or one of which the garbage collector knows nothing.
fn owner(dice: &mut Dice) -> Value {
    let anchor = json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "Workflow", "name": "anchor", "uid": format!("$uid:{ANCHOR}"),
        "controller": true,
    });
    let unknown = json!({ "apiVersion": "example.com/v1", "kind": "Nothing", "name": "n", "uid": "u" });
    dice.pick(&[anchor, unknown])
}

/// Makes something wrong, or something that the server takes no notice of.
fn flaw(dice: &mut Dice, subject: Subject, object: &mut Value) {
    let meta = &mut object["metadata"];
    match dice.below(14) {
        0 => meta["name"] = dice.pick(&[json!("Upper"), json!("a b"), json!(""), json!(7), json!("-a"), json!("a.b")]),
        1 => meta["labels"] = dice.pick(&[json!({ "a b": "c" }), json!({ "a": "b c" }), json!({ "a": 1 }), json!([])]),
        2 => meta["finalizers"] = dice.pick(&[json!(["a b"]), json!(["/a"]), json!("a"), json!([1]), json!([""])]),
        3 => meta["finalizers"] = json!(["orphan", "foregroundDeletion"]),
        4 => meta["annotations"] = dice.pick(&[json!({ "A.b/c": "d" }), json!({ "/": "d" }), json!({ "a": null })]),
        5 => meta["resourceVersion"] = json!(format!("$version:{ANCHOR}")),
        6 => meta["namespace"] = json!("another"),
        7 => {
            meta["uid"] = json!("mine");
            meta["generation"] = json!(7);
            meta["creationTimestamp"] = json!("2001-01-01T00:00:00Z");
            meta["deletionTimestamp"] = json!("2001-01-01T00:00:00Z");
            meta["deletionGracePeriodSeconds"] = json!(5);
        }
        8 => {
            let reference = json!({ "apiVersion": "v1", "kind": "Pod", "name": "", "uid": "u", "controller": true });
            meta["ownerReferences"] = json!([reference, owner(dice)]);
        }
        9 => meta["ownerReferences"] = json!([owner(dice), owner(dice)]),
        10 => object["status"] = json!({ "phase": "Succeeded" }),
        11 => object["unknown"] = json!({ "a": 1 }),
        12 => object["kind"] = json!("Another"),
        _ => object["spec"] = wrong_spec(dice, subject),
    }
}

fn wrong_spec(dice: &mut Dice, subject: Subject) -> Value {
    match subject {
        Subject::Pod => dice.pick(&[
            json!({ "containers": [] }),
            json!({ "schedulerName": "nobody", "containers": [{ "name": "main" }] }),
        ]),
        Subject::Run => dice.pick(&[
            json!({}),
            json!(7),
            Value::Null,
            json!({ "workflowRef": { "name": "w" }, "workflow": { "tasks": [{ "name": "a", "image": "i" }] } }),
            json!({ "workflowRef": { "name": "A B" } }),
            json!({ "workflowRef": { "name": "w" }, "suspend": "yes" }),
            json!({ "workflowRef": { "name": "w" }, "suspend": null }),
            json!({ "workflowRef": { "name": "w" }, "cancel": { "generation": -1, "reason": "x".repeat(257) } }),
            json!({ "workflowRef": { "name": "w" }, "cancel": { "generation": 1.5 } }),
            json!({ "workflow": { "tasks": [] } }),
            json!({ "workflow": { "tasks": [{ "name": "a", "image": "i" }, { "name": "a", "image": "i" }] } }),
            json!({ "workflow": { "tasks": [{ "name": "a", "image": "i", "env": [{ "name": "A" }] }] } }),
            json!({ "workflow": { "tasks": [{ "name": "a", "image": "i", "unknown": 1 }] } }),
        ]),
        Subject::Workflow => dice.pick(&[
            json!({}),
            json!({ "tasks": {} }),
            json!({ "tasks": [{ "image": "i" }] }),
            json!({ "tasks": [{ "name": "a", "image": "i", "script": "s", "command": ["c"] }] }),
            json!({ "tasks": [{ "name": "a", "image": "i" }], "unknown": { "a": 1 } }),
        ]),
        Subject::Record => dice.pick(&[json!({}), json!({ "workflow": "w" }), json!({ "workflow": "w", "data": [] })]),
        Subject::Lease => dice.pick(&[json!({ "leaseDurationSeconds": 0 }), json!({ "leaseTransitions": -1 })]),
        Subject::Event => Value::Null,
    }
}

/// A merge patch: of metadata, spec or status, or of all.
pub fn change(dice: &mut Dice, subject: Subject, status: bool) -> Value {
    let mut change = json!({ "metadata": {} });
    if dice.percent(50) {
        change["metadata"] = change_of_metadata(dice);
    }
    if dice.percent(60) {
        let wrong = dice.percent(15);
        change["spec"] = if wrong { wrong_spec(dice, subject) } else { change_of_spec(dice, subject) };
    }
    if subject == Subject::Event && dice.percent(50) {
        let (field, value) = dice.pick(&[("note", "m"), ("reason", "Other"), ("type", "Odd"), ("action", "Reconcile")]);
        change[field] = json!(value);
    }
    if subject.has_status() && status {
        change["status"] = change_of_status(dice, subject);
    } else if subject.has_status() && dice.percent(20) {
        // To be ignored. It must be of the right type: else the server drops the managed fields, which is a write.
        change["status"] = json!({ "phase": "Running" });
    }
    if dice.percent(5) {
        change["unknown"] = json!(1);
    }
    change
}

fn change_of_metadata(dice: &mut Dice) -> Value {
    match dice.below(12) {
        0 | 1 => json!({ "labels": { "app": dice.pick(&[json!("a"), json!("b"), Value::Null]) } }),
        2 => json!({ "labels": dice.pick(&[Value::Null, json!({ "a b": "c" }), json!({})]) }),
        3 => json!({ "annotations": { "gantline.dev/note": dice.pick(&["a", "b"]) } }),
        4 => json!({ "finalizers": FINALIZERS }),
        5 | 6 => {
            json!({ "finalizers": dice.pick(&[Value::Null, json!([]), json!([FINALIZERS[0]]), json!([FINALIZERS[1]])]) })
        }
        7 => json!({ "ownerReferences": [owner(dice)] }),
        8 => json!({ "ownerReferences": null }),
        9 => json!({ "generation": 9, "creationTimestamp": "2001-01-01T00:00:00Z" }),
        10 => json!({ "deletionTimestamp": dice.pick(&[Value::Null, json!("2001-01-01T00:00:00Z")]) }),
        _ => json!({ "deletionGracePeriodSeconds": dice.pick(&[Value::Null, json!(7)]) }),
    }
}

fn change_of_spec(dice: &mut Dice, subject: Subject) -> Value {
    match subject {
        Subject::Pod => dice.pick(&[
            json!({ "activeDeadlineSeconds": 1000 }),
            json!({ "activeDeadlineSeconds": 500 }),
            json!({ "activeDeadlineSeconds": null }),
            json!({ "hostNetwork": true }),
            json!({ "terminationGracePeriodSeconds": 7 }),
            json!({}),
        ]),
        Subject::Run => dice.pick(&[
            json!({ "suspend": true }),
            json!({ "suspend": false }),
            json!({ "cancel": { "reason": "r", "generation": 1 } }),
            json!({ "cancel": null }),
            json!({ "cancel": { "generation": 0 } }),
            json!({ "workflowRef": { "name": "v" } }),
            json!({ "unknown": 1 }),
        ]),
        Subject::Workflow => dice.pick(&[
            json!({ "description": "d" }),
            json!({ "tasks": [{ "name": "b", "image": "i" }] }),
            json!({ "description": null }),
        ]),
        Subject::Record => dice.pick(&[json!({ "data": { "x": 1 } }), json!({})]),
        Subject::Lease => dice.pick(&[
            json!({ "holderIdentity": "a" }),
            json!({ "holderIdentity": "b", "leaseTransitions": 3 }),
            json!({ "renewTime": "2026-01-02T03:05:05.000006Z" }),
        ]),
        Subject::Event => Value::Null,
    }
}

fn change_of_status(dice: &mut Dice, subject: Subject) -> Value {
    match subject {
        Subject::Pod => {
            let state = dice.pick(&[
                json!({ "running": { "startedAt": "2026-01-02T03:04:05Z" }, "terminated": null }),
                json!({ "terminated": { "exitCode": 1 } }),
                json!({ "terminated": { "exitCode": 0 } }),
            ]);
            let statuses = json!([{ "name": "main", "image": "i", "imageID": "", "ready": false, "restartCount": 0, "state": state }]);
            dice.pick(&[
                json!({ "phase": "Running", "containerStatuses": statuses }),
                json!({ "phase": "Succeeded" }),
                json!({ "phase": "Failed", "reason": "Evicted", "message": "m", "containerStatuses": statuses }),
                json!({ "message": "m" }),
            ])
        }
        Subject::Run => dice.pick(&[
            json!({ "phase": "Running", "message": "m" }),
            json!({ "phase": "Odd" }),
            json!({ "startedAt": "2026-01-02T03:04:05.000006Z" }),
            json!({ "startedAt": "yesterday" }),
            json!({ "startedAt": null, "generation": null }),
            json!({ "tasks": [{ "name": "a", "phase": "Running" }, { "name": "b", "reason": "ExitCode" }] }),
            json!({ "tasks": [{ "phase": "Odd" }] }),
            json!({ "tasks": [{ "name": "a", "reason": null, "unknown": 1 }] }),
            Value::Null,
            json!(7),
        ]),
        _ => dice.pick(&[
            json!({ "observedGeneration": 1, "tasks": 1 }),
            json!({ "tasks": -1 }),
            json!({ "observedGeneration": "1" }),
            json!({ "conditions": [{ "type": "Valid" }] }),
        ]),
    }
}

/// The operations of a JSON patch.
pub fn operations(dice: &mut Dice) -> Vec<Value> {
    match dice.below(10) {
        0 => vec![
            json!({ "op": "test", "path": "/metadata/finalizers/0", "value": FINALIZERS[0] }),
            json!({ "op": "remove", "path": "/metadata/finalizers/0" }),
        ],
        1 => vec![json!({ "op": "remove", "path": "/metadata/finalizers" })],
        2 => vec![json!({ "op": "remove", "path": "/metadata/finalizers/1" })],
        3 => vec![json!({ "op": "add", "path": "/metadata/finalizers/-", "value": FINALIZERS[1] })],
        4 => vec![json!({ "op": "add", "path": "/metadata/labels/app", "value": dice.pick(&["a", "b"]) })],
        5 => vec![json!({ "op": "replace", "path": "/metadata/labels", "value": { "app": "a" } })],
        6 => vec![json!({ "op": "add", "path": "/metadata/labels", "value": { "app": 7 } })],
        7 => vec![json!({ "op": "test", "path": "/metadata/uid", "value": "another" })],
        8 => vec![json!({ "op": "remove", "path": "/spec/none" })],
        _ => vec![json!({ "op": "odd", "path": "/spec" })],
    }
}
