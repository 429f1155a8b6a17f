//! Outputs: from a termination message to typed values.
//!
//! A message that starts with `{` is one JSON object, any other is lines `name=value`. Where the language leaves a choice:
//!
//! - A task without outputs may write what it likes. Undeclared names are ignored, and named when a declared one is missing.
//! - A byte order mark and white space at the start are skipped, so that `echo "
//!   {…}"` is JSON. More than one object is an error, since the second would be lost.
//! - In lines, a name is trimmed; the value is what follows the first `=`, without the CR of a Windows line end. A string is
//!   taken as it is, with spaces and quotes; all others are trimmed. A line without `=` is an error when an output is
//!   declared: it is most likely the second line of a value, which would otherwise be cut silently.
//! - In lines an int is decimal digits with a sign (`007` is 7), a number what is read as a finite double (`.5`, `1e3`), a
//!   bool `true` or `false`. In JSON, types are those of JSON.
//! - A name that occurs twice has its last value, in lines and in objects.
//! - `null` is "not written".
//! - A whole number is an int, however it is written: `3.0` comes back from the API server as `3`. Whole numbers that fit 64
//!   bits only without a sign are refused, as nothing else in the language can hold them; larger ones are doubles.
//! - Values are nested at most 32 deep and hold no NUL character, which no environment variable could carry.
//!
//! Messages name outputs, places and types, never values: an output may hold what nobody should read in a status.

use std::collections::BTreeMap;

use serde_json::{Map, Number, Value};

use crate::api::{ItemType, OutputDecl, Reason, ValueType};

/// The most that the kubelet reads of one file (`MaxContainerTerminationMessageLength` in pkg/kubelet/container).
const FILE_LIMIT: usize = 4096;
/// The most that it stores for all containers of a pod, evenly divided (`MaxPodTerminationMessageLogLength`).
const POD_LIMIT: usize = 12288;
/// How deep lists and objects in a value may be nested.
const MAX_DEPTH: usize = 32;
/// How many names of a kind a message lists.
const MAX_LISTED: usize = 8;
/// The most that a message may have, in bytes.
const MAX_MESSAGE: usize = 1024;

/// Reads the outputs of a task whose `main` ended with exit code 0. `containers` is the number of containers of all kinds
/// in the live pod, ephemeral ones too. The values are of their declared types; one that wasn't written has its default.
///
/// # Errors
/// `OutputTooLarge` if the kubelet may have cut the message, `OutputInvalid` if it can't be read or a value isn't of its
/// type, `OutputMissing` if one without a default wasn't written; with a message of at most 1 KiB.
pub fn read(message: &str, declared: &[OutputDecl], containers: u32) -> Result<Map<String, Value>, (Reason, String)> {
    if declared.is_empty() {
        return Ok(Map::new());
    }
    let limit = limit(containers);
    if message.len() >= limit {
        let text = format!(
            "the outputs take {} bytes; the kubelet may have cut what reaches {limit}: write less, or pass a reference",
            message.len()
        );
        return Err((Reason::OutputTooLarge, text));
    }
    let invalid = |text: String| (Reason::OutputInvalid, bounded(text));
    let message = message.trim_start_matches('\u{feff}').trim_start();
    let written = if message.starts_with('{') { json(message) } else { lines(message, declared) }.map_err(invalid)?;

    let mut outputs = Map::new();
    let mut missing = Vec::new();
    for decl in declared {
        if let Some(value) = written.get(&decl.name).filter(|value| !value.is_null()) {
            let value = checked(value, decl).map_err(|what| invalid(format!("output `{}` {what}", decl.name)))?;
            outputs.insert(decl.name.clone(), value);
        } else if let Some(default) = decl.default.as_ref().filter(|value| !value.is_null()) {
            outputs.insert(decl.name.clone(), default.clone());
        } else {
            missing.push(decl.name.as_str());
        }
    }
    if missing.is_empty() {
        Ok(outputs)
    } else {
        Err((Reason::OutputMissing, bounded(missing_text(&missing, &written, declared))))
    }
}

