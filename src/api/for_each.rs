//! Fan-out: a task that is done once for every item of a list.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A list, and how its items are worked through.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
// That exactly one of items and values is set is no rule of the schema: CEL doesn't see a list whose items have no type.
pub struct ForEach {
    /// CEL expression that gives the list, of at most 20,000 items and 256 KiB; it may read params, run, and phase, reason and
    /// outputs of upstream tasks, and is evaluated once, when the task may start. `lists.range(n)` gives 0 to n-1. An empty list
    /// makes the task succeed; what is no list fails it. Exclusive with values. Examples: `params.regions`, `lists.range(500)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub items: Option<String>,
    /// The list as literal values: from 1 to 1,000, of at most 64 KiB in all. Exclusive with items. Example: `[emea, apac]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::values")]
    pub values: Option<Vec<Value>>,
    /// How many items may have a pod at the same time: from 1 to 20,000. Default: no bound of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 20000))]
    pub max_parallel: Option<u32>,
    /// How many of 100 items must succeed for the task to succeed: from 0 to 100. Default: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub min_succeeded_percent: Option<u32>,
    /// Whether the rest is cancelled once so many items have failed that the task can't succeed any more. Default: false, every item
    /// is tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fail_fast: bool,
}
