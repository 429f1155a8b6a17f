//! What happened, in the order in which the API server made it so: every applied write, and what the containers of pods
//! really did. A simulated world writes it natively; of a real cluster it is read from the audit log.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

/// What happened, oldest first.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// The entries, in the order of their effect.
    pub entries: Vec<Entry>,
}

/// One thing that happened.
#[derive(Clone, Debug)]
pub enum Entry {
    /// The API server applied a write.
    Write(Write),
    /// The container `main` of a pod began to run on its node.
    Started {
        /// Uid of the pod.
        pod: String,
        /// When.
        at: Timestamp,
    },
    /// The container `main` of a pod ended on its node, whether or not the API server ever came to know.
    Ended {
        /// Uid of the pod.
        pod: String,
        /// When.
        at: Timestamp,
        /// Its exit code.
        exit_code: i32,
    },
}

/// A write that was applied. A refused one is none; an identical one, which changes nothing, is none either.
#[derive(Clone, Debug)]
pub struct Write {
    /// When its sender sent it, by the one true clock.
    pub sent: Timestamp,
    /// When it was applied, by the one true clock.
    pub at: Timestamp,
    /// Who sent it: the identity of an operator, or another actor such as `kubelet`, `garbage-collector` or `user`.
    pub actor: String,
    /// What was done.
    pub verb: Verb,
    /// Resource in the plural, without its group: `workflowruns`, `pods`, `leases`.
    pub resource: String,
    /// Subresource: `status`, or empty.
    pub subresource: String,
    /// Namespace of the object.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The object as it is after the write; where the write removed it, as it last was.
    pub object: Arc<Value>,
    /// Whether the object is gone with this write: deleted without anything holding it, or its last finalizer taken off.
    pub removed: bool,
}

/// What was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// POST.
    Create,
    /// PUT.
    Update,
    /// PATCH.
    Patch,
    /// DELETE. One that only marks the object as being deleted leaves `removed` false.
    Delete,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(write) => write.fmt(f),
            Self::Started { pod, at } => write!(f, "{at} node: main of pod {pod} began to run"),
            Self::Ended { pod, at, exit_code } => write!(f, "{at} node: main of pod {pod} ended with {exit_code}"),
        }
    }
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, at, actor, verb, resource, subresource, namespace, name, uid, .. } = self;
        let what = if subresource.is_empty() { resource.clone() } else { format!("{resource}/{subresource}") };
        write!(f, "{at} {actor}: {verb:?} {what} {namespace}/{name} ({uid})")?;
        if sent < at {
            write!(f, ", sent at {sent}")?;
        }
        if self.removed { write!(f, ", and it is gone") } else { Ok(()) }
    }
}
