//! Creates, updates, patches.

use super::*;

#[test]
fn a_new_object_gets_what_the_server_gives() {
    let mut server = Server::new(1);
    let made = create(&mut server, RUNS, &{
        let mut run = run("a");
        run["status"] = json!({ "phase": "Succeeded" });
        run["metadata"]["uid"] = json!("mine");
        run["metadata"]["generation"] = json!(7);
        run["unknown"] = json!(1);
        run["spec"]["unknown"] = json!(1);
        run
    });
    let meta = &made["metadata"];
    assert_eq!((&meta["generation"], &meta["namespace"]), (&json!(1), &json!("default")));
    assert_eq!(meta["creationTimestamp"], "2001-09-09T01:46:40Z");
    assert_eq!(meta["resourceVersion"], server.revision().to_string());
    assert_ne!(meta["uid"], "mine");
    assert_eq!(made.get("status"), None);
    assert_eq!((made.get("unknown"), made["spec"].get("unknown")), (None, None));
    assert_eq!(create(&mut server, PODS, &pod("p"))["status"]["phase"], "Pending");
}

#[test]
fn names_are_generated() {
    let mut server = Server::new(1);
    let mut manifest = pod("");
    manifest["metadata"] = json!({ "generateName": "a-" });
    let names = [0, 1].map(|_| create(&mut server, PODS, &manifest)["metadata"]["name"].as_str().unwrap().to_owned());
    assert_ne!(names[0], names[1]);
    assert!(names.iter().all(|name| name.starts_with("a-") && name.len() == 7), "{names:?}");
}

#[test]
fn a_create_is_refused() {
    let mut server = Server::new(1);
    create(&mut server, RUNS, &run("a"));
    let with = |path: &str, value: Value| {
        let mut run = run("b");
        *run.pointer_mut(path).unwrap() = value;
        run
    };
    let meta = |value: Value| with("/metadata", value);
    let elsewhere = RUNS.replace("default", "nowhere");
    for (path, body, code, reason, field) in [
        (RUNS, run("a"), 409, "AlreadyExists", None),
        (&*elsewhere, run("b"), 404, "NotFound", None),
        (RUNS, meta(json!({ "name": "b", "namespace": "other" })), 400, "BadRequest", None),
        (RUNS, meta(json!({ "name": "b", "labels": 7 })), 400, "BadRequest", None),
        (RUNS, meta(json!({ "name": "b", "resourceVersion": "1" })), 500, "", None),
        (RUNS, meta(json!({})), 422, "Invalid", Some("metadata.name")),
        (RUNS, meta(json!({ "name": "B" })), 422, "Invalid", Some("metadata.name")),
        (RUNS, meta(json!({ "name": "b.c" })), 422, "Invalid", Some("<nil>")),
        (RUNS, meta(json!({ "name": "b", "finalizers": ["a b"] })), 422, "Invalid", Some("metadata.finalizers")),
        (RUNS, meta(json!({ "name": "b", "labels": { "a": "a b" } })), 422, "Invalid", Some("metadata.labels")),
        (RUNS, with("/spec", json!({})), 422, "Invalid", Some("spec")),
        (RUNS, with("/spec/workflowRef/name", json!("A b")), 422, "Invalid", Some("spec.workflowRef.name")),
        (RUNS, with("/spec/workflowRef/name", json!(7)), 422, "Invalid", Some("spec.workflowRef.name")),
        (RUNS, with("/spec/workflowRef", json!({})), 422, "Invalid", Some("spec.workflowRef.name")),
        (RUNS, with("/spec", json!({ "workflow": { "tasks": [] } })), 422, "Invalid", Some("spec.workflow.tasks")),
        (RUNS, with("/kind", json!("Pod")), 422, "Invalid", Some("kind")),
        (PODS, json!({ "metadata": { "name": "b" }, "spec": {} }), 422, "Invalid", Some("spec.containers")),
        (
            LEASES,
            json!({ "metadata": { "name": "b" }, "spec": { "leaseDurationSeconds": 0 } }),
            422,
            "Invalid",
            Some("spec.leaseDurationSeconds"),
        ),
    ] {
        let found = refused(&mut server, &Request::post(path, &body, at(0)));
        assert_eq!((found.0, &*found.1), (code, reason), "{body}: {found:?}");
        assert!(field.is_none_or(|field| found.2.iter().any(|other| other == field)), "{body}: {found:?}");
    }
}

