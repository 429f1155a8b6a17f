//! Metadata: the form in which the server keeps it, and what it must be.

use std::sync::LazyLock;

use jiff::Timestamp;
use regex::Regex;
use serde_json::{Map, Value};

use super::catalog::Resource;
use super::kind::Kind;
use super::refusal::FieldError;

/// Finalizer of a deletion that waits for the dependents.
pub(super) const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer of a deletion that leaves the dependents.
pub(super) const ORPHAN: &str = "orphan";

/// Fields of metadata that are kept. Managed fields are not modelled.
const TEXTS: [&str; 7] =
    ["name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp"];
const NUMBERS: [&str; 2] = ["generation", "deletionGracePeriodSeconds"];
const MAPS: [&str; 2] = ["labels", "annotations"];
const LISTS: [&str; 2] = ["ownerReferences", "finalizers"];

/// Largest size of all annotations, in bytes.
const MAX_ANNOTATIONS: usize = 256 << 10;

/// A time as metadata has it: whole seconds.
pub(super) fn time(at: Timestamp) -> Value {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string().into()
}

/// A text of the metadata; empty where it is absent.
pub(super) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Whether an object is being deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    object["metadata"]["deletionTimestamp"].is_string()
}

pub(super) fn finalizers(object: &Value) -> impl Iterator<Item = &str> {
    object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str)
}

pub(super) fn owners(object: &Value) -> impl Iterator<Item = &Value> {
    object["metadata"]["ownerReferences"].as_array().into_iter().flatten()
}

/// The metadata, to be changed.
pub(super) fn of(object: &mut Value) -> &mut Map<String, Value> {
    static NO_OBJECT: &str = "an object that was taken in has metadata";
    object["metadata"].as_object_mut().expect(NO_OBJECT)
}

/// Sets a field of the metadata to what it is in another object.
pub(super) fn take(object: &mut Value, field: &str, from: &Value) {
    match from["metadata"].get(field) {
        Some(value) => of(object).insert(field.to_owned(), value.clone()),
        None => of(object).remove(field),
    };
}

/// Brings metadata into the form in which it is kept: without unknown and empty fields. `Err` says what has the wrong type.
pub(super) fn shape(object: &mut Value) -> Result<(), String> {
    let Some(map) = object.as_object_mut() else { return Err("an object is expected".to_owned()) };
    let meta = match map.remove("metadata") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(meta)) => meta,
        Some(_) => return Err("metadata must be an object".to_owned()),
    };
    let mut kept = Map::new();
    for (name, mut value) in meta {
        if let Value::Object(map) = &mut value {
            map.values_mut().filter(|value| value.is_null()).for_each(|value| *value = "".into());
        }
        let known = |names: &[&str]| names.contains(&name.as_str());
        let fits = match &value {
            Value::Null => continue,
            Value::String(text) if known(&TEXTS) && text.is_empty() => continue,
            Value::String(_) if known(&TEXTS) => true,
            Value::Number(number) if known(&NUMBERS) => number.is_i64() || number.is_u64(),
            Value::Object(map) if known(&MAPS) && map.is_empty() => continue,
            Value::Object(map) if known(&MAPS) => map.values().all(Value::is_string),
            Value::Array(list) if known(&LISTS) && list.is_empty() => continue,
            Value::Array(list) if name == "finalizers" => list.iter().all(Value::is_string),
            Value::Array(list) if name == "ownerReferences" => list.iter().all(Value::is_object),
            _ if known(&TEXTS) || known(&NUMBERS) || known(&MAPS) || known(&LISTS) => false,
            _ => continue,
        };
        if !fits {
            return Err(format!("metadata.{name} has the wrong type"));
        }
        kept.insert(name, value);
    }
    if let Some(Value::Array(list)) = kept.get_mut("ownerReferences") {
        shape_owners(list);
    }
    map.insert("metadata".into(), Value::Object(kept));
    Ok(())
}

/// References have all their texts, no unknown fields, and none is there twice.
fn shape_owners(list: &mut Vec<Value>) {
    let mut kept: Vec<Value> = Vec::new();
    for reference in list.drain(..) {
        let mut map = Map::new();
        for field in ["apiVersion", "kind", "name", "uid"] {
            map.insert(field.into(), reference[field].as_str().unwrap_or_default().into());
        }
        for field in ["controller", "blockOwnerDeletion"] {
            if let Some(flag) = reference[field].as_bool() {
                map.insert(field.into(), flag.into());
            }
        }
        let reference = Value::Object(map);
        if !kept.contains(&reference) {
            kept.push(reference);
        }
    }
    *list = kept;
}

