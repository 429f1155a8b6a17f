//! What users write and read: the types of the API group, with their schemas, bounds and CEL rules. No behaviour.
//!
//! Every doc comment on a field here is what `kubectl explain` prints, so each says meaning, unit, default and bound.

mod param;
mod phase;
mod record;
mod run;
mod schema;
mod status;
mod task;
mod workflow;

pub use param::{ItemType, Param, ValueType};
pub use phase::{AttemptOutcome, Reason, RunPhase, TaskPhase, WaitKind};
pub use record::{WorkflowRecord, WorkflowRecordData};
pub use run::{Cancel, WorkflowRef, WorkflowRun, WorkflowRunSpec};
pub use status::{Attempt, TaskStatus, Transition, WaitingFor, WorkflowRunStatus};
pub use task::{EnvVar, LogTail, OutputDecl, Resources, Task, TaskDefaults};
pub use workflow::{Workflow, WorkflowSpec, WorkflowStatus};

use kube::core::crd::CustomResourceExt;

/// The API group.
pub const GROUP: &str = "gantline.dev";
/// Group and version as manifests write them.
pub const API_VERSION: &str = "gantline.dev/v1alpha1";
/// Keeps a pod until its outcome is on record. It sits on pods only, never on runs.
pub const FINALIZER: &str = "gantline.dev/outcome";

/// Labels of every pod that Gantline makes.
pub mod label {
    /// The run's name.
    pub const RUN: &str = "gantline.dev/run";
    /// The run's uid: what a pod belongs to. Names are only for people.
    pub const RUN_UID: &str = "gantline.dev/run-uid";
    /// The task's name.
    pub const TASK: &str = "gantline.dev/task";
    /// The attempt's number, from 1.
    pub const ATTEMPT: &str = "gantline.dev/attempt";
    /// Kubernetes' recommended label for the tool that manages an object.
    pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
}

/// The custom resource definitions, by the name of their file in `crds/`.
#[must_use]
pub fn crds() -> Vec<(
    &'static str,
    k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
)> {
    vec![
        ("workflow.yaml", Workflow::crd()),
        ("workflowrun.yaml", WorkflowRun::crd()),
        ("workflowrecord.yaml", WorkflowRecord::crd()),
    ]
}