#[test]
fn spec_and_status_are_written_apart() {
    let mut server = Server::new(1);
    create(&mut server, RUNS, &run("a"));
    let path = format!("{RUNS}/a");
    let both =
        json!({ "spec": { "suspend": true }, "status": { "message": "m" }, "metadata": { "labels": { "a": "b" } } });
    let written = patch(&mut server, &format!("{path}/status"), &both);
    assert_eq!(written["status"], json!({ "message": "m", "phase": "Pending", "generation": 0 }));
    assert_eq!((written["spec"].get("suspend"), written["metadata"].get("labels")), (None, None));
    assert_eq!(written["metadata"]["generation"], 1);

    let again = json!({ "spec": { "suspend": true }, "status": { "message": "other" } });
    let written = patch(&mut server, &path, &again);
    assert_eq!((&written["status"]["message"], &written["spec"]["suspend"]), (&json!("m"), &json!(true)));
    assert_eq!(written["metadata"]["generation"], 2);
    let written = patch(&mut server, &path, &json!({ "metadata": { "labels": { "a": "b" } } }));
    assert_eq!((&written["metadata"]["generation"], &written["metadata"]["labels"]), (&json!(2), &json!({ "a": "b" })));
}

#[test]
fn what_changes_nothing_is_no_write() {
    let mut server = Server::new(1);
    let made = create(&mut server, RUNS, &run("a"));
    let (path, before) = (format!("{RUNS}/a"), server.revision());
    done(&mut server, &Request::put(&path, &made, at(1)));
    patch(&mut server, &path, &json!({ "spec": { "unknown": 1 }, "status": { "phase": "Failed" } }));
    let test = json!([{ "op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"] }]);
    done(&mut server, &Request::json_patch(&path, &test, at(1)));
    assert_eq!((server.revision(), writes(&server).len()), (before, 1));
}

#[test]
fn a_write_is_for_the_object_that_was_seen() {
    let mut server = Server::new(1);
    let first = create(&mut server, RUNS, &run("a"));
    let path = format!("{RUNS}/a");
    let second = patch(&mut server, &path, &json!({ "spec": { "suspend": true } }));
    let put = |field: &str, value: Option<Value>| {
        let mut object = second.clone();
        object["spec"]["suspend"] = json!(false);
        match value {
            Some(value) => object["metadata"][field] = value,
            None => drop(object["metadata"].as_object_mut().unwrap().remove(field)),
        }
        object
    };
    let old = first["metadata"]["resourceVersion"].clone();
    for (body, code, reason) in [
        (put("resourceVersion", Some(old)), 409, "Conflict"),
        (put("uid", Some(json!("another"))), 409, "Conflict"),
        (put("resourceVersion", None), 422, "Invalid"),
        (put("name", Some(json!("b"))), 400, "BadRequest"),
        (put("namespace", Some(json!("b"))), 400, "BadRequest"),
    ] {
        for path in [&path, &format!("{path}/status")] {
            let found = refused(&mut server, &Request::put(path, &body, at(2)));
            assert_eq!((found.0, &*found.1), (code, reason), "{body}");
        }
    }
    assert_eq!(done(&mut server, &Request::put(&path, &put("uid", None), at(2)))["metadata"]["generation"], 3);
    let missing = Request::put(&format!("{RUNS}/b"), &run("b"), at(2));
    assert_eq!(refused(&mut server, &missing).0, 404);
}

