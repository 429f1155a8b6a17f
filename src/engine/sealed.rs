//! The outputs of a run that has many: in its status there is room for so many bytes of them. What is more goes into records, each
//! written before the status that names it, and none is ever changed.
//!
//! That is a matter of how they are stored alone. [`Outputs::place`] puts them where decisions look for them, and [`seal`] takes them
//! out again. Where they have room they stay where they are.
//!
//! | outputs | are stored |
//! |---|---|
//! | that fit | in their places among the tasks, or in the text of those that aren't spelt out |
//! | that don't, and came last | in one text of the status |
//! | the others | in records, whose texts are one |
//!
//! All that is in a record is true. Only a retry takes an output back: then everything goes into new records, and the old ones are
//! named no more. What was on record before is sealed apart from what is new, so that whoever seals it makes the same record.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::observed::Observed;
use crate::api::{ItemsStatus, MAX_ITEMS, OutputsPart, SealedOutputs, TaskPhase, TaskStatus, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::outputs_name;

/// Records that a status names at most: of more, all is sealed anew.
const RECORDS: usize = 64;
/// Values that lists of outputs may have in all, those that are null included: many times as many as all outputs of a run have room
/// for. A hand can write names of more in few bytes.
const VALUES: u32 = 1_000_000;
/// Bytes of a record's text as the API server writes it, so that a record has less than 256 KiB.
const PART: usize = 240 * 1024;

/// A part of the outputs of a run, to be written before the status that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedOutputs {
    /// Name of its record.
    pub name: String,
    /// What it holds.
    pub part: OutputsPart,
}

/// Values by the index of an item. Of an item without the output there is none.
type List = BTreeMap<u32, Value>;

/// Outputs of tasks and items, apart from the tasks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outputs {
    /// By the names of the task and the output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    tasks: BTreeMap<String, Map<String, Value>>,
    /// Of items, by the names of the task and the output.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    items: BTreeMap<String, BTreeMap<String, List>>,
}

impl Outputs {
    /// Those that the texts of records hold, oldest first, and whether that is all: not if a text is missing, or can't be read.
    #[must_use]
    pub fn read<'t>(texts: impl Iterator<Item = Option<&'t str>>) -> (Self, bool) {
        let (mut all, mut is_whole) = (Self::default(), true);
        let mut text = String::new();
        for part in texts {
            is_whole &= part.is_some();
            // The lines that the missing one is in don't come to JSON.
            text.push_str(part.unwrap_or("\n"));
        }
        for line in text.lines().filter(|line| !line.is_empty()) {
            match serde_json::from_str(line) {
                Ok(outputs) => all.add(outputs),
                Err(_) => is_whole = false,
            }
        }
        (all, is_whole)
    }

    /// Those of a status in which they are in their places.
    fn of(status: &WorkflowRunStatus) -> Self {
        let mut all = Self::default();
        for task in &status.tasks {
            let name = || task.name.clone();
            match (&task.items, &task.outputs) {
                (Some(items), Some(outputs)) if is_gathered(task, items, outputs) => {
                    let lists = outputs.iter().filter_map(|(name, list)| Some((name.clone(), list_of(list)?)));
                    all.items.insert(name(), lists.collect());
                    continue;
                }
                (_, Some(outputs)) => {
                    all.tasks.insert(name(), outputs.clone());
                }
                (_, None) => {}
            }
            let of_items: Map<String, Value> = serde_json::from_str(of_items(task)).unwrap_or_default();
            if !of_items.is_empty() {
                let lists = of_items.iter().filter_map(|(name, list)| Some((name.clone(), list_of(list)?)));
                all.items.insert(name(), lists.collect());
            }
        }
        all
    }

    /// Adds those; where there is one already, the newer counts.
    fn add(&mut self, newer: Self) {
        for (task, outputs) in newer.tasks {
            self.tasks.entry(task).or_default().extend(outputs);
        }
        for (task, lists) in newer.items {
            let own = self.items.entry(task).or_default();
            for (name, list) in lists {
                own.entry(name).or_default().extend(list);
            }
        }
    }

    /// Those that others haven't, or not with that value.
    fn without(&self, others: &Self) -> Self {
        let mut rest = Self::default();
        for (task, outputs) in &self.tasks {
            let known = others.tasks.get(task);
            let is_new = |(name, value): &(&String, &Value)| known.is_none_or(|known| known.get(*name) != Some(*value));
            let new: Map<String, Value> =
                outputs.iter().filter(is_new).map(|(name, it)| (name.clone(), it.clone())).collect();
            // That there are none is worth telling too.
            if known.is_none() || !new.is_empty() {
                rest.tasks.insert(task.clone(), new);
            }
        }
        for (task, lists) in &self.items {
            let known = others.items.get(task);
            let mut new = BTreeMap::new();
            for (name, list) in lists {
                let known = known.and_then(|known| known.get(name));
                let values = known.map_or_else(|| list.clone(), |known| without(list, known));
                if known.is_none() || !values.is_empty() {
                    new.insert(name.clone(), values);
                }
            }
            if known.is_none() || !new.is_empty() {
                rest.items.insert(task.clone(), new);
            }
        }
        rest
    }

    fn is_empty(&self) -> bool {
        self.tasks.is_empty() && self.items.is_empty()
    }

    /// A line of a text, with the line break; nothing where there are none. Nothing in it can fail to be JSON.
    fn line(&self) -> String {
        if self.is_empty() { String::new() } else { serde_json::to_string(self).unwrap_or_default() + "\n" }
    }

    /// Puts them where decisions look for them. What is told of a task that isn't there is dropped, and so are lists that no run of ours
    /// can have.
    fn place(mut self, tasks: &mut [TaskStatus]) {
        let mut room = VALUES;
        for task in tasks {
            let outputs = self.tasks.remove(&task.name);
            let lists = self.items.remove(&task.name);
            if let (Some(items), Some(lists)) = (task.items.as_mut(), lists) {
                let is_gathered = task.phase == TaskPhase::Succeeded && outputs.is_none();
                let total = is_gathered.then_some(items.total.min(MAX_ITEMS));
                let lists = lists.into_iter().filter_map(|(name, list)| Some((name, spread(&list, total, &mut room)?)));
                let lists: Map<String, Value> = lists.collect();
                if is_gathered {
                    task.outputs = Some(lists);
                } else {
                    items.outputs = serde_json::to_string(&lists).unwrap_or_default();
                }
            }
            if outputs.is_some() {
                task.outputs = outputs;
            }
        }
    }
}

