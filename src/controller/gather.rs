//! Everything a decision needs, read: from the caches where they are sure to tell the truth, from the API server where not.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::client::Failure;
use super::loose::Loose;
use super::memory::{Create, Held, RunMemory};
use super::outputs::{self, Loaded};
use super::revision::{self, Pinned};
use super::{Cache, Context, claim, kin, look, peers, resource};
use crate::api::{Attempt, TaskPhase, TaskStatus, WorkflowRun, WorkflowRunStatus};
use crate::engine::{
    Claims, Lineage, Outputs, Peers, PodFacts, Refusal, ResourceFacts, RunFacts, Sight, Sights, is_retry_wanted, unpack,
};
use crate::mutant::{Mutant, is};

/// What was gathered for one round.
pub struct Gathered {
    /// The run, as the cache or a live read has it.
    pub run: Arc<Loose<WorkflowRun>>,
    /// Its status, unpacked.
    pub status: WorkflowRunStatus,
    /// The outputs in the records that it names, as far as it goes on.
    pub sealed: Arc<Outputs>,
    /// What it is to run.
    pub definition: Pinned,
    /// Its objects.
    pub seen: Seen,
    /// Its volume claims that aren't known to exist.
    pub claims: Claims,
    /// The other runs of its workflow, where they share slots.
    pub peers: Peers,
    /// What it has to do with the runs that it is a child of.
    pub lineage: Lineage,
}

/// The objects of a run, each kind by name.
#[derive(Default)]
pub struct Seen {
    /// Its pods.
    pub pods: Sights,
    /// Its child runs.
    pub children: Sights,
    /// Those of any other kind.
    pub resources: Sights,
}

impl Seen {
    /// What the caches know of a run's own objects.
    fn in_cache(context: &Context, run: &Loose<WorkflowRun>) -> Self {
        let cache = context.cache();
        Self {
            pods: pods_in_cache(&cache, run),
            children: kin::children_in_cache(&cache, run),
            resources: resource::in_cache(&cache, run),
        }
    }

    /// Those of the kind that an attempt is.
    fn of(&mut self, attempt: &Attempt) -> &mut Sights {
        match attempt {
            Attempt { resource: Some(_), .. } => &mut self.resources,
            Attempt { run, .. } if !run.is_empty() => &mut self.children,
            _ => &mut self.pods,
        }
    }
}

impl Gathered {
    /// Whether the status, as it was read, names a revision.
    pub fn is_named(&self) -> bool {
        status(&self.run).is_some_and(|status| status.revision.is_some())
    }
}

/// Gathers for a run that can be parsed; `None` if a live read says that it is gone.
pub async fn run(context: &Context, mut run: Arc<Loose<WorkflowRun>>) -> Result<Option<Gathered>, Failure> {
    let uid = run.meta.uid.clone().unwrap_or_default();
    let memory = context.memory(&uid);
    let mut seen = Seen::in_cache(context, &run);
    let mut known = record(context, &run).await?;
    let unsure = to_look_up(context, &known.status, &memory, &mut seen);
    let (mut claims, unsure_claims) = claim::known(context, status(&run), &memory);
    let is_newest = memory.newest.is_some() && memory.newest == run.meta.resource_version;
    if !unsure.is_empty() || !unsure_claims.is_empty() || has_stray(&known.status, &seen, is_newest) {
        // What is on record may be older than what another process did: look at the run itself before its pods.
        run = match look::run(context, &run).await? {
            Some(live) => live,
            None => return Ok(None),
        };
        context.with_memory(&uid, |memory| memory.newest.clone_from(&run.meta.resource_version));
        let namespace = run.meta.namespace.clone().unwrap_or_default();
        known = record(context, &run).await?;
        for attempt in to_look_up(context, &known.status, &memory, &mut seen) {
            let (name, is_made) = (attempt.object(), attempt.uid.is_some());
            let known_uid = attempt.uid.as_deref().filter(|uid| !uid.is_empty());
            let mut sight = if let Some(of) = &attempt.resource {
                let Some(sight) = resource::look(context, &namespace, &uid, of, known_uid).await else { continue };
                sight
            } else if attempt.is_pod() {
                look::pod(context, &namespace, &uid, name, known_uid).await?
            } else {
                look::child(context, &namespace, &uid, name, known_uid).await?
            };
            // One whose uid is on record was made, and is gone.
            if let (Sight::Absent, false, Some(Create::Unsure(held))) = (&sight, is_made, memory.create_of(name)) {
                sight = Sight::Refused(refusal(context, held));
            }
            seen.of(&attempt).insert(name.to_owned(), sight);
        }
        let (known, unsure) = claim::known(context, status(&run), &memory);
        claims = known;
        for name in unsure {
            let sight = claim::look(context, &memory, &namespace, &uid, &name).await?;
            claims.insert(name, sight);
        }
    }
    kin::look_again(context, &run, &known.status, &mut seen.children).await?;
    let Record { status, sealed, definition, lineage } = known;
    let peers = peers::of(context, &run, definition.plan()).await?;
    Ok(Some(Gathered { run, status, sealed, definition, seen, claims, peers, lineage }))
}

