//! Random sequences of requests, each from its seed.
//!
//! What a server gives itself, such as uids, differs between the two. A step names it by the step whose answer had it: the
//! text `$uid:7` is the uid in the answer to step 7, and `{"$answer": 7, "$change": …}` that answer with a merge patch.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Value, json};

use super::objects;
use crate::model::Server;

/// A request, as yet without what differs between the servers.
#[derive(Clone, Debug)]
pub struct Step {
    pub method: Method,
    pub path: String,
    pub content_type: &'static str,
    pub body: Value,
}

/// A resource that requests are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    Pod,
    Run,
    Workflow,
    Record,
    Lease,
    Event,
}

impl Subject {
    pub const ALL: [Self; 6] = [Self::Pod, Self::Run, Self::Workflow, Self::Record, Self::Lease, Self::Event];

    /// The root of its API and its plural.
    pub fn place(self) -> (&'static str, &'static str) {
        match self {
            Self::Pod => ("/api/v1", "pods"),
            Self::Run => ("/apis/gantline.dev/v1alpha1", "workflowruns"),
            Self::Workflow => ("/apis/gantline.dev/v1alpha1", "workflows"),
            Self::Record => ("/apis/gantline.dev/v1alpha1", "workflowrecords"),
            Self::Lease => ("/apis/coordination.k8s.io/v1", "leases"),
            Self::Event => ("/apis/events.k8s.io/v1", "events"),
        }
    }

    pub fn has_status(self) -> bool {
        matches!(self, Self::Pod | Self::Run | Self::Workflow)
    }
}

/// Pseudo-random numbers (splitmix64).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `count`.
    pub fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.next() % count as u64).unwrap_or_default()
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub fn pick<T: Clone>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())].clone()
    }
}

/// Makes the steps of a sequence, knowing what the model answered to those before.
pub struct Sequence {
    pub namespace: String,
    dice: Dice,
    /// Of each object the steps that answered with it.
    answers: BTreeMap<(Subject, String), Vec<usize>>,
    /// Paged lists that can be continued.
    pages: Vec<(String, usize)>,
    /// Objects that the garbage collector acts on from now on: it would interfere at times of its own.
    pub collected: Vec<String>,
    made: usize,
}

/// The first step makes an owner for others, which nobody touches.
pub const ANCHOR: usize = 0;

