//! Tasks that are done for every item of a list.

use serde_json::{Value, json};

use super::world::{World, main_end};
use crate::api::{AttemptOutcome, RunPhase, TaskPhase, WorkflowSpec};
use crate::engine::gate::STARTING;
use crate::engine::{Effect, HOT, Hot, MainState, PodPhase, Sight};

/// A task `f` with a list, and `z`, which needs it.
fn world(f: &Value) -> World {
    let mut task = json!({ "name": "f", "image": "i" });
    task.as_object_mut().unwrap().extend(f.as_object().unwrap().clone());
    let z = json!({ "name": "z", "image": "i", "needs": ["f"], "env": [{ "name": "X", "expr": "tasks.f.items.map(i, i.phase)" }] });
    let spec: WorkflowSpec = serde_json::from_value(json!({ "tasks": [task, z] })).unwrap();
    World::of(&spec)
}

/// The list is written out.
fn values(values: &Value, more: &Value) -> World {
    let mut for_each = json!({ "values": values });
    for_each.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world(&json!({ "forEach": for_each, "env": [{ "name": "ITEM", "expr": "item" }] }))
}

/// The value of the variable `X` or `ITEM` that the newest create of a task has.
fn env(world: &World, decision: &crate::engine::Decision) -> Vec<String> {
    let of = |effect: &Effect| match effect {
        Effect::Create { values, .. } => values.env.last().and_then(|entry| entry["value"].as_str()).map(str::to_owned),
        _ => None,
    };
    let _ = world;
    decision.effects.iter().filter_map(of).collect()
}

