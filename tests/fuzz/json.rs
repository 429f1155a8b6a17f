//! JSON documents, changed as no program of ours would write them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

/// Changes of a document.
const EDITS: usize = 6;
/// Places that a document may grow to by repetition.
const MAX_PLACES: usize = 60_000;

/// A JSON document that may be none: keys can be repeated, and a leaf is text that need not be JSON.
#[derive(Clone, Debug)]
pub enum Node {
    /// A leaf, as it is written.
    Leaf(String),
    /// A list.
    List(Vec<Node>),
    /// An object, with its keys in order.
    Object(Vec<(String, Node)>),
}

impl Node {
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Object(map) => Self::Object(map.iter().map(|(key, value)| (key.clone(), Self::of(value))).collect()),
            leaf => Self::Leaf(leaf.to_string()),
        }
    }

    pub fn text(&self) -> String {
        let parts = |parts: Vec<String>| parts.join(",");
        match self {
            Self::Leaf(leaf) => leaf.clone(),
            Self::List(items) => format!("[{}]", parts(items.iter().map(Self::text).collect())),
            Self::Object(entries) => {
                let entry = |(key, value): &(String, Self)| format!("{}:{}", quoted(key), value.text());
                format!("{{{}}}", parts(entries.iter().map(entry).collect()))
            }
        }
    }

    /// The number of places in it: items of lists and values of objects, at any depth.
    fn places(&self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::List(items) => items.iter().map(|item| 1 + item.places()).sum(),
            Self::Object(entries) => entries.iter().map(|(_, value)| 1 + value.places()).sum(),
        }
    }

    /// Visits every place with the name of its field; an item of a list has that of the list, with `[]`.
    fn visit(&self, field: &str, seen: &mut impl FnMut(&str, &Node)) {
        match self {
            Self::Leaf(_) => {}
            Self::List(items) => {
                let field = format!("{field}[]");
                for item in items {
                    seen(&field, item);
                    item.visit(&field, seen);
                }
            }
            Self::Object(entries) => {
                for (key, value) in entries {
                    seen(key, value);
                    value.visit(key, seen);
                }
            }
        }
    }

    /// Makes a change at the place of this number, in the order of [`Node::visit`]; or returns the number that is left behind
    /// this document.
    fn edit(&mut self, field: &str, mut at: usize, edit: &Edit, corpus: &Corpus) -> Option<usize> {
        match self {
            Self::Leaf(_) => {}
            Self::List(items) => {
                let field = format!("{field}[]");
                for index in 0..items.len() {
                    if at == 0 {
                        edit.in_list(items, index, &field, corpus);
                        return None;
                    }
                    at = items[index].edit(&field, at - 1, edit, corpus)?;
                }
            }
            Self::Object(entries) => {
                for index in 0..entries.len() {
                    if at == 0 {
                        edit.in_object(entries, index, corpus);
                        return None;
                    }
                    let (key, value) = &mut entries[index];
                    at = value.edit(&key.clone(), at - 1, edit, corpus)?;
                }
            }
        }
        Some(at)
    }
}

/// A change of one place.
#[derive(Clone, Debug)]
enum Edit {
    /// The value becomes another one that the same field has somewhere.
    Like(Index),
    /// It becomes something that need not even be JSON.
    Odd(String),
    /// The place goes.
    Remove,
    /// It is there several times more: an item of a list, or a key.
    Repeat(usize),
    /// The next place of the same list or object comes first.
    Swap,
    /// The key is another one.
    Rename(String),
    /// A key comes before it that the object did not have.
    Insert(String, String),
    /// It is nested in so many lists or objects.
    Nest(usize, bool),
}

impl Edit {
    fn in_list(&self, items: &mut Vec<Node>, index: usize, field: &str, corpus: &Corpus) {
        match self {
            Self::Remove => drop(items.remove(index)),
            Self::Repeat(times) if items[index].places() * times < MAX_PLACES => {
                let copies = vec![items[index].clone(); *times];
                items.splice(index..index, copies);
            }
            Self::Swap if index + 1 < items.len() => items.swap(index, index + 1),
            other => other.of_value(&mut items[index], field, corpus),
        }
    }

    fn in_object(&self, entries: &mut Vec<(String, Node)>, index: usize, corpus: &Corpus) {
        match self {
            Self::Remove => drop(entries.remove(index)),
            Self::Repeat(_) => entries.insert(index, entries[index].clone()),
            Self::Swap if index + 1 < entries.len() => entries.swap(index, index + 1),
            Self::Rename(key) => entries[index].0.clone_from(key),
            Self::Insert(key, leaf) => entries.insert(index, (key.clone(), Node::Leaf(leaf.clone()))),
            other => {
                let (field, value) = &mut entries[index];
                other.of_value(value, field, corpus);
            }
        }
    }

    fn of_value(&self, value: &mut Node, field: &str, corpus: &Corpus) {
        match self {
            Self::Like(pick) => {
                if let Some(seen) = corpus.seen.get(field) {
                    value.clone_from(pick.get(seen));
                }
            }
            Self::Odd(leaf) => *value = Node::Leaf(leaf.clone()),
            Self::Nest(times, in_objects) => {
                let (open, close) = if *in_objects { ("{\"a\":", "}") } else { ("[", "]") };
                *value = Node::Leaf(format!("{}{}{}", open.repeat(*times), value.text(), close.repeat(*times)));
            }
            _ => {}
        }
    }
}

/// Good documents, and what can be learnt from them.
#[derive(Debug)]
pub struct Corpus {
    documents: Vec<Node>,
    /// The values that are seen in each field.
    seen: BTreeMap<String, Vec<Node>>,
    /// Keys and strings.
    words: Vec<String>,
}

