//! What tasks, items and the run wait for, as it goes on record.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::ledger::{Ledger, SHORT_MESSAGE};
use super::text::{MESSAGE_BYTES, clip};
use super::unit::Unit;
use crate::api::{TaskPhase, WaitKind, WaitingFor, WorkflowRunStatus};

/// Tasks up to which what a task waits for is told in full; in larger runs it is cut to [`SHORT_MESSAGE`].
const FULL_DETAIL_TASKS: usize = 64;

impl Ledger {
    /// Records what a task or an item waits for. The time since when stays while the kind does.
    pub(super) fn wait(&mut self, unit: impl Into<Unit>, kind: WaitKind, detail: &str) {
        self.wait_since(unit, kind, detail, self.now);
    }

    /// The same; where it is new, it is so since then.
    pub(super) fn wait_since(&mut self, unit: impl Into<Unit>, kind: WaitKind, detail: &str, now: Timestamp) {
        let unit: Unit = unit.into();
        let many = self.status.tasks.len() > FULL_DETAIL_TASKS
            || self.items.get(&unit.task).is_some_and(|items| items.total() > FULL_DETAIL_TASKS);
        let room = if many { SHORT_MESSAGE } else { MESSAGE_BYTES };
        if let Some(task) = self.unit_mut(unit) {
            task.waiting_for = Some(waiting(task.waiting_for.as_ref(), kind, clip(detail, room), now));
        }
    }

    /// A task or an item that is under way waits for nothing any more.
    pub(super) fn wait_no_more(&mut self, unit: Unit) {
        if self.unit(unit).is_some_and(|task| task.waiting_for.is_some()) {
            self.unit_mut(unit).into_iter().for_each(|task| task.waiting_for = None);
        }
    }

    /// Records what the items of a task wait for that have not begun, if any do; while none has begun, that is what the task waits
    /// for.
    pub(super) fn wait_items(&mut self, index: usize, what: Option<(WaitKind, String)>) {
        let now = self.now;
        let pending = self.task(index).is_some_and(|task| task.phase == TaskPhase::Pending);
        let begun = self.items.get(&index).is_some_and(|items| items.any_in(|phase| phase != TaskPhase::Pending));
        if let (Some((kind, detail)), true, false) = (&what, pending, begun) {
            self.wait(index, *kind, detail);
        }
        if let Some(items) = self.items.get_mut(&index) {
            let old = items.waiting_for.take();
            items.waiting_for = what.map(|(kind, detail)| waiting(old.as_ref(), kind, detail, now));
        }
    }

    /// Records what the run itself waits for.
    pub(super) fn wait_run(&mut self, kind: WaitKind, detail: &str) {
        let next = waiting(self.status.waiting_for.as_ref(), kind, clip(detail, MESSAGE_BYTES), self.now);
        self.status.waiting_for = Some(next);
    }
}

/// What waits for such a thing as it did before, whatever it waited for in between, does so since then.
pub(super) fn keep_since(status: &mut WorkflowRunStatus, before: &WorkflowRunStatus) {
    let tasks = status.tasks.iter_mut().zip(&before.tasks).filter(|(task, before)| task.name == before.name);
    for (task, before) in tasks {
        keep(&mut task.waiting_for, before.waiting_for.as_ref());
        let (Some(items), Some(before)) = (&mut task.items, &before.items) else { continue };
        let mut before = before.entries.iter().peekable();
        for entry in &mut items.entries {
            while before.next_if(|old| old.index < entry.index).is_some() {}
            if let Some(old) = before.next_if(|old| old.index == entry.index) {
                keep(&mut entry.waiting_for, old.waiting_for.as_ref());
            }
        }
    }
}

fn keep(waiting: &mut Option<WaitingFor>, before: Option<&WaitingFor>) {
    if let (Some(waiting), Some(before)) = (waiting, before)
        && waiting.kind == before.kind
        && waiting.since != before.since
    {
        waiting.since = before.since.clone();
    }
}

fn waiting(old: Option<&WaitingFor>, kind: WaitKind, detail: String, now: Timestamp) -> WaitingFor {
    let since = old.filter(|old| old.kind == kind).map_or(MicroTime(now), |old| old.since.clone());
    WaitingFor { kind, detail, since }
}
