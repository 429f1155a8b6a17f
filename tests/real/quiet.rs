//! A quiet cluster sees no writes: what has ended, and what only waits, costs nothing but watches.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;

/// How long nothing may be written.
const QUIET: Duration = Duration::from_secs(20);

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
    let begin = end_of_log();
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

    if begin.is_some() {
        assert!(written_since(&stage, begin).len() > RUNS.len(), "the log shows what the operator has written so far");
    }
    // The last of what was under way, and then nothing for a while: that may take a few attempts, as long as it comes.
    stage.until("a time without writes", || {
        let (before, mark) = (versions(&stage), end_of_log());
        std::thread::sleep(QUIET);
        let (after, writes) = (versions(&stage), written_since(&stage, mark));
        if before != after || !writes.is_empty() {
            println!("not quiet yet: {:?} {writes:?}", differences(&before, &after));
            return None;
        }
        Some(())
    });
    assert!(stage.operator_is_up());
}

/// The resourceVersion of every object of ours.
fn versions(stage: &Stage) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    for kind in ["wfr", "gwf", "workflowrecords", "pods"] {
        for (name, object) in stage.all(kind) {
            // Of pods, what isn't the operator's doing may go on: the kubelet's and the scheduler's status.
            let by_us = |entry: &&Value| entry["manager"] == "gantline";
            let entries = object["metadata"]["managedFields"].as_array().map(Vec::as_slice).unwrap_or_default();
            let ours: Vec<&Value> = entries.iter().filter(by_us).map(|entry| &entry["time"]).collect();
            let version =
                if kind == "pods" { format!("{ours:?}") } else { object["metadata"]["resourceVersion"].to_string() };
            versions.insert(format!("{kind}/{name}"), version);
        }
    }
    versions
}

fn differences(before: &BTreeMap<String, String>, after: &BTreeMap<String, String>) -> Vec<String> {
    let differs = |name: &&String| before.get(*name) != after.get(*name);
    let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    names.into_iter().filter(differs).cloned().collect()
}

/// The length of the audit log, where there is one.
fn end_of_log() -> Option<u64> {
    let path = std::env::var_os("GANTLINE_AUDIT_LOG")?;
    std::fs::metadata(path).ok().map(|log| log.len())
}

/// The writes of this namespace's operator in the audit log since then: verb and path. The API server writes its log as it
/// answers.
fn written_since(stage: &Stage, mark: Option<u64>) -> Vec<String> {
    use std::io::{Read, Seek, SeekFrom};
    let (Some(path), Some(mark)) = (std::env::var_os("GANTLINE_AUDIT_LOG"), mark) else { return Vec::new() };
    let mut log = std::fs::File::open(path).expect("the audit log");
    log.seek(SeekFrom::Start(mark)).expect("a place in it");
    let mut text = String::new();
    log.read_to_string(&mut text).expect("its text");
    let entries = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let here = |entry: &Value| entry["objectRef"]["namespace"] == stage.namespace.as_str();
    let is_write = |entry: &Value| !["get", "list", "watch"].iter().any(|verb| entry["verb"] == *verb);
    let by_us = |entry: &Value| entry["userAgent"].as_str().is_some_and(|agent| agent.starts_with("gantline/"));
    // Whoever leads says so again and again.
    let is_lease = |entry: &Value| entry["objectRef"]["resource"] == "leases";
    let writes = entries.filter(|entry| here(entry) && is_write(entry) && by_us(entry) && !is_lease(entry));
    writes.map(|entry| format!("{} {}", entry["verb"], entry["requestURI"])).collect()
}
