//! Large runs, step by step: what is stored stays small, and nothing that matters is forgotten.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::json;

use super::world::World;
use crate::api::{ItemsStatus, TaskPhase, WorkflowRunSpec, WorkflowRunStatus, WorkflowSpec};
use crate::engine::{Effect, HOT, Hot, PodFacts, PodPhase, RunFacts, Sight, unpack};
use crate::plan::{Origin, Plan, child_name, pod_name, resource_name};

/// One task with so many items, each of which is an object of another kind than a pod and is tried twice.
fn many_objects(count: usize) -> World {
    let spec: WorkflowSpec = serde_json::from_value(json!({ "tasks": [{
        "name": "a",
        "forEach": { "values": (0..count).collect::<Vec<usize>>() },
        "retry": { "limit": 1, "backoff": { "initial": "1h", "jitterPercent": 0 } },
        "resource": {
            "manifest": { "apiVersion": "example.org/v1", "kind": "Fetch" },
            "success": "object.status.phase == 'Done'",
            "failure": "object.status.phase == 'Broken'",
        },
    }] }))
    .unwrap();
    World::of(&spec)
}

/// So many tasks, none of which needs another, and `z` after the last.
fn many(count: usize) -> World {
    let image = "busybox:1.37";
    let mut tasks: Vec<serde_json::Value> =
        (0..count).map(|index| json!({ "name": format!("t{index}"), "image": image })).collect();
    tasks.push(json!({ "name": "z", "image": image, "needs": [format!("t{}", count - 1)] }));
    let spec: WorkflowSpec = serde_json::from_value(json!({ "tasks": tasks })).unwrap();
    World::of(&spec)
}

fn bytes(world: &World) -> usize {
    serde_json::to_string(&world.status).unwrap().len()
}

fn states(world: &World) -> String {
    world.status.packed.as_ref().map(|packed| packed.states.clone()).unwrap_or_default()
}

#[test]
fn a_small_run_is_stored_as_it_is() {
    let mut world = many(HOT.spelt - 1);
    world.settle();
    assert_eq!((world.status.tasks.len(), world.status.packed.as_ref()), (HOT.spelt, None));
}

#[test]
fn of_a_large_run_few_tasks_are_spelt_out_whatever_it_goes_through() {
    let mut world = many(2_000);
    let mut largest = 0;
    for _ in 0..1_000 {
        world.settle();
        largest = largest.max(bytes(&world));
        let open = |sight: &&mut Sight| matches!(sight, Sight::Pod(pod) if !pod.is_over());
        let live: Vec<String> = world
            .sights
            .values_mut()
            .filter(open)
            .filter_map(|sight| if let Sight::Pod(pod) = sight { Some(pod.task.clone()) } else { None })
            .take(100)
            .collect();
        if live.is_empty() {
            break;
        }
        for task in &live {
            world.start(task);
        }
        world.settle();
        largest = largest.max(bytes(&world));
        for task in &live {
            world.end(task, 0);
        }
    }
    assert_eq!((world.story_of_run().as_str(), states(&world).as_str()), ("Succeeded", "2001s"));
    assert_eq!(world.made.len(), 2_001, "each once");
    assert!(largest < 48 * 1024, "{largest}");
}

#[test]
fn a_pod_that_was_made_is_not_made_again_though_its_uid_is_on_record_no_more() {
    let mut world = many(200);
    world.settle();
    world.settle();
    let name = world.full().tasks[150].attempts[0].pod.clone();
    assert!(world.full().tasks[150].attempts[0].is_untold(), "it is a letter");
    world.sights.insert(name, Sight::Absent);
    let decision = world.decide();
    let again = |effect: &Effect| matches!(effect, Effect::Create { task: 150, attempt, .. } if *attempt == 1);
    assert!(!decision.effects.iter().any(again));
    assert_eq!(decision.full.tasks[150].phase, TaskPhase::Starting, "replaced at once: it never ran");
    assert_eq!(decision.full.tasks[150].attempts.last().map(|last| last.number), Some(2));
}

