//! The manifest of an attempt's pod.
use crate::plan::PlannedTask;
use serde_json::Value;

/// The run that a pod belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace, which is the pod's.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
}

/// How far pods are locked down where a template says nothing else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodSecurity {
    /// No privilege escalation, seccomp `RuntimeDefault`.
    #[default]
    Baseline,
    /// Also not as root and without capabilities.
    Restricted,
}

/// The manifest.
#[must_use]
pub fn build(
    owner: &Owner<'_>,
    task: &PlannedTask,
    attempt: u32,
    pod_name: &str,
    env: Vec<Value>,
    policy: PodSecurity,
) -> Value {
    let _ = (owner, task, attempt, pod_name, env, policy);
    Value::Null
}
