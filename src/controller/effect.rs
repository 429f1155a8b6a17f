//! What a decision asks to be done to pods and child runs. Each effect runs by itself within a bound; when it is done its run is looked at
//! again, and asks anew for what is still to be done.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::client::Failure;
use super::gather::{Gathered, clash, is_child_of, own};
use super::loose::Loose;
use super::memory::{Doing, RunMemory};
use super::revision::Pinned;
use super::watch::Watched;
use super::{Context, Key, claim, kin};
use crate::api::{WorkflowRun, WorkflowRunStatus};
use crate::engine::{Effect, RefusalKind, Start, clip, is_starting, is_suspended};
use crate::mutant::{Mutant, is};
use crate::objects::child;
use crate::pods::{Owner, SlimPod, build, is_unlabelled_of, volume_claim};

/// The wait before it is looked whether an effect showed.
const UNSURE: Duration = Duration::from_secs(1);
/// The wait after a deletion was refused.
const REFUSED_DELETE: Duration = Duration::from_secs(10);
/// How often a finalizer is tried to be taken off in one go.
const RELEASE_TRIES: u32 = 5;
/// The pause between.
const RELEASE_PAUSE: Duration = Duration::from_secs(1);
/// How soon after a release its run is looked at: for many together, since all that is left to do then is to tidy up.
const RELEASED: Duration = Duration::from_secs(1);
/// Bytes kept of a refusal's message.
const MESSAGE: usize = 1024;

/// The run that an effect is for, and the name of the object.
#[derive(Clone)]
pub struct Target {
    pub run: String,
    pub namespace: String,
    /// Its name; empty where the effect is for no object.
    name: String,
}

/// An object to be made for an attempt.
struct Making {
    made: Made,
    start: Start,
    manifest: Value,
}

/// What is made.
#[derive(Clone, Copy)]
enum Made {
    Pod,
    Run,
}

/// Starts all effects, in their order.
pub fn start(context: &Arc<Context>, gathered: &Gathered, effects: Vec<Effect>) {
    let meta = &gathered.run.meta;
    let (run, namespace) = (meta.uid.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
    let owner = Owner { name: meta.name.as_deref().unwrap_or_default(), namespace: &namespace, uid: &run };
    let clears = effects
        .iter()
        .filter_map(|effect| if let Effect::Clear { uid, .. } = effect { Some(uid.as_str()) } else { None });
    let clears: BTreeSet<&str> = clears.collect();
    context.with_memory(&run, |memory| memory.keep_clears(|uid| clears.contains(uid)));
    let make = |name: String, making: Making| {
        if context.with_memory(&run, |memory| memory.sent(&name)) {
            let target = Target { run: run.clone(), namespace: namespace.clone(), name };
            let undo = target.name.clone();
            let effect = create(Arc::clone(context), target.clone(), making);
            spawn(context, &context.creates, &target, effect, move |memory| memory.look_up(&undo));
        }
    };
    for effect in effects {
        let target = |name: String| Target { run: run.clone(), namespace: namespace.clone(), name };
        match effect {
            Effect::Create { task, item, attempt, pod, values } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(planned) = plan.tasks().get(task) else { continue };
                let manifest = build(&owner, planned, item, attempt, &pod, values, context.settings.pod_security);
                let start = Start { index: task, task: planned.name.clone(), item, number: attempt };
                make(pod, Making { made: Made::Pod, start, manifest });
            }
            Effect::CreateRun { task, item, attempt, run: name, params } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(planned) = plan.tasks().get(task) else { continue };
                let Some(child) = planned.child() else { continue };
                let manifest = child::build(&owner, &planned.name, child, item, attempt, &name, params);
                let start = Start { index: task, task: planned.name.clone(), item, number: attempt };
                make(name, Making { made: Made::Run, start, manifest });
            }
            Effect::CreateClaim { claim: index, name } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(template) = plan.volume_claims().get(index) else { continue };
                let manifest = volume_claim(&owner, template, &name);
                let key = claim::key(&name);
                if context.with_memory(&run, |memory| memory.sent(&key)) {
                    let target = target(String::new());
                    let effect = claim::create(Arc::clone(context), target.clone(), name, manifest);
                    spawn(context, &context.creates, &target, effect, move |memory| memory.look_up(&key));
                }
            }
            Effect::Release { pod, uid } => {
                let wait = context.with_memory(&run, |memory| memory.may_arrive(&pod, Instant::now()));
                if !wait.is_zero() {
                    context.wake_in(Key::Run(run.clone()), wait);
                    continue;
                }
                let doing = Doing::Release(uid.clone());
                if context.with_memory(&run, |memory| memory.begin(&doing)) {
                    let target = target(pod);
                    let effect = release(Arc::clone(context), target.clone(), uid);
                    spawn(context, &context.others, &target, effect, move |memory| memory.end(&doing));
                }
            }
            Effect::Clear { pod, uid } => {
                let wait = context.with_memory(&run, |memory| memory.clears_in(&uid, Instant::now()));
                if wait.is_zero() {
                    start_delete(context, &target(pod), uid, None);
                } else {
                    context.wake_in(Key::Run(run.clone()), wait);
                }
            }
            Effect::Delete { pod, uid, grace_seconds } => start_delete(context, &target(pod), uid, grace_seconds),
            Effect::DeleteRun => {
                if context.with_memory(&run, |memory| memory.begin(&Doing::DeleteRun)) {
                    let effect = delete_run(Arc::clone(context), Arc::clone(&gathered.run));
                    let clear = |memory: &mut RunMemory| memory.end(&Doing::DeleteRun);
                    spawn(context, &context.others, &target(String::new()), effect, clear);
                }
            }
        }
    }
}

