//! The rules of the API, one small story each. Whether they are Kubernetes' own is for `conform` to say.

mod controllers;
mod deletion;
mod manifests;
mod reading;
mod writing;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, Request, Server};
use crate::check::journal::{Entry, Write};

const PODS: &str = "/api/v1/namespaces/default/pods";
const RUNS: &str = "/apis/gantline.dev/v1alpha1/namespaces/default/workflowruns";
const WORKFLOWS: &str = "/apis/gantline.dev/v1alpha1/namespaces/default/workflows";
const LEASES: &str = "/apis/coordination.k8s.io/v1/namespaces/default/leases";

/// Seconds after the beginning.
fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_000_000_000 + second).unwrap()
}

fn pod(name: &str) -> Value {
    json!({
        "metadata": { "name": name, "labels": { "app": "a" } },
        "spec": { "containers": [{ "name": "main", "image": "busybox:1.37" }] },
    })
}

fn run(name: &str) -> Value {
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": { "name": name },
        "spec": { "workflowRef": { "name": "w" } },
    })
}

fn send(server: &mut Server, request: &Request) -> (u16, Value) {
    match server.handle("user", request, request.sent) {
        Answer::Object { code, body, .. } => (code, body),
        Answer::Watch(_) => panic!("{} is a watch", request.path),
    }
}

/// Sends what must succeed.
fn done(server: &mut Server, request: &Request) -> Value {
    let (code, body) = send(server, request);
    assert!(code < 300, "{} {}: {body}", request.method, request.path);
    body
}

/// Sends what must be refused; returns the code, the reason and the fields named.
fn refused(server: &mut Server, request: &Request) -> (u16, String, Vec<String>) {
    let (code, body) = send(server, request);
    assert!(code >= 400, "{} {} is done: {body}", request.method, request.path);
    assert_eq!((&body["kind"], &body["code"]), (&json!("Status"), &json!(code)));
    let causes = body["details"]["causes"].as_array().into_iter().flatten();
    let fields = causes.map(|cause| cause["field"].as_str().unwrap_or_default().to_owned()).collect();
    (code, body["reason"].as_str().unwrap_or_default().to_owned(), fields)
}

fn create(server: &mut Server, path: &str, object: &Value) -> Value {
    done(server, &Request::post(path, object, at(0)))
}

/// Gives a pod a node, so that its deletion takes time.
fn bind(server: &mut Server, name: &str) {
    let binding = json!({ "metadata": { "name": name }, "target": { "kind": "Node", "name": "node" } });
    done(server, &Request::post(&format!("{PODS}/{name}/binding"), &binding, at(0)));
}

fn patch(server: &mut Server, path: &str, patch: &Value) -> Value {
    done(server, &Request::merge_patch(path, patch, at(1)))
}

fn delete(server: &mut Server, path: &str, options: &Value, second: i64) -> Value {
    done(server, &Request::delete(path, options, at(second)))
}

fn is_gone(server: &mut Server, path: &str) -> bool {
    send(server, &Request::get(path, at(0))).0 == 404
}

fn writes(server: &Server) -> Vec<&Write> {
    let entries = server.journal.entries.iter();
    entries.filter_map(|entry| if let Entry::Write(write) = entry { Some(write) } else { None }).collect()
}

#[test]
fn the_same_seed_gives_the_same_uids() {
    let uids = |seed: u64| -> Vec<String> {
        let mut server = Server::new(seed);
        let made = ["a", "b"].map(|name| create(&mut server, PODS, &pod(name)));
        made.iter().map(|pod| pod["metadata"]["uid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(uids(1), uids(1));
    assert_ne!(uids(1), uids(2));
    assert_ne!(uids(1)[0], uids(1)[1]);
    assert_eq!(uids(1)[0].len(), 36);
}

#[test]
fn the_journal_holds_what_was_applied() {
    let mut server = Server::new(1);
    create(&mut server, PODS, &pod("a"));
    refused(&mut server, &Request::post(PODS, &pod("a"), at(0)));
    patch(&mut server, &format!("{PODS}/a"), &json!({ "metadata": { "labels": { "app": "a" } } }));
    delete(&mut server, &format!("{PODS}/a"), &Value::Null, 2);
    let entries: Vec<(String, bool)> =
        writes(&server).iter().map(|write| (format!("{:?} {}", write.verb, write.name), write.removed)).collect();
    assert_eq!(entries, [("Create a".to_owned(), false), ("Delete a".to_owned(), true)]);
    let last = writes(&server)[1];
    assert_eq!((&*last.actor, &*last.resource, last.at), ("user", "pods", at(2)));
    assert_eq!(last.object["metadata"]["resourceVersion"], server.revision().to_string());
}

#[test]
fn what_is_not_served_is_refused() {
    let mut server = Server::new(1);
    for (method, path, code) in [
        (Method::GET, "/api/v1/namespaces/default/secrets", 404),
        (Method::GET, "/apis/gantline.dev/v1/namespaces/default/workflows", 404),
        (Method::GET, "/healthz", 404),
        (Method::GET, "/api/v1/namespaces/default/pods/none", 404),
        (Method::DELETE, "/api/v1/namespaces/default/pods", 405),
    ] {
        let request = Request { method, ..Request::get(path, at(0)) };
        assert_eq!(refused(&mut server, &request).0, code, "{path}");
    }
    // A path that is unknown says nothing of an object; an object that is unknown has details.
    let details = |server: &mut Server, path: &str| send(server, &Request::get(path, at(0))).1.get("details").cloned();
    assert_eq!(details(&mut server, "/api/v1/namespaces/default/secrets/a"), None);
    assert_eq!(
        details(&mut server, &format!("{RUNS}/a")),
        Some(json!({
            "name": "a", "group": "gantline.dev", "kind": "workflowruns",
        }))
    );
}
