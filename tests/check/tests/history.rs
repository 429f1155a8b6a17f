//! History: S7.

use std::sync::Arc;

use serde_json::{Value, json};

use super::story::Story;
use super::tell;
use crate::check::journal::Entry;

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
                "old ones are dropped",
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
fn s7_transitions_beyond_what_is_spelt_out_are_in_the_log() {
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
    let mut story = crowd();
    story.status.as_object_mut().unwrap().remove("log");
    assert_eq!(story.records().broken(), ["S7"]);
}

/// A run whose log has its first two transitions.
fn logged() -> Story {
    let mut story = Story::running();
    story.logs(2).moves("", "Suspended").records();
    story
}

/// A run whose log was sealed once.
fn sealed() -> Story {
    let mut story = logged();
    let segment = story.seals();
    story.keeps(&segment).moves("", "Running").records();
    story
}

#[test]
fn s7_what_is_in_the_log_stays_there() {
    tell(
        logged,
        &[
            ("another line comes after it", |s| s.logs(1).moves("", "Running").records(), &[]),
            (
                "a line is gone",
                |s| {
                    let log = s.status["log"].as_str().unwrap().split_once('\n').unwrap().1.to_owned();
                    s.sets("", "log", json!(log)).moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "a line is another",
                |s| {
                    let log = s.status["log"].as_str().unwrap().replacen("Pending", "Running", 1);
                    s.sets("", "log", json!(log)).moves("", "Running").records()
                },
                &["S7"],
            ),
        ],
    );
}

#[test]
fn s7_what_left_the_log_is_in_a_segment_by_then() {
    tell(
        logged,
        &[
            (
                "the log is in a segment",
                |s| {
                    let segment = s.seals();
                    s.keeps(&segment).moves("", "Running").records()
                },
                &[],
            ),
            (
                "in two",
                |s| {
                    let segment = s.seals();
                    s.keeps(&segment).logs(1);
                    let segment = s.seals();
                    s.keeps(&segment).moves("", "Running").records()
                },
                &[],
            ),
            (
                "in one that nobody made",
                |s| {
                    s.seals();
                    s.moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "in one that nobody could make",
                |s| {
                    let going =
                        json!({ "name": "default", "namespace": "", "deletionTimestamp": "2030-01-01T00:00:00Z" });
                    s.create("user", "namespaces", "default", json!({ "metadata": going })).seals();
                    s.moves("", "Running").records()
                },
                &[],
            ),
            (
                "in one that is made later",
                |s| {
                    let segment = s.seals();
                    s.moves("", "Running").records().keeps(&segment)
                },
                &["S7"],
            ),
        ],
    );
}

#[test]
fn s7_a_segment_holds_what_left_the_log() {
    tell(
        logged,
        &[
            (
                "in one that holds less",
                |s| {
                    let mut segment = s.seals();
                    segment["log"] = json!("");
                    segment["lines"] = json!(0);
                    s.status["sealed"]["lines"] = json!(0);
                    s.keeps(&segment).moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "in one that says that it holds more",
                |s| {
                    let mut segment = s.seals();
                    segment["lines"] = json!(3);
                    s.status["sealed"]["lines"] = json!(3);
                    s.keeps(&segment).moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "in one that says it is another run's",
                |s| {
                    let mut segment = s.seals();
                    segment["runUid"] = json!("uid-other");
                    s.keeps(&segment).moves("", "Running").records()
                },
                &["S16", "S7"],
            ),
            (
                "in one, and still in the log",
                |s| {
                    let log = s.status["log"].clone();
                    let segment = s.seals();
                    s.keeps(&segment).sets("", "log", log).moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "in one that isn't counted",
                |s| {
                    let segment = s.seals();
                    s.status["sealed"]["lines"] = json!(1);
                    s.keeps(&segment).moves("", "Running").records()
                },
                &["S7"],
            ),
            (
                "a segment is left over, of someone who got no further",
                |s| {
                    let status = s.status.clone();
                    let segment = s.seals();
                    s.keeps(&segment);
                    s.status = status;
                    s.logs(1);
                    let segment = s.seals();
                    s.status["sealed"]["segment"] = json!("r-log-1-again");
                    s.keeps_as("r-log-1-again", &segment).moves("", "Running").records()
                },
                &[],
            ),
        ],
    );
}

#[test]
fn s7_the_chain_of_segments_goes_on() {
    tell(
        sealed,
        &[
            ("it is as it was", |s| s.moves("", "Suspended").records(), &[]),
            ("it is forgotten", |s| s.sets("", "sealed", Value::Null).moves("", "Suspended").records(), &["S7"]),
            (
                "its newest part is deleted by someone",
                |s| s.remove("user", "workflowrecords", "r-log-1").moves("", "Suspended").records(),
                &[],
            ),
            (
                "the next part",
                |s| {
                    s.logs(1);
                    let segment = s.seals();
                    s.keeps(&segment).moves("", "Suspended").records()
                },
                &[],
            ),
            (
                "the next part doesn't name the one before",
                |s| {
                    s.logs(1);
                    let mut segment = s.seals();
                    segment.as_object_mut().unwrap().remove("previous");
                    s.keeps(&segment).moves("", "Suspended").records()
                },
                &["S7"],
            ),
        ],
    );
}

#[test]
fn s7_a_run_is_cancelled_only_when_someone_asks_for_that() {
    let stops = |s: &mut Story| {
        s.because("", "Stopping", "CancelRequested").because("a", "Stopping", "CancelRequested");
        s.because("b", "Cancelled", "CancelRequested").records();
    };
    // All of it in this generation of the run.
    let broken = |cancel: Option<Value>, generation: u64| {
        let mut story = Story::running();
        if let Some(cancel) = cancel {
            story.asks("cancel", cancel);
        }
        stops(&mut story);
        for entry in &mut story.journal.entries {
            let Entry::Write(write) = entry else { continue };
            let mut object = Value::clone(&write.object);
            if write.resource != "workflowruns" || object["status"].is_null() {
                continue;
            }
            object["status"]["generation"] = json!(generation);
            for task in object["status"]["tasks"].as_array_mut().unwrap() {
                let attempts = task["attempts"].as_array_mut().into_iter().flatten();
                attempts.for_each(|attempt| attempt["generation"] = json!(generation));
            }
            write.object = Arc::new(object);
        }
        story.broken()
    };
    let none: [&str; 0] = [];
    assert_eq!(broken(Some(json!({})), 0), none);
    assert_eq!(broken(Some(json!({ "generation": 2 })), 1), none);
    assert_eq!(broken(None, 0), ["S7"], "nobody asks");
    assert_eq!(broken(Some(json!({})), 1), ["S7"], "it was asked of the generation before");
}
