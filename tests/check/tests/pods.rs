//! Pods: S1, S2, S11.

use serde_json::json;

use super::story::{RUN, Story, pod};
use super::tell;
use crate::check::journal::Verb;

/// The pod of `a` was disrupted while it ran, it is over, and the next attempt is intended.
fn made_good() -> Story {
    let mut story = Story::running();
    story.is_taken("r-a-1").waits(5).ends("r-a-1", 137).closes_for("a", "Disrupted", "Drained");
    story.attempt("a")["exitCode"] = json!(137);
    story.attempt("a")["nextAt"] = json!(story.stamp());
    story.because("a", "Backoff", "Drained").intends("a").records().lets_go("r-a-1");
    story
}

/// The first pod is being deleted, nobody knows whether it runs still, and the record calls it disrupted.
fn deleted() -> Story {
    let mut story = Story::running();
    story.is_deleted("user", "r-a-1", 30).closes_for("a", "Disrupted", "PodDeleted");
    story.attempt("a")["nextAt"] = json!(story.stamp());
    story.because("a", "Backoff", "PodDeleted").intends("a").records().lets_go("r-a-1");
    story
}

/// Someone deletes the pod of `a` and takes its finalizer off.
fn vanishes(s: &mut Story) -> &mut Story {
    s.is_deleted("user", "r-a-1", 0).lets_go_as("user", "r-a-1")
}

#[test]
fn s1_at_most_one_pod_is_ever_made_for_an_attempt() {
    tell(
        Story::pinned,
        &[
            ("one", |s| s.makes("r-a-1").starts("r-a-1"), &[]),
            (
                "another after a hand made the first vanish, of which nothing was on record",
                |s| vanishes(s.makes("r-a-1")).makes_of("r-a-1", "again", |_| ()),
                &[],
            ),
            (
                "another after a hand made the first vanish, whose uid was on record",
                |s| vanishes(s.makes("r-a-1").knows("a").records()).makes_of("r-a-1", "again", |_| ()),
                &["S1", "S11", "S6"],
            ),
            (
                "another after the operator let the first go",
                |s| {
                    s.makes("r-a-1").lets_go("r-a-1").is_deleted("user", "r-a-1", 0);
                    s.makes_of("r-a-1", "again", |_| ())
                },
                &["S1", "S6"],
            ),
            (
                "another by someone else",
                |s| s.makes("r-a-1").create("user", "pods", "r-a-1x", pod("r-a-1", RUN)).lets_go("r-a-1x"),
                &[],
            ),
            (
                "the same task and attempt of another run",
                |s| {
                    s.makes("r-a-1");
                    let mut other = pod("r-a-1", "uid-gone");
                    other["metadata"]["uid"] = json!("other");
                    // A pod of no run is one too many, but no second one.
                    s.create("one", "pods", "q-a-1", other);
                    s
                },
                &["S11", "S16", "S3"],
            ),
            (
                "a hand takes the attempt out of the record",
                |s| {
                    vanishes(s.makes("r-a-1").knows("a").records());
                    s.edits(|status| status["tasks"][0] = json!({ "name": "a", "phase": "Pending" }));
                    s.intends("a").records().makes_of("r-a-1", "again", |_| ())
                },
                &[],
            ),
        ],
    );
}

