//! Creates and updates.

use std::sync::Arc;

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::kind::{self, Kind};
use super::refusal::{FieldError, Refusal};
use super::request::{Answer, Call};
use super::{MAX_OBJECT, Server, meta, patch};
use crate::check::journal::Verb;

/// How often a name is made anew when the one made already exists.
const NAMES: u32 = 8;

impl Server {
    pub(super) fn post(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        if call.subresource == "binding" {
            return self.bind(call);
        }
        if !call.name.is_empty() {
            return Err(Refusal::method_not_allowed());
        }
        let mut object = call.body()?;
        kind::decode(call.resource, &mut object).map_err(|why| Refusal::bad_request(&why))?;
        place(call, &mut object)?;
        self.create(call, object)
    }

    fn create(&mut self, call: &Call<'_>, mut object: Value) -> Result<Answer, Refusal> {
        let resource = call.resource;
        self.admit(call, meta::text(&object, "name"))?;
        let uid = self.uid();
        let fields = meta::of(&mut object);
        for field in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
            fields.remove(field);
        }
        fields.insert("uid".into(), uid.into());
        fields.insert("creationTimestamp".into(), meta::time(call.now));
        let generated = !fields.contains_key("name") && fields.contains_key("generateName");
        kind::prepare_create(resource, &mut object);
        for _ in 0..NAMES {
            if generated {
                let name = format!("{}{}", meta::text(&object, "generateName"), self.suffix());
                meta::of(&mut object).insert("name".into(), name.into());
            }
            let key = super::store::key(&call.namespace, meta::text(&object, "name"));
            if !(generated && self.store.get(resource, &key).is_some()) {
                break;
            }
        }
        let name = meta::text(&object, "name").to_owned();
        let mut errors = meta::check(resource, &object);
        kind::check_create(resource, &object, &mut errors);
        if !errors.is_empty() {
            let kind = object["kind"].as_str().unwrap_or_default();
            return Err(Refusal::invalid(resource, kind, &name, &errors));
        }
        if !meta::text(&object, "resourceVersion").is_empty() {
            return Err(Refusal::internal("resourceVersion should not be set on objects to be created"));
        }
        let key = super::store::key(&call.namespace, &name);
        if self.store.get(resource, &key).is_some() {
            return Err(Refusal::already_exists(resource, &name));
        }
        check_size(call)?;
        let stored = self.store.put(resource, key, object);
        self.record(call, Verb::Create, Arc::clone(&stored), false);
        Ok(Answer::object(201, Value::clone(&stored)))
    }

    /// A namespace that doesn't exist or is being deleted takes nothing new.
    fn admit(&self, call: &Call<'_>, name: &str) -> Result<(), Refusal> {
        if !call.resource.namespaced {
            return Ok(());
        }
        let namespaces = super::catalog::by_plural("namespaces").expect("namespaces are a resource");
        let Some(namespace) = self.store.get(namespaces, &super::store::key("", &call.namespace)) else {
            return Err(Refusal::not_found(namespaces, &call.namespace));
        };
        if namespace["status"]["phase"] == "Terminating" {
            return Err(Refusal::namespace_terminating(call.resource, name, &call.namespace));
        }
        Ok(())
    }

    pub(super) fn put(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let mut object = call.body()?;
        kind::decode(call.resource, &mut object).map_err(|why| Refusal::bad_request(&why))?;
        place(call, &mut object)?;
        let uid = meta::text(&object, "uid");
        let uid_conflict = |found: &str| {
            let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {found}");
            Refusal::conflict(call.resource, &call.name, &why)
        };
        let Some(old) = self.store.get(call.resource, &call.key()).cloned() else {
            if !call.resource.behaviour.is_created_by_put() {
                return Err(Refusal::not_found(call.resource, &call.name));
            }
            if !uid.is_empty() {
                return Err(uid_conflict(""));
            }
            meta::of(&mut object).remove("resourceVersion");
            return self.create(call, object);
        };
        if !uid.is_empty() && uid != meta::text(&old, "uid") {
            return Err(uid_conflict(meta::text(&old, "uid")));
        }
        self.update(call, Verb::Update, &old, object)
    }

    pub(super) fn patch(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let is_merge = match call.request.content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" => true,
            "application/json-patch+json" => false,
            _ => return Err(Refusal::unsupported_media_type()),
        };
        let old = self.current(call)?;
        let mut new = Value::clone(&old);
        match (is_merge, call.body()?, new.as_object_mut()) {
            (true, Value::Object(patch), Some(document)) => patch::merge(document, &patch),
            (false, Value::Array(operations), _) if operations.iter().all(Value::is_object) => {
                patch::apply(&mut new, &operations).map_err(|_| Refusal::unprocessable())?;
            }
            _ => return Err(Refusal::bad_request("error decoding patch: it is of another type")),
        }
        kind::decode(call.resource, &mut new).map_err(|why| Refusal::invalid_patch(&why))?;
        place(call, &mut new)?;
        self.update(call, Verb::Patch, &old, new)
    }

    /// Replaces an object, if that is allowed; an identical one changes nothing. The last finalizer taken off an object that
    /// is being deleted removes it.
    fn update(&mut self, call: &Call<'_>, verb: Verb, old: &Arc<Value>, mut new: Value) -> Result<Answer, Refusal> {
        let resource = call.resource;
        check_version(call, &new, old)?;
        let kind = new["kind"].as_str().unwrap_or_default().to_owned();
        meta::take(&mut new, "resourceVersion", old);
        meta::take(&mut new, "generation", old);
        kind::prepare_update(resource, call.subresource, &mut new, old);
        keep_system_fields(&mut new, old);
        let mut errors = meta::check(resource, &new);
        errors.extend(meta::check_update(&new, old));
        kind::check_update(resource, call.subresource, &new, old, &mut errors);
        if !errors.is_empty() {
            return Err(Refusal::invalid(resource, &kind, &call.name, &errors));
        }
        if is_finished(resource.behaviour, &new, old) {
            let last = self.store.remove(resource, call.key());
            self.record(call, verb, last.unwrap_or_else(|| Arc::clone(old)), true);
            return Ok(Answer::object(200, new));
        }
        if new == **old {
            return Ok(Answer::object(200, new));
        }
        check_size(call)?;
        let stored = self.store.put(resource, call.key(), new);
        self.record(call, verb, Arc::clone(&stored), false);
        Ok(Answer::object(200, Value::clone(&stored)))
    }

    /// Gives a pod its node, as the scheduler does.
    fn bind(&mut self, call: &Call<'_>) -> Result<Answer, Refusal> {
        let body = call.body()?;
        if body["metadata"]["name"] != call.name.as_str() {
            return Err(Refusal::bad_request("name in URL does not match name in Binding object"));
        }
        let Some(node) = body["target"]["name"].as_str().filter(|node| !node.is_empty()) else {
            let error = FieldError::required("target.name");
            return Err(Refusal::invalid(call.resource, "Binding", &call.name, &[error]));
        };
        let old = self.current(call)?;
        let conflict = |why: &str| Err(Refusal::binding_conflict(&call.name, why));
        if meta::is_deleting(&old) {
            return conflict("the pod is being deleted, cannot be assigned to a host");
        }
        if let Some(node) = old["spec"]["nodeName"].as_str() {
            return conflict(&format!("the pod is already assigned to node {node:?}"));
        }
        let mut pod = Value::clone(&old);
        pod["spec"]["nodeName"] = node.into();
        let condition = json!({
            "type": "PodScheduled", "status": "True", "lastTransitionTime": meta::time(call.now),
        });
        pod["status"]["conditions"] = json!([condition]);
        let stored = self.store.put(call.resource, call.key(), pod);
        self.record(call, Verb::Create, stored, false);
        let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
        Ok(Answer::object(201, status))
    }
}

