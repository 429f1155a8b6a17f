//! What there is to know of a unit beyond its state, where it was tried before or waits for a time: a short row of text.

use std::fmt::Write;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::known::Known;
use crate::api::{Attempt, AttemptOutcome, EarlierAttempts, Reason, TaskStatus};
use crate::engine::tally::Tally;
use crate::mutant::{Mutant, is};

/// What is on record of a unit that was tried before, or waits for a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Its index.
    pub(super) index: u32,
    /// The number of its newest attempt.
    pub(super) number: u32,
    /// What came of its attempts of this generation before that: failed, disrupted before and after their start, not yet.
    pub(super) tally: [u32; 4],
    /// What came of the newest attempt, if it is over.
    pub(super) end: Option<End>,
    /// When the next attempt may start, in milliseconds.
    pub(super) next_at: Option<i64>,
    /// When its totalTimeout is over, in milliseconds.
    pub(super) deadline_at: Option<i64>,
    /// Why it is being stopped, if that is a reason of its own.
    pub(super) reason: Option<Reason>,
}

/// What came of an attempt, as far as budgets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It failed.
    Failed,
    /// It was disrupted before its start.
    DisruptedBefore,
    /// It was disrupted after that.
    DisruptedAfter,
    /// It was not yet.
    NotYet,
    /// Anything else.
    Other,
}

/// Each end and its letter, as they stand on record.
const LETTERS: [(End, &str); 5] = [
    (End::Failed, "F"),
    (End::DisruptedBefore, "B"),
    (End::DisruptedAfter, "A"),
    (End::NotYet, "N"),
    (End::Other, "O"),
];

impl End {
    fn of(attempt: &Attempt) -> Option<Self> {
        Some(match (attempt.outcome?, attempt.started_at.is_some()) {
            (AttemptOutcome::Failed, _) => Self::Failed,
            (AttemptOutcome::NotYet, _) => Self::NotYet,
            (AttemptOutcome::Disrupted, false) => Self::DisruptedBefore,
            (AttemptOutcome::Disrupted, true) => Self::DisruptedAfter,
            (AttemptOutcome::Succeeded | AttemptOutcome::Cancelled, _) => Self::Other,
        })
    }

    const fn outcome(self) -> AttemptOutcome {
        match self {
            Self::Failed => AttemptOutcome::Failed,
            Self::DisruptedBefore | Self::DisruptedAfter => AttemptOutcome::Disrupted,
            Self::NotYet => AttemptOutcome::NotYet,
            Self::Other => AttemptOutcome::Cancelled,
        }
    }

    fn letter(self) -> &'static str {
        LETTERS.iter().find(|(end, _)| *end == self).map_or("O", |(_, letter)| letter)
    }
}

impl Row {
    /// Of a unit.
    pub(super) fn of(index: u32, task: &Known<'_>, generation: u32, own_reason: bool) -> Self {
        let last = task.attempts.last();
        let over = last.filter(|last| last.generation == generation).and_then(End::of);
        let mut before = Tally::of_attempts(task.attempts, task.earlier, generation);
        over.zip(last).into_iter().for_each(|(_, last)| before.take(last));
        let tally = before;
        let millis = |at: &MicroTime| at.0.as_millisecond();
        Self {
            index,
            number: last.map_or(0, |last| last.number),
            tally: [tally.failed, tally.disrupted_before_start, tally.disrupted_after_start, tally.not_yet],
            end: over,
            next_at: last.and_then(|last| last.next_at.as_ref()).map(millis).filter(|_| !is(Mutant::RowWithoutTime)),
            deadline_at: task.deadline_at.map(millis),
            reason: task.reason.filter(|_| own_reason),
        }
    }