#[test]
fn numbers_of_attempts_go_on_in_the_next_generation() {
    let mut world = many(100);
    world.settle();
    world.settle();
    for index in 0..100 {
        world.end(&format!("t{index}"), i32::from(index == 60));
    }
    world.settle();
    world.end("z", 0);
    world.settle();
    assert_eq!(world.story_of_run(), "Failed(TaskFailed)");
    world.spec.retry = Some(serde_json::from_value(json!({ "generation": 1, "tasks": ["t60", "t10"] })).unwrap());
    world.settle();
    let number = |world: &World, index: usize| world.full().tasks[index].attempts.last().map(|last| last.number);
    assert_eq!([10, 60].map(|index| number(&world, index)), [Some(2), Some(2)]);
    assert_eq!(world.made.len(), 103);
}

/// A world that packs whatever has tasks.
fn packed(spec: serde_json::Value) -> World {
    let spec: WorkflowSpec = serde_json::from_value(spec).unwrap();
    World { hot: Hot { spelt: 0, ..HOT }, ..World::of(&spec) }
}

fn task(name: &str, needs: &[&str]) -> serde_json::Value {
    json!({ "name": name, "image": "busybox:1.37", "needs": needs })
}

fn asks_again(world: &mut World, generation: u32) {
    world.spec.retry = Some(serde_json::from_value(json!({ "generation": generation })).unwrap());
}

#[test]
fn what_waits_in_a_next_generation_is_numbered_on_too() {
    let mut world = packed(json!({ "tasks": [task("a", &[])], "finally": [task("z", &[])] }));
    world.settle();
    world.end("a", 1);
    world.settle();
    world.end("z", 0);
    world.settle();
    asks_again(&mut world, 1);
    world.settle();
    assert_eq!(states(&world), "mp", "z waits for another write");
    world.end("a", 0);
    world.settle();
    assert_eq!(world.full().tasks[1].attempts[0].number, 2);
}

#[test]
fn a_condition_that_was_true_is_so_while_its_task_goes_on() {
    let mut b = task("b", &[]);
    b["when"] = json!("run.name == 'run'");
    let mut world = packed(json!({ "tasks": [task("a", &[]), b] }));
    world.settle();
    assert_eq!(states(&world), "2m");
    assert_eq!(world.full().tasks.iter().map(|task| task.when).collect::<Vec<_>>(), [None, Some(true)]);
}

#[test]
fn a_next_generation_waits_for_the_pod_that_the_last_one_left() {
    let mut world = packed(json!({ "tasks": [task("a", &[])] }));
    world.settle();
    let name = world.full().tasks[0].attempts[0].pod.clone();
    world.end("a", 1);
    world.settle();
    assert_eq!(world.story_of_run(), "Failed(TaskFailed)");
    let former = world.made.len();
    // Another container of it goes on.
    let Some(Sight::Pod(over)) = world.sights.get(&name).cloned() else { panic!("its pod is there") };
    let left = PodFacts { phase: PodPhase::Running, lingering: true, ..over.as_ref().clone() };
    world.sights.insert(name.clone(), Sight::Pod(left.clone().into()));
    asks_again(&mut world, 1);
    let decision = world.round();
    assert!(decision.effects.iter().any(|effect| matches!(effect, Effect::Delete { .. })), "it is stopped");
    world.sights.insert(name.clone(), Sight::Pod(left.into()));
    world.round();
    assert_eq!((states(&world).as_str(), world.made.len()), ("p", former));
    world.sights.insert(name, Sight::Pod(over));
    world.settle();
    assert_eq!((states(&world).as_str(), world.made.len()), ("m", former + 1));
}

