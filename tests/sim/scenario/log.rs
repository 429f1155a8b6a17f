//! Runs whose statuses hold little of what has happened: a few transitions, and the rest goes into records again and again.

use serde_json::{Value, json};

use super::Scenario;
use super::build::{task, task_with};
use crate::kubelet::Behaviour;

pub(super) fn logs() -> Vec<Scenario> {
    let fails = || Behaviour::exits(2_000, 3, "the table is locked");
    let plain = || Behaviour::succeeds(2_000, "");
    let of = |name: &'static str, tasks: &[Value]| Scenario { short_logs: true, ..Scenario::of(name, tasks) };
    let chain = || [task("a", &[]), task("b", &["a"])];
    let retry = json!({ "retry": { "limit": 3, "backoff": { "initial": "1s", "factor": 1 } } });
    let often = [task_with("a", &[], retry), task("b", &["a"])];
    let many = [task_with("f", &[], json!({ "forEach": { "items": "lists.range(12)" } })), task("z", &["f"])];
    vec![
        of("log", &chain()).with_standby().succeeds(),
        of("log-of-many-attempts", &often).with_standby().behaves("a", [fails(), fails(), fails(), plain()]).succeeds(),
        // More happens at once than there is room for.
        of("log-of-items", &many).with_standby().succeeds(),
        of("log-goes-on-in-the-next-generation", &chain())
            .behaves("b", [fails(), plain()])
            .at(12_000, "retry:run")
            .succeeds(),
        of("log-whose-part-is-deleted", &chain()).with_standby().at(4_500, "delete-segment:run").succeeds(),
        of("log-whose-name-is-taken", &chain())
            .with_standby()
            .at(2_500, "foreign-segment:run")
            .at(3_500, "foreign-segment:run")
            .at(4_500, "foreign-segment:run")
            .succeeds(),
    ]
}
