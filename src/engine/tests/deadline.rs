//! Timeouts: of an attempt, of its start, of a task, of a run.

use serde_json::{Value, json};

use super::world::{World, spec};
use crate::api::{AttemptOutcome, Reason, WaitKind, WorkflowSpec};
use crate::engine::{MainState, PodPhase, Refusal, RefusalKind, Sight, Trouble};

/// Tasks `a`, and `b` after it; `a` has more of its own, and so has the workflow.
fn workflow(a: &Value, more: &Value) -> WorkflowSpec {
    let mut workflow = serde_json::to_value(spec(&[("a", &[]), ("b", &["a"])])).unwrap();
    workflow["tasks"][0].as_object_mut().unwrap().extend(a.as_object().cloned().unwrap());
    workflow.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    serde_json::from_value(workflow).unwrap()
}

fn world(a: &Value) -> World {
    let mut world = World::of(&workflow(a, &json!({})));
    world.settle();
    world.settle();
    world
}

fn running(a: &Value) -> World {
    let mut world = world(a);
    world.start("a");
    world.settle();
    world
}

/// What is to happen next, in seconds from now.
fn wake(world: &World) -> Option<i64> {
    world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs())
}

fn passes(world: &mut World, seconds: i64) {
    world.wait(seconds);
    world.settle();
}

#[test]
fn an_attempt_that_runs_longer_than_its_timeout_has_failed_once_its_pod_is_over() {
    let mut world = running(&json!({ "timeout": "30m" }));
    assert_eq!(wake(&world), Some(1_800));
    passes(&mut world, 1_799);
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
    passes(&mut world, 1);
    assert_eq!(world.story(), "Running a:Stopping(TimedOut) b:Pending[Dependency a]");
    assert_eq!(world.status.message, "a stopping");
    assert!(world.pod("a").deleting);
    world.end_with("a", 143, "row 17");
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(TimedOut) b:UpstreamFailed");
    assert_eq!(world.status.message, "a: ran longer than its timeout: row 17");
    let attempt = &world.status.tasks[0].attempts[0];
    assert_eq!((attempt.outcome, attempt.exit_code), (Some(AttemptOutcome::Failed), Some(143)));
}

#[test]
fn the_time_counts_from_the_start_of_main() {
    let mut world = world(&json!({ "timeout": "1m" }));
    passes(&mut world, 3_600);
    world.start("a");
    world.settle();
    passes(&mut world, 59);
    assert!(world.story().starts_with("Running a:Running"), "{}", world.story());
    passes(&mut world, 1);
    assert!(world.story().starts_with("Running a:Stopping(TimedOut)"), "{}", world.story());
}

#[test]
fn an_exit_0_before_the_kill_is_a_success() {
    let mut world = running(&json!({ "timeout": "1m" }));
    world.wait(60);
    world.end("a", 0);
    world.settle();
    assert!(world.story().starts_with("Running a:Succeeded"), "it was seen in time");
    let mut world = running(&json!({ "timeout": "1m" }));
    passes(&mut world, 60);
    world.end("a", 0);
    world.settle();
    assert!(world.story().starts_with("Running a:Succeeded b:Starting"), "{}", world.story());
}

#[test]
fn a_timeout_costs_a_retry_and_rules_may_ask_for_it() {
    let retry = json!({ "limit": 1, "backoff": { "initial": "1s" } });
    let mut again = running(&json!({ "timeout": "1m", "retry": retry }));
    passes(&mut again, 60);
    again.end("a", 143);
    again.settle();
    assert!(again.story().starts_with("Running a:Backoff(TimedOut)"), "{}", again.story());
    passes(&mut again, 1);
    assert!(again.story().starts_with("Running a:Starting#2"), "{}", again.story());
    let rules = json!([{ "reason": "TimedOut", "action": "FailTask" }]);
    let mut no_more = running(&json!({ "timeout": "1m", "retry": { "limit": 1, "rules": rules } }));
    passes(&mut no_more, 60);
    no_more.end("a", 143);
    no_more.settle();
    assert!(no_more.story().starts_with("Failed(TaskFailed) a:Failed(TimedOut)"), "{}", no_more.story());
}

