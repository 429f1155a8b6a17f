//! Whether two answers say the same.
//!
//! Not compared, because the model leaves it out on purpose:
//! - the words of messages, and how often a cause is named;
//! - managed fields, and with them the writes that change nothing else;
//! - of a pod all but its metadata, its node, the few fields of its spec that matter to a deletion or can change, and of its
//!   status the phase, its reason and message, and which state each container is in;
//! - the exact times that the server sets: only whether there is one;
//! - the deprecated fields that Events carry for the older API.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::sequence::Step;
use super::side::Reply;

/// What one server gave itself, by the order in which it was first seen.
#[derive(Default)]
pub struct Names {
    uids: BTreeMap<String, usize>,
    versions: BTreeMap<u64, usize>,
}

impl Names {
    fn uid(&mut self, uid: &str) -> Value {
        let next = self.uids.len();
        json!(format!("uid {}", self.uids.entry(uid.to_owned()).or_insert(next)))
    }

    fn version(&mut self, version: &str) -> Value {
        let next = self.versions.len();
        let Ok(number) = version.parse() else { return json!(version) };
        json!(format!("version {}", self.versions.entry(number).or_insert(next)))
    }

    /// The versions seen, as by their order of appearance, from the oldest to the newest.
    pub fn order(&self) -> Vec<usize> {
        self.versions.values().copied().collect()
    }

    /// An answer, without what may differ. `hidden` are names of objects that others act on meanwhile.
    pub fn normal(&mut self, step: &Step, reply: &Reply, hidden: &[String]) -> Value {
        let body = &reply.body;
        if let Some(events) = body.get("events").and_then(Value::as_array) {
            let events: Vec<Value> = events.iter().filter_map(|event| self.event(step, event, hidden)).collect();
            return json!({ "code": reply.code, "events": events });
        }
        if let Some(items) = body.get("items").and_then(Value::as_array) {
            let items: Vec<Value> = items.iter().filter_map(|item| self.item(step, item, hidden)).collect();
            let token = &body["metadata"]["continue"];
            return json!({
                "code": reply.code, "kind": body["kind"], "items": items,
                "more": token.as_str().is_some_and(|token| !token.is_empty()),
                "remaining": body["metadata"]["remainingItemCount"],
            });
        }
        if body["kind"] == "Status" {
            return json!({ "code": reply.code, "status": self.status(body) });
        }
        json!({ "code": reply.code, "object": self.object(step, body) })
    }

    fn event(&mut self, step: &Step, event: &Value, hidden: &[String]) -> Option<Value> {
        let object = &event["object"];
        match event["type"].as_str() {
            Some("BOOKMARK") => None,
            Some("ERROR") => Some(json!({ "type": "ERROR", "code": object["code"], "reason": object["reason"] })),
            _ if is_hidden(object, hidden) || is_foreign(step, object) => None,
            _ => Some(json!({ "type": event["type"], "object": self.object(step, object) })),
        }
    }

    fn item(&mut self, step: &Step, item: &Value, hidden: &[String]) -> Option<Value> {
        if is_foreign(step, item) {
            return None;
        }
        if is_hidden(item, hidden) {
            return Some(item["metadata"]["name"].clone());
        }
        Some(self.object(step, item))
    }

    fn status(&mut self, status: &Value) -> Value {
        let details = &status["details"];
        let causes = details["causes"].as_array().into_iter().flatten();
        let causes: BTreeSet<String> = causes
            .map(|cause| {
                format!("{} {}", cause["field"].as_str().unwrap_or(""), cause["reason"].as_str().unwrap_or(""))
            })
            .collect();
        json!({
            "status": status["status"], "reason": status["reason"],
            "name": details["name"], "group": details["group"], "kind": details["kind"],
            "uid": details["uid"].as_str().map(|uid| self.uid(uid)),
            "causes": causes,
        })
    }

    fn object(&mut self, step: &Step, object: &Value) -> Value {
        let mut kept = object.clone();
        if step.path.contains("/pods") {
            kept = pod(object);
        }
        if let Some(map) = kept.as_object_mut() {
            map.retain(|name, _| !name.starts_with("deprecated"));
        }
        let meta = &mut kept["metadata"];
        if let Some(map) = meta.as_object_mut() {
            map.remove("managedFields");
            for field in ["creationTimestamp", "deletionTimestamp"] {
                if let Some(time) = map.get_mut(field).filter(|time| time.is_string()) {
                    *time = json!("a time");
                }
            }
        }
        if let Some(version) = meta["resourceVersion"].as_str().map(str::to_owned) {
            meta["resourceVersion"] = self.version(&version);
        }
        if let Some(uid) = meta["uid"].as_str().map(str::to_owned) {
            meta["uid"] = self.uid(&uid);
        }
        let owners = meta.get_mut("ownerReferences").and_then(Value::as_array_mut);
        for reference in owners.into_iter().flatten() {
            let uid = self.uid(reference["uid"].as_str().unwrap_or_default());
            reference["uid"] = uid;
        }
        kept
    }
}

fn is_hidden(object: &Value, hidden: &[String]) -> bool {
    hidden.iter().any(|name| object["metadata"]["name"] == name.as_str())
}

/// Controllers of the cluster report Events of their own.
fn is_foreign(step: &Step, object: &Value) -> bool {
    step.path.contains("/events") && object["reportingController"] != "gantline.dev/conformance"
}

/// What is compared of a pod.
fn pod(object: &Value) -> Value {
    let part = |field: &str, names: &[&str]| {
        let fields = object[field].as_object().into_iter().flatten();
        let kept = fields.filter(|(name, _)| names.contains(&name.as_str()));
        Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect::<Map<_, _>>())
    };
    let containers = object["status"]["containerStatuses"].as_array().into_iter().flatten();
    let states: Vec<Vec<&String>> = containers
        .map(|status| status["state"].as_object().into_iter().flatten().map(|(name, _)| name).collect())
        .collect();
    let spec = ["nodeName", "activeDeadlineSeconds", "terminationGracePeriodSeconds", "restartPolicy", "schedulerName"];
    json!({
        "kind": object["kind"], "apiVersion": object["apiVersion"], "metadata": object["metadata"],
        "spec": part("spec", &spec), "status": part("status", &["phase", "reason", "message"]), "states": states,
    })
}
