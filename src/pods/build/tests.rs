use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const OWNER: Owner<'_> = Owner { name: "daily-sales-2026", namespace: "analytics", uid: "0c5c7b1e-run" };

fn task(templates: &[Value]) -> PlannedTask {
    PlannedTask {
        name: "extract".into(),
        image: Some("busybox:1.37".into()),
        command: Some(vec!["sh".into(), "-ec".into(), "echo hi".into()]),
        templates: templates.iter().map(|t| std::sync::Arc::new(json_object(t.clone()))).collect(),
        keep_log_tail: true,
        times: crate::plan::Times::default(),
        on_node_lost: crate::api::OnNodeLost::default(),
        retry: std::sync::Arc::default(),
        ..PlannedTask::default()
    }
}

fn pod(templates: &[Value], policy: PodSecurity) -> Value {
    let task = task(templates);
    build(
        &OWNER,
        &task,
        None,
        3,
        &crate::plan::pod_name(OWNER.name, OWNER.uid, &task.name, None, 3),
        PodValues::default(),
        policy,
    )
}

fn env_names(pod: &Value) -> Vec<String> {
    let env = pod["spec"]["containers"][0]["env"].as_array().cloned();
    let names = env.unwrap_or_default();
    names.iter().map(|e| e["name"].as_str().unwrap_or("?").to_owned()).collect()
}

#[test]
fn the_pod_of_a_plain_task() {
    assert_eq!(
        pod(&[], PodSecurity::Baseline),
        json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": crate::plan::pod_name(OWNER.name, OWNER.uid, "extract", None, 3),
                "namespace": "analytics",
                "labels": {
                    "app.kubernetes.io/managed-by": "gantline",
                    "gantline.dev/run": "daily-sales-2026",
                    "gantline.dev/run-uid": "0c5c7b1e-run",
                    "gantline.dev/task": "extract",
                    "gantline.dev/attempt": "3",
                },
                "annotations": {"kubectl.kubernetes.io/default-container": "main"},
                "ownerReferences": [{
                    "apiVersion": "gantline.dev/v1alpha1",
                    "kind": "WorkflowRun",
                    "name": "daily-sales-2026",
                    "uid": "0c5c7b1e-run",
                    "controller": true,
                }],
                "finalizers": ["gantline.dev/outcome"],
            },
            "spec": {
                "restartPolicy": "Never",
                "automountServiceAccountToken": false,
                "enableServiceLinks": false,
                "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "main",
                    "image": "busybox:1.37",
                    "command": ["sh", "-ec", "echo hi"],
                    "env": [
                        {"name": "GANTLINE_RUN", "value": "daily-sales-2026"},
                        {"name": "GANTLINE_RUN_UID", "value": "0c5c7b1e-run"},
                        {"name": "GANTLINE_TASK", "value": "extract"},
                        {"name": "GANTLINE_ATTEMPT", "value": "3"},
                        {"name": "GANTLINE_OUTPUT", "value": "/dev/termination-log"},
                    ],
                    "securityContext": {"allowPrivilegeEscalation": false},
                    "terminationMessagePath": "/dev/termination-log",
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                }],
            },
        })
    );
}

#[test]
fn every_field_is_one_of_a_pod() {
    for policy in [PodSecurity::Baseline, PodSecurity::Restricted] {
        let template = json!({"spec": {"initContainers": [{"name": "side", "restartPolicy": "Always"}]}});
        let pod = pod(&[template], policy);
        let typed: k8s_openapi::api::core::v1::Pod = serde_json::from_value(pod.clone()).unwrap();
        assert_eq!(serde_json::to_value(typed).unwrap(), pod);
    }
}

#[test]
fn what_must_hold_holds_against_a_template() {
    let hostile = json!({
        "apiVersion": "v2",
        "kind": "Job",
        "metadata": {
            "name": "other", "namespace": "kube-system", "finalizers": ["mine"],
            "labels": {"gantline.dev/run-uid": "x", "gantline.dev/attempt": "9", "team": "a"},
            "ownerReferences": [{"uid": "other"}],
        },
        "spec": {
            "restartPolicy": "Always",
            "containers": [{
                "name": "main", "image": "other", "command": ["other"], "args": ["other"],
                "terminationMessagePath": "/other", "terminationMessagePolicy": "File",
                "restartPolicy": "OnFailure", "restartPolicyRules": [{}],
                "env": [{"name": "GANTLINE_RUN", "value": "x"}, {"name": "GANTLINE_NEW", "value": "x"}],
            }],
        },
    });
    let mut plain = pod(&[], PodSecurity::Baseline);
    plain["metadata"]["labels"]["team"] = "a".into();
    assert_eq!(pod(&[hostile], PodSecurity::Baseline), plain);
}

