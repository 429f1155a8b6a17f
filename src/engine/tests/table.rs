//! What is decided, case by case.

use super::world::{World, spec};
use crate::api::{AttemptOutcome, EnvVar, OutputDecl, Reason, ValueType, WaitKind, WorkflowRef};
use crate::engine::{Definition, Effect, MainState, PodPhase, Refusal, RefusalKind, Sight, Trouble, Urgency};

pub(super) const DIAMOND: &[(&str, &[&str])] = &[("a", &[]), ("b", &["a"]), ("c", &["a"]), ("d", &["b", "c"])];

#[test]
fn a_diamond_runs_in_order() {
    let mut world = World::new(DIAMOND);
    world.settle();
    assert_eq!(
        world.story(),
        "Running a:Starting b:Pending[Dependency a] c:Pending[Dependency a] d:Pending[Dependency b, c]"
    );
    world.start("a");
    world.settle();
    world.end("a", 0);
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Starting c:Starting d:Pending[Dependency b, c]");
    world.end("c", 0);
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Starting c:Succeeded d:Pending[Dependency b]");
    world.end("b", 0);
    world.settle();
    world.end("d", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded b:Succeeded c:Succeeded d:Succeeded");
    assert_eq!((world.status.progress.as_str(), world.status.message.as_str()), ("4/4", "4 tasks succeeded"));
    let conditions: Vec<_> = world.status.conditions.iter().map(|it| (it.type_.as_str(), it.status.as_str())).collect();
    assert_eq!(conditions, [("Succeeded", "True"), ("Finished", "True")]);
    assert!(world.status.duration.is_some());
}

#[test]
fn the_status_comes_before_the_pod() {
    let world = World::new(DIAMOND);
    let decision = world.decide();
    assert_eq!(decision.urgency, Urgency::Urgent);
    let [Effect::Create { pod, attempt: 1, .. }] = decision.effects.as_slice() else {
        panic!("{:?}", decision.effects)
    };
    assert_eq!(
        decision.status.tasks[0].attempts[0].pod, *pod,
        "the intent is in the very status that is written first"
    );
}

#[test]
fn a_failure_stops_what_needs_it_and_nothing_else() {
    let mut world = World::new(&[
        ("bad", &[]),
        ("good", &[]),
        ("after-bad", &["bad"]),
        ("after-good", &["good"]),
        ("both", &["after-bad", "good"]),
    ]);
    world.settle();
    world.end_with("bad", 2, "line one\nconnection refused\n");
    world.settle();
    world.end("good", 0);
    world.settle();
    assert_eq!(
        world.story(),
        "Running bad:Failed(ExitCode) good:Succeeded after-bad:UpstreamFailed after-good:Starting both:UpstreamFailed"
    );
    world.end("after-good", 0);
    world.settle();
    assert!(world.story().starts_with("Failed(TaskFailed)"));
    assert_eq!(world.status.message, "bad: exit code 2: connection refused");
    assert_eq!(world.status.progress, "3/5", "tasks that ran to an end");
}

#[test]
fn nothing_is_made_while_it_is_unknown_whether_it_exists() {
    let mut world = World::new(&[("a", &[])]);
    let decision = world.decide();
    world.status = decision.status;
    for (sight, creates) in [(None, 0), (Some(Sight::Creating), 0), (Some(Sight::Absent), 1)] {
        world.sights.clear();
        if let Some(sight) = sight.clone() {
            world.sights.insert(world.status.tasks[0].attempts[0].pod.clone(), sight);
        }
        let effects = world.decide().effects;
        assert_eq!(effects.len(), creates, "{sight:?}: {effects:?}");
    }
}

#[test]
fn refusals_wait_or_fail_but_cost_no_attempt() {
    let refusal = |kind| {
        Sight::Refused(Refusal {
            kind,
            message: "the server's words".into(),
            retry_at: jiff::Timestamp::from_second(1_030).unwrap(),
        })
    };
    for (kind, story) in [
        (RefusalKind::Quota, "Running a:Starting[Quota the server's words]"),
        (RefusalKind::Admission, "Running a:Starting[Admission the server's words]"),
        (RefusalKind::Invalid, "Failed(TaskFailed) a:Failed(PodInvalid)"),
        (RefusalKind::NameClash, "Failed(TaskFailed) a:Failed(NameClash)"),
        (RefusalKind::NamespaceTerminating, "Failed(TaskFailed) a:Failed(NamespaceTerminating)"),
    ] {
        let mut world = World::new(&[("a", &[])]);
        world.status = world.decide().status;
        let pod = world.status.tasks[0].attempts[0].pod.clone();
        world.sights.insert(pod, refusal(kind));
        let decision = world.decide();
        world.status = decision.status;
        assert_eq!(world.story(), story);
        if story.starts_with("Running") {
            assert!(decision.effects.is_empty());
            assert_eq!(decision.wake_at.unwrap().as_second(), 1_030);
            world.wait(30);
            let effects = world.decide().effects;
            assert!(matches!(effects.as_slice(), [Effect::Create { attempt: 1, .. }]), "{effects:?}");
        }
    }
}

#[test]
fn disruptions_are_made_good_within_their_budget() {
    let mut world = World::new(&[("a", &[])]);
    for attempt in 1..=6 {
        world.settle();
        assert_eq!(world.status.tasks[0].attempts.len(), attempt);
        world.drain("a");
        world.settle();
        world.wait(300);
    }
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed#6(TooManyDisruptions)");
    assert_eq!(world.made.len(), 6);
    assert!(world.status.tasks[0].attempts.iter().all(|it| it.outcome == Some(AttemptOutcome::Disrupted)));
}

#[test]
fn the_next_attempt_waits_until_the_last_pod_is_really_over() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.start("a");
    world.settle();
    world.drain("a");
    world.pod("a").phase = PodPhase::Running;
    world.settle();
    let drained = "Running a:Running[Node drained; pod run-a-1-pj2z43c5sk to end]";
    assert_eq!(world.story(), drained, "it is being drained, and still runs");
    world.pod("a").condemned = true;
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2");
}

