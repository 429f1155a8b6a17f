//! Requests that were cut off: their sender died, or the server took too long. The answer is an error, and they may have been
//! carried out all the same. Whether they were, later events tell.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::super::read::{list, meta, text};
use super::{sent, verb, version};

/// Events as they would be had the requests been answered that were cut off and carried out: creations of pods that exist later,
/// and status writes on which a later one builds, or which a later read shows.
pub fn carried_out(events: &[Value]) -> Vec<Value> {
    let code = |event: &Value| event.pointer("/responseStatus/code").and_then(Value::as_u64);
    let mut found = Vec::new();
    for event in events.iter().filter(|event| code(event).is_some_and(|code| code >= 500)) {
        let target = &event["objectRef"];
        let object = match (text(event, "verb"), text(target, "resource"), text(target, "subresource")) {
            ("create", "pods", "") => created(events, event),
            ("update", "workflowruns", "status") => updated(events, event),
            _ => None,
        };
        let Some(object) = object else { continue };
        let mut answered = event.clone();
        answered["responseStatus"] = json!({ "code": 200 });
        answered["responseObject"] = object;
        found.push(answered);
    }
    found
}

/// The pod of that name, if there is one later that nobody is known to have created: as it was asked for, since what became of it
/// others tell.
fn created(events: &[Value], event: &Value) -> Option<Value> {
    let wanted = event.get("requestObject")?;
    let place = [text(&event["objectRef"], "namespace"), text(meta::of(wanted), "name")];
    let is_it =
        |pod: &&Value| pod["kind"] == "Pod" && ["namespace", "name"].map(|field| text(meta::of(pod), field)) == place;
    let later =
        events.iter().filter(|other| sent(other) >= sent(event)).filter_map(|other| other.get("responseObject"));
    let uid = later.filter(is_it).map(meta::uid).next()?;
    let made_it = |other: &Value| {
        let made = other["verb"] == "create" && verb(other).is_some();
        made && other.get("responseObject").is_some_and(|pod| meta::uid(pod) == uid)
    };
    if events.iter().any(made_it) {
        return None;
    }
    let mut object = wanted.clone();
    object["metadata"]["namespace"] = json!(place[0]);
    object["metadata"]["uid"] = json!(uid);
    object["status"] = json!({ "phase": "Pending" });
    Some(object)
}

/// The run with that status, if a version of it was seen later that no known write made: one with this status, or one that is only
/// known for what was built on it.
fn updated(events: &[Value], event: &Value) -> Option<Value> {
    let wanted = event.get("requestObject")?;
    let (uid, base) = (meta::uid(wanted), version(Some(wanted))?);
    let of_run = |object: &&Value| meta::uid(object) == uid;
    let answer = |event: &'_ &Value| event.get("responseObject").filter(of_run).and_then(|run| version(Some(run)));
    let made: BTreeSet<u64> =
        events.iter().filter(|other| verb(other).is_some()).filter_map(|it| answer(&it)).collect();

    let mut seen: BTreeMap<u64, Option<&Value>> = BTreeMap::new();
    for other in events.iter().filter(|other| sent(other) > sent(event)) {
        if let Some(based_on) = other.get("requestObject").filter(of_run).and_then(|run| version(Some(run))) {
            seen.entry(based_on).or_default();
        }
        let answers =
            other.get("responseObject").into_iter().flat_map(|answer| list(answer, "items").iter().chain([answer]));
        for run in answers.filter(of_run) {
            seen.insert(version(Some(run))?, Some(run));
        }
    }
    let (revision, run) = seen.into_iter().find(|(revision, _)| *revision > base && !made.contains(revision))?;
    if run.is_some_and(|run| run.get("status") != wanted.get("status")) {
        return None;
    }
    // All but the status is as it was in the version that it was written to.
    let mut versions = events.iter().rev().filter_map(|other| other.get("responseObject").filter(of_run));
    let mut object = versions.find(|run| version(Some(run)) == Some(base))?.clone();
    object["metadata"]["resourceVersion"] = json!(revision.to_string());
    object["status"] = wanted["status"].clone();
    Some(object)
}
