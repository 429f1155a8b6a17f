//! S1: at most one pod is ever made for an attempt. S2: a task has at most one live pod, and attempt n+1 comes only after the
//! outcome of attempt n is on record and its pod is over.

use std::collections::BTreeMap;

use gantline::api::label;
use jiff::SignedDuration;

use super::journal::Verb;
use super::read::{Attempt, Status, meta, unit};
use super::world::{Pod, Run, Step, World};
use super::{Findings, Invariant};

/// How long an operator waits for the answer to a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// Uids of the pods that operators made, by run and task or item, and by attempt.
#[derive(Default)]
pub struct Pods<'j> {
    of_task: BTreeMap<(&'j str, String), Vec<&'j str>>,
    of_attempt: BTreeMap<(&'j str, String, &'j str), Vec<&'j str>>,
}

impl<'j> Invariant<'j> for Pods<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        if !step.is(Verb::Create, "pods") {
            return;
        }
        let of = |name| meta::label(&write.object, name);
        let (run, attempt) = (of(label::RUN_UID), of(label::ATTEMPT));
        let task = unit(of(label::TASK), of(label::INDEX));

        let made = self.of_attempt.entry((run, task.clone(), attempt)).or_default();
        let nameless = |status: &Status<'_>| status.attempts().all(|it| it.pod != write.name || it.uid.is_none());
        let unknown = world.runs.get(run).is_some_and(|run| run.as_of(write.sent, world.rules).any(nameless));
        let edited = world.runs.get(run).is_some_and(|run| run.edited);
        // One whose uid is not on record, and which a hand made vanish or took out of the record, nobody can know of.
        let vanished = |uid: &str| world.pods.get(uid).is_some_and(Pod::vanished);
        let known = |uid: &&&str| !(unknown && (edited || vanished(uid)));
        let count = made.iter().filter(known).count();
        // A create that its sender gave up on can't be called back. Should it arrive when the attempt is over and its pod gone, as
        // after a cancel, nothing is in its way; the record stays what it is, and the pod is stopped. Nor does anything hold a pod
        // whose run is gone.
        let given_up = write.at.duration_since(write.sent) > PATIENCE;
        let is_over = |run: &Run<'_>| run.attempt(&write.name).is_some_and(|it| it.outcome.is_some());
        let over = world.runs.get(run).is_some_and(|run| run.going.is_some() || is_over(run));
        findings.check("S1", step.index, count == 0 || given_up && over, || {
            format!("pod {} is number {} of run {run}, task {task}, attempt {attempt}", write.name, count + 1)
        });
        made.push(&write.uid);

        let others = self.of_task.entry((run, task.clone())).or_default();
        let is_lost = |pod: &Pod<'_>| is_disowned(pod, world) || is_out_of_sight(pod, world);
        let live = |pod: &&Pod<'_>| !pod.is_over() && !is_lost(pod) && !world.is_given_up(pod);
        let live = others.iter().filter_map(|uid| world.pods.get(uid)).find(live);
        findings.check("S2", step.index, live.is_none() || given_up && over, || {
            let live = live.map_or("", |pod| pod.name);
            format!("pod {} of task {task} is made while pod {live} is not over", write.name)
        });
        // What came too late for anybody to count on it is in nobody's way.
        if !(given_up && over) {
            others.push(&write.uid);
        }

        let number: u64 = attempt.parse().unwrap_or(0);
        let known = world.runs.get(run).and_then(Run::status).and_then(|status| status.task(&task));
        let mut earlier = known.into_iter().flat_map(|task| &task.attempts).filter(|it| it.number < number);
        let open = earlier.find(|it| it.outcome.is_none()).map(|it| it.number);
        findings.check("S2", step.index, open.is_none(), || {
            format!("pod {} is made while attempt {open:?} of task {task} has no outcome on record", write.name)
        });
    }
}

/// Whether a hand took the pod out of its run's record, so that no operator can know that it is one of the task's; or another pod
/// was put on record in its place, as an older one of its name can be when a record begins anew.
fn is_disowned(pod: &Pod<'_>, world: &World<'_>) -> bool {
    let another = |attempt: &Attempt<'_>| attempt.uid.is_some_and(|uid| uid != pod.uid);
    world.runs.get(pod.run).is_some_and(|run| run.edited && run.attempt(pod.name).is_none_or(another))
}

/// Whether somebody took off what a pod is known by whose outcome is on record since a former generation. The pod of an attempt that is
/// open, or tried again, is looked at by its name; of what a former generation left only the pods themselves tell.
fn is_out_of_sight(pod: &Pod<'_>, world: &World<'_>) -> bool {
    let Some(status) = world.runs.get(pod.run).and_then(Run::status) else { return false };
    let number: u64 = pod.attempt.parse().unwrap_or(u64::MAX);
    let is_former = match status.attempts().find(|attempt| attempt.pod == pod.name) {
        Some(attempt) => attempt.outcome.is_some() && attempt.generation < status.generation,
        None => status.task(&pod.task).is_some_and(|task| number <= status.last_counted(task)),
    };
    pod.disguised.is_some() && is_former
}
