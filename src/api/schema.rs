//! Schemas that the derive cannot make.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Drops the formats of unsigned numbers, which Kubernetes doesn't know and warns about; `minimum` says as much.
pub(super) fn drop_foreign_formats(schema: &mut JSONSchemaProps) {
    if schema.format.as_ref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
    schema.properties.iter_mut().flatten().for_each(|(_, property)| drop_foreign_formats(property));
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        drop_foreign_formats(items);
    }
}

/// An object whose fields Kubernetes keeps as they are. Without `additionalProperties`, which would make the API server
/// prune nested fields.
pub(super) fn object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}

/// An object kept as it is, with at most 64 keys.
pub(super) fn small_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true, "maxProperties": 64 })
}

/// A duration: whole hours, minutes, seconds and milliseconds, in this order, each with its unit.
pub(super) fn duration(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "minLength": 2,
        "maxLength": 32,
        "pattern": "^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    })
}

/// The type of a value, where one may be given: an option of the enum would be nullable, and null none of its values.
pub(super) fn value_type(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": ["string", "int", "bool", "number", "list", "object"] })
}

/// Any JSON value.
pub(super) fn any(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-preserve-unknown-fields": true })
}

/// A list of any JSON values, at most 64.
pub(super) fn any_list(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 64,
        "items": { "x-kubernetes-preserve-unknown-fields": true },
        "x-kubernetes-list-type": "atomic",
    })
}

/// Expressions by name.
pub(super) fn expressions(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": { "type": "string", "minLength": 1, "maxLength": 1024 },
    })
}

/// The literal values of a forEach: a list of any JSON values.
pub(super) fn values(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "minItems": 1,
        "maxItems": 1000,
        "items": { "x-kubernetes-preserve-unknown-fields": true },
        "x-kubernetes-list-type": "atomic",
    })
}

/// Amounts of resources by name; each a Kubernetes quantity (resource.Quantity in the API reference).
pub(super) fn quantities(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": 32,
        "additionalProperties": {
            "x-kubernetes-int-or-string": true,
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "maxLength": 64,
            "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
        },
    })
}
