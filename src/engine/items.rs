//! The items of a task while a decision is made: the phase of each, and what is known of some.
//!
//! Of an item that has not begun there is nothing to know but that; of one that is under way everything is on record; of those
//! that have ended, the status goes on telling of some.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::generation::reopen;
use crate::api::{EarlierAttempts, ItemStatus, ItemsStatus, TaskPhase, TaskStatus, WaitingFor};

/// Items that have ended and are spelt out, in all tasks of a run together.
const ENDED: usize = 64;
/// How many each task may spell out all the same, however many tasks there are.
const ENDED_LEAST: usize = 4;

/// The items of a task.
#[derive(Clone, Debug)]
pub(super) struct Items {
    /// Whether the list is made.
    is_listed: bool,
    /// The phase of every item.
    phases: Vec<TaskPhase>,
    /// What is known of an item, as of a task. Of those under way everything is.
    known: BTreeMap<u32, TaskStatus>,
    /// What those wait for that have not begun.
    pub(super) waiting_for: Option<WaitingFor>,
    /// The outputs on record, as they are written.
    outputs: String,
    /// Outputs to add to those.
    added: BTreeMap<u32, Map<String, Value>>,
    /// The highest number of an attempt so far.
    newest_attempt: u32,
    /// The highest number of an attempt of a former generation.
    former_attempts: u32,
}

impl Items {
    /// So many items that have not begun.
    pub(super) fn new(total: usize) -> Self {
        Self {
            is_listed: true,
            phases: vec![TaskPhase::Pending; total],
            known: BTreeMap::new(),
            waiting_for: None,
            outputs: String::new(),
            added: BTreeMap::new(),
            newest_attempt: 0,
            former_attempts: 0,
        }
    }

    /// As they are on record.
    pub(super) fn read(name: &str, status: &ItemsStatus) -> Self {
        let phases = status.phases();
        let phase_of = |index: u32| phases.get(usize::try_from(index).ok()?).copied();
        let known = status.entries.iter().filter_map(|entry| {
            let item = TaskStatus {
                name: name.to_owned(),
                phase: phase_of(entry.index)?,
                reason: entry.reason,
                message: entry.message.clone(),
                started_at: entry.started_at.clone(),
                finished_at: entry.finished_at.clone(),
                waiting_for: entry.waiting_for.clone(),
                attempts: entry.attempts.clone(),
                earlier: entry.earlier,
                ..TaskStatus::default()
            };
            Some((entry.index, item))
        });
        Self {
            // An empty list ends its task at once.
            is_listed: status.total > 0,
            known: known.collect(),
            phases,
            waiting_for: status.waiting_for.clone(),
            outputs: status.outputs.clone(),
            added: BTreeMap::new(),
            newest_attempt: status.newest_attempt,
            former_attempts: status.former_attempts,
        }
    }

    /// As they go on record. `ended` bounds how many are spelt out of those that have ended.
    pub(super) fn write(&self, ended: usize) -> ItemsStatus {
        let mut status = ItemsStatus {
            total: u32::try_from(self.phases.len()).unwrap_or(u32::MAX),
            newest_attempt: self.newest_attempt,
            former_attempts: self.former_attempts,
            waiting_for: self.waiting_for.clone(),
            outputs: if self.added.is_empty() { self.outputs.clone() } else { text_of(&self.outputs()) },
            entries: self.told(ended).into_iter().map(|(index, item)| entry(index, item.clone())).collect(),
            ..ItemsStatus::default()
        };
        status.set_phases(&self.phases);
        status
    }

    /// What is spelt out, by index: all that is under way, and of what has ended some failures, then the newest.
    fn told(&self, ended: usize) -> BTreeMap<u32, &TaskStatus> {
        let mut told: BTreeMap<u32, &TaskStatus> = self
            .known
            .iter()
            .filter(|(_, item)| !item.phase.is_finished())
            .map(|(index, item)| (*index, item))
            .collect();
        let over = || self.known.iter().filter(|(_, item)| item.phase.is_finished());
        let failed = over().filter(|(_, item)| item.phase == TaskPhase::Failed).take(ended.div_ceil(2));
        let failed: BTreeMap<u32, &TaskStatus> = failed.map(|(index, item)| (*index, item)).collect();
        let mut others: Vec<(&u32, &TaskStatus)> = over().filter(|(index, _)| !failed.contains_key(index)).collect();
        others.sort_by_key(|(index, item)| (std::cmp::Reverse(item.finished_at.as_ref().map(|at| at.0)), **index));
        let room = ended.saturating_sub(failed.len());
        told.extend(failed);
        told.extend(others.into_iter().take(room).map(|(index, item)| (*index, item)));
        told
    }

    /// How many items there are.
    pub(super) fn total(&self) -> usize {
        self.phases.len()
    }

    /// The phase of an item.
    pub(super) fn phase(&self, index: u32) -> Option<TaskPhase> {
        self.phases.get(usize::try_from(index).ok()?).copied()
    }

    /// How many are in a phase.
    pub(super) fn count(&self, wanted: TaskPhase) -> usize {
        self.phases.iter().filter(|phase| **phase == wanted).count()
    }

