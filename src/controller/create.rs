//! Making the objects of attempts whose intent is on record, each once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::client::Failure;
use super::effect::{After, Target};
use super::look::{clash, is_child_of, own};
use super::resource::{self, Review};
use super::watch::Watched;
use super::{Context, kin};
use crate::api::{WorkflowRun, WorkflowRunStatus};
use crate::engine::{Effect, RefusalKind, Start, clip, is_starting, is_suspended};
use crate::mutant::{Mutant, is};
use crate::objects;
use crate::plan::{Grant, Plan};
use crate::pods::{Owner, SlimPod, build, is_unlabelled_of};

/// Bytes kept of a refusal's message.
const MESSAGE: usize = 1024;

/// An object to be made for an attempt. Its manifest is made when it has its turn: hundreds of each run may be waiting for theirs.
pub struct Making {
    made: Made,
    start: Start,
    /// What asks for it.
    effect: Effect,
    plan: Arc<Plan>,
    /// Name of the run.
    run: String,
}

/// What is made.
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

/// What an effect asks to be made, and its name; nothing where it asks for something else.
pub fn wanted(context: &Context, run: &str, plan: &Arc<Plan>, effect: Effect) -> Option<(String, Making)> {
    let (index, item, number) = match &effect {
        Effect::Create { task, item, attempt, .. }
        | Effect::CreateRun { task, item, attempt, .. }
        | Effect::CreateResource { task, item, attempt, .. } => (*task, *item, *attempt),
        _ => return None,
    };
    let planned = plan.tasks().get(index)?;
    let start = Start { index, task: planned.name.clone(), item, number };
    let (name, made) = match &effect {
        Effect::Create { pod, .. } => (pod.clone(), Made::Pod),
        Effect::CreateRun { run, .. } => (run.clone(), Made::Run),
        Effect::CreateResource { resource, .. } => {
            let of = planned.resource()?;
            let grant = context.settings.granted.find(&of.api_version, &of.kind)?;
            (resource.clone(), Made::Resource(grant.clone(), of.account.clone()))
        }
        _ => return None,
    };
    Some((name, Making { made, start, effect, plan: Arc::clone(plan), run: run.to_owned() }))
}

/// The manifest of what an effect asks for.
fn manifest(context: &Context, target: &Target, run: &str, plan: &Plan, effect: Effect) -> Option<Value> {
    let owner = Owner { name: run, namespace: &target.namespace, uid: &target.run };
    let tasks = plan.tasks();
    Some(match effect {
        Effect::Create { task, item, attempt, pod, values } => {
            build(&owner, tasks.get(task)?, item, attempt, &pod, values, context.settings.pod_security)
        }
        Effect::CreateRun { task, item, attempt, run, params } => {
            let planned = tasks.get(task)?;
            objects::child::build(&owner, &planned.name, planned.child()?, item, attempt, &run, params)
        }
        Effect::CreateResource { task, item, attempt, resource, manifest } => {
            objects::resource::build(&owner, &tasks.get(task)?.name, item, attempt, &resource, manifest)
        }
        _ => return None,
    })
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

pub async fn create(context: Arc<Context>, target: Target, making: Making) -> After {
    let Making { made, start, effect, plan, run } = making;
    let name = &target.name;
    let is_wanted = is_wanted(&context, &target, &start);
    let manifest = is_wanted.then(|| manifest(&context, &target, &run, &plan, effect)).flatten();
    let Some(manifest) = manifest else {
        context.with_memory(&target.run, |memory| memory.unsent(name));
        return After::TOLD;
    };
    if let Made::Resource(grant, account) = &made
        && let Some(after) = review(&context, &target, &start, (grant, account)).await
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
async fn review(context: &Context, target: &Target, start: &Start, (grant, account): (&Grant, &str)) -> Option<After> {
    if is(Mutant::ReviewSkipped) {
        return None;
    }
    let name = &target.name;
    let answer = context.cluster.review(&target.namespace, account, grant).await;
    // A binding that was applied together with the run may not be everywhere yet, so a no is asked for twice.
    let is_denied = matches!(answer, Ok(Review::Denied(_)));
    let again = context.with_memory(&target.run, |memory| memory.reviewed(name, is_denied));
    let (kind, message) = match answer {
        // Meanwhile the run may have been cancelled.
        Ok(Review::Allowed) if is_wanted(context, target, start) => return None,
        Ok(Review::Allowed) | Err(Failure::NotLeading) => {
            context.with_memory(&target.run, |memory| memory.unsent(name));
            return Some(After::UNSENT);
        }
        Ok(Review::Denied(words)) => {
            let kind = if again { RefusalKind::NotPermitted } else { RefusalKind::Unreviewed };
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
