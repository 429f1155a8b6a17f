use serde_json::{Value, json};

use super::*;
use crate::pods::facts::tests::pod;

fn told(layer: &Value) -> Option<(WaitKind, String)> {
    trouble(&pod(layer)).map(|trouble| (trouble.kind, trouble.message))
}

fn main_waits(reason: &str, message: &str) -> Value {
    json!({"status": {"containerStatuses": [
        {"name": "main", "state": {"waiting": {"reason": reason, "message": message}}},
    ]}})
}

#[test]
fn no_node() {
    let scheduled = |status: &str, reason: &str, message: &str, gates: Value| {
        told(&json!({
            "spec": {"schedulingGates": gates},
            "status": {"conditions": [{"type": "PodScheduled", "status": status, "reason": reason, "message": message}]},
        }))
    };
    let unschedulable = |text: &str| Some((WaitKind::Unschedulable, text.to_owned()));
    for (status, reason, message, gates, expected) in [
        (
            "False",
            "Unschedulable",
            "0/1 nodes are available: 1 Insufficient cpu.",
            json!(null),
            unschedulable("0/1 nodes are available: 1 Insufficient cpu."),
        ),
        ("False", "SchedulerError", "", json!(null), unschedulable("SchedulerError")),
        (
            "False",
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
            json!([{"name": "a"}, {"name": "b"}]),
            unschedulable("scheduling gates: a, b"),
        ),
        (
            "False",
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
            json!(null),
            unschedulable("Scheduling is blocked due to non-empty scheduling gates"),
        ),
        ("True", "", "", json!(null), None),
        ("Unknown", "", "", json!(null), None),
    ] {
        assert_eq!(scheduled(status, reason, message, gates), expected, "{status} {reason}");
    }
}

#[test]
fn the_words_of_a_pull_don_t_change_while_it_is_put_off() {
    let cause = "failed to pull and unpack image \"docker.io/library/nope:1\": not found";
    for (reason, message, expected) in [
        ("ErrImagePull", cause.to_owned(), cause),
        ("ImagePullBackOff", format!("Back-off pulling image \"nope:1\": ErrImagePull: {cause}"), cause),
        ("RegistryUnavailable", "image pull failed for nope:1 because the registry is unavailable".to_owned(), "image pull failed for nope:1 because the registry is unavailable"),
        ("ImagePullBackOff", "Back-off pulling image \"nope:1\": RegistryUnavailable: image pull failed for nope:1 because the registry is unavailable".to_owned(), "image pull failed for nope:1 because the registry is unavailable"),
        ("ImagePullBackOff", "Back-off pulling image \"nope:1\": dial: refused".to_owned(), "dial: refused"),
        ("ImagePullBackOff", "Back-off pulling image \"nope:1\"".to_owned(), "Back-off pulling image \"nope:1\""),
        ("ImagePullBackOff", "Back-off pulling image \"nope:1\": ErrImagePull: ".to_owned(), "ErrImagePull: "),
        ("ImagePullBackOff", String::new(), "ImagePullBackOff"),
        ("ErrImagePull", "rpc error:\n\tcode = NotFound".to_owned(), "rpc error:  code = NotFound"),
        ("InvalidImageName", "Failed to apply default image tag \"A\": couldn't parse image name".to_owned(), "Failed to apply default image tag \"A\": couldn't parse image name"),
        ("ErrImageNeverPull", "Container image \"x\" is not present with pull policy of Never".to_owned(), "Container image \"x\" is not present with pull policy of Never"),
        ("ImageInspectError", "m".to_owned(), "m"),
        ("SignatureValidationFailed", "m".to_owned(), "m"),
    ] {
        assert_eq!(
            told(&main_waits(reason, &message)),
            Some((WaitKind::ImagePull, expected.trim().to_owned())),
            "{reason} {message}"
        );
    }
}

#[test]
fn a_container_that_can_t_be_made() {
    for reason in [
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "CrashLoopBackOff",
        "a reason of a later version",
    ] {
        let expected = Some((WaitKind::PodConfig, "secret \"s\" not found".to_owned()));
        assert_eq!(told(&main_waits(reason, "secret \"s\" not found")), expected, "{reason}");
    }
    for reason in ["", "ContainerCreating", "PodInitializing"] {
        assert_eq!(told(&main_waits(reason, "m")), None, "{reason}: the ordinary course");
    }
}

