//! Pods and what becomes of them: S1, S2, S6, S11.

use serde_json::json;

use super::story::{RUN, Story, pod};
use super::tell;
use crate::check::journal::Verb;

/// The pod of `a` was disrupted while it ran, it is over, and the next attempt is intended.
fn disrupted() -> Story {
    let mut story = Story::running();
    story.is_taken("r-a-1").waits(5).ends("r-a-1", 137).closes_for("a", "Disrupted", "Drained");
    story.attempt("a")["exitCode"] = json!(137);
    story.attempt("a")["nextAt"] = json!(story.stamp());
    story.because("a", "Backoff", "Drained").intends("a").records().lets_go("r-a-1");
    story
}

#[test]
fn s1_at_most_one_pod_is_ever_made_for_an_attempt() {
    tell(
        Story::pinned,
        &[
            (
                "one",
                |s| {
                    s.makes("r-a-1").starts("r-a-1");
                },
                &[],
            ),
            (
                "another after the first is gone",
                |s| {
                    s.makes("r-a-1").is_deleted("user", "r-a-1", 0).lets_go_as("user", "r-a-1").makes_of(
                        "r-a-1",
                        "again",
                        |_| (),
                    );
                },
                &["S1", "S6"],
            ),
            (
                "another by someone else",
                |s| {
                    s.makes("r-a-1").create("user", "pods", "r-a-1x", pod("r-a-1", RUN)).lets_go("r-a-1x");
                },
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
                },
                &["S11", "S16", "S3"],
            ),
            (
                "a hand takes the attempt out of the record",
                |s| {
                    s.makes("r-a-1").is_deleted("user", "r-a-1", 0).lets_go_as("user", "r-a-1");
                    s.edits(|status| status["tasks"][0] = json!({ "name": "a", "phase": "Pending" }));
                    s.intends("a").records().makes_of("r-a-1", "again", |_| ());
                },
                &[],
            ),
        ],
    );
}

#[test]
fn s2_a_task_has_one_live_pod() {
    tell(
        disrupted,
        &[
            (
                "the next one, once the first is over",
                |s| {
                    s.makes("r-a-2");
                },
                &[],
            ),
            (
                "no second next one",
                |s| {
                    s.makes("r-a-2").makes("r-a-3");
                },
                &["S11", "S2", "S3", "S6"],
            ),
        ],
    );
    // The first pod is being deleted, nobody knows whether it runs still, and the record calls it disrupted.
    fn deleted() -> Story {
        let mut story = Story::running();
        story.is_deleted("user", "r-a-1", 30).closes_for("a", "Disrupted", "PodDeleted");
        story.attempt("a")["nextAt"] = json!(story.stamp());
        story.because("a", "Backoff", "PodDeleted").intends("a").records().lets_go("r-a-1");
        story
    }
    tell(
        deleted,
        &[
            // That its end was recorded too soon is S6.
            (
                "while the first may run",
                |s| {
                    s.makes("r-a-2");
                },
                &["S2", "S6"],
            ),
            (
                "its phase is final",
                |s| {
                    s.ends("r-a-1", 143).makes("r-a-2");
                },
                &["S6"],
            ),
            (
                "someone forced the deletion",
                |s| {
                    s.is_deleted("user", "r-a-1", 0).makes("r-a-2");
                },
                &["S6"],
            ),
            (
                "the operator forced the deletion, and the container runs on",
                |s| {
                    s.is_deleted("one", "r-a-1", 0).makes("r-a-2");
                },
                &["S2", "S6"],
            ),
            (
                "the operator forced the deletion, and the container has ended",
                |s| {
                    s.ends_unseen("r-a-1", 143).is_deleted("one", "r-a-1", 0).makes("r-a-2");
                },
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
                s.records().makes("r-a-2");
            },
            &["S2", "S3", "S5", "S6", "S7"],
        )],
    );
}

