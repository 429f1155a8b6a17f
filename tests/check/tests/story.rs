//! Journals made by hand: a run `r` of the tasks `a` and `b`, which needs `a`, and what is done to it, a second a step.

mod pods;

pub use pods::pod;

use std::collections::BTreeMap;
use std::sync::Arc;

use gantline::api::{API_VERSION, label};
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
    sent: Option<Timestamp>,
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
        Self::pinned_with("retry", Value::Null)
    }

    /// The same, and `a` has this field in its spec.
    pub fn pinned_with(field: &str, value: Value) -> Self {
        let mut a = json!({ "name": "a" });
        a[field] = value;
        Self::pinned_to(&json!([a, { "name": "b", "needs": ["a"] }]))
    }

    /// The same, to these tasks.
    fn pinned_to(tasks: &Value) -> Self {
        let mut story = Self::new();
        story.create("user", "workflowruns", "r", json!({ "spec": { "workflowRef": { "name": "w" } } }));
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
        Self::running_after(&json!({ "name": "b", "needs": ["a"] }))
    }

    /// The same, and this is the spec of `b`.
    pub fn running_after(b: &Value) -> Self {
        let mut story = Self::pinned_to(&json!([{ "name": "a" }, b]));
        story.makes("r-a-1").starts("r-a-1").knows("a").moves("a", "Running").records();
        story
    }

    /// `a` has succeeded and its pod is let go; the intent of `b`'s first attempt is on record.
    pub fn halfway() -> Self {
        let mut story = Self::running();
        story.ends("r-a-1", 0).succeeds("a").intends("b").records();
        story.lets_go("r-a-1");
        story
    }

    /// The whole run, to its good end.
    pub fn told() -> Self {
        let mut story = Self::halfway();
        story.makes("r-b-1").starts("r-b-1").knows("b").moves("b", "Running").records();
        story.ends("r-b-1", 0).succeeds("b").moves("", "Succeeded").records();
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

    /// The next write was sent so many milliseconds ago, and was under way since.
    pub fn sent_before(&mut self, milliseconds: i64) -> &mut Self {
        self.sent = Some(self.now - SignedDuration::from_millis(milliseconds));
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

    /// Changes one field of an object, which is named by a JSON pointer.
    pub fn puts(&mut self, actor: &str, place: (&str, &str, &str), field: &str, value: Value) -> &mut Self {
        let (parent, key) = field.rsplit_once('/').unwrap();
        self.change(actor, place, |object| object.pointer_mut(parent).unwrap()[key] = value)
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

    /// The operators' own namespace is being deleted.
    pub fn system_goes(&mut self) -> &mut Self {
        let going = "2030-01-01T00:00:00Z";
        let meta = json!({ "name": "system", "namespace": "", "uid": "uid-system", "deletionTimestamp": going });
        self.create("user", "namespaces", "system", json!({ "metadata": meta }))
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

    /// A field of a task, or of the run where that is empty, is set.
    pub fn sets(&mut self, task: &str, field: &str, value: Value) -> &mut Self {
        let of = if task.is_empty() { &mut self.status } else { self.task(task) };
        of[field] = value;
        self
    }

    /// A field of a task's newest attempt is set.
    pub fn sets_attempt(&mut self, task: &str, field: &str, value: Value) -> &mut Self {
        self.attempt(task)[field] = value;
        self
    }

    /// A field of a transition is set.
    pub fn sets_transition(&mut self, index: usize, field: &str, value: Value) -> &mut Self {
        self.status["history"][index][field] = value;
        self
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
        if matches!(to, "Succeeded" | "Failed" | "Skipped" | "UpstreamFailed" | "Cancelled") {
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
        let surplus = history.len().saturating_sub(64);
        self.logs(surplus)
    }

    /// The oldest transitions of the list go into the log.
    pub fn logs(&mut self, count: usize) -> &mut Self {
        let old: Vec<Value> = self.status["history"].as_array_mut().unwrap().drain(..count).collect();
        let row = |entry: Value| {
            let fields = ["seq", "at", "task", "item", "attempt", "from", "to", "reason"];
            format!("{}\n", json!(fields.map(|field| entry[field].clone())))
        };
        let lines: String = old.into_iter().map(row).collect();
        let log = self.status["log"].as_str().unwrap_or_default().to_owned() + &lines;
        if !log.is_empty() {
            self.status["log"] = json!(log);
        }
        self
    }

    /// The log goes into a segment, which the status is to name; returns its spec.
    pub fn seals(&mut self) -> Value {
        let log = self.status.as_object_mut().unwrap().remove("log").unwrap();
        let lines = log.as_str().unwrap().lines().count() as u64;
        let old = self.status["sealed"].clone();
        let number = old["count"].as_u64().unwrap_or(0) + 1;
        let mut segment = json!({ "run": "r", "runUid": RUN, "number": number, "lines": lines, "log": log });
        if let Some(previous) = old.get("segment") {
            segment["previous"] = previous.clone();
        }
        let lines = old["lines"].as_u64().unwrap_or(0) + lines;
        self.status["sealed"] = json!({ "segment": format!("r-log-{number}"), "count": number, "lines": lines });
        segment
    }

    /// Operator `one` puts a segment on record.
    pub fn keeps(&mut self, segment: &Value) -> &mut Self {
        self.keeps_as(&format!("r-log-{}", segment["number"]), segment)
    }

    /// The same under another name.
    pub fn keeps_as(&mut self, name: &str, segment: &Value) -> &mut Self {
        let labels = json!({ (label::RUN): "r", (label::RUN_UID): RUN });
        let owner =
            json!({ "apiVersion": API_VERSION, "kind": "WorkflowRun", "name": "r", "uid": RUN, "controller": true });
        let meta = json!({ "labels": labels, "ownerReferences": [owner] });
        self.create("one", "workflowrecords", name, json!({ "metadata": meta, "spec": { "segment": segment } }))
    }

    /// The next attempt of a task is intended.
    pub fn intends(&mut self, task: &str) -> &mut Self {
        let attempts = &mut self.task(task)["attempts"];
        if attempts.is_null() {
            *attempts = json!([]);
        }
        let attempts = attempts.as_array_mut().unwrap();
        let number = attempts.last().map_or(0, |last| last["number"].as_u64().unwrap()) + 1;
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

    /// A task succeeds with its newest attempt.
    pub fn succeeds(&mut self, task: &str) -> &mut Self {
        self.closes(task, "Succeeded", Some(0)).moves(task, "Succeeded")
    }

    /// A task fails with its newest attempt.
    pub fn fails(&mut self, task: &str, reason: &str) -> &mut Self {
        self.closes_for(task, "Failed", reason).because(task, "Failed", reason)
    }

    /// A task is cancelled with its newest attempt.
    pub fn is_cancelled(&mut self, task: &str, reason: &str) -> &mut Self {
        self.closes_for(task, "Cancelled", reason).because(task, "Cancelled", reason)
    }

    /// Operator `one` writes the status.
    pub fn records(&mut self) -> &mut Self {
        self.records_as("one")
    }

    pub fn records_as(&mut self, actor: &str) -> &mut Self {
        let status = self.status.clone();
        self.change(actor, ("workflowruns", "status", "r"), |run| run["status"] = status)
    }

    // the verdict

    /// The journal ends in the midst of things.
    pub fn is_cut_off(&mut self) -> &mut Self {
        self.rules.settled = false;
        self
    }

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

fn set(object: &mut Value, field: &str, value: Option<Value>) {
    let object: &mut Map<String, Value> = object.as_object_mut().unwrap();
    match value {
        Some(value) => object.insert(field.to_owned(), value),
        None => object.remove(field),
    };
}
