//! What this process knows of its own doings and the caches can't: creates under way, creates refused, the time of the last
//! status write. Losing it costs a live read, never a wrong step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::time::{Duration, Instant};

use super::outputs::KeptOutputs;
use crate::engine::RefusalKind;
use crate::lease;
use crate::mutant::{Mutant, is};

/// First wait after a refused create, doubled each time.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait.
const MAX_RETRY: Duration = Duration::from_mins(1);
/// The longest wait that a server may wish for.
const MAX_WISH: Duration = Duration::from_secs(10);
/// For so long after it was given up, a request may yet be carried out: the API server's own bound on a request is a minute
/// (`--request-timeout`).
const ARRIVES: Duration = Duration::from_secs(65);
/// How long a pod stays after its outcome went on record.
const STAYS: Duration = lease::DURATION.saturating_mul(2);

/// Time between Events of one kind that tell of what the API server refuses: it may be the same of thousands of pods.
const TOLD: Duration = Duration::from_mins(10);

/// What is known of one run's pods and writes.
#[derive(Clone, Debug, Default)]
pub struct RunMemory {
    /// By the name of the pod.
    creates: BTreeMap<String, Create>,
    /// Pods that the status last sent to be written doesn't want any more, though their creates may be waiting for their turn.
    withdrawn: BTreeSet<String>,
    /// Until when a create that was given up may yet be carried out, by the name of the pod.
    given_up: BTreeMap<String, Instant>,
    /// Objects whose last review said no.
    denied: BTreeSet<String>,
    /// Releases and deletions under way.
    busy: BTreeSet<Doing>,
    /// Since when pods that are to go are known to have their outcome on record, by their uids.
    clears: BTreeMap<String, Instant>,
    /// The version of it that we wrote or read last: no cache has a newer one yet, or it would have another.
    pub newest: Option<String>,
    /// When its status was last written by us, and how long that took.
    pub last_write: Option<(Instant, Duration)>,
    /// How many names of its segments and outputs turned out to be those of others' records.
    pub taken: u32,
    /// Outputs of its tasks in records, as they were read.
    pub outputs: Arc<KeptOutputs>,
    /// Rounds that failed in a row.
    pub failures: u32,
    /// When the first of those did.
    pub failing_since: Option<Instant>,
    /// When people were last told of each kind of refusal.
    told: BTreeMap<&'static str, Instant>,
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
    Refused(Held),
    /// Sent, and answered by nothing that tells whether the pod was made: it is looked up. As long as it isn't there, it counts
    /// as refused.
    Unsure(Held),
}

/// A create that is held back for a while.
#[derive(Clone, Debug)]
pub struct Held {
    /// Why.
    pub kind: RefusalKind,
    /// In the server's words.
    pub message: String,
    /// When it is tried again, where that can help.
    pub due: Instant,
    /// How often it was refused so far.
    pub refusals: u32,
}

/// Something that is being done to a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Doing {
    /// Our finalizer is being taken off the pod of this uid.
    Release(String),
    /// The pod of this uid is being deleted.
    Delete(String),
    /// The run itself is being deleted.
    DeleteRun,
}

