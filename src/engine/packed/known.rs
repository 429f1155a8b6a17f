//! What there is to know of a unit, where it is on record: as a task, or as an item of one.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use crate::api::{Attempt, EarlierAttempts, ItemStatus, Reason, TaskPhase, TaskStatus, WaitingFor};

/// A unit that is spelt out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known<'a> {
    pub(super) phase: TaskPhase,
    pub(super) reason: Option<Reason>,
    /// What its `when` came to. An item has none of its own.
    pub(super) when: Option<bool>,
    pub(super) finished_at: Option<&'a MicroTime>,
    pub(super) waiting_for: Option<&'a WaitingFor>,
    pub(super) attempts: &'a [Attempt],
    pub(super) earlier: Option<EarlierAttempts>,
    /// When its `totalTimeout` is over. That of an item is its task's.
    pub(super) deadline_at: Option<&'a MicroTime>,
    pub(super) has_items: bool,
}

impl<'a> From<&'a TaskStatus> for Known<'a> {
    fn from(task: &'a TaskStatus) -> Self {
        Self {
            phase: task.phase,
            reason: task.reason,
            when: task.when,
            finished_at: task.finished_at.as_ref(),
            waiting_for: task.waiting_for.as_ref(),
            attempts: &task.attempts,
            earlier: task.earlier,
            deadline_at: task.deadline_at.as_ref(),
            has_items: task.items.is_some(),
        }
    }
}

impl<'a> From<&'a ItemStatus> for Known<'a> {
    fn from(item: &'a ItemStatus) -> Self {
        Self {
            phase: item.phase,
            reason: item.reason,
            when: None,
            finished_at: item.finished_at.as_ref(),
            waiting_for: item.waiting_for.as_ref(),
            attempts: &item.attempts,
            earlier: item.earlier,
            deadline_at: None,
            has_items: false,
        }
    }
}
