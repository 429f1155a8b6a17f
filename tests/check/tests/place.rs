//! What is written, and to whom: S15, S16.

use serde_json::json;

use super::story::{RUN, Story, pod};
use super::tell;
use crate::check::journal::Verb;

#[test]
fn s15_operators_write_what_is_theirs() {
    tell(
        Story::running,
        &[
            ("a config map", |s| s.create("one", "configmaps", "c", json!({})), &["S15"]),
            ("a config map of someone else", |s| s.create("user", "configmaps", "c", json!({})), &[]),
            ("an event", |s| s.create("one", "events", "e", json!({})), &[]),
            ("a run", |s| s.create("one", "workflowruns", "q", json!({})), &["S15"]),
            ("the spec of a run", |s| s.puts("one", ("workflowruns", "", "r"), "/spec/suspend", json!(true)), &["S15"]),
            (
                "the status of a workflow",
                |s| {
                    s.create("user", "workflows", "w", json!({})).puts(
                        "one",
                        ("workflows", "status", "w"),
                        "/status",
                        json!({ "tasks": 2 }),
                    )
                },
                &[],
            ),
            (
                "a workflow",
                |s| {
                    s.create("user", "workflows", "w", json!({})).puts(
                        "one",
                        ("workflows", "", "w"),
                        "/spec",
                        json!({}),
                    )
                },
                &["S15"],
            ),
            ("a record is deleted", |s| s.remove("one", "workflowrecords", "w-1"), &[]),
            ("a record is changed", |s| s.puts("one", ("workflowrecords", "", "w-1"), "/spec", json!({})), &["S15"]),
            ("a pod's label", |s| s.puts("one", ("pods", "", "r-a-1"), "/metadata/labels/x", json!("y")), &["S15"]),
            (
                "a pod's spec",
                |s| s.puts("one", ("pods", "", "r-a-1"), "/spec/activeDeadlineSeconds", json!(1)),
                &["S15"],
            ),
            (
                "someone else's finalizer",
                |s| {
                    s.puts(
                        "user",
                        ("pods", "", "r-a-1"),
                        "/metadata/finalizers",
                        json!(["gantline.dev/outcome", "example.org/log"]),
                    );
                    s.ends("r-a-1", 0).succeeds("a").records().lets_go("r-a-1")
                },
                &["S15"],
            ),
            (
                "a pod's status",
                |s| s.puts("one", ("pods", "status", "r-a-1"), "/status/phase", json!("Failed")).is_cut_off(),
                &["S15"],
            ),
        ],
    );
    tell(
        Story::pinned,
        &[
            (
                "a pod without labels",
                |s| s.makes_of("r-a-1", "x", |pod| pod["metadata"]["labels"] = json!({ "gantline.dev/run-uid": RUN })),
                &["S15", "S3"],
            ),
            (
                "a pod without the finalizer",
                |s| s.makes_of("r-a-1", "x", |pod| pod["metadata"]["finalizers"] = json!([])),
                &["S15"],
            ),
            (
                "a pod without an owner",
                |s| s.makes_of("r-a-1", "x", |pod| pod["metadata"]["ownerReferences"] = json!([])),
                &["S15", "S16"],
            ),
        ],
    );
}

#[test]
fn s16_everything_by_uid() {
    tell(
        Story::stopping,
        &[
            ("its own pod is deleted", |s| s.is_deleted("one", "r-a-1", 30), &[]),
            (
                "its own pod is deleted and let go, though its labels were taken off",
                |s| {
                    s.puts("user", ("pods", "", "r-a-1"), "/metadata/labels", json!({}));
                    s.is_deleted("one", "r-a-1", 30).lets_go("r-a-1")
                },
                &[],
            ),
            (
                "a pod that is labelled with its run, and another's",
                |s| {
                    let mut foreign = pod("r-a-9", "uid-other");
                    foreign["metadata"]["labels"]["gantline.dev/run-uid"] = json!(RUN);
                    s.create("user", "pods", "r-a-9", foreign).is_deleted("one", "r-a-9", 30)
                },
                &["S11", "S16"],
            ),
            (
                "a pod of nobody",
                |s| s.create("user", "pods", "web", json!({})).is_deleted("one", "web", 30),
                &["S15", "S16"],
            ),
        ],
    );
    tell(
        Story::pinned,
        &[
            (
                "the pod of another run is taken for its own",
                |s| {
                    let mut foreign = pod("r-a-1", "uid-other");
                    foreign["metadata"]["finalizers"] = json!([]);
                    s.create("user", "pods", "r-a-1", foreign).knows("a").records()
                },
                &["S16"],
            ),
            (
                "the pod of another task is taken for its own",
                |s| {
                    s.makes("r-a-1").attempt("a")["uid"] = json!("uid-x");
                    s.create("user", "pods", "x", {
                        let mut it = pod("r-b-1", RUN);
                        it["metadata"]["finalizers"] = json!([]);
                        it
                    })
                    .records();
                    s
                },
                &["S11", "S16"],
            ),
        ],
    );
    let mut story = Story::pinned();
    story.makes("r-a-1").knows("a").records();
    assert_eq!(story.broken(), Vec::<&str>::new());
    let elsewhere = pod("r-a-1", RUN);
    story.write(
        "one",
        Verb::Create,
        ("pods", "", "r-a-1"),
        {
            let mut it = elsewhere;
            it["metadata"]["uid"] = json!("elsewhere");
            it["metadata"]["namespace"] = json!("other");
            it
        },
        false,
    );
    assert_eq!(story.broken(), ["S1", "S11", "S16", "S2"], "a pod in another namespace is one too many, and is let go");
}
