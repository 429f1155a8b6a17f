//! Requests and answers, and what a path means.

use http::Method;
use jiff::Timestamp;
use serde_json::Value;

use super::catalog::{self, Resource};
use super::refusal::Refusal;
use super::{Watch, store};

/// A request as it reaches the API server.
#[derive(Clone, Debug)]
pub struct Request {
    /// The HTTP method.
    pub method: Method,
    /// Path with query.
    pub path: String,
    /// The `Content-Type` header.
    pub content_type: String,
    /// The body; empty where there is none.
    pub body: Vec<u8>,
    /// When it was sent, by the one true clock.
    pub sent: Timestamp,
}

impl Request {
    fn new(method: Method, path: &str, content_type: &str, body: &Value, sent: Timestamp) -> Self {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        Self { method, path: path.to_owned(), content_type: content_type.to_owned(), body, sent }
    }

    /// Reads, lists or watches.
    pub fn get(path: &str, sent: Timestamp) -> Self {
        Self::new(Method::GET, path, "", &Value::Null, sent)
    }

    /// Creates.
    pub fn post(path: &str, body: &Value, sent: Timestamp) -> Self {
        Self::new(Method::POST, path, "application/json", body, sent)
    }

    /// Replaces.
    pub fn put(path: &str, body: &Value, sent: Timestamp) -> Self {
        Self::new(Method::PUT, path, "application/json", body, sent)
    }

    /// Changes by a JSON patch (RFC 6902).
    pub fn json_patch(path: &str, body: &Value, sent: Timestamp) -> Self {
        Self::new(Method::PATCH, path, "application/json-patch+json", body, sent)
    }

    /// Changes by a merge patch (RFC 7396).
    pub fn merge_patch(path: &str, body: &Value, sent: Timestamp) -> Self {
        Self::new(Method::PATCH, path, "application/merge-patch+json", body, sent)
    }

    /// Deletes; `options` are `DeleteOptions` or null.
    pub fn delete(path: &str, options: &Value, sent: Timestamp) -> Self {
        Self::new(Method::DELETE, path, "application/json", options, sent)
    }
}

/// What the API server answers.
#[derive(Clone, Debug)]
pub enum Answer {
    /// A whole body: an object, a list, or a `Status`.
    Object {
        /// HTTP status.
        code: u16,
        /// The body.
        body: Value,
        /// The `Retry-After` header, in seconds.
        retry_after: Option<u32>,
    },
    /// A watch that was opened; it goes on until someone ends it.
    Watch(Watch),
}

impl Answer {
    /// An answer without further headers.
    pub(super) fn object(code: u16, body: Value) -> Self {
        Self::Object { code, body, retry_after: None }
    }
}

/// A request, understood.
pub(super) struct Call<'a> {
    pub actor: &'a str,
    pub request: &'a Request,
    pub now: Timestamp,
    pub resource: &'static Resource,
    /// Empty for all namespaces and for what is in none.
    pub namespace: String,
    /// Empty for the whole collection.
    pub name: String,
    /// `status`, `binding`, `finalize`, or empty for the object itself.
    pub subresource: &'a str,
    pub query: Query,
}

impl<'a> Call<'a> {
    pub fn parse(actor: &'a str, request: &'a Request, now: Timestamp) -> Result<Self, Refusal> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match parts.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Refusal::no_such_path()),
        };
        let (namespace, plural, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (*namespace, *plural, rest)
            }
            [plural, rest @ ..] => ("", *plural, rest),
            [] => return Err(Refusal::no_such_path()),
        };
        let (name, subresource) = match rest {
            [] => ("", ""),
            [name] => (*name, ""),
            [name, subresource] => (*name, *subresource),
            _ => return Err(Refusal::no_such_path()),
        };
        let found = catalog::find(group, version, plural).filter(|resource| {
            let scoped = resource.namespaced || namespace.is_empty();
            scoped && (subresource.is_empty() || resource.has(subresource))
        });
        let resource = found.ok_or_else(Refusal::no_such_path)?;
        if resource.namespaced && namespace.is_empty() && !(name.is_empty() && request.method == Method::GET) {
            return Err(Refusal::no_such_path());
        }
        Ok(Self {
            actor,
            request,
            now,
            resource,
            namespace: namespace.to_owned(),
            name: decode(name),
            subresource,
            query: Query::parse(query),
        })
    }

    /// Where the store keeps the object that is named.
    pub fn key(&self) -> String {
        store::key(&self.namespace, &self.name)
    }

    /// The body as JSON.
    pub fn body(&self) -> Result<Value, Refusal> {
        serde_json::from_slice(&self.request.body).map_err(|error| Refusal::bad_request(&error.to_string()))
    }
}

/// The parameters of a path.
pub(super) struct Query(Vec<(String, String)>);

impl Query {
    fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty());
        Self(
            pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(k, v)| (decode(k), decode(v))).collect(),
        )
    }

    /// The first value of a parameter; `None` where it is absent or empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// Whether a parameter is true.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }
}

/// Undoes percent-encoding.
fn decode(text: &str) -> String {
    if !text.contains(['%', '+']) {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = match (first, tail) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        bytes.push(hex.unwrap_or(if *first == b'+' { b' ' } else { *first }));
        rest = if hex.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
