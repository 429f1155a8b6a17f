//! Another attempt: after a failure of the task's own, by its rules, beside what the infrastructure does.

use serde_json::{Value, json};

use super::world::{World, spec};
use crate::api::{AttemptOutcome, EarlierAttempts, OnNodeLost, Reason};
use crate::engine::{Disruption, Effect, Refusal, RefusalKind, Sight};

/// A task `a`, a task `b` after it, and a task `c` beside them; `a` is tried again like this.
fn world(retry: Value) -> World {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"]), ("c", &[])]);
    workflow.tasks[0].retry = serde_json::from_value(retry).unwrap();
    let mut world = World::of(&workflow);
    world.settle();
    world
}

/// A single task that is tried again at once.
fn single(limit: u32, disruptions: u32) -> World {
    let mut workflow = spec(&[("a", &[])]);
    let retry = json!({ "limit": limit, "disruptions": disruptions, "backoff": { "initial": "0s", "max": "0s" } });
    workflow.tasks[0].retry = serde_json::from_value(retry).unwrap();
    let mut world = World::of(&workflow);
    world.settle();
    world
}

fn fails(world: &mut World, exit_code: i32) {
    world.start("a");
    world.settle();
    world.end_with("a", exit_code, "no luck");
    world.settle();
}

#[test]
fn a_flaky_task_succeeds_in_the_end() {
    let mut world = world(json!({ "limit": 2, "backoff": { "initial": "10s", "jitterPercent": 0 } }));
    fails(&mut world, 1);
    assert_eq!(
        world.story(),
        "Running a:Backoff(ExitCode)[Backoff attempt 2 at 1970-01-01T00:16:50Z] b:Pending[Dependency a] c:Starting"
    );
    assert_eq!(world.status.message, "c starting");
    world.wait(9);
    world.settle();
    assert_eq!(world.made.len(), 2, "nothing happens before its time");
    world.wait(1);
    world.settle();
    assert!(world.story().starts_with("Running a:Starting#2"), "{}", world.story());
    fails(&mut world, 1);
    world.wait(20);
    world.settle();
    world.end("a", 0);
    world.settle();
    assert!(world.story().starts_with("Running a:Succeeded#3 b:Starting"), "{}", world.story());
    let attempts = &world.status.tasks[0].attempts;
    let told: Vec<_> = attempts.iter().map(|it| (it.number, it.exit_code, it.next_at.is_some())).collect();
    assert_eq!(told, [(1, Some(1), true), (2, Some(1), true), (3, Some(0), false)]);
}

#[test]
fn the_budget_ends_it() {
    let mut world = world(json!({ "limit": 1, "backoff": { "initial": "1s" } }));
    fails(&mut world, 2);
    world.wait(1);
    world.settle();
    fails(&mut world, 3);
    assert!(world.story().starts_with("Running a:Failed#2(ExitCode) b:UpstreamFailed"), "{}", world.story());
    assert_eq!(world.status.tasks[0].message, "exit code 3 on attempt 2: no luck");
}

#[test]
fn people_are_told_of_each_retry_and_someone_wakes_for_it() {
    let mut world = world(json!({ "limit": 1, "backoff": { "initial": "1m", "jitterPercent": 0 } }));
    world.end_with("a", 2, "no luck");
    let decision = world.round();
    let told: Vec<_> = decision.notes.iter().map(|it| (it.reason, it.message.as_str())).collect();
    assert_eq!(told, [("TaskRetrying", "a: exit code 2: no luck; attempt 2 at 1970-01-01T00:17:40Z")]);
    assert_eq!(decision.wake_at.unwrap().as_second(), 1_060);
    assert_eq!(world.decide().wake_at.unwrap().as_second(), 1_060, "whoever decides next keeps the time on record");
}

#[test]
fn the_next_attempt_waits_for_the_end_of_the_last_pod() {
    let mut world = world(json!({ "limit": 1, "backoff": { "initial": "0s" } }));
    world.end("a", 1);
    world.pod("a").phase = crate::engine::PodPhase::Running;
    world.pod("a").lingering = true;
    world.settle();
    assert!(world.story().contains("a:Backoff(ExitCode)[Node pod run-a-1-"), "{}", world.story());
    assert!(world.pod("a").deleting, "what goes on beside it is stopped");
    world.pod("a").condemned = true;
    world.settle();
    assert!(world.story().starts_with("Running a:Starting#2"), "{}", world.story());
}

