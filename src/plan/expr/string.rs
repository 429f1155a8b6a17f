//! Functions on strings. Positions count characters (code points), as everywhere in CEL.

use super::call::text;
use super::fault::Fault;
use super::function::Function;
use super::meter::Meter;
use super::value::{List, Value};

/// Nothing for types that the function doesn't take.
pub(super) fn call<'a>(
    function: Function,
    arguments: &[Value<'a>],
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    if let (Function::Join, [Value::List(list), separator @ ..]) = (function, arguments) {
        let separator = match separator {
            [] => Some(""),
            [separator] => text(separator),
            _ => None,
        };
        return match separator {
            Some(separator) => join(list, separator, meter),
            None => Ok(None),
        };
    }
    let [this, rest @ ..] = arguments else {
        return Ok(None);
    };
    let Some(this) = text(this) else {
        return Ok(None);
    };
    meter.text(this.len())?;
    let result = match rest {
        [] => whole(function, this, meter)?,
        [Value::Int(at)] => match function {
            Function::CharAt => Some(char_at(this, *at)?),
            Function::Substring => Some(substring(this, *at, count(this))?),
            _ => None,
        },
        [Value::Int(start), Value::Int(end)] if function == Function::Substring => {
            Some(substring(this, *start, *end)?)
        }
        [other] => match text(other) {
            Some(other) => with_one(function, this, other, meter)?,
            None => None,
        },
        [other, Value::Int(number)] => match text(other) {
            Some(other) => with_number(function, this, other, *number, meter)?,
            None => None,
        },
        [from, to, limit @ ..] if function == Function::Replace => {
            match (text(from), text(to), limit) {
                (Some(from), Some(to), []) => Some(replace(this, from, to, -1, meter)?),
                (Some(from), Some(to), [Value::Int(limit)]) => {
                    Some(replace(this, from, to, *limit, meter)?)
                }
                _ => None,
            }
        }
        _ => None,
    };
    Ok(result)
}

fn whole<'a>(
    function: Function,
    this: &str,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    Ok(Some(match function {
        Function::LowerAscii => Value::text(this.to_ascii_lowercase()),
        Function::UpperAscii => Value::text(this.to_ascii_uppercase()),
        Function::Trim => Value::text(this.trim()),
        Function::Quote => {
            // Every character may take two.
            meter.text(this.len())?;
            Value::text(quote(this))
        }
        _ => return Ok(None),
    }))
}

/// The text reversed by code points.
pub(super) fn reverse<'a>(this: &str, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    // Character by character, not a block at a time.
    meter.spend(this.len().div_ceil(8))?;
    Ok(Value::text(this.chars().rev().collect::<String>()))
}

fn with_one<'a>(
    function: Function,
    this: &str,
    other: &str,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    meter.text(other.len())?;
    Ok(Some(match function {
        Function::Contains => Value::Bool(this.contains(other)),
        Function::StartsWith => Value::Bool(this.starts_with(other)),
        Function::EndsWith => Value::Bool(this.ends_with(other)),
        Function::IndexOf => Value::Int(index(this, this.find(other))),
        Function::LastIndexOf => Value::Int(index(this, this.rfind(other))),
        Function::Split => split(this, other, -1, meter)?,
        _ => return Ok(None),
    }))
}

fn with_number<'a>(
    function: Function,
    this: &str,
    other: &str,
    number: i64,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    meter.text(other.len())?;
    Ok(Some(match function {
        Function::IndexOf => Value::Int(index_from(this, other, number)?),
        Function::LastIndexOf => Value::Int(last_index_from(this, other, number)?),
        Function::Split => split(this, other, number, meter)?,
        _ => return Ok(None),
    }))
}

fn count(this: &str) -> i64 {
    i64::try_from(this.chars().count()).unwrap_or(i64::MAX)
}

fn out_of_range(function: Function) -> Fault {
    Fault::Argument {
        function: function.name(),
        reason: "the position is outside the string",
    }
}

/// The byte offset of the character `at`, or of the end of the string.
fn offset(this: &str, at: i64, function: Function) -> Result<usize, Fault> {
    let at = usize::try_from(at).map_err(|_| out_of_range(function))?;
    let ends = this
        .char_indices()
        .map(|(offset, _)| offset)
        .chain([this.len()]);
    ends.into_iter()
        .nth(at)
        .ok_or_else(|| out_of_range(function))
}

