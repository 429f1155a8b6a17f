//! Deleting a run, or its namespace, takes its pods along and never hangs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::stage::{Stage, kubectl};

/// A run whose task goes on until it is stopped.
fn endless(name: &str) -> String {
    run(name, "sleep 100000", "")
}

/// A run of one task. Its pod is not given the usual 30 s to end.
fn run(name: &str, script: &str, pod_spec: &str) -> String {
    format!(
        r"
apiVersion: gantline.dev/v1alpha1
kind: WorkflowRun
metadata: {{name: {name}}}
spec:
  workflow:
    tasks:
    - name: only
      image: busybox:1.37
      podTemplate: {{spec: {{terminationGracePeriodSeconds: 1{pod_spec}}}}}
      script: {script}
"
    )
}

/// Starts an endless run, and waits until its task is known to run.
fn start(stage: &Stage, name: &str) {
    stage.apply(&endless(name));
    stage.task_in(name, "only", "Running");
}

fn delete(stage: &Stage, name: &str, cascade: &str) {
    stage.kubectl(&["delete", "wfr", name, "--wait=false", &format!("--cascade={cascade}")]);
}

fn held(pod: &Value) -> bool {
    pod["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|it| it == "gantline.dev/outcome"))
}

fn deleting(pod: &Value) -> bool {
    pod["metadata"]["deletionTimestamp"].is_string()
}

fn uids(pods: &[Value]) -> BTreeSet<String> {
    pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).map(str::to_owned).collect()
}

fn nothing_is_left(stage: &Stage, name: &str) {
    stage.until("the end of the run and its pods", || {
        (stage.get("wfr", name).is_none() && stage.all_pods().is_empty()).then_some(())
    });
}

/// The garbage collector has asked for the pod's deletion, and nobody is there to let it go.
fn waits_for_the_operator(stage: &Stage) {
    stage.until("a pod that is being deleted", || stage.all_pods().iter().any(deleting).then_some(()));
    assert!(stage.all_pods().iter().all(held), "nobody could have taken the finalizer off");
}

/// Gone from the API.
fn is_gone(namespace: &str) -> bool {
    kubectl(&["get", "namespace", namespace, "--ignore-not-found"]).is_empty()
}

