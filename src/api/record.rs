//! What is on record outside of a run's status: pinned revisions, segments of the logs of runs, and outputs of their tasks.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::outputs::OutputsPart;

/// What a record holds: a revision, a segment, or outputs.
#[expect(clippy::duplicated_attributes, reason = "columns of the same type are not the same column")]
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "gantline.dev",
    version = "v1alpha1",
    kind = "WorkflowRecord",
    root = "WorkflowRecord",
    namespaced,
    category = "gantline",
    doc = "Internal to Gantline, and immutable: either a revision, a copy of a workflow's spec that runs are pinned to, named by its content; or a segment, a part of the log of one run; or outputs of the tasks of one. What is of one run is deleted with it.",
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.workflow"),
    printcolumn(name = "Run", type_ = "string", json_path = ".spec.segment.run"),
    printcolumn(name = "Segment", type_ = "integer", json_path = ".spec.segment.number"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self == oldSelf").message("a record never changes"))]
#[x_kube(validation = Rule::new("(has(self.data) ? 1 : 0) + (has(self.segment) ? 1 : 0) + (has(self.outputs) ? 1 : 0) == 1").message("a record has either data, segment or outputs"))]
pub struct WorkflowRecordData {
    /// Of a revision, the name of the Workflow that the copy was made of; absent for a workflow written inline in a run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63))]
    pub workflow: String,
    /// Of a revision, the workflow's spec as it was.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "super::schema::object")]
    pub data: Map<String, Value>,
    /// A part of the log of a run; absent in a record of another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<Segment>,
    /// A part of the outputs of the tasks of a run; absent in a record of another kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<OutputsPart>,
}

/// A part of the log of a run, which its status no longer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Segment {
    /// Name of the run.
    #[schemars(length(max = 63))]
    pub run: String,
    /// The run's uid, which is its identity.
    #[schemars(length(max = 128))]
    pub run_uid: String,
    /// Number within the run, from 1, oldest first.
    pub number: u32,
    /// Name of the record with the part before this one; absent in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub previous: Option<String>,
    /// How many lines it has.
    pub lines: u64,
    /// The lines, oldest first, each in JSON. A transition is an array: number, time, task, item, attempt, the phase left, the phase
    /// entered, reason. What is told of a task or an item that has ended is an object, with the fields that it had in the status.
    #[schemars(length(max = 1_048_576))]
    pub log: String,
}
