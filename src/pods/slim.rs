//! The part of a Pod that facts are made from. Fields that aren't listed are skipped while reading: ten thousand pods cost
//! a tenth of what typed ones do.

use serde::Deserialize;

use super::lenient::{Count, Lenient, lenient, lenient_struct};

/// A Pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimPod {
    /// Standard metadata.
    #[serde(deserialize_with = "lenient")]
    pub metadata: SlimMeta,
    /// What was asked for.
    #[serde(deserialize_with = "lenient")]
    pub spec: SlimSpec,
    /// What became of it.
    #[serde(deserialize_with = "lenient")]
    pub status: SlimStatus,
}

/// Metadata of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimMeta {
    /// Name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// Namespace.
    #[serde(deserialize_with = "lenient")]
    pub namespace: String,
    /// Identity.
    #[serde(deserialize_with = "lenient")]
    pub uid: String,
    /// Version of the object, a decimal number.
    #[serde(deserialize_with = "lenient")]
    pub resource_version: String,
    /// Our labels.
    #[serde(deserialize_with = "lenient")]
    pub labels: SlimLabels,
    /// Owners.
    #[serde(deserialize_with = "lenient")]
    pub owner_references: Vec<SlimOwner>,
    /// When it will be gone, as RFC 3339; empty while its deletion wasn't asked for.
    #[serde(deserialize_with = "lenient")]
    pub deletion_timestamp: String,
    /// When it was created.
    #[serde(deserialize_with = "lenient")]
    pub creation_timestamp: String,
    /// The time that it is given to end, in seconds.
    #[serde(deserialize_with = "lenient")]
    pub deletion_grace_period_seconds: Option<i64>,
    /// Finalizers.
    #[serde(deserialize_with = "lenient")]
    pub finalizers: Vec<String>,
}

/// The labels in [`crate::api::label`].
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SlimLabels {
    /// Name of the run.
    #[serde(rename = "gantline.dev/run", deserialize_with = "lenient")]
    pub run: String,
    /// Uid of the run.
    #[serde(rename = "gantline.dev/run-uid", deserialize_with = "lenient")]
    pub run_uid: String,
    /// Name of the task.
    #[serde(rename = "gantline.dev/task", deserialize_with = "lenient")]
    pub task: String,
    /// Index of the item.
    #[serde(rename = "gantline.dev/index", deserialize_with = "lenient")]
    pub index: String,
    /// Number of the attempt.
    #[serde(rename = "gantline.dev/attempt", deserialize_with = "lenient")]
    pub attempt: String,
}

/// An owner of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimOwner {
    /// Group and version.
    #[serde(deserialize_with = "lenient")]
    pub api_version: String,
    /// Kind.
    #[serde(deserialize_with = "lenient")]
    pub kind: String,
    /// Name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// Identity.
    #[serde(deserialize_with = "lenient")]
    pub uid: String,
    /// Whether it is the one that manages the pod.
    #[serde(deserialize_with = "lenient")]
    pub controller: bool,
}

/// Spec of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimSpec {
    /// Name of its node; empty until one is found.
    #[serde(deserialize_with = "lenient")]
    pub node_name: String,
    /// Number of ordinary containers.
    #[serde(deserialize_with = "lenient")]
    pub containers: Count,
    /// Init containers and sidecars.
    #[serde(deserialize_with = "lenient")]
    pub init_containers: Vec<SlimInit>,
    /// Number of ephemeral containers, which `kubectl debug` adds to a live pod.
    #[serde(deserialize_with = "lenient")]
    pub ephemeral_containers: Count,
    /// What must be taken away before a node is looked for.
    #[serde(deserialize_with = "lenient")]
    pub scheduling_gates: Vec<SlimGate>,
}

/// An init container, or a sidecar: one with `restartPolicy: Always` (KEP-753).
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimInit {
    /// Name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// Its own restart policy; empty for the pod's.
    #[serde(deserialize_with = "lenient")]
    pub restart_policy: String,
    /// Number of its own rules for restarts (KEP-5307).
    #[serde(deserialize_with = "lenient")]
    pub restart_policy_rules: Count,
}

/// A scheduling gate.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SlimGate {
    /// Name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
}

