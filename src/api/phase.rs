//! The closed sets of words that a status speaks in. A phase is for logic, a reason tells the rest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where a run is. Printed as STATUS; the conditions are the contract.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum RunPhase {
    /// Not started: its workflow isn't pinned yet.
    #[default]
    Pending,
    /// It waits for a slot of its workflow's concurrency.
    Queued,
    /// Tasks are starting or running.
    Running,
    /// `spec.suspend` is set: no new pod starts.
    Suspended,
    /// To end before its tasks have: no new pod starts but those of finally tasks, running ones are being stopped. The reason
    /// tells why.
    Stopping,
    /// Every task succeeded, was skipped, or failed with allowFailure.
    Succeeded,
    /// The run failed; the reason tells of what.
    Failed,
    /// Cancelled before its tasks were finished.
    Cancelled,
}

impl RunPhase {
    /// Every phase, in the order of a run's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::Suspended,
        Self::Stopping,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Whether the run has ended.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Cancelled)
    }

    /// Whether the run has started and not ended: it may have pods, and holds a slot of its workflow's concurrency.
    #[must_use]
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Running | Self::Suspended | Self::Stopping)
    }
}

/// Where a task is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum TaskPhase {
    /// A gate is open: `waitingFor` names it.
    #[default]
    Pending,
    /// An attempt is on record; its pod's container or its child run isn't running yet, or its object isn't made.
    Starting,
    /// The container `main`, or the child run, is running, or the object is made.
    Running,
    /// What it is doing is being stopped; the reason tells why.
    Stopping,
    /// Its last attempt failed or was disrupted; the next one waits for its time.
    Backoff,
    /// It succeeded and its outputs are on record.
    Succeeded,
    /// It failed by its own fault, or was disrupted too often.
    Failed,
    /// It was not to run, by its triggerRule or its when; nothing is wrong with that.
    Skipped,
    /// It can't run, since a task that it needs failed.
    UpstreamFailed,
    /// The run was stopped before the task ended.
    Cancelled,
}

impl TaskPhase {
    /// Every phase, in the order of a task's life.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Starting,
        Self::Running,
        Self::Stopping,
        Self::Backoff,
        Self::Succeeded,
        Self::Failed,
        Self::Skipped,
        Self::UpstreamFailed,
        Self::Cancelled,
    ];

    /// Whether the task has ended.
    #[must_use]
    pub const fn is_finished(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Skipped | Self::UpstreamFailed | Self::Cancelled)
    }

    /// Whether an attempt of the task may have a pod, or a child run.
    #[must_use]
    pub const fn has_pod(self) -> bool {
        matches!(self, Self::Starting | Self::Running | Self::Stopping)
    }
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AttemptOutcome {
    /// Exit code 0 and every declared output there.
    Succeeded,
    /// The task's own fault.
    Failed,
    /// Not what is waited for, by a rule that polls: neither a success nor a failure.
    NotYet,
    /// The infrastructure's fault: eviction, preemption, a lost node, a pod deleted by someone.
    Disrupted,
    /// Stopped because its run was.
    Cancelled,
}

