//! Volume claims: on record before they are made, there before the first pod that mounts them, and made once.

use serde_json::json;

use super::world::{World, spec};
use crate::api::{Reason, TaskPhase, VolumeClaim, WaitKind, WorkflowSpec};
use crate::engine::{ClaimSight, Effect, Refusal, RefusalKind, Urgency};
use crate::plan::claim_name;

/// `a` and `b` mount the claim, `c` needs `a`, and `d` needs nothing and mounts nothing.
fn workflow() -> WorkflowSpec {
    let mut workflow = spec(&[("a", &[]), ("b", &[]), ("c", &["a"]), ("d", &[])]);
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    workflow.volume_claims = vec![VolumeClaim { name: "work".into(), spec: claim.as_object().cloned().unwrap() }];
    let mounts = json!([{ "name": "work", "mountPath": "/work" }]);
    let template = json!({ "spec": { "containers": [{ "name": "main", "volumeMounts": mounts }] } });
    for task in workflow.tasks.iter_mut().take(2) {
        task.pod_template = template.as_object().cloned();
    }
    workflow
}

fn name() -> String {
    claim_name("run", "uid", "work")
}

fn is_claim(effect: &Effect) -> bool {
    matches!(effect, Effect::CreateClaim { claim: 0, name: found } if *found == name())
}

/// A world in which nothing has been done yet.
fn begun() -> World {
    let mut world = World::of(&workflow());
    let decision = world.decide();
    world.status = decision.status;
    world
}

fn refuse(world: &mut World, kind: RefusalKind) {
    let retry_at = world.now.checked_add(jiff::SignedDuration::from_secs(5)).unwrap();
    let refusal = Refusal { kind, message: "the server's words".into(), retry_at };
    world.claims.insert(name(), ClaimSight::Refused(refusal));
}

#[test]
fn a_claim_is_on_record_before_it_is_made_and_there_before_the_first_pod() {
    let mut world = World::of(&workflow());
    let decision = world.round();
    assert_eq!(decision.urgency, Urgency::Urgent);
    let on_record = &decision.status.volume_claims;
    assert_eq!(on_record.len(), 1);
    assert_eq!((on_record[0].name.as_str(), &on_record[0].claim, &on_record[0].uid), ("work", &name(), &None));
    assert_eq!(decision.effects.iter().filter(|it| is_claim(it)).count(), 1, "once, though two tasks mount it");
    let waits = format!("[PodConfig volume claim {} to be made]", name());
    assert_eq!(
        world.story(),
        format!("Running a:Pending{waits} b:Pending{waits} c:Pending[Dependency a] d:Starting"),
        "who doesn't mount it doesn't wait for it"
    );

    let decision = world.round();
    assert_eq!(decision.status.volume_claims[0].uid, Some(format!("uid-{}", name())));
    assert!(!decision.effects.iter().any(is_claim), "it exists");
    assert!(world.story().starts_with("Running a:Starting b:Starting"), "{}", world.story());
}

#[test]
fn nothing_is_made_while_nothing_is_known_of_a_claim() {
    for (sight, made) in [
        (None, false),
        (Some(ClaimSight::Creating), false),
        (Some(ClaimSight::Absent), true),
        (Some(ClaimSight::Exists { uid: "u".into() }), false),
    ] {
        let mut world = begun();
        world.claims.extend(sight.clone().map(|sight| (name(), sight)));
        let effects = world.decide().effects;
        assert_eq!(effects.iter().any(is_claim), made, "{sight:?}");
    }
}

#[test]
fn a_refusal_is_waited_out_or_fails_what_mounts_the_claim() {
    for (kind, expected) in [
        (RefusalKind::Quota, "a:Pending[Quota the server's words]"),
        (RefusalKind::Admission, "a:Pending[Admission the server's words]"),
        (RefusalKind::Invalid, "a:Failed(VolumeClaimInvalid)"),
        (RefusalKind::NameClash, "a:Failed(NameClash)"),
        (RefusalKind::NamespaceTerminating, "a:Failed(NamespaceTerminating)"),
    ] {
        let mut world = begun();
        refuse(&mut world, kind);
        let decision = world.round();
        assert!(world.story().contains(expected), "{kind:?}: {}", world.story());
        assert!(!decision.effects.iter().any(is_claim), "not before its time");
        let is_failed = world.status.tasks[0].phase == TaskPhase::Failed;
        assert_eq!(world.status.tasks[0].attempts, [], "it costs no attempt");
        assert_eq!(decision.wake_at.is_some(), !is_failed);
        world.wait(5);
        assert_eq!(world.decide().effects.iter().any(is_claim), !is_failed, "{kind:?}");
    }
}

#[test]
fn a_claim_is_made_only_as_long_as_something_may_need_it() {
    let mut world = begun();
    world.claims.insert(name(), ClaimSight::Absent);
    world.spec.suspend = true;
    assert!(!world.decide().effects.iter().any(is_claim), "suspended");
    world.spec.suspend = false;
    assert!(world.decide().effects.iter().any(is_claim));
    world.cancel();
    assert!(!world.decide().effects.iter().any(is_claim), "cancelled");
}

#[test]
fn a_claim_that_was_there_is_never_made_again() {
    let mut world = World::of(&workflow());
    world.settle();
    world.claims.insert(name(), ClaimSight::Absent);
    world.end("a", 1);
    world.end("b", 0);
    let decision = world.round();
    assert!(!decision.effects.iter().any(is_claim));
    assert_eq!(world.status.tasks[0].reason, Some(Reason::ExitCode));
}

#[test]
fn all_items_wait_for_the_claim_that_they_mount() {
    let mut workflow = workflow();
    workflow.tasks.truncate(1);
    workflow.tasks[0].for_each = serde_json::from_value(json!({ "values": [1, 2, 3] })).unwrap();
    let mut world = World::of(&workflow);
    let decision = world.round();
    assert_eq!(decision.effects.iter().filter(|it| is_claim(it)).count(), 1);
    assert!(!decision.effects.iter().any(|it| matches!(it, Effect::Create { .. })));
    let waiting = world.status.tasks[0].waiting_for.clone().map(|waiting| waiting.kind);
    assert_eq!(waiting, Some(WaitKind::PodConfig));
    let decision = world.round();
    assert_eq!(decision.effects.iter().filter(|it| matches!(it, Effect::Create { .. })).count(), 3);
}

#[test]
fn who_waits_for_a_claim_says_since_when() {
    let mut world = begun();
    refuse(&mut world, RefusalKind::Quota);
    world.round();
    let since = world.now;
    world.wait(3);
    world.round();
    let waiting = world.status.tasks[0].waiting_for.clone().unwrap();
    assert_eq!((waiting.kind, waiting.since.0), (WaitKind::Quota, since));
}
