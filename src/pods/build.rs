//! The manifest of an attempt's pod.
//!
//! Three layers: what Gantline sets unless a template says otherwise, the templates in their order, and what must hold
//! whatever a template says. Mistakes in a template are not looked for: pods are created with `fieldValidation=Strict`, and
//! the API server's words are better than ours.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::facts::MAIN;
use super::merge::{merge, merge_env, merge_plain};
use super::{claim, follow};
use crate::api::{API_VERSION, FINALIZER, Resources, label};
use crate::plan::{PlannedTask, PodValues};

/// Where outputs are written. The kubelet makes the file, writable for everyone, so that a container that doesn't run as
/// root can write it (Pod API reference, `terminationMessagePath`).
const OUTPUT_PATH: &str = "/dev/termination-log";
/// Gantline's own environment variables; nobody else sets them.
const ENV_PREFIX: &str = "GANTLINE_";

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

/// How far pods are locked down where a template says nothing else (Pod Security Standards).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodSecurity {
    /// No privilege escalation, seccomp `RuntimeDefault`.
    #[default]
    Baseline,
    /// Also not as root and without capabilities: what a namespace that enforces *restricted* admits.
    Restricted,
}

/// The manifest of the pod of a task's attempt; `item` is the index of the item that it is for, `values` are those of the task's
/// expressions. The same arguments give the same bytes.
#[must_use]
pub fn build(
    owner: &Owner<'_>,
    task: &PlannedTask,
    item: Option<u32>,
    attempt: u32,
    pod_name: &str,
    values: PodValues,
    policy: PodSecurity,
) -> Value {
    let PodValues { env, fields } = values;
    let mut pod = defaults(&task.templates, policy);
    for template in &task.templates {
        merge(&mut pod, template);
    }

    let mut metadata = take_object(&mut pod, "metadata");
    hold_metadata(&mut metadata, owner, task, item, attempt, pod_name);

    let mut spec = take_object(&mut pod, "spec");
    let mut containers = take_list(&mut spec, "containers");
    let mut main = take_main(&mut containers).unwrap_or_else(|| container(MAIN, None, policy));
    hold_main(&mut main, task, environment(owner, task, item, attempt, env));
    claim::mount(&mut spec, owner, task);
    follow::hold(&mut spec, &mut main, &fields);
    containers.insert(0, Value::Object(main));
    spec.insert("containers".into(), Value::Array(containers));
    spec.insert("restartPolicy".into(), "Never".into());
    if let Some(seconds) = task.times.backstop_seconds() {
        // What is no number there is left to the API server's words.
        let shorter = |asked: &Value| asked.as_i64().is_none_or(|asked| asked <= seconds);
        if !spec.get("activeDeadlineSeconds").is_some_and(shorter) {
            spec.insert("activeDeadlineSeconds".into(), seconds.into());
        }
    }

    pod.insert("apiVersion".into(), "v1".into());
    pod.insert("kind".into(), "Pod".into());
    pod.insert("metadata".into(), Value::Object(metadata));
    pod.insert("spec".into(), Value::Object(spec));
    Value::Object(pod)
}

/// What holds unless a template says otherwise. Every container that a template names is there too, with the security
/// settings, so that a template can remove one with `null`, as a pod for Windows must.
fn defaults(templates: &[Arc<Map<String, Value>>], policy: PodSecurity) -> Map<String, Value> {
    let mut asked = Map::new();
    for template in templates {
        merge(&mut asked, template);
    }
    let mut asked = take_object(&mut asked, "spec");
    let mut secured = |field: &str| -> Vec<Value> {
        take_list(&mut asked, field)
            .iter()
            .filter_map(|entry| Some((entry.get("name")?.as_str()?, entry)))
            .map(|(name, entry)| Value::Object(container(name, Some(entry), policy)))
            .collect()
    };

    let mut security = json_object(json!({ "seccompProfile": { "type": "RuntimeDefault" } }));
    if policy == PodSecurity::Restricted {
        security.insert("runAsNonRoot".into(), true.into());
    }
    let mut spec = json_object(json!({
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": security,
        "containers": secured("containers"),
    }));
    let init = secured("initContainers");
    if !init.is_empty() {
        spec.insert("initContainers".into(), Value::Array(init));
    }
    json_object(json!({
        "metadata": { "annotations": { "kubectl.kubernetes.io/default-container": MAIN } },
        "spec": spec,
    }))
}

/// A container with the security settings of the policy, but for those that the API server refuses beside what a template
/// asks for: a privileged container, and one with `CAP_SYS_ADMIN`, can't forbid privilege escalation.
fn container(name: &str, asked: Option<&Value>, policy: PodSecurity) -> Map<String, Value> {
    let at = |path: &str| asked.and_then(|asked| asked.pointer(path));
    let privileged = at("/securityContext/privileged") == Some(&Value::Bool(true));
    let admin = at("/securityContext/capabilities/add")
        .and_then(Value::as_array)
        .is_some_and(|add| add.iter().any(|name| name == "CAP_SYS_ADMIN"));

    let mut security = Map::new();
    if !privileged && !admin {
        security.insert("allowPrivilegeEscalation".into(), false.into());
    }
    if !privileged && policy == PodSecurity::Restricted {
        security.insert("capabilities".into(), json!({ "drop": ["ALL"] }));
    }
    let mut container = json_object(json!({ "name": name }));
    if !security.is_empty() {
        container.insert("securityContext".into(), Value::Object(security));
    }
    container
}

