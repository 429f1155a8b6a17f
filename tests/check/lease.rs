//! S9: who writes leads: when it sent a write, the lease named it, and its last renewal was not too long ago.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::journal::Verb;
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
        // When its own namespace goes, so does the lease; whoever lets go of a pod then does what nobody will be there to do.
        if step.is(Verb::Patch, "pods") && world.is_operator_going() {
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

/// Whether the actor held the lease at a time. Of writes of that very time, any may have come first.
fn leads(lease: &[Held<'_>], actor: &str, sent: Timestamp, world: &World<'_>) -> bool {
    let known = lease.iter().take_while(|held| held.at <= world.rules.latest(sent)).count();
    let own = |held: &Held<'_>| held.by_operator && held.holder == actor;
    let Some(last) = lease[..known].iter().rposition(own) else { return false };
    // A hand at the lease, be it to delete it, takes nothing away from whoever holds it, who learns of it at the next renewal;
    // another may take it at once.
    let next = lease[last + 1..known].iter().find(|held| held.at < sent);
    sent < lease[last].until && next.is_none_or(|next| !next.by_operator)
}
