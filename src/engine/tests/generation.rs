//! Runs that have ended and go on.

use serde_json::{Value, json};

use super::world::World;
use crate::api::{Cancel, RunRetry, WorkflowSpec};

fn world(tasks: &Value, finally: &Value) -> World {
    let tasks: Vec<Value> = tasks
        .as_array()
        .unwrap()
        .iter()
        .map(|task| {
            let mut task = task.clone();
            task["image"] = json!("i");
            task
        })
        .collect();
    let spec: WorkflowSpec = serde_json::from_value(json!({ "tasks": tasks, "finally": finally })).unwrap();
    World::of(&spec)
}

/// `a ► b ► c`.
fn chain() -> World {
    world(&json!([{ "name": "a" }, { "name": "b", "needs": ["a"] }, { "name": "c", "needs": ["b"] }]), &json!([]))
}

fn retry(world: &mut World, generation: u32) {
    world.spec.retry = Some(RunRetry { generation, ..RunRetry::default() });
}

fn ends(world: &mut World, ends: &[(&str, i32)]) {
    for (task, code) in ends {
        world.settle();
        world.end(task, *code);
    }
    world.settle();
}

#[test]
fn what_failed_runs_again_and_the_run_may_succeed() {
    let mut world = chain();
    ends(&mut world, &[("a", 0), ("b", 1)]);
    assert_eq!(world.story(), "Failed(TaskFailed) a:Succeeded b:Failed(ExitCode) c:UpstreamFailed");
    retry(&mut world, 1);
    world.wait(3_600);
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Starting#2 c:Pending[Dependency b]");
    assert_eq!((world.status.generation, world.status.finished_at.is_none()), (1, true));
    let numbers: Vec<(u32, u32)> = world.status.tasks[1].attempts.iter().map(|it| (it.number, it.generation)).collect();
    assert_eq!(numbers, [(1, 0), (2, 1)]);
    world.wait(2);
    ends(&mut world, &[("b", 0), ("c", 0)]);
    assert_eq!(world.story(), "Succeeded a:Succeeded b:Succeeded#2 c:Succeeded");
    assert_eq!(world.status.duration.as_deref(), Some("2.0s"), "of this generation alone");
    let finished: Vec<&str> = world.status.conditions.iter().map(|it| it.status.as_str()).collect();
    assert_eq!(finished, ["True", "True"]);
    world.settle();
    assert_eq!(world.status.generation, 1, "once");
}

#[test]
fn a_retry_waits_for_the_end_of_the_run() {
    let mut world = chain();
    ends(&mut world, &[("a", 1)]);
    let ended = world.status.clone();
    let mut world = chain();
    world.settle();
    retry(&mut world, 1);
    world.settle();
    assert_eq!((world.status.generation, world.status.phase), (0, crate::api::RunPhase::Running));
    world.end("a", 1);
    let end = world.round();
    assert_eq!((end.status.phase, end.status.generation), (ended.phase, 0), "its end goes on record first");
    assert_eq!(end.wake_at, Some(world.now));
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2 b:Pending[Dependency a] c:Pending[Dependency b]");
}

#[test]
fn each_generation_has_its_own_cancel() {
    let mut world = chain();
    world.settle();
    world.cancel();
    world.settle();
    ends(&mut world, &[("a", 143)]);
    assert_eq!(
        world.story(),
        "Cancelled(CancelRequested) a:Cancelled(CancelRequested) b:Cancelled(CancelRequested) c:Cancelled(CancelRequested)"
    );
    retry(&mut world, 1);
    world.settle();
    assert_eq!(
        world.story(),
        "Running a:Starting#2 b:Pending[Dependency a] c:Pending[Dependency b]",
        "the cancel was of generation 0"
    );
    world.spec.cancel = Some(Cancel { generation: 1, ..Cancel::default() });
    world.settle();
    ends(&mut world, &[("a", 143)]);
    assert!(
        world.story().starts_with("Cancelled(CancelRequested) a:Cancelled#2(CancelRequested)"),
        "{}",
        world.story()
    );
}

