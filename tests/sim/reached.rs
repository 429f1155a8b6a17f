//! The rare things that schedules are made for, counted: a simulator that never meets them proves nothing about them.

use std::collections::{BTreeMap, BTreeSet};

use http::Method;
use serde_json::Value;

use crate::model::{Answer, Request, Server};
use crate::replica::Process;

macro_rules! rare {
    ($($name:ident: $words:literal,)*) => {
        /// A rare thing.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rare { $(#[doc = $words] $name,)* }

        impl Rare {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// In words.
            pub const fn words(self) -> &'static str {
                match self { $(Self::$name => $words,)* }
            }
        }
    };
}

rare! {
    StatusConflict: "a status write met a newer version (409)",
    ReadAfterConflict: "and the run was read again",
    PodExistsOurs: "a pod to be made existed, the run's own",
    PodExistsForeign: "a pod to be made existed, another's",
    RecordExists: "a record to be made existed",
    LogSealed: "a part of a run's log was put on record",
    SegmentExists: "one that was to be put on record was there",
    OutputsSealed: "outputs of a run were put on record",
    OutputsExist: "and those that were to be put on record were there",
    HiddenCreate: "a create took effect, and its answer did not come",
    HiddenStatus: "a status write took effect, and its answer did not come",
    HiddenPatch: "a finalizer was released, and the answer did not come",
    HiddenDelete: "a deletion took effect, and its answer did not come",
    RelistAfterGone: "a list after a watch that could not be resumed (410)",
    LiveReadNews: "a live read told what the watch had not",
    LeaseTaken: "a lease was taken over from another",
    TwoLeaders: "a process thawed while another led",
    LateWrite: "a write arrived when another led",
    LateWriteApplied: "and was applied",
    ReleaseRaced: "a pod was gone or changed before its release",
    OrphanReleased: "a pod was released whose run was gone or going",
    CreateForGone: "a pod was made whose run was gone or going",
    CreateRacedCancel: "a pod was made when its run's cancel was asked for",
    IntentWithoutPod: "a process started with an intent on record and no pod",
    PodNotOnRecord: "a process started with a pod whose start was not on record",
    EndNotOnRecord: "a process started with an ended pod whose outcome was not on record",
    RetriedAfterDisruption: "an attempt followed a disrupted one",
    RetriedAfterFailure: "an attempt followed a failed one",
    Polled: "an attempt followed one that found nothing yet",
    TimedOut: "an attempt timed out",
    SkippedByRule: "a task was skipped by its trigger rule",
    SkippedByCondition: "a task was skipped by its condition",
    FinallyAfterFailure: "a finally task ran in a run that failed",
    FinallyAfterCancel: "a finally task ran in a run that was cancelled",
    FinallyCancelled: "a finally task was cancelled",
    ChildRetried: "a child run followed one that failed or was deleted",
    ChildStopped: "a child run was stopped by the run that it is a child of",
}

/// How often each came to pass.
#[derive(Clone, Debug, Default)]
pub struct Reached {
    counts: BTreeMap<Rare, u64>,
    /// Newest version of each object that a process was shown, by its identity and the object's uid.
    shown: BTreeMap<(String, String), u64>,
    /// Processes whose last status write of a run met a conflict: identity and path of the run.
    conflicts: BTreeSet<(String, String)>,
    /// Who led last.
    leader: String,
    /// Watches that ended with 410: identity and resource.
    gone: BTreeSet<(String, String)>,
}

impl Reached {
    /// It came to pass.
    pub fn count(&mut self, rare: Rare) {
        *self.counts.entry(rare).or_insert(0) += 1;
    }

    /// How often each came to pass.
    pub const fn counts(&self) -> &BTreeMap<Rare, u64> {
        &self.counts
    }

    /// The API server carried out a request of an operator's.
    pub fn judged(&mut self, process: &Process, request: &Request, answer: &Answer, server: &Server) {
        let Answer::Object { code, body, .. } = answer else { return };
        let place = Place::of(&request.path);
        match (&request.method, place.resource, place.subresource) {
            (&Method::PUT, "workflowruns", "status") if *code == 409 => {
                self.count(Rare::StatusConflict);
                let run = request.path.split("/status").next().unwrap_or_default();
                self.conflicts.insert((process.identity.clone(), run.to_owned()));
            }
            (&Method::POST, "pods", "") => self.pod_created(request, *code, server, place.namespace),
            (&Method::POST, "workflowrecords", "") => self.record_created(request, *code),
            (&Method::PATCH, "pods", "") if *code >= 400 => self.count(Rare::ReleaseRaced),
            (&Method::PATCH, "pods", "") if !has_live_owner(body, server) => self.count(Rare::OrphanReleased),
            (&Method::GET, resource, "") if place.name.is_empty() => {
                if self.gone.remove(&(process.identity.clone(), resource.to_owned())) {
                    self.count(Rare::RelistAfterGone);
                }
                for item in body["items"].as_array().into_iter().flatten() {
                    self.see(process, item);
                }
            }
            (&Method::GET, resource, "") if *code == 200 => {
                if resource == "workflowruns"
                    && self.conflicts.remove(&(process.identity.clone(), request.path.clone()))
                {
                    self.count(Rare::ReadAfterConflict);
                }
                if matches!(resource, "workflowruns" | "pods") && self.see(process, body) {
                    self.count(Rare::LiveReadNews);
                }
            }
            _ => {}
        }
        if request.method != Method::GET && *code < 300 {
            self.see(process, body);
        }
    }

