//! Records that nothing names any more. A record goes when it is an hour old, holds no current workflow, no run names it, and
//! all that was so at two sweeps in a row: a run that starts in between pins it in time. Should one still lose the race, it goes on
//! with the plan that this process has, and after a restart with the workflow, if that is still the same.
//!
//! Segments and outputs have an owner, and go with their run by Kubernetes' own garbage collection. One whose owner was taken off, as by a
//! deletion of its run with `--cascade=orphan`, goes as other records do, once its run is gone.

use std::collections::BTreeSet;

use http::Method;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Resource;
use serde::Deserialize;

use super::client::Failure;
use super::loose::{Loose, Readable};
use super::{Context, revision};
use crate::api::WorkflowRecord;

/// How old a record must be.
const AGE: SignedDuration = SignedDuration::from_hours(1);
/// Time between sweeps.
const EVERY: std::time::Duration = std::time::Duration::from_mins(10);
/// Records read at once.
const PAGE: u32 = 50;

/// A page of records, of which little is read.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Loose<Record>>,
    #[serde(default)]
    metadata: ListMeta,
}

#[derive(Deserialize)]
struct Record {
    spec: Spec,
}

impl Readable for Record {}

#[derive(Deserialize)]
struct Spec {
    segment: Option<OfRun>,
    outputs: Option<OfRun>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfRun {
    run_uid: String,
}

/// Sweeps for ever.
pub async fn forever(context: &Context) {
    let scopes: Vec<Option<&str>> = match context.settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
    };
    let mut marked = vec![BTreeSet::new(); scopes.len()];
    loop {
        tokio::time::sleep(EVERY).await;
        for (scope, marked) in scopes.iter().zip(&mut marked) {
            match sweep(context, *scope, marked).await {
                Ok(unused) => *marked = unused,
                Err(failure) => {
                    tracing::warn!(scope, %failure, "old records could not be swept; the next sweep tries again");
                }
            }
        }
    }
}

/// Deletes what was marked and still is unused; returns the uids of the unused ones that stay.
async fn sweep(context: &Context, scope: Option<&str>, marked: &BTreeSet<String>) -> Result<BTreeSet<String>, Failure> {
    let mut unused = BTreeSet::new();
    // What the runs there name isn't known.
    if !context.cache().is_filled(scope) {
        return Ok(unused);
    }
    let mut token = String::new();
    loop {
        let path = format!("{}?limit={PAGE}&continue={token}", WorkflowRecord::url_path(&(), scope));
        let page: Page = context.cluster.send(Method::GET, &path, None::<&()>).await?;
        let (named, unreadable) = (named(context), unreadable(context));
        for record in page.items {
            let meta = record.meta;
            let (name, namespace) = (meta.name.unwrap_or_default(), meta.namespace.unwrap_or_default());
            let Some(uid) = meta.uid else { continue };
            let old = meta.creation_timestamp.is_some_and(|at| context.now().duration_since(at.0) >= AGE);
            let named = named.contains(&(namespace.clone(), name.clone()));
            let owned = meta.owner_references.is_some_and(|owners| !owners.is_empty());
            let part = record.object.ok().and_then(|record| record.spec.segment.or(record.spec.outputs));
            let in_use = part.is_some_and(|part| context.cache().run(&part.run_uid).is_some());
            if !old || named || owned || in_use || unreadable.contains(&namespace) {
                continue;
            }
            if marked.contains(&uid) {
                match context.cluster.delete_record(&namespace, &name, &uid).await {
                    Ok(()) => tracing::info!(record = name, namespace, "deleted a record that nothing names"),
                    Err(failure) => {
                        tracing::warn!(record = name, namespace, %failure, "an old record stays for now");
                    }
                }
            } else {
                unused.insert(uid);
            }
        }
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => token = next,
            None => return Ok(unused),
        }
    }
}

/// Namespaces with a run that can't be read: which record it names is not known.
fn unreadable(context: &Context) -> BTreeSet<String> {
    let cache = context.cache();
    cache.runs().filter(|(_, run)| run.object.is_err()).filter_map(|(_, run)| run.meta.namespace.clone()).collect()
}

/// Records that a run names, or that hold a current workflow: namespace and name.
fn named(context: &Context) -> BTreeSet<(String, String)> {
    let cache = context.cache();
    let by_run = cache.runs().filter_map(|(_, run)| {
        let revision = run.object.as_ref().ok()?.status.as_ref()?.revision.clone()?;
        Some((run.meta.namespace.clone()?, revision))
    });
    let current = cache.workflows().filter_map(|(_, workflow)| {
        let spec = &workflow.object.as_ref().ok()?.spec;
        let name = workflow.meta.name.as_deref()?;
        Some((workflow.meta.namespace.clone()?, revision::name_of(Some(name), spec)))
    });
    by_run.chain(current).collect()
}
