//! Deletions.

use super::*;

const HELD: &str = "gantline.dev/held";

fn held(mut object: Value) -> Value {
    object["metadata"]["finalizers"] = json!([HELD]);
    object
}

fn release(server: &mut Server, path: &str) -> Value {
    patch(server, path, &json!({ "metadata": { "finalizers": null } }))
}

#[test]
fn a_deletion_is_for_the_object_that_was_seen() {
    let mut server = Server::new(1);
    let made = create(&mut server, PODS, &pod("a"));
    let path = format!("{PODS}/a");
    for field in ["uid", "resourceVersion"] {
        let options = json!({ "preconditions": { field: "7" } });
        let (code, body) = send(&mut server, &Request::delete(&path, &options, at(1)));
        assert_eq!((code, &body["reason"], &body["details"]["kind"]), (409, &json!("Conflict"), &json!("Pod")));
    }
    let (uid, version) = (&made["metadata"]["uid"], &made["metadata"]["resourceVersion"]);
    let options = json!({ "preconditions": { "uid": uid, "resourceVersion": version } });
    delete(&mut server, &path, &options, 1);
    assert!(is_gone(&mut server, &path));
    assert_eq!(refused(&mut server, &Request::delete(&path, &Value::Null, at(1))).0, 404);
}

#[test]
fn the_answer_is_the_pod_or_says_what_is_gone() {
    let mut server = Server::new(1);
    create(&mut server, PODS, &pod("a"));
    let made = create(&mut server, RUNS, &run("a"));
    assert_eq!(delete(&mut server, &format!("{PODS}/a"), &Value::Null, 1)["kind"], "Pod");
    let gone = delete(&mut server, &format!("{RUNS}/a"), &Value::Null, 1);
    assert_eq!((&gone["status"], &gone["details"]["uid"]), (&json!("Success"), &made["metadata"]["uid"]));
}

#[test]
fn a_bound_pod_has_its_grace_period() {
    for (phase, options, marked) in [
        ("Pending", Value::Null, Some(30)),
        ("Running", json!({ "gracePeriodSeconds": 7 }), Some(7)),
        ("Running", json!({ "gracePeriodSeconds": -1 }), Some(1)),
        ("Running", json!({ "gracePeriodSeconds": 0 }), None),
        ("Succeeded", Value::Null, None),
        ("Failed", json!({ "gracePeriodSeconds": 7 }), None),
    ] {
        let mut server = Server::new(1);
        let path = format!("{PODS}/a");
        create(&mut server, PODS, &pod("a"));
        bind(&mut server, "a");
        patch(&mut server, &format!("{path}/status"), &json!({ "status": { "phase": phase } }));
        let meta = delete(&mut server, &path, &options, 10)["metadata"].clone();
        assert_eq!(is_gone(&mut server, &path), marked.is_none(), "{phase} {options}");
        if let Some(seconds) = marked {
            assert_eq!(meta["deletionGracePeriodSeconds"], seconds);
            assert_eq!(meta["deletionTimestamp"], at(10 + seconds).to_string());
            assert_eq!(meta["generation"], 2);
        }
    }
}

#[test]
fn a_grace_period_only_gets_shorter() {
    let mut server = Server::new(1);
    let path = format!("{PODS}/a");
    create(&mut server, PODS, &pod("a"));
    bind(&mut server, "a");
    let mut period = |options: Value, second: i64| {
        let meta = delete(&mut server, &path, &options, second)["metadata"].clone();
        (meta["deletionGracePeriodSeconds"].as_i64().unwrap(), meta["deletionTimestamp"].as_str().unwrap().to_owned())
    };
    let grace = |seconds: i64| json!({ "gracePeriodSeconds": seconds });
    assert_eq!(period(Value::Null, 0), (30, at(30).to_string()));
    assert_eq!(period(grace(40), 1), (30, at(30).to_string()));
    assert_eq!(period(Value::Null, 1), (30, at(30).to_string()));
    assert_eq!(period(grace(20), 1), (20, at(20).to_string()));
    // What is asked for is over already: a second is left.
    assert_eq!(period(grace(5), 10), (1, at(10).to_string()));
    period(grace(0), 11);
    assert!(is_gone(&mut server, &path));
}

#[test]
fn finalizers_hold_what_is_being_deleted() {
    let mut server = Server::new(1);
    for (collection, object, bound) in [(RUNS, run("a"), false), (PODS, pod("a"), false), (PODS, pod("b"), true)] {
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let path = format!("{collection}/{name}");
        create(&mut server, collection, &held(object));
        if bound {
            bind(&mut server, &name);
        }
        let marked = delete(&mut server, &path, &json!({ "gracePeriodSeconds": 0 }), 2);
        let meta = &marked["metadata"];
        assert_eq!((&meta["deletionGracePeriodSeconds"], &meta["generation"]), (&json!(0), &json!(2)));
        assert_eq!(meta["deletionTimestamp"], at(2).to_string());
        let before = server.revision();
        delete(&mut server, &path, &Value::Null, 3);
        assert_eq!(server.revision(), before, "it is being deleted already");

        let more = json!({ "metadata": { "finalizers": [HELD, "gantline.dev/more"] } });
        assert_eq!(refused(&mut server, &Request::merge_patch(&path, &more, at(3))).2, ["metadata.finalizers"]);
        let back = json!({ "metadata": { "deletionTimestamp": null } });
        assert_eq!(patch(&mut server, &path, &back)["metadata"]["deletionTimestamp"], at(2).to_string());

        let answer = release(&mut server, &path);
        assert_eq!(answer["metadata"].get("finalizers"), None);
        assert!(is_gone(&mut server, &path));
        let last = writes(&server).last().copied().unwrap().clone();
        assert!(last.removed);
        assert_eq!(last.object["metadata"]["finalizers"], json!([HELD]), "as it last was");
    }
}

/// The finalizer is gone, and yet the node has time.
#[test]
fn a_pod_without_finalizers_stays_for_its_grace_period() {
    let mut server = Server::new(1);
    let path = format!("{PODS}/a");
    create(&mut server, PODS, &held(pod("a")));
    bind(&mut server, "a");
    delete(&mut server, &path, &Value::Null, 0);
    release(&mut server, &path);
    assert!(!is_gone(&mut server, &path));
    delete(&mut server, &path, &json!({ "gracePeriodSeconds": 0 }), 5);
    assert!(is_gone(&mut server, &path));
}

#[test]
fn propagation_becomes_a_finalizer() {
    for (policy, finalizer) in
        [("Foreground", Some("foregroundDeletion")), ("Orphan", Some("orphan")), ("Background", None)]
    {
        let mut server = Server::new(1);
        let path = format!("{RUNS}/a");
        create(&mut server, RUNS, &run("a"));
        let answer = delete(&mut server, &path, &json!({ "propagationPolicy": policy }), 1);
        assert_eq!(is_gone(&mut server, &path), finalizer.is_none());
        if let Some(finalizer) = finalizer {
            assert_eq!(answer["metadata"]["finalizers"], json!([finalizer]));
        }
    }
    let mut server = Server::new(1);
    create(&mut server, RUNS, &run("a"));
    let odd = Request::delete(&format!("{RUNS}/a"), &json!({ "propagationPolicy": "Odd" }), at(1));
    assert_eq!(refused(&mut server, &odd).0, 422);
}
