//! Outputs that are read and may not be there.
//!
//! That is no mistake: the run may go as its author expects. So the operator takes it, and `check` warns.

use std::collections::BTreeSet;

use super::expr::Reference;
use super::problem::Code;
use super::report::{Path, Report};
use super::words::quote;
use super::{EnvSource, Plan, PlannedChild, PlannedExpr, PlannedResource, PlannedTask, Problem, TriggerRule};

impl Plan {
    /// What may go wrong in a run: volume claims that no task mounts, and expressions that read an output without asking whether it is there, of a task that may have
    /// ended otherwise than Succeeded by then. At most 50, and then one that counts the rest.
    #[must_use]
    pub fn warnings(&self) -> Vec<Problem> {
        let mut report = Report::default();
        // An expression of the defaults is told for the first task that it is doubtful in.
        let mut told = BTreeSet::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let mut doubtful = self.doubtful(task);
            if doubtful.is_empty() {
                continue;
            }
            let succeeded = self.succeeded_before(index);
            doubtful.retain(|(_, of, _)| !self.index(of).is_some_and(|of| succeeded.contains(&of)));
            report.about(format!("task `{}`: ", quote(&task.name)));
            for (expr, of, output) in doubtful {
                if told.insert((expr.path.as_str(), of, output)) {
                    report.add(Code::UnguardedOutput, &Path::Root(&expr.path), || {
                        let (of, output) = (quote(of), quote(output));
                        format!(
                            "reads the output `{output}` of `{of}`, which may have ended without it: write outputs.?{output}.orValue(…), ask in when, or give the output a default"
                        )
                    });
                }
            }
        }
        let unused = self.unused_claims();
        unused.into_iter().chain(report.finish("spec", ()).err().unwrap_or_default()).collect()
    }

    /// The outputs that a task reads without asking whether they are there, each with its expression and its task. Whoever reads
    /// how the task ended, in the expression or before in `when`, has asked.
    fn doubtful<'p>(&'p self, task: &'p PlannedTask) -> Vec<(&'p PlannedExpr, &'p str, &'p str)> {
        let env = task.env.iter().filter_map(|entry| match &entry.source {
            EnvSource::Expr(expr) => Some(expr),
            _ => None,
        });
        let params = task.child().into_iter().flat_map(PlannedChild::expressions);
        let of_object = task.resource().into_iter().flat_map(PlannedResource::expressions);
        let mut found = Vec::new();
        let of_pod = task.pod_fields.iter().map(|field| &field.expr);
        for expr in task.when.iter().chain(env).chain(of_pod).chain(params).chain(of_object) {
            for reference in expr.expr.references() {
                let Reference::Output { task: of, output } = reference else { continue };
                let asks = |other: &PlannedExpr| other.expr.references().iter().any(|other| is_about_end(other, of));
                let has_default = self
                    .index(of)
                    .and_then(|of| self.tasks.get(of))
                    .is_some_and(|of| of.default_outputs.contains_key(output));
                let when = task.when.as_ref().filter(|when| when.path != expr.path);
                let is_asked =
                    expr.expr.is_guarded(reference) || asks(expr) || when.is_some_and(|when| reads(when, of));
                if !has_default && !is_asked {
                    found.push((expr, of.as_str(), output.as_str()));
                }
            }
        }
        found
    }

    /// The tasks that have succeeded whenever this one runs.
    fn succeeded_before(&self, reader: usize) -> BTreeSet<usize> {
        let (mut succeeded, mut ran, mut left) = (BTreeSet::new(), BTreeSet::new(), vec![reader]);
        while let Some(index) = left.pop() {
            let Some(task) = self.tasks.get(index).filter(|_| ran.insert(index)) else { continue };
            if !asks_all_to_be_ok(task) {
                continue;
            }
            for need in &task.needs {
                // What is ok has run, and so its own needs were as its rule wants them.
                left.push(*need);
                if self.tasks.get(*need).is_some_and(|need| !need.allow_failure) {
                    succeeded.insert(*need);
                }
            }
        }
        succeeded
    }
}

