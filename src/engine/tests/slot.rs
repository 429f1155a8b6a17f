//! Slots: what a run does when its workflow lets only so many run at the same time.

use jiff::Timestamp;
use serde_json::json;

use super::world::{World, spec};
use crate::api::{ConcurrencyStatus, RunPhase, RunRetry, WhenFull, WorkflowSpec};
use crate::engine::{Peer, Peers, Standing, Told, Turn};

pub(super) fn workflow(concurrency: &serde_json::Value) -> WorkflowSpec {
    let mut workflow = serde_json::to_value(spec(&[("a", &[])])).unwrap();
    workflow["concurrency"] = concurrency.clone();
    workflow["params"] = json!([{ "name": "region", "type": "string", "default": "emea" }]);
    workflow["finally"] = serde_json::to_value(spec(&[("x", &[])]).tasks).unwrap();
    serde_json::from_value(workflow).unwrap()
}

fn world(concurrency: &serde_json::Value) -> World {
    World::of(&workflow(concurrency))
}

/// A peer in words: its name, its priority, how many seconds later than the run of the tests it was created, its key, and
/// what it has: `slot`, `stopping`, `claim`, `waits`, `suspended`.
fn peer(text: &str, when_full: WhenFull) -> Peer {
    let words: Vec<&str> = text.split(' ').collect();
    let [name, priority, later, key, has] = words[..] else { panic!("{text}") };
    let created = Timestamp::from_second(1_000 + later.parse::<i64>().unwrap()).ok();
    let waits = |claimed, asks| Standing::Waits { claimed, asks, max: 1, when_full };
    let standing = match has {
        "slot" => Standing::Holds { goes_on: true },
        "stopping" => Standing::Holds { goes_on: false },
        "claim" => waits(true, true),
        "waits" => waits(false, true),
        "suspended" => waits(false, false),
        _ => panic!("{text}"),
    };
    let key = Some(key).filter(|key| *key != "-").map(str::to_owned);
    Peer { turn: Turn::new(priority.parse().unwrap(), created, name), key, standing }
}

/// What becomes of a queued run among these peers, as it is known for sure: `claims`, `starts`, `gives back`, `waits` or `ends`.
fn becomes(concurrency: &serde_json::Value, claimed: bool, peers: &[&str]) -> &'static str {
    let mut world = world(concurrency);
    // It enters the queue while all slots are taken.
    world.peers.all = vec![peer("other 0 -9 - slot", WhenFull::Queue); 1_000];
    world.round();
    let own = world.status.concurrency.as_mut().unwrap();
    own.claimed = claimed;
    let when_full = own.when_full;
    world.peers = Peers { all: peers.iter().map(|text| peer(text, when_full)).collect(), live: true };
    let decision = world.decide();
    let after = decision.status.concurrency.as_ref().unwrap().claimed;
    match (decision.status.phase, claimed, after) {
        (RunPhase::Running, ..) => "starts",
        (RunPhase::Cancelled, ..) => "ends",
        (RunPhase::Queued, false, true) => "claims",
        (RunPhase::Queued, true, false) => "gives back",
        (RunPhase::Queued, ..) => "waits",
        other => panic!("{other:?}"),
    }
}

