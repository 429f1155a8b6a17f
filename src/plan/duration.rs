//! Durations as manifests write them: `90s`, `5m`, `1h30m`.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use super::problem::Code;
use super::report::{Path, Report};
use super::words::quote;

/// The durations that a field takes.
pub(super) struct Bounds {
    /// From the least to the greatest.
    pub(super) range: RangeInclusive<SignedDuration>,
    /// The same in words: `1s to 24h`.
    pub(super) words: &'static str,
}

/// Reads a duration: whole hours, minutes, seconds and milliseconds, in this order, each with its unit. Says what is wrong with
/// it.
pub(super) fn parse(text: &str, bounds: &Bounds, path: &Path<'_>, report: &mut Report) -> Option<SignedDuration> {
    // The parser takes much more: `PT5M`, `5 minutes ago`, `1.5h`. Manifests have one way to write a duration.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'h' | b'm' | b's'));
    let duration = if plain { text.parse::<SignedDuration>().ok() } else { None };
    let duration = duration.filter(|duration| bounds.range.contains(duration));
    if duration.is_none() {
        report.add(Code::BadDuration, path, || {
            let (text, bounds) = (quote(text), bounds.words);
            format!("`{text}` is no duration from {bounds}: write whole h, m, s or ms, such as 30s, 5m or 1h30m")
        });
    }
    duration
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<i64> {
        let range = SignedDuration::ZERO..=SignedDuration::from_hours(24);
        let bounds = Bounds { range, words: "0s to 24h" };
        let mut report = Report::default();
        let read = parse(text, &bounds, &Path::Root("timeout"), &mut report);
        assert_eq!(read.is_none(), !report.is_empty(), "{text}: a problem, or a duration");
        read.map(|duration| i64::try_from(duration.as_millis()).expect("within the bounds"))
    }

    #[test]
    fn durations_have_one_form() {
        for (text, millis) in [
            ("0s", 0),
            ("30s", 30_000),
            ("90s", 90_000),
            ("500ms", 500),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("1h2m3s4ms", 3_723_004),
            ("24h", 86_400_000),
            ("0024h", 86_400_000),
        ] {
            assert_eq!(read(text), Some(millis), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration() {
        let years = format!("1{}h", "0".repeat(34));
        for text in [
            "",
            "5",
            "s",
            "hms",
            "-5s",
            "+5s",
            "5 s",
            " 5s",
            "5s ",
            "1.5h",
            "1,5h",
            "PT5M",
            "pt5m",
            "5m ago",
            "5 minutes",
            "5min",
            "1d",
            "1h30",
            "30m1h",
            "5s5s",
            "1:30:00",
            "NaN",
            "inf",
            "0x5s",
            "٥s",
            "5s\0",
            "24h1ms",
            "25h",
            &years,
        ] {
            assert_eq!(read(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_mistake_says_what_to_write() {
        let range = SignedDuration::from_secs(1)..=SignedDuration::from_hours(1);
        let bounds = Bounds { range, words: "1s to 1h" };
        let mut report = Report::default();
        parse("2 hours", &bounds, &Path::Root("timeout"), &mut report);
        let problems = report.finish("spec", ()).expect_err("a mistake");
        let words =
            "timeout: `2 hours` is no duration from 1s to 1h: write whole h, m, s or ms, such as 30s, 5m or 1h30m";
        assert_eq!(problems[0].to_string(), words);
    }
}
