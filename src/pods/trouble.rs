//! What keeps a pod from running.
use super::slim::SlimPod;
use crate::engine::Trouble;

/// What keeps `main` from starting.
pub fn trouble(_: &SlimPod) -> Option<Trouble> {
    None
}
