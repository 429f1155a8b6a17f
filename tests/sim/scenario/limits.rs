//! Runs of one workflow: how many at the same time, how long they stay, and how long what comes last may take.

use serde_json::{Value, json};

use super::build::{run, run_with, task, workflow_with};
use super::{Refusal, Scenario};
use crate::kubelet::Behaviour;

/// Others have used up the quota of the namespace.
const QUOTA: Refusal = Refusal {
    code: 403,
    reason: "Forbidden",
    message: "pods \"urgent-a-1\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
    from_ms: 5_000,
    until_ms: 40_000,
};
/// A task that runs until someone stops it.
const LONG: u64 = 3_600_000;

/// All of them, in an order that stays.
pub(super) fn limits() -> Vec<Scenario> {
    [queues(), full(), stays()].concat()
}

/// A scenario of a workflow of `a` and then `b`, with this concurrency.
fn of(name: &'static str, concurrency: &Value) -> Scenario {
    Scenario::new(name).with(workflow_with(&[task("a", &[]), task("b", &["a"])], json!({ "concurrency": concurrency })))
}

fn all_succeed(scenario: Scenario, runs: &[&str]) -> Scenario {
    runs.iter().fold(scenario, |scenario, run| scenario.ends_of(run, "Succeeded", "", "a Succeeded, b Succeeded"))
}

/// Those that wait their turn.
fn queues() -> Vec<Scenario> {
    let one = json!({ "max": 1 });
    let urgent = |name| run_with(name, json!({ "priority": 5 }));
    let of_region = |name, region: &str| run_with(name, json!({ "params": { "region": region } }));
    let keyed = Scenario::new("queue-of-each-key").with(workflow_with(
        &[task("a", &[]), task("b", &["a"])],
        json!({
            "concurrency": { "max": 1, "key": "params.region" },
            "params": [{ "name": "region", "type": "string" }],
        }),
    ));
    vec![
        all_succeed(
            of("queue", &one)
                .with_standby()
                .with(run("run"))
                .with(run("second"))
                .with_later(run("third"))
                .with_later(urgent("urgent"))
                .at(1_500, "create:workflowrun:third")
                .at(2_600, "create:workflowrun:urgent"),
            &["run", "second", "third", "urgent"],
        ),
        // What overtakes those that wait has a slot, and no pods for a while.
        all_succeed(
            of("queue-overtaken", &one)
                .with_standby()
                .refusing(QUOTA)
                .with(run("run"))
                .with(run("second"))
                .with_later(urgent("urgent"))
                .at(4_000, "create:workflowrun:urgent"),
            &["run", "second", "urgent"],
        ),
        all_succeed(
            of("queue-of-two", &json!({ "max": 2 }))
                .with_standby()
                .with(run("run"))
                .with(run("second"))
                .with(run("third"))
                .with_later(urgent("urgent"))
                .at(3_000, "create:workflowrun:urgent"),
            &["run", "second", "third", "urgent"],
        ),
        all_succeed(
            keyed
                .with_standby()
                .with(of_region("run", "emea"))
                .with(of_region("second", "emea"))
                .with(of_region("other", "apac"))
                .with_later(run_with("urgent", json!({ "params": { "region": "emea" }, "priority": 5 })))
                .at(3_000, "create:workflowrun:urgent"),
            &["run", "second", "other", "urgent"],
        ),
        all_succeed(
            of("queue-behind-a-suspension", &one)
                .with(run("run"))
                .with_later(run("second"))
                .at(1_500, "suspend:run")
                .at(3_000, "create:workflowrun:second")
                .at(40_000, "resume:run"),
            &["run", "second"],
        ),
        all_succeed(
            of("queue-past-a-suspension", &one)
                .behaves("a", [Behaviour::succeeds(8_000, "")])
                .with(run("run"))
                .with_later(run("second"))
                .with_later(run("third"))
                .at(2_000, "create:workflowrun:second")
                .at(2_500, "suspend:second")
                .at(4_000, "create:workflowrun:third")
                .at(60_000, "resume:second"),
            &["run", "second", "third"],
        ),
        all_succeed(
            of("queue-behind-a-deletion", &one)
                .with_standby()
                .with(run("run"))
                .with_later(run("second"))
                .at(2_000, "create:workflowrun:second")
                .at(4_000, "delete-run:run:background"),
            &["second"],
        ),
        all_succeed(
            of("cancelled-in-the-queue", &one)
                .with(run("run"))
                .with_later(run("second"))
                .with_later(run("third"))
                .at(2_000, "create:workflowrun:second")
                .at(2_500, "create:workflowrun:third")
                .at(3_500, "cancel:second")
                .ends_of("second", "Cancelled", "", ""),
            &["run", "third"],
        ),
    ]
}

/// Those for which there is no room.
fn full() -> Vec<Scenario> {
    let last = [task("clean", &[])];
    let oldest = |name: &'static str| {
        let more = json!({ "concurrency": { "max": 1, "whenFull": "CancelOldest" }, "finally": last });
        Scenario::new(name).with(workflow_with(&[task("a", &[])], more)).with(run("run"))
    };
    let first_of = |name| oldest(name).behaves("a", [Behaviour::succeeds(20_000, "")]);
    let cancelled = |scenario: Scenario| scenario.ends("Cancelled", "", "a Cancelled, clean Succeeded");
    vec![
        all_succeed(
            of("rejected", &json!({ "max": 1, "whenFull": "Reject" }))
                .with_standby()
                .with(run("run"))
                .with_later(run("second"))
                .with_later(run("third"))
                .at(3_000, "create:workflowrun:second")
                .at(60_000, "create:workflowrun:third")
                .ends_of("second", "Cancelled", "", ""),
            &["run", "third"],
        ),
        cancelled(first_of("cancel-oldest"))
            .with_standby()
            .with_later(run("second"))
            .at(4_000, "create:workflowrun:second")
            .ends_of("second", "Succeeded", "", "a Succeeded, clean Succeeded"),
        cancelled(first_of("only-the-newest-waits"))
            .with_later(run("second"))
            .with_later(run("third"))
            .at(4_000, "create:workflowrun:second")
            .at(5_500, "create:workflowrun:third")
            .ends_of("second", "Cancelled", "", "")
            .ends_of("third", "Succeeded", "", "a Succeeded, clean Succeeded"),
    ]
}

/// How long runs stay, and what comes last.
fn stays() -> Vec<Scenario> {
    let more = json!({ "finally": [task("report", &[]), task("clean", &["report"])], "finallyTimeout": "20s" });
    vec![
        // It is gone at the end.
        Scenario::new("ttl")
            .with_standby()
            .with(workflow_with(&[task("a", &[])], json!({ "ttl": "30s" })))
            .with(run("run")),
        Scenario::new("finally-timeout")
            .with_standby()
            .with(workflow_with(&[task("a", &[])], more))
            .with(run("run"))
            .behaves("report", [Behaviour::succeeds(LONG, "")])
            .ends("Failed", "FinallyFailed", "a Succeeded, report Failed, clean Cancelled"),
    ]
}
