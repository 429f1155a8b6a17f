//! Generations: a run that has ended goes on, by `spec.retry`, or since the run that it is a child of was retried and goes on with it.
//!
//! | asked for | what runs again |
//! |---|---|
//! | nothing more | every task that is Failed, UpstreamFailed or Cancelled |
//! | `tasks` | those |
//! | either | and all that come after them; with `clearDownstream: false` those of them that did not succeed, and what lies between |
//! | either | and, if anything does, every finally task |
//!
//! What runs again begins anew: its outputs vanish, its budgets and timeouts restart. Its attempts stay on record, and their numbers
//! go on. Of a task with `forEach` that doesn't come after another that runs again, items that succeeded stay as they are: its list
//! is the same as before.

use std::collections::BTreeSet;

use super::ledger::Ledger;
use super::lineage::Lineage;
use super::observed::{Definition, Observed};
use super::text::{MESSAGE_BYTES, clip, count, names};
use crate::api::{EarlierAttempts, RunRetry, TaskPhase, TaskStatus, WorkflowRunSpec, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Whether a run that has ended is to go on.
#[must_use]
pub fn is_wanted(spec: &WorkflowRunSpec, status: &WorkflowRunStatus, lineage: &Lineage) -> bool {
    let asked = spec.retry.as_ref().map_or(0, |retry| retry.generation).max(lineage.generation);
    // One that never started has nothing that could run again.
    asked > status.generation && status.phase.is_finished() && status.revision.is_some()
}

/// Why a run that has no tasks on record can't go on.
const NEVER_STARTED: &str = "this run never started: make a new one";

/// Tells once that a run that never started, for want of a workflow without mistakes, say, can't go on with another generation.
pub(super) fn refuse(ledger: &mut Ledger, seen: &Observed<'_>) {
    let is_news = seen.status.observed_generation != seen.run.generation;
    let wanted = seen.run.spec.retry.as_ref().filter(|retry| retry.generation > seen.status.generation);
    if let (true, None, Some(retry)) = (is_news, &seen.status.revision, wanted) {
        ledger.note(true, "RetryRefused", &format!("generation {} was not opened: {NEVER_STARTED}", retry.generation));
    }
}

/// Opens the next generation of a run that has ended, if that is asked for. False if the run stays as it is; why it does, though it
/// was asked for, is told once the spec that asks is on record as seen.
pub(super) fn open(ledger: &mut Ledger, seen: &Observed<'_>) -> bool {
    if !is_wanted(seen.run.spec, seen.status, seen.lineage) {
        return false;
    }
    let by_parent = RunRetry { generation: seen.lineage.generation, tasks: Vec::new(), clear_downstream: true };
    let by_parent = Some(&by_parent).filter(|retry| retry.generation > seen.status.generation);
    let Some(retry) = by_parent.or(seen.run.spec.retry.as_ref()) else { return false };
    let refused = match seen.definition {
        Definition::Ready { plan, .. } => match reopened(plan, &ledger.status, retry) {
            Ok(again) => {
                begin(ledger, plan, retry, &again);
                return true;
            }
            Err(why) => why,
        },
        // It will be read in the next round.
        Definition::Unread => return false,
        Definition::Lost(why) | Definition::OutputsLost(why) | Definition::Unreadable(why) => why.clone(),
        Definition::Missing | Definition::Invalid(_) => "its revision can't be read".to_owned(),
    };
    let refused = format!("generation {} was not opened: {refused}", retry.generation);
    if by_parent.is_some() {
        // The parent waits for that generation: this one was it.
        ledger.status.generation = retry.generation;
        ledger.status.message = clip(&refused, MESSAGE_BYTES);
        ledger.urgent = true;
    }
    if by_parent.is_some() || seen.status.observed_generation != seen.run.generation {
        ledger.note(true, "RetryRefused", &refused);
    }
    false
}

/// The indices of the tasks that run again.
///
/// # Errors
/// Why none does.
fn reopened(plan: &Plan, status: &WorkflowRunStatus, retry: &RunRetry) -> Result<BTreeSet<usize>, String> {
    if status.tasks.is_empty() {
        return Err(NEVER_STARTED.to_owned());
    }
    if plan.tasks().len() != status.tasks.len() {
        return Err("status.tasks was edited".to_owned());
    }
    let phase = |index: usize| status.tasks.get(index).map(|task| task.phase).unwrap_or_default();
    let unknown: Vec<&str> = retry.tasks.iter().map(String::as_str).filter(|name| plan.index(name).is_none()).collect();
    if !unknown.is_empty() {
        return Err(format!("spec.retry.tasks names {}, and there is no such task", names(unknown.into_iter())));
    }
    let did_not_succeed = |phase| matches!(phase, TaskPhase::Failed | TaskPhase::UpstreamFailed | TaskPhase::Cancelled);
    let mut again: BTreeSet<usize> = if retry.tasks.is_empty() {
        (0..status.tasks.len()).filter(|index| did_not_succeed(phase(*index))).collect()
    } else {
        retry.tasks.iter().filter_map(|name| plan.index(name)).collect()
    };
    if again.is_empty() {
        return Err(
            "every task has succeeded or was skipped; name the tasks to run again in spec.retry.tasks".to_owned()
        );
    }
    let clears = retry.clear_downstream;
    let mut below = again.clone();
    for &index in plan.order() {
        let after = plan.tasks().get(index).is_some_and(|task| task.needs.iter().any(|need| below.contains(need)));
        if after && !is(Mutant::DownstreamKept) {
            // What comes after one that stays may come after one that doesn't.
            below.insert(index);
            if clears || phase(index) != TaskPhase::Succeeded {
                again.insert(index);
            }
        }
    }
    // What lies between two that run again does too: what comes after it reads what came before it.
    for &index in plan.order().iter().rev() {
        let leads = |again: &BTreeSet<usize>| {
            let needs = |after: &usize| plan.tasks().get(*after).is_some_and(|task| task.needs.contains(&index));
            again.iter().any(needs)
        };
        if below.contains(&index) && leads(&again) {
            again.insert(index);
        }
    }
    again.extend(plan.tasks().iter().enumerate().filter(|(_, task)| task.finally).map(|(index, _)| index));
    Ok(again)
}

/// Of the tasks that run again those that come after another one, however far: what they read may be another value now. Finally
/// tasks come after all others.
fn after_another(plan: &Plan, again: &BTreeSet<usize>) -> BTreeSet<usize> {
    let main = again.iter().any(|index| plan.tasks().get(*index).is_some_and(|task| !task.finally));
    let mut after = BTreeSet::new();
    for &index in plan.order() {
        let Some(task) = plan.tasks().get(index) else { continue };
        if task.finally && main || task.needs.iter().any(|need| again.contains(need) || after.contains(need)) {
            after.insert(index);
        }
    }
    after
}

fn begin(ledger: &mut Ledger, plan: &Plan, retry: &RunRetry, again: &BTreeSet<usize>) {
    let stamp = ledger.stamp();
    ledger.status.generation = retry.generation;
    if let Some(packed) = ledger.status.packed.as_mut().filter(|_| !is(Mutant::FormerAttemptsLost)) {
        packed.former_attempts = packed.newest_attempt;
    }
    let after = after_another(plan, again);
    for &index in again {
        reopen_items(ledger, index, after.contains(&index));
        ledger.reopen(Some(index));
        ledger.task_mut(index).into_iter().for_each(reopen);
    }
    ledger.reopen(None);
    let status = &mut ledger.status;
    status.message.clear();
    status.outputs = None;
    status.retried_at = Some(stamp);
    (status.finished_at, status.duration, status.deadline_at, status.waiting_for) = (None, None, None, None);
    (status.finally_deadline_at, status.expires_at) = (None, None);
    let message = format!("generation {}: {} again", retry.generation, count(again.len(), "task"));
    ledger.note(false, "Retried", &message);
}

/// The items of a task that runs again: those that succeeded stay, unless the list may be another one.
fn reopen_items(ledger: &mut Ledger, index: usize, comes_after: bool) {
    let succeeded = ledger.task(index).is_some_and(|task| task.phase == TaskPhase::Succeeded);
    if comes_after || succeeded {
        // Attempts are numbered on from all that went before, of which the items to come know nothing.
        if let Some(items) = ledger.items.get_mut(&index) {
            items.clear();
        }
    } else if let Some(items) = ledger.items.get_mut(&index) {
        items.reopen(|phase| phase == TaskPhase::Succeeded);
    }
}

/// A task or item begins anew. What it has tried stays on record.
pub(super) fn reopen(task: &mut TaskStatus) {
    let earlier = task.earlier.unwrap_or_default();
    let former = [earlier.failed, earlier.disrupted_before_start, earlier.disrupted_after_start, earlier.not_yet];
    let former = former.into_iter().fold(earlier.former, u32::saturating_add);
    task.earlier = (former > 0).then(|| EarlierAttempts { former, ..EarlierAttempts::default() });
    (task.phase, task.reason, task.when) = (TaskPhase::Pending, None, None);
    (task.started_at, task.finished_at, task.deadline_at) = (None, None, None);
    (task.outputs, task.waiting_for) = (None, None);
    task.message.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::WorkflowSpec;
    use TaskPhase::{Cancelled, Failed, Skipped, Succeeded, UpstreamFailed};

    /// `a ► b ► c`, `a ► d`, `e`, and `x`, a finally task.
    fn again(phases: [TaskPhase; 6], tasks: &[&str], clear_downstream: bool) -> Result<String, String> {
        let task = |name: &str, needs: &[&str]| serde_json::json!({ "name": name, "image": "i", "needs": needs });
        let spec: WorkflowSpec = serde_json::from_value(serde_json::json!({
            "tasks": [task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("d", &["a"]), task("e", &[])],
            "finally": [task("x", &[])],
        }))
        .unwrap();
        let plan = Plan::new(&spec).unwrap();
        let tasks_of = phases.map(|phase| TaskStatus { phase, ..TaskStatus::default() });
        let status = WorkflowRunStatus { tasks: tasks_of.to_vec(), ..WorkflowRunStatus::default() };
        let tasks = tasks.iter().map(|name| (*name).to_owned()).collect();
        let retry = RunRetry { generation: 1, tasks, clear_downstream };
        let again = reopened(&plan, &status, &retry)?;
        Ok(again.iter().map(|index| plan.tasks()[*index].name.as_str()).collect())
    }

    #[test]
    fn what_did_not_succeed_runs_again_with_all_that_comes_after_it() {
        for (phases, tasks, clear, expected) in [
            ([Succeeded, Failed, UpstreamFailed, Succeeded, Succeeded, Succeeded], &[][..], true, "bcx"),
            ([Failed, UpstreamFailed, UpstreamFailed, UpstreamFailed, Succeeded, Succeeded], &[], true, "abcdx"),
            ([Failed, Succeeded, Skipped, Succeeded, Cancelled, Succeeded], &[], true, "abcdex"),
            ([Failed, Succeeded, Skipped, Succeeded, Cancelled, Succeeded], &[], false, "abcex"),
            ([Succeeded; 6], &["b"], true, "bcx"),
            ([Succeeded; 6], &["b"], false, "bx"),
            ([Succeeded, Failed, UpstreamFailed, Failed, Succeeded, Succeeded], &["d"], true, "dx"),
            ([Succeeded, Succeeded, Succeeded, Succeeded, Succeeded, Failed], &[], true, "x"),
        ] {
            assert_eq!(again(phases, tasks, clear).as_deref(), Ok(expected), "{phases:?} {tasks:?} {clear}");
        }
    }

    #[test]
    fn where_nothing_can_run_again_the_run_stays_as_it_is() {
        for (tasks, words) in
            [(&[][..], "every task has succeeded or was skipped"), (&["b", "y"], "names y, and there is no such task")]
        {
            let why = again([Succeeded, Skipped, Succeeded, Succeeded, Succeeded, Succeeded], tasks, true).unwrap_err();
            assert!(why.contains(words), "{why}");
        }
    }
}
