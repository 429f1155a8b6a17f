//! What permits a write: S3, S8, S9, S10.

use serde_json::{Value, json};

use super::story::Story;
use super::tell;

#[test]
fn s3_no_pod_before_its_gates_are_satisfied_on_record() {
    tell(
        Story::pinned,
        &[
            ("the intent is on record", |s| s.makes("r-a-1"), &[]),
            (
                "sent before the intent was on record",
                |s| {
                    s.sent_before(1000);
                    s.makes("r-a-1")
                },
                &["S3"],
            ),
            (
                "sent in the very moment",
                |s| {
                    s.sent_before(0);
                    s.makes("r-a-1")
                },
                &[],
            ),
            (
                "another pod than intended",
                |s| s.makes_of("r-a-1", "x", |pod| pod["metadata"]["labels"]["gantline.dev/attempt"] = json!("2")),
                &["S2", "S3"],
            ),
            ("no intent", |s| s.makes("r-b-1"), &["S11", "S3", "S6"]),
            ("what it needs has not succeeded", |s| s.intends("b").records().makes("r-b-1"), &["S3"]),
            ("the task is over", |s| s.fails("a", "PodInvalid").records().makes("r-a-1").lets_go("r-a-1"), &["S3"]),
            (
                "the task is over, but it was under way",
                |s| {
                    s.fails("a", "PodInvalid").records();
                    s.sent_before(500);
                    s.makes("r-a-1").lets_go("r-a-1")
                },
                &[],
            ),
            (
                "the task is unknown to the revision",
                |s| {
                    s.status["tasks"][1]["name"] = json!("c");
                    s.edits(|_| ()).intends("c").records().makes("r-c-1")
                },
                &["S3"],
            ),
        ],
    );
    tell(
        Story::halfway,
        &[
            ("what it needs has succeeded", |s| s.makes("r-b-1"), &[]),
            (
                "what it needs has failed by a hand, of which its sender has no news",
                |s| s.edits(|status| status["tasks"][0]["phase"] = json!("Failed")).makes("r-b-1"),
                &[],
            ),
        ],
    );
}

#[test]
fn s3_the_spec_of_an_inline_workflow_counts_too() {
    for (needs, broken) in [(json!([]), &[][..]), (json!(["b"]), &["S3"])] {
        let mut story = Story::new();
        let workflow = json!({ "tasks": [{ "name": "a", "needs": needs }, { "name": "b" }] });
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": workflow } }));
        let tasks = json!([{ "name": "a", "phase": "Pending" }, { "name": "b", "phase": "Pending" }]);
        story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
        story.moves("", "Running").intends("a").records().makes("r-a-1");
        assert_eq!(story.broken(), *broken);
    }
}

#[test]
fn s8_no_pod_is_sent_after_a_cancel_an_end_or_a_suspension() {
    tell(
        Story::pinned,
        &[
            ("suspended", |s| s.moves("", "Suspended").records().makes("r-a-1"), &["S8"]),
            (
                "suspended, but it was under way",
                |s| {
                    s.moves("", "Suspended").records();
                    s.sent_before(500);
                    s.makes("r-a-1")
                },
                &[],
            ),
            (
                "suspended and resumed",
                |s| s.moves("", "Suspended").records().moves("", "Running").records().makes("r-a-1"),
                &[],
            ),
            (
                "cancelled, and it is on record",
                |s| {
                    stops(s);
                    s.makes("r-a-1")
                },
                &["S8"],
            ),
            ("cancelled, and it is not on record yet", |s| s.asks("cancel", json!({})).makes("r-a-1"), &[]),
            (
                "cancelled while it was under way",
                |s| {
                    stops(s);
                    s.sent_before(500);
                    s.makes("r-a-1")
                },
                &[],
            ),
            (
                "the run failed",
                |s| {
                    s.is_cancelled("a", "RevisionLost")
                        .because("b", "Cancelled", "RevisionLost")
                        .because("", "Failed", "RevisionLost")
                        .records()
                        .makes("r-a-1")
                        .lets_go("r-a-1")
                },
                &["S8"],
            ),
        ],
    );
}

fn stops(s: &mut Story) {
    s.asks("cancel", json!({})).because("", "Stopping", "CancelRequested");
    s.because("a", "Stopping", "CancelRequested").because("b", "Cancelled", "CancelRequested").records();
}

#[test]
fn s9_who_writes_leads() {
    tell(
        Story::pinned,
        &[
            ("it leads", |s| s.makes("r-a-1"), &[]),
            ("another leads", |s| s.lease("two", 3600).makes("r-a-1"), &["S9"]),
            ("another leads, but it was under way", |s| s.lease("two", 3600).sent_before(500).makes("r-a-1"), &[]),
            ("nobody leads", |s| s.lease("", 1).makes("r-a-1"), &["S9"]),
            ("its lease ran out", |s| s.lease("one", 10).waits(10).makes("r-a-1"), &["S9"]),
            (
                "its lease was renewed in time",
                |s| s.lease("one", 10).waits(8).lease("one", 10).waits(8).makes("r-a-1"),
                &[],
            ),
            (
                "its lease ran out, and no two operators are",
                |s| {
                    s.rules.leases = false;
                    s.lease("one", 10).waits(10).makes("r-a-1")
                },
                &[],
            ),
            ("a hand deletes the lease", |s| s.remove("user", "leases", "gantline").makes("r-a-1"), &[]),
            (
                "a hand deletes the lease, and it ran out",
                |s| s.lease("one", 10).remove("user", "leases", "gantline").waits(10).makes("r-a-1"),
                &["S9"],
            ),
            ("an event is best effort", |s| s.lease("two", 3600).create("one", "events", "r.1", json!({})), &[]),
            ("it never led", |s| s.create("two", "workflowrecords", "w-2", json!({})), &["S9"]),
            (
                "its namespace goes, and it lets go of a pod",
                |s| s.makes("r-a-1").system_goes().lease("", 1).lets_go("r-a-1"),
                &[],
            ),
            ("its namespace goes, and it makes a pod", |s| s.system_goes().lease("", 1).makes("r-a-1"), &["S9"]),
        ],
    );
}

#[test]
fn s10_at_most_256_attempts_wait_for_their_pods() {
    for (count, broken) in [(256, &[][..]), (257, &["S10"])] {
        let mut story = Story::new();
        let name = |index: usize| format!("t{index}");
        let planned: Vec<Value> = (0..count).map(|index| json!({ "name": name(index) })).collect();
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": { "tasks": planned } } }));
        let tasks: Vec<Value> =
            planned.iter().map(|task| json!({ "name": task["name"], "phase": "Pending" })).collect();
        story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
        story.moves("", "Running").records();
        for index in 0..count {
            story.intends(&name(index));
        }
        story.records();
        assert_eq!(story.broken(), *broken, "{:#?}", story.findings().violations);
    }
}
