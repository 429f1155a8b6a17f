//! What is to be done so that the world follows the record. Nothing here is remembered from an earlier decision: the same
//! record and the same world ask for the same effects, until they are seen done.

use indexmap::IndexMap;

use super::control::is_suspended;
use super::decision::{Decision, Effect, Urgency};
use super::ledger::Ledger;
use super::observed::{Definition, MainState, Observed, PodFacts, Refusal, RefusalKind, Sight};
use super::scope::{Inputs, inputs};
use super::unit::Unit;
use super::{claim, former, log, packed, resource, retention, retry, sealed, stop, ttl, waiting};
use crate::api::{Attempt, AttemptOutcome, TaskPhase, TaskStatus, WaitKind, WaitingFor, WorkflowRunStatus};
use crate::plan::Plan;

/// Closes the ledger: the status as it is to be written, and what follows from it.
pub(super) fn decide(mut ledger: Ledger, seen: &Observed<'_>) -> Decision {
    let mut effects = Vec::new();
    if let Definition::Ready { plan, .. } = seen.definition {
        claim::creates(&mut ledger, plan, seen, &mut effects);
        creates(&mut ledger, plan, seen, &mut effects);
        backoffs(&mut ledger, plan, seen);
    }
    ledger.write_items();
    waiting::keep_since(&mut ledger.status, seen.status);
    let mut deletes = Vec::new();
    let owners = owners(&ledger);
    for pod in seen.pods() {
        let owner = owners.get(pod.name.as_str()).copied();
        settle_pod(owner, &ledger, seen, pod, &mut effects, &mut deletes);
    }
    effects.append(&mut deletes);
    effects.extend(resource::deletes(&ledger, seen));
    effects.extend(retention::clears(&ledger, &owners, seen));
    ttl::settle(&mut ledger, seen, &mut effects);
    let segments = log::seal(&mut ledger, seen);
    let (stored, outputs) = sealed::seal(&ledger.status, seen);
    let status = packed::pack(&mut ledger.status, seen.hot.spelt, stored);
    Decision {
        urgency: urgency(seen.stored, &status, ledger.urgent),
        segments,
        outputs,
        status,
        full: ledger.status,
        effects,
        notes: ledger.notes,
        wake_at: ledger.wake_at,
        illegal: ledger.illegal,
    }
}

/// The pods and child runs of open attempts that surely don't exist yet.
fn creates(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>, effects: &mut Vec<Effect>) {
    if is_suspended(seen.run.spec, &ledger.status, seen.lineage) || !ledger.phase().is_under_way() {
        return;
    }
    for unit in ledger.unfinished() {
        let Some(planned) = plan.tasks().get(unit.task) else { continue };
        let Some(task) = ledger.unit(unit).filter(|task| task.phase == TaskPhase::Starting) else { continue };
        let Some(last) = task.attempts.last().filter(|last| last.uid.is_none()) else { continue };
        let recorded_now = ledger.intended.contains(&unit);
        let (attempt, name) = (last.number, last.object().to_owned());
        match seen.sight(last) {
            Some(Sight::Refused(refusal)) if !may_retry(refusal, ledger.now) => {
                ledger.wake(refusal.retry_at);
                continue;
            }
            Some(Sight::Absent | Sight::Refused(_)) => {}
            _ if recorded_now => {}
            _ => continue,
        }
        // It could be made when the intent was recorded, from the same values; should that have changed, the record wins.
        let Unit { task, item } = unit;
        effects.extend(inputs(ledger, unit, plan, planned, seen, attempt).ok().map(|inputs| match inputs {
            Inputs::Pod(values) => Effect::Create { task, item, attempt, pod: name, values },
            Inputs::Params(params) => Effect::CreateRun { task, item, attempt, run: name, params },
            Inputs::Manifest(manifest) => Effect::CreateResource { task, item, attempt, resource: name, manifest },
        }));
    }
}

pub(super) fn may_retry(refusal: &Refusal, now: jiff::Timestamp) -> bool {
    use RefusalKind::{Admission, NoSuchKind, Quota, Unreviewed};
    matches!(refusal.kind, Quota | Admission | Unreviewed | NoSuchKind) && refusal.retry_at <= now
}

