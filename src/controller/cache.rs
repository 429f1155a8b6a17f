//! What we know of the cluster: fed by the watches and by the answers to our own writes, so that it is never older than what
//! we did ourselves.
//!
//! Objects are known by uid. An object replaces what is known only if its resourceVersion is newer: resource versions of a
//! kind are numbers that grow (KEP-5504, comparable resource version). An object that was deleted stays deleted: the answer to
//! a write that took longer than the news of the deletion doesn't bring it back.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

use super::Key;
use super::groups::Groups;
use super::loose::Loose;
use super::resource::Resources;
use super::shelf::Shelf;
use crate::api::{FINALIZER, Workflow, WorkflowRun};
use crate::engine::{Peer, PodFacts};
use crate::mutant::{Mutant, is};
use crate::objects::child::parent;
use crate::pods::{SlimPod, belongs_to, facts};

/// A pod as far as decisions need it.
#[derive(Clone, Debug)]
pub struct PodEntry {
    /// Uid of the run that its label names.
    pub run_uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Name of the run that its label names; only for finding that run.
    pub run_name: String,
    /// Its resourceVersion.
    pub version: u64,
    /// Whether it is the run's own by controller reference and labels.
    pub ours: bool,
    /// Finalizers as they stand, for taking off ours alone.
    pub finalizers: Vec<String>,
    /// Its facts.
    pub facts: Arc<PodFacts>,
}

impl PodEntry {
    /// The pod's entry; `None` for a pod that isn't labelled as a run's.
    #[must_use]
    pub fn of(pod: &SlimPod) -> Option<Self> {
        let meta = &pod.metadata;
        let run_uid = Some(meta.labels.run_uid.clone()).filter(|uid| !uid.is_empty())?;
        Some(Self {
            namespace: meta.namespace.clone(),
            run_name: meta.labels.run.clone(),
            version: version(Some(&meta.resource_version)),
            ours: belongs_to(pod, &run_uid) || is(Mutant::OwnByLabel),
            finalizers: meta.finalizers.clone(),
            facts: Arc::new(facts(pod)),
            run_uid,
        })
    }

    /// Whether another sight of the pod tells nothing else.
    fn tells_the_same(&self, other: &Self) -> bool {
        let Self { run_uid, namespace, run_name, version: _, ours, finalizers, facts } = self;
        (run_uid, namespace, run_name, ours, finalizers, facts)
            == (&other.run_uid, &other.namespace, &other.run_name, &other.ours, &other.finalizers, &other.facts)
    }

    /// Whether another sight of it tells nothing but how far it is on its way to its start, which is looked at when that takes long.
    fn is_on_its_way(&self, other: &Self) -> bool {
        let mut facts = PodFacts::clone(&other.facts);
        facts.hold.clone_from(&self.facts.hold);
        self.facts.hold != other.facts.hold && self.tells_the_same(&Self { facts: Arc::new(facts), ..other.clone() })
    }

    /// Whether it carries our finalizer.
    #[must_use]
    pub fn held(&self) -> bool {
        self.finalizers.iter().any(|finalizer| finalizer == FINALIZER)
    }
}

/// The caches.
#[derive(Debug, Default)]
pub struct Cache {
    runs: Shelf<Loose<WorkflowRun>>,
    workflows: Shelf<Loose<Workflow>>,
    pods: Shelf<PodEntry>,
    /// The pods of each run, by uid.
    by_run: IndexMap<String, IndexMap<String, Arc<PodEntry>>>,
    /// Runs that share slots.
    groups: Groups,
    /// Uids of the child runs of each run.
    by_parent: BTreeMap<String, BTreeSet<String>>,
    /// Objects of any kind that tasks are.
    pub(super) resources: Resources,
    /// The kinds of which there was a complete list, each with the namespace or all.
    listed: BTreeSet<(Kind, Option<String>)>,
}

impl Cache {
    /// There was a complete list of a kind in one namespace, or in all.
    pub fn listed(&mut self, kind: Kind, namespace: Option<&str>) {
        self.listed.insert((kind, namespace.map(str::to_owned)));
    }

    /// Whether there was a complete list of every kind in one namespace, or in all.
    #[must_use]
    pub fn is_filled(&self, namespace: Option<&str>) -> bool {
        Kind::ALL.iter().all(|kind| {
            let of = |scope: Option<&str>| self.listed.contains(&(*kind, scope.map(str::to_owned)));
            of(None) || of(namespace)
        })
    }

    /// Whether there was one of every kind anywhere.
    #[must_use]
    pub fn is_filled_somewhere(&self) -> bool {
        self.listed.iter().any(|(_, scope)| self.is_filled(scope.as_deref()))
    }

