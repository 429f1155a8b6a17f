//! Outputs that a status has no room for.

use serde_json::{Map, Value, json};

use super::world::World;
use crate::api::{Reason, SealedOutputs, TaskPhase, WorkflowRunStatus, WorkflowSpec};
use crate::engine::{Definition, HOT, Hot, Urgency};
use crate::plan::outputs_name;

/// Bytes of outputs that have room in these tests: those of one task.
const ROOM: usize = 60;

/// Tasks `a`, `b` and `c`, each of which hands on a text, and `f` with four items that do; `z` reads all of it.
fn world(outputs: usize) -> World {
    let said = json!([{ "name": "said", "type": "string" }]);
    let task = |name: &str| json!({ "name": name, "image": "i", "outputs": said });
    let mut f = task("f");
    f["forEach"] = json!({ "items": "lists.range(4)", "minSucceededPercent": 50 });
    let reads = "tasks.a.outputs.said + tasks.b.outputs.said + tasks.c.outputs.said + json(tasks.f.outputs.said)";
    let z =
        json!({ "name": "z", "image": "i", "needs": ["a", "b", "c", "f"], "env": [{ "name": "X", "expr": reads }] });
    let spec: WorkflowSpec =
        serde_json::from_value(json!({ "tasks": [task("a"), task("b"), task("c"), f, z] })).unwrap();
    World { hot: Hot { outputs, ..HOT }, ..World::of(&spec) }
}

/// A task or an item ends well.
fn says(world: &mut World, unit: &str, text: &str) {
    world.end_with(unit, 0, &format!("said={text}"));
    world.settle();
}

/// All but `z` have ended, the second item badly.
fn ended(outputs: usize) -> World {
    let mut world = world(outputs);
    world.settle();
    for (unit, text) in
        [("a", "first"), ("f[2]", "third of f"), ("b", "second"), ("c", "third"), ("f[0]", "first of f")]
    {
        says(&mut world, unit, text);
    }
    world.end("f[1]", 1);
    says(&mut world, "f[3]", "fourth of f");
    world
}

fn outputs(status: &WorkflowRunStatus) -> Value {
    let of = |task: &crate::api::TaskStatus| Some((task.name.clone(), Value::Object(task.outputs.clone()?)));
    Value::Object(status.tasks.iter().filter_map(of).collect::<Map<String, Value>>())
}

fn records(world: &World) -> Vec<String> {
    world.status.sealed_outputs.clone().unwrap_or_default().records
}

fn rest(world: &World) -> String {
    world.status.sealed_outputs.clone().unwrap_or_default().rest
}

#[test]
fn whatever_the_room_decisions_see_all_outputs_in_their_places() {
    let expected = json!({
        "a": { "said": "first" }, "b": { "said": "second" }, "c": { "said": "third" },
        "f": { "said": ["first of f", null, "third of f", "fourth of f"] },
    });
    for room in [0, 20, ROOM, 90, HOT.outputs] {
        let mut world = ended(room);
        let is_small = room == HOT.outputs;
        assert_eq!(world.status.sealed_outputs.is_none(), is_small, "{room}");
        assert_eq!(outputs(&world.status), if is_small { expected.clone() } else { json!({}) }, "{room}");
        assert_eq!(outputs(&world.full()), expected, "{room}");
        assert!(rest(&world).len() <= room, "{room}");
        assert_eq!(world.decide().urgency, Urgency::Unchanged, "{room}");
        assert_eq!(world.full().tasks[4].phase, TaskPhase::Starting, "it could read them");
        world.end("z", 0);
        world.settle();
        assert_eq!((world.story_of_run().as_str(), outputs(&world.full())), ("Succeeded", expected.clone()), "{room}");
    }
}

