//! Which pods stay with their run. They are there to be looked at, and each is an object that the cluster has to keep: of those
//! that succeeded, the oldest go when there are too many, and so do those of attempts that are counted and listed no more.
//!
//! A pod's name keeps a late create of the same attempt from making another one. So none goes before two lease terms after its
//! outcome went on record; whoever carries that out sees to it.

use super::decision::Effect;
use super::observed::{MainState, Observed, PodFacts, PodPhase, Sight};
use super::tally;
use crate::api::{AttemptOutcome, WorkflowRunStatus};

/// Pods that stay with a run.
pub const KEPT_PODS: usize = 500;

/// The pods that go.
pub(super) fn clears(status: &WorkflowRunStatus, seen: &Observed<'_>) -> Vec<Effect> {
    let pods = || {
        let pods = seen.sights.values().filter_map(|sight| if let Sight::Pod(pod) = sight { Some(pod) } else { None });
        pods.filter(|pod| !pod.deleting)
    };
    let may_go = |pod: &&PodFacts| pod.is_over() && !pod.held;
    let (counted, listed): (Vec<_>, Vec<_>) = pods().partition(|pod| is_counted(status, pod));
    let surplus = listed.len().saturating_sub(seen.kept_pods);
    let mut succeeded: Vec<&PodFacts> = Vec::new();
    if surplus > 0 {
        succeeded.extend(listed.into_iter().filter(may_go).filter(|pod| has_succeeded(status, pod)));
        succeeded.sort_by_key(|pod| (ended_at(pod), &pod.name));
    }
    let gone = succeeded.into_iter().take(surplus).chain(counted.into_iter().filter(may_go));
    gone.map(|pod| Effect::Clear { pod: pod.name.clone(), uid: pod.uid.clone() }).collect()
}

/// Whether its attempt was listed once and is only counted now.
fn is_counted(status: &WorkflowRunStatus, pod: &PodFacts) -> bool {
    status.tasks.iter().any(|task| task.name == pod.task && tally::is_counted(task, pod.attempt))
}

/// Whether its attempt is on record as having succeeded.
fn has_succeeded(status: &WorkflowRunStatus, pod: &PodFacts) -> bool {
    let mut attempts = status.tasks.iter().filter(|task| task.name == pod.task).flat_map(|task| &task.attempts);
    let is_its_own = attempts
        .any(|attempt| attempt.uid.as_ref() == Some(&pod.uid) && attempt.outcome == Some(AttemptOutcome::Succeeded));
    is_its_own && pod.phase == PodPhase::Succeeded
}

fn ended_at(pod: &PodFacts) -> Option<jiff::Timestamp> {
    match &pod.main {
        MainState::Ended(end) => end.finished_at,
        _ => None,
    }
}
