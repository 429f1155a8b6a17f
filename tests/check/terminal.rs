//! S4: what has ended stays as it is: a run, a task, an attempt.

use serde_json::Value;

use super::read::{Changed, list};
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
        if before.phase.is_finished() && !is_same_end(before.value, after.value) {
            faults.push(format!("the run is {:?} and was changed", before.phase));
        }
        for old in after.gone.iter().filter(|old| old.phase.is_finished()) {
            faults.push(format!("task {} is {:?} and is gone", old.name, old.phase));
        }
        for Changed { old, new } in &after.changed {
            let Some(old) = old else { continue };
            if old.phase.is_finished() {
                faults.push(format!("task {} is {:?} and was changed; it is {:?}", old.name, old.phase, new.phase));
            }
            for old in old.attempts.iter().filter(|it| it.outcome.is_some()) {
                let same = new.attempts.iter().any(|new| new.number == old.number && new.value == old.value);
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
