//! S4: within a generation of a run, what has ended stays as it is: a run, a task, an attempt.

use serde_json::Value;

use super::generation;
use super::read::{Attempt, Changed, Task, list, task_of};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Terminal states.
pub struct Terminal;

impl<'j> Invariant<'j> for Terminal {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        // What a hand writes is judged by nobody; from there on it is what counts.
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(before) = world.runs.get(step.write.uid.as_str()).and_then(Run::status) else { return };
        let mut faults = Vec::new();
        let again = generation::opened(world, step, before, after, &mut faults);
        if before.phase.is_finished() && again.is_none() && !is_same_end(before.value, after.value) {
            faults.push(format!("the run is {:?} and was changed", before.phase));
        }
        // The items of a list that is made anew are others.
        let anew = |old: &Task<'_>| {
            old.item.is_some() && again.as_ref().is_some_and(|again| again.contains(task_of(&old.name)))
        };
        for old in after.gone.iter().filter(|old| old.phase.is_finished() && !anew(old)) {
            faults.push(format!("task {} is {:?} and is gone", old.name, old.phase));
        }
        for Changed { old, new } in &after.changed {
            let Some(old) = old else { continue };
            let opened = again.as_ref().is_some_and(|again| again.contains(task_of(&new.name)));
            let untold = old.item.is_some() && old.phase == new.phase && (new.is_bare() || old.is_bare());
            if old.phase.is_finished() && !untold && !opened && !is_shortened(old, new) {
                faults.push(format!("task {} is {:?} and was changed; it is {:?}", old.name, old.phase, new.phase));
            }
            // Of one that is or was a letter nothing else is told of an attempt than what it came to.
            let is_whole = old.is_told && new.is_told;
            for old in old.attempts.iter().filter(|it| it.outcome.is_some() && !new.is_bare()) {
                // It may have made room for others; that it is counted then is S5.
                let counted = new.attempts.first().is_some_and(|first| old.number < first.number)
                    || old.generation < after.generation && after.has_counted(new, old.number);
                let is_same =
                    |new: &Attempt<'_>| if is_whole { new.value == old.value } else { new.outcome == old.outcome };
                let same = new.attempts.iter().any(|new| new.number == old.number && is_same(new)) || counted;
                if !same {
                    faults.push(format!(
                        "attempt {} of task {} ended {:?} and was changed",
                        old.number, new.name, old.outcome
                    ));
                }
            }
        }
        let told = faults.join("; ");
        findings.check("S4", step.index, faults.is_empty(), || told);
    }
}

/// Whether all that has changed of a task that has ended is how many of its items are told of.
fn is_shortened(old: &Task<'_>, new: &Task<'_>) -> bool {
    let shortened = |task: &Task<'_>| {
        let mut value = task.value.clone();
        let items = value.get_mut("items").and_then(Value::as_object_mut);
        if let Some(items) = items {
            items.retain(|field, _| !matches!(field.as_str(), "entries" | "states" | "rows"));
        }
        value
    };
    old.value.get("items").is_some() && shortened(old) == shortened(new)
}

/// The field that says which metadata.generation a status, or a condition, speaks of.
const SEEN: &str = "observedGeneration";

/// Whether two statuses of a run that has ended say the same, but for which version of the spec they have seen.
fn is_same_end(before: &Value, after: &Value) -> bool {
    // A list that a hand has emptied is as good as none.
    let says =
        |(field, value): &(&String, &Value)| *field != SEEN && value.as_array().is_none_or(|list| !list.is_empty());
    let fields = |status: &'_ Value| status.as_object().into_iter().flatten().filter(says).count();
    let same = |(field, value): (&String, &Value)| field == "conditions" || after.get(field) == Some(value);
    fields(before) == fields(after)
        && before.as_object().is_some_and(|before| before.iter().filter(says).all(same))
        && is_same_list(list(before, "conditions"), list(after, "conditions"))
}

fn is_same_list(before: &[Value], after: &[Value]) -> bool {
    let fields = |condition: &Value| -> Vec<(String, Value)> {
        let all = condition.as_object().into_iter().flatten();
        all.filter(|(field, _)| *field != SEEN).map(|(field, value)| (field.clone(), value.clone())).collect()
    };
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| fields(before) == fields(after))
}
