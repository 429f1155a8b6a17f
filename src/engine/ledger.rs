//! The record being written. Every change of a phase goes through here: it is checked, numbered and put into history once.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use serde_json::{Map, Value};

use super::decision::Note;
use super::items::{self, Items};
use super::log::Hot;
use super::packed;
use super::text::{MESSAGE_BYTES, clip};
use super::transition::{run_may, task_may};
use super::unit::Unit;
use crate::api::log::{transition_line, unit_line};
use crate::api::{ItemStatus, ItemsStatus, Reason, RunPhase, TaskPhase, TaskStatus, Transition, WorkflowRunStatus};
use crate::mutant::{Mutant, is};

/// Bytes of a task's name in history.
const NAME: usize = 63;
/// Bytes that all messages of a run share; when they are used up, further messages are cut to [`SHORT_MESSAGE`].
const ALL_MESSAGES: usize = 256 * 1024;
/// Bytes of a message when the run has used up what all its messages share.
pub(super) const SHORT_MESSAGE: usize = 80;

/// A transition that the facts asked for and the law forbids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IllegalTransition {
    /// The task, and where it is one of its items, its index; `None` for the run.
    pub task: Option<String>,
    /// The phase it is in.
    pub from: String,
    /// The phase it was to enter.
    pub to: String,
}

/// A status being edited.
pub(super) struct Ledger {
    /// The status as it will be, but for the items of tasks that have not ended.
    pub(super) status: WorkflowRunStatus,
    /// The items of the tasks that have some, by the index of the task.
    pub(super) items: BTreeMap<usize, Items>,
    /// The lists of those, as far as they were asked for.
    pub(super) lists: BTreeMap<usize, Arc<Vec<Value>>>,
    /// What was decided to have another attempt in this decision.
    pub(super) intended: BTreeSet<Unit>,
    /// The time of this decision.
    pub(super) now: Timestamp,
    /// Events to tell.
    pub(super) notes: Vec<Note>,
    /// Refused transitions.
    pub(super) illegal: Vec<IllegalTransition>,
    /// Whether a transition was made that must be written at once.
    pub(super) urgent: bool,
    /// Earliest time at which something is due by itself.
    pub(super) wake_at: Option<Timestamp>,
    /// Whether several of its tasks have items, or may come to have some.
    pub(super) has_lists: bool,
    /// How much of what has happened it holds.
    hot: Hot,
    /// Number of the newest transition.
    seq: u64,
    /// Bytes of messages on record.
    message_bytes: usize,
    /// Bytes of outputs on record, once someone asked.
    output_bytes: Option<usize>,
    /// Rows that units may take which aren't spelt out, once someone asked.
    rows: Option<usize>,
    /// Pods that ended otherwise than well, and wait for a row.
    without_row: usize,
    /// The indices of the tasks by name, once someone asked.
    indices: OnceCell<BTreeMap<String, usize>>,
}

impl Ledger {
    pub(super) fn open(status: &WorkflowRunStatus, hot: Hot, now: Timestamp) -> Self {
        let message_bytes = status
            .tasks
            .iter()
            .map(|task| task.attempts.iter().fold(task.message.len(), |sum, a| sum.saturating_add(a.message.len())))
            .chain(status.tasks.iter().filter_map(|task| task.items.as_ref()).map(bytes_of))
            .fold(0, usize::saturating_add);
        let with_items =
            status.tasks.iter().enumerate().filter_map(|(index, task)| Some((index, task, task.items.as_ref()?)));
        Self {
            items: with_items.map(|(index, task, items)| (index, Items::read(&task.name, items))).collect(),
            lists: BTreeMap::new(),
            intended: BTreeSet::new(),
            status: status.clone(),
            now,
            notes: Vec::new(),
            illegal: Vec::new(),
            urgent: false,
            wake_at: None,
            has_lists: false,
            hot,
            seq: match status.history.last() {
                _ if is(Mutant::SeqFromLength) => u64::try_from(status.history.len()).unwrap_or(0),
                newest => newest.map_or(0, |newest| newest.seq),
            },
            message_bytes,
            output_bytes: None,
            rows: None,
            without_row: 0,
            indices: OnceCell::new(),
        }
    }

    /// Whether its tasks are too many to be spelt out.
    pub(super) fn is_packed(&self) -> bool {
        self.status.packed.is_some()
    }

    /// Whether the status may soon tell of it no longer, once it has ended.
    fn is_one_of_many(&self, unit: Unit) -> bool {
        let total = match unit.item {
            // All lists share what is told of items that have ended, also those that are yet to come.
            Some(_) if self.has_lists => return true,
            Some(_) => self.items.values().map(Items::total).fold(0, usize::saturating_add),
            None if self.items.contains_key(&unit.task) => return false,
            None => self.status.tasks.len(),
        };
        total > self.hot.spelt
    }

