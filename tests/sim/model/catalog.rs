//! The resources that the model serves.

use std::sync::LazyLock;

use serde_json::Value;

use super::kind::Kind;
use super::schema::Schema;

/// A resource: how paths and objects name it, and how it behaves.
#[derive(Debug)]
pub(super) struct Resource {
    /// Its place in the store.
    pub index: usize,
    /// API group; empty for the core group.
    pub group: String,
    pub version: String,
    pub plural: String,
    /// Kind of its objects.
    pub kind: String,
    /// Whether its objects are in namespaces.
    pub namespaced: bool,
    /// Subresources beside the object itself.
    pub subresources: Vec<&'static str>,
    /// What is special about it.
    pub behaviour: Kind,
    /// The schema of a custom resource.
    pub schema: Option<Schema>,
}

impl Resource {
    /// Whether it has a subresource of this name.
    pub fn has(&self, subresource: &str) -> bool {
        self.subresources.contains(&subresource)
    }

    /// `apiVersion` of its objects.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The path of one of its objects.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let scope = if namespace.is_empty() { String::new() } else { format!("/namespaces/{namespace}") };
        format!("{root}/{}{scope}/{}/{name}", self.api_version(), self.plural)
    }

    /// As messages name it: `workflowruns.gantline.dev`.
    pub fn qualified(&self) -> String {
        qualify(&self.plural, &self.group)
    }

    /// As messages name its kind: `WorkflowRun.gantline.dev`.
    pub fn qualified_kind(&self) -> String {
        qualify(&self.kind, self.kind_group())
    }

    /// The group that refusals name with its kind: Events are validated as those of the core group.
    pub fn kind_group(&self) -> &str {
        if self.behaviour == Kind::Event { "" } else { &self.group }
    }
}

fn qualify(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

static CATALOG: LazyLock<Vec<Resource>> = LazyLock::new(|| {
    let built_in = |behaviour, group: &str, plural: &str, kind: &str, subresources: &[&'static str]| Resource {
        index: 0,
        group: group.to_owned(),
        version: "v1".to_owned(),
        plural: plural.to_owned(),
        kind: kind.to_owned(),
        namespaced: behaviour != Kind::Namespace,
        subresources: subresources.to_vec(),
        behaviour,
        schema: None,
    };
    let mut catalog = vec![
        built_in(Kind::Namespace, "", "namespaces", "Namespace", &["status", "finalize"]),
        built_in(Kind::Pod, "", "pods", "Pod", &["status", "binding"]),
        built_in(Kind::VolumeClaim, "", "persistentvolumeclaims", "PersistentVolumeClaim", &["status"]),
        built_in(Kind::Event, "events.k8s.io", "events", "Event", &[]),
        built_in(Kind::Lease, "coordination.k8s.io", "leases", "Lease", &[]),
    ];
    catalog.extend(
        [
            include_str!("../../../crds/workflow.yaml"),
            include_str!("../../../crds/workflowrun.yaml"),
            include_str!("../../../crds/workflowrecord.yaml"),
            include_str!("load.yaml"),
        ]
        .map(custom),
    );
    for (index, resource) in catalog.iter_mut().enumerate() {
        resource.index = index;
    }
    catalog
});

/// The resource that a `CustomResourceDefinition` defines.
fn custom(yaml: &str) -> Resource {
    let crd: Value = serde_saphyr::from_str(yaml).expect("a CRD is YAML");
    let text = |path: &str| crd.pointer(path).and_then(Value::as_str).expect(path).to_owned();
    let version = &crd["spec"]["versions"][0];
    Resource {
        index: 0,
        group: text("/spec/group"),
        version: text("/spec/versions/0/name"),
        plural: text("/spec/names/plural"),
        kind: text("/spec/names/kind"),
        namespaced: text("/spec/scope") == "Namespaced",
        subresources: if version["subresources"]["status"].is_object() { vec!["status"] } else { Vec::new() },
        behaviour: Kind::Custom,
        schema: Some(Schema::parse(&version["schema"]["openAPIV3Schema"])),
    }
}

/// All resources, in the order of their index.
pub(super) fn all() -> &'static [Resource] {
    &CATALOG
}

/// The resource that a path names.
pub(super) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Resource> {
    all().iter().find(|resource| resource.plural == plural && resource.group == group && resource.version == version)
}

/// The resource of this plural.
pub(super) fn by_plural(plural: &str) -> Option<&'static Resource> {
    all().iter().find(|resource| resource.plural == plural)
}

/// The resource whose objects have this `apiVersion` and kind.
pub(super) fn by_kind(api_version: &str, kind: &str) -> Option<&'static Resource> {
    all().iter().find(|resource| resource.kind == kind && resource.api_version() == api_version)
}
