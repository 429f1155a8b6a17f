//! Functions on numbers, and numbers as text.

use std::cmp::Ordering;

use super::compare::order;
use super::fault::Fault;
use super::function::Function;
use super::meter::Meter;
use super::value::Value;

/// Nothing for types that the function doesn't take.
pub(super) fn call<'a>(
    function: Function,
    arguments: &[Value<'a>],
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    match (function, arguments) {
        (Function::Greatest, _) => extreme(function, arguments, Ordering::Greater, meter),
        (Function::Least, _) => extreme(function, arguments, Ordering::Less, meter),
        (_, [Value::Int(a), Value::Int(b)]) => bits(function, *a, *b),
        (_, [Value::Int(a)]) => int(function, *a),
        (_, [Value::Double(a)]) => Ok(double(function, *a)),
        _ => Ok(None),
    }
}

fn int<'a>(function: Function, a: i64) -> Result<Option<Value<'a>>, Fault> {
    Ok(Some(match function {
        Function::Abs => {
            let operation = function.name();
            Value::Int(a.checked_abs().ok_or(Fault::Overflow { operation })?)
        }
        Function::Sign => Value::Int(a.signum()),
        Function::BitNot => Value::Int(!a),
        Function::Sqrt => Value::Double(to_double(a).sqrt()),
        _ => return Ok(None),
    }))
}

fn double<'a>(function: Function, a: f64) -> Option<Value<'a>> {
    Some(match function {
        Function::Abs => Value::Double(a.abs()),
        Function::Ceil => Value::Double(a.ceil()),
        Function::Floor => Value::Double(a.floor()),
        Function::Round => Value::Double(a.round()),
        Function::Trunc => Value::Double(a.trunc()),
        Function::Sqrt => Value::Double(a.sqrt()),
        // Zero has no sign, other than for `signum`.
        Function::Sign if a == 0.0 => Value::Double(0.0),
        Function::Sign => Value::Double(a.signum()),
        Function::IsFinite => Value::Bool(a.is_finite()),
        Function::IsInf => Value::Bool(a.is_infinite()),
        Function::IsNan => Value::Bool(a.is_nan()),
        _ => return None,
    })
}

fn bits<'a>(function: Function, a: i64, b: i64) -> Result<Option<Value<'a>>, Fault> {
    let shift = || {
        u32::try_from(b).or_else(|_| match b {
            0.. => Ok(u32::MAX),
            _ => Err(Fault::Argument {
                function: function.name(),
                reason: "the number of bits is negative",
            }),
        })
    };
    Ok(Some(Value::Int(match function {
        Function::BitAnd => a & b,
        Function::BitOr => a | b,
        Function::BitXor => a ^ b,
        // Bits shifted out are lost; from 64 on, all of them.
        Function::BitShiftLeft => a.checked_shl(shift()?).unwrap_or(0),
        // Zeros move in from the left, whatever the sign was.
        Function::BitShiftRight => {
            let shifted = a.cast_unsigned().checked_shr(shift()?).unwrap_or(0);
            shifted.cast_signed()
        }
        _ => return Ok(None),
    })))
}

/// The greatest or least of the arguments, or of the elements of a single list; the first of equal ones.
fn extreme<'a>(
    function: Function,
    arguments: &[Value<'a>],
    wanted: Ordering,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    let candidates = match arguments {
        [Value::List(list)] => list.to_vec(meter)?,
        _ => arguments.to_vec(),
    };
    let refuse = |reason| Fault::Argument {
        function: function.name(),
        reason,
    };
    let mut best: Option<Value<'a>> = None;
    for candidate in candidates {
        if !matches!(candidate, Value::Int(_) | Value::Double(_)) {
            return Ok(None);
        }
        best = match best {
            None => Some(candidate),
            Some(best) => match order(&candidate, &best) {
                None => return Err(refuse("NaN is neither greater nor less than a number")),
                Some(order) if order == wanted => Some(candidate),
                Some(_) => Some(best),
            },
        };
    }
    best.map(Some).ok_or_else(|| refuse("the list is empty"))
}

/// The int that is left without the fraction; none beyond 64 bits.
pub(super) fn to_int(double: f64) -> Option<i64> {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0; // 2^63
    // Both bounds exclusive, as CEL has it; NaN is in no range.
    #[allow(clippy::cast_possible_truncation)]
    (double > -LIMIT && double < LIMIT).then_some(double as i64)
}

/// The nearest double: integers beyond 2^53 lose their last digits, as everywhere in CEL.
#[allow(clippy::cast_precision_loss)]
pub(super) fn to_double(int: i64) -> f64 {
    int as f64
}

/// The shortest text that reads back as the same double: `0.1`, `1`, `1e21`, `1e-7`.
pub(super) fn to_text(double: f64) -> String {
    let size = double.abs();
    if size != 0.0 && size.is_finite() && !(1e-6..1e21).contains(&size) {
        format!("{double:e}")
    } else {
        double.to_string()
    }
}