/// The outputs of its items that are not the task's own yet, as they are written.
fn of_items(task: &TaskStatus) -> &str {
    task.items.as_ref().map_or("", |items| items.outputs.as_str())
}

/// Whether the outputs of a task are lists of what its items have handed on.
fn is_gathered(task: &TaskStatus, items: &ItemsStatus, outputs: &Map<String, Value>) -> bool {
    let total = usize::try_from(items.total.min(MAX_ITEMS)).unwrap_or(0);
    let is_list = |value: &Value| value.as_array().is_some_and(|list| list.len() == total);
    task.phase == TaskPhase::Succeeded && outputs.values().all(is_list)
}

/// The values of a list that are there.
fn list_of(list: &Value) -> Option<List> {
    let values = (0..MAX_ITEMS).zip(list.as_array()?).filter(|(_, value)| !value.is_null());
    Some(values.map(|(index, value)| (index, value.clone())).collect())
}

/// The values of a list that another hasn't, or not there.
fn without(list: &List, known: &List) -> List {
    // Both come in the order of the index, and may be long.
    let mut known = known.iter().peekable();
    let is_new = |(at, value): &(&u32, &Value)| {
        while known.next_if(|(other, _)| *other < *at).is_some() {}
        known.peek() != Some(&(*at, *value))
    };
    list.iter().filter(is_new).map(|(at, value)| (*at, value.clone())).collect()
}

/// The list of such values, of this length or as long as it has to be, null where there is none; nothing if there is no room for it.
fn spread(list: &List, total: Option<u32>, room: &mut u32) -> Option<Value> {
    let total = total.unwrap_or_else(|| list.keys().next_back().map_or(0, |last| last.saturating_add(1)));
    *room = room.checked_sub(total.min(MAX_ITEMS))?;
    let mut values = list.iter().peekable();
    let value = |index: u32| values.next_if(|(at, _)| **at == index).map_or(Value::Null, |(_, value)| value.clone());
    Some((0..total.min(MAX_ITEMS)).map(value).collect())
}

/// Puts the outputs of a stored status in their places. `sealed` are those in its records. It names these no more: a status that
/// does is one without its outputs.
pub(super) fn unseal(status: &mut WorkflowRunStatus, sealed: &Outputs) {
    let Some(stored) = status.sealed_outputs.take() else { return };
    let mut all = if is(Mutant::SealedOutputsForgotten) { Outputs::default() } else { sealed.clone() };
    // Of what a hand wrote there, as much counts as can be read.
    let (rest, _) = Outputs::read(std::iter::once(Some(stored.rest.as_str())));
    all.add(rest);
    all.place(&mut status.tasks);
}

