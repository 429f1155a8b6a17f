//! Runs that can't be read: nested too deep, or written with another version of the CRD. They are reported, each on itself;
//! everyone else's go on.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime, Time};

use super::client::Failure;
use super::loose::Loose;
use super::{Context, Key, event};
use crate::api::{Reason, RunPhase, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Note, clip};

/// Time between reports on the same run.
const AGAIN: Duration = Duration::from_mins(30);
/// Bytes kept of the parser's words.
const MESSAGE: usize = 1024;

/// Reports a run that can't be read. One without a status is failed, so that nobody waits for it; a status that is there stays,
/// since it may be the record of pods that run.
pub async fn report(context: &Arc<Context>, run: &Loose<WorkflowRun>, why: &str) -> Result<(), Failure> {
    let message = clip(&format!("this run can't be read, so nothing is done about it: {why}"), MESSAGE);
    tracing::warn!(run = ?run.meta.name, namespace = ?run.meta.namespace, why, "a run can't be read");
    let note = Note { seq: 0, warning: true, reason: "Unreadable", message: message.clone() };
    event::publish(context, run, &[note]);
    if run.has_status {
        // An Event is gone after a while.
        context.wake_in(Key::Run(run.meta.uid.clone().unwrap_or_default()), AGAIN);
        return Ok(());
    }
    let now = context.now();
    let condition = |kind: &str, status: &str| Condition {
        type_: kind.to_owned(),
        status: status.to_owned(),
        reason: format!("{:?}", Reason::InvalidWorkflow),
        message: message.clone(),
        observed_generation: run.meta.generation,
        last_transition_time: Time(now),
    };
    let status = WorkflowRunStatus {
        phase: RunPhase::Failed,
        reason: Some(Reason::InvalidWorkflow),
        conditions: vec![condition("Succeeded", "False"), condition("Finished", "True")],
        message,
        observed_generation: run.meta.generation,
        finished_at: Some(MicroTime(now)),
        ..WorkflowRunStatus::default()
    };
    match context.cluster.put_status::<WorkflowRun>(run, &status).await {
        Err(failure) if !failure.is_not_found() && !failure.is_conflict() => Err(failure),
        _ => Ok(()),
    }
}
