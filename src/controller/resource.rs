//! Objects of any kind that tasks are: watched, kept, looked up, made on behalf of their tasks' service accounts, and deleted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use kube::Resource;
use kube::core::Status;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::cache::version;
use super::client::{Cluster, FIELD_MANAGER, Failure};
use super::create::refusal_kind;
use super::loose::Loose;
use super::shelf::Shelf;
use super::{Cache, Context, Key};
use crate::api::{ResourceRef, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Refusal, RefusalKind, ResourceFacts, Sight, Sights};
use crate::mutant::{Mutant, is};
use crate::objects::resource::{Tracked, api_resource};
use crate::plan::Grant;

/// Time between looks at an object that no watch tells of.
const UNWATCHED: Duration = Duration::from_secs(10);
/// What the API server answers where it doesn't know who asks, and where they have no right to.
pub const DENIED: [u16; 2] = [401, 403];
/// What the API server answers where there is no such kind.
const NO_SUCH_PATH: &str = "404 page not found";

/// An object in the cache.
#[derive(Debug)]
pub struct Entry {
    grant: Grant,
    tracked: Tracked,
}

/// The objects of any kind that are known.
#[derive(Debug, Default)]
pub struct Resources {
    shelf: Shelf<Entry>,
    /// Uids of the objects of each run.
    by_run: BTreeMap<String, BTreeSet<String>>,
    /// The run of each object.
    run_of: BTreeMap<String, String>,
    /// The kinds of which every object is known, each with the namespace or all.
    followed: BTreeSet<(Grant, Option<String>)>,
}

impl Resources {
    /// Takes in an object; returns the uid of the run that it is labelled with, if that was news.
    pub fn put(&mut self, grant: &Grant, tracked: Tracked) -> Option<String> {
        let (uid, run_uid) = (tracked.meta.uid.clone()?, tracked.run_uid()?.to_owned());
        let version = version(tracked.meta.resource_version.as_deref());
        if !self.shelf.put(&uid, version, Entry { grant: grant.clone(), tracked }) {
            return None;
        }
        self.by_run.entry(run_uid.clone()).or_default().insert(uid.clone());
        // A label can be edited; an object counts for one run only.
        if let Some(former) = self.run_of.insert(uid.clone(), run_uid.clone()).filter(|former| *former != run_uid) {
            self.forget(&former, &uid);
        }
        Some(run_uid)
    }

    /// An object is gone; returns the uid of the run that it was labelled with.
    pub fn bury(&mut self, uid: &str) -> Option<String> {
        self.shelf.bury(uid);
        let run_uid = self.run_of.remove(uid)?;
        self.forget(&run_uid, uid);
        Some(run_uid)
    }

    fn forget(&mut self, run_uid: &str, uid: &str) {
        if let Some(uids) = self.by_run.get_mut(run_uid) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_run.remove(run_uid);
            }
        }
    }

    /// The objects labelled with this run.
    fn of_run(&self, run_uid: &str) -> impl Iterator<Item = Arc<Entry>> {
        self.by_run.get(run_uid).into_iter().flatten().filter_map(|uid| self.shelf.get(uid))
    }

    /// Uids of the objects of a kind that are known, in one namespace or in all.
    pub fn known(&self, grant: &Grant, namespace: Option<&str>) -> BTreeSet<String> {
        let here = |entry: &Entry| namespace.is_none() || entry.tracked.meta.namespace.as_deref() == namespace;
        self.shelf.uids(|entry| entry.grant == *grant && here(entry))
    }

    /// Every object of a kind is known from now on, in one namespace or in all.
    pub fn follow(&mut self, grant: &Grant, namespace: Option<&str>) {
        self.followed.insert((grant.clone(), namespace.map(str::to_owned)));
    }

    /// Not every object of a kind is known any more; returns the uids of the runs that have some, if that was news.
    pub fn unfollow(&mut self, grant: &Grant, namespace: Option<&str>) -> BTreeSet<String> {
        if !self.followed.remove(&(grant.clone(), namespace.map(str::to_owned))) {
            return BTreeSet::new();
        }
        self.known(grant, namespace).iter().filter_map(|uid| self.run_of.get(uid).cloned()).collect()
    }

    fn is_followed(&self, grant: &Grant, namespace: &str) -> bool {
        let of = |namespace: Option<&str>| self.followed.contains(&(grant.clone(), namespace.map(str::to_owned)));
        of(None) || of(Some(namespace))
    }
}