/// Whether a value is of a type, its items too, and can be held: not too deep, without NUL, its whole numbers of 64 bits.
/// An int is a number; nothing else is converted. `null` is of no type.
///
/// # Errors
/// What is wrong, to be read after the name of the value: `is a string, not an int`.
pub fn matches_type(value: &Value, kind: ValueType, items: Option<ItemType>) -> Result<(), String> {
    if !is(value, kind) {
        let scalar = matches!(value, Value::Number(_) | Value::Bool(_));
        let advice = if scalar && kind == ValueType::String { ": quote it" } else { "" };
        return Err(format!("is {}, not {}{advice}", describe(value), name(kind)));
    }
    holdable(value)?;
    let (Value::Array(list), Some(ItemType { kind })) = (value, items) else {
        return Ok(());
    };
    match list.iter().position(|item| !is(item, kind)) {
        Some(at) => {
            let item = list.get(at).map_or("nothing", describe);
            Err(format!("has {item} as item {at}, counted from 0, not {}", name(kind)))
        }
        None => Ok(()),
    }
}

/// What the kubelet may have cut: it keeps the end of a file that is too long and the start of a message that is.
fn limit(containers: u32) -> usize {
    let containers = usize::try_from(containers).unwrap_or(usize::MAX).max(1);
    POD_LIMIT.checked_div(containers).unwrap_or(0).min(FILE_LIMIT)
}

/// One JSON object. The parser refuses more than 127 levels by itself.
fn json(message: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(message).map_err(|error| {
        format!(
            "the outputs start with `{{` but are not one JSON object: see line {}, column {}",
            error.line(),
            error.column()
        )
    })
}

/// Lines `name=value`.
fn lines(message: &str, declared: &[OutputDecl]) -> Result<Map<String, Value>, String> {
    let mut found = BTreeMap::new();
    for (index, line) in message.split('\n').enumerate() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if let Some((name, text)) = line.split_once('=') {
            found.insert(name.trim(), text);
        } else if !line.trim().is_empty() {
            return Err(format!(
                "line {} of the outputs is not `name=value`; a value of several lines is written as JSON",
                index.saturating_add(1)
            ));
        }
    }
    found
        .into_iter()
        .map(|(name, text)| {
            let decl = declared.iter().find(|decl| decl.name == name);
            // Of an undeclared one only the name is of use.
            let value = decl.map_or(Ok(Value::Null), |decl| parse(text, decl.kind));
            value.map(|value| (name.to_owned(), value)).map_err(|what| format!("output `{name}` {what}"))
        })
        .collect()
}

/// The text of a line as a value of a type.
fn parse(text: &str, kind: ValueType) -> Result<Value, String> {
    let trimmed = text.trim();
    let value = match kind {
        ValueType::String => Some(Value::String(text.to_owned())),
        ValueType::Int => trimmed.parse::<i64>().ok().map(Value::from),
        ValueType::Number => number(trimmed),
        ValueType::Bool => trimmed.parse::<bool>().ok().map(Value::Bool),
        ValueType::List | ValueType::Object => {
            return serde_json::from_str(trimmed).map_err(|_| format!("is not {} in JSON", name(kind)));
        }
    };
    value.ok_or_else(|| {
        let advice = if kind == ValueType::Bool { ": write true or false" } else { "" };
        format!("is not {}{advice}", name(kind))
    })
}

/// A finite number; whole ones stay whole.
fn number(text: &str) -> Option<Value> {
    if let Ok(int) = text.parse::<i64>() {
        return Some(Value::from(int));
    }
    let double = text.parse::<f64>().ok()?;
    Number::from_f64(double).map(Value::Number)
}