#[test]
fn odd_templates_still_give_a_pod_of_ours() {
    for template in [
        json!({"spec": null}),
        json!({"spec": "x", "metadata": []}),
        json!({"spec": {"containers": null}}),
        json!({"spec": {"containers": {"name": "main"}}, "metadata": {"labels": 1}}),
    ] {
        let odd = pod(std::slice::from_ref(&template), PodSecurity::Restricted);
        assert_eq!(odd["metadata"]["labels"]["gantline.dev/attempt"], "3", "{template}");
        let main = &odd["spec"]["containers"][0];
        assert_eq!(main["name"], "main", "{template}");
        assert_eq!(main["securityContext"]["allowPrivilegeEscalation"], false, "{template}");
    }
}

#[test]
fn templates_are_merged_in_order() {
    let defaults = json!({"spec": {
        "nodeSelector": {"disk": "ssd"}, "serviceAccountName": "reader", "automountServiceAccountToken": true,
        "containers": [{"name": "proxy", "image": "p"}, {"name": "main", "imagePullPolicy": "Always"}],
    }});
    let own = json!({"spec": {
        "nodeSelector": {"disk": "hdd", "arch": "arm64"}, "enableServiceLinks": null,
        "containers": [{"name": "log", "image": "l"}, {"name": "proxy", "image": "q"}],
    }});
    let pod = pod(&[defaults, own], PodSecurity::Baseline);
    let spec = &pod["spec"];
    assert_eq!(spec["nodeSelector"], json!({"disk": "hdd", "arch": "arm64"}));
    assert_eq!(spec["automountServiceAccountToken"], true);
    assert_eq!(spec.get("enableServiceLinks"), None, "null removes a default of ours");
    let names: Vec<_> = spec["containers"].as_array().unwrap().iter().map(|c| &c["name"]).collect();
    assert_eq!(names, ["main", "proxy", "log"], "main first, the others in order");
    assert_eq!(spec["containers"][0]["imagePullPolicy"], "Always");
    assert_eq!(spec["containers"][1]["image"], "q");
}

