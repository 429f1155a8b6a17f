//! The world as the journal tells it: every object as it last was, every status that a run ever had, every pod that ever was.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gantline::api::{TaskPhase, label};
use jiff::Timestamp;
use serde_json::Value;

use super::Rules;
use super::journal::{Verb, Write};
use super::log::Records;
use super::packed::Whole;
use super::read::{self, Attempt, Status, list, meta, text};
use super::truth::Verdicts;

/// A write that is about to be taken in.
pub struct Step<'j> {
    /// Its entry.
    pub index: usize,
    pub write: &'j Write,
    /// Whether an operator wrote it.
    pub by_operator: bool,
    /// Whether it wrote a run's status.
    pub is_status: bool,
    /// That status; `None` where it can't be read.
    pub status: Option<Status<'j>>,
    /// Where that status disagrees with what was told before.
    pub faults: &'j [(&'static str, String)],
}

impl<'j> Step<'j> {
    /// `whole` is the status that it writes, with all that is known of each unit.
    pub fn new(index: usize, write: &'j Write, world: &World<'j>, whole: Option<&'j Whole<'j>>) -> Self {
        let is_status = write.resource == "workflowruns" && write.subresource == "status" && !write.removed;
        let status = is_status.then(|| write.object.get("status")).flatten();
        let before = status.and_then(|_| world.runs.get(write.uid.as_str())?.status());
        let uid_of = |pod: &str| world.made.get(&(write.uid.as_str(), pod)).copied();
        let status = status.zip(whole).and_then(|(status, whole)| Status::read(status, whole, before, uid_of));
        let faults = whole.map_or(&[][..], |whole| &whole.faults);
        Self { index, write, by_operator: world.is_operator(&write.actor), is_status, status, faults }
    }

    /// Whether it is a write of an operator, of this verb, to the resource itself.
    pub fn is(&self, verb: Verb, resource: &str) -> bool {
        let write = self.write;
        self.by_operator && write.verb == verb && write.resource == resource && write.subresource.is_empty()
    }
}

/// A run.
pub struct Run<'j> {
    pub uid: &'j str,
    pub namespace: &'j str,
    pub name: &'j str,
    /// As it last was.
    pub object: &'j Value,
    /// Every status that it had, oldest first.
    pub statuses: Vec<Recorded<'j>>,
    /// Whether someone else than an operator wrote its status. From then on the record may say what never was.
    pub edited: bool,
    /// When each attempt's outcome went on record, by the name of its pod.
    pub closed: BTreeMap<&'j str, Timestamp>,
    /// Whether it is gone.
    pub removed: bool,
    /// Since when it is gone or being deleted.
    pub going: Option<Timestamp>,
}

/// A status as it went on record.
pub struct Recorded<'j> {
    /// When.
    pub at: Timestamp,
    /// When it was sent.
    pub sent: Timestamp,
    /// Whether an operator wrote it, and no hand.
    pub by_operator: bool,
    pub status: Status<'j>,
}

impl<'j> Run<'j> {
    /// Its status as it is.
    pub fn status(&self) -> Option<&Status<'j>> {
        self.statuses.last().map(|recorded| &recorded.status)
    }

    /// The statuses that a request of this time may rest upon: the newest by then. Of several of the very same time nobody can
    /// say which of them and the request came first, so each of them may be the one.
    pub fn as_of(&self, sent: Timestamp, rules: &Rules) -> impl Iterator<Item = &Status<'j>> {
        let known = self.statuses.iter().rev().filter(move |it| it.at <= rules.latest(sent));
        let mut older = false;
        let open = known.take_while(move |it| !std::mem::replace(&mut older, it.at < sent));
        open.map(|recorded| &recorded.status)
    }

    /// Where a hand wrote last before a request of this time: the status that an operator had written before that.
    pub fn before_the_hand(&self, sent: Timestamp, rules: &Rules) -> Option<&Status<'j>> {
        let mut known = self.statuses.iter().rev().skip_while(|it| it.at > rules.latest(sent)).peekable();
        known.next_if(|newest| !newest.by_operator)?;
        known.find(|it| it.by_operator).map(|it| &it.status)
    }

    /// The attempt whose pod has this name.
    pub fn attempt(&self, pod: &str) -> Option<&Attempt<'j>> {
        self.status()?.attempts().find(|attempt| attempt.pod == pod)
    }
}