/// Whether a task runs only if every task that it needs is ok: Succeeded, or Failed with `allowFailure`.
fn asks_all_to_be_ok(task: &PlannedTask) -> bool {
    let asks_one = matches!(
        task.rule,
        TriggerRule::AnySucceeded | TriggerRule::NoneFailedMinOneSucceeded | TriggerRule::AllDoneMinOneSucceeded
    );
    task.rule == TriggerRule::AllSucceeded || asks_one && task.needs.len() == 1
}

/// Whether a reference tells how a task ended.
fn is_about_end(reference: &Reference, task: &str) -> bool {
    matches!(reference, Reference::TaskField { task: of, field } if of == task && field != "outputs")
}

fn reads(expr: &PlannedExpr, task: &str) -> bool {
    expr.expr.references().iter().any(|reference| match reference {
        Reference::Task(of) | Reference::TaskField { task: of, .. } | Reference::Output { task: of, .. } => of == task,
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::plan;

    /// The warnings of a workflow: a task with an output, one after it, and then `reader`, which reads the output.
    fn warned(of: &str, then: &str, reader: &str) -> Vec<String> {
        let text = format!(
            "taskDefaults: {{image: i}}
tasks:
- {{name: a, outputs: [{{name: v, type: int{of}]}}
- {{name: b, needs: [a]{then}}}
- {{name: c, {reader}}}
"
        );
        plan(&text).warnings().iter().map(ToString::to_string).collect()
    }

    const EXPR: &str = "env: [{name: X, expr: tasks.a.outputs.v}]";

    #[test]
    #[rustfmt::skip]
    fn an_output_is_there_where_its_task_must_have_succeeded() {
        for (of, then, reader) in [
            ("}", "", "needs: [a]"),
            ("}", "", "needs: [b]"),
            ("}", ", allowFailure: true", "needs: [b]"),
            ("}", "", "needs: [a], triggerRule: AnySucceeded"),
            (", default: 1}", "", "needs: [a], triggerRule: AllDone"),
            ("}", "", "needs: [a], triggerRule: AllDone, when: tasks.a.phase == 'Succeeded'"),
            ("}", "", "needs: [a], triggerRule: AllDone, when: has(tasks.a.outputs.v)"),
        ] {
            let found = warned(of, then, &format!("{reader}, {EXPR}"));
            assert_eq!(found, Vec::<String>::new(), "{of} {then} {reader}");
        }
        for expr in ["tasks.a.outputs.?v.orValue(1)", "has(tasks.a.outputs.v) ? tasks.a.outputs.v : 1", "tasks.a.phase == 'Failed' ? 1 : tasks.a.outputs.v"] {
            let found = warned("}", "", &format!("needs: [a], triggerRule: AllDone, env: [{{name: X, expr: \"{expr}\"}}]"));
            assert_eq!(found, Vec::<String>::new(), "{expr}");
        }
    }

    #[test]
    #[rustfmt::skip]
    fn a_read_that_may_fail_is_told_with_its_remedies() {
        for (of, then, reader) in [
            ("}", "", "needs: [a], triggerRule: AllDone"),
            ("}", "", "needs: [a, b], triggerRule: AnySucceeded"),
            ("}", ", triggerRule: AllDone", "needs: [b]"),
            ("}], allowFailure: true, env: [", "", "needs: [a]"),
        ] {
            let found = warned(of, then, &format!("{reader}, {EXPR}"));
            assert_eq!(found, ["tasks[2].env[0].expr: task `c`: reads the output `v` of `a`, which may have ended without it: write outputs.?v.orValue(…), ask in when, or give the output a default"], "{of} {then} {reader}");
        }
        let of_finally = "taskDefaults: {image: i}\ntasks: [{name: a, outputs: [{name: v, type: int}]}]\nfinally: [{name: c, when: tasks.a.outputs.v > 1}]";
        let found: Vec<String> = plan(of_finally).warnings().iter().map(|warning| warning.path.clone()).collect();
        assert_eq!(found, ["finally[0].when"]);
    }
}