#[test]
fn a_pod_that_vanished_was_lost_and_a_foreign_one_in_its_place_is_left_alone() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.settle();
    let name = world.status.tasks[0].attempts[0].pod.clone();
    assert!(world.status.tasks[0].attempts[0].uid.is_some());
    world.sights.insert(name, Sight::Absent);
    world.settle();
    assert_eq!(world.status.tasks[0].attempts[0].reason, Some(Reason::PodLost));
    assert_eq!(world.story(), "Running a:Starting#2");
}

#[test]
fn a_pod_of_the_run_that_no_attempt_names_is_removed() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.sights.insert("stray".into(), Sight::Pod(super::world::new_pod("stray", "a", 7).into()));
    let effects = world.decide().effects;
    let stray = |effect: &Effect| match effect {
        Effect::Release { pod, .. } | Effect::Delete { pod, .. } => pod == "stray",
        Effect::Create { .. }
        | Effect::CreateRun { .. }
        | Effect::CreateResource { .. }
        | Effect::DeleteResource { .. }
        | Effect::CreateClaim { .. }
        | Effect::Clear { .. }
        | Effect::DeleteRun => false,
    };
    assert_eq!(effects.iter().filter(|effect| stray(effect)).count(), 2, "{effects:?}");
}

#[test]
fn a_workflow_may_come_late_and_mistakes_make_no_pod() {
    let mut world = World::new(&[("a", &[])]);
    world.spec.workflow_ref = Some(WorkflowRef { name: "w".into() });
    let early = world.decide_on(&Definition::Missing);
    assert_eq!(early.status.waiting_for.as_ref().unwrap().kind, WaitKind::Workflow);
    assert_eq!(early.wake_at.unwrap().as_second(), 1_010);
    world.wait(10);
    let late = world.decide_on(&Definition::Missing).status;
    assert_eq!((format!("{:?}", late.phase), late.reason), ("Failed".into(), Some(Reason::WorkflowNotFound)));
    assert!(late.message.contains("no Workflow `w`"), "{}", late.message);
    let problems = crate::plan::Plan::new(&spec(&[("a", &["b"]), ("b", &["a"])])).unwrap_err();
    let invalid = world.decide_on(&Definition::Invalid(problems));
    assert_eq!(invalid.status.reason, Some(Reason::InvalidWorkflow));
    assert!(invalid.effects.is_empty());
    assert!(invalid.status.conditions.iter().any(|it| it.type_ == "Finished" && it.status == "True"));
}

#[test]
fn outputs_reach_those_who_need_them() {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"])]);
    workflow.tasks[0].outputs =
        vec![OutputDecl { name: "rows".into(), kind: ValueType::Int, description: None, default: None, items: None }];
    workflow.tasks[1].env =
        vec![EnvVar { name: "ROWS".into(), expr: Some("tasks.a.outputs.rows + 1".into()), ..EnvVar::default() }];
    let mut world = World::of(&workflow);
    world.settle();
    world.end_with("a", 0, "rows=41\n");
    let decision = world.round();
    let env = decision
        .effects
        .iter()
        .find_map(|it| if let Effect::Create { values, .. } = it { Some(&values.env) } else { None });
    assert_eq!(serde_json::json!(env), serde_json::json!([{ "name": "ROWS", "value": "42" }]));
}

