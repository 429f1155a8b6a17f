//! A mistake in a manifest, said so that its author can mend it.

use std::fmt;

/// A stable name for a kind of mistake, for tools and for searching the docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Code {
    /// Placeholder: the list is completed together with the validation.
    Cycle,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The kind of mistake.
    pub code: Code,
    /// Where, as a path into the spec: `tasks[2].needs[0]`.
    pub path: String,
    /// What is wrong and what to do, in a sentence.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
