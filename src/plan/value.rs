//! Whether a value is of its type, and keeps the rules of its parameter.

use std::cmp::Ordering;

use regex::Regex;
use serde_json::{Map, Number, Value};

use super::problem::Code;
use super::report::{Path, Report};
use super::words::{did_you_mean, quote};
use crate::api::{ItemType, Param, ValueType};

/// A type, as manifests write it.
pub(super) const fn type_name(kind: ValueType) -> &'static str {
    match kind {
        ValueType::String => "string",
        ValueType::Int => "int",
        ValueType::Bool => "bool",
        ValueType::Number => "number",
        ValueType::List => "list",
        ValueType::Object => "object",
    }
}

/// "a string", "an int".
fn a_type(kind: ValueType) -> String {
    let name = type_name(kind);
    let article = if name.starts_with(['i', 'o']) { "an" } else { "a" };
    format!("{article} {name}")
}

/// The type of a value, for people.
pub(super) fn found(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Number(number) if as_int(number).is_some() => "an int",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// The whole number that a JSON number is. `3.0` is one too: the API server stores it as `3`, and what is right must not
/// depend on whether a value has been there yet.
pub(super) fn as_int(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| {
        let double = number.as_f64().filter(|double| double.fract() == 0.0)?;
        format!("{double:.0}").parse().ok()
    })
}

/// The value as the API server gives it back: whole numbers without a fraction.
pub(super) fn normal(value: &Value) -> Value {
    match value {
        Value::Number(number) => as_int(number).map_or_else(|| value.clone(), |int| Value::Number(int.into())),
        Value::Array(items) => Value::Array(items.iter().map(normal).collect()),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), normal(value)));
            Value::Object(entries.collect::<Map<String, Value>>())
        }
        Value::Null | Value::Bool(_) | Value::String(_) => value.clone(),
    }
}

/// Whether a value is of a type; a whole number is a number too.
pub(super) fn is_of(kind: ValueType, value: &Value, int: Option<i64>) -> bool {
    match kind {
        ValueType::String => value.is_string(),
        ValueType::Int => int.is_some(),
        ValueType::Bool => value.is_boolean(),
        ValueType::Number => value.is_number(),
        ValueType::List => value.is_array(),
        ValueType::Object => value.is_object(),
    }
}

/// Says that a value, or an item of it, is of the wrong type. Whether it is right.
pub(super) fn check_type(
    kind: ValueType,
    items: Option<ItemType>,
    value: &Value,
    path: &Path<'_>,
    report: &mut Report,
) -> bool {
    let before = report.len();
    let int = value.as_number().and_then(as_int);
    if !is_of(kind, value, int) {
        report.add(Code::WrongType, path, || {
            let (expected, found) = (a_type(kind), found(value));
            format!("must be {expected}, and this is {found}{}", advice(kind, value))
        });
    } else if let (Some(ItemType { kind }), Value::Array(values)) = (items, value) {
        for (at, value) in values.iter().enumerate() {
            check_type(kind, None, value, &path.index(at), report);
        }
    }
    report.len() == before
}

/// What to do about a value of the wrong type, where there is something.
fn advice(kind: ValueType, value: &Value) -> String {
    match (kind, value) {
        (ValueType::String, Value::Number(_) | Value::Bool(_)) => {
            format!(": quote it, \"{value}\"")
        }
        (ValueType::Int, Value::Number(number))
            if number.is_u64() || number.as_f64().is_some_and(|double| double.fract() == 0.0) =>
        {
            ": an int has 64 bits; pass it as a string".to_owned()
        }
        (ValueType::Int, Value::Number(_)) => ": write a whole number, or make the type number".to_owned(),
        (ValueType::Int | ValueType::Number | ValueType::Bool, Value::String(text)) => {
            let meant = serde_json::from_str::<Value>(text).ok();
            let fits = meant.filter(|meant| is_of(kind, meant, meant.as_number().and_then(as_int)));
            fits.map(|meant| format!(": write {meant} without quotes")).unwrap_or_default()
        }
        (ValueType::List, _) => ": write [a, b]".to_owned(),
        _ => String::new(),
    }
}

