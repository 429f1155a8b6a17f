//! The garbage collector: deletes what has no owner left, and carries out foreground and orphan deletions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Server;
use super::catalog::{self, Resource};
use super::meta::{self, FOREGROUND, ORPHAN};
use super::request::Request;
use super::store::{self, Change, Effect};
use crate::actor::Actor;

/// Its name in the journal.
const NAME: &str = "garbage-collector";

/// The garbage collector of kube-controller-manager. It looks at an object a fixed time after something happened that
/// concerns it, and decides by what is then.
pub struct GarbageCollector {
    delay: SignedDuration,
    /// The revision up to which the history was read; `None` before the first look.
    cursor: Option<u64>,
    /// Where each object is, and which uids own it, by its uid.
    known: BTreeMap<String, Place>,
    /// The uids of what an owner's uid owns.
    dependents: BTreeMap<String, BTreeSet<String>>,
    /// The uids to look at, and when.
    queue: BTreeMap<String, Timestamp>,
}

struct Place {
    resource: &'static Resource,
    key: String,
    owners: Vec<String>,
}

/// What an owner reference leads to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    There,
    /// Being deleted in the foreground: it waits for this dependent.
    Waiting,
    Absent,
    /// Of a kind that isn't served here; nothing can be said.
    Unknown,
}

impl GarbageCollector {
    /// One that reacts after `delay`.
    pub fn new(delay: SignedDuration) -> Self {
        Self { delay, cursor: None, known: BTreeMap::new(), dependents: BTreeMap::new(), queue: BTreeMap::new() }
    }

    /// Takes in what happened since the last look.
    fn observe(&mut self, server: &Server, now: Timestamp) {
        let changes = self.cursor.and_then(|cursor| server.store.since(cursor));
        match changes {
            Some(changes) => changes.for_each(|(_, change)| self.take(server, change, now)),
            None => self.list(server, now),
        }
        self.cursor = Some(server.revision());
    }

    /// Begins anew with all that there is.
    fn list(&mut self, server: &Server, now: Timestamp) {
        self.known.clear();
        self.dependents.clear();
        for resource in catalog::all() {
            for (key, object) in server.store.list(resource) {
                self.put(resource, key, object);
            }
        }
        let all: Vec<String> = self.known.keys().cloned().collect();
        for uid in all {
            self.enqueue(&uid, now);
        }
    }

    fn take(&mut self, server: &Server, change: &Change, now: Timestamp) {
        let (resource, object) = (&catalog::all()[change.resource], &*change.object);
        let uid = meta::text(object, "uid").to_owned();
        if change.effect == Effect::Deleted {
            self.queue.remove(&uid);
            let place = self.known.remove(&uid);
            for owner in place.into_iter().flat_map(|place| place.owners) {
                self.forget(&owner, &uid);
                // It may wait for this one.
                if self.known.contains_key(&owner) {
                    self.enqueue(&owner, now);
                }
            }
            self.enqueue_dependents(&uid, now);
            return;
        }
        self.put(resource, &change.key, object);
        let begins = |name: &str| {
            let marked =
                |object: &Value| meta::is_deleting(object) && meta::finalizers(object).any(|other| other == name);
            marked(object) && !change.before.as_ref().is_some_and(|before| marked(before))
        };
        if begins(FOREGROUND) {
            self.enqueue_dependents(&uid, now);
        }
        let owned = meta::owners(object).any(|owner| state(server, object, owner) != Owner::There);
        if owned || begins(FOREGROUND) || begins(ORPHAN) {
            self.enqueue(&uid, now);
        }
    }

    fn put(&mut self, resource: &'static Resource, key: &str, object: &Value) {
        let uid = meta::text(object, "uid");
        let owners: Vec<String> =
            meta::owners(object).filter_map(|owner| owner["uid"].as_str()).map(str::to_owned).collect();
        for owner in &owners {
            self.dependents.entry(owner.clone()).or_default().insert(uid.to_owned());
        }
        let place = Place { resource, key: key.to_owned(), owners: owners.clone() };
        for former in self.known.insert(uid.to_owned(), place).into_iter().flat_map(|place| place.owners) {
            if !owners.contains(&former) {
                self.forget(&former, uid);
            }
        }
    }

    fn forget(&mut self, owner: &str, dependent: &str) {
        if let Some(set) = self.dependents.get_mut(owner) {
            set.remove(dependent);
            if set.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    fn enqueue(&mut self, uid: &str, now: Timestamp) {
        self.queue.entry(uid.to_owned()).or_insert(now + self.delay);
    }

    fn enqueue_dependents(&mut self, owner: &str, now: Timestamp) {
        for uid in self.dependents.get(owner).cloned().unwrap_or_default() {
            self.enqueue(&uid, now);
        }
    }

    /// The object of a uid, if it still exists.
    fn find<'a>(&self, server: &'a Server, uid: &str) -> Option<&'a Value> {
        let place = self.known.get(uid)?;
        let object = server.store.get(place.resource, &place.key)?;
        (meta::text(object, "uid") == uid).then_some(&**object)
    }

