//! How the played controllers and people speak to the API server.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::{Answer, Request, Server};

/// A connection: who speaks, and when.
pub struct Wire<'a> {
    /// The API server.
    pub server: &'a mut Server,
    /// Who speaks, as the journal has it.
    pub actor: &'static str,
    /// The time.
    pub now: Timestamp,
}

impl Wire<'_> {
    /// Creates an object; whether the server took it.
    pub fn create(&mut self, object: &Value) -> bool {
        let request = Request::post(&collection(object), object, self.now);
        self.send(&request)
    }

    /// Merge-patches an object, or its subresource; whether the server took it. A uid in the patch must be the object's.
    pub fn patch(&mut self, path: &str, patch: &Value) -> bool {
        let request = Request::merge_patch(path, patch, self.now);
        self.send(&request)
    }

    /// Replaces an object, or its subresource; whether the server took it.
    pub fn replace(&mut self, path: &str, object: &Value) -> bool {
        let request = Request::put(path, object, self.now);
        self.send(&request)
    }

    /// Deletes an object; whether the server took it. `options` are `DeleteOptions`, but for their kind.
    pub fn delete(&mut self, path: &str, mut options: Value) -> bool {
        options["kind"] = "DeleteOptions".into();
        options["apiVersion"] = "v1".into();
        let request = Request::delete(path, &options, self.now);
        self.send(&request)
    }

    /// Deletes a pod by its uid; its own grace where none is given.
    pub fn delete_pod(&mut self, path: &str, uid: &str, grace_seconds: Option<u32>) -> bool {
        let mut options = json!({ "preconditions": { "uid": uid } });
        if let Some(seconds) = grace_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        self.delete(path, options)
    }

    fn send(&mut self, request: &Request) -> bool {
        match self.server.handle(self.actor, request, self.now) {
            Answer::Object { code, .. } => code < 300,
            Answer::Watch(_) => false,
        }
    }
}

/// Path of an object's collection.
pub fn collection(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or_default();
    path(&plural(kind), object["metadata"]["namespace"].as_str().unwrap_or_default(), "")
}

/// Path of an object.
pub fn path_of(object: &Value) -> String {
    format!("{}/{}", collection(object), object["metadata"]["name"].as_str().unwrap_or_default())
}

/// Path of an object by its resource, namespace and name; of the collection where the name is empty.
pub fn path(resource: &str, namespace: &str, name: &str) -> String {
    let slash = if name.is_empty() { "" } else { "/" };
    match resource {
        "namespaces" => format!("/api/v1/namespaces{slash}{name}"),
        "loads" => format!("/apis/example.org/v1/namespaces/{namespace}/{resource}{slash}{name}"),
        "pods" | "persistentvolumeclaims" => format!("/api/v1/namespaces/{namespace}/{resource}{slash}{name}"),
        _ => format!("/apis/gantline.dev/v1alpha1/namespaces/{namespace}/{resource}{slash}{name}"),
    }
}

/// The resource of a kind. All of ours are regular.
pub fn plural(kind: &str) -> String {
    format!("{}s", kind.to_lowercase())
}
