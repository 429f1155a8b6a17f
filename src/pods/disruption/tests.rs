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

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Of a pod without the condition; `main` has ended or was never heard of.
fn by_words(phase: &str, reason: &str, message: &str, ended: bool) -> Option<Disruption> {
    let statuses =
        if ended { json!([{"name": "main", "state": {"terminated": {"exitCode": 1}}}]) } else { Value::Null };
    disruption(&pod(&json!({"status": {
        "phase": phase, "reason": reason, "message": message, "containerStatuses": statuses,
    }})))
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
        let expected = Disruption { reason: expected, at: timed.then(|| at(CHANGED)), message: "who and why".into() };
        assert_eq!(disruption(&pod(&layer)), Some(expected), "{reason}");
    }
    let silent = json!({"status": {"conditions": condition("True", "WordsOfSomeTool", "")}});
    let message = disruption(&pod(&silent)).map(|found| found.message);
    assert_eq!(message.as_deref(), Some("WordsOfSomeTool"));

    let critical = json!({"status": {"phase": "Failed", "reason": "Preempting", "conditions": condition("True", "TerminationByKubelet", "m")}});
    let reason = disruption(&pod(&critical)).map(|found| found.reason);
    assert_eq!(reason, Some(Reason::Preempted), "the kubelet made room for a critical pod");

    for status in ["False", "Unknown", ""] {
        let withdrawn = json!({"status": {"conditions": condition(status, "PreemptionByScheduler", "m")}});
        assert_eq!(disruption(&pod(&withdrawn)), None, "{status}");
    }
}

#[test]
fn the_node_went_away() {
    for (phase, reason, message, ended, expected) in [
        ("Running", "NodeLost", "unresponsive", false, Reason::NodeLost),
        ("Failed", "NodeShutdown", "Pod was rejected: m", false, Reason::NodePressure),
        ("Failed", "Terminated", "imminent node shutdown", true, Reason::NodePressure),
        ("Failed", "Shutdown", "", true, Reason::NodePressure),
        ("Failed", "Preempting", "to admit a critical pod", true, Reason::Preempted),
    ] {
        let expected = Disruption {
            reason: expected,
            at: None,
            message: if message.is_empty() { reason } else { message }.into(),
        };
        assert_eq!(by_words(phase, reason, message, ended), Some(expected), "{reason}");
    }
}

#[test]
fn the_kubelet_refused_it() {
    for (reason, message) in [
        ("OutOfcpu", "Pod was rejected: Node didn't have enough resource: cpu"),
        ("OutOfmemory", ""),
        ("OutOfpods", ""),
        ("OutOfephemeral-storage", ""),
        ("OutOfexample.com/gpu", ""),
        ("NodeAffinity", ""),
        ("NodeName", ""),
        ("NodePorts", ""),
        ("TopologyAffinityError", ""),
        ("UnexpectedAdmissionError", ""),
        ("node(s) had taints that the pod didn't tolerate", "Pod was rejected: m"),
        ("SomePlugin", "Pod was rejected: no device"),
        // Under pressure it refuses pods with the word that it evicts them with, but not for their fault.
        ("Evicted", "Pod was rejected: The node had condition: [DiskPressure]."),
    ] {
        let found = by_words("Failed", reason, message, false).map(|found| found.reason);
        assert_eq!(found, Some(Reason::NodeRejected), "{reason} {message}");
    }
}

#[test]
fn what_is_the_pod_s_own_fault_or_no_fault_is_no_disruption() {
    for (phase, reason, message) in [
        ("Failed", "Evicted", "Pod ephemeral local storage usage exceeds the total limit"),
        ("Failed", "DeadlineExceeded", "Pod was active on the node longer than the deadline"),
        ("Failed", "", ""),
        ("Failed", "NodeAffinity", "words of a pod that ran"),
        // The shutdown of a node leaves its words on pods that succeeded.
        ("Succeeded", "Terminated", "imminent node shutdown"),
        ("Running", "OutOfcpu", ""),
    ] {
        assert_eq!(by_words(phase, reason, message, true), None, "{phase} {reason}");
    }
}

#[test]
fn a_deletion_is_dated_back_to_when_it_was_asked_for() {
    for (timestamp, grace, expected) in [
        ("2026-11-22T06:00:30Z", json!(30), Some(at("2026-11-22T06:00:00Z"))),
        ("2026-11-22T06:00:30Z", json!(0), None),
        ("2026-11-22T06:00:30Z", json!(null), None),
        ("2026-11-22T06:00:30Z", json!(i64::MAX), None),
        ("2026-11-22T06:00:30Z", json!(-1), None),
        ("odd", json!(30), None),
    ] {
        let layer = json!({"metadata": {"deletionTimestamp": timestamp, "deletionGracePeriodSeconds": grace}});
        let expected = Disruption { reason: Reason::PodDeleted, at: expected, message: "the pod was deleted".into() };
        assert_eq!(disruption(&pod(&layer)), Some(expected), "{layer}");
    }
    assert_eq!(disruption(&pod(&json!({}))), None);
}
