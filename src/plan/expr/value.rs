//! The values an evaluation works on: borrowed from the inputs where they can be, ordered, cheap to copy.

use std::rc::Rc;

use serde_json::{Map, Number, Value as Json};

use super::MAX_DEPTH;
use super::fault::Fault;
use super::meter::Meter;

/// A CEL value. `'a` is the life of the expression and of the inputs.
#[derive(Clone)]
pub(super) enum Value<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Double(f64),
    Text(Text<'a>),
    List(List<'a>),
    /// Maps only ever come from the inputs: the language has no map literals.
    Map(&'a Map<String, Json>),
    Optional(Option<Rc<Value<'a>>>),
    Type(Type),
}

/// A string, borrowed or made during the evaluation.
#[derive(Clone)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Made(Rc<str>),
}

/// A list, borrowed or made during the evaluation.
#[derive(Clone)]
pub(super) enum List<'a> {
    Borrowed(&'a [Json]),
    Made(Rc<[Value<'a>]>),
}

/// The types there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Null,
    Bool,
    Int,
    Double,
    String,
    List,
    Map,
    Optional,
    /// The type of types.
    Named,
}

impl Type {
    /// Types that an expression can name, as in `type(x) == int`.
    pub(super) const NAMED: [Type; 8] =
        [Type::Null, Type::Bool, Type::Int, Type::Double, Type::String, Type::List, Type::Map, Type::Named];

    pub(super) fn name(self) -> &'static str {
        match self {
            Type::Null => "null_type",
            Type::Bool => "bool",
            Type::Int => "int",
            Type::Double => "double",
            Type::String => "string",
            Type::List => "list",
            Type::Map => "map",
            Type::Optional => "optional",
            Type::Named => "type",
        }
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        match self {
            Text::Borrowed(text) => text,
            Text::Made(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            List::Borrowed(items) => items.len(),
            List::Made(items) => items.len(),
        }
    }

    /// The element at `index`, if there is one.
    pub(super) fn get(&self, index: usize) -> Option<Result<Value<'a>, Fault>> {
        match self {
            List::Borrowed(items) => items.get(index).map(Value::of),
            List::Made(items) => items.get(index).cloned().map(Ok),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Result<Value<'a>, Fault>> {
        (0..self.len()).map_while(|index| self.get(index))
    }

    /// All elements, paid for.
    pub(super) fn to_vec(&self, meter: &mut Meter) -> Result<Vec<Value<'a>>, Fault> {
        meter.spend(self.len())?;
        self.iter().collect()
    }
}

impl<'a> Value<'a> {
    /// The value of a part of the inputs. Integral JSON numbers are ints, all others doubles.
    pub(super) fn of(json: &'a Json) -> Result<Value<'a>, Fault> {
        Ok(match json {
            Json::Null => Value::Null,
            Json::Bool(value) => Value::Bool(*value),
            Json::Number(number) => number_value(number)?,
            Json::String(text) => Value::Text(Text::Borrowed(text)),
            Json::Array(items) => Value::List(List::Borrowed(items)),
            Json::Object(entries) => Value::Map(entries),
        })
    }

    /// A string made during the evaluation; its maker has paid for it.
    pub(super) fn text(text: impl Into<Rc<str>>) -> Value<'a> {
        Value::Text(Text::Made(text.into()))
    }

    /// A list made during the evaluation; its maker has paid for it.
    pub(super) fn list(items: Vec<Value<'a>>) -> Value<'a> {
        Value::List(List::Made(items.into()))
    }

    pub(super) fn some(value: Value<'a>) -> Value<'a> {
        Value::Optional(Some(Rc::new(value)))
    }

    pub(super) fn kind(&self) -> Type {
        match self {
            Value::Null => Type::Null,
            Value::Bool(_) => Type::Bool,
            Value::Int(_) => Type::Int,
            Value::Double(_) => Type::Double,
            Value::Text(_) => Type::String,
            Value::List(_) => Type::List,
            Value::Map(_) => Type::Map,
            Value::Optional(_) => Type::Optional,
            Value::Type(_) => Type::Named,
        }
    }

    /// Whether `optional.ofNonZeroValue` makes nothing of it.
    pub(super) fn is_zero(&self) -> bool {
        match self {
            Value::Null | Value::Optional(None) => true,
            Value::Bool(value) => !value,
            Value::Int(value) => *value == 0,
            Value::Double(value) => *value == 0.0,
            Value::Text(text) => text.as_ref().is_empty(),
            Value::List(list) => list.len() == 0,
            Value::Map(entries) => entries.is_empty(),
            Value::Optional(Some(_)) | Value::Type(_) => false,
        }
    }
}

fn number_value<'a>(number: &Number) -> Result<Value<'a>, Fault> {
    if let Some(int) = number.as_i64() {
        Ok(Value::Int(int))
    } else if number.is_u64() {
        Err(Fault::IntegerTooLarge)
    } else {
        number.as_f64().map(Value::Double).ok_or(Fault::IntegerTooLarge)
    }
}

/// The keys of a map in their order by code point, however the map itself keeps them.
pub(super) fn sorted_keys<'a>(entries: &'a Map<String, Json>) -> Vec<&'a str> {
    let mut keys: Vec<&'a str> = entries.keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The JSON form of `value`, at most `room` bytes of it.
///
/// Lists may share their elements, so that a small value can have a large JSON form: the bytes are counted
/// while it is written, not afterwards.
pub(super) fn to_json(value: &Value<'_>, room: &mut Room) -> Result<Json, Fault> {
    json_at(value, room, 0)
}

/// What is left of the bytes that a JSON form may have.
pub(super) struct Room {
    left: usize,
    max: usize,
}

impl Room {
    pub(super) fn new(max: usize) -> Room {
        Room { left: max, max }
    }

    /// The bytes taken so far.
    pub(super) fn taken(&self) -> usize {
        self.max.saturating_sub(self.left)
    }

    fn take(&mut self, bytes: usize) -> Result<(), Fault> {
        self.left = self.left.checked_sub(bytes).ok_or(Fault::ResultTooLarge { max: self.max })?;
        Ok(())
    }

    /// Takes the bytes of `text` as JSON writes it.
    fn take_text(&mut self, text: &str) -> Result<(), Fault> {
        let escaped = text.bytes().fold(2_usize, |bytes, byte| {
            bytes.saturating_add(match byte {
                b'"' | b'\\' | b'\n' | b'\r' | b'\t' | 0x08 | 0x0c => 2,
                0..0x20 => 6,
                _ => 1,
            })
        });
        self.take(escaped)
    }
}

fn json_at(value: &Value<'_>, room: &mut Room, depth: usize) -> Result<Json, Fault> {
    let below = deeper(depth)?;
    Ok(match value {
        Value::Null => {
            room.take(4)?;
            Json::Null
        }
        Value::Bool(value) => {
            room.take(5)?;
            Json::Bool(*value)
        }
        Value::Int(value) => number_json(Number::from(*value), room)?,
        Value::Double(value) => {
            let number = Number::from_f64(*value)
                .ok_or(Fault::NotJson { found: "NaN or infinite", advice: "test with math.isFinite() first" })?;
            number_json(number, room)?
        }
        Value::Text(text) => {
            room.take_text(text.as_ref())?;
            Json::String(text.as_ref().to_owned())
        }
        Value::List(list) => {
            room.take(2)?;
            let mut items = Vec::new();
            for item in list.iter() {
                room.take(1)?;
                items.push(json_at(&item?, room, below)?);
            }
            Json::Array(items)
        }
        Value::Map(entries) => {
            room.take(2)?;
            let mut copy = Map::new();
            for (key, value) in *entries {
                room.take(2)?;
                room.take_text(key)?;
                copy.insert(key.clone(), json_at(&Value::of(value)?, room, below)?);
            }
            Json::Object(copy)
        }
        Value::Optional(_) => {
            return Err(Fault::NotJson { found: "an optional", advice: "end it with .orValue(…) or .value()" });
        }
        Value::Type(_) => {
            return Err(Fault::NotJson { found: "a type", advice: "compare it with another type" });
        }
    })
}

fn number_json(number: Number, room: &mut Room) -> Result<Json, Fault> {
    room.take(number.to_string().len())?;
    Ok(Json::Number(number))
}

/// The next level of nesting, if there may be one.
pub(super) fn deeper(depth: usize) -> Result<usize, Fault> {
    match depth {
        MAX_DEPTH.. => Err(Fault::TooDeep { max: MAX_DEPTH }),
        _ => Ok(depth.saturating_add(1)),
    }
}
