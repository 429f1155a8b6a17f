//! One pod as its node and the node's controllers have it.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::behaviour::{Behaviour, OnTerm, Taker, Trouble, WRONG_ENV, When, Work};
use super::status::{self, Container, Ending, Verdict};
use crate::check::journal::Entry;
use crate::model::Server;
use crate::rng::Rng;
use crate::wire::{Wire, path_of};

/// What a kubelet gives a container whose pod was removed behind its back, in seconds.
const ORPHAN_GRACE: u64 = 30;
/// The name of the only node: nothing depends on it.
const NODE: &str = "node-1";

/// Something that is due on the node or near it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The scheduler finds no node.
    NoNode,
    /// The scheduler finds one.
    Bind,
    /// The kubelet can't start `main`, and says so by this reason.
    Wait(&'static str),
    /// `main` starts.
    Start,
    /// The kubelet tells how things are.
    Report,
    /// `main` ends by itself.
    WorkEnds,
    /// The other containers end by themselves.
    OthersEnd,
    /// All containers have ended, and the pod's end is told.
    Settle,
    /// The kubelet begins to end the pod, since it was deleted.
    Terminate,
    /// `main` ends on SIGTERM, by this exit code; 137 is SIGKILL.
    Killed(i32),
    /// The kubelet tells the API server that nothing of the pod is left.
    Confirm,
    /// The pod reached its activeDeadlineSeconds.
    Deadline,
    /// The pod is taken.
    Take(Taker),
    /// The taint manager deletes the pod of a node that doesn't answer.
    Taint,
    /// A controller marks the pod as unknown.
    Unknown,
    /// The node answers again.
    Return,
    /// The node is removed, and pod garbage collection with it.
    NodeGone,
}

/// A pod that was seen.
pub(super) struct NodePod {
    pub(super) path: String,
    pub(super) uid: String,
    pub(super) behaviour: Behaviour,
    rng: Rng,
    /// What is due, in no order; of what is due at once, the first is carried out first.
    pub(super) agenda: Vec<(Timestamp, Step)>,
    bound: bool,
    pub(super) main: Container,
    /// All other ordinary containers, which share one fate; `None` where there are none.
    pub(super) others: Option<Container>,
    /// Why `main` waits, where it is in trouble.
    pub(super) waiting: Option<&'static str>,
    /// Why the kubelet fails the pod as a whole.
    pub(super) verdict: Option<Verdict>,
    /// All containers have ended, and the kubelet is done with them.
    pub(super) settled: bool,
    /// Whether the node and the API server can talk.
    pub(super) reachable: bool,
    /// The grace in seconds, once the kubelet has seen the deletion.
    pub(super) grace: Option<u64>,
    /// When `main` is killed at last.
    kill_at: Option<Timestamp>,
    /// The object is gone.
    pub(super) gone: bool,
    /// Nobody has to do with it any more.
    dropped: bool,
}

impl NodePod {
    /// Plans what becomes of a pod that the scheduler has just seen.
    pub fn schedule(object: &Value, behaviour: Behaviour, rng: Rng, now: Timestamp) -> Self {
        let containers = object["spec"]["containers"].as_array().map_or(0, Vec::len);
        let mut pod = Self {
            path: path_of(object),
            uid: object["metadata"]["uid"].as_str().unwrap_or_default().to_owned(),
            behaviour,
            rng,
            agenda: Vec::new(),
            bound: false,
            main: Container::Waiting,
            others: (containers > 1).then_some(Container::Waiting),
            waiting: None,
            verdict: None,
            settled: false,
            reachable: true,
            grace: None,
            kill_at: None,
            gone: false,
            dropped: false,
        };
        pod.plan_start(now);
        pod
    }

