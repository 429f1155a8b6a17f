//! What was seen of the world: the facts that a decision is made from. Every odd pod becomes a fact, never a panic.

use std::sync::Arc;

use indexmap::IndexMap;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value};

use super::claim::Claims;
use super::lineage::Lineage;
use super::log::Hot;
use super::peers::Peers;
use super::sealed::Outputs;
use crate::api::{Attempt, Reason, ResourceRef, RunPhase, WaitKind, WorkflowRunSpec, WorkflowRunStatus};
use crate::plan::{Granted, Plan, Problem};

/// Everything that a decision is made from, but for the time.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The run, but for its status.
    pub run: RunFacts<'a>,
    /// Its status as stored.
    pub stored: &'a WorkflowRunStatus,
    /// The same, unpacked.
    pub status: &'a WorkflowRunStatus,
    /// The outputs in the records that its status names, where they are in their places in the unpacked one.
    pub sealed: &'a Outputs,
    /// What it is to run.
    pub definition: &'a Definition<'a>,
    /// Its pods by name: those of its attempts, and any other that belongs to it.
    pub sights: &'a Sights,
    /// Its volume claims that aren't known to exist.
    pub claims: &'a Claims,
    /// The other runs of its workflow, where they share slots.
    pub peers: &'a Peers,
    /// How many pods stay with a run.
    pub kept_pods: usize,
    /// How much of what has happened its status holds.
    pub hot: Hot,
    /// How many names of its segments and outputs turned out to be those of others' records, since this process leads.
    pub taken: u32,
    /// Its child runs by name. Apart from the pods, since a pod may have any name.
    pub children: &'a Sights,
    /// The runs that it is a child of.
    pub lineage: &'a Lineage,
    /// Its objects of other kinds, by name.
    pub resources: &'a Sights,
    /// The kinds that its tasks may make.
    pub granted: &'a Granted,
}

impl<'a> Observed<'a> {
    /// What is known of the object of an attempt; nothing may be decided where that is nothing.
    #[must_use]
    pub fn sight(&self, attempt: &Attempt) -> Option<&'a Sight> {
        let sights = match attempt {
            Attempt { resource: Some(_), .. } => self.resources,
            Attempt { run, .. } if !run.is_empty() => self.children,
            _ => self.sights,
        };
        sights.get(attempt.object())
    }

    /// The pods that were seen.
    pub fn pods(&self) -> impl Iterator<Item = &'a PodFacts> + use<'a> {
        self.sights.values().filter_map(|sight| if let Sight::Pod(pod) = sight { Some(pod.as_ref()) } else { None })
    }
}

/// A run, but for its status.
#[derive(Clone, Copy, Debug)]
pub struct RunFacts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid, which is its identity.
    pub uid: &'a str,
    /// When it was created, by the API server's clock.
    pub created_at: Option<Timestamp>,
    /// Its metadata.generation.
    pub generation: Option<i64>,
    /// What the user asked for.
    pub spec: &'a WorkflowRunSpec,
}

impl<'a> RunFacts<'a> {
    /// Of a run with this metadata.
    #[must_use]
    pub fn of(meta: &'a ObjectMeta, spec: &'a WorkflowRunSpec) -> Self {
        Self {
            name: meta.name.as_deref().unwrap_or_default(),
            namespace: meta.namespace.as_deref().unwrap_or_default(),
            uid: meta.uid.as_deref().unwrap_or_default(),
            created_at: meta.creation_timestamp.as_ref().map(|time| time.0),
            generation: meta.generation,
            spec,
        }
    }
}

/// What a run is to run.
#[derive(Clone, Debug)]
pub enum Definition<'a> {
    /// A plan that was checked, and the name of the revision that it was made from.
    Ready {
        /// The plan.
        plan: &'a Plan,
        /// Name of the record that holds the workflow's spec.
        revision: &'a str,
    },
    /// The Workflow doesn't exist.
    Missing,
    /// The workflow has mistakes.
    Invalid(Vec<Problem>),
    /// The workflow can't be read at all; says why.
    Unreadable(String),
    /// The revision that the run is pinned to can't be had any more; says why.
    Lost(String),
    /// A record with outputs of its tasks can't be had any more; says which, and why.
    OutputsLost(String),
    /// Not read, since the run has ended.
    Unread,
}