    fn record_created(&mut self, request: &Request, code: u16) {
        let record = serde_json::from_slice::<Value>(&request.body).unwrap_or_default();
        let is_segment = record.pointer("/spec/segment").is_some();
        let has_outputs = record.pointer("/spec/outputs").is_some();
        match code {
            409 if has_outputs => self.count(Rare::OutputsExist),
            201 if has_outputs => self.count(Rare::OutputsSealed),
            409 => self.count(if is_segment { Rare::SegmentExists } else { Rare::RecordExists }),
            201 if is_segment => self.count(Rare::LogSealed),
            _ => {}
        }
    }

    fn pod_created(&mut self, request: &Request, code: u16, server: &Server, namespace: &str) {
        let Ok(pod) = serde_json::from_slice::<Value>(&request.body) else { return };
        let name = text(&pod, "/metadata/name");
        let owner = |pod: &Value| text(pod, "/metadata/ownerReferences/0/uid").to_owned();
        if code == 409 {
            let ours = server.get("pods", namespace, name).is_some_and(|found| owner(found) == owner(&pod));
            self.count(if ours { Rare::PodExistsOurs } else { Rare::PodExistsForeign });
        } else if code < 300 {
            let run = server.get("workflowruns", namespace, text(&pod, "/metadata/ownerReferences/0/name"));
            let run = run.filter(|run| text(run, "/metadata/uid") == owner(&pod));
            match run {
                Some(run) if run.pointer("/metadata/deletionTimestamp").is_none() => {
                    if run
                        .pointer("/spec/cancel")
                        .is_some_and(|cancel| !cancel.is_null() && *cancel != Value::Bool(false))
                    {
                        self.count(Rare::CreateRacedCancel);
                    }
                }
                _ => self.count(Rare::CreateForGone),
            }
        }
    }

    /// A write took effect, and its sender isn't told.
    pub fn hidden(&mut self, request: &Request, answer: &Answer) {
        let Answer::Object { code, .. } = answer else { return };
        if *code >= 300 {
            return;
        }
        match (&request.method, Place::of(&request.path).resource) {
            (&Method::POST, "pods") => self.count(Rare::HiddenCreate),
            (&Method::PUT, "workflowruns") => self.count(Rare::HiddenStatus),
            (&Method::PATCH, "pods") => self.count(Rare::HiddenPatch),
            (&Method::DELETE, "pods") => self.count(Rare::HiddenDelete),
            _ => {}
        }
    }

    /// A watch showed an event to a process.
    pub fn showed(&mut self, process: &Process, resource: &str, event: &Value) {
        if event["type"] == "ERROR" {
            self.gone.insert((process.identity.clone(), resource.to_owned()));
        } else {
            self.see(process, &event["object"]);
        }
    }

    /// A process sees an object; whether that is news.
    fn see(&mut self, process: &Process, object: &Value) -> bool {
        let version = text(object, "/metadata/resourceVersion").parse().unwrap_or(0);
        let uid = text(object, "/metadata/uid").to_owned();
        let known = self.shown.entry((process.identity.clone(), uid)).or_insert(0);
        let news = version > *known;
        *known = version.max(*known);
        news
    }

    /// The lease was written, and this one holds it; whether another did before.
    pub fn led(&mut self, holder: &str) -> bool {
        if holder.is_empty() || holder == self.leader {
            return false;
        }
        if !self.leader.is_empty() {
            self.count(Rare::LeaseTaken);
        }
        holder.clone_into(&mut self.leader);
        true
    }

    /// A process other than the first starts: what did those before leave half done?
    pub fn restarted(&mut self, server: &Server) {
        for run in server.list("workflowruns") {
            let namespace = text(run, "/metadata/namespace");
            for task in run.pointer("/status/tasks").and_then(Value::as_array).into_iter().flatten() {
                let Some(last) = task["attempts"].as_array().and_then(|attempts| attempts.last()) else { continue };
                if !last["outcome"].is_null() {
                    continue;
                }
                let pod = server.get("pods", namespace, last["pod"].as_str().unwrap_or_default());
                match pod.map(|pod| text(pod, "/status/phase")) {
                    None => self.count(Rare::IntentWithoutPod),
                    Some("Succeeded" | "Failed") => self.count(Rare::EndNotOnRecord),
                    Some(_) if last["uid"].is_null() => self.count(Rare::PodNotOnRecord),
                    Some(_) => {}
                }
            }
        }
    }

