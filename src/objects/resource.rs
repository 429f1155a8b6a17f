//! Objects of any kind: a task's attempt as one, and one as facts for its run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::{ApiResource, ObjectMeta};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::child::parent;
use crate::api::{API_VERSION, ResourceRef, label};
use crate::engine::ResourceFacts;
use crate::plan::Grant;
use crate::plan::limits::RESOURCE_BYTES;
use crate::pods::Owner;

/// The manifest of the object of a task's attempt: what its author wrote, under the name that is on record, labelled and owned as
/// everything that belongs to a run. The same arguments give the same bytes.
#[must_use]
pub fn build(
    owner: &Owner<'_>,
    task: &str,
    item: Option<u32>,
    attempt: u32,
    name: &str,
    mut manifest: Map<String, Value>,
) -> Value {
    let given = manifest.remove("metadata").unwrap_or_default();
    let own = |field: &str| given.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    let (mut labels, annotations) = (own("labels"), own("annotations"));
    for (key, value) in [
        (label::MANAGED_BY, "gantline"),
        (label::RUN, owner.name),
        (label::RUN_UID, owner.uid),
        (label::TASK, task),
        (label::ATTEMPT, &attempt.to_string()),
    ] {
        labels.insert(key.to_owned(), value.into());
    }
    labels.extend(item.map(|item| (label::INDEX.to_owned(), item.to_string().into())));
    let mut metadata = json!({
        "name": name,
        "namespace": owner.namespace,
        "labels": labels,
        // Without blockOwnerDeletion, which would hold up the deletion of the run.
        "ownerReferences": [{
            "apiVersion": API_VERSION,
            "kind": "WorkflowRun",
            "name": owner.name,
            "uid": owner.uid,
            "controller": true,
        }],
    });
    if let (Some(metadata), false) = (metadata.as_object_mut(), annotations.is_empty()) {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    manifest.insert("metadata".to_owned(), metadata);
    Value::Object(manifest)
}

/// An object of any kind as it is kept: its metadata, and its text for the expressions that read it. Every object parses, however odd.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Name, namespace, uid, version, labels, owners and times.
    pub meta: ObjectMeta,
    /// All of it but managedFields as JSON; or why it can't be read.
    text: Result<Arc<str>, String>,
}

/// The metadata that we read. Everything else is skipped without being looked at.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    labels: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<OwnerReference>>,
}

/// The fields of an object, not looked into.
type Fields = BTreeMap<String, Box<RawValue>>;

impl Tracked {
    /// Reads an object from its JSON text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let fields: Fields = serde_json::from_str(text).unwrap_or_default();
        let metadata = fields.get("metadata").map_or("{}", |metadata| metadata.get());
        let meta: Metadata = serde_json::from_str(metadata).unwrap_or_default();
        let ours = |key: &str| key.strip_prefix("gantline.dev").is_some_and(|rest| rest.starts_with('/'));
        let labels = meta.labels.map(|labels| labels.into_iter().filter(|(key, _)| ours(key)).collect());
        Self {
            text: without_managed_fields(&fields),
            meta: ObjectMeta {
                name: meta.name,
                namespace: meta.namespace,
                uid: meta.uid,
                resource_version: meta.resource_version,
                creation_timestamp: meta.creation_timestamp,
                deletion_timestamp: meta.deletion_timestamp,
                labels,
                owner_references: meta.owner_references,
                ..ObjectMeta::default()
            },
        }
    }

    /// The uid of the run that it is labelled with.
    #[must_use]
    pub fn run_uid(&self) -> Option<&str> {
        self.label(label::RUN_UID)
    }

    /// Whether it is the run's own by label and controller.
    #[must_use]
    pub fn belongs_to(&self, run_uid: &str) -> bool {
        self.run_uid() == Some(run_uid) && parent(&self.meta).is_some_and(|parent| parent.uid == run_uid)
    }

    /// What it tells its run.
    #[must_use]
    pub fn facts(&self, grant: &Grant) -> ResourceFacts {
        let name = self.meta.name.clone().unwrap_or_default();
        ResourceFacts {
            resource: ResourceRef { api_version: grant.api_version(), kind: grant.kind.clone(), name },
            uid: self.meta.uid.clone().unwrap_or_default(),
            task: self.label(label::TASK).unwrap_or_default().to_owned(),
            item: self.label(label::INDEX).and_then(|index| index.parse().ok()),
            attempt: self.label(label::ATTEMPT).and_then(|number| number.parse().ok()).unwrap_or(0),
            created_at: self.meta.creation_timestamp.as_ref().map(|at| at.0),
            object: self.text.clone(),
            deleting: self.meta.deletion_timestamp.is_some(),
        }
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.meta.labels.as_ref()?.get(key).map(String::as_str)
    }
}

