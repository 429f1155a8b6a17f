//! Names: what they may look like, how they are printed, and which one was meant.

use super::limits;

/// Words that CEL keeps for itself (<https://github.com/google/cel-spec/blob/master/doc/langdef.md#syntax>).
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Characters of a name in a message.
const QUOTED: usize = 64;

/// Letters that may differ between what was written and what was meant.
const DISTANCE: usize = 3;

/// Whether `name` is a DNS label: lower-case letters, digits and dashes, no dash at either end. Its length is another
/// question.
pub(crate) fn is_dns_label(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('-')
        && !name.ends_with('-')
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whether `name` is an identifier: a letter or underscore, then letters, digits and underscores.
pub(super) fn is_identifier(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit())
        && !name.is_empty()
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether CEL keeps `name` for itself.
pub(super) fn is_reserved(name: &str) -> bool {
    RESERVED.binary_search(&name).is_ok()
}

/// `name` for a message: without control characters, and cut where it is long.
pub(crate) fn quote(name: &str) -> String {
    let mut quoted: String = name.chars().take(QUOTED).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if name.chars().nth(QUOTED).is_some() {
        quoted.push('…');
    }
    quoted
}

/// The candidate that `name` was probably meant to be: at most a third of the letters differ, and at most three; the
/// nearest, and of several the first.
#[must_use]
pub fn did_you_mean<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let length = name.chars().take(limits::IDENTIFIER).count();
    let allowed = length.div_ceil(3).min(DISTANCE);
    let name: String = name.chars().take(limits::IDENTIFIER).collect();
    let name = name.to_lowercase();
    candidates
        .into_iter()
        // The distance is never less than the difference in length, which is cheap to see; it also keeps out texts so
        // long that the distance would take for ever.
        .filter(|candidate| candidate.chars().take(limits::IDENTIFIER).count().abs_diff(length) <= allowed)
        .filter(|candidate| candidate.len() <= limits::IDENTIFIER)
        .map(|candidate| (strsim::damerau_levenshtein(&name, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "; did you mean `load`?", or nothing.
pub(crate) fn suggestion<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> String {
    did_you_mean(name, candidates).map(|meant| format!("; did you mean `{}`?", quote(meant))).unwrap_or_default()
}

/// "`a`, `b` and `c`": at most eight names, then how many more.
pub(crate) fn listing<'c>(names: impl IntoIterator<Item = &'c str>) -> String {
    const SHOWN: usize = 8;
    let mut names = names.into_iter();
    let shown: Vec<String> = names.by_ref().take(SHOWN).map(|name| format!("`{}`", quote(name))).collect();
    let rest = names.count();
    match shown.as_slice() {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        all if rest > 0 => format!("{} and {rest} more", all.join(", ")),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dns_labels() {
        for good in ["a", "a-b", "0", "load-sales-2"] {
            assert!(is_dns_label(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "a\n"] {
            assert!(!is_dns_label(bad), "{bad:?}");
        }
    }

    #[test]
    fn identifiers() {
        for good in ["a", "_", "a1", "Rows_2"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", "1a", "a-b", "a.b", "é", "a b", "a\0"] {
            assert!(!is_identifier(bad), "{bad:?}");
        }
    }

    #[test]
    fn reserved_words_are_sorted_for_the_search() {
        assert!(RESERVED.is_sorted());
        assert!(is_reserved("in") && is_reserved("while") && !is_reserved("date"));
    }

    #[test]
    fn the_nearest_name_is_meant() {
        let tasks = ["extract", "extra", "load", "transform"];
        for (written, meant) in [
            ("extrat", Some("extract")),
            ("Load", Some("load")),
            ("laod", Some("load")),
            ("transfrom", Some("transform")),
            ("publish", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(did_you_mean(written, tasks), meant, "{written}");
        }
        assert_eq!(did_you_mean(&"x".repeat(1_000_000), tasks), None);
    }

    #[test]
    fn a_name_in_a_message_is_short_and_printable() {
        assert_eq!(quote("a\nb"), "a\u{fffd}b");
        assert_eq!(quote(&"é".repeat(1_000)).chars().count(), 65);
    }

    #[test]
    fn a_listing_reads_as_a_sentence() {
        assert_eq!(listing([]), "nothing");
        assert_eq!(listing(["a"]), "`a`");
        assert_eq!(listing(["a", "b", "c"]), "`a`, `b` and `c`");
        let many: Vec<String> = (0..20).map(|n| n.to_string()).collect();
        let text = listing(many.iter().map(String::as_str));
        assert!(text.ends_with("`7` and 12 more"), "{text}");
    }
}
