//! Tasks that are an object of any kind, step by step.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::world::{World, new_resource};
use crate::api::{Task, WorkflowSpec};
use crate::engine::{Effect, Refusal, RefusalKind, Sight};
use crate::plan::Granted;

/// A workflow whose task `a` is an object, and `b` a container after it.
fn spec(more: &Value) -> WorkflowSpec {
    let mut a = json!({
        "name": "a",
        "resource": {
            "manifest": {"apiVersion": "example.org/v1", "kind": "Fetch", "spec": {"url": "x"}},
            "set": [{"path": "/spec/attempt", "expr": "attempt"}],
            "success": "object.status.phase == 'Done'",
            "failure": "object.status.phase == 'Broken'",
            "outputs": [{"name": "bytes", "expr": "object.status.bytes", "type": "int"}],
        },
    });
    a.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let a: Task = serde_json::from_value(a).unwrap();
    let b = Task { name: "b".into(), image: Some("i".into()), needs: vec!["a".into()], ..Task::default() };
    WorkflowSpec { tasks: vec![a, b], ..WorkflowSpec::default() }
}

fn world(more: &Value) -> World {
    let mut world = World::of(&spec(more));
    world.settle();
    world
}

fn says(world: &mut World, status: &Value) {
    world.resource("a").object = Ok(json!({ "status": status }).to_string().into());
    world.settle();
}

fn refuse(world: &mut World, kind: RefusalKind, words: &str) {
    world.resources.clear();
    let name = world.status.tasks[0].attempts[0].object().to_owned();
    let refusal = Refusal { kind, message: words.into(), retry_at: Timestamp::MAX };
    world.resources.insert(name, Sight::Refused(refusal));
    world.settle();
}

#[test]
fn the_intent_is_on_record_before_the_object_is_made() {
    let mut world = World::of(&spec(&json!({})));
    let decision = world.decide();
    let attempt = &decision.status.tasks[0].attempts[0];
    let resource = attempt.resource.clone().unwrap();
    assert_eq!((resource.api_version.as_str(), resource.kind.as_str()), ("example.org/v1", "Fetch"));
    assert!(resource.name.starts_with("run-a-1-") && attempt.pod.is_empty() && attempt.uid.is_none());
    let manifest = json!({"apiVersion": "example.org/v1", "kind": "Fetch", "spec": {"url": "x", "attempt": 1}});
    let manifest = manifest.as_object().cloned().unwrap();
    let name = resource.name.clone();
    let create = Effect::CreateResource { task: 0, item: None, attempt: 1, resource: name, manifest };
    assert_eq!(decision.effects, [create]);
    let waits = decision.status.tasks[0].waiting_for.as_ref().map(|it| it.detail.clone());
    assert_eq!(waits, Some(format!("Fetch {} to be made", resource.name)));
    world.settle();
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
    assert_eq!(world.status.tasks[0].attempts[0].uid, Some(format!("uid-{}", resource.name)));
}

