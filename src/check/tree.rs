//! YAML as a tree whose nodes know where they stand.

use std::ops::Range;

use serde_json::{Map, Number, Value};

/// A node, by its number in its tree. An alias has the number of what it stands for, so that a bomb of aliases takes no more
/// room than its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(usize);

/// A place in the text, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Span {
    /// The first byte.
    pub start: usize,
    /// The byte after the last.
    pub end: usize,
}

impl Span {
    const fn is_empty(self) -> bool {
        self.start >= self.end
    }

    const fn range(self) -> Range<usize> {
        self.start..self.end
    }
}

/// A value and its place.
#[derive(Debug)]
pub(super) struct Node {
    pub data: Data,
    pub span: Span,
    /// The values in it, itself and each alias's counted.
    pub weight: usize,
    /// How deep it is nested, from 1.
    pub height: usize,
}

/// What a node holds.
#[derive(Debug, PartialEq)]
pub(super) enum Data {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Id>),
    Map(Vec<Entry>),
}

/// An entry of a map.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub key: String,
    /// Where the key stands.
    pub span: Span,
    pub value: Id,
}

/// What takes the place of a node that there isn't.
const NOTHING: Node = Node { data: Data::Null, span: Span { start: 0, end: 0 }, weight: 1, height: 1 };

/// The nodes of a text.
#[derive(Debug)]
pub(super) struct Tree<'t> {
    text: &'t str,
    nodes: Vec<Node>,
}

impl<'t> Tree<'t> {
    pub const fn new(text: &'t str) -> Self {
        Self { text, nodes: Vec::new() }
    }

    /// Takes in a node whose children are there.
    pub fn add(&mut self, data: Data, span: Span) -> Id {
        let (mut weight, mut height) = (1_usize, 0);
        let children: &mut dyn Iterator<Item = Id> = match &data {
            Data::List(items) => &mut items.iter().copied(),
            Data::Map(entries) => &mut entries.iter().map(|entry| entry.value),
            _ => &mut std::iter::empty(),
        };
        for child in children {
            let child = self.get(child);
            weight = weight.saturating_add(child.weight);
            height = height.max(child.height);
        }
        let id = Id(self.nodes.len());
        self.nodes.push(Node { data, span, weight, height: height.saturating_add(1) });
        id
    }

    pub fn get(&self, id: Id) -> &Node {
        self.nodes.get(id.0).unwrap_or(&NOTHING)
    }

    /// The entries of a map; none of anything else.
    pub fn entries(&self, id: Id) -> &[Entry] {
        match &self.get(id).data {
            Data::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The items of a list; none of anything else.
    pub fn items(&self, id: Id) -> &[Id] {
        match &self.get(id).data {
            Data::List(items) => items,
            _ => &[],
        }
    }

    /// The entry of this key.
    pub fn entry(&self, id: Id, key: &str) -> Option<&Entry> {
        self.entries(id).iter().find(|entry| entry.key == key)
    }

    /// The text at this key.
    pub fn text_at(&self, id: Id, key: &str) -> Option<&str> {
        match &self.get(self.entry(id, key)?.value).data {
            Data::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A scalar as it is written.
    pub fn source(&self, id: Id) -> &'t str {
        self.text.get(self.get(id).span.range()).unwrap_or_default()
    }

    /// Where to point at a value: at a scalar itself, at the bracket of a list or map, or where its first entry begins.
    pub fn mark(&self, id: Id) -> Span {
        let mut at = id;
        loop {
            let node = self.get(at);
            match &node.data {
                Data::Map(entries) if node.span.is_empty() => {
                    return entries.first().map_or(node.span, |entry| entry.span);
                }
                Data::List(items) if node.span.is_empty() => match items.first() {
                    Some(first) => at = *first,
                    None => return node.span,
                },
                _ => return node.span,
            }
        }
    }

    /// The value without its places. It recurses as deep as the parser allows.
    pub fn json(&self, id: Id) -> Value {
        match &self.get(id).data {
            Data::Null => Value::Null,
            Data::Bool(value) => Value::Bool(*value),
            Data::Number(number) => Value::Number(number.clone()),
            Data::Text(text) => Value::String(text.clone()),
            Data::List(items) => Value::Array(items.iter().map(|item| self.json(*item)).collect()),
            Data::Map(entries) => {
                let entries = entries.iter().map(|entry| (entry.key.clone(), self.json(entry.value)));
                Value::Object(entries.collect::<Map<_, _>>())
            }
        }
    }
}
