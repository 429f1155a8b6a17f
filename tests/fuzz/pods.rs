//! A pod, however odd, is facts.

use std::sync::Arc;

use gantline::api::{ItemType, OutputDecl, ValueType};
use gantline::controller::Loose;
use gantline::engine::{MainState, PodFacts, outputs};
use gantline::plan::pod_name;
use gantline::pods::{SlimPod, facts, run_uid};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cases::{Verdict, fuzz};
use super::json::Corpus;

/// The most that a message in a status may have, in bytes.
const MESSAGE: usize = 1024;

/// Pods as Kubernetes tells of them.
#[rustfmt::skip]
pub fn corpus() -> Arc<Corpus> {
    let at = "2026-11-22T08:00:03Z";
    let ended = |code: i32, reason: &str, message: &str| json!([{"name": "main", "ready": false, "restartCount": 0, "state": {"terminated": {
        "exitCode": code, "reason": reason, "message": message, "startedAt": "2026-11-22T08:00:01Z", "finishedAt": at, "containerID": "containerd://1",
    }}}]);
    let condition = |kind: &str, status: &str, reason: &str, message: &str| json!([{
        "type": kind, "status": status, "reason": reason, "message": message, "lastProbeTime": null, "lastTransitionTime": at,
    }]);
    let waiting = |reason: &str, message: &str| json!([{"name": "main", "state": {"waiting": {"reason": reason, "message": message}}}]);
    let unready = "containers with unready status: [main]";
    let states = [
        json!({"phase": "Pending", "conditions": condition("PodScheduled", "False", "Unschedulable", "0/3 nodes are available: 3 Insufficient cpu.")}),
        json!({"phase": "Pending", "conditions": condition("PodScheduled", "False", "SchedulingGated", "Scheduling is blocked")}),
        json!({"phase": "Pending", "containerStatuses": waiting("ImagePullBackOff", "Back-off pulling image \"x\": ErrImagePull: not found")}),
        json!({"phase": "Pending", "containerStatuses": waiting("CreateContainerConfigError", "secret \"s\" not found")}),
        json!({"phase": "Running", "containerStatuses": [{"name": "main", "state": {"running": {"startedAt": at}}}]}),
        json!({"phase": "Succeeded", "containerStatuses": ended(0, "Completed", "rows=42\nfiles=[\"a\",\"b\"]\nshare=0.5\n")}),
        json!({"phase": "Succeeded", "containerStatuses": ended(0, "Completed", "{\"rows\": 42, \"files\": [\"a\"], \"share\": 1.0}")}),
        json!({"phase": "Failed", "containerStatuses": ended(2, "Error", "one line\nconnection refused\n")}),
        json!({"phase": "Failed", "containerStatuses": ended(137, "OOMKilled", "")}),
        json!({"phase": "Failed", "containerStatuses": ended(128, "StartError", "exec: \"no-such\": executable file not found")}),
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.", "containerStatuses": ended(137, "Error", "")}),
        json!({"phase": "Failed", "reason": "OutOfcpu", "message": "Pod was rejected: Node didn't have enough resource: cpu"}),
        json!({"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active on the node longer than the specified deadline"}),
        json!({"phase": "Failed", "conditions": condition("DisruptionTarget", "True", "DeletionByTaintManager", unready), "containerStatuses": ended(143, "Error", "")}),
        json!({"phase": "Failed", "initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 3, "reason": "Error", "message": "no"}}}]}),
        json!({"phase": "Running", "containerStatuses": [ended(0, "Completed", "rows=1")[0], {"name": "side", "state": {"running": {"startedAt": at}}}]}),
    ];
    let pods = states.into_iter().enumerate().map(|(n, status)| {
        let mut metadata = json!({
            "name": pod_name("r", "run-uid", "a", None, 1), "namespace": "default", "uid": "pod-uid", "resourceVersion": "7", "creationTimestamp": at,
            "labels": {"gantline.dev/run": "r", "gantline.dev/run-uid": "run-uid", "gantline.dev/task": "a", "gantline.dev/attempt": "1"},
            "ownerReferences": [{"apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": "r", "uid": "run-uid", "controller": true}],
            "finalizers": ["gantline.dev/outcome"],
        });
        if n % 4 == 3 {
            metadata["deletionTimestamp"] = json!(at);
            metadata["deletionGracePeriodSeconds"] = json!(0);
        }
        json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": status,
            "spec": {
                "nodeName": "node", "restartPolicy": "Never", "schedulingGates": [{"name": "example.org/gate"}],
                "containers": [{"name": "main", "image": "busybox:1.37"}, {"name": "side", "image": "busybox:1.37"}],
                "initContainers": [{"name": "init", "image": "i", "restartPolicy": "Always"}], "ephemeralContainers": [{"name": "debug"}],
            },
        })
    });
    Corpus::new(&pods.collect::<Vec<_>>())
}

