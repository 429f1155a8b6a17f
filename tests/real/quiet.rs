//! A quiet cluster sees no writes: what has ended, and what only waits, costs nothing but watches.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::audited::Audited;
use super::stage::Stage;
use super::{api, fake};

/// How long nothing may be written.
const QUIET: Duration = Duration::from_secs(20);
/// The same for the large one.
const LONG_QUIET: Duration = Duration::from_mins(1);
/// What was under way is over when nothing was written for so long: twice as long as a write that can wait does at most.
const SETTLED: Duration = Duration::from_secs(20);

const RUNS: &[(&str, &str, &str)] = &[
    ("good", "", "- {name: a, script: 'true'}\n- {name: b, needs: [a], script: 'true'}"),
    ("bad", "", "- {name: a, script: 'exit 3'}\n- {name: b, needs: [a], script: 'true'}"),
    ("invalid", "", "- {name: a, needs: [a], script: 'true'}"),
    ("cancelled", "cancel: {reason: done}", "- {name: a, script: 'true'}"),
    ("suspended", "suspend: true", "- {name: a, script: 'true'}"),
    (
        "no-node",
        "",
        "- {name: a, podTemplate: {spec: {nodeSelector: {disk: made-of-cheese}}}}\n- {name: b, needs: [a]}",
    ),
    ("no-secret", "", "- {name: a, env: [{name: S, valueFrom: {secretKeyRef: {name: missing, key: k}}}]}"),
    ("gated", "", "- {name: a, podTemplate: {spec: {schedulingGates: [{name: example.org/wait}]}}}"),
    ("running", "", "- {name: a, script: 'sleep 3600', podTemplate: {spec: {terminationGracePeriodSeconds: 0}}}"),
];

#[test]
fn what_waits_or_has_ended_is_not_written() {
    let mut stage = Stage::new("quiet");
    for (name, fields, tasks) in RUNS {
        let tasks = tasks.replace('\n', "\n    ");
        stage.apply(&format!(
            "apiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec:\n  {fields}\n  workflow:\n    taskDefaults: {{image: \"busybox:1.37\"}}\n    tasks:\n    {tasks}\n"
        ));
    }
    stage.apply("{apiVersion: gantline.dev/v1alpha1, kind: Workflow, metadata: {name: fine}, spec: {tasks: [{name: a, image: i}]}}");
    stage.apply(
        "{apiVersion: gantline.dev/v1alpha1, kind: Workflow, metadata: {name: wrong}, spec: {tasks: [{name: a}]}}",
    );
    for name in ["good", "bad", "invalid", "cancelled"] {
        stage.finished(name);
    }
    for (name, kind) in [("no-node", "Unschedulable"), ("no-secret", "PodConfig"), ("gated", "Unschedulable")] {
        stage.until(&format!("{name} to wait"), || (stage.task(name, "a")["waitingFor"]["kind"] == kind).then_some(()));
    }
    stage.until("the suspended run", || (stage.status("suspended")["phase"] == "Suspended").then_some(()));
    stage.task_in("running", "a", "Running");

    if stage.audited.is_kept() {
        assert!(stage.audited.writes().len() > RUNS.len(), "the log shows what the operator has written so far");
    }
    // The last of what was under way, and then nothing for a while: that may take a few attempts, as long as it comes.
    stage.until("a time without writes", || {
        let (before, since) = (versions(&stage), Audited::from_now(&stage.namespace));
        std::thread::sleep(QUIET);
        let (after, writes) = (versions(&stage), written(&since));
        if before != after || !writes.is_empty() {
            println!("not quiet yet: {:?} {writes:?}", differences(&before, &after));
            return None;
        }
        Some(())
    });
    assert!(stage.operator_is_up());
}

