//! What people, and controllers that aren't ours, may do to a cluster while runs go on.

use std::fmt;
use std::str::FromStr;

use gantline::plan::pod_name;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::model::Server;
use crate::scenario::Scenario;
use crate::wire::{Wire, path, path_of};

/// One thing that someone does. Its textual form names it in a schedule: `delete-pod:nightly:load:force`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Human {
    /// Sets `spec.cancel` of a run.
    Cancel { run: String, grace_seconds: Option<u32> },
    /// Sets `spec.suspend` of a run.
    Suspend { run: String },
    /// Takes `spec.suspend` back.
    Resume { run: String },
    /// Deletes a run.
    DeleteRun { run: String, cascade: Cascade },
    /// Deletes a run, if it is there, and creates it again under its name at once.
    RecreateRun { run: String },
    /// Creates an object of the scenario's, if it isn't there: a workflow that comes late, a run that was deleted.
    Create { kind: Kind, name: String },
    /// Deletes the pod of a task's newest attempt.
    DeletePod { run: String, task: String, force: bool },
    /// Takes every finalizer off that pod.
    StripFinalizer { run: String, task: String },
    /// Takes our labels off that pod.
    StripLabels { run: String, task: String },
    /// Puts them back.
    RestoreLabels { run: String, task: String },
    /// Makes a pod under the name that the task's next attempt will have.
    ForeignPod { run: String, task: String, forgery: Forgery },
    /// Sets `spec.params` of a run.
    EditParams { run: String },
    /// Changes what every task of a workflow runs.
    EditWorkflow { workflow: String },
    /// Deletes a workflow.
    DeleteWorkflow { workflow: String },
    /// Deletes the record that a run is pinned to.
    DeleteRecord { run: String },
    /// Edits the status of a run.
    EditStatus { run: String, edit: StatusEdit },
    /// Deletes the scenario's namespace.
    DeleteNamespace,
}

/// How a deletion goes on to what the object owns (`propagationPolicy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cascade {
    /// The object first.
    Background,
    /// What it owns first.
    Foreground,
    /// What it owns stays, and belongs to nobody.
    Orphan,
}

/// A kind that people create.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A workflow.
    Workflow,
    /// A run.
    WorkflowRun,
}

/// How much a foreign pod looks like one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Forgery {
    /// The name alone.
    Name,
    /// Our labels too, but no owner.
    Labels,
    /// Labels and a controller reference with the run's uid; the label `attempt` is another one's.
    Attempt,
    /// Labels and a controller reference with the run's uid; the label `task` is another one's.
    Task,
    /// Labels and a controller reference of an earlier run of that name.
    OlderRun,
}

/// What someone does to a run's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusEdit {
    /// It is emptied.
    Clear,
    /// The attempts of every task are taken out.
    ForgetAttempts,
    /// The last task is taken out.
    DropTask,
}
