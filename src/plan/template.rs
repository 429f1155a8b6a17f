//! Partial pod templates: opaque to the schema, so that every field of every version of Kubernetes can be used. What is
//! refused here is what would break Gantline; the rest is the API server's to judge.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::env::RESERVED_PREFIX;
use super::problem::Code;
use super::report::{Path, Report};
use super::words::{is_dns_label, quote, suggestion};
use super::{command, limits, size};
use crate::api::GROUP;

/// The container that does a task's work.
const MAIN: &str = "main";
/// What Gantline or the API server says of every pod. Users set labels, annotations, finalizers and ownerReferences.
const RESERVED_METADATA: [&str; 10] = [
    "name",
    "generateName",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "managedFields",
    "selfLink",
];
/// Where `main` writes its outputs.
const RESERVED_OF_MAIN: [&str; 2] = ["terminationMessagePath", "terminationMessagePolicy"];

/// Says what is wrong with a template.
pub(super) fn check(template: &Map<String, Value>, path: &Path<'_>, report: &mut Report) {
    let bytes = size::serialised(template);
    if bytes > limits::TEMPLATE_BYTES {
        report.add(Code::TooLong, path, || {
            let max = limits::TEMPLATE_BYTES;
            format!("has {bytes} bytes, {max} are allowed: move data into a ConfigMap")
        });
    }
    for (key, value) in template {
        let at = path.key(key);
        match key.as_str() {
            "metadata" => {
                if let Some(metadata) = object(value, &at, report) {
                    check_metadata(metadata, &at, report);
                }
            }
            "spec" => {
                if let Some(spec) = object(value, &at, report) {
                    check_spec(spec, &at, report);
                }
            }
            _ => report.add(Code::BadTemplate, &at, || {
                let advice = suggestion(key, ["metadata", "spec"]);
                format!(
                    "a podTemplate has metadata and spec{advice}; fields of the pod's spec stand in podTemplate.spec"
                )
            }),
        }
    }
}

/// The object that a value is; null stands for none.
fn object<'v>(value: &'v Value, path: &Path<'_>, report: &mut Report) -> Option<&'v Map<String, Value>> {
    if !value.is_object() && !value.is_null() {
        report.add(Code::BadTemplate, path, || "must be an object".to_owned());
    }
    value.as_object()
}

/// The list that a value is; null stands for none.
fn list<'v>(value: Option<&'v Value>, path: &Path<'_>, report: &mut Report) -> &'v [Value] {
    match value {
        None | Some(Value::Null) => &[],
        Some(Value::Array(items)) => items,
        Some(_) => {
            report.add(Code::BadTemplate, path, || "must be a list".to_owned());
            &[]
        }
    }
}

fn check_metadata(metadata: &Map<String, Value>, path: &Path<'_>, report: &mut Report) {
    for field in RESERVED_METADATA {
        if metadata.get(field).is_some_and(|value| !value.is_null()) {
            report.add(Code::ReservedField, &path.field(field), || {
                format!("{field} is set by Gantline or Kubernetes for each pod: remove it")
            });
        }
    }
    for field in ["labels", "annotations"] {
        let path = path.field(field);
        let Some(map) = metadata.get(field) else {
            continue;
        };
        for key in object(map, &path, report).into_iter().flat_map(Map::keys) {
            if is_ours(key) {
                reserve(&path.key(key), report);
            }
        }
    }
    let finalizers = path.field("finalizers");
    for (at, value) in list(metadata.get("finalizers"), &finalizers, report).iter().enumerate() {
        if value.as_str().is_some_and(is_ours) {
            reserve(&finalizers.index(at), report);
        }
    }
    let owners = path.field("ownerReferences");
    for (at, owner) in list(metadata.get("ownerReferences"), &owners, report).iter().enumerate() {
        let path = owners.index(at);
        if owner.get("apiVersion").and_then(Value::as_str).is_some_and(is_ours) {
            reserve(&path.field("apiVersion"), report);
        }
        if owner.get("controller").and_then(Value::as_bool) == Some(true) {
            report.add(Code::ReservedField, &path.field("controller"), || {
                "the run is the controller of its pods, and there is only one: remove controller".to_owned()
            });
        }
    }
}

/// Whether a name is in Gantline's group: `gantline.dev/…`.
pub(super) fn is_ours(name: &str) -> bool {
    name.strip_prefix(GROUP).is_some_and(|rest| rest.starts_with('/'))
}

fn reserve(path: &Path<'_>, report: &mut Report) {
    report.add(Code::ReservedField, path, || format!("names with {GROUP}/ are Gantline's own: choose another prefix"));
}

