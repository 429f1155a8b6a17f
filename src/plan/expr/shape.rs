//! Recognises the macros that cel's parser has already expanded.

use cel::common::ast::{ComprehensionExpr, Expr, IdedExpr, LiteralValue, operators};

use super::node::Fold;

/// What a macro was before its expansion.
pub(super) struct Shape<'e> {
    pub(super) fold: Fold,
    pub(super) filter: Option<&'e IdedExpr>,
    pub(super) body: &'e IdedExpr,
}

/// The macro that `comprehension` is the expansion of. The accumulator's name can't be written in CEL, so
/// a start value and a step are enough to tell.
pub(super) fn shape(comprehension: &ComprehensionExpr) -> Option<Shape<'_>> {
    let (step, arguments) = call(&comprehension.loop_step)?;
    match (&comprehension.accu_init.expr, step, arguments) {
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_AND, [_, body]) => {
            Some(Shape {
                fold: Fold::All,
                filter: None,
                body,
            })
        }
        (Expr::Literal(LiteralValue::Boolean(_)), operators::LOGICAL_OR, [_, body]) => {
            Some(Shape {
                fold: Fold::Exists,
                filter: None,
                body,
            })
        }
        (Expr::Literal(LiteralValue::Int(_)), operators::CONDITIONAL, [body, _, _]) => {
            Some(Shape {
                fold: Fold::ExistsOne,
                filter: None,
                body,
            })
        }
        (Expr::List(_), operators::ADD, [_, appended]) => Some(Shape {
            fold: Fold::Map,
            filter: None,
            body: only(appended)?,
        }),
        (Expr::List(_), operators::CONDITIONAL, [filter, step, _]) => {
            let (_, arguments) = call(step)?;
            let [_, appended] = arguments else {
                return None;
            };
            Some(Shape {
                fold: Fold::Map,
                filter: Some(filter),
                body: only(appended)?,
            })
        }
        _ => None,
    }
}

fn call(expr: &IdedExpr) -> Option<(&str, &[IdedExpr])> {
    match &expr.expr {
        Expr::Call(call) => Some((call.func_name.as_str(), call.args.as_slice())),
        _ => None,
    }
}

fn only(list: &IdedExpr) -> Option<&IdedExpr> {
    match &list.expr {
        Expr::List(list) => match list.elements.as_slice() {
            [element] => Some(element),
            _ => None,
        },
        _ => None,
    }
}
