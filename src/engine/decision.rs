//! What was decided.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::ledger::IllegalTransition;
use super::log::NamedSegment;
use super::sealed::NamedOutputs;
use crate::api::{ResourceRef, WorkflowRunStatus};
use crate::plan::PodValues;

/// What comes next for a run: first the segments and outputs are written, then the status, then the effects are carried out in order.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The status to write.
    pub status: WorkflowRunStatus,
    /// The same, before it was packed.
    pub full: WorkflowRunStatus,
    /// How soon the status must be written.
    pub urgency: Urgency,
    /// The parts of its log that the status names and no longer holds, oldest first: they go on record before it.
    pub segments: Vec<NamedSegment>,
    /// The outputs that the status names and no longer holds: they go on record before it.
    pub outputs: Vec<NamedOutputs>,
    /// What to do once it is written; each may be repeated without harm.
    pub effects: Vec<Effect>,
    /// What to tell as Kubernetes Events, once it is written.
    pub notes: Vec<Note>,
    /// When to decide again, though nothing has changed.
    pub wake_at: Option<Timestamp>,
    /// Transitions that the facts asked for and the law forbids: never written, reported as a fault of ours.
    pub illegal: Vec<IllegalTransition>,
}

/// How soon a status must be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// It is as it was.
    Unchanged,
    /// Only the wording of what it waits for has changed: at most once in five minutes.
    Wording,
    /// Nothing hangs on it: at most once a second.
    Lazy,
    /// It permits a create, finishes something or answers control: at once.
    Urgent,
}

/// Something to do to the world, in line with what is on record.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Make the pod of an attempt whose intent is on record.
    Create {
        /// Index of the task in the plan.
        task: usize,
        /// Index of the item, in a task with forEach.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
        /// Name of the pod.
        pod: String,
        /// What the pod follows.
        values: PodValues,
    },
    /// Make a volume claim that is on record.
    CreateClaim {
        /// Index of its template in the plan.
        claim: usize,
        /// Its name.
        name: String,
    },
    /// Make the child run of an attempt whose intent is on record.
    CreateRun {
        /// Index of the task in the plan.
        task: usize,
        /// Index of the item, where the task has items.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
        /// Name of the run.
        run: String,
        /// Its parameters.
        params: Map<String, Value>,
    },
    /// Make the object of any kind of an attempt whose intent is on record.
    CreateResource {
        /// Index of the task in the plan.
        task: usize,
        /// Index of the item, where the task has items.
        item: Option<u32>,
        /// Number of the attempt.
        attempt: u32,
        /// Name of the object.
        resource: String,
        /// What it is made from.
        manifest: Map<String, Value>,
    },
    /// Delete an object of any kind.
    DeleteResource {
        /// Its kind and name.
        resource: ResourceRef,
        /// Its uid; another object of that name is left alone.
        uid: String,
    },
    /// Take our finalizer off a pod whose outcome is on record.
    Release {
        /// Name of the pod.
        pod: String,
        /// Its uid; another pod of that name is left alone.
        uid: String,
    },
    /// Delete a pod that is over and is kept no longer, two lease terms after its outcome went on record, or later.
    Clear {
        /// Name of the pod.
        pod: String,
        /// Its uid; another pod of that name is left alone.
        uid: String,
    },
    /// Delete the run itself, if it still is as it was seen.
    DeleteRun,
    /// Delete a pod.
    Delete {
        /// Name of the pod.
        pod: String,
        /// Its uid; another pod of that name is left alone.
        uid: String,
        /// Seconds to end by itself; the pod's own where absent.
        grace_seconds: Option<u32>,
    },
}

/// Something worth telling people as an Event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Number of the transition that it tells of; makes the Event's name, so that telling twice tells once.
    pub seq: u64,
    /// Whether something went wrong.
    pub warning: bool,
    /// One word in CamelCase.
    pub reason: &'static str,
    /// What happened, in a sentence of at most 1 KiB.
    pub message: String,
}
