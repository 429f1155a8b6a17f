//! From text to documents: every document that can be read, and what is wrong with the others.

use std::collections::BTreeMap;

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, StrInput, Tag};

use super::scalar;
use super::text::Lines;
use super::tree::{Data, Entry, Id, Span, Tree};
use crate::plan::{Code, limits, quote};

/// How deep a document may be nested. An object that the operator can read is nested less, see `plan::limits::NESTING`.
pub(super) const DEPTH: usize = 100;
/// Values of a file, each alias counted as what it stands for: what bounds the time that a file takes. The largest spec that
/// a run can have holds a third of it.
pub(super) const VALUES: usize = 1_000_000;
/// The key whose map is merged into the one it stands in (<https://yaml.org/type/merge.html>).
const MERGE: &str = "<<";

/// A file as far as it could be read.
#[derive(Debug)]
pub(super) struct File<'t> {
    pub tree: Tree<'t>,
    pub documents: Vec<Document>,
    /// What makes a document unreadable.
    pub faults: Vec<Fault>,
    /// The values that were counted.
    pub values: usize,
}

/// A document that could be read.
#[derive(Debug)]
pub(super) struct Document {
    pub root: Id,
    /// What kubectl refuses about it all the same.
    pub faults: Vec<Fault>,
}

/// Something that is wrong with YAML.
#[derive(Debug, PartialEq)]
pub(super) struct Fault {
    pub code: Code,
    pub span: Span,
    /// Where, from the root of the document; empty where there is no saying.
    pub path: String,
    pub message: String,
}

/// Why reading stops.
enum Stop {
    /// The document can't be read; the next one may.
    Document(Fault),
    /// The file takes too long.
    File(Fault),
}

/// Reads a file. It takes at most so much time as [`VALUES`] values and the text do.
pub(super) fn parse<'t>(text: &'t str, lines: &'t Lines<'t>) -> File<'t> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEPTH,
        block_nesting_limit: DEPTH,
        // As kubectl reads it.
        block_scalar_eof_without_line_feed: true,
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    let mut builder = Builder::new(text, lines);
    let mut file_faults = Vec::new();
    loop {
        match builder.document(&mut parser) {
            Ok(true) => continue,
            Ok(false) => break,
            Err(Stop::File(fault)) => {
                file_faults.push(fault);
                break;
            }
            Err(Stop::Document(fault)) => file_faults.push(fault),
        }
        if !matches!(parser.proceed_next_document(), Ok(true)) || file_faults.len() > super::FINDINGS {
            break;
        }
    }
    File { tree: builder.tree, documents: builder.documents, faults: file_faults, values: builder.values }
}

/// A file that is no text beyond `good`.
pub(super) fn not_utf8(good: &str) -> File<'_> {
    let span = Span { start: good.len(), end: good.len() };
    let message = "is no YAML: from here on it is no UTF-8".to_owned();
    let fault = Fault { code: Code::BadYaml, span, path: String::new(), message };
    File { tree: Tree::new(good), documents: Vec::new(), faults: vec![fault], values: 0 }
}

/// A list or map that is not at its end.
struct Frame {
    anchor: usize,
    span: Span,
    open: Open,
}

enum Open {
    List(Vec<Id>),
    Map(OpenMap),
}

#[derive(Default)]
struct OpenMap {
    entries: Vec<Entry>,
    /// The keys so far, and where each is in the text.
    seen: BTreeMap<String, usize>,
    merged: Vec<Id>,
    /// The key whose value comes next.
    key: Option<Key>,
}

enum Key {
    Merge,
    Text(String, Span),
}

struct Builder<'t> {
    text: &'t str,
    lines: &'t Lines<'t>,
    tree: Tree<'t>,
    documents: Vec<Document>,
    values: usize,
    // of the document that is being read
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Id>,
    root: Option<Id>,
    faults: Vec<Fault>,
}

impl<'t> Builder<'t> {
    const fn new(text: &'t str, lines: &'t Lines<'t>) -> Self {
        Self {
            text,
            lines,
            tree: Tree::new(text),
            documents: Vec::new(),
            values: 0,
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            root: None,
            faults: Vec::new(),
        }
    }

