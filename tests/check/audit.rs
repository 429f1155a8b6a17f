//! A journal of a real cluster, from the audit log of its API server: JSON lines of `audit.k8s.io/v1` events, under a policy that
//! keeps the bodies of writes to our kinds, pods and leases (`tests/cluster/audit-policy.yaml`).
//!
//! What containers really did isn't in it, so pods are judged by what the API server knows of them. Nor is whether a request that
//! was answered with an error of the server's own was carried out: see [`doubt`]. Nor when a pod that was removed at once was
//! marked: see [`mark`].

mod doubt;
mod mark;

use std::collections::{BTreeMap, BTreeSet};
use std::io::BufRead;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Rules;
use super::journal::{Entry, Journal, Verb, Write};
use super::read::{list, meta, text, time};

/// How much later than its effect a write may be stamped: the API server does that when it has written the answer.
const SLACK: SignedDuration = SignedDuration::from_secs(1);

/// What a log tells.
pub struct Audited {
    pub journal: Journal,
    /// Who the operators were. Whether everything has come to rest, the log doesn't say.
    pub rules: Rules,
}

/// Reads a log; of namespaces other than these, where any are named, nothing is taken.
///
/// # Errors
/// A line that can't be read, or isn't an event.
pub fn read(log: impl BufRead, namespaces: &[&str]) -> std::io::Result<Audited> {
    let mut events = Vec::new();
    for line in log.lines() {
        let line = line?;
        // A log is long, and parsing takes its time.
        if !namespaces.is_empty() && !namespaces.iter().any(|name| line.contains(name)) {
            continue;
        }
        let event: Value = serde_json::from_str(&line)?;
        if event["stage"] != "ResponseComplete" {
            continue;
        }
        let target = event.get("objectRef").unwrap_or(&Value::Null);
        let place = if target["resource"] == "namespaces" { text(target, "name") } else { text(target, "namespace") };
        if namespaces.is_empty() || namespaces.contains(&place) {
            events.push(event);
        }
    }
    events.extend(doubt::carried_out(&events));
    events.extend(mark::set(&events));
    let mut reader = Reader::default();
    for event in in_order(&events) {
        reader.take(event);
    }
    let leases =
        reader.writes.iter().any(|write| write.resource == "leases" && reader.operators.contains(&write.actor));
    let operators = reader.operators.into_iter().collect();
    let journal = Journal { entries: reader.writes.into_iter().map(Entry::Write).collect() };
    Ok(Audited { journal, rules: Rules { operators, leases, settled: false, slack: SLACK, clock_is_off: false } })
}

/// The writes in the order of their effect. That is the order of the revisions that they made. What removed an object is answered
/// with it as it was, its revision too: it comes after that, and after all that had been answered when it was received, since
/// whoever sent it may have waited for that.
fn in_order(events: &[Value]) -> Vec<&Value> {
    let mut by_time: Vec<(bool, &Value)> = events.iter().filter_map(|event| Some((is_stored(event)?, event))).collect();
    by_time.sort_by_key(|(stored, event)| if *stored { at(event) } else { sent(event) });
    let mut newest = 0;
    let mut placed: Vec<(u64, bool, usize, &Value)> = Vec::new();
    for (index, (stored, event)) in by_time.into_iter().enumerate() {
        let revision = version(event.get("responseObject").filter(|_| !is_collection(event))).unwrap_or(0);
        if stored {
            newest = newest.max(revision);
        }
        placed.push((if stored { revision } else { newest.max(revision) }, !stored, index, event));
    }
    placed.sort_by_key(|(revision, removed, index, _)| (*revision, *removed, *index));
    placed.into_iter().map(|(_, _, _, event)| event).collect()
}

/// Whether a write left an object, whose revision is then its own; `None` if it is no write that was carried out.
fn is_stored(event: &Value) -> Option<bool> {
    let verb = verb(event)?;
    let object = event.get("responseObject").filter(|object| !is_collection(event) && version(Some(object)).is_some());
    Some(object.is_some_and(|object| !is_removed(event, verb, object)))
}

/// The revision that made an object what it is.
fn version(object: Option<&Value>) -> Option<u64> {
    text(meta::of(object?), "resourceVersion").parse().ok()
}

/// Whether a write deletes all objects of a kind in a namespace. It takes its time, and tells of each as it was before.
fn is_collection(event: &Value) -> bool {
    event["verb"] == "deletecollection"
}

