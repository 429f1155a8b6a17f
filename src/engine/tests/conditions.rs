//! What conditions decide, case by case.

use super::world::{World, spec};
use crate::api::{Join, OutputDecl, ValueType, WorkflowSpec};

/// `a` writes the output `rows`; `b` needs it, and has this condition.
fn workflow(when: &str) -> WorkflowSpec {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"]), ("c", &["b"])]);
    workflow.tasks[0].outputs =
        vec![OutputDecl { name: "rows".into(), kind: ValueType::Int, description: None, default: None, items: None }];
    workflow.tasks[1].when = Some(when.to_owned());
    workflow
}

#[test]
fn a_condition_lets_a_task_run_or_skips_it() {
    for (rows, story, recorded) in [
        ("rows=1", "Running a:Succeeded b:Starting c:Pending[Dependency b]", true),
        ("rows=0", "Succeeded a:Succeeded b:Skipped(WhenFalse) c:Skipped(RuleNotMet)", false),
    ] {
        let mut world = World::of(&workflow("tasks.a.outputs.rows > 0"));
        world.settle();
        assert_eq!(world.status.tasks[1].when, None, "it is asked once the rule lets the task run");
        world.end_with("a", 0, rows);
        world.settle();
        assert_eq!(world.story(), story);
        assert_eq!(world.status.tasks[1].when, Some(recorded));
        if !recorded {
            assert_eq!(world.status.tasks[1].message, "when is false: tasks.a.outputs.rows > 0");
            assert_eq!(world.status.message, "1 task succeeded, 2 skipped");
        }
    }
}

#[test]
fn a_condition_without_a_value_fails_the_task_without_an_attempt() {
    for (when, words) in [
        ("100 / tasks.a.outputs.rows > 1", "tasks[1].when: task `b`: when: "),
        ("tasks.a.outputs.rows", "it is an int, not true or false"),
    ] {
        let mut world = World::of(&workflow(when));
        world.settle();
        world.end_with("a", 0, "rows=0");
        world.settle();
        assert_eq!(world.story(), "Failed(TaskFailed) a:Succeeded b:Failed(ExpressionError) c:UpstreamFailed");
        assert!(world.status.tasks[1].attempts.is_empty());
        assert!(world.status.message.contains(words), "{}", world.status.message);
    }
}

#[test]
fn a_rule_comes_before_a_condition() {
    let mut world = World::of(&workflow("tasks.a.outputs.rows > 0"));
    world.settle();
    world.end("a", 1);
    world.settle();
    assert_eq!(world.story(), "Failed(TaskFailed) a:Failed(ExitCode) b:UpstreamFailed c:UpstreamFailed");
    assert_eq!(world.status.tasks[1].when, None);
}

#[test]
fn what_a_condition_came_to_stays_while_the_task_waits() {
    let mut workflow = spec(&[("slow", &[]), ("fast", &[]), ("first", &["slow", "fast"])]);
    workflow.tasks[2].trigger_rule = Some("AnySucceeded".into());
    workflow.tasks[2].when = Some("tasks.slow.phase != 'Succeeded'".into());
    let mut world = World::of(&workflow);
    world.settle();
    world.spec.suspend = true;
    world.end("fast", 0);
    world.settle();
    assert_eq!(world.story(), "Suspended slow:Starting fast:Succeeded first:Pending[Suspended spec.suspend is true]");
    assert_eq!(world.status.tasks[2].when, Some(true));
    world.end("slow", 0);
    world.settle();
    world.spec.suspend = false;
    world.settle();
    assert_eq!(world.story(), "Running slow:Succeeded fast:Succeeded first:Starting");
}

#[test]
fn a_join_can_have_a_condition() {
    let mut workflow = spec(&[("a", &[])]);
    let task = &mut workflow.tasks[0];
    (task.join, task.image, task.when) = (Some(Join {}), None, Some("run.name == 'run'".into()));
    let mut world = World::of(&workflow);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded");
}

#[test]
fn a_run_of_nothing_but_skipped_tasks_says_so() {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"])]);
    workflow.tasks[0].when = Some("run.name == 'other'".into());
    let mut world = World::of(&workflow);
    world.settle();
    assert_eq!(world.story(), "Succeeded(AllSkipped) a:Skipped(WhenFalse) b:Skipped(RuleNotMet)");
    assert_eq!((world.status.message.as_str(), world.status.progress.as_str()), ("2 tasks skipped", "2/2"));
    assert!(world.made.is_empty());
}
