//! `forEach`: the list that a task is done for, and how its items are worked through.

use std::sync::Arc;

use serde_json::Value;

use super::expr::{Expr, Place, Reference};
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use super::{PlannedTask, TriggerRule, limits, size, value};
use crate::api::{MAX_ITEMS, Task};

/// How a task is done for every item of a list.
#[derive(Clone, Debug)]
pub struct PlannedForEach {
    /// Where the list comes from.
    pub list: List,
    /// How many items may have a pod at the same time.
    pub max_parallel: Option<u32>,
    /// How many of 100 items must succeed.
    pub min_succeeded_percent: u32,
    /// Whether the rest is cancelled once that can't be reached any more.
    pub fail_fast: bool,
}

/// Where a list comes from.
#[derive(Clone, Debug)]
pub enum List {
    /// It is written in the spec.
    Values(Arc<Vec<Value>>),
    /// An expression. It reads only what has ended when it is evaluated first, so that it gives the same list whenever it is
    /// evaluated again.
    Expr(PlannedExpr),
}

impl PlannedForEach {
    /// Whether a task has succeeded of whose `total` items so many have.
    #[must_use]
    pub fn is_enough(&self, succeeded: u32, total: u32) -> bool {
        u64::from(succeeded).saturating_mul(100)
            >= u64::from(self.min_succeeded_percent).saturating_mul(u64::from(total))
    }
}

/// The list of a task, if it has one; says what is wrong with it. `path` is that of the task.
pub(super) fn plan(
    task: &Task,
    rule: TriggerRule,
    path: &Path<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> Option<PlannedForEach> {
    let for_each = task.for_each.as_ref()?;
    let path = path.field("forEach");
    let list = match (&for_each.items, &for_each.values) {
        (Some(text), None) => {
            let path = path.field("items");
            let expr = expression::parse(text, Place::When, &path, report)?;
            check_settled(&expr, rule, &path, report);
            List::Expr(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) })
        }
        (None, Some(values)) => {
            check_values(values, &path.field("values"), report);
            List::Values(Arc::new(values.clone()))
        }
        (None, None) => {
            report.add(Code::ForEachList, &path, || {
                "has no list: set items, an expression such as params.regions, or values, as in values: [a, b]"
                    .to_owned()
            });
            return None;
        }
        (Some(_), Some(_)) => {
            report.add(Code::ForEachList, &path, || "has two lists, items and values: remove one".to_owned());
            return None;
        }
    };
    if let Some(max) = for_each.max_parallel.filter(|max| !(1..=MAX_ITEMS).contains(max)) {
        report
            .add(Code::BadForEach, &path.field("maxParallel"), || format!("{max} is no number from 1 to {MAX_ITEMS}"));
    }
    if let Some(percent) = for_each.min_succeeded_percent.filter(|percent| *percent > 100) {
        report.add(Code::BadForEach, &path.field("minSucceededPercent"), || {
            format!("{percent} is no percentage: write a number from 0 to 100")
        });
    }
    Some(PlannedForEach {
        list,
        max_parallel: for_each.max_parallel,
        min_succeeded_percent: for_each.min_succeeded_percent.unwrap_or(100),
        fail_fast: for_each.fail_fast,
    })
}

/// The list isn't stored: it is made again from what it reads. So that must have ended when the task starts, which a rule that is
/// decided by the first of several needs doesn't see to.
fn check_settled(expr: &Expr, rule: TriggerRule, path: &Path<'_>, report: &mut Report) {
    let early = matches!(rule, TriggerRule::AnySucceeded | TriggerRule::AnyDone | TriggerRule::AnyFailed);
    let reads_task = |reference: &Reference| {
        matches!(reference, Reference::Task(_) | Reference::TaskField { .. } | Reference::Output { .. })
    };
    if early && expr.references().iter().any(reads_task) {
        report.add(Code::UnsettledList, path, || {
            format!("reads a task that may still be running, as {rule} doesn't wait for all: use another triggerRule")
        });
    }
}

