//! Merging partial pod templates, as JSON.
//!
//! JSON and not types, since typed merging makes invalid env entries and drops fields that are newer than we are. The rules
//! are those of Kubernetes' strategic merge where people rely on them, and simpler elsewhere:
//!
//! - Objects are merged key by key, however deep; `null` removes a key.
//! - Lists in the tables below are merged by the key of their entries: an entry takes the place of the one that it matches,
//!   others are added at the end. Containers are merged with their match; all other entries replace it whole, so that an
//!   env entry never has a `value` of one layer and a `valueFrom` of another.
//! - Every other list, and every other value, is replaced.
//!
//! Where a key occurs twice in a list, the first matches the first and the second the second; an entry without the key, or with
//! an object for it, matches one without it (a toleration without `key` tolerates everything). So merging a layer twice is
//! merging it once.

use serde_json::{Map, Value};

/// The fields that make the key of an entry, each with its default.
type Keys = &'static [(&'static str, Option<&'static str>)];

/// A list whose entries are matched by key.
struct List {
    /// The field that holds it.
    field: &'static str,
    /// The fields that make the key of an entry, each with its default.
    keys: Keys,
    /// What happens to an entry and the one that it matches.
    entry: Entry,
}

/// What happens to an entry and the one that it matches.
enum Entry {
    /// It replaces it.
    Replace,
    /// It is merged into it, by these tables.
    Merge(&'static [Node]),
}

/// What is special below an object.
enum Node {
    /// A field that holds an object with tables of its own.
    Object(&'static str, &'static [Node]),
    /// A list with keys.
    List(List),
}

/// A list whose entries are replaced, keyed by one field.
const fn by(field: &'static str, keys: Keys) -> Node {
    Node::List(List { field, keys, entry: Entry::Replace })
}

/// A list of containers.
const fn containers(field: &'static str) -> Node {
    Node::List(List { field, keys: NAME, entry: Entry::Merge(CONTAINER) })
}

const NAME: Keys = &[("name", None)];

const NOTHING: &[Node] = &[];

/// A pod template. Keys are those of the API reference (`patchMergeKey`, `listMapKey`), and `key` for tolerations.
const POD: &[Node] = &[Node::Object("spec", SPEC)];

const SPEC: &[Node] = &[
    containers("containers"),
    containers("initContainers"),
    containers("ephemeralContainers"),
    by("volumes", NAME),
    by("imagePullSecrets", NAME),
    by("resourceClaims", NAME),
    by("schedulingGates", NAME),
    by("tolerations", &[("key", None)]),
    by("hostAliases", &[("ip", None)]),
    by("topologySpreadConstraints", &[("topologyKey", None), ("whenUnsatisfiable", None)]),
];

const CONTAINER: &[Node] = &[
    by("env", NAME),
    by("volumeMounts", &[("mountPath", None)]),
    by("volumeDevices", &[("devicePath", None)]),
    by("ports", &[("containerPort", None), ("protocol", Some("TCP"))]),
];

/// Merges a partial pod template over a pod.
pub fn merge(pod: &mut Map<String, Value>, layer: &Map<String, Value>) {
    merge_object(pod, layer, POD);
}

/// Merges env entries over others: an entry replaces the one of its name and keeps its place.
pub(super) fn merge_env(env: &mut Vec<Value>, layer: &[Value]) {
    merge_list(env, layer, NAME, &Entry::Replace);
}

/// Merges an object over another, with nothing special in it.
pub(super) fn merge_plain(base: &mut Map<String, Value>, layer: &Map<String, Value>) {
    merge_object(base, layer, NOTHING);
}

fn merge_object(base: &mut Map<String, Value>, layer: &Map<String, Value>, nodes: &'static [Node]) {
    for (key, value) in layer {
        match (value, list(nodes, key)) {
            (Value::Null, _) => {
                base.remove(key);
            }
            (Value::Object(new), _) => {
                let mut merged = match base.remove(key) {
                    Some(Value::Object(old)) => old,
                    _ => Map::new(),
                };
                merge_object(&mut merged, new, below(nodes, key));
                base.insert(key.clone(), Value::Object(merged));
            }
            (Value::Array(new), Some(rule)) => {
                let mut merged = match base.remove(key) {
                    Some(Value::Array(old)) => old,
                    _ => Vec::new(),
                };
                merge_list(&mut merged, new, rule.keys, &rule.entry);
                base.insert(key.clone(), Value::Array(merged));
            }
            (other, _) => {
                base.insert(key.clone(), other.clone());
            }
        }
    }
}

fn merge_list(base: &mut Vec<Value>, layer: &[Value], keys: Keys, rule: &Entry) {
    let mut taken = vec![false; base.len()];
    for new in layer {
        let wanted = identity(new, keys);
        let found = base.iter_mut().zip(&mut taken).find(|(old, taken)| !**taken && identity(old, keys) == wanted);
        if let Some((old, taken)) = found {
            *taken = true;
            *old = merge_entry(old.take(), new, rule);
        } else {
            base.push(merge_entry(Value::Null, new, rule));
        }
    }
}

/// What becomes of an entry and the one that it matches; nulls in it have nothing left to remove and go.
fn merge_entry(old: Value, new: &Value, rule: &Entry) -> Value {
    let Value::Object(new) = new else {
        return new.clone();
    };
    let (mut merged, nodes) = match (old, rule) {
        (Value::Object(old), Entry::Merge(nodes)) => (old, *nodes),
        (_, Entry::Merge(nodes)) => (Map::new(), *nodes),
        (_, Entry::Replace) => (Map::new(), NOTHING),
    };
    merge_object(&mut merged, new, nodes);
    Value::Object(merged)
}

/// One part of the key of an entry.
#[derive(PartialEq)]
enum Key<'a> {
    Absent,
    Text(&'a str),
    Other(&'a Value),
}

/// The key of an entry, with defaults filled in. One that isn't an object has none of the fields.
fn identity(entry: &Value, keys: Keys) -> Vec<Key<'_>> {
    keys.iter()
        .map(|(key, default)| match entry.get(key) {
            // An object is no key: merging may change it, by taking out nulls.
            None | Some(Value::Null | Value::Object(_)) => default.map_or(Key::Absent, Key::Text),
            Some(Value::String(text)) => Key::Text(text),
            Some(other) => Key::Other(other),
        })
        .collect()
}

/// The tables below a field.
fn below(nodes: &'static [Node], key: &str) -> &'static [Node] {
    nodes
        .iter()
        .find_map(|node| match node {
            Node::Object(field, nodes) if *field == key => Some(*nodes),
            _ => None,
        })
        .unwrap_or_default()
}

/// The rule for a list.
fn list(nodes: &'static [Node], key: &str) -> Option<&'static List> {
    nodes.iter().find_map(|node| match node {
        Node::List(list) if list.field == key => Some(list),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