#[test]
fn s6_outcomes_are_the_truth() {
    tell(
        Story::running,
        &[
            (
                "a success",
                |s| {
                    s.ends("r-a-1", 0)
                        .closes("a", "Succeeded", Some(0))
                        .moves("a", "Succeeded")
                        .records()
                        .lets_go("r-a-1");
                },
                &[],
            ),
            (
                "a success that is none",
                |s| {
                    s.ends("r-a-1", 3)
                        .closes("a", "Succeeded", Some(3))
                        .moves("a", "Succeeded")
                        .records()
                        .lets_go("r-a-1");
                },
                &["S6"],
            ),
            (
                "a success before its end",
                |s| {
                    s.closes("a", "Succeeded", None).moves("a", "Succeeded").records().lets_go("r-a-1");
                },
                &["S6"],
            ),
            (
                "a failure",
                |s| {
                    fails(s, 3, 3, "ExitCode");
                },
                &[],
            ),
            (
                "a failure that is none",
                |s| {
                    fails(s, 0, 0, "ExitCode");
                },
                &["S6"],
            ),
            (
                "a failure of another exit code",
                |s| {
                    fails(s, 3, 4, "ExitCode");
                },
                &["S6"],
            ),
            (
                "a failure of another kind",
                |s| {
                    fails(s, 3, 3, "OutOfMemory");
                },
                &["S6"],
            ),
            (
                "a failure for want of outputs that nobody declared",
                |s| {
                    fails(s, 0, 0, "OutputMissing");
                },
                &["S6"],
            ),
            (
                "a disruption",
                |s| {
                    s.is_taken("r-a-1").waits(5).ends("r-a-1", 137);
                    disrupt(s, "Drained");
                },
                &[],
            ),
            (
                "a disruption that is none",
                |s| {
                    s.ends("r-a-1", 137);
                    disrupt(s, "Drained");
                },
                &["S6"],
            ),
            (
                "a disruption after the end",
                |s| {
                    s.ends("r-a-1", 1).waits(5).is_taken("r-a-1");
                    disrupt(s, "Drained");
                },
                &["S6"],
            ),
            (
                "a failure that was a disruption",
                |s| {
                    s.is_taken("r-a-1").waits(5);
                    fails(s, 137, 137, "ExitCode");
                },
                &["S6"],
            ),
            (
                "someone deletes the pod",
                |s| {
                    s.is_deleted("user", "r-a-1", 30).waits(5).ends("r-a-1", 143);
                    disrupt(s, "PodDeleted");
                },
                &[],
            ),
            (
                "the operator deletes the pod",
                |s| {
                    s.is_deleted("one", "r-a-1", 30).waits(5).ends("r-a-1", 143);
                    disrupt(s, "PodDeleted");
                },
                &["S6"],
            ),
            (
                "a loss, since someone took the finalizer off",
                |s| {
                    s.ends_unseen("r-a-1", 0).lets_go_as("user", "r-a-1").is_deleted("user", "r-a-1", 0);
                    s.closes_for("a", "Disrupted", "PodLost").because("a", "Backoff", "PodLost").records();
                },
                &[],
            ),
            (
                "a loss of a pod that is there",
                |s| {
                    s.closes_for("a", "Disrupted", "PodLost")
                        .because("a", "Backoff", "PodLost")
                        .records()
                        .lets_go("r-a-1");
                },
                &["S6"],
            ),
            (
                "an end of which the kubelet lost track",
                |s| {
                    s.ends_unseen("r-a-1", 0).tells("r-a-1", |status| {
                        status["phase"] = json!("Failed");
                        let end = json!({ "exitCode": 137, "reason": "ContainerStatusUnknown" });
                        status["containerStatuses"] = json!([{ "name": "main", "state": { "terminated": end } }]);
                    });
                    s.closes_for("a", "Disrupted", "PodLost").attempt("a")["exitCode"] = json!(137);
                    s.because("a", "Backoff", "PodLost").records().lets_go("r-a-1");
                },
                &[],
            ),
            (
                "cancelled without a cancel",
                |s| {
                    s.ends("r-a-1", 143).closes_for("a", "Cancelled", "CancelRequested").because(
                        "a",
                        "Cancelled",
                        "CancelRequested",
                    );
                    s.records().lets_go("r-a-1");
                },
                &["S6"],
            ),
            (
                "cancelled with a run that failed as a whole",
                |s| {
                    s.closes_for("a", "Cancelled", "RevisionLost").because("a", "Cancelled", "RevisionLost");
                    s.because("b", "Cancelled", "RevisionLost")
                        .because("", "Failed", "RevisionLost")
                        .records()
                        .lets_go("r-a-1");
                },
                &[],
            ),
            (
                "cancelled with a run that failed by a task",
                |s| {
                    s.closes_for("a", "Cancelled", "TaskFailed").because("a", "Cancelled", "TaskFailed");
                    s.because("b", "Cancelled", "TaskFailed")
                        .because("", "Failed", "TaskFailed")
                        .records()
                        .lets_go("r-a-1");
                },
                &["S6"],
            ),
        ],
    );
}

