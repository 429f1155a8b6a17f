//! Pods whose run is gone or being deleted. Whatever their run's fate, they get rid of our finalizer; the garbage collector
//! does the rest. That is the whole reason why deleting a run, or its namespace, never hangs.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use super::cache::PodEntry;
use super::client::Failure;
use super::watch::Watched;
use crate::api::WorkflowRun;
use crate::mutant::{Mutant, is};

/// Releases every pod labelled with this run whose namespace doesn't hold the run, if a live read agrees that it is gone or
/// going.
pub async fn settle(context: &Arc<Context>, uid: &str) -> Result<(), Failure> {
    let pods: Vec<_> = context.cache().pods_of(uid).cloned().collect();
    if pods.is_empty() || is(Mutant::OrphansKept) {
        context.forget(uid);
        return Ok(());
    }
    // One that can't be released for now must not keep the others.
    let mut outcome = Ok(());
    let mut alive = BTreeMap::new();
    for pod in pods {
        let place = (pod.namespace.clone(), pod.run_name.clone());
        let lives = if let Some(lives) = alive.get(&place) {
            *lives
        } else {
            let lives = is_alive(context, uid, &place.0, &place.1).await?;
            alive.insert(place, lives);
            lives
        };
        if !lives && pod.held() {
            outcome = release(context, &pod, "its run is gone").await.and(outcome);
        }
    }
    outcome
}

/// Releases the pods that are labelled with a run and not its own: in another namespace, a copy that someone made, one whose
/// labels or owner someone changed. Nobody else looks after them, and nothing of theirs will go on record.
pub async fn release_strangers(context: &Arc<Context>, uid: &str, namespace: &str) -> Result<(), Failure> {
    let is_stranger = |pod: &Arc<PodEntry>| pod.namespace != namespace || !pod.ours;
    let pods: Vec<_> = context.cache().pods_of(uid).filter(|pod| is_stranger(pod) && pod.held()).cloned().collect();
    for pod in pods {
        release(context, &pod, "it is not its run's own").await?;
    }
    Ok(())
}

/// Whether a run of this uid exists there and isn't being deleted. If so the cache learns of it: the news is still on its way.
async fn is_alive(context: &Arc<Context>, uid: &str, namespace: &str, name: &str) -> Result<bool, Failure> {
    if name.is_empty() {
        return Ok(false);
    }
    let live = context.cluster.get::<WorkflowRun>(namespace, name).await?;
    let Some(run) = live.filter(|run| {
        (run.meta.uid.as_deref() == Some(uid) || is(Mutant::AliveByName)) && run.meta.deletion_timestamp.is_none()
    }) else {
        return Ok(false);
    };
    context.enqueue(|cache| WorkflowRun::put(cache, run));
    Ok(true)
}

async fn release(context: &Arc<Context>, pod: &PodEntry, why: &str) -> Result<(), Failure> {
    let facts = &pod.facts;
    let released = context.cluster.release_pod(&pod.namespace, &facts.name, &facts.uid, &pod.finalizers).await?;
    if let Some(released) = released {
        context.cache().put_pod(&released);
    }
    tracing::info!(pod = facts.name, namespace = pod.namespace, why, "released a pod");
    Ok(())
}
