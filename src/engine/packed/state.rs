//! The state of each of many units as text: `4999s3r100p` says that 4,999 have succeeded, 3 run and 100 have not begun.

use std::fmt::Write;

use super::known::Known;
use crate::api::TaskPhase;

/// What is on record of a unit that is not spelt out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It has not begun.
    Pending,
    /// The same, and its `when` came to true.
    PendingWhen,
    /// Its pod is intended, and not known to be made.
    Intended,
    /// Its pod was made.
    Made,
    /// Its pod runs.
    Running,
    /// Its pod is being stopped.
    Stopping,
    /// The same, and its pod is not known to be made.
    StoppingUnmade,
    /// It waits for the time of its next attempt.
    Backoff,
    /// It succeeded.
    Succeeded,
    /// It failed.
    Failed,
    /// It was skipped.
    Skipped,
    /// What it needs did not succeed.
    UpstreamFailed,
    /// It was cancelled.
    Cancelled,
}

/// Each state and its letter, as they stand on record: none may ever mean something else.
const LETTERS: [(State, char); 13] = [
    (State::Pending, 'p'),
    (State::PendingWhen, 'w'),
    (State::Intended, 'i'),
    (State::Made, 'm'),
    (State::Running, 'r'),
    (State::Stopping, 'z'),
    (State::StoppingUnmade, 'y'),
    (State::Backoff, 'b'),
    (State::Succeeded, 's'),
    (State::Failed, 'f'),
    (State::Skipped, 'k'),
    (State::UpstreamFailed, 'u'),
    (State::Cancelled, 'c'),
];

impl State {
    /// The state that a unit is in.
    pub(super) fn of(task: &Known<'_>) -> Self {
        let is_made = task.attempts.last().is_some_and(|last| last.uid.is_some());
        match task.phase {
            TaskPhase::Pending if task.when == Some(true) => Self::PendingWhen,
            TaskPhase::Starting if is_made => Self::Made,
            TaskPhase::Starting => Self::Intended,
            TaskPhase::Stopping if !is_made => Self::StoppingUnmade,
            phase => Self::of_phase(phase),
        }
    }

    /// The state of a unit of which its phase is all that is known.
    pub(super) const fn of_phase(phase: TaskPhase) -> Self {
        match phase {
            TaskPhase::Pending => Self::Pending,
            TaskPhase::Starting => Self::Intended,
            TaskPhase::Running => Self::Running,
            TaskPhase::Stopping => Self::Stopping,
            TaskPhase::Backoff => Self::Backoff,
            TaskPhase::Succeeded => Self::Succeeded,
            TaskPhase::Failed => Self::Failed,
            TaskPhase::Skipped => Self::Skipped,
            TaskPhase::UpstreamFailed => Self::UpstreamFailed,
            TaskPhase::Cancelled => Self::Cancelled,
        }
    }

    /// The phase that this is of.
    pub(super) const fn phase(self) -> TaskPhase {
        match self {
            Self::Pending | Self::PendingWhen => TaskPhase::Pending,
            Self::Intended | Self::Made => TaskPhase::Starting,
            Self::Running => TaskPhase::Running,
            Self::Stopping | Self::StoppingUnmade => TaskPhase::Stopping,
            Self::Backoff => TaskPhase::Backoff,
            Self::Succeeded => TaskPhase::Succeeded,
            Self::Failed => TaskPhase::Failed,
            Self::Skipped => TaskPhase::Skipped,
            Self::UpstreamFailed => TaskPhase::UpstreamFailed,
            Self::Cancelled => TaskPhase::Cancelled,
        }
    }

    fn letter(self) -> char {
        LETTERS.iter().find(|(state, _)| *state == self).map_or('p', |(_, letter)| *letter)
    }
}

/// The text of these states.
pub(super) fn write(states: impl IntoIterator<Item = State>) -> String {
    let mut text = String::new();
    let mut close = |(state, count): (State, u32)| {
        // Writing to a string can't fail.
        let _ = if count == 1 { Ok(()) } else { write!(text, "{count}") };
        text.push(state.letter());
    };
    let mut open: Option<(State, u32)> = None;
    for state in states {
        open = match open {
            Some((last, count)) if last == state => Some((last, count.saturating_add(1))),
            Some(run) => {
                close(run);
                Some((state, 1))
            }
            None => Some((state, 1)),
        };
    }
    if let Some(run) = open {
        close(run);
    }
    text
}

/// The states of a text, so many: as far as it can be read, whoever wrote it. What it doesn't tell of has not begun.
pub(super) fn read(text: &str, total: usize) -> Vec<State> {
    let mut states = Vec::with_capacity(total);
    let mut count: Option<usize> = None;
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10).and_then(|digit| usize::try_from(digit).ok()) {
            count = Some(count.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        } else if let Some((state, _)) = LETTERS.iter().find(|(_, known)| *known == letter) {
            let room = total.saturating_sub(states.len());
            states.extend(std::iter::repeat_n(*state, count.take().unwrap_or(1).min(room)));
        }
    }
    states.resize(total, State::Pending);
    states
}

/// The state at this place of a text.
pub(super) fn at(text: &str, place: usize) -> State {
    let (mut count, mut passed): (Option<usize>, usize) = (None, 0);
    for letter in text.chars() {
        if let Some(digit) = letter.to_digit(10).and_then(|digit| usize::try_from(digit).ok()) {
            count = Some(count.unwrap_or(0).saturating_mul(10).saturating_add(digit));
        } else if let Some((state, _)) = LETTERS.iter().find(|(_, known)| *known == letter) {
            passed = passed.saturating_add(count.take().unwrap_or(1));
            if passed > place {
                return *state;
            }
        }
    }
    State::Pending
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        use State::{Intended, Made, Pending, Running, Succeeded};
        for (states, text) in [
            (vec![], ""),
            (vec![Succeeded], "s"),
            (vec![Succeeded, Succeeded, Succeeded, Running, Made, Intended, Pending, Pending], "3srmi2p"),
            (vec![Pending; 20_000], "20000p"),
        ] {
            assert_eq!(write(states.iter().copied()), text);
            assert_eq!(read(text, states.len()), states);
            let each: Vec<State> = (0..states.len()).map(|place| at(text, place)).collect();
            assert_eq!(each, states);
            assert_eq!(at(text, states.len()), Pending, "what it doesn't tell of has not begun");
        }
        let all: Vec<State> = LETTERS.iter().map(|(state, _)| *state).collect();
        assert_eq!(write(all.iter().copied()), "pwimrzybsfkuc");
        assert_eq!(read("pwimrzybsfkuc", 13), all);
    }

    #[test]
    fn the_worst_mixture_is_a_letter_each() {
        let mixed = (0..20_000).map(|index| if index % 2 == 0 { State::Succeeded } else { State::Running });
        assert_eq!(write(mixed).len(), 20_000);
    }

    #[test]
    fn what_a_hand_wrote_is_read_as_far_as_it_goes() {
        use State::{Pending, Running, Succeeded};
        for (text, expected) in [
            ("2s", [Succeeded, Succeeded, Pending]),
            ("99999999999999999999999s", [Succeeded; 3]),
            ("0s r?", [Running, Pending, Pending]),
            ("", [Pending; 3]),
        ] {
            assert_eq!(read(text, 3), expected, "{text}");
        }
    }
}