/// What an object says, and what comes of it.
#[test]
fn what_an_object_comes_to() {
    for (says_so, story, message) in [
        (json!({}), "Running a:Running b:Pending[Dependency a]", ""),
        (json!({"phase": null}), "Running a:Running b:Pending[Dependency a]", ""),
        (json!({"phase": "Busy"}), "Running a:Running b:Pending[Dependency a]", ""),
        (json!({"phase": "Done", "bytes": 7}), "Running a:Succeeded b:Starting", ""),
        (
            json!({"phase": "Done"}),
            "Failed(TaskFailed) a:Failed(OutputMissing) b:UpstreamFailed",
            "OutputMissing: output bytes: ",
        ),
        (
            json!({"phase": "Done", "bytes": null}),
            "Failed(TaskFailed) a:Failed(OutputMissing) b:UpstreamFailed",
            "OutputMissing: output bytes: it is null",
        ),
        (
            json!({"phase": "Done", "bytes": "7"}),
            "Failed(TaskFailed) a:Failed(OutputInvalid) b:UpstreamFailed",
            "OutputInvalid: output bytes is a string, and its type is int",
        ),
        (
            json!({"phase": "Broken"}),
            "Failed(TaskFailed) a:Failed(ResourceFailed) b:UpstreamFailed",
            "its object failed: failure holds: object.status.phase == 'Broken'",
        ),
        (
            json!({"phase": "Broken", "message": "disk full"}),
            "Failed(TaskFailed) a:Failed(ResourceFailed) b:UpstreamFailed",
            "its object failed: disk full",
        ),
        (
            json!({"phase": "Broken", "conditions": [{"type": "A", "status": "False", "message": "no"}, {"type": "Failed", "status": "True", "reason": "BackoffLimitExceeded", "message": "it has reached its limit"}]}),
            "Failed(TaskFailed) a:Failed(ResourceFailed) b:UpstreamFailed",
            "its object failed: BackoffLimitExceeded: it has reached its limit",
        ),
        (
            json!(7),
            "Failed(TaskFailed) a:Failed(ExpressionError) b:UpstreamFailed",
            "ExpressionError: tasks[0].resource.failure: task `a`: failure: ",
        ),
    ] {
        let mut world = world(&json!({}));
        says(&mut world, &says_so);
        assert_eq!(world.story(), story, "{says_so}");
        assert!(world.status.tasks[0].message.starts_with(message), "{says_so}: {}", world.status.tasks[0].message);
    }
}

#[test]
fn outputs_are_read_by_others() {
    let mut world = world(&json!({}));
    says(&mut world, &json!({"phase": "Done", "bytes": 7}));
    assert_eq!(serde_json::to_value(&world.status.tasks[0].outputs).unwrap(), json!({"bytes": 7}));
    assert!(matches!(world.resources[&world.made[0]], Sight::Resource(_)), "the object stays");
}

#[test]
fn failure_counts_first() {
    let mut spec = spec(&json!({}));
    spec.tasks[0].resource.as_mut().unwrap().success = "object.status.phase != ''".into();
    let mut world = World::of(&spec);
    world.settle();
    says(&mut world, &json!({"phase": "Broken"}));
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ResourceFailed) b:UpstreamFailed");
}

#[test]
fn an_object_that_fails_costs_a_retry_which_makes_another_one() {
    let mut world = world(&json!({"retry": {"limit": 1, "backoff": {"initial": "10s", "jitterPercent": 0}}}));
    says(&mut world, &json!({"phase": "Broken"}));
    assert!(world.story().starts_with("Running a:Backoff(ResourceFailed)"), "{}", world.story());
    world.wait(10);
    world.settle();
    assert_eq!((world.made.len(), world.made[1].contains("-a-2-")), (2, true), "{:?}", world.made);
    let object: Value = serde_json::from_str(world.resource("a").object.as_ref().unwrap()).unwrap();
    assert_eq!(object["spec"]["attempt"], 2, "its values follow the attempt");
    assert!(matches!(world.resources[&world.made[0]], Sight::Resource(_)), "the first one stays");
}

#[test]
fn what_cannot_be_read_is_said_and_deleted() {
    let deep = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
    for (object, words) in [
        (Err("the object has 300000 bytes".to_owned()), "the object has 300000 bytes"),
        (Ok(deep.into()), "the object can't be read: recursion limit exceeded at line 1 column 636"),
    ] {
        let mut world = world(&json!({}));
        world.resource("a").object = object;
        world.settle();
        assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ResourceUnreadable) b:UpstreamFailed");
        assert_eq!(world.status.message, format!("a: ResourceUnreadable: {words}"));
        assert_eq!(world.resources[&world.made[0]], Sight::Absent);
    }
}

#[test]
fn conditions_see_of_what_kind_the_object_is() {
    let mut spec = spec(&json!({}));
    let resource = spec.tasks[0].resource.as_mut().unwrap();
    resource.success = "object.apiVersion == 'example.org/v1' && object.kind == 'Fetch'".into();
    resource.outputs.clear();
    let mut world = World::of(&spec);
    world.settle();
    says(&mut world, &json!({}));
    assert_eq!(world.story(), "Running a:Succeeded b:Starting", "though lists leave it out");
}

