//! What can be wrong with the text of an expression.

use thiserror::Error;

use super::position::Position;

/// One thing wrong with an expression's text: where, what, and what to do.
///
/// The words are ours and name only what the text itself says, never a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {kind}")]
pub struct ExprProblem {
    /// Where in the text.
    pub at: Position,
    /// What is wrong there.
    pub kind: ProblemKind,
}

/// What is wrong with an expression's text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ProblemKind {
    /// Nothing but blanks.
    #[error("the expression is empty; write a CEL expression, such as `params.date`")]
    Empty,
    /// More bytes than [`super::MAX_TEXT`].
    #[error(
        "the expression has {bytes} bytes, {max} are allowed; move the work into a task's script"
    )]
    TooLong {
        /// Bytes of the text.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Nested deeper than [`super::MAX_DEPTH`].
    #[error("the expression is nested more than {max} deep; split it over several variables")]
    TooDeep {
        /// The bound.
        max: usize,
    },
    /// More than [`super::MAX_NESTED_LOOPS`] macros such as `map` within one another.
    #[error(
        "more than {max} of all, exists, exists_one, filter, map and sortBy are nested; flatten the lists first or do it in a script"
    )]
    TooManyLoops {
        /// The bound.
        max: usize,
    },
    /// The text is no CEL.
    #[error("{message}")]
    Syntax {
        /// What the parser stumbled over, in our words.
        message: String,
    },
    /// A part of CEL that Gantline leaves out.
    #[error("{what} can't be used here; {advice}")]
    Unsupported {
        /// What was written.
        what: String,
        /// What to write instead.
        advice: &'static str,
    },
    /// An identifier that names nothing, or nothing in this place.
    #[error("`{name}` is not known here{}; this expression can read {scope}", suggest(.suggestion.as_deref()))]
    UnknownName {
        /// The identifier.
        name: String,
        /// A name it was probably meant to be.
        suggestion: Option<String>,
        /// The names in scope, for people.
        scope: String,
    },
    /// A field that `run` or a task doesn't have.
    #[error("`{of}` has no field `{field}`{}; it has {fields}", suggest(.suggestion.as_deref()))]
    UnknownField {
        /// `run`, or `tasks.X`.
        of: String,
        /// The field as written.
        field: String,
        /// A field it was probably meant to be.
        suggestion: Option<String>,
        /// The fields there are, for people.
        fields: String,
    },
    /// A function outside the closed list.
    #[error("there is no function `{name}`{}", suggest(.suggestion.as_deref()))]
    UnknownFunction {
        /// The function as written.
        name: String,
        /// A function it was probably meant to be.
        suggestion: Option<String>,
    },
    /// A function of the list, called in another way than it can be.
    #[error("`{name}` is called as {usage}")]
    WrongCall {
        /// The function.
        name: String,
        /// How it is called.
        usage: String,
    },
    /// `tasks`, without a literal name after it.
    #[error(
        "`tasks` needs the literal name of a task: write tasks.extract or tasks['load-sales']; a computed name can't be checked or waited for"
    )]
    TaskNotNamed,
    /// `tasks.load-sales`, which is a subtraction.
    #[error(
        "`tasks.{name}` is a subtraction; a task whose name has a `-` is written tasks['{name}']"
    )]
    TaskNameSubtracted {
        /// The name of the task that was probably meant.
        name: String,
    },
    /// A loop variable with the name of something else.
    #[error("the variable `{name}` would hide what `{name}` stands for; choose another name")]
    VariableHides {
        /// The variable.
        name: String,
    },
    /// `matches` with a pattern that isn't written in the expression.
    #[error(
        "`matches` needs a literal pattern, so that it can be checked now: x.matches('^[a-z]+$')"
    )]
    PatternNotLiteral,
    /// A pattern that is no regular expression, or one that is too large.
    #[error("the pattern of `matches` can't be used: {reason}")]
    BadPattern {
        /// Why, in our words.
        reason: &'static str,
    },
}

fn suggest(name: Option<&str>) -> String {
    name.map(|name| format!(", did you mean `{name}`?"))
        .unwrap_or_default()
}

/// The one of `names` that `name` was probably meant to be.
pub(super) fn nearest<'n>(name: &str, names: impl IntoIterator<Item = &'n str>) -> Option<String> {
    // A third of the letters may differ, but not so many that any short name resembles any other.
    let allowed = name.chars().count().div_ceil(3).min(3);
    names
        .into_iter()
        .map(|known| {
            let distance = strsim::damerau_levenshtein(&name.to_lowercase(), &known.to_lowercase());
            (distance, known)
        })
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, known)| known.to_owned())
}
