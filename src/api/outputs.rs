//! The outputs of tasks and items where a status has no room for them: in one text, and in records beside it.
//!
//! The texts of all records that a status names, one after the other, are lines of JSON, each an object: the outputs of tasks by the
//! names of the task and the output, and those of items by the names and the index. A record may end within a line.
//!
//! ```text
//! {"tasks":{"extract":{"rows":42}},"items":{"load":{"files":{"0":["a.csv"],"17":[]}}}}
//! ```

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The outputs of the tasks of a run that has many.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SealedOutputs {
    /// Names of the records that hold them, oldest first; each was written before it was named here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub records: Vec<String>,
    /// Those that are in no record yet, as JSON: `{"tasks":{"extract":{"rows":42}},"items":{"load":{"files":{"0":["a.csv"]}}}}`.
    /// At most 32 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1_048_576))]
    pub rest: String,
}

/// A part of the outputs of a run's tasks, which its status no longer holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputsPart {
    /// Name of the run.
    #[schemars(length(max = 63))]
    pub run: String,
    /// The run's uid, which is its identity.
    #[schemars(length(max = 128))]
    pub run_uid: String,
    /// A part of a text, which all records that the status of the run names hold together: lines of JSON, each with outputs of tasks
    /// by the names of the task and the output, and of items by these and the index.
    #[schemars(length(max = 1_048_576))]
    pub text: String,
}
