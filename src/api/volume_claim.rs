//! Volumes that the tasks of a run share.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A template of a PersistentVolumeClaim. Each run has one made from it, before the first pod that mounts it: a container mounts
/// it with an entry of this name in its volumeMounts or volumeDevices; the pod's volume of that name is Gantline's. It goes when
/// its run is deleted, and no sooner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeClaim {
    /// Name by which containers mount it, unique in the workflow: a DNS label of at most 63 characters. Example: `work`.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The claim's spec, as in a PersistentVolumeClaim. At most 4 KiB. Example: `{accessModes: [ReadWriteOnce], resources:
    /// {requests: {storage: 1Gi}}}`.
    #[schemars(schema_with = "super::schema::object")]
    pub spec: Map<String, Value>,
}

/// The PersistentVolumeClaim that a run has of one of its workflow's volumeClaims.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct VolumeClaimStatus {
    /// Name in the workflow.
    pub name: String,
    /// Name of the PersistentVolumeClaim, on record before it is made.
    pub claim: String,
    /// Its uid, once it is known. From then on it isn't made again, whatever becomes of it: its data would be gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
}
