//! What follows when the infrastructure took a pod. Its budgets are its own: a task isn't blamed for its node.

use jiff::{SignedDuration, Timestamp};

use crate::api::{Attempt, AttemptOutcome};
use crate::mutant::{Mutant, is};

/// Disruptions that are made good before `main` started, and again as many after.
const LIMIT: usize = 5;
/// The second replacement waits this long, each further one twice as long; the first comes at once.
const FIRST_DELAY_SECONDS: i64 = 5;
/// The longest wait.
const MAX_DELAY_SECONDS: i64 = 300;

/// When the next attempt may start, given all attempts so far, the last of them disrupted; `None` when the budget of its kind
/// is used up.
pub(super) fn next_attempt_at(attempts: &[Attempt], now: Timestamp) -> Option<Timestamp> {
    let disrupted = |attempt: &&Attempt| attempt.outcome == Some(AttemptOutcome::Disrupted);
    let had_started = attempts.last().is_some_and(|last| last.started_at.is_some());
    let of_its_kind = attempts.iter().filter(disrupted).filter(|it| it.started_at.is_some() == had_started).count();
    if of_its_kind > LIMIT && !is(Mutant::DisruptionsUnbounded) {
        return None;
    }
    let in_all = attempts.iter().filter(disrupted).count();
    let delay = match in_all {
        0 | 1 => 0,
        n => {
            let doublings = u32::try_from(n.saturating_sub(2)).unwrap_or(u32::MAX).min(16);
            FIRST_DELAY_SECONDS.saturating_mul(1_i64 << doublings).min(MAX_DELAY_SECONDS)
        }
    };
    Some(now.checked_add(SignedDuration::from_secs(delay)).unwrap_or(now))
}

/// Whether the time of the next attempt is still to come. A wait longer than any that is ever written down means that the clock
/// leapt back since: it counts as over.
pub(super) fn is_ahead(next_at: Timestamp, now: Timestamp) -> bool {
    next_at > now && next_at.duration_since(now) <= SignedDuration::from_secs(MAX_DELAY_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    fn attempts(started: &[bool]) -> Vec<Attempt> {
        started
            .iter()
            .map(|started| Attempt {
                outcome: Some(AttemptOutcome::Disrupted),
                started_at: started.then_some(MicroTime(Timestamp::UNIX_EPOCH)),
                ..Attempt::default()
            })
            .collect()
    }

    #[test]
    fn the_first_replacement_is_immediate_and_the_waits_double() {
        let delays: Vec<Option<i64>> = (1..=6)
            .map(|n| next_attempt_at(&attempts(&vec![false; n]), Timestamp::UNIX_EPOCH).map(Timestamp::as_second))
            .collect();
        assert_eq!(delays, [Some(0), Some(5), Some(10), Some(20), Some(40), None]);
    }

    #[test]
    fn a_wait_longer_than_any_is_over() {
        let now = Timestamp::from_second(1_000).unwrap();
        let ahead = |seconds: i64| is_ahead(Timestamp::from_second(1_000 + seconds).unwrap(), now);
        assert_eq!([-1, 0, 1, 300, 301, 3_600].map(ahead), [false, false, true, true, false, false]);
    }

    #[test]
    fn before_and_after_the_start_have_budgets_of_their_own() {
        let delay =
            |started: &[bool]| next_attempt_at(&attempts(started), Timestamp::UNIX_EPOCH).map(Timestamp::as_second);
        assert_eq!(delay(&[false, false, false, false, false, true]), Some(80));
        assert_eq!(delay(&[true, true, true, true, true, true]), None);
        let mixed = [true, true, true, true, true, false, false, false, false, false];
        assert_eq!(delay(&mixed), Some(300), "the wait has a bound");
    }
}
