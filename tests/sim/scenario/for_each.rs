//! Tasks that are done for every item of a list.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{task, task_with};
use crate::kubelet::{Behaviour, OnTerm, Taker, When};

/// A task `f` with three items, and `z`, which needs it.
fn three(more: Value) -> [Value; 3] {
    [task("a", &[]), task_with("f", &["a"], more), task("z", &["f"])]
}

pub(super) fn for_each() -> Vec<Scenario> {
    let fails = || Behaviour::exits(2_000, 3, "row 17 has no price");
    let plain = || Behaviour::succeeds(2_000, "");
    let long = || Behaviour::succeeds(3_600_000, "");
    let values = json!(["emea", "apac", "latam"]);
    let retry = json!({ "limit": 1, "backoff": { "initial": "2s" } });
    let env = json!([{ "name": "REGION", "expr": "item + string(index)" }]);
    let outputs = json!([{ "name": "rows", "type": "int" }]);
    let sum = json!({ "env": [{ "name": "ROWS", "expr": "tasks.f.outputs.rows" }] });
    let gathered = [
        task_with("f", &[], json!({ "forEach": { "items": "lists.range(3)", "maxParallel": 2 }, "outputs": outputs })),
        task_with("z", &["f"], sum),
    ];
    let share = json!({ "forEach": { "values": values, "minSucceededPercent": 60 }, "env": env });
    let hurry = json!({ "forEach": { "values": values, "failFast": true } });
    let many = [
        task_with("f", &[], json!({ "forEach": { "items": "lists.range(90)", "maxParallel": 30 } })),
        task("z", &["f"]),
    ];
    vec![
        Scenario::of("items", &three(json!({ "forEach": { "values": values }, "env": env }))).with_standby().succeeds(),
        Scenario::of("items-one-at-a-time", &three(json!({ "forEach": { "values": values, "maxParallel": 1 } })))
            .succeeds(),
        Scenario::of("items-with-outputs", &gathered)
            .with_standby()
            .behaves("f", [Behaviour::succeeds(2_000, "rows=4\n")])
            .succeeds(),
        Scenario::of("items-none", &three(json!({ "forEach": { "items": "[]" } }))).succeeds(),
        Scenario::of("item-retried", &three(json!({ "forEach": { "values": values }, "retry": retry })))
            .behaves("f[1]", [fails(), plain()])
            .succeeds(),
        Scenario::of("item-disrupted", &three(json!({ "forEach": { "values": values } })))
            .with_standby()
            .behaves("f[2]", [plain().taken(When::Running(1_000), Taker::Eviction), plain()])
            .succeeds(),
        Scenario::of("items-enough", &three(share.clone())).behaves("f[0]", [fails()]).succeeds(),
        Scenario::of("items-too-few", &three(share)).behaves("f[0]", [fails()]).behaves("f[2]", [fails()]).ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, f Failed, z UpstreamFailed",
        ),
        Scenario::of("items-fail-fast", &three(hurry))
            .with_standby()
            .behaves("f[1]", [fails()])
            .behaves("f[2]", [long().on_term(OnTerm::Ignores)])
            .ends("Failed", "TaskFailed", "a Succeeded, f Failed, z UpstreamFailed"),
        Scenario::of("items-total-timeout", &three(json!({ "forEach": { "values": values }, "totalTimeout": "10m" })))
            .behaves("f[1]", [long()])
            .ends("Failed", "TaskFailed", "a Succeeded, f Failed, z UpstreamFailed"),
        Scenario::of("items-cancelled", &three(json!({ "forEach": { "values": values, "maxParallel": 2 } })))
            .with_standby()
            .behaves("f", [long()])
            .at(6_000, "cancel:run")
            .ends("Cancelled", "", "a Succeeded, f Cancelled, z Cancelled"),
        Scenario::of("items-suspended", &three(json!({ "forEach": { "values": values, "maxParallel": 1 } })))
            .at(4_500, "suspend:run")
            .at(20_000, "resume:run")
            .succeeds(),
        Scenario { wide: true, ..Scenario::of("items-many", &many).with_standby().succeeds() },
    ]
}
