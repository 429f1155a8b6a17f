//! The closed list of functions.

use super::problem::{ProblemKind, nearest};

/// A function of the list; its arguments include the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Function {
    // Conversions and types.
    Bool,
    Double,
    Dyn,
    Int,
    Json,
    Size,
    String,
    Type,
    // Optionals.
    HasValue,
    OptionalNone,
    OptionalOf,
    OptionalOfNonZero,
    Or,
    OrValue,
    Value,
    // Strings.
    CharAt,
    Contains,
    EndsWith,
    Format,
    IndexOf,
    Join,
    LastIndexOf,
    LowerAscii,
    Quote,
    Replace,
    Split,
    StartsWith,
    Substring,
    Trim,
    UpperAscii,
    // Lists, and `reverse`, which strings have too.
    Distinct,
    Flatten,
    Range,
    Reverse,
    Slice,
    Sort,
    // Numbers.
    Abs,
    BitAnd,
    BitNot,
    BitOr,
    BitShiftLeft,
    BitShiftRight,
    BitXor,
    Ceil,
    Floor,
    Greatest,
    IsFinite,
    IsInf,
    IsNan,
    Least,
    Round,
    Sign,
    Sqrt,
    Trunc,
}

/// How a function is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// `size(x)`, or `math.abs(x)` with its namespace.
    Global,
    /// `x.trim()`
    Member,
}

/// A function, its names, and how many arguments it takes, the receiver included.
struct Entry {
    function: Function,
    name: &'static str,
    style: Style,
    least: usize,
    most: usize,
}

const fn global(function: Function, name: &'static str, least: usize, most: usize) -> Entry {
    Entry {
        function,
        name,
        style: Style::Global,
        least,
        most,
    }
}

const fn member(function: Function, name: &'static str, least: usize, most: usize) -> Entry {
    Entry {
        function,
        name,
        style: Style::Member,
        least,
        most,
    }
}

/// As many arguments as the text has room for.
const ANY: usize = usize::MAX;

/// Every function there is. Macros (`has`, `all`, `exists`, `exists_one`, `filter`, `map`, `sortBy`) and
/// `matches` are not functions: they are understood before.
const FUNCTIONS: &[Entry] = &[
    global(Function::Bool, "bool", 1, 1),
    global(Function::Double, "double", 1, 1),
    global(Function::Dyn, "dyn", 1, 1),
    global(Function::Int, "int", 1, 1),
    global(Function::Json, "json", 1, 1),
    global(Function::Size, "size", 1, 1),
    member(Function::Size, "size", 1, 1),
    global(Function::String, "string", 1, 1),
    global(Function::Type, "type", 1, 1),
    member(Function::HasValue, "hasValue", 1, 1),
    global(Function::OptionalNone, "optional.none", 0, 0),
    global(Function::OptionalOf, "optional.of", 1, 1),
    global(Function::OptionalOfNonZero, "optional.ofNonZeroValue", 1, 1),
    member(Function::Or, "or", 2, 2),
    member(Function::OrValue, "orValue", 2, 2),
    member(Function::Value, "value", 1, 1),
    member(Function::CharAt, "charAt", 2, 2),
    member(Function::Contains, "contains", 2, 2),
    member(Function::EndsWith, "endsWith", 2, 2),
    member(Function::Format, "format", 2, 2),
    member(Function::IndexOf, "indexOf", 2, 3),
    member(Function::Join, "join", 1, 2),
    member(Function::LastIndexOf, "lastIndexOf", 2, 3),
    member(Function::LowerAscii, "lowerAscii", 1, 1),
    global(Function::Quote, "strings.quote", 1, 1),
    member(Function::Replace, "replace", 3, 4),
    member(Function::Split, "split", 2, 3),
    member(Function::StartsWith, "startsWith", 2, 2),
    member(Function::Substring, "substring", 2, 3),
    member(Function::Trim, "trim", 1, 1),
    member(Function::UpperAscii, "upperAscii", 1, 1),
    member(Function::Distinct, "distinct", 1, 1),
    member(Function::Flatten, "flatten", 1, 2),
    global(Function::Range, "lists.range", 1, 1),
    member(Function::Reverse, "reverse", 1, 1),
    member(Function::Slice, "slice", 3, 3),
    member(Function::Sort, "sort", 1, 1),
    global(Function::Abs, "math.abs", 1, 1),
    global(Function::BitAnd, "math.bitAnd", 2, 2),
    global(Function::BitNot, "math.bitNot", 1, 1),
    global(Function::BitOr, "math.bitOr", 2, 2),
    global(Function::BitShiftLeft, "math.bitShiftLeft", 2, 2),
    global(Function::BitShiftRight, "math.bitShiftRight", 2, 2),
    global(Function::BitXor, "math.bitXor", 2, 2),
    global(Function::Ceil, "math.ceil", 1, 1),
    global(Function::Floor, "math.floor", 1, 1),
    global(Function::Greatest, "math.greatest", 1, ANY),
    global(Function::IsFinite, "math.isFinite", 1, 1),
    global(Function::IsInf, "math.isInf", 1, 1),
    global(Function::IsNan, "math.isNaN", 1, 1),
    global(Function::Least, "math.least", 1, ANY),
    global(Function::Round, "math.round", 1, 1),
    global(Function::Sign, "math.sign", 1, 1),
    global(Function::Sqrt, "math.sqrt", 1, 1),
    global(Function::Trunc, "math.trunc", 1, 1),
];

