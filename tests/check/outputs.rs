//! Statuses with all outputs of tasks in their places. Where a run has many, its status names records that hold them; by the
//! documentation of the fields (`kubectl explain workflowrun.status.sealedOutputs`) the texts of those, one after the other, are lines
//! of JSON, and so is what is in no record yet. What rules go by is where outputs are told else: with their task, in the text of those
//! that aren't spelt out, and of items in that of their list.
//!
//! S7: what is named is on record by then, and is the run's own. S12: no more of them is in a status than has room there.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::journal::{Entry, Journal, Write};
use super::read::{list, meta, text};

/// Bytes of outputs in a status, as JSON.
const ROOM: usize = 32 * 1024;
/// Records that a status names.
const RECORDS: usize = 64;
/// Items of a task.
const ITEMS: usize = 20_000;

/// What is wrong with the outputs of a status, and the invariant that it breaks.
pub type Faults = Vec<(&'static str, String)>;

/// The journal, all outputs in their places, and what is wrong with those by the index of the entry.
pub fn unsealed(journal: &Journal) -> (Cow<'_, Journal>, BTreeMap<usize, Faults>) {
    let (mut records, mut going) = (BTreeMap::new(), BTreeSet::new());
    let (mut whole, mut faults) = (Cow::Borrowed(journal), BTreeMap::new());
    for (index, entry) in journal.entries.iter().enumerate() {
        let Entry::Write(write) = entry else { continue };
        match write.resource.as_str() {
            "workflowrecords" => {
                records.insert((write.namespace.as_str(), write.name.as_str()), &write.object["spec"]["outputs"]);
            }
            "namespaces" if !write.removed && meta::is_deleting(&write.object) => drop(going.insert(&write.name)),
            "namespaces" => drop(going.remove(&write.name)),
            "workflowruns" => {
                let mut found = too_much(&write.object["status"]);
                if write.object["status"].get("sealedOutputs").is_some() {
                    let lines = lines(write, &records, going.contains(&write.namespace), &mut found);
                    let mut object = Value::clone(&write.object);
                    place(&mut object["status"], &lines, &mut found);
                    if let Some(Entry::Write(write)) = whole.to_mut().entries.get_mut(index) {
                        write.object = Arc::new(object);
                    }
                }
                if write.subresource == "status" && !found.is_empty() {
                    faults.insert(index, found);
                }
            }
            _ => {}
        }
    }
    (whole, faults)
}

/// More outputs than have room, or more records than may be named.
fn too_much(status: &Value) -> Faults {
    let size = |value: Option<&Value>| value.map_or(0, |value| value.to_string().len());
    let of_tasks = list(status, "tasks").iter();
    let of_tasks = of_tasks.map(|task| size(task.get("outputs")) + size(task.pointer("/items/outputs")));
    let elsewhere = size(status.pointer("/packed/outputs")) + size(status.pointer("/sealedOutputs/rest"));
    let bytes = of_tasks.sum::<usize>() + elsewhere;
    let named = status.pointer("/sealedOutputs/records").and_then(Value::as_array).map_or(0, Vec::len);
    let mut faults = Vec::new();
    if bytes > ROOM {
        faults.push(("S12", format!("the status has {bytes} bytes of outputs")));
    }
    if named > RECORDS {
        faults.push(("S12", format!("the status names {named} records of outputs")));
    }
    faults
}

/// The lines of all texts, oldest first.
fn lines(write: &Write, records: &BTreeMap<(&str, &str), &Value>, is_going: bool, faults: &mut Faults) -> Vec<Value> {
    let sealed = &write.object["status"]["sealedOutputs"];
    let mut all = String::new();
    for name in list(sealed, "records").iter().filter_map(Value::as_str) {
        match records.get(&(write.namespace.as_str(), name)) {
            Some(part) if text(part, "runUid") == write.uid => all.push_str(text(part, "text")),
            Some(_) => faults.push(("S7", format!("the outputs in record {name} are another run's"))),
            // It goes with all that is in it, and nothing can be put on record there any more.
            None if is_going => {}
            None => faults.push(("S7", format!("record {name} of outputs is named, and not on record"))),
        }
    }
    all.push_str(text(sealed, "rest"));
    let mut lines = Vec::new();
    for line in all.lines() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) if is_going || !faults.is_empty() => {}
            Err(error) => faults.push(("S7", format!("a line of outputs can't be read: {error}"))),
        }
    }
    lines
}

/// Puts the outputs that lines tell of where they are told else.
fn place(status: &mut Value, lines: &[Value], faults: &mut Faults) {
    let (mut tasks, mut items) = (BTreeMap::new(), BTreeMap::new());
    for line in lines {
        for (task, outputs) in line["tasks"].as_object().into_iter().flatten() {
            let all: &mut Map<String, Value> = tasks.entry(task.clone()).or_default();
            all.extend(outputs.as_object().cloned().unwrap_or_default());
        }
        for (task, lists) in line["items"].as_object().into_iter().flatten() {
            let all: &mut BTreeMap<String, BTreeMap<usize, Value>> = items.entry(task.clone()).or_default();
            for (name, values) in lists.as_object().into_iter().flatten() {
                let values = values.as_object().into_iter().flatten();
                let values = values.filter_map(|(at, value)| Some((at.parse().ok()?, value.clone())));
                all.entry(name.clone()).or_default().extend(values.filter(|(at, _)| *at < ITEMS));
            }
        }
    }
    for task in status["tasks"].as_array_mut().into_iter().flatten() {
        let name = text(task, "name").to_owned();
        if let Some(lists) = items.remove(&name) {
            of_items(task, &lists);
        }
        if let Some(outputs) = tasks.remove(&name) {
            task["outputs"] = Value::Object(outputs);
        }
    }
    // Tasks with items are always spelt out.
    faults.extend(items.keys().map(|task| ("S7", format!("outputs of items are told of {task}, and it has none"))));
    if !tasks.is_empty() && status.get("packed").is_none() {
        faults.push(("S7", format!("outputs are told of tasks that aren't there: {:?}", tasks.keys())));
    } else if !tasks.is_empty() {
        status["packed"]["outputs"] = Value::String(json!(tasks).to_string());
    }
    status.as_object_mut().into_iter().for_each(|status| drop(status.remove("sealedOutputs")));
}

/// Of a task that has succeeded they are its own, as long as its list.
fn of_items(task: &mut Value, lists: &BTreeMap<String, BTreeMap<usize, Value>>) {
    let total = task["items"]["total"].as_u64().and_then(|total| usize::try_from(total).ok()).unwrap_or(0).min(ITEMS);
    let succeeded = task["phase"] == "Succeeded";
    let spread = |list: &BTreeMap<usize, Value>| {
        let count = if succeeded { total } else { list.keys().next_back().map_or(0, |last| last + 1) };
        (0..count).map(|at| list.get(&at).cloned().unwrap_or(Value::Null)).collect::<Value>()
    };
    let lists: Map<String, Value> = lists.iter().map(|(name, list)| (name.clone(), spread(list))).collect();
    if succeeded {
        task["outputs"] = Value::Object(lists);
    } else {
        task["items"]["outputs"] = Value::String(json!(lists).to_string());
    }
}
