//! A stored status, with everything under way spelt out again.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::Base;
use super::row::{self, Row};
use super::state::{self, State};
use crate::api::{
    Attempt, EarlierAttempts, ItemStatus, ItemsStatus, MAX_ITEMS, TaskPhase, TaskStatus, WorkflowRunStatus,
};
use crate::engine::observed::RunFacts;
use crate::engine::sealed::{self, Outputs};
use crate::engine::{attempt, items};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask};

/// The status with everything spelt out that is under way. The names of tasks that aren't spelt
/// out are the plan's; without it they stay unknown. `outputs` are those in the records that it names; without them, or the plan,
/// outputs that are stored apart from their tasks stay there.
#[must_use]
pub fn unpack(
    stored: &WorkflowRunStatus,
    run: &RunFacts<'_>,
    plan: Option<&Plan>,
    outputs: Option<&Outputs>,
) -> WorkflowRunStatus {
    let mut full = stored.clone();
    if let (Some(packed), Some(plan)) = (full.packed.as_mut(), plan) {
        let base = Base {
            number: packed.former_attempts.saturating_add(1),
            generation: stored.generation,
            stop: stored.reason,
            run: Some(run),
        };
        let states = state::read(&packed.states, plan.tasks().len());
        let rows: BTreeMap<u32, Row> = row::read(&packed.rows).map(|row| (row.index, row)).collect();
        let mut in_text: Map<String, Value> = serde_json::from_str(&packed.outputs).unwrap_or_default();
        let mut spelt: BTreeMap<String, TaskStatus> =
            std::mem::take(&mut full.tasks).into_iter().map(|task| (task.name.clone(), task)).collect();
        let former = packed.newest_attempt;
        full.tasks = (0..)
            .zip(plan.tasks())
            .zip(states)
            .map(|((index, planned), state)| {
                if let Some(task) = spelt.remove(&planned.name) {
                    return task;
                }
                let mut task = restore(&planned.name, Some(planned), None, state, rows.get(&index), &base, stored);
                task.finally = planned.finally;
                if is_live_phase(task.phase) && planned.when.is_some() {
                    // It has begun, so it came to true.
                    task.when = Some(true);
                }
                if let Some(Value::Object(outputs)) = in_text.remove(&planned.name) {
                    task.outputs = Some(outputs);
                }
                if former > 0 && task.phase.is_finished() {
                    // Should it run again, its attempts are numbered on from all that went before.
                    task.earlier = Some(EarlierAttempts { former, ..EarlierAttempts::default() });
                }
                task
            })
            .collect();
        (packed.states, packed.rows, packed.outputs) = (String::new(), String::new(), String::new());
    }
    for task in &mut full.tasks {
        let stop = task.reason.filter(|_| task.phase == TaskPhase::Stopping);
        let name = task.name.clone();
        if let Some(items) = task.items.as_mut().filter(|items| !items.states.is_empty()) {
            let number = items.former_attempts.saturating_add(1);
            let base = Base { number, generation: stored.generation, stop, run: Some(run) };
            let planned = plan.and_then(|plan| plan.tasks().get(plan.index(&name)?));
            unpack_items(&name, planned, items, &base, stored);
        }
    }
    let has_all = full.packed.as_ref().is_none_or(|packed| packed.states.is_empty());
    if let Some(outputs) = outputs.filter(|_| has_all) {
        sealed::unseal(&mut full, outputs);
    }
    full
}

/// Cancels what has not ended of a run whose tasks can't be told any more, since its plan is lost.
pub(in crate::engine) fn close(full: &mut WorkflowRunStatus) {
    let Some(packed) = full.packed.as_mut().filter(|packed| !packed.states.is_empty()) else { return };
    let total = usize::try_from(packed.total.min(MAX_ITEMS)).unwrap_or(0);
    let ended = |state: State| if state.phase().is_finished() { state } else { State::Cancelled };
    packed.states = state::write(state::read(&packed.states, total).into_iter().map(ended));
    packed.rows.clear();
}

fn unpack_items(
    name: &str,
    planned: Option<&PlannedTask>,
    items: &mut ItemsStatus,
    base: &Base<'_>,
    stored: &WorkflowRunStatus,
) {
    let total = usize::try_from(items.total.min(MAX_ITEMS)).unwrap_or(0);
    let states = state::read(&items.states, total);
    let rows: BTreeMap<u32, Row> = row::read(&items.rows).map(|row| (row.index, row)).collect();
    let spelt: BTreeSet<u32> = items.entries.iter().map(|entry| entry.index).collect();
    let live = (0..).zip(&states).filter(|(index, state)| !spelt.contains(index) && is_live_phase(state.phase()));
    let restored = live.map(|(index, state)| {
        let task = restore(name, planned, Some(index), *state, rows.get(&index), base, stored);
        items::entry(index, task)
    });
    let restored: Vec<ItemStatus> = restored.collect();
    items.entries.extend(restored);
    items.entries.sort_by_key(|entry| entry.index);
    let phases: Vec<TaskPhase> = states.into_iter().map(State::phase).collect();
    items.set_phases(&phases);
    (items.states, items.rows) = (String::new(), String::new());
}

const fn is_live_phase(phase: TaskPhase) -> bool {
    phase.has_pod() || matches!(phase, TaskPhase::Backoff)
}

/// A unit as its letter and row tell of it.
fn restore(
    name: &str,
    planned: Option<&PlannedTask>,
    item: Option<u32>,
    state: State,
    row: Option<&Row>,
    base: &Base<'_>,
    stored: &WorkflowRunStatus,
) -> TaskStatus {
    let mut task = TaskStatus {
        name: name.to_owned(),
        phase: state.phase(),
        when: (state == State::PendingWhen).then_some(true),
        ..TaskStatus::default()
    };
    if task.phase.is_finished() {
        return task;
    }
    // Of which number its last attempt was in a former generation isn't told: it goes on from all that went before.
    let former = base.number.saturating_sub(1);
    task.earlier = (former > 0).then(|| EarlierAttempts { former, ..EarlierAttempts::default() });
    if task.phase == TaskPhase::Pending {
        return task;
    }
    if task.phase == TaskPhase::Stopping {
        task.reason = base.stop;
    }
    if item.is_none() && planned.is_some_and(|planned| planned.for_each.is_some()) {
        // One with items is always spelt out, so a hand took it off the record. Attempts are of its items, and never of itself.
        return task;
    }
    let number = row.map_or(base.number, |row| row.number);
    let named = base.run.zip(planned).map(|(run, planned)| attempt::named(run, planned, item, number));
    // It was made; what its uid is isn't on record.
    let is_made = !matches!(state, State::Intended | State::StoppingUnmade) && !is(Mutant::UntoldIsUnmade);
    let uid = is_made.then(String::new);
    let attempt = Attempt { number, generation: base.generation, uid, ..named.unwrap_or_default() };
    match row {
        Some(row) => row.restore(&mut task, attempt, stored.started_at.as_ref()),
        None => task.attempts = vec![attempt],
    }
    task
}