/// The run's own objects in the cache, by name, as far as the cache is sure of their kind.
pub fn in_cache(cache: &Cache, run: &Loose<WorkflowRun>) -> Sights {
    let (uid, namespace) =
        (run.meta.uid.as_deref().unwrap_or_default(), run.meta.namespace.as_deref().unwrap_or_default());
    let is_own = |entry: &Entry| {
        let here = entry.tracked.meta.namespace.as_deref() == Some(namespace);
        here && entry.tracked.belongs_to(uid) && cache.resources.is_followed(&entry.grant, namespace)
    };
    // An object of another kind that has the name of an attempt's is nothing of it.
    let status = run.object.as_ref().ok().and_then(|run| run.status.as_ref());
    let attempts = status.into_iter().flat_map(WorkflowRunStatus::tried).flat_map(|(_, attempts)| attempts);
    let named: BTreeMap<&str, &ResourceRef> =
        attempts.filter_map(|attempt| attempt.resource.as_ref()).map(|it| (it.name.as_str(), it)).collect();
    let is_meant =
        |facts: &ResourceFacts| named.get(facts.resource.name.as_str()).is_none_or(|it| **it == facts.resource);
    let own = cache.resources.of_run(uid).filter(|entry| is_own(entry));
    let own = own.map(|entry| entry.tracked.facts(&entry.grant)).filter(is_meant);
    own.map(|facts| (facts.resource.name.clone(), Sight::Resource(facts))).collect()
}

/// Looks an object up by its name; nothing where the answer tells nothing of it: what becomes of one kind holds up nothing else of the run.
pub async fn look(
    context: &Context,
    namespace: &str,
    run_uid: &str,
    resource: &ResourceRef,
    known_uid: Option<&str>,
) -> Option<Sight> {
    let grant = context.settings.granted.find(&resource.api_version, &resource.kind)?;
    let again = || context.wake_in(Key::Run(run_uid.to_owned()), UNWATCHED);
    let found = match context.cluster.get_resource(grant, namespace, &resource.name).await {
        Ok(found) => found,
        Err(failure) => {
            tracing::info!(kind = %grant, name = resource.name, namespace, %failure, "an object can't be looked up");
            again();
            // Where the kind is followed, it may be another answer soon.
            let followed = context.cache().resources.is_followed(grant, namespace);
            let is_told = DENIED.contains(&failure.code()) || !followed && !failure.is_too_much();
            return is_told.then(|| Sight::Hidden(failure.to_string()));
        }
    };
    let followed = context.cache().resources.is_followed(grant, namespace);
    let Some(found) = found else { return Some(Sight::Absent) };
    let belongs = found.belongs_to(run_uid) || is(Mutant::ResourceByName);
    // Identity is the uid, whatever someone did to its labels or owner.
    let is_own = known_uid.map_or(belongs, |uid| found.meta.uid.as_deref() == Some(uid));
    let facts = found.facts(grant);
    let uid = found.meta.uid.clone().unwrap_or_default();
    context.enqueue(|cache| cache.resources.put(grant, found).map(Key::Run).into_iter().collect());
    // One whose labels were off for a while is gone for the watch.
    let is_known = context.cache().resources.shelf.get(&uid).is_some();
    if is_own && !(belongs && followed && is_known) {
        // No news of it leads here: it is looked at again and again.
        again();
    }
    Some(match known_uid {
        _ if is_own => Sight::Resource(facts),
        Some(_) => Sight::Absent,
        None => {
            let message = super::look::clash(&grant.plural, &resource.name);
            Sight::Refused(Refusal { kind: RefusalKind::NameClash, message, retry_at: jiff::Timestamp::MAX })
        }
    })
}

/// Deletes an object, unless it says something that no decision has seen: what it came to counts for more than that it is to go. Whether
/// there was such news, which leads to another look at the run.
pub async fn delete(
    context: &Context,
    namespace: &str,
    (grant, name): (&Grant, &str),
    uid: &str,
) -> Result<bool, Failure> {
    let found = context.cluster.get_resource(grant, namespace, name).await?;
    let Some(found) = found.filter(|found| found.meta.uid.as_deref() == Some(uid)) else {
        context.enqueue(|cache| cache.resources.bury(uid).map(Key::Run).into_iter().collect());
        return Ok(true);
    };
    let seen = found.meta.resource_version.clone();
    let is_news = context.cache().resources.put(grant, found).is_some();
    if !is_news {
        context.cluster.delete_resource(grant, namespace, name, (uid, seen.as_deref())).await?;
    }
    Ok(is_news)
}

/// What the API server says to whether a service account may make objects of a kind.
pub enum Review {
    /// It may.
    Allowed,
    /// It may not; in the server's words.
    Denied(String),
}

