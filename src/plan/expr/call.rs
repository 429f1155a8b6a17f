//! Calls the functions of the closed list.

use super::fault::Fault;
use super::format::format;
use super::function::Function;
use super::meter::Meter;
use super::value::{Room, Text, Type, Value, to_json};
use super::{MAX_RESULT, list, number, string};

/// `function` of `arguments`, the receiver first.
pub(super) fn call<'a>(function: Function, arguments: &[Value<'a>], meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let types: Vec<Type> = arguments.iter().map(Value::kind).collect();
    let result = match function {
        Function::Bool
        | Function::Double
        | Function::Dyn
        | Function::Int
        | Function::Json
        | Function::Size
        | Function::String
        | Function::Type => convert(function, arguments, meter),
        Function::HasValue
        | Function::OptionalNone
        | Function::OptionalOf
        | Function::OptionalOfNonZero
        | Function::Or
        | Function::OrValue
        | Function::Value => optional(function, arguments),
        Function::CharAt
        | Function::Contains
        | Function::EndsWith
        | Function::IndexOf
        | Function::Join
        | Function::LastIndexOf
        | Function::LowerAscii
        | Function::Quote
        | Function::Replace
        | Function::Split
        | Function::StartsWith
        | Function::Substring
        | Function::Trim
        | Function::UpperAscii => string::call(function, arguments, meter),
        Function::Format => format(arguments, meter),
        Function::Distinct
        | Function::Flatten
        | Function::Range
        | Function::Reverse
        | Function::Slice
        | Function::Sort => list::call(function, arguments, meter),
        _ => number::call(function, arguments, meter),
    };
    match result? {
        Some(value) => Ok(value),
        None => Err(Fault::Types { operation: function.name(), types: enumerate(&types) }),
    }
}

/// `int, string and list`, for people.
fn enumerate(types: &[Type]) -> String {
    let names: Vec<&str> = types.iter().map(|named| named.name()).collect();
    match names.as_slice() {
        [] => "nothing".to_owned(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// Nothing for types that the function doesn't take.
type Called<'a> = Result<Option<Value<'a>>, Fault>;

fn convert<'a>(function: Function, arguments: &[Value<'a>], meter: &mut Meter) -> Called<'a> {
    let refuse = |reason| Fault::Argument { function: function.name(), reason };
    let [value] = arguments else {
        return Ok(None);
    };
    Ok(Some(match (function, value) {
        (Function::Type, _) => Value::Type(value.kind()),
        (Function::Json, _) => json(value, meter)?,
        (Function::Dyn, _)
        | (Function::Bool, Value::Bool(_))
        | (Function::Int, Value::Int(_))
        | (Function::Double, Value::Double(_))
        | (Function::String, Value::Text(_)) => value.clone(),
        (Function::Bool, Value::Text(text)) => match text.as_ref() {
            "1" | "t" | "true" | "TRUE" | "True" => Value::Bool(true),
            "0" | "f" | "false" | "FALSE" | "False" => Value::Bool(false),
            _ => return Err(refuse("the string is neither true nor false")),
        },
        (Function::Int, Value::Text(text)) => match text.as_ref().parse() {
            Ok(int) => Value::Int(int),
            Err(_) => return Err(refuse("the string is no decimal 64-bit integer")),
        },
        (Function::Int, Value::Double(double)) => match number::to_int(*double) {
            Some(int) => Value::Int(int),
            None => return Err(refuse("the double is beyond a 64-bit integer")),
        },
        (Function::Double, Value::Text(text)) => match text.as_ref().parse() {
            Ok(double) => Value::Double(double),
            Err(_) => return Err(refuse("the string is no number")),
        },
        (Function::Double, Value::Int(int)) => Value::Double(number::to_double(*int)),
        (Function::String, Value::Bool(value)) => Value::text(value.to_string()),
        (Function::String, Value::Int(int)) => Value::text(int.to_string()),
        (Function::String, Value::Double(double)) => Value::text(number::to_text(*double)),
        (Function::Size, Value::Text(text)) => {
            meter.text(text.as_ref().len())?;
            size(text.as_ref().chars().count())
        }
        (Function::Size, Value::List(list)) => size(list.len()),
        (Function::Size, Value::Map(entries)) => size(entries.len()),
        _ => return Ok(None),
    }))
}

fn size<'a>(size: usize) -> Value<'a> {
    Value::Int(i64::try_from(size).unwrap_or(i64::MAX))
}

/// The compact JSON text of a value, keys in order.
fn json<'a>(value: &Value<'_>, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let mut room = Room::new(MAX_RESULT);
    let json = to_json(value, &mut room)?;
    // Paid for afterwards, since the room has bounded the work already; every few bytes are a value.
    meter.spend(room.taken().div_ceil(8))?;
    Ok(Value::text(json.to_string()))
}

fn optional<'a>(function: Function, arguments: &[Value<'a>]) -> Called<'a> {
    Ok(Some(match (function, arguments) {
        (Function::OptionalNone, []) => Value::Optional(None),
        (Function::OptionalOfNonZero, [value]) if value.is_zero() => Value::Optional(None),
        (Function::OptionalOf | Function::OptionalOfNonZero, [value]) => Value::some(value.clone()),
        (Function::HasValue, [Value::Optional(value)]) => Value::Bool(value.is_some()),
        (Function::Value, [Value::Optional(Some(value))]) | (Function::OrValue, [Value::Optional(Some(value)), _]) => {
            (**value).clone()
        }
        (Function::Value, [Value::Optional(None)]) => {
            return Err(Fault::Argument { function: "value", reason: "the optional is empty; use .orValue(…)" });
        }
        (Function::OrValue, [Value::Optional(None), otherwise]) => otherwise.clone(),
        (Function::Or, [Value::Optional(Some(value)), Value::Optional(_)]) => Value::Optional(Some(value.clone())),
        (Function::Or, [Value::Optional(None), Value::Optional(otherwise)]) => Value::Optional(otherwise.clone()),
        _ => return Ok(None),
    }))
}

/// A string argument.
pub(super) fn text<'v>(value: &'v Value<'_>) -> Option<&'v str> {
    match value {
        Value::Text(text) => Some(Text::as_ref(text)),
        _ => None,
    }
}