#[test]
fn an_object_that_someone_deleted_was_disrupted() {
    let mut world = world(&json!({"retry": {"disruptions": 1}}));
    world.resource("a").deleting = true;
    world.settle();
    assert_eq!(world.made.len(), 1, "it may go on for a while");
    for _ in 0..2 {
        let newest = world.made.last().unwrap().clone();
        world.resources.insert(newest, Sight::Absent);
        world.settle();
    }
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#2(TooManyDisruptions) b:UpstreamFailed");
    assert_eq!(
        world.status.message,
        "a: disrupted too often; the last time: ResourceDeleted on attempt 2: the object is gone: someone deleted it"
    );
}

#[test]
fn another_object_of_the_name_is_not_the_attempts_own_and_goes() {
    let mut world = world(&json!({}));
    world.resource("a").uid = "another".into();
    let decision = world.round();
    assert_eq!(decision.status.tasks[0].attempts[0].message, "the object is gone: someone deleted it");
    let of_another = |effect: &Effect| matches!(effect, Effect::DeleteResource { uid, .. } if uid == "another");
    assert!(
        decision.effects.iter().any(of_another),
        "it belongs to the run, and to no attempt: {:?}",
        decision.effects
    );
}

#[test]
fn an_object_that_no_attempt_names_is_deleted() {
    let mut world = world(&json!({}));
    let stray = new_resource("stray", "a", None, &json!({}), world.now);
    world.resources.insert("stray".into(), Sight::Resource(stray));
    world.settle();
    assert_eq!(world.resources["stray"], Sight::Absent);
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
}

#[test]
fn a_cancelled_run_deletes_its_object_and_waits_for_that() {
    let mut world = world(&json!({}));
    world.cancel();
    let decision = world.round();
    let resource = world.status.tasks[0].attempts[0].resource.clone().unwrap();
    let stopping = "Stopping(CancelRequested) a:Stopping(CancelRequested)";
    let waits = format!("Resource Fetch {} to be gone", resource.name);
    assert_eq!(world.story(), format!("{stopping}[{waits}] b:Cancelled(CancelRequested)"));
    let uid = format!("uid-{}", resource.name);
    assert_eq!(decision.effects, [Effect::DeleteResource { resource, uid }]);
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Cancelled(CancelRequested) b:Cancelled(CancelRequested)");
}

#[test]
fn what_succeeds_while_it_is_stopped_has_succeeded() {
    let mut world = world(&json!({}));
    world.cancel();
    world.status = world.decide().status;
    world.resource("a").object = Ok(json!({"status": {"phase": "Done", "bytes": 1}}).to_string().into());
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested) a:Succeeded b:Cancelled(CancelRequested)");
    assert!(matches!(world.resources[&world.made[0]], Sight::Resource(_)), "it stays");
}

#[test]
fn an_object_that_takes_too_long_is_deleted_before_the_next_one_is_made() {
    let retry = json!({"limit": 1, "backoff": {"initial": "0s"}});
    let mut world = world(&json!({"timeout": "30s", "retry": retry}));
    world.wait(30);
    let decision = world.decide();
    world.status = decision.status;
    assert!(world.story().starts_with("Running a:Stopping(TimedOut)"), "{}", world.story());
    // That it fails meanwhile is no news, and it is deleted all the same.
    world.resource("a").object = Ok(json!({"status": {"phase": "Broken"}}).to_string().into());
    world.status = world.decide().status;
    let decision = world.decide();
    assert_eq!(
        world.story(),
        format!("Running a:Backoff(TimedOut)[Resource Fetch {} to be gone] b:Pending[Dependency a]", world.made[0])
    );
    assert!(matches!(decision.effects[..], [Effect::DeleteResource { .. }]), "{:?}", decision.effects);
    world.settle();
    assert_eq!((world.made.len(), &world.resources[&world.made[0]]), (2, &Sight::Absent));
}

#[test]
fn an_object_that_came_to_be_after_its_attempt_was_given_up_is_deleted() {
    let mut world = World::of(&spec(&json!({})));
    world.status = world.decide().status;
    refuse(&mut world, RefusalKind::Quota, "no room");
    world.cancel();
    world.settle();
    assert!(world.story().starts_with("Cancelled(CancelRequested) a:Cancelled"), "{}", world.story());
    let name = world.status.tasks[0].attempts[0].object().to_owned();
    let late = new_resource(&name, "a", None, &json!({"status": {"phase": "Done"}}), world.now);
    world.resources.insert(name.clone(), Sight::Resource(late));
    world.settle();
    assert_eq!(world.resources[&name], Sight::Absent);
}