#[test]
fn patches_apply_or_are_refused() {
    let mut server = Server::new(1);
    let made = create(&mut server, PODS, &pod("a"));
    let path = format!("{PODS}/a");
    let test = |at: &str, value: &str| json!([{ "op": "test", "path": at, "value": value }]);
    let json = |body: &Value| Request::json_patch(&path, body, at(1));
    let merge = |body: Value| Request::merge_patch(&path, &body, at(1));
    assert_eq!(refused(&mut server, &json(&test("/metadata/uid", "x"))).0, 422);
    assert_eq!(refused(&mut server, &json(&test("/metadata/none/0", "x"))).1, "Invalid");
    assert_eq!(refused(&mut server, &json(&json!([{ "op": "none" }]))).0, 422);
    assert_eq!(refused(&mut server, &json(&json!({}))).0, 400);
    assert_eq!(refused(&mut server, &merge(json!({ "metadata": { "uid": "x" } }))).2, ["metadata.uid"]);
    assert_eq!(refused(&mut server, &merge(json!({ "metadata": { "resourceVersion": "1" } }))).1, "Conflict");
    assert_eq!(refused(&mut server, &merge(json!({ "spec": { "hostNetwork": true } }))).2, ["spec"]);
    assert_eq!(refused(&mut server, &merge(json!([1]))).0, 400);
    let strategic = Request { content_type: "application/apply-patch+yaml".to_owned(), ..merge(json!({})) };
    assert_eq!(refused(&mut server, &strategic).0, 415);
    let written = done(
        &mut server,
        &json(&json!([
            { "op": "test", "path": "/metadata/uid", "value": made["metadata"]["uid"] },
            { "op": "add", "path": "/metadata/labels/b", "value": "c" },
        ])),
    );
    assert_eq!(written["metadata"]["labels"], json!({ "app": "a", "b": "c" }));
}

#[test]
fn the_status_of_a_pod_is_the_kubelets() {
    let mut server = Server::new(1);
    let mut manifest = pod("a");
    manifest["spec"]["restartPolicy"] = json!("Never");
    create(&mut server, PODS, &manifest);
    let path = format!("{PODS}/a/status");
    let ended = |state: Value| {
        json!({ "status": {
        "phase": "Failed", "containerStatuses": [{ "name": "main", "state": state }],
    }, "spec": { "nodeName": "n" } })
    };
    let written = patch(&mut server, &path, &ended(json!({ "terminated": { "exitCode": 1 } })));
    assert_eq!((&written["status"]["phase"], written["spec"].get("nodeName")), (&json!("Failed"), None));
    let revived = Request::merge_patch(&path, &ended(json!({ "terminated": null, "running": {} })), at(2));
    assert_eq!(refused(&mut server, &revived).2, ["status.containerStatuses[0].state"]);
}

#[test]
fn a_lease_is_created_by_put_and_renewed_by_version() {
    let mut server = Server::new(1);
    let lease = |holder: &str| json!({ "metadata": { "name": "l" }, "spec": { "holderIdentity": holder } });
    let path = format!("{LEASES}/l");
    let (code, made) = send(&mut server, &Request::put(&path, &lease("a"), at(0)));
    assert_eq!((code, made["metadata"].get("generation")), (201, None));
    assert_eq!(refused(&mut server, &Request::put(&path, &lease("b"), at(1))).0, 422);
    let mut renewed = lease("a");
    renewed["metadata"] = made["metadata"].clone();
    renewed["spec"]["renewTime"] = json!("2001-09-09T01:46:41.000000Z");
    done(&mut server, &Request::put(&path, &renewed, at(1)));
    assert_eq!(refused(&mut server, &Request::put(&path, &renewed, at(1))).1, "Conflict");
}

#[test]
fn rules_of_a_schema_hold() {
    let mut server = Server::new(1);
    create(&mut server, RUNS, &run("a"));
    let path = format!("{RUNS}/a");
    let mut change = |body: Value| send(&mut server, &Request::merge_patch(&path, &body, at(1))).0;
    assert_eq!(change(json!({ "spec": { "workflowRef": { "name": "other" } } })), 422);
    assert_eq!(change(json!({ "spec": { "workflow": { "tasks": [{ "name": "a", "image": "i" }] } } })), 422);
    assert_eq!(change(json!({ "spec": { "cancel": { "reason": "r" } } })), 200);
    assert_eq!(change(json!({ "spec": { "cancel": null } })), 422);
    let task = |name: &str| json!({ "name": name, "image": "i" });
    let workflow = |tasks: Value| {
        json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "Workflow", "metadata": { "name": "w" }, "spec": { "tasks": tasks },
        })
    };
    let found = refused(&mut server, &Request::post(WORKFLOWS, &workflow(json!([task("a"), task("a")])), at(0)));
    assert_eq!((found.0, found.2), (422, vec!["spec.tasks[1]".to_owned()]));
    create(&mut server, WORKFLOWS, &workflow(json!([task("a"), task("b")])));
}
