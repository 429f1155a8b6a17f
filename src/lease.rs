//! Leadership: of several operators one writes.
//!
//! A Lease says who leads (Kubernetes documentation: Leases; the protocol is that of client-go's `leaderelection`). Nobody
//! trusts another's clock: a lease is over when its object hasn't changed for its duration, by the watch of whoever looks.
//! The one who leads counts from before it sent its last renewal, and stops a margin earlier than anyone could take over.
//!
//! A [`Permit`] is needed for every write. It can't be more than a promise of good behaviour: a process that is frozen between
//! its look at the permit and the wire writes late. That is harmless, since the status write is a compare-and-swap, a pod's name
//! is that of its attempt, and deletions name a uid; the simulator and the tests show it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use tokio::time::Instant;

use crate::mutant::{Mutant, is};

/// How long a lease holds after its last renewal.
pub const DURATION: Duration = Duration::from_secs(10);
/// Time between renewals.
pub const RENEW: Duration = Duration::from_secs(2);
/// Time between looks at a lease that someone else holds, and between tries of a renewal that failed.
pub const LOOK: Duration = Duration::from_secs(1);
/// How long a permit holds after the renewal was sent: two seconds less than the lease.
const VALID: Duration = Duration::from_secs(8);
/// The longest that another's lease counts without a change, whatever it says of itself.
const LONGEST: Duration = Duration::from_mins(5);
/// A write isn't begun with less time than this.
const LEAST: Duration = Duration::from_millis(250);

/// Whether writes are allowed, and for how long.
#[derive(Clone, Debug)]
pub struct Permit(Arc<Mutex<Until>>);

#[derive(Clone, Copy, Debug)]
enum Until {
    Always,
    Never,
    Then(Instant),
}

impl Permit {
    /// For a process that has no one to share with.
    #[must_use]
    pub fn always() -> Self {
        Self(Arc::new(Mutex::new(Until::Always)))
    }

    /// Nothing may be written until it is granted.
    #[must_use]
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Until::Never)))
    }

    /// How long a write that begins now may take; `None` if none may begin.
    #[must_use]
    pub fn remaining(&self, now: Instant) -> Option<Duration> {
        match *self.until() {
            Until::Always => Some(Duration::MAX),
            Until::Never => None,
            Until::Then(end) => end.checked_duration_since(now).filter(|left| *left >= LEAST),
        }
    }

    /// A renewal that was sent at `sent` was carried out.
    pub fn grant(&self, sent: Instant) {
        *self.until() = if is(Mutant::PermitForever) { Until::Always } else { Until::Then(sent + VALID) };
    }

    /// Someone else leads, or nobody.
    pub fn revoke(&self) {
        if is(Mutant::PermitForever) {
            return;
        }
        *self.until() = Until::Never;
    }

    fn until(&self) -> std::sync::MutexGuard<'_, Until> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What an operator has seen of the lease, and so whether it may take it.
#[derive(Debug)]
pub struct Election {
    identity: String,
    /// The version of the lease that was seen last, and when it was seen first.
    seen: Option<(String, Instant)>,
}

/// What to do about the lease.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Write this: create it where it has no resourceVersion, else replace it.
    Write(Box<Lease>),
    /// Someone else holds it.
    Wait,
}

impl Election {
    /// For an operator of this identity, which no other process has or ever had.
    #[must_use]
    pub const fn new(identity: String) -> Self {
        Self { identity, seen: None }
    }

    /// What to do about the lease as it was read at `now`; `wall` is what goes on record as the time, for people.
    pub fn step(&mut self, place: &Place, lease: Option<&Lease>, now: Instant, wall: Timestamp) -> Step {
        let Some(lease) = lease else {
            self.seen = None;
            return Step::Write(Box::new(self.taken(place, None, wall)));
        };
        let version = lease.metadata.resource_version.clone().unwrap_or_default();
        if self.seen.as_ref().is_none_or(|(seen, _)| *seen != version) {
            self.seen = Some((version, now));
        }
        let since = self.seen.as_ref().map_or(now, |(_, since)| *since);
        let spec = lease.spec.as_ref();
        let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).unwrap_or_default();
        let seconds = spec.and_then(|spec| spec.lease_duration_seconds).and_then(|seconds| u64::try_from(seconds).ok());
        let duration = seconds.map_or(DURATION, Duration::from_secs).min(LONGEST);
        let free = holder.is_empty() || holder == self.identity || now.duration_since(since) >= duration;
        if free { Step::Write(Box::new(self.taken(place, Some(lease), wall))) } else { Step::Wait }
    }

    /// Whether it is ours, as it was answered or read.
    #[must_use]
    pub fn holds(&self, lease: &Lease) -> bool {
        lease.spec.as_ref().and_then(|spec| spec.holder_identity.as_deref()) == Some(self.identity.as_str())
    }

    /// The lease with us as its holder.
    fn taken(&self, place: &Place, old: Option<&Lease>, wall: Timestamp) -> Lease {
        let before = old.and_then(|lease| lease.spec.clone()).unwrap_or_default();
        let renewed = before.holder_identity.as_ref() == Some(&self.identity);
        let transitions = before.lease_transitions.unwrap_or(0);
        let spec = LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(DURATION.as_secs()).ok(),
            acquire_time: before.acquire_time.filter(|_| renewed).or(Some(MicroTime(wall))),
            renew_time: Some(MicroTime(wall)),
            lease_transitions: Some(if renewed || old.is_none() { transitions } else { transitions.saturating_add(1) }),
            ..LeaseSpec::default()
        };
        Lease { metadata: metadata(place, old), spec: Some(spec) }
    }

    /// The lease given back, so that another takes it at its next look.
    #[must_use]
    pub fn released(&self, place: &Place, old: &Lease, wall: Timestamp) -> Lease {
        let before = old.spec.clone().unwrap_or_default();
        let spec = LeaseSpec {
            holder_identity: None,
            lease_duration_seconds: Some(1),
            acquire_time: None,
            renew_time: Some(MicroTime(wall)),
            ..before
        };
        Lease { metadata: metadata(place, Some(old)), spec: Some(spec) }
    }
}

