//! From text to cel's syntax tree, within bounds that make the parser safe.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::parser::pratt_parser::{Lexer, TokenKind};
use cel::parser::{ParseError, PrattParser};

use super::position::Position;
use super::problem::{ExprProblem, ProblemKind};
use super::{MAX_DEPTH, MAX_NESTED_LOOPS, MAX_TEXT};

/// The parser, with everything said that its defaults leave open.
///
/// It is named here and not reached through `cel::Program`, which would take another parser whose stack
/// use and speed were found wanting. It recurses once per bracket, bounded by `max_recursion_depth`;
/// chains of operators and of fields are loops.
pub(super) fn parser() -> PrattParser {
    // The bound is far below `u16::MAX`.
    let depth = u16::try_from(MAX_DEPTH).unwrap_or(u16::MAX);
    PrattParser::new().max_recursion_depth(depth).enable_optional_syntax(true)
}

/// The syntax tree of `text`, of bounded size and depth, or the first problem with it.
pub(super) fn tree(text: &str) -> Result<IdedExpr, ExprProblem> {
    if text.len() > MAX_TEXT {
        return Err(ExprProblem {
            at: Position::START,
            kind: ProblemKind::TooLong { bytes: text.len(), max: MAX_TEXT },
        });
    }
    scan(text)?;
    let tree = parser().parse(text).map_err(|errors| translate(text, &errors.errors))?;
    Ok(tree)
}

/// Looks at the tokens alone: nothing unreadable, and no brackets nested too deep.
fn scan(text: &str) -> Result<(), ExprProblem> {
    let mut lexer = Lexer::new(text);
    let mut open = 0_usize;
    let mut is_empty = true;
    loop {
        let token = lexer.lex();
        let problem = |kind| ExprProblem { at: Position::of(text, token.start), kind };
        match token.kind {
            TokenKind::TokEnd if is_empty => return Err(problem(ProblemKind::Empty)),
            TokenKind::TokEnd => return Ok(()),
            TokenKind::TokWhitespace | TokenKind::TokComment => continue,
            TokenKind::TokError => {
                let message = lexer.get_error().map_or("", |error| error.message.as_str());
                return Err(problem(unreadable(text, token.start, message)));
            }
            TokenKind::TokLeftParen | TokenKind::TokLeftBracket | TokenKind::TokLeftBrace => {
                open = open.saturating_add(1);
                if open > MAX_DEPTH {
                    return Err(problem(ProblemKind::TooDeep { max: MAX_DEPTH }));
                }
            }
            TokenKind::TokRightParen | TokenKind::TokRightBracket | TokenKind::TokRightBrace => {
                open = open.saturating_sub(1);
            }
            TokenKind::TokEqual => {
                return Err(problem(syntax("`=` assigns nothing here; compare with `==`")));
            }
            _ => {}
        }
        is_empty = false;
    }
}

fn syntax(message: impl Into<String>) -> ProblemKind {
    ProblemKind::Syntax { message: message.into() }
}

/// What the lexer couldn't read, in our words.
fn unreadable(text: &str, offset: usize, message: &str) -> ProblemKind {
    if message.contains("unterminated") {
        syntax("a quote is opened here and never closed")
    } else if message.contains('&') {
        syntax("a single `&`; write `&&`")
    } else if message.contains('|') {
        syntax("a single `|`; write `||`")
    } else if message.contains("literal") {
        syntax("this is no number; names start with a letter, numbers hold digits only")
    } else {
        let found = text.get(offset..).and_then(|rest| rest.chars().next());
        syntax(format!("`{}` can't stand here", found.unwrap_or(' ')))
    }
}

