//! What a decision asks to be done to the objects of a run. Each effect runs by itself within a bound; when it is done its run is looked at
//! again, and asks anew for what is still to be done.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::cache::PodEntry;
use super::client::Failure;
use super::gather::{Gathered, clash, is_child_of, own};
use super::loose::Loose;
use super::memory::{Doing, RunMemory};
use super::resource::{self, Review};
use super::revision::Pinned;
use super::watch::Watched;
use super::{Context, Key, claim, kin};
use crate::api::{Attempt, TaskPhase, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Effect, RefusalKind, clip, is_suspended};
use crate::mutant::{Mutant, is};
use crate::objects::{self, child};
use crate::plan::Grant;
use crate::pods::{Owner, SlimPod, build, is_unlabelled_of, volume_claim};

/// The wait before it is looked whether an effect showed.
const UNSURE: Duration = Duration::from_secs(1);
/// The wait after a deletion was refused.
const REFUSED_DELETE: Duration = Duration::from_secs(10);
/// How often a finalizer is tried to be taken off in one go.
const RELEASE_TRIES: u32 = 5;
/// The pause between.
const RELEASE_PAUSE: Duration = Duration::from_secs(1);
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

/// What is made.
#[derive(Clone)]
enum Made {
    Pod,
    Run,
    /// An object of this kind, on behalf of the service account of this name.
    Resource(Grant, String),
}

