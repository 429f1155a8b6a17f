//! Revisions: an immutable copy of a workflow's spec for each run, named by its content.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Context;
use super::client::{Cluster, Failure};
use super::loose::Loose;
use crate::api::{Workflow, WorkflowRecord, WorkflowRecordData, WorkflowRun, WorkflowRunStatus, WorkflowSpec};
use crate::engine::{Definition, Lineage, is_retry_wanted};
use crate::plan::{Origin, Plan, Problem, revision_name};

/// Plans that are kept, so that a run's plan isn't made anew each round.
const PLANS: usize = 256;

/// What a run is to run, and what must be written before its status may name it.
pub enum Pinned {
    /// A plan.
    Ready {
        /// The plan.
        plan: Arc<Plan>,
        /// Name of the revision.
        revision: String,
        /// The record to write first, where it isn't known to exist.
        record: Option<Box<WorkflowRecord>>,
    },
    /// The Workflow doesn't exist.
    Missing,
    /// It has mistakes.
    Invalid(Vec<Problem>),
    /// It can't be read at all.
    Unreadable(String),
    /// The revision can't be had any more.
    Lost(String),
    /// Outputs of the run's tasks can't be had any more.
    OutputsLost {
        /// The plan, which tells what its tasks are.
        plan: Arc<Plan>,
        /// Which, and why.
        why: String,
    },
    /// Not read, since the run has ended.
    Unread,
}

impl Pinned {
    /// The plan, where there is one.
    #[must_use]
    pub fn plan(&self) -> Option<&Plan> {
        match self {
            Self::Ready { plan, .. } | Self::OutputsLost { plan, .. } => Some(plan),
            _ => None,
        }
    }

    /// As the engine takes it.
    #[must_use]
    pub fn as_definition(&self) -> Definition<'_> {
        match self {
            Self::Ready { plan, revision, .. } => Definition::Ready { plan, revision },
            Self::Missing => Definition::Missing,
            Self::Invalid(problems) => Definition::Invalid(problems.clone()),
            Self::Unreadable(why) => Definition::Unreadable(why.clone()),
            Self::Lost(why) => Definition::Lost(why.clone()),
            Self::OutputsLost { why, .. } => Definition::OutputsLost(why.clone()),
            Self::Unread => Definition::Unread,
        }
    }
}

/// Plans by namespace and revision.
#[derive(Default)]
pub struct Plans {
    plans: Mutex<BTreeMap<(String, String), Arc<Plan>>>,
}

impl Plans {
    fn get(&self, namespace: &str, revision: &str) -> Option<Arc<Plan>> {
        let plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        plans.get(&(namespace.to_owned(), revision.to_owned())).cloned()
    }

    fn put(&self, namespace: &str, revision: &str, plan: &Arc<Plan>) {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if plans.len() >= PLANS {
            plans.pop_first();
        }
        plans.insert((namespace.to_owned(), revision.to_owned()), Arc::clone(plan));
    }
}

/// A copy of a spec that can be pinned.
struct Copy {
    workflow: Option<String>,
    spec: WorkflowSpec,
    revision: String,
}

impl Copy {
    fn of(workflow: Option<&str>, spec: &WorkflowSpec) -> Self {
        Self { workflow: workflow.map(str::to_owned), spec: spec.clone(), revision: name_of(workflow, spec) }
    }

    /// What the record of a revision holds, if that is what its name says.
    fn in_record(record: &WorkflowRecord, revision: &str) -> Option<Self> {
        let workflow = Some(record.spec.workflow.as_str()).filter(|name| !name.is_empty());
        let data = serde_json::Value::Object(record.spec.data.clone());
        if revision_name(workflow, &data.to_string()) != revision {
            return None;
        }
        let spec = serde_json::from_value(data).ok()?;
        Some(Self { workflow: workflow.map(str::to_owned), spec, revision: revision.to_owned() })
    }

    fn plan(&self) -> Result<Plan, Vec<Problem>> {
        Plan::checked(&self.spec, if self.workflow.is_some() { Origin::Workflow } else { Origin::Inline })
    }

    fn record(&self, namespace: &str) -> WorkflowRecord {
        let data = match serde_json::to_value(&self.spec) {
            Ok(serde_json::Value::Object(data)) => data,
            _ => serde_json::Map::new(),
        };
        let workflow = self.workflow.clone().unwrap_or_default();
        let data = WorkflowRecordData { workflow, data, ..WorkflowRecordData::default() };
        let mut record = WorkflowRecord::new(&self.revision, data);
        record.metadata.namespace = Some(namespace.to_owned());
        record
    }
}

/// The name of a spec's revision: of the JSON with its keys sorted, so that the order of fields in our types is no part of it.
#[must_use]
pub fn name_of(workflow: Option<&str>, spec: &WorkflowSpec) -> String {
    let data = serde_json::to_value(spec).unwrap_or_default();
    revision_name(workflow, &data.to_string())
}

