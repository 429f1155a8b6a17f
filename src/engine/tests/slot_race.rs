//! Slots: runs whose operators decide on what is no longer so.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::json;

use super::slot::workflow;
use crate::api::{RunPhase, WorkflowRunSpec, WorkflowRunStatus};
use crate::engine::{
    Claims, Decision, Definition, HOT, Lineage, Observed, Outputs, Peer, Peers, RunFacts, Sights, Told, decide,
    is_held_back, needs_live_peers,
};
use crate::plan::{Granted, Plan};

/// A cluster of nothing but statuses: each write rests on the version that it was decided on, and may come late.
struct Cluster {
    plan: Plan,
    specs: Vec<WorkflowRunSpec>,
    statuses: Vec<(u64, WorkflowRunStatus)>,
    /// Writes under way: of which run, on which version, what.
    under_way: Vec<(usize, u64, WorkflowRunStatus)>,
    /// What caches know: any state that once was.
    past: Vec<Vec<WorkflowRunStatus>>,
}

impl Cluster {
    fn new(max: u32, when_full: &str, runs: usize) -> Self {
        let workflow = workflow(&json!({ "max": max, "whenFull": when_full }));
        Self {
            plan: Plan::new(&workflow).unwrap(),
            specs: (0..runs)
                .map(|run| WorkflowRunSpec { priority: i32::from(run == 2), ..WorkflowRunSpec::default() })
                .collect(),
            statuses: vec![(0, WorkflowRunStatus::default()); runs],
            under_way: Vec::new(),
            past: vec![vec![WorkflowRunStatus::default(); runs]],
        }
    }

    fn peers(&self, own: usize, of: &[WorkflowRunStatus]) -> Vec<Peer> {
        let others = of.iter().enumerate().filter(|(run, _)| *run != own);
        let peer = |(run, status): (usize, &WorkflowRunStatus)| {
            Peer::of(&Told {
                name: &format!("r{run}"),
                created: Timestamp::from_second(1_000 + i64::try_from(run).unwrap()).ok(),
                deleting: false,
                priority: self.specs[run].priority,
                held_back: is_held_back(&self.specs[run], status.generation),
                phase: status.phase,
                concurrency: status.concurrency.as_ref(),
            })
        };
        others.filter_map(peer).collect()
    }

    /// A round of some leader's, whose cache is as old as `age` says: what it would write goes under way.
    fn decide(&mut self, run: usize, age: usize) -> Decision {
        let (version, status) = self.statuses[run].clone();
        let name = format!("r{run}");
        let facts = RunFacts {
            name: &name,
            namespace: "ns",
            uid: &name,
            created_at: Timestamp::from_second(1_000 + i64::try_from(run).unwrap()).ok(),
            generation: Some(1),
            spec: &self.specs[run],
        };
        let known = &self.past[self.past.len().saturating_sub(age + 1)];
        let mut peers = Peers { all: self.peers(run, known), live: false };
        if needs_live_peers(&facts, &status, &peers) {
            let now: Vec<WorkflowRunStatus> = self.statuses.iter().map(|(_, status)| status.clone()).collect();
            peers = Peers { all: self.peers(run, &now), live: true };
        }
        let definition = if status.phase.is_finished() {
            Definition::Unread
        } else {
            Definition::Ready { plan: &self.plan, revision: "w-1" }
        };
        let (sights, claims, lineage) = (Sights::new(), Claims::new(), Lineage::default());
        let seen = Observed {
            run: facts,
            stored: &status,
            status: &status,
            sealed: &Outputs::default(),
            definition: &definition,
            sights: &sights,
            claims: &claims,
            children: &sights,
            lineage: &lineage,
            resources: &sights,
            granted: &Granted::default(),
            peers: &peers,
            kept_pods: 1,
            hot: HOT,
            taken: 0,
        };
        let decision = decide(&seen, Timestamp::from_second(2_000).unwrap());
        if decision.status != status {
            self.under_way.push((run, version, decision.status.clone()));
        }
        decision
    }

    /// A write arrives: it takes effect if the run still is what it rests upon.
    fn arrive(&mut self, write: usize) {
        if self.under_way.is_empty() {
            return;
        }
        let (run, on, status) = self.under_way.remove(write % self.under_way.len());
        if self.statuses[run].0 == on {
            self.put(run, status);
        }
    }

    fn put(&mut self, run: usize, status: WorkflowRunStatus) {
        self.statuses[run] = (self.statuses[run].0 + 1, status);
        self.past.push(self.statuses.iter().map(|(_, status)| status.clone()).collect());
    }

    fn end(&mut self, run: usize) {
        if self.statuses[run].1.phase.is_under_way() {
            let ended = WorkflowRunStatus { phase: RunPhase::Succeeded, ..self.statuses[run].1.clone() };
            self.put(run, ended);
        }
    }

    fn under_way(&self) -> BTreeSet<usize> {
        (0..self.statuses.len()).filter(|run| self.statuses[*run].1.phase.is_under_way()).collect()
    }
}

proptest! {
    /// Several leaders with caches of any age, writes that come late and in any order: never more than the limit; and once one
    /// leader is left that knows all, everybody gets a slot.
    #[test]
    fn the_limit_holds_whoever_knows_what(
        max in 1_u32..3,
        when_full in prop::sample::select(vec!["Queue", "Reject", "CancelOldest"]),
        steps in prop::collection::vec((0_usize..4, 0_usize..5, 0_usize..6), 0..120),
    ) {
        let mut cluster = Cluster::new(max, when_full, 5);
        for (what, run, more) in steps {
            match what {
                0 | 1 => drop(cluster.decide(run, more)),
                2 => cluster.arrive(more),
                _ => cluster.end(run),
            }
            prop_assert!(cluster.under_way().len() <= max as usize, "{:?} at the same time", cluster.under_way());
        }
        cluster.under_way.clear();
        for _ in 0..60 {
            for run in 0..5 {
                cluster.decide(run, 0);
                cluster.arrive(0);
            }
            prop_assert!(cluster.under_way().len() <= max as usize);
            if let Some(run) = cluster.under_way().first() {
                cluster.end(*run);
            }
        }
        let open: Vec<_> = cluster.statuses.iter().filter(|(_, status)| !status.phase.is_finished()).collect();
        prop_assert!(open.is_empty(), "they wait for ever: {open:?}");
    }
}
