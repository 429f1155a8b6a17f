//! The status of a large run as it is stored. Of many tasks, or many items of one, few are spelt out; of the others a letter tells
//! the state, and where there is more to know a short row does, so that a status is small whatever the size of the run.
//!
//! | a unit | is on record as |
//! |---|---|
//! | is something else than a pod and not over, or has items of its own | an entry, always |
//! | is a child run that ended and did not succeed | an entry, up to 256 |
//! | is an object that failed without its saying so, which is deleted | an entry, up to 256 |
//! | waits for something unusual; has failed; was the last to end; runs | an entry, as long as there is room |
//! | was tried before, waits for its next attempt, has a deadline, is stopped for a reason of its own | a row |
//! | else | a letter: its attempt has the number that all have, and the pod of its name |
//!
//! [`unpack`] makes of that the status that decisions are made on, in which everything under way is spelt out, and [`pack`] the
//! reverse. Of a unit that is a letter the uid of its pod isn't on record, nor when that was made or started: its pod tells.
//! Runs of few tasks and items are stored as they are.

mod known;
mod row;
mod starting;
mod state;
mod unpack;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::observed::RunFacts;
use super::{gate, pace, resource, sealed};
use crate::api::{
    Attempt, EarlierAttempts, ItemStatus, ItemsStatus, Reason, SealedOutputs, TaskPhase, TaskStatus, WaitKind,
    WaitingFor, WorkflowRunStatus,
};
use crate::mutant::{Mutant, is};
use known::Known;
use row::Row;
pub use starting::{Start, is_starting};
use state::State;
pub(super) use unpack::close;
pub use unpack::unpack;

/// Child runs that did not succeed, of which all is told, so that a retry goes on with them. Of more a retry makes others.
const CHILDREN: usize = 256;
/// Objects that are deleted since they never said that they are over, of which all is told, so that whoever comes next deletes them
/// where that didn't happen at once.
const OBJECTS: usize = 256;

/// So many times as many items as a list may have that is spelt out, several lists may have together.
const MANY: usize = 4;

/// Items of a list that are spelt out where few are: some of each kind that people look for first.
const FEW: usize = 8;

/// What the units of a list have in common that are letters.
struct Base<'a> {
    /// The number of their attempts.
    number: u32,
    /// The generation of the run.
    generation: u32,
    /// Why those are being stopped that are.
    stop: Option<Reason>,
    /// The run, the task, and whether they are items of it.
    run: Option<&'a RunFacts<'a>>,
}

/// The status as it is stored. `spelt` is up to how many tasks, or items of a task, all that are known are spelt out; of more, three
/// eighths of that at most, but for those that have to be. `outputs` is where those of its tasks are, if not among these. `full` stays as
/// it is.
pub fn pack(full: &mut WorkflowRunStatus, spelt: usize, outputs: Option<SealedOutputs>) -> WorkflowRunStatus {
    // Of what is large most isn't stored, so it isn't copied either.
    let mut tasks = std::mem::take(&mut full.tasks);
    let lists = Lists::of(&tasks, spelt);
    let elsewhere = outputs.is_some() && full.sealed_outputs.is_none();
    let taken = elsewhere.then(|| sealed::take_out(&mut tasks));
    let long = |task: &mut TaskStatus| {
        Some(std::mem::take(&mut task.items.as_mut().filter(|items| lists.is_long(items))?.entries))
    };
    let entries: Vec<Option<Vec<ItemStatus>>> = tasks.iter_mut().map(long).collect();
    let mut stored = full.clone();
    // Without its plan it could not be unpacked.
    let is_unpacked = stored.packed.as_ref().is_none_or(|packed| packed.states.is_empty());
    let told = (tasks.len() > spelt && is_unpacked).then(|| pack_tasks(&mut stored, &tasks, room(spelt)));
    let of_all = (0..).zip(tasks.iter().zip(&entries));
    let kept = of_all.filter(|(index, _)| told.as_ref().is_none_or(|told| told.contains(index)));
    let kept = kept.map(|(_, (task, entries))| {
        let mut task = task.clone();
        let stop = task.reason.filter(|_| task.phase == TaskPhase::Stopping);
        if let (Some(entries), Some(items)) = (entries, task.items.as_mut()) {
            let number = items.former_attempts.saturating_add(1);
            let base = Base { number, generation: full.generation, stop, run: None };
            pack_items(items, entries, &base, lists.room());
        }
        task
    });
    stored.tasks = kept.collect();
    stored.sealed_outputs = outputs;
    if let Some(taken) = taken {
        sealed::put_back(&mut tasks, taken);
    }
    for (task, entries) in tasks.iter_mut().zip(entries) {
        task.items.as_mut().zip(entries).into_iter().for_each(|(items, entries)| items.entries = entries);
    }
    full.tasks = tasks;
    stored
}

