//! Each deed does what it says, and only where it can be done.

use gantline::plan::pod_name;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Human;
use crate::model::Server;
use crate::scenario::{self, NAMESPACE, Scenario};
use crate::wire::{Wire, path};

/// The scenario `chain` as it was applied.
struct Stage {
    server: Server,
    scenario: Scenario,
}

impl Stage {
    fn new() -> Self {
        let scenario = scenario::named("chain").expect("a scenario");
        let mut server = Server::new(1);
        for manifest in &scenario.manifests {
            scenario::apply(&mut server, manifest, Timestamp::UNIX_EPOCH);
        }
        Self { server, scenario }
    }

    /// Does something; whether it was done.
    fn does(&mut self, text: &str) -> bool {
        let human: Human = text.parse().expect("a deed");
        human.act(&mut self.server, &self.scenario, Timestamp::UNIX_EPOCH)
    }

    fn wire(&mut self) -> Wire<'_> {
        Wire { server: &mut self.server, actor: "operator", now: Timestamp::UNIX_EPOCH }
    }

    fn get(&self, resource: &str, name: &str) -> Option<Value> {
        self.server.get(resource, NAMESPACE, name).map(|object| Value::clone(object))
    }

    fn run(&self) -> Value {
        self.get("workflowruns", "run").expect("the run")
    }

    fn uid(&self) -> String {
        self.run()["metadata"]["uid"].as_str().expect("a uid").to_owned()
    }

    /// Name of an attempt's pod.
    fn pod_name(&self, task: &str, attempt: u32) -> String {
        pod_name("run", &self.uid(), task, None, attempt)
    }

    /// Makes the pod of task a's first attempt, and puts it on record.
    fn starts(&mut self) -> String {
        let (name, uid) = (self.pod_name("a", 1), self.uid());
        let env = json!([
            { "name": "GANTLINE_RUN", "value": "run" }, { "name": "GANTLINE_RUN_UID", "value": uid },
            { "name": "GANTLINE_TASK", "value": "a" }, { "name": "GANTLINE_ATTEMPT", "value": "1" },
        ]);
        let labels = super::act::labels("run", &uid, "a", "1");
        let metadata = json!({
            "name": name, "namespace": NAMESPACE, "labels": labels, "finalizers": ["gantline.dev/outcome"],
        });
        let container = json!({ "name": "main", "image": "busybox:1.37", "env": env });
        let spec = json!({ "restartPolicy": "Never", "containers": [container] });
        let pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec });
        assert!(self.wire().create(&pod));
        let attempts = json!([{ "number": 1, "pod": name, "uid": "u", "outcome": "Disrupted" }]);
        let tasks = json!([{ "name": "a", "phase": "Running", "attempts": attempts }]);
        let status = json!({ "status": { "phase": "Running", "tasks": tasks } });
        assert!(self.wire().patch(&path("workflowruns", NAMESPACE, "run/status"), &status));
        name
    }
}

#[test]
fn what_can_be_asked_of_a_run() {
    let mut stage = Stage::new();
    assert!(stage.does("suspend:run") && !stage.does("suspend:run"));
    assert_eq!(stage.run()["spec"]["suspend"], true);
    assert!(stage.does("resume:run") && !stage.does("resume:run"));
    assert!(stage.does("cancel:run:5") && !stage.does("cancel:run:5"));
    assert_eq!(stage.run()["spec"]["cancel"]["graceSeconds"], 5);
    assert!(stage.does("edit-params:run"));
    assert!(!stage.does("cancel:other") && !stage.does("edit-status:run:clear") && !stage.does("delete-record:run"));
    stage.starts();
    assert!(stage.does("edit-status:run:forget-attempts"));
    assert!(stage.run()["status"]["tasks"][0]["attempts"].is_null());
    assert!(stage.does("edit-status:run:drop-task"));
    assert_eq!(stage.run()["status"]["tasks"], json!([]));
}

#[test]
fn runs_and_workflows_come_and_go() {
    let mut stage = Stage::new();
    let first = stage.uid();
    assert!(!stage.does("create:workflowrun:run"), "it is there");
    assert!(stage.does("recreate-run:run"));
    assert_ne!(stage.uid(), first);
    assert!(stage.does("delete-run:run:background") && !stage.does("delete-run:run:orphan"));
    assert!(stage.get("workflowruns", "run").is_none());
    assert!(stage.does("create:workflowrun:run"));
    assert!(stage.does("delete-run:run:foreground"));
    assert!(stage.does("edit-workflow:workflow") && !stage.does("edit-workflow:workflow"));
    assert_eq!(
        stage.get("workflows", "workflow").expect("it is there")["spec"]["tasks"][2]["command"],
        json!(["edited"])
    );
    assert!(stage.does("delete-workflow:workflow") && !stage.does("delete-workflow:workflow"));
    assert!(stage.does("create:workflow:workflow"));
    assert!(stage.does("delete-namespace"));
    assert!(!stage.does("create:workflow:workflow"), "nothing is made in a namespace that goes");
}

