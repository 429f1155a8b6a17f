//! `volumeClaims`: claims that each run has, and which tasks mount them.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::problem::{Code, Problem};
use super::report::{Path, Report};
use super::resources::is_quantity;
use super::tasks::Tasks;
use super::words::{is_dns_label, listing, quote};
use super::{Plan, PlannedTask, limits, size};
use crate::api::{VolumeClaim, WorkflowSpec};

/// Ways to mount a volume (`PersistentVolumeAccessMode` in the API reference of Kubernetes).
const MODES: [&str; 4] = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"];

/// Says what is wrong with the claims.
pub(super) fn check(spec: &WorkflowSpec, listed: &Tasks<'_>, report: &mut Report) {
    let path = Path::Root("volumeClaims");
    let claims = &spec.volume_claims;
    if claims.len() > limits::VOLUME_CLAIMS {
        let (count, max) = (claims.len(), limits::VOLUME_CLAIMS);
        report.add(Code::TooMany, &path, || format!("has {count} entries, {max} are allowed"));
    }
    let mut names = BTreeSet::new();
    for (index, claim) in claims.iter().enumerate() {
        let path = path.index(index);
        check_name(&claim.name, &path.field("name"), report);
        if !names.insert(claim.name.as_str()) {
            report.add(Code::DuplicateVolume, &path.field("name"), || {
                format!("`{}` is the name of another claim too: give each its own", quote(&claim.name))
            });
        }
        check_spec(claim, &path.field("spec"), report);
    }
    let defaults = spec.task_defaults.as_ref().and_then(|defaults| defaults.pod_template.as_ref());
    check_volumes(defaults, &names, &Path::Root("taskDefaults"), report);
    for (index, task) in listed.all.iter().enumerate() {
        check_volumes(task.pod_template.as_ref(), &names, &listed.path(index), report);
    }
}

fn check_name(name: &str, path: &Path<'_>, report: &mut Report) {
    if !is_dns_label(name) || name.len() > limits::DNS_LABEL {
        report.add(Code::BadVolumeClaim, path, || {
            let (name, max) = (quote(name), limits::DNS_LABEL);
            format!("`{name}` can't name a volume: write at most {max} lower-case letters, digits and dashes, no dash at either end")
        });
    }
}

/// What no claim can be without. The rest is the API server's to judge.
fn check_spec(claim: &VolumeClaim, path: &Path<'_>, report: &mut Report) {
    let spec = &claim.spec;
    let bytes = size::serialised(spec);
    if bytes > limits::VOLUME_CLAIM_BYTES {
        let max = limits::VOLUME_CLAIM_BYTES;
        report.add(Code::TooLong, path, || format!("has {bytes} bytes, {max} are allowed"));
    }
    let modes = spec.get("accessModes").and_then(Value::as_array);
    let known = |mode: &Value| mode.as_str().is_some_and(|mode| MODES.contains(&mode));
    if modes.is_none_or(|modes| modes.is_empty() || !modes.iter().all(known)) {
        report.add(Code::BadVolumeClaim, &path.field("accessModes"), || {
            format!("must list one or more of {}: write [ReadWriteOnce] if in doubt", listing(MODES))
        });
    }
    let storage = spec.get("resources").and_then(|resources| resources.get("requests")?.get("storage"));
    let amount = storage.is_some_and(|storage| match storage {
        Value::String(text) => is_quantity(text),
        Value::Number(number) => number.as_u64().is_some(),
        _ => false,
    });
    if !amount {
        report.add(Code::BadVolumeClaim, &path.field("resources"), || {
            "must say how large the volume is at least: write {requests: {storage: 1Gi}}".to_owned()
        });
    }
}

/// A pod has one volume of a name: that of the claim, or one of its own.
fn check_volumes(template: Option<&Map<String, Value>>, claims: &BTreeSet<&str>, path: &Path<'_>, report: &mut Report) {
    let volumes = template.and_then(|template| template.get("spec")?.get("volumes")?.as_array());
    let path = path.field("podTemplate");
    let path = path.field("spec");
    let path = path.field("volumes");
    for (at, volume) in volumes.into_iter().flatten().enumerate() {
        let Some(name) = volume.get("name").and_then(Value::as_str).filter(|name| claims.contains(name)) else {
            continue;
        };
        report.add(Code::DuplicateVolume, &path.index(at).field("name"), || {
            let name = quote(name);
            format!("`{name}` is the name of a volume claim, of which the pod has its volume: remove this one, or rename one of them")
        });
    }
}

/// The claims that a task's containers mount, by name. `claims` are all that there are.
pub(super) fn mounted(task: &PlannedTask, claims: &BTreeSet<Arc<str>>) -> Vec<Arc<str>> {
    if claims.is_empty() {
        return Vec::new();
    }
    let lists = ["containers", "initContainers"];
    let containers = task.templates.iter().flat_map(|template| {
        let spec = template.get("spec");
        lists.into_iter().filter_map(move |list| spec?.get(list)?.as_array()).flatten()
    });
    let mounts = containers.flat_map(|container| {
        ["volumeMounts", "volumeDevices"].into_iter().filter_map(|list| container.get(list)?.as_array()).flatten()
    });
    let found: BTreeSet<&Arc<str>> = mounts.filter_map(|mount| claims.get(mount.get("name")?.as_str()?)).collect();
    found.into_iter().map(Arc::clone).collect()
}