/// The verb of a write that was carried out.
fn verb(event: &Value) -> Option<Verb> {
    if !matches!(event.pointer("/responseStatus/code").and_then(Value::as_u64), Some(200..=299)) {
        return None;
    }
    match text(event, "verb") {
        "create" => Some(Verb::Create),
        "update" => Some(Verb::Update),
        "patch" => Some(Verb::Patch),
        "delete" | "deletecollection" => Some(Verb::Delete),
        _ => None,
    }
}

fn at(event: &Value) -> Timestamp {
    time(event, "stageTimestamp").unwrap_or(Timestamp::MIN)
}

fn sent(event: &Value) -> Timestamp {
    time(event, "requestReceivedTimestamp").unwrap_or_else(|| at(event))
}

/// Who sent a request: an operator by its identity, which it carries in its user agent as `gantline/VERSION (IDENTITY)`; a
/// node's kubelet and the cluster's own components by what they are; a person as `user`.
fn actor(event: &Value) -> (String, bool) {
    let agent = text(event, "userAgent");
    let identity = agent.strip_prefix("gantline/").and_then(|rest| rest.split_once(" (")?.1.strip_suffix(')'));
    if let Some(identity) = identity {
        return (identity.to_owned(), true);
    }
    let name = event.pointer("/user/username").and_then(Value::as_str).unwrap_or_default();
    let name = match name.rsplit(':').next().unwrap_or_default() {
        _ if name.starts_with("system:node:") => "kubelet",
        component if name.starts_with("system:") => component,
        "kwok" => "kubelet",
        _ => "user",
    };
    (name.to_owned(), false)
}

/// Makes writes of events.
#[derive(Default)]
struct Reader {
    writes: Vec<Write>,
    operators: BTreeSet<String>,
    /// Objects as they were last seen, by resource, namespace and name.
    objects: BTreeMap<[String; 3], Arc<Value>>,
    /// The uids of those that are gone.
    gone: BTreeSet<String>,
    /// Who has asked for the deletion of which uid.
    asked: BTreeSet<(String, String)>,
}

impl Reader {
    fn take(&mut self, event: &Value) {
        let Some(verb) = verb(event) else { return };
        let target = event.get("objectRef").unwrap_or(&Value::Null);
        let (resource, subresource) = (text(target, "resource"), text(target, "subresource"));
        if resource == "namespaces" && verb == Verb::Delete {
            return self.namespace_goes(event, text(target, "name"));
        }
        let Some(answer) = event.get("responseObject") else { return };
        let what = [resource, subresource];
        if is_collection(event) {
            for object in list(answer, "items") {
                let known = self.last(resource, text(meta::of(object), "namespace"), text(meta::of(object), "name"));
                if known.is_some_and(|known| meta::uid(known) == meta::uid(object)) {
                    self.push(event, verb, what, marked(object, at(event)));
                }
            }
        } else if answer["kind"] == "Status" {
            // Gone at once; or something was done to it that no object tells of, such as a binding to a node.
            let last = self.last(resource, text(target, "namespace"), text(target, "name")).cloned();
            if let Some(last) = last.filter(|_| verb == Verb::Delete) {
                self.push(event, verb, what, last);
            }
        } else {
            self.push(event, verb, what, answer.clone());
        }
    }

    /// An object as it was last seen.
    fn last(&self, resource: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.objects.get(&[resource, namespace, name].map(str::to_owned)).map(Arc::as_ref)
    }

