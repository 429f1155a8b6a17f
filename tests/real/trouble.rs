//! A task that can't start says why, in Kubernetes' own words, and goes on when the cause is gone.

use serde_json::Value;

use super::stage::Stage;

/// What keeps a task from starting: what it is, the task's fields beside its name, and what it waits for.
type Trouble = (&'static str, &'static str, &'static str, &'static str);

/// A run of one task, `t`, with these fields.
fn run(name: &str, fields: &str) -> String {
    format!(
        "---\napiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec: {{workflow: {{taskDefaults: {{image: \"busybox:1.37\"}}, tasks: [{{name: t, {fields}}}]}}}}\n"
    )
}

/// Waits until the task waits for a thing of this kind and Kubernetes' words are there; the run must say so too.
fn waits(stage: &Stage, run: &str, kind: &str, words: &str) {
    let what = format!("run {run} to wait for {kind}: {words}");
    let status = stage.until(&what, || {
        let status = stage.status(run);
        let waiting = &status["tasks"][0]["waitingFor"];
        (waiting["kind"] == kind && text(&waiting["detail"]).contains(words)).then_some(status)
    });
    println!("{run}: {}", text(&status["message"]));
    let waiting = &status["tasks"][0]["waitingFor"];
    assert!(waiting["since"].is_string(), "{status:#}");
    assert_eq!((&status["phase"], &status["tasks"][0]["phase"]), (&"Running".into(), &"Starting".into()), "{status:#}");
    assert!(text(&status["message"]).starts_with(&format!("t: {kind}: ")), "{status:#}");
    let detail: String = text(&waiting["detail"]).chars().take(40).collect();
    assert!(text(&status["message"]).contains(&detail), "the run's message has them too: {status:#}");
    assert_eq!(status["progress"], "0/1");
}

#[rustfmt::skip]
const TROUBLES: &[Trouble] = &[
    ("no-registry", "image: registry.invalid/none:1", "ImagePull", "registry.invalid/none:1"),
    ("no-image-here", "image: 'busybox:0.0', podTemplate: {spec: {containers: [{name: main, imagePullPolicy: Never}]}}", "ImagePull", "busybox:0.0"),
    ("no-image-name", "image: 'Busybox:1.37'", "ImagePull", "Busybox:1.37"),
    ("no-such-node", "podTemplate: {spec: {nodeSelector: {disk: made-of-cheese}}}", "Unschedulable", "didn't match Pod's node affinity/selector"),
    ("no-such-room", "resources: {requests: {cpu: '1000'}}", "Unschedulable", "Insufficient cpu"),
    ("a-gate", "podTemplate: {spec: {schedulingGates: [{name: example.org/wait}]}}", "Unschedulable", "scheduling gates: example.org/wait"),
    ("no-secret", "env: [{name: S, valueFrom: {secretKeyRef: {name: missing, key: k}}}], script: 'test \"$S\" = found'", "PodConfig", "secret \"missing\" not found"),
    ("no-key", "env: [{name: C, valueFrom: {configMapKeyRef: {name: kube-root-ca.crt, key: missing}}}]", "PodConfig", "couldn't find key missing in ConfigMap"),
    ("no-user", "podTemplate: {spec: {securityContext: {runAsNonRoot: true}}}", "PodConfig", "container has runAsNonRoot and image will run as root"),
    ("no-volume", "podTemplate: {spec: {volumes: [{name: s, secret: {secretName: absent}}], containers: [{name: main, volumeMounts: [{name: s, mountPath: /s}]}]}}", "Node", "volumes and network aren't ready on node gantline-node; kubectl describe pod"),
    ("no-scheduler", "podTemplate: {spec: {schedulerName: nobody}}", "Node", "no scheduler has looked at its pod"),
    ("no-init-image", "podTemplate: {spec: {initContainers: [{name: prepare, image: registry.invalid/none:1}]}}", "ImagePull", "init container prepare: "),
];