#[test]
#[rustfmt::skip]
fn what_becomes_of_a_queued_run() {
    let (queue, two) = (json!({ "max": 1 }), json!({ "max": 2 }));
    let (reject, oldest) = (json!({ "max": 1, "whenFull": "Reject" }), json!({ "max": 1, "whenFull": "CancelOldest" }));
    let keyed = json!({ "max": 1, "key": "params.region" });
    for (concurrency, claimed, peers, becomes_so) in [
        // A slot is free: it is claimed first.
        (&queue, false, &[][..], "claims"),
        (&queue, true, &[], "starts"),
        // It is taken, also by what is stopping.
        (&queue, false, &["p 0 -1 - slot"], "waits"),
        (&queue, false, &["p 0 -1 - stopping"], "waits"),
        (&queue, true, &["p 0 1 - slot"], "gives back"),
        (&two, false, &["p 0 -1 - slot"], "claims"),
        (&two, true, &["p 0 -1 - slot"], "starts"),
        (&two, false, &["p 0 -1 - slot", "q 0 -1 - slot"], "waits"),
        // Others wait: priority, age, name.
        (&queue, false, &["p 0 -1 - waits"], "waits"),
        (&queue, false, &["p 0 1 - waits"], "claims"),
        (&queue, false, &["p 1 1 - waits"], "waits"),
        (&queue, false, &["p -1 -1 - waits"], "claims"),
        (&queue, false, &["a 0 0 - waits"], "waits"),
        (&queue, false, &["z 0 0 - waits"], "claims"),
        (&queue, false, &["p 5 -1 - suspended"], "claims"),
        (&two, false, &["p 1 0 - waits"], "claims"),
        (&two, false, &["p 1 0 - waits", "q 1 0 - waits"], "waits"),
        // Two have claimed the same slot: who comes later gives it back, and the first waits for that.
        (&queue, true, &["p 0 1 - claim"], "waits"),
        (&queue, true, &["p 0 -1 - claim"], "gives back"),
        (&queue, true, &["p 1 1 - claim"], "gives back"),
        (&queue, false, &["p 0 1 - claim"], "claims"),
        (&two, true, &["p 0 1 - claim"], "starts"),
        (&two, true, &["p 0 1 - claim", "q 0 2 - claim"], "waits"),
        // It has claimed, and one that comes first waits.
        (&queue, true, &["p 1 1 - waits"], "gives back"),
        // Only those of the same key count, and those without one.
        (&keyed, false, &["p 0 -1 apac slot"], "claims"),
        (&keyed, true, &["p 0 -1 apac slot", "q 0 -1 apac claim"], "starts"),
        (&keyed, false, &["p 0 -1 emea slot"], "waits"),
        (&keyed, false, &["p 0 -1 - slot"], "waits"),
        (&queue, false, &["p 0 -1 apac slot"], "waits"),
        // Reject.
        (&reject, false, &["p 0 -1 - slot"], "ends"),
        (&reject, false, &["p 0 -1 - claim"], "ends"),
        (&reject, true, &["p 0 -1 - claim"], "ends"),
        (&reject, false, &["p 0 1 - waits"], "claims"),
        // CancelOldest keeps the newest.
        (&oldest, false, &["p 0 -1 - slot"], "waits"),
        (&oldest, false, &["p 0 -9 - stopping", "q 0 -1 - waits"], "waits"),
        (&oldest, false, &["p 0 -9 - stopping", "q 0 1 - waits"], "ends"),
        (&oldest, false, &["q 0 1 - waits"], "claims"),
    ] {
        assert_eq!(becomes(concurrency, claimed, peers), becomes_so, "{concurrency} claimed: {claimed} {peers:?}");
    }
}

#[test]
#[rustfmt::skip]
fn who_has_to_make_room() {
    for (max, peers, stops) in [
        (1, &["n 0 5 - waits"][..], true),
        (1, &["n 0 5 - suspended"], false),
        (1, &["n 0 5 - claim"], false),
        (1, &["n 0 5 apac waits"], false),
        // There is room already, or there will be.
        (2, &["n 0 5 - waits"], false),
        (2, &["p 0 -5 - stopping", "n 0 5 - waits"], false),
        // The oldest goes, whatever its priority.
        (2, &["p 0 -5 - slot", "n 0 5 - waits"], false),
        (2, &["p 0 3 - slot", "n 0 5 - waits"], true),
        (2, &["p 9 -5 - slot", "n 0 5 - waits"], false),
        // The limit has become smaller.
        (1, &["p 0 -5 - slot", "n 0 5 - waits"], true),
    ] {
        let mut world = world(&json!({ "max": max, "whenFull": "CancelOldest", "key": "params.region" }));
        world.peers.live = true;
        world.settle();
        let waiting = |text: &&str| {
            let mut peer = peer(text, WhenFull::CancelOldest);
            if let Standing::Waits { max: of, .. } = &mut peer.standing {
                *of = max;
            }
            peer
        };
        world.peers.all = peers.iter().map(waiting).collect();
        world.settle();
        assert_eq!(world.status.phase == RunPhase::Stopping, stops, "{max} {peers:?}: {}", world.story());
    }
}

