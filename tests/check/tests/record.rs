//! What goes on record: S4, S5.

use serde_json::json;

use super::story::Story;
use super::tell;

#[test]
fn s4_what_has_ended_stays() {
    tell(
        Story::halfway,
        &[
            ("a task that ended is edited", |s| s.sets("a", "message", json!("better so")).records(), &["S4"]),
            ("an attempt that ended is edited", |s| s.sets_attempt("a", "exitCode", json!(3)).records(), &["S4"]),
            ("a task that ended starts again", |s| s.moves("a", "Starting").records(), &["S4", "S5", "S7"]),
            ("a hand edits it", |s| s.edits(|status| status["tasks"][0]["message"] = json!("better so")), &[]),
            (
                "a hand opens it again, and it goes on from there",
                |s| {
                    s.edits(|status| status["tasks"][0] = json!({ "name": "a", "phase": "Pending" }));
                    s.because("a", "Failed", "ExpressionError").records()
                },
                &[],
            ),
        ],
    );
    tell(
        Story::told,
        &[
            ("a run that ended is edited", |s| s.sets("", "message", json!("x")).records(), &["S4"]),
            ("a run that ended begins again", |s| s.moves("", "Running").records(), &["S4", "S7"]),
            (
                "a run that ended loses a field",
                |s| {
                    s.status.as_object_mut().unwrap().remove("revision");
                    s.records()
                },
                &["S4"],
            ),
            ("it follows the spec's generation", |s| s.sets("", "observedGeneration", json!(2)).records(), &[]),
        ],
    );
    let mut story = Story::told();
    story.edits(|status| {
        status["conditions"] = json!([{ "type": "Finished", "status": "True", "observedGeneration": 1 }]);
    });
    story.status["conditions"][0]["observedGeneration"] = json!(2);
    story.records();
    assert_eq!(story.broken(), Vec::<&str>::new(), "so do its conditions");
    story.status["conditions"][0]["status"] = json!("False");
    story.records();
    assert_eq!(story.broken(), ["S4"], "but for that they stay");
}

#[test]
fn s5_attempts_only_grow() {
    tell(
        Story::running,
        &[
            ("one is gone", |s| s.sets("a", "attempts", json!([])).records(), &["S11", "S5", "S6"]),
            ("its number changes", |s| s.sets_attempt("a", "number", json!(2)).records(), &["S5", "S7"]),
            ("its pod changes", |s| s.sets_attempt("a", "pod", json!("r-a-7")).records(), &["S11", "S16", "S5", "S6"]),
            ("its uid changes", |s| s.sets_attempt("a", "uid", json!("another")).records(), &["S11", "S5"]),
            (
                "its uid is forgotten",
                |s| {
                    s.attempt("a").as_object_mut().unwrap().remove("uid");
                    s.records()
                },
                &["S5"],
            ),
            (
                "a task is gone",
                |s| {
                    s.status["tasks"].as_array_mut().unwrap().pop();
                    s.records()
                },
                &["S5"],
            ),
            (
                "tasks change places",
                |s| {
                    s.status["tasks"].as_array_mut().unwrap().reverse();
                    s.records()
                },
                &["S5"],
            ),
            (
                "an attempt after a failure",
                |s| {
                    s.ends("r-a-1", 1).closes_for("a", "Failed", "ExitCode").attempt("a")["exitCode"] = json!(1);
                    s.because("a", "Backoff", "ExitCode").intends("a").records().lets_go("r-a-1")
                },
                &["S5"],
            ),
            ("it is over, and its attempt is open", |s| s.moves("a", "Succeeded").records(), &["S5"]),
        ],
    );
    tell(
        Story::pinned,
        &[
            (
                "the second is the first",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 2, "pod": "r-b-2" }]);
                    s.moves("b", "Starting").records()
                },
                &["S5"],
            ),
            (
                "two share a pod",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 1, "pod": "r-a-1" }]);
                    s.moves("b", "Starting").records()
                },
                &["S5"],
            ),
        ],
    );
}

/// A story of so many disruptions of `a`, before or after its start, each made good as soon as its time has come.
fn disrupted(times: usize, started: bool, patience: i64) -> Story {
    let mut story = Story::pinned();
    story.rules.leases = false;
    for attempt in 1..=times {
        let pod = format!("r-a-{attempt}");
        story.makes(&pod);
        if started {
            story.starts(&pod).knows("a").moves("a", "Running").records();
            story.is_taken(&pod).waits(5).ends(&pod, 137);
        } else {
            story.is_taken(&pod).tells(&pod, |status| status["phase"] = json!("Failed"));
            story.attempt("a")["uid"] = json!(format!("uid-{pod}"));
        }
        story.closes("a", "Disrupted", started.then_some(137)).attempt("a")["reason"] = json!("Drained");
        story.attempt("a")["nextAt"] = json!(story.now + jiff::SignedDuration::from_secs(60));
        story.because("a", "Backoff", "Drained").records().lets_go(&pod).waits(patience);
        story.intends("a").records();
    }
    story
}