/// A value of its declared type, in the form in which it comes back from the API server.
fn checked(value: &Value, decl: &OutputDecl) -> Result<Value, String> {
    // The depth comes first: what follows walks the value.
    holdable(value)?;
    let mut value = value.clone();
    settle(&mut value);
    matches_type(&value, decl.kind, decl.items)?;
    Ok(value)
}

/// Writes whole doubles as ints, as the API server does.
#[expect(clippy::cast_possible_truncation, reason = "exact: the double is whole and within the range of an int")]
fn settle(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let whole = number
                .as_f64()
                .filter(|double| double.fract() == 0.0 && (-(2_f64.powi(63))..2_f64.powi(63)).contains(double));
            if let Some(double) = whole {
                *value = Value::from(double as i64);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(settle),
        Value::Object(map) => map.values_mut().for_each(settle),
        _ => {}
    }
}

/// Whether a value can be held, whatever its type. Walks without recursion, so that depth costs no stack.
pub(super) fn holdable(value: &Value) -> Result<(), String> {
    let nul = |text: &str| text.contains('\0');
    let mut open = vec![(value, 0_usize)];
    while let Some((value, depth)) = open.pop() {
        let inner = depth.saturating_add(1);
        match value {
            Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => {
                return Err(format!("is nested more than {MAX_DEPTH} deep"));
            }
            Value::Array(list) => open.extend(list.iter().map(|item| (item, inner))),
            Value::Object(map) => {
                if map.keys().any(|key| nul(key)) {
                    return Err("holds a NUL character".to_owned());
                }
                open.extend(map.values().map(|item| (item, inner)));
            }
            Value::String(text) if nul(text) => return Err("holds a NUL character".to_owned()),
            Value::Number(number) if beyond(number) => {
                return Err("holds a whole number beyond 64 bits: write it as a string".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a number fits 64 bits only without a sign, or is a double that comes back from the API server as such.
fn beyond(number: &Number) -> bool {
    number.as_i64().is_none() && number.is_u64()
        || number.as_f64().is_some_and(|double| number.is_f64() && (2_f64.powi(63)..2_f64.powi(64)).contains(&double))
}

fn is(value: &Value, kind: ValueType) -> bool {
    match kind {
        ValueType::String => value.is_string(),
        ValueType::Int => value.is_i64(),
        ValueType::Bool => value.is_boolean(),
        ValueType::Number => value.is_number(),
        ValueType::List => value.is_array(),
        ValueType::Object => value.is_object(),
    }
}

const fn name(kind: ValueType) -> &'static str {
    match kind {
        ValueType::String => "a string",
        ValueType::Int => "an int",
        ValueType::Bool => "a bool",
        ValueType::Number => "a number",
        ValueType::List => "a list",
        ValueType::Object => "an object",
    }
}

fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(number) if number.is_i64() => "an int",
        Value::Number(number) if number.is_u64() => "an int beyond 64 bits",
        Value::Number(_) => "a number that is no int",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn missing_text(missing: &[&str], written: &Map<String, Value>, declared: &[OutputDecl]) -> String {
    let is_declared = |name: &str| declared.iter().any(|decl| decl.name == name);
    let others: Vec<&str> = written.keys().map(String::as_str).filter(|name| !is_declared(name)).collect();
    let mut text = format!("not written to $GANTLINE_OUTPUT: {}", listed(missing));
    if !others.is_empty() {
        text.push_str("; written but not declared: ");
        text.push_str(&listed(&others));
    }
    text
}

/// The first few names, each cut to the length that a declared one may have; control characters are escaped.
fn listed(names: &[&str]) -> String {
    let mut text: Vec<String> = names
        .iter()
        .take(MAX_LISTED)
        .map(|name| {
            let name: String = name.chars().take(63).collect();
            format!("`{}`", name.escape_debug())
        })
        .collect();
    let more = names.len().saturating_sub(MAX_LISTED);
    if more > 0 {
        text.push(format!("and {more} more"));
    }
    text.join(", ")
}

fn bounded(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_MESSAGE));
    text
}

#[cfg(test)]
mod tests;