#[test]
fn what_keeps_a_pod_from_starting_is_told() {
    let stage = Stage::new("trouble");
    let runs: String = TROUBLES.iter().map(|(name, fields, ..)| run(name, fields)).collect();
    stage.apply(&runs);
    for (name, _, kind, words) in TROUBLES {
        waits(&stage, name, kind, words);
    }
    let table = stage.kubectl(&["get", "wfr"]);
    assert!(table.contains("t: Unschedulable: 0/"), "{table}");

    // What was missing comes, and the task goes on in the same attempt.
    stage.kubectl(&["create", "secret", "generic", "missing", "--from-literal=k=found"]);
    let status = stage.succeeds("no-secret");
    assert_eq!(status["tasks"][0]["attempts"].as_array().map(Vec::len), Some(1), "{status:#}");
    assert_eq!(status["tasks"][0]["waitingFor"], Value::Null, "{status:#}");

    // The others can be cancelled.
    for (name, ..) in TROUBLES.iter().filter(|(name, ..)| *name != "no-secret") {
        stage.patch(name, r#"{"spec": {"cancel": {"reason": "no hope"}}}"#);
    }
    for (name, ..) in TROUBLES.iter().filter(|(name, ..)| *name != "no-secret") {
        let status = stage.finished(name);
        assert_eq!((&status["phase"], &status["message"]), (&"Cancelled".into(), &"cancelled: no hope".into()));
        assert_eq!(status["tasks"][0]["attempts"][0]["outcome"], "Cancelled", "{status:#}");
    }
}

/// A pod that the API server finds wrong: what it is, the task's fields, and the server's words.
#[rustfmt::skip]
const INVALID: &[(&str, &str, &str)] = &[
    ("typo", "podTemplate: {spec: {nodeSelektor: {disk: ssd}}}", "unknown field \"spec.nodeSelektor\""),
    ("typo-in-main", "podTemplate: {spec: {containers: [{name: main, livenesProbe: {}}]}}", "unknown field \"spec.containers[0].livenesProbe\""),
    ("wrong-type", "podTemplate: {spec: {nodeSelector: [ssd]}}", "nodeSelector"),
    ("wrong-value", "podTemplate: {spec: {dnsPolicy: Maybe}}", "spec.dnsPolicy: Unsupported value: \"Maybe\""),
    ("wrong-label", "podTemplate: {metadata: {labels: {team: 'the a team'}}}", "metadata.labels: Invalid value: \"the a team\""),
    ("no-such-volume", "podTemplate: {spec: {containers: [{name: main, volumeMounts: [{name: data, mountPath: /data}]}]}}", "spec.containers[0].volumeMounts[0].name: Not found: \"data\""),
    ("more-than-its-limit", "resources: {requests: {memory: 2Gi}, limits: {memory: 1Gi}}", "must be less than or equal to memory limit"),
];

#[test]
fn a_pod_that_is_no_pod_fails_its_task_with_the_servers_words() {
    let stage = Stage::new("invalid");
    let runs: String = INVALID.iter().map(|(name, fields, _)| run(name, fields)).collect();
    stage.apply(&runs);
    for (name, _, words) in INVALID {
        let status = stage.finished(name);
        println!("{name}: {}", text(&status["message"]));
        assert_eq!(
            (&status["phase"], &status["reason"]),
            (&"Failed".into(), &"TaskFailed".into()),
            "{name}: {status:#}"
        );
        let task = &status["tasks"][0];
        assert_eq!((&task["phase"], &task["reason"]), (&"Failed".into(), &"PodInvalid".into()), "{name}: {status:#}");
        assert!(text(&task["message"]).starts_with("PodInvalid: "), "{name}: {status:#}");
        assert!(text(&task["message"]).contains(words), "{name}: {status:#}");
        assert!(text(&status["message"]).starts_with("t: PodInvalid: "), "{name}: {status:#}");
        assert!(text(&status["message"]).contains(words), "{name}: {status:#}");
    }
    assert_eq!(stage.kubectl(&["get", "pods", "-o", "name"]), "");
}

#[test]
fn a_quota_that_is_used_up_is_waited_for() {
    let stage = Stage::new("quota");
    stage.kubectl(&["create", "quota", "one", "--hard=pods=1"]);
    stage.until("the quota to count", || {
        stage.get("quota", "one").filter(|quota| quota["status"]["used"]["pods"].is_string())
    });
    // A pod that waits at its gate takes up the quota for as long as the test likes.
    stage.apply(&run("first", "script: 'true', podTemplate: {spec: {schedulingGates: [{name: example.org/wait}]}}"));
    waits(&stage, "first", "Unschedulable", "scheduling gates");
    stage.apply(&run("second", "script: 'true'"));
    waits(&stage, "second", "Quota", "exceeded quota: one, requested: pods=1, used: pods=1, limited: pods=1");
    open_gate(&stage, "first");
    stage.succeeds("first");
    let status = stage.succeeds("second");
    assert_eq!(status["tasks"][0]["attempts"].as_array().map(Vec::len), Some(1), "a refusal is no attempt: {status:#}");
    assert_eq!(stage.pods("second").len(), 1);
}

#[test]
fn an_admission_that_says_no_is_waited_for() {
    let stage = Stage::new("admission");
    let level = |level: &str| {
        let label = format!("pod-security.kubernetes.io/enforce={level}");
        super::stage::kubectl(&["label", "namespace", &stage.namespace, "--overwrite", &label]);
    };
    level("restricted");
    stage.apply(&run("too-loose", "script: 'true'"));
    waits(&stage, "too-loose", "Admission", "violates PodSecurity \"restricted:latest\": ");
    // One that meets the standard goes on meanwhile.
    let tight = "script: 'true', podTemplate: {spec: {securityContext: {runAsNonRoot: true, runAsUser: 1000}, containers: [{name: main, securityContext: {capabilities: {drop: [ALL]}}}]}}";
    stage.apply(&run("tight", tight));
    stage.succeeds("tight");
    level("privileged");
    let status = stage.succeeds("too-loose");
    assert_eq!(status["tasks"][0]["attempts"].as_array().map(Vec::len), Some(1), "a refusal is no attempt: {status:#}");
}

#[test]
fn a_limit_range_that_says_no_is_waited_for() {
    let stage = Stage::new("range");
    stage.apply(
        "{apiVersion: v1, kind: LimitRange, metadata: {name: small}, spec: {limits: [{type: Container, max: {memory: 64Mi}}]}}",
    );
    stage.apply(&run("large", "script: 'true', resources: {limits: {memory: 128Mi}}"));
    waits(&stage, "large", "Admission", "maximum memory usage per Container is 64Mi, but limit is 128Mi");
    stage.patch("large", r#"{"spec": {"suspend": true}}"#);
    stage.kubectl(&["delete", "limitrange", "small"]);
    stage.until("the suspended run to be told so", || (stage.status("large")["phase"] == "Suspended").then_some(()));
    stage.patch("large", r#"{"spec": {"suspend": false}}"#);
    stage.succeeds("large");
}

/// Lets the pod of the run's task be scheduled.
fn open_gate(stage: &Stage, run: &str) {
    let gate = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
    stage.kubectl(&["patch", "pod", &stage.pod_of(run, "t"), "--type=json", "-p", gate]);
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
