//! What is done to pods, and what becomes of them.

use gantline::api::{FINALIZER, label};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{RUN, Story};
use crate::check::journal::{Entry, Verb};

impl Story {
    /// Operator `one` makes the pod `r-TASK-NUMBER`.
    pub fn makes(&mut self, name: &str) -> &mut Self {
        let uid = format!("uid-{name}");
        self.makes_of(name, &uid, |_| ())
    }

    /// The same, of this uid, changed.
    pub fn makes_of(&mut self, name: &str, uid: &str, edit: impl FnOnce(&mut Value)) -> &mut Self {
        let mut pod = pod(name, RUN);
        pod["metadata"]["uid"] = json!(uid);
        edit(&mut pod);
        self.create("one", "pods", name, pod)
    }

    pub fn starts(&mut self, name: &str) -> &mut Self {
        let (uid, at) = (self.uid(name), self.now);
        self.journal.entries.push(Entry::Started { pod: uid, at });
        let at = self.stamp();
        self.tells(name, |status| {
            status["phase"] = json!("Running");
            status["containerStatuses"] = json!([{ "name": "main", "state": { "running": { "startedAt": at } } }]);
        })
    }

    /// The container ends with an exit code, and the kubelet tells of it.
    pub fn ends(&mut self, name: &str, exit_code: i32) -> &mut Self {
        self.ends_unseen(name, exit_code).tells_end(name, exit_code)
    }

    /// The container ends, and nobody tells.
    pub fn ends_unseen(&mut self, name: &str, exit_code: i32) -> &mut Self {
        let (uid, at) = (self.uid(name), self.now);
        self.journal.entries.push(Entry::Ended { pod: uid, at, exit_code });
        self
    }

    /// The kubelet tells of an end.
    pub fn tells_end(&mut self, name: &str, exit_code: i32) -> &mut Self {
        let at = self.stamp();
        self.tells(name, |status| {
            let (phase, reason) = if exit_code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
            status["phase"] = json!(phase);
            let end = json!({ "exitCode": exit_code, "reason": reason, "finishedAt": at });
            status["containerStatuses"] = json!([{ "name": "main", "state": { "terminated": end } }]);
        })
    }

    /// The kubelet tells something.
    pub fn tells(&mut self, name: &str, edit: impl FnOnce(&mut Value)) -> &mut Self {
        self.change("kubelet", ("pods", "status", name), |pod| edit(&mut pod["status"]))
    }

    /// The pod is marked as taken by someone else.
    pub fn is_taken(&mut self, name: &str) -> &mut Self {
        let at = self.stamp();
        let mark = json!({ "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI", "lastTransitionTime": at });
        self.change("user", ("pods", "status", name), |pod| pod["status"]["conditions"] = json!([mark]))
    }

    /// Its deletion is asked for, with so many seconds to end.
    pub fn is_deleted(&mut self, actor: &str, name: &str, grace: i64) -> &mut Self {
        let mut pod = self.object("pods", name);
        let at = self.now.checked_add(SignedDuration::from_secs(grace)).unwrap();
        pod["metadata"]["deletionTimestamp"] = json!(at);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
        let held = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
        self.write(actor, Verb::Delete, ("pods", "", name), pod, grace == 0 && !held)
    }

    /// The garbage collector asks for its deletion, when nothing of it runs any more.
    pub fn is_collected(&mut self, name: &str) -> &mut Self {
        self.is_deleted("garbage-collector", name, 0)
    }

    /// The exit code that the kubelet told, or nothing.
    pub fn exit_code(&self, name: &str) -> Value {
        let pod = self.object("pods", name);
        pod.pointer("/status/containerStatuses/0/state/terminated/exitCode").cloned().unwrap_or_default()
    }

    /// Operator `one` takes the finalizer off.
    pub fn lets_go(&mut self, name: &str) -> &mut Self {
        self.lets_go_as("one", name)
    }

    pub fn lets_go_as(&mut self, actor: &str, name: &str) -> &mut Self {
        let mut pod = self.object("pods", name);
        let removed = pod["metadata"]["deletionGracePeriodSeconds"] == 0;
        if !removed {
            // What is gone is told as it last was.
            pod["metadata"]["finalizers"] = json!([]);
        }
        self.write(actor, Verb::Patch, ("pods", "", name), pod, removed)
    }

    fn uid(&self, name: &str) -> String {
        self.object("pods", name)["metadata"]["uid"].as_str().unwrap().to_owned()
    }
}

/// A pod as operators make them, by its name `r-TASK-NUMBER`, of the run of this uid.
pub fn pod(name: &str, run: &str) -> Value {
    let (task, attempt) = name.trim_start_matches("r-").rsplit_once('-').unwrap();
    let labels = json!({ label::RUN: "r", label::RUN_UID: run, label::TASK: task, label::ATTEMPT: attempt });
    let owner = json!({ "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": "r", "uid": run, "controller": true });
    json!({
        "metadata": { "labels": labels, "ownerReferences": [owner], "finalizers": [FINALIZER] },
        "spec": { "nodeName": "node" }, "status": { "phase": "Pending" },
    })
}
