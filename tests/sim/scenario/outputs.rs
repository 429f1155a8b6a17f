//! Runs whose statuses have room for few outputs, or none: the rest goes into records.

use serde_json::{Value, json};

use super::Scenario;
use super::build::task_with;
use crate::kubelet::Behaviour;

/// So much that two of them have room in 60 bytes, and one as it goes into a record.
const ROWS: u64 = 4_000_000_000_000;

/// Tasks `a` and `b`, and `f` with three items, all of which hand on a number; `z` reads all of those.
fn tasks() -> [Value; 4] {
    let rows = json!([{ "name": "rows", "type": "int" }]);
    let sum = "string(tasks.a.outputs.rows + tasks.b.outputs.rows) + json(tasks.f.outputs.rows)";
    [
        task_with("a", &[], json!({ "outputs": rows })),
        task_with("b", &["a"], json!({ "outputs": rows })),
        task_with("f", &["a"], json!({ "outputs": rows, "forEach": { "items": "lists.range(3)", "maxParallel": 2 } })),
        task_with("z", &["b", "f"], json!({ "env": [{ "name": "ROWS", "expr": sum }] })),
    ]
}

/// A scenario whose statuses have room for so many bytes.
fn of(name: &'static str, room: usize) -> Scenario {
    let scenario = Scenario { outputs: Some(room), ..Scenario::of(name, &tasks()) };
    scenario.behaves("a", [rows(ROWS)]).behaves("b", [rows(ROWS)]).behaves("f", [rows(ROWS)])
}

fn rows(number: u64) -> Behaviour {
    Behaviour::succeeds(2_000, &format!("rows={number}\n"))
}

pub(super) fn outputs() -> Vec<Scenario> {
    let sees =
        || Behaviour::succeeds(2_000, "").expecting("ROWS", "8000000000000[4000000000000,4000000000000,4000000000000]");
    let fails = || Behaviour::exits(2_000, 3, "the table is locked");
    vec![
        of("outputs-in-records", 0).with_standby().behaves("z", [sees()]).succeeds(),
        of("outputs-in-records-but-for-the-last", 60).with_standby().behaves("z", [sees()]).succeeds(),
        Scenario { spelt: Some(0), ..of("outputs-in-records-of-a-large-run", 60) }.behaves("z", [sees()]).succeeds(),
        of("outputs-in-records-in-the-next-generation", 0)
            .with_standby()
            .behaves("b", [rows(ROWS), rows(ROWS + 1)])
            .behaves("z", [fails(), Behaviour::succeeds(2_000, "")])
            .at(25_000, "retry:run:b")
            .succeeds(),
        of("outputs-whose-record-is-deleted", 0).with_standby().at(7_500, "delete-outputs:run").succeeds(),
    ]
}
