//! What a scalar is for kubectl.
//!
//! It reads YAML 1.1 with `go.yaml.in/yaml/v2` (`resolve.go` there), not YAML 1.2: `on` and `y` are true, `010` is eight.
//! A manifest is checked as it would arrive.

use serde_json::Number;

use super::tree::Data;

/// Why a scalar has no value.
pub(super) const NOT_JSON: &str = "JSON has no such number: put it in quotes";
/// Why a scalar with a tag has no value.
pub(super) const NOT_OF_TAG: &str = "its tag says another type: remove the tag";

/// Whole numbers of which a double holds each.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The value of a scalar. `tag` is the name of a tag of YAML's own, such as `str`; one of others makes a text.
pub(super) fn resolve(text: &str, is_plain: bool, tag: Option<&str>) -> Result<Data, &'static str> {
    let data = match tag {
        None if is_plain => plain(text)?,
        Some("null" | "bool" | "int" | "float") => plain(text)?,
        _ => return Ok(Data::Text(text.to_owned())),
    };
    match (tag, &data) {
        (None, _)
        | (Some("null"), Data::Null)
        | (Some("bool"), Data::Bool(_))
        | (Some("int" | "float"), Data::Number(_)) => Ok(data),
        _ => Err(NOT_OF_TAG),
    }
}

fn plain(text: &str) -> Result<Data, &'static str> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Data::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Data::Bool(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Data::Bool(false),
        ".nan" | ".NaN" | ".NAN" | ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf"
        | "-.INF" => return Err(NOT_JSON),
        _ if text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) => {
            number(&text.replace('_', "")).map_or_else(|| Data::Text(text.to_owned()), Data::Number)
        }
        _ => Data::Text(text.to_owned()),
    })
}

fn number(text: &str) -> Option<Number> {
    whole(text).or_else(|| {
        let value: f64 = text.parse().ok().filter(|value: &f64| is_float(text) && value.is_finite())?;
        // Go writes a whole double without a point, so that the API server reads an integer.
        #[allow(clippy::cast_possible_truncation, reason = "it is whole, and far within 64 bits")]
        if value.fract() == 0.0 && value.abs() < EXACT { Some((value as i64).into()) } else { Number::from_f64(value) }
    })
}

/// `strconv.ParseInt` and `ParseUint` with base 0.
fn whole(text: &str) -> Option<Number> {
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (radix, digits) = match digits.as_bytes() {
        [b'0', b'x' | b'X', ..] => (16, digits.get(2..)?),
        [b'0', b'b' | b'B', ..] => (2, digits.get(2..)?),
        [b'0', b'o' | b'O', ..] => (8, digits.get(2..)?),
        [b'0', _, ..] => (8, digits.get(1..)?),
        _ => (10, digits),
    };
    // A second sign is none of Go's.
    let value = Some(digits).filter(|digits| !digits.starts_with(['+', '-']))?;
    let value = i128::from_str_radix(value, radix).ok()?;
    let value = if is_negative { value.checked_neg()? } else { value };
    i64::try_from(value).map(Number::from).ok().or_else(|| u64::try_from(value).map(Number::from).ok())
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`: what Rust takes for a number, without its words.
fn is_float(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn value(text: &str) -> Value {
        match resolve(text, true, None).expect(text) {
            Data::Null => Value::Null,
            Data::Bool(value) => value.into(),
            Data::Number(number) => number.into(),
            Data::Text(text) => text.into(),
            other => panic!("{other:?}"),
        }
    }

    /// Each line was asked of sigs.k8s.io/yaml 1.6.
    #[test]
    fn plain_scalars_are_what_kubectl_takes_them_for() {
        for (text, expected) in [
            ("", Value::Null),
            ("~", Value::Null),
            ("null", Value::Null),
            ("nULL", json!("nULL")),
            ("true", json!(true)),
            ("on", json!(true)),
            ("y", json!(true)),
            ("No", json!(false)),
            ("oN", json!("oN")),
            ("0", json!(0)),
            ("-7", json!(-7)),
            ("+7", json!(7)),
            ("1_000", json!(1000)),
            ("010", json!(8)),
            ("0o10", json!(8)),
            ("08", json!(8)),
            ("0x1F", json!(31)),
            ("-0b101", json!(-5)),
            ("--1", json!("--1")),
            ("0x-1", json!("0x-1")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1.0", json!(1)),
            ("1.5", json!(1.5)),
            (".5", json!(0.5)),
            ("1e3", json!(1000)),
            ("1e999", json!("1e999")),
            ("1.37.0", json!("1.37.0")),
            ("2026-11-22", json!("2026-11-22")),
            ("90s", json!("90s")),
            ("500m", json!("500m")),
            ("infinity", json!("infinity")),
            (".", json!(".")),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        assert_eq!(resolve(".inf", true, None), Err(NOT_JSON));
    }

    #[test]
    fn quotes_and_tags_decide() {
        let text = |text: &str| Ok(Data::Text(text.to_owned()));
        assert_eq!(resolve("on", false, None), text("on"));
        assert_eq!(resolve("1", true, Some("str")), text("1"));
        assert_eq!(resolve("1", false, Some("int")), Ok(Data::Number(1.into())));
        assert_eq!(resolve("x", true, Some("int")), Err(NOT_OF_TAG));
        assert_eq!(resolve("1", true, Some("!mine")), text("1"));
    }
}
