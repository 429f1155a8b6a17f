//! What a decision asks to be done to the objects of a run. Each effect runs by itself within a bound; when it is done its run is looked at
//! again, and asks anew for what is still to be done.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::time::Instant;

use super::bound::Bound;
use super::client::Failure;
use super::create::{self, Making};
use super::gather::Gathered;
use super::loose::Loose;
use super::memory::{Doing, RunMemory};
use super::revision::Pinned;
use super::{Context, Key, claim, event, resource};
use crate::api::WorkflowRun;
use crate::engine::{Effect, Note};
use crate::plan::Grant;
use crate::pods::{Owner, SlimPod, volume_claim};

/// The wait before it is looked whether an effect showed.
const UNSURE: Duration = Duration::from_secs(1);
/// The wait after a deletion was refused.
const REFUSED: Duration = Duration::from_secs(10);
/// How often a finalizer is tried to be taken off in one go.
const RELEASE_TRIES: u32 = 5;
/// The pause between.
const RELEASE_PAUSE: Duration = Duration::from_secs(1);
/// How soon after a release its run is looked at: for many together, since all that is left to do then is to tidy up.
const RELEASED: Duration = Duration::from_secs(1);

/// The run that an effect is for, and the name of the object.
#[derive(Clone)]
pub struct Target {
    pub run: String,
    pub namespace: String,
    /// Its name; empty where the effect is for no object.
    pub name: String,
}

/// Starts all effects, in their order.
pub fn start(context: &Arc<Context>, gathered: &Gathered, effects: Vec<Effect>) {
    let meta = &gathered.run.meta;
    let (run, namespace) = (meta.uid.clone().unwrap_or_default(), meta.namespace.clone().unwrap_or_default());
    let owner = Owner { name: meta.name.as_deref().unwrap_or_default(), namespace: &namespace, uid: &run };
    let clears = effects
        .iter()
        .filter_map(|effect| if let Effect::Clear { uid, .. } = effect { Some(uid.as_str()) } else { None });
    let clears: HashSet<&str> = clears.collect();
    context.with_memory(&run, |memory| memory.keep_clears(|uid| clears.contains(uid)));
    let make = |name: String, making: Making| {
        if context.with_memory(&run, |memory| memory.sent(&name)) {
            let target = Target { run: run.clone(), namespace: namespace.clone(), name };
            let undo = target.name.clone();
            let effect = create::create(Arc::clone(context), target.clone(), making);
            spawn(context, |context| &context.creates, &target, effect, move |memory| memory.look_up(&undo));
        }
    };
    for effect in effects {
        let target = |name: String| Target { run: run.clone(), namespace: namespace.clone(), name };
        match effect {
            Effect::Create { .. } | Effect::CreateRun { .. } | Effect::CreateResource { .. } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                if let Some((name, making)) = create::wanted(context, owner.name, plan, effect) {
                    make(name, making);
                }
            }
            Effect::CreateClaim { claim: index, name } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(template) = plan.volume_claims().get(index) else { continue };
                let manifest = volume_claim(&owner, template, &name);
                let key = claim::key(&name);
                if context.with_memory(&run, |memory| memory.sent(&key)) {
                    let target = target(String::new());
                    let effect = claim::create(Arc::clone(context), target.clone(), name, manifest);
                    spawn(context, |context| &context.creates, &target, effect, move |memory| memory.look_up(&key));
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
                    spawn(context, |context| &context.others, &target, effect, move |memory| memory.end(&doing));
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
                if let Some(grant) = context.settings.granted.find(&resource.api_version, &resource.kind) {
                    start_delete_resource(context, target(resource.name), grant.clone(), uid);
                }
            }
            Effect::DeleteRun => {
                if context.with_memory(&run, |memory| memory.begin(&Doing::DeleteRun)) {
                    let effect = delete_run(Arc::clone(context), Arc::clone(&gathered.run));
                    let clear = |memory: &mut RunMemory| memory.end(&Doing::DeleteRun);
                    spawn(context, |context| &context.others, &target(String::new()), effect, clear);
                }
            }
        }
    }
}

