//! How a task is tried again.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When a task is tried again after a failure of its own, how often, and how often after disruptions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retry {
    /// How many failures of its own are followed by another attempt: an exit code, too much memory, an output that is missing,
    /// and so on. Disruptions don't count. From 0 to 100. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub limit: Option<u32>,
    /// How long to wait between a failure and the next attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// What follows a failure, by its exit code, its reason or an expression: the first rule that applies decides; where none
    /// does, the task is tried again within limit. At most 16. Example: `[{exitCodes: [2], action: FailTask}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub rules: Vec<RetryRule>,
    /// How often the infrastructure may take the pod after its container has started, each time followed by another attempt:
    /// an eviction, a lost node, a pod deleted by someone. 0 runs the task at most once. Before the start it is always 5. From 0
    /// to 100. Default: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub disruptions: Option<u32>,
}

/// How long to wait between a failure and the next attempt.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The wait after the first failure: a duration from 0s to 24h. Default: `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub initial: Option<String>,
    /// Each further wait is so many times as long as the one before. From 1 to 10. Default: 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub factor: Option<u32>,
    /// The longest wait: a duration from 0s to 24h. Default: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub max: Option<String>,
    /// Each wait is shortened by chance, by at most so many percent, so that tasks that failed together don't come back
    /// together. From 0 to 100. Default: 20.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub jitter_percent: Option<u32>,
}

/// What follows a failure that it applies to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.exitCodes) ? 1 : 0) + (has(self.reason) ? 1 : 0) + (has(self.expr) ? 1 : 0) == 1")
        .message("set exactly one of exitCodes, reason and expr"),
    validation = Rule::new("has(self.after) == (self.action == 'Poll')")
        .message("after is for action Poll, which can't do without it"),
)]
pub struct RetryRule {
    /// It applies if the attempt has one of these exit codes, whatever its reason. From 1 to 64 of them, none of which is 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 64), inner(range(min = 1, max = 2_147_483_647)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub exit_codes: Vec<i32>,
    /// It applies if the attempt failed for this reason. Example: `OutOfMemory`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<FailureReason>,
    /// It applies if this CEL expression is true. It may read params, run, the tasks upstream, and the attempt that failed:
    /// attempt.number from 1, attempt.exitCode (-1 where there is none), attempt.reason, and attempt.message, the end of its log.
    /// If it can't be evaluated, the task fails. Example: `attempt.message.contains('connection refused')`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expr: Option<String>,
    /// What follows: Retry (another attempt, within limit), FailTask (the task fails now), FailRun (the task fails, all else is
    /// stopped, the finally tasks run, and the run ends Failed; of a finally task it is the same as FailTask), or Poll (it is no
    /// failure, only not yet: the next attempt follows after the time in after and costs no retry; the task must have a
    /// totalTimeout).
    pub action: RetryAction,
    /// With Poll: how long to wait before the next attempt: a duration from 1s to 24h. Example: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub after: Option<String>,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RetryAction {
    /// Another attempt, within the limit.
    Retry,
    /// The task fails now.
    FailTask,
    /// The task fails, all else is stopped, and the run ends Failed (FailRun).
    FailRun,
    /// Not yet: another attempt, at no cost.
    Poll,
}

/// A reason for which an attempt fails by the task's own fault, once it has an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum FailureReason {
    /// Another exit code than 0.
    ExitCode,
    /// Killed for using more memory than its limit.
    OutOfMemory,
    /// The program could not be started.
    StartError,
    /// An init container failed.
    InitFailed,
    /// Evicted for using more than it asked for.
    Evicted,
    /// The pod reached its activeDeadlineSeconds.
    DeadlineExceeded,
    /// It ran longer than its timeout.
    TimedOut,
    /// It did not start within its startTimeout.
    StartTimedOut,
    /// A declared output was not written.
    OutputMissing,
    /// An output isn't of its type.
    OutputInvalid,
    /// The outputs are larger than can be carried.
    OutputTooLarge,
    /// The child run failed.
    ChildFailed,
    /// The failure condition of its object holds.
    ResourceFailed,
}
