use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::pods::odd::odd_template;

fn merged(base: &Value, layer: &Value) -> Value {
    let (Value::Object(mut base), Value::Object(layer)) = (base.clone(), layer.clone()) else {
        panic!("not objects");
    };
    merge(&mut base, &layer);
    Value::Object(base)
}

/// `what`, the list below `spec` (or below `main`), the layer's, the result's.
fn check(rows: Vec<(&str, Value, Value, Value)>, wrap: impl Fn(Value) -> Value) {
    for (what, base, layer, expected) in rows {
        assert_eq!(merged(&wrap(base), &wrap(layer)), wrap(expected), "{what}");
    }
}

#[test]
fn objects_are_merged_and_null_removes() {
    check(
        vec![
            ("a key is added", json!({"a": 1}), json!({"b": 2}), json!({"a": 1, "b": 2})),
            ("a value is replaced", json!({"a": 1}), json!({"a": 2}), json!({"a": 2})),
            ("objects are merged", json!({"a": {"b": 1}}), json!({"a": {"c": 2}}), json!({"a": {"b": 1, "c": 2}})),
            ("null removes", json!({"a": 1, "b": 2}), json!({"a": null}), json!({"b": 2})),
            (
                "null removes deep down",
                json!({"a": {"b": {"c": 1, "d": 2}}}),
                json!({"a": {"b": {"c": null}}}),
                json!({"a": {"b": {"d": 2}}}),
            ),
            (
                "null where there is nothing is nothing",
                json!({}),
                json!({"a": null, "b": {"c": null}}),
                json!({"b": {}}),
            ),
            ("an object replaces something else", json!({"a": 1}), json!({"a": {"b": 2}}), json!({"a": {"b": 2}})),
            ("something else replaces an object", json!({"a": {"b": 2}}), json!({"a": "x"}), json!({"a": "x"})),
            ("a list without a key is replaced", json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            ("an empty list empties it", json!({"a": [1]}), json!({"a": []}), json!({"a": []})),
            (
                "a list of the same name elsewhere is replaced",
                json!({"affinity": {"env": [{"name": "a"}]}}),
                json!({"affinity": {"env": [{"name": "b"}]}}),
                json!({"affinity": {"env": [{"name": "b"}]}}),
            ),
        ],
        |spec| json!({ "spec": spec }),
    );
    check(
        vec![
            (
                "labels and annotations are objects",
                json!({"labels": {"a": "1"}}),
                json!({"labels": {"b": "2"}}),
                json!({"labels": {"a": "1", "b": "2"}}),
            ),
            (
                "finalizers are replaced",
                json!({"finalizers": ["a"]}),
                json!({"finalizers": ["b"]}),
                json!({"finalizers": ["b"]}),
            ),
        ],
        |metadata| json!({ "metadata": metadata }),
    );
}

#[test]
fn containers_are_merged_by_name() {
    for field in ["containers", "initContainers", "ephemeralContainers"] {
        check(
            vec![
                (
                    "by name, keeping its place",
                    json!([{"name": "a", "image": "x"}, {"name": "b"}]),
                    json!([{"name": "b", "image": "y"}, {"name": "a", "command": ["c"]}]),
                    json!([{"name": "a", "image": "x", "command": ["c"]}, {"name": "b", "image": "y"}]),
                ),
                (
                    "a new one comes last",
                    json!([{"name": "a"}]),
                    json!([{"name": "z"}, {"name": "b"}]),
                    json!([{"name": "a"}, {"name": "z"}, {"name": "b"}]),
                ),
                (
                    "null removes a field",
                    json!([{"name": "a", "command": ["c"]}]),
                    json!([{"name": "a", "command": null}]),
                    json!([{"name": "a"}]),
                ),
                (
                    "null in a new one is nothing",
                    json!([]),
                    json!([{"name": "a", "command": null}]),
                    json!([{"name": "a"}]),
                ),
                (
                    "command and args are replaced",
                    json!([{"name": "a", "args": ["1", "2"]}]),
                    json!([{"name": "a", "args": ["3"]}]),
                    json!([{"name": "a", "args": ["3"]}]),
                ),
                (
                    "deep",
                    json!([{"name": "a", "resources": {"limits": {"cpu": "1"}}}]),
                    json!([{"name": "a", "resources": {"limits": {"memory": "1Gi"}}}]),
                    json!([{"name": "a", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}}}]),
                ),
                (
                    "capabilities are lists without a key",
                    json!([{"name": "a", "securityContext": {"capabilities": {"drop": ["ALL"]}}}]),
                    json!([{"name": "a", "securityContext": {"capabilities": {"drop": ["X"], "add": ["Y"]}}}]),
                    json!([{"name": "a", "securityContext": {"capabilities": {"drop": ["X"], "add": ["Y"]}}}]),
                ),
                (
                    "what is no container stays for the API server to refuse",
                    json!([{"name": "a"}]),
                    json!([null, 1]),
                    json!([{"name": "a"}, null, 1]),
                ),
            ],
            |list| json!({ "spec": { field: list } }),
        );
    }
    let base = json!({"spec": {"containers": [{"name": "a"}]}});
    let layer = json!({"spec": {"containers": null}});
    assert_eq!(merged(&base, &layer), json!({"spec": {}}), "null removes the list");
}

