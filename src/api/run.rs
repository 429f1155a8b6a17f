//! One execution of a workflow.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::status::WorkflowRunStatus;
use super::workflow::WorkflowSpec;

/// One execution of a workflow. Its spec stays as it is, but for suspend, cancel and retry.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "gantline.dev",
    version = "v1alpha1",
    kind = "WorkflowRun",
    namespaced,
    shortname = "wfr",
    category = "gantline",
    status = "WorkflowRunStatus",
    derive = "PartialEq",
    doc = "One execution of a workflow. The operator pins the workflow's revision and the parameters when the run starts; later edits of either never touch it.",
    selectable = ".spec.workflowRef.name",
    selectable = ".status.phase",
    validation = Rule::new("self.metadata.name.size() <= 63 && !self.metadata.name.contains('.')")
        .message("the name must be a DNS label: at most 63 characters, no dots"),
    printcolumn(name = "Workflow", type_ = "string", json_path = ".spec.workflowRef.name"),
    printcolumn(name = "Status", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Progress", type_ = "string", json_path = ".status.progress"),
    printcolumn(name = "Started", type_ = "date", json_path = ".status.startedAt"),
    printcolumn(name = "Duration", type_ = "string", json_path = ".status.duration"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.message"),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.workflowRef) != has(self.workflow)")
        .message("set exactly one of workflowRef (the name of a Workflow) and workflow (a workflow written inline)"),
    validation = Rule::new("!has(self.workflow) || size(self.workflow.tasks) <= 100")
        .message("an inline workflow has at most 100 tasks: make it a Workflow and name it in workflowRef"),
    validation = Rule::new("!has(self.workflow) || !has(self.workflow.concurrency)")
        .message("an inline workflow has no other runs, so that concurrency means nothing there: make it a Workflow and name it in workflowRef"),
    validation = Rule::new("(has(self.priority) ? self.priority : 0) == (has(oldSelf.priority) ? oldSelf.priority : 0)")
        .message("priority can't be changed: make a new run"),
    validation = Rule::new("has(self.workflowRef) == has(oldSelf.workflowRef) && (!has(self.workflowRef) || self.workflowRef == oldSelf.workflowRef)")
        .message("workflowRef can't be changed: make a new run"),
    validation = Rule::new("!has(oldSelf.cancel) || has(self.cancel)").message("cancel can't be taken back"),
    validation = Rule::new("!has(oldSelf.cancel) || !has(self.cancel) || self.cancel.generation >= oldSelf.cancel.generation")
        .message("cancel.generation can only grow"),
    validation = Rule::new("!has(oldSelf.retry) || has(self.retry)").message("retry can't be taken back"),
    validation = Rule::new("!has(self.retry) || (has(oldSelf.retry) ? (self.retry == oldSelf.retry || self.retry.generation == oldSelf.retry.generation + 1) : self.retry.generation == 1)")
        .message("retry.generation counts up by one: it is 1 at first, then one more than the last; what a generation retries can't be changed"),
)]
pub struct WorkflowRunSpec {
    /// The Workflow to run, in the same namespace. Exclusive with workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_ref: Option<WorkflowRef>,
    /// A workflow written inline, of at most 100 tasks and 64 KiB. Exclusive with workflowRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<WorkflowSpec>,
    /// Values of the workflow's parameters by name; at most 16 KiB in all. They are copied to status.params when the run
    /// starts and only read there. Never put secrets here: use env with valueFrom.secretKeyRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::small_object")]
    pub params: Option<Map<String, Value>>,
    /// Which of the runs that wait for a slot of the same workflow (its concurrency) comes first: the one of the greatest priority,
    /// of these the oldest. From -1000 to 1000. Default: 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = -1000, max = 1000))]
    pub priority: i32,
    /// While true, no new pod starts; running ones finish, and child runs are suspended too. A run that waits for a slot of its
    /// workflow's concurrency takes none. A cancel counts for more: finally tasks of a cancelled run start all
    /// the same. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Stops the run: running pods are deleted, no new one starts but those of finally tasks, and the run ends Cancelled. It can't
    /// be taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancel: Option<Cancel>,
    /// Opens the next generation of the run once it has ended: tasks that did not succeed, and all that come after them, run again.
    /// Default: none. Example: `{generation: 1}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<RunRetry>,
}

/// Whether a priority goes without saying.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

/// A reference to a Workflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkflowRef {
    /// Name of a Workflow in the run's namespace.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
}

/// A request to go on with a run that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RunRetry {
    /// The generation to open: 1 at first, then one more than the last. It is taken up when the run has ended; status.generation
    /// says which one goes on. A cancel of an earlier generation doesn't stop it.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub generation: u32,
    /// Names of the tasks to run again. Default: all that are Failed, UpstreamFailed or Cancelled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5050), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub tasks: Vec<String>,
    /// Whether tasks that come after those run again too though they Succeeded: what they read may be another value now. What did not
    /// succeed runs again in any case, and so does what lies between two tasks that do. Default: true.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub clear_downstream: bool,
}

impl Default for RunRetry {
    fn default() -> Self {
        Self { generation: 0, tasks: Vec::new(), clear_downstream: true }
    }
}

const fn yes() -> bool {
    true
}

/// A request to stop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Cancel {
    /// The generation of the run (status.generation) to stop, and all before it. Default: 0, the first.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000))]
    pub generation: u32,
    /// Why, in a sentence; it becomes part of the run's message. At most 256 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub reason: Option<String>,
    /// Seconds that a pod has to end by itself after SIGTERM. Default: the pod's own terminationGracePeriodSeconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub grace_seconds: Option<u32>,
    /// Whether the finally tasks are cancelled too; those that run are stopped. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub skip_finally: bool,
}
