//! The checked form of an expression: what is left when every name, function and pattern is known.

use regex::Regex;

use super::function::Function;
use super::position::Position;
use super::value::Type;

/// A part of an expression, and where it is written.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) at: Position,
    pub(super) kind: Kind,
}

/// What a part of an expression does.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(String),
    Type(Type),
    /// `params`, `run`, …
    Root(String),
    /// The variable of the enclosing loop with this number, counted from the outermost.
    Local(usize),
    /// A list literal; an element marked `?` is left out if it is an empty optional.
    List(Vec<(Node, Access)>),
    /// `of.name` and `of.?name`
    Field(Box<Node>, String, Access),
    /// `has(of.name)`
    Has(Box<Node>, String),
    /// `of[index]` and `of[?index]`
    Index(Box<Node>, Box<Node>, Access),
    Not(Box<Node>),
    Negate(Box<Node>),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    /// `condition ? then : otherwise`
    If(Box<Node>, Box<Node>, Box<Node>),
    Binary(Operator, Box<Node>, Box<Node>),
    /// A function, its receiver first if it has one.
    Call(Function, Vec<Node>),
    /// `text.matches(pattern)`, with its pattern compiled.
    Matches(Box<Node>, Pattern),
    Loop(Box<Loop>),
}

/// Whether something has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Required,
    Optional,
}

/// Operators that evaluate both sides first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
}

/// A macro that goes through a list, or the keys of a map.
#[derive(Clone, Debug)]
pub(super) struct Loop {
    pub(super) fold: Fold,
    pub(super) range: Node,
    /// Elements for which it is false are passed over.
    pub(super) filter: Option<Node>,
    pub(super) body: Node,
}

/// What a loop makes of the values of its body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fold {
    All,
    Exists,
    ExistsOne,
    Map,
    SortBy,
}

/// A regular expression that was written in the text, and what it costs to run it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Steps for each byte that is searched.
    pub(super) steps_a_byte: usize,
}