#[test]
fn a_rule_decides_before_the_budget() {
    let rules = json!([{ "exitCodes": [2], "action": "FailTask" }, { "exitCodes": [3], "action": "FailRun" }]);
    let retry = json!({ "limit": 5, "backoff": { "initial": "0s" }, "rules": rules });
    let mut again = world(retry.clone());
    fails(&mut again, 1);
    assert!(again.story().starts_with("Running a:Starting#2"), "{}", again.story());
    let mut no_more = world(retry);
    fails(&mut no_more, 2);
    assert!(no_more.story().starts_with("Running a:Failed(ExitCode) b:UpstreamFailed"), "{}", no_more.story());
}

#[test]
fn a_rule_may_fail_the_run_and_the_rest_is_stopped() {
    let mut world = world(json!({ "limit": 5, "rules": [{ "reason": "ExitCode", "action": "FailRun" }] }));
    world.start("c");
    fails(&mut world, 7);
    assert_eq!(world.story(), "Stopping(FailRun) a:Failed(FailRun) b:Cancelled(FailRun) c:Stopping(FailRun)");
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::ExitCode));
    assert!(world.pod("c").deleting);
    world.end("c", 137);
    world.settle();
    assert_eq!(world.story(), "Failed(FailRun) a:Failed(FailRun) b:Cancelled(FailRun) c:Cancelled(FailRun)");
    assert_eq!(world.status.message, "a: exit code 7: no luck; by a rule of its retry the run fails");
}

#[test]
fn a_run_that_a_rule_fails_names_the_task_that_it_is_for() {
    let rules = json!({ "rules": [{ "reason": "ExitCode", "action": "FailRun" }] });
    let mut world = World::of(
        &serde_json::from_value(json!({ "tasks": [
        { "name": "slow", "image": "i" }, { "name": "check", "image": "i", "retry": rules },
    ] }))
        .unwrap(),
    );
    world.settle();
    world.start("slow");
    world.start("check");
    world.end_with("check", 7, "no luck");
    world.settle();
    world.end("slow", 137);
    world.settle();
    assert_eq!(world.story(), "Failed(FailRun) slow:Cancelled(FailRun) check:Failed(FailRun)");
    assert!(world.status.message.starts_with("check: exit code 7"), "{}", world.status.message);
}

#[test]
fn a_refused_create_whose_environment_has_no_value_any_more_is_not_waited_for() {
    let mut world = World::of(
        &serde_json::from_value(json!({ "tasks": [
        { "name": "a", "image": "i" },
        { "name": "b", "image": "i", "outputs": [{ "name": "n", "type": "string" }] },
        {
            "name": "t", "image": "i", "needs": ["a", "b"], "triggerRule": "AnySucceeded",
            "env": [{ "name": "N", "expr": "int(tasks.b.outputs.?n.orValue('0'))" }],
        },
    ] }))
        .unwrap(),
    );
    world.settle();
    world.start("b");
    world.end("a", 0);
    world.status = world.decide().status;
    let pod = world.status.tasks[2].attempts[0].pod.clone();
    let message = "exceeded quota".to_owned();
    world
        .sights
        .insert(pod, Sight::Refused(Refusal { kind: RefusalKind::Quota, message, retry_at: jiff::Timestamp::MAX }));
    world.settle();
    assert!(world.story().contains("t:Starting[Quota"), "{}", world.story());
    world.end_with("b", 0, "n=abc");
    world.settle();
    assert!(world.story().ends_with("t:Failed(ExpressionError)"), "{}", world.story());
}

#[test]
fn a_cancel_on_record_before_the_end_counts_for_more() {
    let mut world = world(json!({ "rules": [{ "expr": "true", "action": "FailRun" }] }));
    world.start("c");
    fails(&mut world, 7);
    world.cancel();
    world.settle();
    world.end("c", 137);
    world.settle();
    assert!(world.story().starts_with("Cancelled(CancelRequested) a:Failed(FailRun)"), "{}", world.story());
}

#[test]
fn a_run_of_one_task_that_fails_it_ends_at_once() {
    let mut workflow = spec(&[("a", &[])]);
    let rules = json!({ "rules": [{ "expr": "attempt.exitCode > 1", "action": "FailRun" }] });
    workflow.tasks[0].retry = serde_json::from_value(rules).unwrap();
    let mut world = World::of(&workflow);
    world.settle();
    fails(&mut world, 2);
    assert_eq!(world.story(), "Failed(FailRun) a:Failed(FailRun)");
}