impl RunMemory {
    /// Whether people may be told of a kind of refusal again; then they are now.
    pub fn may_tell(&mut self, reason: &'static str, now: Instant) -> bool {
        let recent = self.told.get(reason).is_some_and(|at| now.saturating_duration_since(*at) < TOLD);
        if !recent {
            self.told.insert(reason, now);
        }
        !recent
    }

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
            Some(Create::Refused(held) | Create::Unsure(held)) => held.refusals,
            Some(Create::Intended) | None => 0,
        };
        self.creates.insert(pod.to_owned(), Create::Sent { refusals });
        true
    }

    /// What a review said of the create of this object; whether that is a second no in a row.
    pub fn reviewed(&mut self, name: &str, is_denied: bool) -> bool {
        if is_denied {
            return !self.denied.insert(name.to_owned());
        }
        self.denied.remove(name);
        false
    }

    /// What was to be sent was not.
    pub fn unsent(&mut self, pod: &str) {
        self.creates.insert(pod.to_owned(), Create::Intended);
    }

    /// A status is about to be written that wants these pods and no others: once it is on record, wherever its answer is, no other
    /// may be sent.
    pub fn withdraw_all_but(&mut self, wanted: impl Fn(&str) -> bool) {
        let sent = self.creates.iter().filter(|(_, create)| matches!(create, Create::Sent { .. }));
        self.withdrawn = sent.map(|(pod, _)| pod.clone()).filter(|pod| !wanted(pod)).collect();
    }

    /// Whether the create of this pod was withdrawn.
    #[must_use]
    pub fn is_withdrawn(&self, pod: &str) -> bool {
        self.withdrawn.contains(pod)
    }

    /// It was refused. The wait doubles with each refusal; a wish of the server's counts up to ten seconds.
    pub fn refused(&mut self, pod: &str, kind: RefusalKind, message: String, now: Instant, wish: Duration) {
        let held = self.held(pod, kind, message, now, wish);
        self.creates.insert(pod.to_owned(), Create::Refused(held));
    }

    /// Nobody knows whether it was made.
    pub fn unsure(&mut self, pod: &str, message: String, now: Instant) {
        let held = self.held(pod, RefusalKind::Admission, message, now, Duration::ZERO);
        self.creates.insert(pod.to_owned(), Create::Unsure(held));
        self.given_up.insert(pod.to_owned(), now + ARRIVES);
    }

    /// For how long a create of this pod may yet be carried out; zero if none can. While one can, a pod of its name has to stay:
    /// it is what turns the late one away.
    #[must_use]
    pub fn may_arrive(&self, pod: &str, now: Instant) -> Duration {
        if matches!(self.creates.get(pod), Some(Create::Sent { .. })) {
            return ARRIVES;
        }
        self.given_up.get(pod).map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn held(&self, pod: &str, kind: RefusalKind, message: String, now: Instant, wish: Duration) -> Held {
        let before = match self.creates.get(pod) {
            Some(Create::Sent { refusals }) => *refusals,
            _ => 0,
        };
        let own = FIRST_RETRY.saturating_mul(1 << before.min(6)).min(MAX_RETRY);
        Held { kind, message, due: now + own.max(wish.min(MAX_WISH)), refusals: before.saturating_add(1) }
    }

    /// The pod exists, or nobody knows: what is true can be looked up.
    pub fn look_up(&mut self, pod: &str) {
        self.creates.remove(pod);
    }

    /// For how long a pod that is to go, and whose outcome is on record now, has to stay: two lease terms from when that was first
    /// known. Until then another leader may have sent a create of the same attempt, which the pod's name turns away.
    pub fn clears_in(&mut self, uid: &str, now: Instant) -> Duration {
        let since = *self.clears.entry(uid.to_owned()).or_insert(now);
        if is(Mutant::PodsClearedAtOnce) {
            return Duration::ZERO;
        }
        (since + STAYS).saturating_duration_since(now)
    }

    /// Forgets the pods that are not to go any more, or are gone.
    pub fn keep_clears(&mut self, goes: impl Fn(&str) -> bool) {
        self.clears.retain(|uid, _| goes(uid));
    }

    /// A release or deletion begins. False if it is under way already.
    pub fn begin(&mut self, what: &Doing) -> bool {
        self.busy.insert(what.clone())
    }

    /// It is done.
    pub fn end(&mut self, what: &Doing) {
        self.busy.remove(what);
    }

    /// Forgets the creates of pods that no open attempt names, and what can't arrive any more.
    pub fn keep_only(&mut self, open: impl Fn(&str) -> bool, now: Instant) {
        self.given_up.retain(|_, until| *until > now);
        self.denied.retain(|name| open(name));
        self.creates.retain(|pod, create| matches!(create, Create::Sent { .. }) || open(pod));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_after_refusal(memory: &mut RunMemory, wish: u64) -> u64 {
        let now = Instant::now();
        assert!(memory.sent("p"));
        assert!(!memory.sent("p"), "never two at once");
        memory.refused("p", RefusalKind::Quota, String::new(), now, Duration::from_secs(wish));
        let Some(Create::Refused(held)) = memory.create_of("p") else { panic!("refused") };
        held.due.duration_since(now).as_secs()
    }

    #[test]
    fn the_wait_after_refusals_doubles_to_a_minute() {
        let mut memory = RunMemory::default();
        let waits = [(); 8].map(|()| wait_after_refusal(&mut memory, 0));
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_create_may_arrive_while_it_is_under_way_and_for_a_while_after_it_was_given_up() {
        let (mut memory, now) = (RunMemory::default(), Instant::now());
        let after = |memory: &RunMemory, seconds| memory.may_arrive("p", now + Duration::from_secs(seconds)).as_secs();
        assert_eq!(after(&memory, 0), 0);
        memory.sent("p");
        assert_eq!(after(&memory, 0), 65);
        memory.unsure("p", String::new(), now);
        memory.look_up("p");
        assert_eq!([0, 60, 65, 70].map(|seconds| after(&memory, seconds)), [65, 5, 0, 0]);
        memory.keep_only(|_| false, now + Duration::from_secs(64));
        assert_eq!(after(&memory, 64), 1, "also of an attempt that is over");
    }

    #[test]
    fn a_pod_stays_for_two_lease_terms_from_when_its_outcome_is_known_to_be_on_record() {
        let (mut memory, now) = (RunMemory::default(), Instant::now());
        let mut after = |seconds| memory.clears_in("uid", now + Duration::from_secs(seconds)).as_secs();
        assert_eq!([0, 5, 19, 20, 30].map(&mut after), [20, 15, 1, 0, 0]);
        memory.keep_clears(|uid| uid != "uid");
        assert_eq!(memory.clears_in("uid", now + Duration::from_secs(40)).as_secs(), 20, "it is known anew");
    }

    #[test]
    fn the_servers_wish_counts_up_to_ten_seconds() {
        assert_eq!(wait_after_refusal(&mut RunMemory::default(), 3_600), 10);
    }
}
