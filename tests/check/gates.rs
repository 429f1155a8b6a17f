//! S3: no pod or child run is made before the status on record satisfies every gate of its task. S8: none is sent after a cancel, an end or
//! a suspension is on record.

use gantline::api::{RunPhase, TaskPhase, label};

use super::journal::Verb;
use super::objects::is_object;
use super::read::{Status, meta, task_of, text, unit};
use super::rules::Needs;
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Gates of pods.
pub struct Gates;

impl<'j> Invariant<'j> for Gates {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        let object = step.by_operator && write.verb == Verb::Create && is_object(write);
        if !step.is(Verb::Create, "pods") && !step.is(Verb::Create, "workflowruns") && !object {
            return;
        }
        let of = |name| meta::label(&write.object, name);
        if write.resource == "workflowruns" && of(label::RUN_UID).is_empty() {
            // It is no run's at all, which S15 says.
            return;
        }
        let (task, attempt) = (unit(of(label::TASK), of(label::INDEX)), of(label::ATTEMPT));
        let task = task.as_str();
        let Some(run) = world.runs.get(of(label::RUN_UID)) else {
            return findings
                .check("S3", step.index, false, || format!("pod {} is of no run that ever was", write.name));
        };
        // What was on record when the request was sent: it may have been under way while that changed.
        let known: Vec<&Status<'_>> = run.as_of(write.sent, world.rules).collect();

        // What is to run on cancel runs while the run is stopping.
        let is_finally = |status: &Status<'_>| world.is_finally(run, status, task);
        let goes_on = |status: &&Status<'_>| match status.phase {
            RunPhase::Stopping => is_finally(status),
            RunPhase::Suspended => false,
            phase => !phase.is_finished(),
        };
        let stopped = !known.is_empty() && !known.iter().any(goes_on);
        findings.check("S8", step.index, !stopped, || {
            let phases: Vec<RunPhase> = known.iter().map(|status| status.phase).collect();
            format!("pod {} is sent while run {} is {phases:?} on record", write.name, run.name)
        });

        let stopped = |status: &&Status<'_>| {
            status.phase == RunPhase::Stopping && !is_finally(status) || status.phase.is_finished()
        };
        if known.iter().any(stopped) && !known.iter().any(|status| !stopped(status)) {
            // Its tasks are closed: that is S8.
            return;
        }
        let closed_in = |status: &Status<'_>| closed(world, run, status, task, attempt, &write.name);
        let closed: Vec<_> = known.iter().map(|status| closed_in(status)).collect();
        // A hand may have changed the record after the write that permitted this, and nobody told its sender yet.
        let before = run.before_the_hand(write.sent, world.rules);
        let before = before.is_some_and(|it| closed_in(it).is_none());
        let permitted = closed.iter().any(Option::is_none) || before;
        findings.check("S3", step.index, permitted, || {
            let why = closed.iter().flatten().next().map_or("nothing is on record", String::as_str);
            format!("pod {} of task {task}, attempt {attempt}: {why}", write.name)
        });
    }
}

/// Which gate of the task's pod this status leaves closed.
fn closed(
    world: &World<'_>,
    run: &Run<'_>,
    status: &Status<'_>,
    name: &str,
    attempt: &str,
    pod: &str,
) -> Option<String> {
    let Some(task) = status.task(name) else { return Some("the task is not on record".to_owned()) };
    if task.phase != TaskPhase::Starting {
        return Some(format!("the task is {:?} on record", task.phase));
    }
    let intended = task.attempts.last().filter(|last| last.pod == pod && last.number.to_string() == attempt);
    if intended.is_none_or(|last| last.outcome.is_some()) {
        return Some("the attempt is not on record as the task's newest, without an outcome".to_owned());
    }
    let Some(planned) = world.planned(run, status, name) else {
        return Some(format!("the task is not in revision {:?}", text(status.value, "revision")));
    };
    let unfinished = world.unfinished_main(run, status).filter(|_| world.is_finally(run, status, name));
    if let Some(unfinished) = unfinished {
        return Some(format!("it is a finally task, and task {unfinished} has not ended on record"));
    }
    if planned.get("join").is_some() {
        return Some("the task is a join, and has no pod".to_owned());
    }
    let is_child = planned.get("workflowRef").is_some() || planned.get("workflow").is_some();
    if is_child != intended.is_some_and(|last| last.is_child) {
        return Some("the task is a child run, and this is a pod, or the other way round".to_owned());
    }
    if planned.get("resource").is_some() != intended.is_some_and(|last| last.is_object) {
        return Some("the task is an object of another kind, and this is none, or the other way round".to_owned());
    }
    let of_task = status.task(task_of(name)).map_or(&serde_json::Value::Null, |task| task.value);
    if planned.get("forEach").is_some() != task.item.is_some() {
        return Some("it has items, and the pod is of none, or the other way round".to_owned());
    }
    // What has begun and is a letter began since its condition was true.
    let is_letter = status.task(task_of(name)).is_some_and(|task| !task.is_told);
    let when = of_task.get("when");
    if planned.get("when").is_some() && when != Some(&true.into()) && !(is_letter && when.is_none()) {
        return Some("its condition is not true on record".to_owned());
    }
    let needs = Needs::of(world, run, status, name).filter(|needs| !needs.let_run())?;
    Some(format!("its trigger rule doesn't let it run on record: {needs}"))
}