    fn plan_start(&mut self, now: Timestamp) {
        let mut at = after(now, self.rng.within(5..=40));
        let hindrances = self.behaviour.hindrances.clone();
        let (unschedulable, others): (Vec<_>, Vec<_>) =
            hindrances.into_iter().partition(|it| it.kind == Trouble::Unschedulable);
        for hindrance in unschedulable {
            self.agenda.push((at, Step::NoNode));
            at = after(at, hindrance.for_ms);
        }
        self.agenda.push((at, Step::Bind));
        at = after(at, self.rng.within(5..=50));
        if let Some(taken) = self.behaviour.taken.filter(|taken| taken.when == When::BeforeStart) {
            self.agenda.push((at, Step::Take(taken.by)));
            at = after(at, 30);
        }
        for hindrance in others {
            let words: &[&str] = match hindrance.kind {
                Trouble::ImagePull => &["ErrImagePull", "ImagePullBackOff"],
                Trouble::Unschedulable | Trouble::PodConfig => &["CreateContainerConfigError"],
            };
            for word in words {
                self.agenda.push((at, Step::Wait(word)));
                at = after(at, hindrance.for_ms / words.len() as u64);
            }
        }
        self.agenda.push((after(at, self.behaviour.start_ms), Step::Start));
    }

    /// When it acts next.
    pub fn next(&self) -> Option<Timestamp> {
        self.agenda.iter().map(|(at, _)| *at).min()
    }

    /// Whether nothing of it is left, on its node or elsewhere.
    pub fn is_done(&self) -> bool {
        self.dropped || (self.gone && !matches!(self.main, Container::Running { .. }))
    }

    /// Sees the object as it is now, or that it is gone.
    pub fn notice(&mut self, object: Option<&Value>, now: Timestamp) {
        let Some(object) = object else {
            if !self.gone {
                self.gone = true;
                self.end_unseen(now);
            }
            return;
        };
        if object["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        if !self.bound {
            // No kubelet has to do with it, and none will.
            self.dropped = true;
        } else if self.reachable {
            let grace = object["metadata"]["deletionGracePeriodSeconds"].as_u64().unwrap_or(ORPHAN_GRACE).max(1);
            self.end_within(grace, now);
        }
    }

    /// The object was removed: a node that sees it ends what runs.
    pub(super) fn end_unseen(&mut self, now: Timestamp) {
        if self.bound && self.reachable {
            self.end_within(ORPHAN_GRACE, now);
        }
    }

    /// The pod is to end within so many seconds.
    fn end_within(&mut self, grace: u64, now: Timestamp) {
        match self.grace {
            None => {
                self.grace = Some(grace);
                self.agenda.retain(|(_, step)| !matches!(step, Step::Wait(_) | Step::Start | Step::Take(_)));
                let step = if self.settled { Step::Confirm } else { Step::Terminate };
                self.soon(now, step);
            }
            Some(known) if grace < known => {
                self.grace = Some(grace);
                if self.kill_at.is_some() {
                    self.agenda.push((after(now, grace * 1_000), Step::Killed(137)));
                }
            }
            Some(_) => {}
        }
    }

    /// Carries out the earliest step.
    pub fn step(&mut self, server: &mut Server, now: Timestamp) {
        let Some(at) = self.next() else { return };
        let place = self.agenda.iter().position(|(due, _)| *due == at).expect("the earliest is there");
        let (_, step) = self.agenda.remove(place);
        match step {
            Step::NoNode => self.patch_status(server, "scheduler", now, |pod| {
                status::with_condition(pod, "PodScheduled", "False", "Unschedulable", status::NO_NODE, now)
            }),
            Step::Bind => self.bind(server, now),
            Step::Wait(word) => {
                self.waiting = Some(word);
                self.report(server, now);
            }
            Step::Start => self.start(server, now),
            Step::Report => self.report(server, now),
            Step::WorkEnds => self.work_ends(server, now),
            Step::OthersEnd => self.others_end(0, now),
            Step::Settle => self.settle(server, now),
            Step::Terminate => self.terminate(now),
            Step::Killed(exit_code) => self.killed(server, exit_code, now),
            Step::Confirm => self.confirm(server, now),
            Step::Deadline => self.fail(Verdict::deadline(), now),
            Step::Take(by) => self.take(server, by, now),
            Step::Taint => self.taint(server, now),
            Step::Unknown => self.patch_status(server, "node-lifecycle", now, |_| status::unknown()),
            Step::Return => self.come_back(server, now),
            Step::NodeGone => self.lose_for_good(server, now),
        }
    }