/// The names before the dot of `math.abs` and the like.
pub(super) const NAMESPACES: [&str; 4] = ["lists", "math", "optional", "strings"];

/// Macros, and how they are called.
const MACROS: [(&str, &str); 9] = [
    ("has", "has(x.field)"),
    ("all", "list.all(x, condition)"),
    ("exists", "list.exists(x, condition)"),
    ("exists_one", "list.exists_one(x, condition)"),
    ("existsOne", "list.exists_one(x, condition)"),
    ("filter", "list.filter(x, condition)"),
    ("map", "list.map(x, value) or list.map(x, condition, value)"),
    ("sortBy", "list.sortBy(x, key)"),
    ("matches", "text.matches('pattern')"),
];

impl Function {
    /// The name it is called by.
    pub(super) fn name(self) -> &'static str {
        FUNCTIONS
            .iter()
            .find(|entry| entry.function == self)
            .map_or("?", |entry| entry.name)
    }

    /// Whether `name` is a macro, whose arguments are more than values.
    pub(super) fn is_macro(name: &str) -> bool {
        MACROS.iter().any(|(known, _)| *known == name)
    }

    /// The function that a call means: `name` with its namespace, `arguments` with the receiver.
    pub(super) fn find(
        name: &str,
        is_member: bool,
        arguments: usize,
    ) -> Result<Function, ProblemKind> {
        let style = if is_member {
            Style::Member
        } else {
            Style::Global
        };
        let mut named = FUNCTIONS.iter().filter(|entry| entry.name == name);
        if let Some(found) = named.clone().find(|entry| entry.style == style) {
            return if (found.least..=found.most).contains(&arguments) {
                Ok(found.function)
            } else {
                Err(wrong_call(name, usage(found)))
            };
        }
        match named.next() {
            Some(other) => Err(wrong_call(name, usage(other))),
            None => Err(unknown(name)),
        }
    }
}

fn wrong_call(name: &str, usage: String) -> ProblemKind {
    ProblemKind::WrongCall {
        name: name.to_owned(),
        usage,
    }
}

/// How a function is called, as a pattern: `x.replace(a, b[, c])`.
fn usage(entry: &Entry) -> String {
    const LETTERS: [&str; 4] = ["a", "b", "c", "d"];
    let receiver = usize::from(entry.style == Style::Member);
    let least = entry.least.saturating_sub(receiver);
    let most = entry.most.saturating_sub(receiver);
    let required = LETTERS
        .iter()
        .take(least)
        .copied()
        .collect::<Vec<_>>()
        .join(", ");
    let more = match most {
        ANY => "[, …]".to_owned(),
        _ => LETTERS
            .iter()
            .take(most)
            .skip(least)
            .enumerate()
            .map(|(index, letter)| match (least, index) {
                (0, 0) => format!("[{letter}]"),
                _ => format!("[, {letter}]"),
            })
            .collect(),
    };
    let target = if receiver == 1 { "x." } else { "" };
    format!("{target}{}({required}{more})", entry.name)
}

fn unknown(name: &str) -> ProblemKind {
    if let Some((_, usage)) = MACROS.iter().find(|(known, _)| *known == name) {
        return wrong_call(name, (*usage).to_owned());
    }
    if let Some((what, advice)) = left_out(name) {
        let what = what.to_owned();
        return ProblemKind::Unsupported { what, advice };
    }
    let names = FUNCTIONS
        .iter()
        .map(|entry| entry.name)
        .chain(MACROS.iter().map(|(name, _)| *name));
    ProblemKind::UnknownFunction {
        name: name.to_owned(),
        suggestion: nearest(name, names),
    }
}

/// Functions that CEL has and Gantline leaves out, and what to do instead.
fn left_out(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "timestamp" => (
            "`timestamp`",
            "expressions have no clock: pass the time as a string",
        ),
        "duration" => (
            "`duration`",
            "expressions have no clock: pass a number of seconds",
        ),
        "now" => (
            "`now`",
            "expressions have no clock: let the task's script ask for the time",
        ),
        "uint" => ("`uint`", "all integers are int: use int()"),
        "bytes" => ("`bytes`", "outputs and params are JSON: use a string"),
        _ => return None,
    })
}
