//! What is told of pods that are slow to start, or to end.

use super::world::World;
use crate::engine::{Hold, Urgency};

fn world() -> World {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.settle();
    world
}

#[test]
fn a_pod_that_does_not_start_is_told_of_after_a_minute_and_how_far_it_is() {
    for (hold, words) in [
        (Hold::Scheduler, "no scheduler has looked at it"),
        (Hold::Node("n".into()), "node n has not got its volumes and network ready"),
        (Hold::Containers("n".into()), "node n has not started its containers"),
    ] {
        let mut world = world();
        world.pod("a").hold = Some(hold);
        let wake = world.decide().wake_at.map(|at| at.duration_since(world.now).as_secs());
        assert_eq!(wake, Some(60));
        world.wait(59);
        let decision = world.decide();
        assert_eq!(decision.urgency, Urgency::Unchanged, "until then nothing is written");
        world.wait(1);
        assert_eq!(world.decide().urgency, Urgency::Lazy);
        world.settle();
        let pod = world.made[0].clone();
        let told = format!("Node pod {pod} to start: {words}");
        let story = world.story();
        assert!(
            story.starts_with(&format!("Running a:Starting[{told}")) && story.contains("kubectl describe pod"),
            "{story}"
        );
        assert!(
            world.status.message.starts_with(&format!("a: Node: pod {pod} to start: ")),
            "{}",
            world.status.message
        );
        world.wait(3_600);
        assert_eq!(world.decide().urgency, Urgency::Unchanged, "nor after that");
        world.start("a");
        world.settle();
        assert_eq!(
            (world.story().as_str(), world.status.message.as_str()),
            ("Running a:Running b:Pending[Dependency a]", "a running")
        );
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
    (world.pod("a").deleting, world.pod("a").ends_by) = (true, Some(by));
    assert_eq!(world.decide().urgency, Urgency::Unchanged, "as was to be expected");
    world.wait(40);
    assert_eq!(world.decide().urgency, Urgency::Lazy);
    world.status = world.decide().status;
    let words = "to end; it should have ended by 1970-01-01T00:17:10Z: it ends once its node says so, or is removed";
    assert_eq!(waiting(&world), Some(format!("pod {pod} {words}")));
    assert!(
        world.status.message.starts_with(&format!("stopping a; a: Node: pod {pod} to end")),
        "{}",
        world.status.message
    );
}
