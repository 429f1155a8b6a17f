//! Tasks that are a run of their own, step by step.

use serde_json::{Map, json};

use super::world::World;
use crate::api::{Cancel, Reason, RunPhase, Task, WorkflowSpec};
use crate::engine::{Effect, Lineage, Sight, Wish};

/// A workflow whose task `a` is a child run, and `b` a container after it.
fn spec(task: serde_json::Value) -> WorkflowSpec {
    let mut a: Task = serde_json::from_value(task).unwrap();
    a.name = "a".into();
    let b = Task { name: "b".into(), image: Some("i".into()), needs: vec!["a".into()], ..Task::default() };
    WorkflowSpec { tasks: vec![a, b], ..WorkflowSpec::default() }
}

fn world(task: serde_json::Value) -> World {
    let mut world = World::of(&spec(task));
    world.settle();
    world
}

fn child() -> serde_json::Value {
    json!({"name": "a", "workflowRef": {"name": "w"}, "params": [{"name": "x", "expr": "run.name"}]})
}

fn ends(world: &mut World, phase: RunPhase, message: &str) {
    let now = world.now;
    let child = world.child("a");
    child.phase = phase;
    child.message = message.into();
    child.finished_at = Some(now);
    world.settle();
}

fn starts(world: &mut World) {
    let now = world.now;
    let child = world.child("a");
    child.phase = RunPhase::Running;
    child.started_at = Some(now);
    child.message.clear();
    world.settle();
}

#[test]
fn what_keeps_a_child_from_getting_on_is_told() {
    let mut world = world(child());
    starts(&mut world);
    let name = world.made[0].clone();
    for (phase, words) in [(RunPhase::Suspended, "suspended"), (RunPhase::Running, "b: ImagePull: no such image")] {
        (world.child("a").phase, world.child("a").message) = (phase, words.to_owned());
        world.settle();
        let waits = format!("Child run {name}: {words}");
        assert_eq!(world.story(), format!("Running a:Running[{waits}] b:Pending[Dependency a]"));
        assert_eq!(world.status.message, format!("a: Child: run {name}: {words}"));
        starts(&mut world);
        assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]", "it gets on again");
        assert_eq!(world.status.message, "a running");
    }
}

#[test]
fn the_intent_is_on_record_before_the_child_is_made() {
    let mut world = World::of(&spec(child()));
    let decision = world.decide();
    let attempt = &decision.status.tasks[0].attempts[0];
    assert!(attempt.run.starts_with("run-a-1-") && attempt.pod.is_empty() && attempt.uid.is_none());
    let params = Map::from_iter([("x".to_owned(), json!("run"))]);
    let create = Effect::CreateRun { task: 0, item: None, attempt: 1, run: attempt.run.clone(), params };
    assert_eq!(decision.effects, [create]);
    world.settle();
    let waiting = world.status.tasks[0].waiting_for.as_ref().map(|it| it.detail.clone());
    assert_eq!(waiting, Some(format!("run {} to start", world.made[0])));
    let uid = world.status.tasks[0].attempts[0].uid.clone();
    assert_eq!(uid, Some(format!("uid-{}", world.made[0])));
}

#[test]
fn a_child_that_waits_says_why() {
    let mut world = world(child());
    world.child("a").message = "no Workflow `w` in this namespace yet".into();
    world.settle();
    let name = world.made[0].clone();
    assert_eq!(
        world.story(),
        format!(
            "Running a:Starting[Child run {name} to start: no Workflow `w` in this namespace yet] b:Pending[Dependency a]"
        )
    );
}

#[test]
fn what_a_child_hands_on_is_read_as_outputs() {
    let mut world = world(child());
    starts(&mut world);
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
    world.child("a").outputs = Some(Map::from_iter([("rows".to_owned(), json!(3))]));
    ends(&mut world, RunPhase::Succeeded, "");
    assert_eq!(world.story(), "Running a:Succeeded b:Starting");
    assert_eq!(world.status.tasks[0].outputs, Some(Map::from_iter([("rows".to_owned(), json!(3))])));
}

#[test]
fn a_child_that_fails_costs_a_retry_which_makes_another_child() {
    let mut retried = child();
    retried["retry"] = json!({"limit": 1, "backoff": {"initial": "10s", "jitterPercent": 0}});
    let mut world = world(retried);
    starts(&mut world);
    ends(&mut world, RunPhase::Failed, "load: exit code 2");
    assert!(world.story().starts_with("Running a:Backoff(ChildFailed)"), "{}", world.story());
    world.wait(10);
    world.settle();
    assert_eq!((world.made.len(), world.made[1].contains("-a-2-")), (2, true), "{:?}", world.made);
    ends(&mut world, RunPhase::Failed, "load: exit code 2");
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(ChildFailed) b:UpstreamFailed");
    assert_eq!(world.status.message, "a: its child run failed on attempt 2: load: exit code 2");
}