/// What is on record of a run, and what it is to run.
struct Record {
    /// Its status, unpacked.
    status: WorkflowRunStatus,
    /// The outputs in the records that it names, as far as it goes on.
    sealed: Arc<Outputs>,
    definition: Pinned,
    lineage: Lineage,
}

async fn record(context: &Context, run: &Arc<Loose<WorkflowRun>>) -> Result<Record, Failure> {
    // One that has ended, and is neither to begin anew nor to be deleted, has nothing more to do with anyone.
    let followed_in = kin::generation_in_cache(&context.cache(), run);
    let at_rest = |run: &WorkflowRun| {
        let stays = |status: &WorkflowRunStatus| status.phase.is_finished() && status.expires_at.is_none();
        let by_cache = Lineage { generation: followed_in, ..Lineage::default() };
        run.status.as_ref().is_some_and(|status| stays(status) && !is_retry_wanted(&run.spec, status, &by_cache))
    };
    let at_rest = run.object.as_ref().is_ok_and(at_rest);
    let lineage = if at_rest { Lineage::default() } else { kin::lineage(context, run).await? };
    let definition = revision::of(context, run, &lineage).await?;
    let object = run.object.as_ref().ok();
    let stored = object.and_then(|run| run.status.clone()).unwrap_or_default();
    let is_over =
        stored.phase.is_finished() && object.is_some_and(|run| !is_retry_wanted(&run.spec, &stored, &lineage));
    let (definition, sealed) = sealed(context, run, &stored, definition, is_over).await?;
    let status = match object {
        Some(object) => unpack(&stored, &RunFacts::of(&run.meta, &object.spec), definition.plan(), sealed.as_deref()),
        None => stored,
    };
    let definition = if is_over { Pinned::Unread } else { definition };
    Ok(Record { status, sealed: sealed.unwrap_or_default(), definition, lineage })
}

/// The outputs in the records that a status names, where decisions go on from it. If one of those is lost, the run is.
async fn sealed(
    context: &Context,
    run: &Loose<WorkflowRun>,
    stored: &WorkflowRunStatus,
    definition: Pinned,
    is_over: bool,
) -> Result<(Pinned, Option<Arc<Outputs>>), Failure> {
    let (uid, namespace) =
        (run.meta.uid.as_deref().unwrap_or_default(), run.meta.namespace.as_deref().unwrap_or_default());
    let Some(sealed) = stored.sealed_outputs.as_ref().filter(|_| !is_over) else {
        outputs::drop_kept(context, uid);
        return Ok((definition, None));
    };
    let Pinned::Ready { plan, .. } = &definition else { return Ok((definition, None)) };
    Ok(match outputs::load(context, namespace, uid, &sealed.records).await? {
        Loaded::Ready(outputs) => (definition, Some(outputs)),
        Loaded::Lost(why) => (Pinned::OutputsLost { plan: Arc::clone(plan), why }, None),
    })
}

/// The run's own pods in the cache, by name. An owner is in its pods' namespace: a pod elsewhere is none of its own, whatever
/// it says of itself.
fn pods_in_cache(cache: &Cache, run: &Loose<WorkflowRun>) -> Sights {
    let (uid, namespace) = (run.meta.uid.as_deref().unwrap_or_default(), run.meta.namespace.as_deref());
    let ours = cache.pods_of(uid).filter(|entry| entry.ours && Some(entry.namespace.as_str()) == namespace);
    let mut sights = Sights::with_capacity(cache.count_pods_of(uid));
    sights.extend(ours.map(|entry| (entry.facts.name.clone(), Sight::Pod(Arc::clone(&entry.facts)))));
    sights
}