#[test]
fn a_rule_that_cannot_be_evaluated_fails_the_task() {
    let mut world =
        world(json!({ "limit": 5, "rules": [{ "expr": "1 / (attempt.number - 1) > 0", "action": "Retry" }] }));
    fails(&mut world, 1);
    assert!(world.story().starts_with("Running a:Failed(ExpressionError)"), "{}", world.story());
    let message = &world.status.tasks[0].message;
    assert!(message.starts_with("exit code 1: no luck; tasks[0].retry.rules[0].expr: "), "{message}");
}

#[test]
fn what_never_had_a_pod_is_not_tried_again() {
    let mut workflow = spec(&[("a", &[])]);
    workflow.tasks[0].retry = serde_json::from_value(json!({ "limit": 5 })).unwrap();
    let mut world = World::of(&workflow);
    world.status = world.decide().status;
    let pod = world.status.tasks[0].attempts[0].pod.clone();
    let refusal = Refusal { kind: RefusalKind::Invalid, message: "no such field".into(), retry_at: world.now };
    world.sights.insert(pod, Sight::Refused(refusal));
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(PodInvalid)");
}

#[test]
fn failures_and_disruptions_have_budgets_of_their_own() {
    let mut world = single(1, 1);
    fails(&mut world, 1);
    world.start("a");
    world.settle();
    world.drain("a");
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#3", "one of each");
    fails(&mut world, 1);
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#3(ExitCode)", "a second failure");
    let mut world = single(1, 1);
    for _ in 0..2 {
        world.start("a");
        world.settle();
        world.drain("a");
        world.settle();
        world.wait(5);
        world.settle();
    }
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(TooManyDisruptions)", "a second disruption");
}

#[test]
fn a_task_that_may_run_only_once_is_replaced_only_before_its_start() {
    let mut world = single(0, 0);
    world.drain("a");
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2");
    world.start("a");
    world.settle();
    world.drain("a");
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(TooManyDisruptions)");
}

#[test]
fn the_newest_attempts_are_listed_and_the_pods_of_the_others_go() {
    let mut world = single(100, 5);
    for _ in 0..20 {
        fails(&mut world, 1);
    }
    let task = &world.status.tasks[0];
    assert_eq!(task.attempts.iter().map(|it| it.number).collect::<Vec<_>>(), (6..=21).collect::<Vec<_>>());
    assert_eq!(task.earlier, Some(EarlierAttempts { failed: 5, ..EarlierAttempts::default() }));
    let kept = |number: usize| matches!(&world.sights[&world.made[number - 1]], Sight::Pod(pod) if !pod.deleting);
    let found: Vec<bool> = (1..=20).map(kept).collect();
    assert_eq!(found, [vec![false; 5], vec![true; 15]].concat());
    for _ in 0..81 {
        fails(&mut world, 1);
    }
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#16(ExitCode)");
    assert_eq!(world.made.len(), 101, "the limit counts them all");
}

#[test]
fn cancel_and_suspend_hold_in_the_wait() {
    let mut world = world(json!({ "limit": 1, "backoff": { "initial": "10s" } }));
    fails(&mut world, 1);
    world.spec.suspend = true;
    world.wait(60);
    world.settle();
    assert!(world.story().contains("a:Backoff(ExitCode)[Suspended"), "{}", world.story());
    world.cancel();
    world.settle();
    assert!(world.story().contains("a:Cancelled(CancelRequested)"), "{}", world.story());
    assert_eq!(world.status.tasks[0].attempts[0].outcome, Some(AttemptOutcome::Failed));
    assert!(!world.decide().effects.iter().any(|it| matches!(it, Effect::Create { .. })));
}