#[test]
fn a_start_timeout_counts_whatever_holds_it_up() {
    let mut world = world(&json!({ "startTimeout": "2m" }));
    let message = "0/3 nodes are available".to_owned();
    world.pod("a").trouble = Some(Trouble { kind: WaitKind::Unschedulable, message });
    world.settle();
    assert_eq!(wake(&world), Some(120));
    passes(&mut world, 120);
    assert!(world.story().starts_with("Running a:Stopping(StartTimedOut)"), "{}", world.story());
    world.pod("a").phase = PodPhase::Failed;
    world.settle();
    assert!(world.story().starts_with("Failed(TaskFailed) a:Failed(StartTimedOut)"), "{}", world.story());
    assert_eq!(world.status.message, "a: did not start in time: Unschedulable: 0/3 nodes are available");
}

#[test]
fn without_one_what_the_kubelet_cannot_start_has_ten_minutes() {
    for (kind, fails) in [(WaitKind::ImagePull, true), (WaitKind::PodConfig, true), (WaitKind::Unschedulable, false)] {
        let mut world = world(&json!({}));
        passes(&mut world, 3_600);
        assert!(world.story().starts_with("Running a:Starting b"), "a node may take its time: {}", world.story());
        world.pod("a").trouble = Some(Trouble { kind, message: "no luck".into() });
        world.settle();
        assert_eq!(wake(&world), fails.then_some(600), "{kind:?}");
        passes(&mut world, 599);
        assert!(world.story().starts_with("Running a:Starting"), "{}", world.story());
        passes(&mut world, 1);
        assert_eq!(world.story().starts_with("Running a:Stopping(StartTimedOut)"), fails, "{}", world.story());
    }
}

#[test]
fn a_start_in_time_ends_the_start_timeout() {
    let mut world = running(&json!({ "startTimeout": "2m" }));
    assert_eq!(wake(&world), None);
    passes(&mut world, 86_400);
    assert!(world.story().starts_with("Running a:Running"), "{}", world.story());
}

#[test]
fn a_total_timeout_spans_attempts_and_the_waits_between_them() {
    let retry = json!({ "limit": 9, "backoff": { "initial": "4m", "factor": 1, "jitterPercent": 0 } });
    let a = json!({ "totalTimeout": "10m", "retry": retry });
    let mut world = running(&a);
    assert_eq!(wake(&world), Some(600));
    passes(&mut world, 60);
    world.end("a", 1);
    world.settle();
    passes(&mut world, 240);
    world.start("a");
    world.settle();
    passes(&mut world, 60);
    world.end("a", 1);
    world.settle();
    assert!(world.story().starts_with("Running a:Backoff#2(ExitCode)"), "{}", world.story());
    passes(&mut world, 239);
    assert_eq!(wake(&world), Some(1));
    passes(&mut world, 1);
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(TotalTimedOut) b:UpstreamFailed", "in the wait");
    let mut world = running(&a);
    passes(&mut world, 600);
    assert!(world.story().starts_with("Running a:Stopping(TotalTimedOut)"), "{}", world.story());
    world.end("a", 143);
    world.settle();
    assert!(world.story().starts_with("Failed(TaskFailed) a:Failed(TotalTimedOut)"), "it isn't tried again");
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::TotalTimedOut));
}

#[test]
fn a_total_timeout_ends_a_task_that_never_got_a_pod() {
    let mut world = World::of(&workflow(&json!({ "totalTimeout": "10m" }), &json!({})));
    world.status = world.decide().status;
    let pod = world.status.tasks[0].attempts[0].pod.clone();
    let retry_at = jiff::Timestamp::MAX;
    let refusal = Refusal { kind: RefusalKind::Quota, message: "exceeded quota".into(), retry_at };
    world.sights.insert(pod, Sight::Refused(refusal));
    passes(&mut world, 599);
    assert!(world.story().starts_with("Running a:Starting[Quota"), "{}", world.story());
    passes(&mut world, 1);
    assert!(world.story().starts_with("Failed(TaskFailed) a:Failed(TotalTimedOut)"), "{}", world.story());
    assert_eq!(world.status.message, "a: was not done within its totalTimeout: Quota: exceeded quota");
    assert!(world.made.is_empty());
}

