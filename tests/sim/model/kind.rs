//! What differs from kind to kind: which part of an object a request may change, what it must be, and how it is deleted.

use serde_json::{Map, Value, json};

use super::catalog::Resource;
use super::meta;
use super::refusal::FieldError;
use super::schema::Schema;

/// How a resource behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Namespace,
    Pod,
    /// A PersistentVolumeClaim, without the finalizer by which a controller keeps one that a pod uses: here it goes at once.
    VolumeClaim,
    Event,
    Lease,
    /// Defined by a schema.
    Custom,
}

impl Kind {
    /// Whether a PUT creates what doesn't exist.
    pub fn is_created_by_put(self) -> bool {
        matches!(self, Self::Event | Self::Lease)
    }

    /// Whether a PUT without a resourceVersion replaces whatever there is.
    pub fn takes_unconditional_put(self) -> bool {
        matches!(self, Self::Namespace | Self::Pod | Self::VolumeClaim | Self::Event)
    }

    /// Whether the garbage collector's finalizers can be asked for.
    pub fn has_propagation(self) -> bool {
        self != Self::Event
    }

    /// Whether the answer to a deletion is the object, not a `Status`.
    pub fn answers_with_deleted(self) -> bool {
        matches!(self, Self::Namespace | Self::Pod | Self::VolumeClaim)
    }

    /// Whether its objects count the changes of their spec.
    pub fn has_generation(self) -> bool {
        matches!(self, Self::Pod | Self::Custom)
    }

    /// Whether an object of a built-in kind has a field.
    fn knows(self, field: &str) -> bool {
        let own: &[&str] = match self {
            Self::Namespace | Self::Pod | Self::VolumeClaim => &["spec", "status"],
            Self::Lease => &["spec"],
            Self::Event => &[
                "eventTime",
                "series",
                "reportingController",
                "reportingInstance",
                "action",
                "reason",
                "regarding",
                "related",
                "note",
                "type",
            ],
            Self::Custom => return true,
        };
        ["apiVersion", "kind", "metadata"].contains(&field) || own.contains(&field)
    }

    /// Whether a field selector may name a field.
    pub fn selects(self, resource: &Resource, path: &str) -> bool {
        let own: &[&str] = match self {
            Self::Pod => &["spec.nodeName", "spec.schedulerName", "spec.restartPolicy", "status.phase"],
            Self::Namespace => &["status.phase"],
            Self::Event => &["regarding.name", "regarding.uid", "reason", "type"],
            Self::Custom if resource.plural == "workflowruns" => &["spec.workflowRef.name", "status.phase"],
            Self::Custom | Self::Lease | Self::VolumeClaim => &[],
        };
        path == "metadata.name" || path == "metadata.namespace" && resource.namespaced || own.contains(&path)
    }
}

/// Takes an object in: brings it into the form in which it is kept. `Err` says why it is no object of the resource.
pub(super) fn decode(resource: &Resource, object: &mut Value) -> Result<(), String> {
    let Some(map) = object.as_object_mut() else { return Err("an object is expected".to_owned()) };
    if resource.behaviour != Kind::Custom {
        map.entry("apiVersion").or_insert_with(|| resource.api_version().into());
        map.entry("kind").or_insert_with(|| resource.kind.clone().into());
        if map["kind"] != resource.kind.as_str() {
            return Err(format!("{} cannot be handled as a {}", map["kind"], resource.kind));
        }
    }
    for field in ["kind", "apiVersion"] {
        if !map.get(field).is_some_and(Value::is_string) {
            return Err(format!("Object '{field}' is missing"));
        }
    }
    if map["apiVersion"] != resource.api_version().as_str() {
        let expected = resource.api_version();
        return Err(format!(
            "the API version in the data ({}) does not match the expected API version ({expected})",
            map["apiVersion"]
        ));
    }
    meta::shape(object)?;
    if let Some(schema) = &resource.schema {
        schema.shape(object);
        return Ok(());
    }
    drop_nulls(object);
    if let Some(map) = object.as_object_mut() {
        map.retain(|name, _| resource.behaviour.knows(name));
    }
    for field in ["spec", "status"] {
        if object.get(field).is_some_and(|value| !value.is_object()) {
            return Err(format!("{field} must be an object"));
        }
    }
    if resource.behaviour == Kind::Pod {
        pod_defaults(object);
    }
    Ok(())
}

