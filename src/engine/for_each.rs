//! A task that is done for every item of a list: when its list is made, which items may start, and what it comes to.
//!
//! | the items | the task |
//! |---|---|
//! | the list is empty, or all have ended and enough succeeded | Succeeded; its outputs are lists |
//! | all have ended, too few succeeded | Failed (ItemsFailed), or by why they were stopped: Failed (TotalTimedOut, FinallyTimedOut), Cancelled |
//! | so many have failed that enough can't succeed, and it has failFast | Stopping: the rest is cancelled |
//! | one runs or has ended | Running |
//! | one has begun | Starting |

use std::sync::Arc;

use serde_json::Value;

use super::claim;
use super::control::suspended_by;
use super::former;
use super::gate::{self, Room};
use super::items::Items;
use super::ledger::Ledger;
use super::observed::Observed;
use super::scope::list;
use super::stop;
use super::text::{count, last_line};
use super::track::{ALL_OUTPUTS, fail};
use super::unit::Unit;
use crate::api::{Reason, TaskPhase, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedForEach, PlannedTask};

/// Makes the list of a task that may start. False if there is none: then the task has failed.
pub(super) fn open(ledger: &mut Ledger, index: usize, plan: &Plan, planned: &PlannedTask, seen: &Observed<'_>) -> bool {
    match list(plan, planned, &ledger.status, seen) {
        Ok(list) if least_outputs(planned, list.len()) > ALL_OUTPUTS => {
            let (names, items) = (planned.output_names().count(), count(list.len(), "item"));
            let told = format!(
                "the lists of {names} outputs of {items} would be over {} KiB in all, whatever they hold: declare fewer",
                ALL_OUTPUTS / 1024
            );
            fail(ledger, index, Some(Reason::OutputTooLarge), &told);
            false
        }
        Ok(list) => {
            // Attempts of a generation before this one may have been numbered.
            ledger.items.entry(index).or_insert_with(|| Items::new(0)).open(list.len());
            ledger.lists.insert(index, list);
            ledger.urgent = true;
            true
        }
        Err(problem) => {
            fail(ledger, index, Some(Reason::ExpressionError), &problem);
            false
        }
    }
}

/// The least bytes that the outputs of so many items take: `null,` for each.
fn least_outputs(planned: &PlannedTask, items: usize) -> usize {
    planned.output_names().count().saturating_mul(items).saturating_mul(5)
}

/// The item of a unit, as expressions see it; none where the task has no items.
///
/// # Errors
/// That the list can't be had any more, or is another one.
pub(super) fn item(
    ledger: &mut Ledger,
    unit: Unit,
    plan: &Plan,
    planned: &PlannedTask,
    seen: &Observed<'_>,
) -> Result<Option<(u32, Value)>, String> {
    let Some(index) = unit.item else { return Ok(None) };
    let list = if let Some(list) = ledger.lists.get(&unit.task) {
        Arc::clone(list)
    } else {
        let list = list(plan, planned, &ledger.status, seen)?;
        ledger.lists.insert(unit.task, Arc::clone(&list));
        list
    };
    let total = ledger.items.get(&unit.task).map_or(0, Items::total);
    let item = usize::try_from(index).ok().and_then(|index| list.get(index)).filter(|_| list.len() == total);
    let item = item.ok_or_else(|| format!("the list had {}, and has {} now", count(total, "item"), list.len()))?;
    Ok(Some((index, item.clone())))
}

