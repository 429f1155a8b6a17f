//! How a task may end that is an object of any kind.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::human::Human;
use crate::model::MAY_NOT;

/// The account that a task's object is made for.
fn account(task: &Value) -> &str {
    task.pointer("/resource/serviceAccountName").and_then(Value::as_str).unwrap_or("default")
}

/// How the task may end, `deleted` times of which somebody deletes its object.
pub(super) fn ends(task: &Value, deleted: usize) -> BTreeSet<&'static str> {
    let mut ends = BTreeSet::new();
    if account(task) == MAY_NOT || task["resource"]["manifest"]["kind"] != "Load" {
        ends.insert("Failed");
        return ends;
    }
    let words = task["resource"]["manifest"]["spec"]["comes"].as_array().map_or(&[][..], Vec::as_slice);
    let number = |pointer: &str, usual: u64| task.pointer(pointer).and_then(Value::as_u64).unwrap_or(usual);
    let (limit, disruptions) = (number("/retry/limit", 0), number("/retry/disruptions", 5));
    // Attempts, failures, disruptions, and deletions that may yet come.
    let mut left = vec![(0_usize, 0_u64, 0_u64, deleted)];
    while let Some((attempt, failures, disrupted, deletions)) = left.pop() {
        let word = words.get(attempt).or(words.last()).and_then(Value::as_str).unwrap_or("Done");
        let is_failure = match word {
            "Broken" | "Bare" => true,
            "Busy" | "Silent" => !task["timeout"].is_null(),
            _ => false,
        };
        match word {
            _ if is_failure && failures < limit => left.push((attempt + 1, failures + 1, disrupted, deletions)),
            _ if is_failure => drop(ends.insert("Failed")),
            "Done" | "Busy" | "Silent" => drop(ends.insert("Succeeded")),
            "Odd" => drop(ends.insert("Failed")),
            _ => {}
        }
        let by_itself = (word == "Gone").then_some(deletions);
        for deletions in [by_itself, deletions.checked_sub(1)].into_iter().flatten() {
            if disrupted < disruptions {
                left.push((attempt + 1, failures, disrupted + 1, deletions));
            } else {
                ends.insert("Failed");
            }
        }
    }
    ends
}

/// Whether somebody deletes its object.
pub(super) fn takes_it(deed: &Human, task: &Value) -> bool {
    matches!(deed, Human::DeleteResource { task: of, .. } if task["name"] == *of)
}

/// Whether what someone did may make the task fail: the name of its object was taken.
pub(super) fn may_fail_it(deed: &Human, task: &Value) -> bool {
    matches!(deed, Human::ForeignResource { task: of, .. } if task["name"] == *of)
}
