//! Tasks with `forEach`: S10, no more items have a pod than `maxParallel` allows; S4, how many items there are stays, and so do
//! their outputs; S3, the task
//! ends when all of its items have, and Succeeded only if as many of them have as `minSucceededPercent` asks for.

use std::collections::BTreeMap;
use std::rc::Rc;

use gantline::api::TaskPhase;
use serde_json::{Map, Value};

use super::read::{Status, Task, task_of, text};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Items.
pub struct Items;

impl<'j> Invariant<'j> for Items {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(run) = world.runs.get(step.write.uid.as_str()) else { return };
        let before = run.status();
        for changed in after.changed.iter().filter(|it| it.new.value.get("items").is_some()) {
            let task = changed.new.as_ref();
            let Some(planned) = world.planned(run, after, &task.name) else { continue };
            let for_each = planned.get("forEach").unwrap_or(&Value::Null);
            let total = |task: &Task<'_>| task.value.pointer("/items/total").and_then(Value::as_u64);
            // Of one that is open again, the list may be made anew.
            let was = changed.old.as_deref().filter(|old| !old.phase.is_finished()).and_then(total);
            let begins = was == Some(0) && total(task) != Some(0);
            findings.check("S4", step.index, was.is_none() || begins || was == total(task), || {
                format!("task {} had {was:?} items and has {:?}", task.name, total(task))
            });
            let items = items_of(after, &task.name);
            let live = items.iter().filter(|item| item.phase.has_pod()).count();
            let gone = before
                .filter(|_| !run.edited)
                .and_then(|before| lost_output(before, after, changed.old.as_deref(), task));
            findings.check("S4", step.index, gone.is_none(), || gone.unwrap_or_default());
            // A hand may have put more on record; it must not become more still.
            let had = before
                .map_or(0, |before| items_of(before, &task.name).iter().filter(|item| item.phase.has_pod()).count());
            let max = for_each
                .get("maxParallel")
                .and_then(Value::as_u64)
                .map(|max| usize::try_from(max).unwrap_or(usize::MAX));
            let max = max.unwrap_or(usize::MAX).max(if run.edited { had } else { 0 });
            findings.check("S10", step.index, live <= max, || {
                format!("{live} items of task {} have a pod, and {max} may", task.name)
            });
            let ends = changed.old.as_ref().is_none_or(|old| !old.phase.is_finished()) && task.phase.is_finished();
            if ends && !run.edited {
                let fault = wrong_end(run, task, &items, for_each);
                findings.check("S3", step.index, fault.is_none(), || {
                    format!("task {} is {:?}: {}", task.name, task.phase, fault.as_deref().unwrap_or_default())
                });
            }
        }
    }
}

/// The items of a task.
fn items_of<'s, 'j>(status: &'s Status<'j>, task: &str) -> Vec<&'s Rc<Task<'j>>> {
    status.tasks.iter().filter(|item| item.item.is_some() && task_of(&item.name) == task).collect()
}

/// What the items of a task have handed on, by the name of the output and the index.
fn handed_on(task: &Task<'_>) -> BTreeMap<(String, usize), Value> {
    let of_items = task.value.pointer("/items/outputs").and_then(Value::as_str).unwrap_or_default();
    let of_items: Map<String, Value> = serde_json::from_str(of_items).unwrap_or_default();
    let own = task.value.get("outputs").and_then(Value::as_object).filter(|_| task.phase == TaskPhase::Succeeded);
    let mut values = BTreeMap::new();
    for (name, list) in of_items.iter().chain(own.into_iter().flatten()) {
        let list = list.as_array().into_iter().flatten().enumerate().filter(|(_, value)| !value.is_null());
        values.extend(list.map(|(index, value)| ((name.clone(), index), value.clone())));
    }
    values
}

/// An output of an item that is another one than before, or gone, or that of an item that hasn't succeeded.
fn lost_output(before: &Status<'_>, after: &Status<'_>, old: Option<&Task<'_>>, task: &Task<'_>) -> Option<String> {
    let succeeded = |status: &Status<'_>| -> Vec<bool> {
        items_of(status, &task.name).iter().map(|item| item.phase == TaskPhase::Succeeded).collect()
    };
    let (was, is) = (succeeded(before), succeeded(after));
    let has = |all: &[bool], index: usize| all.get(index).copied().unwrap_or(false);
    let now = handed_on(task);
    if let Some((name, index)) = now.keys().find(|(_, index)| !has(&is, *index)) {
        return Some(format!("output {name} of item {index} of {} is told, and it hasn't succeeded", task.name));
    }
    let lost = |((name, index), value): &(&(String, usize), &Value)| {
        has(&was, *index) && has(&is, *index) && now.get(&(name.clone(), *index)) != Some(*value)
    };
    let old = handed_on(old?);
    let ((name, index), value) = old.iter().find(lost)?;
    Some(format!("output {name} of item {index} of {} was {value}, and no longer is", task.name))
}

/// What speaks against the end of a task whose items are these.
fn wrong_end(run: &Run<'_>, task: &Task<'_>, items: &[&Rc<Task<'_>>], for_each: &Value) -> Option<String> {
    if let Some(open) = items.iter().find(|item| !item.phase.is_finished()) {
        return Some(format!("item {} is {:?}", open.name, open.phase));
    }
    let succeeded = items.iter().filter(|item| item.phase == TaskPhase::Succeeded).count();
    let percent = for_each.get("minSucceededPercent").and_then(Value::as_u64).unwrap_or(100);
    let enough = succeeded * 100 >= usize::try_from(percent).unwrap_or(100) * items.len();
    let is_lost = |value: &Value| matches!(text(value, "reason"), "RevisionLost" | "OutputsLost");
    let lost = is_lost(run.status()?.value) || is_lost(task.value);
    if (task.phase == TaskPhase::Succeeded) != enough && !lost {
        return Some(format!("{succeeded} of {} items succeeded, and {percent} % must", items.len()));
    }
    let outputs = task.value.get("outputs").and_then(Value::as_object);
    let short =
        outputs.into_iter().flatten().find(|(_, list)| list.as_array().is_none_or(|list| list.len() != items.len()));
    short.map(|(name, _)| format!("output {name} is no list of {} values", items.len()))
}
