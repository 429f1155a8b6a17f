//! Gathers problems: at most so many, each with its path and bounded words, and nothing is worded that won't be read.

use std::fmt;

use super::limits;
use super::problem::{Code, Problem};
use super::words::quote;

/// Where in a spec something is. It lives on the stack and costs nothing until it is printed.
#[derive(Clone, Copy)]
pub(super) enum Path<'a> {
    /// A field of the spec itself.
    Root(&'a str),
    /// A field of an object: `.env`.
    Field(&'a Path<'a>, &'a str),
    /// An element of a list: `[3]`.
    Index(&'a Path<'a>, usize),
    /// An entry of a map, under a name that users chose: `['app.kubernetes.io/name']`.
    Key(&'a Path<'a>, &'a str),
}

impl<'a> Path<'a> {
    pub(super) const fn field(&'a self, name: &'a str) -> Path<'a> {
        Path::Field(self, name)
    }

    pub(super) const fn index(&'a self, index: usize) -> Path<'a> {
        Path::Index(self, index)
    }

    pub(super) const fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Root(name) => f.write_str(name),
            Path::Field(parent, name) => write!(f, "{parent}.{name}"),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent, key) => write!(f, "{parent}{}", segment(key)),
        }
    }
}

/// How an entry of a map is written in a path, under a name that users chose: `.cpu`, `['nvidia.com/gpu']`.
pub(crate) fn segment(key: &str) -> String {
    let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if plain && !key.is_empty() && key.len() <= limits::IDENTIFIER {
        format!(".{key}")
    } else {
        format!("['{}']", quote(key))
    }
}

/// The problems found so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    problems: Vec<Problem>,
    /// Problems beyond the bound.
    beyond: usize,
    /// What the problems that come are about, as their messages begin: "task `load`: ".
    subject: String,
}

impl Report {
    /// From here on, messages begin with these words.
    pub(super) fn about(&mut self, subject: String) {
        self.subject = subject;
    }

    /// From here on, messages begin with nothing.
    pub(super) fn about_nothing(&mut self) {
        self.subject.clear();
    }

    /// Takes down a problem. `message` is asked for only within the bound, since a hostile spec can have a million
    /// problems, and looking for a name that may have been meant takes a while.
    pub(super) fn add(&mut self, code: Code, path: &Path<'_>, message: impl FnOnce() -> String) {
        if self.problems.len() < limits::PROBLEMS {
            let path = path.to_string();
            let message = bounded(format!("{}{}", self.subject, message()));
            self.problems.push(Problem { code, path, message });
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }

    /// The number of problems.
    pub(super) fn len(&self) -> usize {
        self.problems.len().saturating_add(self.beyond)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// `value` if nothing was wrong, else the problems; the last one counts those beyond the bound, at path `root`.
    pub(super) fn finish<T>(mut self, root: &str, value: T) -> Result<T, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        if self.beyond > 0 {
            self.problems.push(Problem {
                code: Code::MoreProblems,
                path: root.to_owned(),
                message: format!("and {} more: mend these first", self.beyond),
            });
        }
        Err(self.problems)
    }
}

/// `message` without control characters, which would garble a terminal, and cut to its bound.
pub(crate) fn bounded(message: String) -> String {
    const ELLIPSIS: &str = "…";
    let mut message =
        if message.contains(char::is_control) { message.replace(char::is_control, "\u{fffd}") } else { message };
    if message.len() > limits::MESSAGE_BYTES {
        let room = limits::MESSAGE_BYTES.saturating_sub(ELLIPSIS.len());
        let end = (0..=room).rev().find(|at| message.is_char_boundary(*at));
        message.truncate(end.unwrap_or(0));
        message.push_str(ELLIPSIS);
    }
    message
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_written_as_kubectl_users_write_it() {
        let task = Path::Root("tasks");
        let task = task.index(2);
        assert_eq!(task.field("needs").index(0).to_string(), "tasks[2].needs[0]");
        assert_eq!(task.key("cpu").to_string(), "tasks[2].cpu");
        assert_eq!(task.key("nvidia.com/gpu").to_string(), "tasks[2]['nvidia.com/gpu']");
    }

    #[test]
    fn problems_beyond_the_bound_are_counted_and_never_worded() {
        let mut report = Report::default();
        for _ in 0..limits::PROBLEMS {
            report.add(Code::NoTasks, &Path::Root("tasks"), || "is empty".into());
        }
        for _ in 0..7 {
            report.add(Code::NoTasks, &Path::Root("tasks"), || panic!("worded"));
        }
        assert_eq!(report.len(), limits::PROBLEMS + 7);
        let problems = report.finish("spec", ()).expect_err("problems");
        assert_eq!(problems.len(), limits::PROBLEMS + 1);
        let last = problems.last().expect("the count");
        assert_eq!(last.code, Code::MoreProblems);
        assert_eq!(last.to_string(), "spec: and 7 more: mend these first");
    }

    #[test]
    fn a_message_is_cut_between_characters() {
        assert_eq!(bounded("short".into()), "short");
        assert_eq!(bounded("a\u{1b}b".into()), "a\u{fffd}b");
        let long = bounded("é".repeat(1_000));
        assert!(long.len() <= limits::MESSAGE_BYTES, "{}", long.len());
        assert!(long.ends_with("é…"));
    }
}