#[test]
fn a_run_of_its_whole_life() {
    let mut world = world(&json!({ "max": 1, "whenFull": "CancelOldest", "key": "params.region" }));
    world.peers.all = vec![peer("p 0 -1 - slot", WhenFull::Queue)];
    let decision = world.round();
    assert_eq!((world.status.phase, decision.effects.len()), (RunPhase::Queued, 0));
    let words = "waits for a slot: at most 1 run of `` with the key `emea` at the same time, as the workflow was";
    assert!(world.status.message.starts_with(words), "{}", world.status.message);
    assert!(world.status.revision.is_some() && world.status.params.is_some() && world.status.started_at.is_none());
    world.wait(60);
    world.peers.all.clear();
    let claim = world.round();
    assert_eq!(claim.wake_at, Some(world.now), "it looks again at once");
    assert!(world.status.concurrency.as_ref().unwrap().claimed);
    assert_eq!(world.round().status.phase, RunPhase::Queued, "the cache isn't enough");
    world.peers.live = true;
    world.settle();
    assert_eq!(world.story(), "Running a:Starting x:Pending[Dependency the end of all tasks]");
    assert_eq!(world.status.started_at.as_ref().map(|at| at.0), Some(world.now), "its time begins now");
    assert!(!world.status.concurrency.as_ref().unwrap().claimed);
    world.peers.all = vec![peer("n 0 5 emea waits", WhenFull::CancelOldest)];
    world.settle();
    assert_eq!(
        world.story(),
        "Stopping(ConcurrencyLimit) a:Stopping(ConcurrencyLimit) x:Pending[Dependency the end of all tasks]"
    );
    world.end("a", 143);
    world.settle();
    assert_eq!(world.story(), "Stopping(ConcurrencyLimit) a:Cancelled(ConcurrencyLimit) x:Starting");
    world.end("x", 0);
    world.settle();
    assert_eq!(world.story(), "Cancelled(ConcurrencyLimit) a:Cancelled(ConcurrencyLimit) x:Succeeded");
    assert_eq!(world.status.message, "cancelled to make room for a newer run (concurrency.whenFull is CancelOldest)");
}

#[test]
fn what_comes_after_the_last_main_task_is_let_finish() {
    let mut world = world(&json!({ "max": 1, "whenFull": "CancelOldest" }));
    world.peers.live = true;
    world.settle();
    world.end("a", 0);
    world.settle();
    world.peers.all = vec![peer("n 0 5 - waits", WhenFull::CancelOldest)];
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded x:Starting");
}

#[test]
fn a_queued_run_can_be_cancelled_and_suspended() {
    let mut world = world(&json!({ "max": 1 }));
    world.peers.live = true;
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.status.phase, RunPhase::Queued, "it asks for no slot");
    assert_eq!(world.status.message, "spec.suspend is true; set it to false to wait for a slot");
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.status.phase, RunPhase::Running);

    let mut world = self::world(&json!({ "max": 1 }));
    world.peers = Peers { all: vec![peer("p 0 -1 - slot", WhenFull::Queue)], live: true };
    world.settle();
    world.cancel();
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested)", "nothing of it runs");
}

