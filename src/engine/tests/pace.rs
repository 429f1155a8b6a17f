//! What is told of pods that are slow to start, or to end.

use super::world::World;
use crate::engine::{Hold, Stage, Urgency};

fn world() -> World {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.settle();
    world
}

fn wakes_in(world: &World) -> Option<i64> {
    world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs())
}

#[test]
fn a_pod_that_does_not_start_is_told_of_after_a_minute_and_how_far_it_is() {
    for (stage, words) in [
        (Stage::Scheduler, "no scheduler has looked at its pod"),
        (Stage::Node("n".into()), "its pod's volumes and network aren't ready on node n"),
        (Stage::Init("fetch".into()), "init container fetch has not ended"),
        (Stage::Containers("n".into()), "its pod's containers aren't started on node n"),
    ] {
        let mut world = world();
        world.pod("a").hold = Some(Hold { stage, since: None });
        assert_eq!(wakes_in(&world), Some(60));
        world.wait(59);
        assert_eq!(world.decide().urgency, Urgency::Unchanged, "until then nothing is written");
        world.wait(1);
        assert_eq!(world.decide().urgency, Urgency::Lazy);
        world.settle();
        let told = format!("Node {words}; kubectl describe pod {} tells more", world.made[0]);
        assert_eq!(world.story(), format!("Running a:Starting[{told}] b:Pending[Dependency a]"));
        assert!(world.status.message.starts_with(&format!("a: Node: {words}")), "{}", world.status.message);
        world.wait(3_600);
        assert_eq!(world.decide().urgency, Urgency::Unchanged, "nor after that");
        world.start("a");
        world.settle();
        assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
        assert_eq!(world.status.message, "a running");
    }
}

/// What it waited for before isn't of its start.
#[test]
fn the_minute_counts_from_when_a_pod_was_made_or_found_its_node() {
    let begun = world().now.checked_add(jiff::SignedDuration::from_secs(1_800)).ok();
    for (created_at, since) in [(begun, None), (None, begun)] {
        let mut world = world();
        world.pod("a").created_at = created_at;
        world.pod("a").hold = Some(Hold { stage: Stage::Node("n".into()), since });
        world.wait(1_800);
        world.settle();
        assert_eq!(world.story(), "Running a:Starting b:Pending[Dependency a]");
        assert_eq!(wakes_in(&world), Some(60));
    }
}

#[test]
fn a_pod_that_does_not_end_is_told_of_once_it_is_late() {
    let mut world = world();
    world.start("a");
    world.settle();
    world.cancel();
    world.round();
    let pod = world.made[0].clone();
    let waiting = |world: &World| world.status.tasks[0].waiting_for.clone().map(|it| it.detail);
    assert_eq!(waiting(&world), Some(format!("pod {pod} to end")));
    assert_eq!(world.status.message, "stopping a");
    let by = world.now.checked_add(jiff::SignedDuration::from_secs(30)).unwrap();
    world.pod("a").ends_by = Some(by);
    let words = world.pod("a").disruption.as_ref().map(|it| it.message.clone());
    assert_eq!(words.as_deref(), Some("the pod was deleted"), "that we did so is no news");
    assert_eq!(world.decide().urgency, Urgency::Unchanged, "as was to be expected");
    world.wait(40);
    assert_eq!(world.decide().urgency, Urgency::Lazy);
    world.status = world.decide().status;
    let words = "due by 1970-01-01T00:17:10Z, and its node has to say so, or to be removed";
    assert_eq!(waiting(&world), Some(format!("{words}: pod {pod} to end")));
    assert!(world.status.message.starts_with("stopping a; a: Node: due by "), "{}", world.status.message);
}
