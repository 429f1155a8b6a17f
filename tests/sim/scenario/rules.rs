//! What runs: by how what it needs ended, by what it reads, and at the end.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{join, run, task, task_with, workflow_with};
use super::standard::LONG;
use crate::kubelet::Behaviour;

/// What runs, by how what it needs ended.
pub(super) fn rules() -> Vec<Scenario> {
    let fails = || [Behaviour::exits(2_000, 3, "row 17 has no price")];
    let tolerant = |name: &str, needs: &[&str]| task_with(name, needs, json!({ "allowFailure": true }));
    let by = |rule: &str, name: &str, needs: &[&str]| task_with(name, needs, json!({ "triggerRule": rule }));
    let alert = [task("a", &[]), task("b", &["a"]), by("AnyFailed", "alert", &["a", "b"]), task("calm", &["alert"])];
    let diamond = [task("a", &[]), tolerant("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])];
    // Each ends in a way of its own: Succeeded, Failed, UpstreamFailed, Skipped.
    let ends = [task("s", &[]), task("f", &[]), task("u", &["f"]), by("AnyFailed", "k", &["s"])];
    let all = ["s", "f", "u", "k"];
    let some = [
        by("AnySucceeded", "any-succeeded", &["u", "s"]),
        by("AnyDone", "any-done", &["f", "u", "k"]),
        by("AllDone", "all-done", &all),
        by("AllDoneMinOneSucceeded", "min-one", &["f", "k"]),
    ];
    let others = [
        by("NoneSkipped", "none-skipped", &["s", "f", "u"]),
        by("NoneFailed", "none-failed", &["s", "k"]),
        by("AllFailed", "all-failed", &["f", "u"]),
        by("AllSkipped", "all-skipped", &["k"]),
    ];
    let joined = [
        task("a", &[]),
        tolerant("b", &[]),
        join("both", &["a", "b"], json!({})),
        join("one", &["a", "b"], json!({ "triggerRule": "AnyFailed" })),
        task("c", &["both"]),
        by("AnySucceeded", "d", &["one"]),
    ];
    let slow = [task("slow", &[]), task("fast", &[]), by("AnySucceeded", "first", &["slow", "fast"])];
    vec![
        Scenario::of("alert", &alert).behaves("b", fails()).with_standby().ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, b Failed, alert Succeeded, calm Succeeded",
        ),
        Scenario::of("no-alert", &alert).ends("Succeeded", "", "a Succeeded, b Succeeded, alert Skipped, calm Skipped"),
        Scenario::of("allowed-failure", &diamond).behaves("b", fails()).with_standby().ends(
            "Succeeded",
            "AllowedFailures",
            "a Succeeded, b Failed, c Succeeded, d Succeeded",
        ),
        Scenario::of("rules", &[&ends[..], &some[..]].concat()).behaves("f", fails()).ends(
            "Failed",
            "TaskFailed",
            "s Succeeded, f Failed, u UpstreamFailed, k Skipped, any-succeeded Succeeded, any-done Succeeded, \
             all-done Succeeded, min-one UpstreamFailed",
        ),
        Scenario::of("more-rules", &[&ends[..], &others[..]].concat()).behaves("f", fails()).ends(
            "Failed",
            "TaskFailed",
            "s Succeeded, f Failed, u UpstreamFailed, k Skipped, none-skipped Succeeded, none-failed Succeeded, \
             all-failed Succeeded, all-skipped Succeeded",
        ),
        Scenario::of("joins", &joined).behaves("b", fails()).ends(
            "Succeeded",
            "AllowedFailures",
            "a Succeeded, b Failed, both Succeeded, one Succeeded, c Succeeded, d Succeeded",
        ),
        Scenario::of("first-of-two", &slow).behaves("slow", [Behaviour::succeeds(30_000, "")]).succeeds(),
    ]
}

/// What runs, by what it reads.
pub(super) fn conditions() -> Vec<Scenario> {
    let extract = task_with("extract", &[], json!({ "outputs": [{ "name": "rows", "type": "int" }] }));
    let load = task_with("load", &["extract"], json!({ "when": "tasks.extract.outputs.rows > 0" }));
    let empty = task_with("empty", &["extract"], json!({ "when": "tasks.extract.outputs.rows == 0" }));
    let last = task_with("last", &["load", "empty"], json!({ "triggerRule": "NoneFailedMinOneSucceeded" }));
    let branches = [extract.clone(), load, empty, last];
    let share = task_with("share", &["extract"], json!({ "when": "100 / tasks.extract.outputs.rows > 1" }));
    let first = json!({ "triggerRule": "AnySucceeded", "when": "tasks.slow.phase != 'Succeeded'" });
    let slow = [task("slow", &[]), task("fast", &[]), task_with("first", &["slow", "fast"], first)];
    vec![
        Scenario::of("branches", &branches)
            .with_standby()
            .behaves("extract", [Behaviour::succeeds(2_000, "rows=42\n")])
            .when("load", |_| Some(true))
            .when("empty", |_| Some(false))
            .ends("Succeeded", "", "extract Succeeded, load Succeeded, empty Skipped, last Succeeded"),
        Scenario { broken_env: vec!["share"], ..Scenario::of("condition-error", &[extract, share]) }
            .behaves("extract", [Behaviour::succeeds(2_000, "rows=0\n")])
            .ends("Failed", "TaskFailed", "extract Succeeded, share Failed"),
        Scenario::of(
            "nothing-to-do",
            &[task_with("a", &[], json!({ "when": "run.name == 'other'" })), task("b", &["a"])],
        )
        .when("a", |_| Some(false))
        .ends("Succeeded", "AllSkipped", "a Skipped, b Skipped"),
        // It is true when it is asked, and would not be when the run is resumed.
        Scenario::of("condition-asked-once", &slow)
            .behaves("slow", [Behaviour::succeeds(8_000, "")])
            .at(1_500, "suspend:run")
            .at(20_000, "resume:run")
            .when("first", |_| None)
            .succeeds(),
    ]
}

/// What runs at the end, however that was.
pub(super) fn finally() -> Vec<Scenario> {
    let of = |name: &'static str, tasks: &[Value], last: &[Value]| {
        Scenario::new(name).with(workflow_with(tasks, json!({ "finally": last }))).with(run("run"))
    };
    let fails = || [Behaviour::exits(2_000, 3, "row 17 has no price")];
    let long = || [Behaviour::succeeds(LONG, "")];
    let verdict = json!({ "env": [{ "name": "VERDICT", "expr": "run.phase + run.reason" }] });
    let two = [task("a", &[]), task("b", &["a"])];
    let last = [task_with("report", &[], verdict), task("clean", &["report"])];
    let alert = task_with("alert", &[], json!({ "when": "tasks.b.phase == 'Failed'" }));
    vec![
        of("finally", &two, &last).with_standby().succeeds(),
        of("finally-after-failure", &two, &[last[0].clone(), alert.clone()])
            .behaves("a", fails())
            .when("alert", |ends| Some(ends["b"] == "Failed"))
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed, report Succeeded, alert Skipped"),
        of("finally-fails", &two, &[task("report", &[]), alert])
            .with_standby()
            .behaves("report", fails())
            .when("alert", |ends| Some(ends["b"] == "Failed"))
            .ends("Failed", "FinallyFailed", "a Succeeded, b Succeeded, report Failed, alert Skipped"),
        of("finally-after-cancel", &two, &[task("report", &[]), task("clean", &["report"])])
            .with_standby()
            .behaves("a", long())
            .at(5_000, "cancel:run:5")
            .ends("Cancelled", "", "a Cancelled, b Cancelled, report Succeeded, clean Succeeded"),
        of("finally-skipped", &two, &[task("report", &[]), task("clean", &["report"])])
            .behaves("report", long())
            .at(12_000, "skip-finally:run")
            .ends("Succeeded", "", "a Succeeded, b Succeeded, report Cancelled, clean Cancelled"),
    ]
}