#[test]
fn the_first_container_in_the_order_of_starting_is_named() {
    let waits =
        |name: &str, reason: &str| json!({"name": name, "state": {"waiting": {"reason": reason, "message": "m"}}});
    for (init, ordinary, expected) in [
        (
            json!([waits("i", "ErrImagePull")]),
            json!([waits("main", "PodInitializing")]),
            (WaitKind::ImagePull, "init container i: m"),
        ),
        (
            json!([waits("i", "CrashLoopBackOff")]),
            json!([waits("main", "ErrImagePull")]),
            (WaitKind::PodConfig, "init container i: m"),
        ),
        (
            json!([]),
            json!([waits("a", "ErrImagePull"), waits("main", "CreateContainerError")]),
            (WaitKind::PodConfig, "m"),
        ),
        (
            json!([]),
            json!([waits("a", "ErrImagePull"), waits("main", "ContainerCreating")]),
            (WaitKind::ImagePull, "container a: m"),
        ),
    ] {
        let layer = json!({"status": {"initContainerStatuses": init, "containerStatuses": ordinary}});
        let (kind, text) = expected;
        assert_eq!(told(&layer), Some((kind, text.to_owned())), "{layer}");
    }
}

#[test]
fn no_trouble_once_main_has_started() {
    for state in [json!({"running": {}}), json!({"terminated": {"exitCode": 1}})] {
        let layer = json!({"status": {"phase": "Running", "containerStatuses": [
            {"name": "main", "state": state},
            {"name": "other", "state": {"waiting": {"reason": "ErrImagePull", "message": "m"}}},
        ]}});
        assert_eq!(told(&layer), None);
    }
    for phase in ["Succeeded", "Failed"] {
        let mut over = main_waits("ErrImagePull", "m");
        over["status"]["phase"] = phase.into();
        assert_eq!(told(&over), None, "{phase}");
    }
}

#[test]
fn how_far_a_pod_is() {
    let node = json!({"nodeName": "n"});
    let conditions = |sandbox: &str| json!({"conditions": [{"type": "PodReadyToStartContainers", "status": sandbox}]});
    let waits =
        |reason: &str| json!({"containerStatuses": [{"name": "main", "state": {"waiting": {"reason": reason}}}]});
    let init = |state: &str| json!({"initContainerStatuses": [{"name": "fetch", "state": {state: {}}}]});
    for (spec, status, expected) in [
        (json!({}), json!({}), Some(Stage::Scheduler)),
        (
            json!({}),
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}]}),
            None,
        ),
        (node.clone(), json!({}), Some(Stage::Node("n".into()))),
        (node.clone(), conditions("False"), Some(Stage::Node("n".into()))),
        (node.clone(), waits("ContainerCreating"), Some(Stage::Node("n".into()))),
        (node.clone(), conditions("True"), Some(Stage::Containers("n".into()))),
        (node.clone(), init("running"), Some(Stage::Init("fetch".into()))),
        (node.clone(), init("terminated"), Some(Stage::Node("n".into()))),
        (node.clone(), waits("ImagePullBackOff"), None),
        (node.clone(), json!({"containerStatuses": [{"name": "main", "state": {"running": {}}}]}), None),
        (node.clone(), json!({"phase": "Failed"}), None),
    ] {
        let told = hold(&pod(&json!({"spec": spec, "status": status}))).map(|hold| hold.stage);
        assert_eq!(told, expected, "{spec} {status}");
    }
    let at = "2026-11-22T06:00:01Z";
    let scheduled = json!({"conditions": [{"type": "PodScheduled", "status": "True", "lastTransitionTime": at}]});
    let since = hold(&pod(&json!({"spec": node, "status": scheduled}))).and_then(|hold| hold.since);
    assert_eq!(since, at.parse().ok());
}

#[test]
fn what_the_kubelet_has_not_looked_at_yet_is_no_trouble() {
    for (message, is_trouble) in [
        ("failed to sync configmap cache: timed out waiting for the condition", false),
        ("failed to sync secret cache: timed out waiting for the condition", false),
        ("couldn't find key missing in ConfigMap ns/c", true),
        ("failed to sync", true),
    ] {
        let layer = main_waits("CreateContainerConfigError", message);
        assert_eq!(told(&layer).is_some(), is_trouble, "{message}");
    }
}
