//! Deletions that remove a pod at once. They are one event, of the removal, but two writes: the API server first marks the pod as
//! being deleted, and nothing keeps others from seeing that, and from writing what they make of it, before the pod is gone.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::read::{is_condemned, meta, text};
use super::{at, is_collection, is_stored, sent, version};

/// The stage of an event that isn't in the log: the API server has marked the object, and hasn't removed it yet.
const STAGE: &str = "DeletionMarked";

/// Whether an event tells of the mark alone.
pub fn is_mark(event: &Value) -> bool {
    event["stage"] == STAGE
}

/// The marks of all deletions that removed a pod. Where exactly each was made isn't known: as early as it can have been, which is
/// after all that had been answered when the deletion was received, and after the pod's last version without it.
pub fn set(events: &[Value]) -> Vec<Value> {
    let stored: Vec<(&Value, u64)> = events
        .iter()
        .filter(|event| is_stored(event) == Some(true))
        .filter_map(|event| Some((event, version(event.get("responseObject"))?)))
        .collect();
    let newest = newest(&stored);
    let mut pods: BTreeMap<&str, BTreeMap<u64, &Value>> = BTreeMap::new();
    for (event, revision) in stored.iter().filter(|(event, _)| is_of_pod(event)) {
        pods.entry(meta::uid(&event["responseObject"])).or_default().insert(*revision, event);
    }
    let removals = events.iter().filter(|event| is_of_pod(event) && event["verb"] == "delete");
    let removals = removals.filter(|event| is_stored(event) == Some(false) && !is_collection(event));
    removals.filter_map(|event| mark(event, &pods, newest_at(&newest, sent(event)))).collect()
}

fn is_of_pod(event: &Value) -> bool {
    event.pointer("/objectRef/resource").is_some_and(|resource| resource == "pods")
}

/// The newest revision that had been answered by each time at which one was.
fn newest(stored: &[(&Value, u64)]) -> Vec<(Timestamp, u64)> {
    let mut newest: Vec<(Timestamp, u64)> = stored.iter().map(|(event, revision)| (at(event), *revision)).collect();
    newest.sort_unstable();
    let mut most = 0;
    for (_, revision) in &mut newest {
        most = most.max(*revision);
        *revision = most;
    }
    newest
}

fn newest_at(newest: &[(Timestamp, u64)], time: Timestamp) -> u64 {
    let count = newest.partition_point(|(at, _)| *at <= time);
    count.checked_sub(1).and_then(|last| newest.get(last)).map_or(0, |(_, revision)| *revision)
}

/// The event of the mark; `None` if nothing tells that the removal made one, or if it was there before.
fn mark(event: &Value, pods: &BTreeMap<&str, BTreeMap<u64, &Value>>, newest: u64) -> Option<Value> {
    let answer = event.get("responseObject")?;
    let (uid, removed_at, time) = if answer["kind"] == "Status" {
        let none = event.pointer("/requestObject/gracePeriodSeconds").is_some_and(|seconds| *seconds == 0);
        let uid = answer.get("details").filter(|_| none).map(|details| text(details, "uid"))?;
        (uid, newest.saturating_add(1), json!(at(event)))
    } else {
        let time = is_condemned(answer).then(|| meta::of(answer)["deletionTimestamp"].clone())?;
        (meta::uid(answer), version(Some(answer))?, time)
    };
    let versions = pods.get(uid)?;
    let of = |event: &'_ &Value| !is_condemned(&event["responseObject"]);
    let (revision, last) = versions.range(..removed_at).rfind(|(_, event)| of(event))?;
    if versions.range(revision + 1..).next().is_some_and(|(marked, _)| *marked <= newest) {
        return None;
    }
    let mut object = last["responseObject"].clone();
    // What is being deleted is bound to no node any more, so that this is older than the mark, though nobody may have told of it.
    if let Some(spec) = answer.get("spec") {
        object["spec"] = spec.clone();
    }
    object["metadata"]["deletionTimestamp"] = time;
    object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    object["metadata"]["resourceVersion"] = json!(newest.max(*revision).to_string());
    let mut marked = event.clone();
    marked["stage"] = json!(STAGE);
    marked["stageTimestamp"] = json!(sent(event).max(at(last)));
    marked["responseObject"] = object;
    Some(marked)
}
