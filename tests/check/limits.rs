//! S10, of runs: no more runs of a workflow and key have a slot at the same time than its concurrency lets; who waits gets one in
//! turn; and nobody is turned away or cancelled for a slot without need.

use std::collections::BTreeMap;

use gantline::api::RunPhase;
use jiff::Timestamp;
use serde_json::Value;

use super::read::{Status, is_cancelled, meta, text, time};
use super::world::{Step, World};
use super::{Findings, Invariant};

/// Limits.
#[derive(Default)]
pub struct Limits<'j> {
    runs: BTreeMap<&'j str, Limited<'j>>,
}

/// A run of a workflow, as far as slots go.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and any of them may hold together")]
struct Limited<'j> {
    name: &'j str,
    namespace: &'j str,
    workflow: &'j str,
    created: Option<Timestamp>,
    priority: i64,
    /// What its status says of slots; nothing where its workflow has no limit.
    own: Option<&'j Value>,
    /// Whether it has a slot.
    has_slot: bool,
    /// Since which entry it has had one, waited for one, or both in turn.
    since: Option<usize>,
    /// The entry of its status before the newest.
    before: usize,
    newest: usize,
    /// Whether one was, since it came, that waited for the oldest to be cancelled.
    was_pressed: bool,
    /// Whether at some time since it came all slots were taken or asked for by others.
    was_full: bool,
    /// Whether someone else than an operator wrote its status.
    edited: bool,
}

impl<'j> Invariant<'j> for Limits<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        if write.resource != "workflowruns" {
            return;
        }
        let uid = write.uid.as_str();
        let before = world.runs.get(uid).and_then(|run| run.status()).map_or(RunPhase::Pending, |status| status.phase);
        self.take(step, world);
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let starts = !before.is_under_way() && after.phase.is_under_way();
        let ends_for_it = text(after.value, "reason") == "ConcurrencyLimit"
            && (after.phase == RunPhase::Cancelled && !before.is_under_way() || after.phase == RunPhase::Stopping)
            && before != after.phase;
        let Some(run) = self.runs.get(uid).filter(|run| !run.edited) else { return };
        if starts {
            // From then on no other takes the slot; who doesn't lay claim to it first could take it beside another.
            let claimed = world.runs.get(uid).and_then(|run| run.status()).is_some_and(|before| {
                before.value.pointer("/concurrency/claimed").is_some_and(|claimed| *claimed == true)
            });
            findings.check("S10", step.index, claimed || run.max().is_none(), || {
                format!("run {} takes a slot that it hasn't claimed on record", run.name)
            });
            self.starts(run, step.index, findings);
        }
        if ends_for_it {
            let needed = if before.is_under_way() { run.was_pressed } else { run.was_full };
            findings.check("S10", step.index, needed, || format!("run {} gave way to nobody", run.name));
        }
    }
}