/// A typed object has no nulls.
fn drop_nulls(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|_, value| !value.is_null());
            map.values_mut().for_each(drop_nulls);
        }
        Value::Array(list) => list.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}

fn pod_defaults(pod: &mut Value) {
    let Some(spec) = pod["spec"].as_object_mut() else { return };
    for (field, value) in [
        ("restartPolicy", json!("Always")),
        ("terminationGracePeriodSeconds", json!(30)),
        ("dnsPolicy", json!("ClusterFirst")),
        ("schedulerName", json!("default-scheduler")),
        ("securityContext", json!({})),
    ] {
        spec.entry(field).or_insert(value);
    }
}

/// Sets what a new object begins with.
pub(super) fn prepare_create(resource: &Resource, object: &mut Value) {
    if resource.behaviour.has_generation() {
        meta::of(object).insert("generation".into(), 1.into());
    }
    match resource.behaviour {
        Kind::Pod | Kind::VolumeClaim => object["status"] = json!({ "phase": "Pending" }),
        Kind::Namespace => {
            let name = object["metadata"]["name"].clone();
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            object["spec"] = json!({ "finalizers": ["kubernetes"] });
            object["status"] = json!({ "phase": "Active" });
        }
        Kind::Custom if resource.has("status") => remove(object, "status"),
        Kind::Custom | Kind::Event | Kind::Lease => {}
    }
}

/// Puts back what a request to this subresource may not change, and counts the generation.
pub(super) fn prepare_update(resource: &Resource, subresource: &str, new: &mut Value, old: &Value) {
    match (resource.behaviour, subresource) {
        (Kind::Custom, "status") => {
            let status = new.get("status").cloned();
            new.clone_from(old);
            match status {
                Some(status) => new["status"] = status,
                None => remove(new, "status"),
            }
        }
        (Kind::Custom, _) => {
            if resource.has("status") {
                put_back(new, "status", old);
            }
            if differs_beside_metadata(new, old) {
                next_generation(new, old);
            }
        }
        (Kind::Pod, "status") => {
            put_back(new, "spec", old);
            meta::of(new).remove("deletionTimestamp");
            meta::take(new, "ownerReferences", old);
        }
        (Kind::Pod, _) => {
            put_back(new, "status", old);
            // A pod's node is no part of what its author asked for.
            if without(&new["spec"], &["nodeName"]) != without(&old["spec"], &["nodeName"]) {
                next_generation(new, old);
            }
        }
        (Kind::Namespace | Kind::VolumeClaim, "status") => put_back(new, "spec", old),
        (Kind::Namespace, "finalize") | (Kind::VolumeClaim, _) => put_back(new, "status", old),
        (Kind::Namespace, _) => {
            put_back(new, "spec", old);
            put_back(new, "status", old);
        }
        (Kind::Event | Kind::Lease, _) => {}
    }
}

fn differs_beside_metadata(new: &Value, old: &Value) -> bool {
    let (Some(new), Some(old)) = (new.as_object(), old.as_object()) else { return true };
    new.len() != old.len() || new.iter().any(|(name, value)| name != "metadata" && old.get(name) != Some(value))
}

fn next_generation(new: &mut Value, old: &Value) {
    let generation = old["metadata"]["generation"].as_i64().unwrap_or_default();
    meta::of(new).insert("generation".into(), (generation + 1).into());
}

fn remove(object: &mut Value, field: &str) {
    if let Some(map) = object.as_object_mut() {
        map.remove(field);
    }
}

fn put_back(new: &mut Value, field: &str, old: &Value) {
    match old.get(field) {
        Some(value) => new[field] = value.clone(),
        None => remove(new, field),
    }
}