/// Lets items start, in their order, as far as there is room.
pub(super) fn start(
    ledger: &mut Ledger,
    index: usize,
    plan: &Plan,
    planned: &PlannedTask,
    seen: &Observed<'_>,
    room: &mut Room,
) {
    let (Some(items), Some(for_each)) = (ledger.items.get(&index), &planned.for_each) else { return };
    if !matches!(
        ledger.task(index).map(|task| task.phase),
        Some(TaskPhase::Pending | TaskPhase::Starting | TaskPhase::Running)
    ) {
        return;
    }
    let suspended = suspended_by(seen, &ledger.status);
    let extra = usize::from(is(Mutant::MaxParallelOffByOne));
    let max = for_each.max_parallel.and_then(|max| usize::try_from(max).ok()).unwrap_or(usize::MAX);
    let max = max.saturating_add(extra);
    let mut live = items.live();
    let (again, pending): (Vec<u32>, Vec<u32>) =
        (items.in_phase(TaskPhase::Backoff), items.in_phase(TaskPhase::Pending));
    let held = |live: usize, room: &Room, is_new: bool| {
        if let Some(why) = suspended {
            Some((WaitKind::Suspended, why.to_owned()))
        } else if live >= max {
            Some((WaitKind::Pool, format!("maxParallel is {max}")))
        } else {
            room.is_full_of_items(planned, is_new).map(|detail| (WaitKind::Quota, detail))
        }
    };
    let mut holds_up = None;
    for (item, is_new) in
        again.into_iter().map(|item| (item, false)).chain(pending.into_iter().map(|item| (item, true)))
    {
        let unit = Unit::item(index, item);
        let wait = if is_new { gate::last_object } else { gate::backoff };
        let own = ledger.unit(unit).and_then(|task| wait(ledger, planned, task, seen));
        let held = own.or_else(|| held(live, room, is_new)).or_else(|| claim::wait(ledger, planned, seen));
        if held.is_none()
            && let Some(wait) = former::wait(ledger, unit, planned, seen)
        {
            // Of others nothing is left.
            holds_up = Some(wait);
            continue;
        }
        match held {
            // All that have not begun wait for the same.
            Some(wait) if is_new && ledger.unit(unit).is_none() => {
                holds_up = Some(wait);
                break;
            }
            Some((kind, detail)) => ledger.wait(unit, kind, &detail),
            None => {
                if gate::intend(ledger, unit, plan, planned, seen) {
                    room.take_item(planned, is_new);
                    live = live.saturating_add(1);
                }
            }
        }
    }
    ledger.wait_items(index, holds_up);
}

/// Brings the phase of a task with items up to what they have come to.
pub(super) fn settle(ledger: &mut Ledger, index: usize, planned: &PlannedTask, seen: &Observed<'_>) {
    let (Some(items), Some(for_each), Some(task)) = (ledger.items.get(&index), &planned.for_each, ledger.task(index))
    else {
        return;
    };
    if task.phase.is_finished() || !items.is_listed() {
        return;
    }
    if task.phase == TaskPhase::Stopping && items.any_in(|phase| phase == TaskPhase::Backoff) {
        // One that was being stopped for a reason of its own has failed meanwhile: it isn't tried again.
        let why = task.reason.unwrap_or(Reason::ItemsFailed);
        stop(ledger, seen, index, why);
        return settle(ledger, index, planned, seen);
    }
    if items.have_ended() {
        return conclude(ledger, index, planned, for_each);
    }
    let begun = items.any_in(|phase| phase != TaskPhase::Pending);
    let under_way = items.any_in(|phase| !matches!(phase, TaskPhase::Pending | TaskPhase::Starting));
    if task.phase == TaskPhase::Pending && begun {
        ledger.move_task(index, TaskPhase::Starting, None);
        ledger.wait(index, WaitKind::Node, "its first item to run");
    }
    if under_way && ledger.task(index).is_some_and(|task| task.phase == TaskPhase::Starting) {
        let since = ledger.items.get(&index).and_then(first_start).unwrap_or(ledger.now);
        if let Some(task) = ledger.task_mut(index) {
            task.started_at.get_or_insert(k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime(since));
        }
        ledger.move_task(index, TaskPhase::Running, None);
    }
    let stopping = ledger.task(index).is_some_and(|task| task.phase == TaskPhase::Stopping);
    if for_each.fail_fast && !stopping && is_out_of_reach(ledger, index, for_each) {
        stop(ledger, seen, index, Reason::FailFast);
        if ledger.items.get(&index).is_some_and(Items::have_ended) {
            conclude(ledger, index, planned, for_each);
        }
    }
}

fn first_start(items: &Items) -> Option<jiff::Timestamp> {
    items.known().filter_map(|(_, item)| item.started_at.as_ref()).map(|at| at.0).min()
}

