//! What the operator records of a run.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, MicroTime};
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

// `Reason` by its path: the derive brings a type of that name into scope.
use super::concurrency::ConcurrencyStatus;
use super::items::ItemsStatus;
use super::log::Sealed;
use super::outputs::SealedOutputs;
use super::phase::{self, AttemptOutcome, RunPhase, TaskPhase, WaitKind};
use super::volume_claim::VolumeClaimStatus;

/// The state of a run: everything the operator needs to go on after a crash.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRunStatus {
    /// Printed summary; the conditions are the contract.
    #[serde(default)]
    pub phase: RunPhase,
    /// Why the run is in its phase, in one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<phase::Reason>,
    /// What goes on or went wrong, in a sentence of at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Tasks that ran to an end or were skipped, of all: `7/12`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub progress: String,
    /// Generation of the run, from 0: each spec.retry that is taken up opens the next. Not metadata.generation.
    #[serde(default)]
    pub generation: u32,
    /// The metadata.generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Name of the WorkflowRecord that holds the pinned workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The parameters as resolved when the run started; only these are ever read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub params: Option<Map<String, Value>>,
    /// The run among those of its workflow that share slots, where the workflow has a concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<ConcurrencyStatus>,
    /// When its first tasks could start: it was pinned, and had a slot where its workflow has a concurrency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When its present generation began, if that isn't the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retried_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// When its timeout is over. The time that it is suspended is added when it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<MicroTime>,
    /// When its finallyTimeout is over, once its last main task has ended. The time that it is suspended is added when it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finally_deadline_at: Option<MicroTime>,
    /// When it is deleted, by its workflow's ttl.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<MicroTime>,
    /// How long it took, the present generation alone, written at its end: `1m12s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration: Option<String>,
    /// The workflow's outputs, once the run has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub outputs: Option<Map<String, Value>>,
    /// What the run itself waits for, before it has tasks or while it is suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// Succeeded: Unknown, then True or False. Finished: True at every end, whatever it was; wait for this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// The run's own claims of the workflow's volumeClaims, as far as a task needed them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub volume_claims: Vec<VolumeClaimStatus>,
    /// The tasks, in the order of the workflow, and after them those of finally. Where there are more than 64, those that are in trouble,
    /// some that run, some that failed, and the newest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5050))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tasks: Vec<TaskStatus>,
    /// Where there are more than 64 tasks, those that aren't among `tasks`: all that they come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub packed: Option<PackedTasks>,
    /// The newest 64 transitions, each recorded once. Older ones are in log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub history: Vec<Transition>,
    /// What fell out of history and tasks since the log was last sealed, a line of JSON each, oldest first; at most 12 KiB. A
    /// transition is an array: number, time, task, item, attempt, the phase left, the phase entered, reason.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 24_576))]
    pub log: String,
    /// Where the log goes on that came before: `gantline describe` reads all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Sealed>,
    /// The outputs of tasks and items, where they have more than 32 KiB in all: none of them is among the tasks then. `gantline
    /// describe` shows them in their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_outputs: Option<SealedOutputs>,
}

impl WorkflowRunStatus {
    /// All that has attempts, tasks and the items that are spelt out, each with its phase. What is under way always is.
    pub fn tried(&self) -> impl Iterator<Item = (TaskPhase, &[Attempt])> {
        self.tasks.iter().flat_map(|task| {
            let items = task.items.iter().flat_map(|items| &items.entries);
            let items = items.map(|item| (item.phase, item.attempts.as_slice()));
            items.chain([(task.phase, task.attempts.as_slice())])
        })
    }
}

/// The tasks of a large run in few words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PackedTasks {
    /// How many tasks there are.
    #[serde(default)]
    pub total: u32,
    /// The state of each task, in the order of the workflow and after that of finally: a letter with how many in a row are in it:
    /// `4999s3r100p`. The letters: p pending, w the same and its when is true, i intended (its pod is to be made), m made, r running, z
    /// stopping, y the same (its pod is not known to be made), b waiting to be tried again, s succeeded, f failed, k skipped, u upstream failed, c cancelled.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 65_536))]
    pub states: String,
    /// Of those that were tried before and aren't among the tasks: index, number of the newest attempt, how many before it failed, were
    /// disrupted before and after their start, and were not yet; then its end, and times in milliseconds.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1_048_576))]
    pub rows: String,
    /// The outputs of those that aren't among the tasks, as JSON: by the name of the task, then of the output.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1_048_576))]
    pub outputs: String,
    /// The highest number of an attempt of any task.
    #[serde(default)]
    pub newest_attempt: u32,
    /// The highest number of an attempt of a generation before the present one: tasks of which nothing more is told go on from it.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub former_attempts: u32,
}

