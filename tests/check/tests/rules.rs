//! S3 of tasks with trigger rules: what may start, and what may be given up.

use serde_json::{Value, json};

use super::story::Story;

/// A run of the tasks `a` and `b`, and `c` that needs both by a rule; how far `a` and `b` have come was put on record by a hand.
/// `a` has `allowFailure`.
fn story(rule: &str, needs: &str) -> Story {
    let mut story = Story::new();
    let tasks = json!([
        { "name": "a", "allowFailure": true }, { "name": "b" },
        { "name": "c", "needs": ["a", "b"], "triggerRule": rule },
    ]);
    story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": { "tasks": tasks } } }));
    let tasks = ["a", "b", "c"].map(|name| json!({ "name": name, "phase": "Pending" }));
    story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
    story.moves("", "Running").records();
    let phases: Vec<&str> = needs.split(' ').collect();
    story.edits(|status| {
        for (task, phase) in status["tasks"].as_array_mut().unwrap().iter_mut().zip(phases) {
            task["phase"] = json!(phase);
        }
    });
    story
}

/// Rules and how far `a` and `b` have come, and what may become of `c`: it starts, it is Skipped or UpstreamFailed, or nothing yet.
#[rustfmt::skip]
const CASES: &[(&str, &str, &str)] = &[
    ("AllSucceeded", "Succeeded Succeeded", "starts"),
    ("AllSucceeded", "Failed Succeeded", "starts"),
    ("AllSucceeded", "Succeeded Running", ""),
    ("AllSucceeded", "Succeeded Failed", "UpstreamFailed"),
    ("AllSucceeded", "Running Failed", "UpstreamFailed"),
    ("AllSucceeded", "Running Skipped", ""),
    ("AllSucceeded", "Succeeded Skipped", "Skipped"),
    ("AnySucceeded", "Succeeded Running", "starts"),
    ("AnySucceeded", "Running Failed", ""),
    ("AnySucceeded", "UpstreamFailed Failed", "UpstreamFailed"),
    ("AnySucceeded", "Skipped Skipped", "Skipped"),
    ("NoneFailed", "Skipped Skipped", "starts"),
    ("NoneFailed", "Skipped Running", ""),
    ("NoneFailed", "Running Cancelled", "UpstreamFailed"),
    ("NoneFailedMinOneSucceeded", "Failed Skipped", "starts"),
    ("NoneFailedMinOneSucceeded", "Skipped Skipped", "Skipped"),
    ("NoneFailedMinOneSucceeded", "Skipped Running", ""),
    ("AllDone", "Failed UpstreamFailed", "starts"),
    ("AllDone", "Failed Running", ""),
    ("AllDoneMinOneSucceeded", "Succeeded Failed", "starts"),
    ("AllDoneMinOneSucceeded", "Succeeded Running", ""),
    ("AllDoneMinOneSucceeded", "Skipped Failed", "UpstreamFailed"),
    ("AnyDone", "Running Failed", "starts"),
    ("AnyDone", "Skipped Skipped", "Skipped"),
    ("AnyDone", "Skipped UpstreamFailed", "UpstreamFailed"),
    ("AnyDone", "Skipped Running", ""),
    ("NoneSkipped", "Failed UpstreamFailed", "starts"),
    ("NoneSkipped", "Succeeded Skipped", "Skipped"),
    ("NoneSkipped", "Skipped Failed", "UpstreamFailed"),
    ("NoneSkipped", "Skipped Running", ""),
    ("AllSkipped", "Skipped Skipped", "starts"),
    ("AllSkipped", "Succeeded Skipped", "Skipped"),
    ("AllSkipped", "Running Failed", "UpstreamFailed"),
    ("AllSkipped", "Succeeded Running", ""),
    ("AllFailed", "Failed Failed", "starts"),
    ("AllFailed", "Succeeded Running", "Skipped"),
    ("AllFailed", "Failed Running", ""),
    ("AnyFailed", "Failed Running", "starts"),
    ("AnyFailed", "Succeeded Skipped", "Skipped"),
    ("AnyFailed", "Succeeded Running", ""),
];