/// Each refusal of a create, and what the run says of it.
#[test]
fn what_refusals_come_to() {
    for (kind, story) in [
        (RefusalKind::Quota, "Running a:Starting[Quota words] b:Pending[Dependency a]"),
        (RefusalKind::Admission, "Running a:Starting[Admission words] b:Pending[Dependency a]"),
        (RefusalKind::Unreviewed, "Running a:Starting[Resource words] b:Pending[Dependency a]"),
        (RefusalKind::NoSuchKind, "Running a:Starting[Resource words] b:Pending[Dependency a]"),
        (RefusalKind::NotPermitted, "Failed(TaskFailed) a:Failed(NotPermitted) b:UpstreamFailed"),
        (RefusalKind::Invalid, "Failed(TaskFailed) a:Failed(ResourceInvalid) b:UpstreamFailed"),
        (RefusalKind::NameClash, "Failed(TaskFailed) a:Failed(NameClash) b:UpstreamFailed"),
        (RefusalKind::NamespaceTerminating, "Failed(TaskFailed) a:Failed(NamespaceTerminating) b:UpstreamFailed"),
    ] {
        let mut world = World::of(&spec(&json!({"retry": {"limit": 3}})));
        world.status = world.decide().status;
        refuse(&mut world, kind, "words");
        assert_eq!(world.story(), story, "{kind:?}");
    }
}

#[test]
fn a_kind_that_is_not_granted_fails_without_an_attempt() {
    let mut world = World::of(&spec(&json!({})));
    world.granted = Granted::default();
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(KindNotGranted) b:UpstreamFailed");
    let words = "tasks may not make objects of the kind Fetch (example.org/v1) here: whoever installs Gantline grants it by the chart's value resourceTasks: [{apiVersion: example.org/v1, kind: Fetch, resource: <its plural>}]";
    assert_eq!(world.status.tasks[0].message, words);
    assert!(world.made.is_empty() && world.status.tasks[0].attempts.is_empty());
}

#[test]
fn a_kind_that_is_granted_no_more_ends_what_goes_on() {
    let mut world = world(&json!({}));
    world.granted = Granted::default();
    world.resources.clear();
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(KindNotGranted) b:UpstreamFailed");
}

#[test]
fn a_suspended_run_makes_no_object_and_the_time_of_one_goes_on() {
    let mut world = World::of(&spec(&json!({"timeout": "30s"})));
    world.spec.suspend = true;
    world.settle();
    assert!(world.made.is_empty());
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.made.len(), 1);
    world.spec.suspend = true;
    world.settle();
    world.wait(30);
    world.settle();
    assert_eq!(
        world.status.tasks[0].attempts[0].outcome,
        Some(crate::api::AttemptOutcome::Failed),
        "{}",
        world.story()
    );
}

/// The API server doesn't let the task's newest object be looked up.
fn hide(world: &mut World) {
    let name = world.status.tasks[0].attempts.last().unwrap().object().to_owned();
    world.resources.insert(name, Sight::Hidden("loads is forbidden".into()));
}

const TO_SEE: &str = "Admission a look at its Fetch, which fails: loads is forbidden; it is tried again";

#[test]
fn why_an_object_is_not_followed_is_told() {
    let mut world = World::of(&spec(&json!({"timeout": "30s"})));
    world.status = world.decide().status;
    // Nothing is judged of what isn't seen, its time neither.
    for (phase, once_seen) in
        [("Starting", "Running"), ("Running", "Stopping(TimedOut)[Resource Fetch NAME to be gone]")]
    {
        let name = world.status.tasks[0].attempts[0].object().to_owned();
        let facts = new_resource(&name, "a", None, &json!({}), world.now);
        hide(&mut world);
        world.wait(60);
        world.status = world.decide().status;
        assert_eq!(world.story(), format!("Running a:{phase}[{TO_SEE}] b:Pending[Dependency a]"));
        let message = "a: Admission: a look at its Fetch, which fails: loads is forbidden";
        assert!(world.status.message.starts_with(message), "{}", world.status.message);
        assert!(world.made.is_empty(), "nothing is made beside what may be there");
        world.resources.insert(name.clone(), Sight::Resource(facts));
        world.status = world.decide().status;
        let once_seen = once_seen.replace("NAME", &name);
        assert_eq!(world.story(), format!("Running a:{once_seen} b:Pending[Dependency a]"));
    }
    hide(&mut world);
    world.settle();
    assert_eq!(world.story(), format!("Running a:Stopping(TimedOut)[{TO_SEE}] b:Pending[Dependency a]"));
}

