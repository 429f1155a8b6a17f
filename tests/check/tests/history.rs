//! History: S7.

use serde_json::{Value, json};

use super::story::Story;
use super::tell;

#[test]
fn s7_each_transition_is_on_record_once_and_legal() {
    tell(
        Story::running,
        &[
            ("one that the law forbids", |s| s.moves("b", "Running").records(), &["S5", "S7"]),
            ("a phase without a transition", |s| s.sets("b", "phase", json!("Cancelled")).records(), &["S7"]),
            (
                "a transition without a phase",
                |s| s.moves("", "Suspended").sets("", "phase", json!("Running")).records(),
                &["S7"],
            ),
            (
                "a transition twice",
                |s| {
                    let again = s.status["history"][0].clone();
                    s.status["history"].as_array_mut().unwrap().push(again);
                    s.records()
                },
                &["S7"],
            ),
            (
                "a number is left out",
                |s| s.moves("", "Suspended").sets_transition(3, "seq", json!(5)).records(),
                &["S7"],
            ),
            ("an old one is edited", |s| s.sets_transition(0, "at", json!(s.stamp())).records(), &["S7"]),
            (
                "old ones are dropped where there is room",
                |s| {
                    s.status["history"].as_array_mut().unwrap().remove(0);
                    s.records()
                },
                &["S7"],
            ),
            (
                "the newest is taken back",
                |s| {
                    s.status["history"].as_array_mut().unwrap().pop();
                    s.records()
                },
                &["S7"],
            ),
            (
                "it leaves a phase that it was not in",
                |s| s.moves("", "Suspended").sets_transition(3, "from", json!("Pending")).records(),
                &["S7"],
            ),
            (
                "another reason than on record",
                |s| s.because("", "Suspended", "TaskFailed").sets("", "reason", Value::Null).records(),
                &["S7"],
            ),
            ("a phase that is none", |s| s.sets("b", "phase", json!("Dozing")).records(), &["S7"]),
            ("a start is written anew", |s| s.sets_attempt("a", "startedAt", json!(s.stamp())).records(), &["S7"]),
            ("the run's start is written anew", |s| s.sets("", "startedAt", json!(s.stamp())).records(), &["S7"]),
            (
                "a hand does all that",
                |s| {
                    s.edits(|status| {
                        status["history"] = json!([]);
                        status["tasks"][1]["phase"] = json!("UpstreamFailed");
                        status["startedAt"] = json!("2020-01-01T00:00:00Z");
                    });
                    s.moves("", "Suspended").records()
                },
                &[],
            ),
        ],
    );
}

#[test]
fn s7_what_goes_on_record_beside_a_transition_follows_from_it() {
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
                    s
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
                    s
                },
                &[],
            ),
            (
                "an attempt without a transition",
                |s| {
                    s.status["tasks"][1]["attempts"] = json!([{ "number": 1, "pod": "r-b-1" }]);
                    s.because("b", "Failed", "ExpressionError").records()
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
