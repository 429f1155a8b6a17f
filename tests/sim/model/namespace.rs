//! The namespace controller: empties a namespace that is being deleted, then lets it go.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Server;
use super::catalog;
use super::garbage::path;
use super::kind::Kind;
use super::meta;
use super::request::Request;
use crate::actor::Actor;

/// Its name in the journal.
const NAME: &str = "namespace-controller";

/// The namespace controller of kube-controller-manager. Pods go first; nothing else is deleted before they are gone.
pub struct NamespaceController {
    delay: SignedDuration,
    /// The revision of the last look.
    seen: u64,
    /// When a namespace is looked at next.
    queue: BTreeMap<String, Timestamp>,
}

impl NamespaceController {
    /// One that reacts after `delay`.
    pub fn new(delay: SignedDuration) -> Self {
        Self { delay, seen: 0, queue: BTreeMap::new() }
    }

    /// Deletes what is due to be deleted; a namespace without content is let go.
    fn empty(server: &mut Server, namespace: &str, now: Timestamp) {
        let mut content = Self::content(server, namespace, true);
        if content.is_empty() {
            content = Self::content(server, namespace, false);
        }
        if content.is_empty() {
            let Some(found) = server.get("namespaces", "", namespace) else { return };
            let mut body = Value::clone(found);
            body["spec"]["finalizers"] = json!([]);
            server.handle(NAME, &Request::put(&format!("{}/finalize", path(&body)), &body, now), now);
        }
        for object in content.iter().filter(|object| !meta::is_deleting(object)) {
            server.handle(NAME, &Request::delete(&path(object), &Value::Null, now), now);
        }
    }

    /// The pods of a namespace, or all else in it.
    fn content(server: &Server, namespace: &str, pods: bool) -> Vec<Value> {
        let resources = catalog::all().iter().filter(|resource| resource.namespaced);
        let wanted = resources.filter(|resource| (resource.behaviour == Kind::Pod) == pods);
        let objects = wanted.flat_map(|resource| server.store.list(resource).values());
        objects
            .filter(|object| meta::text(object, "namespace") == namespace)
            .map(|object| Value::clone(object))
            .collect()
    }
}

impl Actor for NamespaceController {
    fn act(&mut self, server: &mut Server, now: Timestamp) -> Option<Timestamp> {
        if server.revision() != self.seen {
            self.seen = server.revision();
            for namespace in server.list("namespaces").filter(|namespace| meta::is_deleting(namespace)) {
                let name = meta::text(namespace, "name").to_owned();
                self.queue.entry(name).or_insert(now + self.delay);
            }
        }
        let due: Vec<String> =
            self.queue.iter().filter(|(_, due)| **due <= now).map(|(name, _)| name.clone()).collect();
        for name in due {
            self.queue.remove(&name);
            Self::empty(server, &name, now);
            if server.get("namespaces", "", &name).is_some() && server.revision() != self.seen {
                self.queue.insert(name, now + self.delay);
            }
        }
        self.seen = server.revision();
        self.queue.values().min().copied()
    }
}
