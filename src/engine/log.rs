//! The log: where transitions go that a status no longer spells out, and when it is sealed.
//!
//! Nothing in it is ever lost. Once it is long it goes into *segments*: records, each of which names the one before it. A segment
//! is written before the status that names it. What is sealed is what was on record before: whoever seals it, and however often,
//! makes the same segment under the same name, so that nothing is left over where a process ends between the two writes. Only what
//! is too much for one status at once goes into a segment without ever having been in a status.

use super::ledger::Ledger;
use super::observed::Observed;
use crate::api::{Sealed, Segment};
use crate::mutant::{Mutant, is};
use crate::plan::segment_name;

/// How much of what has happened a status holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hot {
    /// Transitions that are spelt out.
    pub history: usize,
    /// Bytes of the log from which on it is sealed when more comes to it. The log has at most half as much again.
    pub log: usize,
    /// Tasks of a run, or items of a task, up to which all are spelt out.
    pub spelt: usize,
    /// Units of which a short row tells more than a letter. A failure that is to be tried again, or that may be, waits for room.
    pub rows: usize,
    /// Bytes of outputs of tasks and items, as JSON. What is more goes into records.
    pub outputs: usize,
}

/// What suits an API server. Each write of a status carries its log: 8 KiB cost as much as some
/// fifteen tasks that are spelt out, and hold about 100 transitions, so that one write in as many is more.
/// A row has some 35 bytes: with thousands of units that were tried before a status has more than 64 KiB, and less than 256.
/// Outputs may have half of the 64 KiB that a status has.
pub const HOT: Hot = Hot { history: 64, log: 8 * 1024, spelt: 64, rows: 4_096, outputs: 32 * 1024 };

/// How many times as long as a log that is sealed a segment may be. A text at most doubles as JSON, so that the record of one has
/// less than 256 KiB.
const SEGMENT: usize = 14;

/// A part of the log, to be written before the status that names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedSegment {
    /// Name of its record.
    pub name: String,
    /// What it holds.
    pub segment: Segment,
}

/// Takes out of the log what is to go into segments, oldest first: what was there, once that is long and more comes to it, and of
/// what comes to it all that is too much.
pub(super) fn seal(ledger: &mut Ledger, seen: &Observed<'_>) -> Vec<NamedSegment> {
    let (before, room) = (seen.status.log.as_str(), seen.hot.log.saturating_add(seen.hot.log / 2));
    if ledger.status.log.len() == before.len() {
        return Vec::new();
    }
    let log = std::mem::take(&mut ledger.status.log);
    let (stored, added) = match log.strip_prefix(before) {
        Some(added) if before.len() >= seen.hot.log => (before, added),
        _ => ("", log.as_str()),
    };
    let most = seen.hot.log.saturating_mul(SEGMENT);
    let mut parts = cut(stored, most);
    if added.len() > room {
        parts.extend(cut(added, most));
    } else {
        ledger.status.log = added.to_owned();
    }
    if is(Mutant::LogDropped) && !parts.is_empty() {
        return Vec::new();
    }
    let segments: Vec<NamedSegment> = parts.into_iter().map(|part| sealed(ledger, seen, part)).collect();
    if is(Mutant::LogSealedAndKept) {
        ledger.status.log = log;
    }
    segments
}

/// The next segment; the status names it.
fn sealed(ledger: &mut Ledger, seen: &Observed<'_>, log: &str) -> NamedSegment {
    let before = ledger.status.sealed.take();
    let (count, before_lines) = before.as_ref().map_or((0, 0), |sealed| (sealed.count, sealed.lines));
    let lines = u64::try_from(log.lines().count()).unwrap_or(u64::MAX);
    let segment = Segment {
        run: seen.run.name.to_owned(),
        run_uid: seen.run.uid.to_owned(),
        number: count.saturating_add(1),
        previous: before.map(|sealed| sealed.segment),
        lines,
        log: log.to_owned(),
    };
    let name = segment_name(&segment, seen.taken);
    ledger.status.sealed =
        Some(Sealed { segment: name.clone(), count: segment.number, lines: before_lines.saturating_add(lines) });
    NamedSegment { name, segment }
}

/// The text in parts of at most `max` bytes, between lines; a line that is longer is a part of its own.
fn cut(text: &str, max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut rest, mut taken) = (text, 0_usize);
    for line in text.split_inclusive('\n') {
        if taken > 0 && taken.saturating_add(line.len()) > max {
            let (part, more) = rest.split_at_checked(taken).unwrap_or((rest, ""));
            parts.push(part);
            (rest, taken) = (more, 0);
        }
        taken = taken.saturating_add(line.len());
    }
    if !rest.is_empty() {
        parts.push(rest);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_lines_and_nothing_is_lost() {
        for (text, parts) in [
            ("", vec![]),
            ("a\nb\n", vec!["a\nb\n"]),
            ("a\nb\nc\n", vec!["a\nb\n", "c\n"]),
            ("a\nlonger than that\nb\n", vec!["a\n", "longer than that\n", "b\n"]),
            ("no line", vec!["no line"]),
            ("ä\nö\nü", vec!["ä\n", "ö\nü"]),
        ] {
            assert_eq!(cut(text, 5), parts, "{text:?}");
            assert_eq!(cut(text, 5).concat(), text);
        }
    }
}
