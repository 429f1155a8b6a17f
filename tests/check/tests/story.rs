//! Journals made by hand: a run `r` of the tasks `a` and `b`, which needs `a`, and what is done to it, a second a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use gantline::api::{FINALIZER, label};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use crate::check::journal::{Entry, Journal, Verb, Write};
use crate::check::{Findings, Rules, check};

/// The run's uid.
pub const RUN: &str = "uid-r";

/// A journal that is being told.
pub struct Story {
    pub journal: Journal,
    pub rules: Rules,
    pub now: Timestamp,
    /// When the next write was sent; at the time of its effect where absent.
    pub sent: Option<Timestamp>,
    /// The run's status as it is to be written next.
    pub status: Value,
    /// Objects as they are, by resource and name.
    objects: BTreeMap<(String, String), Value>,
    version: u64,
}

impl Story {
    /// Nothing but the lease, which operator `one` holds for an hour.
    pub fn new() -> Self {
        let operators = vec!["one".to_owned(), "two".to_owned()];
        let mut story = Self {
            journal: Journal::default(),
            rules: Rules { operators, leases: true, settled: true, ..Rules::default() },
            now: "2030-01-01T00:00:00Z".parse().unwrap(),
            sent: None,
            status: json!({}),
            objects: BTreeMap::new(),
            version: 0,
        };
        story.lease("one", 3600);
        story
    }

    /// The run is created and pinned, and the intent of `a`'s first attempt is on record.
    pub fn pinned() -> Self {
        let mut story = Self::new();
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflowRef": { "name": "w" } } }));
        let tasks = json!([{ "name": "a" }, { "name": "b", "needs": ["a"] }]);
        story.create(
            "one",
            "workflowrecords",
            "w-1",
            json!({ "spec": { "workflow": "w", "data": { "tasks": tasks } } }),
        );
        story.status = json!({
            "revision": "w-1", "startedAt": story.stamp(),
            "tasks": [{ "name": "a", "phase": "Pending" }, { "name": "b", "phase": "Pending" }],
            "history": [], "phase": "Pending",
        });
        story.moves("", "Running").intends("a").records();
        story
    }

    /// The pod of `a`'s first attempt runs, and that is on record.
    pub fn running() -> Self {
        let mut story = Self::pinned();
        story.makes("r-a-1").starts("r-a-1").knows("a").moves("a", "Running").records();
        story
    }

    /// `a` has succeeded and its pod is let go; the intent of `b`'s first attempt is on record.
    pub fn halfway() -> Self {
        let mut story = Self::running();
        story.ends("r-a-1", 0).closes("a", "Succeeded", Some(0)).moves("a", "Succeeded").intends("b").records();
        story.lets_go("r-a-1");
        story
    }

    /// The whole run, to its good end.
    pub fn told() -> Self {
        let mut story = Self::halfway();
        story.makes("r-b-1").starts("r-b-1").knows("b").moves("b", "Running").records();
        story
            .ends("r-b-1", 0)
            .closes("b", "Succeeded", Some(0))
            .moves("b", "Succeeded")
            .moves("", "Succeeded")
            .records();
        story.lets_go("r-b-1");
        story
    }

    /// The status is cancelled: `a` is being stopped.
    pub fn stopping() -> Self {
        let mut story = Self::running();
        story.asks("cancel", json!({}));
        story.because("", "Stopping", "CancelRequested").because("a", "Stopping", "CancelRequested");
        story.because("b", "Cancelled", "CancelRequested").records();
        story
    }

    pub fn stamp(&self) -> String {
        self.now.to_string()
    }

    pub fn waits(&mut self, seconds: i64) -> &mut Self {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
        self
    }

    // writes of any kind

