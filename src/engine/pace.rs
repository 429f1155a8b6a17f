//! What is told of a pod that takes its time: to start on its node, or to end there.
//!
//! While it takes as long as pods do, the words stay the same, so that they cost no write. Of one that takes longer it is told what is
//! known of it, at the price of one write.

use jiff::{SignedDuration, Timestamp};

use super::ledger::Ledger;
use super::observed::{Disruption, PodFacts, Stage};
use super::text;
use super::unit::Unit;
use crate::api::{Attempt, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind, WaitingFor, WorkflowRunStatus};

/// Pods start within that time, but for those with large images or in trouble.
const START: SignedDuration = SignedDuration::from_secs(60);
/// How long after its grace a pod that is being deleted may be there: its kubelet has to look, and to tell.
const END: SignedDuration = SignedDuration::from_secs(10);

/// What a task waits for whose pod is in no trouble that anyone tells of: it is being made, or its node gets it ready.
pub(super) fn to_start(pod: &str) -> String {
    format!("pod {pod} to start")
}

/// What a task waits for whose pod is being deleted, or is to be.
pub(super) fn to_end(pod: &str) -> String {
    format!("pod {pod} to end")
}

/// Records what a pod that has not started waits for; `since` is when it was first seen so.
pub(super) fn starting(ledger: &mut Ledger, unit: Unit, pod: &PodFacts, since: Timestamp) {
    let waiting = ledger.unit(unit).and_then(|task| task.waiting_for.as_ref());
    let since = waiting.filter(|it| it.kind == WaitKind::Node).map_or(since, |waiting| waiting.since.0);
    // What it waited for before, an attempt before it or a node with room, isn't of its start.
    let times = [pod.created_at, pod.hold.as_ref().and_then(|hold| hold.since)];
    let begun = times.into_iter().flatten().map(|at| at.min(ledger.now)).fold(since, Timestamp::max);
    let late = begun.checked_add(START).unwrap_or(Timestamp::MAX);
    let mut detail = to_start(&pod.name);
    if late > ledger.now {
        ledger.wake(late);
    } else if let Some(hold) = &pod.hold {
        detail = format!("{}; kubectl describe pod {} tells more", held(&hold.stage), pod.name);
    }
    ledger.wait_since(unit, WaitKind::Node, &detail, since);
}

/// How far a pod is, in words that fit into a line.
fn held(stage: &Stage) -> String {
    match stage {
        Stage::Scheduler => "no scheduler has looked at its pod".to_owned(),
        Stage::Node(node) => format!("its pod's volumes and network aren't ready on node {node}"),
        Stage::Init(container) => format!("init container {container} has not ended"),
        Stage::Containers(node) => format!("its pod's containers aren't started on node {node}"),
    }
}

/// Records that a pod that is being stopped, or deleted by someone, has not ended.
pub(super) fn ending(ledger: &mut Ledger, unit: Unit, pod: &PodFacts) {
    let by_us = ledger.unit(unit).is_some_and(|task| task.phase == TaskPhase::Stopping);
    let told = |it: &&Disruption| !(it.message.is_empty() || by_us && it.reason == Reason::PodDeleted);
    let mut detail = to_end(&pod.name);
    if let Some(disruption) = pod.disruption.as_ref().filter(told) {
        detail = format!("{}; {detail}", disruption.message);
    }
    if let Some(by) = pod.ends_by.filter(|_| pod.deleting) {
        let late = by.checked_add(END).unwrap_or(Timestamp::MAX);
        if late > ledger.now {
            ledger.wake(late);
        } else {
            let by = text::time(by);
            detail = format!("due by {by}, and its node has to say so, or to be removed: {detail}");
        }
    }
    ledger.wait(unit, WaitKind::Node, &detail);
}

/// Whether something keeps a run that has started from getting on, which its message tells.
#[must_use]
pub fn is_held_up(status: &WorkflowRunStatus) -> bool {
    let told = |waiting: &Option<WaitingFor>, attempts: &[Attempt]| {
        waiting.as_ref().is_some_and(|it| !is_ordinary(it, attempts.last()))
    };
    let of_task = |task: &TaskStatus| {
        let entries = task.items.iter().flat_map(|items| &items.entries);
        let mut entries = entries.filter(|entry| entry.phase.has_pod());
        task.phase.has_pod() && told(&task.waiting_for, &task.attempts)
            || entries.any(|entry| told(&entry.waiting_for, &entry.attempts))
    };
    status.phase == RunPhase::Suspended || status.phase == RunPhase::Running && status.tasks.iter().any(of_task)
}

/// Whether it is nothing that anyone has to know: the pod of the attempt starts, or ends, as pods do. A task whose items have the attempts
/// waits for those.
pub(super) fn is_ordinary(waiting: &WaitingFor, last: Option<&Attempt>) -> bool {
    let as_ever = |last: &Attempt| [to_start(&last.pod), to_end(&last.pod)].contains(&waiting.detail);
    waiting.kind == WaitKind::Node && last.is_none_or(as_ever)
}