#[test]
fn outputs_of_items_are_whole_while_their_task_goes_on() {
    for spelt in [0, HOT.spelt] {
        let mut world = world(0);
        world.hot.spelt = spelt;
        world.settle();
        says(&mut world, "f[2]", "third");
        says(&mut world, "f[0]", "first");
        let full = world.full();
        assert_eq!(full.tasks[3].items.as_ref().unwrap().outputs, r#"{"said":["first",null,"third"]}"#);
        let stored = world.status.tasks.iter().find(|task| task.name == "f").unwrap();
        assert_eq!((stored.items.as_ref().unwrap().outputs.as_str(), records(&world).len()), ("", 2));
    }
}

#[test]
fn what_is_in_a_record_stays_there_and_each_is_written_once() {
    let mut world = world(ROOM);
    world.settle();
    let mut before = Vec::new();
    for (unit, text) in [("a", "first"), ("b", "second"), ("c", "third"), ("f[0]", "fourth"), ("f[1]", "fifth")] {
        says(&mut world, unit, text);
        assert!(records(&world).starts_with(&before), "{before:?}");
        before = records(&world);
    }
    assert_eq!(before.len(), world.outputs.len());
    assert!(before.len() > 1, "{before:?}");
    for named in &world.outputs {
        assert_eq!((named.part.run.as_str(), named.part.run_uid.as_str()), ("run", "uid"));
        assert_eq!(named.name, outputs_name(&named.part, 0));
        assert!(named.part.text.len() <= 256);
    }
}

#[test]
fn what_was_on_record_gives_the_same_record_whoever_seals_it_and_whatever_comes_with_it() {
    let mut world = world(ROOM);
    world.settle();
    says(&mut world, "a", "forty bytes, which leave no room for more");
    assert_eq!(world.outputs, []);
    world.end_with("b", 0, "said=second");
    let first = world.decide();
    world.end_with("c", 0, "said=a text that has no room either, since it is longer than that");
    let second = world.decide();
    assert_eq!((first.outputs.len(), second.outputs.len()), (1, 2), "what is too much at once has a record of its own");
    assert_eq!(first.outputs[0], second.outputs[0]);
    assert_eq!(first.status.sealed_outputs.unwrap().rest, "{\"tasks\":{\"b\":{\"said\":\"second\"}}}\n");
}

#[test]
fn a_retry_takes_outputs_back_that_are_in_records() {
    for room in [0, ROOM] {
        let mut world = ended(room);
        world.end("z", 1);
        world.settle();
        assert_eq!(world.story_of_run(), "Failed(TaskFailed)");
        let old = records(&world);
        let tasks = json!({ "generation": 1, "tasks": ["b", "f"] });
        world.spec.retry = Some(serde_json::from_value(tasks).unwrap());
        world.settle();
        assert!(!old.is_empty() && records(&world).iter().all(|name| !old.contains(name)), "{room}: {old:?}");
        assert_eq!(outputs(&world.full()), json!({ "a": { "said": "first" }, "c": { "said": "third" } }), "{room}");
        says(&mut world, "b", "another");
        assert_eq!(outputs(&world.full())["b"], json!({ "said": "another" }), "{room}");
    }
}

#[test]
fn where_few_are_left_after_a_retry_they_are_in_their_places_again() {
    let mut world = ended(ROOM);
    world.end("z", 1);
    world.settle();
    world.spec.retry = Some(serde_json::from_value(json!({ "generation": 1, "tasks": ["b", "c", "f"] })).unwrap());
    world.settle();
    assert_eq!(
        (world.status.sealed_outputs.as_ref(), outputs(&world.status)),
        (None, json!({ "a": { "said": "first" } }))
    );
}

#[test]
fn without_one_of_its_records_a_run_fails_and_what_has_ended_stays() {
    let lost = Definition::OutputsLost("WorkflowRecord x was deleted".to_owned());
    for spelt in [HOT.spelt, 0] {
        let mut world = ended(0);
        world.hot.spelt = spelt;
        world.round();
        let before = world.status.sealed_outputs.clone();
        let failed = world.decide_on(&lost).status;
        assert_eq!(
            (failed.reason, failed.message.as_str()),
            (Some(Reason::OutputsLost), "WorkflowRecord x was deleted")
        );
        assert_eq!(failed.sealed_outputs, before, "what is left can be read");
        let ends = failed.history.iter().filter(|it| it.task.as_deref() == Some("z") && it.to == "Cancelled");
        assert_eq!(ends.count(), 1, "{spelt}");
        world.status = failed;
        world.status.observed_generation = None;
        world.spec.retry = Some(serde_json::from_value(json!({ "generation": 1 })).unwrap());
        let decision = world.decide_on(&lost);
        assert_eq!((decision.status.phase, decision.status.generation), (world.status.phase, 0));
        assert!(decision.notes[0].message.contains("WorkflowRecord x was deleted"), "{:?}", decision.notes);
        assert_eq!(decision.status.sealed_outputs, before, "{spelt}");
    }
}

#[test]
fn where_the_name_is_taken_by_others_the_record_has_another() {
    let mut world = world(0);
    world.settle();
    world.end_with("a", 0, "said=first");
    let first = world.decide();
    world.taken = 1;
    let second = world.decide();
    assert_eq!(first.outputs[0].part, second.outputs[0].part);
    assert_eq!(second.outputs[0].name, format!("{}-1", first.outputs[0].name));
    assert_eq!(second.status.sealed_outputs.unwrap().records, [second.outputs[0].name.clone()]);
}

#[test]
fn a_status_names_few_records_however_often_outputs_came() {
    let tasks: Vec<Value> = (0..100).map(|index| json!({ "name": format!("t{index}"), "image": "i", "outputs": [{ "name": "said", "type": "string" }] })).collect();
    let mut world = World {
        hot: Hot { outputs: 0, ..HOT },
        ..World::of(&serde_json::from_value(json!({ "tasks": tasks })).unwrap())
    };
    world.settle();
    for index in 0..100 {
        says(&mut world, &format!("t{index}"), "x");
        assert!(records(&world).len() <= 64);
    }
    assert_eq!(outputs(&world.full()).as_object().map(Map::len), Some(100));
}

/// A list of which little is there needs no more room than that.
#[test]
fn what_items_did_not_hand_on_takes_no_room() {
    let f = json!({
        "name": "f", "image": "i", "outputs": [{ "name": "said", "type": "string" }],
        "forEach": { "items": "lists.range(200)", "minSucceededPercent": 0 },
    });
    let mut world = World {
        hot: Hot { outputs: 100, ..HOT },
        ..World::of(&serde_json::from_value(json!({ "tasks": [f] })).unwrap())
    };
    world.settle();
    says(&mut world, "f[199]", "last");
    assert_eq!(rest(&world), "{\"items\":{\"f\":{\"said\":{\"199\":\"last\"}}}}\n");
    for index in 0..199 {
        world.end(&format!("f[{index}]"), 1);
    }
    world.settle();
    let list = outputs(&world.full())["f"]["said"].as_array().cloned().unwrap();
    assert_eq!((list.len(), list.last(), records(&world).len()), (200, Some(&json!("last")), 0));
}

#[test]
fn what_a_hand_wrote_is_no_harm() {
    let gone = json!({});
    let a = json!({ "a": { "said": "x" } });
    for (rest, expected) in [
        ("nonsense", &gone),
        ("[1]\n{\"tasks\":{\"a\":{\"said\":\"x\"}}}", &a),
        ("{\"tasks\":{\"a\":{\"said\":\"y\"}}}\n{\"tasks\":{\"a\":{\"said\":\"x\"}}}", &a),
        ("{\"tasks\":{\"a\":7}}", &gone),
        ("{\"tasks\":{\"nobody\":{\"said\":\"x\"}}}", &gone),
        ("{\"items\":{\"a\":{\"said\":{\"0\":\"x\"}},\"nobody\":{\"said\":{}}}}", &gone),
        ("{\"items\":{\"f\":{\"said\":{\"4294967295\":\"x\",\"20000\":1}}}}", &gone),
        ("{\"items\":{\"f\":{\"said\":{\"-1\":\"x\"}}}}", &gone),
    ] {
        for room in [0, HOT.outputs] {
            let mut world = world(room);
            world.settle();
            world.status.sealed_outputs = Some(SealedOutputs { records: Vec::new(), rest: rest.to_owned() });
            assert_eq!(outputs(&world.full()), *expected, "{rest}");
            for (unit, text) in [("b", "second"), ("f[1]", "second of f")] {
                says(&mut world, unit, text);
                assert_eq!(outputs(&world.full())["b"]["said"], "second", "{rest}");
            }
        }
    }
}

#[test]
fn a_status_stays_small_however_much_tasks_and_items_hand_on() {
    let said = json!([{ "name": "said", "type": "string" }]);
    let task = |index: usize| json!({ "name": format!("t{index}"), "image": "i", "outputs": said });
    let mut tasks: Vec<Value> = (0..100).map(task).collect();
    tasks.push(task(100));
    tasks[100]["forEach"] = json!({ "items": "lists.range(100)" });
    let mut world = World::of(&serde_json::from_value(json!({ "tasks": tasks })).unwrap());
    world.settle();
    let units = (0..100).flat_map(|index| [format!("t{index}"), format!("t100[{index}]")]);
    for (number, unit) in units.enumerate() {
        // An API server writes six bytes for each of some of these.
        let text = if number % 2 == 0 { "\"\\<" } else { "ab" };
        world.end_with(&unit, 0, &format!("said={}", text.repeat(500)));
        world.settle();
        let bytes = serde_json::to_string(&world.status).unwrap().len();
        assert!(bytes < 64 * 1024, "{bytes} after {unit}");
    }
    assert_eq!(world.story_of_run(), "Succeeded");
    let all = outputs(&world.full());
    assert_eq!(all["t100"]["said"].as_array().map(Vec::len), Some(100));
    let sizes = world.outputs.iter().map(|named| serde_json::to_string(&named.part).unwrap().len());
    assert!(sizes.max().unwrap() < 256 * 1024 && world.outputs.len() < 30, "{}", world.outputs.len());
}

/// A name of a list takes a hand a few bytes, and would make us 20,000 values.
#[test]
fn names_that_a_hand_wrote_do_not_fill_the_memory() {
    let names = (0..10_000).map(|name| (format!("n{name}"), json!({ "19999": 1 }))).collect::<Map<String, Value>>();
    let rest = json!({ "items": { "f": names } }).to_string() + "\n";
    let mut world = world(0);
    world.settle();
    world.status.sealed_outputs = Some(SealedOutputs { records: Vec::new(), rest });
    let f = world.full().tasks.into_iter().find(|task| task.name == "f").unwrap();
    let lists: Map<String, Value> = serde_json::from_str(&f.items.unwrap().outputs).unwrap();
    assert_eq!(lists.len(), 50, "a million values");
}