#[test]
fn an_expression_that_fails_costs_no_attempt() {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"])]);
    workflow.tasks[0].outputs =
        vec![OutputDecl { name: "rows".into(), kind: ValueType::Int, description: None, default: None, items: None }];
    workflow.tasks[1].env =
        vec![EnvVar { name: "SHARE".into(), expr: Some("100 / tasks.a.outputs.rows".into()), ..EnvVar::default() }];
    let mut world = World::of(&workflow);
    world.settle();
    world.end_with("a", 0, "rows=0");
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Succeeded b:Failed(ExpressionError)");
    assert!(world.status.tasks[1].attempts.is_empty());
    assert!(world.status.message.contains("tasks[1].env[0].expr"), "{}", world.status.message);
}

#[test]
fn trouble_is_told_in_kubernetes_own_words() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.pod("a").trouble = Some(Trouble { kind: WaitKind::ImagePull, message: "no such image".into() });
    let decision = world.round();
    assert_eq!(decision.urgency, Urgency::Lazy);
    assert_eq!(world.story(), "Running a:Starting[ImagePull no such image]");
    assert_eq!(world.status.message, "a: ImagePull: no such image");
    world.pod("a").trouble = Some(Trouble { kind: WaitKind::ImagePull, message: "still no such image".into() });
    assert_eq!(world.decide().urgency, Urgency::Wording);
    world.pod("a").trouble = None;
    world.start("a");
    world.settle();
    assert_eq!(world.story(), "Running a:Running");
}

#[test]
fn a_pod_is_released_only_once_its_outcome_is_on_record() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.start("a");
    assert!(world.decide().effects.is_empty());
    world.end("a", 0);
    let decision = world.decide();
    assert_eq!(decision.status.tasks[0].attempts[0].outcome, Some(AttemptOutcome::Succeeded));
    assert!(matches!(decision.effects.as_slice(), [Effect::Release { .. }]), "{:?}", decision.effects);
}

#[test]
fn a_view_older_than_the_record_deletes_nothing() {
    let mut world = World::new(&[("a", &[]), ("b", &["a"])]);
    world.settle();
    world.start("a");
    world.settle();
    let older = world.pod("a").clone();
    world.end("a", 0);
    world.settle();
    world.sights.insert(older.name.clone(), Sight::Pod(older.into()));
    let effects = world.decide().effects;
    assert!(!effects.iter().any(|it| matches!(it, Effect::Delete { .. })), "its log would be lost: {effects:?}");
}

/// The kubelet tells why it took a pod only with the pod's final phase.
#[test]
fn a_bad_end_of_main_counts_once_the_pod_is_over() {
    let bad_end = || {
        let mut world = World::new(&[("a", &[])]);
        world.settle();
        world.start("a");
        world.settle();
        world.end("a", 137);
        world.pod("a").phase = PodPhase::Running;
        world.settle();
        assert_eq!(world.story(), "Running a:Running");
        world
    };
    let mut world = bad_end();
    world.pod("a").phase = PodPhase::Failed;
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode)");
    let mut world = bad_end();
    world.drain("a");
    world.settle();
    assert_eq!(world.story(), "Running a:Starting#2");
    let mut world = bad_end();
    world.pod("a").lingering = true;
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode)", "another container could go on for ever");
}

#[test]
fn a_container_that_was_never_started_is_no_start() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.end("a", 137);
    let MainState::Ended(main) = &mut world.pod("a").main else { panic!("it ended") };
    (main.started_at, main.reason) = (None, "ContainerStatusUnknown".into());
    world.drain("a");
    world.settle();
    assert_eq!(world.status.tasks[0].attempts[0].started_at, None);
}

#[test]
fn other_containers_are_ended_when_main_has() {
    let mut world = World::new(&[("a", &[])]);
    world.settle();
    world.end("a", 0);
    world.pod("a").phase = PodPhase::Running;
    let effects = world.decide().effects;
    assert!(!effects.iter().any(|it| matches!(it, Effect::Delete { .. })), "it ends by itself: {effects:?}");
    world.pod("a").lingering = true;
    let decision = world.decide();
    assert!(format!("{:?}", decision.status.phase).starts_with("Succeeded"));
    assert!(decision.effects.iter().any(|it| matches!(it, Effect::Delete { .. })), "{:?}", decision.effects);
}

#[test]
fn a_lost_revision_is_told_though_a_task_failed_before() {
    let mut world = World::new(&[("a", &[]), ("b", &[])]);
    world.settle();
    world.end("a", 3);
    world.settle();
    world.status = world.decide_on(&Definition::Lost("the record was deleted".into())).status;
    assert_eq!(world.story(), "Failed(RevisionLost) a:Failed(ExitCode) b:Cancelled(RevisionLost)");
    assert_eq!(world.status.message, "the record was deleted");
}
