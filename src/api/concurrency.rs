//! How many runs of a workflow run at the same time.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How many runs of a workflow may run at the same time, and what becomes of those that are one too many.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Concurrency {
    /// How many may run at the same time: those of the same key, where there is one, otherwise all of the workflow's. From 1 to
    /// 1,000. A run holds its slot from its start until its finally tasks have ended, also while it is suspended.
    #[schemars(range(min = 1, max = 1000))]
    pub max: u32,
    /// CEL over params and run: runs for which it comes to the same text share the slots. A text of at most 253 bytes, an int or
    /// a bool. It is evaluated once, when the run is taken up. Default: all runs of the workflow share them. Example:
    /// `params.region`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub key: Option<String>,
    /// What becomes of a new run while all slots are taken. Queue: it waits its turn, by spec.priority, then by age. Reject: it
    /// ends Cancelled (ConcurrencyLimit), and nothing of it runs. CancelOldest: the oldest run is cancelled (ConcurrencyLimit), its
    /// finally tasks run, and then the new one starts; of several that wait, only the newest stays. Default: Queue.
    #[serde(default, skip_serializing_if = "WhenFull::is_default")]
    pub when_full: WhenFull,
}

/// What becomes of a new run while all slots are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum WhenFull {
    /// It waits its turn.
    #[default]
    Queue,
    /// It ends Cancelled (`ConcurrencyLimit`).
    Reject,
    /// The oldest run that has a slot is cancelled (`ConcurrencyLimit`).
    CancelOldest,
}

impl WhenFull {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A run among those of its workflow that share slots: what others have to know to take theirs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConcurrencyStatus {
    /// What concurrency.key came to; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub key: Option<String>,
    /// The max of the pinned workflow.
    pub max: u32,
    /// The whenFull of the pinned workflow.
    #[serde(default, skip_serializing_if = "WhenFull::is_default")]
    pub when_full: WhenFull,
    /// Whether a queued run lays claim to a slot, as its turn has come: from then on no other takes the slot. It starts once it is
    /// sure that no other has claimed the same one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub claimed: bool,
}
