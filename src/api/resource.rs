//! A task that is an object of any kind.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::param::ValueType;

/// An object of any kind that the chart's resourceTasks grants, made for each attempt in the run's namespace and followed until
/// success or failure holds. It belongs to the run and stays with it; that of an attempt which is cancelled or timed out is deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceTask {
    /// The object to make: apiVersion, kind, and what else it has. It is named by Gantline; of its metadata only labels and annotations
    /// may be given. At most 32 KiB. Example: `{apiVersion: batch/v1, kind: Job, spec: {...}}`.
    #[schemars(schema_with = "super::schema::object")]
    pub manifest: Map<String, Value>,
    /// The service account on whose behalf the object is made: the API server must say that it may create one, or the task fails
    /// (`NotPermitted`). Default: default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Values that are set in the manifest for each attempt, in this order. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub set: Vec<SetField>,
    /// CEL expression that says when the object has done its work; it may read object, the object as it is, and all that env may. A key
    /// that is missing means not yet; what is no bool fails the task. At most 1,024 characters.
    /// Example: `object.status.succeeded > 0`.
    #[schemars(length(min = 1, max = 1024))]
    pub success: String,
    /// CEL expression, like success, that says when the object has failed; it counts first where both hold. The attempt then has failed
    /// (`ResourceFailed`), and another one makes a new object. Default: it never fails. Example:
    /// `object.status.conditions.exists(c, c.type == 'Failed' && c.status == 'True')`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub failure: Option<String>,
    /// The values that the task hands on, read from the object when success holds. At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub outputs: Vec<ResourceOutput>,
}

/// A value that is set in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SetField {
    /// JSON pointer (RFC 6901) to the field: objects on its way are made where they are missing, elements of lists must be there. Never
    /// apiVersion, kind or metadata. Example: `/spec/template/spec/containers/0/image`.
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^/"))]
    pub path: String,
    /// CEL expression for the value; it may read params, run, attempt, item, index and the outputs of upstream tasks. null leaves the
    /// field out. At most 1,024 characters. Example: `params.parallelism`.
    #[schemars(length(min = 1, max = 1024))]
    pub expr: String,
}

/// A value that a task hands on from its object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceOutput {
    /// Name, used in expressions as `tasks.TASK.outputs.NAME`: a letter or underscore, then letters, digits, underscores.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// CEL expression over object and all that env may read. A missing key or null fails the attempt (`OutputMissing`). At most 1,024
    /// characters. Example: `object.status.completionTime`.
    #[schemars(length(min = 1, max = 1024))]
    pub expr: String,
    /// Type of the value: string, int, bool, number, list or object. A value of another type fails the attempt (`OutputInvalid`).
    /// Default: any.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::value_type")]
    pub kind: Option<ValueType>,
}