#[test]
fn a_generation_is_taken_up_once_and_only_upwards() {
    let mut world = chain();
    ends(&mut world, &[("a", 1)]);
    retry(&mut world, 2);
    ends(&mut world, &[("a", 1)]);
    assert_eq!((world.status.generation, world.made.len()), (2, 2), "the newest of two counts");
    retry(&mut world, 1);
    world.settle();
    assert_eq!((world.status.generation, world.made.len()), (2, 2));
}

#[test]
fn finally_runs_again_with_the_new_verdict() {
    let finally =
        json!([{ "name": "x", "image": "i", "env": [{ "name": "V", "expr": "run.phase + string(run.generation)" }] }]);
    let mut world = world(&json!([{ "name": "a" }]), &finally);
    ends(&mut world, &[("a", 1), ("x", 0)]);
    retry(&mut world, 1);
    ends(&mut world, &[("a", 0)]);
    assert_eq!(world.story(), "Running a:Succeeded#2 x:Starting#2");
    ends(&mut world, &[("x", 0)]);
    assert_eq!(world.story(), "Succeeded a:Succeeded#2 x:Succeeded#2");
}

#[test]
fn budgets_begin_anew() {
    let policy = json!({ "limit": 1, "backoff": { "initial": "0s" } });
    let mut world = world(&json!([{ "name": "a", "retry": policy }]), &json!([]));
    ends(&mut world, &[("a", 1), ("a", 1)]);
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(ExitCode)");
    retry(&mut world, 1);
    ends(&mut world, &[("a", 1)]);
    assert_eq!(world.story(), "Running a:Starting#4", "another try of its own");
    ends(&mut world, &[("a", 1)]);
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#4(ExitCode)");
}

#[test]
fn a_pod_that_is_still_ending_is_waited_for() {
    let mut world = chain();
    world.settle();
    // Its `main` has failed; another container goes on.
    world.end("a", 1);
    let pod = world.pod("a");
    (pod.phase, pod.lingering) = (crate::engine::PodPhase::Running, true);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode) b:UpstreamFailed c:UpstreamFailed");
    retry(&mut world, 1);
    world.settle();
    assert!(world.story().contains("a:Pending[Node pod run-a-1"), "{}", world.story());
    world.pod("a").phase = crate::engine::PodPhase::Failed;
    world.settle();
    assert!(world.story().contains("a:Starting#2"), "{}", world.story());
}

#[test]
fn outputs_of_what_runs_again_are_gone_and_items_that_succeeded_stay() {
    let f = json!({ "name": "f", "forEach": { "values": [1, 2, 3] }, "outputs": [{ "name": "v", "type": "int" }] });
    let mut world = world(&json!([f, { "name": "z", "needs": ["f"] }]), &json!([]));
    world.settle();
    world.end_with("f[0]", 0, "v=10");
    world.end("f[1]", 1);
    world.end_with("f[2]", 0, "v=30");
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) f:Failed(ItemsFailed){0,2 Succeeded, 1 Failed} z:UpstreamFailed");
    retry(&mut world, 1);
    world.settle();
    assert_eq!(world.story(), "Running f:Running{0,2 Succeeded, 1 Starting} z:Pending[Dependency f]");
    world.end_with("f[1]", 0, "v=20");
    world.settle();
    assert_eq!(Value::Object(world.status.tasks[0].outputs.clone().unwrap()), json!({ "v": [10, 20, 30] }));
}

#[test]
fn a_list_below_what_runs_again_is_made_anew_and_numbers_go_on() {
    let f = json!({ "name": "f", "needs": ["a"], "forEach": { "items": "lists.range(tasks.a.outputs.n)" } });
    let mut world = world(&json!([{ "name": "a", "outputs": [{ "name": "n", "type": "int" }] }, f]), &json!([]));
    world.settle();
    world.end_with("a", 0, "n=2");
    ends(&mut world, &[("f[0]", 0), ("f[1]", 0)]);
    assert_eq!(world.story(), "Succeeded a:Succeeded f:Succeeded{0-1 Succeeded}");
    world.spec.retry = Some(RunRetry { generation: 1, tasks: vec!["a".into()], ..RunRetry::default() });
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2 f:Pending[Dependency a]{}");
    assert!(world.status.tasks[0].outputs.is_none());
    world.end_with("a", 0, "n=3");
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded#2 f:Starting{0-2 Starting}");
    let pods = world.made.iter().map(|pod| pod.rsplit_once('-').unwrap().0).collect::<Vec<_>>();
    assert_eq!(&pods[4..], ["run-f-0-2", "run-f-1-2", "run-f-2-2"], "no name comes twice");
}