impl Definition<'_> {
    /// Whether several tasks have items, or may come to have some.
    pub(super) fn has_lists(&self) -> bool {
        let Self::Ready { plan, .. } = self else { return false };
        plan.tasks().iter().filter(|task| task.for_each.is_some()).nth(1).is_some()
    }
}

/// What is known of the object of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub enum Sight {
    /// It exists, and is ours by uid and labels.
    Pod(Arc<PodFacts>),
    /// The same of a child run.
    Child(ChildFacts),
    /// The same of an object of another kind.
    Resource(ResourceFacts),
    /// It doesn't exist: a live read said so, or its create was never sent. After a create without an answer it may still come
    /// to be; then it is the pod of its attempt all the same.
    Absent,
    /// Its create was sent and hasn't been answered.
    Creating,
    /// Its create was refused: it doesn't exist.
    Refused(Refusal),
    /// The API server doesn't let it be looked up, so that nothing of it is known; says why.
    Hidden(String),
}

impl Sight {
    /// The facts of a pod, to be changed; whoever else has them keeps them as they are.
    pub fn pod_mut(&mut self) -> Option<&mut PodFacts> {
        if let Self::Pod(pod) = self { Some(Arc::make_mut(pod)) } else { None }
    }
}

/// Objects by name, in the order in which they were put in. Of one that isn't here nothing is known, and nothing may be decided from
/// that.
pub type Sights = IndexMap<String, Sight>;

/// The facts of a child run.
#[derive(Clone, Debug, PartialEq)]
pub struct ChildFacts {
    /// Its name.
    pub name: String,
    /// Its uid, which is its identity.
    pub uid: String,
    /// Its generation.
    pub generation: u32,
    /// Its phase.
    pub phase: RunPhase,
    /// What its status says in a sentence.
    pub message: String,
    /// When its present generation started.
    pub started_at: Option<Timestamp>,
    /// When that ended.
    pub finished_at: Option<Timestamp>,
    /// What it hands on.
    pub outputs: Option<Map<String, Value>>,
    /// Of one that has started, and has failed or was cancelled, the parameters that it was given: with the same ones it may go on.
    pub given: Option<Map<String, Value>>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
}

/// The facts of an object of any kind.
#[derive(Clone, Debug, PartialEq)]
pub struct ResourceFacts {
    /// Its kind and name.
    pub resource: ResourceRef,
    /// Its uid, which is its identity.
    pub uid: String,
    /// Name of the task, by its label.
    pub task: String,
    /// Index of the item, by its label, if it has one.
    pub item: Option<u32>,
    /// Number of the attempt, by its label.
    pub attempt: u32,
    /// When it was made, by the API server's clock.
    pub created_at: Option<Timestamp>,
    /// Its text, as JSON without managedFields; or why it isn't kept. Of many objects few are ever read.
    pub object: Result<Arc<str>, String>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
}

/// The facts of one pod.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them may hold together")]
pub struct PodFacts {
    /// Its name.
    pub name: String,
    /// Its uid, which is its identity.
    pub uid: String,
    /// Name of the task, by its label.
    pub task: String,
    /// Index of the item, by its label, if it has one.
    pub item: Option<u32>,
    /// Number of the attempt, by its label.
    pub attempt: u32,
    /// Its phase.
    pub phase: PodPhase,
    /// The container `main`.
    pub main: MainState,
    /// Kubernetes' one-word reason and its message for the pod as a whole (`Evicted`, `DeadlineExceeded`, `OutOfcpu`, …).
    pub reason: Option<String>,
    /// The message that goes with `reason`.
    pub message: String,
    /// An init container that ended badly: its name, exit code and message.
    pub failed_init: Option<(String, i32, String)>,
    /// The infrastructure took or is taking the pod.
    pub disruption: Option<Disruption>,
    /// What keeps the pod from running.
    pub trouble: Option<Trouble>,
    /// How far it is that has not started, and is in no trouble that anyone tells of.
    pub hold: Option<Hold>,
    /// When it was created, by the API server's clock.
    pub created_at: Option<Timestamp>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// When it is to have ended, by the API server's clock, if its deletion was asked for.
    pub ends_by: Option<Timestamp>,
    /// Whether `main` has ended while another ordinary container goes on.
    pub lingering: bool,
    /// Whether its deletion is past its grace period: no container of it runs, or someone forced the deletion.
    pub condemned: bool,
    /// Whether it carries our finalizer.
    pub held: bool,
    /// Whether someone changed the labels or the owner that a pod of a run is known by, so that no watch may tell of it.
    pub astray: bool,
    /// Number of its containers of all kinds, which the kubelet divides its limit on termination messages by.
    pub containers: u32,
}

