//! What people do to a run while it goes on, and what happens to its pods: suspend, cancel, edits, deletions, evictions.

use serde_json::{Value, json};

use super::stage::Stage;

/// Goes on when the test says so: see [`go`].
const WAIT: &str = "until test -e /tmp/go; do sleep 0.2; done";

/// A run of these tasks.
fn run(name: &str, fields: &str, tasks: &str) -> String {
    let tasks = tasks.trim().replace('\n', "\n    ");
    format!(
        "---\napiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec:\n  {fields}\n  workflow:\n    taskDefaults: {{image: \"busybox:1.37\"}}\n    tasks:\n    {tasks}\n"
    )
}

/// Lets the running task go on. It may end so soon that nobody hears that it was told.
fn go(stage: &Stage, run: &str, task: &str) {
    let pod = stage.pod_of(run, task);
    stage.until(&format!("pod {pod} to be told"), || {
        let told = stage.try_kubectl(&["exec", &pod, "-c", "main", "--", "touch", "/tmp/go"]).status.success();
        let over = || stage.get("pod", &pod).is_some_and(|pod| pod["status"]["phase"] == "Succeeded");
        (told || over()).then_some(())
    });
}

/// Waits until the run is in a phase; returns its status.
fn in_phase(stage: &Stage, run: &str, phase: &str) -> Value {
    stage.until(&format!("run {run} to be {phase}"), || Some(stage.status(run)).filter(|it| it["phase"] == phase))
}

/// What the attempts of a task came to: `[outcome, reason]` of each.
fn outcomes(task: &Value) -> Vec<[String; 2]> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let attempts = task["attempts"].as_array().map(Vec::as_slice).unwrap_or_default();
    attempts.iter().map(|attempt| [word(&attempt["outcome"]), word(&attempt["reason"])]).collect()
}