/// Why something is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Reason {
    // of runs
    /// A task failed, and nothing allows that.
    TaskFailed,
    /// The run would have succeeded, and a finally task failed.
    FinallyFailed,
    /// The run succeeded although tasks failed: they have allowFailure.
    AllowedFailures,
    /// The run succeeded, and none of its tasks was to run.
    AllSkipped,
    /// The workflow has mistakes; the message names them.
    InvalidWorkflow,
    /// The parameters don't fit the workflow; the message names them.
    InvalidParams,
    /// The Workflow named in workflowRef doesn't exist.
    WorkflowNotFound,
    /// The run's pinned revision was deleted or changed by someone.
    RevisionLost,
    /// A record with outputs of the run's tasks was deleted or changed by someone; the message names it.
    OutputsLost,
    /// `spec.cancel` was set.
    CancelRequested,
    /// The run's timeout was over before its last task had ended.
    RunTimedOut,
    /// A task failed, and a rule of its retry says that the run fails with it.
    FailRun,
    /// The concurrency of its workflow had no slot for the run, or gave its slot to a newer one.
    ConcurrencyLimit,
    /// The run is the child of another, which was stopped, or whose task was.
    ParentStopped,
    /// The workflow's outputs could not be made; the message tells why.
    OutputsFailed,

    // of tasks with forEach, and their items
    /// Fewer of its items succeeded than minSucceededPercent asks for.
    ItemsFailed,
    /// So many items had failed before that its task could not succeed any more, and it has failFast.
    FailFast,

    // of tasks that don't run
    /// Its triggerRule can't be met any more.
    RuleNotMet,
    /// Its when is false.
    WhenFalse,

    // of attempts and tasks: the task's fault
    /// `main` ended with another exit code than 0.
    ExitCode,
    /// `main` was killed for using more memory than its limit.
    OutOfMemory,
    /// `main` could not be started: no such program, not executable.
    StartError,
    /// An init container failed.
    InitFailed,
    /// The pod was evicted for using more than it asked for.
    Evicted,
    /// The pod reached its activeDeadlineSeconds.
    DeadlineExceeded,
    /// `main` ran longer than its timeout.
    TimedOut,
    /// `main` did not start within its startTimeout.
    StartTimedOut,
    /// The task was not done within its totalTimeout.
    TotalTimedOut,
    /// The finally tasks were not done within the run's finallyTimeout.
    FinallyTimedOut,
    /// A declared output was not written.
    OutputMissing,
    /// An output isn't of its type.
    OutputInvalid,
    /// The outputs are larger than can be carried.
    OutputTooLarge,
    /// An expression could not be evaluated.
    ExpressionError,
    /// The child run failed; its own status tells why.
    ChildFailed,
    /// The child run was cancelled, and not by this run.
    ChildCancelled,
    /// The failure condition of its object holds.
    ResourceFailed,
    /// The task's service account may not make the object.
    NotPermitted,
    /// Nobody allows objects of this kind: the chart's resourceTasks doesn't grant it.
    KindNotGranted,
    /// The API server refused the object as invalid.
    ResourceInvalid,
    /// The object can't be read: it is too large, or nested too deep.
    ResourceUnreadable,
    /// Child runs would be nested too deep, or in a circle.
    NestingRefused,
    /// The API server refused the pod as invalid.
    PodInvalid,
    /// The API server refused a volume claim as invalid.
    VolumeClaimInvalid,
    /// The API server refused the child run as invalid.
    ChildInvalid,
    /// An object of the attempt's name, or a volume claim of the run's, exists and is not this run's.
    NameClash,
    /// The namespace is being deleted.
    NamespaceTerminating,

    // of attempts and tasks: the infrastructure's fault
    /// The pod made way for one of higher priority.
    Preempted,
    /// The pod was evicted through the API, as `kubectl drain` does.
    Drained,
    /// The pod's node was lost or tainted.
    NodeLost,
    /// The node ran out of a resource, or shut down.
    NodePressure,
    /// The node refused the pod.
    NodeRejected,
    /// Someone deleted the pod.
    PodDeleted,
    /// The pod is gone without a trace.
    PodLost,
    /// The child run is gone: someone deleted it.
    ChildDeleted,
    /// The object is gone: someone deleted it.
    ResourceDeleted,
    /// Disrupted more often than allowed.
    TooManyDisruptions,
}

/// What a task that neither runs nor has ended waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum WaitKind {
    /// Tasks that it needs.
    Dependency,
    /// The Workflow, which doesn't exist yet.
    Workflow,
    /// A slot of its workflow's concurrency.
    Concurrency,
    /// `spec.suspend`.
    Suspended,
    /// The time of the next attempt.
    Backoff,
    /// Other items of its task, of which only so many may have a pod at the same time.
    Pool,
    /// A resource quota of the namespace, or room among the attempts that start at once.
    Quota,
    /// An admission webhook or policy, or an API server that can't take the pod now or doesn't let its object be seen.
    Admission,
    /// A node with room for the pod.
    Unschedulable,
    /// The image.
    ImagePull,
    /// A config map, secret, volume or other part of the pod.
    PodConfig,
    /// Its node, to get the pod ready or to end it.
    Node,
    /// Its child run, to start or to end.
    Child,
    /// Its object of another kind, to be allowed, made or gone.
    Resource,
}