#[test]
fn s2_a_task_has_one_live_pod() {
    tell(
        made_good,
        &[
            ("the next one, once the first is over", |s| s.makes("r-a-2"), &[]),
            (
                "a request for the first, given up long ago, that arrives when all is over",
                |s| {
                    s.makes("r-a-2").sent_before(12_000).makes_of("r-a-1", "again", |_| ());
                    s.is_deleted("one", "r-a-1", 0).lets_go("r-a-1")
                },
                &[],
            ),
            ("no second next one", |s| s.makes("r-a-2").makes("r-a-3"), &["S11", "S2", "S3", "S6"]),
        ],
    );
    tell(
        deleted,
        &[
            // That its end was recorded too soon is S6.
            ("while the first may run", |s| s.makes("r-a-2"), &["S2", "S6"]),
            ("its phase is final", |s| s.ends("r-a-1", 143).makes("r-a-2"), &["S6"]),
            ("someone forced the deletion", |s| s.is_deleted("user", "r-a-1", 0).makes("r-a-2"), &["S6"]),
            (
                "the operator forced the deletion, and the container runs on",
                |s| s.is_deleted("one", "r-a-1", 0).makes("r-a-2"),
                &["S2", "S6"],
            ),
            (
                "the operator forced the deletion, and the container has ended",
                |s| s.ends_unseen("r-a-1", 143).is_deleted("one", "r-a-1", 0).makes("r-a-2"),
                &["S6"],
            ),
        ],
    );
    tell(
        Story::running,
        &[(
            "before the outcome of the first is on record",
            |s| {
                s.ends("r-a-1", 1);
                s.task("a")["attempts"].as_array_mut().unwrap().push(json!({ "number": 2, "pod": "r-a-2" }));
                s.records().makes("r-a-2")
            },
            &["S2", "S3", "S5", "S6", "S7"],
        )],
    );
}

#[test]
fn s11_nothing_is_left_behind() {
    tell(
        Story::told,
        &[
            ("the end", |s| s, &[]),
            (
                "a run that is gone with its pods",
                |s| s.run_is_deleted().is_collected("r-a-1").is_collected("r-b-1"),
                &[],
            ),
            ("a pod of a run that is gone", |s| s.run_is_deleted().is_collected("r-a-1"), &["S11"]),
            (
                "a part of the log of a run that is gone",
                |s| {
                    s.logs(1);
                    let segment = s.seals();
                    s.keeps(&segment).run_is_deleted().is_collected("r-a-1").is_collected("r-b-1")
                },
                &["S11"],
            ),
            (
                "a pod of a run that is gone, as was wished",
                |s| {
                    s.run_is_deleted().is_collected("r-a-1");
                    s.puts("garbage-collector", ("pods", "", "r-b-1"), "/metadata/ownerReferences", json!([]));
                    s
                },
                &[],
            ),
            (
                "a pod that waits for a node that nobody hears of",
                |s| s.run_is_deleted().is_collected("r-a-1").is_deleted("garbage-collector", "r-b-1", 30),
                &[],
            ),
            (
                "a run that is still being deleted",
                |s| {
                    s.puts(
                        "user",
                        ("workflowruns", "", "r"),
                        "/metadata/deletionTimestamp",
                        json!("2030-01-01T00:00:00Z"),
                    )
                },
                &["S11"],
            ),
            (
                "a run that someone else holds",
                |s| {
                    s.change("user", ("workflowruns", "", "r"), |run| {
                        run["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
                        run["metadata"]["finalizers"] = json!(["example.org/audit"]);
                    })
                },
                &[],
            ),
            ("before everything has come to rest", |s| s.run_is_deleted().is_cut_off(), &[]),
        ],
    );
    tell(
        Story::running,
        &[
            ("a pod whose outcome is on record is held", |s| s.ends("r-a-1", 0).succeeds("a").records(), &["S11"]),
            (
                "a pod of a run that is gone is held",
                |s| s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 30),
                &["S11"],
            ),
            (
                "a pod that a hand made under the run's labels is held",
                |s| s.create("user", "pods", "r-a-7", pod("r-a-7", RUN)),
                &["S11"],
            ),
            (
                "it is held under no label, so that nobody finds it",
                |s| {
                    s.change("user", ("pods", "", "r-a-1"), |pod| {
                        pod["metadata"]["labels"] = json!({});
                        pod["metadata"]["ownerReferences"] = json!([]);
                    });
                    s.run_is_deleted()
                },
                &[],
            ),
            (
                "it was held for long under no label, and its run's record names it",
                |s| s.puts("user", ("pods", "", "r-a-1"), "/metadata/labels", json!({})).waits(121).run_is_deleted(),
                &["S11"],
            ),
        ],
    );
    let mut story = Story::told();
    let grave = story.object("pods", "r-a-1");
    story.write("garbage-collector", Verb::Delete, ("pods", "", "r-a-1"), grave, true);
    assert_eq!(story.broken(), Vec::<&str>::new(), "a pod may go before its run");
}