fn char_at<'a>(this: &str, at: i64) -> Result<Value<'a>, Fault> {
    let start = offset(this, at, Function::CharAt)?;
    let rest = this.get(start..).unwrap_or_default();
    Ok(Value::text(rest.chars().take(1).collect::<String>()))
}

fn substring<'a>(this: &str, start: i64, end: i64) -> Result<Value<'a>, Fault> {
    let start = offset(this, start, Function::Substring)?;
    let end = offset(this, end, Function::Substring)?;
    match this.get(start..end) {
        Some(part) => Ok(Value::text(part)),
        None => Err(Fault::Argument {
            function: "substring",
            reason: "the end is before the start",
        }),
    }
}

/// The character position of a byte offset, -1 for none.
fn index(this: &str, offset: Option<usize>) -> i64 {
    offset
        .and_then(|offset| this.get(..offset))
        .map_or(-1, count)
}

fn index_from(this: &str, other: &str, from: i64) -> Result<i64, Fault> {
    let size = count(this);
    if other.is_empty() && from >= 0 {
        return Ok(from.min(size));
    }
    if from >= size {
        return Err(out_of_range(Function::IndexOf));
    }
    let start = offset(this, from, Function::IndexOf)?;
    let found = this.get(start..).and_then(|rest| rest.find(other));
    Ok(index(this, found.map(|at| at.saturating_add(start))))
}

fn last_index_from(this: &str, other: &str, from: i64) -> Result<i64, Fault> {
    let size = count(this);
    if other.is_empty() && from >= 0 {
        return Ok(from.min(size));
    }
    if from >= size {
        return Err(out_of_range(Function::LastIndexOf));
    }
    let start = offset(this, from, Function::LastIndexOf)?;
    // An occurrence that starts at `start` ends here, if there is one.
    let end = start.saturating_add(other.len()).min(this.len());
    let found = (0..=end)
        .rev()
        .find(|end| this.is_char_boundary(*end))
        .and_then(|end| this.get(..end))
        .and_then(|part| part.rfind(other));
    Ok(index(this, found))
}

fn join<'a>(
    list: &List<'a>,
    separator: &str,
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    let mut joined = String::new();
    meter.spend(list.len())?;
    for (index, item) in list.iter().enumerate() {
        let item = item?;
        let Some(part) = text(&item) else {
            return Ok(None);
        };
        let separator = if index == 0 { "" } else { separator };
        meter.text(separator.len().saturating_add(part.len()))?;
        joined.push_str(separator);
        joined.push_str(part);
    }
    Ok(Some(Value::text(joined)))
}

/// All occurrences if `limit` is negative, else that many from the start.
fn replace<'a>(
    this: &str,
    from: &str,
    to: &str,
    limit: i64,
    meter: &mut Meter,
) -> Result<Value<'a>, Fault> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let occurrences = this.matches(from).take(limit).count();
    let grown = occurrences.saturating_mul(to.len());
    meter.spend(occurrences)?;
    meter.text(this.len().saturating_add(grown))?;
    Ok(Value::text(this.replacen(from, to, limit)))
}

/// At most `limit` parts, the last with what remains; all parts if `limit` is negative. An empty separator
/// splits between characters.
fn split<'a>(
    this: &str,
    separator: &str,
    limit: i64,
    meter: &mut Meter,
) -> Result<Value<'a>, Fault> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let ends: Vec<usize> = match separator {
        "" => this.char_indices().skip(1).map(|(at, _)| at).collect(),
        _ => this.match_indices(separator).map(|(at, _)| at).collect(),
    };
    if limit == 0 || (this.is_empty() && separator.is_empty()) {
        return Ok(Value::list(Vec::new()));
    }
    meter.spend(ends.len().min(limit))?;
    let mut parts = Vec::new();
    let mut start = 0;
    for end in ends.into_iter().take(limit.saturating_sub(1)) {
        parts.push(Value::text(this.get(start..end).unwrap_or_default()));
        start = end.saturating_add(separator.len());
    }
    parts.push(Value::text(this.get(start..).unwrap_or_default()));
    Ok(Value::list(parts))
}

/// A double-quoted CEL string literal.
fn quote(this: &str) -> String {
    let mut quoted = String::from("\"");
    for c in this.chars() {
        match c {
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
