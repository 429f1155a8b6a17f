//! Which pods stay with their run.

use super::world::{World, spec};
use crate::engine::{Effect, PodPhase, Sight};

/// A run of five tasks without needs, of which this many pods are to stay.
fn world(kept_pods: usize) -> World {
    let mut world = World::of(&spec(&[("a", &[]), ("b", &[]), ("c", &[]), ("d", &[]), ("e", &[])]));
    world.kept_pods = kept_pods;
    world.settle();
    world
}

/// The tasks whose pods are to go.
fn cleared(world: &World) -> Vec<&str> {
    let effects = world.decide().effects;
    let of = |effect: &Effect| match effect {
        Effect::Clear { pod, uid } => {
            let sight = world
                .sights
                .values()
                .find(|sight| matches!(sight, Sight::Pod(it) if it.uid == *uid && it.name == *pod));
            let Some(Sight::Pod(pod)) = sight else { panic!("{pod} isn't there") };
            world.status.tasks.iter().position(|task| task.name == pod.task)
        }
        _ => None,
    };
    effects.iter().filter_map(of).map(|index| world.status.tasks[index].name.as_str()).collect()
}

#[test]
fn beyond_the_bound_those_that_succeeded_first_go() {
    let mut world = world(3);
    for task in ["c", "a", "d"] {
        world.wait(1);
        world.end(task, 0);
        world.settle_but_for_clears();
    }
    assert_eq!(cleared(&world), ["c", "a"], "five pods, of which three stay; what runs counts");
    world.kept_pods = 4;
    assert_eq!(cleared(&world), ["c"]);
    world.kept_pods = 5;
    assert_eq!(cleared(&world), [] as [&str; 0]);
}

#[test]
fn what_failed_stays_however_many_there_are() {
    let mut world = world(1);
    for (task, code) in [("a", 1), ("b", 0), ("c", 2), ("d", 0)] {
        world.end(task, code);
    }
    world.settle_but_for_clears();
    assert_eq!(cleared(&world), ["b", "d"]);
}

#[test]
fn none_goes_before_its_outcome_is_on_record_and_its_finalizer_off() {
    let mut world = world(0);
    world.end("a", 0);
    assert_eq!(cleared(&world), [] as [&str; 0], "it is put on record in this very round");
    world.settle_but_for_clears();
    assert_eq!(cleared(&world), ["a"]);
    world.pod("a").held = true;
    assert_eq!(cleared(&world), [] as [&str; 0]);
}

#[test]
fn one_that_someone_else_s_record_calls_a_success_stays() {
    let mut world = world(0);
    world.end("a", 0);
    world.settle_but_for_clears();
    world.pod("a").phase = PodPhase::Failed;
    assert_eq!(cleared(&world), [] as [&str; 0]);
}

#[test]
fn of_attempts_that_are_counted_and_listed_no_more_all_go() {
    let mut workflow = spec(&[("a", &[])]);
    workflow.tasks[0].retry =
        serde_json::from_value(serde_json::json!({ "limit": 100, "backoff": { "initial": "1s", "factor": 1 } }))
            .unwrap();
    let mut world = World::of(&workflow);
    world.settle();
    for _ in 0..20 {
        world.end("a", 1);
        world.settle_but_for_clears();
        world.wait(2);
        world.settle_but_for_clears();
    }
    let gone = world.decide().effects.iter().filter(|it| matches!(it, Effect::Clear { .. })).count();
    assert_eq!(gone, 5, "21 attempts, of which 16 are listed");
    assert!(!world.decide().effects.iter().any(|it| matches!(it, Effect::Delete { .. })));
}