    fn bind(&mut self, server: &mut Server, now: Timestamp) {
        let patch = json!({ "metadata": { "uid": self.uid }, "spec": { "nodeName": NODE } });
        self.bound = Wire { server, actor: "scheduler", now }.patch(&self.path, &patch);
        self.patch_status(server, "scheduler", now, |pod| {
            status::with_condition(pod, "PodScheduled", "True", "", "", now)
        });
        let deadline = self.object(server).and_then(|pod| pod["spec"]["activeDeadlineSeconds"].as_u64());
        if let Some(seconds) = deadline {
            self.agenda.push((after(now, seconds * 1_000), Step::Deadline));
        }
    }

    fn start(&mut self, server: &mut Server, now: Timestamp) {
        let Some(object) = self.object(server) else { return };
        self.waiting = None;
        let finds = |(name, value): &(String, String)| {
            let found =
                if name.starts_with('/') { object.pointer(name)?.as_str() } else { status::variable(&object, name) };
            Some(found == Some(value.as_str()))
        };
        if !self.behaviour.expects.iter().all(|it| finds(it) == Some(true)) {
            self.behaviour.work =
                Work::Exits { after_ms: 0, exit_code: WRONG_ENV, message: "wrong environment".into() };
        }
        let runs_ms = match &self.behaviour.work {
            Work::Exits { after_ms, .. } | Work::OutOfMemory { after_ms } => *after_ms,
            Work::StartError => {
                self.main = Container::Ended(Ending::start_error(now));
                return self.after_main(false, now);
            }
        };
        self.main = Container::Running { since: now };
        if let Some(others) = &mut self.others {
            *others = Container::Running { since: now };
        }
        server.journal.entries.push(Entry::Started { pod: self.uid.clone(), at: now });
        self.report_later(now);
        self.agenda.push((after(now, runs_ms), Step::WorkEnds));
        if let Some((ms, by)) = self.taken(|when| if let When::Running(ms) = when { Some(ms) } else { None }) {
            self.agenda.push((after(now, ms), Step::Take(by)));
        }
    }

    fn taken(&self, when: impl Fn(When) -> Option<u64>) -> Option<(u64, Taker)> {
        let taken = self.behaviour.taken?;
        Some((when(taken.when)?, taken.by))
    }

    fn work_ends(&mut self, server: &mut Server, now: Timestamp) {
        let (exit_code, reason, message) = match &self.behaviour.work {
            Work::Exits { exit_code, message, .. } => (*exit_code, "", message.clone()),
            Work::OutOfMemory { .. } => (137, "OOMKilled", String::new()),
            Work::StartError => return,
        };
        if self.main_ends(server, exit_code, reason, &message, now) {
            self.after_main(false, now);
        }
    }

    /// `main` ends on the node; false if it doesn't run.
    fn main_ends(&mut self, server: &mut Server, exit_code: i32, reason: &str, message: &str, now: Timestamp) -> bool {
        let Container::Running { since } = self.main else { return false };
        self.main = Container::Ended(Ending::of(since, now, exit_code, reason, message));
        server.journal.entries.push(Entry::Ended { pod: self.uid.clone(), at: now, exit_code });
        true
    }

    /// `main` has ended: so do the others, at once if the pod is being killed.
    fn after_main(&mut self, killed: bool, now: Timestamp) {
        self.report_later(now);
        let taken = self.taken(|when| if let When::Ended(ms) = when { Some(ms) } else { None });
        if let Some((ms, by)) = taken.filter(|_| !killed) {
            self.agenda.push((after(now, ms), Step::Take(by)));
        }
        match self.others {
            Some(Container::Running { .. }) if killed => self.others_end(143, now),
            Some(Container::Running { .. }) => {
                self.agenda.push((after(now, self.behaviour.lingers_ms), Step::OthersEnd));
            }
            _ => self.agenda.push((after(now, self.behaviour.reports.phase_lag_ms), Step::Settle)),
        }
    }

