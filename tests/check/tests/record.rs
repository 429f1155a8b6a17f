//! What goes on record: S4, S5, S7, S12, S13.

use serde_json::{Value, json};

use super::story::Story;
use super::tell;

#[test]
fn s4_what_has_ended_stays() {
    tell(
        Story::halfway,
        &[
            (
                "a task that ended is edited",
                |s| {
                    s.task("a")["message"] = json!("better so");
                    s.records();
                },
                &["S4"],
            ),
            (
                "an attempt that ended is edited",
                |s| {
                    s.attempt("a")["exitCode"] = json!(3);
                    s.records();
                },
                &["S4"],
            ),
            (
                "a task that ended starts again",
                |s| {
                    s.moves("a", "Starting").records();
                },
                &["S4", "S5", "S7"],
            ),
            (
                "a hand edits it",
                |s| {
                    s.edits(|status| status["tasks"][0]["message"] = json!("better so"));
                },
                &[],
            ),
            (
                "a hand opens it again, and it goes on from there",
                |s| {
                    s.edits(|status| status["tasks"][0] = json!({ "name": "a", "phase": "Pending" }));
                    s.because("a", "UpstreamFailed", "TaskFailed").records();
                },
                &[],
            ),
        ],
    );
    tell(
        Story::told,
        &[
            (
                "a run that ended is edited",
                |s| {
                    s.status["message"] = json!("x");
                    s.records();
                },
                &["S4"],
            ),
            (
                "a run that ended begins again",
                |s| {
                    s.moves("", "Running").records();
                },
                &["S4", "S7"],
            ),
            (
                "a run that ended loses a field",
                |s| {
                    s.status.as_object_mut().unwrap().remove("revision");
                    s.records();
                },
                &["S4"],
            ),
            (
                "it follows the spec's generation",
                |s| {
                    s.status["observedGeneration"] = json!(2);
                    s.records();
                },
                &[],
            ),
        ],
    );
    let mut story = Story::told();
    story.edits(|status| {
        status["conditions"] = json!([{ "type": "Finished", "status": "True", "observedGeneration": 1 }])
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
            (
                "one is gone",
                |s| {
                    s.task("a")["attempts"] = json!([]);
                    s.records();
                },
                &["S11", "S5", "S6"],
            ),
            (
                "its number changes",
                |s| {
                    s.attempt("a")["number"] = json!(2);
                    s.records();
                },
                &["S5"],
            ),
            (
                "its pod changes",
                |s| {
                    s.attempt("a")["pod"] = json!("r-a-7");
                    s.records();
                },
                &["S11", "S16", "S5", "S6"],
            ),
            (
                "its uid changes",
                |s| {
                    s.attempt("a")["uid"] = json!("another");
                    s.records();
                },
                &["S11", "S5"],
            ),
            (
                "its uid is forgotten",
                |s| {
                    s.attempt("a").as_object_mut().unwrap().remove("uid");
                    s.records();
                },
                &["S5"],
            ),
            (
                "a task is gone",
                |s| {
                    s.status["tasks"].as_array_mut().unwrap().pop();
                    s.records();
                },
                &["S5"],
            ),
            (
                "tasks change places",
                |s| {
                    s.status["tasks"].as_array_mut().unwrap().reverse();
                    s.records();
                },
                &["S5"],
            ),
            (
                "an attempt after a failure",
                |s| {
                    s.ends("r-a-1", 1).closes_for("a", "Failed", "ExitCode").attempt("a")["exitCode"] = json!(1);
                    s.because("a", "Backoff", "ExitCode").intends("a").records().lets_go("r-a-1");
                },
                &["S5"],
            ),
            (
                "it is over, and its attempt is open",
                |s| {
                    s.moves("a", "Succeeded").records();
                },
                &["S5"],
            ),
        ],
    );
    tell(
        Story::pinned,
        &[
            (
                "the second is the first",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 2, "pod": "r-b-2" }]);
                    s.moves("b", "Starting").records();
                },
                &["S5"],
            ),
            (
                "two share a pod",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 1, "pod": "r-a-1" }]);
                    s.moves("b", "Starting").records();
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