#[test]
fn a_run_that_takes_too_long_is_stopped() {
    let mut world = World::of(&workflow(&json!({}), &json!({ "timeout": "2h" })));
    world.settle();
    world.start("a");
    world.settle();
    assert_eq!(wake(&world), Some(7_200));
    passes(&mut world, 7_200);
    assert_eq!(world.story(), "Stopping(RunTimedOut) a:Stopping(RunTimedOut) b:Cancelled(RunTimedOut)");
    world.end("a", 143);
    world.settle();
    assert_eq!(world.story(), "Failed(RunTimedOut) a:Cancelled(RunTimedOut) b:Cancelled(RunTimedOut)");
    assert_eq!(world.status.message, "the run's timeout is over; stopped a, b");
}

#[test]
fn a_run_whose_last_task_ends_in_time_has_not_timed_out() {
    let mut world = World::of(&workflow(&json!({}), &json!({ "timeout": "2h" })));
    world.settle();
    world.end("a", 0);
    world.settle();
    world.wait(7_200);
    world.end("b", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded b:Succeeded");
}

#[test]
fn a_cancel_counts_for_more_than_a_timeout() {
    let mut world = World::of(&workflow(&json!({}), &json!({ "timeout": "2h" })));
    world.settle();
    world.start("a");
    world.settle();
    passes(&mut world, 7_200);
    world.cancel();
    world.settle();
    world.end("a", 143);
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested) b:Cancelled(RunTimedOut)");
}

/// A workflow of a task `a`, and then `last`.
fn with_finally(a: &Value, more: &Value) -> World {
    let mut workflow = workflow(a, more);
    workflow.tasks.remove(1);
    workflow.finally = spec(&[("last", &[])]).tasks;
    let mut world = World::of(&workflow);
    world.settle();
    world.start("a");
    world.settle();
    world
}

#[test]
fn the_finally_tasks_of_a_run_that_timed_out_have_the_time_that_they_need() {
    let mut world = with_finally(&json!({}), &json!({ "timeout": "1h" }));
    passes(&mut world, 3_600);
    assert_eq!(
        world.story(),
        "Stopping(RunTimedOut) a:Stopping(RunTimedOut) last:Pending[Dependency the end of all tasks]"
    );
    world.end("a", 143);
    world.settle();
    assert_eq!(world.story(), "Stopping(RunTimedOut) a:Cancelled(RunTimedOut) last:Starting");
    assert_eq!(world.status.message, "timed out; last starting");
    world.start("last");
    world.settle();
    assert_eq!((world.status.message.as_str(), wake(&world)), ("timed out; last running", Some(1_800)));
    passes(&mut world, 7_200);
    world.end("last", 0);
    world.settle();
    assert_eq!(world.story(), "Failed(RunTimedOut) a:Cancelled(RunTimedOut) last:Succeeded");
}

#[test]
fn a_finally_task_has_timeouts_of_its_own_also_when_the_run_is_stopped() {
    let a = json!({ "retry": { "rules": [{ "expr": "true", "action": "FailRun" }] } });
    let mut world = with_finally(&a, &json!({ "taskDefaults": { "timeout": "1m" } }));
    world.end("a", 1);
    world.settle();
    world.start("last");
    world.settle();
    assert_eq!((world.story().as_str(), wake(&world)), ("Stopping(FailRun) a:Failed(FailRun) last:Running", Some(60)));
    passes(&mut world, 60);
    assert_eq!(world.story(), "Stopping(FailRun) a:Failed(FailRun) last:Stopping(TimedOut)");
    world.end("last", 143);
    world.settle();
    assert_eq!(world.story(), "Failed(FailRun) a:Failed(FailRun) last:Failed(TimedOut)");
}

