//! Bounds, and writes that change nothing: S10 of runs, S12, S13.

use serde_json::json;

use super::story::Story;
use super::tell;

#[test]
fn s12_what_is_on_record_is_bounded() {
    tell(
        Story::running,
        &[
            ("a message", |s| s.sets("", "message", json!("x".repeat(1024))).records(), &[]),
            ("a message that is too long", |s| s.sets("", "message", json!("x".repeat(1025))).records(), &["S12"]),
            ("of a task", |s| s.sets("b", "message", json!("x".repeat(1025))).records(), &["S12"]),
            ("of an attempt", |s| s.sets_attempt("a", "message", json!("x".repeat(1025))).records(), &["S12"]),
            (
                "of a condition",
                |s| s.sets("", "conditions", json!([{ "type": "Succeeded", "message": "x".repeat(32_768) }])).records(),
                &[],
            ),
            (
                "of a condition that is too long",
                |s| s.sets("", "conditions", json!([{ "type": "Succeeded", "message": "x".repeat(32_769) }])).records(),
                &["S12"],
            ),
            (
                "what it waits for",
                |s| s.sets("b", "waitingFor", json!({ "kind": "Node", "detail": "x".repeat(1025) })).records(),
                &["S12"],
            ),
            (
                "what the run waits for",
                |s| s.sets("", "waitingFor", json!({ "kind": "Node", "detail": "x".repeat(1025) })).records(),
                &["S12"],
            ),
            (
                "a status",
                |s| s.sets("", "params", json!({ "p": "x".repeat(1_300_000) })).moves("", "Suspended").records(),
                &[],
            ),
            (
                "a status that is too large",
                |s| s.sets("", "params", json!({ "p": "x".repeat(1_400_000) })).moves("", "Suspended").records(),
                &["S12"],
            ),
            ("a log", |s| s.edits(|it| it["log"] = json!("x".repeat(24 * 1024))).moves("", "Suspended").records(), &[]),
            (
                "a log that is too long",
                |s| s.edits(|it| it["log"] = json!("x".repeat(24 * 1024 + 1))).moves("", "Suspended").records(),
                &["S12"],
            ),
            (
                "a segment that is too large",
                |s| {
                    let line = format!("{}\n", json!({ "task": "a", "message": "x".repeat(256 * 1024) }));
                    s.edits(|it| it["log"] = json!(line));
                    let segment = s.seals();
                    s.keeps(&segment).moves("", "Suspended").records()
                },
                &["S12"],
            ),
            (
                "a record that is too large",
                |s| s.create("one", "workflowrecords", "w-2", json!({ "spec": { "data": "x".repeat(1 << 20) } })),
                &["S12"],
            ),
            ("of a hand", |s| s.edits(|status| status["message"] = json!("x".repeat(1025))), &[]),
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
            ("the same status", |s| s.records(), &["S13"]),
            ("another", |s| s.sets("", "message", json!("news")).records(), &[]),
            ("by someone else", |s| s.records_as("user"), &[]),
            (
                "a release of what was let go",
                |s| s.ends("r-a-1", 0).succeeds("a").records().lets_go("r-a-1").lets_go("r-a-1"),
                &["S13"],
            ),
            ("a lease is renewed", |s| s.lease("one", 3600).lease("one", 3600), &[]),
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

#[test]
fn s10_a_slot_is_claimed_before_it_is_taken() {
    let broken = |claims: bool| {
        let mut story = Story::new();
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflowRef": { "name": "w" } } }));
        story.status = json!({ "tasks": [], "history": [], "phase": "Pending", "concurrency": { "max": 1 } });
        story.moves("", "Queued").records();
        if claims {
            story.sets("", "concurrency", json!({ "max": 1, "claimed": true })).records();
        }
        story.sets("", "concurrency", json!({ "max": 1 })).moves("", "Running").records();
        story.broken()
    };
    assert_eq!(broken(true), Vec::<&str>::new());
    assert_eq!(broken(false), ["S10"]);
}