#[test]
fn s7_each_transition_is_on_record_once_and_legal() {
    tell(
        Story::running,
        &[
            (
                "one that the law forbids",
                |s| {
                    s.moves("b", "Running").records();
                },
                &["S5", "S7"],
            ),
            (
                "a phase without a transition",
                |s| {
                    s.task("b")["phase"] = json!("UpstreamFailed");
                    s.records();
                },
                &["S7"],
            ),
            (
                "a transition without a phase",
                |s| {
                    s.moves("", "Suspended").status["phase"] = json!("Running");
                    s.records();
                },
                &["S7"],
            ),
            (
                "a transition twice",
                |s| {
                    let again = s.status["history"][0].clone();
                    s.status["history"].as_array_mut().unwrap().push(again);
                    s.records();
                },
                &["S7"],
            ),
            (
                "a number is left out",
                |s| {
                    s.moves("", "Suspended").status["history"][3]["seq"] = json!(5);
                    s.records();
                },
                &["S7"],
            ),
            (
                "an old one is edited",
                |s| {
                    s.status["history"][0]["at"] = json!(s.stamp());
                    s.records();
                },
                &["S7"],
            ),
            (
                "old ones are dropped where there is room",
                |s| {
                    s.status["history"].as_array_mut().unwrap().remove(0);
                    s.records();
                },
                &["S7"],
            ),
            (
                "the newest is taken back",
                |s| {
                    s.status["history"].as_array_mut().unwrap().pop();
                    s.records();
                },
                &["S7"],
            ),
            (
                "it leaves a phase that it was not in",
                |s| {
                    s.moves("", "Suspended").status["history"][3]["from"] = json!("Pending");
                    s.records();
                },
                &["S7"],
            ),
            (
                "another reason than on record",
                |s| {
                    s.because("", "Suspended", "TaskFailed").status["reason"] = Value::Null;
                    s.records();
                },
                &["S7"],
            ),
            (
                "a phase that is none",
                |s| {
                    s.task("b")["phase"] = json!("Dozing");
                    s.records();
                },
                &["S7"],
            ),
            (
                "a start is written anew",
                |s| {
                    s.attempt("a")["startedAt"] = json!(s.stamp());
                    s.records();
                },
                &["S7"],
            ),
            (
                "the run's start is written anew",
                |s| {
                    s.status["startedAt"] = json!(s.stamp());
                    s.records();
                },
                &["S7"],
            ),
            (
                "a hand does all that",
                |s| {
                    s.edits(|status| {
                        status["history"] = json!([]);
                        status["tasks"][1]["phase"] = json!("UpstreamFailed");
                        status["startedAt"] = json!("2020-01-01T00:00:00Z");
                    });
                    s.moves("", "Suspended").records();
                },
                &[],
            ),
        ],
    );
    tell(
        Story::pinned,
        &[
            (
                "what it waits for stays, and since when changes",
                |s| {
                    for since in ["2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z"] {
                        s.task("a")["waitingFor"] = json!({ "kind": "Node", "since": since });
                        s.records();
                    }
                },
                &["S7"],
            ),
            (
                "what it waits for changes, and since when too",
                |s| {
                    for (kind, since) in [("Node", "2030-01-01T00:00:00Z"), ("Quota", "2030-01-01T00:01:00Z")] {
                        s.task("a")["waitingFor"] = json!({ "kind": kind, "since": since });
                        s.records();
                    }
                },
                &[],
            ),
            (
                "an attempt without a transition",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 1, "pod": "r-b-1" }]);
                    s.because("b", "Failed", "ExpressionError").records();
                },
                &["S5", "S7"],
            ),
        ],
    );
}

/// A run of 80 tasks that fail at once, by an expression: more transitions than a status spells out.
#[test]
fn s7_transitions_beyond_what_is_spelt_out_still_have_their_numbers() {
    let crowd = || {
        let mut story = Story::new();
        let planned: Vec<Value> = (0..80).map(|index| json!({ "name": format!("t{index}") })).collect();
        let tasks: Vec<Value> =
            planned.iter().map(|task| json!({ "name": task["name"], "phase": "Pending" })).collect();
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": { "tasks": planned } } }));
        story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
        story.moves("", "Running").records();
        for index in 0..80 {
            story.because(&format!("t{index}"), "Failed", "ExpressionError");
        }
        story
    };
    assert_eq!(crowd().records().broken(), Vec::<&str>::new());
    // As many are unseen as were dropped, and no more.
    let mut story = crowd();
    for entry in story.status["history"].as_array_mut().unwrap() {
        entry["seq"] = json!(entry["seq"].as_u64().unwrap() - 1);
    }
    assert_eq!(story.records().broken(), ["S7"]);
}

