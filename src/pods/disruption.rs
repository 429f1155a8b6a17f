//! Who took a pod: the infrastructure's part in its end.
//!
//! Kubernetes tells in three places, read in this order: the condition `DisruptionTarget` (KEP-3329), the one-word reason
//! of a failed pod, and the bare fact of a deletion. An eviction without the condition is for the pod's own limits, and a
//! `DeadlineExceeded` is the pod's own deadline: neither is a disruption.

use jiff::{SignedDuration, Timestamp};

use super::facts::{main_status, phase, time};
use super::slim::{SlimCondition, SlimPod};
use super::text;
use crate::api::Reason;
use crate::engine::{Disruption, PodPhase};

/// What the kubelet puts before the message of a pod that it refused to run (`rejectPod` in pkg/kubelet).
const REJECTED: &str = "Pod was rejected: ";

/// The infrastructure's part in a pod's end, also where the pod ended well before it took effect: what weighs more is
/// decided by the engine.
pub(super) fn disruption(pod: &SlimPod) -> Option<Disruption> {
    let condition = pod.status.conditions.disruption.as_deref();
    condition
        .filter(|condition| condition.status == "True")
        .map(|condition| by_condition(pod, condition))
        .or_else(|| by_reason(pod))
        .or_else(|| by_deletion(pod))
}

/// Someone marked the pod as the target of a disruption. Reasons: Pod Lifecycle, "Pod disruption conditions".
fn by_condition(pod: &SlimPod, condition: &SlimCondition) -> Disruption {
    let by_kubelet = condition.reason == "TerminationByKubelet";
    let reason = match condition.reason.as_str() {
        "PreemptionByScheduler" => Reason::Preempted,
        // The kubelet makes room for a critical pod.
        "TerminationByKubelet" if pod.status.reason == "Preempting" => Reason::Preempted,
        "TerminationByKubelet" => Reason::NodePressure,
        "DeletionByTaintManager" | "DeletionByDeviceTaintManager" | "DeletionByPodGC" => Reason::NodeLost,
        // `EvictionByEvictionAPI`, and tools with words of their own: someone asked the pod to leave.
        _ => Reason::Drained,
    };
    let words = if condition.message.is_empty() { &condition.reason } else { &condition.message };
    Disruption {
        reason,
        // The kubelet sends the condition after all containers have ended, with the time of sending: no time of cause.
        at: (!by_kubelet).then(|| time(&condition.last_transition_time)).flatten(),
        message: text::line(words),
    }
}

/// The pod's own one-word reason.
fn by_reason(pod: &SlimPod) -> Option<Disruption> {
    let status = &pod.status;
    let failed = phase(pod) == PodPhase::Failed;
    let reason = match status.reason.as_str() {
        // Set by the node lifecycle controller on a pod that may still run, where nobody can see it.
        "NodeLost" => Reason::NodeLost,
        _ if !failed => return None,
        "NodeShutdown" | "Terminated" | "Shutdown" => Reason::NodePressure,
        "Preempting" => Reason::Preempted,
        _ if rejected(pod) => Reason::NodeRejected,
        _ => return None,
    };
    let words = if status.message.is_empty() { &status.reason } else { &status.message };
    Some(Disruption { reason, at: None, message: text::line(words) })
}

/// Whether the kubelet refused to run the pod. By its words, which cover every plugin, and a refusal under node pressure
/// (reason `Evicted`, but not the pod's fault); else by the reasons in pkg/kubelet/lifecycle and its plugins, of a pod
/// none of whose containers ended.
fn rejected(pod: &SlimPod) -> bool {
    if pod.status.message.starts_with(REJECTED) {
        return true;
    }
    let ran = main_status(pod).is_some_and(|main| main.state.terminated.is_some() || main.state.running.is_some());
    let known = matches!(
        pod.status.reason.as_str(),
        "AppArmor"
            | "InitContainerRestartPolicyForbidden"
            | "InvalidNodeInfo"
            | "NodeAffinity"
            | "NodeName"
            | "NodePorts"
            | "NodeUnschedulable"
            | "PodFeatureUnsupported"
            | "PodLevelResourcesNotSupported"
            | "PodOSNotSupported"
            | "PodOSSelectorNodeLabelDoesNotMatch"
            | "ResourceAllocationError"
            | "SMTAlignmentError"
            | "SupplementalGroupsPolicyNotSupported"
            | "SysctlForbidden"
            | "TaintToleration"
            | "TopologyAffinityError"
            | "UnexpectedAdmissionError"
            | "UnexpectedPredicateFailureType"
            | "UnknownReason"
            | "VolumeAttachmentLimitExceeded"
    );
    !ran && (known || pod.status.reason.starts_with("OutOf"))
}

/// Someone asked for the deletion; that it wasn't us is for the engine to know.
fn by_deletion(pod: &SlimPod) -> Option<Disruption> {
    if pod.metadata.deletion_timestamp.is_empty() {
        return None;
    }
    Some(Disruption { reason: Reason::PodDeleted, at: asked_at(pod), message: "the pod was deleted".to_owned() })
}

/// When the deletion was asked for: the timestamp is that plus the grace period. Once the kubelet has confirmed the end, it
/// is the time of that and the period is 0, as in a deletion without grace: then the time of the request isn't known.
fn asked_at(pod: &SlimPod) -> Option<Timestamp> {
    let meta = &pod.metadata;
    let grace = meta.deletion_grace_period_seconds.filter(|seconds| *seconds > 0)?;
    time(&meta.deletion_timestamp)?.checked_sub(SignedDuration::from_secs(grace)).ok()
}

#[cfg(test)]
mod tests;
