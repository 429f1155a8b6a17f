//! Volume claims. S3: none is made unless it is on record and not known to exist, and no pod before the uid of each claim that it
//! mounts is on record. S11: none outlives its run. S16: one that an operator makes, or puts on record, is its run's own.

use std::collections::BTreeSet;

use gantline::api::label;
use serde_json::Value;

use super::journal::Verb;
use super::read::{Status, list, meta, text};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// The resource.
const CLAIMS: &str = "persistentvolumeclaims";

/// Claims of runs.
#[derive(Default)]
pub struct Claims<'j> {
    /// Uids of those whose owner someone took off, as a deletion of the run with `--cascade=orphan` has done.
    freed: BTreeSet<&'j str>,
}

impl<'j> Invariant<'j> for Claims<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        if write.resource == CLAIMS && !step.by_operator && meta::controller(&write.object).is_empty() {
            self.freed.insert(&write.uid);
        }
        if step.is(Verb::Create, CLAIMS) {
            let run = world.runs.get(meta::label(&write.object, label::RUN_UID));
            let own =
                run.is_some_and(|run| run.namespace == write.namespace && run.uid == meta::controller(&write.object));
            findings.check("S16", step.index, own, || {
                format!("volume claim {} is not of the run that it is labelled with", write.name)
            });
            let unmade = |status: &Status<'_>| entry(status, &write.name).is_some_and(|it| it.get("uid").is_none());
            let permitted = run.is_some_and(|run| rests_on(run, step, world, unmade));
            findings.check("S3", step.index, permitted, || {
                format!("volume claim {} is made, and isn't on record as one that is yet to be", write.name)
            });
        }
        if step.is(Verb::Create, "pods") {
            let Some(run) = world.runs.get(meta::label(&write.object, label::RUN_UID)) else { return };
            let spec = write.object.get("spec").unwrap_or(&Value::Null);
            let ours = run.status().map_or(&[][..], |status| list(status.value, "volumeClaims"));
            let names = list(spec, "volumes").iter().filter_map(|it| it.pointer("/persistentVolumeClaim/claimName"));
            for name in names.filter_map(Value::as_str).filter(|name| ours.iter().any(|it| it["claim"] == *name)) {
                let is_there = |status: &Status<'_>| entry(status, name).is_some_and(|it| it.get("uid").is_some());
                let permitted = rests_on(run, step, world, is_there);
                findings.check("S3", step.index, permitted, || {
                    format!("pod {} is made before its volume claim {name} is known to exist", write.name)
                });
            }
        }
        if let (Some(after), Some(run)) =
            (&step.status, world.runs.get(write.uid.as_str()).filter(|_| step.by_operator))
        {
            for claim in list(after.value, "volumeClaims") {
                // Gone by now, or made before the journal began.
                let Some(object) = world.objects.get(text(claim, "uid")) else { continue };
                let told =
                    (text(meta::of(object), "name"), text(meta::of(object), "namespace"), meta::controller(object));
                findings.check("S16", step.index, told == (text(claim, "claim"), run.namespace, run.uid), || {
                    format!("volume claim {} is on record as that of run {}", text(claim, "claim"), run.uid)
                });
            }
        }
    }

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        if !world.rules.settled {
            return;
        }
        for claim in world.objects.values().filter(|object| object["kind"] == "PersistentVolumeClaim") {
            let run = world.runs.get(meta::label(claim, label::RUN_UID));
            let left = run.is_some_and(|run| run.removed && !self.freed.contains(meta::uid(claim)));
            let name = text(meta::of(claim), "name");
            findings.check("S11", world.entries, !left, || format!("volume claim {name} outlived its run"));
        }
    }
}

/// What a status says of the claim of this name.
fn entry<'a>(status: &Status<'a>, name: &str) -> Option<&'a Value> {
    list(status.value, "volumeClaims").iter().find(|claim| claim["claim"] == name)
}

/// Whether a status that the request may rest upon permits it.
fn rests_on<'j>(run: &Run<'j>, step: &Step<'j>, world: &World<'j>, permits: impl Fn(&Status<'j>) -> bool) -> bool {
    let sent = step.write.sent;
    let before = run.before_the_hand(sent, world.rules);
    run.as_of(sent, world.rules).any(&permits) || before.is_some_and(permits)
}
