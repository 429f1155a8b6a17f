//! What is deleted in time, and not before: runs by their ttl (S11), pods that stay no longer with theirs (S11).

use gantline::api::{AttemptOutcome, TaskPhase};
use jiff::SignedDuration;
use serde_json::Value;

use super::journal::Verb;
use super::read::{self, list, meta, text};
use super::world::{Step, World};
use super::{Findings, Invariant};

/// How long the pod of an attempt stays at least, once its outcome is on record: two lease terms.
const PODS_STAY: SignedDuration = SignedDuration::from_secs(20);

/// How long things stay.
pub struct Stays;

impl<'j> Invariant<'j> for Stays {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        if step.is(Verb::Delete, "workflowruns") {
            let wrong = run(step, world);
            findings.check("S11", step.index, wrong.is_none(), || {
                format!("run {} is deleted: {}", step.write.name, wrong.unwrap_or_default())
            });
        }
        if step.is(Verb::Delete, "pods")
            && let Some(stayed) = pod(step, world)
        {
            findings.check("S11", step.index, stayed >= PODS_STAY, || {
                format!("pod {} is deleted {stayed:#} after its outcome went on record", step.write.name)
            });
        }
    }
}

/// What is wrong with the deletion of a run: it has to have ended, and stayed for its ttl.
fn run(step: &Step<'_>, world: &World<'_>) -> Option<String> {
    let Some(run) = world.runs.get(step.write.uid.as_str()) else { return Some("nobody knows it".to_owned()) };
    let Some(status) = run.status().filter(|status| status.phase.is_finished()) else {
        return Some("it has not ended".to_owned());
    };
    let pinned = world.pinned(run, status).and_then(|spec| spec.get("ttl"));
    let ttl: Option<SignedDuration> = pinned.and_then(Value::as_str).and_then(|text| text.parse().ok());
    let ended =
        run.statuses.iter().rev().take_while(|recorded| recorded.status.phase.is_finished()).last().map(|it| it.sent);
    let stayed = ended.map(|ended| step.write.sent.duration_since(ended));
    match ttl {
        // One that ended before it was pinned knew its workflow all the same.
        None if text(status.value, "revision").is_empty() && status.value.get("expiresAt").is_some() => None,
        None => Some("its workflow has no ttl".to_owned()),
        // Written down a moment after it was decided.
        Some(ttl) if !world.rules.clock_is_off && stayed.is_none_or(|stayed| stayed + WRITING < ttl) => {
            Some(format!("after {stayed:?} of {ttl:#}"))
        }
        Some(_) => None,
    }
}

/// How long it may take until an end that was decided is sent to be put on record.
const WRITING: SignedDuration = SignedDuration::from_secs(10);

/// For how long the outcome of a pod that ended by itself has been on record; nothing where it is deleted for another reason.
fn pod(step: &Step<'_>, world: &World<'_>) -> Option<SignedDuration> {
    let pod = world.pods.get(step.write.uid.as_str())?;
    let run = world.runs.get(pod.run).filter(|run| !run.edited && run.going.is_none())?;
    let phase = pod.object.pointer("/status/phase").and_then(Value::as_str);
    let alone = pod.object.get("spec").is_some_and(|spec| list(spec, "containers").len() == 1);
    if !matches!(phase, Some("Succeeded" | "Failed")) || meta::is_deleting(pod.object) || !alone {
        return None;
    }
    // Someone who doesn't know yet that it has ended may stop it still.
    let stopped = |status: &read::Status<'_>| status.task(&pod.task).is_some_and(|it| it.phase == TaskPhase::Stopping);
    if run.statuses.iter().any(|recorded| stopped(&recorded.status)) {
        return None;
    }
    let listed = run.attempt(pod.name);
    let by_itself = listed.is_none_or(|attempt| attempt.outcome == Some(AttemptOutcome::Succeeded));
    let closed = run.closed.get(pod.name).filter(|_| by_itself)?;
    Some(step.write.sent.duration_since(*closed))
}
