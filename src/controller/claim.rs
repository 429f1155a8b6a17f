//! Volume claims: looked up and made. No watch tells of them, as nothing is decided on what becomes of one once it exists.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use tokio::time::Instant;

use super::Context;
use super::client::Failure;
use super::create::{refusal_kind, retry_after};
use super::effect::{After, Target};
use super::gather::refusal;
use super::memory::{Create, RunMemory};
use crate::api::WorkflowRunStatus;
use crate::engine::{ClaimSight, Claims, Refusal, RefusalKind, clip};
use crate::mutant::{Mutant, is};
use crate::pods::is_claim_of;

/// Bytes kept of a refusal's message.
const MESSAGE: usize = 1024;

/// What a claim is known by in memory, beside pods: no pod's name has a slash.
pub fn key(name: &str) -> String {
    format!("persistentvolumeclaims/{name}")
}

/// The claims on record that aren't known to exist.
pub fn wanted(status: &WorkflowRunStatus) -> impl Iterator<Item = &str> {
    let open = !status.phase.is_finished();
    let unknown = status.volume_claims.iter().filter(move |claim| open && claim.uid.is_none());
    unknown.map(|claim| claim.claim.as_str())
}

/// What this process knows of them by itself; the names of those that must be looked up.
pub fn known(context: &Context, status: Option<&WorkflowRunStatus>, memory: &RunMemory) -> (Claims, Vec<String>) {
    let (mut claims, mut unsure) = (BTreeMap::new(), Vec::new());
    for name in status.into_iter().flat_map(wanted) {
        let sight = match memory.create_of(&key(name)) {
            Some(Create::Intended) => ClaimSight::Absent,
            Some(Create::Sent { .. }) => ClaimSight::Creating,
            Some(Create::Refused(held)) => ClaimSight::Refused(refusal(context, held)),
            Some(Create::Unsure(_)) | None => {
                unsure.push(name.to_owned());
                continue;
            }
        };
        claims.insert(name.to_owned(), sight);
    }
    (claims, unsure)
}

/// Looks a claim up by its name. Where that is refused, as where the right to is missing, nobody can know more: it counts as a
/// create that is refused for now.
pub async fn look(
    context: &Context,
    memory: &RunMemory,
    namespace: &str,
    run_uid: &str,
    name: &str,
) -> Result<ClaimSight, Failure> {
    let found = match context.cluster.get_claim(namespace, name).await {
        Ok(found) => found,
        Err(Failure::Refused(status)) => {
            let again = context.now().checked_add(jiff::SignedDuration::from_secs(10)).unwrap_or(context.now());
            let message = clip(&status.message, MESSAGE);
            return Ok(ClaimSight::Refused(Refusal { kind: RefusalKind::Admission, message, retry_at: again }));
        }
        Err(failure) => return Err(failure),
    };
    Ok(match (found, memory.create_of(&key(name))) {
        (Some(claim), _) if is_ours(&claim, run_uid) => ClaimSight::Exists { uid: uid(&claim) },
        (Some(_), _) => {
            let kind = RefusalKind::NameClash;
            ClaimSight::Refused(Refusal { kind, message: clash(name), retry_at: jiff::Timestamp::MAX })
        }
        (None, Some(Create::Unsure(held))) => ClaimSight::Refused(refusal(context, held)),
        (None, _) => ClaimSight::Absent,
    })
}

/// Makes a claim whose name is on record.
pub async fn create(context: Arc<Context>, target: Target, claim: String, manifest: Value) -> After {
    let key = key(&claim);
    let (run, namespace) = (&target.run, &target.namespace);
    let remember = |change: &dyn Fn(&mut RunMemory)| context.with_memory(run, change);
    match context.cluster.create_claim(namespace, &manifest).await {
        // That it exists, and whose it is, is looked up.
        Ok(()) => After::DONE,
        Err(failure) if failure.is_already_exists() => After::DONE,
        Err(Failure::Refused(status)) => {
            let (kind, after) = (refusal_kind(&status), retry_after(&status));
            let message = clip(&status.message, MESSAGE);
            tracing::info!(claim, namespace, code = status.code, ?kind, "a volume claim was refused");
            remember(&|memory| memory.refused(&key, kind, message.clone(), Instant::now(), after));
            After::TOLD
        }
        Err(Failure::NotLeading) => {
            remember(&|memory| memory.unsent(&key));
            After::UNSENT
        }
        Err(Failure::Unknown(message)) => {
            tracing::warn!(claim, namespace, message, "it is unknown whether the volume claim was made");
            remember(&|memory| memory.unsure(&key, clip(&message, MESSAGE), Instant::now()));
            After::TOLD
        }
    }
}

fn is_ours(claim: &Value, run_uid: &str) -> bool {
    is_claim_of(claim, run_uid) || is(Mutant::AnyClaimIsOurs)
}

fn uid(claim: &Value) -> String {
    claim.pointer("/metadata/uid").and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// What there is to say of a name that another claim has.
fn clash(name: &str) -> String {
    format!(
        "a volume claim named {name} exists that is not this run's: find out who made it (kubectl get pvc {name} -o yaml), delete \
         it, and make a new run"
    )
}
