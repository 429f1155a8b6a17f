//! What a decision asks to be done to pods. Each effect runs by itself within a bound; when it is done its run is looked at
//! again, and asks anew for what is still to be done.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::Value;

use super::client::Failure;
use super::gather::{Gathered, clash, own};
use super::revision::Pinned;
use super::{Context, Key};
use crate::engine::{Effect, RefusalKind, clip};
use crate::pods::{Owner, SlimPod, build};

/// The wait before a create whose outcome is unknown is looked into.
const UNSURE: SignedDuration = SignedDuration::from_secs(1);
/// Bytes kept of a refusal's message.
const MESSAGE: usize = 1024;

/// The run that an effect is for.
#[derive(Clone)]
struct Target {
    uid: String,
    namespace: String,
}

/// Starts all effects, in their order.
pub fn start(context: &Arc<Context>, gathered: &Gathered, effects: Vec<Effect>) {
    let meta = &gathered.run.meta;
    let target =
        Target { uid: meta.uid.clone().unwrap_or_default(), namespace: meta.namespace.clone().unwrap_or_default() };
    let owner =
        Owner { name: meta.name.as_deref().unwrap_or_default(), namespace: &target.namespace, uid: &target.uid };
    for effect in effects {
        match effect {
            Effect::Create { task, attempt, pod, env } => {
                let Pinned::Ready { plan, .. } = &gathered.definition else { continue };
                let Some(planned) = plan.tasks().get(task) else { continue };
                if context.with_memory(&target.uid, |memory| memory.sent(&pod)) {
                    let manifest = build(&owner, planned, attempt, &pod, env, context.settings.pod_security);
                    spawn(context, &target, create(Arc::clone(context), target.clone(), pod, manifest));
                }
            }
            Effect::Release { pod, uid } => {
                if context.with_memory(&target.uid, |memory| memory.begin(&uid)) {
                    spawn(context, &target, release(Arc::clone(context), target.clone(), pod, uid));
                }
            }
            Effect::Delete { pod, uid, grace_seconds } => {
                // A release and a deletion of one pod don't get in each other's way.
                let busy = format!("delete {uid}");
                if context.with_memory(&target.uid, |memory| memory.begin(&busy)) {
                    spawn(context, &target, delete(Arc::clone(context), target.clone(), pod, uid, grace_seconds, busy));
                }
            }
        }
    }
}

/// Runs an effect within the bound on requests under way; afterwards its run is looked at, at once or when the effect says.
fn spawn(
    context: &Arc<Context>,
    target: &Target,
    effect: impl Future<Output = Option<SignedDuration>> + Send + 'static,
) {
    let (context, key) = (Arc::clone(context), Key::Run(target.uid.clone()));
    tokio::spawn(async move {
        // Closed: the operator is stopping, and whoever comes next asks for the effect anew.
        let Ok(permit) = context.requests.acquire().await else { return };
        let wait = effect.await;
        drop(permit);
        match wait {
            None => context.add(key),
            Some(wait) => context.wake(key, context.now().checked_add(wait).unwrap_or(jiff::Timestamp::MAX)),
        }
    });
}

async fn create(context: Arc<Context>, target: Target, name: String, manifest: Value) -> Option<SignedDuration> {
    let answer = context.cluster.create_pod(&target.namespace, &manifest).await;
    let answer = match answer {
        Err(failure) if failure.is_already_exists() => match existing(&context, &target, &name).await {
            Ok(Some(pod)) => Ok(pod),
            Ok(None) => {
                let refusal = clash(&name);
                context.with_memory(&target.uid, |memory| {
                    memory.refused(&name, refusal.kind, refusal.message, context.now(), 0);
                });
                return None;
            }
            Err(failure) => Err(failure),
        },
        answer => answer,
    };
    match answer {
        Ok(pod) => {
            context.cache().put_pod(&pod);
            context.with_memory(&target.uid, |memory| memory.look_up(&name));
            None
        }
        Err(Failure::Refused(status)) => {
            let (kind, after) = (refusal_kind(&status), retry_after(&status));
            let message = clip(&status.message, MESSAGE);
            tracing::info!(pod = name, namespace = target.namespace, code = status.code, ?kind, "a pod was refused");
            context.with_memory(&target.uid, |memory| memory.refused(&name, kind, message, context.now(), after));
            None
        }
        Err(failure) => {
            tracing::warn!(pod = name, namespace = target.namespace, %failure, "it is unknown whether the pod was made");
            context.with_memory(&target.uid, |memory| memory.look_up(&name));
            Some(UNSURE)
        }
    }
}

/// The pod of that name if it is the run's own; `None` if it is another's.
async fn existing(context: &Context, target: &Target, name: &str) -> Result<Option<SlimPod>, Failure> {
    let found = context.cluster.get::<SlimPod>(&target.namespace, name).await?;
    match found.and_then(|found| found.object.ok()) {
        Some(pod) => Ok(own(context, &pod, &target.uid).is_some().then_some(pod)),
        None => Err(Failure::Unknown("a pod of that name existed, and is gone".to_owned())),
    }
}

async fn release(context: Arc<Context>, target: Target, name: String, uid: String) -> Option<SignedDuration> {
    let known =
        context.cache().pods_of(&target.uid).find(|entry| entry.facts.uid == uid).map(|entry| entry.finalizers.clone());
    let finalizers = match known {
        Some(finalizers) => Ok(finalizers),
        // Its labels were taken off, so that no watch shows it.
        None => context.cluster.get::<SlimPod>(&target.namespace, &name).await.map(|found| {
            found.and_then(|found| found.object.ok()).map(|pod| pod.metadata.finalizers).unwrap_or_default()
        }),
    };
    let released = match finalizers {
        Ok(finalizers) => context.cluster.release_pod(&target.namespace, &name, &uid, &finalizers).await,
        Err(failure) => Err(failure),
    };
    context.with_memory(&target.uid, |memory| memory.end(&uid));
    match released {
        Ok(pod) => {
            pod.and_then(|pod| context.cache().put_pod(&pod));
            None
        }
        Err(failure) => {
            tracing::debug!(pod = name, %failure, "the pod's finalizer stays for now");
            Some(UNSURE)
        }
    }
}

async fn delete(
    context: Arc<Context>,
    target: Target,
    name: String,
    uid: String,
    grace_seconds: Option<u32>,
    busy: String,
) -> Option<SignedDuration> {
    let answer = context.cluster.delete_pod(&target.namespace, &name, &uid, grace_seconds).await;
    context.with_memory(&target.uid, |memory| memory.end(&busy));
    match answer {
        // The watch tells when it is being deleted; until then the decision would ask again.
        Ok(()) => Some(UNSURE),
        Err(failure) => {
            tracing::warn!(pod = name, %failure, "the pod could not be deleted yet");
            Some(UNSURE)
        }
    }
}

/// Which kind of refusal it is. Codes and reasons decide; the words only where Kubernetes has nothing else: an admission
/// policy answers 422 like an invalid pod does.
fn refusal_kind(status: &kube::core::Status) -> RefusalKind {
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

fn retry_after(status: &kube::core::Status) -> u32 {
    status.details.as_ref().map_or(0, |details| details.retry_after_seconds)
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
