//! A run's volume claims: their manifests, and the volumes by which its pods have them.

use serde_json::{Map, Value, json};

use super::build::{Owner, owner_reference, take_list};
use crate::api::{VolumeClaim, label};
use crate::mutant::{Mutant, is};
use crate::plan::{PlannedTask, claim_name};

/// The manifest of a run's claim. The same arguments give the same bytes.
#[must_use]
pub fn volume_claim(owner: &Owner<'_>, claim: &VolumeClaim, name: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": {
                (label::MANAGED_BY): "gantline",
                (label::RUN): owner.name,
                (label::RUN_UID): owner.uid,
            },
            "ownerReferences": if is(Mutant::ClaimWithoutOwner) { json!([]) } else { json!([owner_reference(owner)]) },
        },
        "spec": claim.spec,
    })
}

/// Whether an object is the claim of this run: controlled by it, and labelled so.
#[must_use]
pub fn is_claim_of(claim: &Value, run_uid: &str) -> bool {
    let owners = claim.pointer("/metadata/ownerReferences").and_then(Value::as_array);
    let controls = |owner: &Value| {
        owner.get("controller") == Some(&Value::Bool(true))
            && owner.get("kind").and_then(Value::as_str) == Some("WorkflowRun")
            && owner.get("uid").and_then(Value::as_str) == Some(run_uid)
    };
    let labels = claim.pointer("/metadata/labels");
    let labelled = labels.and_then(|labels| labels.get(label::RUN_UID)?.as_str()) == Some(run_uid);
    labelled && owners.is_some_and(|owners| owners.iter().any(controls))
}

/// Gives a pod the volumes of the claims that its task mounts; no volume of a template has the name of one.
pub(super) fn mount(spec: &mut Map<String, Value>, owner: &Owner<'_>, task: &PlannedTask) {
    if task.claims.is_empty() {
        return;
    }
    let mut volumes = take_list(spec, "volumes");
    volumes.extend(task.claims.iter().map(|name| {
        let claim = claim_name(owner.name, owner.uid, name);
        json!({ "name": **name, "persistentVolumeClaim": { "claimName": claim } })
    }));
    spec.insert("volumes".into(), Value::Array(volumes));
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWNER: Owner<'_> = Owner { name: "nightly", namespace: "analytics", uid: "0c5c7b1e-run" };

    fn claim() -> Value {
        let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
        let spec = spec.as_object().cloned().unwrap_or_default();
        volume_claim(&OWNER, &VolumeClaim { name: "work".into(), spec }, "nightly-work-0123456789")
    }

    #[test]
    fn the_claim_of_a_run() {
        assert_eq!(
            claim(),
            json!({
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "metadata": {
                    "name": "nightly-work-0123456789",
                    "namespace": "analytics",
                    "labels": {
                        "app.kubernetes.io/managed-by": "gantline",
                        "gantline.dev/run": "nightly",
                        "gantline.dev/run-uid": "0c5c7b1e-run",
                    },
                    "ownerReferences": [{
                        "apiVersion": "gantline.dev/v1alpha1",
                        "kind": "WorkflowRun",
                        "name": "nightly",
                        "uid": "0c5c7b1e-run",
                        "controller": true,
                    }],
                },
                "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
            })
        );
    }

    #[test]
    fn whose_a_claim_is() {
        let changed = |path: &str, value: Value| {
            let mut claim = claim();
            if let Some(field) = claim.pointer_mut(path) {
                *field = value;
            }
            claim
        };
        let owner = "/metadata/ownerReferences/0";
        for (claim, uid, own) in [
            (claim(), OWNER.uid, true),
            (claim(), "another", false),
            (changed("/metadata/labels", json!({})), OWNER.uid, false),
            (changed(&format!("{owner}/uid"), json!("another")), OWNER.uid, false),
            (changed(&format!("{owner}/controller"), json!(false)), OWNER.uid, false),
            (changed(&format!("{owner}/kind"), json!("Job")), OWNER.uid, false),
            (json!({}), OWNER.uid, false),
        ] {
            assert_eq!(is_claim_of(&claim, uid), own, "{claim} {uid}");
        }
    }

    #[test]
    fn volumes_are_added_beside_those_of_a_template() {
        let claim = claim_name(OWNER.name, OWNER.uid, "work");
        for (spec, claims, expected) in [
            (json!({}), vec![], json!({})),
            (
                json!({ "volumes": [{ "name": "tmp", "emptyDir": {} }] }),
                vec!["work".into()],
                json!({ "volumes": [
                    { "name": "tmp", "emptyDir": {} },
                    { "name": "work", "persistentVolumeClaim": { "claimName": claim } },
                ] }),
            ),
        ] {
            let mut found = spec.as_object().cloned().unwrap_or_default();
            mount(&mut found, &OWNER, &PlannedTask { claims, ..PlannedTask::default() });
            assert_eq!(Value::Object(found), expected, "{spec}");
        }
    }
}