/// What is wrong with a new object, beside its metadata.
pub(super) fn check_create(resource: &Resource, object: &Value, errors: &mut Vec<FieldError>) {
    match (resource.behaviour, &resource.schema) {
        (_, Some(schema)) => {
            if object["kind"] != resource.kind.as_str() {
                // Then the metadata isn't looked at.
                errors.clear();
            }
            check_custom(resource, schema, object, None, errors);
        }
        (Kind::Pod, _) => errors.extend(check_pod(object)),
        (Kind::VolumeClaim, _) => errors.extend(check_claim(object)),
        (Kind::Lease, _) => errors.extend(check_lease(object)),
        (Kind::Event, _) => errors.extend(check_event(object)),
        _ => {}
    }
}

/// What is wrong with an object that replaces another, beside its metadata.
pub(super) fn check_update(
    resource: &Resource,
    subresource: &str,
    new: &Value,
    old: &Value,
    errors: &mut Vec<FieldError>,
) {
    match (resource.behaviour, &resource.schema, subresource) {
        (_, Some(schema), "status") => {
            if let (Some(schema), Some(status)) = (schema.property("status"), new.get("status")) {
                schema.check(status, old.get("status"), "status", errors);
            }
        }
        (_, Some(schema), _) => check_custom(resource, schema, new, Some(old), errors),
        (Kind::Pod, _, "status") => errors.extend(check_container_states(new, old)),
        (Kind::Pod, _, _) => {
            errors.extend(check_pod(new));
            errors.extend(check_pod_update(new, old));
        }
        (Kind::Lease, _, _) => errors.extend(check_lease(new)),
        (Kind::Event, _, _) => errors.extend(check_event_update(new, old)),
        _ => {}
    }
}

/// Of an object of another kind the shape isn't looked at.
fn check_custom(resource: &Resource, schema: &Schema, new: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if new["kind"] == resource.kind.as_str() {
        schema.check(new, old, "", errors);
    } else {
        errors.push(FieldError::invalid("kind", &new["kind"], &format!("must be {}", resource.kind)));
        schema.check_content(new, old, "", errors);
    }
}

fn check_pod(pod: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let containers = pod["spec"]["containers"].as_array();
    if containers.is_none_or(Vec::is_empty) {
        errors.push(FieldError::required("spec.containers"));
    }
    for (index, container) in containers.into_iter().flatten().enumerate() {
        for field in ["name", "image"] {
            if container[field].as_str().is_none_or(str::is_empty) {
                errors.push(FieldError::required(format!("spec.containers[{index}].{field}")));
            }
        }
    }
    errors
}

/// Only few fields of a pod's spec can change. Unlike the real server, the model takes a node by a patch: it is how played
/// schedulers bind.
fn check_pod_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let unbound = old["spec"].get("nodeName").is_none();
    let free: &[&str] = &["activeDeadlineSeconds", "tolerations", "schedulingGates", "nodeName"];
    let free = if unbound { free } else { &free[..3] };
    let fixed = |pod: &Value| {
        let mut spec = without(&pod["spec"], free);
        for field in ["containers", "initContainers"] {
            for container in spec[field].as_array_mut().into_iter().flatten() {
                remove(container, "image");
            }
            if spec[field].is_null() {
                remove(&mut spec, field);
            }
        }
        spec
    };
    let mut errors = Vec::new();
    let deadline = |pod: &Value| pod["spec"]["activeDeadlineSeconds"].as_i64();
    let longer = match (deadline(old), deadline(new)) {
        (Some(old), Some(new)) => new > old,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if longer {
        let value = &new["spec"]["activeDeadlineSeconds"];
        errors.push(FieldError::invalid("spec.activeDeadlineSeconds", value, "must be less than or equal to before"));
        // A longer deadline ends the validation, one that is gone doesn't.
        if deadline(new).is_some() {
            return errors;
        }
    }
    let count = |pod: &Value| pod["spec"]["containers"].as_array().map(Vec::len);
    if count(new) != count(old) {
        errors.push(FieldError::forbidden("spec.containers", "pod updates may not add or remove containers"));
    } else if new["spec"] != old["spec"] && fixed(new) != fixed(old) {
        errors
            .push(FieldError::forbidden("spec", "pod updates may not change fields other than those of a short list"));
    }
    errors
}

