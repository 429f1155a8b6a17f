//! What is said of a value of another type than its field's.

use super::schema::Kind;
use super::tree::Data;
use crate::plan::quote;

/// That a value should be of a type, what it is, and how to make it so.
pub(super) fn wrong_type(kind: Kind, data: &Data, source: &str) -> String {
    let wanted = match kind {
        Kind::Object => "an object",
        Kind::List => "a list",
        Kind::Text => "a string",
        Kind::Whole => "a whole number",
        Kind::Number => "a number",
        Kind::Bool => "true or false",
        Kind::WholeOrText => "a whole number or a string",
    };
    let source = quote(source);
    let found = match data {
        Data::Null => "is empty".to_owned(),
        Data::Bool(value) => format!("YAML reads {source} as {value}"),
        Data::Number(_) => format!("YAML reads {source} as a number"),
        Data::Text(text) => format!("is the string `{}`", quote(text)),
        Data::List(_) => "is a list".to_owned(),
        Data::Map(_) => "is an object".to_owned(),
    };
    let is_quoted = source.starts_with(['"', '\'']);
    let advice = match (kind, data) {
        (Kind::Text | Kind::WholeOrText, Data::Bool(_) | Data::Number(_)) => format!(": quote it, \"{source}\""),
        (Kind::Whole | Kind::Number | Kind::Bool, Data::Text(_)) if is_quoted => ": remove the quotes".to_owned(),
        (Kind::List, Data::Text(_) | Data::Number(_) | Data::Bool(_)) => format!(": write [{source}]"),
        (Kind::List, Data::Map(_)) => ": begin each entry with a dash".to_owned(),
        (Kind::Text, Data::Map(_)) => ": quote it, if the colon is part of it".to_owned(),
        _ => String::new(),
    };
    format!("must be {wanted}, and {found}{advice}")
}
