//! Paths from a root: `tasks['load-sales'].outputs.?rows`.

use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators};

use super::position::Positions;
use super::reference::Segment;

/// The root that `expr` begins with, its node, and the steps from there, if `expr` is nothing but that.
pub(super) fn path<'e>(
    expr: &'e IdedExpr,
    positions: &Positions<'_>,
) -> Option<(&'e str, u64, Vec<Segment>)> {
    let mut segments = Vec::new();
    let mut rest = expr;
    loop {
        let (operand, name, optional, tested) = match &rest.expr {
            Expr::Ident(root) => {
                segments.reverse();
                return Some((root, rest.id, segments));
            }
            Expr::Select(select) => (
                select.operand.as_ref(),
                Some(select.field.clone()),
                false,
                select.test,
            ),
            Expr::Call(CallExpr {
                func_name,
                target: None,
                args,
            }) => {
                let optional = match func_name.as_str() {
                    operators::INDEX => false,
                    operators::OPT_INDEX | operators::OPT_SELECT => true,
                    _ => return None,
                };
                let [operand, index] = args.as_slice() else {
                    return None;
                };
                (operand, literal(index), optional, false)
            }
            _ => return None,
        };
        let at = positions.at(rest.id);
        segments.push(Segment {
            name,
            optional,
            tested,
            at,
        });
        rest = operand;
    }
}

fn literal(expr: &IdedExpr) -> Option<String> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Some(text.inner().to_owned()),
        _ => None,
    }
}

/// The name of the task in `tasks.load-sales.outputs.rows`, which is a subtraction, and the node to point at.
///
/// What is subtracted from ends with `tasks.<word>`, and every operand after it but the last is a bare word:
/// a difference of a whole task and something else can't have been meant.
pub(super) fn subtracted_task(expr: &IdedExpr) -> Option<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = expr;
    while let Some((left, right)) = difference(rest) {
        parts.push(first_word(right, parts.is_empty())?);
        if let Some((name, tasks)) = last_task(left) {
            parts.push(name.to_owned());
            parts.reverse();
            return Some((parts.join("-"), tasks));
        }
        rest = left;
    }
    None
}

/// The task and the root's node, if the text of `expr` ends with `tasks.<word>`.
fn last_task(expr: &IdedExpr) -> Option<(&str, u64)> {
    let mut rest = expr;
    loop {
        rest = match &rest.expr {
            Expr::Select(select) if !select.test => {
                let is_tasks = matches!(&select.operand.expr, Expr::Ident(root) if root == "tasks");
                return is_tasks.then_some((select.field.as_str(), select.operand.id));
            }
            Expr::Call(CallExpr {
                func_name,
                target: None,
                args,
            }) => match func_name.as_str() {
                operators::ADD
                | operators::SUBSTRACT
                | operators::MULTIPLY
                | operators::DIVIDE
                | operators::MODULO
                | operators::NEGATE => args.last()?,
                _ => return None,
            },
            _ => return None,
        };
    }
}

fn difference(expr: &IdedExpr) -> Option<(&IdedExpr, &IdedExpr)> {
    match &expr.expr {
        Expr::Call(call) if call.func_name == operators::SUBSTRACT => match call.args.as_slice() {
            [left, right] => Some((left, right)),
            _ => None,
        },
        _ => None,
    }
}

/// The word that `expr` starts with; only the last operand may go on after it.
fn first_word(expr: &IdedExpr, is_last: bool) -> Option<String> {
    let mut rest = expr;
    loop {
        rest = match &rest.expr {
            Expr::Ident(word) => return Some(word.clone()),
            Expr::Literal(LiteralValue::Int(number)) => return Some(number.inner().to_string()),
            Expr::Select(select) if is_last => &select.operand,
            Expr::Call(call) if is_last => match (&call.target, call.args.first()) {
                (Some(target), _) => target,
                (None, Some(first)) => first,
                (None, None) => return None,
            },
            _ => return None,
        };
    }
}
