//! Deletions: at once, after a grace period, or once the last finalizer is gone.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::Server;
use super::kind::Kind;
use super::meta::{self, FOREGROUND, ORPHAN};
use super::refusal::{FieldError, Refusal};
use super::request::{Answer, Call};
use super::write::parse_time;
use crate::check::journal::Verb;

/// `DeleteOptions`, as far as they are modelled.
struct Options {
    uid: Option<String>,
    resource_version: Option<String>,
    grace: Option<i64>,
    propagation: Option<Propagation>,
    /// Whether the older wish for background deletion was used.
    cascades: bool,
}

/// What becomes of the dependents.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// Whether an object gets time to end.
enum Grace {
    /// The kind has none.
    Never,
    /// It was marked, with this many seconds.
    Marked(i64),
    /// It was marked before, and that stands.
    Pending,
}

impl Options {
    fn of(call: &Call<'_>) -> Result<Self, Refusal> {
        let body = if call.request.body.is_empty() { json!({}) } else { call.body()? };
        if !body.is_object() {
            return Err(Refusal::bad_request("decoded object cannot be converted to DeleteOptions"));
        }
        let precondition = |field: &str| body["preconditions"][field].as_str().map(str::to_owned);
        let from_query = |name: &str| call.query.get(name).filter(|_| call.request.body.is_empty());
        let grace = from_query("gracePeriodSeconds").and_then(|text| text.parse().ok());
        let policy = body["propagationPolicy"].as_str().or_else(|| from_query("propagationPolicy"));
        let orphans = body["orphanDependents"].as_bool();
        if orphans.is_some() && policy.is_some() {
            let detail = "orphanDependents and deletionPropagation cannot be both set";
            return Err(Refusal::invalid_options(&FieldError::invalid("propagationPolicy", &policy.into(), detail)));
        }
        let propagation = match (policy, orphans) {
            (None, None) => None,
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (Some(other), _) => {
                let supported = [json!("Background"), json!("Foreground"), json!("Orphan"), Value::Null];
                let error = FieldError::not_supported("propagationPolicy", &other.into(), &supported);
                return Err(Refusal::invalid_options(&error));
            }
        };
        Ok(Self {
            uid: precondition("uid"),
            resource_version: precondition("resourceVersion"),
            // A negative period counts as one second.
            grace: body["gracePeriodSeconds"].as_i64().or(grace).map(|grace| if grace < 0 { 1 } else { grace }),
            propagation,
            cascades: orphans == Some(false),
        })
    }

    /// The code of the answer where the object still exists.
    fn code(&self) -> u16 {
        if self.cascades { 202 } else { 200 }
    }

    fn check(&self, call: &Call<'_>, object: &Value) -> Result<(), Refusal> {
        for (asked, field, name) in
            [(&self.uid, "uid", "UID"), (&self.resource_version, "resourceVersion", "ResourceVersion")]
        {
            let found = meta::text(object, field);
            let Some(asked) = asked.as_ref().filter(|asked| *asked != found) else { continue };
            let why = format!("the {name} in the precondition ({asked}) does not match the {name} in record ({found})");
            return Err(match call.resource.behaviour {
                Kind::Namespace => Refusal::conflict(call.resource, &call.name, &why),
                _ => Refusal::deletion_conflict(call.resource, &call.name, &why),
            });
        }
        Ok(())
    }
}

impl Server {
    pub(super) fn delete(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        if !call.subresource.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let options = Options::of(call)?;
        let old = self.current(call)?;
        options.check(call, &old)?;
        let kind = call.resource.behaviour;
        let mut new = Value::clone(&old);
        if kind == Kind::Namespace {
            return Ok(self.terminate(call, &options, &old, new));
        }
        let grace = if kind == Kind::Pod { begin_grace(&mut new, &options, call.now) } else { Grace::Never };
        if matches!(grace, Grace::Pending) {
            return Ok(Answer::object(options.code(), new));
        }
        if kind.has_propagation() {
            set_propagation(&mut new, options.propagation);
        }
        let held = meta::finalizers(&new).next().is_some();
        match grace {
            Grace::Never if held => mark(&mut new, call.now),
            Grace::Never => return Ok(self.remove(call, &old)),
            // It is marked first, and then removed: watchers see both.
            Grace::Marked(0) if !held => {
                let marked = self.store.put(call.resource, call.key(), new);
                return Ok(self.remove(call, &marked));
            }
            Grace::Marked(_) | Grace::Pending => {}
        }
        Ok(self.keep(call, &options, &old, new))
    }

