//! Reading a run back: what it is, and the records that its log went on in and its outputs are in, for `gantline describe`.

use std::collections::BTreeSet;

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Resource;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::client::{Cluster, Failure};
use super::loose::Loose;
use super::outputs;
use crate::api::{Segment, WorkflowRecord, WorkflowRun, label};
use crate::plan::Plan;

/// Records read at once, where the chain of them is broken.
const PAGE: u32 = 20;

/// A record that the log of a run went on in; without what it holds, where it is gone or can't be read.
pub type Found = (String, Option<Segment>);

/// A page of records.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Box<RawValue>>,
    #[serde(default)]
    metadata: ListMeta,
}

/// All that is on record of a run.
pub struct History {
    /// The run.
    pub run: WorkflowRun,
    /// What it runs, where its status doesn't tell that by itself and it can be read.
    pub plan: Option<Plan>,
    /// The records of its log, oldest first.
    pub parts: Vec<Found>,
    /// The records of outputs of its tasks, each with its text, or what became of it.
    pub outputs: Vec<(String, Result<String, &'static str>)>,
}

/// All that is on record of a run; `None` if there is no such run.
///
/// # Errors
/// What could not be read; also a run that can't be understood.
pub async fn read(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<History>, Failure> {
    let Some(Loose { object, meta, .. }) = cluster.get::<WorkflowRun>(namespace, name).await? else { return Ok(None) };
    let mut run = object.map_err(Failure::Unknown)?;
    run.metadata = meta;
    let parts = segments(cluster, namespace, &run).await?;
    let revision = run.status.as_ref().filter(|status| status.packed.is_some()).and_then(|it| it.revision.as_deref());
    let plan = match revision {
        Some(revision) => super::revision::read(cluster, namespace, revision).await?,
        None => None,
    };
    let sealed = run.status.as_ref().and_then(|status| status.sealed_outputs.clone()).unwrap_or_default();
    let uid = run.metadata.uid.clone().unwrap_or_default();
    let mut outputs = Vec::new();
    for name in sealed.records {
        let text = outputs::text(cluster, namespace, &uid, &name).await?;
        outputs.push((name, text));
    }
    Ok(Some(History { run, plan, parts, outputs }))
}

/// From the newest, which the status names, along what each says of the one before it. Where one is gone, those before it are found
/// by their label.
async fn segments(cluster: &Cluster, namespace: &str, run: &WorkflowRun) -> Result<Vec<Found>, Failure> {
    let uid = run.metadata.uid.as_deref().unwrap_or_default();
    let sealed = run.status.as_ref().and_then(|status| status.sealed.clone()).unwrap_or_default();
    let (mut next, mut number) = (Some(sealed.segment).filter(|name| !name.is_empty()), sealed.count);
    let (mut parts, mut seen) = (Vec::new(), BTreeSet::new());
    while let Some(name) = next.take() {
        // Nothing but a hand leads in a circle.
        if !seen.insert(name.clone()) {
            break;
        }
        let found = cluster.get_record_text(namespace, &name).await?.and_then(|text| segment(&text));
        let found = found.filter(|(_, segment)| segment.run_uid == uid).map(|(_, segment)| segment);
        if let Some(segment) = &found {
            next.clone_from(&segment.previous);
            number = segment.number;
        } else {
            next = newest_before(cluster, namespace, uid, number).await?;
        }
        parts.push((name, found));
    }
    parts.reverse();
    Ok(parts)
}

/// The name of the newest segment of a run before one of this number. Should two have the same number, the younger is the one that
/// its run went on from.
async fn newest_before(cluster: &Cluster, namespace: &str, uid: &str, number: u32) -> Result<Option<String>, Failure> {
    let (mut newest, mut token) = (None, String::new());
    loop {
        let all = WorkflowRecord::url_path(&(), Some(namespace));
        let path = format!("{all}?labelSelector={}%3D{uid}&limit={PAGE}&continue={token}", label::RUN_UID);
        let page: Page = cluster.send(Method::GET, &path, None::<&()>).await?;
        for (record, segment) in page.items.iter().filter_map(|text| segment(text)) {
            if segment.number < number && segment.run_uid == uid {
                let at = record.metadata.creation_timestamp.map(|at| at.0);
                newest = newest.max(Some((segment.number, at, record.metadata.name)));
            }
        }
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => token = next,
            None => break,
        }
    }
    Ok(newest.and_then(|(_, _, name)| name))
}

/// A record that holds a segment, if that is what a text is.
fn segment(text: &RawValue) -> Option<(WorkflowRecord, Segment)> {
    let mut record: WorkflowRecord = serde_json::from_str(text.get()).ok()?;
    let segment = record.spec.segment.take()?;
    Some((record, segment))
}
