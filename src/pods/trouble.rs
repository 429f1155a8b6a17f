//! What keeps a pod from running, in words that don't change while nothing changes.
//!
//! The kubelet alternates between `ErrImagePull` and `ImagePullBackOff`; both give the same text here. Mounts that don't
//! come up and nodes that don't answer leave no words in a pod's status: of those it is told only how far the pod is.

use super::facts::{MAIN, main_status, phase, time};
use super::slim::{SlimPod, SlimWaiting};
use super::text;
use crate::api::WaitKind;
use crate::engine::{Hold, PodPhase, Stage, Trouble};

/// How the kubelet starts the message of a pull that it puts off; the image, quoted, and the cause follow
/// (pkg/kubelet/images).
const BACK_OFF: &str = "Back-off pulling image \"";

/// What keeps `main` from starting; nothing once it has started or the pod is over.
pub(super) fn trouble(pod: &SlimPod) -> Option<Trouble> {
    if is_past_start(pod) {
        return None;
    }
    unscheduled(pod).or_else(|| container(pod))
}

/// How far a pod is that has not started, and of which nobody says what keeps it. The kubelet writes `PodReadyToStartContainers` before
/// it waits for the pod's volumes (KEP-3085).
pub(super) fn hold(pod: &SlimPod) -> Option<Hold> {
    if is_past_start(pod) || trouble(pod).is_some() {
        return None;
    }
    let conditions = &pod.status.conditions;
    let node = || pod.spec.node_name.as_str().into();
    let init = pod.status.init_container_statuses.iter().find(|status| status.state.running.is_some());
    let stage = match init {
        _ if pod.spec.node_name.is_empty() => Stage::Scheduler,
        Some(init) => Stage::Init(init.name.as_str().into()),
        None if conditions.has_sandbox => Stage::Containers(node()),
        None => Stage::Node(node()),
    };
    let since = conditions.scheduled.as_deref().and_then(|scheduled| time(&scheduled.last_transition_time));
    Some(Hold { stage, since })
}

fn is_past_start(pod: &SlimPod) -> bool {
    let state = main_status(pod).map(|main| &main.state);
    let started = state.is_some_and(|state| state.running.is_some() || state.terminated.is_some());
    started || phase(pod).is_over() || phase(pod) == PodPhase::Unknown
}

/// No node has been found (`PodScheduled`; scheduling gates: KEP-3521).
fn unscheduled(pod: &SlimPod) -> Option<Trouble> {
    let condition = pod.status.conditions.scheduled.as_deref()?;
    if condition.status != "False" {
        return None;
    }
    let gates: Vec<&str> = pod.spec.scheduling_gates.iter().map(|gate| gate.name.as_str()).collect();
    let message = if condition.reason == "SchedulingGated" && !gates.is_empty() {
        text::line(&format!("scheduling gates: {}", gates.join(", ")))
    } else if condition.message.is_empty() {
        text::line(&condition.reason)
    } else {
        text::line(&condition.message)
    };
    Some(Trouble { kind: WaitKind::Unschedulable, message })
}

/// The first container, in the order in which they start, that the kubelet says it can't start.
fn container(pod: &SlimPod) -> Option<Trouble> {
    let init = pod.status.init_container_statuses.iter();
    let ordinary = pod.status.container_statuses.iter();
    let (main, others): (Vec<_>, Vec<_>) = ordinary.partition(|status| status.name == MAIN);
    init.map(|status| ("init container ", status))
        .chain(main.into_iter().map(|status| ("", status)))
        .chain(others.into_iter().map(|status| ("container ", status)))
        .find_map(|(what, status)| {
            let waiting = status.state.waiting.as_deref()?;
            let kind = kind(&waiting.reason)?;
            let words = words(waiting);
            if is_not_looked_at(words) {
                return None;
            }
            let message = if what.is_empty() {
                text::line(words)
            } else {
                text::line(&format!("{what}{}: {words}", status.name))
            };
            Some(Trouble { kind, message })
        })
}

/// Whether the kubelet hasn't had an answer yet of what the pod refers to, as on a busy machine: the cause, if there is one, comes with
/// its next try (`failed to sync configmap cache: timed out waiting for the condition`; pkg/kubelet/util/manager).
fn is_not_looked_at(words: &str) -> bool {
    words.strip_prefix("failed to sync ").is_some_and(|rest| rest.contains(" cache: timed out"))
}

/// What a container's waiting reason means. Reasons: `errors.New` in pkg/kubelet/{images,container,kuberuntime} and
/// cri-api/pkg/errors.
fn kind(reason: &str) -> Option<WaitKind> {
    match reason {
        // The ordinary course of a start.
        "" | "ContainerCreating" | "PodInitializing" | "RestartingAllContainers" => None,
        "ErrImagePull"
        | "ImagePullBackOff"
        | "ImageInspectError"
        | "ErrImageNeverPull"
        | "InvalidImageName"
        | "RegistryUnavailable"
        | "SignatureValidationFailed" => Some(WaitKind::ImagePull),
        // CreateContainerConfigError, CreateContainerError, RunContainerError, CrashLoopBackOff of a sidecar, hooks, …
        _ => Some(WaitKind::PodConfig),
    }
}

/// The informative part of a message: the cause of a pull's failure, whether or not it is being put off.
fn words(waiting: &SlimWaiting) -> &str {
    if waiting.message.is_empty() {
        return &waiting.reason;
    }
    if waiting.reason != "ImagePullBackOff" {
        return &waiting.message;
    }
    let cause = waiting.message.strip_prefix(BACK_OFF).and_then(|rest| rest.split_once("\": ")).map(|(_, cause)| cause);
    let Some(cause) = cause else {
        return &waiting.message;
    };
    // `ErrImagePull: cause`, where `cause` is the message that goes with `ErrImagePull`.
    match cause.split_once(": ") {
        Some((word, rest)) if kind(word) == Some(WaitKind::ImagePull) && !rest.is_empty() => rest,
        _ => cause,
    }
}

#[cfg(test)]
mod tests;
