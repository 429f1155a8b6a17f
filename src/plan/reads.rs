//! Whether what expressions read exists, and is there by the time they are evaluated.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::expr::Reference;
use super::expression::PlannedExpr;
use super::graph::{Graph, Upstream};
use super::problem::Code;
use super::report::{Path, Report};
use super::task::Defaults;
use super::tasks::Tasks;
use super::words::{listing, quote, suggestion};
use super::{EnvSource, List, PlannedChild, PlannedEnv, PlannedResource, PlannedTask};
use crate::api::Param;

/// Says what expressions of the workflow as a whole, of the defaults and of all tasks read that they can't.
pub(super) fn check(
    params: &[Param],
    whole: &[&PlannedExpr],
    listed: &Tasks<'_>,
    defaults: &Defaults<'_>,
    tasks: &[PlannedTask],
    graph: &Graph,
    report: &mut Report,
) {
    let reads = Reads {
        listed,
        tasks,
        graph,
        params: params.iter().map(|param| param.name.as_str()).collect(),
        upstream: OnceCell::new(),
    };
    let of_pods = defaults.pod_fields.iter().map(|field| &field.expr);
    let of_defaults = expressions(&defaults.env).chain(of_pods).chain(defaults.retry.expressions());
    for expr in of_defaults.chain(whole.iter().copied()) {
        reads.check_exists(expr, report);
    }
    let mut told = BTreeSet::new();
    for (index, task) in tasks.iter().enumerate() {
        report.about(format!("task `{}`: ", quote(&task.name)));
        let list = task.for_each.as_ref().and_then(|for_each| match &for_each.list {
            List::Expr(expr) => Some(expr),
            List::Values(_) => None,
        });
        for expr in task.when.iter().chain(list) {
            reads.check_exists(expr, report);
            reads.check_upstream(index, expr, report);
        }
        let of_env = task.env.iter().flat_map(|entry| {
            let default = defaults.env.iter().any(|default| Arc::ptr_eq(default, entry));
            expressions(std::slice::from_ref(entry)).map(move |expr| (expr, default))
        });
        let of_pods = task.pod_fields.iter().map(|field| {
            let default = defaults.pod_fields.iter().any(|default| Arc::ptr_eq(default, field));
            (&field.expr, default)
        });
        let of_params = task.child().into_iter().flat_map(PlannedChild::expressions).map(|expr| (expr, false));
        let of_object = task.resource().into_iter().flat_map(PlannedResource::expressions).map(|expr| (expr, false));
        let default = Arc::ptr_eq(&defaults.retry, &task.retry);
        let of_rules = task.retry.expressions().map(|expr| (expr, default));
        for (expr, default) in of_env.chain(of_pods).chain(of_params).chain(of_object).chain(of_rules) {
            if !default {
                reads.check_exists(expr, report);
            }
            // An expression of the defaults can be wrong in a thousand tasks. It is told for the first.
            let again = default && told.contains(expr.path.as_str());
            if !again && (reads.check_upstream(index, expr, report) | check_item(task, expr, report)) {
                told.insert(expr.path.as_str());
            }
        }
    }
    report.about_nothing();
    // By then every task has ended.
}

/// Says that a task without a list has no items. Whether it said so.
fn check_item(task: &PlannedTask, expr: &PlannedExpr, report: &mut Report) -> bool {
    let of_item = |reference: &&Reference| matches!(reference, Reference::Item | Reference::Index);
    let Some(found) = expr.expr.references().iter().find(of_item).filter(|_| task.for_each.is_none()) else {
        return false;
    };
    let name = if *found == Reference::Item { "item" } else { "index" };
    report.add(Code::NoItem, &Path::Root(&expr.path), || {
        format!("reads `{name}`, and the task has no forEach: give it one, or read something else")
    });
    true
}

fn expressions(env: &[Arc<PlannedEnv>]) -> impl Iterator<Item = &PlannedExpr> {
    env.iter().filter_map(|entry| match &entry.source {
        EnvSource::Expr(expr) => Some(expr),
        _ => None,
    })
}

/// The task that a reference names.
fn task_of(reference: &Reference) -> Option<&str> {
    match reference {
        Reference::TaskField { task, .. } | Reference::Output { task, .. } | Reference::Task(task) => Some(task),
        _ => None,
    }
}

struct Reads<'a> {
    listed: &'a Tasks<'a>,
    tasks: &'a [PlannedTask],
    graph: &'a Graph,
    params: BTreeSet<&'a str>,
    /// Made when an expression first reads a task; none in it if there is a cycle, for then nothing can be said.
    upstream: OnceCell<Option<Upstream>>,
}

