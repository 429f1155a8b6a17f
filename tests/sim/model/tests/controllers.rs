//! The garbage collector and the namespace controller.

use jiff::SignedDuration;

use super::*;
use crate::actor::Actor;
use crate::model::{GarbageCollector, NamespaceController};

/// Lets an actor act until it has nothing more to do; it may only ever act when it asked to.
fn settle(server: &mut Server, actor: &mut impl Actor) -> i64 {
    let mut second = 0;
    for _ in 0..100 {
        match actor.act(server, at(second)) {
            Some(next) => second = next.as_second() - at(0).as_second(),
            None => return second,
        }
    }
    panic!("it never rests");
}

fn collector() -> GarbageCollector {
    GarbageCollector::new(SignedDuration::from_secs(3))
}

/// A pod of this owner.
fn owned(name: &str, owner: &Value, blocks: bool) -> Value {
    let mut pod = pod(name);
    pod["metadata"]["ownerReferences"] = json!([{
        "apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"], "controller": true, "blockOwnerDeletion": blocks,
    }]);
    pod
}

#[test]
fn what_lost_its_owner_is_deleted() {
    let mut server = Server::new(1);
    let mut actor = collector();
    let owner = create(&mut server, RUNS, &run("a"));
    create(&mut server, PODS, &owned("kept", &owner, false));
    create(&mut server, PODS, &pod("free"));
    settle(&mut server, &mut actor);
    assert!(!is_gone(&mut server, &format!("{PODS}/kept")));

    delete(&mut server, &format!("{RUNS}/a"), &Value::Null, 10);
    assert_eq!(actor.act(&mut server, at(10)), Some(at(13)));
    assert!(!is_gone(&mut server, &format!("{PODS}/kept")), "not at once");
    assert_eq!(actor.act(&mut server, at(13)), None);
    assert!(is_gone(&mut server, &format!("{PODS}/kept")));
    assert!(!is_gone(&mut server, &format!("{PODS}/free")));
    assert_eq!(writes(&server).last().unwrap().actor, "garbage-collector");
}

#[test]
fn an_owner_that_never_was_is_as_one_that_is_gone() {
    let mut server = Server::new(1);
    let mut actor = collector();
    let owner = create(&mut server, RUNS, &run("a"));
    let mut other = owner.clone();
    other["metadata"]["uid"] = json!("never-was");
    create(&mut server, PODS, &owned("forged", &other, false));
    other["kind"] = json!("Unknown");
    create(&mut server, PODS, &owned("unknown", &other, false));
    let mut both = owned("both", &other, false);
    both["metadata"]["ownerReferences"][0]["kind"] = json!("WorkflowRun");
    let good = owned("x", &owner, false)["metadata"]["ownerReferences"][0].clone();
    both["metadata"]["ownerReferences"][0]["controller"] = json!(false);
    both["metadata"]["ownerReferences"].as_array_mut().unwrap().push(good.clone());
    create(&mut server, PODS, &both);
    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{PODS}/forged")));
    assert!(!is_gone(&mut server, &format!("{PODS}/unknown")));
    let left = done(&mut server, &Request::get(&format!("{PODS}/both"), at(0)));
    assert_eq!(left["metadata"]["ownerReferences"], json!([good]));
}

#[test]
fn foreground_waits_for_those_who_block() {
    let mut server = Server::new(1);
    let mut actor = collector();
    let owner = create(&mut server, RUNS, &run("a"));
    let mut blocking = owned("blocking", &owner, true);
    blocking["metadata"]["finalizers"] = json!(["gantline.dev/held"]);
    create(&mut server, PODS, &blocking);
    create(&mut server, PODS, &owned("other", &owner, false));
    settle(&mut server, &mut actor);
    delete(&mut server, &format!("{RUNS}/a"), &json!({ "propagationPolicy": "Foreground" }), 1);
    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{PODS}/other")));
    assert!(!is_gone(&mut server, &format!("{RUNS}/a")));
    patch(&mut server, &format!("{PODS}/blocking"), &json!({ "metadata": { "finalizers": null } }));
    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{RUNS}/a")));
}

#[test]
fn orphans_stay() {
    let mut server = Server::new(1);
    let mut actor = collector();
    let owner = create(&mut server, RUNS, &run("a"));
    create(&mut server, PODS, &owned("p", &owner, false));
    delete(&mut server, &format!("{RUNS}/a"), &json!({ "propagationPolicy": "Orphan" }), 1);
    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{RUNS}/a")));
    let left = done(&mut server, &Request::get(&format!("{PODS}/p"), at(0)));
    assert_eq!(left["metadata"].get("ownerReferences"), None);
}

#[test]
fn the_collector_begins_anew_after_a_compaction() {
    let mut server = Server::new(1);
    let mut actor = collector();
    let owner = create(&mut server, RUNS, &run("a"));
    create(&mut server, PODS, &owned("p", &owner, false));
    settle(&mut server, &mut actor);
    delete(&mut server, &format!("{RUNS}/a"), &Value::Null, 1);
    server.compact(server.revision());
    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{PODS}/p")));
}

#[test]
fn a_namespace_goes_when_it_is_empty() {
    let mut server = Server::new(1);
    let mut actor = NamespaceController::new(SignedDuration::from_secs(2));
    let mut held = pod("held");
    held["metadata"]["finalizers"] = json!(["gantline.dev/held"]);
    create(&mut server, PODS, &held);
    create(&mut server, PODS, &pod("free"));
    create(&mut server, RUNS, &run("a"));
    assert_eq!(actor.act(&mut server, at(0)), None);
    let marked = delete(&mut server, "/api/v1/namespaces/default", &Value::Null, 1);
    assert_eq!(marked["status"]["phase"], "Terminating");
    let (code, body) = send(&mut server, &Request::post(PODS, &pod("new"), at(1)));
    assert_eq!((code, &body["reason"]), (403, &json!("Forbidden")));
    assert_eq!(body["details"]["causes"][0]["reason"], "NamespaceTerminating");

    settle(&mut server, &mut actor);
    assert!(is_gone(&mut server, &format!("{PODS}/free")));
    assert!(!is_gone(&mut server, &format!("{RUNS}/a")), "pods go first");
    patch(&mut server, &format!("{PODS}/held"), &json!({ "metadata": { "finalizers": null } }));
    settle(&mut server, &mut actor);
    assert!(server.get("namespaces", "", "default").is_none());
    assert!(server.list("workflowruns").next().is_none());
    let last = writes(&server).last().copied().unwrap();
    assert_eq!((&*last.name, last.removed), ("default", true));
}