#[test]
fn a_rejected_run_says_so() {
    let mut world = world(&json!({ "max": 2, "whenFull": "Reject" }));
    world.peers = Peers { all: vec![peer("p 0 -1 - slot", WhenFull::Queue); 2], live: true };
    world.settle();
    assert_eq!(world.story(), "Cancelled(ConcurrencyLimit)");
    assert_eq!(
        world.status.message,
        "no slot was free: 2 runs at the same time (concurrency.whenFull is Reject); make a new run later"
    );
    assert!(world.made.is_empty());
}

#[test]
fn a_key_without_a_value_fails_the_run() {
    let mut world = world(&json!({ "max": 1, "key": "string(1 / (size(params.region) - 4))" }));
    world.settle();
    assert_eq!(world.story(), "Failed(InvalidParams)");
    assert!(world.status.message.starts_with("concurrency.key: concurrency.key: "), "{}", world.status.message);
}

#[test]
fn what_a_run_tells_its_peers() {
    let own = ConcurrencyStatus { key: Some("k".into()), max: 3, when_full: WhenFull::Reject, claimed: true };
    let told = |phase, deleting, held_back, concurrency| {
        Peer::of(&Told { name: "r", created: None, deleting, priority: 0, held_back, phase, concurrency })
            .map(|peer| peer.standing)
    };
    let waits = |asks| Some(Standing::Waits { claimed: true, asks, max: 3, when_full: WhenFull::Reject });
    for (phase, deleting, held_back, concurrency, standing) in [
        (RunPhase::Pending, false, false, None, None),
        (RunPhase::Queued, false, false, Some(&own), waits(true)),
        (RunPhase::Queued, false, true, Some(&own), waits(false)),
        (RunPhase::Queued, true, false, Some(&own), waits(false)),
        (RunPhase::Running, false, false, Some(&own), Some(Standing::Holds { goes_on: true })),
        (RunPhase::Suspended, false, true, Some(&own), Some(Standing::Holds { goes_on: true })),
        (RunPhase::Running, true, false, Some(&own), Some(Standing::Holds { goes_on: false })),
        (RunPhase::Stopping, false, false, Some(&own), Some(Standing::Holds { goes_on: false })),
        // One of a revision without a concurrency has a slot as well.
        (RunPhase::Running, false, false, None, Some(Standing::Holds { goes_on: true })),
        (RunPhase::Succeeded, false, false, Some(&own), None),
    ] {
        assert_eq!(told(phase, deleting, held_back, concurrency), standing, "{phase:?} {deleting} {held_back}");
    }
}

/// A run that failed and is to go on, while another one has the only slot.
fn queued_again() -> World {
    let mut world = world(&json!({ "max": 1 }));
    world.peers.live = true;
    world.settle();
    world.end("a", 1);
    world.settle();
    world.end("x", 0);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode) x:Succeeded");
    world.spec.retry = Some(RunRetry { generation: 1, ..RunRetry::default() });
    world.peers.all = vec![peer("p 0 -1 - slot", WhenFull::Queue)];
    world.wait(60);
    world.settle();
    assert_eq!(world.story(), "Queued a:Pending x:Pending");
    assert_eq!(world.made.len(), 2, "no pod without a slot");
    world
}

#[test]
fn the_next_generation_of_a_run_waits_for_a_slot_again() {
    let mut world = queued_again();
    let started = world.status.started_at.clone();
    world.peers.all.clear();
    world.settle();
    assert!(world.story().starts_with("Running a:Starting"), "{}", world.story());
    assert_eq!((world.made.len(), &world.status.started_at), (3, &started), "it began long ago");
}

#[test]
fn a_cancel_in_the_queue_is_of_its_own_generation_and_nothing_runs_again() {
    let mut world = queued_again();
    world.cancel();
    world.settle();
    assert_eq!(world.status.phase, RunPhase::Queued, "that one was of the generation before");
    world.spec.cancel.as_mut().unwrap().generation = 1;
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested) x:Cancelled(CancelRequested)");
    assert_eq!(world.made.len(), 2);
}
