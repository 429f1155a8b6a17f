//! `format`: `'%s has %.1f %%'.format([name, share])`.

use super::call::text;
use super::fault::Fault;
use super::meter::Meter;
use super::number::{to_double, to_text};
use super::value::Value;

/// Digits after the point of `%f` and `%e`, unless the clause says otherwise.
const DEFAULT_PRECISION: usize = 6;
/// The most digits after the point.
const MAX_PRECISION: usize = 100;

/// A clause, and its precision where it has one.
#[derive(Clone, Copy)]
enum Clause {
    Text,
    Decimal,
    Fixed(usize),
    Scientific(usize),
    Binary,
    Octal,
    Hex { upper: bool },
}

fn refuse(reason: &'static str) -> Fault {
    Fault::Argument { function: "format", reason }
}

/// The text with every clause replaced by its argument. Nothing for types that `format` doesn't take.
pub(super) fn format<'a>(arguments: &[Value<'a>], meter: &mut Meter) -> Result<Option<Value<'a>>, Fault> {
    let [this, Value::List(list)] = arguments else {
        return Ok(None);
    };
    let Some(pattern) = text(this) else {
        return Ok(None);
    };
    meter.text(pattern.len())?;
    let mut items = list.iter();
    let mut formatted = String::new();
    let mut rest = pattern;
    while let Some((before, after)) = rest.split_once('%') {
        formatted.push_str(before);
        if let Some(after) = after.strip_prefix('%') {
            formatted.push('%');
            rest = after;
            continue;
        }
        let (clause, after) = parse(after)?;
        let item = items.next().ok_or_else(|| refuse("there are more clauses than arguments"))??;
        let piece = clause.apply(&item)?;
        match clause {
            Clause::Text => meter.text(piece.len())?,
            // Many digits take long to find.
            _ => meter.spend(piece.len())?,
        }
        formatted.push_str(&piece);
        rest = after;
    }
    formatted.push_str(rest);
    Ok(Some(Value::text(formatted)))
}

/// The clause that `text` starts with, without its `%`, and what follows.
fn parse(text: &str) -> Result<(Clause, &str), Fault> {
    let (precision, text) = match text.strip_prefix('.') {
        None => (DEFAULT_PRECISION, text),
        Some(text) => {
            let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
            let (digits, after) = text.split_at_checked(digits).unwrap_or((text, ""));
            match digits.parse() {
                Ok(precision) if precision <= MAX_PRECISION => (precision, after),
                _ => return Err(refuse("a precision is a number of at most 100")),
            }
        }
    };
    let mut chars = text.chars();
    let clause = match chars.next() {
        Some('s') => Clause::Text,
        Some('d') => Clause::Decimal,
        Some('f') => Clause::Fixed(precision),
        Some('e') => Clause::Scientific(precision),
        Some('b') => Clause::Binary,
        Some('o') => Clause::Octal,
        Some('x') => Clause::Hex { upper: false },
        Some('X') => Clause::Hex { upper: true },
        _ => {
            return Err(refuse("a clause is one of %s %d %f %e %b %o %x %X, a percent sign is %%"));
        }
    };
    Ok((clause, chars.as_str()))
}

impl Clause {
    fn apply(self, value: &Value<'_>) -> Result<String, Fault> {
        Ok(match (self, value) {
            (Clause::Text, Value::Text(_)) => text(value).unwrap_or_default().to_owned(),
            (Clause::Text, Value::Null) => "null".to_owned(),
            (Clause::Text, Value::Bool(value)) => value.to_string(),
            (Clause::Text | Clause::Decimal, Value::Int(value)) => value.to_string(),
            (Clause::Text | Clause::Decimal, Value::Double(value)) => {
                non_finite(*value).map_or_else(|| to_text(*value), str::to_owned)
            }
            (Clause::Text, Value::Type(named)) => named.name().to_owned(),
            (Clause::Text, _) => return Err(refuse("%s takes no lists or maps; use json()")),
            (Clause::Fixed(_) | Clause::Scientific(_), Value::Int(value)) => {
                return self.apply(&Value::Double(to_double(*value)));
            }
            (Clause::Fixed(digits), Value::Double(value)) => {
                non_finite(*value).map_or_else(|| format!("{value:.digits$}"), str::to_owned)
            }
            (Clause::Scientific(digits), Value::Double(value)) => {
                non_finite(*value).map_or_else(|| scientific(*value, digits), str::to_owned)
            }
            (Clause::Binary, Value::Bool(value)) => u8::from(*value).to_string(),
            (Clause::Binary, Value::Int(value)) => signed(*value, format!("{:b}", value.unsigned_abs())),
            (Clause::Octal, Value::Int(value)) => signed(*value, format!("{:o}", value.unsigned_abs())),
            (Clause::Hex { upper }, Value::Int(value)) => {
                let digits = format!("{:x}", value.unsigned_abs());
                signed(*value, in_case(digits, upper))
            }
            (Clause::Hex { upper }, Value::Text(_)) => {
                let bytes = text(value).unwrap_or_default().bytes();
                let mut digits = String::new();
                for byte in bytes {
                    digits.push(digit(byte >> 4));
                    digits.push(digit(byte & 15));
                }
                in_case(digits, upper)
            }
            (Clause::Decimal | Clause::Fixed(_) | Clause::Scientific(_), _) => {
                return Err(refuse("%d, %f and %e take numbers"));
            }
            (Clause::Binary | Clause::Octal | Clause::Hex { .. }, _) => {
                return Err(refuse("%b, %o and %x take ints, %b also bools, %x also strings"));
            }
        })
    }
}

/// A hexadecimal digit, from 0 to 15.
fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0')
}

fn signed(value: i64, digits: String) -> String {
    if value < 0 { format!("-{digits}") } else { digits }
}

fn in_case(digits: String, upper: bool) -> String {
    if upper { digits.to_ascii_uppercase() } else { digits }
}

fn non_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("NaN")
    } else if value.is_infinite() {
        Some(if value > 0.0 { "Infinity" } else { "-Infinity" })
    } else {
        None
    }
}

/// `1.500000e+03`: a sign and at least two digits in the exponent, as C writes it.
fn scientific(value: f64, digits: usize) -> String {
    let written = format!("{value:.digits$e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    match exponent.strip_prefix('-') {
        Some(exponent) => format!("{mantissa}e-{exponent:0>2}"),
        None => format!("{mantissa}e+{exponent:0>2}"),
    }
}
