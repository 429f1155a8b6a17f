//! Runs that have ended and are asked to go on.

use serde_json::json;

use super::Scenario;
use super::build::{task, task_with, workflow_with};
use crate::kubelet::{Behaviour, OnTerm};

pub(super) fn generations() -> Vec<Scenario> {
    let fails = || Behaviour::exits(2_000, 3, "the table is locked");
    let plain = || Behaviour::succeeds(2_000, "");
    let long = || Behaviour::succeeds(3_600_000, "");
    let chain = || [task("a", &[]), task("b", &["a"]), task("c", &["b"])];
    let once = || json!({ "limit": 1, "backoff": { "initial": "2s" } });
    let limited = [task_with("a", &[], json!({ "retry": once() })), task("b", &["a"])];
    let in_vain = [task("a", &[]), task_with("b", &["a"], json!({ "retry": once() })), task("c", &["b"])];
    let finally = workflow_with(&chain(), json!({ "finally": [task("x", &[])] }));
    let regions = json!({ "values": ["emea", "apac", "latam"] });
    let items = [task_with("f", &[], json!({ "forEach": regions, "retry": once() })), task("z", &["f"])];
    vec![
        Scenario::of("retried", &chain())
            .with_standby()
            .behaves("b", [fails(), plain()])
            .at(12_000, "retry:run")
            .succeeds(),
        Scenario::of("retried-before-the-end", &chain())
            .behaves("b", [fails(), plain()])
            .at(3_000, "retry:run")
            .succeeds(),
        Scenario::of("retried-with-budgets-anew", &limited)
            .with_standby()
            .behaves("a", [fails(), fails(), fails(), plain()])
            .at(20_000, "retry:run")
            .succeeds(),
        Scenario::of("retried-in-vain", &in_vain)
            .behaves("b", [fails()])
            .at(20_000, "retry:run")
            .at(40_000, "retry:run")
            .ends("Failed", "TaskFailed", "a Succeeded, b Failed, c UpstreamFailed"),
        Scenario::of("retried-after-cancel", &chain())
            .with_standby()
            .behaves("b", [long().on_term(OnTerm::Ignores), plain()])
            .at(8_000, "cancel:run:5")
            .at(30_000, "retry:run")
            .succeeds(),
        Scenario::new("retried-with-finally")
            .with(finally)
            .with(super::build::run("run"))
            .behaves("b", [fails(), plain()])
            .at(15_000, "retry:run")
            .ends("Succeeded", "", "a Succeeded, b Succeeded, c Succeeded, x Succeeded"),
        Scenario::of("retried-from-a-task", &chain()).at(15_000, "retry:run:b").succeeds(),
        Scenario::of("retried-items", &items)
            .with_standby()
            .behaves("f[1]", [fails(), fails(), fails(), plain()])
            .at(20_000, "retry:run")
            .succeeds(),
        Scenario::of("retried-with-nothing-to-do", &chain()).at(15_000, "retry:run").succeeds(),
    ]
}