/// The object without `metadata.managedFields`, which can be most of it, if that is within the bound. What is deep isn't looked into.
fn without_managed_fields(fields: &Fields) -> Result<Arc<str>, String> {
    let metadata = fields.get("metadata").and_then(|metadata| serde_json::from_str::<Fields>(metadata.get()).ok());
    let metadata = metadata.map(|mut metadata| {
        metadata.remove("managedFields");
        written(metadata.iter().map(|(key, value)| (key, value.get())))
    });
    let text = written(fields.iter().map(|(key, value)| match &metadata {
        Some(metadata) if key == "metadata" => (key, metadata.as_str()),
        _ => (key, value.get()),
    }));
    if text.len() > RESOURCE_BYTES {
        let bytes = text.len();
        return Err(format!("the object has {bytes} bytes, and no more than {RESOURCE_BYTES} are read"));
    }
    Ok(text.into())
}

fn written<'f>(fields: impl Iterator<Item = (&'f String, &'f str)>) -> String {
    let mut text = String::from("{");
    for (at, (key, value)) in fields.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        // Writing into a text never fails.
        let _ = write!(text, "{comma}{}:{value}", Value::from(key.as_str()));
    }
    text.push('}');
    text
}

impl<'de> Deserialize<'de> for Tracked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self::parse(raw.get()))
    }
}

impl kube::Resource for Tracked {
    type DynamicType = ApiResource;
    type Scope = kube::core::DynamicResourceScope;

    fn kind(of: &ApiResource) -> std::borrow::Cow<'_, str> {
        of.kind.as_str().into()
    }

    fn group(of: &ApiResource) -> std::borrow::Cow<'_, str> {
        of.group.as_str().into()
    }

    fn version(of: &ApiResource) -> std::borrow::Cow<'_, str> {
        of.version.as_str().into()
    }

    fn plural(of: &ApiResource) -> std::borrow::Cow<'_, str> {
        of.plural.as_str().into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

/// A granted kind as the client takes it.
#[must_use]
pub fn api_resource(grant: &Grant) -> ApiResource {
    ApiResource {
        group: grant.group.clone(),
        version: grant.version.clone(),
        api_version: grant.api_version(),
        kind: grant.kind.clone(),
        plural: grant.plural.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'static> = Owner { name: "run", namespace: "ns", uid: "u1" };

    fn grant() -> Grant {
        "example.org/v1/Fetch=fetches".parse().expect("a grant")
    }

    #[test]
    fn an_object_is_its_runs_and_says_so() {
        let manifest = json!({
            "apiVersion": "example.org/v1", "kind": "Fetch", "spec": {"url": "x"},
            "metadata": {"labels": {"team": "a"}, "annotations": {"a": "b"}},
        });
        let made = build(&OWNER, "load", Some(3), 2, "run-load-3-2-x", manifest.as_object().cloned().expect("a map"));
        assert_eq!((&made["apiVersion"], &made["spec"]), (&json!("example.org/v1"), &json!({"url": "x"})));
        assert_eq!(made["metadata"]["annotations"], json!({"a": "b"}));
        assert_eq!(made["metadata"]["labels"]["team"], "a");
        let tracked = Tracked::parse(&made.to_string());
        assert!(tracked.belongs_to("u1") && !tracked.belongs_to("u2"));
        let facts = tracked.facts(&grant());
        assert_eq!(
            (facts.task.as_str(), facts.item, facts.resource.name.as_str()),
            ("load", Some(3), "run-load-3-2-x")
        );
    }

    #[test]
    fn what_is_kept_of_an_object() {
        let deep = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
        let read = |fields: &str| {
            let text = format!(r#"{{"metadata":{{"name":"x","uid":"u","managedFields":[{deep}]}}{fields}}}"#);
            Tracked::parse(&text).facts(&grant())
        };
        let facts = read(r#","status":{"done":true}"#);
        assert_eq!(facts.object.as_deref(), Ok(r#"{"metadata":{"name":"x","uid":"u"},"status":{"done":true}}"#));
        let large = read(&format!(r#","status":"{}""#, "x".repeat(RESOURCE_BYTES)));
        let told = "and no more than 262144 are read";
        assert!(large.object.as_ref().is_err_and(|why| why.contains(told)), "{:?}", large.object);
        assert_eq!(large.uid, "u", "it is known all the same");
        assert!(read(&format!(r#","status":{deep}"#)).object.is_ok(), "what is deep isn't looked into");
    }

    #[test]
    fn what_is_no_object_belongs_to_nobody() {
        for text in ["1", "[]", "{}", r#"{"metadata":1}"#, r#"{"metadata":{"labels":{"a":1},"uid":2}}"#] {
            let tracked = Tracked::parse(text);
            assert!(!tracked.belongs_to("") && tracked.meta.uid.is_none(), "{text}");
        }
    }
}
