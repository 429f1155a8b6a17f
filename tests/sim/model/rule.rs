//! Validation rules of custom resources, written in CEL.

use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program};
use regex::Regex;
use serde_json::Value;

/// A rule over a value and, where it compares, the value before.
pub(super) struct Rule {
    program: Program,
    message: String,
    /// Whether it reads the value before; it then says nothing of a new one.
    compares: bool,
    /// The fields that it reads; empty for the whole value.
    fields: Vec<String>,
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));

impl Rule {
    pub fn parse(json: &Value) -> Self {
        let rule = json["rule"].as_str().expect("a rule has a text");
        let mention = Regex::new(r"\b(?:self|oldSelf)\b(?:\.(\w+))?").expect("a pattern");
        let mentions: Vec<Option<String>> =
            mention.captures_iter(rule).map(|found| found.get(1).map(|field| field.as_str().to_owned())).collect();
        let whole = mentions.iter().any(Option::is_none);
        Self {
            program: ENV.compile(rule).expect("a rule of a CRD"),
            message: json["message"].as_str().unwrap_or_default().to_owned(),
            compares: rule.contains("oldSelf"),
            fields: if whole { Vec::new() } else { mentions.into_iter().flatten().collect() },
        }
    }

    pub fn message(&self) -> &str {
        &self.message
    }

    /// Whether it holds. What it reads and what has not changed held before.
    pub fn holds(&self, value: &Value, old: Option<&Value>) -> bool {
        if self.compares && old.is_none() {
            return true;
        }
        let same = |field: &String| old.is_some_and(|old| old.get(field) == value.get(field));
        if !self.fields.is_empty() && self.fields.iter().all(same) {
            return true;
        }
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("self", self.part(value));
        if let Some(old) = old.filter(|_| self.compares) {
            context.add_variable_from_value("oldSelf", self.part(old));
        }
        matches!(self.program.execute(&context), Ok(cel::Value::Bool(true)))
    }

    /// As much of a value as the rule reads.
    fn part(&self, value: &Value) -> cel::Value {
        match value {
            Value::Object(map) if !self.fields.is_empty() => {
                let read = map.iter().filter(|(name, _)| self.fields.contains(name));
                let entries = read.map(|(name, value)| (Key::from(name.as_str()), to_cel(value)));
                cel::Value::Map(Map { map: Arc::new(entries.collect()) })
            }
            value => to_cel(value),
        }
    }
}

impl std::fmt::Debug for Rule {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

fn to_cel(json: &Value) -> cel::Value {
    match json {
        Value::Null => cel::Value::Null,
        Value::Bool(value) => cel::Value::Bool(*value),
        Value::Number(number) => match number.as_i64() {
            Some(int) => cel::Value::Int(int),
            None => cel::Value::Float(number.as_f64().unwrap_or_default()),
        },
        Value::String(text) => cel::Value::String(Arc::new(text.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(to_cel).collect())),
        Value::Object(map) => {
            let entries = map.iter().map(|(name, value)| (Key::from(name.as_str()), to_cel(value)));
            cel::Value::Map(Map { map: Arc::new(entries.collect()) })
        }
    }
}
