//! The other runs of a run's workflow: from the cache, and from the API server where a slot may be taken or somebody be turned away.

use http::Method;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta;
use kube::Resource;
use kube::api::ObjectMeta;
use serde::Deserialize;

use super::Context;
use super::client::Failure;
use super::loose::{Loose, Readable};
use crate::api::{Cancel, ConcurrencyStatus, RunPhase, WorkflowRef, WorkflowRun};
use crate::engine::{Peer, Peers, RunFacts, Told, is_held_back, needs_live_peers};
use crate::mutant::{Mutant, is};
use crate::plan::Plan;

/// Runs read at once.
const PAGE: u32 = 200;

/// A page of runs, of which only that is read which matters to their peers: statuses are large.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Loose<Slim>>,
    #[serde(default)]
    metadata: ListMeta,
}

/// A run as far as it matters to its peers.
#[derive(Deserialize)]
struct Slim {
    spec: SlimSpec,
    #[serde(default)]
    status: SlimStatus,
}

impl Readable for Slim {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct SlimSpec {
    workflow_ref: Option<WorkflowRef>,
    #[serde(default)]
    priority: i32,
    #[serde(default)]
    suspend: bool,
    cancel: Option<Cancel>,
}

#[derive(Default, Deserialize)]
struct SlimStatus {
    #[serde(default)]
    phase: RunPhase,
    #[serde(default)]
    generation: u32,
    concurrency: Option<ConcurrencyStatus>,
}

/// A run as its peers see it; `None` if that is of no concern to them.
pub fn of_run(run: &Loose<WorkflowRun>) -> Option<Peer> {
    let object = run.object.as_ref().ok()?;
    let status = object.status.as_ref()?;
    let priority = object.spec.priority;
    peer(&run.meta, priority, is_held_back(&object.spec, status.generation), status.phase, status.concurrency.as_ref())
}

fn peer(
    meta: &ObjectMeta,
    priority: i32,
    held_back: bool,
    phase: RunPhase,
    concurrency: Option<&ConcurrencyStatus>,
) -> Option<Peer> {
    Peer::of(&Told {
        name: meta.name.as_deref().unwrap_or_default(),
        created: meta.creation_timestamp.as_ref().map(|at| at.0),
        deleting: meta.deletion_timestamp.is_some(),
        priority,
        held_back,
        phase,
        concurrency,
    })
}

/// The peers of a run that shares slots, or is about to, by its plan.
pub async fn of(context: &Context, run: &Loose<WorkflowRun>, plan: Option<&Plan>) -> Result<Peers, Failure> {
    let Ok(object) = &run.object else { return Ok(Peers::default()) };
    let Some(workflow) = &object.spec.workflow_ref else { return Ok(Peers::default()) };
    let status = object.status.clone().unwrap_or_default();
    let limited = status.concurrency.is_some() || plan.is_some_and(|plan| plan.concurrency().is_some());
    if !limited || status.phase.is_finished() {
        return Ok(Peers::default());
    }
    let uid = run.meta.uid.as_deref().unwrap_or_default();
    let cached = Peers { all: context.cache().peers_of(uid), live: is(Mutant::SlotFromCache) };
    if cached.live || !needs_live_peers(&RunFacts::of(&run.meta, &object.spec), &status, &cached) {
        return Ok(cached);
    }
    live(context, run.meta.namespace.as_deref(), &workflow.name, uid).await
}

/// Reads the runs of a workflow that have not ended. Without a resourceVersion the answer is no older than the request.
async fn live(context: &Context, namespace: Option<&str>, workflow: &str, own: &str) -> Result<Peers, Failure> {
    let path = WorkflowRun::url_path(&(), namespace);
    let open = ["Succeeded", "Failed", "Cancelled"].map(|phase| format!("%2Cstatus.phase%21%3D{phase}")).concat();
    let selector = format!("spec.workflowRef.name%3D{workflow}{open}");
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let next = if token.is_empty() { String::new() } else { format!("&continue={token}") };
        let path = format!("{path}?fieldSelector={selector}&limit={PAGE}{next}");
        let page: Page = context.cluster.send(Method::GET, &path, None::<&()>).await?;
        let others = page.items.iter().filter(|run| run.meta.uid.as_deref() != Some(own));
        all.extend(others.filter_map(|run| of_slim(run, workflow)));
        match page.metadata.continue_.filter(|next| !next.is_empty()) {
            Some(next) => token = next,
            None => return Ok(Peers { all, live: true }),
        }
    }
}

fn of_slim(run: &Loose<Slim>, workflow: &str) -> Option<Peer> {
    let Ok(object) = &run.object else {
        let created = run.meta.creation_timestamp.as_ref().map(|at| at.0);
        return Some(Peer::unreadable(created, run.meta.name.as_deref().unwrap_or_default()));
    };
    let Slim { spec, status } = object;
    spec.workflow_ref.as_ref().filter(|named| named.name == workflow)?;
    let cancelled = spec.cancel.as_ref().is_some_and(|cancel| cancel.generation >= status.generation);
    let held_back = spec.suspend || cancelled;
    peer(&run.meta, spec.priority, held_back, status.phase, status.concurrency.as_ref())
}