fn check_values(values: &[Value], path: &Path<'_>, report: &mut Report) {
    if values.is_empty() || values.len() > limits::FOR_EACH_VALUES {
        report.add(Code::BadForEach, path, || {
            let (count, max) = (values.len(), limits::FOR_EACH_VALUES);
            format!("has {count} values, from 1 to {max} can be written: for more, give items an expression, such as lists.range(5000)")
        });
    }
    let bytes = size::serialised(&values);
    if bytes > limits::FOR_EACH_VALUES_BYTES {
        report.add(Code::BadForEach, path, || {
            format!("takes {bytes} bytes as JSON, {} are allowed", limits::FOR_EACH_VALUES_BYTES)
        });
    }
}

impl PlannedTask {
    /// The list of the task's items; empty where it has none. It can't have more than 20,000 items, nor more than 256 KiB.
    ///
    /// # Errors
    ///
    /// That the expression has no value, or none that is such a list, at its path in the spec.
    pub fn list(&self, scope: &Scope<'_>) -> Result<Arc<Vec<Value>>, Problem> {
        let expr = match self.for_each.as_ref().map(|for_each| &for_each.list) {
            None => return Ok(Arc::default()),
            Some(List::Values(values)) => return Ok(Arc::clone(values)),
            Some(List::Expr(expr)) => expr,
        };
        let no_list = |value: &Value| format!("it is {}, not a list", value::found(value));
        let list = expr.evaluate(scope).and_then(|value| match value {
            Value::Array(list) if list.len() > limits::ITEMS => {
                Err(format!("the list has {} items, {} are allowed", list.len(), limits::ITEMS))
            }
            Value::Array(list) => Ok(Arc::new(list)),
            other => Err(no_list(&other)),
        });
        list.map_err(|error| Problem {
            code: Code::ExpressionFailed,
            path: expr.path.clone(),
            message: bounded(format!("task `{}`: forEach.items: {error}", self.name)),
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

    fn spec(for_each: &str) -> String {
        format!(
            "params: [{{name: regions, type: list, default: [emea, apac]}}]
taskDefaults: {{image: i}}
tasks:
- {{name: a, outputs: [{{name: files, type: list}}]}}
- {{name: b, needs: [a], forEach: {{{for_each}}}}}
- {{name: c, needs: [a, b], triggerRule: AnyDone}}
"
        )
    }

    fn list(plan: &Plan) -> Result<Value, String> {
        let params = plan.resolve_params(None, &json!({})).expect("params");
        let run = json!({"name": "r", "phase": "Running", "generation": 0});
        let outputs = Map::from_iter([("files".to_owned(), json!(["x", {"y": 1}]))]);
        let a = TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: Some(&outputs), items: None };
        let tasks = |name: &str| (name == "a").then_some(a);
        let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt: 0, item: None };
        plan.tasks()[1].list(&scope).map(|list| Value::Array(list.to_vec())).map_err(|problem| problem.to_string())
    }

    #[test]
    fn what_lists_come_to() {
        for (for_each, expected) in [
            ("values: [1, [2], {z: 3}]", Ok(json!([1, [2], {"z": 3}]))),
            ("items: params.regions", Ok(json!(["emea", "apac"]))),
            ("items: tasks.a.outputs.files", Ok(json!(["x", {"y": 1}]))),
            ("items: lists.range(3)", Ok(json!([0, 1, 2]))),
            ("items: '[]'", Ok(json!([]))),
            ("items: \"params.regions.map(r, r + '!')\"", Ok(json!(["emea!", "apac!"]))),
            ("items: run.name", Err("tasks[1].forEach.items: task `b`: forEach.items: it is a string, not a list")),
            ("items: lists.range(20001)", Err("a range has between 0 and 20000 elements")),
            ("items: 'lists.range(1 / 0)'", Err("tasks[1].forEach.items: task `b`: forEach.items: ")),
        ] {
            match (list(&plan(&spec(for_each))), expected) {
                (Err(problem), Err(words)) => assert!(problem.contains(words), "{for_each}: {problem}"),
                (found, expected) => assert_eq!(found, expected.map_err(str::to_owned), "{for_each}"),
            }
        }
        assert_eq!(plan("tasks: [{name: a, image: i}]").tasks()[0].for_each.as_ref().map(|_| ()), None);
    }

    #[test]
    fn the_share_that_must_succeed_is_exact() {
        let for_each = |percent| PlannedForEach {
            list: List::Values(Arc::default()),
            max_parallel: None,
            min_succeeded_percent: percent,
            fail_fast: false,
        };
        for (percent, total, least) in
            [(100, 3, 3), (67, 3, 3), (66, 3, 2), (50, 3, 2), (1, 20_000, 200), (0, 5, 0), (100, 0, 0)]
        {
            let enough = (0..=total).find(|succeeded| for_each(percent).is_enough(*succeeded, total));
            assert_eq!(enough, Some(least), "{percent} % of {total}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn lists_that_cannot_be() {
        for (for_each, code, path, words) in [
            ("", Code::ForEachList, "tasks[1].forEach", "has no list: set items"),
            ("items: params.regions, values: [1]", Code::ForEachList, "tasks[1].forEach", "has two lists"),
            ("values: []", Code::BadForEach, "tasks[1].forEach.values", "has 0 values, from 1 to 1000"),
            ("items: ''", Code::BadExpression, "tasks[1].forEach.items", "is empty"),
            ("items: params.region", Code::UnknownParam, "tasks[1].forEach.items", "did you mean `regions`?"),
            ("items: item", Code::BadExpression, "tasks[1].forEach.items", "`item` is not known here"),
            ("items: tasks.c.outputs", Code::NotUpstream, "tasks[1].forEach.items", "starts only when this task has ended"),
            ("items: params.regions, maxParallel: 0", Code::BadForEach, "tasks[1].forEach.maxParallel", "0 is no number from 1 to 20000"),
            ("items: params.regions, minSucceededPercent: 101", Code::BadForEach, "tasks[1].forEach.minSucceededPercent", "101 is no percentage"),
        ] {
            refused(&spec(for_each), code, path, words);
        }
        let large = format!("values: [{}]", vec![format!("'{}'", "x".repeat(1_000)); 66].join(", "));
        refused(&spec(&large), Code::BadForEach, "tasks[1].forEach.values", "65536 are allowed");
    }

    #[test]
    fn a_list_reads_only_what_has_ended() {
        let spec = |rule: &str, items: &str| {
            format!(
                "taskDefaults: {{image: i}}
tasks: [{{name: a}}, {{name: b}}, {{name: c, needs: [a, b], triggerRule: {rule}, forEach: {{items: \"{items}\"}}}}]"
            )
        };
        for rule in ["AnySucceeded", "AnyDone", "AnyFailed"] {
            let words = format!("reads a task that may still be running, as {rule} doesn't wait for all");
            refused(&spec(rule, "[tasks.a.phase]"), Code::UnsettledList, "tasks[2].forEach.items", &words);
            plan(&spec(rule, "lists.range(2)"));
        }
        plan(&spec("AllDone", "[tasks.a.phase]"));
    }

    #[test]
    fn only_a_task_with_a_list_has_items() {
        let spec = |task: &str, for_each: &str| {
            format!("tasks: [{{name: a, image: i, {for_each} env: [{{name: X, expr: \"{task}\"}}]}}]")
        };
        for expr in ["item", "index + 1", "string(item) + string(index)"] {
            plan(&spec(expr, "forEach: {values: [1]},"));
            refused(&spec(expr, ""), Code::NoItem, "tasks[0].env[0].expr", "the task has no forEach");
        }
        let of_default = |for_each: &str| {
            format!("taskDefaults: {{image: i, env: [{{name: X, expr: item}}]}}\ntasks: [{{name: a, {for_each}}}]")
        };
        plan(&of_default("forEach: {values: [1]}"));
        refused(&of_default(""), Code::NoItem, "taskDefaults.env[0].expr", "task `a`: reads `item`");
    }

    #[test]
    fn a_join_has_nothing_to_do_for_each() {
        refused(
            "tasks: [{name: a, join: {}, forEach: {values: [1]}}]",
            Code::JoinWithContainer,
            "tasks[0].join",
            "forEach",
        );
    }
}