#[test]
fn a_sensor_polls_without_an_end_until_it_succeeds() {
    let mut workflow = spec(&[("a", &[])]);
    let rules = json!([{ "exitCodes": [75], "action": "Poll", "after": "30s" }]);
    workflow.tasks[0].retry = serde_json::from_value(json!({ "rules": rules })).unwrap();
    workflow.tasks[0].total_timeout = Some("24h".into());
    let mut world = World::of(&workflow);
    world.settle();
    for _ in 0..50 {
        fails(&mut world, 75);
        assert!(world.story().contains("a:Backoff"), "{}", world.story());
        world.wait(30);
        world.settle();
    }
    let task = &world.status.tasks[0];
    assert_eq!(task.earlier, Some(EarlierAttempts { not_yet: 35, ..EarlierAttempts::default() }));
    assert!(task.attempts.iter().rev().skip(1).all(|it| it.outcome == Some(AttemptOutcome::NotYet)));
    world.end("a", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded#16");
    assert_eq!(world.made.len(), 51);
}

#[test]
fn a_sensor_ends_with_its_total_timeout_and_fails_by_what_is_no_poll() {
    let mut workflow = spec(&[("a", &[])]);
    let rules = json!([{ "exitCodes": [75], "action": "Poll", "after": "30s" }]);
    workflow.tasks[0].retry = serde_json::from_value(json!({ "rules": rules })).unwrap();
    workflow.tasks[0].total_timeout = Some("1m".into());
    let mut world = World::of(&workflow);
    world.settle();
    fails(&mut world, 75);
    world.wait(30);
    world.settle();
    let mut broken = World { status: world.status.clone(), sights: world.sights.clone(), ..World::of(&workflow) };
    broken.now = world.now;
    fails(&mut broken, 1);
    assert_eq!(broken.story(), "Failed(TaskFailed) a:Failed#2(ExitCode)");
    fails(&mut world, 75);
    world.wait(30);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(TotalTimedOut)");
    let message = "a: was not done within its totalTimeout; the last time: exit code 75 on attempt 2: no luck";
    assert_eq!(world.status.message, message);
}

#[test]
fn people_are_not_told_of_each_poll() {
    let mut workflow = spec(&[("a", &[])]);
    let rules = json!([{ "expr": "true", "action": "Poll", "after": "1s" }]);
    workflow.tasks[0].retry = serde_json::from_value(json!({ "rules": rules })).unwrap();
    workflow.tasks[0].total_timeout = Some("1m".into());
    let mut world = World::of(&workflow);
    world.settle();
    world.end("a", 1);
    assert_eq!(world.round().notes, []);
}

/// The node of `a`'s pod stops answering, and its pod is to have ended in half a minute.
fn loses_its_node(world: &mut World) {
    let now = world.now;
    let pod = world.pod("a");
    pod.deleting = true;
    pod.ends_by = now.checked_add(jiff::SignedDuration::from_secs(30)).ok();
    let message = "Taint manager: deleting due to NoExecute taint".to_owned();
    pod.disruption = Some(Disruption { reason: Reason::NodeLost, at: Some(now), message });
    world.settle();
}

#[test]
fn a_pod_whose_node_is_lost_is_waited_for_unless_the_task_says_otherwise() {
    for replace in [false, true] {
        let mut workflow = spec(&[("a", &[])]);
        workflow.tasks[0].on_node_lost = replace.then_some(OnNodeLost::Replace);
        let mut world = World::of(&workflow);
        world.settle();
        world.start("a");
        world.settle();
        loses_its_node(&mut world);
        let wakes = world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs());
        assert_eq!(wakes, Some(40), "to tell that it is late");
        world.wait(59);
        world.settle();
        let late = "Running a:Running[Node due by 1970-01-01T00:17:10Z, and its node has to say so, or to be removed: Taint manager: deleting due to NoExecute taint; pod run-a-1-pj2z43c5sk to end]";
        assert_eq!(world.story(), late);
        assert!(world.status.message.starts_with("a: Node: due by 1970-01-01T00:17:10Z"));
        let wakes = world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs());
        assert_eq!(wakes, replace.then_some(1));
        world.wait(1);
        world.settle();
        assert_eq!(world.story(), if replace { "Running a:Starting#2" } else { late });
        let held = matches!(&world.sights[&world.made[0]], Sight::Pod(pod) if pod.held);
        assert_eq!(held, !replace, "nothing is expected of it any more");
    }
}

#[test]
fn a_pod_that_the_infrastructure_takes_from_a_node_that_answers_is_waited_for() {
    let mut workflow = spec(&[("a", &[])]);
    workflow.tasks[0].on_node_lost = Some(OnNodeLost::Replace);
    let mut world = World::of(&workflow);
    world.settle();
    world.start("a");
    world.settle();
    loses_its_node(&mut world);
    world.pod("a").disruption.as_mut().unwrap().reason = Reason::Drained;
    world.wait(3_600);
    world.settle();
    assert!(world.story().starts_with("Running a:Running[Node due by "), "{}", world.story());
}
