//! A task and its defaults.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::for_each::ForEach;
use super::param::{ItemType, ValueType};
use super::pod_expr::PodExpr;
use super::resource::ResourceTask;
use super::retry::Retry;
use super::run::WorkflowRef;

/// One node of the graph. It runs as a Pod whose container `main` does the work, or, with workflowRef or workflow, as a run of
/// its own; with resource it is an object of another kind; with join it is nothing but a gate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.script) || !(has(self.command) || has(self.args))").message("set script, or command and args, not both"),
    validation = Rule::new("!has(self.shell) || has(self.script)").message("shell is for script; without script it has no meaning"),
    validation = Rule::new("!has(self.workflowRef) || !has(self.workflow)").message("set workflowRef or workflow, not both"),
    validation = Rule::new("!has(self.resource) || !(has(self.workflowRef) || has(self.workflow) || has(self.join))")
        .message("set one of resource, workflowRef, workflow and join"),
    validation = Rule::new("!has(self.params) || has(self.workflowRef) || has(self.workflow)")
        .message("params are for the run that workflowRef or workflow makes of the task"),
)]
pub struct Task {
    /// Name, unique in the workflow: a DNS label of at most 40 characters.
    #[schemars(length(min = 1, max = 40), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// What the task is for, in a sentence. At most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Names of the tasks that this one comes after: by default it starts when all of them have succeeded; triggerRule says
    /// otherwise. At most 1,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 5000), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub needs: Vec<String>,
    /// When to run, by how the needs ended. Succeeded includes Failed with allowFailure; failed means Failed, UpstreamFailed or
    /// Cancelled. One of: AllSucceeded (the default); AnySucceeded, at once; NoneFailed; NoneFailedMinOneSucceeded; AllDone (all
    /// have ended, however); AllDoneMinOneSucceeded; AnyDone (one Succeeded or Failed, at once); NoneSkipped (all have ended, none
    /// Skipped); AllSkipped; AllFailed; AnyFailed, at once. A task that can't run any more is UpstreamFailed if something it needs
    /// failed without allowFailure and the rule isn't about failures, else Skipped. Example: `NoneFailed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub trigger_rule: Option<String>,
    /// CEL expression that says whether the task runs, once its triggerRule lets it: if false, it is Skipped. It may read params,
    /// run, and phase, reason and outputs of upstream tasks; it is evaluated once, and what is no bool fails the task. At most
    /// 1,024 characters. Example: `tasks.extract.outputs.rows > 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub when: Option<String>,
    /// Does the task once for every item of a list, many at the same time: each item has attempts, retries, timeouts and pods of its
    /// own, and `item` and `index` in its expressions. The task succeeds when all items have, or as many as minSucceededPercent says;
    /// its outputs are then lists in the order of the items, with null where one did not succeed.
    /// Example: `{items: params.regions, maxParallel: 4}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
    /// Whether the run may succeed although this task fails; tasks that need it then go on as if it had succeeded. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_failure: bool,
    /// Makes the task nothing but a gate: it has no pod, and succeeds as soon as its triggerRule and when let it run. Written `join: {}`;
    /// exclusive with everything that is about a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// Makes the task a run of its own, a child run, of this Workflow, which is in the same namespace. It succeeds if that run
    /// does, and the outputs of the Workflow are its outputs. A retry makes a new child; cancel and suspend pass down to it. Child
    /// runs may be nested 8 deep, and no workflow may run within itself. Exclusive with everything that is about a container.
    /// Example: `{name: load-region}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow_ref: Option<WorkflowRef>,
    /// The same with a workflow written inline: the spec of a Workflow, of at most 100 tasks and 64 KiB. Exclusive with workflowRef.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub workflow: Option<Map<String, Value>>,
    /// Values for the params of the child run: a literal or a CEL expression each. At most 64, and 16 KiB in all.
    /// Example: `[{name: region, expr: params.region}]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub params: Vec<ChildParam>,
    /// Makes the task an object of another kind, such as a Job or that of any operator: it is made in the run's namespace, owned by the
    /// run, and followed until its success or failure holds. Which kinds may be made, the values of the chart say (resourceTasks).
    /// Exclusive with everything that is about a container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceTask>,
    /// Image of the container `main`. Default: the image of taskDefaults. Example: `busybox:1.37`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// Script for the shell, given to it as it is: Gantline never writes a value into it; use env. Exclusive with command
    /// and args. At most 64 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub script: Option<String>,
    /// The shell of script, with its arguments; the script is added as the last one. Default: `[sh, -ec]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub shell: Option<Vec<String>>,
    /// Program and arguments, without a shell. Default: the image's entrypoint. `$(NAME)` is an environment variable; one
    /// that comes from an expression must be a whole element, or end one after `=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 32768)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Option<Vec<String>>,
    /// Arguments after command, or for the image's entrypoint. The same rule for `$(NAME)` as in command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 32768)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub args: Option<Vec<String>>,
    /// Environment variables of `main`. An entry replaces that of the same name in taskDefaults. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// CPU, memory and other resources of `main`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A partial Pod template that is merged over taskDefaults.podTemplate and Gantline's own: containers by name, env,
    /// volumes and mounts by their key, null removes. At most 32 KiB. Example: `{spec: {nodeSelector: {disk: ssd}}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub pod_template: Option<Map<String, Value>>,
    /// Fields of the pod that follow params, the attempt or outputs. An entry takes the place of that of taskDefaults.podExpr.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_expr: Option<PodExpr>,
    /// The values that the task hands on, written as `name=value` lines or as one JSON object to the file `$GANTLINE_OUTPUT`.
    /// At most 32.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub outputs: Vec<OutputDecl>,
    /// How long an attempt may run, from the start of `main`: a duration from 1s to 8784h. After that its pod is stopped and the
    /// attempt has failed (TimedOut), unless it ends with 0 all the same. Should the operator be away, the kubelet ends the pod
    /// after startTimeout, or else an hour, and timeout together. Default: that of taskDefaults, else none. Example: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub timeout: Option<String>,
    /// How long an attempt may take from its pod's creation to the start of `main`, whatever holds it up: a duration from 1s to
    /// 8784h. After that the attempt has failed (StartTimedOut). Default: that of taskDefaults, else none while no node is found,
    /// and 10m from when the kubelet can't pull an image or doesn't find what the pod refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub start_timeout: Option<String>,
    /// How long the task may take in all, from its first attempt on, with all others and the waits between them, but without the
    /// time that the run is suspended: a duration from 1s to 8784h. After that the task has failed (TotalTimedOut) and isn't tried
    /// again. Default: that of taskDefaults, else none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub total_timeout: Option<String>,
    /// What follows when the pod's node doesn't answer any more: Wait until the node says that the pod has ended, or is removed;
    /// or Replace the pod half a minute after it was to have ended. Then nobody knows whether the old one has ended: both may run at
    /// the same time. Default: that of taskDefaults, else Wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_node_lost: Option<OnNodeLost>,
    /// When the task is tried again. It replaces retry of taskDefaults as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Whether the last lines of a failed attempt's log become its message: Keep or Omit. Default: Keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<LogTail>,
}

