//! Refusals: `Status` objects with the code, reason and details that the real server gives.

use serde_json::{Value, json};

use super::catalog::Resource;
use super::request::Answer;

/// A request that was refused, or that failed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    code: u16,
    reason: &'static str,
    message: String,
    details: Value,
}

/// What is wrong with a field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldError {
    reason: &'static str,
    field: String,
    message: String,
}

impl FieldError {
    fn new(reason: &'static str, field: impl Into<String>, message: String) -> Self {
        Self { reason, field: field.into(), message }
    }

    pub fn invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {value}: {detail}"))
    }

    pub fn type_invalid(field: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self::new("FieldValueTypeInvalid", field, format!("Invalid value: {value}: {detail}"))
    }

    pub fn required(field: impl Into<String>) -> Self {
        Self::new("FieldValueRequired", field, "Required value".to_owned())
    }

    pub fn forbidden(field: impl Into<String>, detail: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {detail}"))
    }

    pub fn not_supported(field: impl Into<String>, value: &Value, supported: &[Value]) -> Self {
        let supported: Vec<String> = supported.iter().map(Value::to_string).collect();
        let message = format!("Unsupported value: {value}: supported values: {}", supported.join(", "));
        Self::new("FieldValueNotSupported", field, message)
    }

    pub fn too_long(field: impl Into<String>, most: u64) -> Self {
        Self::new("FieldValueTooLong", field, format!("Too long: may not be more than {most} bytes"))
    }

    pub fn too_many(field: impl Into<String>, found: usize, most: u64) -> Self {
        Self::new("FieldValueTooMany", field, format!("Too many: {found}: must have at most {most} items"))
    }

    pub fn duplicate(field: impl Into<String>, value: &Value) -> Self {
        Self::new("FieldValueDuplicate", field, format!("Duplicate value: {value}"))
    }

    /// Whether rules are no longer evaluated beside it: the object is not of the shape that they are written for.
    pub fn blocks_rules(&self) -> bool {
        matches!(
            self.reason,
            "FieldValueNotSupported"
                | "FieldValueRequired"
                | "FieldValueTooLong"
                | "FieldValueTooMany"
                | "FieldValueTypeInvalid"
        )
    }
}

impl Refusal {
    fn new(code: u16, reason: &'static str, message: String, details: Value) -> Self {
        Self { code, reason, message, details }
    }

