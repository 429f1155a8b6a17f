//! What is of a run and in records of its own, each written before the status that names it: segments of its log, and outputs of its
//! tasks.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;

use super::client::{Cluster, Failure};
use crate::api::{API_VERSION, OutputsPart, Segment, WorkflowRecord, WorkflowRecordData, label};
use crate::engine::{NamedOutputs, NamedSegment};
use crate::mutant::{Mutant, is};

/// A record of a run.
pub struct Part<'a> {
    /// Its name.
    pub name: &'a str,
    run: &'a str,
    run_uid: &'a str,
    data: WorkflowRecordData,
}

impl<'a> From<&'a NamedSegment> for Part<'a> {
    fn from(NamedSegment { name, segment }: &'a NamedSegment) -> Self {
        let Segment { run, run_uid, .. } = segment;
        let data = WorkflowRecordData { segment: Some(segment.clone()), ..WorkflowRecordData::default() };
        Self { name, run, run_uid, data }
    }
}

impl<'a> From<&'a NamedOutputs> for Part<'a> {
    fn from(NamedOutputs { name, part }: &'a NamedOutputs) -> Self {
        let OutputsPart { run, run_uid, .. } = part;
        let data = WorkflowRecordData { outputs: Some(part.clone()), ..WorkflowRecordData::default() };
        Self { name, run, run_uid, data }
    }
}

/// Whether a part is on record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is.
    Yes,
    /// Another record has its name.
    Taken,
}

/// Puts a part on record. It may be there already: someone who had the same to seal came to an end before the status.
pub async fn write(cluster: &Cluster, namespace: &str, part: Part<'_>) -> Result<Written, Failure> {
    let name = part.name;
    let record = record(namespace, part);
    if cluster.create_record(namespace, &record).await? || is(Mutant::AnySegmentIsOurs) {
        return Ok(Written::Yes);
    }
    let Some(found) = cluster.get_record_text(namespace, name).await? else {
        return Err(Failure::Unknown(format!("WorkflowRecord {name} existed, and is gone")));
    };
    // One that can't be read isn't ours. The uid of the run is in the content, so that nobody has the same by chance.
    let is_ours = serde_json::from_str::<WorkflowRecord>(found.get()).is_ok_and(|found| found.spec == record.spec);
    Ok(if is_ours { Written::Yes } else { Written::Taken })
}

/// The record of a part. It goes with its run.
fn record(namespace: &str, Part { name, run, run_uid, data }: Part<'_>) -> WorkflowRecord {
    let mut record = WorkflowRecord::new(name, data);
    record.metadata.namespace = Some(namespace.to_owned());
    let labels = [(label::MANAGED_BY, "gantline"), (label::RUN, run), (label::RUN_UID, run_uid)];
    record.metadata.labels = Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    // Without blockOwnerDeletion, which would hold up the deletion of the run.
    record.metadata.owner_references = Some(vec![OwnerReference {
        api_version: API_VERSION.to_owned(),
        kind: "WorkflowRun".to_owned(),
        name: run.to_owned(),
        uid: run_uid.to_owned(),
        controller: Some(true),
        block_owner_deletion: None,
    }]);
    record
}