/// Whether one of the pods or other objects is named by no attempt. The status at hand may be older than that, unless it is known to
/// be the newest.
fn has_stray(status: &WorkflowRunStatus, seen: &Seen, is_newest: bool) -> bool {
    let named = |sights: &Sights| {
        let mut named = vec![false; sights.len()];
        let tried = status.tried().flat_map(|(_, attempts)| attempts);
        tried.filter_map(|attempt| sights.get_index_of(attempt.object())).for_each(|at| named[at] = true);
        named
    };
    let tasks: BTreeMap<&str, &TaskStatus> = status.tasks.iter().map(|task| (task.name.as_str(), task)).collect();
    let with_items = status.tasks.iter().filter_map(|task| Some((task.name.as_str(), task.items.as_ref()?.phases())));
    let phases: BTreeMap<&str, Vec<TaskPhase>> = with_items.collect();
    // Of one that has ended, how is all that a large status goes on telling. It may have begun anew since an old one.
    let has_ended = |task: &str, item: Option<u32>| {
        let phase = match item.map(usize::try_from) {
            Some(index) => index.ok().and_then(|index| phases.get(task)?.get(index)).copied(),
            None if status.packed.is_some() => {
                tasks.get(task).filter(|task| task.attempts.is_empty()).map(|task| task.phase)
            }
            None => None,
        };
        is_newest && phase.is_some_and(TaskPhase::is_finished)
    };
    // Others have followed the attempt that it was.
    let is_former = |it: &ResourceFacts| {
        let task = tasks.get(it.task.as_str());
        let first = match it.item {
            Some(index) => {
                let mut entries = task.into_iter().flat_map(|task| &task.items).flat_map(|items| &items.entries);
                entries.find(|entry| entry.index == index).and_then(|entry| entry.attempts.first())
            }
            None => task.and_then(|task| task.attempts.first()),
        };
        first.is_some_and(|first| it.attempt < first.number)
    };
    // Of one that is over and let go nothing is asked any more.
    let is_done = |pod: &PodFacts| pod.is_over() && !pod.held;
    let is_stray = |sight: &Sight| match sight {
        Sight::Pod(pod) => !is_done(pod) && !has_ended(&pod.task, pod.item),
        Sight::Resource(it) => !it.deleting && !is_former(it) && !has_ended(&it.task, it.item),
        _ => false,
    };
    [&seen.pods, &seen.resources]
        .iter()
        .any(|sights| sights.values().zip(named(sights)).any(|(sight, is_named)| !is_named && is_stray(sight)))
}

/// Fills in what this process knows of the creates of open attempts; returns the attempts whose objects must be looked up.
fn to_look_up(context: &Context, status: &WorkflowRunStatus, memory: &RunMemory, seen: &mut Seen) -> Vec<Attempt> {
    let mut unsure = Vec::new();
    for attempt in open_attempts(status) {
        let (sights, name) = (seen.of(attempt), attempt.object());
        if sights.contains_key(name) {
            continue;
        }
        // What became of its create says nothing any more of a pod that was made.
        let sight = match memory.create_of(name).filter(|_| attempt.uid.is_none()) {
            Some(Create::Intended) => Sight::Absent,
            Some(Create::Sent { .. }) => Sight::Creating,
            Some(Create::Refused(held)) => Sight::Refused(refusal(context, held)),
            None if is(Mutant::UnknownIsAbsent) => Sight::Absent,
            Some(Create::Unsure(_)) | None => {
                unsure.push(attempt.clone());
                continue;
            }
        };
        sights.insert(name.to_owned(), sight);
    }
    unsure
}

/// A refusal as the engine takes it, with the wall clock's time of the next try.
pub fn refusal(context: &Context, held: &Held) -> Refusal {
    let wait =
        SignedDuration::try_from(held.due.saturating_duration_since(Instant::now())).unwrap_or(SignedDuration::MAX);
    let retry_at = context.now().checked_add(wait).unwrap_or(Timestamp::MAX);
    Refusal { kind: held.kind, message: held.message.clone(), retry_at }
}

/// Attempts whose object matters: those without an outcome, and the last one of a task that will be tried again.
pub fn open_attempts(status: &WorkflowRunStatus) -> impl Iterator<Item = &Attempt> {
    let live = status.tried().filter(|(phase, _)| phase.has_pod() || *phase == TaskPhase::Backoff);
    live.filter_map(|(_, attempts)| attempts.last())
}

fn status(run: &Loose<WorkflowRun>) -> Option<&WorkflowRunStatus> {
    run.object.as_ref().ok()?.status.as_ref()
}
