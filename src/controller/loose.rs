//! Objects that may fail to parse, one by one.
//!
//! A list is parsed as a whole, so a single object that our types can't take would make everyone's runs stop: one that was
//! written with another version of the CRD, or nested deeper than the parser goes. So each item is taken as raw text first,
//! and an object that fails keeps its metadata, for a report on it alone.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{OwnerReference, Time};
use kube::api::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::api::{Workflow, WorkflowRun};
use crate::engine::clip;
use crate::pods::{SlimMeta, SlimPod};

/// Bytes kept of the parser's words, which may hold a text of the object as long as that is.
const WORDS: usize = 1024;

/// An object as far as it could be parsed.
#[derive(Clone, Debug)]
pub struct Loose<T> {
    /// Its metadata, without managed fields.
    pub meta: ObjectMeta,
    /// Whether it has a status, be it one that could not be parsed.
    pub has_status: bool,
    /// The object, or why it could not be parsed, in at most 1 KiB.
    pub object: Result<T, String>,
}

/// The metadata that we read. Everything else is skipped without being looked at.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    generation: Option<i64>,
    creation_timestamp: Option<Time>,
    deletion_timestamp: Option<Time>,
    owner_references: Option<Vec<OwnerReference>>,
    finalizers: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct OnlyMetadata {
    #[serde(default)]
    metadata: Metadata,
    status: Option<serde::de::IgnoredAny>,
}

impl<T: Readable> Loose<T> {
    /// Parses an object from its JSON text.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let object = serde_json::from_str::<T>(text).map_err(|error| clip(&error.to_string(), WORDS));
        let told = object.as_ref().ok().and_then(T::told);
        let (meta, has_status) = told
            .unwrap_or_else(|| serde_json::from_str::<OnlyMetadata>(text).map(OnlyMetadata::told).unwrap_or_default());
        Self { meta, has_status, object }
    }
}

impl OnlyMetadata {
    fn told(self) -> (ObjectMeta, bool) {
        let Self { metadata: meta, status } = self;
        let meta = ObjectMeta {
            name: meta.name,
            namespace: meta.namespace,
            uid: meta.uid,
            resource_version: meta.resource_version,
            generation: meta.generation,
            creation_timestamp: meta.creation_timestamp,
            deletion_timestamp: meta.deletion_timestamp,
            owner_references: meta.owner_references,
            finalizers: meta.finalizers,
            ..ObjectMeta::default()
        };
        (meta, status.is_some())
    }
}

impl<'de, T: Readable> Deserialize<'de> for Loose<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self::parse(raw.get()))
    }
}

/// The Kubernetes type that a loose object is of.
pub trait Typed: Readable + 'static {
    /// The type with its group, version and plural.
    type Kind: kube::Resource<DynamicType = ()>;
}

impl Typed for Workflow {
    type Kind = Self;
}

impl Typed for WorkflowRun {
    type Kind = Self;
}

impl Typed for SlimPod {
    type Kind = k8s_openapi::api::core::v1::Pod;
}

/// What an object is parsed as.
pub trait Readable: DeserializeOwned {
    /// Its metadata, and whether it has a status, where that is to be had without reading its text once more.
    fn told(&self) -> Option<(ObjectMeta, bool)> {
        None
    }
}

impl Readable for Workflow {
    fn told(&self) -> Option<(ObjectMeta, bool)> {
        Some((read(&self.metadata), self.status.is_some()))
    }
}

impl Readable for WorkflowRun {
    fn told(&self) -> Option<(ObjectMeta, bool)> {
        Some((read(&self.metadata), self.status.is_some()))
    }
}

impl Readable for SlimPod {
    /// No more than what a watch needs: the rest is in the pod itself, and pods come by the thousands.
    fn told(&self) -> Option<(ObjectMeta, bool)> {
        let own = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let SlimMeta { name, namespace, uid, resource_version: version, .. } = &self.metadata;
        let (name, namespace, uid, resource_version) = (own(name), own(namespace), own(uid), own(version));
        Some((ObjectMeta { name, namespace, uid, resource_version, ..ObjectMeta::default() }, true))
    }
}

/// What we read of metadata.
fn read(meta: &ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: meta.name.clone(),
        namespace: meta.namespace.clone(),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        generation: meta.generation,
        creation_timestamp: meta.creation_timestamp.clone(),
        deletion_timestamp: meta.deletion_timestamp.clone(),
        owner_references: meta.owner_references.clone(),
        finalizers: meta.finalizers.clone(),
        ..ObjectMeta::default()
    }
}

impl<T: Typed> kube::Resource for Loose<T> {
    type DynamicType = ();
    /// All kinds that we watch live in namespaces.
    type Scope = k8s_openapi::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        T::Kind::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        T::Kind::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        T::Kind::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        T::Kind::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.meta
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.meta
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One object of a list is nested deeper than any parser of ours goes; another is of a shape that we don't know.
    #[test]
    fn one_bad_object_leaves_the_others_whole() {
        let deep = format!("{}1{}", "{\"a\":".repeat(2_000), "}".repeat(2_000));
        let run = |name: &str, params: &str| {
            format!(
                r#"{{"apiVersion":"gantline.dev/v1alpha1","kind":"WorkflowRun",
                    "metadata":{{"name":"{name}","uid":"u-{name}","managedFields":[{{"fieldsV1":{deep}}}]}},
                    "spec":{{"workflowRef":{{"name":"w"}},"params":{params}}}}}"#
            )
        };
        // The object that is fine has no managed fields, as those are parsed with it.
        let fine = r#"{"metadata":{"name":"fine","uid":"u-fine"},"spec":{"workflowRef":{"name":"w"}}}"#.to_owned();
        let list = format!("[{},{},{fine}]", run("deep", &deep), run("odd", "17"));
        let items: Vec<Loose<WorkflowRun>> = serde_json::from_str(&list).unwrap();
        let seen: Vec<(&str, bool)> =
            items.iter().map(|item| (item.meta.uid.as_deref().unwrap(), item.object.is_ok())).collect();
        assert_eq!(seen, [("u-deep", false), ("u-odd", false), ("u-fine", true)]);
    }

    /// What the parser says goes into logs and statuses.
    #[test]
    fn the_words_of_the_parser_are_bounded() {
        let long = "x\\u001b".repeat(100_000);
        let text = format!(r#"{{"metadata":{{}},"spec":{{}},"status":{{"phase":"{long}"}}}}"#);
        let why = Loose::<WorkflowRun>::parse(&text).object.unwrap_err();
        assert!(why.starts_with("unknown variant `x") && why.len() <= WORDS, "{why}");
        assert!(!why.contains('\u{1b}'), "{why}");
    }
}
