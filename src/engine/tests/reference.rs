//! What must come of tasks and of a run, written from the language's sections on rules and verdicts alone.

use crate::api::TaskPhase::{self, Cancelled, Failed, Skipped, Succeeded, UpstreamFailed};
use crate::api::{Reason, RunPhase, Task, WorkflowRunStatus, WorkflowSpec};

/// How far a need has come, and whether it has `allowFailure`.
pub(super) type Need = (TaskPhase, bool);

fn ok((phase, allow): Need) -> bool {
    phase == Succeeded || phase == Failed && allow
}

fn bad((phase, allow): Need) -> bool {
    phase == Failed && !allow || matches!(phase, UpstreamFailed | Cancelled)
}

fn failed((phase, _): Need) -> bool {
    matches!(phase, Failed | UpstreamFailed | Cancelled)
}

fn rule(task: &Task) -> &str {
    task.trigger_rule.as_deref().unwrap_or("AllSucceeded")
}

/// Whether a task may run, by needs that may go on: only a rule that asks for one waits for no other.
pub(super) fn may_run(task: &Task, needs: &[Need]) -> bool {
    let all_done = needs.iter().all(|(phase, _)| phase.is_finished());
    let one = |test: fn(Need) -> bool| needs.iter().copied().any(test);
    let all = |test: fn(Need) -> bool| needs.iter().copied().all(test);
    match rule(task) {
        "AllSucceeded" => all(ok),
        "AnySucceeded" => one(ok),
        "NoneFailed" => all_done && !one(bad),
        "NoneFailedMinOneSucceeded" => all_done && !one(bad) && one(ok),
        "AllDone" => all_done,
        "AllDoneMinOneSucceeded" => all_done && one(ok),
        "AnyDone" => one(|(phase, _)| matches!(phase, Succeeded | Failed)),
        "NoneSkipped" => all_done && !one(|(phase, _)| phase == Skipped),
        "AllSkipped" => all(|(phase, _)| phase == Skipped),
        "AllFailed" => all(failed),
        "AnyFailed" => one(failed),
        other => panic!("no rule {other}"),
    }
}

/// An expression that comes to what no amount is, as these tests write such.
pub(super) const NO_AMOUNT: &str = "'16MB'";

/// Whether the pod of a task can be made: what it follows can have the values that it comes to.
fn has_pod(task: &Task) -> bool {
    !task.pod_expr.iter().any(|expr| expr.limits.values().any(|amount| amount == NO_AMOUNT))
}

/// An expression for a list without items, as these tests write it.
pub(super) const NO_ITEMS: &str = "lists.range(0)";

/// Whether a task whose pods all end well, or all badly, succeeds: of the items of `forEach` so many must as it says.
fn succeeds(task: &Task, well: bool) -> bool {
    let items = task.for_each.as_ref();
    let none = items.is_some_and(|it| it.items.as_deref() == Some(NO_ITEMS));
    well || none || items.is_some_and(|it| it.min_succeeded_percent == Some(0))
}

/// What the `when` of a task comes to; `None` if it has no value. As far as these tests write such.
fn condition(task: &Task, phase: impl Fn(&str) -> TaskPhase) -> Option<bool> {
    match task.when.as_deref() {
        None | Some("run.generation == 0") => Some(true),
        Some("run.generation == 1") => Some(false),
        Some("run.name") => None,
        Some(text) => {
            let need = text.strip_prefix("tasks.").and_then(|text| text.strip_suffix(".phase == 'Succeeded'"));
            Some(phase(need.unwrap()) == Succeeded)
        }
    }
}

/// Where a task ends that its rule lets run no more; all needs have ended.
pub(super) fn cannot_run(task: &Task, needs: &[Need]) -> TaskPhase {
    let about_failures = matches!(rule(task), "AllFailed" | "AnyFailed");
    if needs.iter().copied().any(bad) && !about_failures { UpstreamFailed } else { Skipped }
}