impl Sequence {
    pub fn new(seed: u64, namespace: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            dice: Dice::new(seed),
            answers: BTreeMap::new(),
            pages: Vec::new(),
            collected: Vec::new(),
            made: 0,
        }
    }

    /// The next step.
    pub fn step(&mut self, server: &Server) -> Step {
        let number = self.made;
        self.made += 1;
        if number == ANCHOR {
            return Self::json(Method::POST, self.collection(Subject::Workflow), objects::workflow("anchor"));
        }
        let subject = self.dice.pick(&[
            Subject::Pod,
            Subject::Pod,
            Subject::Pod,
            Subject::Pod,
            Subject::Run,
            Subject::Run,
            Subject::Run,
            Subject::Workflow,
            Subject::Record,
            Subject::Lease,
            Subject::Event,
        ]);
        let letter = self.dice.pick(&["a", "b", "c"]);
        let name = format!("{}-{letter}", subject.place().1);
        if self.collected.contains(&name) {
            return self.list(subject);
        }
        let found = server.get(subject.place().1, &self.namespace, &name);
        let exists = found.is_some();
        let deleting = found.is_some_and(|object| object["metadata"]["deletionTimestamp"].is_string());
        let held = found.is_some_and(|object| object["metadata"]["finalizers"].is_array());
        let roll = self.dice.below(100);
        if !exists && roll < 75 {
            return self.create(subject, &name);
        }
        match self.dice.below(100) {
            0..5 => self.create(subject, &name),
            5..10 => Step { method: Method::GET, ..Self::json(Method::GET, self.object(subject, &name), Value::Null) },
            10..22 => self.list(subject),
            22..42 => self.put(subject, &name, deleting),
            42..60 => self.merge(subject, &name, deleting),
            60..74 => self.json_patch(subject, &name),
            74..82 if subject == Subject::Pod => {
                let body = json!({ "metadata": { "name": name }, "target": { "kind": "Node", "name": super::NODE } });
                Self::json(Method::POST, format!("{}/binding", self.object(subject, &name)), body)
            }
            _ => self.delete(subject, &name, held),
        }
    }

    /// Takes the model's answer to the step of this number in.
    pub fn learn(&mut self, number: usize, step: &Step, code: u16, body: &Value) {
        let text = |path: &str| body.pointer(path).and_then(Value::as_str).unwrap_or_default();
        if code >= 300 {
            return;
        }
        if !text("/metadata/continue").is_empty() {
            // What goes on is of the revision that it began with.
            let path = step.path.split("&continue=").next().unwrap_or_default();
            let path = path.split("resourceVersionMatch").next().unwrap_or_default();
            self.pages.push((path.trim_end_matches('&').to_owned(), number));
        }
        let subject = Subject::ALL.into_iter().find(|subject| {
            let (root, plural) = subject.place();
            step.path.starts_with(&format!("{root}/namespaces/{}/{plural}", self.namespace))
        });
        let name = text("/metadata/name");
        if let (Some(subject), false) = (subject, name.is_empty()) {
            self.answers.entry((subject, name.to_owned())).or_default().push(number);
        }
    }

    /// Watches over what the sequence did, to be read once it is over.
    pub fn watches(&mut self) -> Vec<Step> {
        let versions: Vec<usize> = self.answers.values().flatten().copied().collect();
        let mut steps = Vec::new();
        for subject in Subject::ALL {
            let from = self.dice.pick(&versions);
            let query = self.dice.pick(&["", "&labelSelector=app%3Da", "&labelSelector=app", "&labelSelector=!app"]);
            let path = self.collection(subject);
            for version in ["$version:0".to_owned(), format!("$version:{from}")] {
                steps.push(format!("{path}?watch=true{query}&resourceVersion={version}"));
            }
        }
        steps.push(format!("{}?watch=true&resourceVersion=1", self.collection(Subject::Run)));
        steps.into_iter().map(|path| Self::json(Method::GET, path, Value::Null)).collect()
    }

    fn json(method: Method, path: String, body: Value) -> Step {
        Step { method, path, content_type: "application/json", body }
    }

    fn collection(&self, subject: Subject) -> String {
        let (root, plural) = subject.place();
        format!("{root}/namespaces/{}/{plural}", self.namespace)
    }

    fn object(&self, subject: Subject, name: &str) -> String {
        format!("{}/{name}", self.collection(subject))
    }

    fn create(&mut self, subject: Subject, name: &str) -> Step {
        let body = objects::new(&mut self.dice, subject, name);
        let mut path = self.collection(subject);
        if self.dice.percent(2) {
            path = path.replace(&self.namespace, "nowhere-at-all");
        }
        Self::json(Method::POST, path, body)
    }

    fn list(&mut self, subject: Subject) -> Step {
        if self.dice.percent(40) && !self.pages.is_empty() {
            let (path, page) = self.dice.pick(&self.pages);
            return Self::json(Method::GET, format!("{path}&continue=$continue:{page}"), Value::Null);
        }
        let labels = self.dice.pick(&[
            "",
            "",
            "labelSelector=app",
            "labelSelector=!app",
            "labelSelector=app%3Da",
            "labelSelector=app!%3Da",
            "labelSelector=app%20in%20(a,b)",
            "labelSelector=app%20notin%20(a),tier%3Db",
            "labelSelector=a%20b",
        ]);
        let plural = subject.place().1;
        let fields =
            self.dice.pick(&[String::new(), String::new(), format!("fieldSelector=metadata.name%3D{plural}-a")]);
        let limit = self.dice.pick(&["", "limit=1", "limit=2"]);
        let mut query: Vec<String> = [limit, labels, &fields].iter().map(|part| (*part).to_owned()).collect();
        let versions: Vec<usize> = self.answers.values().flatten().copied().collect();
        if self.dice.percent(15) && !versions.is_empty() {
            let from = self.dice.pick(&versions);
            query.push(format!("resourceVersionMatch=Exact&resourceVersion=$version:{from}"));
        }
        query.retain(|part| !part.is_empty());
        Self::json(Method::GET, format!("{}?{}", self.collection(subject), query.join("&")), Value::Null)
    }

    /// The newest answer with an object, or one of the older ones.
    fn seen(&mut self, subject: Subject, name: &str) -> Option<usize> {
        let steps = self.answers.get(&(subject, name.to_owned()))?;
        let newest = *steps.last()?;
        if self.dice.percent(80) { Some(newest) } else { Some(self.dice.pick(steps)) }
    }

    /// The path of an object, or of its status.
    fn target(&mut self, subject: Subject, name: &str) -> (String, bool) {
        let status = subject.has_status() && self.dice.percent(40);
        let path = self.object(subject, name);
        if status { (format!("{path}/status"), true) } else { (path, false) }
    }

    /// A random change of an object. A time of its deletion is not asked for when it has one: the server would refuse it, but
    /// make a note of the wish in the managed fields, which are not modelled.
    fn change(&mut self, subject: Subject, status: bool, deleting: bool) -> Value {
        let mut change = objects::change(&mut self.dice, subject, status);
        if deleting && let Some(meta) = change["metadata"].as_object_mut() {
            meta.remove("deletionTimestamp");
        }
        change
    }

    fn put(&mut self, subject: Subject, name: &str, deleting: bool) -> Step {
        let (path, status) = self.target(subject, name);
        let Some(seen) = self.seen(subject, name) else {
            let body = objects::new(&mut self.dice, subject, name);
            return Self::json(Method::PUT, path, body);
        };
        let mut change = self.change(subject, status, deleting);
        match self.dice.below(20) {
            0 => change["metadata"]["resourceVersion"] = Value::Null,
            1 => change["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000"),
            2 => change["metadata"]["uid"] = Value::Null,
            3 => change["metadata"]["name"] = json!("another"),
            4 => change["metadata"]["namespace"] = json!("another"),
            5 => change["metadata"]["namespace"] = Value::Null,
            6 if !status => change["kind"] = json!("Another"),
            _ => {}
        }
        Self::json(Method::PUT, path, json!({ "$answer": seen, "$change": change }))
    }

    fn merge(&mut self, subject: Subject, name: &str, deleting: bool) -> Step {
        let (path, status) = self.target(subject, name);
        let mut change = self.change(subject, status, deleting);
        if let Some(seen) = self.seen(subject, name) {
            match self.dice.below(8) {
                0 => change["metadata"]["resourceVersion"] = json!(format!("$version:{seen}")),
                1 => change["metadata"]["uid"] = json!(format!("$uid:{seen}")),
                2 => change["metadata"]["uid"] = json!("00000000-0000-4000-8000-000000000000"),
                3 => change["metadata"]["name"] = json!("another"),
                _ => {}
            }
        }
        let content_type = if self.dice.percent(3) { "application/none" } else { "application/merge-patch+json" };
        Step { content_type, ..Self::json(Method::PATCH, path, change) }
    }

    fn json_patch(&mut self, subject: Subject, name: &str) -> Step {
        let (path, _) = self.target(subject, name);
        let mut operations = Vec::new();
        if let Some(seen) = self.seen(subject, name).filter(|_| self.dice.percent(60)) {
            operations.push(json!({ "op": "test", "path": "/metadata/uid", "value": format!("$uid:{seen}") }));
        }
        operations.extend(objects::operations(&mut self.dice));
        Step { content_type: "application/json-patch+json", ..Self::json(Method::PATCH, path, json!(operations)) }
    }

    /// `held` says that a finalizer keeps the object, so that the garbage collector can't remove it.
    fn delete(&mut self, subject: Subject, name: &str, held: bool) -> Step {
        let mut options = json!({});
        if let Some(seen) = self.seen(subject, name) {
            match self.dice.below(8) {
                0 | 1 => options["preconditions"] = json!({ "uid": format!("$uid:{seen}") }),
                2 => options["preconditions"] = json!({ "resourceVersion": format!("$version:{seen}") }),
                3 => options["preconditions"] = json!({ "uid": "00000000-0000-4000-8000-000000000000" }),
                _ => {}
            }
        }
        match self.dice.below(8) {
            0 | 1 => options["gracePeriodSeconds"] = json!(0),
            2 => options["gracePeriodSeconds"] = json!(500),
            3 => options["gracePeriodSeconds"] = json!(-5),
            4 => options["gracePeriodSeconds"] = json!(200),
            _ => {}
        }
        match self.dice.below(20) {
            0..3 => options["propagationPolicy"] = json!("Background"),
            3 => options["propagationPolicy"] = json!("Odd"),
            4 => options["orphanDependents"] = json!(false),
            5 => options = json!({ "propagationPolicy": "Foreground", "orphanDependents": true }),
            6 | 7 if held => {
                options["propagationPolicy"] = json!(self.dice.pick(&["Foreground", "Orphan"]));
                self.collected.push(name.to_owned());
            }
            _ => {}
        }
        let body = if self.dice.percent(10) { Value::Null } else { options };
        Self::json(Method::DELETE, self.object(subject, name), body)
    }
}
