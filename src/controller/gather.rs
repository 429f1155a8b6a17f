//! Everything a decision needs, read: from the caches where they are sure to tell the truth, from the API server where not.

use std::collections::BTreeMap;
use std::sync::Arc;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::client::Failure;
use super::loose::Loose;
use super::memory::{Create, Held, RunMemory};
use super::outputs::{self, Loaded};
use super::revision::{self, Pinned};
use super::watch::Watched;
use super::{Cache, Context, Key, cache::PodEntry, claim, kin, peers, resource};
use crate::api::{Attempt, TaskPhase, TaskStatus, WorkflowRun, WorkflowRunStatus};
use crate::engine::{
    Claims, Lineage, Outputs, Peers, PodFacts, Refusal, RefusalKind, ResourceFacts, RunFacts, Sight, Sights,
    is_retry_wanted, unpack,
};
use crate::mutant::{Mutant, is};
use crate::objects::child::parent;
use crate::pods::{SlimPod, facts, is_unlabelled_of};

/// Time between looks at a pod that the watch doesn't show any more.
const STRAYED: Duration = Duration::from_secs(10);

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
        run = match live(context, &run).await? {
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
                look(context, &namespace, &uid, name, known_uid).await?
            } else {
                look_at_child(context, &namespace, &uid, name, known_uid).await?
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

/// The run as it is now; `None` if it, by uid, is gone. The cache learns of it.
pub async fn live(context: &Context, run: &Loose<WorkflowRun>) -> Result<Option<Arc<Loose<WorkflowRun>>>, Failure> {
    let uid = run.meta.uid.clone().unwrap_or_default();
    let (namespace, name) =
        (run.meta.namespace.as_deref().unwrap_or_default(), run.meta.name.as_deref().unwrap_or_default());
    live_of(context, &uid, namespace, name).await
}

/// The run of this uid as it is now; `None` if it is gone. The cache learns of it.
pub async fn live_of(
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

/// Looks a pod up by its name.
async fn look(
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
pub async fn look_at_child(
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

fn status(run: &Loose<WorkflowRun>) -> Option<&WorkflowRunStatus> {
    run.object.as_ref().ok()?.status.as_ref()
}
