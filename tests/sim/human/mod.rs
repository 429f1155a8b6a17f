//! What people, and controllers that aren't ours, may do to a cluster while runs go on.

mod act;
mod segment;
#[cfg(test)]
mod tests;
mod text;

pub use act::named_by;

use crate::scenario::Scenario;

/// One thing that someone does. Its textual form names it in a schedule: `delete-pod:nightly:load:force`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Human {
    /// Sets `spec.cancel` of a run.
    Cancel { run: String, grace_seconds: Option<u32> },
    /// Sets `spec.cancel` of a run, so that its finally tasks don't run either.
    SkipFinally { run: String },
    /// Sets `spec.suspend` of a run.
    Suspend { run: String },
    /// Takes `spec.suspend` back.
    Resume { run: String },
    /// Sets `spec.retry` of a run to the next generation, of one task or of all that did not succeed.
    Retry { run: String, task: Option<String> },
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
    /// Replaces that pod by one of their own under its name.
    ReplacePod { run: String, task: String },
    /// Makes a pod under the name that the task's next attempt will have.
    ForeignPod { run: String, task: String, forgery: Forgery },
    /// Makes a volume claim under the name that the run's own will have.
    ForeignClaim { run: String, claim: String },
    /// Deletes the child run of a task's newest attempt.
    DeleteChild { run: String, task: String },
    /// Sets `spec.cancel` of that child run.
    CancelChild { run: String, task: String },
    /// Makes a run under the name that the next child run of a task will have.
    ForeignRun { run: String, task: String },
    /// Deletes the object of any kind of a task's newest attempt.
    DeleteResource { run: String, task: String },
    /// Makes an object under the name that the next one of a task will have.
    ForeignResource { run: String, task: String },
    /// Sets `spec.params` of a run.
    EditParams { run: String },
    /// Changes what every task of a workflow runs.
    EditWorkflow { workflow: String },
    /// Deletes a workflow.
    DeleteWorkflow { workflow: String },
    /// Deletes the record that a run is pinned to.
    DeleteRecord { run: String },
    /// Deletes the newest part of a run's log that is in a record.
    DeleteSegment { run: String },
    /// Deletes the newest record of outputs of a run's tasks.
    DeleteOutputs { run: String },
    /// Makes a record under the name that the next part of a run's log will have.
    ForeignSegment { run: String },
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

impl Human {
    /// Everything that can be done to what a scenario is about, in an order that stays: a schedule names one by its place.
    pub fn all(scenario: &Scenario) -> Vec<Self> {
        let mut all = Vec::new();
        for run in scenario.names("WorkflowRun") {
            let run = || run.clone();
            all.extend([
                Self::Cancel { run: run(), grace_seconds: None },
                Self::Cancel { run: run(), grace_seconds: Some(0) },
                Self::Cancel { run: run(), grace_seconds: Some(5) },
                Self::Suspend { run: run() },
                Self::Resume { run: run() },
                Self::Retry { run: run(), task: None },
                Self::RecreateRun { run: run() },
                Self::Create { kind: Kind::WorkflowRun, name: run() },
                Self::EditParams { run: run() },
                Self::DeleteRecord { run: run() },
                Self::DeleteSegment { run: run() },
                Self::ForeignSegment { run: run() },
                Self::DeleteOutputs { run: run() },
            ]);
            if !scenario.finally_of(&run()).is_empty() {
                all.push(Self::SkipFinally { run: run() });
            }
            all.extend(Cascade::ALL.map(|cascade| Self::DeleteRun { run: run(), cascade }));
            all.extend(StatusEdit::ALL.map(|edit| Self::EditStatus { run: run(), edit }));
            let claims = scenario.claims_of(&run()).into_iter();
            all.extend(claims.map(|claim| Self::ForeignClaim { run: run(), claim: claim.to_owned() }));
            for task in scenario.tasks_of(&run()).iter().filter_map(|task| task["name"].as_str()) {
                let (run, task) = (|| run(), || task.to_owned());
                all.push(Self::Retry { run: run(), task: Some(task()) });
                all.extend([false, true].map(|force| Self::DeletePod { run: run(), task: task(), force }));
                all.extend([
                    Self::StripFinalizer { run: run(), task: task() },
                    Self::StripLabels { run: run(), task: task() },
                    Self::RestoreLabels { run: run(), task: task() },
                    Self::ReplacePod { run: run(), task: task() },
                ]);
                all.extend(Forgery::ALL.map(|forgery| Self::ForeignPod { run: run(), task: task(), forgery }));
            }
            let tasks = scenario.tasks_of(&run());
            let children = tasks.iter().filter(|task| scenario.workflow_of_task(task).is_some());
            for task in children.filter_map(|task| task["name"].as_str()) {
                let (run, task) = (|| run(), || task.to_owned());
                all.extend([
                    Self::DeleteChild { run: run(), task: task() },
                    Self::CancelChild { run: run(), task: task() },
                    Self::ForeignRun { run: run(), task: task() },
                ]);
            }
        }
        for run in scenario.names("WorkflowRun") {
            let tasks = scenario.tasks_of(&run);
            let objects = tasks.iter().filter(|task| task.get("resource").is_some());
            for task in objects.filter_map(|task| task["name"].as_str()) {
                all.extend([
                    Self::DeleteResource { run: run.clone(), task: task.to_owned() },
                    Self::ForeignResource { run: run.clone(), task: task.to_owned() },
                ]);
            }
        }
        for workflow in scenario.names("Workflow") {
            let workflow = || workflow.clone();
            all.extend([
                Self::EditWorkflow { workflow: workflow() },
                Self::DeleteWorkflow { workflow: workflow() },
                Self::Create { kind: Kind::Workflow, name: workflow() },
            ]);
        }
        all.push(Self::DeleteNamespace);
        all
    }