#[test]
fn the_environment_is_ours_then_the_task_s_then_the_template_s() {
    let template = json!({"spec": {"containers": [{"name": "main", "env": [
        {"name": "NEW", "value": "1"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]}]}});
    let env = vec![
        json!({"name": "A", "value": "1"}),
        json!({"name": "GANTLINE_TASK", "value": "forged"}),
        json!({"name": "B", "value": "2"}),
        json!({"name": "C", "value": "3"}),
    ];
    let pod = build(
        &OWNER,
        &task(&[template]),
        None,
        3,
        "pod-1",
        PodValues { env, ..PodValues::default() },
        PodSecurity::Baseline,
    );
    assert_eq!(
        env_names(&pod),
        [
            "GANTLINE_RUN",
            "GANTLINE_RUN_UID",
            "GANTLINE_TASK",
            "GANTLINE_ATTEMPT",
            "GANTLINE_OUTPUT",
            "A",
            "B",
            "C",
            "NEW"
        ]
    );
    let env = &pod["spec"]["containers"][0]["env"];
    assert_eq!(env[2]["value"], "extract");
    assert_eq!(env[6], json!({"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}));
}

#[test]
fn the_task_s_own_fields_win_over_its_template() {
    let template = json!({"spec": {"containers": [{
        "name": "main", "image": "t", "command": ["t"], "args": ["t"],
        "resources": {"limits": {"cpu": "1", "memory": "1Gi"}},
    }]}});
    let main = |task: &PlannedTask| {
        let pod = build(&OWNER, task, None, 1, "p", PodValues::default(), PodSecurity::Baseline);
        pod["spec"]["containers"][0].clone()
    };

    let mut silent = task(std::slice::from_ref(&template));
    (silent.image, silent.command) = (None, None);
    let from_template = main(&silent);
    assert_eq!(from_template["image"], "t");
    assert_eq!((&from_template["command"], &from_template["args"]), (&json!(["t"]), &json!(["t"])));

    let mut with_args = silent.clone();
    with_args.args = Some(vec!["own".into()]);
    with_args.keep_log_tail = false;
    with_args.resources = Some(std::sync::Arc::new(Resources {
        requests: BTreeMap::new(),
        limits: BTreeMap::from([("memory".into(), json!("2Gi"))]),
    }));
    let own = main(&with_args);
    assert_eq!((&own["command"], &own["args"]), (&json!(["t"]), &json!(["own"])));
    assert_eq!(own["resources"], json!({"limits": {"cpu": "1", "memory": "2Gi"}}));
    assert_eq!(own["terminationMessagePolicy"], "File");

    let with_command = main(&task(&[template]));
    assert_eq!(with_command.get("args"), None, "a template's arguments are for its command");
}

#[test]
fn pods_are_locked_down_unless_the_template_says_otherwise() {
    let secured = |security: Value, policy| {
        let template = json!({"spec": {
            "initContainers": [{"name": "side", "securityContext": security}],
            "containers": [{"name": "other", "securityContext": security}],
        }});
        let pod = pod(&[template], policy);
        let other = pod["spec"]["containers"][1]["securityContext"].clone();
        assert_eq!(other, pod["spec"]["initContainers"][0]["securityContext"]);
        other
    };
    for (security, baseline, restricted) in [
        (
            json!({}),
            json!({"allowPrivilegeEscalation": false}),
            json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}),
        ),
        (
            json!({"allowPrivilegeEscalation": true, "capabilities": {"add": ["NET_BIND_SERVICE"]}}),
            json!({"allowPrivilegeEscalation": true, "capabilities": {"add": ["NET_BIND_SERVICE"]}}),
            json!({"allowPrivilegeEscalation": true, "capabilities": {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}}),
        ),
        // The API server refuses these together with `allowPrivilegeEscalation: false`.
        (json!({"privileged": true}), json!({"privileged": true}), json!({"privileged": true})),
        (
            json!({"capabilities": {"add": ["CAP_SYS_ADMIN"], "drop": []}}),
            json!({"capabilities": {"add": ["CAP_SYS_ADMIN"], "drop": []}}),
            json!({"capabilities": {"add": ["CAP_SYS_ADMIN"], "drop": []}}),
        ),
        // A pod for Windows has none of them.
        (json!({"allowPrivilegeEscalation": null, "capabilities": null}), json!({}), json!({})),
    ] {
        assert_eq!(secured(security.clone(), PodSecurity::Baseline), baseline);
        assert_eq!(secured(security, PodSecurity::Restricted), restricted);
    }

    let plain = pod(&[], PodSecurity::Restricted);
    assert_eq!(
        plain["spec"]["securityContext"],
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let own = json!({"spec": {"securityContext": {"runAsNonRoot": false, "runAsUser": 0, "seccompProfile": {"type": "Unconfined"}}}});
    assert_eq!(
        pod(std::slice::from_ref(&own), PodSecurity::Restricted)["spec"]["securityContext"],
        own["spec"]["securityContext"]
    );
}

proptest! {
    #[test]
    fn whatever_the_templates_the_pod_is_ours(
        first in crate::pods::odd::odd_template(),
        second in crate::pods::odd::odd_template(),
        policy in prop::sample::select(vec![PodSecurity::Baseline, PodSecurity::Restricted]),
    ) {
        let pod = pod(&[Value::Object(first), Value::Object(second)], policy);
        let slim: crate::pods::SlimPod = serde_json::from_value(pod.clone()).unwrap();
        prop_assert!(crate::pods::belongs_to(&slim, OWNER.uid));
        prop_assert!(crate::pods::facts(&slim).held);
        prop_assert_eq!(&pod["spec"]["containers"][0]["name"], "main");
        prop_assert_eq!(&env_names(&pod)[0], "GANTLINE_RUN");
        prop_assert_eq!(&pod["spec"]["restartPolicy"], "Never");
    }
}

#[test]
fn a_timeout_gives_the_kubelet_a_deadline_and_the_shorter_one_holds() {
    let deadline = |timeout: Option<i64>, template: Value| {
        let mut task = task(&[json!({ "spec": { "activeDeadlineSeconds": template } })]);
        let [timeout, start_timeout] = [timeout, Some(60)].map(|it| it.map(jiff::SignedDuration::from_secs));
        task.times = crate::plan::Times { timeout, start_timeout, total_timeout: None };
        build(&OWNER, &task, None, 1, "p", PodValues::default(), PodSecurity::Baseline)["spec"]["activeDeadlineSeconds"]
            .clone()
    };
    assert_eq!(deadline(Some(30), json!(null)), json!(90));
    assert_eq!(deadline(Some(30), json!(80)), json!(80));
    assert_eq!(deadline(Some(30), json!(1_000)), json!(90));
    assert_eq!(deadline(Some(30), json!("soon")), json!("soon"), "the API server says what is wrong with it");
    assert_eq!(deadline(None, json!(null)), json!(null));
    assert_eq!(deadline(None, json!(1_000)), json!(1_000));
}