fn start_delete(context: &Arc<Context>, target: &Target, uid: String, grace_seconds: Option<u32>) {
    let doing = Doing::Delete(uid.clone());
    if context.with_memory(&target.run, |memory| memory.begin(&doing)) {
        let effect = delete(Arc::clone(context), target.clone(), uid, grace_seconds);
        spawn(context, &context.others, target, effect, move |memory| memory.end(&doing));
    }
}

/// Runs an effect within the bound on requests under way. Afterwards, also after a panic, its trace in memory is cleared and
/// its run is looked at, at once or when the effect says.
fn spawn(
    context: &Arc<Context>,
    bound: &Arc<Semaphore>,
    target: &Target,
    effect: impl Future<Output = After> + Send + 'static,
    clear: impl FnOnce(&mut RunMemory) + Send + 'static,
) {
    let (inner, bound, run) = (Arc::clone(context), Arc::clone(bound), target.run.clone());
    context.spawn(async move {
        // Closed: the operator is stopping, and whoever comes next asks for the effect anew.
        let Ok(permit) = bound.acquire_owned().await else { return };
        let after = AssertUnwindSafe(effect).catch_unwind().await;
        drop(permit);
        let after = after.unwrap_or_else(|panic| {
            tracing::error!(panic = super::told(panic.as_ref()), "a fault of ours, please report it");
            After { clear: true, wait: Some(UNSURE) }
        });
        if after.clear {
            inner.with_memory(&run, clear);
        }
        match after.wait {
            None => inner.add(Key::Run(run)),
            Some(wait) => inner.wake_in(Key::Run(run), wait),
        }
    });
}

/// What follows an effect.
pub struct After {
    /// Whether its trace in memory is cleared; otherwise it has left one of its own.
    clear: bool,
    /// When its run is looked at; at once where absent.
    wait: Option<Duration>,
}

impl After {
    pub const DONE: Self = Self { clear: true, wait: None };
    pub const TOLD: Self = Self { clear: false, wait: None };
    const LATER: Self = Self { clear: true, wait: Some(UNSURE) };
    /// Its trace in memory is its own, and nothing shows at once.
    pub const UNSENT: Self = Self { clear: false, wait: Some(UNSURE) };
}

/// Whether the attempt still is to have its object. Between the decision and its turn the run may have been cancelled.
fn is_wanted(context: &Context, target: &Target, start: &Start) -> bool {
    if is(Mutant::CancelLosesToCreate) {
        return true;
    }
    if context.with_memory(&target.run, |memory| memory.is_withdrawn(&target.name)) {
        return false;
    }
    let cache = context.cache();
    let Some(run) = cache.run(&target.run) else { return false };
    let Ok(object) = &run.object else { return false };
    let lineage = kin::lineage_in_cache(&cache, &run);
    let permits = |status: &WorkflowRunStatus| {
        !is_suspended(&object.spec, status, &lineage) && is_starting(status, start, &target.name)
    };
    run.meta.deletion_timestamp.is_none() && object.status.as_ref().is_some_and(permits)
}