/// The facts of a pod in JSON; nothing if no parser can take it.
pub fn facts_of(text: &str) -> Option<PodFacts> {
    Loose::<SlimPod>::parse(text).object.ok().map(|pod| facts(&pod))
}

fn law(text: &str) -> Verdict {
    let pod = match Loose::<SlimPod>::parse(text).object {
        Ok(pod) => pod,
        Err(why) => {
            prop_assert!(!why.is_empty() && why.len() <= MESSAGE);
            // One odd field never hides a pod: only what is no JSON object does, or one with repeated keys.
            if let Ok(object @ Value::Object(_)) = serde_json::from_str(text) {
                let object: Value = object;
                prop_assert!(serde_json::from_str::<SlimPod>(&object.to_string()).is_ok(), "{}", why);
            }
            return Ok("unreadable");
        }
    };
    let told = facts(&pod);
    prop_assert_eq!(&told, &facts(&pod));
    bounded(&told)?;
    if let MainState::Ended(end) = &told.main
        && end.exit_code == 0
    {
        outputs_law(&end.message, told.containers)?;
    }
    match run_uid(&pod) {
        Some(uid) => {
            prop_assert!(!uid.is_empty() && !told.task.is_empty() && told.attempt > 0);
            Ok("ours")
        }
        None => Ok("another's"),
    }
}

/// What may go into a status is short enough for it.
fn bounded(told: &PodFacts) -> Result<(), TestCaseError> {
    let main = match &told.main {
        MainState::Ended(end) => vec![&end.reason, if end.exit_code == 0 { &end.reason } else { &end.message }],
        MainState::Waiting | MainState::Running { .. } => Vec::new(),
    };
    let init = told.failed_init.iter().flat_map(|(name, _, message)| [name, message]);
    let words = [&told.message].into_iter().chain(&told.reason).chain(main).chain(init);
    let words = words.chain(told.trouble.as_ref().map(|it| &it.message));
    for text in words.chain(told.disruption.as_ref().map(|it| &it.message)) {
        prop_assert!(text.len() <= MESSAGE, "{} bytes", text.len());
        prop_assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{:?}", text);
    }
    Ok(())
}

fn outputs_law(message: &str, containers: u32) -> Result<(), TestCaseError> {
    let decl =
        |name: &str, kind, items| OutputDecl { name: name.into(), kind, description: None, default: None, items };
    let declared = [
        decl("rows", ValueType::Int, None),
        decl("files", ValueType::List, Some(ItemType { kind: ValueType::String })),
        decl("share", ValueType::Number, None),
    ];
    let read = outputs::read(message, &declared, containers);
    prop_assert_eq!(&read, &outputs::read(message, &declared, containers));
    match read {
        Ok(read) => {
            for decl in &declared {
                prop_assert_eq!(outputs::matches_type(&read[&decl.name], decl.kind, decl.items), Ok(()));
            }
        }
        Err((_, why)) => prop_assert!(!why.is_empty() && why.len() <= MESSAGE),
    }
    Ok(())
}

#[test]
fn any_pod_is_facts() {
    let inputs = corpus().changed().prop_map(|(_, text)| text);
    fuzz("pods", 1_500, &inputs, |text| law(text)).at_least(30, "ours").at_least(5, "another's");
}
