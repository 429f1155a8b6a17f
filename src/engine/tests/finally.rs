//! What is decided about finally tasks, case by case.

use super::world::{World, spec};
use crate::api::{Cancel, EnvVar, Reason, RunPhase, Task, WorkflowSpec};
use crate::engine::Effect;

/// A workflow of `a`, and `b` that needs it; and of the finally tasks `x`, which is told the verdict so far, and `y` that needs it.
fn workflow() -> WorkflowSpec {
    let mut workflow = spec(&[("a", &[]), ("b", &["a"])]);
    workflow.finally = spec(&[("x", &[]), ("y", &["x"])]).tasks;
    let verdict = "run.phase + ' ' + run.reason + ' ' + tasks.a.phase + ' ' + tasks.b.phase";
    workflow.finally[0].env = vec![EnvVar { name: "V".into(), expr: Some(verdict.into()), ..EnvVar::default() }];
    workflow
}

fn with(change: impl FnOnce(&mut WorkflowSpec)) -> World {
    let mut workflow = workflow();
    change(&mut workflow);
    let mut world = World::of(&workflow);
    world.settle();
    world
}

/// A round; what it makes, with what its pods are told.
fn told(world: &mut World) -> Vec<String> {
    let effects = world.round().effects;
    let env = |effect: &Effect| match effect {
        Effect::Create { values, .. } => {
            values.env.first().and_then(|entry| entry["value"].as_str()).map(str::to_owned)
        }
        _ => None,
    };
    effects.iter().filter_map(env).collect()
}

#[test]
fn they_come_after_all_others_and_are_told_the_verdict_so_far() {
    let mut world = with(|_| ());
    assert_eq!(
        world.story(),
        "Running a:Starting b:Pending[Dependency a] x:Pending[Dependency the end of all tasks] \
         y:Pending[Dependency the end of all tasks]"
    );
    world.end("a", 0);
    world.settle();
    world.end("b", 0);
    assert_eq!(told(&mut world), ["Succeeded  Succeeded Succeeded"]);
    world.settle();
    assert_eq!(world.story(), "Running a:Succeeded b:Succeeded x:Starting y:Pending[Dependency x]");
    assert_eq!(world.status.progress, "2/4");
    world.end("x", 0);
    world.settle();
    world.end("y", 0);
    world.settle();
    assert_eq!(world.story(), "Succeeded a:Succeeded b:Succeeded x:Succeeded y:Succeeded");
    assert_eq!((world.status.progress.as_str(), world.status.message.as_str()), ("4/4", "4 tasks succeeded"));
    let marked: Vec<bool> = world.status.tasks.iter().map(|task| task.finally).collect();
    assert_eq!(marked, [false, false, true, true]);
    assert_eq!(world.made.len(), 4, "each once");
}

#[test]
fn they_run_when_a_task_failed_and_the_run_fails_by_that() {
    let mut world = with(|_| ());
    world.end("a", 1);
    assert_eq!(told(&mut world), ["Failed TaskFailed Failed UpstreamFailed"]);
    world.settle();
    world.end("x", 2);
    world.settle();
    assert_eq!(
        world.story(),
        "Failed(TaskFailed) a:Failed(ExitCode) b:UpstreamFailed x:Failed(ExitCode) y:UpstreamFailed"
    );
    assert_eq!(world.status.message, "a: exit code 1");
}

#[test]
fn one_that_fails_fails_a_run_that_had_succeeded() {
    for (allow_failure, end) in [(false, "Failed(FinallyFailed)"), (true, "Succeeded")] {
        let mut world = with(|workflow| workflow.finally[1].allow_failure = allow_failure);
        for (task, exit_code) in [("a", 0), ("b", 0), ("x", 0), ("y", 3)] {
            world.end(task, exit_code);
            world.settle();
        }
        assert_eq!(world.story(), format!("{end} a:Succeeded b:Succeeded x:Succeeded y:Failed(ExitCode)"));
        let message = if allow_failure { "3 tasks succeeded, 1 failed as allowed" } else { "y: exit code 3" };
        assert_eq!(world.status.message, message);
    }
}