#[test]
fn a_child_that_someone_cancelled_is_not_tried_again() {
    let mut retried = child();
    retried["retry"] = json!({"limit": 3});
    let mut world = world(retried);
    ends(&mut world, RunPhase::Cancelled, "cancelled: enough");
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ChildCancelled) b:UpstreamFailed");
}

fn is_retried(world: &mut World, generation: u32) {
    world.spec.retry = Some(serde_json::from_value(json!({ "generation": generation })).unwrap());
    world.settle();
}

/// The child has ended, and could go on with the parameters that it was given.
fn ends_badly(world: &mut World, phase: RunPhase) {
    let given = Map::from_iter([("x".to_owned(), json!("run"))]);
    world.child("a").given = Some(given);
    ends(world, phase, "load: exit code 2");
}

#[test]
fn a_retry_goes_on_with_the_child_that_did_not_succeed() {
    for phase in [RunPhase::Failed, RunPhase::Cancelled] {
        let mut world = world(child());
        starts(&mut world);
        ends_badly(&mut world, phase);
        is_retried(&mut world, 1);
        let name = world.made[0].clone();
        let waits = format!("[Child run {name} to begin generation 1]");
        assert_eq!(world.story(), format!("Running a:Starting#2{waits} b:Pending[Dependency a]"));
        let next = world.status.tasks[0].attempts[1].clone();
        let uid = Some(format!("uid-{name}"));
        assert_eq!((next.number, next.run_generation, &next.run, &next.uid), (2, 1, &name, &uid));

        let child = world.child("a");
        (child.generation, child.phase, child.started_at, child.given) = (1, RunPhase::Pending, None, None);
        world.settle();
        assert!(world.story().contains(&format!("[Child run {name} to start: ")), "{}", world.story());
        starts(&mut world);
        assert_eq!(world.story(), "Running a:Running#2 b:Pending[Dependency a]");
        ends(&mut world, RunPhase::Succeeded, "");
        assert_eq!((world.story().as_str(), world.made.len()), ("Running a:Succeeded#2 b:Starting", 2));
    }
}

#[test]
fn a_retry_of_what_is_given_something_else_makes_another_child() {
    let mut world = world(child());
    starts(&mut world);
    ends_badly(&mut world, RunPhase::Failed);
    world.child("a").given = Some(Map::new());
    is_retried(&mut world, 1);
    assert_eq!((world.made.len(), world.made[1].contains("-a-2-")), (2, true), "{:?}", world.made);
}

#[test]
fn a_child_that_was_to_go_on_and_is_stopped_first_has_ended_already() {
    let mut world = world(child());
    starts(&mut world);
    ends_badly(&mut world, RunPhase::Failed);
    is_retried(&mut world, 1);
    world.spec.cancel = Some(Cancel { generation: 1, ..Cancel::default() });
    assert_eq!(world.round().wake_at, Some(world.now), "nothing else would have it looked at again");
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled#2(CancelRequested) b:Cancelled(CancelRequested)");
}

#[test]
fn a_run_that_has_ended_goes_on_with_its_parent() {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.lineage = Lineage { depth: 1, ..Lineage::default() };
    world.settle();
    world.end("a", 1);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode) b:UpstreamFailed");
    world.lineage.generation = 1;
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2 b:Pending[Dependency a]");
    assert_eq!((world.status.generation, world.spec.retry.is_none()), (1, true));
    world.end("a", 1);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(ExitCode) b:UpstreamFailed", "once");
}

#[test]
fn a_run_that_cannot_go_on_has_ended_in_the_new_generation_too() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.end("a", 1);
    world.settle();
    world.lineage = Lineage { depth: 1, generation: 1, ..Lineage::default() };
    world.lost = true;
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode)");
    assert_eq!(world.status.generation, 1, "its parent waits for that");
    assert_eq!(world.status.message, "generation 1 was not opened: gone");
}

#[test]
fn a_child_that_someone_deleted_was_disrupted() {
    let mut world = world(child());
    let first = world.made[0].clone();
    world.child("a").deleting = true;
    world.settle();
    assert_eq!(world.made.len(), 1, "it may go on for a while");
    world.children.insert(first, Sight::Absent);
    world.settle();
    assert_eq!(world.made.len(), 2);
    starts(&mut world);
    world.children.insert(world.made[1].clone(), Sight::Absent);
    world.settle();
    assert_eq!(world.status.tasks[0].attempts[1].reason, Some(Reason::ChildDeleted));
}

#[test]
fn another_run_of_the_childs_name_is_not_the_child() {
    let mut world = world(child());
    starts(&mut world);
    let child = world.child("a");
    child.uid = "another".into();
    child.phase = RunPhase::Succeeded;
    world.settle();
    assert_ne!(world.story(), "Running a:Succeeded b:Starting");
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::ChildDeleted));
}

