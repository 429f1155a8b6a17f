//! Kubernetes Events of a run: its start and end, failures, disruptions; nothing per normal task. Best effort: an Event that
//! can't be written is logged, and the run goes on.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::ObjectMeta;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::Context;
use super::client::Failure;
use super::loose::{Loose, Typed};
use crate::engine::Note;

/// Who reports.
const CONTROLLER: &str = "gantline.dev/operator";

/// Publishes the notes of a decision that is on record, in the background.
pub fn publish<T: Typed>(context: &Arc<Context>, of: &Loose<T>, notes: &[Note]) {
    if notes.is_empty() {
        return;
    }
    let (inner, namespace) = (Arc::clone(context), of.meta.namespace.clone().unwrap_or_default());
    let uid = of.meta.uid.clone().unwrap_or_default();
    let now = context.now();
    let events: Vec<_> =
        notes.iter().map(|note| manifest::<T>(&of.meta, note, now, &context.settings.identity)).collect();
    context.spawn(async move {
        let Some(_turn) = inner.others.turn(&uid).await else { return };
        for event in events {
            match inner.cluster.create_event(&namespace, &event).await {
                Ok(()) => {}
                // Mostly a namespace that is being deleted.
                Err(failure @ Failure::Refused(_)) => tracing::debug!(namespace, %failure, "an Event was refused"),
                Err(failure) => tracing::warn!(namespace, %failure, "an Event could not be written"),
            }
        }
    });
}

/// The Event. Its name is made from what it tells of, so that telling it twice makes one.
fn manifest<T: Typed>(of: &ObjectMeta, note: &Note, now: jiff::Timestamp, instance: &str) -> serde_json::Value {
    use kube::Resource;
    let name = of.name.clone().unwrap_or_default();
    let seed = format!("{}/{}/{}/{}", of.uid.as_deref().unwrap_or_default(), note.seq, note.reason, note.message);
    let hash = Sha256::digest(seed.as_bytes()).iter().take(8).fold(0_u64, |hash, byte| hash << 8 | u64::from(*byte));
    json!({
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": { "name": format!("{name}.{hash:016x}"), "namespace": of.namespace },
        "eventTime": MicroTime(now),
        "reportingController": CONTROLLER,
        "reportingInstance": instance,
        "action": "Reconcile",
        "reason": note.reason,
        "note": note.message,
        "type": if note.warning { "Warning" } else { "Normal" },
        "regarding": {
            "apiVersion": T::Kind::api_version(&()),
            "kind": T::Kind::kind(&()),
            "name": name,
            "namespace": of.namespace,
            "uid": of.uid,
        },
    })
}
