//! Runs that are large for their operators: of their tasks and items few are spelt out, or none.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{child, named_workflow, task, task_with};
use crate::kubelet::{Behaviour, Taker, When};

/// A scenario whose statuses spell out so few tasks and items.
fn of(name: &'static str, spelt: usize, tasks: &[Value]) -> Scenario {
    Scenario { spelt: Some(spelt), ..Scenario::of(name, tasks) }
}

pub(super) fn packed() -> Vec<Scenario> {
    let fails = || Behaviour::exits(2_000, 3, "row 17 has no price");
    let plain = || Behaviour::succeeds(2_000, "");
    let long = || Behaviour::succeeds(3_600_000, "");
    let retry = json!({ "limit": 2, "backoff": { "initial": "2s" } });
    let rows = json!([{ "name": "rows", "type": "int" }]);
    let list = |more: Value| {
        let mut f = task_with("f", &["a"], json!({ "forEach": { "items": "lists.range(8)", "maxParallel": 4 } }));
        f.as_object_mut().into_iter().for_each(|f| f.extend(more.as_object().cloned().unwrap_or_default()));
        [task("a", &[]), f, task("z", &["f"])]
    };
    let counted = [
        task_with("a", &[], json!({ "outputs": rows })),
        task_with("b", &["a"], json!({ "retry": retry })),
        task_with("c", &["a"], json!({ "when": "tasks.a.outputs.rows > 0", "retry": retry })),
        task_with("d", &["a"], json!({ "when": "tasks.a.outputs.rows == 0" })),
        task_with("e", &["b"], json!({ "allowFailure": true })),
        task_with("f", &["e", "c"], json!({ "env": [{ "name": "ROWS", "expr": "tasks.a.outputs.rows" }] })),
        task("g", &["f"]),
    ];
    let wide = |more: &Value| -> Vec<Value> {
        let middle = ["b", "c", "d", "e", "f"].map(|name| task_with(name, &["a"], more.clone()));
        [task("a", &[])].into_iter().chain(middle).chain([task("z", &["b", "c", "d", "e", "f"])]).collect()
    };
    let none = json!({});
    let timed = json!({ "totalTimeout": "10m", "retry": retry });
    let children = json!({ "forEach": { "values": ["emea", "apac", "latam", "amer"] } });
    let children = [task("a", &[]), child("c", &["a"], json!({ "workflowRef": { "name": "inner" } }), children)];
    let inner = || named_workflow("inner", &[task("x", &[]), task("y", &["x"])], json!({}));
    vec![
        of("packed-items-retried", 2, &list(json!({ "retry": retry })))
            .with_standby()
            .behaves("f[1]", [fails(), plain()])
            .behaves("f[6]", [fails(), fails(), plain()])
            .succeeds(),
        of("packed-items-disrupted", 1, &list(json!({ "outputs": rows })))
            .behaves("f", [Behaviour::succeeds(2_000, "rows=4\n")])
            .behaves(
                "f[2]",
                [
                    Behaviour::succeeds(2_000, "rows=4\n").taken(When::Running(1_000), Taker::Eviction),
                    Behaviour::succeeds(2_000, "rows=4\n"),
                ],
            )
            .succeeds(),
        of("packed-items-cancelled", 2, &list(none.clone()))
            .with_standby()
            .behaves("f", [long()])
            .at(6_000, "cancel:run")
            .ends("Cancelled", "", "a Succeeded, f Cancelled, z Cancelled"),
        of("packed-items-suspended", 0, &list(none.clone()))
            .at(4_500, "suspend:run")
            .at(20_000, "resume:run")
            .succeeds(),
        of("packed-items-in-the-next-generation", 2, &list(none.clone()))
            .behaves("f[5]", [fails(), plain()])
            .at(25_000, "retry:run")
            .succeeds(),
        of("packed-tasks", 1, &counted)
            .with_standby()
            .behaves("a", [Behaviour::succeeds(2_000, "rows=4\n")])
            .behaves("b", [fails(), plain()])
            .behaves("c", [fails(), fails(), plain()])
            .behaves("e", [fails()])
            .when("c", |_| Some(true))
            .when("d", |_| Some(false))
            .ends(
                "Succeeded",
                "AllowedFailures",
                "a Succeeded, b Succeeded, c Succeeded, d Skipped, e Failed, f Succeeded, g Succeeded",
            ),
        of("packed-tasks-in-the-next-generation", 2, &wide(&none))
            .with_standby()
            .behaves("c", [fails(), fails(), plain()])
            .behaves("e", [fails(), plain()])
            .at(12_000, "retry:run")
            .at(24_000, "retry:run")
            .succeeds(),
        of("packed-tasks-cancelled", 0, &wide(&timed))
            .behaves("b", [fails()])
            .behaves("c", [long()])
            .at(8_500, "cancel:run")
            .ends(
                "Cancelled",
                "",
                "a Succeeded, b Cancelled, c Cancelled, d Succeeded, e Succeeded, f Succeeded, z Cancelled",
            ),
        of("packed-tasks-total-timeout", 2, &wide(&timed)).behaves("d", [long()]).ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, b Succeeded, c Succeeded, d Failed, e Succeeded, f Succeeded, z UpstreamFailed",
        ),
        of("packed-children-retried", 1, &children)
            .with(inner())
            .behaves("y", [fails(), plain()])
            .at(30_000, "retry:run")
            .succeeds(),
    ]
}
