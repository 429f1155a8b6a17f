//! Pods whose run is gone or being deleted. Whatever their run's fate, they get rid of our finalizer; the garbage collector
//! does the rest. That is the whole reason why deleting a run, or its namespace, never hangs.

use std::sync::Arc;

use super::Context;
use super::client::Failure;
use crate::api::WorkflowRun;

/// Releases every pod labelled with this run, if a live read agrees that the run is gone or going.
pub async fn settle(context: &Arc<Context>, uid: &str) -> Result<(), Failure> {
    let pods: Vec<_> = context.cache().pods_of(uid).collect();
    let Some(first) = pods.first() else {
        context.forget(uid);
        return Ok(());
    };
    let live = context.cluster.get::<WorkflowRun>(&first.namespace, &first.run_name).await?;
    let live = live.filter(|run| run.meta.uid.as_deref() == Some(uid));
    if let Some(run) = live.filter(|run| run.meta.deletion_timestamp.is_none()) {
        // It exists: the news of it is still on its way, and comes with this.
        context.enqueue(|cache| if cache.put_run(run) { vec![super::Key::Run(uid.to_owned())] } else { Vec::new() });
        return Ok(());
    }
    // One that can't be released for now must not keep the others.
    let mut outcome = Ok(());
    for pod in pods.iter().filter(|pod| pod.held()) {
        let facts = &pod.facts;
        match context.cluster.release_pod(&pod.namespace, &facts.name, &facts.uid, &pod.finalizers).await {
            Ok(released) => {
                if let Some(released) = released {
                    context.cache().put_pod(&released);
                }
                tracing::info!(pod = facts.name, namespace = pod.namespace, "released a pod whose run is gone");
            }
            Err(failure) => outcome = Err(failure),
        }
    }
    outcome
}
