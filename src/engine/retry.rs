//! What follows a failure of a task's own: again, when, or no more. Failures have a budget of their own; what the infrastructure
//! does to a task costs none of it (`disruption`).
//!
//! | the attempt failed | what follows |
//! |---|---|
//! | and never had an object: an expression, one that is invalid or not allowed, a name that is taken | the task fails |
//! | since its task's totalTimeout is over | the task fails |
//! | since someone cancelled its child run | the task fails |
//! | a rule says FailRun | the task fails, and the run with it |
//! | a rule says FailTask | the task fails |
//! | a rule says Poll | another attempt, after the time that the rule says: it was no failure |
//! | a rule says Retry or none applies, no more than `limit` failures so far | another attempt, after the backoff |
//! | the same, more failures | the task fails |

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::disruption;
use super::tally::Tally;
use crate::api::Reason;
use crate::mutant::{Mutant, is};
use crate::plan::{Action, PlannedBackoff, PlannedRetry};

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Another attempt, no sooner than then.
    Again(Timestamp),
    /// It was no failure. Another attempt, no sooner than then.
    NotYet(Timestamp),
    /// The task fails.
    Fail,
    /// The task fails, and the run with it.
    FailRun,
}

/// What a wait is shortened by: the same for whoever computes it, and different for every attempt of every task.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seed<'a> {
    /// The run's uid.
    pub(super) run: &'a str,
    /// The task's name.
    pub(super) task: &'a str,
    /// Number of the attempt that failed.
    pub(super) attempt: u32,
}

/// Whether a task that failed so may be tried again at all: of what could not even become a pod, the same would come again, and
/// beyond its totalTimeout, or the run's finallyTimeout, there is no time for it.
pub(super) const fn may_be_tried_again(reason: Option<Reason>) -> bool {
    !matches!(
        reason,
        Some(
            Reason::ExpressionError
                | Reason::PodInvalid
                | Reason::ChildInvalid
                | Reason::ChildCancelled
                | Reason::ResourceInvalid
                | Reason::NotPermitted
                | Reason::KindNotGranted
                | Reason::NameClash
                | Reason::NamespaceTerminating
                | Reason::TotalTimedOut
                | Reason::FinallyTimedOut
        )
    )
}

/// What follows a failure of which the rules say `action`. `tally` counts it with the attempts before it.
pub(super) fn next(retry: &PlannedRetry, action: Action, tally: Tally, seed: Seed<'_>, now: Timestamp) -> Next {
    match action {
        Action::FailRun => return Next::FailRun,
        Action::FailTask => return Next::Fail,
        Action::Poll(after) => return Next::NotYet(now.checked_add(after).unwrap_or(now)),
        Action::Retry => {}
    }
    let mut failures = tally.failed;
    if is(Mutant::BudgetsShared) {
        failures = failures.saturating_add(tally.disrupted_before_start).saturating_add(tally.disrupted_after_start);
    }
    let limit = retry.limit.saturating_add(u32::from(is(Mutant::LimitOffByOne)));
    if failures > limit {
        return Next::Fail;
    }
    let wait = wait(&retry.backoff, tally.failed, seed, now);
    Next::Again(now.checked_add(wait).unwrap_or(now))
}

/// The wait after so many failures, milliseconds of which were taken off by chance.
fn wait(backoff: &PlannedBackoff, failures: u32, seed: Seed<'_>, now: Timestamp) -> SignedDuration {
    let millis = |duration: SignedDuration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let max = millis(backoff.max);
    let mut whole = millis(backoff.initial).min(max);
    for _ in 1..failures {
        // Bounded by the limit on retries, and over as soon as it can't grow.
        let longer = whole.saturating_mul(i64::from(backoff.factor)).min(max);
        if longer == whole {
            break;
        }
        whole = longer;
    }
    let share = if is(Mutant::JitterByChance) { by_chance(now) } else { share(seed) };
    let off = whole.saturating_mul(i64::from(backoff.jitter_percent)).saturating_mul(i64::from(share));
    let off = off.checked_div(100 * (1 << 16)).unwrap_or(0);
    SignedDuration::from_millis(whole.saturating_sub(off))
}

/// Whether the time of the next attempt is still to come. A wait longer than any that can have been written down means that the
/// clock leapt back since: it counts as over.
pub(super) fn is_ahead(next_at: Timestamp, retry: &PlannedRetry, now: Timestamp) -> bool {
    next_at > now && next_at.duration_since(now) <= retry.longest_wait().max(disruption::MAX_DELAY)
}

/// A number from 0 to 65535: the first two bytes of the SHA-256 of `uid/task/attempt`.
fn share(Seed { run, task, attempt }: Seed<'_>) -> u16 {
    let hash = Sha256::digest(format!("{run}/{task}/{attempt}"));
    let mut bytes = hash.iter().copied();
    u16::from_be_bytes([bytes.next().unwrap_or(0), bytes.next().unwrap_or(0)])
}

