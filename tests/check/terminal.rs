//! S4: what has ended stays as it is: a run, a task, an attempt.

use serde_json::Value;

use super::read::{Attempt, Status, Task, list};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Terminal states.
pub struct Terminal;

impl<'j> Invariant<'j> for Terminal {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        // What a hand writes is judged by nobody; from there on it is what counts.
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(before) = world.runs.get(step.write.uid.as_str()).and_then(Run::status) else { return };
        if before.phase.is_finished() {
            findings.check("S4", step.index, is_same_end(before.value, after.value), || {
                format!("run {} is {:?} and was changed", step.write.name, before.phase)
            });
        }
        for old in before.tasks.iter().filter(|task| task.phase.is_finished()) {
            let new = find(after, old);
            findings.check("S4", step.index, new.is_some_and(|new| new.value == old.value), || {
                format!("task {} is {:?} and was changed to {:?}", old.name, old.phase, new.map(|new| new.phase))
            });
        }
        for (task, old) in before.attempts().filter(|(_, attempt)| attempt.outcome.is_some()) {
            let new = find(after, task).and_then(|task| task.attempts.iter().find(|it| it.number == old.number));
            findings.check("S4", step.index, new.is_some_and(|new| new.value == old.value), || {
                let outcome = |attempt: &Attempt<'_>| attempt.outcome;
                format!(
                    "attempt {} of task {} has outcome {:?} and was changed to {:?}",
                    old.number,
                    task.name,
                    old.outcome,
                    new.and_then(outcome)
                )
            });
        }
    }
}

/// The same task in another status.
fn find<'s, 'j>(status: &'s Status<'j>, task: &Task<'_>) -> Option<&'s Task<'j>> {
    status.task(task.name)
}

/// Whether two statuses of a run that has ended say the same, but for which version of the spec they have seen.
fn is_same_end(before: &Value, after: &Value) -> bool {
    let fields = |status: &'_ Value| {
        status.as_object().map_or(0, serde_json::Map::len) - usize::from(status.get(SEEN).is_some())
    };
    let same =
        |(field, value): (&String, &Value)| field == SEEN || field == "conditions" || after.get(field) == Some(value);
    fields(before) == fields(after)
        && before.as_object().is_some_and(|before| before.iter().all(same))
        && is_same_list(list(before, "conditions"), list(after, "conditions"))
}

/// The field that says which metadata.generation a status, or a condition, speaks of.
const SEEN: &str = "observedGeneration";

fn is_same_list(before: &[Value], after: &[Value]) -> bool {
    let fields = |condition: &Value| -> Vec<(String, Value)> {
        let all = condition.as_object().into_iter().flatten();
        all.filter(|(field, _)| *field != SEEN).map(|(field, value)| (field.clone(), value.clone())).collect()
    };
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| fields(before) == fields(after))
}