/// The names of all claims.
pub(super) fn names(claims: &[VolumeClaim]) -> BTreeSet<Arc<str>> {
    claims.iter().map(|claim| Arc::from(claim.name.as_str())).collect()
}

impl Plan {
    /// The claims that a run of this plan has.
    #[must_use]
    pub fn volume_claims(&self) -> &[VolumeClaim] {
        &self.volume_claims
    }

    /// Claims that no task mounts.
    pub(super) fn unused_claims(&self) -> Vec<Problem> {
        let mounted: BTreeSet<&str> = self.tasks.iter().flat_map(|task| &task.claims).map(AsRef::as_ref).collect();
        let claims = self.volume_claims.iter().enumerate().filter(|(_, claim)| !mounted.contains(claim.name.as_str()));
        let told = claims.map(|(index, claim)| Problem {
            code: Code::UnusedVolumeClaim,
            path: format!("volumeClaims[{index}]"),
            message: format!(
                "no task mounts `{0}`, so that it is never made: add {{name: {0}, mountPath: …}} to the volumeMounts of a container in a podTemplate, or remove it",
                claim.name
            ),
        });
        told.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, refused};
    use super::*;

    const SPEC: &str = "{accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}";

    fn mounts(container: &str, name: &str) -> String {
        format!(
            "podTemplate: {{spec: {{{container}: [{{name: main, volumeMounts: [{{name: {name}, mountPath: /w}}]}}]}}}}"
        )
    }

    #[test]
    fn a_task_mounts_what_a_container_of_its_templates_names() {
        let main = mounts("containers", "work");
        let text = format!(
            "volumeClaims: [{{name: cache, spec: {SPEC}}}, {{name: work, spec: {SPEC}}}]
taskDefaults:
  image: i
  podTemplate: {{spec: {{initContainers: [{{name: warm, image: i, volumeDevices: [{{name: cache, devicePath: /dev/x}}]}}]}}}}
tasks:
- {{name: a}}
- {{name: b, {main}}}
- {{name: c, {}}}
- {{name: d, join: {{}}}}
",
            mounts("containers", "other")
        );
        let plan = plan(&text);
        let mounted: Vec<String> = plan.tasks().iter().map(|task| task.claims.join(" ")).collect();
        assert_eq!(mounted, ["cache", "cache work", "cache", ""]);
        assert_eq!(plan.warnings(), []);
    }

    #[test]
    fn a_claim_that_nobody_mounts_is_told() {
        let text = format!("volumeClaims: [{{name: work, spec: {SPEC}}}]\ntasks: [{{name: a, image: i}}]");
        let told: Vec<String> = plan(&text).warnings().iter().map(|it| format!("{} {it}", it.code)).collect();
        assert_eq!(
            told,
            [
                "UnusedVolumeClaim volumeClaims[0]: no task mounts `work`, so that it is never made: add {name: work, mountPath: …} to the volumeMounts of a container in a podTemplate, or remove it"
            ]
        );
    }

    #[test]
    #[rustfmt::skip]
    fn claims_that_cannot_be() {
        let large = format!("{{accessModes: [ReadWriteOnce], resources: {{requests: {{storage: 1Gi}}}}, note: {}}}", "x".repeat(4096));
        let many: Vec<String> = (0..17).map(|number| format!("{{name: c{number}, spec: {SPEC}}}")).collect();
        for (claims, code, path, words) in [
            (format!("[{{name: Work, spec: {SPEC}}}]"), Code::BadVolumeClaim, "volumeClaims[0].name", "`Work` can't name a volume"),
            (format!("[{{name: w, spec: {SPEC}}}, {{name: w, spec: {SPEC}}}]"), Code::DuplicateVolume, "volumeClaims[1].name", "another claim"),
            ("[{name: w, spec: {resources: {requests: {storage: 1Gi}}}}]".into(), Code::BadVolumeClaim, "volumeClaims[0].spec.accessModes", "[ReadWriteOnce]"),
            ("[{name: w, spec: {accessModes: [], resources: {requests: {storage: 1}}}}]".into(), Code::BadVolumeClaim, "volumeClaims[0].spec.accessModes", "ReadWriteMany"),
            ("[{name: w, spec: {accessModes: [Read], resources: {requests: {storage: 1Gi}}}}]".into(), Code::BadVolumeClaim, "volumeClaims[0].spec.accessModes", "ReadOnlyMany"),
            ("[{name: w, spec: {accessModes: [ReadWriteOnce]}}]".into(), Code::BadVolumeClaim, "volumeClaims[0].spec.resources", "storage: 1Gi"),
            ("[{name: w, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1GB}}}}]".into(), Code::BadVolumeClaim, "volumeClaims[0].spec.resources", "storage: 1Gi"),
            (format!("[{{name: w, spec: {large}}}]"), Code::TooLong, "volumeClaims[0].spec", "4096 are allowed"),
            (format!("[{}]", many.join(", ")), Code::TooMany, "volumeClaims", "17 entries, 16 are allowed"),
        ] {
            refused(&format!("volumeClaims: {claims}\ntasks: [{{name: a, image: i}}]"), code, path, words);
        }
        let own = "podTemplate: {spec: {volumes: [{name: x}, {name: w, emptyDir: {}}]}}";
        let text = format!("volumeClaims: [{{name: w, spec: {SPEC}}}]\ntasks: [{{name: a, image: i, {own}}}]");
        refused(&text, Code::DuplicateVolume, "tasks[0].podTemplate.spec.volumes[1].name", "`w` is the name of a volume claim");
    }
}
