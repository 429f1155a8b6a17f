//! Templates and pods that are odd in every way, for property tests.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// JSON with names that the merge tables know, in all the wrong places.
fn odd_json() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "metadata",
        "labels",
        "annotations",
        "spec",
        "containers",
        "initContainers",
        "name",
        "env",
        "ports",
        "containerPort",
        "protocol",
        "volumes",
        "tolerations",
        "key",
        "securityContext",
        "privileged",
        "other",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i8>().prop_map(Value::from),
        prop::sample::select(vec!["main", "a", "TCP", "GANTLINE_RUN", ""]).prop_map(Value::from),
    ];
    leaf.prop_recursive(8, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// A template that has at least the outline of one.
pub(super) fn odd_template() -> impl Strategy<Value = Map<String, Value>> {
    (odd_json(), odd_json(), odd_json()).prop_map(|(containers, volumes, metadata)| {
        let template = json!({
            "metadata": metadata,
            "spec": {"containers": containers, "volumes": volumes},
        });
        template.as_object().cloned().unwrap_or_default()
    })
}

/// JSON with the names of a pod in all the wrong places.
pub(super) fn odd_pod() -> impl Strategy<Value = Value> {
    let key = prop::sample::select(vec![
        "metadata",
        "spec",
        "status",
        "name",
        "labels",
        "gantline.dev/attempt",
        "ownerReferences",
        "controller",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "finalizers",
        "containers",
        "initContainers",
        "restartPolicy",
        "restartPolicyRules",
        "schedulingGates",
        "phase",
        "reason",
        "message",
        "conditions",
        "type",
        "lastTransitionTime",
        "containerStatuses",
        "initContainerStatuses",
        "state",
        "waiting",
        "running",
        "terminated",
        "exitCode",
        "startedAt",
        "other",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        prop::sample::select(vec![
            "main",
            "Failed",
            "Pending",
            "True",
            "False",
            "DisruptionTarget",
            "PodScheduled",
            "ImagePullBackOff",
            "Back-off pulling image \"",
            "Back-off pulling image \"x\": ErrImagePull: ",
            "Pod was rejected: ",
            "-009999-01-02T01:59:59Z",
            "9999-12-30T22:00:00Z",
            "ß",
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 80, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key.clone().prop_map(str::to_owned), inner, 0..10)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}