/// A container that has ended and may not be restarted doesn't run again.
fn check_container_states(new: &Value, old: &Value) -> Vec<FieldError> {
    let policy = old["spec"]["restartPolicy"].as_str().unwrap_or_default();
    let statuses = |pod: &Value| pod["status"]["containerStatuses"].as_array().cloned().unwrap_or_default();
    let news = statuses(new);
    let mut errors = Vec::new();
    for (index, status) in statuses(old).iter().enumerate() {
        let Some(end) = status["state"].get("terminated") else { continue };
        let ended_for_good = policy == "Never" || policy == "OnFailure" && end["exitCode"] == 0;
        let runs_again = |other: &Value| other["name"] == status["name"] && other["state"].get("terminated").is_none();
        if ended_for_good && news.iter().any(runs_again) {
            let field = format!("status.containerStatuses[{index}].state");
            errors.push(FieldError::forbidden(field, "may not be transitioned to non-terminated state"));
        }
    }
    errors
}

fn check_claim(claim: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if claim["spec"]["accessModes"].as_array().is_none_or(Vec::is_empty) {
        errors.push(FieldError::required("spec.accessModes"));
    }
    if claim.pointer("/spec/resources/requests/storage").is_none() {
        errors.push(FieldError::required("spec.resources[storage]"));
    }
    errors
}

fn check_lease(lease: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    for (field, least) in [("leaseDurationSeconds", 1), ("leaseTransitions", 0)] {
        if lease["spec"][field].as_i64().is_some_and(|value| value < least) {
            let detail = format!("must be at least {least}");
            errors.push(FieldError::invalid(format!("spec.{field}"), &lease["spec"][field], &detail));
        }
    }
    errors
}

fn check_event(event: &Value) -> Vec<FieldError> {
    let empty = |field: &&str| event[*field].as_str().is_none_or(str::is_empty);
    let mut errors: Vec<FieldError> = ["eventTime", "reportingController", "reportingInstance", "action", "reason"]
        .into_iter()
        .filter(empty)
        .map(FieldError::required)
        .collect();
    if !matches!(event["type"].as_str(), Some("Normal" | "Warning")) {
        errors.push(FieldError::invalid("type", &event["type"], "has invalid value"));
    }
    for (field, most) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("note", 1024)] {
        if event[field].as_str().is_some_and(|text| text.len() > most) {
            let name = if field == "note" { "message" } else { field };
            errors.push(FieldError::invalid(name, &Value::Null, &format!("can have at most {most} characters")));
        }
    }
    let (own, regarding) = (meta::text(event, "namespace"), event["regarding"]["namespace"].as_str());
    if regarding.is_none_or(str::is_empty) && own != "default" && own != "kube-system" {
        errors.push(FieldError::invalid("involvedObject.namespace", &Value::Null, "does not match event.namespace"));
    }
    errors
}

fn check_event_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let fields = [
        ("regarding", "involvedObject"),
        ("reason", "reason"),
        ("note", "message"),
        ("type", "type"),
        ("eventTime", "eventTime"),
        ("action", "action"),
        ("related", "related"),
        ("reportingController", "reportingController"),
        ("reportingInstance", "reportingInstance"),
    ];
    let changed = fields.into_iter().filter(|(field, _)| new[*field] != old[*field]);
    changed.map(|(field, name)| FieldError::invalid(name, &new[field], "field is immutable")).collect()
}

/// A copy of an object without some of its fields.
fn without(object: &Value, fields: &[&str]) -> Value {
    let kept = object.as_object().into_iter().flatten().filter(|(name, _)| !fields.contains(&name.as_str()));
    Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
}
