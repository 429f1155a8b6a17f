//! Outcomes: S6.

use serde_json::json;

use super::story::{RUN, Story, pod};
use super::tell;

#[test]
fn s6_an_outcome_of_the_tasks_own_is_the_truth() {
    tell(
        Story::running,
        &[
            ("a success", |s| s.ends("r-a-1", 0).succeeds("a").records().lets_go("r-a-1"), &[]),
            (
                "a success that is none",
                |s| {
                    s.ends("r-a-1", 3)
                        .closes("a", "Succeeded", Some(3))
                        .moves("a", "Succeeded")
                        .records()
                        .lets_go("r-a-1")
                },
                &["S6"],
            ),
            (
                "a success before its end",
                |s| s.closes("a", "Succeeded", None).moves("a", "Succeeded").records().lets_go("r-a-1"),
                &["S6"],
            ),
            ("a failure", |s| fails(s, 3, 3, "ExitCode"), &[]),
            ("a failure that is none", |s| fails(s, 0, 0, "ExitCode"), &["S6"]),
            ("a failure of another exit code", |s| fails(s, 3, 4, "ExitCode"), &["S6"]),
            ("a failure of another kind", |s| fails(s, 3, 3, "OutOfMemory"), &["S6"]),
            ("for want of outputs that nobody declared", |s| fails(s, 0, 0, "OutputMissing"), &["S6"]),
            ("a failure that was a disruption", |s| fails(s.is_taken("r-a-1").waits(5), 137, 137, "ExitCode"), &["S6"]),
        ],
    );
}

#[test]
fn s6_a_disruption_is_someone_elses_doing() {
    tell(
        Story::running,
        &[
            ("a disruption", |s| disrupted(s.is_taken("r-a-1").waits(5).ends("r-a-1", 137), "Drained"), &[]),
            ("a disruption that is none", |s| disrupted(s.ends("r-a-1", 137), "Drained"), &["S6"]),
            ("after the end", |s| disrupted(s.ends("r-a-1", 1).waits(5).is_taken("r-a-1"), "Drained"), &["S6"]),
            (
                "someone deletes the pod",
                |s| disrupted(s.is_deleted("user", "r-a-1", 30).waits(5).ends("r-a-1", 143), "PodDeleted"),
                &[],
            ),
            (
                "the operator deletes the pod",
                |s| disrupted(s.is_deleted("one", "r-a-1", 30).waits(5).ends("r-a-1", 143), "PodDeleted"),
                &["S6"],
            ),
            (
                "a loss, since someone took the finalizer off",
                |s| {
                    s.ends_unseen("r-a-1", 0).lets_go_as("user", "r-a-1").is_deleted("user", "r-a-1", 0);
                    s.closes_for("a", "Disrupted", "PodLost").because("a", "Backoff", "PodLost").records()
                },
                &[],
            ),
            ("a loss of a pod that is there", |s| disrupted(s, "PodLost"), &["S6"]),
            (
                "an end of which the kubelet lost track",
                |s| {
                    s.ends_unseen("r-a-1", 0).tells("r-a-1", |status| {
                        status["phase"] = json!("Failed");
                        let end = json!({ "exitCode": 137, "reason": "ContainerStatusUnknown" });
                        status["containerStatuses"] = json!([{ "name": "main", "state": { "terminated": end } }]);
                    });
                    disrupted(s, "PodLost")
                },
                &[],
            ),
        ],
    );
}

/// The node tells that `a`'s container has ended badly while its pod has not; `beside` it may run another.
fn tells_half(s: &mut Story, beside: bool) -> &mut Story {
    let end = json!({ "exitCode": 137, "reason": "Error", "finishedAt": s.stamp() });
    s.ends_unseen("r-a-1", 137).tells("r-a-1", |status| {
        status["containerStatuses"] = json!([{ "name": "main", "state": { "terminated": end } }]);
        if beside {
            let other = json!({ "name": "log", "state": { "running": {} } });
            status["containerStatuses"].as_array_mut().unwrap().push(other);
        }
    })
}

#[test]
fn s6_a_bad_end_counts_when_its_pod_has_ended_or_goes_on_without_it() {
    let failed = |beside: bool| {
        let mut story = Story::running();
        tells_half(&mut story, beside).fails("a", "ExitCode").sets_attempt("a", "exitCode", json!(137)).records();
        story.lets_go("r-a-1").broken()
    };
    assert_eq!(failed(false), ["S6"], "its node may yet tell that it took the pod");
    assert_eq!(failed(true), Vec::<&str>::new(), "the pod could go on for ever");
    let mut story = Story::running();
    tells_half(&mut story, false).tells("r-a-1", |status| {
        status["phase"] = json!("Failed");
        status["conditions"] =
            json!([{ "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet" }]);
    });
    disrupted(&mut story, "NodePressure");
    assert_eq!(story.broken(), Vec::<&str>::new(), "its node took it");
}

#[test]
fn s6_a_run_that_failed_as_a_whole_cancels_its_attempts() {
    tell(
        Story::running,
        &[
            (
                "without a cancel",
                |s| s.ends("r-a-1", 143).is_cancelled("a", "CancelRequested").records().lets_go("r-a-1"),
                &["S6"],
            ),
            ("its revision is lost", |s| gives_up(s, "RevisionLost"), &[]),
            ("a task failed", |s| gives_up(s, "TaskFailed"), &["S6"]),
        ],
    );
}

