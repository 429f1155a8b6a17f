//! Pinned revisions.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a record holds.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "gantline.dev",
    version = "v1alpha1",
    kind = "WorkflowRecord",
    root = "WorkflowRecord",
    namespaced,
    category = "gantline",
    doc = "Internal to Gantline: an immutable copy of a workflow's spec, named by its content, that runs are pinned to.",
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.workflow"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a record never changes"))]
pub struct WorkflowRecordData {
    /// Name of the Workflow that the copy was made of; empty for a workflow written inline in a run.
    #[schemars(length(max = 63))]
    pub workflow: String,
    /// The workflow's spec as it was.
    #[schemars(schema_with = "super::schema::object")]
    pub data: Map<String, Value>,
}