    /// Takes in a run as read or answered; if that was news, returns the uids of the other runs that wait for what it has.
    pub fn put_run(&mut self, run: Loose<WorkflowRun>) -> Option<Vec<String>> {
        let uid = run.meta.uid.clone()?;
        let version = version(run.meta.resource_version.as_deref());
        let (above, before) = (parent_uid(&run), self.run(&uid).and_then(|run| parent_uid(&run)));
        if !self.runs.put(&uid, version, run) {
            return None;
        }
        if above != before {
            self.forget_child(before.as_deref(), &uid);
            if let Some(above) = above {
                self.by_parent.entry(above).or_default().insert(uid.clone());
            }
        }
        Some(self.runs.get(&uid).map(|run| self.groups.put(&uid, &run)).unwrap_or_default())
    }

    /// A run is gone; returns the uids of the other runs that wait for what it had.
    pub fn bury_run(&mut self, uid: &str) -> Vec<String> {
        let above = self.run(uid).and_then(|run| parent_uid(&run));
        self.forget_child(above.as_deref(), uid);
        self.runs.bury(uid);
        self.groups.remove(uid)
    }

    /// The other runs of a run's workflow, as far as they share slots.
    #[must_use]
    pub fn peers_of(&self, uid: &str) -> Vec<Peer> {
        self.runs.get(uid).map(|run| self.groups.peers_of(uid, &run)).unwrap_or_default()
    }

    fn forget_child(&mut self, parent: Option<&str>, uid: &str) {
        let Some(parent) = parent else { return };
        if let Some(uids) = self.by_parent.get_mut(parent) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_parent.remove(parent);
            }
        }
    }

    /// The runs that this run controls.
    pub fn children_of<'a>(&'a self, uid: &str) -> impl Iterator<Item = Arc<Loose<WorkflowRun>>> + use<'a> {
        self.by_parent.get(uid).into_iter().flatten().filter_map(|uid| self.runs.get(uid))
    }

    /// The run of this uid.
    #[must_use]
    pub fn run(&self, uid: &str) -> Option<Arc<Loose<WorkflowRun>>> {
        self.runs.get(uid)
    }

    /// All runs.
    pub fn runs(&self) -> impl Iterator<Item = (&String, &Loose<WorkflowRun>)> {
        self.runs.iter()
    }

    /// Takes in a workflow.
    pub fn put_workflow(&mut self, workflow: Loose<Workflow>) -> bool {
        let Some(uid) = workflow.meta.uid.clone() else { return false };
        let version = version(workflow.meta.resource_version.as_deref());
        self.workflows.put(&uid, version, workflow)
    }

    /// A workflow is gone.
    pub fn bury_workflow(&mut self, uid: &str) -> bool {
        self.workflows.bury(uid)
    }

    /// The workflow of this uid.
    #[must_use]
    pub fn workflow(&self, uid: &str) -> Option<Arc<Loose<Workflow>>> {
        self.workflows.get(uid)
    }

    /// All workflows.
    pub fn workflows(&self) -> impl Iterator<Item = (&String, &Loose<Workflow>)> {
        self.workflows.iter()
    }

    /// Takes in a pod; returns the uid of the run that it is labelled with, if that was news. Half of what becomes of a pod, such
    /// as its way to a node, no decision reads, or not at once.
    pub fn put_pod(&mut self, pod: &SlimPod) -> Option<String> {
        let entry = PodEntry::of(pod)?;
        let (uid, version, run_uid) = (entry.facts.uid.clone(), entry.version, entry.run_uid.clone());
        let before = self.pods.get(&uid);
        if before.as_ref().is_some_and(|before| before.tells_the_same(&entry)) {
            self.pods.keep(&uid, version);
            return None;
        }
        let is_on_its_way = before.as_ref().is_some_and(|before| before.is_on_its_way(&entry));
        if !self.pods.put(&uid, version, entry) {
            return None;
        }
        // A label can be edited; a pod counts for one run only.
        if let Some(before) = before.filter(|before| before.run_uid != run_uid) {
            self.forget(&before.run_uid, &uid);
        }
        let pods = self.by_run.entry(run_uid.clone()).or_default();
        pods.extend(self.pods.get(&uid).map(|entry| (uid, entry)));
        (!is_on_its_way).then_some(run_uid)
    }

    /// A pod is gone; returns the uid of the run that it was labelled with.
    pub fn bury_pod(&mut self, uid: &str) -> Option<String> {
        let known = self.pods.get(uid);
        self.pods.bury(uid);
        let known = known?;
        self.forget(&known.run_uid, uid);
        Some(known.run_uid.clone())
    }

    fn forget(&mut self, run_uid: &str, uid: &str) {
        if let Some(pods) = self.by_run.get_mut(run_uid) {
            pods.swap_remove(uid);
            if pods.is_empty() {
                self.by_run.swap_remove(run_uid);
            }
        }
    }

    /// The pods labelled with this run.
    pub fn pods_of<'a>(&'a self, run_uid: &str) -> impl Iterator<Item = &'a Arc<PodEntry>> + use<'a> {
        self.by_run.get(run_uid).into_iter().flat_map(IndexMap::values)
    }

    /// How many those are.
    #[must_use]
    pub fn count_pods_of(&self, run_uid: &str) -> usize {
        self.by_run.get(run_uid).map_or(0, IndexMap::len)
    }

    /// The pod of this uid.
    #[must_use]
    pub fn pod(&self, uid: &str) -> Option<Arc<PodEntry>> {
        self.pods.get(uid)
    }

    /// Uids of the runs that pods are labelled with.
    pub fn labelled_runs(&self) -> impl Iterator<Item = &String> {
        self.by_run.keys()
    }

    /// Everything that is to be looked at: workflows, runs, and runs that are known by their pods alone.
    #[must_use]
    pub fn keys(&self) -> BTreeSet<Key> {
        let workflows = self.workflows.iter().map(|(uid, _)| Key::Workflow(uid.clone()));
        let runs = self.runs.iter().map(|(uid, _)| uid);
        workflows.chain(runs.chain(self.by_run.keys()).cloned().map(Key::Run)).collect()
    }

    /// Uids of a kind that are known, in one namespace or in all.
    #[must_use]
    pub fn known(&self, kind: Kind, namespace: Option<&str>) -> BTreeSet<String> {
        let here = |of: Option<&str>| namespace.is_none() || of == namespace;
        match kind {
            Kind::Run => self.runs.uids(|run| here(run.meta.namespace.as_deref())),
            Kind::Workflow => self.workflows.uids(|workflow| here(workflow.meta.namespace.as_deref())),
            Kind::Pod => self.pods.uids(|pod| here(Some(&pod.namespace))),
        }
    }
}