impl<'j> Limits<'j> {
    /// A run takes a slot.
    fn starts(&self, run: &Limited<'j>, index: usize, findings: &mut Findings) {
        let Some(max) = run.max() else { return };
        // One of another revision has another limit.
        let others: Vec<&Limited<'_>> = self.rivals(run).filter(|other| other.max() == Some(max)).collect();
        let with_slots: Vec<&str> = others.iter().filter(|other| other.has_slot).map(|other| other.name).collect();
        findings.check("S10", index, with_slots.len() < max, || {
            format!("run {} has a slot beside {with_slots:?}, and {max} may run at the same time", run.name)
        });
        // Those that had a slot, or waited before it, since its last word and until now: it must have seen them.
        let comes_first = |other: &&&Limited<'_>| {
            let seen = other.since.is_some_and(|since| since <= run.before);
            seen && (other.has_slot || other.turn() < run.turn())
        };
        let first: Vec<&str> = others.iter().filter(comes_first).map(|other| other.name).collect();
        findings.check("S10", index, first.len() < max, || {
            format!("run {} has a slot before {first:?}, and {max} may run at the same time", run.name)
        });
    }

    /// The other runs that share slots with it, and have one or wait for one.
    fn rivals<'a>(&'a self, run: &'a Limited<'j>) -> impl Iterator<Item = &'a Limited<'j>> {
        self.runs.values().filter(move |other| {
            let same = (other.namespace, other.workflow) == (run.namespace, run.workflow) && other.name != run.name;
            let keys = [run, other].map(|it| it.own.map_or("", |own| text(own, "key")));
            other.since.is_some() && same && (keys[0] == keys[1] || keys.contains(&""))
        })
    }

    /// Takes a write in.
    fn take(&mut self, step: &Step<'j>, world: &World<'j>) {
        let write = step.write;
        let (uid, object): (&'j str, &'j Value) = (&write.uid, &write.object);
        let workflow = object.pointer("/spec/workflowRef").map_or("", |reference| text(reference, "name"));
        if write.removed || workflow.is_empty() {
            self.runs.remove(uid);
            return self.press();
        }
        let known = world.runs.get(uid).and_then(|run| run.status());
        let status: Option<&Status<'j>> = if step.is_status { step.status.as_ref() } else { known };
        let phase = status.map_or(RunPhase::Pending, |status| status.phase);
        let has_slot = phase.is_under_way();
        let generation = status.and_then(|status| status.value["generation"].as_u64()).unwrap_or(0);
        let held_back = object["spec"]["suspend"] == true || is_cancelled(object, generation);
        let asks = phase == RunPhase::Queued && !held_back && !meta::is_deleting(object);
        let entry = self.runs.entry(uid).or_insert_with(|| Limited {
            name: &write.name,
            namespace: &write.namespace,
            workflow,
            created: time(meta::of(object), "creationTimestamp"),
            priority: object["spec"]["priority"].as_i64().unwrap_or(0),
            own: None,
            has_slot: false,
            since: None,
            before: 0,
            newest: 0,
            was_pressed: false,
            was_full: false,
            edited: false,
        });
        entry.own = status.and_then(|status| status.value.get("concurrency"));
        entry.has_slot = has_slot;
        entry.since = (has_slot || asks).then(|| entry.since.unwrap_or(step.index));
        if step.is_status {
            entry.edited |= !step.by_operator;
            entry.before = std::mem::replace(&mut entry.newest, step.index);
        }
        self.press();
    }

    /// Notes for whom there was no slot, and who could be asked to make room.
    fn press(&mut self) {
        let pressed = |run: &Limited<'j>| {
            let mut rivals = self.rivals(run);
            rivals.any(|other| !other.has_slot && other.own.is_some_and(|own| text(own, "whenFull") == "CancelOldest"))
        };
        let full = |run: &Limited<'j>| {
            let displaced = |other: &Limited<'_>| {
                other.own.is_some_and(|own| text(own, "whenFull") == "CancelOldest") && other.age() > run.age()
            };
            let rivals =
                self.rivals(run).filter(|other| other.has_slot || other.turn() < run.turn() || displaced(other));
            run.max().is_some_and(|max| rivals.count() >= max)
        };
        let seen: Vec<(&'j str, bool, bool)> =
            self.runs.iter().map(|(uid, run)| (*uid, pressed(run), full(run))).collect();
        for (uid, pressed, full) in seen {
            if let Some(run) = self.runs.get_mut(uid) {
                run.was_pressed |= pressed;
                run.was_full |= full;
            }
        }
    }
}

impl Limited<'_> {
    fn max(&self) -> Option<usize> {
        usize::try_from(self.own?["max"].as_u64()?).ok()
    }

    fn age(&self) -> (Option<Timestamp>, &str) {
        (self.created, self.name)
    }

    /// The order in which runs get slots.
    fn turn(&self) -> (i64, (Option<Timestamp>, &str)) {
        (-self.priority, self.age())
    }
}
