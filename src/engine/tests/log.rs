//! What becomes of what a status no longer spells out.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::world::World;
use crate::api::{LogLine, RunPhase, Segment, WorkflowRunStatus};
use crate::engine::gate::STARTING;
use crate::engine::{Decision, HOT, Hot, Urgency};
use crate::plan::segment_name;

/// A world whose status holds little.
fn world(history: usize, log: usize) -> World {
    let mut world = World::new(&[("a", &[])]);
    world.hot = Hot { history, log, ..HOT };
    world.settle();
    world
}

/// Someone suspends the run, or resumes it: one transition.
fn toggle(world: &mut World) -> Decision {
    world.spec.suspend = !world.spec.suspend;
    world.wait(1);
    world.round()
}

fn numbers(log: &str) -> Vec<u64> {
    let number = |line| match LogLine::read(line).unwrap() {
        LogLine::Transition(transition) => Some(transition.seq),
        LogLine::Unit { .. } => None,
    };
    log.lines().filter_map(number).collect()
}

/// The numbers of all transitions, from the oldest segment to the newest of the status.
fn all(world: &World) -> Vec<u64> {
    let sealed = world.segments.iter().flat_map(|named| numbers(&named.segment.log));
    let spelt_out = world.status.history.iter().map(|it| it.seq);
    sealed.chain(numbers(&world.status.log)).chain(spelt_out).collect()
}

#[test]
fn nothing_is_ever_lost_and_a_status_stays_small() {
    let mut world = world(3, 300);
    for round in 0..100 {
        toggle(&mut world);
        let (history, log) = (world.status.history.len(), world.status.log.len());
        assert!(history <= 3 && log <= 450, "{history} transitions, {log} bytes after {round}");
    }
    assert_eq!(all(&world), (1..=102).collect::<Vec<u64>>());
    assert!(world.segments.len() > 20, "{}", world.segments.len());
}

#[test]
fn each_segment_names_the_one_before_it_and_the_status_the_newest() {
    let mut world = world(2, 150);
    for _ in 0..20 {
        toggle(&mut world);
    }
    let mut previous = None;
    for (number, named) in (1..).zip(&world.segments) {
        let Segment { run, run_uid, .. } = &named.segment;
        assert_eq!((run.as_str(), run_uid.as_str(), named.segment.number), ("run", "uid", number));
        assert_eq!(named.segment.previous, previous);
        assert_eq!(named.segment.lines, numbers(&named.segment.log).len() as u64);
        assert_eq!(named.name, segment_name(&named.segment, 0));
        previous = Some(named.name.clone());
    }
    let sealed = world.status.sealed.as_ref().unwrap();
    let lines: u64 = world.segments.iter().map(|named| named.segment.lines).sum();
    assert_eq!((Some(&sealed.segment), sealed.lines), (previous.as_ref(), lines));
    assert_eq!(sealed.count as usize, world.segments.len());
}

#[test]
fn what_was_on_record_gives_the_same_segment_whoever_seals_it_and_whenever() {
    let mut world = world(2, 150);
    while world.status.log.len() < 150 {
        toggle(&mut world);
        assert_eq!(world.segments, []);
    }
    world.spec.suspend = !world.spec.suspend;
    let first = world.decide();
    world.wait(1);
    let second = world.decide();
    assert_eq!((first.segments.len(), &first.segments), (1, &second.segments));
    assert_ne!(first.status, second.status, "their transitions are of their own time");
    assert_eq!(first.segments[0].segment.log, world.status.log);
}

#[test]
fn a_long_log_stays_until_more_comes_to_it() {
    let mut world = world(2, 150);
    while world.status.log.len() < 150 {
        toggle(&mut world);
    }
    let again = world.decide();
    assert_eq!((again.urgency, again.segments.len()), (Urgency::Unchanged, 0));
    let log = world.status.log.clone();
    world.start("a");
    world.status.observed_generation = None;
    let decision = world.decide();
    assert_ne!(decision.urgency, Urgency::Unchanged);
    assert_eq!((decision.segments.len(), decision.status.log == log), (1, false), "a transition");
    world.status.phase = RunPhase::Failed;
    let decision = world.decide();
    assert_ne!(decision.urgency, Urgency::Unchanged);
    assert_eq!((decision.segments.len(), decision.status.log == log), (0, true), "what has ended stays as it is");
}

