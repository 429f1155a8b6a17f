//! Who took a pod.
use super::slim::SlimPod;
use crate::engine::Disruption;

/// The infrastructure's part in a pod's end.
pub fn disruption(_: &SlimPod) -> Option<Disruption> {
    None
}