/// Says which rules of its parameter a value breaks. Rules that are wrong themselves are passed over.
pub(super) fn check(param: &Param, pattern: Option<&Regex>, value: &Value, path: &Path<'_>, report: &mut Report) {
    if !check_type(param.kind, param.items, value, path, report) {
        return;
    }
    if let Some(choices) = &param.choices {
        check_choice(choices, value, path, report);
    }
    if let Value::Number(number) = value {
        check_range(param, number, path, report);
    }
    check_length(param, value, path, report);
    if let (Some(pattern), Value::String(text)) = (pattern, value)
        && !pattern.is_match(text)
    {
        report.add(Code::PatternMismatch, path, || {
            let pattern = pattern.as_str();
            format!("\"{}\" doesn't match the pattern {pattern}", quote(text))
        });
    }
}

fn check_choice(choices: &[Value], value: &Value, path: &Path<'_>, report: &mut Report) {
    let value = normal(value);
    if choices.iter().any(|choice| normal(choice) == value) {
        return;
    }
    report.add(Code::NotInEnum, path, || {
        let allowed: Vec<String> = choices.iter().map(|choice| quote(&choice.to_string())).collect();
        let meant = value.as_str().and_then(|text| did_you_mean(text, choices.iter().filter_map(Value::as_str)));
        let advice = meant.map(|meant| format!("; did you mean `{meant}`?")).unwrap_or_default();
        let found = quote(&value.to_string());
        format!("{found} is not allowed{advice}; the values allowed are {}", allowed.join(", "))
    });
}

fn check_range(param: &Param, number: &Number, path: &Path<'_>, report: &mut Report) {
    for (bound, word, wrong) in
        [(&param.min, "below min", Ordering::Less), (&param.max, "above max", Ordering::Greater)]
    {
        if let Some(Value::Number(bound)) = bound
            && compare(number, bound) == wrong
        {
            report.add(Code::OutOfRange, path, || format!("{number} is {word}, which is {bound}"));
        }
    }
}

fn check_length(param: &Param, value: &Value, path: &Path<'_>, report: &mut Report) {
    let (length, unit) = match value {
        Value::String(text) => (text.chars().count(), "characters"),
        Value::Array(items) => (items.len(), "items"),
        _ => return,
    };
    // More than a u32 counts is longer than any bound.
    let count = u32::try_from(length).unwrap_or(u32::MAX);
    for (bound, word, wrong) in
        [(param.min_length, "minLength", Ordering::Less), (param.max_length, "maxLength", Ordering::Greater)]
    {
        if let Some(bound) = bound
            && count.cmp(&bound) == wrong
        {
            report.add(Code::WrongLength, path, || format!("has {length} {unit}, and {word} is {bound}"));
        }
    }
}

