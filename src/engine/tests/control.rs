//! Cancel and suspend, case by case.

use super::table::DIAMOND;
use super::world::World;
use crate::api::{AttemptOutcome, WaitKind};
use crate::engine::{Refusal, RefusalKind, Sight};

#[test]
fn cancel_stops_what_runs_and_starts_nothing() {
    let mut world = World::new(DIAMOND);
    world.settle();
    world.start("a");
    world.settle();
    world.cancel();
    world.settle();
    assert_eq!(
        world.story(),
        "Stopping(CancelRequested) a:Stopping(CancelRequested) b:Cancelled(CancelRequested) c:Cancelled(CancelRequested) d:Cancelled(CancelRequested)"
    );
    assert!(world.pod("a").deleting);
    world.end("a", 137);
    world.settle();
    assert!(world.story().starts_with("Cancelled(CancelRequested) a:Cancelled(CancelRequested)"), "{}", world.story());
    assert_eq!(world.status.message, "cancelled: enough");
    assert_eq!(world.made.len(), 1);
}

#[test]
fn an_exit_0_before_the_kill_is_a_success_and_the_run_is_cancelled_all_the_same() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.start("a");
    world.cancel();
    world.settle();
    world.end("a", 0);
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Succeeded");
}

#[test]
fn a_cancel_that_comes_after_the_last_task_changes_nothing() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.end("a", 0);
    world.cancel();
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded");
}

#[test]
fn a_cancelled_intent_without_a_pod_ends_at_once() {
    for sight in [
        Sight::Absent,
        Sight::Refused(Refusal { kind: RefusalKind::Quota, message: String::new(), retry_at: jiff::Timestamp::MAX }),
    ] {
        let mut world = World::new(&[("a", &[])]);
        world.status = world.decide().status;
        let pod = world.status.tasks[0].attempts[0].pod.clone();
        world.sights.insert(pod, sight);
        world.cancel();
        world.settle();
        assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested)");
        assert!(world.made.is_empty());
    }
}

#[test]
fn a_pod_that_was_made_and_is_gone_is_lost_whatever_was_told_of_its_create() {
    for cancelled in [false, true] {
        let mut world = World::new(&[("a", &[])]);
        world.settle();
        let attempt = world.status.tasks[0].attempts[0].clone();
        assert!(attempt.uid.is_some());
        if cancelled {
            world.cancel();
            world.status = world.decide().status;
        }
        let refusal = Refusal { kind: RefusalKind::Admission, message: String::new(), retry_at: jiff::Timestamp::MAX };
        world.sights.insert(attempt.pod, Sight::Refused(refusal));
        let status = world.decide().status;
        let outcome = if cancelled { AttemptOutcome::Cancelled } else { AttemptOutcome::Disrupted };
        assert_eq!(status.tasks[0].attempts[0].outcome, Some(outcome));
    }
}

#[test]
fn a_cancel_waits_for_a_create_that_is_under_way() {
    let mut world = World::new(&[("a", &[])]);
    world.status = world.decide().status;
    let pod = world.status.tasks[0].attempts[0].pod.clone();
    world.sights.insert(pod.clone(), Sight::Creating);
    world.cancel();
    world.settle();
    assert_eq!(world.story(), "Stopping(CancelRequested) a:Stopping(CancelRequested)");
    world.sights.insert(pod.clone(), Sight::Pod(super::world::new_pod(&pod, "a", 1).into()));
    world.settle();
    assert!(world.pod("a").deleting, "it came to be, so it is deleted");
}

#[test]
fn suspend_starts_nothing_and_lets_finish_what_runs() {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.settle();
    world.spec.suspend = true;
    world.settle();
    world.end("a", 0);
    world.settle();
    assert_eq!(world.story(), "Suspended a:Succeeded b:Pending[Suspended spec.suspend is true]");
    assert_eq!(world.status.waiting_for.as_ref().unwrap().kind, WaitKind::Suspended);
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Starting");
    assert!(world.status.waiting_for.is_none());
}

#[test]
fn a_suspended_run_can_be_cancelled() {
    let mut world = World::new(&[("a", &[])]);
    world.spec.suspend = true;
    world.settle();
    world.cancel();
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested)");
    assert!(world.made.is_empty());
}
