//! The definition of a workflow.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::concurrency::Concurrency;
use super::param::Param;
use super::task::{Task, TaskDefaults};
use super::volume_claim::VolumeClaim;

/// A workflow: a graph of tasks with parameters. Each execution is a WorkflowRun that names it.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "gantline.dev",
    version = "v1alpha1",
    kind = "Workflow",
    namespaced,
    shortname = "gwf",
    category = "gantline",
    status = "WorkflowStatus",
    derive = "PartialEq",
    doc = "A workflow: a graph of tasks with parameters. Each execution is a WorkflowRun that names it.",
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("the name must be a DNS label: at most 63 characters, no dots"),
    printcolumn(name = "Valid", type_ = "string", json_path = r#".status.conditions[?(@.type=="Valid")].status"#),
    printcolumn(name = "Tasks", type_ = "integer", json_path = ".status.tasks"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Valid")].message"#),
)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowSpec {
    /// What the workflow is for, in a sentence. At most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Parameters that a run gives values to. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub params: Vec<Param>,
    /// How long a run may take from its start to the end of its last task, without the time that it is suspended: a duration from
    /// 1s to 8784h. After that all that runs is stopped, and the run ends Failed (RunTimedOut). Default: none. Example: `2h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub timeout: Option<String>,
    /// Volumes that the tasks of a run share: each run has a PersistentVolumeClaim of its own of each, which its containers mount
    /// by name and which goes when the run is deleted. At most 16.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volume_claims: Vec<VolumeClaim>,
    /// How long the finally tasks may take in all, from the end of the last other task, without the time that the run is suspended:
    /// a duration from 1s to 8784h. After that those that were begun are stopped and fail (FinallyTimedOut), and the others are
    /// cancelled. Default: 30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub finally_timeout: Option<String>,
    /// How many runs may run at the same time. Not for a workflow written inline. Default: any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<Concurrency>,
    /// How long a run is kept after its end: a duration from 1s to 8784h. Then it is deleted, and its pods with it. A run goes by
    /// the workflow that it is pinned to. Default: it is kept until someone deletes it. Example: `168h`, a week.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub ttl: Option<String>,
    /// What tasks have unless they say otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_defaults: Option<TaskDefaults>,
    /// The tasks; those that need nothing start at once. From 1 to 1,000.
    #[schemars(length(min = 1, max = 5000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tasks: Vec<Task>,
    /// Tasks that run once all others have ended, however they did, also when the run is cancelled: to clean up, or to tell
    /// someone. They may need one another, and their expressions read every task; run.phase and run.reason are the verdict so
    /// far. One that fails makes a run that had Succeeded fail (FinallyFailed). Names are unique over both lists. At most 50.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub finally: Vec<Task>,
    /// Values that a run hands on when it has succeeded: to status.outputs, and to the task whose child run it is. At most 32, and
    /// 64 KiB in all. Example: `[{name: rows, expr: tasks.load.outputs.rows}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub outputs: Vec<RunOutput>,
}

/// A value that a run hands on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunOutput {
    /// Name: a letter or underscore, then letters, digits and underscores.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// CEL expression; it may read params, run, and phase, reason and outputs of every task. If it can't be evaluated, the run
    /// fails (OutputsFailed). At most 1,024 characters.
    #[schemars(length(min = 1, max = 1024))]
    pub expr: String,
}

/// What the operator found in a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowStatus {
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Number of tasks, those of finally too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tasks: Option<u32>,
    /// Conditions: `Valid` is True when a run of this workflow can start; its message names every mistake with its path.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}