/// The order of two numbers: exact for whole ones, as doubles otherwise.
pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    match (as_int(left), as_int(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        _ => left.as_f64().partial_cmp(&right.as_f64()).unwrap_or(Ordering::Equal),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::only;
    use super::*;

    fn check_one(param: &str, value: &str) -> Vec<super::super::Problem> {
        let param: Param = serde_saphyr::from_str(&format!("{{name: p, {param}}}")).expect(param);
        let value: Value = serde_saphyr::from_str(value).expect(value);
        let pattern = param.pattern.as_ref().map(|p| Regex::new(p).expect("a pattern"));
        let mut report = Report::default();
        let path = Path::Root("params");
        check(&param, pattern.as_ref(), &value, &path.key("p"), &mut report);
        report.finish("params", ()).err().unwrap_or_default()
    }

    #[test]
    #[rustfmt::skip]
    fn values_that_fit() {
        for (param, value) in [
            ("type: string", "'20261122'"),
            ("type: string, pattern: '^a', minLength: 3, maxLength: 3", "aéé"),
            ("type: int, min: -1, max: 9007199254740993", "9007199254740993"),
            ("type: int", "3.0"),
            ("type: number, min: 0.5", "1"),
            ("type: number", "1.5"),
            ("type: bool", "true"),
            ("type: list, items: {type: number}, maxLength: 2", "[1, 2.5]"),
            ("type: object", "{a: [1]}"),
            ("type: number, enum: [1, 2.5]", "1.0"),
            ("type: list, enum: [[a], [b]]", "[b]"),
        ] {
            assert_eq!(check_one(param, value), [], "{param} {value}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn values_that_do_not_fit() {
        for (param, value, code, path, message) in [
            ("type: string", "20261122", Code::WrongType, "params.p", "must be a string, and this is an int: quote it, \"20261122\""),
            ("type: string", "1.5", Code::WrongType, "params.p", "this is a number: quote it, \"1.5\""),
            ("type: string", "true", Code::WrongType, "params.p", "quote it, \"true\""),
            ("type: string", "[a]", Code::WrongType, "params.p", "this is a list"),
            ("type: int", "'42'", Code::WrongType, "params.p", "must be an int, and this is a string: write 42 without quotes"),
            ("type: int", "many", Code::WrongType, "params.p", "this is a string"),
            ("type: int", "1.5", Code::WrongType, "params.p", "this is a number: write a whole number"),
            ("type: int", "18446744073709551615", Code::WrongType, "params.p", "an int has 64 bits"),
            ("type: bool", "'true'", Code::WrongType, "params.p", "write true without quotes"),
            ("type: bool", "1", Code::WrongType, "params.p", "must be a bool, and this is an int"),
            ("type: number", "'1e3'", Code::WrongType, "params.p", "without quotes"),
            ("type: list", "a", Code::WrongType, "params.p", "must be a list, and this is a string: write [a, b]"),
            ("type: object", "[]", Code::WrongType, "params.p", "must be an object"),
            ("type: list, items: {type: int}", "[1, a, 3]", Code::WrongType, "params.p[1]", "must be an int"),
            ("type: list, items: {type: string}", "[null]", Code::WrongType, "params.p[0]", "this is null"),
            ("type: string, enum: [emea, apac]", "emae", Code::NotInEnum, "params.p", "\"emae\" is not allowed; did you mean `emea`?; the values allowed are \"emea\", \"apac\""),
            ("type: int, enum: [1, 2]", "3", Code::NotInEnum, "params.p", "3 is not allowed; the values allowed are 1, 2"),
            ("type: int, min: 1", "0", Code::OutOfRange, "params.p", "0 is below min, which is 1"),
            ("type: number, max: 1.5", "1.6", Code::OutOfRange, "params.p", "1.6 is above max, which is 1.5"),
            ("type: int, max: 9007199254740992", "9007199254740993", Code::OutOfRange, "params.p", "above max"),
            ("type: string, minLength: 2", "é", Code::WrongLength, "params.p", "has 1 characters, and minLength is 2"),
            ("type: list, maxLength: 1", "[1, 2]", Code::WrongLength, "params.p", "has 2 items, and maxLength is 1"),
            ("type: string, pattern: '^\\d+$'", "12a", Code::PatternMismatch, "params.p", "\"12a\" doesn't match the pattern ^\\d+$"),
        ] {
            only(
                &format!("{param}: {value}"),
                &check_one(param, value),
                code,
                path,
                message,
            );
        }
    }

    #[test]
    fn a_value_is_as_the_api_server_gives_it_back() {
        let value = serde_json::json!({"a": [1.0, 1.5, -0.0], "b": 1e300, "c": "1.0"});
        let normal = normal(&value);
        assert_eq!(normal, serde_json::json!({"a": [1, 1.5, 0], "b": 1e300, "c": "1.0"}));
    }
}