impl PodFacts {
    /// Whether no container of the pod runs or will ever run again.
    #[must_use]
    pub const fn is_over(&self) -> bool {
        self.condemned || self.phase.is_over()
    }
}

impl PodPhase {
    /// Whether all containers have ended for good.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// The phase of a pod (PodPhase in the API reference).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PodPhase {
    /// Accepted, not yet running.
    Pending,
    /// Bound to a node, at least one container started.
    Running,
    /// All containers ended with exit code 0.
    Succeeded,
    /// All containers ended, at least one badly; or the pod was failed as a whole.
    Failed,
    /// Its state can't be obtained, or isn't one of these.
    Unknown,
}

/// The state of the container `main`.
#[derive(Clone, Debug, PartialEq)]
pub enum MainState {
    /// Not started.
    Waiting,
    /// Running since then.
    Running {
        /// When it started.
        since: Option<Timestamp>,
    },
    /// Ended.
    Ended(MainEnd),
}

/// How `main` ended.
#[derive(Clone, Debug, PartialEq)]
pub struct MainEnd {
    /// Exit code.
    pub exit_code: i32,
    /// Kubernetes' one-word reason: `Completed`, `Error`, `OOMKilled`, `StartError`, `ContainerStatusUnknown`, …
    pub reason: String,
    /// The termination message: the outputs, or the end of the log.
    pub message: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// The infrastructure took the pod.
#[derive(Clone, Debug, PartialEq)]
pub struct Disruption {
    /// Who or what: `Preempted`, `Drained`, `NodeLost`, `NodePressure`, `NodeRejected` or `PodDeleted`.
    pub reason: Reason,
    /// When it became known.
    pub at: Option<Timestamp>,
    /// Kubernetes' own words.
    pub message: String,
}

/// How far a pod is that has not started, and since when where that is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Hold {
    /// How far it is.
    pub stage: Stage,
    /// When it found its node.
    pub since: Option<Timestamp>,
}

/// What is next for a pod that has not started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// A scheduler has to look at it: none has said anything of it.
    Scheduler,
    /// The node of this name has to get its volumes and network ready.
    Node(Box<str>),
    /// The init container of this name has to end.
    Init(Box<str>),
    /// The node of this name has to start its containers.
    Containers(Box<str>),
}

/// What keeps a pod from running.
#[derive(Clone, Debug, PartialEq)]
pub struct Trouble {
    /// Of which kind.
    pub kind: WaitKind,
    /// Kubernetes' own words.
    pub message: String,
}

/// A create that the API server refused.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// Of which kind.
    pub kind: RefusalKind,
    /// The server's words.
    pub message: String,
    /// When to try again, where that can help.
    pub retry_at: Timestamp,
}

/// Why a create was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// A resource quota is used up.
    Quota,
    /// An admission plugin or policy said no, or the server can't take it now (429, 5xx).
    Admission,
    /// The object is invalid (400, 422): trying again can't help.
    Invalid,
    /// The task's service account may not make it.
    NotPermitted,
    /// Whether the task's service account may make it isn't known yet.
    Unreviewed,
    /// There is no such kind in the cluster (yet).
    NoSuchKind,
    /// Another object has the name.
    NameClash,
    /// The namespace is being deleted.
    NamespaceTerminating,
}
