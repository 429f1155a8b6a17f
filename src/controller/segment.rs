//! Segments: parts of the logs of runs as records of their own, each written before the status that names it.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::client::{Cluster, Failure};
use crate::api::{API_VERSION, Segment, WorkflowRecord, WorkflowRecordData, label};
use crate::engine::NamedSegment;
use crate::mutant::{Mutant, is};

/// Whether a segment is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is.
    Yes,
    /// Another record has its name.
    Taken,
}

/// Puts a segment on record. It may be there already: someone who had the same log to seal came to an end before the status.
pub async fn write(cluster: &Cluster, namespace: &str, named: &NamedSegment) -> Result<Written, Failure> {
    let record = record(namespace, named);
    if cluster.create_record(namespace, &record).await? || is(Mutant::AnySegmentIsOurs) {
        return Ok(Written::Yes);
    }
    let Some(found) = cluster.get_record_text(namespace, &named.name).await? else {
        return Err(Failure::Unknown(format!("WorkflowRecord {} existed, and is gone", named.name)));
    };
    // One that can't be read isn't ours. The uid of the run is in the content, so that nobody has the same by chance.
    let is_ours = serde_json::from_str::<WorkflowRecord>(found.get()).is_ok_and(|found| found.spec == record.spec);
    Ok(if is_ours { Written::Yes } else { Written::Taken })
}

/// The record of a segment. It goes with its run.
fn record(namespace: &str, named: &NamedSegment) -> WorkflowRecord {
    let Segment { run, run_uid, .. } = &named.segment;
    let data = WorkflowRecordData { segment: Some(named.segment.clone()), ..WorkflowRecordData::default() };
    let mut record = WorkflowRecord::new(&named.name, data);
    record.metadata.namespace = Some(namespace.to_owned());
    let labels = [(label::MANAGED_BY, "gantline"), (label::RUN, run), (label::RUN_UID, run_uid)];
    record.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    // Without blockOwnerDeletion, which would hold up the deletion of the run.
    record.metadata.owner_references = Some(vec![OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "WorkflowRun".to_owned(),
        name: run.clone(),
        uid: run_uid.clone(),
        controller: Some(true),
        block_owner_deletion: None,
    }]);
    record
}