    /// How many have a pod, or are to have one.
    pub(super) fn live(&self) -> usize {
        self.phases.iter().filter(|phase| phase.has_pod()).count()
    }

    /// How many are under way: those whose attempts go on, and those that wait for another.
    pub(super) fn under_way(&self) -> usize {
        self.phases.iter().filter(|phase| !phase.is_finished() && **phase != TaskPhase::Pending).count()
    }

    /// Whether one is in such a phase.
    pub(super) fn any_in(&self, is_such: impl Fn(TaskPhase) -> bool) -> bool {
        self.phases.iter().any(|phase| is_such(*phase))
    }

    /// Whether all have ended.
    pub(super) fn have_ended(&self) -> bool {
        self.phases.iter().all(|phase| phase.is_finished())
    }

    /// The items in a phase, by index.
    pub(super) fn in_phase(&self, wanted: TaskPhase) -> Vec<u32> {
        (0..).zip(&self.phases).filter(|(_, phase)| **phase == wanted).map(|(index, _)| index).collect()
    }

    /// Items of which more is known than their phase, by index.
    pub(super) fn known(&self) -> impl Iterator<Item = (u32, &TaskStatus)> {
        self.known.iter().map(|(index, item)| (*index, item))
    }

    /// What is known of an item, if more is than its phase.
    pub(super) fn get(&self, index: u32) -> Option<&TaskStatus> {
        self.known.get(&index)
    }

    /// An item, to be changed. Its phase is changed by [`Items::set_phase`].
    pub(super) fn get_mut(&mut self, index: u32, name: &str) -> Option<&mut TaskStatus> {
        let (phase, earlier) = (self.phase(index)?, former(self.former_attempts));
        Some(self.known.entry(index).or_insert_with(|| TaskStatus {
            name: name.to_owned(),
            phase,
            earlier,
            ..TaskStatus::default()
        }))
    }

    /// The highest number of an attempt of a former generation.
    pub(super) fn former_attempts(&self) -> u32 {
        self.former_attempts
    }

    /// All are forgotten, and a new list may be made.
    pub(super) fn clear(&mut self) {
        let newest_attempt = self.newest_attempt;
        *self = Self { is_listed: false, former_attempts: newest_attempt, newest_attempt, ..Self::new(0) };
    }

    /// A list of so many items that have not begun is made.
    pub(super) fn open(&mut self, total: usize) {
        (self.is_listed, self.phases) = (true, vec![TaskPhase::Pending; total]);
    }

    /// Whether the list is made.
    pub(super) const fn is_listed(&self) -> bool {
        self.is_listed
    }

    /// An attempt of this number begins.
    pub(super) fn begin(&mut self, attempt: u32) {
        self.newest_attempt = self.newest_attempt.max(attempt);
    }

    /// All items begin anew, but for those that `stay` as they are. The numbers of attempts go on.
    pub(super) fn reopen(&mut self, stay: impl Fn(TaskPhase) -> bool) {
        // Of one that isn't spelt out any more nobody knows which number was its last.
        self.former_attempts = self.newest_attempt;
        for (index, phase) in (0..).zip(&mut self.phases).filter(|(_, phase)| !stay(**phase)) {
            *phase = TaskPhase::Pending;
            if let Some(item) = self.known.get_mut(&index) {
                reopen(item);
            }
        }
    }

    /// An item enters a phase.
    pub(super) fn set_phase(&mut self, index: u32, phase: TaskPhase) {
        if let Some(slot) = usize::try_from(index).ok().and_then(|index| self.phases.get_mut(index)) {
            *slot = phase;
        }
        if let Some(item) = self.known.get_mut(&index) {
            item.phase = phase;
        }
    }

    /// What has not begun never will.
    pub(super) fn cancel_pending(&mut self) {
        for phase in self.phases.iter_mut().filter(|phase| **phase == TaskPhase::Pending) {
            *phase = TaskPhase::Cancelled;
        }
        for item in self.known.values_mut().filter(|item| item.phase == TaskPhase::Pending) {
            item.phase = TaskPhase::Cancelled;
        }
        self.waiting_for = None;
    }

    /// An item has succeeded with these outputs.
    pub(super) fn add_outputs(&mut self, index: u32, outputs: Map<String, Value>) {
        self.added.insert(index, outputs);
    }

    /// For each output the values of all items, null where there is none.
    pub(super) fn outputs(&self) -> Map<String, Value> {
        let mut all: Map<String, Value> = serde_json::from_str(&self.outputs).unwrap_or_default();
        all.retain(|_, values| values.is_array());
        for (index, outputs) in &self.added {
            for (name, value) in outputs {
                let list = all.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
                let (Value::Array(list), Ok(index)) = (list, usize::try_from(*index)) else { continue };
                list.resize(list.len().max(index.saturating_add(1)), Value::Null);
                if let Some(slot) = list.get_mut(index) {
                    *slot = value.clone();
                }
            }
        }
        all
    }

