//! What is found, with its place.

use serde::{Serialize, Serializer};

use super::text::{Excerpt, Lines};
use super::tree::Span;
use super::{FINDINGS, Source};
use crate::plan::{Code, bounded};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The API server refuses the object, or its runs fail.
    Error,
    /// It may be right.
    Warning,
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Something that is wrong with a manifest. Serialised, it is for tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// Where in the object, as `spec.tasks[1].needs[0]`; empty for a document that can't be read.
    pub path: String,
    /// The kind of mistake.
    #[serde(serialize_with = "name")]
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong and what to do, in at most 1 KiB.
    pub message: String,
    /// The object, as `Workflow/daily-sales`; `null` where there is none.
    pub object: Option<String>,
    /// What stands there.
    #[serde(skip)]
    pub excerpt: Excerpt,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn name<S: Serializer>(code: &Code, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

/// What is said of a place.
pub(super) struct Said<'a> {
    pub file: usize,
    pub span: Span,
    pub path: String,
    pub code: Code,
    pub severity: Severity,
    pub message: String,
    pub object: Option<&'a str>,
}

/// The findings so far.
pub(super) struct Findings<'a> {
    sources: &'a [Source],
    lines: &'a [Lines<'a>],
    /// By file and place.
    found: Vec<(usize, usize, Finding)>,
    /// Findings of each file, those that are not kept included.
    counts: Vec<usize>,
}

impl<'a> Findings<'a> {
    pub fn new(sources: &'a [Source], lines: &'a [Lines<'a>]) -> Self {
        Self { sources, lines, found: Vec::new(), counts: vec![0; sources.len()] }
    }

    pub fn add(&mut self, said: Said<'_>) {
        let Said { file, span, path, code, severity, message, object } = said;
        let (Some(source), Some(lines), Some(count)) =
            (self.sources.get(file), self.lines.get(file), self.counts.get_mut(file))
        else {
            return;
        };
        *count = count.saturating_add(1);
        if *count > FINDINGS {
            return;
        }
        let (line, column) = lines.position(span.start);
        let finding = Finding {
            file: source.name.clone(),
            line,
            column,
            path,
            code,
            severity,
            message: bounded(message),
            object: object.map(str::to_owned),
            excerpt: lines.excerpt(span.start, span.end),
        };
        self.found.push((file, span.start, finding));
    }

    /// All of them in order; those beyond the bound are counted.
    pub fn finish(mut self) -> Vec<Finding> {
        let counts = std::mem::take(&mut self.counts);
        for (file, count) in counts.iter().enumerate() {
            let beyond = count.saturating_sub(FINDINGS);
            if beyond > 0 {
                self.counts = vec![0; counts.len()];
                let span = Span { start: usize::MAX, end: usize::MAX };
                let message = format!("and {beyond} more: mend these first");
                let (path, object) = (String::new(), None);
                let severity = Severity::Error;
                self.add(Said { file, span, path, code: Code::MoreProblems, severity, message, object });
            }
        }
        // Those at one place stay in the order in which they were found.
        self.found.sort_by_key(|(file, start, _)| (*file, *start));
        self.found.into_iter().map(|(_, _, finding)| finding).collect()
    }
}
