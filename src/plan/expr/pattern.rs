//! The patterns of `matches`: literals only, compiled once, of bounded size and cost.

use regex::{Regex, RegexBuilder, bytes};

use super::node::Pattern;
use super::problem::ProblemKind;

/// The memory that a compiled pattern may take, in bytes; `\d` takes 6 KiB of it, `\w` 50 KiB.
const MAX_PROGRAM: usize = 256 * 1024;
/// The memory for the automaton that is built while searching, in bytes.
const MAX_CACHE: usize = 256 * 1024;
/// Where a search is at its slowest, a byte costs 0.5 µs for every KiB of the program without the tables
/// of Unicode. That is what five steps may take.
const STEPS_A_KIBIBYTE: usize = 5;

/// Compiles `pattern`, and says what it costs to search with it.
pub(super) fn compile(pattern: &str) -> Result<Pattern, ProblemKind> {
    let compiled = RegexBuilder::new(pattern)
        .size_limit(MAX_PROGRAM)
        .dfa_size_limit(MAX_CACHE)
        .build();
    match compiled {
        Ok(regex) => Ok(Pattern {
            steps_a_byte: steps_a_byte(&regex),
            regex,
        }),
        Err(error) => Err(ProblemKind::BadPattern {
            reason: match error {
                regex::Error::CompiledTooBig(_) => {
                    "it is too large when compiled; use shorter repetitions, and [0-9a-z] for \\w"
                }
                _ => "it is no regular expression in RE2's syntax",
            },
        }),
    }
}

/// The most steps that a byte is worth, from the size of the program.
///
/// A search keeps track of every place in the pattern where it could be, in the worst case byte by byte. The
/// size of the program says how many there are, if classes of characters count as one: so it is the
/// size without Unicode, found by doubling. A pattern that can't do without, `\p{L}`, is taken to be as large
/// as it may be.
fn steps_a_byte(regex: &Regex) -> usize {
    let fits = |kibibytes: &usize| {
        bytes::RegexBuilder::new(regex.as_str())
            .unicode(false)
            .size_limit(kibibytes.saturating_mul(1024))
            .build()
            .is_ok()
    };
    let sizes = [1, 2, 4, 8, 16, 32, 64, 128];
    let size = sizes.into_iter().find(fits).unwrap_or(MAX_PROGRAM / 1024);
    size.saturating_mul(STEPS_A_KIBIBYTE)
}
