//! How a task may end that is a run of its own.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Ends;
use super::task::TaskEnds;
use super::time;
use crate::human::Human;
use crate::kubelet::Behaviour;
use crate::scenario::{Scenario, tasks_in};

/// How the task may end: as its child run may, which fails each time as it did the first. `above` are the names of the workflows
/// that it would run within.
pub(super) fn ends(scenario: &Scenario, task: &Value, above: &[&str]) -> BTreeSet<&'static str> {
    let name = task["workflowRef"]["name"].as_str();
    let (Some(workflow), false) = (scenario.workflow_of_task(task), name.is_some_and(|name| above.contains(&name)))
    else {
        return BTreeSet::from(["Failed"]);
    };
    let within: Vec<&str> = above.iter().copied().chain(name).collect();
    let finally = workflow["finally"].as_array().map_or(&[][..], Vec::as_slice);
    let tasks = tasks_in(workflow).map(|task| TaskEnds::of(scenario, task, finally.contains(task), &[], &within));
    let run = Ends {
        gone: false,
        any: false,
        suspended: false,
        cancelled: false,
        skipped: false,
        starts: true,
        unstarted: BTreeSet::new(),
        lost: BTreeSet::new(),
        retried: false,
        // Child runs of the scenarios are of workflows without slots or ttl.
        when_full: None,
        waits: false,
        expires: Some(false),
        timed: !workflow["timeout"].is_null(),
        tasks: tasks.collect(),
    };
    if let Some(limit) = time::timeout(task, "timeout") {
        let of =
            |task: &Value| scenario.behaviours.get(task["name"].as_str().unwrap_or_default()).into_iter().flatten();
        let scripts: Vec<_> = tasks_in(workflow).flat_map(of).collect();
        let is_long = |script: &&Behaviour| script.runs_ms().is_some_and(|ms| ms > limit);
        match scripts.iter().filter(|script| is_long(script)).count() {
            0 => {}
            count if count == scripts.len() => return BTreeSet::from(["Failed"]),
            _ => return BTreeSet::from(["Succeeded", "Failed"]),
        }
    }
    match run.only().map(|end| end.phase) {
        Some(phase) if phase == "Succeeded" => BTreeSet::from(["Succeeded"]),
        Some(_) => BTreeSet::from(["Failed"]),
        None => BTreeSet::from(["Succeeded", "Failed"]),
    }
}

/// Whether what someone did may make the task fail: its child run was cancelled, the name of one was taken, its workflow is gone.
pub(super) fn may_fail_it(deed: &Human, task: &Value) -> bool {
    match deed {
        Human::CancelChild { task: of, .. } | Human::ForeignRun { task: of, .. } => task["name"] == *of,
        Human::DeleteWorkflow { workflow } => task["workflowRef"]["name"] == *workflow,
        _ => false,
    }
}