#[test]
fn a_task_starts_or_is_given_up_as_its_rule_says() {
    let mut wrong = Vec::new();
    for (rule, needs, right) in CASES {
        for does in ["starts", "Skipped", "UpstreamFailed"] {
            let mut story = story(rule, needs);
            match does {
                "starts" => story.intends("c").records().makes("r-c-1"),
                "Skipped" => story.because("c", does, "RuleNotMet").records(),
                _ => story.moves("c", does).records(),
            };
            let broken: &[&str] = if does == *right { &[] } else { &["S3"] };
            if story.broken() != broken {
                wrong.push(format!("{rule} over {needs}: {does} breaks {:?}, not {broken:?}", story.broken()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_join_has_no_pod() {
    let mut story = Story::new();
    let tasks: Value = json!([{ "name": "a", "join": {} }]);
    story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": { "tasks": tasks } } }));
    let tasks = json!([{ "name": "a", "phase": "Pending" }]);
    story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
    story.moves("", "Running").intends("a").records().makes("r-a-1");
    assert_eq!(story.broken(), ["S3"]);
}

/// A run of the task `a`, which has a condition that came to this.
fn conditional(when: &Value) -> Story {
    let mut story = Story::new();
    let tasks = json!([{ "name": "a", "when": "run.name == 'r'" }]);
    story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": { "tasks": tasks } } }));
    let tasks = json!([{ "name": "a", "phase": "Pending" }]);
    story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
    story.moves("", "Running");
    if !when.is_null() {
        story.sets("a", "when", when.clone());
    }
    story.records();
    story
}

#[test]
fn a_task_starts_or_is_skipped_as_its_condition_says() {
    for (when, starts, skipped) in
        [(json!(true), &[][..], &["S3"][..]), (json!(false), &["S3"], &[]), (Value::Null, &["S3"], &["S3"])]
    {
        let mut story = conditional(&when);
        story.intends("a").records().makes("r-a-1");
        assert_eq!(story.broken(), starts, "{when} and it starts");
        let mut story = conditional(&when);
        story.because("a", "Skipped", "WhenFalse").records();
        assert_eq!(story.broken(), skipped, "{when} and it is skipped");
    }
}

#[test]
fn what_a_condition_came_to_stays() {
    for (when, broken) in [(json!(true), &[][..]), (json!(false), &["S4"])] {
        let mut story = conditional(&json!(true));
        story.sets("a", "when", when).intends("a").records();
        assert_eq!(story.broken(), *broken);
    }
}

/// A run of the task `a` and the finally task `x`; how far `a` has come, and the run's phase, were put on record by a hand.
fn with_finally(phase: &str, a: &str) -> Story {
    let mut story = Story::new();
    let workflow = json!({ "tasks": [{ "name": "a" }], "finally": [{ "name": "x" }] });
    story.create("user", "workflowruns", "r", json!({ "spec": { "workflow": workflow } }));
    let tasks = json!([{ "name": "a", "phase": "Pending" }, { "name": "x", "phase": "Pending", "finally": true }]);
    story.status = json!({ "revision": "inline-1", "phase": "Pending", "history": [], "tasks": tasks });
    story.moves("", "Running").records();
    story.edits(|status| {
        status["phase"] = json!(phase);
        status["tasks"][0]["phase"] = json!(a);
    });
    story
}

#[test]
fn a_finally_task_starts_when_all_others_have_ended() {
    for (phase, a, broken) in [
        ("Running", "Succeeded", &[][..]),
        ("Running", "Failed", &[]),
        ("Running", "Pending", &["S3"]),
        ("Stopping", "Cancelled", &[]),
        ("Stopping", "Succeeded", &[]),
        ("Suspended", "Succeeded", &["S8"]),
        ("Stopping", "Stopping", &["S3"]),
    ] {
        let mut story = with_finally(phase, a);
        story.intends("x").records().makes("r-x-1");
        let broken_here: Vec<&str> = story.broken().into_iter().filter(|it| *it != "S5").collect();
        assert_eq!(broken_here, broken, "{phase} {a}");
    }
    let mut story = with_finally("Stopping", "Pending");
    story.intends("a").records().makes("r-a-1");
    assert_eq!(story.broken(), ["S8"], "any other task of a run that is stopping");
}

#[test]
fn a_finally_task_is_cancelled_only_if_that_is_asked_for() {
    for (cancel, broken) in [(json!({}), &["S6"][..]), (json!({ "skipFinally": true }), &[])] {
        let mut story = with_finally("Running", "Succeeded");
        story.intends("x").records().makes("r-x-1").starts("r-x-1").knows("x").moves("x", "Running").records();
        story.asks("cancel", cancel).is_cancelled("x", "CancelRequested").moves("", "Succeeded").records();
        let broken_here: Vec<&str> = story.broken().into_iter().filter(|it| *it == "S6").collect();
        assert_eq!(broken_here, broken);
    }
}
