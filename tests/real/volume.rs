//! The volumes that tasks of a run share, where no provisioner makes any: over directories of the node.

use serde_json::{Value, json};

use gantline::plan::claim_name;

use super::stage::Stage;

/// A volume that is a directory of the node, for claims of this namespace alone. Removed when it is dropped.
struct Volume<'a>(&'a Stage);

impl<'a> Volume<'a> {
    fn new(stage: &'a Stage) -> Self {
        let volume = Self(stage);
        let volume_json = json!({
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": stage.namespace},
            "spec": {
                "storageClassName": stage.namespace, "capacity": {"storage": "16Mi"}, "accessModes": ["ReadWriteOnce"],
                "hostPath": {"path": format!("/tmp/{}", stage.namespace), "type": "DirectoryOrCreate"},
            },
        });
        stage.feed(&["create", "-f", "-"], &volume_json.to_string()).expect("it is made");
        volume
    }
}

impl Drop for Volume<'_> {
    fn drop(&mut self) {
        self.0.try_kubectl(&["delete", "pv", &self.0.namespace, "--wait=false"]);
    }
}

/// A run of two tasks that share a volume: what the one writes, the other reads. A third shares nothing.
fn run(stage: &Stage, name: &str) -> Value {
    let mounts =
        json!({"spec": {"containers": [{"name": "main", "volumeMounts": [{"name": "work", "mountPath": "/work"}]}]}});
    let claim = json!({
        "storageClassName": stage.namespace, "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "16Mi"}},
    });
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": {"name": name},
        "spec": {"workflow": {
            "taskDefaults": {"image": "busybox:1.37"},
            "volumeClaims": [{"name": "work", "spec": claim}],
            "tasks": [
                {"name": "write", "podTemplate": mounts, "script": "echo kept > /work/word"},
                {
                    "name": "read", "needs": ["write"], "podTemplate": mounts, "outputs": [{"name": "word", "type": "string"}],
                    "script": "echo \"word=$(cat /work/word)\" > \"$GANTLINE_OUTPUT\"",
                },
                {"name": "apart", "script": "true"},
            ],
        }},
    })
}

fn create(stage: &Stage, object: &Value) {
    stage.feed(&["create", "-f", "-"], &object.to_string()).expect("it is made");
}

fn claim_of(stage: &Stage, run: &str) -> String {
    let uid = stage.get("wfr", run).expect("the run")["metadata"]["uid"].as_str().expect("a uid").to_owned();
    claim_name(run, &uid, "work")
}

/// Waits until the task `write` waits for a thing of this kind, in these words.
fn waits(stage: &Stage, run: &str, kind: &str, words: &str) {
    let waiting = stage.until(&format!("run {run} to wait for {kind}: {words}"), || {
        let waiting = stage.status(run)["tasks"][0]["waitingFor"].clone();
        let is_it = waiting["kind"] == kind && waiting["detail"].as_str().is_some_and(|detail| detail.contains(words));
        is_it.then_some(waiting)
    });
    println!("{run}: {waiting}");
}

#[test]
fn a_volume_waits_for_its_quota_holds_what_tasks_write_and_goes_with_its_run() {
    let mut stage = Stage::without_operator("volume");
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"persistentvolumeclaims": "0"}},
    });
    create(&stage, &quota);
    stage.until("the quota to be in force", || stage.get("quota", "none")?["status"]["hard"].is_object().then_some(()));
    stage.start_operator();
    let stage = stage;
    let _volume = Volume::new(&stage);
    create(&stage, &run(&stage, "shares"));
    waits(&stage, "shares", "Quota", "exceeded quota: none");
    stage.until("the task that shares nothing", || {
        (stage.task("shares", "apart")["phase"] == "Succeeded").then_some(())
    });
    assert_eq!(stage.task("shares", "write")["attempts"], Value::Null, "no attempt is made of what waits for a volume");

    stage.kubectl(&["delete", "quota", "none"]);
    let status = stage.succeeds("shares");
    assert_eq!(stage.task("shares", "read")["outputs"], json!({"word": "kept"}), "{status:#}");
    let name = claim_of(&stage, "shares");
    let claim = stage.get("pvc", &name).expect("the claim");
    let on_record = json!([{"name": "work", "claim": name, "uid": claim["metadata"]["uid"]}]);
    assert_eq!(stage.status("shares")["volumeClaims"], on_record);
    let run_uid = &stage.get("wfr", "shares").expect("the run")["metadata"]["uid"];
    assert_eq!(claim["metadata"]["ownerReferences"][0]["uid"], *run_uid);

    stage.kubectl(&["delete", "wfr", "shares"]);
    stage.until("the claim to go with its run", || stage.get("pvc", &name).is_none().then_some(()));
}

#[test]
fn a_claim_of_someone_else_under_our_name_is_left_alone() {
    let mut stage = Stage::without_operator("volume-clash");
    create(&stage, &run(&stage, "taken"));
    let name = claim_of(&stage, "taken");
    let theirs = json!({
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name},
        "spec": {"storageClassName": "none", "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}},
    });
    create(&stage, &theirs);
    let before = stage.get("pvc", &name).expect("the claim")["metadata"].clone();
    stage.start_operator();
    let status = stage.finished("taken");
    let phases: Vec<&str> =
        status["tasks"].as_array().expect("tasks").iter().filter_map(|task| task["phase"].as_str()).collect();
    assert_eq!(phases, ["Failed", "UpstreamFailed", "Succeeded"], "{status:#}");
    let write = stage.task("taken", "write");
    assert_eq!((&write["reason"], &write["attempts"]), (&"NameClash".into(), &Value::Null));
    let words = format!("a volume claim named {name} exists that is not this run's: find out who made it");
    assert!(write["message"].as_str().is_some_and(|it| it.starts_with(&words)), "{write:#}");
    let after = stage.get("pvc", &name).expect("the claim")["metadata"].clone();
    assert_eq!(
        (&before["uid"], &before["ownerReferences"], &before["labels"]),
        (&after["uid"], &after["ownerReferences"], &after["labels"])
    );
    assert!(after["deletionTimestamp"].is_null(), "nobody's claim is touched");
}

#[test]
fn an_invalid_claim_fails_what_mounts_it_and_nothing_else() {
    let stage = Stage::new("volume-invalid");
    let mut run = run(&stage, "invalid");
    run["spec"]["workflow"]["volumeClaims"][0]["spec"]["volumeMode"] = json!("Cloud");
    create(&stage, &run);
    let status = stage.finished("invalid");
    let write = stage.task("invalid", "write");
    assert_eq!((&write["reason"], &write["attempts"]), (&"VolumeClaimInvalid".into(), &Value::Null), "{status:#}");
    assert!(write["message"].as_str().is_some_and(|it| it.contains("volumeMode")), "{write:#}");
    assert_eq!(stage.task("invalid", "apart")["phase"], "Succeeded");
}