    /// Restores what the row tells. `attempt` is the newest attempt as far as it is known without it, and `started_at` the time
    /// that counts for a start which is on record no more.
    pub(super) fn restore(&self, task: &mut TaskStatus, attempt: Attempt, started_at: Option<&MicroTime>) {
        let at =
            |millis: Option<i64>| millis.and_then(|millis| Timestamp::from_millisecond(millis).ok()).map(MicroTime);
        let [failed, disrupted_before_start, disrupted_after_start, not_yet] = self.tally;
        let former = task.earlier.map_or(0, |earlier| earlier.former);
        let earlier = EarlierAttempts { failed, disrupted_before_start, disrupted_after_start, not_yet, former };
        task.earlier = (earlier != EarlierAttempts::default()).then_some(earlier);
        task.deadline_at = at(self.deadline_at);
        task.reason = self.reason.or(task.reason);
        if self.number > 0 {
            let outcome = self.end.map(End::outcome);
            // Of the start itself nothing is asked any more but whether there was one.
            let started_at = started_at.filter(|_| self.end == Some(End::DisruptedAfter)).cloned();
            task.attempts = vec![Attempt { outcome, started_at, next_at: at(self.next_at), ..attempt }];
        }
    }
}

/// The text of rows, each once.
pub(super) fn write(rows: impl IntoIterator<Item = Row>) -> String {
    let mut text = String::new();
    for Row { index, number, tally: [failed, before, after, not_yet], end, next_at, deadline_at, reason } in rows {
        let comma = if text.is_empty() { "" } else { ";" };
        // Writing to a string can't fail.
        let _ = write!(text, "{comma}{index},{number},{failed},{before},{after},{not_yet}");
        let _ = end.map_or(Ok(()), |end| write!(text, ",{}", end.letter()));
        let _ = next_at.map_or(Ok(()), |at| write!(text, ",n{at}"));
        let _ = deadline_at.map_or(Ok(()), |at| write!(text, ",d{at}"));
        let _ = reason.map_or(Ok(()), |reason| write!(text, ",{reason:?}"));
    }
    text
}

/// The rows of a text: as far as they can be read, whoever wrote them.
pub(super) fn read(text: &str) -> impl Iterator<Item = Row> {
    text.split(';').filter_map(|text| {
        let mut fields = text.split(',');
        let mut number = || fields.next()?.parse::<u32>().ok();
        let (index, newest) = (number()?, number()?);
        let tally = [number()?, number()?, number()?, number()?];
        let mut row = Row { index, number: newest, tally, ..Row::default() };
        for field in fields {
            if let Some((end, _)) = LETTERS.iter().find(|(_, letter)| *letter == field) {
                row.end = Some(*end);
            } else if let Some(at) = field.strip_prefix('n') {
                row.next_at = at.parse().ok();
            } else if let Some(at) = field.strip_prefix('d') {
                row.deadline_at = at.parse().ok();
            } else {
                row.reason = serde_json::from_value(field.into()).ok();
            }
        }
        Some(row)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let rows = [
            Row { index: 3, number: 2, end: Some(End::Failed), next_at: Some(1_795_327_201_120), ..Row::default() },
            Row { index: 17, number: 9, tally: [1, 2, 3, 4], deadline_at: Some(12), ..Row::default() },
            Row { index: 18, number: 1, reason: Some(Reason::TimedOut), ..Row::default() },
            Row { index: 19, number: 1, reason: Some(Reason::FailFast), ..Row::default() },
        ];
        let text = write(rows.iter().cloned());
        assert_eq!(text, "3,2,0,0,0,0,F,n1795327201120;17,9,1,2,3,4,d12;18,1,0,0,0,0,TimedOut;19,1,0,0,0,0,FailFast");
        assert_eq!(read(&text).collect::<Vec<Row>>(), rows);
        assert_eq!(write([]), "");
        assert_eq!(read("").count(), 0);
    }

    #[test]
    fn what_a_hand_wrote_is_read_as_far_as_it_goes() {
        let found: Vec<Row> = read("x;1,2;5,1,0,0,0,0,nx,d,Nonsense;;7,1,0,0,0,0").collect();
        let plain = |index| Row { index, number: 1, ..Row::default() };
        assert_eq!(found, [plain(5), plain(7)]);
    }
}
