//! Statuses are for the operator alone to write. Should someone else do so, nothing hangs and no pod is left behind.

use super::world::World;
use crate::api::{AttemptOutcome, Reason, RunPhase, TaskPhase, WorkflowRunStatus};
use crate::engine::{PodPhase, Sight};

#[test]
fn an_edited_status_fails_the_run_instead_of_confusing_it() {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.settle();
    world.status.tasks.remove(1);
    world.round();
    assert_eq!(world.status.reason, Some(Reason::RevisionLost));
}

#[test]
fn a_record_changed_by_hand_leaves_no_pod_behind() {
    type Edit = fn(&mut WorkflowRunStatus);
    let edits: [(&str, Edit, &str); 8] = [
        ("the run is finished", |status| status.phase = RunPhase::Succeeded, "Succeeded a:Running"),
        ("the task is finished", |status| status.tasks[0].phase = TaskPhase::Succeeded, "Succeeded a:Succeeded"),
        (
            "nobody asked for the stop",
            |status| status.phase = RunPhase::Stopping,
            "Cancelled(CancelRequested) a:Cancelled(CancelRequested)",
        ),
        (
            "tasks of another workflow",
            |status| status.tasks[0].name = "b".into(),
            "Failed(RevisionLost) b:Cancelled(RevisionLost)",
        ),
        ("no attempt", |status| status.tasks[0].attempts.clear(), "Failed(RevisionLost) a:Cancelled(RevisionLost)"),
        (
            "a stop of what was never pinned",
            |status| (status.phase, status.revision) = (RunPhase::Stopping, None),
            "Cancelled(CancelRequested) a:Running",
        ),
        ("no tasks", |status| status.tasks.clear(), "Failed(RevisionLost)"),
        ("another attempt", |status| status.tasks[0].attempts[0].pod = "no-such-pod".into(), "Running a:Running"),
    ];
    for (what, edit, story) in edits {
        let mut world = World::new(&[("a", &[])]);
        world.settle();
        world.start("a");
        world.settle();
        let pod = world.made[0].clone();
        edit(&mut world.status);
        world.settle();
        let Some(facts) = world.sights.get_mut(&pod).and_then(Sight::pod_mut) else { panic!("{what}: the pod") };
        assert!(facts.deleting, "{what}: its pod is deleted");
        facts.phase = PodPhase::Failed;
        world.settle();
        let held = matches!(&world.sights[&pod], Sight::Pod(facts) if facts.held);
        assert!(!held, "{what}: its pod is let go");
        assert_eq!(world.story(), story, "{what}");
    }
}

#[test]
fn a_task_that_nothing_would_move_on_fails_the_run() {
    for (phase, word) in
        [(TaskPhase::Starting, "Starting"), (TaskPhase::Running, "Running"), (TaskPhase::Stopping, "Stopping")]
    {
        for has_attempt in [false, true] {
            let mut world = World::new(&[("a", &[])]);
            world.settle();
            let task = &mut world.status.tasks[0];
            task.phase = phase;
            task.attempts[0].outcome = Some(AttemptOutcome::Failed);
            if !has_attempt {
                task.attempts.clear();
            }
            world.settle();
            assert_eq!(world.story(), "Failed(RevisionLost) a:Cancelled(RevisionLost)");
            let message = format!("status.tasks was edited: a is {word}, and no attempt of it is open; make a new run");
            assert_eq!(world.status.message, message);
        }
    }
}

#[test]
fn a_run_that_was_put_back_to_its_start_ends_as_its_tasks_did() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.status.phase = RunPhase::Pending;
    world.end("a", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded");
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.status.phase = RunPhase::Pending;
    world.status.tasks[0].phase = TaskPhase::Failed;
    let decision = world.decide();
    assert_eq!(decision.illegal, []);
    assert_eq!(decision.status.phase, RunPhase::Failed);
}

#[test]
fn a_pod_that_is_gone_was_lost_though_its_uid_is_on_no_record() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.start("a");
    world.settle();
    world.status.tasks[0].attempts[0].uid = None;
    let pod = world.made[0].clone();
    world.sights.insert(pod, Sight::Absent);
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2");
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::PodLost));
}
