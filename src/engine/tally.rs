//! What came of a task's attempts so far, and which of them a status goes on listing.
//!
//! A task may be tried hundreds of times, and a run may have a thousand tasks; a status has to stay an object that the API server
//! takes. So only the newest attempts are listed, and those before them are counted by what came of them: that is all that
//! budgets need. The numbers of attempts go on.

use crate::api::{Attempt, AttemptOutcome, EarlierAttempts, TaskStatus};
use crate::mutant::{Mutant, is};

/// Attempts that all tasks of a run may list together.
const ALL_ATTEMPTS: usize = 1024;
/// Attempts that a task lists at most, and at least.
const MOST: usize = 16;
const LEAST: usize = 2;

/// How many attempts of a task came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Failed by the task's own fault.
    pub(super) failed: u32,
    /// Disrupted before `main` started.
    pub(super) disrupted_before_start: u32,
    /// Disrupted after that.
    pub(super) disrupted_after_start: u32,
    /// Not yet what was waited for.
    pub(super) not_yet: u32,
}

impl Tally {
    /// Of all attempts of a task in a generation, the newest.
    pub(super) fn of(task: &TaskStatus, generation: u32) -> Self {
        Self::of_attempts(&task.attempts, task.earlier, generation)
    }

    /// The same of attempts that are listed, and of those before them.
    pub(super) fn of_attempts(listed: &[Attempt], earlier: Option<EarlierAttempts>, generation: u32) -> Self {
        let earlier = earlier.unwrap_or_default();
        let mut tally = Self {
            failed: earlier.failed,
            disrupted_before_start: earlier.disrupted_before_start,
            disrupted_after_start: earlier.disrupted_after_start,
            not_yet: earlier.not_yet,
        };
        let own = listed.iter().filter(|attempt| attempt.generation == generation || is(Mutant::BudgetsGoOn));
        own.for_each(|attempt| tally.add(attempt));
        tally
    }

    fn add(&mut self, attempt: &Attempt) {
        self.of_its_kind(attempt).into_iter().for_each(|count| *count = count.saturating_add(1));
    }

    /// Without this attempt, which is counted.
    pub(super) fn take(&mut self, attempt: &Attempt) {
        self.of_its_kind(attempt).into_iter().for_each(|count| *count = count.saturating_sub(1));
    }

    fn of_its_kind(&mut self, attempt: &Attempt) -> Option<&mut u32> {
        match (attempt.outcome?, attempt.started_at.is_some()) {
            (AttemptOutcome::Failed, _) => Some(&mut self.failed),
            (AttemptOutcome::NotYet, _) => Some(&mut self.not_yet),
            (AttemptOutcome::Disrupted, false) => Some(&mut self.disrupted_before_start),
            (AttemptOutcome::Disrupted, true) => Some(&mut self.disrupted_after_start),
            (AttemptOutcome::Succeeded | AttemptOutcome::Cancelled, _) => None,
        }
    }
}

/// How many attempts each task of a run of so many tasks may list.
pub(super) fn listed(tasks: usize) -> usize {
    ALL_ATTEMPTS.checked_div(tasks).unwrap_or(MOST).clamp(LEAST, MOST)
}

/// Makes room for one more attempt, so that there will be no more than `listed`: the oldest are counted from now on.
pub(super) fn make_room(task: &mut TaskStatus, generation: u32, listed: usize) {
    let surplus = task.attempts.len().saturating_add(1).saturating_sub(listed);
    if surplus == 0 {
        return;
    }
    let kept = task.attempts.split_off(surplus.min(task.attempts.len()));
    let former = task.attempts.iter().filter(|attempt| attempt.generation != generation).count();
    let tally = Tally::of(task, generation);
    let earlier = task.earlier.get_or_insert_default();
    earlier.failed = tally.failed;
    earlier.disrupted_before_start = tally.disrupted_before_start;
    earlier.disrupted_after_start = tally.disrupted_after_start;
    earlier.not_yet = tally.not_yet;
    earlier.former = earlier.former.saturating_add(u32::try_from(former).unwrap_or(u32::MAX));
    task.attempts = kept;
}

/// Whether an attempt was listed once and is only counted now.
pub(super) fn is_counted(task: &TaskStatus, number: u32) -> bool {
    task.earlier.is_some() && task.attempts.first().is_some_and(|first| number < first.number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

    fn task(attempts: &[(AttemptOutcome, bool)]) -> TaskStatus {
        let attempts = (1..).zip(attempts).map(|(number, (outcome, started))| Attempt {
            number,
            outcome: Some(*outcome),
            started_at: started.then_some(MicroTime(jiff::Timestamp::UNIX_EPOCH)),
            ..Attempt::default()
        });
        TaskStatus { attempts: attempts.collect(), ..TaskStatus::default() }
    }

    #[test]
    fn each_kind_is_counted_by_itself() {
        use AttemptOutcome::{Disrupted, Failed, NotYet, Succeeded};
        let attempts =
            [(Failed, true), (Disrupted, false), (NotYet, true), (Failed, false), (Disrupted, true), (Succeeded, true)];
        let expected = Tally { failed: 2, disrupted_before_start: 1, disrupted_after_start: 1, not_yet: 1 };
        assert_eq!(Tally::of(&task(&attempts), 0), expected);
    }

    #[test]
    fn the_newest_are_listed_and_none_is_forgotten() {
        use AttemptOutcome::{Disrupted, Failed};
        let mut task = task(&[(Failed, true), (Disrupted, false), (Failed, true), (Disrupted, true), (Failed, true)]);
        let all = Tally::of(&task, 0);
        make_room(&mut task, 0, 6);
        assert_eq!((task.attempts.len(), task.earlier), (5, None), "there is room");
        make_room(&mut task, 0, 4);
        let numbers: Vec<u32> = task.attempts.iter().map(|attempt| attempt.number).collect();
        assert_eq!(numbers, [3, 4, 5]);
        assert_eq!(Tally::of(&task, 0), all);
        make_room(&mut task, 0, 2);
        assert_eq!((task.attempts.len(), Tally::of(&task, 0)), (1, all));
        assert!(is_counted(&task, 4) && !is_counted(&task, 5) && !is_counted(&task, 6));
    }

    #[test]
    fn each_generation_has_budgets_of_its_own() {
        use AttemptOutcome::{Cancelled, Failed, Succeeded};
        let mut task = task(&[(Failed, true), (Succeeded, true), (Failed, true), (Cancelled, true), (Failed, true)]);
        task.attempts.iter_mut().skip(2).for_each(|attempt| attempt.generation = 1);
        assert_eq!((Tally::of(&task, 1).failed, Tally::of(&task, 2).failed), (2, 0));
        make_room(&mut task, 1, 3);
        let earlier = task.earlier.unwrap();
        assert_eq!((task.attempts.len(), earlier.former, earlier.failed), (2, 2, 1));
        assert_eq!(Tally::of(&task, 1).failed, 2);
    }

    #[test]
    fn larger_runs_list_fewer() {
        assert_eq!([0, 1, 64, 65, 128, 500, 1_000, 5_000].map(listed), [16, 16, 16, 15, 8, 2, 2, 2]);
    }
}