#[test]
fn they_run_after_a_cancel_once_all_others_have_stopped() {
    let mut world = with(|_| ());
    world.start("a");
    world.settle();
    world.cancel();
    world.settle();
    assert_eq!(
        world.story(),
        "Stopping(CancelRequested) a:Stopping(CancelRequested) b:Cancelled(CancelRequested) \
         x:Pending[Dependency the end of all tasks] y:Pending[Dependency the end of all tasks]"
    );
    assert_eq!(world.status.message, "stopping a");
    world.end("a", 143);
    assert_eq!(told(&mut world), ["Cancelled CancelRequested Cancelled Cancelled"]);
    world.settle();
    assert_eq!(world.status.message, "cancelled; x starting");
    world.end("x", 0);
    world.settle();
    world.end("y", 1);
    world.settle();
    assert!(world.story().starts_with("Cancelled(CancelRequested) a:Cancelled(CancelRequested)"), "{}", world.story());
    assert!(world.story().ends_with("x:Succeeded y:Failed(ExitCode)"), "{}", world.story());
    assert_eq!(world.status.message, "cancelled: enough");
}

#[test]
fn a_cancel_can_skip_them_whenever_it_comes() {
    let skip = || Some(Cancel { skip_finally: true, ..Cancel::default() });
    // Before they start.
    let mut world = with(|_| ());
    world.start("a");
    world.spec.cancel = skip();
    world.settle();
    world.end("a", 143);
    world.settle();
    assert_eq!(world.status.phase, RunPhase::Cancelled);
    assert!(world.status.tasks.iter().all(|task| task.reason == Some(Reason::CancelRequested)), "{}", world.story());
    assert_eq!(world.made.len(), 1);
    // While they run: what came before has its verdict.
    let mut world = with(|_| ());
    for task in ["a", "b"] {
        world.end(task, 0);
        world.settle();
    }
    world.start("x");
    world.spec.cancel = skip();
    world.settle();
    assert_eq!(
        world.story(),
        "Running a:Succeeded b:Succeeded x:Stopping(CancelRequested) y:Cancelled(CancelRequested)"
    );
    world.end("x", 143);
    world.settle();
    assert_eq!(
        world.story(),
        "Succeeded a:Succeeded b:Succeeded x:Cancelled(CancelRequested) y:Cancelled(CancelRequested)"
    );
}

#[test]
fn a_cancel_that_comes_while_they_run_changes_nothing() {
    let mut world = with(|_| ());
    world.end("a", 1);
    world.settle();
    world.cancel();
    world.settle();
    assert!(world.story().starts_with("Running a:Failed(ExitCode) b:UpstreamFailed x:Starting"), "{}", world.story());
    world.end("x", 0);
    world.settle();
    world.end("y", 0);
    world.settle();
    assert!(world.story().starts_with("Failed(TaskFailed)"), "{}", world.story());
}

#[test]
fn they_wait_while_the_run_is_suspended_unless_it_is_cancelled() {
    let mut world = with(|_| ());
    world.end("a", 1);
    world.spec.suspend = true;
    world.settle();
    assert_eq!(
        world.story(),
        "Suspended a:Failed(ExitCode) b:UpstreamFailed x:Pending[Suspended spec.suspend is true] y:Pending[Dependency x]"
    );
    world.cancel();
    world.settle();
    assert!(world.story().starts_with("Running a:Failed(ExitCode) b:UpstreamFailed x:Starting"), "{}", world.story());

    let mut world = with(|_| ());
    world.spec.suspend = true;
    world.settle();
    world.cancel();
    world.settle();
    world.end("a", 143);
    world.settle();
    assert!(world.story().ends_with("x:Starting y:Pending[Dependency x]"), "{}", world.story());
    assert_eq!(world.status.waiting_for, None);
}

#[test]
fn they_have_rules_and_conditions_of_their_own() {
    let task = |name: &str, needs: &[&str], change: fn(&mut Task)| {
        let mut task = spec(&[(name, needs)]).tasks.remove(0);
        change(&mut task);
        task
    };
    let mut workflow = workflow();
    workflow.finally = vec![
        task("alert", &[], |task| task.when = Some("run.phase == 'Failed'".into())),
        task("calm", &["alert"], |task| task.trigger_rule = Some("AllSkipped".into())),
    ];
    for (exit_code, story) in
        [(0, "alert:Skipped(WhenFalse) calm:Starting"), (1, "alert:Starting calm:Pending[Dependency alert]")]
    {
        let mut world = World::of(&workflow);
        world.settle();
        world.end("a", exit_code);
        world.settle();
        if exit_code == 0 {
            world.end("b", 0);
            world.settle();
        }
        assert!(world.story().ends_with(story), "{}", world.story());
    }
}

#[test]
fn a_run_that_never_starts_has_none() {
    let mut world = World::of(&workflow());
    world.cancel();
    world.settle();
    assert_eq!(world.story(), "Cancelled(CancelRequested)");
}