/// How the outputs of a status are stored: `None` where they stay in their places; and the records to be written before.
pub(super) fn seal(full: &WorkflowRunStatus, seen: &Observed<'_>) -> (Option<SealedOutputs>, Vec<NamedOutputs>) {
    if full.sealed_outputs.is_some() {
        // They aren't in their places, so that nothing about them was decided.
        return (full.sealed_outputs.clone(), Vec::new());
    }
    let stored = seen.stored.sealed_outputs.as_ref();
    if are_same(&seen.status.tasks, &full.tasks) {
        return (stored.cloned(), Vec::new());
    }
    let named = stored.map_or(&[][..], |stored| &stored.records);
    if named.is_empty() && fit(full, seen) {
        return (None, Vec::new());
    }
    let (all, none) = (Outputs::of(full), Outputs::default());
    let is_true = seen.sealed.without(&all).is_empty() || is(Mutant::StaleOutputsKept);
    if !is_true && fit(full, seen) {
        return (None, Vec::new());
    }
    let (mut records, sealed) = if is_true { (named.to_vec(), seen.sealed) } else { (Vec::new(), &none) };
    let rest = all.without(sealed);
    let line = rest.line();
    if bytes(&line) <= seen.hot.outputs {
        return (Some(SealedOutputs { records, rest: line }), Vec::new());
    }
    let new = rest.without(&Outputs::of(seen.status));
    let mut parts = cut(&rest.without(&new).line(), seen);
    let mut rest = new.line();
    if bytes(&rest) > seen.hot.outputs {
        parts.extend(cut(&std::mem::take(&mut rest), seen));
    }
    if records.len().saturating_add(parts.len()) > RECORDS {
        records.clear();
        parts = cut(&all.line(), seen);
        rest.clear();
    }
    records.extend(parts.iter().map(|named| named.name.clone()));
    (Some(SealedOutputs { records, rest }), parts)
}

/// Whether the outputs of two lists of tasks are the same.
fn are_same(old: &[TaskStatus], new: &[TaskStatus]) -> bool {
    let same = |(old, new): (&TaskStatus, &TaskStatus)| old.outputs == new.outputs && of_items(old) == of_items(new);
    old.len() == new.len() && old.iter().zip(new).all(same)
}

/// Whether the outputs have room in their places. Those of tasks that aren't spelt out are in a text there, as all are counted.
fn fit(full: &WorkflowRunStatus, seen: &Observed<'_>) -> bool {
    let mut room = seen.hot.outputs;
    full.tasks.iter().all(|task| {
        let own = task.outputs.as_ref().map(|outputs| serde_json::to_string(outputs).unwrap_or_default());
        let bytes = own.map_or(0, |text| bytes(&text)).saturating_add(bytes(of_items(task)));
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        fits
    })
}

/// The bytes of a text as the API server writes it.
fn bytes(text: &str) -> usize {
    text.chars().map(width).fold(0, usize::saturating_add)
}

/// The bytes of a letter of a text that is JSON, in JSON: an API server escapes what could be taken for HTML or JavaScript.
const fn width(letter: char) -> usize {
    match letter {
        '"' | '\\' | '\n' => 2,
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => letter.len_utf8(),
    }
}

/// The text in records.
fn cut(text: &str, seen: &Observed<'_>) -> Vec<NamedOutputs> {
    // Where less stays in a status, as in a test, less is in a record too.
    let max = seen.hot.outputs.saturating_mul(4).clamp(256, PART);
    let mut parts = Vec::new();
    let (mut part, mut taken) = (String::new(), 0_usize);
    for letter in text.chars() {
        if taken.saturating_add(width(letter)) > max {
            parts.push(std::mem::take(&mut part));
            taken = 0;
        }
        part.push(letter);
        taken = taken.saturating_add(width(letter));
    }
    parts.extend(Some(part).filter(|part| !part.is_empty()));
    let named = |text: String| {
        let part = OutputsPart { run: seen.run.name.to_owned(), run_uid: seen.run.uid.to_owned(), text };
        NamedOutputs { name: outputs_name(&part, seen.taken), part }
    };
    parts.into_iter().map(named).collect()
}

/// Takes the outputs out of tasks, to be put back by [`put_back`].
pub(super) fn take_out(tasks: &mut [TaskStatus]) -> Vec<(Option<Map<String, Value>>, String)> {
    let take = |task: &mut TaskStatus| {
        let of_items = task.items.as_mut().map(|items| std::mem::take(&mut items.outputs));
        (task.outputs.take(), of_items.unwrap_or_default())
    };
    tasks.iter_mut().map(take).collect()
}

/// The outputs are where they were.
pub(super) fn put_back(tasks: &mut [TaskStatus], outputs: Vec<(Option<Map<String, Value>>, String)>) {
    for (task, (own, of_items)) in tasks.iter_mut().zip(outputs) {
        task.outputs = own;
        task.items.iter_mut().for_each(|items| items.outputs.clone_from(&of_items));
    }
}
