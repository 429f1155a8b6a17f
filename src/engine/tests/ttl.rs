//! How long a run stays, and how long its finally tasks may take.

use jiff::{SignedDuration, Timestamp};

use super::world::{World, spec};
use crate::api::{Cancel, Task, TaskPhase, WorkflowSpec};
use crate::engine::{Definition, Effect};

fn world(change: impl FnOnce(&mut WorkflowSpec)) -> World {
    let mut workflow = spec(&[("a", &[])]);
    change(&mut workflow);
    let mut world = World::of(&workflow);
    world.settle();
    world
}

fn passes(world: &mut World, seconds: i64) {
    world.wait(seconds);
    world.settle();
}

/// What is to happen next, in seconds from now; of a run that has ended nothing is read.
fn wake(world: &World) -> Option<i64> {
    world.decide_on(&Definition::Unread).wake_at.map(|at| at.duration_since(world.now).as_secs())
}

#[test]
fn a_run_is_deleted_when_its_ttl_has_passed_since_its_end() {
    let mut world = world(|workflow| workflow.ttl = Some("10m".into()));
    passes(&mut world, 3_600);
    assert_eq!(world.status.expires_at, None, "it goes on");
    world.end("a", 0);
    world.settle();
    let expires = world.status.expires_at.as_ref().unwrap().0;
    assert_eq!(expires.duration_since(world.status.finished_at.as_ref().unwrap().0), SignedDuration::from_mins(10));
    assert_eq!(wake(&world), Some(600));
    world.wait(599);
    assert!(world.decide_on(&Definition::Unread).effects.is_empty());
    world.wait(1);
    assert_eq!(world.decide_on(&Definition::Unread).effects, [Effect::DeleteRun]);
    world.wait(86_400);
    assert_eq!(world.decide_on(&Definition::Unread).effects, [Effect::DeleteRun], "until it is done");
}

#[test]
fn without_one_it_stays_and_so_does_one_that_never_knew_its_workflow() {
    let mut plain = world(|_| ());
    plain.end("a", 0);
    plain.settle();
    assert_eq!((plain.status.expires_at.clone(), wake(&plain)), (None, None));
    let lost = World::of(&WorkflowSpec { ttl: Some("1s".into()), ..spec(&[("a", &[])]) });
    let decision = lost.decide_on(&Definition::Unreadable("deep".into()));
    assert!(decision.status.phase.is_finished() && decision.status.expires_at.is_none());
}

#[test]
fn one_that_is_cancelled_before_it_starts_has_a_ttl_too() {
    let mut world = World::of(&WorkflowSpec { ttl: Some("1m".into()), ..spec(&[("a", &[])]) });
    world.cancel();
    world.settle();
    assert_eq!(world.status.expires_at.as_ref().map(|at| at.0), Timestamp::from_second(1_060).ok());
}

/// `a`, and then for at most a minute `x`, `y` that needs it, and `z` that fails and is tried again much later.
fn with_finally(change: impl FnOnce(&mut [Task])) -> World {
    let mut world = world(|workflow| {
        workflow.finally = spec(&[("x", &[]), ("y", &["x"])]).tasks;
        workflow.finally_timeout = Some("1m".into());
        change(&mut workflow.finally);
    });
    passes(&mut world, 7_200);
    world.end("a", 0);
    world.settle();
    world
}

#[test]
fn finally_tasks_that_were_begun_fail_when_their_time_is_over_and_the_others_are_cancelled() {
    let mut world = with_finally(|_| ());
    world.start("x");
    world.settle();
    assert_eq!(world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs()), Some(60));
    passes(&mut world, 59);
    assert_eq!(world.story(), "Running a:Succeeded x:Running y:Pending[Dependency x]");
    passes(&mut world, 1);
    assert_eq!(world.story(), "Running a:Succeeded x:Stopping(FinallyTimedOut) y:Cancelled(FinallyTimedOut)");
    assert!(world.pod("x").deleting);
    world.end("x", 143);
    world.settle();
    assert_eq!(
        world.story(),
        "Failed(FinallyFailed) a:Succeeded x:Failed(FinallyTimedOut) y:Cancelled(FinallyTimedOut)"
    );
    assert_eq!(world.status.message, "x: was not done within the run's finallyTimeout");
}

#[test]
fn an_honest_success_counts_for_more_and_so_does_an_allowed_failure() {
    let mut world = with_finally(|_| ());
    world.start("x");
    passes(&mut world, 60);
    world.end("x", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded x:Succeeded y:Cancelled(FinallyTimedOut)");
    let mut world = with_finally(|finally| finally[0].allow_failure = true);
    world.start("x");
    passes(&mut world, 60);
    world.end("x", 143);
    world.settle();
    assert!(world.story().starts_with("Succeeded a:Succeeded x:Failed(FinallyTimedOut)"), "{}", world.story());
}

#[test]
fn one_that_waits_for_another_try_fails_and_isnt_tried_again() {
    let retry = serde_json::from_value(serde_json::json!({ "limit": 3, "backoff": { "initial": "5m" } })).unwrap();
    let mut world = with_finally(|finally| finally[0].retry = Some(retry));
    world.end("x", 3);
    world.settle();
    assert!(world.story().contains("x:Backoff"), "{}", world.story());
    passes(&mut world, 60);
    assert!(
        world.story().starts_with("Failed(FinallyFailed) a:Succeeded x:Failed(FinallyTimedOut)"),
        "{}",
        world.story()
    );
    assert_eq!(world.status.message, "x: was not done within the run's finallyTimeout; the last time: exit code 3");
}

#[test]
fn the_time_that_the_run_is_suspended_is_not_counted_and_after_a_cancel_it_is_the_same() {
    let mut world = with_finally(|_| ());
    world.start("x");
    world.settle();
    passes(&mut world, 30);
    world.spec.suspend = true;
    world.settle();
    passes(&mut world, 3_600);
    world.spec.suspend = false;
    world.settle();
    passes(&mut world, 29);
    assert!(world.story().contains("x:Running"), "{}", world.story());
    passes(&mut world, 1);
    assert!(world.story().contains("x:Stopping(FinallyTimedOut)"), "{}", world.story());

    let mut world = self::world(|workflow| {
        workflow.finally = spec(&[("x", &[])]).tasks;
        workflow.finally_timeout = Some("1m".into());
    });
    world.start("a");
    world.settle();
    world.spec.cancel = Some(Cancel::default());
    world.settle();
    world.end("a", 143);
    world.settle();
    world.start("x");
    world.settle();
    passes(&mut world, 60);
    world.end("x", 143);
    world.settle();
    assert!(world.story().ends_with("x:Failed(FinallyTimedOut)"), "{}", world.story());
    assert_eq!(world.status.tasks[0].phase, TaskPhase::Cancelled);
    assert!(world.story().starts_with("Cancelled(CancelRequested)"), "others stay: {}", world.story());
}
