//! Equality and order of values.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

use super::fault::Fault;
use super::meter::Meter;
use super::value::{List, Value, deeper};

/// Whether two values are equal. Numbers compare as numbers, different types are never equal, NaN equals
/// nothing. Every element and every 64 bytes compared are a step.
pub(super) fn equal(left: &Value<'_>, right: &Value<'_>, meter: &mut Meter) -> Result<bool, Fault> {
    equal_at(left, right, meter, 0)
}

fn equal_at(
    left: &Value<'_>,
    right: &Value<'_>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Fault> {
    let below = deeper(depth)?;
    meter.spend(1)?;
    Ok(match (left, right) {
        (Value::Null, Value::Null) | (Value::Optional(None), Value::Optional(None)) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
            order(left, right) == Some(Ordering::Equal)
        }
        (Value::Text(a), Value::Text(b)) => {
            let (a, b) = (a.as_ref(), b.as_ref());
            if a.len() == b.len() {
                meter.text(a.len())?;
            }
            a == b
        }
        (Value::Type(a), Value::Type(b)) => a == b,
        (Value::Optional(Some(a)), Value::Optional(Some(b))) => equal_at(a, b, meter, below)?,
        (Value::List(a), Value::List(b)) => lists_equal(a, b, meter, below)?,
        (Value::Map(a), Value::Map(b)) => maps_equal(a, b, meter, below)?,
        _ => false,
    })
}

fn lists_equal(
    left: &List<'_>,
    right: &List<'_>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (a, b) in left.iter().zip(right.iter()) {
        if !equal_at(&a?, &b?, meter, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn maps_equal(
    left: &Map<String, Json>,
    right: &Map<String, Json>,
    meter: &mut Meter,
    depth: usize,
) -> Result<bool, Fault> {
    if left.len() != right.len() {
        return Ok(false);
    }
    for (key, a) in left {
        meter.text(key.len())?;
        let Some(b) = right.get(key) else {
            return Ok(false);
        };
        if !equal_at(&Value::of(a)?, &Value::of(b)?, meter, depth)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How two values are ordered, if they are: numbers among each other, strings by code point, bools.
pub(super) fn order(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::Int(a), Value::Int(b)) => Some(a.cmp(b)),
        (Value::Double(a), Value::Double(b)) => a.partial_cmp(b),
        (Value::Int(a), Value::Double(b)) => int_with_double(*a, *b),
        (Value::Double(a), Value::Int(b)) => int_with_double(*b, *a).map(Ordering::reverse),
        (Value::Text(a), Value::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
        (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
        _ => None,
    }
}

/// Whether a value is one that [`order`] orders with others of its type.
pub(super) fn is_ordered(value: &Value<'_>) -> bool {
    order(value, value).is_some()
}

/// Exact, where rounding the int to a double would make 2^53 + 1 equal to 2^53.
fn int_with_double(int: i64, double: f64) -> Option<Ordering> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    if double.is_nan() {
        None
    } else if double >= LIMIT {
        Some(Ordering::Less)
    } else if double < -LIMIT {
        Some(Ordering::Greater)
    } else {
        // In range, so truncation is exact.
        #[allow(clippy::cast_possible_truncation)]
        let whole = double.trunc() as i64;
        let rest = double.fract();
        Some(
            int.cmp(&whole)
                .then_with(|| 0.0_f64.partial_cmp(&rest).unwrap_or(Ordering::Equal)),
        )
    }
}
