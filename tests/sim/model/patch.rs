//! Patches, with the habits of the library by which kube-apiserver applies them (`evanphx/json-patch`).

use json_patch::{AddOperation, PatchOperation, ReplaceOperation};
use serde_json::{Map, Value};

/// Applies a JSON patch (RFC 6902). `Err` where it doesn't apply, be it that a `test` failed.
pub(super) fn apply(document: &mut Value, operations: &[Value]) -> Result<(), String> {
    for operation in operations {
        let operation = serde_json::from_value(operation.clone()).map_err(|error| error.to_string())?;
        let operation = as_server_reads(operation, document);
        json_patch::patch(document, &[operation]).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// The server lets `replace` set a field that is not there.
fn as_server_reads(operation: PatchOperation, document: &Value) -> PatchOperation {
    match operation {
        PatchOperation::Replace(ReplaceOperation { path, value })
            if path.parent().is_some_and(|parent| parent.resolve(document).is_ok_and(Value::is_object)) =>
        {
            PatchOperation::Add(AddOperation { path, value })
        }
        other => other,
    }
}

/// Applies a merge patch (RFC 7396). Other than by the book, nulls also go from objects inside of a list, unless the list
/// takes the place of an object.
pub(super) fn merge(document: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, value) in patch {
        if value.is_null() {
            document.remove(name);
            continue;
        }
        match (document.get_mut(name), value) {
            (Some(Value::Object(current)), Value::Object(patch)) => merge(current, patch),
            (Some(current @ Value::Object(_)), value) => *current = value.clone(),
            (_, value) => {
                document.insert(name.clone(), without_nulls(value));
            }
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter(|(_, value)| !value.is_null());
            kept.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(list) => list.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