/// A thousand tasks are cancelled at once.
#[test]
fn what_is_too_much_for_a_status_goes_into_segments_at_once() {
    let names: Vec<String> = (0..1_000).map(|index| format!("{}-{index}", "n".repeat(32))).collect();
    let tasks: Vec<(&str, &[&str])> = names.iter().map(|name| (name.as_str(), &[][..])).collect();
    let mut world = World::new(&tasks);
    world.round();
    world.cancel();
    world.settle();
    assert_eq!(world.status.phase, RunPhase::Stopping);
    let newest = world.status.history.last().unwrap().seq;
    assert_eq!(all(&world), (1..=newest).collect::<Vec<u64>>());
    assert!(newest > 1_000 && world.status.log.len() <= HOT.log / 2 * 3, "{newest} {}", world.status.log.len());
    assert!(world.segments.iter().all(|named| named.segment.log.len() <= HOT.log * 14));
    let logs = world.segments.iter().map(|named| named.segment.log.as_str()).chain([world.status.log.as_str()]);
    let ended = logs.flat_map(str::lines).filter_map(|line| match LogLine::read(line).unwrap() {
        LogLine::Unit { status, .. } => Some(status.name),
        LogLine::Transition(_) => None,
    });
    assert_eq!(
        ended.collect::<Vec<String>>(),
        names[STARTING..],
        "what ends is told of once, and has not ended that has a pod"
    );
}

#[test]
fn where_the_name_is_taken_by_others_the_segment_has_another() {
    let mut world = world(2, 150);
    while world.status.log.len() < 150 {
        toggle(&mut world);
    }
    world.spec.suspend = !world.spec.suspend;
    let first = world.decide();
    world.taken = 1;
    let second = world.decide();
    assert_eq!(first.segments[0].segment, second.segments[0].segment);
    assert_ne!(first.segments[0].name, second.segments[0].name);
    assert_eq!(second.status.sealed.unwrap().segment, second.segments[0].name);
}

#[test]
fn what_a_hand_wrote_into_the_log_is_sealed_as_it_is() {
    let mut world = world(2, 150);
    let nonsense = "no line at all\n\u{0}".repeat(20);
    world.status = WorkflowRunStatus { log: nonsense.clone(), ..world.status };
    toggle(&mut world);
    assert_eq!(world.segments[0].segment.log, nonsense);
}

/// Each list by itself is short enough to be spelt out; together they aren't.
#[test]
fn how_items_ended_is_told_of_each_of_several_lists_that_follow_one_another() {
    let task = |index: usize| {
        let mut task = json!({ "name": format!("l{index}"), "image": "i", "forEach": { "items": "lists.range(60)" } });
        if index > 0 {
            task["needs"] = json!([format!("l{}", index - 1)]);
        }
        task
    };
    let tasks: Vec<Value> = (0..5).map(task).collect();
    let mut world = World::of(&serde_json::from_value(json!({ "tasks": tasks })).unwrap());
    world.settle();
    for list in 0..5 {
        for item in 0..60 {
            world.end(&format!("l{list}[{item}]"), 0);
        }
        world.settle();
    }
    assert_eq!(world.status.phase, RunPhase::Succeeded);
    let logs = world.segments.iter().map(|named| named.segment.log.as_str()).chain([world.status.log.as_str()]);
    let told = logs.flat_map(str::lines).filter_map(|line| match LogLine::read(line).unwrap() {
        LogLine::Unit { item, status } => Some((status.name, item?)),
        LogLine::Transition(_) => None,
    });
    let told: BTreeSet<(String, u32)> = told.collect();
    assert_eq!(told.len(), 300, "each item");
}