fn start_delete(context: &Arc<Context>, target: &Target, uid: String, grace_seconds: Option<u32>) {
    let doing = Doing::Delete(uid.clone());
    if context.with_memory(&target.run, |memory| memory.begin(&doing)) {
        let effect = delete(Arc::clone(context), target.clone(), uid, grace_seconds);
        spawn(context, |context| &context.others, target, effect, move |memory| memory.end(&doing));
    }
}

fn start_delete_resource(context: &Arc<Context>, target: Target, grant: Grant, uid: String) {
    // It is what turns away a create that may yet be carried out.
    let wait = context.with_memory(&target.run, |memory| memory.may_arrive(&target.name, Instant::now()));
    let doing = Doing::Delete(uid.clone());
    if !wait.is_zero() {
        context.wake_in(Key::Run(target.run), wait);
    } else if context.with_memory(&target.run, |memory| memory.begin(&doing)) {
        let effect = delete_resource(Arc::clone(context), target.clone(), grant, uid);
        spawn(context, |context| &context.others, &target, effect, move |memory| memory.end(&doing));
    }
}

/// Runs an effect within the bound on requests under way. Afterwards, also after a panic, its trace in memory is cleared and
/// its run is looked at, at once or when the effect says.
fn spawn(
    context: &Arc<Context>,
    bound: fn(&Context) -> &Bound,
    target: &Target,
    effect: impl Future<Output = After> + Send + 'static,
    clear: impl FnOnce(&mut RunMemory) + Send + 'static,
) {
    let (inner, run) = (Arc::clone(context), target.run.clone());
    context.spawn(async move {
        // Closed: the operator is stopping, and whoever comes next asks for the effect anew.
        let Some(turn) = bound(&inner).turn(&run).await else { return };
        let after = AssertUnwindSafe(effect).catch_unwind().await;
        drop(turn);
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

/// Takes the finalizer off. Of a pod whose labels were taken off no later round knows, so what is in the way for now is tried
/// again here.
async fn release(context: Arc<Context>, target: Target, uid: String) -> After {
    for left in (0..RELEASE_TRIES).rev() {
        match release_once(&context, &target, &uid).await {
            Ok(Some(pod)) => {
                context.cache().put_pod(&pod);
                return After { clear: true, wait: Some(RELEASED) };
            }
            Ok(None) => return After::LATER,
            Err(failure) if left > 0 => {
                tracing::debug!(pod = target.name, %failure, "the pod's finalizer stays for now");
            }
            Err(failure) => {
                let Target { namespace, name, .. } = &target;
                tracing::warn!(pod = name, namespace, %failure, "the pod's finalizer can't be taken off; it is tried again");
                tell(&context, &target, "ReleaseRefused", "take our finalizer off pod", &failure);
            }
        }
        tokio::time::sleep(RELEASE_PAUSE).await;
    }
    After { clear: true, wait: Some(REFUSED) }
}

/// Tells people, on the run, what the API server refuses to do about one of its objects.
fn tell(context: &Arc<Context>, target: &Target, reason: &'static str, what: &str, failure: &Failure) {
    if !matches!(failure, Failure::Refused(_)) || failure.is_conflict() || failure.is_too_much() {
        return;
    }
    let Some(run) = context.cache().run(&target.run) else { return };
    if context.with_memory(&target.run, |memory| memory.may_tell(reason, Instant::now())) {
        let message = format!("the API server refuses to {what} {}: {failure}; it is tried again", target.name);
        event::publish(context, &run, &[Note { seq: 0, warning: true, reason, message }]);
    }
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
            tell(&context, &target, "DeleteRefused", "delete pod", &failure);
            After { clear: true, wait: Some(REFUSED) }
        }
    }
}

/// Deletes an object of any kind.
async fn delete_resource(context: Arc<Context>, target: Target, grant: Grant, uid: String) -> After {
    match resource::delete(&context, &target.namespace, (&grant, &target.name), &uid).await {
        Ok(true) => After::DONE,
        // The watch tells what became of it; until then the decision would ask again.
        Ok(false) => After::LATER,
        Err(failure) => {
            let (name, namespace) = (&target.name, &target.namespace);
            tracing::warn!(kind = %grant, name, namespace, %failure, "an object could not be deleted yet");
            tell(&context, &target, "DeleteRefused", &format!("delete {}", grant.kind), &failure);
            After { clear: true, wait: Some(REFUSED) }
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
            After { clear: true, wait: Some(REFUSED) }
        }
    }
}