#[test]
fn an_object_that_is_seen_again_is_waited_for_no_more() {
    let mut world = world(&json!({"timeout": "30s"}));
    let seen = world.resource("a").clone();
    let name = seen.resource.name.clone();
    hide(&mut world);
    world.settle();
    assert_eq!(world.story(), format!("Running a:Running[{TO_SEE}] b:Pending[Dependency a]"));
    world.resources.insert(name.clone(), Sight::Resource(seen.clone()));
    world.settle();
    assert_eq!(world.story(), "Running a:Running b:Pending[Dependency a]");
    hide(&mut world);
    world.cancel();
    world.settle();
    let stopping = "Stopping(CancelRequested) a:Stopping(CancelRequested)";
    assert_eq!(world.story(), format!("{stopping}[{TO_SEE}] b:Cancelled(CancelRequested)"));
    assert!(
        world.status.message.starts_with("stopping a; a: Admission: a look at its Fetch"),
        "{}",
        world.status.message
    );
    world.resources.insert(name.clone(), Sight::Resource(seen));
    world.status = world.decide().status;
    assert_eq!(world.story(), format!("{stopping}[Resource Fetch {name} to be gone] b:Cancelled(CancelRequested)"));
}

#[test]
fn no_object_is_made_while_whether_the_last_one_is_gone_cannot_be_seen() {
    let retry = json!({"limit": 1, "backoff": {"initial": "0s"}});
    let mut world = world(&json!({"timeout": "30s", "retry": retry}));
    world.wait(30);
    world.status = world.decide().status;
    world.resource("a").object = Ok(json!({"status": {"phase": "Broken"}}).to_string().into());
    world.status = world.decide().status;
    hide(&mut world);
    world.settle();
    assert_eq!(world.story(), format!("Running a:Backoff(TimedOut)[{TO_SEE}] b:Pending[Dependency a]"));
    assert_eq!(world.made.len(), 1);
}

#[test]
fn items_are_objects_of_their_own() {
    let mut world = world(&json!({"forEach": {"values": ["x", "y"]}}));
    assert_eq!(world.made.len(), 2, "{}", world.story());
    for (name, bytes) in world.made.clone().iter().zip([1, 2]) {
        let Some(Sight::Resource(facts)) = world.resources.get_mut(name) else { panic!("{name}") };
        facts.object = Ok(json!({"status": {"phase": "Done", "bytes": bytes}}).to_string().into());
    }
    world.settle();
    assert_eq!(serde_json::to_value(&world.status.tasks[0].outputs).unwrap(), json!({"bytes": [1, 2]}));
}

#[test]
fn the_objects_of_items_that_run_again_stay() {
    let mut world = world(&json!({"forEach": {"values": ["x", "y"]}}));
    for sight in world.resources.values_mut() {
        let Sight::Resource(facts) = sight else { continue };
        facts.object = Ok(json!({"status": {"phase": "Done", "bytes": 1}}).to_string().into());
    }
    world.settle();
    world.end("b", 0);
    world.settle();
    assert_eq!(world.story_of_run(), "Succeeded");
    world.spec.retry = Some(serde_json::from_value(json!({"generation": 1, "tasks": ["a"]})).unwrap());
    world.settle();
    let of = |number: u32| {
        let is_such = |it: &&Sight| matches!(it, Sight::Resource(facts) if facts.attempt == number);
        world.resources.values().filter(is_such).count()
    };
    assert_eq!((of(1), of(2)), (2, 2), "{}", world.story());
}
