//! S9: who writes leads: when it sent a write, the lease named it, and its last renewal was not too long ago.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::world::{Step, World};
use super::{Findings, Invariant};

/// What became of each lease, by namespace and name, and which of them each operator goes by.
#[derive(Default)]
pub struct Leadership<'j> {
    leases: BTreeMap<(&'j str, &'j str), Vec<Held<'j>>>,
    of_operator: BTreeMap<&'j str, (&'j str, &'j str)>,
}

/// A lease as somebody wrote it.
struct Held<'j> {
    at: Timestamp,
    /// Who holds it; empty when it was given back or is gone.
    holder: &'j str,
    /// Until when, if nobody writes it again.
    until: Timestamp,
    by_operator: bool,
}

impl<'j> Invariant<'j> for Leadership<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        if write.resource == "leases" {
            let key = (write.namespace.as_str(), write.name.as_str());
            if step.by_operator {
                self.of_operator.insert(&write.actor, key);
            }
            self.leases.entry(key).or_default().push(Held::read(step));
            return;
        }
        if !step.by_operator || write.resource == "events" {
            return;
        }
        let lease = self.of_operator.get(write.actor.as_str()).and_then(|key| self.leases.get(key));
        let leads = lease.is_some_and(|lease| leads(lease, &write.actor, write.sent, world));
        findings.check("S9", step.index, leads, || {
            format!("{} sent a write to {} {} without the lease", write.actor, write.resource, write.name)
        });
    }
}

impl<'j> Held<'j> {
    fn read(step: &Step<'j>) -> Self {
        let write = step.write;
        let spec = write.object.get("spec").filter(|_| !write.removed);
        let seconds = spec.and_then(|spec| spec.get("leaseDurationSeconds")).and_then(Value::as_i64).unwrap_or(0);
        let holder = spec.and_then(|spec| spec.get("holderIdentity")).and_then(Value::as_str).unwrap_or_default();
        let until = write.at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(write.at);
        Self { at: write.at, holder, until, by_operator: step.by_operator }
    }
}

/// Whether the actor held the lease at a time.
fn leads(lease: &[Held<'_>], actor: &str, sent: Timestamp, world: &World<'_>) -> bool {
    let mut older = false;
    for held in lease.iter().rev().filter(|held| held.at <= world.rules.latest(sent)) {
        if held.holder == actor && held.by_operator && sent < held.until {
            return true;
        }
        // Of writes of the very same time, any may have come first. And a hand at the lease, be it to delete it, takes nothing
        // away from whoever holds it: that one learns of it at the next renewal. Whoever leads after that is bound all the same.
        let by_hand = !held.by_operator;
        if older && !by_hand {
            return false;
        }
        older |= held.at < sent && !by_hand;
    }
    false
}
