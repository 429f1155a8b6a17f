use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::pods::merge::merge;
use crate::pods::odd::odd_pod;

/// Our pod with `layer` merged over it.
pub(in crate::pods) fn pod(layer: &Value) -> SlimPod {
    let mut pod = json!({
        "metadata": {
            "name": pod_name("r", "run-uid", "t", None, 2), "namespace": "ns", "uid": "pod-uid", "resourceVersion": "7",
            "labels": {
                "gantline.dev/run": "r", "gantline.dev/run-uid": "run-uid",
                "gantline.dev/task": "t", "gantline.dev/attempt": "2", "other": "x",
            },
            "ownerReferences": [{
                "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": "r", "uid": "run-uid",
                "controller": true,
            }],
            "finalizers": ["gantline.dev/outcome"],
        },
        "spec": {"containers": [{"name": "main"}]},
        "status": {"phase": "Pending"},
    });
    if let (Value::Object(pod), Value::Object(layer)) = (&mut pod, layer) {
        merge(pod, layer);
    }
    serde_json::from_value(pod).unwrap()
}

fn of(layer: &Value) -> PodFacts {
    facts(&pod(layer))
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

#[test]
fn a_pod_is_ours_by_uid_and_labels() {
    let owner = |owner: Value| json!({"metadata": {"ownerReferences": [owner]}});
    for (what, layer, ours) in [
        ("as we make it", json!({}), true),
        (
            "of another version of the group",
            owner(
                json!({"apiVersion": "gantline.dev/v1", "kind": "WorkflowRun", "uid": "run-uid", "controller": true}),
            ),
            true,
        ),
        ("no owner", json!({"metadata": {"ownerReferences": null}}), false),
        (
            "an owner that isn't the controller",
            owner(json!({"apiVersion": "gantline.dev/v1", "kind": "WorkflowRun", "uid": "run-uid"})),
            false,
        ),
        (
            "another run of the same name",
            owner(
                json!({"apiVersion": "gantline.dev/v1", "kind": "WorkflowRun", "name": "r", "uid": "old", "controller": true}),
            ),
            false,
        ),
        (
            "another kind",
            owner(json!({"apiVersion": "gantline.dev/v1", "kind": "Workflow", "uid": "run-uid", "controller": true})),
            false,
        ),
        (
            "another group",
            owner(json!({"apiVersion": "argoproj.io/v1", "kind": "WorkflowRun", "uid": "run-uid", "controller": true})),
            false,
        ),
        (
            "no group",
            owner(json!({"apiVersion": "v1", "kind": "WorkflowRun", "uid": "run-uid", "controller": true})),
            false,
        ),
        ("another uid on the label", json!({"metadata": {"labels": {"gantline.dev/run-uid": "x"}}}), false),
        ("no uid on the label", json!({"metadata": {"labels": {"gantline.dev/run-uid": null}}}), false),
        ("no task", json!({"metadata": {"labels": {"gantline.dev/task": null}}}), false),
        ("no attempt", json!({"metadata": {"labels": {"gantline.dev/attempt": null}}}), false),
        ("attempt 0", json!({"metadata": {"labels": {"gantline.dev/attempt": "0"}}}), false),
        ("an attempt as we don't write it", json!({"metadata": {"labels": {"gantline.dev/attempt": "+2"}}}), false),
        ("an attempt too large", json!({"metadata": {"labels": {"gantline.dev/attempt": "4294967296"}}}), false),
        ("another task's label", json!({"metadata": {"labels": {"gantline.dev/task": "u"}}}), false),
        ("another attempt's label", json!({"metadata": {"labels": {"gantline.dev/attempt": "1"}}}), false),
        ("another run's label", json!({"metadata": {"labels": {"gantline.dev/run": "s"}}}), false),
        ("another attempt's name", json!({"metadata": {"name": pod_name("r", "run-uid", "t", None, 1)}}), false),
        ("not even an object", json!({"metadata": "x"}), false),
    ] {
        assert_eq!(belongs_to(&pod(&layer), "run-uid"), ours, "{what}");
        assert!(!belongs_to(&pod(&layer), ""), "{what}");
        assert!(!belongs_to(&pod(&layer), "other"), "{what}");
    }
    let nobody = json!({"metadata": {
        "labels": {"gantline.dev/run-uid": ""},
        "ownerReferences": [{"apiVersion": "gantline.dev/v1", "kind": "WorkflowRun", "uid": "", "controller": true}],
    }});
    assert!(!belongs_to(&pod(&nobody), ""), "an empty uid is nobody's");
}

#[test]
fn a_fresh_pod() {
    assert_eq!(
        of(&json!({})),
        PodFacts {
            name: pod_name("r", "run-uid", "t", None, 2),
            uid: "pod-uid".into(),
            task: "t".into(),
            item: None,
            attempt: 2,
            phase: PodPhase::Pending,
            main: MainState::Waiting,
            reason: None,
            message: String::new(),
            failed_init: None,
            disruption: None,
            trouble: None,
            hold: Some(crate::engine::Hold { stage: crate::engine::Stage::Scheduler, since: None }),
            deleting: false,
            created_at: None,
            ends_by: None,
            condemned: false,
            astray: false,
            lingering: false,
            held: true,
            containers: 1,
        }
    );
}

#[test]
fn phase_deletion_and_finalizer() {
    for (phase, expected) in [
        (json!("Pending"), PodPhase::Pending),
        (json!("Running"), PodPhase::Running),
        (json!("Succeeded"), PodPhase::Succeeded),
        (json!("Failed"), PodPhase::Failed),
        (json!("Unknown"), PodPhase::Unknown),
        (json!("succeeded"), PodPhase::Unknown),
        (json!(null), PodPhase::Unknown),
        (json!(7), PodPhase::Unknown),
    ] {
        assert_eq!(of(&json!({"status": {"phase": phase}})).phase, expected);
    }
    assert!(of(&json!({"metadata": {"deletionTimestamp": "odd"}})).deleting);
    assert!(!of(&json!({"metadata": {"finalizers": ["other"]}})).held);
    assert!(!of(&json!({"metadata": {"finalizers": null}})).held);
}

#[test]
fn all_kinds_of_containers_share_the_room_for_messages() {
    for (spec, expected) in [
        (json!({"containers": [{"name": "a"}, {"name": "b"}]}), 3),
        (json!({"initContainers": [{"name": "a"}, {"name": "b", "restartPolicy": "Always"}]}), 3),
        (json!({"ephemeralContainers": [{"name": "debugger"}]}), 2),
        (json!({"containers": null}), 0),
        (json!({"containers": "odd"}), 0),
    ] {
        assert_eq!(of(&json!({"spec": spec})).containers, expected, "{spec}");
    }
}

#[test]
fn the_state_of_main() {
    let main = |state: Value| {
        of(&json!({"status": {"phase": "Running", "containerStatuses": [
            {"name": "a", "state": {"terminated": {"exitCode": 9}}},
            {"name": "main", "state": state, "lastState": {"terminated": {"exitCode": 8}}},
        ]}}))
        .main
    };
    let ended = |exit_code, reason: &str, message: &str| {
        MainState::Ended(MainEnd {
            exit_code,
            reason: reason.into(),
            message: message.into(),
            started_at: None,
            finished_at: None,
        })
    };
    for (state, expected) in [
        (json!(null), MainState::Waiting),
        (json!({}), MainState::Waiting),
        (json!({"waiting": {"reason": "ContainerCreating"}}), MainState::Waiting),
        (json!({"running": {}}), MainState::Running { since: None }),
        (json!({"running": {"startedAt": "odd"}}), MainState::Running { since: None }),
        (
            json!({"running": {"startedAt": "2026-11-22T06:00:01Z"}}),
            MainState::Running { since: Some(at("2026-11-22T06:00:01Z")) },
        ),
        (json!({"terminated": {"exitCode": 0, "reason": "Completed"}}), ended(0, "Completed", "")),
        (json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}), ended(137, "OOMKilled", "")),
        (json!({"terminated": {"exitCode": 1, "message": "a\u{7}b\nc\n"}}), ended(1, "", "a b\nc")),
        (json!({"terminated": {"exitCode": 0, "message": "a\u{7}=b\n\n"}}), ended(0, "", "a\u{7}=b\n\n")),
        (json!({"terminated": {"exitCode": 0, "message": "x".repeat(4096)}}), ended(0, "", &"x".repeat(4096))),
        (json!({"terminated": {}}), ended(-1, "", "")),
        (json!({"terminated": {"exitCode": "0"}}), ended(-1, "", "")),
        (json!({"terminated": {"exitCode": 4_294_967_296_i64}}), ended(-1, "", "")),
    ] {
        assert_eq!(main(state.clone()), expected, "{state}");
    }
    let MainState::Ended(end) = main(json!({"terminated": {
        "exitCode": 1, "startedAt": "2026-11-22T06:00:01Z", "finishedAt": "2026-11-22T06:00:02Z", "message": "x".repeat(9999),
    }})) else {
        panic!("main has ended");
    };
    assert_eq!((end.started_at, end.finished_at), (Some(at("2026-11-22T06:00:01Z")), Some(at("2026-11-22T06:00:02Z"))));
    assert_eq!(end.message.len(), 1024);

    let others = json!({"status": {"phase": "Failed", "containerStatuses": [{"name": "a", "state": {"terminated": {"exitCode": 1}}}]}});
    assert_eq!(of(&others).main, MainState::Waiting, "no status names main");
    assert_eq!(of(&json!({"status": null})).main, MainState::Waiting);
}