fn check_spec(spec: &Map<String, Value>, path: &Path<'_>, report: &mut Report) {
    if let Some(policy) = spec.get("restartPolicy")
        && policy.as_str() != Some("Never")
    {
        report.add(Code::ReservedField, &path.field("restartPolicy"), || {
            "must be Never, since each attempt is a pod of its own: remove it".to_owned()
        });
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for field in ["containers", "initContainers"] {
        let path = path.field(field);
        for (at, container) in list(spec.get(field), &path, report).iter().enumerate() {
            let path = path.index(at);
            let Some(container) = container.as_object() else {
                report.add(Code::BadTemplate, &path, || "must be an object".to_owned());
                continue;
            };
            let Some(name) = check_container(container, field, &path, report) else {
                continue;
            };
            if let Some(other) = seen.insert(name, field) {
                report.add(Code::BadContainer, &path.field("name"), || {
                    format!("`{name}` is the name of another one in {other} too: give each its own")
                });
            }
        }
    }
}

/// The container's name, if it is one.
fn check_container<'c>(
    container: &'c Map<String, Value>,
    field: &str,
    path: &Path<'_>,
    report: &mut Report,
) -> Option<&'c str> {
    let env = path.field("env");
    for (at, entry) in list(container.get("env"), &env, report).iter().enumerate() {
        let name = entry.get("name").and_then(Value::as_str);
        if name.is_some_and(|name| name.starts_with(RESERVED_PREFIX)) {
            report.add(Code::ReservedEnv, &env.index(at).field("name"), || {
                format!("{RESERVED_PREFIX} is the prefix of Gantline's own variables: choose another name")
            });
        }
    }
    let Some(name) = container.get("name").and_then(Value::as_str) else {
        report.add(Code::BadContainer, path, || {
            "has no name, by which containers are merged: add one; the task's own container is main".to_owned()
        });
        return None;
    };
    if !is_dns_label(name) || name.len() > limits::DNS_LABEL {
        report.add(Code::BadContainer, &path.field("name"), || {
            let (name, max) = (quote(name), limits::DNS_LABEL);
            format!("`{name}` can't name a container: write at most {max} lower-case letters, digits and dashes")
        });
        return None;
    }
    if name == MAIN && field == "initContainers" {
        report.add(Code::BadContainer, &path.field("name"), || {
            "main is the task's own container and no init container: choose another name, or move it to containers"
                .to_owned()
        });
        return None;
    }
    if name == MAIN {
        for field in RESERVED_OF_MAIN {
            if container.contains_key(field) {
                report.add(Code::ReservedField, &path.field(field), || {
                    format!("{field} of main is how Gantline reads a task's outputs: remove it")
                });
            }
        }
    }
    Some(name)
}

/// The container `main` of a template, with its place in the list.
fn main(template: &Map<String, Value>) -> Option<(usize, &Map<String, Value>)> {
    let containers = template.get("spec")?.get("containers")?.as_array()?;
    let mut containers = containers.iter().enumerate();
    containers.find_map(|(at, container)| {
        let container = container.as_object()?;
        let name = container.get("name")?.as_str()?;
        (name == MAIN).then_some((at, container))
    })
}

/// Whether a template says which image `main` runs.
pub(super) fn has_image(template: &Map<String, Value>) -> bool {
    main(template).and_then(|(_, main)| main.get("image")?.as_str()).is_some_and(|image| !image.is_empty())
}