/// A task that is nothing but a gate. It has no fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Join {}

/// Whether the end of a failed attempt's log is kept as its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LogTail {
    /// The last lines, at most 1 KiB, become the attempt's message in status.
    Keep,
    /// Nothing of the log is kept: for tasks whose log may hold secrets.
    Omit,
}

/// What follows when a pod's node doesn't answer any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnNodeLost {
    /// The next attempt waits until the pod is known to have ended.
    #[default]
    Wait,
    /// The pod counts as ended soon after it was to have ended, though it may still run where nobody sees it.
    Replace,
}

/// What tasks of a workflow have unless they say otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskDefaults {
    /// Image of tasks that name none. Example: `busybox:1.37`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// The shell of scripts, with its arguments. Default: `[sh, -ec]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub shell: Option<Vec<String>>,
    /// Environment variables of every task. At most 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Vec<EnvVar>,
    /// Resources of tasks that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// A partial Pod template for every task; a task's own is merged over it. At most 32 KiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub pod_template: Option<Map<String, Value>>,
    /// Fields of the pod that follow params, the attempt or outputs, for every task. Of a task with an image of its own, the
    /// image here doesn't hold; of one with resources of its own, neither do requests and limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_expr: Option<PodExpr>,
    /// How long an attempt may run, from the start of `main`: a duration from 1s to 8784h. After that its pod is stopped and the
    /// attempt has failed (TimedOut), unless it ends with 0 all the same. Should the operator be away, the kubelet ends the pod
    /// after startTimeout, or else an hour, and timeout together. Default: none. Example: `30m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub timeout: Option<String>,
    /// How long an attempt may take from its pod's creation to the start of `main`, whatever holds it up: a duration from 1s to
    /// 8784h. After that the attempt has failed (StartTimedOut). Default: none while no node is found,
    /// and 10m from when the kubelet can't pull an image or doesn't find what the pod refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub start_timeout: Option<String>,
    /// How long the task may take in all, from its first attempt on, with all others and the waits between them, but without the
    /// time that the run is suspended: a duration from 1s to 8784h. After that the task has failed (TotalTimedOut) and isn't tried
    /// again. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::duration")]
    pub total_timeout: Option<String>,
    /// What follows when the pod's node doesn't answer any more: Wait until the node says that the pod has ended, or is removed;
    /// or Replace the pod half a minute after it was to have ended. Then nobody knows whether the old one has ended: both may run at
    /// the same time. Default: Wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_node_lost: Option<OnNodeLost>,
    /// When tasks are tried again that have no retry of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// Whether the last lines of a failed attempt's log become its message: Keep or Omit. Default: Keep.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_tail: Option<LogTail>,
}