/// Status of a pod.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimStatus {
    /// Phase.
    #[serde(deserialize_with = "lenient")]
    pub phase: String,
    /// One word for the pod as a whole.
    #[serde(deserialize_with = "lenient")]
    pub reason: String,
    /// What goes with it.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
    /// The conditions `PodScheduled`, `DisruptionTarget` and `PodReadyToStartContainers`; others are not kept.
    #[serde(deserialize_with = "lenient")]
    pub conditions: SlimConditions,
    /// States of ordinary containers.
    #[serde(deserialize_with = "lenient")]
    pub container_statuses: Vec<SlimContainer>,
    /// States of init containers and sidecars.
    #[serde(deserialize_with = "lenient")]
    pub init_container_statuses: Vec<SlimContainer>,
}

/// The conditions that facts are made from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SlimConditions {
    /// `PodScheduled`: whether a node was found.
    pub scheduled: Option<Box<SlimCondition>>,
    /// `DisruptionTarget`: whether the pod is ended for others' sake (KEP-3329).
    pub disruption: Option<Box<SlimCondition>>,
    /// `PodReadyToStartContainers`: whether its node has its volumes and network ready.
    pub has_sandbox: bool,
}

impl Lenient for SlimConditions {
    fn from_seq<'de, A: serde::de::SeqAccess<'de>>(seq: A) -> Result<Self, A::Error> {
        let mut kept = Self::default();
        for condition in Vec::<SlimCondition>::from_seq(seq)? {
            match condition.kind.as_str() {
                "PodScheduled" => kept.scheduled = Some(Box::new(condition)),
                "DisruptionTarget" => kept.disruption = Some(Box::new(condition)),
                "PodReadyToStartContainers" => kept.has_sandbox = condition.status == "True",
                _ => {}
            }
        }
        Ok(kept)
    }
}

/// A condition.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimCondition {
    /// Type.
    #[serde(rename = "type", deserialize_with = "lenient")]
    pub kind: String,
    /// True, False or Unknown.
    #[serde(deserialize_with = "lenient")]
    pub status: String,
    /// One word.
    #[serde(deserialize_with = "lenient")]
    pub reason: String,
    /// What goes with it.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
    /// When its status changed, as RFC 3339.
    #[serde(deserialize_with = "lenient")]
    pub last_transition_time: String,
}

/// A container's name and present state. Its last state is of an earlier start and not kept.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SlimContainer {
    /// Name.
    #[serde(deserialize_with = "lenient")]
    pub name: String,
    /// State.
    #[serde(deserialize_with = "lenient")]
    pub state: SlimState,
}

/// One of these is set; none means waiting.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SlimState {
    /// Not started.
    #[serde(deserialize_with = "lenient")]
    pub waiting: Option<Box<SlimWaiting>>,
    /// Running.
    #[serde(deserialize_with = "lenient")]
    pub running: Option<Box<SlimRunning>>,
    /// Ended.
    #[serde(deserialize_with = "lenient")]
    pub terminated: Option<Box<SlimTerminated>>,
}

/// Why a container isn't started.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct SlimWaiting {
    /// One word.
    #[serde(deserialize_with = "lenient")]
    pub reason: String,
    /// What goes with it.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
}

/// Since when a container runs.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimRunning {
    /// As RFC 3339.
    #[serde(deserialize_with = "lenient")]
    pub started_at: String,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SlimTerminated {
    /// Exit code.
    #[serde(deserialize_with = "lenient")]
    pub exit_code: Option<i32>,
    /// One word.
    #[serde(deserialize_with = "lenient")]
    pub reason: String,
    /// The termination message.
    #[serde(deserialize_with = "lenient")]
    pub message: String,
    /// When it started, as RFC 3339.
    #[serde(deserialize_with = "lenient")]
    pub started_at: String,
    /// When it ended, as RFC 3339.
    #[serde(deserialize_with = "lenient")]
    pub finished_at: String,
}

lenient_struct!(
    SlimMeta,
    SlimLabels,
    SlimOwner,
    SlimSpec,
    SlimInit,
    SlimGate,
    SlimStatus,
    SlimCondition,
    SlimContainer,
    SlimState,
    SlimWaiting,
    SlimRunning,
    SlimTerminated,
);
