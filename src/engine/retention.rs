//! Which pods stay with their run. They are there to be looked at, and each is an object that the cluster has to keep: of those
//! that succeeded, the oldest go when there are too many, and so do those of attempts that are counted and listed no more.
//!
//! A pod's name keeps a late create of the same attempt from making another one. So none goes before two lease terms after its
//! outcome went on record; whoever carries that out sees to it.

use std::collections::BTreeMap;

use super::decision::Effect;
use super::effects::Owners;
use super::ledger::Ledger;
use super::observed::{MainState, Observed, PodFacts, PodPhase};
use super::tally;
use super::unit::Unit;
use crate::api::{Attempt, AttemptOutcome, TaskPhase, TaskStatus};

/// Pods that stay with a run.
pub const KEPT_PODS: usize = 500;

/// The pods that go.
pub(super) fn clears(ledger: &Ledger, owners: &Owners<'_>, seen: &Observed<'_>) -> Vec<Effect> {
    let tasks: BTreeMap<&str, usize> =
        ledger.status.tasks.iter().enumerate().map(|(index, task)| (task.name.as_str(), index)).collect();
    let unit = |pod: &PodFacts| Some(Unit { task: *tasks.get(pod.task.as_str())?, item: pod.item });
    let is_counted = |pod: &&PodFacts| {
        let task = unit(pod).filter(|_| !owners.contains_key(pod.name.as_str())).and_then(|unit| ledger.unit(unit));
        task.is_some_and(|task| tally::is_counted(task, pod.attempt))
    };
    let (counted, listed): (Vec<&PodFacts>, Vec<&PodFacts>) =
        seen.pods().filter(|pod| !pod.deleting).partition(is_counted);
    let may_go = |pod: &&PodFacts| pod.is_over() && !pod.held;
    let surplus = listed.len().saturating_sub(seen.kept_pods);
    let mut succeeded: Vec<&PodFacts> = Vec::new();
    if surplus > 0 {
        let has_succeeded = |pod: &&PodFacts| {
            pod.phase == PodPhase::Succeeded
                && match (owners.get(pod.name.as_str()), unit(pod)) {
                    (Some((_, attempt)), _) => is_success(attempt, pod),
                    (None, Some(unit)) => has_succeeded_untold(ledger, unit),
                    (None, None) => false,
                }
        };
        succeeded.extend(listed.into_iter().filter(may_go).filter(has_succeeded));
        succeeded.sort_by_key(|pod| (ended_at(pod), &pod.name));
    }
    let gone = succeeded.into_iter().take(surplus).chain(counted.into_iter().filter(may_go));
    gone.map(|pod| Effect::Clear { pod: pod.name.clone(), uid: pod.uid.clone() }).collect()
}

/// Whether the attempt is on record as having succeeded by this very pod.
fn is_success(attempt: &Attempt, pod: &PodFacts) -> bool {
    attempt.uid.as_ref() == Some(&pod.uid) && attempt.outcome == Some(AttemptOutcome::Succeeded)
}

/// Whether all that is on record of it is that it succeeded.
fn has_succeeded_untold(ledger: &Ledger, unit: Unit) -> bool {
    let phase = if let Some(item) = unit.item {
        let items = ledger.items.get(&unit.task).filter(|items| items.get(item).is_none());
        items.and_then(|items| items.phase(item))
    } else {
        let untold = |task: &&TaskStatus| ledger.is_packed() && task.attempts.is_empty();
        ledger.task(unit.task).filter(untold).map(|task| task.phase)
    };
    phase == Some(TaskPhase::Succeeded)
}

fn ended_at(pod: &PodFacts) -> Option<jiff::Timestamp> {
    match &pod.main {
        MainState::Ended(end) => end.finished_at,
        _ => None,
    }
}
