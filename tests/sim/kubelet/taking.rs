//! Who takes pods: the eviction API, the scheduler, the kubelet, the node controllers, people.

use jiff::Timestamp;

use super::behaviour::{Taker, When};
use super::pod::{NodePod, Step, after};
use super::status::{self, Container, Verdict};
use crate::model::Server;
use crate::wire::Wire;

/// From a node's silence to the deletion of its pods: five minutes and more on a real cluster, here just longer than a hiccup.
const TAINTED_AFTER_MS: u64 = 4_000;

impl NodePod {
    /// The infrastructure, or a person, takes the pod.
    pub(super) fn take(&mut self, server: &mut Server, by: Taker, now: Timestamp) {
        let when = self.behaviour.taken.map_or(When::BeforeStart, |taken| taken.when);
        if matches!(when, When::Running(_)) && !matches!(self.main, Container::Running { .. }) {
            return;
        }
        match by {
            Taker::Eviction => {
                self.delete_as(server, "eviction", Some(("EvictionByEvictionAPI", "Eviction API: evicting")), now);
            }
            Taker::Preemption => {
                let words = "scheduler: preempting to accommodate a higher priority pod";
                self.delete_as(server, "scheduler", Some(("PreemptionByScheduler", words)), now);
            }
            Taker::Person => self.delete_as(server, "user", None, now),
            Taker::NodePressure => self.fail(Verdict::node_pressure(), now),
            Taker::Shutdown => self.fail(Verdict::shutdown(), now),
            Taker::OwnUse => self.fail(Verdict::own_use(), now),
            Taker::Rejection => self.fail(Verdict::rejection(), now),
            Taker::NodeLost { away_ms, returns } => {
                self.reachable = false;
                self.agenda.push((after(now, TAINTED_AFTER_MS), Step::Taint));
                let end = if returns { Step::Return } else { Step::NodeGone };
                self.agenda.push((after(now, away_ms), end));
            }
            Taker::Silence { for_ms } => {
                self.reachable = false;
                self.agenda.push((after(now, for_ms / 2), Step::Unknown));
                self.agenda.push((after(now, for_ms), Step::Return));
            }
        }
    }

    /// Marks the pod as the target of a disruption, unless it is over, and deletes it.
    fn delete_as(&self, server: &mut Server, actor: &'static str, why: Option<(&str, &str)>, now: Timestamp) {
        let Some(object) = self.object(server) else { return };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        if let Some((reason, words)) = why.filter(|_| !status::is_over(&object)) {
            self.patch_status(server, actor, now, |pod| {
                status::with_condition(pod, "DisruptionTarget", "True", reason, words, now)
            });
        }
        Wire { server, actor, now }.delete_pod(&self.path, &self.uid, None);
    }

    /// The kubelet fails the pod as a whole.
    pub(super) fn fail(&mut self, verdict: Verdict, now: Timestamp) {
        if self.settled || self.grace.is_some() {
            return;
        }
        self.verdict = Some(verdict);
        self.agenda.retain(|(_, step)| !matches!(step, Step::Wait(_) | Step::Start));
        match self.main {
            Container::Waiting => self.soon(now, Step::Settle),
            Container::Running { .. } => self.soon(now, Step::Killed(137)),
            Container::Ended(_) => self.others_end(143, now),
        }
    }

    pub(super) fn taint(&self, server: &mut Server, now: Timestamp) {
        let words = "Taint manager: deleting due to NoExecute taint";
        self.delete_as(server, "node-lifecycle", Some(("DeletionByTaintManager", words)), now);
    }

    pub(super) fn come_back(&mut self, server: &mut Server, now: Timestamp) {
        self.reachable = true;
        self.agenda.retain(|(_, step)| !matches!(step, Step::Taint | Step::Unknown));
        let object = self.object(server);
        if object.is_some() {
            self.report(server, now);
        }
        if self.gone {
            self.end_unseen(now);
        } else {
            self.notice(object.as_ref(), now);
            if self.settled && self.grace.is_some() {
                // What ended while nobody heard of it.
                self.soon(now, Step::Confirm);
            }
        }
    }

    /// Nobody will ever tell of the pod: it is failed and removed, though its container may well go on where nobody sees it.
    pub(super) fn lose_for_good(&mut self, server: &mut Server, now: Timestamp) {
        let Some(object) = self.object(server) else { return };
        if !status::is_over(&object) {
            self.patch_status(server, "pod-gc", now, |pod| {
                let mut status = status::with_condition(
                    pod,
                    "DisruptionTarget",
                    "True",
                    "DeletionByPodGC",
                    "PodGC: node no longer exists",
                    now,
                );
                status["phase"] = "Failed".into();
                status
            });
        }
        Wire { server, actor: "pod-gc", now }.delete_pod(&self.path, &self.uid, Some(0));
    }
}
