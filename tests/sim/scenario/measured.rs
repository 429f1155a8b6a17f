//! Runs that are there to be measured.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{task, task_with};

/// A task of so many items, and one that comes after it.
pub fn items(count: usize) -> Scenario {
    let list = json!({ "forEach": { "items": format!("lists.range({count})") } });
    Scenario { measured: true, ..Scenario::of("measured-items", &[task_with("f", &[], list), task("z", &["f"])]) }
}

/// So many tasks, in layers of so many; each needs two of the layer before.
pub fn graph(count: usize, width: usize) -> Scenario {
    let name = |index: usize| format!("t{index}");
    let needs = |index: usize| {
        let above = index.checked_sub(width)?;
        let next = if (above + 1).is_multiple_of(width) { above + 1 - width } else { above + 1 };
        Some([name(above), name(next)])
    };
    let tasks = (0..count).map(|index| {
        let needs = needs(index);
        let needs: Vec<&str> = needs.iter().flatten().map(String::as_str).collect();
        task(&name(index), &needs)
    });
    Scenario { measured: true, ..Scenario::of("measured-graph", &tasks.collect::<Vec<Value>>()) }
}
