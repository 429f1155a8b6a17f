//! A round for one workflow: say whether it is valid, and name every mistake.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::Context;
use super::client::Failure;
use crate::api::{Workflow, WorkflowStatus};
use crate::engine::clip;
use crate::plan::Plan;

/// Bytes of the message: a condition's may have 32,768, but people read this one in a terminal.
const MESSAGE: usize = 8 * 1024;

/// Checks a workflow and writes its status, if that says something new.
pub async fn reconcile(context: &Arc<Context>, uid: &str) -> Result<(), Failure> {
    let Some(workflow) = context.cache().workflow(uid) else {
        context.forget(uid);
        return Ok(());
    };
    if workflow.meta.deletion_timestamp.is_some() {
        return Ok(());
    }
    let (verdict, tasks, old) = match &workflow.object {
        Ok(object) => {
            let tasks = object.spec.tasks.iter().chain(&object.spec.finally).count();
            (verdict(object), u32::try_from(tasks).ok(), object.status.clone().unwrap_or_default())
        }
        Err(why) => (Err(format!("this workflow can't be read: {why}")), None, WorkflowStatus::default()),
    };
    let status = status(&old, verdict, tasks, workflow.meta.generation, context.now());
    if status == old {
        return Ok(());
    }
    match context.cluster.put_status::<Workflow>(&workflow, &status).await {
        Ok(written) => {
            context.cache().put_workflow(written);
            Ok(())
        }
        // Changed meanwhile or gone: the watch brings the news, and that another round.
        Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn verdict(workflow: &Workflow) -> Result<(), String> {
    Plan::new(&workflow.spec).map(|_| ()).map_err(|problems| {
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        all.join("\n")
    })
}

fn status(
    old: &WorkflowStatus,
    verdict: Result<(), String>,
    tasks: Option<u32>,
    generation: Option<i64>,
    now: jiff::Timestamp,
) -> WorkflowStatus {
    let (status, reason, message) = match verdict {
        Ok(()) => ("True", "Valid", String::new()),
        Err(mistakes) => ("False", "InvalidWorkflow", clip(&mistakes, MESSAGE)),
    };
    let since = old
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Valid" && condition.status == status)
        .map_or(Time(now), |condition| condition.last_transition_time.clone());
    WorkflowStatus {
        observed_generation: generation,
        tasks,
        conditions: vec![Condition {
            type_: "Valid".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message,
            observed_generation: generation,
            last_transition_time: since,
        }],
    }
}