/// Releases a pod whose outcome is on record, and deletes what must not run.
fn settle_pod(
    owner: Option<(&TaskStatus, &Attempt)>,
    ledger: &Ledger,
    seen: &Observed<'_>,
    pod: &PodFacts,
    effects: &mut Vec<Effect>,
    deletes: &mut Vec<Effect>,
) {
    let status = &ledger.status;
    // An attempt without a uid on record takes the pod of its name.
    let is_its_own = |attempt: &Attempt| attempt.may_be(&pod.uid);
    let (stop, grace_seconds, done) = match owner.filter(|(_, attempt)| is_its_own(attempt)) {
        Some((task, attempt)) => {
            let cancelled = task.phase == TaskPhase::Stopping;
            // 0 would be a deletion by force, which doesn't wait for the container's end.
            let grace = stop::words(seen).and_then(|cancel| cancel.grace_seconds).map(|seconds| seconds.max(1));
            let grace = grace.filter(|_| cancelled);
            // What has no outcome and isn't followed any more, since the record was changed by hand, comes to nothing.
            let is_newest = task
                .attempts
                .last()
                .is_some_and(|last| (last.number, last.object()) == (attempt.number, attempt.object()));
            let followed = task.phase.has_pod() && is_newest && !status.phase.is_finished();
            // A pod whose `main` has ended soon ends by itself, and keeps its log, unless another container goes on. Our view of
            // it may be older than the record, so that it seems to run still. Only one that the record never knew came to be
            // after its attempt was given up.
            let goes_on = pod.lingering || attempt.uid.is_none();
            match attempt.outcome {
                Some(AttemptOutcome::Cancelled) => (true, grace, true),
                Some(_) => (goes_on, grace, true),
                None => (cancelled || !followed, grace, !followed),
            }
        }
        // Its task or item has ended, and how is all that is on record of it.
        None if ended_as(ledger, &pod.task, pod.item).is_some() => {
            // One that was cancelled may not have been told yet.
            let cancelled = ended_as(ledger, &pod.task, pod.item) == Some(TaskPhase::Cancelled);
            (pod.lingering || cancelled, None, true)
        }
        // That of an attempt of a former generation which is only counted any more: its outcome was on record. If its `main` seems to
        // run, it came to be after its attempt was given up, as far as anyone can tell.
        None if former::is_counted(ledger, pod) => {
            (pod.lingering || !matches!(pod.main, MainState::Ended(_)), None, true)
        }
        // It belongs to the run, but no attempt on record: nothing may come of it.
        None => (true, None, true),
    };
    let (name, uid) = (pod.name.clone(), pod.uid.clone());
    if stop && !pod.deleting && !pod.is_over() {
        deletes.push(Effect::Delete { pod: name.clone(), uid: uid.clone(), grace_seconds });
    }
    // Once its run is gone, nobody would find a pod that has gone astray: better its end is missed than its deletion held up.
    if (done || pod.astray) && pod.held {
        effects.push(Effect::Release { pod: name, uid });
    }
}

/// How a task or item ended that isn't spelt out any more, by the labels of its pod or object.
pub(super) fn ended_as(ledger: &Ledger, task: &str, item: Option<u32>) -> Option<TaskPhase> {
    let index = ledger.index(task)?;
    let phase = match item {
        Some(item) => ledger.items.get(&index).filter(|items| items.get(item).is_none())?.phase(item),
        None => ledger.task(index).filter(|task| ledger.is_packed() && task.attempts.is_empty()).map(|task| task.phase),
    };
    phase.filter(|phase| phase.is_finished())
}

/// Attempts by the names of their pods, each with its task or item.
pub(super) type Owners<'a> = IndexMap<&'a str, (&'a TaskStatus, &'a Attempt)>;

/// The attempts on record.
fn owners(ledger: &Ledger) -> Owners<'_> {
    let items = ledger.items.values().flat_map(|items| items.known().map(|(_, item)| item));
    let all = ledger.status.tasks.iter().chain(items);
    let attempts = all.flat_map(|task| task.attempts.iter().map(move |attempt| (task, attempt)));
    let attempts = attempts.filter(|(_, attempt)| attempt.is_pod());
    attempts.map(|(task, attempt)| (attempt.pod.as_str(), (task, attempt))).collect()
}

/// Wakes for the attempts that wait for their time.
fn backoffs(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    if is_suspended(seen.run.spec, &ledger.status, seen.lineage) {
        return;
    }
    for unit in ledger.unfinished() {
        let Some(planned) = plan.tasks().get(unit.task) else { continue };
        let Some(task) = ledger.unit(unit).filter(|task| task.phase == TaskPhase::Backoff) else { continue };
        let Some(at) = task.attempts.last().and_then(|last| last.next_at.as_ref()).map(|at| at.0) else { continue };
        if retry::is_ahead(at, &planned.retry, ledger.now) {
            ledger.wake(at);
        }
    }
}

/// How soon the status must be written, from how it differs.
fn urgency(old: &WorkflowRunStatus, new: &WorkflowRunStatus, is_urgent: bool) -> Urgency {
    if old == new {
        Urgency::Unchanged
    } else if is_urgent {
        Urgency::Urgent
    } else if without_wording(old) == without_wording(new) {
        Urgency::Wording
    } else {
        Urgency::Lazy
    }
}

fn without_wording(status: &WorkflowRunStatus) -> WorkflowRunStatus {
    let mut status = status.clone();
    status.message.clear();
    // Of what a node does it is told in words of ours, which change when there is something to tell.
    let clear = |waiting: &mut Option<WaitingFor>| {
        let others = waiting.iter_mut().filter(|waiting| waiting.kind != WaitKind::Node);
        others.for_each(|waiting| waiting.detail.clear());
    };
    clear(&mut status.waiting_for);
    for task in &mut status.tasks {
        clear(&mut task.waiting_for);
        if let Some(items) = &mut task.items {
            clear(&mut items.waiting_for);
            items.entries.iter_mut().for_each(|entry| clear(&mut entry.waiting_for));
        }
    }
    status
}