/// An environment variable: a literal, a reference of Kubernetes, or an expression.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.value) ? 1 : 0) + (has(self.valueFrom) ? 1 : 0) + (has(self.expr) ? 1 : 0) == 1")
        .message("set exactly one of value, valueFrom and expr"),
)]
pub struct EnvVar {
    /// Name: a letter or underscore, then letters, digits and underscores. `GANTLINE_` is Gantline's own prefix.
    #[schemars(length(min = 1, max = 255), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Literal value. `$(NAME)` in it is expanded by Kubernetes, `$$` is a dollar sign.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32768))]
    pub value: Option<String>,
    /// A source of Kubernetes': fieldRef, resourceFieldRef, configMapKeyRef or secretKeyRef, as in a Pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::object")]
    pub value_from: Option<Map<String, Value>>,
    /// CEL expression; it may read params, run, attempt, item, index and the outputs of upstream tasks. The value reaches the container
    /// byte for byte. Example: `tasks.extract.outputs.rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expr: Option<String>,
}

/// The value of a param of a child run: a literal in value, or an expression in expr.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChildParam {
    /// Name of a param of the child's workflow.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Literal value, of the type that the child's workflow declares. Example: `[emea, apac]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any")]
    pub value: Option<Value>,
    /// CEL expression; it may read params, run, attempt and the outputs of upstream tasks. Example:
    /// `tasks.extract.outputs.rows`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub expr: Option<String>,
}

/// Resources of a container, as in a Pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside, by name. Example: `{cpu: 500m, memory: 256Mi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::quantities")]
    pub requests: BTreeMap<String, Value>,
    /// What the container may use at most, by name. Example: `{memory: 512Mi}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "super::schema::quantities")]
    pub limits: BTreeMap<String, Value>,
}

/// A value that a task hands on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct OutputDecl {
    /// Name, used in expressions as `tasks.TASK.outputs.NAME`: a letter or underscore, then letters, digits, underscores.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z_][A-Za-z0-9_]*$"))]
    pub name: String,
    /// Type of the value: string, int, bool, number, list or object. A value of another type fails the task.
    #[serde(rename = "type")]
    pub kind: ValueType,
    /// What the value means, in a sentence. At most 1,024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Value where the task wrote none. Without it, a task that succeeds without writing the output fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "super::schema::any")]
    pub default: Option<Value>,
    /// What the items of a list must be. Example: `{type: string}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub items: Option<ItemType>,
}
