//! The watches of objects of any kind: what of them is known, and since when it isn't.

use std::collections::BTreeSet;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::resource::DENIED;
use super::watch::{Pause, code};

use super::{Cache, Context, Key};
use crate::api::label;
use crate::objects::resource::{Tracked, api_resource};
use crate::plan::Grant;

/// What the API server answers when it can't take as much now.
const TOO_MANY_REQUESTS: u16 = 429;

/// What one kind is followed with.
struct Follower<'a> {
    context: &'a Context,
    grant: Grant,
    namespace: Option<String>,
    /// Told once after the first complete list, or when there is none to be had: a kind that isn't installed holds up nobody else.
    ready: Option<oneshot::Sender<()>>,
    pause: Pause,
    /// The error that was told last: of a kind that isn't installed the same would be told for ever.
    told: String,
}

/// Watches one kind in one namespace, or in all, for ever. `ready` is told after the first complete list, or when there is none to be
/// had.
pub async fn follow(context: &Context, grant: Grant, namespace: Option<String>, ready: oneshot::Sender<()>) {
    let (pause, told) = (Pause::default(), String::new());
    let mut follower = Follower { context, grant, namespace, ready: Some(ready), pause, told };
    loop {
        follower.follow_until_refused().await;
    }
}

impl Follower<'_> {
    /// Lists and watches until that is refused for good. From then on not all is known of the kind before there is another list.
    async fn follow_until_refused(&mut self) {
        let (context, client, of) = (self.context, self.context.cluster.client(), api_resource(&self.grant));
        let api: Api<Tracked> = match &self.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &of),
            None => Api::all_with(client, &of),
        };
        let config = watcher::Config { label_selector: Some(label::RUN_UID.to_owned()), ..watcher::Config::default() };
        let mut events = watcher(api, config).boxed();
        // Known when the list began and not in it: gone.
        let mut unseen = BTreeSet::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => unseen = context.cache().resources.known(&self.grant, self.namespace.as_deref()),
                Ok(Event::InitApply(object)) => {
                    if let Some(uid) = &object.meta.uid {
                        unseen.remove(uid);
                    }
                    self.put(object);
                }
                Ok(Event::Apply(object)) => self.put(object),
                Ok(Event::Delete(object)) => self.bury(object.meta.uid.as_deref().unwrap_or_default()),
                Ok(Event::InitDone) => {
                    for uid in &std::mem::take(&mut unseen) {
                        self.bury(uid);
                    }
                    context.cache().resources.follow(&self.grant, self.namespace.as_deref());
                    self.told.clear();
                    self.tell_ready();
                }
                Err(error) => {
                    if self.interrupted(&error).await {
                        return;
                    }
                }
            }
        }
    }

    fn put(&self, object: Tracked) {
        self.context.enqueue(|cache| cache.resources.put(&self.grant, object).map(Key::Run).into_iter().collect());
    }

    fn bury(&self, uid: &str) {
        self.context.enqueue(|cache| cache.resources.bury(uid).map(Key::Run).into_iter().collect());
    }

    /// Whether it is refused for good: for want of a right, or twice in a row by an answer, be it that something behind the API server is
    /// broken.
    async fn interrupted(&mut self, error: &watcher::Error) -> bool {
        let (code, pause) = (code(error), self.pause.next(Instant::now()));
        let is_answer = code != 0 && code != TOO_MANY_REQUESTS;
        let is_refused = DENIED.contains(&code) || is_answer && self.pause.is_repeated();
        if is_refused {
            let (grant, namespace) = (&self.grant, self.namespace.as_deref());
            let unsure = |cache: &mut Cache| cache.resources.unfollow(grant, namespace);
            self.context.enqueue(|cache| unsure(cache).into_iter().map(Key::Run).collect());
        }
        let error = error.to_string();
        if self.told != error {
            tracing::warn!(kind = %self.grant, error, "objects of this kind can't be watched; it is tried again");
            self.told = error;
        }
        self.tell_ready();
        tokio::time::sleep_until(pause).await;
        is_refused
    }

    fn tell_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(());
        }
    }
}
