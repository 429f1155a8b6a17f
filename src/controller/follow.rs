//! The watches of objects of any kind: what of them is known, and since when it isn't.

use std::collections::BTreeSet;

use futures::StreamExt;
use kube::Api;
use kube::runtime::watcher::{self, Event, watcher};
use tokio::sync::oneshot;

use super::resource::DENIED;
use super::watch::Pause;
use super::{Context, Key};
use crate::api::label;
use crate::objects::resource::{Tracked, api_resource};
use crate::plan::Grant;

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
        follower.follow_until_denied().await;
    }
}

impl Follower<'_> {
    /// Lists and watches until that is denied. From then on nothing is known of the kind before there is another list.
    async fn follow_until_denied(&mut self) {
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
                    self.interrupted(&error).await;
                    if is_denied(&error) {
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

    async fn interrupted(&mut self, error: &watcher::Error) {
        if is_denied(error) {
            let (grant, namespace) = (&self.grant, self.namespace.as_deref());
            self.context
                .enqueue(|cache| cache.resources.unfollow(grant, namespace).into_iter().map(Key::Run).collect());
        }
        let error = error.to_string();
        if self.told != error {
            tracing::warn!(kind = %self.grant, error, "objects of this kind can't be watched; it is tried again");
            self.told = error;
        }
        self.tell_ready();
        self.pause.pass().await;
    }

    fn tell_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(());
        }
    }
}

/// Whether the API server says that we have no right to it, or doesn't know who we are.
fn is_denied(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchError, WatchFailed, WatchStartFailed};
    let code = match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status))
        | WatchError(status) => status.code,
        _ => 0,
    };
    DENIED.contains(&code)
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    #[test]
    fn a_watch_is_denied_by_an_answer_about_rights_alone() {
        use watcher::Error::{InitialListFailed, NoResourceVersion, WatchError, WatchFailed, WatchStartFailed};
        for (code, denied) in [(401, true), (403, true), (404, false), (410, false), (429, false), (500, false)] {
            let status = || Box::new(Status { code, ..Status::default() });
            let api = || kube::Error::Api(status());
            for error in [InitialListFailed(api()), WatchStartFailed(api()), WatchFailed(api()), WatchError(status())] {
                assert_eq!(is_denied(&error), denied, "{error:?}");
            }
        }
        assert!(!is_denied(&NoResourceVersion));
    }
}
