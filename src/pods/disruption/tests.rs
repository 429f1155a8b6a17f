use serde_json::{Value, json};

use super::*;
use crate::pods::facts::tests::pod;

/// When the condition changed.
const CHANGED: &str = "2026-11-22T06:00:00Z";

fn condition(status: &str, reason: &str, message: &str) -> Value {
    json!([
        {"type": "Ready", "status": "False"},
        {"type": "DisruptionTarget", "status": status, "reason": reason, "message": message, "lastTransitionTime": CHANGED},
    ])
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

#[test]
fn the_condition_says_who() {
    for (reason, expected, timed) in [
        ("PreemptionByScheduler", Reason::Preempted, true),
        ("EvictionByEvictionAPI", Reason::Drained, true),
        ("DeletionByTaintManager", Reason::NodeLost, true),
        ("DeletionByDeviceTaintManager", Reason::NodeLost, true),
        ("DeletionByPodGC", Reason::NodeLost, true),
        ("TerminationByKubelet", Reason::NodePressure, false),
        ("WordsOfSomeTool", Reason::Drained, true),
    ] {
        let layer = json!({
            "metadata": {"deletionTimestamp": "2026-11-22T07:00:00Z"},
            "status": {"phase": "Failed", "conditions": condition("True", reason, "who\nand why")},
        });
        let expected = Disruption {
            reason: expected,
            at: timed.then(|| at(CHANGED)).flatten(),
            message: "who and why".into(),
        };
        assert_eq!(disruption(&pod(&layer)), Some(expected), "{reason}");
    }
    let silent = json!({"status": {"conditions": condition("True", "WordsOfSomeTool", "")}});
    let message = disruption(&pod(&silent)).map(|found| found.message);
    assert_eq!(message.as_deref(), Some("WordsOfSomeTool"));

    let critical = json!({"status": {"phase": "Failed", "reason": "Preempting", "conditions": condition("True", "TerminationByKubelet", "m")}});
    let reason = disruption(&pod(&critical)).map(|found| found.reason);
    assert_eq!(
        reason,
        Some(Reason::Preempted),
        "the kubelet made room for a critical pod"
    );

    for status in ["False", "Unknown", ""] {
        let withdrawn =
            json!({"status": {"conditions": condition(status, "PreemptionByScheduler", "m")}});
        assert_eq!(disruption(&pod(&withdrawn)), None, "{status}");
    }
}

#[test]
fn the_pod_s_own_reason_says_who() {
    let ended = json!([{"name": "main", "state": {"terminated": {"exitCode": 1}}}]);
    for (phase, reason, message, statuses, expected) in [
        // The node went away.
        (
            "Running",
            "NodeLost",
            "unresponsive",
            json!(null),
            Some(Reason::NodeLost),
        ),
        (
            "Failed",
            "NodeShutdown",
            "Pod was rejected: as the node is shutting down.",
            json!(null),
            Some(Reason::NodePressure),
        ),
        (
            "Failed",
            "Terminated",
            "in response to imminent node shutdown.",
            ended.clone(),
            Some(Reason::NodePressure),
        ),
        (
            "Failed",
            "Shutdown",
            "",
            ended.clone(),
            Some(Reason::NodePressure),
        ),
        (
            "Failed",
            "Preempting",
            "Preempted in order to admit critical pod",
            ended.clone(),
            Some(Reason::Preempted),
        ),
        // The kubelet refused it.
        (
            "Failed",
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "OutOfmemory",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "OutOfpods",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "OutOfephemeral-storage",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "OutOfexample.com/gpu",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "NodeAffinity",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "NodeName",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "NodePorts",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "TopologyAffinityError",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "UnexpectedAdmissionError",
            "",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "node(s) had taints that the pod didn't tolerate",
            "Pod was rejected: …",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        (
            "Failed",
            "SomePlugin",
            "Pod was rejected: no device",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        // Under pressure it refuses pods with the word that it evicts them with, but not for their fault.
        (
            "Failed",
            "Evicted",
            "Pod was rejected: The node had condition: [DiskPressure].",
            json!(null),
            Some(Reason::NodeRejected),
        ),
        // The pod's own fault.
        (
            "Failed",
            "Evicted",
            "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi.",
            ended.clone(),
            None,
        ),
        (
            "Failed",
            "DeadlineExceeded",
            "Pod was active on the node longer than the specified deadline",
            ended.clone(),
            None,
        ),
        ("Failed", "", "", ended.clone(), None),
        (
            "Failed",
            "NodeAffinity",
            "of a pod that ran",
            ended.clone(),
            None,
        ),
        // The shutdown of a node leaves its words on pods that succeeded.
        (
            "Succeeded",
            "Terminated",
            "in response to imminent node shutdown.",
            ended,
            None,
        ),
    ] {
        let layer = json!({"status": {"phase": phase, "reason": reason, "message": message, "containerStatuses": statuses}});
        let found = disruption(&pod(&layer));
        assert_eq!(
            found.as_ref().map(|found| found.reason),
            expected,
            "{phase} {reason} {message}"
        );
        if let Some(found) = found {
            assert_eq!(found.at, None);
            assert_eq!(
                found.message,
                if message.is_empty() { reason } else { message }
            );
        }
    }
}

#[test]
fn a_deletion_is_dated_back_to_when_it_was_asked_for() {
    for (timestamp, grace, expected) in [
        (
            "2026-11-22T06:00:30Z",
            json!(30),
            at("2026-11-22T06:00:00Z"),
        ),
        ("2026-11-22T06:00:30Z", json!(0), None),
        ("2026-11-22T06:00:30Z", json!(null), None),
        ("2026-11-22T06:00:30Z", json!(i64::MAX), None),
        ("2026-11-22T06:00:30Z", json!(-1), None),
        ("odd", json!(30), None),
    ] {
        let layer = json!({"metadata": {"deletionTimestamp": timestamp, "deletionGracePeriodSeconds": grace}});
        let expected = Disruption {
            reason: Reason::PodDeleted,
            at: expected,
            message: "the pod was deleted".into(),
        };
        assert_eq!(disruption(&pod(&layer)), Some(expected), "{layer}");
    }
    assert_eq!(disruption(&pod(&json!({}))), None);
}
