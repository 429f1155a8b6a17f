//! What is played: manifests, the behaviour of their pods, what people do meanwhile, and the end that must come.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use crate::human::Human;
use crate::kubelet::Behaviour;
use crate::model::Server;
use crate::reference::End;
use crate::wire::Wire;

/// A scenario. Times are milliseconds since its beginning.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name: words with dashes.
    pub name: &'static str,
    /// Replicas of the operator.
    pub replicas: u8,
    /// What is applied at the beginning, in this order.
    pub manifests: Vec<Value>,
    /// What [`Human::Create`] may create later, besides.
    pub later: Vec<Value>,
    /// Behaviours of each task's pods, by attempt; the last one repeats. A task that isn't named succeeds after two seconds.
    pub behaviours: BTreeMap<String, Vec<Behaviour>>,
    /// What people do, and when.
    pub humans: Vec<(u64, Human)>,
    /// Creates of pods that the API server refuses for a while.
    pub refuse_creates: Option<Refusal>,
    /// Tasks whose environment can't be evaluated.
    pub broken_env: Vec<&'static str>,
    /// The workflow has mistakes.
    pub invalid: bool,
    /// The end of each run without faults, by its name; a run that isn't named is gone.
    pub ends: BTreeMap<String, End>,
    /// Whether it is too large for exhaustive enumeration.
    pub wide: bool,
}

/// The API server refuses to create pods for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// `reason` of the Status.
    pub reason: &'static str,
    /// `message` of the Status.
    pub message: &'static str,
    /// From then.
    pub from_ms: u64,
    /// Until then.
    pub until_ms: u64,
}