/// The run fails, and closes its tasks in the same write.
fn gives_up<'s>(s: &'s mut Story, reason: &str) -> &'s mut Story {
    s.is_cancelled("a", reason).because("b", "Cancelled", reason).because("", "Failed", reason);
    s.records().lets_go("r-a-1")
}

/// `a`'s container ends with `truth`, and `told` is recorded.
fn fails<'s>(s: &'s mut Story, truth: i32, told: i32, reason: &str) -> &'s mut Story {
    s.ends("r-a-1", truth).fails("a", reason).sets_attempt("a", "exitCode", json!(told)).records().lets_go("r-a-1")
}

/// The disruption of `a` goes on record, with the exit code that the kubelet told.
fn disrupted<'s>(s: &'s mut Story, reason: &str) -> &'s mut Story {
    let code = s.exit_code("r-a-1");
    s.closes_for("a", "Disrupted", reason).sets_attempt("a", "exitCode", code);
    s.because("a", "Backoff", reason).records().lets_go("r-a-1")
}

#[test]
fn s6_what_was_cancelled_was_asked_to_be() {
    tell(
        Story::stopping,
        &[
            ("it was killed", |s| cancelled(s.is_deleted("one", "r-a-1", 30).waits(5).ends("r-a-1", 143)), &[]),
            ("it ended badly by itself", |s| cancelled(s.ends("r-a-1", 1)), &[]),
            ("it had succeeded", |s| cancelled(s.ends("r-a-1", 0)), &["S6"]),
            (
                "it had succeeded, and that is on record",
                |s| {
                    s.ends("r-a-1", 0).succeeds("a").because("", "Cancelled", "CancelRequested");
                    s.records().lets_go("r-a-1")
                },
                &[],
            ),
        ],
    );
}

/// The cancellation of `a` and of the run goes on record.
fn cancelled(s: &mut Story) -> &mut Story {
    let code = s.exit_code("r-a-1");
    s.is_cancelled("a", "CancelRequested").sets_attempt("a", "exitCode", code);
    s.because("", "Cancelled", "CancelRequested").records().lets_go("r-a-1")
}

#[test]
fn s6_an_attempt_without_a_pod_ends_by_a_refusal() {
    for (reason, broken) in [("PodInvalid", &[][..]), ("NameClash", &[]), ("ExitCode", &["S6"])] {
        let mut story = Story::pinned();
        story.fails("a", reason).records();
        assert_eq!(story.broken(), *broken, "{reason}");
    }
    let mut story = Story::pinned();
    story.makes("r-a-1").fails("a", "NameClash").records().lets_go("r-a-1");
    assert_eq!(story.broken(), ["S6"], "its pod is there");
    let mut story = Story::pinned();
    story.makes("r-a-1").puts("user", ("pods", "", "r-a-1"), "/metadata/labels", json!({}));
    story.fails("a", "NameClash").records().lets_go("r-a-1");
    assert_eq!(story.broken(), Vec::<&str>::new(), "its pod is there, and nobody can tell");
}

#[test]
fn s6_a_pod_is_held_until_its_outcome_is_on_record() {
    tell(
        Story::running,
        &[
            ("let go too soon", |s| s.ends("r-a-1", 0).lets_go("r-a-1").succeeds("a").records(), &["S6"]),
            (
                "sent before the record was written",
                |s| s.ends("r-a-1", 0).succeeds("a").records().sent_before(500).lets_go("r-a-1"),
                &["S6"],
            ),
            ("let go by someone else", |s| s.ends("r-a-1", 0).lets_go_as("user", "r-a-1").succeeds("a").records(), &[]),
            ("its run is gone", |s| s.run_is_deleted().is_collected("r-a-1").lets_go("r-a-1"), &[]),
            (
                "its run is gone, and another has its name",
                |s| {
                    s.run_is_deleted()
                        .create("user", "workflowruns", "r", json!({ "metadata": { "uid": "another" }, "spec": {} }))
                        .is_collected("r-a-1")
                        .lets_go("r-a-1")
                },
                &[],
            ),
            (
                "a stranger's pod is let go",
                |s| {
                    s.create("user", "pods", "r-a-9", pod("r-a-9", RUN))
                        .is_deleted("one", "r-a-9", 0)
                        .lets_go("r-a-9")
                        .ends("r-a-1", 0)
                        .succeeds("a")
                        .records()
                        .lets_go("r-a-1")
                },
                &[],
            ),
            ("the operator's own namespace is being deleted", |s| s.system_goes().lets_go("r-a-1"), &[]),
        ],
    );
}

#[test]
fn s6_no_attempt_is_lost() {
    tell(
        Story::running,
        &[
            ("its pod runs", |s| s, &[]),
            ("its pod is over, and nothing is on record", |s| s.ends("r-a-1", 0), &["S6"]),
            ("the same, but the journal ended in the midst of it", |s| s.ends("r-a-1", 0).is_cut_off(), &[]),
            (
                "the same, and the run is gone",
                |s| s.ends("r-a-1", 0).run_is_deleted().is_collected("r-a-1").lets_go("r-a-1"),
                &[],
            ),
        ],
    );
    tell(Story::pinned, &[("a pod that is on no record", |s| s.makes("r-b-1"), &["S11", "S3", "S6"])]);
}
