//! Words for people, within bounds.

use jiff::{SignedDuration, Timestamp};

/// Most bytes of a message on record.
pub(super) const MESSAGE_BYTES: usize = 1024;

/// The text without control characters, cut to `max` bytes at a character's border, with `…` where something is missing.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    const MORE: char = '…';
    let clean: String =
        text.trim().chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
    if clean.len() <= max {
        return clean;
    }
    let room = max.saturating_sub(MORE.len_utf8());
    let mut out = String::with_capacity(max);
    for c in clean.chars() {
        if out.len().saturating_add(c.len_utf8()) > room {
            break;
        }
        out.push(c);
    }
    if max >= MORE.len_utf8() {
        out.push(MORE);
    }
    out
}

/// The last line that says something, for one-line summaries.
pub(super) fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("")
}

/// Up to three names, and how many more there are: `a, b, c and 4 more`.
pub(super) fn names<'a>(all: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 3;
    let mut shown = Vec::new();
    let mut more = 0_usize;
    for name in all {
        if shown.len() < SHOWN {
            shown.push(name);
        } else {
            more = more.saturating_add(1);
        }
    }
    let shown = shown.join(", ");
    if more == 0 { shown } else { format!("{shown} and {more} more") }
}

/// So many of a thing: `1 task`, `2 tasks`.
pub(super) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// A duration as people write it: `41s`, `1m12s`, `2h5m`; under ten seconds with a tenth: `2.3s`.
#[must_use]
pub fn duration(span: SignedDuration) -> String {
    let millis = span.as_millis().max(0);
    let seconds = millis / 1000;
    let (hours, minutes, rest) = (seconds / 3600, (seconds / 60) % 60, seconds % 60);
    if seconds < 10 {
        format!("{seconds}.{}s", (millis / 100) % 10)
    } else if hours > 0 {
        format!("{hours}h{minutes}m")
    } else if minutes > 0 {
        format!("{minutes}m{rest}s")
    } else {
        format!("{rest}s")
    }
}

/// A time to the second: `2026-11-22T08:00:05Z`.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_characters() {
        assert_eq!(clip("  hello\n", 10), "hello");
        assert_eq!(clip("hello", 5), "hello");
        assert_eq!(clip("hello!", 5), "he…");
        assert_eq!(clip("ääää", 7), "ää…");
        assert_eq!(clip("abc", 1), "");
        assert_eq!(clip("a\0b\u{1b}[31m", 99), "a\u{fffd}b\u{fffd}[31m");
        assert!(clip(&"é".repeat(1_000_000), MESSAGE_BYTES).len() <= MESSAGE_BYTES);
    }

    #[test]
    fn durations_read_well() {
        for (millis, text) in [
            (-5, "0.0s"),
            (2_340, "2.3s"),
            (41_000, "41s"),
            (72_000, "1m12s"),
            (7_500_000, "2h5m"),
            (90_000_000, "25h0m"),
        ] {
            assert_eq!(duration(SignedDuration::from_millis(millis)), text);
        }
    }

    #[test]
    fn one_is_no_plural() {
        assert_eq!([0, 1, 2].map(|number| count(number, "task")), ["0 tasks", "1 task", "2 tasks"]);
    }

    #[test]
    fn few_names_are_listed_and_many_counted() {
        assert_eq!(names(["a", "b"].into_iter()), "a, b");
        assert_eq!(names(["a", "b", "c", "d", "e"].into_iter()), "a, b, c and 2 more");
    }
}