/// The state of a task.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskStatus {
    /// Name of the task.
    pub name: String,
    /// Whether it is one of finally, which run once all others have ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub finally: bool,
    /// Where the task is.
    #[serde(default)]
    pub phase: TaskPhase,
    /// Why, in one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<phase::Reason>,
    /// What went wrong, or why it didn't run, in a sentence of at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What its when came to, once that was evaluated; it isn't evaluated again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<bool>,
    /// When its first attempt started to run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// When its totalTimeout is over. The time that the run is suspended is added when it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<MicroTime>,
    /// The outputs of a task that succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub outputs: Option<Map<String, Value>>,
    /// What a task that neither runs nor has ended waits for; of one that runs or is being stopped, what keeps its object from being
    /// followed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<WaitingFor>,
    /// The newest attempts, oldest first: 16, or fewer in runs of more than 64 tasks, but at least 2.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub attempts: Vec<Attempt>,
    /// Attempts before those that are listed, counted by what came of them. Their pods are deleted after a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub earlier: Option<EarlierAttempts>,
    /// The items of a task with forEach, once its list is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemsStatus>,
}

/// Attempts that are listed no more, counted by what came of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EarlierAttempts {
    /// Those that failed by the task's own fault.
    #[serde(default)]
    pub failed: u32,
    /// Those that were disrupted before `main` started.
    #[serde(default)]
    pub disrupted_before_start: u32,
    /// Those that were disrupted after that.
    #[serde(default)]
    pub disrupted_after_start: u32,
    /// Those that ended NotYet.
    #[serde(default)]
    pub not_yet: u32,
    /// Those of generations before the present one, however they ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub former: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
pub(super) const fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// One try at a task: at most one object, ever; a Pod, a child run, or one of another kind.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    /// Number, from 1; it goes on from one generation to the next.
    pub number: u32,
    /// The generation of the run that it was made in; absent for 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub generation: u32,
    /// Name of its pod, on record before the pod is made; absent where it is something else.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pod: String,
    /// Name of its child run, on record before the run is made; absent where it is something else.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// Its object of another kind, on record before it is made; absent where it is a pod or a child run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceRef>,
    /// The generation of the child run that it is: one that did not succeed goes on when its parent is retried; absent for 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub run_generation: u32,
    /// The uid of its object, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// When the container `main`, or the child run, started, or the object of another kind was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<MicroTime>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<MicroTime>,
    /// When its startTimeout is over, or, once it has started, its timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<MicroTime>,
    /// Exit code of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
    /// How it ended; absent while it goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<AttemptOutcome>,
    /// Why it ended so, in one word of a closed set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<phase::Reason>,
    /// What went wrong: the end of its log, or Kubernetes' own words; at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the next attempt may start, if there is to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_at: Option<MicroTime>,
}

impl Attempt {
    /// Whether the object of this uid may be its own, by what is on record. Of one attempt of many it is known only that it was made: an
    /// empty uid.
    #[must_use]
    pub fn may_be(&self, uid: &str) -> bool {
        self.uid.as_deref().is_none_or(|known| known.is_empty() || known == uid)
    }

    /// Whether it is one of many of which no more is on record than that its object was made.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.uid.as_deref() == Some("")
    }

    /// Whether the object of this uid is its own. Of one of many, which was made, it is the object of its name.
    #[must_use]
    pub fn is(&self, uid: &str) -> bool {
        self.uid.is_some() && self.may_be(uid)
    }

    /// Name of the object that it is, of whichever kind.
    #[must_use]
    pub fn object(&self) -> &str {
        match &self.resource {
            Some(resource) => &resource.name,
            None if self.run.is_empty() => &self.pod,
            None => &self.run,
        }
    }

    /// Whether it is a pod.
    #[must_use]
    pub fn is_pod(&self) -> bool {
        self.run.is_empty() && self.resource.is_none()
    }
}

/// An object in the namespace of its run.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ResourceRef {
    /// Its apiVersion.
    #[serde(default)]
    pub api_version: String,
    /// Its kind.
    #[serde(default)]
    pub kind: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
}

/// What something waits for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WaitingFor {
    /// The kind of thing, of a closed set.
    pub kind: WaitKind,
    /// Which, or Kubernetes' own words; at most 1 KiB.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// Since when it waits for a thing of this kind.
    pub since: MicroTime,
}

/// One change of state of the run, a task or an item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Number within the run, from 1, without gaps.
    pub seq: u64,
    /// When it was recorded.
    pub at: MicroTime,
    /// Name of the task; absent for the run itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Index of the item, from 0; absent for the task as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<u32>,
    /// Number of the attempt that the task or item was at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The phase left.
    pub from: String,
    /// The phase entered.
    pub to: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<phase::Reason>,
}