    fn push(&mut self, event: &Value, verb: Verb, [resource, subresource]: [&str; 2], object: Value) {
        let of = |field| text(meta::of(&object), field).to_owned();
        let (namespace, name, uid) = (of("namespace"), of("name"), of("uid"));
        if self.gone.contains(&uid) {
            // Asked for its deletion when it was going, and answered when it was gone.
            return;
        }
        let removed = is_removed(event, verb, &object);
        let key = [resource.to_owned(), namespace.clone(), name.clone()];
        let object = Arc::new(object);
        let before = self.objects.remove(&key);
        if !removed {
            self.objects.insert(key, Arc::clone(&object));
        }
        // The API server says 200 to what changes nothing, and doesn't store it. That is no write, with one exception.
        let is_same = |before: &Arc<Value>| {
            meta::uid(before) == meta::uid(&object)
                && version(Some(before)) == version(Some(&object))
                && meta::is_deleting(before) == meta::is_deleting(&object)
                && meta::grace(before) == meta::grace(&object)
        };
        let (actor, is_operator) = actor(event);
        // Nobody can know that another has just asked for the same deletion; who asks twice could have known.
        let again = verb == Verb::Delete && !self.asked.insert((actor.clone(), uid.clone()));
        if !again && !removed && before.as_ref().is_some_and(is_same) {
            return;
        }
        if removed {
            self.gone.insert(uid.clone());
        }
        if is_operator {
            self.operators.insert(actor.clone());
        }
        let write = Write {
            sent: sent(event),
            at: at(event),
            actor,
            verb,
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace,
            name,
            uid,
            object,
            removed,
        };
        self.writes.extend(before.filter(|_| is_only_of_finalizers(event)).and_then(|before| unseen(&before, &write)));
        self.writes.push(write);
    }

    /// A namespace is an object of which nobody needs to know more than that it goes.
    fn namespace_goes(&mut self, event: &Value, name: &str) {
        let metadata = json!({ "name": name, "uid": name, "deletionTimestamp": at(event) });
        self.push(event, Verb::Delete, ["namespaces", ""], json!({ "metadata": metadata }));
    }
}

/// Whether a request asks for a change of finalizers and for nothing else.
fn is_only_of_finalizers(event: &Value) -> bool {
    let Some(steps) = event.get("requestObject").and_then(Value::as_array) else { return false };
    let only = |step: &Value| step["op"] == "test" || text(step, "path").starts_with("/metadata/finalizers");
    event["verb"] == "patch" && steps.iter().all(only)
}

/// What was done to an object before a write that asks for finalizers alone, and that no object told of, such as a pod's binding
/// to a node. `None` if the write tells of nothing else.
fn unseen(before: &Value, write: &Write) -> Option<Write> {
    let mut object = write.object.as_ref().clone();
    let finalizers = meta::of(before).get("finalizers").cloned();
    let kept = object["metadata"].as_object_mut()?;
    match finalizers {
        Some(finalizers) => kept.insert("finalizers".to_owned(), finalizers),
        None => kept.remove("finalizers"),
    };
    kept.insert("resourceVersion".to_owned(), meta::of(before)["resourceVersion"].clone());
    (object != *before).then(|| Write {
        actor: "unseen".to_owned(),
        at: write.sent,
        subresource: "status".to_owned(),
        object: Arc::new(object),
        removed: false,
        ..write.clone()
    })
}

/// An object that is deleted along with all of its kind: what a finalizer holds, or what runs, is only marked.
fn marked(object: &Value, at: Timestamp) -> Value {
    let mut object = object.clone();
    let grace = if runs(&object) {
        object.pointer("/spec/terminationGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0)
    } else {
        0
    };
    let held = !list(meta::of(&object), "finalizers").is_empty();
    if (held || grace > 0) && !meta::is_deleting(&object) {
        object["metadata"]["deletionTimestamp"] = json!(at.checked_add(SignedDuration::from_secs(grace)).unwrap_or(at));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }
    object
}

/// Whether an object is a pod that its node has to end.
fn runs(object: &Value) -> bool {
    let over = matches!(object.pointer("/status/phase").and_then(Value::as_str), Some("Succeeded" | "Failed"));
    object.pointer("/spec/nodeName").is_some() && !over
}

/// Whether the object is gone with this write. The API server removes what is being deleted once no finalizer holds it and it
/// needs no time to end; what it removes at once, it answers with as it was.
fn is_removed(event: &Value, verb: Verb, object: &Value) -> bool {
    let meta = meta::of(object);
    if mark::is_mark(event) {
        return false;
    }
    if !list(meta, "finalizers").is_empty() || event.pointer("/objectRef/resource").is_some_and(|it| it == "namespaces")
    {
        return false;
    }
    let no_time = meta::grace(object).is_none_or(|seconds| seconds == 0);
    if verb != Verb::Delete {
        return meta::is_deleting(object) && no_time;
    }
    let asked_for_none = event.pointer("/requestObject/gracePeriodSeconds").is_some_and(|seconds| *seconds == 0);
    !meta::is_deleting(object) || no_time || asked_for_none || !runs(object)
}
