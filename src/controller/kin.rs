//! Runs that are children of others: who is to look when one of them changes, and what a child is to know of those above it.

use std::sync::Arc;
use std::time::Duration;

use super::cache::Cache;
use super::client::Failure;
use super::loose::Loose;
use super::{Context, Key, look};
use crate::api::{TaskPhase, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Ancestor, ChildFacts, Lineage, Sight, Sights};
use crate::mutant::{Mutant, is};
use crate::objects::child::{self, parent};
use crate::plan::limits::CHILD_DEPTH;

/// Time until it is looked again whether a round of a child run is over.
const UNSETTLED: Duration = Duration::from_secs(1);

/// A run as its parent sees it.
pub fn facts(run: &Loose<WorkflowRun>) -> ChildFacts {
    child::facts(&run.meta, run.object.as_ref().map_err(String::as_str))
}

/// Takes in a run. `None` if that is no news; else the relatives that it concerns: its parent, where it tells that something new,
/// and those of its children of which it wants something else now;
/// and runs that wait for the slot that it may have had.
pub fn put(cache: &mut Cache, run: Loose<WorkflowRun>) -> Option<Vec<Key>> {
    let uid = run.meta.uid.clone()?;
    let before = cache.run(&uid);
    let peers = cache.put_run(run)?;
    let after = cache.run(&uid)?;
    let is_told = || before.as_deref().map(facts) != Some(facts(&after));
    let above = parent(&after.meta).filter(|_| is_told()).map(|it| it.uid.to_owned());
    let mut keys: Vec<Key> = above.into_iter().chain(peers).map(Key::Run).collect();
    if cache.children_of(&uid).next().is_none() {
        return Some(keys);
    }
    let (before, after) = (before.as_deref().map(as_ancestor), as_ancestor(&after));
    let all = before.as_ref().is_none_or(|before| before.mood() != after.mood());
    let (before, after) = (before.as_ref().map(Ancestor::followed).unwrap_or_default(), after.followed());
    for child in cache.children_of(&uid) {
        let name = child.meta.name.as_deref().unwrap_or_default();
        let is_followed_anew =
            after.contains_key(name) && before.get(name) != after.get(name) && !is(Mutant::EndedChildNotWoken);
        if is_followed_anew || !is_finished(&child) && (all || before.get(name) != after.get(name)) {
            keys.extend(child.meta.uid.clone().map(Key::Run));
        }
    }
    Some(keys)
}

/// A run is gone; returns whom that concerns: itself, its parent, its children, and runs that wait for its slot.
pub fn bury(cache: &mut Cache, uid: &str) -> Vec<Key> {
    let run = cache.run(uid);
    let above = run.as_ref().and_then(|run| parent(&run.meta)).map(|parent| parent.uid.to_owned());
    let below = cache.children_of(uid).filter_map(|child| child.meta.uid.clone());
    let kin: Vec<String> = above.into_iter().chain(below).chain([uid.to_owned()]).collect();
    let peers = cache.bury_run(uid);
    kin.into_iter().chain(peers).map(Key::Run).collect()
}

/// The children of a run in the cache, by name.
pub fn children_in_cache(cache: &Cache, run: &Loose<WorkflowRun>) -> Sights {
    let uid = run.meta.uid.as_deref().unwrap_or_default();
    let own = cache.children_of(uid).filter(|child| child.meta.namespace == run.meta.namespace);
    own.filter_map(|child| Some((child.meta.name.clone()?, Sight::Child(facts(&child))))).collect()
}

/// Looks once more at child runs that a run stops and that have ended in a generation before the one that its attempt is. That they never
/// open that is sure once no round of theirs goes on that may have read this run as it was before: each that begins now sees that it
/// is stopped. Of others nothing is known.
pub async fn look_again(
    context: &Context,
    run: &Loose<WorkflowRun>,
    status: &WorkflowRunStatus,
    children: &mut Sights,
) -> Result<(), Failure> {
    let (uid, namespace) =
        (run.meta.uid.as_deref().unwrap_or_default(), run.meta.namespace.as_deref().unwrap_or_default());
    let stopped = status.tried().filter(|(phase, _)| *phase == TaskPhase::Stopping);
    for attempt in stopped.filter_map(|(_, attempts)| attempts.last()).filter(|last| last.outcome.is_none()) {
        let Some(Sight::Child(child)) = children.get(attempt.object()) else { continue };
        if attempt.run.is_empty() || !child.phase.is_finished() || child.generation >= attempt.run_generation {
            continue;
        }
        if context.is_running(&Key::Run(child.uid.clone())) {
            children.shift_remove(attempt.object());
            context.wake_in(Key::Run(uid.to_owned()), UNSETTLED);
            continue;
        }
        let known_uid = attempt.uid.as_deref().filter(|uid| !uid.is_empty());
        let sight = look::child(context, namespace, uid, attempt.object(), known_uid).await?;
        children.insert(attempt.object().to_owned(), sight);
    }
    Ok(())
}

