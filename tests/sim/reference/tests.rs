//! The reference against the ends that the scenarios name, and against ends that are wrong.

use serde_json::{Value, json};

use super::{End, ends};
use crate::human::Human;
use crate::scenario::{self, Scenario, standard};

/// A run's status as an end would have it.
fn run(end: &End) -> Value {
    let tasks: Vec<Value> = end.tasks.iter().map(|(name, phase)| json!({ "name": name, "phase": phase })).collect();
    json!({ "status": { "phase": end.phase, "reason": end.reason, "tasks": tasks } })
}

fn deeds(scenario: &Scenario) -> Vec<Human> {
    scenario.humans.iter().map(|(_, human)| human.clone()).collect()
}

#[test]
fn the_named_end_of_every_scenario_is_admitted_and_is_the_only_one_where_time_decides_nothing() {
    for scenario in standard() {
        let deeds = deeds(&scenario);
        for name in scenario.names("WorkflowRun") {
            let ends = ends(&scenario, &name, &deeds);
            let named = scenario.ends.get(&name);
            assert_eq!(ends.admits(named.map(run).as_ref()), Ok(()), "{}: {ends:#?}", scenario.name);
            if deeds.is_empty() {
                assert_eq!(ends.only().as_ref(), named, "{}: {ends:#?}", scenario.name);
            }
        }
    }
}

#[test]
fn wrong_ends_are_refused() {
    for (name, phase, reason, tasks) in [
        ("chain", "Succeeded", "", "a Succeeded, b Succeeded, c Failed"),
        ("chain", "Succeeded", "", "a Succeeded, b Succeeded"),
        ("chain", "Failed", "TaskFailed", "a Succeeded, b Succeeded, c Succeeded"),
        ("chain", "Failed", "TaskFailed", "a Failed, b UpstreamFailed, c UpstreamFailed"),
        ("chain", "Cancelled", "", "a Succeeded, b Cancelled, c Cancelled"),
        ("chain", "Failed", "WorkflowNotFound", ""),
        ("chain", "Running", "", "a Succeeded, b Running, c Pending"),
        ("failing-branch", "Succeeded", "", "a Succeeded, b Failed, c UpstreamFailed, d Succeeded"),
        ("failing-branch", "Failed", "TaskFailed", "a Succeeded, b Failed, c UpstreamFailed, d UpstreamFailed"),
        ("failing-branch", "Failed", "TaskFailed", "a Succeeded, b Failed, c Succeeded, d Succeeded"),
        ("output-missing", "Succeeded", "", "extract Succeeded, load Succeeded"),
        ("cancel-while-running", "Failed", "TaskFailed", "a Succeeded, b Failed, c Cancelled, d UpstreamFailed"),
        ("cancel-while-running", "Succeeded", "", "a Succeeded, b Succeeded, c Succeeded, d Cancelled"),
        ("disrupted-too-often", "Succeeded", "", "a Succeeded, b Succeeded"),
        ("alert", "Succeeded", "", "a Succeeded, b Failed, alert Succeeded, calm Succeeded"),
        ("alert", "Failed", "TaskFailed", "a Succeeded, b Failed, alert Skipped, calm Skipped"),
        ("no-alert", "Succeeded", "", "a Succeeded, b Succeeded, alert Succeeded, calm Succeeded"),
        ("no-alert", "Succeeded", "AllSkipped", "a Succeeded, b Succeeded, alert Skipped, calm Skipped"),
        ("no-alert", "Failed", "TaskFailed", "a Succeeded, b Succeeded, alert Skipped, calm Skipped"),
        ("no-alert", "Succeeded", "", "a Succeeded, b Succeeded, alert UpstreamFailed, calm UpstreamFailed"),
        ("allowed-failure", "Failed", "TaskFailed", "a Succeeded, b Failed, c Succeeded, d Succeeded"),
        ("allowed-failure", "Succeeded", "", "a Succeeded, b Failed, c Succeeded, d Succeeded"),
        ("allowed-failure", "Succeeded", "AllowedFailures", "a Succeeded, b Failed, c Succeeded, d UpstreamFailed"),
        (
            "joins",
            "Succeeded",
            "AllowedFailures",
            "a Succeeded, b Failed, both Failed, one Succeeded, c Succeeded, d Succeeded",
        ),
        ("invalid-workflow", "Failed", "InvalidWorkflow", "a Failed, b UpstreamFailed"),
        ("missing-workflow", "Failed", "InvalidWorkflow", ""),
    ] {
        let scenario = scenario::named(name).expect("there is one of that name");
        let end = End::new(phase, reason, tasks);
        let refused = ends(&scenario, "run", &deeds(&scenario)).admits(Some(&run(&end)));
        assert!(refused.is_err(), "{name}: {end:?}");
    }
}

#[test]
fn deeds_allow_more_ends() {
    let chain = scenario::named("chain").expect("there is one of that name");
    let admits = |deeds: &[&str], phase, reason, tasks| {
        let deeds: Vec<Human> = deeds.iter().map(|text| text.parse().expect("a deed")).collect();
        ends(&chain, "run", &deeds).admits(Some(&run(&End::new(phase, reason, tasks)))).is_ok()
    };
    let cancelled = "a Succeeded, b Cancelled, c Cancelled";
    assert!(admits(&["cancel:run"], "Cancelled", "", cancelled));
    assert!(!admits(&["cancel:other"], "Cancelled", "", cancelled));
    assert!(!admits(&["cancel:run", "recreate-run:run"], "Cancelled", "", cancelled), "the cancelled run is gone");
    let clash = "a Succeeded, b Failed, c UpstreamFailed";
    assert!(admits(&["foreign-pod:run:b:name"], "Failed", "TaskFailed", clash));
    assert!(!admits(&["foreign-pod:run:c:name"], "Failed", "TaskFailed", clash));
    assert!(!admits(&["delete-pod:run:b"], "Failed", "TaskFailed", clash), "one disruption is made good");
    assert!(admits(&["suspend:run"], "Suspended", "", "a Succeeded, b Pending, c Pending"));
    assert!(!admits(&["suspend:run", "resume:run"], "Suspended", "", "a Succeeded, b Pending, c Pending"));
    assert!(!admits(&["delete-run:run:orphan"], "Succeeded", "", "a Succeeded, b Succeeded, c Succeeded"));
    assert!(admits(&["delete-workflow:workflow"], "Failed", "WorkflowNotFound", ""));
}