/// What this run is to run.
pub async fn of(context: &Context, run: &Loose<WorkflowRun>, lineage: &Lineage) -> Result<Pinned, Failure> {
    let Ok(object) = &run.object else { return Ok(Pinned::Unread) };
    let namespace = run.meta.namespace.as_deref().unwrap_or_default();
    let status = object.status.as_ref();
    let goes_on = |status: &WorkflowRunStatus| {
        !status.phase.is_finished() || is_retry_wanted(&object.spec, status, lineage)
            // The names of its tasks are the plan's.
            || status.packed.is_some()
    };
    if !status.is_none_or(goes_on) {
        return Ok(Pinned::Unread);
    }
    match status.and_then(|status| status.revision.as_deref()) {
        Some(revision) => pinned(context, object, namespace, revision).await,
        None => match current(context, object, namespace).await? {
            Current::Missing => Ok(Pinned::Missing),
            Current::Unreadable(why) => Ok(Pinned::Unreadable(why)),
            Current::Copy(copy) => Ok(plan_of(context, namespace, &copy, Record::New)),
        },
    }
}

/// The workflow as it is now.
enum Current {
    Missing,
    Unreadable(String),
    Copy(Box<Copy>),
}

async fn current(context: &Context, run: &WorkflowRun, namespace: &str) -> Result<Current, Failure> {
    if let Some(spec) = &run.spec.workflow {
        return Ok(Current::Copy(Box::new(Copy::of(None, spec))));
    }
    let name = run.spec.workflow_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let Some(found) = context.cluster.get::<Workflow>(namespace, name).await? else { return Ok(Current::Missing) };
    Ok(match found.object {
        Ok(_) if found.meta.deletion_timestamp.is_some() => Current::Missing,
        Ok(workflow) => Current::Copy(Box::new(Copy::of(Some(name), &workflow.spec))),
        Err(why) => Current::Unreadable(why),
    })
}

/// The revision that the run is pinned to. A record that was deleted is written again if its content is still to be had.
async fn pinned(context: &Context, run: &WorkflowRun, namespace: &str, revision: &str) -> Result<Pinned, Failure> {
    if let Some(plan) = context.plans.get(namespace, revision) {
        return Ok(Pinned::Ready { plan, revision: revision.to_owned(), record: None });
    }
    if let Some(record) = context.cluster.get_record(namespace, revision).await? {
        return Ok(match Copy::in_record(&record, revision) {
            Some(copy) => plan_of(context, namespace, &copy, Record::Known),
            None => {
                Pinned::Lost(format!("WorkflowRecord {revision} was changed: it no longer holds what its name says"))
            }
        });
    }
    match current(context, run, namespace).await? {
        // Not kept until the record is there again: this asks for it each round.
        Current::Copy(copy) if copy.revision == revision => Ok(plan_of(context, namespace, &copy, Record::Deleted)),
        _ => Ok(Pinned::Lost(format!("WorkflowRecord {revision}, which the run is pinned to, was deleted"))),
    }
}

/// The plan of a revision, if its record can be read.
pub async fn read(cluster: &Cluster, namespace: &str, revision: &str) -> Result<Option<Plan>, Failure> {
    let record = cluster.get_record(namespace, revision).await?;
    Ok(record.and_then(|record| Copy::in_record(&record, revision)?.plan().ok()))
}

/// What is known of the record that holds a copy.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Record {
    /// It exists.
    Known,
    /// It has yet to be written, unless another run did.
    New,
    /// A run is pinned to it, and it is gone.
    Deleted,
}

fn plan_of(context: &Context, namespace: &str, copy: &Copy, known: Record) -> Pinned {
    let record = (known != Record::Known).then(|| Box::new(copy.record(namespace)));
    let revision = copy.revision.clone();
    if let Some(plan) = context.plans.get(namespace, &revision) {
        return Pinned::Ready { plan, revision, record };
    }
    match copy.plan() {
        Ok(plan) => {
            let plan = Arc::new(plan);
            if known != Record::Deleted {
                context.plans.put(namespace, &revision, &plan);
            }
            Pinned::Ready { plan, revision, record }
        }
        Err(problems) => Pinned::Invalid(problems),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names are on record in clusters: a version that gives other ones would lose every run that is going on.
    #[test]
    fn the_name_of_a_revision_never_changes() {
        let spec: WorkflowSpec = serde_json::from_value(serde_json::json!({
            "params": [{ "name": "eps", "type": "number", "default": 1e-30 }],
            "tasks": [{ "name": "a", "image": "busybox:1.37", "env": [{ "name": "X", "value": "y" }], "command": ["true"] }],
        }))
        .unwrap();
        assert_eq!(name_of(Some("daily-sales"), &spec), "daily-sales-rj7fyw3ek08q6yfvphsh");
        let text = serde_json::to_string(&spec).unwrap();
        let again: WorkflowSpec = serde_json::from_str(&text).unwrap();
        assert_eq!(name_of(None, &again), name_of(None, &spec), "numbers stay what they are");
    }
}