#[test]
fn a_run_can_be_suspended_before_it_starts() {
    let stage = Stage::new("suspend");
    stage.apply(&run("later", "suspend: true", "- {name: a, script: 'true'}"));
    let status = in_phase(&stage, "later", "Suspended");
    assert_eq!(status["message"], "suspended", "{status:#}");
    assert_eq!(status["waitingFor"]["kind"], "Suspended", "{status:#}");
    assert_eq!(status["tasks"][0]["waitingFor"]["kind"], "Suspended", "{status:#}");
    assert_eq!(stage.pods("later"), [""; 0]);
    stage.patch("later", r#"{"spec": {"suspend": false}}"#);
    let status = stage.succeeds("later");
    assert_eq!((&status["waitingFor"], &status["tasks"][0]["waitingFor"]), (&Value::Null, &Value::Null));
}

#[test]
fn a_run_can_be_suspended_in_the_middle() {
    let stage = Stage::new("middle");
    let tasks = format!("- {{name: first, script: '{WAIT}'}}\n- {{name: second, needs: [first], script: 'true'}}");
    stage.apply(&run("pause", "suspend: false", &tasks));
    stage.task_in("pause", "first", "Running");
    stage.patch("pause", r#"{"spec": {"suspend": true}}"#);
    let status = in_phase(&stage, "pause", "Suspended");
    assert_eq!(status["message"], "suspended; 1 running task may finish", "{status:#}");
    assert_eq!(status["tasks"][0]["phase"], "Running", "{status:#}");

    // What runs may finish; what it opens waits.
    go(&stage, "pause", "first");
    stage.task_in("pause", "first", "Succeeded");
    let second = stage.until("the second task to be held", || {
        Some(stage.task("pause", "second")).filter(|task| task["waitingFor"]["kind"] == "Suspended")
    });
    assert_eq!((&second["phase"], &second["attempts"]), (&"Pending".into(), &Value::Null), "{second:#}");
    assert_eq!(stage.pods("pause").len(), 1);
    stage.patch("pause", r#"{"spec": {"suspend": false}}"#);
    stage.succeeds("pause");
}

#[test]
fn a_cancelled_run_stops_within_its_grace() {
    let stage = Stage::new("cancel");
    // Both outlast a test's patience if their pods' own grace counted: only graceSeconds ends them in time.
    let deaf = "podTemplate: {spec: {terminationGracePeriodSeconds: 3600}}, script: 'trap \"\" TERM; while true; do sleep 1; done'";
    let tasks = format!("- {{name: deaf, {deaf}}}\n- {{name: next, needs: [deaf], script: 'true'}}");
    stage.apply(&run("stop", "suspend: false", &tasks));
    stage.task_in("stop", "deaf", "Running");
    stage.patch("stop", r#"{"spec": {"cancel": {"graceSeconds": 1, "reason": "wrong date"}}}"#);
    let status = stage.finished("stop");
    assert_eq!((&status["phase"], &status["reason"]), (&"Cancelled".into(), &"CancelRequested".into()), "{status:#}");
    assert_eq!(status["message"], "cancelled: wrong date", "{status:#}");
    assert_eq!(outcomes(&status["tasks"][0]), [["Cancelled", "CancelRequested"]], "{status:#}");
    assert_eq!((&status["tasks"][1]["phase"], &status["tasks"][1]["attempts"]), (&"Cancelled".into(), &Value::Null));
    let conditions = status["conditions"].as_array().expect("conditions");
    let said =
        |kind: &str| conditions.iter().find(|condition| condition["type"] == kind).expect(kind)["status"].clone();
    assert_eq!((said("Succeeded"), said("Finished")), ("False".into(), "True".into()));
    stage.until("its pod to go", || stage.pods("stop").is_empty().then_some(()));
}

#[test]
fn what_ends_well_while_it_is_stopped_has_succeeded() {
    let stage = Stage::new("honest");
    let polite = "trap 'echo rows=42 >> $GANTLINE_OUTPUT; exit 0' TERM; while true; do sleep 0.2; done";
    let tasks = format!("- name: polite\n  script: |\n    {polite}\n  outputs: [{{name: rows, type: int}}]");
    stage.apply(&run("stop", "suspend: false", &tasks));
    stage.task_in("stop", "polite", "Running");
    stage.patch("stop", r#"{"spec": {"cancel": {}}}"#);
    let status = stage.finished("stop");
    assert_eq!((&status["phase"], &status["message"]), (&"Cancelled".into(), &"cancelled".into()), "{status:#}");
    assert_eq!(outcomes(&status["tasks"][0]), [["Succeeded", ""]], "{status:#}");
    assert_eq!(status["tasks"][0]["outputs"]["rows"], 42, "{status:#}");
}

#[test]
fn a_run_can_be_cancelled_before_it_starts() {
    let stage = Stage::new("never");
    let task = "- {name: a, script: 'true'}";
    stage.apply(&run("at-once", "cancel: {reason: by mistake}", task));
    stage.apply(&run("from-pause", "suspend: true", task));
    in_phase(&stage, "from-pause", "Suspended");
    stage.patch("from-pause", r#"{"spec": {"cancel": {"reason": "by mistake"}}}"#);
    for name in ["at-once", "from-pause"] {
        let status = stage.finished(name);
        assert_eq!((&status["phase"], &status["message"]), (&"Cancelled".into(), &"cancelled: by mistake".into()));
    }
    assert_eq!(stage.kubectl(&["get", "pods", "-o", "name"]), "");
}

#[test]
fn edits_do_not_touch_a_run_that_runs() {
    let stage = Stage::new("edits");
    let workflow = |word: &str, more: &str| {
        format!(
            "apiVersion: gantline.dev/v1alpha1
kind: Workflow
metadata: {{name: shared}}
spec:
  params: [{{name: who, type: string}}]
  taskDefaults: {{image: \"busybox:1.37\"}}
  tasks:
  - {{name: hold, script: '{WAIT}'}}
  - name: say
    needs: [hold]
    env: [{{name: WHO, expr: params.who}}]
    script: echo \"said={word} $WHO\" >> \"$GANTLINE_OUTPUT\"
    outputs: [{{name: said, type: string}}]
{more}"
        )
    };
    let of_it = |name: &str, who: &str| {
        format!(
            "{{apiVersion: gantline.dev/v1alpha1, kind: WorkflowRun, metadata: {{name: {name}}}, spec: {{workflowRef: {{name: shared}}, params: {{who: {who}}}}}}}"
        )
    };
    stage.apply(&workflow("hello", ""));
    stage.apply(&of_it("old", "ann"));
    stage.task_in("old", "hold", "Running");
    let revision = stage.status("old")["revision"].clone();
    stage.apply(&workflow("goodbye", "  - {name: more, script: 'true'}\n"));
    stage.kubectl(&["wait", "--for=jsonpath={.status.tasks}=3", "gwf/shared", "--timeout=180s"]);
    stage.patch("old", r#"{"spec": {"params": {"who": "bob", "nobody": 1}}}"#);
    stage.until("the edit to be seen", || {
        let run = stage.get("wfr", "old")?;
        (run["status"]["observedGeneration"] == run["metadata"]["generation"]).then_some(())
    });
    stage.apply(&of_it("new", "bob"));
    for (name, said, tasks) in [("old", "hello ann", 2), ("new", "goodbye bob", 3)] {
        go(&stage, name, "hold");
        let status = stage.succeeds(name);
        assert_eq!(status["tasks"][1]["outputs"]["said"], said, "{status:#}");
        assert_eq!(status["tasks"].as_array().map(Vec::len), Some(tasks), "{status:#}");
    }
    let status = stage.status("old");
    assert_eq!((&status["revision"], &status["params"]), (&revision, &json!({"who": "ann"})), "{status:#}");
    assert_ne!(stage.status("new")["revision"], revision);
    // And it can go altogether.
    stage.kubectl(&["delete", "gwf", "shared"]);
    assert_eq!(stage.status("old")["phase"], "Succeeded");
}

#[test]
fn an_inline_workflow_can_be_edited_without_effect() {
    let stage = Stage::new("inline");
    let tasks = format!("- {{name: hold, script: '{WAIT}'}}\n- {{name: next, needs: [hold], script: 'true'}}");
    stage.apply(&run("fixed", "suspend: false", &tasks));
    stage.task_in("fixed", "hold", "Running");
    stage.patch("fixed", r#"{"spec": {"workflow": {"tasks": [{"name": "other", "script": "false"}]}}}"#);
    go(&stage, "fixed", "hold");
    let status = stage.succeeds("fixed");
    let names: Vec<&Value> = status["tasks"].as_array().expect("tasks").iter().map(|task| &task["name"]).collect();
    assert_eq!(names, ["hold", "next"]);
}

#[test]
fn a_pod_that_someone_takes_away_is_replaced() {
    let stage = Stage::new("taken");
    let task = "podTemplate: {spec: {terminationGracePeriodSeconds: 1}}, script: 'test \"$GANTLINE_ATTEMPT\" = 2 || sleep 3600'";
    for name in ["deleted", "evicted", "forced"] {
        stage.apply(&run(name, "suspend: false", &format!("- {{name: t, {task}}}")));
    }
    for name in ["deleted", "evicted", "forced"] {
        stage.task_in(name, "t", "Running");
        let pod = stage.pod_of(name, "t");
        match name {
            "deleted" => stage.kubectl(&["delete", "pod", &pod, "--wait=false"]),
            "forced" => stage.kubectl(&["delete", "pod", &pod, "--wait=false", "--grace-period=0", "--force"]),
            _ => {
                let path = format!("/api/v1/namespaces/{}/pods/{pod}/eviction", stage.namespace);
                let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}});
                stage.feed(&["create", "--raw", &path, "-f", "-"], &eviction.to_string()).expect("it is evicted")
            }
        };
    }
    for (name, reason) in [("deleted", "PodDeleted"), ("evicted", "Drained"), ("forced", "PodDeleted")] {
        let status = stage.succeeds(name);
        let task = &status["tasks"][0];
        assert_eq!(outcomes(task), [["Disrupted", reason], ["Succeeded", ""]], "{name}: {status:#}");
        assert_ne!(task["attempts"][0]["uid"], task["attempts"][1]["uid"], "{name}");
        let second = task["attempts"][1]["pod"].as_str().expect("its pod");
        stage.until("the first one to be gone", || (stage.pods(name) == [second]).then_some(()));
        let told = stage.until("the Event", || {
            let story = stage.kubectl(&["describe", "wfr", name]);
            story.contains("TaskDisrupted").then_some(story)
        });
        assert!(told.contains(&format!("t: {reason}")) && told.contains("; it will be tried again"), "{told}");
    }
}

/// Everything that the schema keeps as it is must reach the pod as it is.
const TEMPLATE: &str = r#"
- name: t
  script: test "$(cat /etc/podinfo/note)" = 'a "quoted" note' && test "$NODE" = gantline-node
  resources: {requests: {cpu: 10m, memory: 16Mi}, limits: {memory: 32Mi, ephemeral-storage: 1Gi}}
  env:
  - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
  - {name: LIMIT, valueFrom: {resourceFieldRef: {containerName: main, resource: limits.memory, divisor: 1Mi}}}
  podTemplate:
    metadata:
      labels: {team: data}
      annotations: {example.org/note: 'a "quoted" note', example.org/json: '{"deep": [1, {"er": null}]}', empty: ""}
    spec:
      nodeSelector: {kubernetes.io/os: linux}
      priority: 0
      affinity:
        nodeAffinity:
          requiredDuringSchedulingIgnoredDuringExecution:
            nodeSelectorTerms:
            - matchExpressions: [{key: kubernetes.io/hostname, operator: NotIn, values: [nowhere, "007"]}]
      tolerations: [{key: dedicated, operator: Equal, value: "1", effect: NoSchedule}]
      volumes:
      - name: podinfo
        downwardAPI: {items: [{path: note, fieldRef: {fieldPath: "metadata.annotations['example.org/note']"}}]}
      - {name: scratch, emptyDir: {sizeLimit: 1Mi}}
      containers:
      - name: main
        volumeMounts: [{name: podinfo, mountPath: /etc/podinfo}, {name: scratch, mountPath: /scratch}]
"#;

#[test]
#[rustfmt::skip]
fn a_pod_template_reaches_the_pod_as_it_is() {
    let stage = Stage::new("template");
    stage.apply(&run("deep", "suspend: false", TEMPLATE));
    stage.succeeds("deep");
    let pod = stage.get("pod", &stage.pods("deep")[0]).expect("the pod");
    for (path, value) in [
        ("/metadata/labels/team", json!("data")),
        ("/metadata/labels/gantline.dev~1task", json!("t")),
        ("/metadata/annotations/example.org~1note", json!("a \"quoted\" note")),
        ("/metadata/annotations/example.org~1json", json!("{\"deep\": [1, {\"er\": null}]}")),
        ("/metadata/annotations/empty", json!("")),
        ("/spec/nodeSelector", json!({"kubernetes.io/os": "linux"})),
        ("/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchExpressions/0/values", json!(["nowhere", "007"])),
        ("/spec/tolerations/0", json!({"key": "dedicated", "operator": "Equal", "value": "1", "effect": "NoSchedule"})),
        ("/spec/volumes/1", json!({"name": "scratch", "emptyDir": {"sizeLimit": "1Mi"}})),
        ("/spec/containers/0/name", json!("main")),
        ("/spec/containers/0/image", json!("busybox:1.37")),
        ("/spec/containers/0/resources", json!({"requests": {"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "1Gi"}, "limits": {"memory": "32Mi", "ephemeral-storage": "1Gi"}})),
        ("/spec/restartPolicy", json!("Never")),
        ("/spec/enableServiceLinks", json!(false)),
        ("/spec/automountServiceAccountToken", json!(false)),
        ("/spec/containers/0/securityContext/allowPrivilegeEscalation", json!(false)),
        ("/spec/securityContext/seccompProfile/type", json!("RuntimeDefault")),
    ] {
        assert_eq!(pod.pointer(path), Some(&value), "{path}");
    }
}

#[test]
fn other_containers_end_with_main() {
    let stage = Stage::new("beside");
    let forever = "[sh, -c, 'trap \"exit 0\" TERM; while true; do sleep 0.2; done']";
    let beside = |field: &str, more: &str| {
        format!(
            "- name: t\n  script: echo word=hello >> \"$GANTLINE_OUTPUT\"\n  outputs: [{{name: word, type: string}}]\n  podTemplate: {{spec: {{{field}: [{{name: beside, image: \"busybox:1.37\", command: {forever}{more}}}]}}}}"
        )
    };
    stage.apply(&run("sidecar", "suspend: false", &beside("initContainers", ", restartPolicy: Always")));
    stage.apply(&run("second", "suspend: false", &beside("containers", "")));
    for name in ["sidecar", "second"] {
        let status = stage.succeeds(name);
        assert_eq!(status["tasks"][0]["outputs"]["word"], "hello", "{status:#}");
        assert_eq!(outcomes(&status["tasks"][0]), [["Succeeded", ""]], "{status:#}");
        stage.until("the other container to end", || {
            let running = |pod: &String| {
                let phase = stage.get("pod", pod).map(|pod| pod["status"]["phase"].clone());
                phase.is_some_and(|phase| phase == "Running" || phase == "Pending")
            };
            (!stage.pods(name).iter().any(running)).then_some(())
        });
    }
    assert_eq!(stage.pods("sidecar").len(), 1, "the kubelet ends a sidecar by itself, and the pod keeps its log");
}