fn parent_uid(run: &Loose<WorkflowRun>) -> Option<String> {
    parent(&run.meta).map(|parent| parent.uid.to_owned())
}

/// The kinds that are watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `WorkflowRun`.
    Run,
    /// Workflow.
    Workflow,
    /// Pod.
    Pod,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Run, Self::Workflow, Self::Pod];
}

/// A resourceVersion as a number; what isn't one counts as the oldest.
#[must_use]
pub fn version(text: Option<&str>) -> u64 {
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(uid: &str, version: u64, run: &str) -> SlimPod {
        made(uid, version, run, "Pending")
    }

    fn phased(uid: &str, version: u64, phase: &str) -> SlimPod {
        made(uid, version, "run", phase)
    }

    fn made(uid: &str, version: u64, run: &str, phase: &str) -> SlimPod {
        let text = serde_json::json!({
            "metadata": {
                "name": format!("pod-{uid}"), "namespace": "ns", "uid": uid, "resourceVersion": version.to_string(),
                "labels": { "gantline.dev/run-uid": run, "gantline.dev/run": "r", "gantline.dev/task": "t", "gantline.dev/attempt": "1" },
            },
            "status": { "phase": phase },
        });
        serde_json::from_value(text).unwrap()
    }

    fn uids(cache: &Cache, run: &str) -> Vec<String> {
        cache.pods_of(run).map(|entry| entry.facts.uid.clone()).collect()
    }

    #[test]
    fn older_news_changes_nothing() {
        let mut cache = Cache::default();
        assert_eq!(cache.put_pod(&pod("a", 10, "run")), Some("run".into()));
        assert_eq!(cache.put_pod(&pod("a", 9, "run")), None);
        assert_eq!(cache.put_pod(&pod("a", 10, "run")), None);
        assert_eq!(cache.put_pod(&phased("a", 11, "Running")), Some("run".into()));
        assert_eq!(cache.put_pod(&phased("a", 10, "Pending")), None);
    }

    #[test]
    fn what_no_decision_reads_is_no_news() {
        let mut cache = Cache::default();
        assert_eq!(cache.put_pod(&phased("a", 10, "Pending")), Some("run".into()));
        let mut bound = phased("a", 12, "Pending");
        bound.spec.node_name = "n".to_owned();
        assert_eq!(cache.put_pod(&bound), None, "it was bound to a node");
        let hold = cache.pod("a").and_then(|entry| entry.facts.hold.clone());
        assert!(
            matches!(&hold, Some(hold) if hold.stage == crate::engine::Stage::Node("n".into())),
            "which is known: {hold:?}"
        );
        assert_eq!(cache.put_pod(&phased("a", 11, "Running")), None, "but what is older stays older");
        assert_eq!(cache.put_pod(&phased("a", 13, "Running")), Some("run".into()));
    }

    #[test]
    fn the_late_answer_of_a_write_does_not_bring_back_what_was_deleted() {
        let mut cache = Cache::default();
        cache.put_pod(&pod("a", 10, "run"));
        assert_eq!(cache.bury_pod("a"), Some("run".into()));
        assert_eq!(cache.put_pod(&pod("a", 11, "run")), None);
        assert!(uids(&cache, "run").is_empty());
        assert_eq!(cache.labelled_runs().count(), 0);
    }

    #[test]
    fn a_pod_counts_for_the_run_that_it_is_labelled_with_now() {
        let mut cache = Cache::default();
        cache.put_pod(&pod("a", 10, "one"));
        cache.put_pod(&pod("a", 11, "two"));
        assert_eq!((uids(&cache, "one").len(), uids(&cache, "two").len()), (0, 1));
    }
}
