//! From a spec to its plan.

use std::sync::Arc;

use super::expression::Numbers;
use super::graph::Graph;
use super::report::{Path, Report};
use super::task::{self, Defaults};
use super::tasks::Tasks;
use super::words::quote;
use super::{Origin, Plan, Problem, claim, concurrency, param, reads, run_output, size, times};
use crate::api::WorkflowSpec;

/// Where problems are that concern the spec as a whole.
const ROOT: &str = "spec";

impl Plan {
    /// The plan of a Workflow's spec.
    ///
    /// # Errors
    ///
    /// Every mistake, each with its path: at most 50 and then one that counts the rest.
    pub fn new(spec: &WorkflowSpec) -> Result<Plan, Vec<Problem>> {
        Plan::checked(spec, Origin::Workflow)
    }

    /// The plan of a spec from the given place, which decides how large it can be.
    ///
    /// # Errors
    ///
    /// As for [`Plan::new`].
    pub fn checked(spec: &WorkflowSpec, origin: Origin) -> Result<Plan, Vec<Problem>> {
        let mut report = Report::default();
        size::check(spec, origin, &mut report);
        if !report.is_empty() {
            return report.finish(ROOT, ()).and(Ok(Plan::default()));
        }
        let params = param::plan(&spec.params, &mut report);
        let numbers = Arc::new(Numbers::of(spec));
        let defaults = Defaults::new(spec.task_defaults.as_ref(), &numbers, &mut report);
        let listed = Tasks::of(spec);
        let mut tasks = Vec::with_capacity(listed.all.len());
        for (index, task) in listed.all.iter().enumerate() {
            report.about(format!("task `{}`: ", quote(&task.name)));
            tasks.push(task::plan(index, task, &listed, &defaults, &numbers, &mut report));
        }
        report.about_nothing();
        claim::check(spec, &listed, &mut report);
        let claims = claim::names(&spec.volume_claims);
        for task in &mut tasks {
            task.claims = claim::mounted(task, &claims);
        }
        let timeout = times::timeout_of(spec.timeout.as_ref(), &Path::Root("timeout"), &mut report);
        let finally_timeout =
            times::timeout_of(spec.finally_timeout.as_ref(), &Path::Root("finallyTimeout"), &mut report);
        let ttl = times::timeout_of(spec.ttl.as_ref(), &Path::Root("ttl"), &mut report);
        let concurrency = concurrency::plan(spec, origin, &numbers, &mut report);
        let outputs = run_output::plan(&spec.outputs, &numbers, &mut report);
        let graph = Graph::new(&listed, &mut report);
        let key = concurrency.as_ref().and_then(|concurrency| concurrency.key.as_ref());
        let whole: Vec<_> = key.into_iter().chain(outputs.iter().map(|output| &output.expr)).collect();
        reads::check(&spec.params, &whole, &listed, &defaults, &tasks, &graph, &mut report);
        for (task, needs) in tasks.iter_mut().zip(graph.needs) {
            task.needs = needs;
        }
        let names = listed.names.into_iter();
        let plan = Plan {
            index: names.map(|(name, index)| (name.to_owned(), index)).collect(),
            order: graph.order.unwrap_or_default(),
            tasks,
            params,
            timeout,
            volume_claims: spec.volume_claims.clone(),
            finally_timeout: finally_timeout.unwrap_or(times::FINALLY),
            concurrency,
            ttl,
            outputs,
        };
        report.finish(ROOT, plan)
    }
}
