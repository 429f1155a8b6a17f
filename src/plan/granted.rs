//! Kinds of objects that `resource` tasks may make: those that whoever installs the operator grants, and none of those that nobody
//! may grant.

use std::fmt;
use std::str::FromStr;

use super::words::{is_dns_label, quote};
use crate::api::GROUP;

/// API groups whose kinds nobody can grant: they decide who may do what, what the API server takes, or who leads; and our own, of
/// which a task is a child run instead.
const GROUPS: [&str; 11] = [
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "events.k8s.io",
    "flowcontrol.apiserver.k8s.io",
    GROUP,
    "rbac.authorization.k8s.io",
];

/// The same of single kinds of the core group: each with its plural. A pod is a task of its own, and made this way would be none; the
/// others are a run's own volume claims, hold secrets, give rights, or are in no namespace.
const CORE: [(&str, &str); 12] = [
    ("Binding", "bindings"),
    ("ComponentStatus", "componentstatuses"),
    ("Event", "events"),
    ("LimitRange", "limitranges"),
    ("Namespace", "namespaces"),
    ("Node", "nodes"),
    ("PersistentVolume", "persistentvolumes"),
    ("PersistentVolumeClaim", "persistentvolumeclaims"),
    ("Pod", "pods"),
    ("ResourceQuota", "resourcequotas"),
    ("Secret", "secrets"),
    ("ServiceAccount", "serviceaccounts"),
];

/// Why nobody may grant a kind; nothing if somebody may.
#[must_use]
pub fn forbidden(group: &str, kind: &str, plural: &str) -> Option<&'static str> {
    let is_core = group.is_empty() && CORE.iter().any(|it| it.0 == kind || it.1 == plural);
    match (group, is_core) {
        ("", true) if kind == "Pod" || plural == "pods" => {
            Some("a pod is a task of its own: write image and command, or podTemplate")
        }
        ("", true) if kind == "PersistentVolumeClaim" || plural == "persistentvolumeclaims" => {
            Some("a claim is made for its run: write volumeClaims")
        }
        ("", true) => Some("such objects hold secrets, give rights or are in no namespace"),
        (GROUP, _) => Some("a run within a run is a task with workflowRef"),
        _ if GROUPS.contains(&group) => Some("kinds of this group give rights or rule the cluster"),
        _ => None,
    }
}

/// A kind that tasks may make.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// Its API group; empty for the core group.
    pub group: String,
    /// The version of the group that is used.
    pub version: String,
    /// The kind, as manifests write it.
    pub kind: String,
    /// Its plural, as paths of the API and rules of RBAC write it.
    pub plural: String,
}

impl Grant {
    /// Group and version as manifests write them.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}={}", self.api_version(), self.kind, self.plural)
    }
}

impl FromStr for Grant {
    type Err = String;

    /// Reads `apiVersion/Kind=plural`, as in `batch/v1/Job=jobs`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            let text = quote(text);
            format!(
                "`{text}` is no kind: write apiVersion/Kind=plural, as in batch/v1/Job=jobs or v1/ConfigMap=configmaps"
            )
        };
        let (kind, plural) = text.trim().split_once('=').ok_or_else(wrong)?;
        let (api_version, kind) = kind.rsplit_once('/').ok_or_else(wrong)?;
        let (group, version) = split(api_version).ok_or_else(wrong)?;
        if !is_kind(kind) || !is_dns_label(plural) {
            return Err(wrong());
        }
        if let Some(why) = forbidden(group, kind, plural) {
            return Err(format!("{} may not be made by tasks: {why}", quote(&format!("{api_version}/{kind}"))));
        }
        let [group, version, kind, plural] = [group, version, kind, plural].map(str::to_owned);
        Ok(Self { group, version, kind, plural })
    }
}

/// Group and version of an apiVersion; nothing if it is none.
pub(super) fn split(api_version: &str) -> Option<(&str, &str)> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let is_group = group.split('.').all(is_dns_label) && group.len() <= 253;
    let is_core = group.is_empty() && !api_version.contains('/');
    (is_dns_label(version) && (is_core || is_group)).then_some((group, version))
}

/// Whether a text can be the name of a kind.
pub(super) fn is_kind(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric())
        && text.len() <= 63
}

/// All kinds that tasks may make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted(Vec<Grant>);

impl Granted {
    /// These kinds, each once.
    #[must_use]
    pub fn new(mut grants: Vec<Grant>) -> Self {
        grants.sort_unstable();
        grants.dedup();
        Self(grants)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Grant> {
        self.0.iter()
    }

    /// The grant of a kind, if there is one.
    #[must_use]
    pub fn find(&self, api_version: &str, kind: &str) -> Option<&Grant> {
        self.0.iter().find(|grant| grant.kind == kind && grant.api_version() == api_version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_names_a_kind_as_manifests_and_paths_do() {
        for (text, group, version, api_version) in [
            ("batch/v1/Job=jobs", "batch", "v1", "batch/v1"),
            ("v1/ConfigMap=configmaps", "", "v1", "v1"),
            (
                "sparkoperator.k8s.io/v1beta2/SparkApplication=sparkapplications",
                "sparkoperator.k8s.io",
                "v1beta2",
                "sparkoperator.k8s.io/v1beta2",
            ),
        ] {
            let grant: Grant = text.parse().expect(text);
            assert_eq!((grant.group.as_str(), grant.version.as_str()), (group, version));
            assert_eq!((grant.api_version().as_str(), grant.to_string().as_str()), (api_version, text));
        }
        let granted = Granted::new(vec!["batch/v1/Job=jobs".parse().expect("a grant")]);
        assert!(granted.find("batch/v1", "Job").is_some());
        assert_eq!(granted.find("batch/v1beta1", "Job"), None, "another version isn't followed");
    }

    #[test]
    fn what_names_no_kind() {
        for text in [
            "",
            "Job",
            "batch/v1/Job",
            "batch/v1/job=jobs",
            "batch/v1/Job=",
            "batch/v1/Job=jobs/status",
            "/v1/Job=jobs",
            "a b/v1/Job=jobs",
            "batch/v1/Job=*",
        ] {
            let wrong = text.parse::<Grant>().expect_err(text);
            assert!(wrong.contains("write apiVersion/Kind=plural"), "{wrong}");
        }
    }

    /// Whichever of kind and plural is said.
    #[test]
    fn what_nobody_can_grant() {
        for text in [
            "v1/Secret=secrets",
            "v1/Secret=configmaps",
            "v1/ConfigMap=secrets",
            "v1/Pod=pods",
            "v1/ServiceAccount=serviceaccounts",
            "v1/Node=nodes",
            "rbac.authorization.k8s.io/v1/RoleBinding=rolebindings",
            "rbac.authorization.k8s.io/v1/ClusterRole=clusterroles",
            "admissionregistration.k8s.io/v1/ValidatingWebhookConfiguration=validatingwebhookconfigurations",
            "certificates.k8s.io/v1/CertificateSigningRequest=certificatesigningrequests",
            "apiextensions.k8s.io/v1/CustomResourceDefinition=customresourcedefinitions",
            "coordination.k8s.io/v1/Lease=leases",
            "gantline.dev/v1alpha1/WorkflowRun=workflowruns",
        ] {
            let wrong = text.parse::<Grant>().expect_err(text);
            assert!(wrong.contains("may not be made by tasks"), "{wrong}");
        }
    }
}