    /// Puts a write into the journal, and the object as it then is.
    pub fn write(
        &mut self,
        actor: &str,
        verb: Verb,
        place: (&str, &str, &str),
        object: Value,
        removed: bool,
    ) -> &mut Self {
        let (resource, subresource, name) = place;
        self.waits(1);
        self.version += 1;
        let mut object = object;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let meta = object["metadata"].clone();
        let key = (resource.to_owned(), name.to_owned());
        if removed {
            self.objects.remove(&key)
        } else {
            self.objects.insert(key, object.clone())
        };
        self.journal.entries.push(Entry::Write(Write {
            sent: self.sent.take().unwrap_or(self.now),
            at: self.now,
            actor: actor.to_owned(),
            verb,
            resource: resource.to_owned(),
            subresource: subresource.to_owned(),
            namespace: meta["namespace"].as_str().unwrap_or_default().to_owned(),
            name: name.to_owned(),
            uid: meta["uid"].as_str().unwrap().to_owned(),
            object: Arc::new(object),
            removed,
        }));
        self
    }

    /// Creates an object in namespace `default`; its uid is made of its name, unless it has one.
    pub fn create(&mut self, actor: &str, resource: &str, name: &str, mut object: Value) -> &mut Self {
        let meta = &mut object["metadata"];
        meta["name"] = json!(name);
        if meta["namespace"].is_null() {
            meta["namespace"] = json!("default");
        }
        if meta["uid"].is_null() {
            meta["uid"] = json!(format!("uid-{name}"));
        }
        self.write(actor, Verb::Create, (resource, "", name), object, false)
    }

    /// Changes an object.
    pub fn change(&mut self, actor: &str, place: (&str, &str, &str), edit: impl FnOnce(&mut Value)) -> &mut Self {
        let (resource, subresource, name) = place;
        let mut object = self.object(resource, name);
        edit(&mut object);
        let verb = if resource == "pods" && subresource.is_empty() { Verb::Patch } else { Verb::Update };
        self.write(actor, verb, (resource, subresource, name), object, false)
    }

    /// Removes an object.
    pub fn remove(&mut self, actor: &str, resource: &str, name: &str) -> &mut Self {
        let object = self.object(resource, name);
        self.write(actor, Verb::Delete, (resource, "", name), object, true)
    }

    /// An object as it is.
    pub fn object(&self, resource: &str, name: &str) -> Value {
        self.objects[&(resource.to_owned(), name.to_owned())].clone()
    }

    pub fn lease(&mut self, holder: &str, seconds: u32) -> &mut Self {
        let spec = json!({ "holderIdentity": holder, "leaseDurationSeconds": seconds });
        let object =
            json!({ "metadata": { "namespace": "system", "name": "gantline", "uid": "uid-lease" }, "spec": spec });
        let actor = if holder.is_empty() { "one" } else { holder };
        self.write(actor, Verb::Update, ("leases", "", "gantline"), object, false)
    }

    // people

    /// A field of the run's spec is set.
    pub fn asks(&mut self, field: &str, value: Value) -> &mut Self {
        self.change("user", ("workflowruns", "", "r"), |run| run["spec"][field] = value)
    }

    /// The deletion of the run is asked for and carried out at once: nothing of ours is on it.
    pub fn run_is_deleted(&mut self) -> &mut Self {
        self.remove("user", "workflowruns", "r")
    }

    /// The status is edited by hand.
    pub fn edits(&mut self, edit: impl FnOnce(&mut Value)) -> &mut Self {
        edit(&mut self.status);
        self.records_as("user")
    }

    // the record

    pub fn task(&mut self, name: &str) -> &mut Value {
        let tasks = self.status["tasks"].as_array_mut().unwrap();
        tasks.iter_mut().find(|task| task["name"] == name).unwrap()
    }

    /// The newest attempt of a task.
    pub fn attempt(&mut self, task: &str) -> &mut Value {
        self.task(task)["attempts"].as_array_mut().unwrap().last_mut().unwrap()
    }

    /// A task, or the run where that is empty, moves to a phase.
    pub fn moves(&mut self, task: &str, to: &str) -> &mut Self {
        self.moved(task, to, None)
    }

    /// It moves for a reason.
    pub fn because(&mut self, task: &str, to: &str, reason: &str) -> &mut Self {
        self.moved(task, to, Some(reason))
    }

