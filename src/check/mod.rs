//! Manifests as people write them: every mistake at its line and column, before a cluster sees them.
//!
//! Three look at an object, one after the other, and none stops the next:
//!
//! 1. the parser, as kubectl would read the file (`parse`, `scalar`);
//! 2. the CRD's own schema, as the API server would (`schema`, `shape`, `rule`);
//! 3. the plan's rules, as the operator would ([`Plan`](crate::plan::Plan), `object`, `params`).
//!
//! For that, a value that the schema refuses is replaced by what was probably meant, and nothing more is said of it. What two
//! of them find at one place is told once, in the words of the plan, which know more.
//!
//! Nothing here lists fields: a field that the types get is checked.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod children;
mod finding;
mod manifest;
mod object;
mod params;
mod parse;
mod path;
mod print;
mod rule;
mod scalar;
mod schema;
mod shape;
mod text;
mod tree;
mod words;

#[cfg(test)]
mod tests;

pub use finding::{Finding, Severity};
pub use print::{codes, human, json};
pub use text::Excerpt;

use finding::Findings;
use text::Lines;

/// Findings of a file that are told; the rest are counted.
const FINDINGS: usize = 200;
/// The most bytes that a file may have. What an API server takes in one request is a fifth of it.
pub const FILE_BYTES: usize = 16 * 1024 * 1024;

/// A file.
#[derive(Clone, Debug)]
pub struct Source {
    /// How it is called.
    pub name: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// What was found in files.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of the files, and in each in the order of the text.
    pub findings: Vec<Finding>,
    /// Objects of our kinds that were looked at.
    pub objects: usize,
    /// Values that were read, each alias counted as what it stands for: what the time that it takes is proportional to. At
    /// most a million a file.
    pub values: usize,
}

impl Report {
    /// Whether there is an error among the findings.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.findings.iter().any(|finding| finding.severity == Severity::Error)
    }
}

/// Checks files together: runs in one may name workflows in another. Objects of other kinds are passed over.
#[must_use]
pub fn check(sources: &[Source]) -> Report {
    let texts: Vec<Result<&str, &str>> = sources.iter().map(|source| text(&source.bytes)).collect();
    let lines: Vec<Lines<'_>> = texts.iter().map(|text| Lines::new(text.unwrap_or_else(|good| good))).collect();
    let files: Vec<parse::File<'_>> = texts
        .iter()
        .zip(&lines)
        .map(|(text, lines)| match text {
            Ok(text) => parse::parse(text, lines),
            Err(good) => parse::not_utf8(good),
        })
        .collect();
    let mut findings = Findings::new(sources, &lines);
    let objects = manifest::check(&files, &mut findings);
    let values = files.iter().fold(0, |sum: usize, file| sum.saturating_add(file.values));
    Report { findings: findings.finish(), objects, values }
}

/// The text of a file, or as much of it as is text.
fn text(bytes: &[u8]) -> Result<&str, &str> {
    // A byte-order mark is no part of the first line.
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let good = |end| bytes.get(..end).and_then(|good| std::str::from_utf8(good).ok()).unwrap_or_default();
    std::str::from_utf8(bytes).map_err(|error| good(error.valid_up_to()))
}
