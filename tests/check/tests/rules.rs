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
