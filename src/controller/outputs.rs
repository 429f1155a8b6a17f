//! Outputs of the tasks of a run that are in records: read once a process, as no record ever changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Context;
use super::client::{Cluster, Failure};
use crate::api::WorkflowRecord;
use crate::engine::Outputs;
use crate::plan::is_outputs_name;

/// What is known of the outputs of a run.
#[derive(Debug, Default)]
pub struct KeptOutputs {
    /// The records that they are in, in their order.
    records: Vec<String>,
    /// The texts of those.
    texts: BTreeMap<String, Arc<str>>,
    /// What they come to.
    outputs: Arc<Outputs>,
}

/// The outputs of a run.
pub enum Loaded {
    /// All that are in records.
    Ready(Arc<Outputs>),
    /// One of those can't be had any more; says which, and why.
    Lost(String),
}

/// The outputs in these records of a run, which are kept in memory as long as its status names them.
pub async fn load(context: &Context, namespace: &str, uid: &str, records: &[String]) -> Result<Loaded, Failure> {
    let kept = context.with_memory(uid, |memory| Arc::clone(&memory.outputs));
    if kept.records == records {
        return Ok(Loaded::Ready(Arc::clone(&kept.outputs)));
    }
    let mut texts = BTreeMap::new();
    for name in records {
        let text = match kept.texts.get(name) {
            Some(text) => Arc::clone(text),
            None => match text(&context.cluster, namespace, uid, name).await? {
                Ok(text) => text.into(),
                Err(why) => return Ok(Loaded::Lost(lost(name, why))),
            },
        };
        texts.insert(name.clone(), text);
    }
    let (outputs, is_whole) = Outputs::read(records.iter().map(|name| texts.get(name).map(AsRef::as_ref)));
    if !is_whole {
        // Each is what its name says, so that a hand has put together what doesn't belong together.
        let last = records.last().map_or("", String::as_str);
        return Ok(Loaded::Lost(lost(
            last,
            "isn't among those that it was written with: status.sealedOutputs was edited",
        )));
    }
    let kept = KeptOutputs { records: records.to_vec(), texts, outputs: Arc::new(outputs) };
    let outputs = Arc::clone(&kept.outputs);
    context.with_memory(uid, |memory| memory.outputs = Arc::new(kept));
    Ok(Loaded::Ready(outputs))
}

/// Nothing more is decided for the run: its outputs needn't be at hand.
pub fn drop_kept(context: &Context, uid: &str) {
    context.with_memory(uid, |memory| {
        if !memory.outputs.records.is_empty() {
            memory.outputs = Arc::default();
        }
    });
}

fn lost(name: &str, why: &str) -> String {
    format!(
        "WorkflowRecord {name}, which holds outputs of the run's tasks, {why}: make a new run, which makes them again; gantline describe \
         shows what is left of them"
    )
}

/// The text of a record of the run of this uid, or what became of it.
pub async fn text(
    cluster: &Cluster,
    namespace: &str,
    uid: &str,
    name: &str,
) -> Result<Result<String, &'static str>, Failure> {
    // It goes into the path of a request.
    let is_letter = |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Ok(Err("isn't the name of one: status.sealedOutputs was edited"));
    }
    let Some(found) = cluster.get_record_text(namespace, name).await? else { return Ok(Err("was deleted")) };
    let part = serde_json::from_str::<WorkflowRecord>(found.get()).ok().and_then(|record| record.spec.outputs);
    let part = part.filter(|part| part.run_uid == uid && is_outputs_name(name, part));
    Ok(part.map(|part| part.text).ok_or("was changed: it no longer holds what its name says"))
}