impl Reads<'_> {
    /// Says which params, tasks and outputs don't exist.
    fn check_exists(&self, expr: &PlannedExpr, report: &mut Report) {
        let path = Path::Root(&expr.path);
        for reference in expr.expr.references() {
            if let Reference::Param(name) = reference
                && !self.params.contains(name.as_str())
            {
                report.add(Code::UnknownParam, &path, || {
                    let params = || self.params.iter().copied();
                    let (advice, known) = (suggestion(name, params()), listing(params()));
                    format!(
                        "reads params.{}, which is not declared{advice}; the workflow's params are {known}",
                        quote(name)
                    )
                });
            }
            let Some(task) = task_of(reference) else {
                continue;
            };
            let Some(index) = self.listed.names.get(task) else {
                report.add(Code::UnknownTask, &path, || {
                    let advice = suggestion(task, self.listed.names.keys().copied());
                    format!("reads the task `{}`, and there is none{advice}", quote(task))
                });
                continue;
            };
            self.check_field(*index, reference, &path, report);
        }
    }

    fn check_field(&self, task: usize, reference: &Reference, path: &Path<'_>, report: &mut Report) {
        let child = self.tasks.get(task).and_then(PlannedTask::child);
        if child.is_some_and(|child| child.outputs().is_none()) && matches!(reference, Reference::Output { .. }) {
            // Only its Workflow tells.
            return;
        }
        let read = self.listed.all.get(task);
        let has_items = read.is_some_and(|task| task.for_each.is_some());
        let of_container = read.map(|task| task.outputs.as_slice());
        let of_child = child.and_then(PlannedChild::outputs);
        let of_object = self.tasks.get(task).and_then(PlannedTask::resource);
        let outputs = || {
            let of_container = of_container.into_iter().flatten().map(|output| output.name.as_str());
            let of_object = of_object.into_iter().flat_map(PlannedResource::output_names);
            of_container.chain(of_child.into_iter().flatten().map(String::as_str)).chain(of_object)
        };
        match reference {
            Reference::Output { task, output } if !outputs().any(|known| known == output) => {
                report.add(Code::UnknownOutput, path, || {
                    let (task, advice) = (quote(task), suggestion(output, outputs()));
                    let (output, known) = (quote(output), listing(outputs()));
                    format!("reads the output `{output}` of `{task}`, which doesn't declare it{advice}; `{task}` declares {known}")
                });
            }
            Reference::TaskField { task: name, field } if field == "items" && !has_items => {
                report.add(Code::UnknownField, path, || {
                    let task = quote(name);
                    format!("`{task}` has no forEach, and so no items; it has phase, reason and outputs")
                });
            }
            _ => {}
        }
    }

    /// Says which tasks may not be finished when the expression is evaluated for the task `reader`. Whether it said so.
    fn check_upstream(&self, reader: usize, expr: &PlannedExpr, report: &mut Report) -> bool {
        let before = report.len();
        let mut told = BTreeSet::new();
        for task in expr.expr.references().iter().filter_map(task_of) {
            let Some(index) = self.listed.names.get(task).copied() else {
                continue;
            };
            // A finally task comes after every task that isn't one.
            if self.listed.is_finally(reader) && !self.listed.is_finally(index) {
                continue;
            }
            let upstream = self.upstream.get_or_init(|| self.graph.upstream());
            let Some(upstream) = upstream else {
                return false;
            };
            let unclear = upstream.is_unclear(reader) && index != reader;
            if unclear || upstream.contains(reader, index) || !told.insert(index) {
                continue;
            }
            report.add(Code::NotUpstream, &Path::Root(&expr.path), || {
                let task = quote(task);
                if index == reader {
                    "reads itself, and has no outputs before it ends: read a task that it needs".to_owned()
                } else if self.listed.is_finally(index) && !self.listed.is_finally(reader) {
                    format!("reads `{task}`, which is a finally task and starts when all tasks have ended: read a task upstream")
                } else if upstream.contains(index, reader) {
                    format!("reads `{task}`, which starts only when this task has ended: read a task upstream")
                } else {
                    format!(
                        "reads `{task}`, which it doesn't need, so that it may not have ended: add `{task}` to needs"
                    )
                }
            });
        }
        report.len() > before
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, problems, refused};
    use super::*;

    /// Three tasks in a chain, of which the last has a variable with this expression.
    fn chain(expr: &str) -> String {
        format!(
            "params: [{{name: date, type: string}}]
tasks:
- {{name: extract, image: i, outputs: [{{name: rows, type: int}}]}}
- {{name: load-sales, image: i, needs: [extract], outputs: [{{name: ok, type: bool}}]}}
- {{name: other, image: i}}
- {{name: report, image: i, needs: [load-sales], env: [{{name: X, expr: \"{expr}\"}}]}}
- {{name: publish, image: i, needs: [report]}}
"
        )
    }

    #[test]
    fn what_can_be_read() {
        for expr in [
            "params.date",
            "params",
            "run.name + string(attempt)",
            "tasks.extract.outputs.rows",
            "tasks['load-sales'].outputs.ok",
            "tasks.extract.phase + tasks.extract.reason",
            "size(tasks.extract.outputs)",
            "has(tasks.extract.outputs.rows)",
        ] {
            plan(&chain(expr));
        }
    }

    #[test]
    #[rustfmt::skip]
    fn what_cannot_be_read() {
        for (expr, code, message) in [
            ("params.dat", Code::UnknownParam, "task `report`: reads params.dat, which is not declared; did you mean `date`?; the workflow's params are `date`"),
            ("tasks.extrat.outputs.rows", Code::UnknownTask, "reads the task `extrat`, and there is none; did you mean `extract`?"),
            ("tasks.extract.outputs.row", Code::UnknownOutput, "reads the output `row` of `extract`, which doesn't declare it; did you mean `rows`?; `extract` declares `rows`"),
            ("tasks.other.phase", Code::NotUpstream, "reads `other`, which it doesn't need, so that it may not have ended: add `other` to needs"),
            ("tasks.report.phase", Code::NotUpstream, "reads itself"),
            ("tasks.publish.phase", Code::NotUpstream, "reads `publish`, which starts only when this task has ended"),
            ("tasks.extract.items", Code::UnknownField, "`extract` has no forEach, and so no items; it has phase, reason and outputs"),
            ("tasks.extract.output", Code::UnknownField, "did you mean `outputs`?"),
            ("run.nam", Code::UnknownField, "did you mean `name`?"),
            ("param.date", Code::BadExpression, "did you mean `params`?"),
            ("tasks.load-sales.outputs.ok", Code::BadExpression, "tasks['load-sales']"),
            ("1 +", Code::BadExpression, "task `report`: "),
            ("", Code::BadExpression, "is empty"),
        ] {
            refused(&chain(expr), code, "tasks[3].env[0].expr", message);
        }
        refused(
            &chain(&"1 + ".repeat(300)),
            Code::BadExpression,
            "tasks[3].env[0].expr",
            "1024",
        );
    }

    #[test]
    fn a_finally_task_reads_every_task_and_its_own_upstream() {
        let spec = |main: &str, last: &str| {
            let tasks = format!(
                "{{name: a, env: [{{name: X, expr: \"{main}\"}}]}}, {{name: b, outputs: [{{name: o, type: int}}]}}"
            );
            let last = format!("{{name: x}}, {{name: y, needs: [x]}}, {{name: z, when: \"{last}\"}}");
            format!("taskDefaults: {{image: i}}\ntasks: [{tasks}]\nfinally: [{last}]")
        };
        plan(&spec("run.name", "tasks.a.phase == 'Failed' && tasks.b.outputs.o > 1 && run.phase == 'Failed'"));
        refused(
            &spec("tasks.x.phase", "true"),
            Code::NotUpstream,
            "tasks[0].env[0].expr",
            "reads `x`, which is a finally task",
        );
        refused(&spec("run.name", "tasks.x.phase == ''"), Code::NotUpstream, "finally[2].when", "add `x` to needs");
    }

    #[test]
    fn one_expression_can_be_wrong_twice() {
        let problems = problems(&chain("params.x + tasks.other.phase + tasks.other.reason + tasks.y.phase"));
        let codes: Vec<Code> = problems.iter().map(|problem| problem.code).collect();
        assert_eq!(codes, [Code::UnknownParam, Code::UnknownTask, Code::NotUpstream]);
    }

    #[test]
    fn an_expression_of_the_defaults_holds_for_every_task() {
        let spec = |env: &str| {
            format!(
                "taskDefaults: {{image: i, env: [{{name: X, expr: tasks.a.outputs.v}}]}}\ntasks: [{{name: a, outputs: [{{name: v, type: int}}]{env}}}, {{name: b, needs: [a]}}, {{name: c}}, {{name: d}}]"
            )
        };
        refused(&spec(""), Code::NotUpstream, "taskDefaults.env[0].expr", "task `a`: reads itself");
        refused(
            &spec(", env: [{name: X, value: ''}]"),
            Code::NotUpstream,
            "taskDefaults.env[0].expr",
            "task `c`: reads `a`",
        );
        refused(
            "taskDefaults: {image: i, env: [{name: X, expr: params.y}]}\ntasks: [{name: a}, {name: b}]",
            Code::UnknownParam,
            "taskDefaults.env[0].expr",
            "reads params.y, which is not declared; the workflow's params are nothing",
        );
    }

    #[test]
    fn what_is_upstream_is_not_judged_where_needs_are_wrong() {
        refused(
            "tasks: [{name: extract, image: i}, {name: b, image: i, needs: [extrat], env: [{name: X, expr: tasks.extract.phase}]}]",
            Code::UnknownNeed,
            "tasks[1].needs[0]",
            "did you mean `extract`?",
        );
        refused(
            "tasks: [{name: a, image: i, needs: [b]}, {name: b, image: i, needs: [a], env: [{name: X, expr: tasks.a.phase}]}]",
            Code::Cycle,
            "tasks[0].needs[0]",
            "a -> b -> a",
        );
    }
}