async fn create(context: Arc<Context>, target: Target, making: Making) -> After {
    let Making { made, start, manifest } = making;
    let name = &target.name;
    if !is_wanted(&context, &target, &start) {
        context.with_memory(&target.run, |memory| memory.unsent(name));
        return After::TOLD;
    }
    let answer = send(&context, &target, made, &manifest).await;
    let answer = match answer {
        Err(failure) if failure.is_already_exists() => match existing(&context, &target, made).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let kind = match made {
                    Made::Pod => "pod",
                    Made::Run => "workflowrun",
                };
                context.with_memory(&target.run, |memory| {
                    memory.refused(name, RefusalKind::NameClash, clash(kind, name), Instant::now(), Duration::ZERO);
                });
                return After::TOLD;
            }
            Err(failure) => Err(failure),
        },
        answer => answer,
    };
    match answer {
        Ok(()) => After::DONE,
        Err(Failure::Refused(status)) => {
            let (kind, after) = (refusal_kind(&status), retry_after(&status));
            let message = clip(&status.message, MESSAGE);
            tracing::info!(name, namespace = target.namespace, code = status.code, ?kind, "a create was refused");
            context.with_memory(&target.run, |memory| memory.refused(name, kind, message, Instant::now(), after));
            After::TOLD
        }
        // Whoever leads asks for it again.
        Err(Failure::NotLeading) => {
            context.with_memory(&target.run, |memory| memory.unsent(name));
            After::UNSENT
        }
        Err(Failure::Unknown(message)) => {
            tracing::warn!(name, namespace = target.namespace, message, "it is unknown whether it was made");
            context.with_memory(&target.run, |memory| memory.unsure(name, clip(&message, MESSAGE), Instant::now()));
            After::TOLD
        }
    }
}

/// Sends the create; the cache learns of what was made.
async fn send(context: &Context, target: &Target, made: Made, manifest: &Value) -> Result<(), Failure> {
    match made {
        Made::Pod => {
            let pod = context.cluster.create_pod(&target.namespace, manifest).await?;
            context.cache().put_pod(&pod);
        }
        Made::Run => {
            let run = context.cluster.create_run(&target.namespace, manifest).await?;
            context.enqueue(|cache| WorkflowRun::put(cache, run));
        }
    }
    Ok(())
}

/// Whether the object of that name is the run's own. The cache learns of it.
async fn existing(context: &Context, target: &Target, made: Made) -> Result<bool, Failure> {
    let gone = || Failure::Unknown("an object of that name existed, and is gone".to_owned());
    match made {
        Made::Pod => {
            let found = context.cluster.get::<SlimPod>(&target.namespace, &target.name).await?;
            let pod = found.and_then(|found| found.object.ok()).ok_or_else(gone)?;
            if is(Mutant::ExistingIsForeign) {
                return Ok(false);
            }
            let is_own = own(context, &pod, &target.run).is_some() || is_unlabelled_of(&pod, &target.run);
            if is_own || is(Mutant::ExistingIsOurs) {
                context.cache().put_pod(&pod);
            }
            Ok(is_own || is(Mutant::ExistingIsOurs))
        }
        Made::Run => {
            let found = context.cluster.get::<WorkflowRun>(&target.namespace, &target.name).await?.ok_or_else(gone)?;
            let is_own = is_child_of(&found, &target.run);
            context.enqueue(|cache| WorkflowRun::put(cache, found));
            Ok(is_own)
        }
    }
}

