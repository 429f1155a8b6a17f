//! Audit logs made by hand, and the journals that are read of them.

use serde_json::{Value, json};

use crate::check::audit::read;
use crate::check::check;
use crate::check::journal::{Entry, Write};

const OPERATOR: &str = "gantline/0.1.0 (one)";
const KUBECTL: &str = "kubectl/v1.36.2";

/// An event: when it was received and answered, in seconds; user agent; verb; `resource/subresource`; name; code; answer.
fn event(times: (u32, u32), agent: &str, verb: &str, what: &str, name: &str, code: u16, answer: Value) -> Value {
    let (resource, subresource) = what.split_once('/').unwrap_or((what, ""));
    let user = if agent.starts_with("kube-scheduler") { "system:kube-scheduler" } else { "admin" };
    let mut event = json!({
        "kind": "Event", "stage": "ResponseComplete", "verb": verb, "userAgent": agent, "user": { "username": user },
        "objectRef": { "resource": resource, "subresource": subresource, "namespace": "n", "name": name },
        "responseStatus": { "code": code },
        "requestReceivedTimestamp": format!("2030-01-01T00:00:{:02}.000000Z", times.0),
        "stageTimestamp": format!("2030-01-01T00:00:{:02}.000000Z", times.1),
    });
    event["responseObject"] = answer;
    event
}

/// An object of namespace `n`, at a revision, with what else its metadata holds.
fn object(name: &str, revision: u32, mut meta: Value) -> Value {
    meta["namespace"] = json!("n");
    meta["name"] = json!(name);
    meta["uid"] = json!(format!("uid-{name}"));
    meta["resourceVersion"] = json!(revision.to_string());
    json!({ "metadata": meta, "spec": { "nodeName": "node" } })
}

fn gone() -> Value {
    json!({ "kind": "Status", "status": "Success" })
}

fn log(events: &[Value]) -> String {
    events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")
}

fn writes(events: &[Value]) -> Vec<Write> {
    let audited = read(log(events).as_bytes(), &[]).unwrap();
    let write = |entry| match entry {
        Entry::Write(write) => write,
        other => panic!("{other}"),
    };
    audited.journal.entries.into_iter().map(write).collect()
}

/// Actor, verb, resource, name, and `gone` where it is.
fn told(events: &[Value]) -> Vec<String> {
    let tell = |write: Write| {
        let gone = if write.removed { " gone" } else { "" };
        format!("{} {:?} {} {}{gone}", write.actor, write.verb, write.resource, write.name)
    };
    writes(events).into_iter().map(tell).collect()
}

#[test]
fn only_writes_that_were_carried_out_are_taken() {
    let pod = |revision| object("p", revision, json!({}));
    let meta = json!({ "deletionTimestamp": "2030-01-01T00:00:38Z", "deletionGracePeriodSeconds": 30 });
    let deleted = object("p", 3, meta);
    let mut panicked = event((5, 5), OPERATOR, "create", "pods", "p", 201, pod(9));
    panicked["stage"] = json!("Panic");
    let events = [
        event((1, 1), OPERATOR, "get", "pods", "p", 200, pod(1)),
        event((2, 2), OPERATOR, "create", "pods", "p", 409, json!({ "kind": "Status" })),
        event((3, 3), OPERATOR, "create", "pods", "p", 201, pod(2)),
        event((4, 4), "kube-scheduler/v1", "create", "pods/binding", "p", 201, gone()),
        panicked,
        event((6, 6), OPERATOR, "create", "pods", "", 500, json!({ "kind": "Status" })),
        event((7, 7), KUBECTL, "patch", "pods", "p", 200, pod(2)),
        event((8, 8), KUBECTL, "delete", "pods", "p", 200, deleted.clone()),
        event((9, 9), OPERATOR, "delete", "pods", "p", 200, deleted.clone()),
    ];
    let all = ["one Create pods p", "user Delete pods p"];
    assert_eq!(told(&events), all, "what changes nothing is no write");
    let again = [&events[..], &[event((10, 10), OPERATOR, "delete", "pods", "p", 200, deleted)]].concat();
    assert_eq!(
        told(&again),
        [&all[..], &["one Delete pods p"]].concat(),
        "but who asks twice for a deletion is told of"
    );
}

