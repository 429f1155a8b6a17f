//! Which objects a list or a watch is about.

use serde_json::Value;

use super::refusal::Refusal;
use super::request::Call;

/// Namespace, labels and fields that an object must have.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    namespace: String,
    labels: Vec<Requirement>,
    fields: Vec<(Vec<String>, bool, String)>,
}

/// A requirement on a label.
#[derive(Clone, Debug)]
enum Requirement {
    Exists(String),
    Absent(String),
    In(String, Vec<String>),
    /// Also met by an object that doesn't have the label.
    NotIn(String, Vec<String>),
}

impl Selection {
    pub fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        let unparsable = |text: &str| Refusal::bad_request(&format!("unable to parse requirement: {text}"));
        let mut selection = Self { namespace: call.namespace.clone(), ..Self::default() };
        for text in split(call.query.get("labelSelector").unwrap_or_default()) {
            selection.labels.push(requirement(text).ok_or_else(|| unparsable(text))?);
        }
        for text in split(call.query.get("fieldSelector").unwrap_or_default()) {
            let (path, equal, value) = match (text.split_once("!="), text.split_once('=')) {
                (Some((path, value)), _) => (path, false, value),
                (None, Some((path, value))) => (path, true, value.trim_start_matches('=')),
                (None, None) => return Err(unparsable(text)),
            };
            if !call.resource.behaviour.selects(call.resource, path) {
                return Err(Refusal::bad_request(&format!("field label not supported: {path}")));
            }
            selection.fields.push((path.split('.').map(str::to_owned).collect(), equal, value.to_owned()));
        }
        Ok(selection)
    }

    /// Whether it is all objects, or all of a namespace.
    pub fn is_whole(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }

    /// Whether it is the one object of a name.
    pub fn is_single(&self) -> bool {
        let names = |(path, equal, _): &(Vec<String>, bool, String)| *equal && path.join(".") == "metadata.name";
        !self.namespace.is_empty() && self.fields.iter().any(names)
    }

    pub fn holds(&self, object: &Value) -> bool {
        let meta = &object["metadata"];
        if !self.namespace.is_empty() && meta["namespace"] != self.namespace.as_str() {
            return false;
        }
        let labels = &meta["labels"];
        let field_is = |(path, equal, value): &(Vec<String>, bool, String)| {
            let found = path.iter().fold(object, |value, step| &value[step.as_str()]);
            (found.as_str().unwrap_or_default() == value) == *equal
        };
        self.labels.iter().all(|requirement| requirement.holds(labels)) && self.fields.iter().all(field_is)
    }
}

impl Requirement {
    fn holds(&self, labels: &Value) -> bool {
        let label = |key: &str| labels[key].as_str();
        match self {
            Self::Exists(key) => label(key).is_some(),
            Self::Absent(key) => label(key).is_none(),
            Self::In(key, values) => label(key).is_some_and(|value| values.iter().any(|one| one == value)),
            Self::NotIn(key, values) => label(key).is_none_or(|value| values.iter().all(|one| one != value)),
        }
    }
}

/// Splits at the commas outside of parentheses.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0_u32;
    let parts = text.split(move |letter| {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        letter == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty())
}

fn requirement(text: &str) -> Option<Requirement> {
    let set = |values: &str| -> Option<Vec<String>> {
        let inner = values.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|value| value.trim().to_owned()).collect())
    };
    if let Some((key, values)) = text.split_once(" notin ") {
        return Some(Requirement::NotIn(key.trim().to_owned(), set(values)?));
    }
    if let Some((key, values)) = text.split_once(" in ") {
        return Some(Requirement::In(key.trim().to_owned(), set(values)?));
    }
    if let Some((key, value)) = text.split_once("!=") {
        return Some(Requirement::NotIn(key.trim().to_owned(), vec![value.trim().to_owned()]));
    }
    if let Some((key, value)) = text.split_once('=') {
        let value = value.trim_start_matches('=').trim();
        return Some(Requirement::In(key.trim().to_owned(), vec![value.to_owned()]));
    }
    if text.contains(char::is_whitespace) {
        return None;
    }
    Some(match text.strip_prefix('!') {
        Some(key) => Requirement::Absent(key.to_owned()),
        None => Requirement::Exists(text.to_owned()),
    })
}
