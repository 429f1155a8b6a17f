//! Rules of the schemas, written in CEL.

use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, Program};
use regex::Regex;
use serde_json::Value;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(Env::stdlib()));
/// What a rule reads: `self.a.b`, and not the function of `self.a.size()`.
static READS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bself\b((?:\.\w+\b)*)(\()?").ok());

/// A rule about a new object. The text is ours, so that cel's own evaluator is good enough for it.
pub(super) struct Rule {
    program: Program,
    /// What its author wrote for those who break it.
    pub message: String,
    /// The paths that it reads, from the value it stands at: `.workflow.tasks`. An empty one is the whole value.
    pub reads: Vec<String>,
}

impl Rule {
    /// Reads a rule; nothing if it is about changes.
    pub fn parse(json: &Value) -> Option<Self> {
        let rule = json["rule"].as_str()?;
        if rule.contains("oldSelf") {
            return None;
        }
        let reads = READS.as_ref()?.captures_iter(rule).map(|found| {
            let path = found.get(1).map_or("", |path| path.as_str());
            match found.get(2) {
                Some(_) => path.rsplit_once('.').map_or("", |(path, _)| path).to_owned(),
                None => path.to_owned(),
            }
        });
        Some(Self {
            program: ENV.compile(rule).ok()?,
            message: json["message"].as_str().unwrap_or(rule).to_owned(),
            reads: reads.collect(),
        })
    }

    /// Whether a value keeps it. As for the API server, it doesn't where the rule can't be evaluated.
    pub fn holds(&self, value: &Value) -> bool {
        let mut context = Context::with_env(Arc::clone(&ENV));
        context.add_variable_from_value("self", self.part(value));
        matches!(self.program.execute(&context), Ok(cel::Value::Bool(true)))
    }

    /// As much of a value as it reads, since the rest may be large.
    fn part(&self, value: &Value) -> cel::Value {
        let reads = |name: &str| self.reads.iter().any(|path| path.split('.').nth(1).is_none_or(|first| first == name));
        match value {
            Value::Object(map) => {
                let read = map.iter().filter(|(name, _)| reads(name));
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

/// Whole numbers become ints, as they are for the API server; cel's own conversion makes them unsigned.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_rule_holds_or_not() {
        let rule = Rule::parse(&json!({"rule": "has(self.a) != has(self.b)", "message": "one"})).expect("a rule");
        assert!(rule.holds(&json!({"a": 1})) && !rule.holds(&json!({"a": 1, "b": 2, "c": 3})));
        assert_eq!(rule.reads, [".a", ".b"]);
    }

    #[test]
    fn what_a_rule_reads() {
        let reads = |rule: &str| Rule::parse(&json!({"rule": rule})).expect("a rule").reads;
        assert_eq!(reads("size(self.workflow.tasks) <= 100"), [".workflow.tasks"]);
        assert_eq!(reads("self.metadata.name.size() <= 63"), [".metadata.name"]);
        assert_eq!(reads("size(self) < 3"), [""]);
    }

    #[test]
    fn a_rule_about_changes_says_nothing_of_a_new_object() {
        assert!(Rule::parse(&json!({"rule": "self == oldSelf"})).is_none());
    }
}