    fn moved(&mut self, task: &str, to: &str, reason: Option<&str>) -> &mut Self {
        let at = self.stamp();
        let of = if task.is_empty() { &mut self.status } else { self.task(task) };
        let mut entry = json!({ "at": at, "from": of["phase"], "to": to });
        of["phase"] = json!(to);
        set(of, "reason", reason.map(|reason| json!(reason)));
        set(&mut entry, "reason", reason.map(|reason| json!(reason)));
        if matches!(to, "Succeeded" | "Failed" | "UpstreamFailed" | "Cancelled") {
            of["finishedAt"] = json!(at);
        }
        if !task.is_empty() {
            entry["task"] = json!(task);
            set(
                &mut entry,
                "attempt",
                self.task(task)["attempts"].as_array().and_then(|all| Some(all.last()?["number"].clone())),
            );
        }
        let history = self.status["history"].as_array_mut().unwrap();
        entry["seq"] = json!(history.last().map_or(0, |last| last["seq"].as_u64().unwrap()) + 1);
        history.push(entry);
        history.drain(..history.len().saturating_sub(64));
        self
    }

    /// The next attempt of a task is intended.
    pub fn intends(&mut self, task: &str) -> &mut Self {
        let attempts = &mut self.task(task)["attempts"];
        if attempts.is_null() {
            *attempts = json!([]);
        }
        let attempts = attempts.as_array_mut().unwrap();
        let number = attempts.len() + 1;
        attempts.push(json!({ "number": number, "pod": format!("r-{task}-{number}") }));
        self.moves(task, "Starting")
    }

    /// The uid of a task's pod, and that its container runs.
    pub fn knows(&mut self, task: &str) -> &mut Self {
        let at = self.stamp();
        let attempt = self.attempt(task);
        attempt["uid"] = json!(format!("uid-{}", attempt["pod"].as_str().unwrap()));
        attempt["startedAt"] = json!(at);
        self
    }

    /// The newest attempt of a task gets its outcome.
    pub fn closes(&mut self, task: &str, outcome: &str, exit_code: Option<i32>) -> &mut Self {
        let at = self.stamp();
        let attempt = self.attempt(task);
        attempt["outcome"] = json!(outcome);
        attempt["finishedAt"] = json!(at);
        set(attempt, "exitCode", exit_code.map(|code| json!(code)));
        self
    }

    /// The newest attempt of a task gets its outcome, for a reason.
    pub fn closes_for(&mut self, task: &str, outcome: &str, reason: &str) -> &mut Self {
        self.closes(task, outcome, None);
        self.attempt(task)["reason"] = json!(reason);
        self
    }

    /// Operator `one` writes the status.
    pub fn records(&mut self) -> &mut Self {
        self.records_as("one")
    }

    pub fn records_as(&mut self, actor: &str) -> &mut Self {
        let status = self.status.clone();
        self.change(actor, ("workflowruns", "status", "r"), |run| run["status"] = status)
    }

    // pods

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

    /// Operator `one` takes the finalizer off.
    pub fn lets_go(&mut self, name: &str) -> &mut Self {
        self.lets_go_as("one", name)
    }

    pub fn lets_go_as(&mut self, actor: &str, name: &str) -> &mut Self {
        let mut pod = self.object("pods", name);
        pod["metadata"]["finalizers"] = json!([]);
        let removed = pod["metadata"]["deletionGracePeriodSeconds"] == 0;
        self.write(actor, Verb::Patch, ("pods", "", name), pod, removed)
    }

    fn uid(&self, name: &str) -> String {
        self.object("pods", name)["metadata"]["uid"].as_str().unwrap().to_owned()
    }

    // the verdict

    pub fn findings(&self) -> Findings {
        check(&self.journal, &self.rules)
    }

    /// The invariants that are broken, each once.
    pub fn broken(&self) -> Vec<&'static str> {
        let mut all: Vec<&str> = self.findings().violations.iter().map(|violation| violation.invariant).collect();
        all.sort_unstable();
        all.dedup();
        all
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

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let object: &mut Map<String, Value> = object.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(field.to_owned(), value),
        None => object.remove(field),
    };
}
