//! Gantline's expressions: CEL, checked when the plan is made, evaluated within a budget.
//!
//! An expression is untrusted text over untrusted data, evaluated in the process that runs everybody's
//! workflows. So nothing in it may panic, overflow the stack, take long, take much memory, or come out
//! differently the second time:
//!
//! - *Parsing* is left to cel, behind bounds on length and nesting. The tree's depth is known
//!   before anything recurses over it.
//! - *Checking* turns cel's tree into one of our own, in which every name is resolved, every function
//!   found and every pattern compiled. All problems are reported at once, each with its position.
//! - *Evaluating* is our own, over values borrowed from the inputs. Each step, element and 64 bytes of
//!   text is paid for out of [`MAX_STEPS`] before the work is done. cel's evaluator has no
//!   such meter, and rules about the text alone can't replace one: `[s].map(x, x + x).map(x, x + x)…`
//!   has loops over one element each, and doubles its memory every 16 characters.
//!
//! Left out of CEL: map literals and messages, `uint` and `bytes` (JSON has neither), timestamps and
//! durations (there is no clock). Loops over a map take its keys in order.

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
        clippy::unwrap_used,
    )
)]

mod call;
mod compare;
pub mod env;
mod eval;
mod fault;
mod format;
mod function;
mod list;
mod loops;
mod lower;
mod meter;
mod node;
mod number;
mod operator;
mod path;
mod pattern;
mod position;
mod problem;
mod reference;
mod shape;
mod string;
mod syntax;
mod value;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use fault::{ExprError, Fault};
pub use meter::MAX_STEPS;
pub use position::Position;
pub use problem::{ExprProblem, ProblemKind};
pub use reference::{ATTEMPT_FIELDS, Place, RUN_FIELDS, Reference, TASK_FIELDS};

use eval::Machine;
use lower::Lowering;
use node::Node;
use position::Positions;
use reference::Reads;
use value::{Room, to_json};

/// The most bytes of text an expression may have.
pub const MAX_TEXT: usize = 1024;
/// The most levels an expression, or a list or map that it makes or compares, may be nested.
pub const MAX_DEPTH: usize = 64;
/// The most macros such as `map` within one another.
pub const MAX_NESTED_LOOPS: usize = 2;
/// The most bytes of JSON that a result may have.
pub const MAX_RESULT: usize = 256 * 1024;

/// A checked expression: text that parsed within every bound and refers only to what its place has in
/// scope. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Expr {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    text: String,
    tree: Node,
    reads: Reads,
}

impl Expr {
    /// Checks `text` for `place`.
    ///
    /// # Errors
    ///
    /// All problems, in the order of the text; of several errors of syntax only the first, since the others
    /// mostly follow from it.
    pub fn parse(text: &str, place: Place) -> Result<Expr, Vec<ExprProblem>> {
        let tree = syntax::tree(text).map_err(|problem| vec![problem])?;
        syntax::check_bounds(&tree).map_err(|kind| {
            let at = Position::START;
            vec![ExprProblem { at, kind }]
        })?;
        let mut lowering = Lowering::new(place, Positions::of(text, syntax::parser()));
        let tree = lowering.lower(&tree);
        let Lowering { mut problems, reads, .. } = lowering;
        if !problems.is_empty() {
            problems.sort_by_key(|problem| problem.at);
            return Err(problems);
        }
        let text = text.to_owned();
        let inner = Arc::new(Inner { text, tree, reads });
        Ok(Expr { inner })
    }

    /// The text it was parsed from.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.inner.text
    }

    /// What it reads, in order of first appearance, each once.
    #[must_use]
    pub fn references(&self) -> &[Reference] {
        self.inner.reads.references()
    }

    /// Whether the expression allows for `reference` not being there: it asks with `has()`, or reads it
    /// only through `.?`. False for what it doesn't read.
    #[must_use]
    pub fn is_guarded(&self, reference: &Reference) -> bool {
        self.inner.reads.is_guarded(reference)
    }

    /// The value of the expression over `roots`: the values of `params`, `run` and so on, holding at least
    /// what [`Expr::references`] names. The same roots always give the same value.
    ///
    /// Takes at most [`MAX_STEPS`] and less than 1 MiB of stack, so any thread will do. Reads the roots in
    /// place: nothing that isn't used is copied.
    ///
    /// # Errors
    ///
    /// The first fault, with its position; the words contain no values.
    pub fn evaluate(&self, roots: &BTreeMap<String, serde_json::Value>) -> Result<serde_json::Value, ExprError> {
        let tree = &self.inner.tree;
        let value = Machine::new(roots).eval(tree)?;
        let mut room = Room::new(MAX_RESULT);
        to_json(&value, &mut room).map_err(|fault| fault.at(tree.at))
    }
}

#[cfg(test)]
mod tests;