    /// The outputs as the task's own, one list for each name, as long as there are items.
    pub(super) fn gathered<'a>(&self, names: impl Iterator<Item = &'a str>) -> Map<String, Value> {
        let mut all = self.outputs();
        let whole = |name: &str| {
            let mut list = match all.remove(name) {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            list.resize(self.phases.len(), Value::Null);
            (name.to_owned(), Value::Array(list))
        };
        names.map(whole).collect()
    }

    /// The outputs are the task's own now.
    pub(super) fn clear_outputs(&mut self) {
        self.outputs.clear();
        self.added.clear();
    }
}

/// So many attempts of former generations.
fn former(count: u32) -> Option<EarlierAttempts> {
    (count > 0).then(|| EarlierAttempts { former: count, ..EarlierAttempts::default() })
}

/// How many items that have ended a task spells out in a run of so many tasks with items.
pub(super) fn ended(tasks: usize) -> usize {
    ENDED.checked_div(tasks).unwrap_or(ENDED).max(ENDED_LEAST)
}

fn text_of(outputs: &Map<String, Value>) -> String {
    serde_json::to_string(outputs).unwrap_or_default()
}

/// An item as it goes on record.
pub(super) fn entry(index: u32, item: TaskStatus) -> ItemStatus {
    let TaskStatus { phase, reason, message, started_at, finished_at, waiting_for, attempts, earlier, .. } = item;
    ItemStatus { index, phase, reason, message, started_at, finished_at, waiting_for, attempts, earlier }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
    use serde_json::json;

    use super::*;
    use crate::api::Attempt;

    fn at(items: &mut Items, index: u32, phase: TaskPhase, ended_at: i64) {
        items.get_mut(index, "f").unwrap().attempts.push(Attempt { number: 1, ..Attempt::default() });
        items.set_phase(index, phase);
        if phase.is_finished() {
            let ended_at = Timestamp::from_second(ended_at).unwrap();
            items.get_mut(index, "f").unwrap().finished_at = Some(MicroTime(ended_at));
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut items = Items::new(6);
        at(&mut items, 0, TaskPhase::Succeeded, 5);
        at(&mut items, 1, TaskPhase::Running, 0);
        items.add_outputs(0, Map::from_iter([("v".to_owned(), json!(7))]));
        let status = items.write(64);
        assert_eq!(
            (status.total, status.succeeded.as_str(), status.running.as_str(), status.pending.as_str()),
            (6, "0", "1", "2-5")
        );
        assert_eq!(status.outputs, r#"{"v":[7]}"#);
        let again = Items::read("f", &status);
        assert_eq!(again.write(64), status);
        assert_eq!(again.get(1).unwrap().attempts.len(), 1);
        assert_eq!((again.live(), again.have_ended(), again.count(TaskPhase::Pending)), (1, false, 4));
    }

    #[test]
    fn everything_under_way_is_spelt_out_and_of_the_rest_failures_and_the_newest() {
        let mut items = Items::new(40);
        for index in 0..10 {
            at(&mut items, index, TaskPhase::Running, 0);
        }
        for index in 10..20 {
            at(&mut items, index, TaskPhase::Failed, 100 + i64::from(index));
        }
        for index in 20..30 {
            at(&mut items, index, TaskPhase::Succeeded, 200 + i64::from(index));
        }
        let told = |status: &ItemsStatus| status.entries.iter().map(|entry| entry.index).collect::<Vec<u32>>();
        let status = items.write(6);
        assert_eq!(told(&status), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 27, 28, 29]);
        let again = Items::read("f", &status).write(6);
        assert_eq!(again, status, "the same is told again");
    }

    #[test]
    fn outputs_are_gathered_in_the_order_of_the_items() {
        let mut items = Items::new(4);
        let value = |value: Value| Map::from_iter([("v".to_owned(), value)]);
        items.add_outputs(2, value(json!("c")));
        items = Items::read("f", &items.write(64));
        items.add_outputs(0, value(json!("a")));
        assert_eq!(
            Value::Object(items.gathered(["v", "w"].into_iter())),
            json!({"v": ["a", null, "c", null], "w": [null, null, null, null]})
        );
        items.clear_outputs();
        assert_eq!(items.write(64).outputs, "");
    }

    #[test]
    fn what_a_hand_wrote_is_no_harm() {
        let odd = ItemsStatus {
            total: 2,
            running: "0-9".into(),
            outputs: "{\"v\": 3, \"w\": [1, 2, 3, 4]}".into(),
            entries: vec![ItemStatus { index: 7, ..ItemStatus::default() }],
            ..ItemsStatus::default()
        };
        let mut items = Items::read("f", &odd);
        assert_eq!((items.total(), items.live(), items.known().count()), (2, 2, 0));
        assert!(items.get_mut(2, "f").is_none());
        items.add_outputs(1, Map::from_iter([("v".to_owned(), json!(true))]));
        assert_eq!(Value::Object(items.gathered(["v", "w"].into_iter())), json!({"v": [null, true], "w": [1, 2]}));
    }

    #[test]
    fn many_lists_share_the_room() {
        assert_eq!([0, 1, 2, 10, 1_000].map(ended), [64, 64, 32, 6, 4]);
    }
}