/// What a run has to do with those above it, by the caches alone.
pub fn lineage_in_cache(cache: &Cache, run: &Loose<WorkflowRun>) -> Lineage {
    let mut above = Vec::new();
    let mut names = Vec::new();
    let mut next = parent(&run.meta).map(|it| (it.uid.to_owned(), it.name.to_owned()));
    while let Some((uid, name)) = next.take().filter(|_| above.len() <= CHILD_DEPTH) {
        let found = cache.run(&uid);
        next = found.as_ref().and_then(|found| parent(&found.meta)).map(|it| (it.uid.to_owned(), it.name.to_owned()));
        above.push(found);
        names.push(name);
    }
    of(run, &above, &names)
}

/// What a run has to do with those above it. Where the caches don't know, or an old record may be to blame, it is read live.
pub async fn lineage(context: &Context, run: &Loose<WorkflowRun>) -> Result<Lineage, Failure> {
    let (mut above, mut names) = (Vec::new(), Vec::new());
    let namespace = run.meta.namespace.as_deref().unwrap_or_default();
    let mut next = parent(&run.meta).map(|it| (it.uid.to_owned(), it.name.to_owned()));
    while let Some((uid, name)) = next.take().filter(|_| above.len() <= CHILD_DEPTH) {
        let known = context.cache().run(&uid);
        let is_parent = above.is_empty();
        let found = match known {
            Some(known) if !(is_parent && (may_be_old(&known, run) || reopens(&known, run))) => Some(known),
            _ => look::run_of(context, &uid, namespace, &name).await?,
        };
        next = found.as_ref().and_then(|found| parent(&found.meta)).map(|it| (it.uid.to_owned(), it.name.to_owned()));
        above.push(found);
        names.push(name);
    }
    Ok(of(run, &above, &names))
}

/// Whether the record of the parent may be older than the child: it doesn't name it.
fn may_be_old(parent: &Loose<WorkflowRun>, run: &Loose<WorkflowRun>) -> bool {
    let (name, uid) = (run.meta.name.as_deref().unwrap_or_default(), run.meta.uid.as_deref().unwrap_or_default());
    let parent = as_ancestor(parent);
    !parent.mood().ended && !parent.names(name, uid)
}

/// Whether the parent's record has a run go on that has ended. An old one must not: the attempt may have been stopped since.
fn reopens(parent: &Loose<WorkflowRun>, run: &Loose<WorkflowRun>) -> bool {
    let generation = run.object.as_ref().ok().and_then(|run| run.status.as_ref()).map_or(0, |status| status.generation);
    is_finished(run) && follows(parent, run) > generation
}

/// The generation of a run that its parent goes on with, by the caches alone; 0 if it doesn't.
pub fn generation_in_cache(cache: &Cache, run: &Loose<WorkflowRun>) -> u32 {
    parent(&run.meta).and_then(|it| cache.run(it.uid)).map_or(0, |parent| follows(&parent, run))
}

fn follows(parent: &Loose<WorkflowRun>, run: &Loose<WorkflowRun>) -> u32 {
    let (name, uid) = (run.meta.name.as_deref().unwrap_or_default(), run.meta.uid.as_deref().unwrap_or_default());
    as_ancestor(parent).follows(name, uid).map_or(0, |it| it.generation)
}

fn of(run: &Loose<WorkflowRun>, above: &[Option<Arc<Loose<WorkflowRun>>>], names: &[String]) -> Lineage {
    let ancestors = above.iter().zip(names).map(|(found, name)| match found {
        Some(found) => as_ancestor(found),
        None => Ancestor { name, run: None, deleting: true },
    });
    let ancestors: Vec<Ancestor<'_>> = ancestors.collect();
    let (name, uid) = (run.meta.name.as_deref().unwrap_or_default(), run.meta.uid.as_deref().unwrap_or_default());
    Lineage::of(name, uid, &ancestors)
}

fn as_ancestor(run: &Loose<WorkflowRun>) -> Ancestor<'_> {
    let object = run.object.as_ref().ok();
    Ancestor {
        name: run.meta.name.as_deref().unwrap_or_default(),
        run: object.and_then(|object| Some((&object.spec, object.status.as_ref()?))),
        deleting: run.meta.deletion_timestamp.is_some(),
    }
}

fn is_finished(run: &Loose<WorkflowRun>) -> bool {
    run.object.as_ref().is_ok_and(|run| run.status.as_ref().is_some_and(|status| status.phase.is_finished()))
}