/// A pod.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them may hold together")]
pub struct Pod<'j> {
    pub uid: &'j str,
    pub namespace: &'j str,
    pub name: &'j str,
    /// Run, task and attempt, as its labels said when it was first seen.
    pub run: &'j str,
    /// Of an item, `task[3]`.
    pub task: String,
    pub attempt: &'j str,
    /// The uid of the run that controlled it when it was first seen.
    pub owner: &'j str,
    /// As it last was.
    pub object: &'j Value,
    /// Whether an operator made it.
    pub made: bool,
    /// Whether its container `main` began to run on its node.
    pub started: bool,
    /// The exit code with which it ended there.
    pub ended: Option<i32>,
    /// Every end of its attempt that some version of it told.
    pub verdicts: Verdicts,
    /// Whether it was an operator that asked for its deletion first.
    pub deleted_by_operator: bool,
    /// Whether an operator left it no time to end by itself.
    pub forced: bool,
    /// Whether someone else than an operator took our finalizer off.
    pub stripped: bool,
    /// When someone else than an operator first changed the labels or the owner that it is known by.
    pub disguised: Option<Timestamp>,
    /// Whether it is gone.
    pub removed: bool,
}

impl Pod<'_> {
    /// Whether it is gone, and someone else than an operator took off what would have kept it for being seen, or made an operator
    /// do so by a disguise.
    pub fn vanished(&self) -> bool {
        self.removed && (self.stripped || self.disguised.is_some())
    }

    /// Whether no container of it runs or will ever run again. What the API server says counts, with one exception: an
    /// operator that forced the deletion made it say so, and only the node knows.
    pub fn is_over(&self) -> bool {
        let said = self.removed || read::is_over(self.object);
        let runs = self.started && self.ended.is_none();
        said && !(self.forced && runs)
    }
}

/// The world.
pub struct World<'j> {
    pub rules: &'j Rules,
    /// Runs by uid.
    pub runs: BTreeMap<&'j str, Run<'j>>,
    /// Pods by uid.
    pub pods: BTreeMap<&'j str, Pod<'j>>,
    /// Every object that exists, by uid.
    pub objects: BTreeMap<&'j str, &'j Value>,
    /// What is on record beside statuses.
    records: Records<'j>,
    /// Uids of the pods that operators made, by their run and name.
    made: BTreeMap<(&'j str, &'j str), &'j str>,
    /// Namespaces of the operators' leases.
    homes: BTreeSet<&'j str>,
    /// How many entries were taken in.
    pub entries: usize,
}

impl<'j> World<'j> {
    pub fn new(rules: &'j Rules) -> Self {
        Self {
            rules,
            runs: BTreeMap::new(),
            pods: BTreeMap::new(),
            objects: BTreeMap::new(),
            records: Records::default(),
            made: BTreeMap::new(),
            homes: BTreeSet::new(),
            entries: 0,
        }
    }

    pub fn is_operator(&self, actor: &str) -> bool {
        self.rules.operators.iter().any(|operator| operator == actor)
    }

