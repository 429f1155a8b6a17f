//! How many runs of a workflow run at the same time.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::Origin;
use super::expr::Place;
use super::expr::env::to_env;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::limits;
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::value;
use crate::api::{WhenFull, WorkflowSpec};

/// The concurrency of a plan.
#[derive(Clone, Debug)]
pub struct PlannedConcurrency {
    /// How many runs of one key may run at the same time.
    pub max: u32,
    /// What runs that share slots have in common; all share them where there is none.
    pub key: Option<PlannedExpr>,
    /// What becomes of a new run while all slots are taken.
    pub when_full: WhenFull,
}

/// The concurrency of a spec; says what is wrong with it.
pub(super) fn plan(
    spec: &WorkflowSpec,
    origin: Origin,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Option<PlannedConcurrency> {
    let concurrency = spec.concurrency.as_ref()?;
    let path = Path::Root("concurrency");
    if origin == Origin::Inline {
        report.add(Code::ConcurrencyInline, &path, || {
            "an inline workflow has no other runs: make it a Workflow and name it in workflowRef, or remove concurrency"
                .to_owned()
        });
    }
    if !(1..=limits::CONCURRENCY).contains(&concurrency.max) {
        report.add(Code::BadConcurrency, &path.field("max"), || {
            format!("is {}, and from 1 to {} runs are possible at the same time", concurrency.max, limits::CONCURRENCY)
        });
    }
    let path = path.field("key");
    let expr = concurrency.key.as_ref().and_then(|text| expression::parse(text, Place::Key, &path, report));
    let key = expr.map(|expr| PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) });
    Some(PlannedConcurrency { max: concurrency.max, key, when_full: concurrency.when_full })
}

impl PlannedConcurrency {
    /// What the key comes to for a run with these parameters, as text; nothing where there is none.
    ///
    /// # Errors
    ///
    /// The expression has no value, or one that is no text, int or bool, or a text that is too long.
    pub fn key(&self, params: &Map<String, Value>, run: &Value) -> Result<Option<String>, Problem> {
        let Some(key) = &self.key else { return Ok(None) };
        let scope = Scope { params, run, tasks: &|_| None, attempt: 0, item: None };
        let text = key.evaluate(&scope).and_then(|value| text(&value));
        text.map(Some).map_err(|error| Problem {
            code: Code::ExpressionFailed,
            path: key.path.clone(),
            message: bounded(format!("concurrency.key: {error}")),
        })
    }
}

fn text(value: &Value) -> Result<String, String> {
    let is_plain = match value {
        Value::String(_) | Value::Bool(_) => true,
        Value::Number(number) => !number.is_f64(),
        _ => false,
    };
    if !is_plain {
        let found = if value.is_number() { "a number" } else { value::found(value) };
        return Err(format!("it is {found}, not a string, an int or a bool: use string()"));
    }
    let text = to_env(value).map_err(|error| error.to_string())?;
    match text.len() {
        bytes if bytes > limits::CONCURRENCY_KEY_BYTES => {
            Err(format!("it has {bytes} bytes, {} are allowed", limits::CONCURRENCY_KEY_BYTES))
        }
        _ => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Plan;
    use super::super::testing::{only, plan, refused, spec};
    use super::*;

    fn of(concurrency: &str) -> String {
        format!(
            "params: [{{name: region, type: string, default: emea}}, {{name: n, type: int, default: 7}}, {{name: x, type: number, default: 2}}]
concurrency: {concurrency}
tasks: [{{name: a, image: i}}]"
        )
    }

    fn key(expr: &str) -> Result<Option<String>, String> {
        let plan = plan(&of(&format!("{{max: 2, key: \"{expr}\"}}")));
        let run = json!({"name": "r", "namespace": "ns"});
        let params = plan.resolve_params(None, &run).expect("params");
        plan.concurrency().expect("a concurrency").key(&params, &run).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_keys_come_to() {
        for (expr, text) in [
            ("params.region", "emea"),
            ("params.region + '/' + run.namespace", "emea/ns"),
            ("params.n", "7"),
            ("params.n > 3", "true"),
        ] {
            assert_eq!(key(expr), Ok(Some(text.to_owned())), "{expr}");
        }
        for (expr, words) in [
            ("params.x", "it is a number, not a string, an int or a bool"),
            ("[params.n]", "it is a list, not a string"),
            ("string(100 / (params.n - 7))", "concurrency.key: concurrency.key: "),
            ("lists.range(300).map(i, 'x').join()", "it has 300 bytes, 253 are allowed"),
        ] {
            let error = key(expr).err().unwrap_or_default();
            assert!(error.contains(words), "{expr}: {error}");
        }
    }

    #[test]
    fn none_where_none_is_written() {
        let without = plan("tasks: [{name: a, image: i}]");
        assert!(without.concurrency().is_none());
        let plan = plan(&of("{max: 1}"));
        let concurrency = plan.concurrency().expect("a concurrency");
        assert_eq!((concurrency.max, concurrency.when_full), (1, WhenFull::Queue));
        assert_eq!(concurrency.key(&Map::new(), &json!({})), Ok(None));
    }

    #[test]
    fn mistakes() {
        for (concurrency, code, path, words) in [
            ("{max: 0}", Code::BadConcurrency, "concurrency.max", "from 1 to 1000"),
            ("{max: 1001}", Code::BadConcurrency, "concurrency.max", "from 1 to 1000"),
            ("{max: 1, key: params.regio}", Code::UnknownParam, "concurrency.key", "did you mean `region`?"),
            ("{max: 1, key: tasks.a.phase}", Code::BadExpression, "concurrency.key", "can read `params` and `run`"),
            ("{max: 1, key: ''}", Code::BadExpression, "concurrency.key", "is empty"),
        ] {
            refused(&of(concurrency), code, path, words);
        }
        let inline = Plan::checked(&spec(&of("{max: 1}")), Origin::Inline).expect_err("inline");
        only("inline", &inline, Code::ConcurrencyInline, "concurrency", "make it a Workflow");
    }
}
