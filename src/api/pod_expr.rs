//! Fields of a pod that follow values.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Fields of the pod that follow values: CEL expressions that may read params, run, attempt (its number, from 1) and the outputs
/// of upstream tasks, evaluated for each attempt. They hold over image, resources and podTemplate. An error, or a value that the
/// field can't have, fails the task before there is a pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PodExpr {
    /// CEL expression for the image of `main`: a string. At most 1,024 characters. Example: `'registry.example/etl:' +
    /// params.version`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// CEL expressions for resources.requests of `main`, by name: each an amount as a string or a number; null leaves out the
    /// entry. At most 32. Example: `{memory: "string(256 * attempt) + 'Mi'"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::expressions")]
    pub requests: BTreeMap<String, String>,
    /// CEL expressions for resources.limits of `main`, by name: each an amount as a string or a number; null leaves out the
    /// entry. At most 32. Example: `{memory: "attempt > 1 ? '512Mi' : '256Mi'"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::expressions")]
    pub limits: BTreeMap<String, String>,
    /// CEL expressions for labels that the pod's node must have, by name: each a string; null leaves out the entry. At most 32.
    /// Example: `{disktype: "params.fast ? 'ssd' : null"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::expressions")]
    pub node_selector: BTreeMap<String, String>,
}