#[test]
fn what_can_be_done_to_a_pod() {
    let mut stage = Stage::new();
    for text in ["delete-pod:run:a", "strip-labels:run:a", "restore-labels:run:a", "strip-finalizer:run:a"] {
        assert!(!stage.does(text), "{text}: there is no pod");
    }
    let name = stage.starts();
    let labels = |stage: &Stage| stage.get("pods", &name).expect("the pod")["metadata"]["labels"].clone();
    let before = labels(&stage);
    assert!(!stage.does("restore-labels:run:a"));
    assert!(stage.does("strip-labels:run:a") && !stage.does("strip-labels:run:a"));
    assert_eq!(labels(&stage).as_object().map_or(0, serde_json::Map::len), 0);
    assert!(stage.does("restore-labels:run:a"));
    assert_eq!(labels(&stage), before);
    assert!(stage.does("delete-pod:run:a:force"));
    assert_eq!(stage.get("pods", &name).expect("the finalizer holds it")["metadata"]["deletionGracePeriodSeconds"], 0);
    assert!(stage.does("strip-finalizer:run:a"));
    assert!(stage.get("pods", &name).is_none());
}

#[test]
fn what_can_be_done_to_the_log_of_a_run() {
    let mut stage = Stage::new();
    assert!(!stage.does("delete-segment:run") && !stage.does("foreign-segment:run"), "there is none");
    let status = json!({ "status": { "log": "[1]\n", "sealed": { "segment": "run-log-1", "count": 1, "lines": 1 } } });
    assert!(stage.wire().patch(&path("workflowruns", NAMESPACE, "run/status"), &status));
    assert!(!stage.does("delete-segment:run"), "it isn't there");
    let segment = json!({ "run": "run", "runUid": stage.uid(), "number": 1, "lines": 1, "log": "[0]\n" });
    let meta = json!({ "name": "run-log-1", "namespace": NAMESPACE });
    let record = json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRecord", "metadata": meta, "spec": { "segment": segment },
    });
    assert!(stage.wire().create(&record));
    assert!(stage.does("delete-segment:run") && stage.get("workflowrecords", "run-log-1").is_none());
    assert!(stage.does("foreign-segment:run") && !stage.does("foreign-segment:run"), "the name is taken");
    let names = stage.server.list("workflowrecords").map(|it| it["metadata"]["name"].as_str().map(str::to_owned));
    assert!(names.flatten().any(|name| name.starts_with("run-log-2-")));
}

#[test]
fn a_pod_that_is_replaced_leaves_its_name_to_a_stranger() {
    let mut stage = Stage::new();
    assert!(!stage.does("replace-pod:run:a"), "there is no pod");
    let name = stage.starts();
    let uid = |stage: &Stage| stage.get("pods", &name).expect("a pod")["metadata"]["uid"].clone();
    let before = uid(&stage);
    assert!(stage.does("replace-pod:run:a"));
    assert_ne!(uid(&stage), before);
    assert_eq!(stage.get("pods", &name).expect("a pod")["metadata"]["labels"], json!({ "app": "someone-elses" }));
    assert!(!stage.does("replace-pod:run:a"), "none of the task's is there");
}

#[test]
fn foreign_pods_take_the_name_that_comes_next() {
    for (forgery, labelled, owner) in [
        ("name", None, false),
        ("labels", Some("2"), false),
        ("attempt", Some("3"), true),
        ("older-run", Some("2"), true),
    ] {
        let mut stage = Stage::new();
        assert!(stage.does(&format!("foreign-pod:run:b:{forgery}")));
        assert!(stage.get("pods", &stage.pod_name("b", 1)).is_some(), "its first");
        stage.starts();
        assert!(stage.does(&format!("foreign-pod:run:a:{forgery}")), "{forgery}");
        let metadata = &stage.get("pods", &stage.pod_name("a", 2)).expect("its second")["metadata"];
        assert_eq!(metadata["labels"]["gantline.dev/attempt"].as_str(), labelled, "{forgery}");
        assert_eq!(metadata["ownerReferences"].is_array(), owner, "{forgery}");
        let uid = metadata["ownerReferences"][0]["uid"].as_str();
        assert_eq!(uid == Some(&stage.uid()), forgery == "attempt", "{forgery}");
        assert!(!stage.does(&format!("foreign-pod:run:a:{forgery}")), "the name is taken");
    }
}