#[test]
fn who_wrote_is_told_by_the_user_agent_and_the_user() {
    let by = |agent: &str, user: &str| {
        let mut event = event((1, 1), agent, "create", "pods", "p", 201, object("p", 1, json!({})));
        event["user"]["username"] = json!(user);
        writes(&[event]).remove(0).actor
    };
    assert_eq!(
        by("gantline/0.1.0 (gantline-7d4-abc_12)", "system:serviceaccount:gantline-system:gantline"),
        "gantline-7d4-abc_12"
    );
    assert_eq!(by("gantline/0.1.0", "admin"), "user", "a command of ours is a person's doing");
    assert_eq!(by("kubelet/v1", "system:node:n1"), "kubelet");
    assert_eq!(by("kwok/v0.8.0", "kwok"), "kubelet");
    assert_eq!(
        by("kube-controller-manager/v1", "system:serviceaccount:kube-system:generic-garbage-collector"),
        "generic-garbage-collector"
    );
    assert_eq!(by("kubectl/v1", "admin"), "user");
}

#[test]
fn writes_are_in_the_order_of_their_revisions() {
    let events = [
        event((1, 9), OPERATOR, "create", "pods", "a", 201, object("a", 1, json!({}))),
        event((2, 3), OPERATOR, "create", "pods", "b", 201, object("b", 2, json!({}))),
        // What tells no revision comes after what was answered before.
        event((3, 4), KUBECTL, "delete", "pods", "b", 200, gone()),
        event((5, 6), OPERATOR, "create", "pods", "c", 201, object("c", 3, json!({}))),
    ];
    assert_eq!(
        told(&events),
        ["one Create pods a", "one Create pods b", "user Delete pods b gone", "one Create pods c"]
    );
    let first = writes(&events).remove(0);
    assert_eq!(
        (first.sent.to_string(), first.at.to_string()),
        ("2030-01-01T00:00:01Z".into(), "2030-01-01T00:00:09Z".into())
    );
}

#[test]
fn a_removal_comes_after_what_led_to_it() {
    let meta = json!({ "deletionTimestamp": "2030-01-01T00:00:03Z", "deletionGracePeriodSeconds": 0 });
    let held = {
        let mut meta = meta.clone();
        meta["finalizers"] = json!(["gantline.dev/outcome"]);
        meta
    };
    let events = [
        event(
            (1, 1),
            OPERATOR,
            "create",
            "pods",
            "p",
            201,
            object("p", 1, json!({ "finalizers": ["gantline.dev/outcome"] })),
        ),
        // The watch was quicker than the answer.
        event((2, 4), KUBECTL, "delete", "pods", "p", 200, object("p", 3, held)),
        event((3, 5), OPERATOR, "patch", "pods", "p", 200, object("p", 3, meta)),
        event((6, 6), OPERATOR, "create", "pods", "q", 201, object("q", 4, json!({}))),
    ];
    assert_eq!(
        told(&events),
        ["one Create pods p", "user Delete pods p", "one Patch pods p gone", "one Create pods q"]
    );
}