impl Corpus {
    pub fn new(documents: &[Value]) -> Arc<Self> {
        let documents: Vec<Node> = documents.iter().map(Node::of).collect();
        let mut seen: BTreeMap<String, Vec<Node>> = BTreeMap::new();
        let mut words = Vec::new();
        for document in &documents {
            document.visit("", &mut |field, value| {
                seen.entry(field.to_owned()).or_default().push(value.clone());
                words.push(field.trim_end_matches("[]").to_owned());
                if let Node::Leaf(leaf) = value
                    && let Ok(text) = serde_json::from_str::<String>(leaf)
                {
                    words.push(text);
                }
            });
        }
        words.sort();
        words.dedup();
        assert!(!documents.is_empty() && !words.is_empty(), "nothing to change");
        Arc::new(Self { documents, seen, words })
    }

    /// A document, with changes, as text; and which one it was.
    pub fn changed(self: &Arc<Self>) -> BoxedStrategy<(usize, String)> {
        let corpus = Arc::clone(self);
        let edits = prop::collection::vec((any::<Index>(), self.edit()), 0..=EDITS);
        // Now and then what comes is cut short.
        let cut = prop::option::weighted(0.02, any::<Index>());
        (0..self.documents.len(), edits, cut)
            .prop_map(move |(which, edits, cut)| {
                let mut document = corpus.documents[which].clone();
                for (place, edit) in &edits {
                    let places = document.places();
                    if places > 0 && places < MAX_PLACES {
                        document.edit("", place.index(places), edit, &corpus);
                    }
                }
                let mut text = document.text();
                if let Some(cut) = cut {
                    text.truncate(text.floor_char_boundary(cut.index(text.len() + 1)));
                }
                (which, text)
            })
            .boxed()
    }

    fn edit(&self) -> BoxedStrategy<Edit> {
        let word = select(self.words.clone());
        let leaf = prop_oneof![
            4 => select(ODD).prop_map(str::to_owned),
            2 => word.clone().prop_map(|word| quoted(&word)),
            1 => any::<String>().prop_map(|text| quoted(&text)),
            1 => any::<i64>().prop_map(|number| number.to_string()),
            1 => any::<f64>().prop_map(|number| number.to_string()),
            1 => (select(&["x", "é", "💥", "\n", "a,"][..]), select(&[64_usize, 1_025, 4_096, 40_000][..]))
                .prop_map(|(unit, times)| quoted(&unit.repeat(times))),
        ];
        let times = prop_oneof![8 => 1_usize..3, 3 => Just(64), 1 => Just(1_000)];
        let depth = prop_oneof![4 => 1_usize..3, 2 => 28_usize..40, 2 => 118_usize..132, 1 => Just(10_000)];
        prop_oneof![
            10 => any::<Index>().prop_map(Edit::Like),
            4 => leaf.clone().prop_map(Edit::Odd),
            4 => Just(Edit::Remove),
            3 => times.prop_map(Edit::Repeat),
            1 => Just(Edit::Swap),
            1 => word.clone().prop_map(Edit::Rename),
            2 => (word, leaf).prop_map(|(key, leaf)| Edit::Insert(key, leaf)),
            1 => (depth, any::<bool>()).prop_map(|(times, in_objects)| Edit::Nest(times, in_objects)),
        ]
        .boxed()
    }
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Leaves that mean something special to someone.
#[rustfmt::skip]
const ODD: &[&str] = &[
    "null", "true", "false", "[]", "{}", "[[]]", "[null]", "[{}]", r#"{"":null}"#,
    "0", "-0", "-0.0", "-1", "1", "1.0", "0.1", "1e-400", "1e300", "1e999", "2147483648", "4294967295", "4294967296",
    "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615", "18446744073709551616",
    "-9223372036854775808", "-9223372036854775809", "9223372036854775808.0", "1e19", "NaN", "Infinity", "-Infinity", "0x10", "01",
    r#""""#, r#"" ""#, r#""\u0000""#, r#""a\u0000b""#, r#""\ud800""#, r#""\u202e""#, r#""\ufeff""#, "\"👩‍👩‍👧\"", "\"\u{301}\"", "\"a\nb\"",
    r#""..""#, r#""-""#, r#""a.b""#, r#""NaN""#, r#""1e999""#, r#""9223372036854775808""#, r#""$(A)""#, r#""true""#, r#""null""#,
    r#""0001-01-01T00:00:00Z""#, r#""0000-01-01T00:00:00Z""#, r#""9999-12-31T23:59:59.999999999Z""#, r#""9999-12-30T22:00:00Z""#,
    r#""-009999-01-02T01:59:59Z""#, r#""1970-01-01T00:00:00Z""#, r#""2026-02-30T00:00:00Z""#, r#""2026-11-22T08:00:00.123456789Z""#,
    r#""2026-11-22T08:00:00+23:59""#, r#""2026-11-22T08:00:60Z""#,
];

/// The documents of a folder of the repository, each with the name of its file, in the order of names.
pub fn documents(folder: &str) -> Vec<(String, Value)> {
    let mut paths = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(&path).expect("a file");
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let documents: Vec<Value> = match path.extension().and_then(|it| it.to_str()) {
            Some("json") => vec![serde_json::from_str(&text).expect("JSON")],
            Some("yaml") => serde_saphyr::from_multiple(&text).expect("YAML"),
            _ => continue,
        };
        found.extend(documents.into_iter().map(|document| (name.clone(), document)));
    }
    found
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// The examples of a kind.
pub fn examples(kind: &str) -> Vec<Value> {
    let of_kind = |(_, document): (String, Value)| (document["kind"] == kind).then_some(document);
    documents("examples").into_iter().filter_map(of_kind).collect()
}