#[test]
fn what_cannot_be_retried_stays_as_it_is_and_says_why() {
    let mut world = chain();
    ends(&mut world, &[("a", 0), ("b", 0), ("c", 0)]);
    retry(&mut world, 1);
    let mut decision = world.decide();
    assert_eq!(decision.notes, [], "the spec is as it was seen");
    world.status.observed_generation = Some(0);
    decision = world.round();
    let told: Vec<(&str, &str)> = decision.notes.iter().map(|note| (note.reason, note.message.as_str())).collect();
    let why = "generation 1 was not opened: every task has succeeded or was skipped; name the tasks to run again in spec.retry.tasks";
    assert_eq!(told, [("RetryRefused", why)]);
    assert_eq!(world.story(), "Succeeded a:Succeeded b:Succeeded c:Succeeded");
    world.settle();
}

#[test]
fn a_run_that_never_started_has_nothing_to_retry() {
    let mut world = chain();
    world.spec.params = Some(serde_json::Map::from_iter([("x".to_owned(), json!(1))]));
    world.settle();
    let end = world.story();
    retry(&mut world, 1);
    world.status.observed_generation = Some(0);
    let told: Vec<String> = world.round().notes.into_iter().map(|note| note.message).collect();
    assert_eq!(told, ["generation 1 was not opened: this run never started: make a new one"]);
    assert_eq!((world.story(), world.decide().notes.len()), (end, 0), "it is told once");
    // The same of one that was cancelled while it waited for its turn, which is pinned.
    world.status.revision = Some("r".to_owned());
    world.status.observed_generation = Some(0);
    let told: Vec<String> = world.round().notes.into_iter().map(|note| note.message).collect();
    assert_eq!(told, ["generation 1 was not opened: this run never started: make a new one"]);
}

#[test]
fn a_suspended_run_opens_its_generation_and_waits() {
    let mut world = chain();
    ends(&mut world, &[("a", 1)]);
    retry(&mut world, 1);
    world.spec.suspend = true;
    world.settle();
    assert_eq!(
        world.story(),
        "Suspended a:Pending[Suspended spec.suspend is true] b:Pending[Dependency a] c:Pending[Dependency b]"
    );
}

#[test]
fn a_finally_task_makes_its_list_anew_when_any_other_task_runs_again() {
    let x = json!({ "name": "x", "image": "i", "forEach": { "items": "lists.range(tasks.a.outputs.n)" } });
    let tasks = json!([{ "name": "a", "outputs": [{ "name": "n", "type": "int" }] }]);
    let mut world = world(&tasks, &json!([x]));
    world.settle();
    world.end_with("a", 0, "n=2");
    ends(&mut world, &[("x[0]", 0), ("x[1]", 1)]);
    world.spec.retry = Some(RunRetry { generation: 1, tasks: vec!["a".into()], ..RunRetry::default() });
    world.settle();
    world.end_with("a", 0, "n=3");
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded#2 x:Starting{0-2 Starting}");
}

#[test]
fn the_words_of_an_older_cancel_say_nothing_of_a_later_generation() {
    let mut world = world(&json!([{ "name": "a", "timeout": "1m" }]), &json!([]));
    world.settle();
    world.spec.cancel = Some(Cancel { grace_seconds: Some(1), ..Cancel::default() });
    world.settle();
    ends(&mut world, &[("a", 143)]);
    retry(&mut world, 1);
    world.settle();
    world.start("a");
    world.settle();
    world.wait(60);
    let grace = world.round().effects.into_iter().find_map(|effect| match effect {
        crate::engine::Effect::Delete { grace_seconds, .. } => Some(grace_seconds),
        _ => None,
    });
    assert_eq!(grace, Some(None), "the pod's own time to end");
}