#[test]
fn an_init_container_that_ended_badly() {
    let first = |phase: &str, init: Value, code: Value| {
        of(&json!({
            "spec": {"initContainers": [{"name": "ok"}, init]},
            "status": {"phase": phase, "initContainerStatuses": [
                {"name": "ok", "state": {"terminated": {"exitCode": 0}}},
                {"name": "i", "state": {"terminated": {"exitCode": code, "message": "words"}}},
            ]},
        }))
        .failed_init
    };
    let failed = |code| Some(("i".to_owned(), code, "words".to_owned()));
    for (what, phase, init, code, expected) in [
        ("badly", "Failed", json!({"name": "i"}), json!(3), failed(3)),
        ("badly, before the pod knows", "Pending", json!({"name": "i"}), json!(3), failed(3)),
        ("well", "Pending", json!({"name": "i"}), json!(0), None),
        ("nobody knows how", "Failed", json!({"name": "i"}), json!(null), failed(-1)),
        ("a sidecar", "Failed", json!({"name": "i", "restartPolicy": "Always"}), json!(3), None),
        ("one that starts again", "Pending", json!({"name": "i", "restartPolicy": "OnFailure"}), json!(3), None),
        (
            "one that starts again by a rule",
            "Pending",
            json!({"name": "i", "restartPolicy": "Never", "restartPolicyRules": [{}]}),
            json!(3),
            None,
        ),
        (
            "one that didn't in the end",
            "Failed",
            json!({"name": "i", "restartPolicy": "OnFailure"}),
            json!(3),
            failed(3),
        ),
    ] {
        assert_eq!(first(phase, init, code), expected, "{what}");
    }
}

#[test]
fn words_are_fit_to_be_stored() {
    let long = of(&json!({"status": {"reason": "R\n", "message": "ß\u{0}".repeat(2000)}}));
    assert_eq!(long.reason.as_deref(), Some("R"));
    assert!(long.message.len() <= 1024 && long.message.starts_with("ß ß "));
}

proptest! {
    #[test]
    fn every_pod_gives_facts(metadata in odd_pod(), spec in odd_pod(), status in odd_pod()) {
        let json = json!({"metadata": metadata, "spec": spec, "status": status}).to_string();
        let pod: SlimPod = serde_json::from_str(&json).unwrap();
        let facts = facts(&pod);
        prop_assert!(facts.message.len() <= 1024);
        if let Some(trouble) = facts.trouble {
            prop_assert!(trouble.message.len() <= 1024);
        }
        let _ = belongs_to(&pod, "x");
    }
}
