//! What the tables of rules are written with.

use super::{Code, Plan, Problem};
use crate::api::WorkflowSpec;

/// The spec that a manifest holds.
pub(super) fn spec(yaml: &str) -> WorkflowSpec {
    serde_saphyr::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}\n{error}"))
}

/// The plan of a good manifest.
pub(super) fn plan(yaml: &str) -> Plan {
    Plan::new(&spec(yaml)).unwrap_or_else(|problems| panic!("{yaml}\n{}", lines(&problems)))
}

/// The problems of a manifest with mistakes.
pub(super) fn problems(yaml: &str) -> Vec<Problem> {
    match Plan::new(&spec(yaml)) {
        Ok(_) => panic!("{yaml}\nis a good plan"),
        Err(problems) => problems,
    }
}

/// Asserts that a manifest has one mistake and no other, of this kind, at this path, with these words in its message.
#[track_caller]
pub(super) fn refused(yaml: &str, code: Code, path: &str, words: &str) {
    only(yaml, &problems(yaml), code, path, words);
}

/// Asserts that there is one problem and no other, of this kind, at this path, with these words in its message.
#[track_caller]
pub(super) fn only(about: &str, problems: &[Problem], code: Code, path: &str, words: &str) {
    let [problem] = problems else {
        panic!("one problem expected\n{about}\n{}", lines(problems));
    };
    assert_eq!((problem.code, problem.path.as_str()), (code, path), "{about}\n{problem}");
    assert!(problem.message.contains(words), "{about}\n{problem}\nlacks: {words}");
}

fn lines(problems: &[Problem]) -> String {
    let lines: Vec<String> = problems.iter().map(|problem| format!("{} {problem}\n", problem.code)).collect();
    lines.concat()
}
