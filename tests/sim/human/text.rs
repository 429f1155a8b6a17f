//! The textual form of what people do.

use std::fmt;
use std::str::FromStr;

use super::{Cascade, Forgery, Human, Kind, StatusEdit};

/// An enum of words.
macro_rules! words {
    ($kind:ident { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl $kind {
            /// All of them.
            pub(super) const ALL: [Self; [$($word),+].len()] = [$(Self::$variant),+];
        }

        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $kind {
            type Err = Unknown;

            fn from_str(text: &str) -> Result<Self, Unknown> {
                Self::ALL.into_iter().find(|it| it.to_string() == text).ok_or_else(|| Unknown(text.to_owned()))
            }
        }
    };
}

words!(Cascade { Background = "background", Foreground = "foreground", Orphan = "orphan" });
words!(Kind { Workflow = "workflow", WorkflowRun = "workflowrun" });
words!(Forgery { Name = "name", Labels = "labels", Attempt = "attempt", Task = "task", OlderRun = "older-run" });
words!(StatusEdit { Clear = "clear", ForgetAttempts = "forget-attempts", DropTask = "drop-task" });

/// Not a word for anything that people do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is nothing that people do", self.0)
    }
}

impl fmt::Display for Human {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancel { run, grace_seconds: None } => write!(f, "cancel:{run}"),
            Self::Cancel { run, grace_seconds: Some(grace) } => write!(f, "cancel:{run}:{grace}"),
            Self::SkipFinally { run } => write!(f, "skip-finally:{run}"),
            Self::Suspend { run } => write!(f, "suspend:{run}"),
            Self::Resume { run } => write!(f, "resume:{run}"),
            Self::Retry { run, task: None } => write!(f, "retry:{run}"),
            Self::Retry { run, task: Some(task) } => write!(f, "retry:{run}:{task}"),
            Self::DeleteRun { run, cascade } => write!(f, "delete-run:{run}:{cascade}"),
            Self::RecreateRun { run } => write!(f, "recreate-run:{run}"),
            Self::Create { kind, name } => write!(f, "create:{kind}:{name}"),
            Self::DeletePod { run, task, force: false } => write!(f, "delete-pod:{run}:{task}"),
            Self::DeletePod { run, task, force: true } => write!(f, "delete-pod:{run}:{task}:force"),
            Self::StripFinalizer { run, task } => write!(f, "strip-finalizer:{run}:{task}"),
            Self::StripLabels { run, task } => write!(f, "strip-labels:{run}:{task}"),
            Self::RestoreLabels { run, task } => write!(f, "restore-labels:{run}:{task}"),
            Self::ReplacePod { run, task } => write!(f, "replace-pod:{run}:{task}"),
            Self::ForeignPod { run, task, forgery } => write!(f, "foreign-pod:{run}:{task}:{forgery}"),
            Self::ForeignClaim { run, claim } => write!(f, "foreign-claim:{run}:{claim}"),
            Self::DeleteChild { run, task } => write!(f, "delete-child:{run}:{task}"),
            Self::CancelChild { run, task } => write!(f, "cancel-child:{run}:{task}"),
            Self::ForeignRun { run, task } => write!(f, "foreign-run:{run}:{task}"),
            Self::DeleteResource { run, task } => write!(f, "delete-resource:{run}:{task}"),
            Self::ForeignResource { run, task } => write!(f, "foreign-resource:{run}:{task}"),
            Self::EditParams { run } => write!(f, "edit-params:{run}"),
            Self::EditWorkflow { workflow } => write!(f, "edit-workflow:{workflow}"),
            Self::DeleteWorkflow { workflow } => write!(f, "delete-workflow:{workflow}"),
            Self::DeleteRecord { run } => write!(f, "delete-record:{run}"),
            Self::DeleteSegment { run } => write!(f, "delete-segment:{run}"),
            Self::DeleteOutputs { run } => write!(f, "delete-outputs:{run}"),
            Self::ForeignSegment { run } => write!(f, "foreign-segment:{run}"),
            Self::EditStatus { run, edit } => write!(f, "edit-status:{run}:{edit}"),
            Self::DeleteNamespace => f.write_str("delete-namespace"),
        }
    }
}

impl FromStr for Human {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let parts: Vec<&str> = text.split(':').collect();
        let unknown = || Unknown(text.to_owned());
        let own = |part: &str| part.to_owned();
        Ok(match parts[..] {
            ["cancel", run] => Self::Cancel { run: own(run), grace_seconds: None },
            ["cancel", run, grace] => {
                Self::Cancel { run: own(run), grace_seconds: Some(grace.parse().map_err(|_| unknown())?) }
            }
            ["skip-finally", run] => Self::SkipFinally { run: own(run) },
            ["suspend", run] => Self::Suspend { run: own(run) },
            ["resume", run] => Self::Resume { run: own(run) },
            ["retry", run] => Self::Retry { run: own(run), task: None },
            ["retry", run, task] => Self::Retry { run: own(run), task: Some(own(task)) },
            ["delete-run", run, cascade] => Self::DeleteRun { run: own(run), cascade: cascade.parse()? },
            ["recreate-run", run] => Self::RecreateRun { run: own(run) },
            ["create", kind, name] => Self::Create { kind: kind.parse()?, name: own(name) },
            ["delete-pod", run, task] => Self::DeletePod { run: own(run), task: own(task), force: false },
            ["delete-pod", run, task, "force"] => Self::DeletePod { run: own(run), task: own(task), force: true },
            ["strip-finalizer", run, task] => Self::StripFinalizer { run: own(run), task: own(task) },
            ["strip-labels", run, task] => Self::StripLabels { run: own(run), task: own(task) },
            ["restore-labels", run, task] => Self::RestoreLabels { run: own(run), task: own(task) },
            ["replace-pod", run, task] => Self::ReplacePod { run: own(run), task: own(task) },
            ["foreign-pod", run, task, forgery] => {
                Self::ForeignPod { run: own(run), task: own(task), forgery: forgery.parse()? }
            }
            ["foreign-claim", run, claim] => Self::ForeignClaim { run: own(run), claim: own(claim) },
            ["delete-child", run, task] => Self::DeleteChild { run: own(run), task: own(task) },
            ["cancel-child", run, task] => Self::CancelChild { run: own(run), task: own(task) },
            ["foreign-run", run, task] => Self::ForeignRun { run: own(run), task: own(task) },
            ["delete-resource", run, task] => Self::DeleteResource { run: own(run), task: own(task) },
            ["foreign-resource", run, task] => Self::ForeignResource { run: own(run), task: own(task) },
            ["edit-params", run] => Self::EditParams { run: own(run) },
            ["edit-workflow", workflow] => Self::EditWorkflow { workflow: own(workflow) },
            ["delete-workflow", workflow] => Self::DeleteWorkflow { workflow: own(workflow) },
            ["delete-record", run] => Self::DeleteRecord { run: own(run) },
            ["delete-segment", run] => Self::DeleteSegment { run: own(run) },
            ["delete-outputs", run] => Self::DeleteOutputs { run: own(run) },
            ["foreign-segment", run] => Self::ForeignSegment { run: own(run) },
            ["edit-status", run, edit] => Self::EditStatus { run: own(run), edit: edit.parse()? },
            ["delete-namespace"] => Self::DeleteNamespace,
            _ => return Err(unknown()),
        })
    }
}