    /// Reads to the end of a document. Whether there was one.
    fn document(&mut self, parser: &mut Parser<'t, StrInput<'t>>) -> Result<bool, Stop> {
        self.frames.clear();
        self.anchors.clear();
        self.faults.clear();
        self.root = None;
        while let Some(next) = parser.next_event() {
            let (event, span) = next.map_err(|error| Stop::Document(self.unreadable(&error)))?;
            let span = span.byte_range().map_or(Span::default(), |range| Span { start: range.start, end: range.end });
            match event {
                Event::Scalar(text, style, anchor, tag) => self.scalar(&text, style, anchor, tag.as_deref(), span)?,
                Event::SequenceStart(_, anchor, _) => self.open(Open::List(Vec::new()), anchor, span)?,
                Event::MappingStart(_, anchor, _) => self.open(Open::Map(OpenMap::default()), anchor, span)?,
                Event::SequenceEnd | Event::MappingEnd => self.close()?,
                Event::Alias(anchor) => self.alias(anchor, span)?,
                Event::DocumentEnd => {
                    let faults = std::mem::take(&mut self.faults);
                    self.documents.extend(self.root.take().map(|root| Document { root, faults }));
                    return Ok(true);
                }
                _ => {}
            }
        }
        Ok(false)
    }

    fn unreadable(&self, error: &ScanError) -> Fault {
        let start = error.marker().byte_offset().unwrap_or(self.text.len());
        let span = Span { start, end: start.saturating_add(1) };
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return too_deep(span);
        }
        let message = format!("is no YAML: {}", error.info());
        // Where the reading stands is often far from what it stumbled over.
        Fault { code: Code::BadYaml, span, path: String::new(), message }
    }

    /// Counts so many values more.
    fn count(&mut self, values: usize, span: Span) -> Result<(), Stop> {
        self.values = self.values.saturating_add(values);
        if self.values > VALUES {
            let message =
                format!("the file holds more than {VALUES} values, aliases counted as what they stand for: split it");
            return Err(Stop::File(Fault { code: Code::TooMany, span, path: String::new(), message }));
        }
        Ok(())
    }

    fn open(&mut self, open: Open, anchor: usize, span: Span) -> Result<(), Stop> {
        self.count(1, span)?;
        if self.frames.len() >= DEPTH {
            return Err(Stop::Document(too_deep(span)));
        }
        self.frames.push(Frame { anchor, span, open });
        Ok(())
    }

    fn scalar(
        &mut self,
        text: &str,
        style: ScalarStyle,
        anchor: usize,
        tag: Option<&Tag>,
        span: Span,
    ) -> Result<(), Stop> {
        self.count(1, span)?;
        let is_plain = style == ScalarStyle::Plain;
        if let Some(Frame { open: Open::Map(map @ OpenMap { key: None, .. }), .. }) = self.frames.last_mut()
            && is_plain
            && tag.is_none()
            && text == MERGE
        {
            map.key = Some(Key::Merge);
            return Ok(());
        }
        let tag = tag.map(|tag| tag.core_suffix().unwrap_or("!"));
        let data = scalar::resolve(text, is_plain, tag).unwrap_or_else(|why| {
            self.fault(Code::BadYaml, span, |builder| (builder.path(), format!("`{}`: {why}", quote(text))));
            Data::Text(text.to_owned())
        });
        let id = self.tree.add(data, span);
        self.put(id, anchor, span)
    }

    fn alias(&mut self, anchor: usize, span: Span) -> Result<(), Stop> {
        // An anchor is known once its value is at its end: before that, an alias of it would hold itself.
        let Some(id) = self.anchors.get(&anchor).copied() else {
            let message = "is inside of what it stands for: write it out".to_owned();
            return Err(Stop::Document(Fault { code: Code::BadYaml, span, path: self.path(), message }));
        };
        let node = self.tree.get(id);
        let (weight, height) = (node.weight, node.height);
        self.count(weight, span)?;
        if self.frames.len().saturating_add(height) > DEPTH {
            return Err(Stop::Document(too_deep(span)));
        }
        self.put(id, 0, span)
    }

    fn close(&mut self) -> Result<(), Stop> {
        let Some(Frame { anchor, span, open }) = self.frames.pop() else { return Ok(()) };
        let data = match open {
            Open::List(items) => Data::List(items),
            Open::Map(map) => Data::Map(self.merge(map, span)?),
        };
        let id = self.tree.add(data, span);
        self.put(id, anchor, span)
    }

    /// The entries of a map, with those of merged ones whose keys it doesn't have.
    fn merge(&mut self, map: OpenMap, span: Span) -> Result<Vec<Entry>, Stop> {
        let OpenMap { mut entries, mut seen, merged, .. } = map;
        for source in merged {
            let more = self.tree.entries(source).len();
            self.count(more, span)?;
            for entry in self.tree.entries(source) {
                if !seen.contains_key(&entry.key) {
                    seen.insert(entry.key.clone(), entry.span.start);
                    entries.push(entry.clone());
                }
            }
        }
        Ok(entries)
    }

    /// A value is whole: it belongs to what is open, or is the document.
    fn put(&mut self, id: Id, anchor: usize, span: Span) -> Result<(), Stop> {
        if anchor > 0 {
            self.anchors.insert(anchor, id);
        }
        let Some(frame) = self.frames.last_mut() else {
            self.root = Some(id);
            return Ok(());
        };
        let map = match &mut frame.open {
            Open::List(items) => {
                items.push(id);
                return Ok(());
            }
            Open::Map(map) => map,
        };
        match map.key.take() {
            None => {
                let key = key(&self.tree, id).map_err(|message| {
                    let message = message.to_owned();
                    Stop::Document(Fault { code: Code::BadYaml, span, path: self.path(), message })
                })?;
                if let Some(Frame { open: Open::Map(map), .. }) = self.frames.last_mut() {
                    map.key = Some(Key::Text(key, span));
                }
            }
            Some(Key::Merge) => self.take_merged(id, span)?,
            Some(Key::Text(key, at)) => {
                if let Some(first) = map.seen.get(&key).copied() {
                    self.duplicate(&key, at, first);
                } else {
                    map.seen.insert(key.clone(), at.start);
                    map.entries.push(Entry { key, span: at, value: id });
                }
            }
        }
        Ok(())
    }

    fn take_merged(&mut self, id: Id, span: Span) -> Result<(), Stop> {
        let sources = match &self.tree.get(id).data {
            Data::Map(_) => vec![id],
            Data::List(items) if items.iter().all(|item| matches!(self.tree.get(*item).data, Data::Map(_))) => {
                items.clone()
            }
            _ => {
                let message = format!("`{MERGE}` merges a map or a list of maps, and this is neither");
                return Err(Stop::Document(Fault { code: Code::BadYaml, span, path: self.path(), message }));
            }
        };
        if let Some(Frame { open: Open::Map(map), .. }) = self.frames.last_mut() {
            map.merged.extend(sources);
        }
        Ok(())
    }

    fn duplicate(&mut self, key: &str, span: Span, first: usize) {
        self.fault(Code::DuplicateKey, span, |builder| {
            let (line, _) = builder.lines.position(first);
            let message = format!("`{}` is in line {line} already: remove one", quote(key));
            (super::path::child(&builder.path(), key), message)
        });
    }

    /// Takes down what doesn't stop the reading, with its path and words; beyond the bound it says once that there is more.
    fn fault(&mut self, code: Code, span: Span, told: impl FnOnce(&Self) -> (String, String)) {
        let (code, (path, message)) = match self.faults.len() {
            count if count < limits::PROBLEMS => (code, told(self)),
            limits::PROBLEMS => {
                (Code::MoreProblems, (String::new(), "and more of the kind: mend these first".to_owned()))
            }
            _ => return,
        };
        self.faults.push(Fault { code, span, path, message });
    }

    /// Where the reading is.
    fn path(&self) -> String {
        let mut path = String::new();
        for frame in &self.frames {
            path = match &frame.open {
                Open::List(items) => super::path::item(&path, items.len()),
                Open::Map(OpenMap { key: Some(Key::Text(key, _)), .. }) => super::path::child(&path, key),
                Open::Map(_) => path,
            };
        }
        path
    }
}

fn too_deep(span: Span) -> Fault {
    // Its path would be as deep.
    let message = format!("is nested more than {DEPTH} deep: flatten it");
    Fault { code: Code::TooDeep, span, path: String::new(), message }
}

/// A key as JSON has it.
fn key(tree: &Tree<'_>, id: Id) -> Result<String, &'static str> {
    match &tree.get(id).data {
        Data::Text(text) => Ok(text.clone()),
        Data::Bool(value) => Ok(value.to_string()),
        Data::Number(number) => Ok(number.to_string()),
        Data::Null => Err("a key can't be empty: name it"),
        Data::List(_) | Data::Map(_) => Err("a key must be a text: put it in quotes"),
    }
}
