//! Whether the pod of an attempt is still to be made, by a status as it is stored. Asked of the newest status before each request, so
//! without unpacking all of it.

use super::{row, state};
use crate::api::{TaskPhase, WorkflowRunStatus};

/// An attempt whose object is to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Index of its task in the plan.
    pub index: usize,
    /// Name of its task.
    pub task: String,
    /// Index of its item, if it is one's.
    pub item: Option<u32>,
    /// Its number.
    pub number: u32,
}

/// Whether the object of this name, which is an attempt's, is to be made.
#[must_use]
pub fn is_starting(stored: &WorkflowRunStatus, start: &Start, object: &str) -> bool {
    let task = stored.tasks.iter().find(|task| task.name == start.task);
    let spelt = match (start.item, task) {
        (None, Some(task)) => Some((task.phase, task.attempts.last())),
        (Some(index), Some(task)) => {
            let entry = task.items.iter().flat_map(|items| &items.entries).find(|entry| entry.index == index);
            entry.map(|entry| (entry.phase, entry.attempts.last()))
        }
        (_, None) => None,
    };
    if let Some((phase, last)) = spelt {
        return phase == TaskPhase::Starting && last.is_some_and(|last| last.object() == object);
    }
    let (states, rows, former, place) = match (start.item, task.and_then(|task| task.items.as_ref()), &stored.packed) {
        (Some(index), Some(items), _) => {
            (&items.states, &items.rows, items.former_attempts, usize::try_from(index).ok())
        }
        (None, _, Some(packed)) => (&packed.states, &packed.rows, packed.former_attempts, Some(start.index)),
        _ => return false,
    };
    let Some(place) = place else { return false };
    let number = row::read(rows).find(|row| usize::try_from(row.index) == Ok(place)).map(|row| row.number);
    state::at(states, place).phase() == TaskPhase::Starting
        && number.unwrap_or(former.saturating_add(1)) == start.number
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_spelt_out_counts_and_then_its_letter_and_row() {
        let spelt = |phase: &str, number: u32| json!({ "phase": phase, "attempts": [{ "number": number, "pod": format!("pod-{number}") }] });
        let mut entry = spelt("Starting", 2);
        entry["index"] = json!(3);
        let items = json!({ "total": 4, "newestAttempt": 2, "states": "imsp", "entries": [entry], "rows": "" });
        let mut f = spelt("Running", 1);
        (f["name"], f["items"]) = (json!("f"), items);
        let mut a = spelt("Starting", 1);
        a["name"] = json!("a");
        let packed = json!({ "total": 5, "states": "p2imr", "newestAttempt": 3, "formerAttempts": 2 });
        let status: WorkflowRunStatus = serde_json::from_value(json!({ "tasks": [a, f], "packed": packed })).unwrap();
        for (index, task, item, number, expected) in [
            (0, "a", None, 1, true),
            // Spelt out with another attempt.
            (0, "a", None, 2, false),
            // By its letter: intended, made, running; numbered on from the former generation.
            (1, "b", None, 3, true),
            (1, "b", None, 1, false),
            (3, "d", None, 3, true),
            (4, "e", None, 3, false),
            (9, "z", None, 3, false),
            (2, "f", Some(0), 1, true),
            (2, "f", Some(0), 2, false),
            (2, "f", Some(1), 1, true),
            (2, "f", Some(2), 1, false),
            (2, "f", Some(3), 2, true),
            (2, "f", Some(3), 1, false),
            (2, "f", Some(4), 1, false),
            (1, "b", Some(0), 3, false),
        ] {
            let start = Start { index, task: task.into(), item, number };
            assert_eq!(is_starting(&status, &start, &format!("pod-{number}")), expected, "{start:?}");
        }
    }
}