/// Says where the value of an expression would become part of a text in the command of a template's `main`.
pub(super) fn check_values(
    template: &Map<String, Value>,
    values: &BTreeSet<&str>,
    path: &Path<'_>,
    report: &mut Report,
) {
    let Some((at, main)) = main(template) else {
        return;
    };
    let path = path.field("spec");
    let path = path.field("containers");
    let path = path.index(at);
    for field in ["command", "args"] {
        let words = main.get(field).and_then(Value::as_array);
        let words = words.into_iter().flatten();
        // What is no text keeps its place, so that the paths stay right.
        let words = words.map(|word| word.as_str().unwrap_or_default());
        command::check_values(words, values, &path.field(field), report);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, refused};
    use super::*;

    fn task(template: &str) -> String {
        format!("tasks: [{{name: a, image: i, env: [{{name: V, expr: run.name}}], podTemplate: {template}}}]")
    }

    #[test]
    fn templates_that_can_be() {
        for template in [
            "{}",
            "{metadata: null, spec: null}",
            "{metadata: {labels: {team: a, gantline.development/x: y}, annotations: {}, finalizers: [example.org/x], creationTimestamp: null}}",
            "{spec: {restartPolicy: Never, nodeSelector: {disk: ssd}, fieldOfTomorrow: [1]}}",
            "{spec: {containers: [{name: main, image: x}, {name: log, terminationMessagePath: /x}], initContainers: [{name: init}]}}",
            "{spec: {containers: [{name: main, command: [echo, $(V), --v=$(V), 1]}]}}",
        ] {
            plan(&task(template));
        }
        plan("tasks: [{name: a, podTemplate: {spec: {containers: [{name: main, image: i}]}}}]");
        plan("taskDefaults: {podTemplate: {spec: {containers: [{name: main, image: i}]}}}\ntasks: [{name: a}]");
    }

    #[test]
    #[rustfmt::skip]
    fn templates_that_cannot_be() {
        for (template, code, path, message) in [
            ("{nodeSelector: {disk: ssd}}", Code::BadTemplate, "nodeSelector", "task `a`: a podTemplate has metadata and spec; fields of the pod's spec stand in podTemplate.spec"),
            ("{sepc: {}}", Code::BadTemplate, "sepc", "did you mean `spec`?"),
            ("{spec: []}", Code::BadTemplate, "spec", "must be an object"),
            ("{spec: {containers: {name: main}}}", Code::BadTemplate, "spec.containers", "must be a list"),
            ("{spec: {containers: [main]}}", Code::BadTemplate, "spec.containers[0]", "must be an object"),
            ("{metadata: {labels: [x]}}", Code::BadTemplate, "metadata.labels", "must be an object"),
            ("{metadata: {name: x}}", Code::ReservedField, "metadata.name", "set by Gantline"),
            ("{metadata: {namespace: x}}", Code::ReservedField, "metadata.namespace", "remove it"),
            ("{metadata: {generateName: x-}}", Code::ReservedField, "metadata.generateName", "remove it"),
            ("{metadata: {uid: x}}", Code::ReservedField, "metadata.uid", "remove it"),
            ("{metadata: {labels: {gantline.dev/run: x}}}", Code::ReservedField, "metadata.labels['gantline.dev/run']", "choose another prefix"),
            ("{metadata: {annotations: {gantline.dev/x: x}}}", Code::ReservedField, "metadata.annotations['gantline.dev/x']", "Gantline's own"),
            ("{metadata: {finalizers: [a/b, gantline.dev/outcome]}}", Code::ReservedField, "metadata.finalizers[1]", "Gantline's own"),
            ("{metadata: {ownerReferences: [{apiVersion: gantline.dev/v1alpha1}]}}", Code::ReservedField, "metadata.ownerReferences[0].apiVersion", "Gantline's own"),
            ("{metadata: {ownerReferences: [{apiVersion: v1, controller: true}]}}", Code::ReservedField, "metadata.ownerReferences[0].controller", "there is only one"),
            ("{spec: {restartPolicy: OnFailure}}", Code::ReservedField, "spec.restartPolicy", "must be Never"),
            ("{spec: {restartPolicy: null}}", Code::ReservedField, "spec.restartPolicy", "must be Never"),
            ("{spec: {containers: [{name: main, terminationMessagePath: /x}]}}", Code::ReservedField, "spec.containers[0].terminationMessagePath", "reads a task's outputs"),
            ("{spec: {containers: [{name: main, terminationMessagePolicy: File}]}}", Code::ReservedField, "spec.containers[0].terminationMessagePolicy", "remove it"),
            ("{spec: {containers: [{name: log, env: [{name: GANTLINE_X}]}]}}", Code::ReservedEnv, "spec.containers[0].env[0].name", "choose another name"),
            ("{spec: {initContainers: [{name: i, env: [{name: A}, {name: GANTLINE_X}]}]}}", Code::ReservedEnv, "spec.initContainers[0].env[1].name", "choose another name"),
            ("{spec: {containers: [{image: x}]}}", Code::BadContainer, "spec.containers[0]", "has no name"),
            ("{spec: {containers: [{name: My_Log}]}}", Code::BadContainer, "spec.containers[0].name", "`My_Log` can't name a container"),
            ("{spec: {containers: [{name: x}, {name: x}]}}", Code::BadContainer, "spec.containers[1].name", "`x` is the name of another one in containers"),
            ("{spec: {containers: [{name: x}], initContainers: [{name: x}]}}", Code::BadContainer, "spec.initContainers[0].name", "another one in containers"),
            ("{spec: {initContainers: [{name: main}]}}", Code::BadContainer, "spec.initContainers[0].name", "no init container"),
            ("{spec: {containers: [{name: x}, {name: main, args: [1, 'echo $(V)']}]}}", Code::ValueInText, "spec.containers[1].args[1]", "\"$V\""),
        ] {
            refused(
                &task(template),
                code,
                &format!("tasks[0].podTemplate.{path}"),
                message,
            );
        }
        let text = "x".repeat(33_000);
        refused(
            &task(&format!("{{metadata: {{annotations: {{x: {text}}}}}}}")),
            Code::TooLong,
            "tasks[0].podTemplate",
            "32768 are allowed",
        );
    }

    #[test]
    fn a_default_template_is_checked_once() {
        refused(
            "taskDefaults: {podTemplate: {spec: {restartPolicy: Always}}}\ntasks: [{name: a, image: i}, {name: b, image: i}]",
            Code::ReservedField,
            "taskDefaults.podTemplate.spec.restartPolicy",
            "must be Never",
        );
        refused(
            "taskDefaults: {podTemplate: {spec: {containers: [{name: main, args: [x$(V)]}]}}}\ntasks: [{name: a, image: i}, {name: b, image: i, env: [{name: V, expr: run.name}]}]",
            Code::ValueInText,
            "taskDefaults.podTemplate.spec.containers[0].args[0]",
            "task `b`: $(V)",
        );
    }
}
