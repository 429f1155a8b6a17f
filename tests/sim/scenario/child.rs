//! Tasks that are a run of their own.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{child, named_workflow, task, task_with, workflow, workflow_with};
use crate::kubelet::Behaviour;

/// A workflow of `a`, then `c`, which is a run of its own, then `z`.
fn between(c: Value) -> [Value; 3] {
    [task("a", &[]), c, task("z", &["c"])]
}

/// The workflow `inner`: `x`, then `y`.
fn inner(more: Value) -> Value {
    named_workflow("inner", &[task("x", &[]), task("y", &["x"])], more)
}

pub(super) fn children() -> Vec<Scenario> {
    let fails = || Behaviour::exits(2_000, 3, "row 17 has no price");
    let long = || [Behaviour::succeeds(3_600_000, "")];
    let (plain_end, long_end) = (|| Behaviour::succeeds(2_000, ""), || Behaviour::succeeds(3_600_000, ""));
    let of_inner = |more: Value| child("c", &["a"], json!({ "workflowRef": { "name": "inner" } }), more);
    let plain = |name: &'static str| Scenario::of(name, &between(of_inner(json!({})))).with(inner(json!({})));

    let rows = json!([{ "name": "rows", "type": "int" }]);
    let counted = named_workflow(
        "inner",
        &[task_with("x", &[], json!({ "outputs": rows })), task("y", &["x"])],
        json!({
            "params": [{ "name": "date", "type": "string" }],
            "outputs": [{ "name": "rows", "expr": "tasks.x.outputs.rows + 1" }],
        }),
    );
    let reads = json!({ "env": [{ "name": "ROWS", "expr": "tasks.c.outputs.rows" }] });
    let date = json!({ "params": [{ "name": "date", "expr": "run.name" }] });
    let handed_on = [task("a", &[]), of_inner(date), task_with("z", &["c"], reads)];

    let innermost = json!({ "taskDefaults": { "image": "i" }, "tasks": [task("x", &[]), task("y", &["x"])] });
    let middle = json!({ "taskDefaults": { "image": "i" }, "tasks": [child("m", &[], json!({ "workflow": innermost }), json!({}))] });
    let nested = between(child("c", &["a"], json!({ "workflow": middle }), json!({})));

    let retried = of_inner(json!({ "retry": { "limit": 1, "backoff": { "initial": "2s" } } }));
    let items = of_inner(json!({ "forEach": { "values": ["emea", "apac", "latam"], "maxParallel": 2 } }));
    let itself = child("c", &["a"], json!({ "workflowRef": { "name": "workflow" } }), json!({}));
    let with_last = json!({ "finally": [task("l", &[])] });
    vec![
        Scenario::new("child")
            .with(workflow(&handed_on))
            .with(counted)
            .with(super::build::run("run"))
            .with_standby()
            .behaves("x", [Behaviour::succeeds(2_000, "rows=4\n")])
            .succeeds(),
        plain("child-name-taken").at(500, "foreign-run:run:c").ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, c Failed, z UpstreamFailed",
        ),
        Scenario::of("child-of-a-child", &nested).with_standby().succeeds(),
        Scenario::of("child-fails", &between(retried))
            .with(inner(json!({})))
            .with_standby()
            .behaves("y", [fails()])
            .ends("Failed", "TaskFailed", "a Succeeded, c Failed, z UpstreamFailed"),
        Scenario::of("child-items", &between(items)).with(inner(json!({}))).with_standby().succeeds(),
        plain("child-cancelled").with_standby().behaves("x", long()).at(6_000, "cancel:run").ends(
            "Cancelled",
            "",
            "a Succeeded, c Cancelled, z Cancelled",
        ),
        Scenario::of("child-of-a-child-cancelled", &nested).behaves("x", long()).at(7_000, "cancel:run").ends(
            "Cancelled",
            "",
            "a Succeeded, c Cancelled, z Cancelled",
        ),
        Scenario::of("child-cancelled-with-finally", &between(of_inner(json!({}))))
            .with(inner(with_last))
            .behaves("x", long())
            .at(6_000, "cancel:run")
            .ends("Cancelled", "", "a Succeeded, c Cancelled, z Cancelled"),
        plain("child-retried").with_standby().behaves("y", [fails(), plain_end()]).at(25_000, "retry:run").succeeds(),
        plain("child-retried-twice")
            .behaves("y", [fails(), fails(), plain_end()])
            .at(25_000, "retry:run")
            .at(45_000, "retry:run")
            .succeeds(),
        plain("child-retried-then-cancelled")
            .with_standby()
            .behaves("y", [fails(), long_end()])
            .at(25_000, "retry:run")
            .at(27_000, "cancel:run:5")
            .ends("Cancelled", "", "a Succeeded, c Cancelled, z Cancelled"),
        Scenario::of("child-of-a-child-retried", &nested)
            .behaves("y", [fails(), plain_end()])
            .at(30_000, "retry:run")
            .succeeds(),
        plain("child-suspended").with_standby().at(4_500, "suspend:run").at(30_000, "resume:run").succeeds(),
        Scenario::of("child-timeout", &between(of_inner(json!({ "timeout": "30s" }))))
            .with(inner(json!({})))
            .behaves("x", long())
            .ends("Failed", "TaskFailed", "a Succeeded, c Failed, z UpstreamFailed"),
        Scenario::new("child-of-itself")
            .with(workflow_with(&between(itself), json!({})))
            .with(super::build::run("run"))
            .ends("Failed", "TaskFailed", "a Succeeded, c Failed, z UpstreamFailed"),
        Scenario::of("child-workflow-missing", &between(of_inner(json!({})))).ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, c Failed, z UpstreamFailed",
        ),
        plain("child-parent-deleted").behaves("x", long()).at(8_000, "delete-run:run:background"),
    ]
}