    /// As the body of an answer or the object of a watch's ERROR event.
    pub fn status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.details.is_null() {
            status["details"] = self.details.clone();
        }
        status
    }

    pub fn answer(&self) -> Answer {
        Answer::object(self.code, self.status())
    }

    pub fn bad_request(message: &str) -> Self {
        Self::new(400, "BadRequest", message.to_owned(), Value::Null)
    }

    /// A path that no resource has. It has no details: it says nothing of an object.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_owned(), Value::Null)
    }

    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource";
        Self::new(405, "MethodNotAllowed", message.to_owned(), json!({}))
    }

    pub fn unsupported_media_type() -> Self {
        let message = "the body of the request was in an unknown format";
        Self::new(415, "UnsupportedMediaType", message.to_owned(), Value::Null)
    }

    /// A body above the server's limit.
    pub fn too_large() -> Self {
        let message = "Request entity too large: limit is 3145728".to_owned();
        Self::new(413, "RequestEntityTooLarge", message, json!({}))
    }

    /// What the server passes on from its store without a reason of its own.
    pub fn internal(message: &str) -> Self {
        Self::new(500, "", message.to_owned(), Value::Null)
    }

    /// A list or watch from a revision that is not there yet.
    pub fn future(asked: u64, newest: u64) -> Self {
        let message = format!("Timeout: Too large resource version: {asked}, current: {newest}");
        let causes = json!([{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }]);
        Self::new(504, "Timeout", message, json!({ "causes": causes, "retryAfterSeconds": 1 }))
    }

    /// A revision that was compacted.
    pub fn gone(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"), Value::Null)
    }

    /// A paged list whose snapshot was compacted.
    pub fn page_gone() -> Self {
        let message = "The provided continue parameter is too old to display a consistent list result.";
        Self::new(410, "Expired", message.to_owned(), Value::Null)
    }

    pub fn not_found(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} not found", resource.qualified());
        Self::new(404, "NotFound", message, details(&resource.group, &resource.plural, name))
    }

    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        let message = format!("{} {name:?} already exists", resource.qualified());
        Self::new(409, "AlreadyExists", message, details(&resource.group, &resource.plural, name))
    }

    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified());
        Self::new(409, "Conflict", message, details(&resource.group, &resource.plural, name))
    }

    /// A deletion whose precondition doesn't hold; it names the kind where other conflicts name the resource.
    pub fn deletion_conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} {name:?}: {why}", resource.qualified_kind());
        Self::new(409, "Conflict", message, details(resource.kind_group(), &resource.kind, name))
    }

    /// A pod that can't be bound.
    pub fn binding_conflict(name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on pods/binding {name:?}: {why}");
        Self::new(409, "Conflict", message, json!({ "name": name, "kind": "pods/binding" }))
    }

    pub fn namespace_terminating(resource: &Resource, name: &str, namespace: &str) -> Self {
        let message = format!(
            "{} {name:?} is forbidden: unable to create new content in namespace {namespace} because it is being terminated",
            resource.qualified()
        );
        let mut details = details(&resource.group, &resource.plural, name);
        details["causes"] = json!([{
            "reason": "NamespaceTerminating",
            "message": format!("namespace {namespace} is being terminated"),
            "field": "metadata.namespace",
        }]);
        Self::new(403, "Forbidden", message, details)
    }

    /// An object that isn't valid; `kind` is what the details name.
    pub fn invalid(resource: &Resource, kind: &str, name: &str, errors: &[FieldError]) -> Self {
        let texts: Vec<String> = errors.iter().map(|error| format!("{}: {}", error.field, error.message)).collect();
        let causes: Vec<Value> = errors
            .iter()
            .map(|error| json!({ "reason": error.reason, "message": error.message, "field": error.field }))
            .collect();
        let message = format!("{} {name:?} is invalid: {}", resource.qualified_kind(), texts.join(", "));
        let group = if kind == resource.plural { &resource.group } else { resource.kind_group() };
        let mut details = details(group, kind, name);
        details["causes"] = Value::Array(causes);
        Self::new(422, "Invalid", message, details)
    }

    /// `DeleteOptions` that contradict themselves or say what there is not.
    pub fn invalid_options(error: &FieldError) -> Self {
        let message = format!("DeleteOptions.meta.k8s.io \"\" is invalid: {}: {}", error.field, error.message);
        let causes = json!([{ "reason": error.reason, "message": error.message, "field": error.field }]);
        Self::new(422, "Invalid", message, json!({ "group": "meta.k8s.io", "kind": "DeleteOptions", "causes": causes }))
    }

    /// A JSON patch that doesn't apply, be it that a `test` failed.
    pub fn unprocessable() -> Self {
        let message = "the server rejected our request due to an error in our request";
        Self::new(422, "Invalid", message.to_owned(), json!({}))
    }

    /// A patch whose result is no object of the kind.
    pub fn invalid_patch(why: &str) -> Self {
        let error = FieldError::invalid("patch", &Value::Null, why);
        let causes = json!([{ "reason": error.reason, "message": error.message, "field": error.field }]);
        Self::new(422, "Invalid", format!(" \"\" is invalid: patch: {why}"), json!({ "causes": causes }))
    }
}

fn details(group: &str, kind: &str, name: &str) -> Value {
    let mut details = json!({ "kind": kind });
    if !name.is_empty() {
        details["name"] = name.into();
    }
    if !group.is_empty() {
        details["group"] = group.into();
    }
    details
}