#[test]
fn who_writes_while_a_pod_is_removed_may_have_seen_the_mark() {
    let pod = |revision, meta| object("p", revision, meta);
    let marked = || json!({ "deletionTimestamp": "2030-01-01T00:00:03Z", "deletionGracePeriodSeconds": 0 });
    let create = event((1, 1), OPERATOR, "create", "pods", "p", 201, pod(1, json!({})));
    let status = |times, revision| {
        event(times, OPERATOR, "update", "workflowruns/status", "r", 200, object("r", revision, json!({})))
    };
    let forced = |code: u16, answer: Value| {
        let mut event = event((3, 6), KUBECTL, "delete", "pods", "p", code, answer);
        event["requestObject"] = json!({ "gracePeriodSeconds": 0 });
        event
    };
    let mut gone_at_once = gone();
    gone_at_once["details"] = json!({ "uid": "uid-p" });
    let taken = |meta| event((4, 4), KUBECTL, "patch", "pods", "p", 200, pod(4, meta));
    let held = json!({ "finalizers": ["a.b/c"], "deletionTimestamp": "2030-01-01T00:00:02Z", "deletionGracePeriodSeconds": 0 });
    let before = event((2, 2), KUBECTL, "delete", "pods", "p", 200, pod(3, held.clone()));
    let [made, told_of, mark, removed] =
        ["one Create pods p", "one Update workflowruns r", "user Delete pods p", "user Delete pods p gone"];
    let (early, late) = (status((2, 2), 2), status((4, 5), 5));
    let cases = [
        ("it was seen", vec![&late], forced(200, pod(7, marked())), vec![made, mark, told_of, removed]),
        ("without a revision", vec![&late], forced(200, gone_at_once), vec![made, mark, removed, told_of]),
        ("what came before can't", vec![&early], forced(200, pod(7, marked())), vec![made, told_of, mark, removed]),
        ("there was nothing to delete", vec![&late], forced(404, gone()), vec![made, told_of]),
        ("it was refused", vec![&late], forced(409, gone()), vec![made, told_of]),
    ];
    for (case, between, delete, expected) in cases {
        let events: Vec<Value> = [&create].into_iter().chain(between).chain([&delete]).cloned().collect();
        assert_eq!(told(&events), expected, "{case}");
    }
    let patched = "user Patch pods p";
    let all = |more: &[Value]| {
        let delete = forced(200, pod(7, marked()));
        let events: Vec<Value> = [&create].into_iter().chain(more).chain([&late, &delete]).cloned().collect();
        told(&events)
    };
    assert_eq!(all(&[taken(json!({}))]), [made, patched, mark, told_of, removed], "its last version without the mark");
    assert_eq!(all(&[taken(held)]), [made, mark, patched, told_of, removed], "a version with the mark comes after it");
    assert_eq!(all(&[before]), [made, mark, told_of, removed], "it was marked before, and isn't once more");
}

#[test]
fn what_a_deletion_leaves_is_told() {
    let create = |pod: &Value| event((1, 1), OPERATOR, "create", "pods", "p", 201, pod.clone());
    let plain = object("p", 1, json!({}));
    let held = object("p", 1, json!({ "finalizers": ["gantline.dev/outcome"] }));
    let unbound = {
        let mut pod = plain.clone();
        pod["spec"] = json!({});
        pod
    };
    let marked = |grace: i64, finalizers: Value| {
        object(
            "p",
            2,
            json!({ "deletionTimestamp": "2030-01-01T00:00:30Z", "deletionGracePeriodSeconds": grace, "finalizers": finalizers }),
        )
    };
    let none = json!([]);
    let ours = json!(["gantline.dev/outcome"]);
    let delete = |answer: &Value| event((2, 2), KUBECTL, "delete", "pods", "p", 200, answer.clone());
    let at_once = |answer: &Value| {
        let mut event = event((3, 3), "kubelet/v1", "delete", "pods", "p", 200, answer.clone());
        event["requestObject"] = json!({ "gracePeriodSeconds": 0 });
        event
    };
    let ended = {
        let mut pod = marked(30, none.clone());
        pod["status"] = json!({ "phase": "Succeeded" });
        pod
    };
    // What it removes has no new revision.
    let release = |revision: u32, answer: &Value| {
        let mut pod = answer.clone();
        pod["metadata"]["resourceVersion"] = json!(revision.to_string());
        event((4, 4), OPERATOR, "patch", "pods", "p", 200, pod)
    };
    for (case, events, gone) in [
        ("nothing holds it, and it runs nowhere", vec![create(&unbound), delete(&unbound)], true),
        ("it has time to end", vec![create(&plain), delete(&marked(30, none.clone()))], false),
        (
            "its node says that it has ended",
            vec![create(&plain), delete(&marked(30, none.clone())), at_once(&marked(30, none.clone()))],
            true,
        ),
        ("it had ended before", vec![create(&plain), delete(&ended)], true),
        ("our finalizer holds it", vec![create(&held), delete(&marked(0, ours.clone()))], false),
        (
            "our finalizer is taken off while it runs",
            vec![create(&held), delete(&marked(30, ours.clone())), release(3, &marked(30, none.clone()))],
            false,
        ),
        (
            "our finalizer is taken off at its end",
            vec![create(&held), delete(&marked(0, ours)), release(2, &marked(0, none))],
            true,
        ),
        ("our finalizer is taken off, and nobody deletes it", vec![create(&held), release(3, &plain)], false),
    ] {
        assert_eq!(writes(&events).pop().unwrap().removed, gone, "{case}");
    }
}