#[test]
fn a_cancelled_run_waits_for_the_end_of_its_child() {
    let mut world = world(child());
    starts(&mut world);
    world.cancel();
    world.settle();
    let child = world.status.tasks[0].attempts[0].run.clone();
    let stopping = "Stopping(CancelRequested) a:Stopping(CancelRequested)";
    assert_eq!(world.story(), format!("{stopping}[Child run {child} to end] b:Cancelled(CancelRequested)"));
    ends(&mut world, RunPhase::Cancelled, "");
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested) b:Cancelled(CancelRequested)");
}

#[test]
fn a_child_that_takes_too_long_is_stopped_and_has_failed() {
    let mut timed = child();
    timed["timeout"] = json!("30s");
    let mut world = world(timed);
    starts(&mut world);
    world.wait(30);
    world.settle();
    assert!(world.story().starts_with("Running a:Stopping(TimedOut)"), "{}", world.story());
    ends(&mut world, RunPhase::Cancelled, "");
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(TimedOut) b:UpstreamFailed");
}

#[test]
fn a_suspended_run_makes_no_child() {
    let mut world = World::of(&spec(child()));
    world.spec.suspend = true;
    world.settle();
    assert!(world.made.is_empty());
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.made.len(), 1);
}

#[test]
fn a_child_obeys_its_parent() {
    let stop = || Lineage {
        wish: Wish::Stop(Cancel { reason: Some("enough".into()), ..Cancel::default() }),
        depth: 1,
        ..Lineage::default()
    };
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.lineage =
        Lineage { wish: Wish::Hold("its parent run p is suspended".into()), depth: 1, ..Lineage::default() };
    world.settle();
    assert_eq!(world.story(), "Suspended a:Pending[Suspended its parent run p is suspended] b:Pending[Dependency a]");
    assert!(world.made.is_empty());
    world.lineage.wish = Wish::GoOn;
    world.settle();
    world.start("a");
    world.settle();
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
    world.lineage = stop();
    world.settle();
    assert!(world.pod("a").deleting);
    assert_eq!(world.story(), "Stopping(ParentStopped) a:Stopping(ParentStopped) b:Cancelled(ParentStopped)");
    world.pod("a").condemned = true;
    world.settle();
    assert_eq!(world.story(), "Cancelled(ParentStopped) a:Cancelled(ParentStopped) b:Cancelled(ParentStopped)");
    assert_eq!(world.status.message, "cancelled: enough");

    let mut world = World::new(&[("a", &[])]);
    world.lineage = stop();
    world.settle();
    assert_eq!(world.story(), "Cancelled(ParentStopped)", "before it starts");
}

#[test]
fn nothing_is_nested_without_end() {
    let mut world = World::of(&spec(child()));
    world.lineage = Lineage { depth: 3, workflows: vec!["top".into(), "w".into(), "x".into()], ..Lineage::default() };
    world.spec = serde_json::from_value(json!({"workflowRef": {"name": "y"}})).unwrap();
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(NestingRefused) b:UpstreamFailed");
    assert_eq!(world.status.message, "a: Workflow `w` would run within itself, and so without end: w -> x -> y -> w");
    assert!(world.made.is_empty() && world.status.tasks[0].attempts.is_empty());
}

#[test]
fn outputs_that_cannot_be_made_fail_the_run() {
    let mut spec = spec(child());
    spec.outputs = serde_json::from_value(json!([{"name": "rows", "expr": "tasks.a.outputs.rows"}])).unwrap();
    for (outputs, expected) in
        [(Some(Map::from_iter([("rows".to_owned(), json!(3))])), "Succeeded"), (None, "Failed(OutputsFailed)")]
    {
        let mut world = World::of(&spec);
        world.settle();
        world.child("a").outputs = outputs.clone();
        ends(&mut world, RunPhase::Succeeded, "");
        world.end("b", 0);
        world.settle();
        assert_eq!(world.story(), format!("{expected} a:Succeeded b:Succeeded"));
        assert_eq!(world.status.outputs, outputs);
        assert!(outputs.is_some() || world.status.message.starts_with("outputs[0].expr: output rows: "));
    }
}

#[test]
fn a_child_that_is_to_be_deleted_stays_until_its_parent_knows_its_end() {
    let mut spec = super::world::spec(&[("a", &[])]);
    spec.ttl = Some("10s".into());
    let mut world = World::of(&spec);
    world.lineage = Lineage { depth: 1, ..Lineage::default() };
    world.settle();
    world.end("a", 0);
    world.settle();
    world.wait(60);
    let decision = world.decide();
    assert!(!decision.effects.contains(&Effect::DeleteRun) && decision.wake_at.is_some(), "{:?}", decision.effects);
    world.lineage.wish = Wish::Stop(Cancel::default());
    assert!(world.decide().effects.contains(&Effect::DeleteRun), "its outcome is on record");
    world.lineage = Lineage::default();
    assert!(world.decide().effects.contains(&Effect::DeleteRun), "it is nobody's child");
}
