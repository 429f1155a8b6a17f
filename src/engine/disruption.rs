//! What follows when the infrastructure took a pod. Its budgets are its own: a task isn't blamed for its node.

use jiff::{SignedDuration, Timestamp};

use super::observed::PodFacts;
use super::tally::Tally;
use crate::api::{OnNodeLost, Reason};
use crate::mutant::{Mutant, is};
use crate::plan::PlannedTask;

/// Disruptions that are made good before `main` started. How many after that, the task's retry says.
const BEFORE_START: u32 = 5;
/// The second replacement waits this long, each further one twice as long; the first comes at once.
const FIRST_DELAY_SECONDS: i64 = 5;
/// The longest wait.
pub(super) const MAX_DELAY: SignedDuration = SignedDuration::from_mins(5);

/// When the next attempt may start after a disruption, `started` if that was after the start of `main`; `None` when the budget
/// of its kind is used up. `tally` counts the disruption with those before it; `after_start` is the budget of that kind.
pub(super) fn next_attempt_at(tally: Tally, started: bool, after_start: u32, now: Timestamp) -> Option<Timestamp> {
    let (of_its_kind, limit) =
        if started { (tally.disrupted_after_start, after_start) } else { (tally.disrupted_before_start, BEFORE_START) };
    if of_its_kind > limit && !is(Mutant::DisruptionsUnbounded) {
        return None;
    }
    let delay = match tally.disrupted_before_start.saturating_add(tally.disrupted_after_start) {
        0 | 1 => SignedDuration::ZERO,
        n => {
            let doublings = n.saturating_sub(2).min(16);
            SignedDuration::from_secs(FIRST_DELAY_SECONDS.saturating_mul(1_i64 << doublings)).min(MAX_DELAY)
        }
    };
    Some(now.checked_add(delay).unwrap_or(now))
}

/// How long after a pod is to have ended it counts as lost: a node that answers has told by then.
const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// When a pod whose node is lost counts as over for a task that doesn't wait for the node; `None` for any other pod.
pub(super) fn over_at(pod: &PodFacts, planned: &PlannedTask) -> Option<Timestamp> {
    let replaced = planned.on_node_lost == OnNodeLost::Replace && is_lost(pod);
    pod.ends_by.filter(|_| replaced).and_then(|at| at.checked_add(OVERDUE).ok())
}

/// Whether the pod's node is lost.
pub(super) fn is_lost(pod: &PodFacts) -> bool {
    pod.disruption.as_ref().is_some_and(|it| it.reason == Reason::NodeLost)
}

/// Whether no container of the pod runs any more, or counts as running.
pub(super) fn is_over(pod: &PodFacts, planned: &PlannedTask, now: Timestamp) -> bool {
    pod.is_over() || over_at(pod, planned).is_some_and(|at| at <= now)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the next attempt after so many disruptions before and after the start, the last of them after it or not.
    fn delay(before: u32, after: u32, started: bool, budget: u32) -> Option<i64> {
        let tally = Tally { disrupted_before_start: before, disrupted_after_start: after, ..Tally::default() };
        next_attempt_at(tally, started, budget, Timestamp::UNIX_EPOCH).map(Timestamp::as_second)
    }

    #[test]
    fn the_first_replacement_is_immediate_and_the_waits_double() {
        let delays: Vec<Option<i64>> = (1..=6).map(|n| delay(n, 0, false, 5)).collect();
        assert_eq!(delays, [Some(0), Some(5), Some(10), Some(20), Some(40), None]);
        assert_eq!(delay(0, 100, true, 100), Some(300), "the wait has a bound");
    }

    #[test]
    fn before_and_after_the_start_have_budgets_of_their_own() {
        assert_eq!(delay(5, 1, true, 5), Some(80));
        assert_eq!(delay(0, 6, true, 5), None);
        assert_eq!(delay(5, 5, false, 5), Some(300));
        assert_eq!(delay(6, 5, false, 5), None);
    }

    #[test]
    fn the_task_says_how_often_after_the_start() {
        assert_eq!(delay(0, 1, true, 0), None, "at most once");
        assert_eq!(delay(1, 0, false, 0), Some(0), "what never ran can't run twice");
        assert_eq!([1, 2, 3].map(|n| delay(0, n, true, 2).is_some()), [true, true, false]);
    }

    #[test]
    fn failures_and_polls_cost_no_disruption() {
        let tally = Tally { failed: 50, disrupted_after_start: 1, not_yet: 500, ..Tally::default() };
        assert_eq!(next_attempt_at(tally, true, 1, Timestamp::UNIX_EPOCH), Some(Timestamp::UNIX_EPOCH));
    }
}
