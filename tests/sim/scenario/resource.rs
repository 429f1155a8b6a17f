//! Tasks that are an object of any kind.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{merged, task, task_with};

/// A task that is an object of the kind `Load`, whose attempts come to these words.
fn load(name: &str, needs: &[&str], comes: &[&str], more: Value) -> Value {
    let resource = json!({
        "manifest": { "apiVersion": "example.org/v1", "kind": "Load", "spec": { "comes": comes } },
        "set": [{ "path": "/spec/attempt", "expr": "attempt" }],
        "success": "object.status.phase.startsWith('Done')",
        "failure": "object.status.phase.startsWith('Broken')",
        "outputs": [{ "name": "bytes", "expr": "object.status.bytes", "type": "int" }],
    });
    merged(json!({ "name": name, "needs": needs, "resource": resource }), more)
}

/// A workflow of `a`, then `c`, which is an object, then `z`, which reads what it hands on.
fn between(c: Value) -> [Value; 3] {
    let reads = json!({ "env": [{ "name": "BYTES", "expr": "tasks.c.outputs.bytes" }] });
    [task("a", &[]), c, task_with("z", &["c"], reads)]
}

fn of(name: &'static str, comes: &[&str], more: Value) -> Scenario {
    Scenario::of(name, &between(load("c", &["a"], comes, more)))
}

pub(super) fn resources() -> Vec<Scenario> {
    let retry = |limit: u32| json!({ "retry": { "limit": limit, "backoff": { "initial": "2s" } } });
    let fails = "a Succeeded, c Failed, z UpstreamFailed";
    let stopped = "a Succeeded, c Cancelled, z Cancelled";
    let mut denied = load("c", &["a"], &["Done"], retry(2));
    denied["resource"]["serviceAccountName"] = crate::model::MAY_NOT.into();
    let mut other = load("c", &["a"], &["Done"], json!({}));
    other["resource"]["manifest"]["kind"] = "Unload".into();
    let items = json!({ "forEach": { "values": ["emea", "apac", "latam"], "maxParallel": 2 } });
    let each = [task("a", &[]), load("c", &["a"], &["Done"], items), task("z", &["c"])];
    let timed = json!({ "timeout": "20s", "retry": { "limit": 1, "backoff": { "initial": "1s" } } });
    vec![
        of("resource", &["Done"], json!({})).with_standby().succeeds(),
        of("resource-fails-once", &["Broken", "Done"], retry(1)).with_standby().succeeds(),
        of("resource-fails", &["Broken"], retry(1)).ends("Failed", "TaskFailed", fails),
        of("resource-without-output", &["Bare"], json!({})).ends("Failed", "TaskFailed", fails),
        of("resource-odd", &["Odd"], retry(3)).ends("Failed", "TaskFailed", fails),
        of("resource-gone", &["Gone", "Done"], json!({})).with_standby().succeeds(),
        of("resource-timeout", &["Silent", "Done"], timed.clone()).with_standby().succeeds(),
        of("resource-timeout-twice", &["Busy"], timed).ends("Failed", "TaskFailed", fails),
        of("resource-cancelled", &["Busy"], json!({})).with_standby().at(9_000, "cancel:run").ends(
            "Cancelled",
            "",
            stopped,
        ),
        of("resource-cancelled-silent", &["Silent"], json!({})).at(9_000, "cancel:run").ends("Cancelled", "", stopped),
        of("resource-name-taken", &["Done"], json!({})).at(500, "foreign-resource:run:c").ends(
            "Failed",
            "TaskFailed",
            fails,
        ),
        of("resource-suspended", &["Done"], json!({})).at(4_500, "suspend:run").at(30_000, "resume:run").succeeds(),
        of("resource-run-deleted", &["Silent"], json!({})).at(9_000, "delete-run:run:background"),
        Scenario::of("resource-denied", &between(denied)).with_standby().ends("Failed", "TaskFailed", fails),
        Scenario::of("resource-not-granted", &between(other)).ends("Failed", "TaskFailed", fails),
        Scenario::of("resource-items", &each).with_standby().succeeds(),
    ]
}