    /// Whether it takes what the guarantees rest on: after it, a run may forget attempts, or a pod's end be seen by nobody.
    pub const fn breaks_the_record(&self) -> bool {
        matches!(self, Self::EditStatus { .. })
    }

    /// The task whose objects it is about.
    pub fn task(&self) -> Option<&str> {
        match self {
            Self::DeletePod { task, .. }
            | Self::StripFinalizer { task, .. }
            | Self::StripLabels { task, .. }
            | Self::RestoreLabels { task, .. }
            | Self::ReplacePod { task, .. }
            | Self::ForeignPod { task, .. }
            | Self::DeleteChild { task, .. }
            | Self::CancelChild { task, .. }
            | Self::ForeignRun { task, .. }
            | Self::DeleteResource { task, .. }
            | Self::ForeignResource { task, .. } => Some(task),
            _ => None,
        }
    }

    /// Whether it may cost an attempt: its pod is deleted, or nobody can see any more whose it is.
    pub const fn takes_a_pod(&self) -> bool {
        use Human::{DeletePod, ReplacePod, StripFinalizer, StripLabels};
        matches!(self, DeletePod { .. } | StripFinalizer { .. } | StripLabels { .. } | ReplacePod { .. })
    }

    /// The run that it is about.
    pub fn run(&self) -> Option<&str> {
        match self {
            Self::Cancel { run, .. }
            | Self::SkipFinally { run }
            | Self::Suspend { run }
            | Self::Resume { run }
            | Self::Retry { run, .. }
            | Self::DeleteRun { run, .. }
            | Self::RecreateRun { run }
            | Self::Create { kind: Kind::WorkflowRun, name: run }
            | Self::DeletePod { run, .. }
            | Self::StripFinalizer { run, .. }
            | Self::StripLabels { run, .. }
            | Self::RestoreLabels { run, .. }
            | Self::ReplacePod { run, .. }
            | Self::ForeignPod { run, .. }
            | Self::ForeignClaim { run, .. }
            | Self::DeleteChild { run, .. }
            | Self::CancelChild { run, .. }
            | Self::ForeignRun { run, .. }
            | Self::DeleteResource { run, .. }
            | Self::ForeignResource { run, .. }
            | Self::EditParams { run }
            | Self::DeleteRecord { run }
            | Self::DeleteSegment { run }
            | Self::DeleteOutputs { run }
            | Self::ForeignSegment { run }
            | Self::EditStatus { run, .. } => Some(run),
            Self::Create { .. } | Self::EditWorkflow { .. } | Self::DeleteWorkflow { .. } | Self::DeleteNamespace => {
                None
            }
        }
    }
}