#[test]
fn what_no_object_told_of_is_not_put_on_whoever_comes_next() {
    let (unbound, bound) = {
        let mut pod = object("p", 1, json!({ "finalizers": ["gantline.dev/outcome"] }));
        pod["spec"] = json!({});
        (pod, object("p", 2, json!({})))
    };
    let release = |steps: Value| {
        let mut release = event((3, 3), OPERATOR, "patch", "pods", "p", 200, bound.clone());
        release["requestObject"] = steps;
        release
    };
    let create = || event((1, 1), OPERATOR, "create", "pods", "p", 201, unbound.clone());
    let steps =
        json!([{ "op": "test", "path": "/metadata/uid" }, { "op": "remove", "path": "/metadata/finalizers/0" }]);
    assert_eq!(told(&[create(), release(steps)]), ["one Create pods p", "unseen Patch pods p", "one Patch pods p"]);
    let more = json!([{ "op": "remove", "path": "/metadata/finalizers/0" }, { "op": "add", "path": "/spec/nodeName" }]);
    assert_eq!(told(&[create(), release(more)]), ["one Create pods p", "one Patch pods p"]);
}

/// A request that was cut off.
fn cut_off(times: (u32, u32), verb: &str, what: &str, name: &str, body: Value) -> Value {
    let mut event = event(times, OPERATOR, verb, what, name, 504, json!({ "kind": "Status" }));
    event["requestObject"] = body;
    event
}

#[test]
fn a_pod_that_is_there_was_created() {
    let wanted = json!({ "metadata": { "name": "p", "finalizers": ["gantline.dev/outcome"] }, "spec": {} });
    let create = cut_off((1, 2), "create", "pods", "p", wanted);
    let pod = |revision: u32| {
        let mut pod = object("p", revision, json!({}));
        pod["kind"] = json!("Pod");
        pod
    };
    let seen = |second: u32| event((second, second), KUBECTL, "patch", "pods/status", "p", 200, pod(second));
    let again = event((3, 3), OPERATOR, "create", "pods", "p", 201, pod(3));
    for (case, events, expected) in [
        ("it is seen later", vec![create.clone(), seen(4)], &["one Create pods p", "user Patch pods p"][..]),
        ("it is never seen", vec![create.clone()], &[]),
        ("another made it", vec![create.clone(), again, seen(4)], &["one Create pods p", "user Patch pods p"]),
        ("it was there before", vec![seen(0), create], &["user Patch pods p"]),
    ] {
        assert_eq!(told(&events), expected, "{case}");
    }
}

