//! A model of etcd and kube-apiserver: deterministic, synchronous, without a clock of its own.
//!
//! It knows the resources that the operator touches, and of each verb what the operator can see: preconditions, finalizers,
//! graceful deletion, watches, refusals with their true codes, reasons and details. `conform` compares it with a real server.

mod catalog;
mod delete;
mod garbage;
mod kind;
mod list;
mod meta;
mod namespace;
mod patch;
mod refusal;
mod request;
mod review;
mod rule;
mod schema;
mod selector;
mod store;
#[cfg(test)]
mod tests;
mod watch;
mod write;

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::refusal::Refusal;
use self::request::Call;
use self::store::Store;
use crate::check::journal::{Entry, Journal, Verb, Write};

pub use self::garbage::GarbageCollector;
pub use self::namespace::NamespaceController;
pub use self::request::{Answer, Request};
pub use self::review::MAY_NOT;
pub use self::watch::Watch;

/// Largest body that the API server reads, in bytes.
const MAX_BODY: usize = 3 << 20;
/// Largest object that etcd takes, in bytes.
const MAX_OBJECT: usize = 3 << 19;

/// The API server with its store.
pub struct Server {
    store: Store,
    /// State of the generator of uids and name suffixes.
    entropy: u64,
    /// Every write that was applied, in its order.
    pub journal: Journal,
}

impl Server {
    /// A server whose uids come from `seed`. The namespaces `default` and `gantline-system` exist.
    pub fn new(seed: u64) -> Self {
        let mut server = Self { store: Store::new(), entropy: seed, journal: Journal::default() };
        for name in ["default", "gantline-system"] {
            let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            let request = Request::post("/api/v1/namespaces", &manifest, Timestamp::UNIX_EPOCH);
            server.handle("kube-apiserver", &request, Timestamp::UNIX_EPOCH);
        }
        server.journal.entries.clear();
        server
    }

    /// Carries out one request of `actor` at `now`, the server's own clock.
    pub fn handle(&mut self, actor: &str, request: &Request, now: Timestamp) -> Answer {
        if let Some(answer) = review::answer(request) {
            return answer;
        }
        let answer = match Call::parse(actor, request, now) {
            Ok(call) => self.carry_out(&call),
            Err(refusal) => Err(refusal),
        };
        answer.unwrap_or_else(|refusal| refusal.answer())
    }

    /// The revision of the newest write.
    pub fn revision(&self) -> u64 {
        self.store.revision()
    }

    /// Forgets what happened before `revision`: from then on, watches and paged lists that need it are answered with 410.
    pub fn compact(&mut self, revision: u64) {
        self.store.compact(revision);
    }

    /// An object as it is stored. `namespace` is empty for a namespace itself.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.store.get(catalog::by_plural(resource)?, &store::key(namespace, name))
    }

    /// The objects of a resource, given in the plural, in the order of their keys.
    pub fn list(&self, resource: &str) -> impl Iterator<Item = &Arc<Value>> {
        catalog::by_plural(resource).into_iter().flat_map(|resource| self.store.list(resource).values())
    }

    fn carry_out(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        if call.request.body.len() > MAX_BODY {
            return Err(Refusal::too_large());
        }
        match (&call.request.method, call.name.is_empty()) {
            (&Method::GET, true) if call.query.flag("watch") => self.watch(call).map(Answer::Watch),
            (&Method::GET, true) => self.page(call),
            (&Method::GET, false) => self.read(call),
            (&Method::POST, _) => self.post(call),
            (&Method::PUT, false) => self.put(call),
            (&Method::PATCH, false) => self.patch(call),
            (&Method::DELETE, false) => self.delete(call),
            _ => Err(Refusal::method_not_allowed()),
        }
    }

    fn read(&self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let found = self.current(call)?;
        Ok(Answer::object(200, Value::clone(&found)))
    }

    /// The object that a call names.
    fn current(&self, call: &Call<'_>) -> Result<Arc<Value>, Refusal> {
        let found = self.store.get(call.resource, &call.key()).cloned();
        found.ok_or_else(|| Refusal::not_found(call.resource, &call.name))
    }

    /// Enters an applied write into the journal.
    fn record(&mut self, call: &Call<'_>, verb: Verb, object: Arc<Value>, removed: bool) {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name, uid) = (text("namespace"), text("name"), text("uid"));
        self.journal.entries.push(Entry::Write(Write {
            sent: call.request.sent,
            at: call.now,
            actor: call.actor.to_owned(),
            verb,
            resource: call.resource.plural.clone(),
            subresource: call.subresource.to_owned(),
            namespace,
            name,
            uid,
            object,
            removed,
        }));
    }

    /// The next pseudo-random number (splitmix64).
    fn draw(&mut self) -> u64 {
        self.entropy = self.entropy.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.entropy;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A uid, of the form that Kubernetes gives them.
    fn uid(&mut self) -> String {
        let (high, low) = (self.draw(), self.draw());
        let (first, second, third) = (high >> 32, (high >> 16) & 0xffff, high & 0x0fff);
        let (fourth, last) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
        format!("{first:08x}-{second:04x}-4{third:03x}-{fourth:04x}-{last:012x}")
    }

    /// What is appended to a `generateName`.
    fn suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number = self.draw();
        let mut letter = || {
            let count = LETTERS.len() as u64;
            let place = usize::try_from(number % count).unwrap_or_default();
            number /= count;
            char::from(LETTERS[place])
        };
        (0..5).map(|_| letter()).collect()
    }
}