#[test]
fn a_finally_task_fails_no_run_by_a_rule() {
    let rules = json!({ "retry": { "rules": [{ "reason": "ExitCode", "action": "FailRun" }] } });
    let mut world = with_finally(&json!({}), &json!({ "taskDefaults": rules }));
    world.end("a", 0);
    world.settle();
    world.end("last", 1);
    world.settle();
    assert_eq!(world.story(), "Failed(FinallyFailed) a:Succeeded last:Failed(ExitCode)");
}

#[test]
fn the_time_that_a_run_is_suspended_does_not_count() {
    let a = json!({ "totalTimeout": "10m", "timeout": "1h" });
    let mut world = World::of(&workflow(&a, &json!({ "timeout": "20m" })));
    world.settle();
    world.start("a");
    passes(&mut world, 60);
    world.spec.suspend = true;
    world.settle();
    assert_eq!(wake(&world), Some(3_600), "what runs goes on, and so does its timeout");
    passes(&mut world, 3_000);
    assert!(world.story().starts_with("Suspended a:Running"), "{}", world.story());
    world.spec.suspend = false;
    world.settle();
    assert_eq!(wake(&world), Some(540), "of the totalTimeout a minute was used");
    let deadline = world.status.deadline_at.as_ref().unwrap().0;
    assert_eq!(deadline.duration_since(world.now).as_secs(), 1_140, "and of the run's");
    passes(&mut world, 539);
    assert!(world.story().starts_with("Running a:Running"), "{}", world.story());
    passes(&mut world, 1);
    assert!(world.story().starts_with("Running a:Stopping(TotalTimedOut)"), "{}", world.story());
}

#[test]
fn a_clock_that_leaps_back_keeps_nothing_waiting_for_longer_than_its_timeout() {
    let a = json!({ "timeout": "1m", "totalTimeout": "2m" });
    let mut world = World::of(&workflow(&a, &json!({ "timeout": "3m" })));
    world.wait(100_000);
    world.settle();
    world.start("a");
    world.settle();
    world.wait(-90_000);
    world.settle();
    let whole = |at: &Option<_>| {
        let at: &k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime = at.as_ref().unwrap();
        at.0.duration_since(world.now).as_secs()
    };
    let task = &world.status.tasks[0];
    let found = [&task.attempts[0].deadline_at, &task.deadline_at, &world.status.deadline_at].map(whole);
    assert_eq!(found, [60, 120, 180]);
}

#[test]
fn the_kubelets_own_deadline_is_the_backstop_of_a_timeout() {
    for (a, started, reason) in [
        (json!({ "timeout": "1m" }), true, Reason::TimedOut),
        (json!({ "timeout": "1m" }), false, Reason::StartTimedOut),
        (json!({}), true, Reason::DeadlineExceeded),
    ] {
        let mut world = world(&a);
        if started {
            world.end("a", 137);
        } else {
            world.pod("a").main = MainState::Waiting;
        }
        let pod = world.pod("a");
        (pod.phase, pod.reason) = (PodPhase::Failed, Some("DeadlineExceeded".into()));
        pod.message = "Pod was active on the node longer than the specified deadline".into();
        world.settle();
        assert_eq!(world.status.tasks[0].reason, Some(reason));
    }
}

#[test]
fn a_cancel_while_a_timed_out_pod_ends_leaves_it_failed_and_untried() {
    let retry = json!({ "limit": 1, "backoff": { "initial": "0s" } });
    let mut world = running(&json!({ "timeout": "1m", "retry": retry }));
    passes(&mut world, 60);
    world.cancel();
    world.settle();
    world.end("a", 143);
    world.settle();
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::TimedOut));
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested) b:Cancelled(CancelRequested)");
    assert_eq!(world.made.len(), 1);
}