    /// The index of the task of this name.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        let all = || self.status.tasks.iter().enumerate().map(|(index, task)| (task.name.clone(), index)).collect();
        self.indices.get_or_init(all).get(name).copied()
    }

    /// How many pods ended otherwise than well and wait for a row, and how many rows there are.
    pub(super) const fn without_row(&self) -> (usize, usize) {
        (self.without_row, self.hot.rows)
    }

    /// Takes the room for what is to be on record of a unit that was a letter. False if there is none.
    pub(super) fn take_row(&mut self) -> bool {
        let rows =
            self.rows.unwrap_or_else(|| self.hot.rows.saturating_sub(packed::rows(&self.status, self.hot.spelt)));
        self.rows = Some(rows.saturating_sub(1));
        self.without_row = self.without_row.saturating_add(usize::from(rows == 0));
        rows > 0
    }

    pub(super) fn phase(&self) -> RunPhase {
        self.status.phase
    }

    pub(super) fn task(&self, index: usize) -> Option<&TaskStatus> {
        self.status.tasks.get(index)
    }

    pub(super) fn task_mut(&mut self, index: usize) -> Option<&mut TaskStatus> {
        self.status.tasks.get_mut(index)
    }

    /// A task, or what is known of an item.
    pub(super) fn unit(&self, unit: Unit) -> Option<&TaskStatus> {
        match unit.item {
            None => self.task(unit.task),
            Some(item) => self.items.get(&unit.task)?.get(item),
        }
    }

    /// A task or an item, to be changed.
    pub(super) fn unit_mut(&mut self, unit: Unit) -> Option<&mut TaskStatus> {
        match unit.item {
            None => self.status.tasks.get_mut(unit.task),
            Some(item) => {
                let name = self.status.tasks.get(unit.task)?.name.as_str();
                self.items.get_mut(&unit.task)?.get_mut(item, name)
            }
        }
    }

    /// All that may have an open attempt: tasks without items, and items under way.
    pub(super) fn unfinished(&self) -> Vec<Unit> {
        let mut units = Vec::new();
        for (index, _) in self.status.tasks.iter().enumerate().filter(|(_, task)| !task.phase.is_finished()) {
            match self.items.get(&index).filter(|items| items.is_listed()) {
                None => units.push(index.into()),
                Some(items) => {
                    let open = items.known().filter(|(_, item)| !item.phase.is_finished());
                    units.extend(open.map(|(item, _)| Unit::item(index, item)));
                }
            }
        }
        units
    }

    /// Whether a task has a list of items by now.
    pub(super) fn has_items(&self, index: usize) -> bool {
        self.items.get(&index).is_some_and(Items::is_listed)
    }

    /// A task or item as people write it.
    pub(super) fn name(&self, unit: Unit) -> String {
        unit.told(self.task(unit.task).map_or("", |task| task.name.as_str()))
    }

    /// The items of a task that succeeds now go on record; their outputs are the task's from now on.
    pub(super) fn close_items(&mut self, index: usize) {
        self.items.get_mut(&index).into_iter().for_each(Items::clear_outputs);
        self.keep_items(index);
    }

    /// The items of a task that ends now go on record as they are.
    pub(super) fn keep_items(&mut self, index: usize) {
        let ended = items::ended(self.items.len());
        if let Some(items) = self.items.get_mut(&index) {
            items.waiting_for = None;
            let written = items.write(ended);
            if let Some(task) = self.task_mut(index) {
                task.items = Some(written);
            }
        }
    }

    /// All items go on record as they are.
    pub(super) fn write_items(&mut self) {
        let ended = items::ended(self.items.len());
        for (index, items) in &self.items {
            if let Some(task) = self.status.tasks.get_mut(*index) {
                task.items = Some(items.write(ended));
            }
        }
    }

    /// The current time as it goes on record.
    pub(super) fn stamp(&self) -> MicroTime {
        MicroTime(self.now)
    }

    /// Asks to be woken at `at`.
    pub(super) fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    /// Whether these outputs fit beside those on record; if so they are counted.
    pub(super) fn add_outputs(&mut self, outputs: &Map<String, Value>, bound: usize) -> bool {
        let size = |outputs: &Map<String, Value>| serde_json::to_string(outputs).map_or(0, |text| text.len());
        let on_record = self.output_bytes.unwrap_or_else(|| {
            let of_tasks = self.status.tasks.iter().filter_map(|task| task.outputs.as_ref()).map(size);
            let of_items =
                self.status.tasks.iter().filter_map(|task| task.items.as_ref()).map(|items| items.outputs.len());
            of_tasks.chain(of_items).fold(0, usize::saturating_add)
        });
        let total = on_record.saturating_add(size(outputs));
        let fits = total <= bound;
        self.output_bytes = Some(if fits { total } else { on_record });
        fits
    }

    /// A message within the bound that all messages share.
    pub(super) fn message(&mut self, text: &str) -> String {
        let room = if self.message_bytes < ALL_MESSAGES { MESSAGE_BYTES } else { SHORT_MESSAGE };
        let message = clip(text, room);
        self.message_bytes = self.message_bytes.saturating_add(message.len());
        message
    }

    /// Moves a task or an item to a phase. Moving to the phase that it is in does nothing; an illegal move is refused and reported.
    pub(super) fn move_task(&mut self, unit: impl Into<Unit>, to: TaskPhase, reason: Option<Reason>) -> bool {
        let (unit, stamp): (Unit, _) = (unit.into(), self.stamp());
        let Some(task) = self.unit_mut(unit) else { return false };
        let from = task.phase;
        if from == to {
            return true;
        }
        if !task_may(from, to) {
            let illegal = IllegalTransition {
                task: Some(unit.told(&task.name)),
                from: format!("{from:?}"),
                to: format!("{to:?}"),
            };
            self.illegal.push(illegal);
            return false;
        }
        task.phase = to;
        task.reason = reason;
        if !matches!(to, TaskPhase::Pending | TaskPhase::Starting | TaskPhase::Backoff) {
            task.waiting_for = None;
        }
        if to.is_finished() {
            task.finished_at = Some(stamp);
        }
        let attempt = task.attempts.last().map(|attempt| attempt.number);
        // It is a plan's, and short, unless someone edited the record.
        let name = clip(&task.name, NAME);
        if let (Some(item), Some(items)) = (unit.item, self.items.get_mut(&unit.task)) {
            items.set_phase(item, to);
        }
        let ends = to.is_finished() && self.is_one_of_many(unit) && !is(Mutant::EndNotLogged);
        if let Some(ended) = self.unit(unit).filter(|_| ends).cloned() {
            self.log_unit(unit.item, &ended);
        }
        // Nothing hangs on a task's being known to run, so it can ride along with the next write.
        self.urgent |= to != TaskPhase::Running;
        self.record(Some((name, unit.item)), attempt, format!("{from:?}"), format!("{to:?}"), reason);
        true
    }

    /// Moves the run to a phase, under the same rules.
    pub(super) fn move_run(&mut self, to: RunPhase, reason: Option<Reason>) -> bool {
        let from = self.status.phase;
        if from == to {
            return true;
        }
        if !run_may(from, to) {
            self.illegal.push(IllegalTransition { task: None, from: format!("{from:?}"), to: format!("{to:?}") });
            return false;
        }
        self.status.phase = to;
        self.status.reason = reason;
        if to.is_finished() {
            self.status.finished_at = Some(self.stamp());
            self.status.waiting_for = None;
        }
        self.urgent = true;
        self.record(None, None, format!("{from:?}"), format!("{to:?}"), reason);
        true
    }

    /// What has ended is open again, a task or the run: the one way back, which only the next generation takes.
    pub(super) fn reopen(&mut self, index: Option<usize>) {
        let from = match index.map(|index| self.status.tasks.get(index)) {
            Some(Some(task)) => {
                (task.phase.is_finished()).then(|| (Some((clip(&task.name, NAME), None)), format!("{:?}", task.phase)))
            }
            Some(None) => None,
            None => Some((None, format!("{:?}", self.status.phase))),
        };
        let Some((task, from)) = from else { return };
        let (to, attempt) = (
            format!("{:?}", TaskPhase::Pending),
            index.and_then(|index| self.task(index)?.attempts.last()).map(|last| last.number),
        );
        if let Some(task) = index.and_then(|index| self.status.tasks.get_mut(index)) {
            task.phase = TaskPhase::Pending;
        } else {
            (self.status.phase, self.status.reason) = (RunPhase::Pending, None);
        }
        self.urgent = true;
        self.record(task, attempt, from, to, None);
    }

    /// Tells people something about the newest transition.
    pub(super) fn note(&mut self, warning: bool, reason: &'static str, message: &str) {
        self.notes.push(Note { seq: self.seq, warning, reason, message: clip(message, MESSAGE_BYTES) });
    }

    fn record(
        &mut self,
        task: Option<(String, Option<u32>)>,
        attempt: Option<u32>,
        from: String,
        to: String,
        reason: Option<Reason>,
    ) {
        self.seq = self.seq.saturating_add(1);
        let at = self.stamp();
        let history = &mut self.status.history;
        let (task, item) = task.map_or((None, None), |(task, item)| (Some(task), item));
        history.push(Transition { seq: self.seq, at, task, item, attempt, from, to, reason });
        let surplus = history.len().saturating_sub(self.hot.history);
        let log = &mut self.status.log;
        history.drain(..surplus).for_each(|old| log.push_str(&transition_line(&old)));
    }

    /// What there is to say of a task or an item that has ended, and that the status is about to tell of no longer, goes into the
    /// log. Of the items of a task each is a line of its own.
    pub(super) fn log_unit(&mut self, item: Option<u32>, status: &TaskStatus) {
        self.status.log.push_str(&unit_line(item, status));
    }
}

/// Bytes of the messages of items.
fn bytes_of(items: &ItemsStatus) -> usize {
    let of = |entry: &ItemStatus| {
        entry.attempts.iter().fold(entry.message.len(), |sum, a| sum.saturating_add(a.message.len()))
    };
    items.entries.iter().map(of).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests;
