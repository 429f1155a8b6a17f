//! A list, and a watch, in which one object is poison: the others are as they are alone.

use std::fmt::Debug;

use gantline::api::{Workflow, WorkflowRun};
use gantline::controller::{Loose, Readable};
use gantline::pods::SlimPod;
use kube::api::{ObjectList, WatchEvent};
use proptest::prelude::*;
use serde_json::Value;
use serde_json::value::RawValue;

use super::cases::{Verdict, fuzz};
use super::json::{Corpus, examples};
use super::{pods, statuses};

/// What of an object counts: what it is, or that it can't be read and whose it is.
fn seen<T: Debug>(object: &Loose<T>) -> String {
    format!("{:?} {} {:?}", object.meta, object.has_status, object.object)
}

/// The laws for a kind of object. Whatever else it is, the API server's answer is JSON.
fn law<T: Readable + Clone + Debug>(good: &str, poison: &str) -> Verdict {
    if serde_json::from_str::<&RawValue>(poison).is_err() {
        return Ok("no JSON");
    }
    let list = format!(
        r#"{{"apiVersion":"v1","kind":"List","metadata":{{"resourceVersion":"9","continue":""}},"items":[{good},{poison},{good}]}}"#
    );
    let list: ObjectList<Loose<T>> = match serde_json::from_slice(list.as_bytes()) {
        Ok(list) => list,
        Err(error) => return Err(TestCaseError::fail(format!("the list can't be read: {error}"))),
    };
    let found: Vec<String> = list.items.iter().map(seen).collect();
    let (good, alone) = (seen(&Loose::<T>::parse(good)), Loose::<T>::parse(poison));
    prop_assert_eq!(found, [good.clone(), seen(&alone), good]);
    for kind in ["ADDED", "MODIFIED", "DELETED"] {
        let line = format!(r#"{{"type":"{kind}","object":{poison}}}"#);
        match serde_json::from_str(&line) {
            Ok(WatchEvent::<Loose<T>>::Added(told) | WatchEvent::Modified(told) | WatchEvent::Deleted(told)) => {
                prop_assert_eq!(seen(&told), seen(&alone));
            }
            other => prop_assert!(false, "the event can't be read: {:?}", other.map(|_| ())),
        }
    }
    Ok(if alone.object.is_ok() { "read" } else { "told of alone" })
}

#[test]
fn a_poisoned_run_leaves_the_others_whole() {
    let runs: Vec<Value> = statuses::goldens().into_iter().map(|(_, _, document)| document).collect();
    let inputs = Corpus::new(&runs).changed().prop_map(|(_, text)| text);
    let good = runs[0].to_string();
    fuzz("lists of runs", 400, &inputs, |poison| law::<WorkflowRun>(&good, poison)).at_least(10, "told of alone");
}

#[test]
fn a_poisoned_workflow_leaves_the_others_whole() {
    let workflows = examples("Workflow");
    let inputs = Corpus::new(&workflows).changed().prop_map(|(_, text)| text);
    let good = workflows[0].to_string();
    fuzz("lists of workflows", 400, &inputs, |poison| law::<Workflow>(&good, poison)).at_least(10, "told of alone");
}

#[test]
fn a_poisoned_pod_leaves_the_others_whole() {
    let inputs = pods::corpus().changed().prop_map(|(_, text)| text);
    let good = r#"{"metadata":{"name":"good","uid":"u"},"spec":{"containers":[{}]},"status":{"phase":"Running"}}"#;
    // Only repeated keys make a pod unreadable.
    fuzz("lists of pods", 400, &inputs, |poison| law::<SlimPod>(good, poison)).at_least(1, "told of alone");
}