#[test]
fn each_item_has_a_pod_of_its_own_and_the_task_succeeds_with_the_last() {
    let mut world = values(&json!(["x", "y", "z"]), &json!({}));
    let first = world.round();
    assert_eq!(env(&world, &first), ["x", "y", "z"]);
    world.settle();
    assert_eq!(world.story(), "Running f:Starting{0-2 Starting} z:Pending[Dependency f]");
    world.start("f[1]");
    world.settle();
    assert_eq!(world.story(), "Running f:Running{1 Running, 0,2 Starting} z:Pending[Dependency f]");
    assert_eq!(world.status.message, "f: 1 of 3 items running, 2 starting");
    for item in ["f[2]", "f[0]"] {
        world.end(item, 0);
        world.settle();
    }
    assert_eq!(world.story(), "Running f:Running{0,2 Succeeded, 1 Running} z:Pending[Dependency f]");
    world.end("f[1]", 0);
    let last = world.round();
    assert_eq!(env(&world, &last), [r#"["Succeeded","Succeeded","Succeeded"]"#], "in the same round");
    assert_eq!(world.story(), "Running f:Succeeded{0-2 Succeeded} z:Starting");
}

#[test]
fn a_list_that_is_empty_succeeds_and_one_that_is_none_fails() {
    for (items, story) in [
        ("[]", "Running f:Succeeded{} z:Starting"),
        ("run.name", "Failed(TaskFailed) f:Failed(ExpressionError) z:UpstreamFailed"),
        ("lists.range(1 / 0)", "Failed(TaskFailed) f:Failed(ExpressionError) z:UpstreamFailed"),
    ] {
        let mut world = world(&json!({ "forEach": { "items": items } }));
        world.settle();
        assert_eq!(world.story(), story, "{items}");
    }
}

#[test]
fn no_more_items_have_a_pod_than_the_task_allows() {
    let mut world = values(&json!([1, 2, 3, 4]), &json!({ "maxParallel": 2 }));
    world.settle();
    assert_eq!(
        world.story(),
        "Running f:Starting{0-1 Starting, 2-3 Pending[Pool maxParallel is 2]} z:Pending[Dependency f]"
    );
    world.end("f[1]", 0);
    world.settle();
    assert_eq!(
        world.story(),
        "Running f:Running{1 Succeeded, 0,2 Starting, 3 Pending[Pool maxParallel is 2]} z:Pending[Dependency f]"
    );
    world.end("f[0]", 0);
    world.end("f[2]", 0);
    world.settle();
    assert_eq!(
        world.story(),
        "Running f:Running{0-2 Succeeded, 3 Starting} z:Pending[Dependency f]",
        "nobody waits any more"
    );
}

/// How many of four items fail, and what the task comes to.
#[test]
fn as_many_items_must_succeed_as_the_task_says() {
    for (percent, fail_fast, failed, story) in [
        (None, false, 1, "f:Failed(ItemsFailed){1-3 Succeeded, 0 Failed}"),
        (Some(75), false, 1, "f:Succeeded{1-3 Succeeded, 0 Failed}"),
        (Some(75), false, 2, "f:Failed(ItemsFailed){2-3 Succeeded, 0-1 Failed}"),
        (Some(0), false, 4, "f:Succeeded{0-3 Failed}"),
        (None, true, 1, "f:Stopping(FailFast){0 Failed, 1-3 Stopping}"),
        (Some(75), true, 1, "f:Succeeded{1-3 Succeeded, 0 Failed}"),
        (Some(75), true, 2, "f:Stopping(FailFast){0-1 Failed, 2-3 Stopping}"),
    ] {
        let mut more = json!({ "failFast": fail_fast });
        if let Some(percent) = percent {
            more["minSucceededPercent"] = json!(percent);
        }
        let mut world = values(&json!([1, 2, 3, 4]), &more);
        world.settle();
        for item in 0..4 {
            if item < failed {
                world.end(&format!("f[{item}]"), 1);
                world.settle();
            } else if world.status.tasks[0].phase != TaskPhase::Stopping {
                world.end(&format!("f[{item}]"), 0);
                world.settle();
            }
        }
        assert!(world.story().contains(story), "{percent:?} {fail_fast} {failed}: {}", world.story());
    }
}

#[test]
fn what_is_out_of_reach_stops_the_rest_and_an_honest_success_counts() {
    let mut world = values(&json!([1, 2, 3]), &json!({ "failFast": true, "maxParallel": 2 }));
    world.settle();
    world.start("f[1]");
    world.end("f[0]", 1);
    world.settle();
    assert_eq!(
        world.story(),
        "Running f:Stopping(FailFast){0 Failed, 2 Cancelled, 1 Stopping} z:Pending[Dependency f]"
    );
    world.end("f[1]", 0);
    world.settle();
    assert_eq!(
        world.story(),
        "Failed(TaskFailed) f:Failed(ItemsFailed){1 Succeeded, 0 Failed, 2 Cancelled} z:UpstreamFailed"
    );
    assert_eq!(world.status.message, "f: 1 of 3 items failed; [0]: exit code 1");
}

#[test]
fn items_are_tried_again_each_by_itself() {
    let retry = json!({ "limit": 1, "backoff": { "initial": "10s", "jitterPercent": 0 } });
    let mut world = world(&json!({ "forEach": { "values": ["a", "b"] }, "retry": retry }));
    world.settle();
    world.end("f[0]", 1);
    world.end("f[1]", 0);
    world.settle();
    assert_eq!(world.story(), "Running f:Running{1 Succeeded, 0 Backoff} z:Pending[Dependency f]");
    assert_eq!(world.decide().wake_at.map(jiff::Timestamp::as_second), Some(1_010));
    world.wait(10);
    world.settle();
    assert_eq!(world.made.len(), 3);
    world.end("f[0]", 0);
    world.settle();
    assert_eq!(world.story(), "Running f:Succeeded{0-1 Succeeded} z:Starting");
}

#[test]
fn outputs_are_lists_in_the_order_of_the_items() {
    let f = json!({
        "forEach": { "values": [10, 20, 30], "minSucceededPercent": 60 },
        "outputs": [{ "name": "v", "type": "int" }],
    });
    let mut world = world(&f);
    world.settle();
    world.end_with("f[2]", 0, "v=3");
    world.settle();
    assert_eq!(world.status.tasks[0].items.as_ref().unwrap().outputs, r#"{"v":[null,null,3]}"#, "kept until the end");
    world.end_with("f[0]", 0, "v=1");
    world.end("f[1]", 1);
    world.settle();
    assert_eq!(Value::Object(world.status.tasks[0].outputs.clone().unwrap()), json!({ "v": [1, null, 3] }));
    assert_eq!(world.status.tasks[0].items.as_ref().unwrap().outputs, "", "and then once");
}

#[test]
fn an_item_whose_expression_has_no_value_fails_without_a_pod() {
    let f = json!({ "forEach": { "values": [1, 0, 2] }, "env": [{ "name": "X", "expr": "100 / item" }] });
    let mut world = world(&f);
    world.settle();
    assert_eq!(world.story(), "Running f:Running{1 Failed, 0,2 Starting} z:Pending[Dependency f]");
    assert_eq!(world.made.len(), 2);
}

#[test]
fn a_cancel_reaches_every_item() {
    let mut world = values(&json!([1, 2, 3]), &json!({ "maxParallel": 2 }));
    world.settle();
    world.start("f[0]");
    world.end("f[1]", 0);
    world.settle();
    world.cancel();
    world.settle();
    assert_eq!(
        world.story(),
        "Stopping(CancelRequested) f:Stopping(CancelRequested){1 Succeeded, 0,2 Stopping} z:Cancelled(CancelRequested)"
    );
    world.end("f[0]", 143);
    world.end("f[2]", 143);
    world.settle();
    assert_eq!(
        world.story(),
        "Cancelled(CancelRequested) f:Cancelled(CancelRequested){1 Succeeded, 0,2 Cancelled} z:Cancelled(CancelRequested)"
    );
}

#[test]
fn a_cancel_before_the_first_item_needs_no_pod() {
    let mut world = values(&json!([1, 2]), &json!({}));
    world.spec.suspend = true;
    world.settle();
    assert_eq!(
        world.story(),
        "Suspended f:Pending[Suspended spec.suspend is true]{0-1 Pending[Suspended spec.suspend is true]} z:Pending[Dependency f]"
    );
    world.cancel();
    world.settle();
    assert_eq!(
        world.story(),
        "Cancelled(CancelRequested) f:Cancelled(CancelRequested){0-1 Cancelled} z:Cancelled(CancelRequested)"
    );
    assert!(world.made.is_empty());
}

#[test]
fn the_total_timeout_is_for_all_items_together() {
    let mut world = world(&json!({ "forEach": { "values": [1, 2, 3], "maxParallel": 2 }, "totalTimeout": "1m" }));
    world.settle();
    world.end("f[0]", 0);
    world.settle();
    world.wait(60);
    world.settle();
    assert_eq!(world.story(), "Running f:Stopping(TotalTimedOut){0 Succeeded, 1-2 Stopping} z:Pending[Dependency f]");
    world.end("f[1]", 143);
    world.end("f[2]", 143);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) f:Failed(TotalTimedOut){0 Succeeded, 1-2 Failed} z:UpstreamFailed");
    assert_eq!(world.status.message, "f: was not done within its totalTimeout: 1 of 3 items succeeded");
}

#[test]
fn a_timeout_is_for_each_item() {
    let mut world = world(&json!({ "forEach": { "values": [1, 2] }, "timeout": "1m" }));
    world.settle();
    world.start("f[0]");
    world.settle();
    world.wait(30);
    world.start("f[1]");
    world.settle();
    world.wait(30);
    world.settle();
    assert_eq!(world.story(), "Running f:Running{0 Stopping, 1 Running} z:Pending[Dependency f]");
}

#[test]
fn a_disruption_is_made_good_for_its_item_alone() {
    let mut world = values(&json!([1, 2]), &json!({}));
    world.settle();
    world.drain("f[0]");
    world.settle();
    assert_eq!(world.story(), "Running f:Running{0-1 Starting} z:Pending[Dependency f]");
    let entry = &world.status.tasks[0].items.as_ref().unwrap().entries[0];
    let outcomes: Vec<Option<AttemptOutcome>> = entry.attempts.iter().map(|attempt| attempt.outcome).collect();
    assert_eq!(outcomes, [Some(AttemptOutcome::Disrupted), None]);
}

#[test]
fn long_lists_are_worked_through_within_bounds() {
    let mut world = world(&json!({ "forEach": { "items": "lists.range(3000)", "minSucceededPercent": 99 } }));
    for round in 0..2_000 {
        let decision = world.round();
        let creates = decision.effects.iter().filter(|effect| matches!(effect, Effect::Create { .. })).count();
        assert!(creates <= STARTING, "{creates} at once");
        let items = world.status.tasks[0].items.as_ref().unwrap();
        assert!(items.entries.len() <= 564, "{}", items.entries.len());
        let live: Vec<u32> = items.entries.iter().filter(|it| it.phase.has_pod()).map(|it| it.index).collect();
        if live.is_empty() {
            break;
        }
        for index in live {
            world.end(&format!("f[{index}]"), i32::from(index % 200 == 7 && round > 0));
        }
    }
    assert_eq!(world.status.tasks[0].phase, TaskPhase::Succeeded, "{}", world.status.message);
    assert_eq!(world.made.len(), 3_000);
    let items = world.status.tasks[0].items.as_ref().unwrap();
    assert!(items.entries.len() <= 64 && !items.failed.is_empty());
    world.settle();
    let held =
        world.sights.values().filter(|sight| matches!(sight, Sight::Pod(pod) if pod.held && pod.task == "f")).count();
    assert_eq!(held, 0, "every pod is let go");
    let seqs: Vec<u64> = world.status.history.iter().map(|transition| transition.seq).collect();
    assert!(seqs.is_sorted() && seqs.len() <= 64);
}

#[test]
fn what_a_hand_made_of_items_ends_the_run() {
    let mut world = values(&json!([1, 2]), &json!({}));
    world.settle();
    world.status.tasks[0].items.as_mut().unwrap().entries.clear();
    world.settle();
    assert!(
        world.status.message.contains("item 0 of f is under way, and no attempt of it is open"),
        "{}",
        world.status.message
    );
    let mut world = values(&json!([1, 2]), &json!({}));
    world.settle();
    world.status.tasks[0].items = None;
    world.settle();
    assert!(world.status.message.contains("f is Starting, and no attempt of it is open"), "{}", world.status.message);
}

#[test]
fn a_list_that_has_changed_fails_what_has_not_begun() {
    let mut world = values(&json!([1, 2, 3]), &json!({ "maxParallel": 1 }));
    world.settle();
    world.status.tasks[0].items.as_mut().unwrap().total = 5;
    world.end("f[0]", 0);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) f:Failed(ItemsFailed){0 Succeeded, 1-4 Failed} z:UpstreamFailed");
    assert_eq!(world.status.message, "f: 4 of 5 items failed; [1]: the list had 5 items, and has 3 now");
}

#[test]
fn failures_that_have_no_room_in_the_status_go_on_record_once_there_is() {
    const ROWS: usize = 512;
    let retry = json!({ "limit": 1, "backoff": { "initial": "1h", "max": "1h" } });
    let mut world = world(&json!({ "forEach": { "items": "lists.range(2000)" }, "retry": retry }));
    let fail_all = |world: &mut World| {
        for pod in world.sights.values_mut().filter_map(Sight::pod_mut) {
            pod.phase = PodPhase::Failed;
            pod.main = MainState::Ended(main_end(1, "", world.now));
        }
    };
    world.hot = Hot { rows: ROWS, ..HOT };
    // All begin, and all fail.
    for _ in 0..40 {
        world.settle();
    }
    assert_eq!(world.made.len(), 2_000);
    fail_all(&mut world);
    world.settle();
    let count = |world: &World, phase| {
        let phases = world.full().tasks[0].items.as_ref().unwrap().phases();
        phases.into_iter().filter(|it| *it == phase).count()
    };
    let recorded = count(&world, TaskPhase::Backoff);
    assert!((ROWS..ROWS + HOT.spelt).contains(&recorded), "{recorded}");
    let held = |sight: &Sight| matches!(sight, Sight::Pod(pod) if pod.held);
    assert_eq!(world.sights.values().filter(|it| held(it)).count(), 2_000 - recorded, "no outcome is lost");
    let waiting = format!("; {} more ended pods to be recorded once others are done", 2_000 - recorded);
    assert!(world.status.message.contains(&waiting), "{}", world.status.message);
    for _ in 0..4 {
        world.wait(3_600);
        world.settle();
        fail_all(&mut world);
        world.settle();
        let bytes = serde_json::to_string(&world.status).unwrap().len();
        assert!(bytes < 64 * 1024, "{bytes}");
    }
    assert_eq!((count(&world, TaskPhase::Failed), world.made.len()), (2_000, 4_000), "each was tried twice");
    assert_eq!(world.status.phase, RunPhase::Failed);
}

#[test]
fn what_was_being_stopped_for_its_own_sake_is_not_tried_again_once_the_task_stops() {
    let retry = json!({ "limit": 3 });
    let mut world =
        world(&json!({ "forEach": { "values": [1, 2], "failFast": true }, "timeout": "1m", "retry": retry }));
    world.settle();
    world.start("f[0]");
    world.settle();
    world.wait(60);
    world.settle();
    assert!(world.story().contains("f:Running{0 Stopping, 1 Starting}"), "{}", world.story());
    world.spec.cancel = None;
    world.status.tasks[0].items.as_mut().unwrap().entries[1].attempts[0].number = 1;
    for attempt in 1..=4 {
        world.end("f[1]", 1);
        world.settle();
        world.wait(if attempt < 4 { 300 } else { 0 });
        world.settle();
    }
    assert!(world.story().contains("f:Stopping(FailFast){1 Failed, 0 Stopping}"), "{}", world.story());
    world.end("f[0]", 143);
    world.settle();
    assert!(world.story().contains("f:Failed(ItemsFailed){1 Failed, 0 Cancelled}"), "{}", world.story());
}

#[test]
fn pods_of_items_that_are_cancelled_and_no_longer_told_of_are_stopped_all_the_same() {
    let mut world = world(&json!({ "forEach": { "items": "lists.range(200)" } }));
    for _ in 0..10 {
        world.round();
    }
    world.lost = true;
    // Whoever wrote this down did nothing of it.
    world.status = world.decide().status;
    let told = world.status.tasks[0].items.as_ref().unwrap().entries.len();
    assert!(told < 100, "{told}");
    world.settle();
    let runs_on = |sight: &&Sight| matches!(sight, Sight::Pod(pod) if !pod.deleting || pod.held);
    assert_eq!(world.sights.values().filter(runs_on).count(), 0);
}

#[test]
fn outputs_that_no_status_could_hold_fail_the_task_before_it_begins() {
    let outputs: Vec<Value> = (0..32).map(|it| json!({ "name": format!("o{it}"), "type": "int" })).collect();
    let mut world = world(&json!({ "forEach": { "items": "lists.range(20000)" }, "outputs": outputs }));
    world.settle();
    assert!(world.story().contains("f:Failed(OutputTooLarge)"), "{}", world.story());
    assert!(world.made.is_empty());
}