    /// Stores an object that goes on existing for now.
    fn keep(&mut self, call: &Call<'_>, options: &Options, old: &Arc<Value>, new: Value) -> Answer {
        if new == **old {
            return Answer::object(options.code(), new);
        }
        let stored = self.store.put(call.resource, call.key(), new);
        self.record(call, Verb::Delete, Arc::clone(&stored), false);
        Answer::object(options.code(), Value::clone(&stored))
    }

    fn remove(&mut self, call: &Call<'_>, object: &Arc<Value>) -> Answer {
        let last = self.store.remove(call.resource, call.key()).unwrap_or_else(|| Arc::clone(object));
        self.record(call, Verb::Delete, Arc::clone(&last), true);
        if call.resource.behaviour.answers_with_deleted() {
            return Answer::object(200, Value::clone(&last));
        }
        let mut details = json!({ "name": call.name, "kind": call.resource.plural, "uid": last["metadata"]["uid"] });
        if !call.resource.group.is_empty() {
            details["group"] = call.resource.group.clone().into();
        }
        let status =
            json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details });
        Answer::object(200, status)
    }

    /// A namespace becomes Terminating; whoever empties it takes its own finalizer off.
    fn terminate(&mut self, call: &Call<'_>, options: &Options, old: &Arc<Value>, mut new: Value) -> Answer {
        if meta::is_deleting(old) {
            return Answer::object(options.code(), new);
        }
        meta::of(&mut new).insert("deletionTimestamp".into(), meta::time(call.now));
        new["status"]["phase"] = "Terminating".into();
        set_propagation(&mut new, options.propagation);
        self.keep(call, options, old, new)
    }
}

/// Marks a pod as being deleted, or shortens the time that it has.
fn begin_grace(pod: &mut Value, options: &Options, now: Timestamp) -> Grace {
    let marked = parse_time(&pod["metadata"]["deletionTimestamp"]);
    let Some(at) = marked else {
        let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or_default();
        let unbound = pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty);
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let period = options.grace.unwrap_or(own);
        let period = if unbound || ended { 0 } else { period };
        let period = if period < 0 { 1 } else { period };
        set_deadline(pod, now + SignedDuration::from_secs(period), period);
        count_generation(pod);
        return Grace::Marked(period);
    };
    let current = pod["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default();
    if current == 0 {
        return Grace::Never;
    }
    let Some(period) = options.grace.filter(|period| *period < current) else { return Grace::Pending };
    let deadline = at - SignedDuration::from_secs(current) + SignedDuration::from_secs(period);
    if deadline < now {
        // What is left of a graceful deletion is a second, so that the node still ends it.
        let period = i64::from(period != 0);
        set_deadline(pod, now, period);
        return Grace::Marked(period);
    }
    set_deadline(pod, deadline, period);
    Grace::Marked(period)
}

fn set_deadline(object: &mut Value, at: Timestamp, period: i64) {
    let fields = meta::of(object);
    fields.insert("deletionTimestamp".into(), meta::time(at));
    fields.insert("deletionGracePeriodSeconds".into(), period.into());
}

/// Marks an object as being deleted that its finalizers hold.
fn mark(object: &mut Value, now: Timestamp) {
    let marked = parse_time(&object["metadata"]["deletionTimestamp"]);
    if marked.is_none() {
        count_generation(object);
    }
    let at = marked.filter(|at| *at <= now).unwrap_or(now);
    set_deadline(object, at, 0);
}

fn count_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        object["metadata"]["generation"] = (generation + 1).into();
    }
}

/// Sets the finalizers that the garbage collector acts on. Without a wish, those that are there stay.
fn set_propagation(object: &mut Value, wish: Option<Propagation>) {
    let Some(wish) = wish else { return };
    let asked = match wish {
        Propagation::Background => None,
        Propagation::Foreground => Some(FOREGROUND),
        Propagation::Orphan => Some(ORPHAN),
    };
    let mut list: Vec<Value> =
        meta::finalizers(object).filter(|name| ![FOREGROUND, ORPHAN].contains(name)).map(Value::from).collect();
    let had = |name: &str| meta::finalizers(object).any(|other| other == name);
    let unchanged = [FOREGROUND, ORPHAN].iter().all(|name| had(name) == (asked == Some(*name)));
    if unchanged {
        return;
    }
    list.extend(asked.map(Value::from));
    if list.is_empty() {
        meta::of(object).remove("finalizers");
    } else {
        meta::of(object).insert("finalizers".into(), Value::Array(list));
    }
}
