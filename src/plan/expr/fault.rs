//! What can go wrong when an expression is evaluated.

use thiserror::Error;

use super::position::Position;

/// Why an expression has no value: where, what, and what to do.
///
/// The words name types, functions and what the expression's own text says. They never contain a value,
/// which could be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{at}: {fault}")]
pub struct ExprError {
    /// The part of the text that failed.
    pub at: Position,
    /// What went wrong there.
    pub fault: Fault,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The caller gave no value for a root that the expression refers to.
    #[error("`{name}` has no value here")]
    NoRoot {
        /// The root.
        name: String,
    },
    /// A field or key that isn't there.
    #[error("there is no `{name}`; guard the read with has(), or write .?{name} and .orValue(…)")]
    NoField {
        /// The field, as written in the text.
        name: String,
    },
    /// A computed key that isn't there.
    #[error("the map has no such key; test with `in`, or write [?…] and .orValue(…)")]
    NoKey,
    /// An index outside the list.
    #[error("the index is outside the list; test with size(), or write [?…] and .orValue(…)")]
    OutOfRange,
    /// An operator or function, given types it can't take.
    #[error("`{operation}` doesn't take {types}; convert with int(), double() or string()")]
    Types {
        /// The operator or function.
        operation: &'static str,
        /// The types it was given, for people.
        types: String,
    },
    /// A condition that isn't a bool.
    #[error("a condition must be bool, this is {found}; compare it with something")]
    NotBool {
        /// Its type.
        found: &'static str,
    },
    /// A loop over something that has no elements.
    #[error("only a list or a map can be looped over, this is {found}")]
    NotIterable {
        /// Its type.
        found: &'static str,
    },
    /// An int beyond 64 bits came out of arithmetic.
    #[error("the result of `{operation}` is beyond a 64-bit int; use double()")]
    Overflow {
        /// The operator or function.
        operation: &'static str,
    },
    /// An int was divided by zero.
    #[error("division by zero; test the divisor first")]
    DivisionByZero,
    /// A function refused an argument of the right type.
    #[error("`{function}`: {reason}")]
    Argument {
        /// The function.
        function: &'static str,
        /// Why, without the argument.
        reason: &'static str,
    },
    /// An input holds an integer that CEL's int can't.
    #[error("the input has an integer beyond 64 bits; pass it as a string")]
    IntegerTooLarge,
    /// The evaluation took more than [`super::MAX_STEPS`].
    #[error(
        "the expression takes more than {max} steps on these inputs; use smaller lists or do it in a script"
    )]
    TooCostly {
        /// The bound.
        max: usize,
    },
    /// Lists in lists beyond [`super::MAX_DEPTH`].
    #[error("the value is nested more than {max} deep")]
    TooDeep {
        /// The bound.
        max: usize,
    },
    /// The result is more than [`super::MAX_RESULT`].
    #[error("the result has more than {max} bytes as JSON; pass large data by a file or a volume")]
    ResultTooLarge {
        /// The bound.
        max: usize,
    },
    /// The result has no JSON form.
    #[error("the result is {found}, which has no JSON form; {advice}")]
    NotJson {
        /// What it is.
        found: &'static str,
        /// What to write instead.
        advice: &'static str,
    },
}

impl Fault {
    /// Whether the fault ends the evaluation whatever stands beside it: `||` and `&&` may pass over a
    /// missing field, but not over an exhausted budget.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Fault::TooCostly { .. } | Fault::TooDeep { .. })
    }

    pub(super) fn at(self, at: Position) -> ExprError {
        ExprError { at, fault: self }
    }
}