fn fails(s: &mut Story, truth: i32, told: i32, reason: &str) {
    s.ends("r-a-1", truth).closes_for("a", "Failed", reason).attempt("a")["exitCode"] = json!(told);
    s.because("a", "Failed", reason).records().lets_go("r-a-1");
}

fn disrupt(s: &mut Story, reason: &str) {
    let exit_code = s.object("pods", "r-a-1").pointer("/status/containerStatuses/0/state/terminated/exitCode").cloned();
    s.closes_for("a", "Disrupted", reason).attempt("a")["exitCode"] = exit_code.into();
    s.because("a", "Backoff", reason).records().lets_go("r-a-1");
}

#[test]
fn s6_what_was_cancelled_was_asked_to_be() {
    tell(
        Story::stopping,
        &[
            (
                "it was killed",
                |s| {
                    s.is_deleted("one", "r-a-1", 30).waits(5).ends("r-a-1", 143);
                    cancelled(s);
                },
                &[],
            ),
            (
                "it ended badly by itself",
                |s| {
                    s.ends("r-a-1", 1);
                    cancelled(s);
                },
                &[],
            ),
            (
                "it had succeeded",
                |s| {
                    s.ends("r-a-1", 0);
                    cancelled(s);
                },
                &["S6"],
            ),
            (
                "it had succeeded, and that is on record",
                |s| {
                    s.ends("r-a-1", 0).closes("a", "Succeeded", Some(0)).moves("a", "Succeeded");
                    s.because("", "Cancelled", "CancelRequested").records().lets_go("r-a-1");
                },
                &[],
            ),
        ],
    );
}

fn cancelled(s: &mut Story) {
    let exit_code = s.object("pods", "r-a-1").pointer("/status/containerStatuses/0/state/terminated/exitCode").cloned();
    s.closes_for("a", "Cancelled", "CancelRequested").attempt("a")["exitCode"] = exit_code.into();
    s.because("a", "Cancelled", "CancelRequested")
        .because("", "Cancelled", "CancelRequested")
        .records()
        .lets_go("r-a-1");
}

#[test]
fn s6_an_attempt_without_a_pod_ends_by_a_refusal() {
    let fails: fn(&mut Story, &str) = |s, reason| {
        s.closes_for("a", "Failed", reason).because("a", "Failed", reason).records();
    };
    for (reason, broken) in [("PodInvalid", &[][..]), ("NameClash", &[]), ("ExitCode", &["S6"])] {
        let mut story = Story::pinned();
        fails(&mut story, reason);
        assert_eq!(story.broken(), *broken, "{reason}");
    }
    let mut story = Story::pinned();
    story.makes("r-a-1");
    fails(&mut story, "NameClash");
    story.lets_go("r-a-1");
    assert_eq!(story.broken(), ["S6"], "its pod is there");
    let mut story = Story::pinned();
    story.makes("r-a-1").change("user", ("pods", "", "r-a-1"), |pod| pod["metadata"]["labels"] = json!({}));
    fails(&mut story, "NameClash");
    story.lets_go("r-a-1");
    assert_eq!(story.broken(), Vec::<&str>::new(), "its pod is there, and nobody can tell");
}

#[test]
fn s6_a_pod_is_held_until_its_outcome_is_on_record() {
    tell(
        Story::running,
        &[
            (
                "let go too soon",
                |s| {
                    s.ends("r-a-1", 0).lets_go("r-a-1");
                    s.closes("a", "Succeeded", Some(0)).moves("a", "Succeeded").records();
                },
                &["S6"],
            ),
            (
                "sent before the record was written",
                |s| {
                    let sent = s.now;
                    s.ends("r-a-1", 0).closes("a", "Succeeded", Some(0)).moves("a", "Succeeded").records();
                    s.sent = Some(sent);
                    s.lets_go("r-a-1");
                },
                &["S6"],
            ),
            (
                "let go by someone else",
                |s| {
                    s.ends("r-a-1", 0)
                        .lets_go_as("user", "r-a-1")
                        .closes("a", "Succeeded", Some(0))
                        .moves("a", "Succeeded")
                        .records();
                },
                &[],
            ),
            (
                "its run is gone",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0).lets_go("r-a-1");
                },
                &[],
            ),
            (
                "its run is gone, and another has its name",
                |s| {
                    s.run_is_deleted();
                    s.create("user", "workflowruns", "r", json!({ "metadata": { "uid": "another" }, "spec": {} }));
                    s.is_deleted("garbage-collector", "r-a-1", 0).lets_go("r-a-1");
                },
                &[],
            ),
            (
                "a stranger's pod is let go",
                |s| {
                    s.create("user", "pods", "r-a-9", pod("r-a-9", RUN)).is_deleted("one", "r-a-9", 0).lets_go("r-a-9");
                    s.ends("r-a-1", 0)
                        .closes("a", "Succeeded", Some(0))
                        .moves("a", "Succeeded")
                        .records()
                        .lets_go("r-a-1");
                },
                &[],
            ),
            (
                "the operator's own namespace is being deleted",
                |s| {
                    let meta = json!({ "name": "system", "namespace": "", "uid": "uid-system", "deletionTimestamp": "2030-01-01T00:00:00Z" });
                    s.create("user", "namespaces", "system", json!({ "metadata": meta })).lets_go("r-a-1");
                },
                &[],
            ),
        ],
    );
}

