//! Access reviews: whether a service account may do something. The model has no RBAC; accounts are named by what they may.

use http::Method;
use serde_json::{Value, json};

use super::request::{Answer, Request};

/// The account that may nothing.
pub const MAY_NOT: &str = "may-not";

/// The answer to a `LocalSubjectAccessReview`; `None` where the request is another. Nothing of it is stored.
pub(super) fn answer(request: &Request) -> Option<Answer> {
    let path = request.path.split('?').next().unwrap_or_default();
    let namespace = path
        .strip_prefix("/apis/authorization.k8s.io/v1/namespaces/")?
        .strip_suffix("/localsubjectaccessreviews")
        .filter(|_| request.method == Method::POST)?;
    let mut review: Value = serde_json::from_slice(&request.body).ok()?;
    let account = review["spec"]["user"].as_str()?.strip_prefix("system:serviceaccount:")?.strip_prefix(namespace)?;
    let asks_to_create = review["spec"]["resourceAttributes"]["verb"] == "create";
    let allowed = asks_to_create && account.strip_prefix(':').is_some_and(|account| account != MAY_NOT);
    let reason = if allowed { "RBAC: allowed by RoleBinding" } else { "" };
    review["status"] = json!({ "allowed": allowed, "reason": reason });
    Some(Answer::object(201, review))
}