#[test]
fn a_child_run_that_failed_is_spelt_out_since_a_retry_goes_on_with_it() {
    let image = "busybox:1.37";
    let child = json!({ "name": "c", "workflow": { "tasks": [{ "name": "x", "image": image }] } });
    let mut world = packed(json!({ "tasks": [task("a", &[]), child] }));
    world.settle();
    world.child("c").phase = crate::api::RunPhase::Failed;
    world.settle();
    let told: Vec<&str> = world.status.tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!((states(&world).as_str(), told), ("mf", vec!["c"]));
}

#[test]
fn objects_under_way_are_spelt_out_and_bounded_also_while_they_wait_to_be_tried_again() {
    let mut world = many_objects(500);
    let mut largest = 0;
    for round in 0..100 {
        world.settle();
        largest = largest.max(bytes(&world));
        let items = world.status.tasks[0].items.as_ref();
        let live = items.map_or(0, |items| {
            let whole = items.entries.iter().filter(|entry| !entry.phase.is_finished());
            whole.filter(|entry| entry.attempts.last().is_some_and(|last| last.resource.is_some())).count()
        });
        let phases = world.full().tasks[0].items.as_ref().map(ItemsStatus::phases).unwrap_or_default();
        let begun = phases.iter().filter(|phase| !phase.is_finished() && **phase != TaskPhase::Pending).count();
        assert_eq!((live, live <= 64), (begun, true), "each that is under way, and no more than the bound");
        // Every third object breaks at its first attempt.
        for (name, sight) in &mut world.resources {
            let Sight::Resource(facts) = sight else { continue };
            let is_first = |item: u32| item.is_multiple_of(3) && name.starts_with(&format!("run-a-{item}-1-"));
            let breaks = facts.item.is_some_and(is_first);
            let phase = if breaks { "Broken" } else { "Done" };
            facts.object = Ok(json!({ "status": { "phase": phase } }).to_string().into());
        }
        if round % 2 == 1 {
            world.wait(3600);
        }
    }
    assert_eq!(world.story_of_run(), "Succeeded");
    assert_eq!(world.made.len(), 500 + 167, "each once, and once more what broke");
    assert!(largest < 64 * 1024, "{largest}");
}

/// By hand: what is no pod is spelt out as long as it is under way.
#[test]
fn a_letter_where_an_entry_was_is_still_the_object_of_its_task() {
    let spec = json!({ "tasks": [
        { "name": "a", "workflowRef": { "name": "inner" } },
        { "name": "b", "resource": { "manifest": { "apiVersion": "batch/v1", "kind": "Job" }, "success": "true" } },
        { "name": "c", "image": "i" },
        { "name": "d", "image": "i", "forEach": { "values": [1, 2] } },
    ]});
    let plan = Plan::checked(&serde_json::from_value(spec).unwrap(), Origin::Workflow).unwrap();
    let stored = json!({ "packed": { "total": 4, "states": "2m2r", "newestAttempt": 1 } });
    let stored: WorkflowRunStatus = serde_json::from_value(stored).unwrap();
    let meta = ObjectMeta { name: Some("r".into()), uid: Some("u".into()), ..ObjectMeta::default() };
    let full = unpack(&stored, &RunFacts::of(&meta, &WorkflowRunSpec::default()), Some(&plan), None);
    let [a, b, c] = ["a", "b", "c"].map(|name| {
        let task = full.tasks.iter().find(|task| task.name == name).unwrap();
        task.attempts[0].clone()
    });
    assert_eq!((a.run.as_str(), a.pod.as_str()), (child_name("r", "u", "a", None, 1).as_str(), ""));
    let resource = b.resource.unwrap();
    assert_eq!((resource.kind.as_str(), resource.name), ("Job", resource_name("r", "u", "b", None, 1)));
    assert_eq!((b.pod.as_str(), c.pod), ("", pod_name("r", "u", "c", None, 1)));
    let d = full.tasks.iter().find(|task| task.name == "d").unwrap();
    assert_eq!(
        (d.phase, d.attempts.len()),
        (TaskPhase::Running, 0),
        "attempts are of its items, which nobody knows any more"
    );
}
