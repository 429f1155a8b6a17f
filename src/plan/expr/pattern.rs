//! The patterns of `matches`: literals only, compiled once, of bounded size.

use regex::RegexBuilder;

use super::node::Pattern;
use super::problem::ProblemKind;

/// The most memory a compiled pattern may take, in bytes.
const MAX_PROGRAM: usize = 64 * 1024;
/// The memory for the automaton that is built while searching, in bytes.
const MAX_CACHE: usize = 256 * 1024;

/// Compiles `pattern`, and says what a byte searched with it costs.
pub(super) fn compile(pattern: &str) -> Result<Pattern, ProblemKind> {
    let regex =
        RegexBuilder::new(pattern).size_limit(MAX_PROGRAM).dfa_size_limit(MAX_CACHE).build().map_err(|error| {
            ProblemKind::BadPattern {
                reason: match error {
                    regex::Error::CompiledTooBig(_) => {
                        "it is too large when compiled; use shorter repetitions, and [0-9] for \\d"
                    }
                    _ => "it is no regular expression in RE2's syntax",
                },
            }
        })?;
    let steps_a_byte = 1;
    Ok(Pattern { regex, steps_a_byte })
}