#[test]
fn a_status_that_others_build_on_was_written() {
    let run = |revision: u32, phase: &str| {
        let mut run = object("r", revision, json!({}));
        run["status"] = json!({ "phase": phase });
        run
    };
    let update = |second: u32, base: u32, revision: u32, phase: &str| {
        let what = "workflowruns/status";
        let mut update = event((second, second), OPERATOR, "update", what, "r", 200, run(revision, phase));
        update["requestObject"] = run(base, phase);
        update
    };
    let read =
        |revision: u32, phase: &str| event((4, 4), OPERATOR, "get", "workflowruns", "r", 200, run(revision, phase));
    for (case, later, expected) in [
        ("the next builds on it", update(5, 7, 8, "Failed"), &["Running", "Suspended", "Failed"][..]),
        ("the next builds on the one before", update(5, 2, 8, "Failed"), &["Running", "Failed"]),
        ("a read shows it", read(7, "Suspended"), &["Running", "Suspended"]),
        ("a read shows another", read(7, "Stopping"), &["Running"]),
        ("a read shows the one before", read(2, "Running"), &["Running"]),
    ] {
        let lost = cut_off((2, 3), "update", "workflowruns/status", "r", run(2, "Suspended"));
        let writes = writes(&[update(1, 1, 2, "Running"), lost, later]);
        let phases: Vec<&str> = writes.iter().filter_map(|write| write.object["status"]["phase"].as_str()).collect();
        assert_eq!(phases, expected, "{case}");
    }
}

#[test]
fn a_namespace_goes_with_all_that_is_in_it() {
    let held = object("p", 1, json!({ "finalizers": ["gantline.dev/outcome"] }));
    let items = json!({ "kind": "PodList", "metadata": { "resourceVersion": "5" }, "items": [held, object("q", 2, json!({}))] });
    let mut namespace = event((3, 3), KUBECTL, "delete", "namespaces", "n", 200, json!({}));
    namespace["objectRef"]["namespace"] = json!("");
    let events = [
        event((1, 1), OPERATOR, "create", "pods", "p", 201, held.clone()),
        namespace,
        event((4, 6), "kube-controller-manager/v1", "deletecollection", "pods", "", 200, items),
        event(
            (5, 5),
            OPERATOR,
            "patch",
            "pods",
            "p",
            200,
            object("p", 6, json!({ "deletionTimestamp": "2030-01-01T00:00:05Z", "deletionGracePeriodSeconds": 0 })),
        ),
    ];
    let all = ["one Create pods p", "user Delete namespaces n", "user Delete pods p", "one Patch pods p gone"];
    assert_eq!(told(&events), all, "of `q` nothing was known");
    assert_eq!(writes(&events)[1].object["metadata"]["deletionTimestamp"], "2030-01-01T00:00:03Z");
}

#[test]
fn other_namespaces_are_left_out() {
    let create = event((1, 1), OPERATOR, "create", "pods", "p", 201, object("p", 1, json!({})));
    let mut elsewhere = event((2, 2), OPERATOR, "create", "pods", "q", 201, object("q", 2, json!({})));
    elsewhere["objectRef"]["namespace"] = json!("other");
    let text = log(&[create, elsewhere]);
    for (namespaces, count) in [(&[][..], 2), (&["n"], 1), (&["n", "other"], 2), (&["m"], 0)] {
        assert_eq!(read(text.as_bytes(), namespaces).unwrap().journal.entries.len(), count, "{namespaces:?}");
    }
}

#[test]
fn a_log_that_is_none_is_an_error() {
    assert!(read("not JSON".as_bytes(), &[]).is_err());
    assert!(read("".as_bytes(), &[]).unwrap().journal.entries.is_empty());
}

#[test]
fn the_checker_takes_what_is_read() {
    let lease = |revision: u32, holder: &str| {
        let mut lease = object("lease", revision, json!({}));
        lease["spec"] = json!({ "holderIdentity": holder, "leaseDurationSeconds": 10 });
        event((revision, revision), &format!("gantline/0.1.0 ({holder})"), "update", "leases", "lease", 200, lease)
    };
    let event_of = |second: u32| {
        event((second, second), OPERATOR, "create", "workflowrecords", "w", 201, object("w", second, json!({})))
    };
    for (events, broken) in
        [(vec![lease(1, "one"), event_of(3)], 0), (vec![lease(1, "one"), lease(2, "two"), event_of(4)], 1)]
    {
        let audited = read(log(&events).as_bytes(), &["n"]).unwrap();
        assert!(audited.rules.leases);
        let findings = check(&audited.journal, &audited.rules);
        assert_eq!(findings.violations.len(), broken, "{}", findings.told(&audited.journal, 9));
    }
}
