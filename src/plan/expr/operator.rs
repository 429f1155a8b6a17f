//! Operators on values: checked arithmetic, concatenation, order.

use std::cmp::Ordering;

use super::compare::order;
use super::fault::Fault;
use super::meter::Meter;
use super::node::Operator;
use super::value::{List, Value};

/// `left operator right`, for all but `==`, `!=` and `in`.
pub(super) fn arithmetic<'a>(
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
    meter: &mut Meter,
) -> Result<Value<'a>, Fault> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => ints(operator, *a, *b),
        (Value::Double(a), Value::Double(b)) => doubles(operator, *a, *b),
        (Value::Text(a), Value::Text(b)) if operator == Operator::Add => {
            let (a, b) = (a.as_ref(), b.as_ref());
            meter.text(a.len().saturating_add(b.len()))?;
            Ok(Value::text([a, b].concat()))
        }
        (Value::List(a), Value::List(b)) if operator == Operator::Add => joined(a, b, meter),
        _ => compared(operator, left, right, meter),
    }
}

fn ints<'a>(operator: Operator, a: i64, b: i64) -> Result<Value<'a>, Fault> {
    let result = match operator {
        Operator::Add => a.checked_add(b),
        Operator::Subtract => a.checked_sub(b),
        Operator::Multiply => a.checked_mul(b),
        Operator::Divide | Operator::Remainder if b == 0 => return Err(Fault::DivisionByZero),
        Operator::Divide => a.checked_div(b),
        Operator::Remainder => a.checked_rem(b),
        _ => return decided(operator, Some(a.cmp(&b)), "int and int"),
    };
    let operation = symbol(operator);
    result.map(Value::Int).ok_or(Fault::Overflow { operation })
}

fn doubles<'a>(operator: Operator, a: f64, b: f64) -> Result<Value<'a>, Fault> {
    Ok(Value::Double(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        _ => return decided(operator, a.partial_cmp(&b), "double and double"),
    }))
}

fn joined<'a>(a: &List<'a>, b: &List<'a>, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let mut items = a.to_vec(meter)?;
    items.extend(b.to_vec(meter)?);
    Ok(Value::list(items))
}

fn compared<'a>(
    operator: Operator,
    left: &Value<'a>,
    right: &Value<'a>,
    meter: &mut Meter,
) -> Result<Value<'a>, Fault> {
    if let (Value::Text(a), Value::Text(b)) = (left, right) {
        meter.text(a.as_ref().len().min(b.as_ref().len()))?;
    }
    let types = format!("{} and {}", left.kind().name(), right.kind().name());
    decided(operator, order(left, right), &types)
}

fn decided<'a>(
    operator: Operator,
    order: Option<Ordering>,
    types: &str,
) -> Result<Value<'a>, Fault> {
    let decided = match (operator, order) {
        (Operator::Less, Some(order)) => order.is_lt(),
        (Operator::LessEqual, Some(order)) => order.is_le(),
        (Operator::Greater, Some(order)) => order.is_gt(),
        (Operator::GreaterEqual, Some(order)) => order.is_ge(),
        _ => {
            let operation = symbol(operator);
            let types = types.to_owned();
            return Err(Fault::Types { operation, types });
        }
    };
    Ok(Value::Bool(decided))
}

/// `-value`
pub(super) fn negate<'a>(value: &Value<'a>) -> Result<Value<'a>, Fault> {
    match value {
        Value::Int(value) => {
            let negated = value.checked_neg().map(Value::Int);
            negated.ok_or(Fault::Overflow { operation: "-" })
        }
        Value::Double(value) => Ok(Value::Double(-value)),
        other => Err(Fault::Types {
            operation: "-",
            types: other.kind().name().to_owned(),
        }),
    }
}

fn symbol(operator: Operator) -> &'static str {
    match operator {
        Operator::Add => "+",
        Operator::Subtract => "-",
        Operator::Multiply => "*",
        Operator::Divide => "/",
        Operator::Remainder => "%",
        Operator::Equal => "==",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::LessEqual => "<=",
        Operator::Greater => ">",
        Operator::GreaterEqual => ">=",
        Operator::In => "in",
    }
}
