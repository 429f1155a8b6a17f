//! Pods that a former generation of a run left. What a pod was for that goes on beside a task's end, a large run no longer tells when
//! the task begins anew; the pod does.

use super::disruption;
use super::ledger::Ledger;
use super::observed::{Observed, PodFacts};
use super::unit::Unit;
use crate::api::WaitKind;
use crate::plan::PlannedTask;

/// What a unit of which no attempt is on record waits for before its first in this generation: the end of a pod of its own.
pub(super) fn wait(
    ledger: &Ledger,
    unit: Unit,
    planned: &PlannedTask,
    seen: &Observed<'_>,
) -> Option<(WaitKind, String)> {
    let is_known = ledger.unit(unit).is_some_and(|task| !task.attempts.is_empty());
    if is_known || ledger.status.generation == 0 {
        return None;
    }
    let goes_on = |pod: &&PodFacts| {
        pod.task == planned.name && pod.item == unit.item && !disruption::is_over(pod, planned, ledger.now)
    };
    seen.pods().find(goes_on).map(|pod| (WaitKind::Node, format!("pod {} to end", pod.name)))
}

/// Whether a pod is that of an attempt of a former generation, of which its task or item tells no more than that there was one.
pub(super) fn is_counted(ledger: &Ledger, pod: &PodFacts) -> bool {
    let task = ledger.index(&pod.task).and_then(|task| ledger.unit(Unit { task, item: pod.item }));
    task.and_then(|task| task.earlier).is_some_and(|earlier| pod.attempt <= earlier.former)
}