    pub(super) fn others_end(&mut self, exit_code: i32, now: Timestamp) {
        if let Some(Container::Running { since }) = self.others {
            self.others = Some(Container::Ended(Ending::of(since, now, exit_code, "", "")));
            self.agenda.push((after(now, self.behaviour.reports.phase_lag_ms), Step::Settle));
        }
    }

    /// The pod's end is told; of a deleted pod, that nothing is left too.
    fn settle(&mut self, server: &mut Server, now: Timestamp) {
        self.settled = true;
        self.report(server, now);
        if self.grace.is_some() {
            self.soon(now, Step::Confirm);
        }
    }

    /// SIGTERM, and SIGKILL when the grace is over.
    fn terminate(&mut self, now: Timestamp) {
        let grace_ms = self.grace.unwrap_or(ORPHAN_GRACE) * 1_000;
        match self.main {
            Container::Waiting => self.soon(now, Step::Settle),
            Container::Running { .. } => {
                let (ms, exit_code) = match self.behaviour.on_term {
                    OnTerm::Dies { after_ms } => (after_ms, 143),
                    OnTerm::Finishes { after_ms } => (after_ms, 0),
                    OnTerm::Ignores => (grace_ms, 137),
                };
                let kill_at = after(now, grace_ms);
                self.kill_at = Some(kill_at);
                self.agenda.push(if ms < grace_ms {
                    (after(now, ms), Step::Killed(exit_code))
                } else {
                    (kill_at, Step::Killed(137))
                });
            }
            Container::Ended(_) => self.others_end(143, now),
        }
    }

    fn killed(&mut self, server: &mut Server, exit_code: i32, now: Timestamp) {
        let message = match &self.behaviour.work {
            Work::Exits { message, exit_code: 0, .. } if exit_code == 0 => message.clone(),
            _ => String::new(),
        };
        if self.main_ends(server, exit_code, "", &message, now) {
            self.after_main(true, now);
        }
    }

    fn confirm(&mut self, server: &mut Server, now: Timestamp) {
        if self.reachable && self.object(server).is_some_and(|pod| pod["metadata"]["deletionGracePeriodSeconds"] != 0) {
            Wire { server, actor: "kubelet", now }.delete_pod(&self.path, &self.uid, Some(0));
        }
    }

    /// The kubelet writes the pod's status as it is on the node, if it can and may.
    pub(super) fn report(&self, server: &mut Server, now: Timestamp) {
        let early = self.behaviour.reports.collapsed && !self.settled;
        if !self.reachable || early || self.object(server).is_none_or(|pod| status::is_over(&pod)) {
            return;
        }
        self.patch_status(server, "kubelet", now, |pod| status::of(self, pod, now));
    }

    fn report_later(&mut self, now: Timestamp) {
        self.agenda.push((after(now, self.behaviour.reports.lag_ms), Step::Report));
    }

    /// Takes a step within the time that a component needs to see something and act.
    pub(super) fn soon(&mut self, now: Timestamp, step: Step) {
        let at = after(now, self.rng.within(10..=100));
        self.agenda.push((at, step));
    }

    /// The object, by uid.
    pub(super) fn object(&self, server: &Server) -> Option<Value> {
        let mut pods = server.list("pods");
        pods.find(|pod| pod["metadata"]["uid"] == self.uid.as_str()).map(|pod| Value::clone(pod))
    }

    /// Patches the status of the pod, by uid, by what is made of the object as it is.
    pub(super) fn patch_status(
        &self,
        server: &mut Server,
        actor: &'static str,
        now: Timestamp,
        status: impl Fn(&Value) -> Value,
    ) {
        let Some(object) = self.object(server) else { return };
        let patch = json!({ "metadata": { "uid": self.uid }, "status": status(&object) });
        Wire { server, actor, now }.patch(&format!("{}/status", self.path), &patch);
    }
}

pub(super) fn after(at: Timestamp, ms: u64) -> Timestamp {
    at + SignedDuration::from_millis(i64::try_from(ms).expect("delays are short"))
}