    /// Looks at an object and does what follows.
    fn look(&mut self, server: &mut Server, uid: &str, now: Timestamp) {
        let Some(object) = self.find(server, uid).cloned() else { return };
        let has = |name: &str| meta::finalizers(&object).any(|other| other == name);
        if meta::is_deleting(&object) {
            if has(ORPHAN) {
                self.orphan(server, &object, now);
            } else if has(FOREGROUND) {
                self.finish(server, &object, now);
            }
            if !has(FOREGROUND) {
                return;
            }
        }
        let states: Vec<(Value, Owner)> =
            meta::owners(&object).map(|owner| (owner.clone(), state(server, &object, owner))).collect();
        let any = |wanted: Owner| states.iter().any(|(_, state)| *state == wanted);
        if states.is_empty() || any(Owner::Unknown) {
            return;
        }
        if any(Owner::There) {
            if any(Owner::Absent) || any(Owner::Waiting) {
                let kept: Vec<&Value> =
                    states.iter().filter(|(_, state)| *state == Owner::There).map(|(owner, _)| owner).collect();
                set_owners(server, &object, &json!(kept), now);
            }
            return;
        }
        let owns = self.dependents.get(uid).is_some_and(|dependents| !dependents.is_empty());
        let policy = match () {
            () if any(Owner::Waiting) && owns => "Foreground",
            () if has(ORPHAN) => "Orphan",
            () if has(FOREGROUND) => "Foreground",
            () => "Background",
        };
        let options = json!({ "preconditions": { "uid": uid }, "propagationPolicy": policy });
        server.handle(NAME, &Request::delete(&path(&object), &options, now), now);
    }

    /// Leaves the dependents of an object without it, then lets it go.
    fn orphan(&self, server: &mut Server, object: &Value, now: Timestamp) {
        let uid = meta::text(object, "uid");
        for dependent in self.dependents.get(uid).into_iter().flatten() {
            let Some(dependent) = self.find(server, dependent).cloned() else { continue };
            let kept: Vec<&Value> = meta::owners(&dependent).filter(|owner| owner["uid"] != uid).collect();
            set_owners(server, &dependent, &json!(kept), now);
        }
        take_finalizer(server, object, ORPHAN, now);
    }

    /// Lets an object go that waits for its dependents, when none is left that holds it up.
    fn finish(&mut self, server: &mut Server, object: &Value, now: Timestamp) {
        let uid = meta::text(object, "uid");
        let holds = |dependent: &Value| {
            let mut owners = meta::owners(dependent);
            owners.any(|owner| owner["uid"] == uid && owner["blockOwnerDeletion"] == true)
        };
        let dependents = self.dependents.get(uid).into_iter().flatten();
        let found = dependents.filter(|dependent| self.find(server, dependent).is_some_and(holds));
        let blocking: Vec<String> = found.cloned().collect();
        if blocking.is_empty() {
            take_finalizer(server, object, FOREGROUND, now);
        }
        // Those that are being deleted already are looked at again when they are gone.
        for dependent in blocking {
            if self.find(server, &dependent).is_some_and(|dependent| !meta::is_deleting(dependent)) {
                self.enqueue(&dependent, now);
            }
        }
    }
}

impl Actor for GarbageCollector {
    fn act(&mut self, server: &mut Server, now: Timestamp) -> Option<Timestamp> {
        self.observe(server, now);
        while let Some(uid) = self.queue.iter().find(|(_, due)| **due <= now).map(|(uid, _)| uid.clone()) {
            self.queue.remove(&uid);
            self.look(server, &uid, now);
            self.observe(server, now);
        }
        self.queue.values().min().copied()
    }
}

/// What an object's owner reference leads to.
fn state(server: &Server, object: &Value, owner: &Value) -> Owner {
    let text = |field: &str| owner[field].as_str().unwrap_or_default();
    let Some(resource) = catalog::by_kind(text("apiVersion"), text("kind")) else { return Owner::Unknown };
    let namespace = if resource.namespaced { meta::text(object, "namespace") } else { "" };
    match server.store.get(resource, &store::key(namespace, text("name"))) {
        Some(found) if meta::text(found, "uid") == text("uid") => {
            let waits = meta::is_deleting(found) && meta::finalizers(found).any(|name| name == FOREGROUND);
            if waits { Owner::Waiting } else { Owner::There }
        }
        _ => Owner::Absent,
    }
}

/// The path of an object.
pub(super) fn path(object: &Value) -> String {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let resource = catalog::by_kind(text("apiVersion"), text("kind")).expect("a stored object is of a resource");
    resource.path(meta::text(object, "namespace"), meta::text(object, "name"))
}

fn set_owners(server: &mut Server, object: &Value, owners: &Value, now: Timestamp) {
    let patch = json!({ "metadata": { "uid": object["metadata"]["uid"], "ownerReferences": owners } });
    server.handle(NAME, &Request::merge_patch(&path(object), &patch, now), now);
}

fn take_finalizer(server: &mut Server, object: &Value, name: &str, now: Timestamp) {
    let kept: Vec<&str> = meta::finalizers(object).filter(|other| *other != name).collect();
    let patch = json!({ "metadata": {
        "uid": object["metadata"]["uid"], "resourceVersion": object["metadata"]["resourceVersion"], "finalizers": kept,
    }});
    server.handle(NAME, &Request::merge_patch(&path(object), &patch, now), now);
}
