//! Which runs concern one another, since they share the slots of a workflow's concurrency.

use std::collections::BTreeMap;

use super::loose::Loose;
use super::peers;
use crate::api::{WhenFull, WorkflowRun};
use crate::engine::{Peer, Standing};
use crate::mutant::{Mutant, is};

/// Namespace and name of a Workflow.
type Group = (String, String);

/// The runs that have a slot or wait for one, by their workflow and uid.
#[derive(Debug, Default)]
pub struct Groups {
    members: BTreeMap<Group, BTreeMap<String, Peer>>,
    group_of: BTreeMap<String, Group>,
}

impl Groups {
    /// A run is as it is now; returns the uids of the others that this concerns.
    pub fn put(&mut self, uid: &str, run: &Loose<WorkflowRun>) -> Vec<String> {
        let workflow = run.object.as_ref().ok().and_then(|object| object.spec.workflow_ref.as_ref());
        let group = workflow.map(|workflow| (run.meta.namespace.clone().unwrap_or_default(), workflow.name.clone()));
        match (group, peers::of_run(run)) {
            (Some(group), Some(peer)) => {
                let members = self.members.entry(group.clone()).or_default();
                let before = members.insert(uid.to_owned(), peer.clone());
                self.group_of.insert(uid.to_owned(), group.clone());
                let news = before.as_ref() != Some(&peer);
                if news { self.concerned(&group, uid, Some(&peer)) } else { Vec::new() }
            }
            _ => self.remove(uid),
        }
    }

    /// A run has ended or is gone; returns the uids of the others that this concerns.
    pub fn remove(&mut self, uid: &str) -> Vec<String> {
        let Some(group) = self.group_of.remove(uid) else { return Vec::new() };
        if let Some(members) = self.members.get_mut(&group) {
            members.remove(uid);
            if members.is_empty() {
                self.members.remove(&group);
            }
        }
        self.concerned(&group, uid, None)
    }

    /// The others of a run's workflow.
    pub fn peers_of(&self, uid: &str, run: &Loose<WorkflowRun>) -> Vec<Peer> {
        let workflow = run.object.as_ref().ok().and_then(|object| object.spec.workflow_ref.as_ref());
        let Some(workflow) = workflow else { return Vec::new() };
        let group = (run.meta.namespace.clone().unwrap_or_default(), workflow.name.clone());
        let others = self.members.get(&group).into_iter().flatten().filter(|(other, _)| *other != uid);
        others.map(|(_, peer)| peer.clone()).collect()
    }

    /// Those that may have something to do now that this one has changed. Of those that wait, only the first can be in turn; a
    /// thousand of them aren't woken for one slot.
    fn concerned(&self, group: &Group, changed: &str, now: Option<&Peer>) -> Vec<String> {
        if is(Mutant::QueueNotWoken) {
            return Vec::new();
        }
        let mut waiting = Vec::new();
        let mut concerned = Vec::new();
        let displaces = |peer: &Peer| {
            matches!(peer.standing, Standing::Waits { when_full: WhenFull::CancelOldest, claimed: false, .. })
        };
        let makes_room = now.is_some_and(displaces);
        for (uid, peer) in self.members.get(group).into_iter().flatten().filter(|(uid, _)| *uid != changed) {
            match peer.standing {
                Standing::Waits { claimed, max, when_full, asks } => {
                    if claimed || when_full != WhenFull::Queue {
                        concerned.push(uid.clone());
                    } else if asks {
                        waiting.push((&peer.turn, peer.key.as_deref(), max, uid));
                    }
                }
                Standing::Holds { .. } if makes_room => concerned.push(uid.clone()),
                Standing::Holds { .. } => {}
            }
        }
        waiting.sort_unstable();
        let mut before: BTreeMap<Option<&str>, u32> = BTreeMap::new();
        for (_, key, max, uid) in waiting {
            let before = before.entry(key).or_default();
            if *before < max {
                concerned.push(uid.clone());
            }
            *before = before.saturating_add(1);
        }
        concerned
    }
}
