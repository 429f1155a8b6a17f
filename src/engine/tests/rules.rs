//! What trigger rules, allowed failures and joins decide, case by case.

use super::world::{World, spec};
use crate::api::{EnvVar, Join, OutputDecl, Task, ValueType, WorkflowSpec};
use crate::engine::Effect;

/// Tasks with what they need; each may be changed by its name.
fn workflow(tasks: &[(&str, &[&str])], change: impl Fn(&mut Task)) -> WorkflowSpec {
    let mut workflow = spec(tasks);
    workflow.tasks.iter_mut().for_each(change);
    workflow
}

fn rule(task: &mut Task, rule: &str) {
    task.trigger_rule = Some(rule.to_owned());
}

#[test]
fn a_failure_that_is_allowed_is_told_and_stops_nothing() {
    let workflow = workflow(&[("a", &[]), ("b", &["a"])], |task| task.allow_failure = task.name == "a");
    let mut world = World::of(&workflow);
    world.settle();
    world.end("a", 3);
    world.settle();
    assert_eq!(world.story(), "Running a:Failed(ExitCode) b:Starting");
    world.end("b", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded(AllowedFailures) a:Failed(ExitCode) b:Succeeded");
    assert_eq!(world.status.message, "1 task succeeded, 1 failed as allowed");
    assert_eq!(world.status.progress, "2/2");
    let conditions: Vec<_> = world.status.conditions.iter().map(|it| (it.type_.as_str(), it.status.as_str())).collect();
    assert_eq!(conditions, [("Succeeded", "True"), ("Finished", "True")]);
}

#[test]
fn a_rule_runs_a_task_and_never_turns_a_run_green() {
    let workflow = workflow(&[("a", &[]), ("alert", &["a"]), ("after", &["a"])], |task| {
        if task.name == "alert" {
            rule(task, "AnyFailed");
        }
    });
    let mut world = World::of(&workflow);
    world.settle();
    assert_eq!(world.story(), "Running a:Starting alert:Pending[Dependency a] after:Pending[Dependency a]");
    world.end("a", 1);
    world.settle();
    assert_eq!(world.story(), "Running a:Failed(ExitCode) alert:Starting after:UpstreamFailed");
    world.end("alert", 0);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode) alert:Succeeded after:UpstreamFailed");
    assert_eq!(world.status.message, "a: exit code 1");
    assert_eq!(world.status.progress, "2/3", "what ran to an end");
}

#[test]
fn what_is_not_to_run_is_skipped_and_that_is_no_failure() {
    let workflow =
        workflow(&[("a", &[]), ("alert", &["a"]), ("after-alert", &["alert"]), ("end", &["a", "alert"])], |task| {
            match task.name.as_str() {
                "alert" => rule(task, "AnyFailed"),
                "end" => rule(task, "NoneFailed"),
                _ => {}
            }
        });
    let mut world = World::of(&workflow);
    world.settle();
    world.end("a", 0);
    world.settle();
    assert_eq!(
        world.story(),
        "Running a:Succeeded alert:Skipped(RuleNotMet) after-alert:Skipped(RuleNotMet) end:Starting"
    );
    assert_eq!(world.status.tasks[1].message, "AnyFailed is not met: a is Succeeded");
    assert_eq!(world.status.tasks[2].message, "AllSucceeded is not met: alert is Skipped");
    assert_eq!(world.status.progress, "3/4", "what was skipped is done");
    world.end("end", 0);
    world.settle();
    assert!(world.story().starts_with("Succeeded a:Succeeded"), "{}", world.story());
    assert_eq!(world.status.message, "2 tasks succeeded, 2 skipped");
    assert!(world.status.tasks[1].finished_at.is_some() && world.status.tasks[1].started_at.is_none());
}

#[test]
fn a_rule_that_asks_for_one_waits_for_no_other() {
    let workflow = workflow(&[("slow", &[]), ("fast", &[]), ("first", &["slow", "fast"])], |task| {
        if task.name == "first" {
            rule(task, "AnySucceeded");
        }
    });
    let mut world = World::of(&workflow);
    world.settle();
    world.end("fast", 0);
    world.settle();
    assert_eq!(world.story(), "Running slow:Starting fast:Succeeded first:Starting");
}

#[test]
fn a_join_has_no_pod() {
    let workflow = workflow(&[("a", &[]), ("b", &[]), ("both", &["a", "b"]), ("c", &["both"])], |task| {
        if task.name == "both" {
            (task.join, task.image) = (Some(Join {}), None);
        }
    });
    let mut world = World::of(&workflow);
    world.settle();
    world.end("a", 0);
    world.settle();
    world.end("b", 0);
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Succeeded both:Succeeded c:Starting");
    assert!(world.status.tasks[2].attempts.is_empty());
    assert_eq!(world.made.len(), 3);
    world.end("c", 0);
    world.settle();
    assert_eq!((world.status.progress.as_str(), world.status.message.as_str()), ("4/4", "4 tasks succeeded"));
}

#[test]
fn a_join_waits_while_the_run_is_suspended() {
    let mut workflow = spec(&[("a", &[])]);
    (workflow.tasks[0].join, workflow.tasks[0].image) = (Some(Join {}), None);
    let mut world = World::of(&workflow);
    world.spec.suspend = true;
    world.settle();
    assert_eq!(world.story(), "Suspended a:Pending[Suspended spec.suspend is true]");
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded");
    assert!(world.made.is_empty());
}

#[test]
fn defaults_of_outputs_can_be_read_of_what_did_not_succeed() {
    let output = |name: &str, default| OutputDecl {
        name: name.into(),
        kind: ValueType::Int,
        description: None,
        default,
        items: None,
    };
    let workflow = workflow(&[("a", &[]), ("b", &["a"])], |task| {
        if task.name == "a" {
            task.outputs = vec![output("rows", Some(7.into())), output("columns", None)];
        } else {
            rule(task, "AllDone");
            let expr = "string(tasks.a.outputs.rows) + tasks.a.phase + string(has(tasks.a.outputs.columns))";
            task.env = vec![EnvVar { name: "A".into(), expr: Some(expr.into()), ..EnvVar::default() }];
        }
    });
    let mut world = World::of(&workflow);
    world.settle();
    world.end_with("a", 1, "rows=8\ncolumns=9");
    let decision = world.round();
    let env = decision
        .effects
        .iter()
        .find_map(|it| if let Effect::Create { values, .. } = it { Some(&values.env) } else { None });
    assert_eq!(serde_json::json!(env), serde_json::json!([{ "name": "A", "value": "7Failedfalse" }]));
}