/// Where the lease is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Namespace, the operator's own.
    pub namespace: String,
    /// Name.
    pub name: String,
}

fn metadata(place: &Place, old: Option<&Lease>) -> ObjectMeta {
    ObjectMeta {
        name: Some(place.name.clone()),
        namespace: Some(place.namespace.clone()),
        uid: old.and_then(|lease| lease.metadata.uid.clone()),
        resource_version: old.and_then(|lease| lease.metadata.resource_version.clone()),
        ..ObjectMeta::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place { namespace: "ns".into(), name: "lease".into() }
    }

    fn lease(version: &str, holder: Option<&str>, seconds: Option<i32>) -> Lease {
        let spec = LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            lease_duration_seconds: seconds,
            lease_transitions: Some(3),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta { resource_version: Some(version.into()), ..ObjectMeta::default() };
        Lease { metadata, spec: Some(spec) }
    }

    /// What `me` does at each look: seconds, version of the lease, holder, its duration; `T` takes, `W` waits.
    fn looks(looks: &[(u64, &str, Option<&str>, Option<i32>)]) -> String {
        let begin = Instant::now();
        let mut election = Election::new("me".into());
        let mut took = |(at, version, holder, seconds): &(u64, &str, Option<&str>, Option<i32>)| {
            let seen = lease(version, *holder, *seconds);
            let now = begin + Duration::from_secs(*at);
            match election.step(&place(), Some(&seen), now, Timestamp::UNIX_EPOCH) {
                Step::Write(lease) => {
                    assert!(election.holds(&lease));
                    'T'
                }
                Step::Wait => 'W',
            }
        };
        looks.iter().map(&mut took).collect()
    }

    #[test]
    fn a_lease_is_taken_when_it_is_free_or_has_not_changed_for_its_duration() {
        let other = Some("other");
        for (story, table, steps) in [
            ("given back", &[(0, "1", None, Some(10))][..], "T"),
            ("given back, as some write it", &[(0, "1", Some(""), Some(10))], "T"),
            ("our own, after an answer that was lost", &[(0, "1", Some("me"), Some(10))], "T"),
            ("unchanged", &[(0, "1", other, Some(10)), (9, "1", other, Some(10)), (10, "1", other, Some(10))], "WWT"),
            ("renewed", &[(0, "1", other, Some(10)), (9, "2", other, Some(10)), (18, "2", other, Some(10))], "WWW"),
            ("first seen late, however old", &[(500, "1", other, Some(10)), (509, "1", other, Some(10))], "WW"),
            ("without a duration", &[(0, "1", other, None), (10, "1", other, None)], "WT"),
            ("of a negative duration", &[(0, "1", other, Some(-5)), (10, "1", other, Some(-5))], "WT"),
            ("of an endless duration", &[(0, "1", other, Some(i32::MAX)), (300, "1", other, Some(i32::MAX))], "WT"),
        ] {
            assert_eq!(looks(table), steps, "{story}");
        }
    }

    #[test]
    fn a_missing_lease_is_created() {
        let step = Election::new("me".into()).step(&place(), None, Instant::now(), Timestamp::UNIX_EPOCH);
        let Step::Write(lease) = step else { panic!("{step:?}") };
        assert_eq!(lease.metadata.resource_version, None);
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(0));
    }

    #[test]
    fn a_new_holder_counts_a_transition_and_a_renewal_does_not() {
        let transitions = |holder: &str| {
            let old = lease("1", Some(holder), Some(0));
            match Election::new("me".into()).step(&place(), Some(&old), Instant::now(), Timestamp::UNIX_EPOCH) {
                Step::Write(lease) => lease.spec.unwrap().lease_transitions.unwrap(),
                Step::Wait => panic!("it is free"),
            }
        };
        assert_eq!((transitions("other"), transitions("me")), (4, 3));
    }

    #[test]
    fn a_permit_ends_before_anyone_could_take_over() {
        assert!(VALID + Duration::from_secs(2) <= DURATION);
        let (permit, now) = (Permit::none(), Instant::now());
        assert_eq!(permit.remaining(now), None);
        permit.grant(now);
        assert_eq!(permit.remaining(now), Some(VALID));
        assert_eq!(permit.remaining(now + VALID - LEAST), Some(LEAST));
        assert_eq!(permit.remaining(now + VALID), None, "no write begins in its last moment");
        permit.revoke();
        assert_eq!(permit.remaining(now), None);
        assert_eq!(Permit::always().remaining(now), Some(Duration::MAX));
    }
}