/// The parser's first complaint, in our words. Later ones are mostly about its recovery from the first,
/// those without a place about its own limits.
fn translate(text: &str, errors: &[ParseError]) -> ExprProblem {
    let at_limit = errors.iter().find(|error| error.msg.contains("recursion limit"));
    let first = errors.iter().find(|error| error.pos.0 > 0);
    let Some(error) = at_limit.or(first) else {
        return ExprProblem { at: Position::START, kind: syntax("this is no CEL expression") };
    };
    let (offset, at) = locate(text, error.pos);
    let message = error.msg.as_str();
    let kind = if message.contains("recursion limit") {
        ProblemKind::TooDeep { max: MAX_DEPTH }
    } else if message.contains("invalid argument to has()") {
        syntax("has() asks for a field: has(params.region)")
    } else if message.contains("must be a simple name") {
        syntax("the first argument is the name of a variable: list.map(x, x + 1)")
    } else if message.contains("reserved identifier") {
        syntax(format!("`{}` is a reserved word of CEL and can't be a name", token(text, offset)))
    } else if message.contains("int literal") {
        syntax("this integer is beyond 64 bits")
    } else if message.contains("double literal") {
        syntax("this number is beyond a double")
    } else if message.contains("unescape") || message.contains("code point") {
        syntax("this string has an escape that CEL doesn't know; write `\\\\` for a backslash, or r'…'")
    } else if message.contains("quoted identifier") || message.contains('`') {
        syntax("quote a key with brackets: x['a-b']")
    } else {
        match token(text, offset) {
            "" => syntax("the expression ends too early"),
            found => syntax(format!("`{found}` can't stand here")),
        }
    };
    ExprProblem { at, kind }
}

/// The byte offset and the position of the parser's line and byte column, both from 1.
fn locate(text: &str, (line, column): (isize, isize)) -> (usize, Position) {
    let line = usize::try_from(line).unwrap_or(1).saturating_sub(1);
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let before: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let offset = before.saturating_add(column);
    (offset, Position::of(text, offset))
}

/// The token at `offset`; empty at the end.
fn token(text: &str, offset: usize) -> &str {
    let rest = text.get(offset..).unwrap_or_default();
    let token = Lexer::new(rest).lex();
    rest.get(token.start..token.end).unwrap_or_default()
}

/// Checks the depth and the nesting of loops, with a stack of its own: nothing may recurse over a tree
/// before its depth is known.
pub(super) fn check_bounds(tree: &IdedExpr) -> Result<(), ProblemKind> {
    let mut pending = vec![(tree, 1_usize, 0_usize)];
    while let Some((expr, depth, loops)) = pending.pop() {
        if depth > MAX_DEPTH {
            return Err(ProblemKind::TooDeep { max: MAX_DEPTH });
        }
        if loops > MAX_NESTED_LOOPS {
            return Err(ProblemKind::TooManyLoops { max: MAX_NESTED_LOOPS });
        }
        let below = depth.saturating_add(1);
        let inside = loops.saturating_add(1);
        match &expr.expr {
            Expr::Select(select) => pending.push((&select.operand, below, loops)),
            Expr::List(list) => {
                pending.extend(list.elements.iter().map(|item| (item, below, loops)));
            }
            Expr::Call(call) => {
                pending.extend(call.target.iter().map(|target| (target.as_ref(), below, loops)));
                // The one macro that the parser leaves for us to expand.
                let loops = if call.func_name == "sortBy" { inside } else { loops };
                pending.extend(call.args.iter().map(|argument| (argument, below, loops)));
            }
            Expr::Comprehension(inner) => {
                pending.push((&inner.iter_range, below, loops));
                pending.push((&inner.accu_init, below, loops));
                pending.push((&inner.loop_step, below, inside));
            }
            Expr::Map(map) => pending
                .extend(map.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).map(|part| (part, below, loops))),
            Expr::Struct(object) => pending.extend(
                object.entries.iter().flat_map(|entry| entry_parts(&entry.expr)).map(|part| (part, below, loops)),
            ),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
        }
    }
    Ok(())
}

fn entry_parts(entry: &EntryExpr) -> Vec<&IdedExpr> {
    match entry {
        EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        EntryExpr::StructField(field) => vec![&field.value],
    }
}