/// An object's namespace and name are those of the path.
fn place(call: &Call<'_>, object: &mut Value) -> Result<(), Refusal> {
    let namespace = meta::text(object, "namespace");
    if !namespace.is_empty() && namespace != call.namespace {
        let why = "the namespace of the provided object does not match the namespace sent on the request";
        return Err(Refusal::bad_request(why));
    }
    if !call.namespace.is_empty() {
        meta::of(object).insert("namespace".into(), call.namespace.clone().into());
    }
    let name = meta::text(object, "name");
    if call.request.method != Method::POST && name != call.name {
        let why = format!("the name of the object ({name}) does not match the name on the URL ({})", call.name);
        return Err(Refusal::bad_request(&why));
    }
    Ok(())
}

/// A write that names a resourceVersion is for that one.
fn check_version(call: &Call<'_>, new: &Value, old: &Value) -> Result<(), Refusal> {
    let asked = meta::text(new, "resourceVersion");
    if asked == meta::text(old, "resourceVersion") {
        return Ok(());
    }
    if asked.is_empty() || asked == "0" {
        if call.resource.behaviour.takes_unconditional_put() {
            return Ok(());
        }
        let error = FieldError::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update");
        return Err(Refusal::invalid(call.resource, &call.resource.plural, &call.name, &[error]));
    }
    let why = "the object has been modified; please apply your changes to the latest version and try again";
    Err(Refusal::conflict(call.resource, &call.name, why))
}

fn check_size(call: &Call<'_>) -> Result<(), Refusal> {
    let fits = call.request.body.len() <= MAX_OBJECT;
    if fits { Ok(()) } else { Err(Refusal::internal("etcdserver: request is too large")) }
}

/// What the server alone writes stays as it is.
fn keep_system_fields(new: &mut Value, old: &Value) {
    if meta::text(new, "uid").is_empty() {
        meta::take(new, "uid", old);
    }
    meta::take(new, "creationTimestamp", old);
    if meta::is_deleting(old) {
        meta::take(new, "deletionTimestamp", old);
    }
    if new["metadata"].get("deletionGracePeriodSeconds").is_none() {
        meta::take(new, "deletionGracePeriodSeconds", old);
    }
}

/// Whether nothing holds an object any longer that is being deleted.
fn is_finished(kind: Kind, new: &Value, old: &Value) -> bool {
    let held = kind == Kind::Namespace && new["spec"]["finalizers"].as_array().is_some_and(|list| !list.is_empty());
    let grace = old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or_default();
    !held && meta::is_deleting(old) && grace == 0 && meta::finalizers(new).next().is_none()
}

/// A time that metadata holds.
pub(super) fn parse_time(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}