impl Made {
    /// What kubectl calls it.
    fn word(&self) -> &str {
        match self {
            Self::Pod => "pod",
            Self::Run => "workflowrun",
            Self::Resource(grant, _) => &grant.plural,
        }
    }
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
    let make = |name: String, made: Made, manifest: Value| {
        if context.with_memory(&run, |memory| memory.sent(&name)) {
            let target = Target { run: run.clone(), namespace: namespace.clone(), name };
            let undo = target.name.clone();
            let effect = create(Arc::clone(context), target.clone(), made, manifest);
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
                make(pod, Made::Pod, manifest);
            }
            Effect::CreateRun { task, item, attempt, run: name, params } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(planned) = plan.tasks().get(task) else { continue };
                let Some(child) = planned.child() else { continue };
                let manifest = child::build(&owner, &planned.name, child, item, attempt, &name, params);
                make(name, Made::Run, manifest);
            }
            Effect::CreateResource { task, item, attempt, resource: name, manifest } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(planned) = plan.tasks().get(task) else { continue };
                let Some(of) = planned.resource() else { continue };
                let Some(grant) = context.settings.granted.find(&of.api_version, &of.kind) else { continue };
                let made = Made::Resource(grant.clone(), of.account.clone());
                let manifest = objects::resource::build(&owner, &planned.name, item, attempt, &name, manifest);
                make(name, made, manifest);
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
            Effect::DeleteResource { resource, uid } => {
                let Some(grant) = context.settings.granted.find(&resource.api_version, &resource.kind) else {
                    continue;
                };
                // It is what turns away a create that may yet be carried out.
                let wait = context.with_memory(&run, |memory| memory.may_arrive(&resource.name, Instant::now()));
                let doing = Doing::Delete(uid.clone());
                if !wait.is_zero() {
                    context.wake_in(Key::Run(run.clone()), wait);
                } else if context.with_memory(&run, |memory| memory.begin(&doing)) {
                    let target = target(resource.name);
                    let effect = delete_resource(Arc::clone(context), target.clone(), grant.clone(), uid);
                    spawn(context, &context.others, &target, effect, move |memory| memory.end(&doing));
                }
            }
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
fn is_wanted(context: &Context, target: &Target) -> bool {
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
    let open = |(phase, attempts): (TaskPhase, &[Attempt])| {
        phase == TaskPhase::Starting && attempts.last().is_some_and(|last| last.object() == target.name)
    };
    let permits =
        |status: &WorkflowRunStatus| !is_suspended(&object.spec, status, &lineage) && status.tried().any(open);
    run.meta.deletion_timestamp.is_none() && object.status.as_ref().is_some_and(permits)
}

async fn create(context: Arc<Context>, target: Target, made: Made, manifest: Value) -> After {
    let name = &target.name;
    if !is_wanted(&context, &target) {
        context.with_memory(&target.run, |memory| memory.unsent(name));
        return After::TOLD;
    }
    if let Made::Resource(grant, account) = &made
        && let Some(after) = review(&context, &target, grant, account).await
    {
        return after;
    }
    let answer = send(&context, &target, &made, &manifest).await;
    let answer = match answer {
        Err(failure) if failure.is_already_exists() => match existing(&context, &target, &made).await {
            Ok(true) => Ok(()),
            Ok(false) => {
                let message = clash(made.word(), name);
                context.with_memory(&target.run, |memory| {
                    memory.refused(name, RefusalKind::NameClash, message, Instant::now(), Duration::ZERO);
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
            let after = retry_after(&status);
            let (kind, message) = match &made {
                Made::Pod | Made::Run => (refusal_kind(&status), status.message.clone()),
                Made::Resource(grant, _) => resource::refusal(&status, grant),
            };
            let message = clip(&message, MESSAGE);
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

/// Asks whether the task's own service account may make the object; what follows, if that isn't sure. It is asked right before the
/// create and each time anew, since rights come and go, and whoever lost the answer asks again; that the intent is on record by then
/// only means that the attempt has failed where it may not.
async fn review(context: &Context, target: &Target, grant: &Grant, account: &str) -> Option<After> {
    if is(Mutant::ReviewSkipped) {
        return None;
    }
    let name = &target.name;
    let (kind, message) = match context.cluster.review(&target.namespace, account, grant).await {
        // Meanwhile the run may have been cancelled.
        Ok(Review::Allowed) if is_wanted(context, target) => return None,
        Ok(Review::Allowed) | Err(Failure::NotLeading) => {
            context.with_memory(&target.run, |memory| memory.unsent(name));
            return Some(After::UNSENT);
        }
        Ok(Review::Denied(words)) => {
            // A binding that was applied together with the run may not be everywhere yet, so a no is asked for twice.
            let asked = context.with_memory(&target.run, |memory| memory.refusals_of(name)) > 0;
            let kind = if asked { RefusalKind::NotPermitted } else { RefusalKind::Unreviewed };
            (kind, resource::denied(account, &target.namespace, grant, &words))
        }
        Err(failure) => {
            let message =
                format!("whether service account {account} may make it isn't known, and is asked again: {failure}");
            (RefusalKind::Unreviewed, message)
        }
    };
    tracing::info!(
        name,
        namespace = target.namespace,
        account,
        ?kind,
        message,
        "an object may not be made, or not yet"
    );
    let message = clip(&message, MESSAGE);
    context.with_memory(&target.run, |memory| memory.refused(name, kind, message, Instant::now(), Duration::ZERO));
    Some(After::TOLD)
}

/// Sends the create; the cache learns of what was made.
async fn send(context: &Context, target: &Target, made: &Made, manifest: &Value) -> Result<(), Failure> {
    match made {
        Made::Pod => {
            let pod = context.cluster.create_pod(&target.namespace, manifest).await?;
            context.cache().put_pod(&pod);
        }
        Made::Run => {
            let run = context.cluster.create_run(&target.namespace, manifest).await?;
            context.enqueue(|cache| WorkflowRun::put(cache, run));
        }
        Made::Resource(grant, _) => {
            let made = context.cluster.create_resource(grant, &target.namespace, manifest).await?;
            context.cache().resources.put(grant, made);
        }
    }
    Ok(())
}

/// Whether the object of that name is the run's own. The cache learns of it.
async fn existing(context: &Context, target: &Target, made: &Made) -> Result<bool, Failure> {
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
        Made::Resource(grant, _) => {
            let found = context.cluster.get_resource(grant, &target.namespace, &target.name).await?.ok_or_else(gone)?;
            let is_own = found.belongs_to(&target.run) || is(Mutant::ResourceByName);
            context.cache().resources.put(grant, found);
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
                return After::DONE;
            }
            Ok(None) => return After::LATER,
            Err(failure) => tracing::debug!(pod = target.name, %failure, "the pod's finalizer stays for now"),
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    After::LATER
}

async fn release_once(context: &Context, target: &Target, uid: &str) -> Result<Option<SlimPod>, Failure> {
    let here = |entry: &Arc<PodEntry>| entry.facts.uid == uid && entry.namespace == target.namespace;
    let known = context.cache().pods_of(&target.run).find(here).map(|entry| entry.finalizers.clone());
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
    let is_deleting = |entry: Arc<PodEntry>| entry.facts.uid == uid && entry.facts.deleting;
    if context.cache().pods_of(&target.run).any(is_deleting) {
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

/// Deletes an object of any kind.
async fn delete_resource(context: Arc<Context>, target: Target, grant: Grant, uid: String) -> After {
    match context.cluster.delete_resource(&grant, &target.namespace, &target.name, &uid).await {
        // The watch tells what became of it; until then the decision would ask again.
        Ok(()) => After::LATER,
        Err(failure) => {
            let (name, namespace) = (&target.name, &target.namespace);
            tracing::warn!(kind = %grant, name, namespace, %failure, "an object could not be deleted yet");
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
    let causes = status.details.iter().flat_map(|details| &details.causes);
    let terminating = causes.into_iter().any(|cause| cause.reason == "NamespaceTerminating");
    let by_policy =
        status.message.contains("ValidatingAdmissionPolicy '") || status.message.contains("admission webhook \"");
    match status.code {
        403 if terminating => RefusalKind::NamespaceTerminating,
        404 => RefusalKind::NamespaceTerminating,
        403 if status.message.contains("exceeded quota") || status.message.contains("failed quota") => {
            RefusalKind::Quota
        }
        400 | 422 if !by_policy => RefusalKind::Invalid,
        _ => RefusalKind::Admission,
    }
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