/// Takes the finalizer off. Of a pod whose labels were taken off no later round knows, so what is in the way for now is tried
/// again here.
async fn release(context: Arc<Context>, target: Target, uid: String) -> After {
    for _ in 0..RELEASE_TRIES {
        match release_once(&context, &target, &uid).await {
            Ok(Some(pod)) => {
                context.cache().put_pod(&pod);
                return After { clear: true, wait: Some(RELEASED) };
            }
            Ok(None) => return After::LATER,
            Err(failure) => tracing::debug!(pod = target.name, %failure, "the pod's finalizer stays for now"),
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    After::LATER
}

async fn release_once(context: &Context, target: &Target, uid: &str) -> Result<Option<SlimPod>, Failure> {
    let known = context.cache().pod(uid).filter(|entry| entry.namespace == target.namespace);
    let known = known.map(|entry| entry.finalizers.clone());
    let finalizers = if let Some(finalizers) = known {
        finalizers
    } else {
        let found = context.cluster.get::<SlimPod>(&target.namespace, &target.name).await?;
        found.and_then(|found| found.object.ok()).map(|pod| pod.metadata.finalizers).unwrap_or_default()
    };
    context.cluster.release_pod(&target.namespace, &target.name, uid, &finalizers).await
}

async fn delete(context: Arc<Context>, target: Target, uid: String, grace_seconds: Option<u32>) -> After {
    // Between the decision and its turn the answer to an earlier deletion may have come.
    if context.cache().pod(&uid).is_some_and(|entry| entry.facts.deleting) {
        return After::DONE;
    }
    match context.cluster.delete_pod(&target.namespace, &target.name, &uid, grace_seconds).await {
        Ok(Some(pod)) => {
            context.cache().put_pod(&pod);
            After::DONE
        }
        // The watch tells what became of it; until then the decision would ask again.
        Ok(None) => After::LATER,
        Err(failure) => {
            tracing::warn!(pod = target.name, namespace = target.namespace, %failure, "the pod could not be deleted yet");
            After { clear: true, wait: Some(REFUSED_DELETE) }
        }
    }
}

/// Deletes a run whose ttl is over.
async fn delete_run(context: Arc<Context>, run: Arc<Loose<WorkflowRun>>) -> After {
    match context.cluster.delete_run(&run).await {
        // The watch tells what became of it; until then the decision would ask again.
        Ok(()) => After::LATER,
        Err(failure) => {
            tracing::warn!(run = ?run.meta.name, namespace = ?run.meta.namespace, %failure, "the run could not be deleted yet");
            After { clear: true, wait: Some(REFUSED_DELETE) }
        }
    }
}

/// Which kind of refusal it is. Codes and reasons decide; the words only where Kubernetes has nothing else: an admission
/// policy answers 422 like an invalid pod does.
pub fn refusal_kind(status: &kube::core::Status) -> RefusalKind {
    let by_policy =
        status.message.contains("ValidatingAdmissionPolicy '") || status.message.contains("admission webhook \"");
    match status.code {
        403 if is_terminating(status) => RefusalKind::NamespaceTerminating,
        404 => RefusalKind::NamespaceTerminating,
        403 if status.message.contains("exceeded quota") || status.message.contains("failed quota") => {
            RefusalKind::Quota
        }
        400 | 422 if !by_policy => RefusalKind::Invalid,
        _ => RefusalKind::Admission,
    }
}

/// Whether nothing is made any more in the namespace, as it is being deleted with all that is in it.
pub fn is_terminating(status: &kube::core::Status) -> bool {
    let mut causes = status.details.iter().flat_map(|details| &details.causes);
    status.code == 403 && causes.any(|cause| cause.reason == "NamespaceTerminating")
}

pub fn retry_after(status: &kube::core::Status) -> Duration {
    Duration::from_secs(status.details.as_ref().map_or(0, |details| details.retry_after_seconds.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        let status = |code: u16, message: &str, cause: &str| -> kube::core::Status {
            serde_json::from_value(serde_json::json!({
                "code": code, "message": message, "reason": "x",
                "details": { "causes": [{ "reason": cause, "message": "" }] },
            }))
            .unwrap()
        };
        for (code, message, cause, kind) in [
            (403, "pods \"p\" is forbidden: exceeded quota: q, requested: pods=1", "", RefusalKind::Quota),
            (403, "pods \"p\" is forbidden: failed quota: q: must specify cpu", "", RefusalKind::Quota),
            (403, "pods \"p\" is forbidden: violates PodSecurity \"restricted:latest\"", "", RefusalKind::Admission),
            (403, "unable to create new content", "NamespaceTerminating", RefusalKind::NamespaceTerminating),
            (404, "namespaces \"n\" not found", "", RefusalKind::NamespaceTerminating),
            (409, "Operation cannot be fulfilled on resourcequotas \"q\"", "", RefusalKind::Admission),
            (429, "too many requests", "", RefusalKind::Admission),
            (400, "strict decoding error: unknown field \"spec.nodeSelektor\"", "", RefusalKind::Invalid),
            (422, "Pod \"p\" is invalid: spec.containers[0].image: Required value", "", RefusalKind::Invalid),
            (
                422,
                "pods \"p\" is forbidden: ValidatingAdmissionPolicy 'x' with binding 'b' denied",
                "",
                RefusalKind::Admission,
            ),
            (400, "admission webhook \"w.example.org\" denied the request: no", "", RefusalKind::Admission),
        ] {
            assert_eq!(refusal_kind(&status(code, message, cause)), kind, "{code} {message}");
        }
    }
}