/// Why an account may not make an object, and what to do.
pub fn denied(account: &str, namespace: &str, grant: &Grant, words: &str) -> String {
    let Grant { group, plural, .. } = grant;
    let of = if group.is_empty() { plural.clone() } else { format!("{plural}.{group}") };
    let words = if words.is_empty() { String::new() } else { format!(" ({words})") };
    format!(
        "service account {account} may not create {of} in namespace {namespace}{words}: bind it to a Role that may, as in \
         kubectl create role NAME --verb=create --resource={of} and kubectl create rolebinding NAME --role=NAME \
         --serviceaccount={namespace}:{account}, or name another in resource.serviceAccountName"
    )
}

impl Cluster {
    /// Asks whether a service account of a namespace may make objects of a kind there.
    pub async fn review(&self, namespace: &str, account: &str, grant: &Grant) -> Result<Review, Failure> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "LocalSubjectAccessReview",
            "metadata": { "namespace": namespace },
            "spec": {
                "user": format!("system:serviceaccount:{namespace}:{account}"),
                "groups": [
                    "system:serviceaccounts",
                    format!("system:serviceaccounts:{namespace}"),
                    "system:authenticated",
                ],
                "resourceAttributes": {
                    "namespace": namespace,
                    "verb": "create",
                    "group": grant.group,
                    "version": grant.version,
                    "resource": grant.plural,
                },
            },
        });
        let path = format!("/apis/authorization.k8s.io/v1/namespaces/{namespace}/localsubjectaccessreviews");
        let answer: Value = self.send(Method::POST, &path, Some(&review)).await?;
        let text = |field: &str| answer.pointer(field).and_then(Value::as_str).unwrap_or_default();
        match answer.pointer("/status/allowed").and_then(Value::as_bool) {
            Some(true) => Ok(Review::Allowed),
            Some(false) => {
                let words = [text("/status/reason"), text("/status/evaluationError")];
                let words: Vec<&str> = words.into_iter().filter(|words| !words.is_empty()).collect();
                Ok(Review::Denied(words.join("; ")))
            }
            None => Err(Failure::Unknown("an access review says neither yes nor no".to_owned())),
        }
    }

    /// An object by name; `None` if it, or its kind, doesn't exist.
    pub async fn get_resource(&self, grant: &Grant, namespace: &str, name: &str) -> Result<Option<Tracked>, Failure> {
        let path = format!("{}/{name}", Tracked::url_path(&api_resource(grant), Some(namespace)));
        match self.send(Method::GET, &path, None::<&()>).await {
            Ok(found) => Ok(Some(found)),
            Err(failure) if failure.is_not_found() => Ok(None),
            Err(Failure::Refused(status)) if is_no_such_kind(&status) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Makes an object; an unknown field is an error.
    pub async fn create_resource(&self, grant: &Grant, namespace: &str, object: &Value) -> Result<Tracked, Failure> {
        let all = Tracked::url_path(&api_resource(grant), Some(namespace));
        let path = format!("{all}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        self.send(Method::POST, &path, Some(object)).await
    }

    /// Deletes an object of this uid and version, and what belongs to it after it. That it is gone or has changed, or that another one has
    /// its name, is no failure: it will be seen.
    async fn delete_resource(
        &self,
        grant: &Grant,
        namespace: &str,
        name: &str,
        (uid, version): (&str, Option<&str>),
    ) -> Result<(), Failure> {
        let path = format!("{}/{name}", Tracked::url_path(&api_resource(grant), Some(namespace)));
        let preconditions = json!({ "uid": uid, "resourceVersion": version });
        let options = json!({ "preconditions": preconditions, "propagationPolicy": "Background" });
        match self.send::<IgnoredAny>(Method::DELETE, &path, Some(&options)).await {
            Err(failure) if failure.code() == 404 || failure.is_conflict() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }
}

fn is_no_such_kind(status: &Status) -> bool {
    status.code == 404 && status.message == NO_SUCH_PATH
}

/// Which kind of refusal it is that a create met: as that of a pod, but that the kind may be none.
pub fn refusal(status: &Status, grant: &Grant) -> (RefusalKind, String) {
    let of_namespace = status.details.as_ref().is_some_and(|details| details.kind == "namespaces");
    if status.code == 404 && !of_namespace {
        let message = format!(
            "there is no {} {} in this cluster: install what defines it; it is tried again",
            grant.api_version(),
            grant.kind
        );
        return (RefusalKind::NoSuchKind, message);
    }
    (refusal_kind(status), status.message.clone())
}