#[test]
fn entries_of_a_container_are_replaced_by_their_key() {
    let main =
        |field: &'static str| move |list: Value| json!({"spec": {"containers": [{"name": "main", field: list}]}});
    check(
        vec![
            (
                "env: by name, whole, keeping its place",
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]),
                json!([{"name": "C", "value": "3"}, {"name": "A", "valueFrom": {"fieldRef": {}}}]),
                json!([{"name": "A", "valueFrom": {"fieldRef": {}}}, {"name": "B", "value": "2"}, {"name": "C", "value": "3"}]),
            ),
            (
                "env: null in an entry is nothing",
                json!([{"name": "A", "value": "1"}]),
                json!([{"name": "A", "value": null}]),
                json!([{"name": "A"}]),
            ),
            (
                "env: a name twice matches twice",
                json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
                json!([{"name": "A", "value": "3"}, {"name": "A", "value": "4"}, {"name": "A", "value": "5"}]),
                json!([{"name": "A", "value": "3"}, {"name": "A", "value": "4"}, {"name": "A", "value": "5"}]),
            ),
        ],
        main("env"),
    );
    check(
        vec![(
            "by mountPath",
            json!([{"mountPath": "/a", "name": "x", "readOnly": true}]),
            json!([{"mountPath": "/a", "name": "y"}, {"mountPath": "/b", "name": "x"}]),
            json!([{"mountPath": "/a", "name": "y"}, {"mountPath": "/b", "name": "x"}]),
        )],
        main("volumeMounts"),
    );
    check(
        vec![(
            "by devicePath",
            json!([{"devicePath": "/dev/a", "name": "x"}]),
            json!([{"devicePath": "/dev/a", "name": "y"}]),
            json!([{"devicePath": "/dev/a", "name": "y"}]),
        )],
        main("volumeDevices"),
    );
    check(
        vec![
            (
                "by port and protocol, TCP if not said",
                json!([{"containerPort": 53}, {"containerPort": 53, "protocol": "UDP"}]),
                json!([{"containerPort": 53, "protocol": "TCP", "name": "a"}, {"containerPort": 53, "protocol": "UDP", "name": "b"}]),
                json!([{"containerPort": 53, "protocol": "TCP", "name": "a"}, {"containerPort": 53, "protocol": "UDP", "name": "b"}]),
            ),
            (
                "another port is added",
                json!([{"containerPort": 1}]),
                json!([{"containerPort": 2}]),
                json!([{"containerPort": 1}, {"containerPort": 2}]),
            ),
        ],
        main("ports"),
    );
    check(
        vec![("envFrom has no key", json!([{"prefix": "a"}]), json!([{"prefix": "b"}]), json!([{"prefix": "b"}]))],
        main("envFrom"),
    );
}

#[test]
fn entries_of_a_pod_are_replaced_by_their_key() {
    for (field, base, layer, expected) in [
        (
            "volumes",
            json!([{"name": "v", "emptyDir": {}}, {"name": "w"}]),
            json!([{"name": "v", "configMap": {"name": "c"}}]),
            json!([{"name": "v", "configMap": {"name": "c"}}, {"name": "w"}]),
        ),
        (
            "imagePullSecrets",
            json!([{"name": "a"}]),
            json!([{"name": "b"}, {"name": "a"}]),
            json!([{"name": "a"}, {"name": "b"}]),
        ),
        (
            "resourceClaims",
            json!([{"name": "a", "resourceClaimName": "x"}]),
            json!([{"name": "a", "resourceClaimTemplateName": "y"}]),
            json!([{"name": "a", "resourceClaimTemplateName": "y"}]),
        ),
        ("schedulingGates", json!([{"name": "a"}]), json!([{"name": "b"}]), json!([{"name": "a"}, {"name": "b"}])),
        (
            "tolerations",
            json!([{"key": "spot", "operator": "Exists"}, {"operator": "Exists", "effect": "NoExecute"}]),
            json!([{"key": "gpu"}, {"key": "spot", "value": "1"}, {"operator": "Exists"}]),
            json!([{"key": "spot", "value": "1"}, {"operator": "Exists"}, {"key": "gpu"}]),
        ),
        (
            "hostAliases",
            json!([{"ip": "1.1.1.1", "hostnames": ["a"]}]),
            json!([{"ip": "1.1.1.1", "hostnames": ["b"]}]),
            json!([{"ip": "1.1.1.1", "hostnames": ["b"]}]),
        ),
        (
            "topologySpreadConstraints",
            json!([{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1}]),
            json!([{"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}, {"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2}]),
            json!([{"topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 2}, {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}]),
        ),
        (
            "readinessGates",
            json!([{"conditionType": "a"}]),
            json!([{"conditionType": "b"}]),
            json!([{"conditionType": "b"}]),
        ),
    ] {
        check(vec![(field, base, layer, expected)], |list| json!({ "spec": { field: list } }));
    }
}

#[test]
fn an_object_is_no_key() {
    let layer = json!({ "spec": { "volumes": [{ "name": { "a": null } }] } });
    let once = merged(&json!({}), &layer);
    assert_eq!(once, json!({ "spec": { "volumes": [{ "name": {} }] } }));
    assert_eq!(merged(&once, &layer), once);
}

proptest! {
    #[test]
    fn merging_a_layer_twice_is_merging_it_once(base in odd_template(), layer in odd_template()) {
        let mut once = base;
        merge(&mut once, &layer);
        let mut twice = once.clone();
        merge(&mut twice, &layer);
        prop_assert_eq!(once, twice);
    }
}