#[test]
fn s5_a_disruption_is_made_good_within_its_budget() {
    for (times, started, patience, broken) in [
        (5, false, 60, &[][..]),
        (5, true, 60, &[]),
        (6, false, 60, &["S5"]),
        (6, true, 60, &["S5"]),
        (1, true, 20, &["S5"]),
        // The clock leapt back, so that the wait would be longer than any.
        (1, true, -1000, &[]),
    ] {
        let story = disrupted(times, started, patience);
        assert_eq!(story.broken(), *broken, "{times} {started} {patience}: {:#?}", story.findings().violations);
    }
}

/// A story of so many failures of `a`, each followed by another attempt after so many milliseconds.
fn failed(retry: serde_json::Value, waits: &[i64]) -> Story {
    let mut story = Story::pinned_with("retry", retry);
    story.rules.leases = false;
    for (attempt, millis) in (1..).zip(waits) {
        let pod = format!("r-a-{attempt}");
        story.makes(&pod).starts(&pod).knows("a").moves("a", "Running").records();
        story.ends(&pod, 1).closes_for("a", "Failed", "ExitCode").attempt("a")["exitCode"] = json!(1);
        story.attempt("a")["nextAt"] = json!(story.now + jiff::SignedDuration::from_millis(*millis));
        story.because("a", "Backoff", "ExitCode").records().lets_go(&pod).waits(60);
        story.intends("a").records();
    }
    story
}

#[test]
fn s5_a_failure_is_followed_by_another_attempt_within_its_budget() {
    let exact = json!({ "initial": "10s", "jitterPercent": 0 });
    let rule = |action: &str| json!([{ "exitCodes": [1], "action": action }]);
    for (what, retry, waits, broken) in [
        ("within the limit", json!({ "limit": 2, "backoff": exact }), &[10_000, 20_000][..], &[][..]),
        ("once more than that", json!({ "limit": 1, "backoff": exact }), &[10_000, 20_000], &["S5"]),
        ("a wait of another length", json!({ "limit": 2, "backoff": exact }), &[10_000, 10_000], &["S5"]),
        // printf uid-r/a/1 | sha256sum
        ("shortened by its share of chance", json!({ "limit": 1 }), &[SHORTENED], &[]),
        ("shortened by another", json!({ "limit": 1 }), &[SHORTENED + 1], &["S5"]),
        ("a rule says so", json!({ "limit": 1, "backoff": exact, "rules": rule("Retry") }), &[10_000], &[]),
        (
            "a rule says otherwise",
            json!({ "limit": 1, "backoff": exact, "rules": rule("FailTask") }),
            &[10_000],
            &["S5"],
        ),
    ] {
        let story = failed(retry, waits);
        assert_eq!(story.broken(), *broken, "{what}: {:#?}", story.findings().violations);
    }
}

#[test]
fn s5_a_task_is_given_up_only_when_its_budget_is_used_up() {
    let rule = |action: &str| json!([{ "exitCodes": [1], "action": action }]);
    for (what, retry, reason, broken) in [
        ("it has none", json!({}), "ExitCode", &[][..]),
        ("it is used up", json!({ "limit": 1 }), "ExitCode", &[]),
        ("another is left", json!({ "limit": 2 }), "ExitCode", &["S5"]),
        ("a rule says so", json!({ "limit": 2, "rules": rule("FailTask") }), "ExitCode", &[]),
        ("a rule says otherwise", json!({ "limit": 2, "rules": rule("Retry") }), "ExitCode", &["S5"]),
    ] {
        let is_second = !retry["limit"].is_null() && retry["rules"].is_null();
        let waits: &[i64] = if is_second { &[10_000] } else { &[] };
        let mut exact = retry;
        exact["backoff"] = json!({ "initial": "10s", "jitterPercent": 0 });
        let mut story = failed(exact, waits);
        let pod = format!("r-a-{}", waits.len() + 1);
        story.makes(&pod).starts(&pod).knows("a").moves("a", "Running").records();
        story.ends(&pod, 1).fails("a", reason).attempt("a")["exitCode"] = json!(1);
        story.records().lets_go(&pod);
        let broken_here: Vec<&str> = story.broken();
        assert_eq!(broken_here, *broken, "{what}: {:#?}", story.findings().violations);
    }
}

/// The wait after the first failure of `a`, in milliseconds, by the default backoff.
const SHORTENED: i64 = 8_660;

#[test]
fn s5_attempts_that_make_room_are_counted() {
    let begin = || {
        let mut story = failed(json!({ "limit": 9, "backoff": { "initial": "0s" } }), &[0, 0]);
        story.status["tasks"][0]["attempts"].as_array_mut().unwrap().remove(0);
        story
    };
    let mut story = begin();
    story.sets("a", "earlier", json!({ "failed": 1, "disruptedBeforeStart": 0, "disruptedAfterStart": 0 }));
    let pod = "r-a-3";
    story.makes(pod).starts(pod).knows("a").moves("a", "Running").ends(pod, 1);
    story.closes_for("a", "Failed", "ExitCode").attempt("a")["exitCode"] = json!(1);
    story.attempt("a")["nextAt"] = json!(story.now);
    story.because("a", "Backoff", "ExitCode").intends("a").records().lets_go(pod);
    assert_eq!(story.broken(), Vec::<&str>::new(), "{:#?}", story.findings().violations);
    let mut story = begin();
    story.records();
    assert_eq!(story.broken(), ["S5"], "it is counted nowhere");
}