/// The metadata that a pod is known by.
fn hold_metadata(
    metadata: &mut Map<String, Value>,
    owner: &Owner<'_>,
    task: &PlannedTask,
    item: Option<u32>,
    attempt: u32,
    pod_name: &str,
) {
    let mut labels = take_object(metadata, "labels");
    for (key, value) in [
        (label::MANAGED_BY, "gantline"),
        (label::RUN, owner.name),
        (label::RUN_UID, owner.uid),
        (label::TASK, &task.name),
        (label::ATTEMPT, &attempt.to_string()),
    ] {
        labels.insert(key.into(), value.into());
    }
    // A template's own would make it a pod of an item.
    labels.remove(label::INDEX);
    if let Some(item) = item {
        labels.insert(label::INDEX.into(), item.to_string().into());
    }
    metadata.insert("name".into(), pod_name.into());
    metadata.insert("namespace".into(), owner.namespace.into());
    metadata.insert("labels".into(), Value::Object(labels));
    metadata.insert("finalizers".into(), json!([FINALIZER]));
    metadata.insert("ownerReferences".into(), json!([owner_reference(owner)]));
}

/// What ties an object to its run: it goes when the run goes. Without blockOwnerDeletion, which would need rights over the run's
/// finalizers and hold up its deletion.
pub(super) fn owner_reference(owner: &Owner<'_>) -> Value {
    json!({
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "name": owner.name,
        "uid": owner.uid,
        "controller": true,
    })
}

/// What the task says of its container, and what outputs and outcome rest on.
fn hold_main(main: &mut Map<String, Value>, task: &PlannedTask, mut env: Vec<Value>) {
    if let Some(image) = &task.image {
        main.insert("image".into(), image.as_str().into());
    }
    if let Some(command) = &task.command {
        main.insert("command".into(), json!(command));
        // Arguments belong to a command: those of a template are for another one.
        main.remove("args");
    }
    if let Some(args) = &task.args {
        main.insert("args".into(), json!(args));
    }
    if let Some(resources) = &task.resources {
        let layer = Map::from_iter([("resources".to_owned(), resources_json(resources))]);
        merge_plain(main, &layer);
    }
    let mut own = take_list(main, "env");
    own.retain(|entry| !reserved(entry));
    merge_env(&mut env, &own);
    main.insert("env".into(), Value::Array(env));

    main.insert("terminationMessagePath".into(), OUTPUT_PATH.into());
    let policy = if task.keep_log_tail { "FallbackToLogsOnError" } else { "File" };
    main.insert("terminationMessagePolicy".into(), policy.into());
    // An attempt is one start: restarts are ours, with a pod each.
    main.remove("restartPolicy");
    main.remove("restartPolicyRules");
}

/// Gantline's variables, then the task's.
fn environment(owner: &Owner<'_>, task: &PlannedTask, item: Option<u32>, attempt: u32, env: Vec<Value>) -> Vec<Value> {
    let (index, attempt) = (item.map(|item| item.to_string()), attempt.to_string());
    [
        ("GANTLINE_RUN", owner.name),
        ("GANTLINE_RUN_UID", owner.uid),
        ("GANTLINE_TASK", &task.name),
        ("GANTLINE_ATTEMPT", &attempt),
        ("GANTLINE_OUTPUT", OUTPUT_PATH),
    ]
    .into_iter()
    .chain(index.as_deref().map(|index| ("GANTLINE_INDEX", index)))
    .map(|(name, value)| json!({ "name": name, "value": value }))
    .chain(env.into_iter().filter(|entry| !reserved(entry)))
    .collect()
}

/// Whether an entry would set one of Gantline's variables.
fn reserved(entry: &Value) -> bool {
    entry.get("name").and_then(Value::as_str).is_some_and(|name| name.starts_with(ENV_PREFIX))
}

fn resources_json(resources: &Resources) -> Value {
    let mut map = Map::new();
    for (field, quantities) in [("requests", &resources.requests), ("limits", &resources.limits)] {
        if !quantities.is_empty() {
            map.insert(field.into(), json!(quantities));
        }
    }
    Value::Object(map)
}

/// Takes the first container `main` out of a list.
fn take_main(containers: &mut Vec<Value>) -> Option<Map<String, Value>> {
    let place = containers.iter().position(|entry| entry.get("name").and_then(Value::as_str) == Some(MAIN))?;
    Some(json_object(containers.remove(place)))
}

/// Takes an object out of a field; what isn't an object is dropped.
fn take_object(map: &mut Map<String, Value>, key: &str) -> Map<String, Value> {
    map.remove(key).map(json_object).unwrap_or_default()
}

/// Takes a list out of a field; what isn't a list is dropped.
pub(super) fn take_list(map: &mut Map<String, Value>, key: &str) -> Vec<Value> {
    match map.remove(key) {
        Some(Value::Array(list)) => list,
        _ => Vec::new(),
    }
}

fn json_object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