/// How many are spelt out of more than that.
fn room(spelt: usize) -> usize {
    spelt.saturating_mul(3) / 8
}

/// The lists of items of a run, as far as it matters to each how many there are.
#[derive(Clone, Copy)]
struct Lists {
    count: usize,
    /// Items in all of them.
    total: usize,
    spelt: usize,
}

impl Lists {
    fn of(tasks: &[TaskStatus], spelt: usize) -> Self {
        let totals = || tasks.iter().filter_map(|task| usize::try_from(task.items.as_ref()?.total).ok());
        Self { count: totals().count(), total: totals().fold(0, usize::saturating_add), spelt }
    }

    /// Whether of a list few items are spelt out: it is long itself, or it is one of many.
    fn is_long(self, items: &ItemsStatus) -> bool {
        let is_long = usize::try_from(items.total).is_ok_and(|total| total > self.spelt);
        is_long || self.total > self.spelt.saturating_mul(MANY)
    }

    /// How many items of each such list are spelt out, where all that are share the room: a few of each kind, or none where there are more
    /// lists than room.
    fn room(self) -> usize {
        let room = room(self.spelt);
        if self.count > room { 0 } else { room.checked_div(self.count).unwrap_or(room).max(FEW).min(room) }
    }
}

/// `entries` are those of the items, which have none themselves.
fn pack_items(items: &mut ItemsStatus, entries: &[ItemStatus], base: &Base<'_>, room: usize) {
    let known: Vec<(u32, Known<'_>)> = entries.iter().map(|entry| (entry.index, entry.into())).collect();
    let mut states: Vec<State> = items.phases().into_iter().map(State::of_phase).collect();
    let spelt = write(&known, &mut states, base, room, &mut items.rows);
    items.states = state::write(states);
    items.entries = entries.iter().filter(|entry| spelt.contains(&entry.index)).cloned().collect();
    items.cut_ranges();
}

/// Returns the tasks that are spelt out. `stored` has none yet.
fn pack_tasks(stored: &mut WorkflowRunStatus, tasks: &[TaskStatus], room: usize) -> BTreeSet<u32> {
    let mut packed = stored.packed.take().unwrap_or_default();
    let newest = |task: &TaskStatus| task.attempts.last().map_or(0, |last| last.number);
    packed.newest_attempt = tasks.iter().map(newest).fold(packed.newest_attempt, u32::max);
    packed.total = u32::try_from(tasks.len()).unwrap_or(u32::MAX);
    let number = packed.former_attempts.saturating_add(1);
    let base = Base { number, generation: stored.generation, stop: stored.reason, run: None };
    let known: Vec<(u32, Known<'_>)> = (0..).zip(tasks.iter().map(Known::from)).collect();
    let mut states: Vec<State> = known.iter().map(|(_, task)| State::of(task)).collect();
    let spelt = write(&known, &mut states, &base, room, &mut packed.rows);
    packed.states = state::write(states);
    let rest = (0..).zip(tasks).filter(|(index, _)| !spelt.contains(index));
    let outputs = rest.filter_map(|(_, task)| Some((task.name.clone(), Value::Object(task.outputs.clone()?))));
    let outputs: Map<String, Value> = outputs.collect();
    packed.outputs = if outputs.is_empty() || is(Mutant::PackedOutputsLost) {
        String::new()
    } else {
        serde_json::to_string(&outputs).unwrap_or_default()
    };
    stored.packed = Some(packed);
    spelt
}

/// Writes states and rows of a list; returns the units that are spelt out.
fn write(
    known: &[(u32, Known<'_>)],
    states: &mut [State],
    base: &Base<'_>,
    room: usize,
    rows: &mut String,
) -> BTreeSet<u32> {
    for (index, task) in known {
        if let Some(slot) = usize::try_from(*index).ok().and_then(|index| states.get_mut(index)) {
            *slot = State::of(task);
        }
    }
    let spelt = spelt(known, base, room);
    let rest = known.iter().filter(|(index, task)| !spelt.contains(index) && needs_row(task, base));
    *rows = row::write(rest.map(|(index, task)| Row::of(*index, task, base.generation, base.stop != task.reason)));
    if is(Mutant::LettersShifted) && !states.is_empty() {
        states.rotate_right(1);
    }
    spelt
}

/// The units that are spelt out, chosen so that what was chosen is chosen again: of what is unusual three eighths of the room, of what
/// has failed two, of what runs one, of what was the last to end two.
fn spelt(known: &[(u32, Known<'_>)], base: &Base<'_>, room: usize) -> BTreeSet<u32> {
    let mut spelt = BTreeSet::new();
    let eighths = |share: usize| room.saturating_mul(share) / 8;
    let mut take = |room: usize, is_such: &dyn Fn(&Known<'_>) -> bool| {
        let such: Vec<u32> = known
            .iter()
            .filter(|(index, task)| !spelt.contains(index) && is_such(task))
            .map(|(index, _)| *index)
            .take(room)
            .collect();
        spelt.extend(such);
    };
    take(usize::MAX, &|task| is_whole(task));
    take(CHILDREN, &|task| may_go_on(task));
    take(OBJECTS, &|task| is_cut_off(task));
    take(eighths(3), &|task| {
        is_live(task) && (is_troubled(task) || needs_row(task, base)) || is_kept_from_starting(task)
    });
    take(eighths(2), &|task| task.phase == TaskPhase::Failed && is_told(task));
    take(eighths(1), &|task| is_live(task));
    let ended = known.iter().filter(|(_, task)| task.phase.is_finished() && is_told(task));
    let mut ended: Vec<&(u32, Known<'_>)> = ended.filter(|(index, _)| !spelt.contains(index)).collect();
    ended.sort_by_key(|(index, task)| (std::cmp::Reverse(task.finished_at.map(|at| at.0)), *index));
    spelt.extend(ended.into_iter().take(eighths(2)).map(|(index, _)| *index));
    spelt
}

/// Whether it has to be spelt out: it is something else than a pod and not over, or has items.
fn is_whole(task: &Known<'_>) -> bool {
    let is_object = task.attempts.last().is_some_and(|last| !last.is_pod());
    task.has_items || is_object && !task.phase.is_finished()
}

/// Whether it was a child run that a retry goes on with.
fn may_go_on(task: &Known<'_>) -> bool {
    let is_child = task.attempts.last().is_some_and(|last| !last.run.is_empty());
    is_child && task.phase.is_finished() && task.phase != TaskPhase::Succeeded
}

/// Whether it was an object that is to go. That of one that was cancelled goes anyway.
fn is_cut_off(task: &Known<'_>) -> bool {
    let is_object = |last: &Attempt| last.resource.is_some() && resource::is_cut_off(last);
    task.phase == TaskPhase::Failed && task.attempts.last().is_some_and(is_object)
}

fn is_live(task: &Known<'_>) -> bool {
    task.phase.has_pod() || task.phase == TaskPhase::Backoff
}

fn is_troubled(task: &Known<'_>) -> bool {
    let is_told = |it: &WaitingFor| it.kind != WaitKind::Backoff && !pace::is_ordinary(it, task.attempts.last());
    task.waiting_for.is_some_and(is_told)
}

/// Whether it waits for something else than for other tasks.
fn is_kept_from_starting(task: &Known<'_>) -> bool {
    let is_ordinary = |kind| matches!(kind, WaitKind::Dependency | WaitKind::Suspended | WaitKind::Pool);
    let is_told = |it: &WaitingFor| !is_ordinary(it.kind) && !gate::is_own_bound(it);
    task.phase == TaskPhase::Pending && task.waiting_for.is_some_and(is_told)
}

/// Whether there is more to tell of it than that it has ended.
fn is_told(task: &Known<'_>) -> bool {
    task.finished_at.is_some()
}

/// Whether a unit that isn't spelt out needs a row.
fn needs_row(task: &Known<'_>, base: &Base<'_>) -> bool {
    if !is_live(task) || is_whole(task) {
        return false;
    }
    let Some(last) = task.attempts.last() else { return false };
    let Base { number, generation, stop, .. } = *base;
    let before = task.attempts.iter().rev().skip(1).any(|attempt| attempt.generation == generation);
    let earlier = task.earlier.map(|earlier| EarlierAttempts { former: 0, ..earlier }).unwrap_or_default();
    let own_stop = task.phase == TaskPhase::Stopping && task.reason != stop;
    before
        || own_stop
        || task.phase == TaskPhase::Backoff
        || last.number != number
        || task.deadline_at.is_some()
        || earlier != EarlierAttempts::default()
}

/// How many units of the run need a row.
#[must_use]
pub(super) fn rows(full: &WorkflowRunStatus, spelt: usize) -> usize {
    let generation = full.generation;
    let lists = Lists::of(&full.tasks, spelt);
    let of_items =
        full.tasks.iter().filter_map(|task| Some((task, task.items.as_ref().filter(|it| lists.is_long(it))?)));
    let of_items = of_items.map(|(task, items)| {
        let stop = task.reason.filter(|_| task.phase == TaskPhase::Stopping);
        let base = Base { number: items.former_attempts.saturating_add(1), generation, stop, run: None };
        items.entries.iter().filter(|entry| needs_row(&Known::from(*entry), &base)).count()
    });
    let former = full.packed.as_ref().map_or(0, |packed| packed.former_attempts);
    let base = Base { number: former.saturating_add(1), generation, stop: full.reason, run: None };
    let is_large = full.tasks.len() > spelt;
    let tasks = full.tasks.iter().filter(|task| is_large && needs_row(&Known::from(*task), &base)).count();
    of_items.fold(tasks, usize::saturating_add)
}
