//! What the API server would say of an object, from its schema; and the object as it was probably meant, so that the plan's
//! rules can look at the rest of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::path;
use super::schema::{Kind, ListType, Schema};
use super::tree::{Data, Entry, Id, Span, Tree};
use super::words;
use crate::plan::{Code, limits, listing, quote, suggestion};

/// Something that the schema doesn't allow.
#[derive(Debug)]
pub(super) struct Flaw {
    pub code: Code,
    pub path: String,
    pub span: Span,
    pub message: String,
    /// Paths at which another mistake would be the same one.
    pub same: Vec<String>,
}

/// An object that was looked at.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub flaws: Vec<Flaw>,
    /// Flaws beyond the bound of those that are spelt out.
    pub beyond: usize,
    /// Paths at which the value is a guess, of which nothing more can be said.
    guesses: BTreeSet<String>,
}

impl Shape {
    /// Whether a value is what its author wrote, and not a guess or within one.
    pub fn is_known(&self, path: &str) -> bool {
        !path::ancestors(path).any(|ancestor| self.guesses.contains(ancestor))
    }

    /// Whether nothing was found at this path either.
    pub fn is_right(&self, path: &str) -> bool {
        self.is_known(path) && !self.flaws.iter().any(|flaw| flaw.path == path)
    }

    /// Whether there is no guess in a value either.
    fn is_whole(&self, path: &str) -> bool {
        let begins =
            |start: String| self.guesses.range(start.clone()..).next().is_some_and(|next| next.starts_with(&start));
        self.is_known(path) && !begins(format!("{path}.")) && !begins(format!("{path}["))
    }

    fn add(&mut self, code: Code, path: &str, span: Span, message: impl FnOnce() -> String) {
        self.add_same(code, path, span, Vec::new(), message);
    }

    fn add_same(&mut self, code: Code, path: &str, span: Span, same: Vec<String>, message: impl FnOnce() -> String) {
        if self.flaws.len() < limits::PROBLEMS {
            self.flaws.push(Flaw { code, path: path.to_owned(), span, message: message(), same });
        } else {
            self.beyond = self.beyond.saturating_add(1);
        }
    }
}

/// Looks at an object. `span` is where it begins.
pub(super) fn check(tree: &Tree<'_>, root: Id, span: Span, schema: &Schema) -> (Value, Shape) {
    let mut walk = Walk { tree, shape: Shape::default() };
    let value = walk.value(root, span, schema, "");
    (value, walk.shape)
}

struct Walk<'a> {
    tree: &'a Tree<'a>,
    shape: Shape,
}