#[test]
fn s6_no_attempt_is_lost() {
    tell(
        Story::running,
        &[
            ("its pod runs", |_| (), &[]),
            (
                "its pod is over, and nothing is on record",
                |s| {
                    s.ends("r-a-1", 0);
                },
                &["S6"],
            ),
            (
                "the same, but the journal ended in the midst of it",
                |s| {
                    s.ends("r-a-1", 0);
                    s.rules.settled = false;
                },
                &[],
            ),
            (
                "the same, and the run is gone",
                |s| {
                    s.ends("r-a-1", 0).run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0).lets_go("r-a-1");
                },
                &[],
            ),
        ],
    );
    tell(
        Story::pinned,
        &[(
            "a pod that is on no record",
            |s| {
                s.makes("r-b-1");
            },
            &["S11", "S3", "S6"],
        )],
    );
}

#[test]
fn s11_nothing_is_left_behind() {
    tell(
        Story::told,
        &[
            ("the end", |_| (), &[]),
            (
                "a run that is gone with its pods",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0).is_deleted(
                        "garbage-collector",
                        "r-b-1",
                        0,
                    );
                },
                &[],
            ),
            (
                "a pod of a run that is gone",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0);
                },
                &["S11"],
            ),
            (
                "a pod of a run that is gone, as was wished",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0);
                    s.change("garbage-collector", ("pods", "", "r-b-1"), |pod| {
                        pod["metadata"]["ownerReferences"] = json!([])
                    });
                },
                &[],
            ),
            (
                "a pod that waits for a node that nobody hears of",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 0).is_deleted(
                        "garbage-collector",
                        "r-b-1",
                        30,
                    );
                },
                &[],
            ),
            (
                "a run that is still being deleted",
                |s| {
                    s.change("user", ("workflowruns", "", "r"), |run| {
                        run["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z")
                    });
                },
                &["S11"],
            ),
            (
                "a run that someone else holds",
                |s| {
                    s.change("user", ("workflowruns", "", "r"), |run| {
                        run["metadata"]["deletionTimestamp"] = json!("2030-01-01T00:00:00Z");
                        run["metadata"]["finalizers"] = json!(["example.org/audit"]);
                    });
                },
                &[],
            ),
            (
                "before everything has come to rest",
                |s| {
                    s.run_is_deleted().rules.settled = false;
                },
                &[],
            ),
        ],
    );
    tell(
        Story::running,
        &[
            (
                "a pod whose outcome is on record is held",
                |s| {
                    s.ends("r-a-1", 0).closes("a", "Succeeded", Some(0)).moves("a", "Succeeded").records();
                },
                &["S11"],
            ),
            (
                "a pod of a run that is gone is held",
                |s| {
                    s.run_is_deleted().is_deleted("garbage-collector", "r-a-1", 30);
                },
                &["S11"],
            ),
            (
                "it is held under no label, so that nobody finds it",
                |s| {
                    s.change("user", ("pods", "", "r-a-1"), |pod| {
                        pod["metadata"]["labels"] = json!({});
                        pod["metadata"]["ownerReferences"] = json!([]);
                    });
                    s.run_is_deleted();
                },
                &[],
            ),
        ],
    );
    let mut story = Story::told();
    let grave = story.object("pods", "r-a-1");
    story.write("garbage-collector", Verb::Delete, ("pods", "", "r-a-1"), grave, true);
    assert_eq!(story.broken(), Vec::<&str>::new(), "a pod may go before its run");
}