/// Whether so many items have ended badly that enough can't succeed any more.
fn is_out_of_reach(ledger: &Ledger, index: usize, for_each: &PlannedForEach) -> bool {
    let Some(items) = ledger.items.get(&index) else { return false };
    let bad = items.count(TaskPhase::Failed).saturating_add(items.count(TaskPhase::Cancelled));
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    bad > 0 && !for_each.is_enough(whole(items.total().saturating_sub(bad)), whole(items.total()))
}

/// Stops all items that have not ended, and the task with them.
pub(super) fn stop(ledger: &mut Ledger, seen: &Observed<'_>, index: usize, why: Reason) {
    let Some(items) = ledger.items.get_mut(&index) else { return };
    items.cancel_pending();
    let open: Vec<(u32, TaskPhase)> =
        items.known().filter(|(_, item)| !item.phase.is_finished()).map(|(item, task)| (item, task.phase)).collect();
    for (item, phase) in open {
        let unit = Unit::item(index, item);
        match phase {
            TaskPhase::Backoff => {
                ledger.move_task(unit, TaskPhase::Cancelled, Some(why));
            }
            TaskPhase::Starting | TaskPhase::Running => stop::attempt(ledger, seen, unit, why),
            _ => {}
        }
    }
    ledger.urgent = true;
    match ledger.task(index).map(|task| task.phase) {
        // None of them had begun.
        Some(TaskPhase::Pending) => {
            ledger.keep_items(index);
            ledger.move_task(index, TaskPhase::Cancelled, Some(why));
        }
        Some(TaskPhase::Starting | TaskPhase::Running) => {
            ledger.move_task(index, TaskPhase::Stopping, Some(why));
        }
        _ => {}
    }
}

/// All items have ended.
fn conclude(ledger: &mut Ledger, index: usize, planned: &PlannedTask, for_each: &PlannedForEach) {
    let (Some(items), Some(task)) = (ledger.items.get(&index), ledger.task(index)) else { return };
    let whole = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (succeeded, total) = (items.count(TaskPhase::Succeeded), items.total());
    let enough = for_each.is_enough(whole(succeeded), whole(total)) || is(Mutant::ItemsFailedSucceeds) && succeeded > 0;
    let stopped = (task.phase == TaskPhase::Stopping).then_some(task.reason).flatten();
    if enough {
        let handed_on = items.outputs();
        let names: Vec<&str> = match planned.child() {
            // Where only its Workflow tells, all that was handed on.
            Some(child) => child.outputs().map_or_else(
                || handed_on.keys().map(String::as_str).collect(),
                |names| names.iter().map(String::as_str).collect(),
            ),
            None => planned.output_names().collect(),
        };
        let outputs = items.gathered(names.into_iter());
        if let Some(task) = ledger.task_mut(index) {
            task.outputs = (!outputs.is_empty()).then_some(outputs);
            task.message.clear();
        }
        ledger.close_items(index);
        ledger.move_task(index, TaskPhase::Succeeded, None);
        return;
    }
    let told = told(items);
    ledger.keep_items(index);
    match stopped {
        None | Some(Reason::FailFast) => fail(ledger, index, Some(Reason::ItemsFailed), &told),
        Some(why @ (Reason::TotalTimedOut | Reason::FinallyTimedOut)) => {
            let of = if why == Reason::TotalTimedOut { "its totalTimeout" } else { "the run's finallyTimeout" };
            let told = format!("was not done within {of}: {succeeded} of {total} items succeeded");
            fail(ledger, index, Some(why), &told);
        }
        Some(why) => {
            ledger.move_task(index, TaskPhase::Cancelled, Some(why));
        }
    }
}

/// Which items failed: `2 of 10 items failed; [3]: exit code 1`.
fn told(items: &Items) -> String {
    let (failed, total) = (items.count(TaskPhase::Failed), items.total());
    let first = items.known().find(|(_, item)| item.phase == TaskPhase::Failed && !item.message.is_empty());
    let first = first.map(|(index, item)| format!("; [{index}]: {}", last_line(&item.message)));
    format!("{failed} of {} failed{}", count(total, "item"), first.unwrap_or_default())
}
