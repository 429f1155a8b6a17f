//! What is due at a time comes then, whoever is there: other attempts, and the ends of those that take too long.

use jiff::Timestamp;
use serde_json::Value;

use super::stage::Stage;

/// A run of one task, `t`, with these fields.
fn run(name: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec: {{workflow: {{taskDefaults: {{image: \"busybox:1.37\"}}, tasks: [{{name: t, {fields}}}]}}}}\n"
    )
}

fn time(value: &Value) -> Timestamp {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("no time: {value}"))
}

#[test]
fn the_time_of_the_next_attempt_outlives_the_operator() {
    let mut stage = Stage::for_kills("retry");
    stage.start_operator();
    let flaky = r#"retry: {limit: 1, backoff: {initial: 20s}}, script: 'test "$GANTLINE_ATTEMPT" = 2'"#;
    stage.apply(&run("flaky", flaky));
    let task = stage.task_in("flaky", "t", "Backoff");
    let due = task["attempts"][0]["nextAt"].clone();
    assert_eq!(task["waitingFor"]["kind"], "Backoff", "{task:#}");
    // Events are told after what they tell of is on record; of one that was cut off the next operator knows nothing.
    let events = || stage.kubectl(&["get", "events", "--field-selector", "reason=TaskRetrying", "-o", "name"]);
    stage.until("the Event", || (!events().is_empty()).then_some(()));
    stage.kill_operator();
    stage.start_operator();
    let status = stage.succeeds("flaky");
    let attempts = &status["tasks"][0]["attempts"];
    assert_eq!(attempts[0]["nextAt"], due, "it stays what it was: {status:#}");
    // The kubelet's times are whole seconds.
    let started = time(&attempts[1]["startedAt"]).as_second();
    assert!(started >= time(&due).as_second(), "not before its time: {status:#}");
    let events = stage.kubectl(&["get", "events", "--field-selector", "reason=TaskRetrying", "-o", "name"]);
    assert_eq!(events.lines().count(), 1, "people are told once: {events}");
    println!("{}", stage.is_clean());
}

#[test]
fn what_runs_too_long_is_stopped_and_by_its_kubelet_while_the_operator_is_away() {
    let mut stage = Stage::for_kills("timeout");
    stage.start_operator();
    let hangs = |times: &str| {
        format!("{times}, podTemplate: {{spec: {{terminationGracePeriodSeconds: 1}}}}, command: [sleep, '3600']")
    };
    stage.apply(&run("hangs", &hangs("timeout: 5s")));
    let status = stage.finished("hangs");
    assert_eq!(status["tasks"][0]["reason"], "TimedOut", "{status:#}");

    // Long enough for the operator to be gone by then.
    stage.apply(&run("alone", &hangs("timeout: 20s, startTimeout: 40s")));
    stage.task_in("alone", "t", "Running");
    let name = stage.pod_of("alone", "t");
    stage.kill_operator();
    let pod = stage.until("the kubelet to end the pod", || {
        stage.get("pod", &name).filter(|pod| pod["status"]["reason"] == "DeadlineExceeded")
    });
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 60, "start and work together");
    stage.start_operator();
    let status = stage.finished("alone");
    assert_eq!(status["tasks"][0]["reason"], "TimedOut", "{status:#}");
    println!("{}", stage.is_clean());
}