fn strip_and_delete_pods(stage: &Stage) {
    for pod in stage.all_pods() {
        let name = format!("pod/{}", pod["metadata"]["name"].as_str().unwrap_or_default());
        stage.kubectl(&["patch", &name, "--type=merge", "-p", r#"{"metadata":{"finalizers":null}}"#]);
        stage.kubectl(&["delete", &name, "--force", "--grace-period=0", "--wait=false"]);
    }
}

#[test]
fn a_running_run() {
    for cascade in ["background", "foreground"] {
        let stage = Stage::new("delete");
        start(&stage, "run");
        delete(&stage, "run", cascade);
        nothing_is_left(&stage, "run");
        println!("{}", stage.is_clean());
    }
}

#[test]
fn a_running_run_while_the_operator_is_away() {
    for cascade in ["background", "foreground"] {
        let mut stage = Stage::new("delete-away");
        start(&stage, "run");
        stage.kill_operator();
        delete(&stage, "run", cascade);
        waits_for_the_operator(&stage);
        stage.start_operator();
        nothing_is_left(&stage, "run");
        println!("{}", stage.is_clean());
    }
}

#[test]
fn a_finished_run() {
    let stage = Stage::new("delete-finished");
    stage.apply(&run("run", "exit 0", ""));
    stage.succeeds("run");
    delete(&stage, "run", "background");
    nothing_is_left(&stage, "run");
    println!("{}", stage.is_clean());
}

#[test]
fn a_run_whose_task_ended_while_the_operator_was_away() {
    let mut stage = Stage::new("delete-ended");
    stage.apply(&run("run", "exit 0", ", schedulingGates: [{name: gantline.dev/test}]"));
    let pod = stage.pod_of("run", "only");
    stage.kill_operator();
    stage.kubectl(&["patch", "pod", &pod, "--type=json", "-p", r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#]);
    stage.until("its end", || {
        (stage.get("pod", &pod).expect("it is held")["status"]["phase"] == "Succeeded").then_some(())
    });
    delete(&stage, "run", "background");
    waits_for_the_operator(&stage);
    stage.start_operator();
    nothing_is_left(&stage, "run");
    println!("{}", stage.is_clean());
}

/// Somebody lost patience, took the finalizers off and deleted the pods by force.
#[test]
fn a_run_whose_pods_are_gone() {
    let mut stage = Stage::new("delete-stripped");
    start(&stage, "replaced");
    let before = uids(&stage.all_pods());
    strip_and_delete_pods(&stage);
    stage.until("the pod's replacement", || {
        let now = uids(&stage.all_pods());
        (!now.is_empty() && now.is_disjoint(&before)).then_some(())
    });
    delete(&stage, "replaced", "background");
    nothing_is_left(&stage, "replaced");

    start(&stage, "away");
    stage.kill_operator();
    strip_and_delete_pods(&stage);
    delete(&stage, "away", "background");
    nothing_is_left(&stage, "away");
    stage.start_operator();
    stage.apply(&run("after", "exit 0", ""));
    stage.succeeds("after");
    println!("{}", stage.is_clean());
}

/// `--cascade=orphan` is a wish to keep the pods: they run on, are nobody's, and can be deleted.
#[test]
fn a_run_without_its_pods() {
    for away in [false, true] {
        let mut stage = Stage::new("delete-orphan");
        start(&stage, "run");
        if away {
            stage.kill_operator();
        }
        let before = uids(&stage.all_pods());
        delete(&stage, "run", "orphan");
        stage.until("the end of the run", || stage.get("wfr", "run").is_none().then_some(()));
        if away {
            stage.start_operator();
        }
        let pods = stage.until("the release of the pod", || {
            let pods = stage.all_pods();
            (!pods.iter().any(held)).then_some(pods)
        });
        assert_eq!(uids(&pods), before);
        assert!(pods.iter().all(|pod| pod["metadata"]["ownerReferences"].is_null()), "{pods:#?}");
        assert!(pods.iter().all(|pod| pod["status"]["phase"] == "Running" && !deleting(pod)), "{pods:#?}");
        stage.kubectl(&["delete", "pods", "--all", "--timeout=180s"]);
        assert!(stage.all_pods().is_empty());
        println!("{}", stage.is_clean());
    }
}

#[test]
fn a_run_whose_pod_finds_no_node() {
    let stage = Stage::new("delete-pending");
    stage.apply(&run("run", "exit 0", ", nodeSelector: {gantline.dev/no-such: node}"));
    stage.until("the reason why it waits", || {
        (stage.status("run")["tasks"][0]["waitingFor"]["kind"] == "Unschedulable").then_some(())
    });
    delete(&stage, "run", "background");
    nothing_is_left(&stage, "run");
    println!("{}", stage.is_clean());
}

#[test]
fn a_run_that_is_made_again_at_once() {
    let stage = Stage::new("delete-again");
    start(&stage, "run");
    let (old, old_pods) = (stage.get("wfr", "run").expect("it is there"), uids(&stage.all_pods()));
    delete(&stage, "run", "background");
    stage.until("room for a new one of the name", || {
        stage.try_apply(&run("run", "exit 0", "")).ok().filter(|said| said.contains("created"))
    });
    let status = stage.succeeds("run");
    let new = stage.get("wfr", "run").expect("it is there");
    assert_ne!(new["metadata"]["uid"], old["metadata"]["uid"]);
    assert_eq!(status["tasks"][0]["attempts"].as_array().map(Vec::len), Some(1), "{status:#}");
    assert!(!old_pods.contains(status["tasks"][0]["attempts"][0]["uid"].as_str().unwrap_or_default()), "{status:#}");
    let pods = stage.until("the end of the old pod", || {
        let pods = stage.all_pods();
        uids(&pods).is_disjoint(&old_pods).then_some(pods)
    });
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["metadata"]["labels"]["gantline.dev/run-uid"], new["metadata"]["uid"]);
    println!("{}", stage.is_clean());
}

#[test]
fn a_namespace() {
    let stage = Stage::new("delete-namespace");
    stage.apply(&run("pending", "exit 0", ", nodeSelector: {gantline.dev/no-such: node}"));
    stage.apply(&run("finished", "exit 0", ""));
    stage.finished("finished");
    start(&stage, "one");
    start(&stage, "two");
    kubectl(&["delete", "namespace", &stage.namespace, "--wait=false"]);
    stage.until("the end of the namespace", || is_gone(&stage.namespace).then_some(()));
    println!("{}", stage.is_clean());
}

#[test]
fn a_namespace_while_the_operator_is_away() {
    let mut stage = Stage::new("delete-namespace-away");
    start(&stage, "one");
    start(&stage, "two");
    stage.kill_operator();
    kubectl(&["delete", "namespace", &stage.namespace, "--wait=false"]);
    waits_for_the_operator(&stage);
    stage.start_operator();
    stage.until("the end of the namespace", || is_gone(&stage.namespace).then_some(()));
    println!("{}", stage.is_clean());
}
