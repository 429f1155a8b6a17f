//! A pod as facts.

use jiff::Timestamp;

use super::disruption::disruption;
use super::slim::{SlimContainer, SlimPod, SlimTerminated};
use super::text;
use super::trouble::{hold, trouble};
use crate::api::{FINALIZER, GROUP};
use crate::engine::{MainEnd, MainState, PodFacts, PodPhase};
use crate::plan::pod_name;

/// The container whose end is the attempt's outcome.
pub(super) const MAIN: &str = "main";
/// Stands for an exit code that a status doesn't tell: whatever it was, it isn't known to be 0.
const NO_EXIT_CODE: i32 = -1;

/// The uid of the run that a pod belongs to: the controller reference and the label name the same one, and the pod has the name
/// of the attempt that its labels tell of. `None` for any other pod, be it under such a name, or so labelled.
#[must_use]
pub fn run_uid(pod: &SlimPod) -> Option<&str> {
    let labels = &pod.metadata.labels;
    let owner = controller(pod)?;
    if labels.run.is_empty() || owner != labels.run_uid || labels.task.is_empty() {
        return None;
    }
    let item = item(pod);
    if item.is_none() && !labels.index.is_empty() {
        return None;
    }
    let name = pod_name(&labels.run, owner, &labels.task, item, attempt(pod)?);
    (name == pod.metadata.name).then_some(owner)
}

/// Whether a pod is the run's, by uid.
#[must_use]
pub fn belongs_to(pod: &SlimPod, uid: &str) -> bool {
    run_uid(pod) == Some(uid)
}

/// Whether a pod has no label of a run's, and the run of this uid for its controller: someone took the labels off, since no pod
/// is made without them.
#[must_use]
pub fn is_unlabelled_of(pod: &SlimPod, uid: &str) -> bool {
    pod.metadata.labels.run_uid.is_empty() && controller(pod) == Some(uid)
}

/// The uid of the run that controls the pod.
fn controller(pod: &SlimPod) -> Option<&str> {
    let owner = pod.metadata.owner_references.iter().find(|owner| {
        let group = owner.api_version.split_once('/').map(|(group, _)| group);
        owner.controller && group == Some(GROUP) && owner.kind == "WorkflowRun"
    })?;
    Some(owner.uid.as_str()).filter(|uid| !uid.is_empty())
}

/// What a pod tells. Total: of a pod that isn't ours (see [`run_uid`]) it gives attempt 0.
#[must_use]
pub fn facts(pod: &SlimPod) -> PodFacts {
    let SlimPod { metadata, spec, status } = pod;
    let init = u32::try_from(spec.init_containers.len()).unwrap_or(u32::MAX);
    PodFacts {
        name: metadata.name.clone(),
        uid: metadata.uid.clone(),
        task: metadata.labels.task.clone(),
        item: item(pod),
        attempt: attempt(pod).unwrap_or(0),
        phase: phase(pod),
        main: main_state(pod),
        reason: (!status.reason.is_empty()).then(|| text::line(&status.reason)),
        message: text::line(&status.message),
        failed_init: failed_init(pod),
        disruption: disruption(pod),
        trouble: trouble(pod),
        hold: hold(pod),
        created_at: time(&metadata.creation_timestamp),
        deleting: !metadata.deletion_timestamp.is_empty(),
        ends_by: time(&metadata.deletion_timestamp),
        lingering: lingering(pod),
        condemned: !metadata.deletion_timestamp.is_empty() && metadata.deletion_grace_period_seconds == Some(0),
        held: metadata.finalizers.iter().any(|name| name == FINALIZER),
        astray: run_uid(pod).is_none(),
        containers: spec.containers.0.saturating_add(init).saturating_add(spec.ephemeral_containers.0),
    }
}

/// The index of the item, where the label is one: decimal, as we write it.
fn item(pod: &SlimPod) -> Option<u32> {
    let label = &pod.metadata.labels.index;
    label.parse().ok().filter(|index: &u32| index.to_string() == *label)
}

/// The number of the attempt, where the label is one: decimal, from 1, as we write it.
fn attempt(pod: &SlimPod) -> Option<u32> {
    let label = &pod.metadata.labels.attempt;
    let number: u32 = label.parse().ok()?;
    (number > 0 && number.to_string() == *label).then_some(number)
}

/// The phase.
pub(super) fn phase(pod: &SlimPod) -> PodPhase {
    match pod.status.phase.as_str() {
        "Pending" => PodPhase::Pending,
        "Running" => PodPhase::Running,
        "Succeeded" => PodPhase::Succeeded,
        "Failed" => PodPhase::Failed,
        _ => PodPhase::Unknown,
    }
}

/// Whether `main` has ended and another ordinary container hasn't. Sidecars don't count: the kubelet ends those itself once
/// all ordinary containers have ended (KEP-753).
fn lingering(pod: &SlimPod) -> bool {
    let others = || pod.status.container_statuses.iter().filter(|status| status.name != MAIN);
    main_status(pod).is_some_and(|main| main.state.terminated.is_some())
        && others().any(|status| status.state.terminated.is_none())
}

/// The state of `main`; waiting while no status names it.
fn main_state(pod: &SlimPod) -> MainState {
    let Some(SlimContainer { state, .. }) = main_status(pod) else {
        return MainState::Waiting;
    };
    if let Some(end) = &state.terminated {
        MainState::Ended(main_end(end))
    } else if let Some(running) = &state.running {
        let since = time(&running.started_at);
        MainState::Running { since }
    } else {
        MainState::Waiting
    }
}

/// What the kubelet says of `main`.
pub(super) fn main_status(pod: &SlimPod) -> Option<&SlimContainer> {
    let mut statuses = pod.status.container_statuses.iter();
    statuses.find(|status| status.name == MAIN)
}

/// Outputs stay byte for byte, since their length tells whether they were cut; a log's end is made fit to be stored.
fn main_end(end: &SlimTerminated) -> MainEnd {
    let exit_code = end.exit_code.unwrap_or(NO_EXIT_CODE);
    MainEnd {
        exit_code,
        reason: text::line(&end.reason),
        message: if exit_code == 0 { end.message.clone() } else { text::tail(&end.message) },
        started_at: time(&end.started_at),
        finished_at: time(&end.finished_at),
    }
}

/// The first init container that ended badly for good. A sidecar's end never counts; one that may be started again by a
/// policy of its own (KEP-5307) counts once the pod has failed.
fn failed_init(pod: &SlimPod) -> Option<(String, i32, String)> {
    let over = phase(pod) == PodPhase::Failed;
    pod.status.init_container_statuses.iter().find_map(|status| {
        let end = status.state.terminated.as_ref()?;
        let code = end.exit_code.unwrap_or(NO_EXIT_CODE);
        let init = pod.spec.init_containers.iter().find(|init| init.name == status.name);
        let policy = init.map_or("", |init| init.restart_policy.as_str());
        let again = init.is_some_and(|init| init.restart_policy_rules.0 > 0) || !matches!(policy, "" | "Never");
        let counts = code != 0 && policy != "Always" && (over || !again);
        counts.then(|| (text::line(&status.name), code, text::tail(&end.message)))
    })
}

/// A time as Kubernetes writes it: RFC 3339, whose years have four digits. Others could not be stored in a status. Runtimes write
/// the beginning of 1970 for a start that never was.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let digits = text.starts_with(|c: char| c.is_ascii_digit());
    text.parse().ok().filter(|at| digits && *at > Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
pub(super) mod tests;
