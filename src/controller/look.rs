//! Live reads of a run and of the objects of its attempts, where the caches can't be sure. What is read, they learn.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::cache::PodEntry;
use super::client::Failure;
use super::loose::Loose;
use super::watch::Watched;
use super::{Context, Key, kin};
use crate::api::WorkflowRun;
use crate::engine::{Refusal, RefusalKind, Sight};
use crate::mutant::{Mutant, is};
use crate::objects::child::parent;
use crate::pods::{SlimPod, facts, is_unlabelled_of};

/// Time between looks at a pod or child run that no watch tells of.
const STRAYED: Duration = Duration::from_secs(10);

/// The run as it is now; `None` if it, by uid, is gone. The cache learns of it.
pub async fn run(context: &Context, run: &Loose<WorkflowRun>) -> Result<Option<Arc<Loose<WorkflowRun>>>, Failure> {
    let uid = run.meta.uid.clone().unwrap_or_default();
    let (namespace, name) =
        (run.meta.namespace.as_deref().unwrap_or_default(), run.meta.name.as_deref().unwrap_or_default());
    run_of(context, &uid, namespace, name).await
}

/// The run of this uid as it is now; `None` if it is gone. The cache learns of it.
pub async fn run_of(
    context: &Context,
    uid: &str,
    namespace: &str,
    name: &str,
) -> Result<Option<Arc<Loose<WorkflowRun>>>, Failure> {
    let found = context.cluster.get::<WorkflowRun>(namespace, name).await?;
    let Some(found) = found.filter(|found| found.meta.uid.as_deref() == Some(uid)) else {
        context.enqueue(|cache| {
            kin::bury(cache, uid).into_iter().filter(|key| *key != Key::Run(uid.to_owned())).collect()
        });
        return Ok(None);
    };
    context.learn(found);
    Ok(context.cache().run(uid))
}

/// Looks a pod up by its name.
pub async fn pod(
    context: &Context,
    namespace: &str,
    run_uid: &str,
    name: &str,
    known_uid: Option<&str>,
) -> Result<Sight, Failure> {
    let found = context.cluster.get::<SlimPod>(namespace, name).await?;
    let Some(found) = found else { return Ok(Sight::Absent) };
    let pod = found.object.map_err(Failure::Unknown)?;
    // Identity is the uid: it is the attempt's pod, whatever someone did to its labels or owner.
    let own = own(context, &pod, run_uid).map(|entry| entry.facts);
    let is_known = match known_uid {
        Some(uid) => uid == pod.metadata.uid,
        None => is_unlabelled_of(&pod, run_uid) || is(Mutant::ExistingIsOurs),
    };
    let own = own.or_else(|| is_known.then(|| Arc::new(facts(&pod))));
    Ok(match (own, known_uid) {
        (Some(facts), _) if !(is(Mutant::ExistingIsForeign) && known_uid.is_none()) => {
            // No watch tells of it, if its labels were taken off for a while: it is looked at again and again.
            if !context.cache().pods_of(run_uid).any(|entry| entry.facts.uid == pod.metadata.uid) {
                context.wake_in(Key::Run(run_uid.to_owned()), STRAYED);
            }
            Sight::Pod(facts)
        }
        // The attempt's own pod is known to have been another one.
        (_, Some(_)) => Sight::Absent,
        (_, None) => Sight::Refused(Refusal {
            kind: RefusalKind::NameClash,
            message: clash("pod", name),
            retry_at: Timestamp::MAX,
        }),
    })
}

/// Looks a child run up by its name.
pub async fn child(
    context: &Context,
    namespace: &str,
    run_uid: &str,
    name: &str,
    known_uid: Option<&str>,
) -> Result<Sight, Failure> {
    let found = context.cluster.get::<WorkflowRun>(namespace, name).await?;
    let Some(found) = found else { return Ok(Sight::Absent) };
    let is_own = match known_uid {
        // Identity is the uid, whatever someone did to its owner.
        Some(uid) => found.meta.uid.as_deref() == Some(uid),
        None => is_child_of(&found, run_uid),
    };
    let facts = kin::facts(&found);
    if is_own && !is_child_of(&found, run_uid) {
        // No news of it leads here: it is looked at again and again.
        context.wake_in(Key::Run(run_uid.to_owned()), STRAYED);
    }
    context.enqueue(|cache| WorkflowRun::put(cache, found));
    Ok(match known_uid {
        _ if is_own => Sight::Child(facts),
        Some(_) => Sight::Absent,
        None => {
            let message = clash("workflowrun", name);
            Sight::Refused(Refusal { kind: RefusalKind::NameClash, message, retry_at: Timestamp::MAX })
        }
    })
}

/// Whether a run is the child of the run of this uid.
pub fn is_child_of(run: &Loose<WorkflowRun>, uid: &str) -> bool {
    parent(&run.meta).is_some_and(|parent| parent.uid == uid) || is(Mutant::ChildByName)
}

/// The pod's entry if it is the run's own; the cache learns of it.
pub fn own(context: &Context, pod: &SlimPod, run_uid: &str) -> Option<PodEntry> {
    let entry = PodEntry::of(pod)?;
    if entry.run_uid != run_uid || !entry.ours {
        return None;
    }
    context.cache().put_pod(pod);
    Some(entry)
}

/// What there is to say of a name that another object of this kind has.
pub fn clash(kind: &str, name: &str) -> String {
    format!(
        "a {kind} named {name} exists that is not this run's: find out who made it (kubectl get {kind} {name} -o yaml), delete it, \
         and make a new run"
    )
}
