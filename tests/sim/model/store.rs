//! What etcd does: objects by key, one revision for all, and the history that watches read.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;

use super::catalog::{self, Resource};

/// The revision before the first write.
const FIRST: u64 = 1_000;

/// Where an object is kept, in etcd's order.
pub(super) fn key(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

/// What a write did to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    Added,
    Modified,
    Deleted,
}

/// A write.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub resource: usize,
    pub key: String,
    pub effect: Effect,
    /// The object after the write; where it was deleted, as it last was, with the revision of its deletion.
    pub object: Arc<Value>,
    /// The object before the write.
    pub before: Option<Arc<Value>>,
}

/// All objects and their history.
pub(super) struct Store {
    objects: Vec<BTreeMap<String, Arc<Value>>>,
    /// The newest writes, without a gap: the last one has the revision `revision`.
    history: VecDeque<Change>,
    revision: u64,
}

impl Store {
    pub fn new() -> Self {
        let objects = catalog::all().iter().map(|_| BTreeMap::new()).collect();
        Self { objects, history: VecDeque::new(), revision: FIRST }
    }

    /// The revision of the newest write.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The oldest revision that lists and watches can still begin from.
    pub fn oldest(&self) -> u64 {
        self.revision - self.history.len() as u64
    }

    /// Forgets all writes up to and including `revision`.
    pub fn compact(&mut self, revision: u64) {
        while !self.history.is_empty() && self.oldest() < revision {
            self.history.pop_front();
        }
    }

    pub fn get(&self, resource: &Resource, key: &str) -> Option<&Arc<Value>> {
        self.objects[resource.index].get(key)
    }

    pub fn list(&self, resource: &Resource) -> &BTreeMap<String, Arc<Value>> {
        &self.objects[resource.index]
    }

    /// Creates or replaces an object; its resourceVersion becomes the revision of the write.
    pub fn put(&mut self, resource: &Resource, key: String, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(object);
        let before = self.objects[resource.index].insert(key.clone(), Arc::clone(&object));
        let effect = if before.is_some() { Effect::Modified } else { Effect::Added };
        self.history.push_back(Change { resource: resource.index, key, effect, object: Arc::clone(&object), before });
        object
    }

    /// Removes an object; returns it as it last was, with the revision of its deletion.
    pub fn remove(&mut self, resource: &Resource, key: String) -> Option<Arc<Value>> {
        let before = self.objects[resource.index].remove(&key)?;
        self.revision += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = self.revision.to_string().into();
        let object = Arc::new(last);
        let change = Change {
            resource: resource.index,
            key,
            effect: Effect::Deleted,
            object: Arc::clone(&object),
            before: Some(before),
        };
        self.history.push_back(change);
        Some(object)
    }

    /// The writes after `revision`, each with its own; `None` if some of them were compacted.
    pub fn since(&self, revision: u64) -> Option<impl DoubleEndedIterator<Item = (u64, &Change)>> {
        let oldest = self.oldest();
        let skipped = usize::try_from(revision.checked_sub(oldest)?).ok()?.min(self.history.len());
        let first = oldest + skipped as u64 + 1;
        Some(self.history.range(skipped..).enumerate().map(move |(place, change)| (first + place as u64, change)))
    }

    /// The objects of a namespace, or of all, as of `revision`, from the one after the key `after`; `None` if it was compacted.
    pub fn snapshot<'a>(
        &'a self,
        resource: &Resource,
        revision: u64,
        namespace: &str,
        after: &str,
    ) -> Option<BTreeMap<&'a str, &'a Arc<Value>>> {
        let prefix = if namespace.is_empty() { String::new() } else { key(namespace, "") };
        let is_meant = |key: &str| key > after && key.starts_with(&prefix);
        let objects = self.objects[resource.index].iter().map(|(key, object)| (key.as_str(), object));
        let mut found: BTreeMap<&str, &Arc<Value>> = objects.filter(|(key, _)| is_meant(key)).collect();
        // Newer writes are undone, the newest first.
        let newer = self.since(revision)?.rev().map(|(_, change)| change);
        for change in newer.filter(|change| change.resource == resource.index && is_meant(&change.key)) {
            match &change.before {
                Some(before) => found.insert(&change.key, before),
                None => found.remove(change.key.as_str()),
            };
        }
        Some(found)
    }
}
