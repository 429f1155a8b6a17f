//! What this process knows of its own doings and the caches can't: creates under way, creates refused, the time of the last
//! status write. Losing it costs a live read, never a wrong step.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::engine::{Refusal, RefusalKind};

/// First wait after a refused create, doubled each time.
const FIRST_RETRY_SECONDS: i64 = 1;
/// The longest wait.
const MAX_RETRY_SECONDS: i64 = 60;

/// What is known of one run's pods and writes.
#[derive(Clone, Debug, Default)]
pub struct RunMemory {
    /// By the name of the pod.
    creates: BTreeMap<String, Create>,
    /// Releases and deletions under way.
    busy: BTreeSet<Doing>,
    /// When its status was last written by us, and how long that took.
    pub last_write: Option<(Timestamp, SignedDuration)>,
    /// Rounds that failed in a row.
    pub failures: u32,
}

/// What is known of a create.
#[derive(Clone, Debug)]
pub enum Create {
    /// We wrote the intent; nothing was sent.
    Intended,
    /// Sent, not answered.
    Sent {
        /// Refusals before.
        refusals: u32,
    },
    /// Refused.
    Refused {
        /// Why, and when to try again.
        refusal: Refusal,
        /// How often so far.
        refusals: u32,
    },
    /// Sent, and answered by nothing that tells whether the pod was made: it is looked up. As long as it isn't there, it counts
    /// as refused.
    Unsure {
        /// Why, and when to try again.
        refusal: Refusal,
        /// How often so far.
        refusals: u32,
    },
}

/// Something that is being done to a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Our finalizer is being taken off the pod of this uid.
    Release(String),
    /// The pod of this uid is being deleted.
    Delete(String),
}

impl RunMemory {
    /// What is known of the create of this pod; nothing if it must be looked up.
    #[must_use]
    pub fn create_of(&self, pod: &str) -> Option<&Create> {
        self.creates.get(pod)
    }

    /// The intent of this pod went on record by our own write.
    pub fn intended(&mut self, pod: &str) {
        self.creates.entry(pod.to_owned()).or_insert(Create::Intended);
    }

    /// Its create is being sent. False if one already is.
    pub fn sent(&mut self, pod: &str) -> bool {
        let refusals = match self.creates.get(pod) {
            Some(Create::Sent { .. }) => return false,
            Some(Create::Refused { refusals, .. } | Create::Unsure { refusals, .. }) => *refusals,
            Some(Create::Intended) | None => 0,
        };
        self.creates.insert(pod.to_owned(), Create::Sent { refusals });
        true
    }

    /// What was to be sent was not.
    pub fn unsent(&mut self, pod: &str) {
        self.creates.insert(pod.to_owned(), Create::Intended);
    }

    /// It was refused. The wait doubles with each refusal; a wish of the server's counts up to ten seconds.
    pub fn refused(&mut self, pod: &str, kind: RefusalKind, message: String, now: Timestamp, asked_seconds: u32) {
        let (refusal, refusals) = self.refusal(pod, kind, message, now, asked_seconds);
        self.creates.insert(pod.to_owned(), Create::Refused { refusal, refusals });
    }

    /// Nobody knows whether it was made.
    pub fn unsure(&mut self, pod: &str, message: String, now: Timestamp) {
        let (refusal, refusals) = self.refusal(pod, RefusalKind::Admission, message, now, 0);
        self.creates.insert(pod.to_owned(), Create::Unsure { refusal, refusals });
    }

    fn refusal(
        &self,
        pod: &str,
        kind: RefusalKind,
        message: String,
        now: Timestamp,
        asked_seconds: u32,
    ) -> (Refusal, u32) {
        let before = match self.creates.get(pod) {
            Some(Create::Sent { refusals }) => *refusals,
            _ => 0,
        };
        let own = (FIRST_RETRY_SECONDS << before.min(6)).min(MAX_RETRY_SECONDS);
        let seconds = own.max(i64::from(asked_seconds.min(10)));
        let retry_at = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(now);
        (Refusal { kind, message, retry_at }, before.saturating_add(1))
    }

    /// The pod exists, or nobody knows: what is true can be looked up.
    pub fn look_up(&mut self, pod: &str) {
        self.creates.remove(pod);
    }

    /// A release or deletion begins. False if it is under way already.
    pub fn begin(&mut self, what: &Doing) -> bool {
        self.busy.insert(what.clone())
    }

    /// It is done.
    pub fn end(&mut self, what: &Doing) {
        self.busy.remove(what);
    }

    /// Forgets the creates of pods that no open attempt names.
    pub fn keep_only(&mut self, open: impl Fn(&str) -> bool) {
        self.creates.retain(|pod, create| matches!(create, Create::Sent { .. }) || open(pod));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_after_refusals_doubles_to_a_minute() {
        let mut memory = RunMemory::default();
        let mut waits = Vec::new();
        for _ in 0..8 {
            assert!(memory.sent("p"));
            assert!(!memory.sent("p"), "never two at once");
            memory.refused("p", RefusalKind::Quota, String::new(), Timestamp::UNIX_EPOCH, 0);
            let Some(Create::Refused { refusal, .. }) = memory.create_of("p") else { panic!("refused") };
            waits.push(refusal.retry_at.as_second());
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn the_servers_wish_counts_up_to_ten_seconds() {
        let mut memory = RunMemory::default();
        memory.sent("p");
        memory.refused("p", RefusalKind::Admission, String::new(), Timestamp::UNIX_EPOCH, 3_600);
        let Some(Create::Refused { refusal, .. }) = memory.create_of("p") else { panic!("refused") };
        assert_eq!(refusal.retry_at.as_second(), 10);
    }
}
