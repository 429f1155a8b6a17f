//! `when`: whether a task runs at all, by an expression.

use std::sync::Arc;

use super::PlannedTask;
use super::expr::Place;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::value;
use crate::api::Task;

/// The condition of a task; says what is wrong with its text. `path` is that of the task.
pub(super) fn plan(task: &Task, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> Option<PlannedExpr> {
    let path = path.field("when");
    let expr = expression::parse(task.when.as_ref()?, Place::When, &path, report)?;
    Some(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) })
}

impl PlannedTask {
    /// What `when` comes to; true where there is none.
    ///
    /// # Errors
    ///
    /// That the expression has no value, or one that is no bool, at its path in the spec.
    pub fn condition(&self, scope: &Scope<'_>) -> Result<bool, Problem> {
        let Some(when) = &self.when else {
            return Ok(true);
        };
        let no_bool =
            |value: &serde_json::Value| format!("it is {}, not true or false: compare it", value::found(value));
        let value = when.evaluate(scope).and_then(|value| value.as_bool().ok_or_else(|| no_bool(&value)));
        value.map_err(|error| Problem {
            code: Code::ExpressionFailed,
            path: when.path.clone(),
            message: bounded(format!("task `{}`: when: {error}", self.name)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::super::testing::{plan, refused};
    use super::super::{Plan, TaskView};
    use super::*;
    use crate::api::TaskPhase;

    fn spec(when: &str) -> String {
        format!(
            "params: [{{name: full, type: bool, default: true}}]
tasks:
- {{name: a, image: i, outputs: [{{name: rows, type: int}}]}}
- {{name: b, image: i, needs: [a], when: \"{when}\"}}
- {{name: c, image: i}}
"
        )
    }

    fn condition(plan: &Plan) -> Result<bool, String> {
        let params = plan.resolve_params(None, &json!({})).expect("params");
        let run = json!({"name": "r", "phase": "Running", "generation": 0});
        let outputs = Map::from_iter([("rows".to_owned(), json!(3))]);
        let a = TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: Some(&outputs), items: None };
        let tasks = |name: &str| (name == "a").then_some(a);
        let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt: 0, item: None };
        plan.tasks()[1].condition(&scope).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_conditions_come_to() {
        for (when, value) in [
            ("tasks.a.outputs.rows > 2", Ok(true)),
            ("tasks.a.outputs.rows > 3", Ok(false)),
            ("params.full && tasks.a.phase == 'Succeeded'", Ok(true)),
            ("run.generation == 1", Ok(false)),
            ("tasks.a.outputs.rows", Err("tasks[1].when: task `b`: when: it is an int, not true or false: compare it")),
            ("run.name", Err("tasks[1].when: task `b`: when: it is a string, not true or false: compare it")),
        ] {
            assert_eq!(condition(&plan(&spec(when))), value.map_err(str::to_owned), "{when}");
        }
        let wrong = condition(&plan(&spec("100 / (tasks.a.outputs.rows - 3) > 1"))).expect_err("a division by zero");
        assert!(wrong.starts_with("tasks[1].when: task `b`: when: "), "{wrong}");
        assert_eq!(condition(&plan("tasks: [{name: a, image: i}, {name: b, image: i}]")), Ok(true), "none is true");
    }

    #[test]
    #[rustfmt::skip]
    fn conditions_that_cannot_be() {
        for (when, code, words) in [
            ("", Code::BadExpression, "task `b`: "),
            ("1 +", Code::BadExpression, "task `b`: "),
            ("attempt == 1", Code::BadExpression, "`attempt` is not known here; this expression can read `params`, `run` and `tasks`"),
            ("tasks.a.outputs.row > 1", Code::UnknownOutput, "did you mean `rows`?"),
            ("tasks.c.phase == 'Failed'", Code::NotUpstream, "reads `c`, which it doesn't need, so that it may not have ended: add `c` to needs"),
            ("tasks.b.phase == 'Failed'", Code::NotUpstream, "reads itself"),
            ("params.ful", Code::UnknownParam, "did you mean `full`?"),
        ] {
            refused(&spec(when), code, "tasks[1].when", words);
        }
    }
}