/// What the mutant takes for chance: another number at another time.
fn by_chance(now: Timestamp) -> u16 {
    u16::try_from(now.as_millisecond().rem_euclid(1 << 16)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: Seed<'static> = Seed { run: "uid", task: "load", attempt: 1 };
    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn retry(limit: u32, jitter_percent: u32) -> PlannedRetry {
        let backoff = PlannedBackoff { jitter_percent, ..PlannedBackoff::default() };
        PlannedRetry { limit, backoff, ..PlannedRetry::default() }
    }

    fn failed(failed: u32) -> Tally {
        Tally { failed, ..Tally::default() }
    }

    /// The milliseconds until another attempt.
    fn after(retry: &PlannedRetry, tally: Tally, seed: Seed<'_>) -> Option<i64> {
        match next(retry, Action::Retry, tally, seed, NOW) {
            Next::Again(at) => Some(at.as_millisecond()),
            Next::NotYet(_) | Next::Fail | Next::FailRun => None,
        }
    }

    #[test]
    fn so_many_failures_are_followed_by_another_attempt() {
        for (limit, again) in
            [(0, vec![false; 4]), (1, vec![true, false, false, false]), (3, vec![true, true, true, false])]
        {
            let retry = retry(limit, 0);
            let found: Vec<bool> = (1..=4).map(|failures| after(&retry, failed(failures), SEED).is_some()).collect();
            assert_eq!(found, again, "limit {limit}");
        }
    }

    #[test]
    fn disruptions_and_polls_cost_no_retry() {
        let tally = Tally { failed: 1, disrupted_before_start: 5, disrupted_after_start: 5, not_yet: 500 };
        assert_eq!(after(&retry(1, 0), tally, SEED), Some(10_000), "the first failure, and the first wait");
    }

    #[test]
    fn a_rule_may_end_it_within_the_limit() {
        let retry = retry(3, 0);
        assert_eq!(next(&retry, Action::FailTask, failed(1), SEED, NOW), Next::Fail);
        assert_eq!(next(&retry, Action::FailRun, failed(1), SEED, NOW), Next::FailRun);
    }

    #[test]
    fn what_is_not_yet_there_is_asked_for_again_without_an_end() {
        let again = next(&retry(0, 20), Action::Poll(SignedDuration::from_secs(90)), failed(1), SEED, NOW);
        assert_eq!(again, Next::NotYet(Timestamp::from_second(90).unwrap()), "exactly then");
    }

    #[test]
    fn waits_grow_up_to_the_longest() {
        let waits = |retry: &PlannedRetry| -> Vec<i64> {
            (1..=8).filter_map(|failures| after(retry, failed(failures), SEED)).map(|millis| millis / 1000).collect()
        };
        let mut retry = retry(100, 0);
        assert_eq!(waits(&retry), [10, 20, 40, 80, 160, 300, 300, 300]);
        retry.backoff.factor = 1;
        assert_eq!(waits(&retry), [10; 8]);
        (retry.backoff.initial, retry.backoff.factor) = (SignedDuration::ZERO, 10);
        assert_eq!(waits(&retry), [0; 8]);
        (retry.backoff.initial, retry.backoff.max) = (SignedDuration::from_hours(24), SignedDuration::from_hours(24));
        assert_eq!(after(&retry, failed(100), SEED), Some(86_400_000));
    }

    #[test]
    fn chance_shortens_a_wait_within_its_percentage_and_everyone_has_the_same() {
        let retry = retry(100, 20);
        let of = |run, task, attempt| after(&retry, failed(1), Seed { run, task, attempt }).expect("another attempt");
        let waits: Vec<i64> = (1..=50).map(|attempt| of("uid", "load", attempt)).collect();
        assert!(waits.iter().all(|wait| (8_000..=10_000).contains(wait)), "{waits:?}");
        assert!(waits.iter().min() < Some(&8_400) && waits.iter().max() > Some(&9_600), "{waits:?}");
        assert_eq!(of("uid", "load", 7), of("uid", "load", 7));
        assert_ne!(of("uid", "load", 7), of("uid", "loads", 7));
        assert_ne!(of("uid", "load", 7), of("diu", "load", 7));
        // printf uid/load/1 | sha256sum: 244c…
        assert_eq!(share(SEED), 0x244c);
    }

    #[test]
    fn a_wait_longer_than_any_is_over() {
        let now = Timestamp::from_second(10_000).unwrap();
        let ahead = |retry: &PlannedRetry, seconds: i64| {
            is_ahead(Timestamp::from_second(10_000 + seconds).unwrap(), retry, now)
        };
        let mut retry = retry(1, 20);
        let found = [-1, 0, 1, 300, 301, 3_600].map(|seconds| ahead(&retry, seconds));
        assert_eq!(found, [false, false, true, true, false, false]);
        retry.backoff.max = SignedDuration::from_hours(1);
        assert_eq!([3_600, 3_601].map(|seconds| ahead(&retry, seconds)), [true, false]);
        retry.backoff.max = SignedDuration::from_secs(1);
        assert!(ahead(&retry, 300), "a disruption may have asked for that");
    }

    #[test]
    fn what_never_was_a_pod_is_not_tried_again() {
        use Reason::{ExpressionError, NameClash, NamespaceTerminating, PodInvalid};
        for reason in [ExpressionError, PodInvalid, NameClash, NamespaceTerminating] {
            assert!(!may_be_tried_again(Some(reason)), "{reason:?}");
        }
        for reason in [Reason::ExitCode, Reason::OutOfMemory, Reason::StartError, Reason::OutputMissing] {
            assert!(may_be_tried_again(Some(reason)), "{reason:?}");
        }
    }
}