    /// The object as it was before the write.
    pub fn before(&self, write: &Write) -> Option<&'j Value> {
        self.objects.get(write.uid.as_str()).copied()
    }

    /// The spec that a run's status is pinned to; `None` if the journal doesn't have it.
    pub fn pinned(&self, run: &Run<'j>, status: &Status<'_>) -> Option<&'j Value> {
        self.records.pinned(run.namespace, run.object, text(status.value, "revision"))
    }

    /// A task of the spec that a run's status is pinned to; of an item, its task.
    pub fn planned(&self, run: &Run<'j>, status: &Status<'_>, task: &str) -> Option<&'j Value> {
        let spec = self.pinned(run, status)?;
        let mut tasks = list(spec, "tasks").iter().chain(list(spec, "finally"));
        tasks.find(|planned| text(planned, "name") == read::task_of(task))
    }

    /// Whether a task is one of `finally`, by the spec that a run's status is pinned to.
    pub fn is_finally(&self, run: &Run<'j>, status: &Status<'_>, task: &str) -> bool {
        let spec = self.pinned(run, status);
        spec.is_some_and(|spec| {
            list(spec, "finally").iter().any(|planned| text(planned, "name") == read::task_of(task))
        })
    }

    /// A task that isn't of `finally` and has not ended on record.
    pub fn unfinished_main(&self, run: &Run<'j>, status: &Status<'_>) -> Option<&'j str> {
        let spec = self.pinned(run, status)?;
        let mut names = list(spec, "tasks").iter().map(|planned| text(planned, "name"));
        names.find(|name| !status.task(name).is_some_and(|task| task.phase.is_finished()))
    }

    /// Whether a pod counts as over though nobody saw it end: its node was lost and it is being deleted, and its task says that such
    /// a pod is replaced.
    pub fn is_given_up(&self, pod: &Pod<'_>) -> bool {
        let Some(run) = self.runs.get(pod.run) else { return false };
        let pinned = run.status().and_then(|status| self.pinned(run, status)).unwrap_or(&Value::Null);
        let planned = run.status().and_then(|status| self.planned(run, status, &pod.task)).unwrap_or(&Value::Null);
        let own = planned.get("onNodeLost").or_else(|| pinned.pointer("/taskDefaults/onNodeLost"));
        let conditions = pod.object.get("status").map_or(&[][..], |status| list(status, "conditions"));
        let lost = |it: &Value| {
            it["type"] == "DisruptionTarget"
                && it["status"] == "True"
                && matches!(
                    text(it, "reason"),
                    "DeletionByTaintManager" | "DeletionByDeviceTaintManager" | "DeletionByPodGC"
                )
        };
        own.is_some_and(|own| own == "Replace") && meta::is_deleting(pod.object) && conditions.iter().any(lost)
    }

    /// The runs that a run is a child of, its parent first.
    pub fn above(&self, run: &Run<'j>) -> Vec<&Run<'j>> {
        let parent = |run: &Run<'j>| self.runs.get(meta::controller(run.object));
        std::iter::successors(parent(run), |above| parent(above)).take(16).collect()
    }

    /// Whether the run that this one is a child of has stopped it on record, or no longer follows it.
    pub fn is_stopped_by_parent(&self, run: &Run<'j>) -> bool {
        let Some(parent) = self.above(run).first().copied() else { return false };
        let follows = |status: &Status<'_>| {
            let goes_on = |phase| matches!(phase, TaskPhase::Starting | TaskPhase::Running);
            status.tasks.iter().filter(|task| goes_on(task.phase)).flat_map(|task| &task.attempts).any(|attempt| {
                attempt.pod == run.name && attempt.outcome.is_none() && attempt.uid.is_none_or(|uid| uid == run.uid)
            })
        };
        parent.edited || !parent.status().is_some_and(follows)
    }

    /// Whether a namespace of the operators themselves is being deleted: then they let go of every pod.
    pub fn is_operator_going(&self) -> bool {
        self.homes.iter().any(|home| self.records.is_going(home))
    }

    pub fn started(&mut self, pod: &str) {
        self.entries += 1;
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.started = true;
        }
    }

    pub fn ended(&mut self, pod: &str, exit_code: i32) {
        self.entries += 1;
        if let Some(pod) = self.pods.get_mut(pod) {
            pod.started = true;
            pod.ended = Some(exit_code);
        }
    }

    /// Takes a write in.
    pub fn take(&mut self, step: Step<'j>) {
        self.entries += 1;
        let write = step.write;
        self.records.take(write);
        match write.resource.as_str() {
            "workflowruns" => self.take_run(step),
            "pods" => self.take_pod(&step),
            "leases" if step.by_operator => {
                self.homes.insert(&write.namespace);
            }
            _ => {}
        }
        if write.removed {
            self.objects.remove(write.uid.as_str());
        } else {
            self.objects.insert(&write.uid, &write.object);
        }
    }

    fn take_run(&mut self, step: Step<'j>) {
        let write = step.write;
        let run = self.runs.entry(&write.uid).or_insert_with(|| Run {
            uid: &write.uid,
            namespace: &write.namespace,
            name: &write.name,
            object: &write.object,
            statuses: Vec::new(),
            edited: false,
            closed: BTreeMap::new(),
            removed: false,
            going: None,
        });
        run.object = &write.object;
        run.removed = write.removed;
        if write.removed || meta::is_deleting(&write.object) {
            run.going.get_or_insert(write.at);
        }
        if !step.is_status {
            return;
        }
        run.edited |= !step.by_operator;
        let Some(status) = step.status else { return };
        if !step.by_operator {
            // What is on record is what the hand wrote, no more.
            run.closed.clear();
        }
        // All others were closed before.
        let read = if run.closed.is_empty() {
            &status.tasks
        } else {
            &status.changed.iter().map(|it| Rc::clone(&it.new)).collect()
        };
        for attempt in read.iter().flat_map(|task| &task.attempts).filter(|attempt| attempt.outcome.is_some()) {
            run.closed.entry(attempt.pod).or_insert(write.at);
        }
        run.statuses.push(Recorded { at: write.at, sent: write.sent, by_operator: step.by_operator, status });
    }

    fn take_pod(&mut self, step: &Step<'j>) {
        let write = step.write;
        let object: &'j Value = &write.object;
        let made = step.is(Verb::Create, "pods");
        if made {
            self.made.insert((meta::controller(object), &write.name), &write.uid);
        }
        let pod = self.pods.entry(&write.uid).or_insert_with(|| Pod {
            uid: &write.uid,
            namespace: &write.namespace,
            name: &write.name,
            run: meta::label(object, label::RUN_UID),
            task: read::unit(meta::label(object, label::TASK), meta::label(object, label::INDEX)),
            attempt: meta::label(object, label::ATTEMPT),
            owner: meta::controller(object),
            object,
            made,
            started: false,
            ended: None,
            verdicts: Verdicts::default(),
            deleted_by_operator: false,
            forced: false,
            stripped: false,
            disguised: None,
            removed: false,
        });
        if !step.by_operator {
            // What is gone is told as it last was. Only a change of its finalizers removes a pod that is held.
            pod.stripped |= meta::is_held(pod.object) && (write.removed || !meta::is_held(object));
            if known_by(pod.object) != known_by(object) {
                pod.disguised.get_or_insert(write.at);
            }
        } else if write.verb == Verb::Delete {
            pod.deleted_by_operator |= !meta::is_deleting(pod.object);
            pod.forced |= read::is_condemned(object) && !read::is_condemned(pod.object) && pod.started;
        }
        pod.object = object;
        pod.removed = write.removed;
        pod.verdicts.add(object);
    }
}

/// The labels and the owner that a pod is known by.
fn known_by(pod: &Value) -> [&str; 5] {
    let label = |name| meta::label(pod, name);
    [label(label::RUN_UID), label(label::TASK), label(label::INDEX), label(label::ATTEMPT), meta::controller(pod)]
}

impl Rules {
    /// The latest `at` that a write may have that was done by this time.
    pub fn latest(&self, time: Timestamp) -> Timestamp {
        time.checked_add(self.slack).unwrap_or(time)
    }
}
