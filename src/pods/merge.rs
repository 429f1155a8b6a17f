//! Merging partial pod templates.
use serde_json::{Map, Value};
/// Merges a layer over a pod.
pub fn merge(base: &mut Map<String, Value>, layer: &Map<String, Value>) {
    let _ = (base, layer);
}
