//! The watches: what they bring goes into the cache, and the keys that it touches into the queue.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{self, Event, watcher};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::cache::{Cache, Kind};
use super::loose::{Loose, Typed};
use super::{Context, Key, kin};
use crate::api::{Workflow, WorkflowRun, label};
use crate::mutant::{Mutant, is};
use crate::pods::SlimPod;

/// What the API server answers who has no right to what they ask for.
const FORBIDDEN: u16 = 403;

/// A kind that is watched: how its objects get into the cache, and which keys that concerns.
pub trait Watched: Typed + DeserializeOwned + Clone + std::fmt::Debug + Send + Sync {
    /// Which kind it is.
    const KIND: Kind;
    /// Restricts the watch to objects with this label.
    const LABEL: Option<&'static str> = None;
    /// Takes an object in; returns the keys to look at.
    fn put(cache: &mut Cache, object: Loose<Self>) -> Vec<Key>;
    /// Takes an object out; returns the keys to look at.
    fn bury(cache: &mut Cache, uid: &str) -> Vec<Key>;
}

impl Watched for WorkflowRun {
    const KIND: Kind = Kind::Run;

    fn put(cache: &mut Cache, object: Loose<Self>) -> Vec<Key> {
        let uid = object.meta.uid.clone().unwrap_or_default();
        kin::put(cache, object).map(|kin| [Key::Run(uid)].into_iter().chain(kin).collect()).unwrap_or_default()
    }

    fn bury(cache: &mut Cache, uid: &str) -> Vec<Key> {
        kin::bury(cache, uid)
    }
}

impl Watched for Workflow {
    const KIND: Kind = Kind::Workflow;

    /// Also wakes the runs that wait for a workflow of this name.
    fn put(cache: &mut Cache, object: Loose<Self>) -> Vec<Key> {
        let uid = object.meta.uid.clone().unwrap_or_default();
        let (namespace, name) = (object.meta.namespace.clone(), object.meta.name.clone());
        if !cache.put_workflow(object) {
            return Vec::new();
        }
        let waits_for_it = |run: &Loose<WorkflowRun>| {
            let Ok(object) = &run.object else { return false };
            let unpinned = object.status.as_ref().is_none_or(|status| status.revision.is_none());
            let named = object.spec.workflow_ref.as_ref().map(|reference| &reference.name);
            unpinned && run.meta.namespace == namespace && named == name.as_ref()
        };
        let runs = cache.runs().filter(|(_, run)| waits_for_it(run)).map(|(uid, _)| Key::Run(uid.clone()));
        runs.chain([Key::Workflow(uid)]).collect()
    }

    fn bury(cache: &mut Cache, uid: &str) -> Vec<Key> {
        cache.bury_workflow(uid);
        vec![Key::Workflow(uid.to_owned())]
    }
}

impl Watched for SlimPod {
    const KIND: Kind = Kind::Pod;
    const LABEL: Option<&'static str> = Some(label::RUN_UID);

    fn put(cache: &mut Cache, object: Loose<Self>) -> Vec<Key> {
        object.object.ok().and_then(|pod| cache.put_pod(&pod)).map(Key::Run).into_iter().collect()
    }

    fn bury(cache: &mut Cache, uid: &str) -> Vec<Key> {
        cache.bury_pod(uid).map(Key::Run).into_iter().collect()
    }
}

/// The pause after an interruption, doubled each time unless the last one is long past. Without jitter: a cluster has a handful of
/// operators, and the same faults are to give the same story.
///
/// `kube_runtime`'s own back-off takes the beginning of each try for news, and so would wait as long after the hundredth failed list
/// as after the first.
#[derive(Debug, Default)]
pub(super) struct Pause {
    interruptions: u32,
    /// When the last pause was over.
    over: Option<Instant>,
}

impl Pause {
    const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(8);
    /// What held so long after a pause did work, though perhaps nothing came.
    const HELD: Duration = Duration::from_secs(10);

    /// Lets the pause of one more interruption pass.
    pub(super) async fn pass(&mut self) {
        let until = self.next(Instant::now());
        tokio::time::sleep_until(until).await;
    }

    /// Whether the last interruption followed another one soon.
    pub(super) const fn is_repeated(&self) -> bool {
        self.interruptions > 1
    }

    /// When the pause of an interruption is over.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        if self.over.is_some_and(|over| now.saturating_duration_since(over) >= Self::HELD) {
            self.interruptions = 0;
        }
        let pause = Self::FIRST.saturating_mul(1 << self.interruptions.min(5)).min(Self::LONGEST);
        self.interruptions = self.interruptions.saturating_add(1);
        *self.over.insert(now + pause)
    }
}

/// Watches one kind in one namespace, or in all, for ever. `ready` is told once, after the first complete list, or when a namespace is out
/// of reach.
pub async fn follow<T: Watched>(context: &Context, namespace: Option<String>, ready: tokio::sync::oneshot::Sender<()>) {
    let client = context.cluster.client();
    let api: Api<Loose<T>> = match &namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let config = watcher::Config { label_selector: T::LABEL.map(str::to_owned), ..watcher::Config::default() };
    let mut events = watcher(api, config).boxed();
    let mut pause = Pause::default();
    let mut ready = Some(ready);
    // Known when the list began and not in it: gone. What our own writes brought meanwhile isn't judged by that list.
    let mut unseen = BTreeSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Init) => unseen = context.cache().known(T::KIND, namespace.as_deref()),
            Ok(Event::InitApply(object)) => {
                if let Some(uid) = &object.meta.uid {
                    unseen.remove(uid);
                }
                context.enqueue(|cache| T::put(cache, object));
            }
            Ok(Event::Apply(object)) => context.enqueue(|cache| T::put(cache, object)),
            Ok(Event::Delete(object)) => {
                let uid = object.meta.uid.unwrap_or_default();
                context.enqueue(|cache| T::bury(cache, &uid));
            }
            Ok(Event::InitDone) => {
                let mut gone = std::mem::take(&mut unseen);
                if is(Mutant::RelistKeepsGone) {
                    gone.clear();
                }
                context.enqueue(|cache| {
                    cache.listed(T::KIND, namespace.as_deref());
                    gone.iter().flat_map(|uid| T::bury(cache, uid)).collect()
                });
                if let Some(ready) = ready.take() {
                    let _ = ready.send(());
                }
            }
            Err(error) => {
                tracing::warn!(kind = ?T::KIND, namespace, %error, "the watch was interrupted; it goes on");
                // The rights in a namespace go with it: that one is gone holds up none of the others.
                let is_out_of_reach = code(&error) == FORBIDDEN && context.cache().is_filled_somewhere();
                if let Some(ready) = ready.take_if(|_| is_out_of_reach) {
                    let _ = ready.send(());
                }
                pause.pass().await;
            }
        }
    }
}

/// The code of the API server's answer that a watch met; 0 where there was none.
pub(super) fn code(error: &watcher::Error) -> u16 {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.code,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_until_a_watch_has_held_for_a_while() {
        let (mut pause, mut now) = (Pause::default(), Instant::now());
        // How long each try held, and the pause after it, in milliseconds.
        for (held, paused) in [
            (0, 250),
            (0, 500),
            (9_999, 1_000),
            (100, 2_000),
            (0, 4_000),
            (0, 8_000),
            (0, 8_000),
            (10_000, 250),
            (0, 500),
            (86_400_000, 250),
        ] {
            now += Duration::from_millis(held);
            let until = pause.next(now);
            assert_eq!((until - now).as_millis(), paused, "after {held} ms");
            now = until;
        }
    }
}