impl Walk<'_> {
    /// The value of a node, or what it was meant to be. `name` is where its name stands, for what is pointed at by that.
    fn value(&mut self, id: Id, name: Span, schema: &Schema, path: &str) -> Value {
        let span = self.tree.mark(id);
        let value = match (&self.tree.get(id).data, schema.kind) {
            (Data::Null, _) if schema.is_nullable => return Value::Null,
            (Data::Map(_), Some(Kind::Object)) => self.object(id, name, schema, path),
            (Data::List(items), Some(Kind::List)) => self.list(items, name, schema, path),
            (Data::Text(_), Some(Kind::Text | Kind::WholeOrText))
            | (Data::Bool(_), Some(Kind::Bool))
            | (Data::Number(_), Some(Kind::Number))
            | (_, None) => self.tree.json(id),
            (Data::Number(number), Some(Kind::Whole | Kind::WholeOrText)) if !number.is_f64() => self.tree.json(id),
            (_, Some(kind)) => return self.wrong_type(id, name, kind, schema, path),
        };
        if !schema.choices.is_empty() && !schema.choices.contains(&value) {
            return self.wrong_choice(&value, span, schema, path);
        }
        match &value {
            Value::String(text) => self.text(text, span, schema, path),
            Value::Number(number) => self.number(number.as_f64().unwrap_or_default(), span, schema, path),
            _ => {}
        }
        value
    }

    fn wrong_type(&mut self, id: Id, name: Span, kind: Kind, schema: &Schema, path: &str) -> Value {
        let data = &self.tree.get(id).data;
        let span = if matches!(data, Data::List(_) | Data::Map(_)) { name } else { self.tree.mark(id) };
        let source = self.tree.source(id);
        self.shape.add(Code::WrongType, path, span, || words::wrong_type(kind, data, source));
        self.shape.guesses.insert(path.to_owned());
        // What was probably meant.
        match (kind, data) {
            (Kind::Text | Kind::WholeOrText, Data::Bool(_) | Data::Number(_)) => source.into(),
            (Kind::List, Data::Text(text)) => vec![text.as_str()].into(),
            _ => schema.placeholder(),
        }
    }

    fn wrong_choice(&mut self, value: &Value, span: Span, schema: &Schema, path: &str) -> Value {
        let choices: Vec<&str> = schema.choices.iter().filter_map(Value::as_str).collect();
        let written = value.as_str().unwrap_or_default();
        self.shape.add(Code::NotInEnum, path, span, || {
            let advice = suggestion(written, choices.iter().copied());
            format!("`{}` is none of {}{advice}", quote(written), listing(choices.iter().copied()))
        });
        self.shape.guesses.insert(path.to_owned());
        schema.placeholder()
    }

    fn object(&mut self, id: Id, name: Span, schema: &Schema, path: &str) -> Value {
        let mut map = Map::new();
        for entry in self.tree.entries(id) {
            let here = path::child(path, &entry.key);
            let Some(field) = schema.field(&entry.key) else {
                if schema.is_open {
                    map.insert(entry.key.clone(), self.tree.json(entry.value));
                } else if !is_status(path, &entry.key) {
                    self.unknown(entry, schema, &here);
                }
                continue;
            };
            // The API server takes a null for a field that isn't there, except where null is a value.
            if self.tree.get(entry.value).data == Data::Null && !field.is_nullable {
                continue;
            }
            map.insert(entry.key.clone(), self.value(entry.value, entry.span, field, &here));
        }
        for (key, field) in &schema.properties {
            if let Some(default) = field.default.as_ref().filter(|_| !map.contains_key(key)) {
                map.insert(key.clone(), default.clone());
            }
        }
        if let Some(max) = schema.bounds.max_properties.filter(|max| map.len() > *max) {
            let count = map.len();
            self.shape.add(Code::TooMany, path, name, || format!("has {count} entries, {max} are allowed"));
        }
        if path == METADATA {
            generate_name(&mut map);
        }
        self.missing(&mut map, name, schema, path);
        let value = Value::Object(map);
        self.rules(id, &value, name, schema, path);
        value
    }

    fn unknown(&mut self, entry: &Entry, schema: &Schema, path: &str) {
        self.shape.add(Code::UnknownField, path, entry.span, || {
            let known = || schema.properties.keys().map(String::as_str);
            let advice = suggestion(&entry.key, known());
            let key = quote(&entry.key);
            if advice.is_empty() {
                format!("there is no field `{key}` here; there are {}", listing(known()))
            } else {
                format!("there is no field `{key}` here{advice}")
            }
        });
    }

    fn missing(&mut self, map: &mut Map<String, Value>, name: Span, schema: &Schema, path: &str) {
        for key in schema.required.iter().filter(|key| !map.contains_key(*key)).cloned().collect::<Vec<_>>() {
            let field = schema.properties.get(&key);
            let here = path::child(path, &key);
            self.shape.add(Code::MissingField, &here, name, || {
                let about = field.map_or("", |field| field.about.as_str());
                format!("is required and missing: {}", if about.is_empty() { "set it" } else { about })
            });
            // Nothing is said of what depends on it.
            self.shape.guesses.insert(path.to_owned());
            map.insert(key, field.map_or(Value::Null, Schema::placeholder));
        }
    }

    fn list(&mut self, items: &[Id], name: Span, schema: &Schema, path: &str) -> Value {
        let bounds = &schema.bounds;
        let count = items.len();
        if let Some(max) = bounds.max_items.filter(|max| count > *max) {
            self.shape.add(Code::TooMany, path, name, || format!("has {count} entries, {max} are allowed"));
        }
        if let Some(min) = bounds.min_items.filter(|min| count < *min) {
            self.shape.add(Code::WrongLength, path, name, || format!("has {count} entries, at least {min} are needed"));
        }
        let mut values = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let value = match &schema.items {
                Some(items) => self.value(*item, self.tree.mark(*item), items, &path::item(path, index)),
                None => self.tree.json(*item),
            };
            values.push(value);
        }
        self.duplicates(items, &values, schema, path);
        Value::Array(values)
    }

    /// Sets and maps that are written as lists have each item once.
    fn duplicates(&mut self, items: &[Id], values: &[Value], schema: &Schema, path: &str) {
        let keys: &[String] = match &schema.list {
            ListType::Atomic => return,
            ListType::Set => &[],
            ListType::Map(keys) => keys,
        };
        let mut seen = BTreeMap::new();
        for (index, (item, value)) in items.iter().zip(values).enumerate() {
            let identity = match keys {
                [] => value.to_string(),
                keys => keys.iter().map(|key| value[key.as_str()].to_string()).collect::<Vec<_>>().join(","),
            };
            let here = path::item(path, index);
            // The place of the key, where there is one alone.
            let (here, span) = match keys {
                [key] => {
                    let here = path::child(&here, key);
                    let span = path::locate(self.tree, *item, self.tree.mark(*item), key);
                    (here, span)
                }
                _ => (here, self.tree.mark(*item)),
            };
            if !self.shape.is_known(&here) {
                continue;
            }
            if let Some(first) = seen.get(&identity) {
                self.shape.add(Code::DuplicateItem, &here, span, || {
                    format!("{} is in entry {first} already: remove one", quote(&identity))
                });
            } else {
                seen.insert(identity, index);
            }
        }
    }

    fn text(&mut self, text: &str, span: Span, schema: &Schema, path: &str) {
        let count = text.chars().count();
        let bounds = &schema.bounds;
        if let Some(max) = bounds.max_length.filter(|max| count > *max) {
            self.shape.add(Code::TooLong, path, span, || format!("has {count} characters, {max} are allowed"));
        }
        if let Some(min) = bounds.min_length.filter(|min| count < *min) {
            let message = || {
                if count == 0 {
                    "is empty".to_owned()
                } else {
                    format!("has {count} characters, at least {min} are needed")
                }
            };
            self.shape.add(Code::WrongLength, path, span, message);
        } else if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| !pattern.is_match(text)) {
            self.shape.add(Code::PatternMismatch, path, span, || {
                let about = if schema.about.is_empty() { String::new() } else { format!(" ({})", schema.about) };
                format!("`{}` doesn't fit the pattern {pattern}{about}", quote(text))
            });
        }
    }

    fn number(&mut self, number: f64, span: Span, schema: &Schema, path: &str) {
        let bounds = &schema.bounds;
        if let Some(max) = bounds.maximum.filter(|max| number > *max) {
            self.shape.add(Code::OutOfRange, path, span, || format!("{number} is above the greatest allowed, {max}"));
        }
        if let Some(min) = bounds.minimum.filter(|min| number < *min) {
            self.shape.add(Code::OutOfRange, path, span, || format!("{number} is below the least allowed, {min}"));
        }
    }

    /// Rules are asked only about what its author wrote.
    fn rules(&mut self, id: Id, value: &Value, name: Span, schema: &Schema, path: &str) {
        for rule in &schema.rules {
            let read = |read: &String| format!("{path}{read}").trim_start_matches('.').to_owned();
            let reads: Vec<String> = rule.reads.iter().map(read).collect();
            if !reads.iter().all(|read| self.shape.is_whole(read)) || rule.holds(value) {
                continue;
            }
            // What is about one field alone is told there.
            let at = match reads.as_slice() {
                [only, rest @ ..] if rest.iter().all(|other| other == only) => only.clone(),
                _ => path.to_owned(),
            };
            let span = if at == path { name } else { path::locate(self.tree, id, name, at.trim_start_matches(path)) };
            self.shape.add_same(Code::RuleBroken, &at, span, reads, || rule.message.clone());
        }
    }
}

/// Where the metadata is.
const METADATA: &str = "metadata";
/// What the API server puts behind a generateName looks so.
const GENERATED: &str = "xxxxx";
/// Characters that it takes of a generateName, so that the name is a DNS label.
const GENERATED_FROM: usize = 58;

/// Gives an object the name that it gets before the API server looks at it.
fn generate_name(metadata: &mut Map<String, Value>) {
    let start = metadata.get("generateName").and_then(Value::as_str);
    let name = start.map(|start| start.chars().take(GENERATED_FROM).chain(GENERATED.chars()).collect::<String>());
    if let (Some(name), false) = (name, metadata.contains_key("name")) {
        metadata.insert("name".to_owned(), name.into());
    }
}

/// A status is written by the operator alone: what people send of it is dropped.
fn is_status(path: &str, key: &str) -> bool {
    path.is_empty() && key == "status"
}