/// What is wrong with metadata by itself.
pub(super) fn check(resource: &Resource, object: &Value) -> Vec<FieldError> {
    let meta = &object["metadata"];
    let mut errors = Vec::new();
    let named = |name: &str| if resource.behaviour == Kind::Namespace { is_label(name) } else { is_subdomain(name) };
    if let Some(prefix) = meta["generateName"].as_str() {
        // What comes after a dash at the end is a letter or a digit.
        let masked = prefix.strip_suffix('-').map(|start| format!("{start}a"));
        if !named(masked.as_deref().unwrap_or(prefix)) {
            errors.push(FieldError::invalid("metadata.generateName", &meta["generateName"], "must be a DNS name"));
        }
    }
    match meta["name"].as_str() {
        None => errors.push(FieldError::required("metadata.name")),
        Some(name) if !named(name) => {
            errors.push(FieldError::invalid("metadata.name", &meta["name"], "must be a DNS name"));
        }
        Some(_) => {}
    }
    check_labels(meta, &mut errors);
    check_owners(meta, &mut errors);
    check_finalizers(resource, object, &mut errors);
    errors
}

fn check_labels(meta: &Value, errors: &mut Vec<FieldError>) {
    for (key, value) in meta["labels"].as_object().into_iter().flatten() {
        if !is_qualified(key) || !is_label_value(value.as_str().unwrap_or_default()) {
            errors.push(FieldError::invalid("metadata.labels", &format!("{key}={value}").into(), "must be a label"));
        }
    }
    let annotations = || meta["annotations"].as_object().into_iter().flatten();
    for (key, _) in annotations() {
        if !is_qualified(&key.to_lowercase()) {
            errors.push(FieldError::invalid("metadata.annotations", &key.as_str().into(), "must be a qualified name"));
        }
    }
    let size: usize = annotations().map(|(key, value)| key.len() + value.as_str().unwrap_or_default().len()).sum();
    if size > MAX_ANNOTATIONS {
        errors.push(FieldError::too_long("metadata.annotations", MAX_ANNOTATIONS as u64));
    }
}

fn check_owners(meta: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.ownerReferences";
    let mut controlled = false;
    for reference in meta["ownerReferences"].as_array().into_iter().flatten() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if reference[field] == "" {
                errors.push(FieldError::invalid(format!("{path}.{field}"), &reference[field], "must not be empty"));
            }
        }
        if reference["apiVersion"] == "v1" && reference["kind"] == "Event" {
            errors.push(FieldError::invalid(path, reference, "an Event is disallowed from being an owner"));
        }
        if reference["controller"] == true && std::mem::replace(&mut controlled, true) {
            let detail = "Only one reference can have Controller set to true";
            errors.push(FieldError::invalid(path, &meta["ownerReferences"], detail));
        }
    }
}

fn check_finalizers(resource: &Resource, object: &Value, errors: &mut Vec<FieldError>) {
    let path = "metadata.finalizers";
    for (index, name) in finalizers(object).enumerate() {
        if !is_qualified(name) {
            errors.push(FieldError::invalid(path, &name.into(), "must be a qualified name"));
        }
        let standard = [FOREGROUND, ORPHAN, "kubernetes"].contains(&name);
        if resource.kind_group().is_empty() && !name.contains('/') && !standard {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            errors.push(FieldError::invalid(format!("{path}[{index}]"), &name.into(), detail));
        }
    }
    let has = |name: &str| finalizers(object).any(|other| other == name);
    if has(FOREGROUND) && has(ORPHAN) {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        errors.push(FieldError::invalid(path, &object["metadata"]["finalizers"], detail));
    }
}

/// What may not become of metadata.
pub(super) fn check_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if is_deleting(old) {
        let added: Vec<&str> = finalizers(new).filter(|name| !finalizers(old).any(|other| other == *name)).collect();
        if !added.is_empty() {
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers {added:?}"
            );
            errors.push(FieldError::forbidden("metadata.finalizers", &detail));
        }
    }
    for field in ["name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"] {
        let (new, old) = (&new["metadata"][field], &old["metadata"][field]);
        if new != old {
            errors.push(FieldError::invalid(format!("metadata.{field}"), new, "field is immutable"));
        }
    }
    errors
}

fn is_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= 63 && inner(*first) && inner(*last) && bytes.iter().all(|byte| inner(*byte) || *byte == b'-')
}

fn is_subdomain(text: &str) -> bool {
    static PATTERN: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").expect("a pattern")
    });
    text.len() <= 253 && (is_label(text) || PATTERN.is_match(text))
}

fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_name_part(text)
}

/// Letters, digits, `-`, `_` and `.`, the first and last a letter or digit; at most 63.
fn is_name_part(text: &str) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= 63
        && first.is_ascii_alphanumeric()
        && last.is_ascii_alphanumeric()
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
}

/// A name, perhaps after a DNS subdomain and a slash.
fn is_qualified(text: &str) -> bool {
    match text.split_once('/') {
        Some((prefix, name)) => is_subdomain(prefix) && is_name_part(name),
        None => is_name_part(text),
    }
}
