//! What the operator records of the items of a task with `forEach`.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

// `Reason` by its path: the derive brings a type of that name into scope.
use super::phase::{self, TaskPhase};
use super::ranges;
use super::status::{Attempt, EarlierAttempts, WaitingFor};

/// The items of a task: which are in which phase, as ranges of their indices, and what there is to say of some of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemsStatus {
    /// How many there are; fixed when the list was made.
    #[serde(default)]
    pub total: u32,
    /// Indices of those that have not begun. Example: `12-99`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pending: String,
    /// Indices of those whose pod is being made or got ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub starting: String,
    /// Indices of those that run.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub running: String,
    /// Indices of those whose pod is being stopped.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub stopping: String,
    /// Indices of those that wait for the time of their next attempt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub backoff: String,
    /// Indices of those that succeeded. Example: `0-8,10`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub succeeded: String,
    /// Indices of those that failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub failed: String,
    /// Indices of those that were cancelled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cancelled: String,
    /// The highest number of an attempt of any item.
    #[serde(default)]
    pub newest_attempt: u32,
    /// The highest number of an attempt of a generation before the present one: items of which nothing more is told go on from it.
    #[serde(default, skip_serializing_if = "super::status::is_zero")]
    pub former_attempts: u32,
    /// What those wait for that have not begun, while others are under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// The outputs of the items that have succeeded, until the task succeeds: for each name the values by index, as JSON.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outputs: String,
    /// Where there are more than 64 items, or more than 256 in all tasks of the run, the state of each, a letter with how many in a row are in it: `4999s3r100p`. The letters:
    /// p pending, i intended (its pod is to be made), m made, r running, z stopping, y the same (its pod is not known to be made), b waiting to be tried again, s succeeded, f failed,
    /// c cancelled. The ranges above are cut then where they are long.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 65_536))]
    pub states: String,
    /// Of those that were tried before and aren't among the entries: index, number of the newest attempt, how many before it failed, were
    /// disrupted before and after their start, and were not yet; then its end, and times in milliseconds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1_048_576))]
    pub rows: String,
    /// Those that are under way, and some that have ended: failed ones and the newest. Where there is a letter for each, some of each kind;
    /// none where more than 24 tasks of the run have items. By index.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1024))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub entries: Vec<ItemStatus>,
}

/// Characters of ranges that a long list shows.
const RANGES: usize = 200;

/// The most items that a task can have.
pub const MAX_ITEMS: u32 = 20_000;

impl ItemsStatus {
    /// The phase of every item, by index. What no range names is Pending; of an index that is named twice, which only a hand can
    /// have done, the phase nearer to the end counts.
    #[must_use]
    pub fn phases(&self) -> Vec<TaskPhase> {
        let total = self.total.min(MAX_ITEMS);
        let mut phases = vec![TaskPhase::Pending; usize::try_from(total).unwrap_or(0)];
        for (phase, text) in self.ranges() {
            for index in ranges::read(text, total) {
                if let Some(slot) = usize::try_from(index).ok().and_then(|index| phases.get_mut(index)) {
                    *slot = phase;
                }
            }
        }
        phases
    }

    /// Writes down the phase of every item.
    pub fn set_phases(&mut self, phases: &[TaskPhase]) {
        let of = |wanted: TaskPhase| {
            let indices = (0..).zip(phases).filter(|(_, phase)| **phase == wanted).map(|(index, _)| index);
            ranges::write(indices)
        };
        self.pending = of(TaskPhase::Pending);
        self.starting = of(TaskPhase::Starting);
        self.running = of(TaskPhase::Running);
        self.stopping = of(TaskPhase::Stopping);
        self.backoff = of(TaskPhase::Backoff);
        self.cancelled = of(TaskPhase::Cancelled);
        self.failed = of(TaskPhase::Failed);
        self.succeeded = of(TaskPhase::Succeeded);
    }

    /// Cuts ranges that are longer than a reader wants; the states tell all.
    pub fn cut_ranges(&mut self) {
        let all = [
            &mut self.pending,
            &mut self.starting,
            &mut self.running,
            &mut self.stopping,
            &mut self.backoff,
            &mut self.succeeded,
            &mut self.failed,
            &mut self.cancelled,
        ];
        for text in all {
            let end = text.char_indices().take(RANGES).filter(|(_, letter)| *letter == ',').map(|(at, _)| at).last();
            if text.len() > RANGES {
                text.truncate(end.unwrap_or(0));
                text.push_str(",...");
            }
        }
    }

    /// The ranges, each with the phase of its items, what has ended last.
    fn ranges(&self) -> [(TaskPhase, &str); 8] {
        [
            (TaskPhase::Pending, &self.pending),
            (TaskPhase::Backoff, &self.backoff),
            (TaskPhase::Starting, &self.starting),
            (TaskPhase::Running, &self.running),
            (TaskPhase::Stopping, &self.stopping),
            (TaskPhase::Cancelled, &self.cancelled),
            (TaskPhase::Failed, &self.failed),
            (TaskPhase::Succeeded, &self.succeeded),
        ]
    }
}

/// The state of an item.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ItemStatus {
    /// Index of the item in the list, from 0.
    pub index: u32,
    /// Where the item is.
    #[serde(default)]
    pub phase: TaskPhase,
    /// Why, in one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<phase::Reason>,
    /// What went wrong, in a sentence of at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When its first attempt started to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// The newest attempts, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub attempts: Vec<Attempt>,
    /// Attempts before those that are listed, counted by what came of them. Their pods are deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierAttempts>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_are_read_as_they_were_written() {
        use TaskPhase::{Backoff, Cancelled, Failed, Pending, Running, Starting, Stopping, Succeeded};
        let phases = [Succeeded, Succeeded, Failed, Running, Pending, Starting, Stopping, Backoff, Cancelled, Pending];
        let mut items = ItemsStatus { total: 10, ..ItemsStatus::default() };
        items.set_phases(&phases);
        assert_eq!((items.succeeded.as_str(), items.pending.as_str()), ("0-1", "4,9"));
        assert_eq!(items.phases(), phases);
    }

    #[test]
    fn whatever_a_hand_wrote_gives_phases() {
        let items = ItemsStatus {
            total: u32::MAX,
            running: "0-4294967295".into(),
            succeeded: "1,nonsense".into(),
            ..ItemsStatus::default()
        };
        let phases = items.phases();
        assert_eq!((phases.len(), phases[0], phases[1]), (20_000, TaskPhase::Running, TaskPhase::Succeeded));
        assert_eq!(ItemsStatus::default().phases(), []);
    }
}