    /// The world ends: what do the runs tell?
    pub fn ended(&mut self, server: &Server) {
        for run in server.list("workflowruns") {
            self.verdict(run);
            for task in run.pointer("/status/tasks").and_then(Value::as_array).into_iter().flatten() {
                let attempts = task["attempts"].as_array().map_or(&[][..], Vec::as_slice);
                for pair in attempts.windows(2) {
                    if pair[1]["run"].is_string() {
                        self.count(Rare::ChildRetried);
                    }
                    match pair[0]["outcome"].as_str() {
                        Some("Disrupted") => self.count(Rare::RetriedAfterDisruption),
                        Some("Failed") => self.count(Rare::RetriedAfterFailure),
                        Some("NotYet") => self.count(Rare::Polled),
                        _ => {}
                    }
                }
                let timed_out = |it: &&Value| matches!(it["reason"].as_str(), Some("TimedOut" | "StartTimedOut"));
                attempts.iter().filter(timed_out).for_each(|_| self.count(Rare::TimedOut));
            }
        }
    }
}

impl Reached {
    /// What became of tasks that don't just run one after another.
    fn verdict(&mut self, run: &Value) {
        let phase = text(run, "/status/phase");
        if text(run, "/status/reason") == "ParentStopped" {
            self.count(Rare::ChildStopped);
        }
        let tasks = run.pointer("/status/tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        let has_failed = tasks.iter().any(|task| task["phase"] == "Failed");
        for task in tasks {
            let ran = task["attempts"].as_array().is_some_and(|attempts| !attempts.is_empty());
            let finally = task["finally"] == true;
            let found = match (text(task, "/phase"), text(task, "/reason")) {
                ("Skipped", "RuleNotMet") => Some(Rare::SkippedByRule),
                ("Skipped", "WhenFalse") => Some(Rare::SkippedByCondition),
                ("Cancelled", _) if finally => Some(Rare::FinallyCancelled),
                _ if finally && ran && phase == "Cancelled" => Some(Rare::FinallyAfterCancel),
                _ if finally && ran && has_failed => Some(Rare::FinallyAfterFailure),
                _ => None,
            };
            if let Some(rare) = found {
                self.count(rare);
            }
        }
    }
}

/// What a path names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place<'a> {
    /// The resource.
    pub resource: &'a str,
    /// The namespace; empty for all.
    pub namespace: &'a str,
    /// The name; empty for the collection.
    pub name: &'a str,
    /// The subresource.
    pub subresource: &'a str,
}

impl<'a> Place<'a> {
    /// Reads a path.
    pub fn of(path: &'a str) -> Self {
        let path = path.split('?').next().unwrap_or_default().trim_start_matches('/');
        let mut parts = path.split('/').skip(if path.starts_with("api/") { 2 } else { 3 });
        let mut place = Self::default();
        let mut next = parts.next().unwrap_or_default();
        if next == "namespaces" {
            let namespace = parts.next().unwrap_or_default();
            match parts.next() {
                Some(resource) => (place.namespace, next) = (namespace, resource),
                None => place.name = namespace,
            }
        }
        place.resource = next;
        if place.name.is_empty() {
            place.name = parts.next().unwrap_or_default();
        }
        place.subresource = parts.next().unwrap_or_default();
        place
    }
}

/// Whether the object's owner exists and isn't being deleted.
fn has_live_owner(object: &Value, server: &Server) -> bool {
    let namespace = text(object, "/metadata/namespace");
    let owner = server.get("workflowruns", namespace, text(object, "/metadata/ownerReferences/0/name"));
    owner.is_some_and(|run| {
        text(run, "/metadata/uid") == text(object, "/metadata/ownerReferences/0/uid")
            && run.pointer("/metadata/deletionTimestamp").is_none()
    })
}

/// A text in an object; empty where there is none.
pub fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

#[test]
fn paths_are_read() {
    let place = |path| {
        let place = Place::of(path);
        [place.resource, place.namespace, place.name, place.subresource]
    };
    assert_eq!(place("/api/v1/namespaces/default/pods/p?x=y"), ["pods", "default", "p", ""]);
    assert_eq!(place("/api/v1/pods?limit=500"), ["pods", "", "", ""]);
    assert_eq!(
        place("/apis/gantline.dev/v1alpha1/namespaces/d/workflowruns/r/status?fieldManager=gantline"),
        ["workflowruns", "d", "r", "status"]
    );
    assert_eq!(place("/api/v1/namespaces/default"), ["namespaces", "", "default", ""]);
}