#[test]
fn s12_what_is_on_record_is_bounded() {
    tell(
        Story::running,
        &[
            (
                "a message",
                |s| {
                    s.status["message"] = json!("x".repeat(1024));
                    s.records();
                },
                &[],
            ),
            (
                "a message that is too long",
                |s| {
                    s.status["message"] = json!("x".repeat(1025));
                    s.records();
                },
                &["S12"],
            ),
            (
                "of a task",
                |s| {
                    s.task("b")["message"] = json!("x".repeat(1025));
                    s.records();
                },
                &["S12"],
            ),
            (
                "of an attempt",
                |s| {
                    s.attempt("a")["message"] = json!("x".repeat(1025));
                    s.records();
                },
                &["S12"],
            ),
            (
                "of a condition",
                |s| {
                    s.status["conditions"] = json!([{ "type": "Succeeded", "message": "x".repeat(32_768) }]);
                    s.records();
                },
                &[],
            ),
            (
                "of a condition that is too long",
                |s| {
                    s.status["conditions"] = json!([{ "type": "Succeeded", "message": "x".repeat(32_769) }]);
                    s.records();
                },
                &["S12"],
            ),
            (
                "what it waits for",
                |s| {
                    s.task("b")["waitingFor"] = json!({ "kind": "Node", "detail": "x".repeat(1025) });
                    s.records();
                },
                &["S12"],
            ),
            (
                "what the run waits for",
                |s| {
                    s.status["waitingFor"] = json!({ "kind": "Node", "detail": "x".repeat(1025) });
                    s.records();
                },
                &["S12"],
            ),
            (
                "a status",
                |s| {
                    s.status["params"] = json!({ "p": "x".repeat(1_300_000) });
                    s.moves("", "Suspended").records();
                },
                &[],
            ),
            (
                "a status that is too large",
                |s| {
                    s.status["params"] = json!({ "p": "x".repeat(1_400_000) });
                    s.moves("", "Suspended").records();
                },
                &["S12"],
            ),
            (
                "a record that is too large",
                |s| {
                    s.create("one", "workflowrecords", "w-2", json!({ "spec": { "data": "x".repeat(1 << 20) } }));
                },
                &["S12"],
            ),
            (
                "of a hand",
                |s| {
                    s.edits(|status| status["message"] = json!("x".repeat(1025)));
                },
                &[],
            ),
        ],
    );
    let mut story = Story::running();
    for to in ["Suspended", "Running"].repeat(40) {
        story.moves("", to).records();
    }
    assert_eq!(story.broken(), Vec::<&str>::new(), "the newest 64 transitions");
    let oldest = story.status["history"][0].clone();
    story.status["history"].as_array_mut().unwrap().insert(0, oldest);
    story.records();
    assert_eq!(story.broken(), ["S12", "S7"], "65 of them");
}

#[test]
fn s13_no_write_without_a_change() {
    tell(
        Story::running,
        &[
            (
                "the same status",
                |s| {
                    s.records();
                },
                &["S13"],
            ),
            (
                "another",
                |s| {
                    s.status["message"] = json!("news");
                    s.records();
                },
                &[],
            ),
            (
                "by someone else",
                |s| {
                    s.records_as("user");
                },
                &[],
            ),
            (
                "a release of what was let go",
                |s| {
                    s.ends("r-a-1", 0)
                        .closes("a", "Succeeded", Some(0))
                        .moves("a", "Succeeded")
                        .records()
                        .lets_go("r-a-1")
                        .lets_go("r-a-1");
                },
                &["S13"],
            ),
            (
                "a lease is renewed",
                |s| {
                    s.lease("one", 3600).lease("one", 3600);
                },
                &[],
            ),
        ],
    );
}

#[test]
fn what_operators_wrote_since() {
    let mut story = Story::running();
    let since = story.now;
    story.asks("suspend", json!(true)).lease("one", 3600);
    assert_eq!(crate::check::quiet(&story.journal, &story.rules, since).len(), 0);
    story.moves("", "Suspended").records();
    let wrote = crate::check::quiet(&story.journal, &story.rules, since);
    assert_eq!(wrote.iter().map(|write| write.resource.as_str()).collect::<Vec<_>>(), ["workflowruns"]);
}
