//! Parameters of a workflow.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The type of a parameter or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ValueType {
    /// Text.
    String,
    /// A whole number of 64 bits.
    Int,
    /// true or false.
    Bool,
    /// A number; whole numbers are accepted.
    Number,
    /// A JSON list.
    List,
    /// A JSON object.
    Object,
}

/// What the items of a list must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemType {
    /// Type of each item: string, int, bool, number, list or object.
    #[serde(rename = "type")]
    pub kind: ValueType,
}

/// A parameter that a run gives a value to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Param {
    /// Name, used in expressions as `params.NAME`: a letter or underscore, then letters, digits and underscores; at most 63.
    #[schemars(length(max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Type of the value: string, int, bool, number, list or object. Values are never converted, except int to number.
    #[serde(rename = "type")]
    pub kind: ValueType,
    /// What the parameter is for, in a sentence. At most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Value where the run gives none. Without `default` and `defaultExpr` the parameter is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any")]
    pub default: Option<Value>,
    /// CEL expression for the value where the run gives none; it may read `run`. Example: `run.name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub default_expr: Option<String>,
    /// The values allowed; at most 64.
    #[serde(default, rename = "enum", skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any_list")]
    pub choices: Option<Vec<Value>>,
    /// Smallest value of an int or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any")]
    pub min: Option<Value>,
    /// Largest value of an int or number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any")]
    pub max: Option<Value>,
    /// Regular expression that a string must match somewhere; use `^` and `$` to match it whole. At most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub pattern: Option<String>,
    /// Least length of a string in characters, or of a list in items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_048_576))]
    pub min_length: Option<u32>,
    /// Greatest length of a string in characters, or of a list in items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_048_576))]
    pub max_length: Option<u32>,
    /// What the items of a list must be. Example: `{type: string}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemType>,
}
