//! From documents to the objects of our kinds in them.

use super::children;
use super::finding::{Findings, Said, Severity};
use super::object::{self, Object};
use super::params;
use super::parse::{Fault, File};
use super::schema::KINDS;
use super::tree::{Data, Id, Tree};
use crate::api;
use crate::plan::{Code, did_you_mean, listing, quote, suggestion};

/// What the kind of a list ends with.
const LIST: &str = "List";

/// Checks all objects of files. The number of those of our kinds.
pub(super) fn check(files: &[File<'_>], findings: &mut Findings<'_>) -> usize {
    let mut objects = Vec::new();
    for (index, file) in files.iter().enumerate() {
        for fault in &file.faults {
            findings.add(said(index, fault, None));
        }
        for document in &file.documents {
            let mut search = Search { tree: &file.tree, file: index, found: Vec::new(), wrong: Vec::new() };
            search.value(document.root);
            let Search { found, wrong, .. } = search;
            // What kubectl says of a document of other kinds is not ours to say.
            if !found.is_empty() || !wrong.is_empty() {
                let name = found.first().filter(|_| found.len() == 1).map(|object| object.title.clone());
                document.faults.iter().for_each(|fault| findings.add(said(index, fault, name.as_deref())));
            }
            for fault in &wrong {
                findings.add(said(index, fault, None));
            }
            objects.extend(found);
        }
    }
    let mut workflows = params::Workflows::default();
    let mut runs = Vec::new();
    for object in &objects {
        let Some((file, schema)) = files.get(object.file).zip(KINDS.get(&object.kind)) else { continue };
        object::check(object, &file.tree, schema, &mut workflows, &mut runs, findings);
    }
    children::check(&workflows, &runs, findings);
    for run in runs {
        params::check(&run, &workflows, findings);
    }
    objects.len()
}

fn said<'o>(file: usize, fault: &Fault, object: Option<&'o str>) -> Said<'o> {
    let Fault { code, span, path, message } = fault;
    let (code, span, path, message) = (*code, *span, path.clone(), message.clone());
    Said { file, span, path, code, severity: Severity::Error, message, object }
}

/// Looks for objects.
struct Search<'a> {
    tree: &'a Tree<'a>,
    file: usize,
    found: Vec<Object>,
    /// What may have been meant to be one of ours.
    wrong: Vec<Fault>,
}

impl Search<'_> {
    fn value(&mut self, id: Id) {
        // A stack of its own, in the order of the text: lists of lists may be as deep as the parser allows.
        let mut left = vec![id];
        while let Some(id) = left.pop() {
            if self.tree.get(id).data == Data::Null {
                continue;
            }
            let Some(kind) = self.tree.text_at(id, "kind") else {
                self.wrong(Code::MissingField, id, "kind", "is no object of Kubernetes: it has no kind".to_owned());
                continue;
            };
            let items = self.tree.entry(id, "items").map(|entry| entry.value);
            match items.filter(|_| kind.ends_with(LIST)) {
                Some(items) => left.extend(self.tree.items(items).iter().rev()),
                None => self.object(id, kind.to_owned()),
            }
        }
    }

    fn wrong(&mut self, code: Code, id: Id, path: &str, message: String) {
        let span = super::path::locate(self.tree, id, self.tree.mark(id), path);
        self.wrong.push(Fault { code, span, path: path.to_owned(), message });
    }

    fn object(&mut self, id: Id, kind: String) {
        let version = self.tree.text_at(id, "apiVersion").unwrap_or_default();
        let group = version.split('/').next().unwrap_or_default();
        let is_ours = KINDS.contains_key(&kind);
        if version == api::API_VERSION {
            if is_ours {
                self.found.push(Object::new(self.tree, self.file, id, kind));
            } else {
                let known = || KINDS.keys().map(String::as_str);
                let advice = suggestion(&kind, known());
                let message =
                    format!("there is no kind `{}` in {version}{advice}; there are {}", quote(&kind), listing(known()));
                self.wrong(Code::UnknownKind, id, "kind", message);
            }
        } else if version.is_empty() && is_ours {
            let message = format!("is required and missing: write {}", api::API_VERSION);
            self.wrong(Code::MissingField, id, "apiVersion", message);
        } else if group == api::GROUP || is_ours && did_you_mean(group, [api::GROUP]).is_some() {
            let message = format!("there is no `{}`: write {}", quote(version), api::API_VERSION);
            self.wrong(Code::UnknownVersion, id, "apiVersion", message);
        }
    }
}