/// Every task, those of `finally` last.
pub(super) fn tasks(spec: &WorkflowSpec) -> Vec<&Task> {
    spec.tasks.iter().chain(&spec.finally).collect()
}

/// How far what a task needs has come.
pub(super) fn needs(spec: &WorkflowSpec, task: &Task, phase: impl Fn(&str) -> TaskPhase) -> Vec<Need> {
    let allows = |name: &str| tasks(spec).iter().any(|task| task.name == name && task.allow_failure);
    task.needs.iter().map(|need| (phase(need), allows(need))).collect()
}

/// How every task of an undisturbed run ends, whose pods end as `ends_well` says, in the order of the spec.
pub(super) fn ends(spec: &WorkflowSpec, ends_well: impl Fn(&str) -> bool) -> Vec<TaskPhase> {
    let tasks = tasks(spec);
    let mut ends: Vec<Option<TaskPhase>> = vec![None; tasks.len()];
    while ends.contains(&None) {
        for (index, task) in tasks.iter().enumerate() {
            let place = |name: &str| tasks.iter().position(|task| task.name == name).unwrap();
            if !task.needs.iter().all(|need| ends[place(need)].is_some()) {
                continue;
            }
            let needs = needs(spec, task, |need| ends[place(need)].unwrap());
            let condition = condition(task, |need| ends[place(need)].unwrap());
            ends[index] = Some(match (may_run(task, &needs), condition) {
                (false, _) => cannot_run(task, &needs),
                (true, Some(false)) => Skipped,
                (true, Some(true)) if task.join.is_some() || has_pod(task) && succeeds(task, ends_well(&task.name)) => {
                    Succeeded
                }
                (true, _) => Failed,
            });
        }
    }
    ends.into_iter().flatten().collect()
}

/// The verdict over how tasks ended, of a run that nobody cancelled. `ends` are those of the main tasks, then of the others.
pub(super) fn verdict(spec: &WorkflowSpec, ends: &[TaskPhase]) -> (RunPhase, Option<Reason>) {
    let (ends, last) = ends.split_at(spec.tasks.len());
    let failed = |allowed: bool| {
        let mut tasks = spec.tasks.iter().zip(ends);
        tasks.any(|(task, end)| *end == Failed && task.allow_failure == allowed)
    };
    let spoilt = spec.finally.iter().zip(last).any(|(task, end)| *end == Failed && !task.allow_failure);
    match () {
        () if failed(false) => (RunPhase::Failed, Some(Reason::TaskFailed)),
        () if spoilt => (RunPhase::Failed, Some(Reason::FinallyFailed)),
        () if failed(true) => (RunPhase::Succeeded, Some(Reason::AllowedFailures)),
        () if ends.iter().all(|end| *end == Skipped) => (RunPhase::Succeeded, Some(Reason::AllSkipped)),
        () => (RunPhase::Succeeded, None),
    }
}

/// Checks that each task of a run that has ended ended as it must, after how those that it needs did.
pub(super) fn check_tasks(spec: &WorkflowSpec, status: &WorkflowRunStatus) {
    let phase = |name: &str| status.tasks.iter().find(|task| task.name == name).unwrap().phase;
    for task in tasks(spec) {
        let (needs, end) = (needs(spec, task, phase), phase(&task.name));
        let (may, condition) = (may_run(task, &needs), condition(task, phase));
        let right = match end {
            Succeeded => may && condition == Some(true) && has_pod(task),
            Failed => may && (condition.is_none() || condition == Some(true) && task.join.is_none()),
            Skipped if may => condition == Some(false),
            UpstreamFailed | Skipped => !may && end == cannot_run(task, &needs),
            // A finally task can be cancelled after the others have come to their verdict.
            Cancelled => {
                spec.finally.contains(task)
                    || matches!(
                        status.reason,
                        Some(Reason::CancelRequested | Reason::RevisionLost | Reason::FailRun | Reason::RunTimedOut)
                    )
            }
            _ => false,
        };
        assert!(right, "{} is {end:?} by {} after {needs:?}", task.name, rule(task));
    }
}
