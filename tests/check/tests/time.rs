//! Timeouts: S7, and S6 of what times out.

use jiff::SignedDuration;
use serde_json::json;

use super::story::Story;
use super::tell;

/// `a`, which has this timeout, runs; its deadline is so many seconds away.
fn running(timeout: &str, seconds: i64) -> Story {
    let mut story = Story::pinned_with("timeout", json!(timeout));
    story.makes("r-a-1").starts("r-a-1").knows("a");
    let deadline = story.now + SignedDuration::from_secs(seconds);
    story.sets_attempt("a", "deadlineAt", json!(deadline)).moves("a", "Running").records();
    story
}

/// The pod of `a` is stopped, and it has failed so.
fn is_stopped<'s>(s: &'s mut Story, reason: &str) -> &'s mut Story {
    s.because("a", "Stopping", reason).records();
    s.is_deleted("one", "r-a-1", 30).waits(5).ends("r-a-1", 143);
    fails(s, reason)
}

fn fails<'s>(s: &'s mut Story, reason: &str) -> &'s mut Story {
    let code = s.exit_code("r-a-1");
    s.fails("a", reason).sets_attempt("a", "exitCode", code).records().lets_go("r-a-1")
}

#[test]
fn s7_a_deadline_is_as_far_away_as_its_timeout() {
    assert_eq!(running("10s", 10).broken(), Vec::<&str>::new());
    assert_eq!(running("10s", 9).broken(), ["S7"]);
    // That of `b` is set with its first attempt, when `a` has succeeded.
    let total = |seconds: i64| {
        let mut story = Story::running_after(&json!({ "name": "b", "needs": ["a"], "totalTimeout": "1m" }));
        story.ends("r-a-1", 0).succeeds("a");
        let deadline = story.now + SignedDuration::from_secs(seconds);
        story.sets("b", "deadlineAt", json!(deadline)).intends("b").records().lets_go("r-a-1");
        story.broken()
    };
    assert_eq!(total(60), Vec::<&str>::new());
    assert_eq!(total(61), ["S7"]);
}

#[test]
fn s7_nothing_times_out_before_its_deadline() {
    tell(
        || running("10s", 10),
        &[
            ("in time", |s| is_stopped(s.waits(10), "TimedOut"), &[]),
            ("too soon", |s| is_stopped(s.waits(5), "TimedOut"), &["S7"]),
            ("a timeout that the task doesn't have", |s| is_stopped(s.waits(10), "TotalTimedOut"), &["S7"]),
        ],
    );
}

#[test]
fn s6_what_timed_out_was_stopped_first_and_has_not_succeeded() {
    tell(
        || running("10s", 10),
        &[
            ("it was never stopped", |s| fails(s.waits(10).ends("r-a-1", 1), "TimedOut"), &["S6"]),
            (
                "its kubelet ended it",
                |s| {
                    s.waits(10)
                        .ends("r-a-1", 137)
                        .tells("r-a-1", |status| status["reason"] = json!("DeadlineExceeded"));
                    fails(s, "TimedOut")
                },
                &[],
            ),
            (
                "it succeeded all the same",
                |s| {
                    s.waits(10).because("a", "Stopping", "TimedOut").records().ends("r-a-1", 0);
                    fails(s, "TimedOut")
                },
                &["S6"],
            ),
        ],
    );
}