/// Fifty runs that have ended, and five that wait each in its way: for a whole minute, the operator writes nothing.
#[test]
fn fifty_finished_and_five_waiting_runs_are_not_written() {
    let mut stage = Stage::new("quiet-many");
    let runs = api::runs(&stage.namespace);
    for number in 0..50 {
        let mut tasks = [fake::task("first", &[], 0), fake::task("second", &["first"], 0)];
        if number % 5 == 0 {
            tasks[1]["podTemplate"]["metadata"]["annotations"]["fake/exit-code"] = json!("3");
        }
        api::create(&runs, &fake::run(&format!("over-{number}"), "", &tasks));
    }
    let mut suspended = fake::run("suspended", "", &[fake::task("only", &[], 0)]);
    suspended["spec"]["suspend"] = json!(true);
    let mut no_node = fake::task("only", &[], 0);
    no_node["podTemplate"]["spec"] = json!({ "nodeSelector": { "disk": "made-of-cheese" } });
    let mut gated = fake::task("only", &[], 0);
    gated["podTemplate"]["spec"] = json!({ "schedulingGates": [{ "name": "example.org/wait" }] });
    let endless = fake::endless("only", &[]);
    api::create(&runs, &suspended);
    api::create(&runs, &fake::run("no-node", "", &[no_node]));
    api::create(&runs, &fake::run("gated", "", &[gated]));
    api::create(&runs, &fake::run("running", "", std::slice::from_ref(&endless)));
    api::create(
        &runs,
        &fake::run("half", "", &[endless, fake::task("done", &[], 0), fake::task("next", &["only"], 0)]),
    );

    stage.until("the ends, and the waits", || {
        let runs = api::list(&runs);
        let is = |run: &Value, place: &str, value: &str| run["status"].pointer(place).is_some_and(|it| it == value);
        let over = runs.iter().filter(|run| run["status"]["finishedAt"].is_string()).count();
        let failed = runs.iter().filter(|run| is(run, "/phase", "Failed")).count();
        let suspended = runs.iter().filter(|run| is(run, "/phase", "Suspended")).count();
        let unscheduled = runs.iter().filter(|run| is(run, "/tasks/0/waitingFor/kind", "Unschedulable")).count();
        let running = runs.iter().filter(|run| is(run, "/tasks/0/phase", "Running")).count();
        ((over, failed, suspended, unscheduled, running) == (50, 10, 1, 2, 2)).then_some(())
    });
    if stage.audited.is_kept() {
        assert!(stage.audited.writes().len() > 55, "the log shows what the operator has written so far");
    }
    stage.until("the last of what was under way", || {
        let (before, since) = (versions(&stage), Audited::from_now(&stage.namespace));
        std::thread::sleep(SETTLED);
        (versions(&stage) == before && written(&since).is_empty()).then_some(())
    });
    let (before, since) = (versions(&stage), Audited::from_now(&stage.namespace));
    std::thread::sleep(LONG_QUIET);
    let (after, writes) = (versions(&stage), written(&since));
    assert_eq!(differences(&before, &after), Vec::<String>::new());
    assert_eq!(writes, Vec::<String>::new(), "in the audit log");
    assert!(stage.operator_is_up());
    println!("55 runs, none written for {} s; {}", LONG_QUIET.as_secs(), stage.is_clean());
}

/// The resourceVersion of every object of ours; of pods, the times of our writes: the kubelet's may go on.
fn versions(stage: &Stage) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for kind in ["workflowruns", "workflows", "workflowrecords"] {
        for object in api::list(&api::ours(&stage.namespace, kind)) {
            let meta = &object["metadata"];
            versions.insert(format!("{kind}/{}", meta["name"]), meta["resourceVersion"].to_string());
        }
    }
    for pod in api::list(&api::pods(&stage.namespace)) {
        let entries = pod["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
        let by_us = entries.iter().filter(|entry| entry["manager"] == "gantline");
        let times: Vec<String> = by_us.map(|entry| entry["time"].to_string()).collect();
        assert!(!times.is_empty(), "we made it: {pod:#}");
        versions.insert(format!("pods/{}", pod["metadata"]["name"]), times.join(" "));
    }
    versions
}

/// What was written, to be shown.
fn written(audited: &Audited) -> Vec<String> {
    audited.writes().into_iter().map(|write| write.what).collect()
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(differs).cloned().collect()
}
