//! What can be done to the records of a run's log, and of the outputs of its tasks.

use gantline::api::{API_VERSION, Segment};
use gantline::plan::segment_name;
use serde_json::{Value, json};

use super::act::get;
use crate::scenario::NAMESPACE;
use crate::wire::{Wire, path};

/// Deletes the record that the status of a run names.
pub(super) fn delete_newest(wire: &mut Wire<'_>, run: &str) -> bool {
    let name =
        get(wire, "workflowruns", run).and_then(|run| Some(run["status"]["sealed"]["segment"].as_str()?.to_owned()));
    let there = name.filter(|name| get(wire, "workflowrecords", name).is_some());
    there.is_some_and(|name| wire.delete(&path("workflowrecords", NAMESPACE, &name), json!({})))
}

/// Deletes the newest record of outputs that the status of a run names.
pub(super) fn delete_outputs(wire: &mut Wire<'_>, run: &str) -> bool {
    let status = get(wire, "workflowruns", run).map(|run| run["status"].clone()).unwrap_or_default();
    let records = status.pointer("/sealedOutputs/records").and_then(Value::as_array);
    let name = records.and_then(|records| records.last()?.as_str());
    let there = name.filter(|name| get(wire, "workflowrecords", name).is_some());
    there.is_some_and(|name| wire.delete(&path("workflowrecords", NAMESPACE, name), json!({})))
}

/// Makes a record of someone else's under the name that the log of a run will have as it is, if that name is still free.
pub(super) fn make_foreign(wire: &mut Wire<'_>, run: &str) -> bool {
    let Some(object) = get(wire, "workflowruns", run) else { return false };
    let (status, sealed) = (&object["status"], &object["status"]["sealed"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number = sealed["count"].as_u64().unwrap_or(0) + 1;
    let segment = Segment {
        run: run.to_owned(),
        run_uid: text(&object["metadata"]["uid"]),
        number: u32::try_from(number).unwrap_or(u32::MAX),
        previous: sealed["segment"].as_str().map(str::to_owned),
        lines: 0,
        log: text(&status["log"]),
    };
    if segment.log.is_empty() {
        return false;
    }
    wire.create(&json!({
        "apiVersion": API_VERSION,
        "kind": "WorkflowRecord",
        "metadata": { "name": segment_name(&segment, 0), "namespace": NAMESPACE, "labels": { "app": "someone-elses" } },
        "spec": { "workflow": "others", "data": { "tasks": [{ "name": "others" }] } },
    }))
}
