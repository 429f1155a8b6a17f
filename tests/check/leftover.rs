//! S11: nothing is left behind, and no deletion is held up: where everything has come to rest, no run is still being deleted, no
//! pod of a run that is gone exists and no part of its log, and our finalizer is on no pod that nobody waits for.

use gantline::api::label;
use jiff::SignedDuration;
use serde_json::Value;

use super::read::{Attempt, list, meta, text};
use super::world::{Pod, Run, Step, World};
use super::{Findings, Invariant};

/// What is left.
pub struct Leftovers;

impl<'j> Invariant<'j> for Leftovers {
    fn step(&mut self, _step: &Step<'j>, _world: &World<'j>, _findings: &mut Findings) {}

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        if !world.rules.settled {
            return;
        }
        for run in world.runs.values() {
            let stuck = !run.removed && meta::is_deleting(run.object) && !is_held_by_others(run);
            findings.check("S11", world.entries, !stuck, || format!("run {} is still being deleted", run.name));
            let held = !run.removed && meta::is_held(run.object);
            findings.check("S11", world.entries, !held, || format!("run {} carries our finalizer", run.name));
        }
        for pod in world.pods.values().filter(|pod| !pod.removed) {
            let owner = world.runs.get(meta::controller(pod.object));
            let orphan = owner.is_some_and(|run| run.removed) && !waits_for_node(pod) && !is_hidden(world, pod);
            findings.check("S11", world.entries, !orphan, || format!("pod {} outlived its run", pod.name));
            let held = meta::is_held(pod.object) && !is_waited_for(world, pod);
            findings
                .check("S11", world.entries, !held, || format!("pod {} carries our finalizer for nobody", pod.name));
        }
        let of_run = |object: &Value| object.pointer("/spec/segment").or(object.pointer("/spec/outputs")).is_some();
        for record in world.objects.values().filter(|object| of_run(object)) {
            let owner = world.runs.get(meta::controller(record));
            let orphan = owner.is_some_and(|run| run.removed);
            findings.check("S11", world.entries, !orphan, || {
                format!("record {} outlived its run", text(meta::of(record), "name"))
            });
        }
    }
}

/// Whether a finalizer that is neither ours nor Kubernetes' own holds the run: whoever put it there takes it off.
fn is_held_by_others(run: &Run<'_>) -> bool {
    let known = ["foregroundDeletion", "orphan", gantline::api::FINALIZER];
    list(meta::of(run.object), "finalizers").iter().any(|name| !known.iter().any(|known| name == known))
}

/// Whether only its node can end the pod, and has yet to: nobody else knows whether it still runs.
fn waits_for_node(pod: &Pod<'_>) -> bool {
    let bound = pod.object.pointer("/spec/nodeName").is_some();
    bound && meta::is_deleting(pod.object) && meta::grace(pod.object) != Some(0) && !meta::is_held(pod.object)
}

/// How soon after its labels were taken off a pod may be found by its run's record, whatever is in the way.
const FOUND: SignedDuration = SignedDuration::from_mins(2);

/// Whether no operator can find the pod: it isn't labelled as a run's. One whose labels were taken off is found by the record of
/// its run, if that was there long enough after.
fn is_hidden(world: &World<'_>, pod: &Pod<'_>) -> bool {
    let Some(disguised) = pod.disguised.filter(|_| pod.made) else {
        return meta::label(pod.object, label::RUN_UID).is_empty();
    };
    let run = world.runs.get(pod.run);
    let going = run.and_then(|run| run.going);
    let soon = going.is_some_and(|going| going.duration_since(disguised) < FOUND);
    // What it was for may be on record already, or may never have been.
    let unread = run.is_none_or(|run| run.edited || run.attempt(pod.name).is_none_or(|it| it.outcome.is_some()));
    meta::label(pod.object, label::RUN_UID).is_empty() && (soon || unread)
}

/// Whether the pod's outcome is yet to be recorded.
fn is_waited_for(world: &World<'_>, pod: &Pod<'_>) -> bool {
    if is_hidden(world, pod) {
        return true;
    }
    let labelled = meta::label(pod.object, label::RUN_UID);
    let run = world.runs.get(labelled).filter(|run| run.going.is_none() && run.namespace == pod.namespace);
    let Some(run) = run else { return false };
    let own = |it: &&Attempt<'_>| it.uid.is_none_or(|uid| uid == pod.uid);
    let open = run.attempt(pod.name).filter(own).is_some_and(|attempt| attempt.outcome.is_none());
    open && run.status().is_some_and(|status| !status.phase.is_finished())
}
