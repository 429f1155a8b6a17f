//! What a run hands on when it has succeeded.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expr::Place;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::output::check_identifier;
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::words::quote;
use super::{Plan, limits, size, value};
use crate::api::RunOutput;

/// An output of a workflow.
#[derive(Clone, Debug)]
pub struct PlannedOutput {
    /// Its name.
    pub name: String,
    /// Its value, once every task has ended.
    pub expr: PlannedExpr,
}

/// The outputs of a workflow; says what is wrong with them.
pub(super) fn plan(outputs: &[RunOutput], numbers: &Arc<Numbers>, report: &mut Report) -> Vec<PlannedOutput> {
    let root = Path::Root("outputs");
    if outputs.len() > limits::OUTPUTS {
        report.add(Code::TooMany, &root, || {
            let (count, max) = (outputs.len(), limits::OUTPUTS);
            format!("has {count} entries, {max} are allowed: gather some in one list")
        });
    }
    let mut seen = BTreeSet::new();
    let mut planned = Vec::with_capacity(outputs.len());
    for (at, output) in outputs.iter().enumerate() {
        let path = root.index(at);
        check_identifier(&output.name, &path.field("name"), report);
        if !seen.insert(output.name.as_str()) {
            report.add(Code::DuplicateOutput, &path.field("name"), || {
                format!("the output `{}` is declared twice: remove one", quote(&output.name))
            });
        }
        let path = path.field("expr");
        if let Some(expr) = expression::parse(&output.expr, Place::RunOutput, &path, report) {
            let expr = PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) };
            planned.push(PlannedOutput { name: output.name.clone(), expr });
        }
    }
    planned
}

impl Plan {
    /// What the run hands on, of which every task has ended; `None` if the workflow declares nothing. Values are as the API server
    /// will give them back.
    ///
    /// # Errors
    ///
    /// That an expression has no value or null, or that the values are too large, at its path in the spec.
    pub fn run_outputs(&self, scope: &Scope<'_>) -> Result<Option<Map<String, Value>>, Problem> {
        let mut outputs = Map::new();
        for PlannedOutput { name, expr } in &self.outputs {
            let null = "it is null: an output has a value".to_owned();
            let value = expr.evaluate(scope).and_then(|value| if value.is_null() { Err(null) } else { Ok(value) });
            let value = value.map_err(|error| Problem {
                code: Code::ExpressionFailed,
                path: expr.path.clone(),
                message: bounded(format!("output {name}: {error}")),
            })?;
            outputs.insert(name.clone(), value::normal(&value));
        }
        let bytes = size::serialised(&outputs);
        if bytes > limits::RUN_OUTPUT_BYTES {
            let max = limits::RUN_OUTPUT_BYTES;
            let message =
                format!("the outputs have {bytes} bytes, {max} are allowed: hand on where the data is, not the data");
            return Err(Problem { code: Code::OutputsTooLarge, path: "outputs".to_owned(), message });
        }
        Ok((!outputs.is_empty()).then_some(outputs))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::TaskView;
    use super::super::testing::{plan, refused};
    use super::*;
    use crate::api::TaskPhase;

    fn spec(outputs: &str) -> String {
        format!(
            "params: [{{name: date, type: string, default: x}}]
tasks: [{{name: a, image: i, outputs: [{{name: rows, type: int}}]}}]
finally: [{{name: z, image: i}}]
outputs: [{outputs}]
"
        )
    }

    fn made(outputs: &str) -> Result<Option<Map<String, Value>>, String> {
        let plan = plan(&spec(outputs));
        let params = plan.resolve_params(None, &json!({})).expect("params");
        let run = json!({"name": "r", "phase": "Succeeded"});
        let rows = Map::from_iter([("rows".to_owned(), json!(3))]);
        let tasks = |name: &str| {
            let outputs = (name == "a").then_some(&rows);
            Some(TaskView { phase: TaskPhase::Succeeded, reason: None, outputs, items: None })
        };
        let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt: 0, item: None };
        plan.run_outputs(&scope).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_a_run_hands_on() {
        let all = "{name: rows, expr: tasks.a.outputs.rows}, {name: where, expr: \"params.date + tasks.z.phase\"}, {name: half, expr: 2.0 / 2.0}";
        let handed_on = Value::Object(made(all).expect("outputs").expect("some"));
        assert_eq!(handed_on, json!({"rows": 3, "where": "xSucceeded", "half": 1}));
        assert_eq!(made(""), Ok(None));
        let wrong = made("{name: x, expr: 1 / (tasks.a.outputs.rows - 3)}").expect_err("a division by zero");
        assert!(wrong.starts_with("outputs[0].expr: output x: "), "{wrong}");
        let wrong = made("{name: x, expr: 'null'}").expect_err("null");
        assert!(wrong.contains("it is null"), "{wrong}");
        let long = "lists.range(200).map(a, lists.range(200))";
        let wrong = made(&format!("{{name: x, expr: '{long}'}}")).expect_err("too large");
        assert!(wrong.starts_with("outputs: the outputs have ") && wrong.contains("65536 are allowed"), "{wrong}");
    }

    #[test]
    fn outputs_that_cannot_be() {
        for (outputs, code, path, words) in [
            ("{name: a-b, expr: '1'}", Code::BadIdentifier, "outputs[0].name", "no identifier"),
            ("{name: a, expr: '1'}, {name: a, expr: '2'}", Code::DuplicateOutput, "outputs[1].name", "declared twice"),
            ("{name: a, expr: '1 +'}", Code::BadExpression, "outputs[0].expr", ""),
            ("{name: a, expr: attempt}", Code::BadExpression, "outputs[0].expr", "`attempt` is not known here"),
            ("{name: a, expr: tasks.b.phase}", Code::UnknownTask, "outputs[0].expr", "there is none"),
            ("{name: a, expr: tasks.a.outputs.row}", Code::UnknownOutput, "outputs[0].expr", "did you mean `rows`?"),
        ] {
            refused(&spec(outputs), code, path, words);
        }
    }
}
