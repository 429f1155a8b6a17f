//! What people read: conditions, progress, the message, the duration.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::items::Items;
use super::ledger::Ledger;
use super::lineage::Wish;
use super::observed::{Definition, Observed};
use super::text::{self, MESSAGE_BYTES, clip};
use super::{pace, slot, stop};
use crate::api::{Reason, RunPhase, TaskPhase, TaskStatus, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::PlannedTask;

/// Bytes of Kubernetes' words that a row of `kubectl get` shows.
const ROW_DETAIL: usize = 160;

/// Writes the summary of the status as it now is.
pub(super) fn write(ledger: &mut Ledger, seen: &Observed<'_>) {
    if ledger.status.observed_generation != seen.run.generation {
        ledger.status.observed_generation = seen.run.generation;
        ledger.urgent = true;
    }
    if is(Mutant::StampEachRound) && ledger.status.started_at.is_some() {
        ledger.status.started_at = Some(ledger.stamp());
    }
    let phase = ledger.phase();
    let tasks = &ledger.status.tasks;
    if !tasks.is_empty() {
        let done = |phase| matches!(phase, TaskPhase::Succeeded | TaskPhase::Failed | TaskPhase::Skipped);
        let done = tasks.iter().filter(|task| done(task.phase)).count();
        ledger.status.progress = format!("{done}/{}", tasks.len());
    }
    if let Some(message) = message(ledger, seen) {
        ledger.status.message = clip(&message, MESSAGE_BYTES);
    }
    if phase == RunPhase::Suspended {
        let why = match &seen.lineage.wish {
            Wish::Hold(why) if !seen.run.spec.suspend => why,
            _ => "spec.suspend is true; set it to false to go on",
        };
        ledger.wait_run(WaitKind::Suspended, why);
    } else if matches!(phase, RunPhase::Running | RunPhase::Stopping) {
        ledger.status.waiting_for = None;
    }
    if let (true, Some(started), Some(finished)) = (
        phase.is_finished(),
        ledger.status.retried_at.as_ref().or(ledger.status.started_at.as_ref()),
        &ledger.status.finished_at,
    ) {
        ledger.status.duration = Some(text::duration(finished.0.duration_since(started.0)));
    }
    conditions(ledger, seen);
    if phase.is_finished() {
        let (reason, message) = (ended_as(phase), ledger.status.message.clone());
        ledger.note(phase != RunPhase::Succeeded, reason, &message);
    }
}

/// Of a run that has ended, only this follows later edits of its spec: tools such as kstatus take an object whose
/// observedGeneration lags behind for one in progress.
pub(super) fn acknowledge(ledger: &mut Ledger, seen: &Observed<'_>) {
    if ledger.status.observed_generation != seen.run.generation {
        ledger.status.observed_generation = seen.run.generation;
        for condition in &mut ledger.status.conditions {
            condition.observed_generation = seen.run.generation;
        }
        ledger.urgent = true;
    }
}

const fn ended_as(phase: RunPhase) -> &'static str {
    match phase {
        RunPhase::Succeeded => "Succeeded",
        RunPhase::Cancelled => "Cancelled",
        _ => "Failed",
    }
}

/// The run's message; `None` leaves the one that was set with the phase.
fn message(ledger: &Ledger, seen: &Observed<'_>) -> Option<String> {
    let tasks = &ledger.status.tasks;
    let named = |phase: TaskPhase| tasks.iter().filter(move |task| task.phase == phase).map(|task| task.name.as_str());
    match ledger.phase() {
        RunPhase::Pending | RunPhase::Queued => {
            ledger.status.waiting_for.as_ref().map(|waiting| waiting.detail.clone())
        }
        RunPhase::Running => Some(running(ledger)),
        RunPhase::Suspended => {
            let live = tasks.iter().enumerate().filter(|(_, task)| task.phase.has_pod());
            let live =
                live.map(|(index, _)| ledger.items.get(&index).map_or(1, Items::live)).fold(0, usize::saturating_add);
            Some(if live == 0 {
                "suspended".to_owned()
            } else {
                format!("suspended; {} may finish", text::count(live, "running task"))
            })
        }
        // What was to be stopped has ended; now come the finally tasks.
        RunPhase::Stopping if named(TaskPhase::Stopping).next().is_none() => {
            let why = stop::word(&ledger.status);
            let goes_on = running(ledger);
            Some(if goes_on.is_empty() { why.to_owned() } else { format!("{why}; {goes_on}") })
        }
        RunPhase::Stopping => {
            let stopping = format!("stopping {}", text::names(named(TaskPhase::Stopping)));
            Some(trouble(ledger).map_or_else(|| stopping.clone(), |trouble| format!("{stopping}; {trouble}")))
        }
        RunPhase::Succeeded => Some(succeeded(tasks)),
        RunPhase::Failed => failed(ledger, seen),
        RunPhase::Cancelled if ledger.status.reason == Some(Reason::ConcurrencyLimit) => {
            Some(slot::told(&ledger.status))
        }
        RunPhase::Cancelled => {
            let why = stop::words(seen).and_then(|cancel| cancel.reason.as_deref()).unwrap_or_default();
            Some(if why.is_empty() { "cancelled".to_owned() } else { format!("cancelled: {why}") })
        }
    }
}

/// Why a run failed by its tasks. Why it failed as a whole is told already, and counts for more than a task that failed before.
fn failed(ledger: &Ledger, seen: &Observed<'_>) -> Option<String> {
    let finally = match ledger.status.reason {
        Some(Reason::TaskFailed) => false,
        Some(Reason::FinallyFailed) => true,
        _ => return stop::told(&ledger.status),
    };
    let Definition::Ready { plan, .. } = seen.definition else { return None };
    let counts = |planned: &PlannedTask| !planned.allow_failure && planned.finally == finally;
    let tasks = plan.tasks().iter().zip(&ledger.status.tasks).filter(|(planned, _)| counts(planned));
    let mut failed = tasks.map(|(_, task)| task).filter(|task| task.phase == TaskPhase::Failed);
    let first = failed.next()?;
    let more = failed.count();
    let more = if more == 0 { String::new() } else { format!(" (and {more} more failed)") };
    Some(format!("{}: {}{more}", first.name, first.message))
}

/// What a run that succeeded is made of: `3 tasks succeeded, 1 failed as allowed, 2 skipped`.
fn succeeded(tasks: &[TaskStatus]) -> String {
    let of = |phase: TaskPhase| tasks.iter().filter(|task| task.phase == phase).count();
    let told = [
        (TaskPhase::Succeeded, "succeeded"),
        (TaskPhase::Failed, "failed as allowed"),
        (TaskPhase::Skipped, "skipped"),
    ];
    let told = told.iter().map(|(phase, verb)| (of(*phase), verb)).filter(|(count, _)| *count > 0);
    let told = told.enumerate().map(|(place, (count, verb))| {
        let count = if place == 0 { text::count(count, "task") } else { count.to_string() };
        format!("{count} {verb}")
    });
    told.collect::<Vec<String>>().join(", ")
}

/// What goes on, and what is kept from going on record.
fn running(ledger: &Ledger) -> String {
    let goes_on = at_work(ledger);
    match ledger.without_row() {
        (0, _) => goes_on,
        (waiting, rows) => format!(
            "{goes_on}; {} to be recorded once others are done, since a status has room for {rows} that are to be tried again",
            text::count(waiting, "more ended pod")
        ),
    }
}

/// Trouble comes first, then what runs, then what is about to.
fn at_work(ledger: &Ledger) -> String {
    if let Some(trouble) = trouble(ledger) {
        return trouble;
    }
    let tasks = &ledger.status.tasks;
    let told = [
        (TaskPhase::Running, "running"),
        (TaskPhase::Starting, "starting"),
        (TaskPhase::Stopping, "stopping"),
        (TaskPhase::Backoff, "waiting to retry"),
    ];
    for (phase, verb) in told {
        let of = || tasks.iter().enumerate().filter(|(_, task)| task.phase == phase);
        let mut first = of();
        match (first.next(), first.next()) {
            (None, _) => {}
            (Some((index, task)), None) if ledger.has_items(index) => {
                return format!("{}: {}", task.name, ledger.items.get(&index).map(items).unwrap_or_default());
            }
            _ => return format!("{} {verb}", text::names(of().map(|(_, task)| task.name.as_str()))),
        }
    }
    waits(ledger).unwrap_or_default()
}

/// What keeps everything from starting, where nothing is under way.
fn waits(ledger: &Ledger) -> Option<String> {
    let mut pending = ledger.status.tasks.iter().filter(|task| task.phase == TaskPhase::Pending);
    pending.find_map(|task| {
        let waiting = task.waiting_for.as_ref().filter(|it| it.kind != WaitKind::Dependency)?;
        Some(format!("{}: {:?}: {}", task.name, waiting.kind, clip(&waiting.detail, ROW_DETAIL)))
    })
}

/// How far the items of a task are: `3 of 10 items running, 5 succeeded`.
fn items(items: &Items) -> String {
    let told = [
        (TaskPhase::Running, "running"),
        (TaskPhase::Starting, "starting"),
        (TaskPhase::Stopping, "stopping"),
        (TaskPhase::Backoff, "waiting to retry"),
        (TaskPhase::Succeeded, "succeeded"),
        (TaskPhase::Failed, "failed"),
    ];
    let told = told.iter().map(|(phase, verb)| (items.count(*phase), verb)).filter(|(count, _)| *count > 0);
    let told = told.enumerate().map(|(place, (count, verb))| {
        let of = if place == 0 { format!(" of {}", text::count(items.total(), "item")) } else { String::new() };
        format!("{count}{of} {verb}")
    });
    told.collect::<Vec<String>>().join(", ")
}

/// What keeps something from starting or from being followed, if anything does.
fn trouble(ledger: &Ledger) -> Option<String> {
    ledger.unfinished().into_iter().find_map(|unit| {
        let task = ledger.unit(unit).filter(|task| task.phase.has_pod())?;
        let waiting = task.waiting_for.as_ref().filter(|it| !pace::is_ordinary(it, task.attempts.last()))?;
        // One line of a table; the task's waitingFor has all of it.
        Some(format!("{}: {:?}: {}", ledger.name(unit), waiting.kind, clip(&waiting.detail, ROW_DETAIL)))
    })
}

/// `Succeeded` and `Finished`, the contract that `kubectl wait` relies on.
fn conditions(ledger: &mut Ledger, seen: &Observed<'_>) {
    let phase = ledger.phase();
    let succeeded = match phase {
        RunPhase::Succeeded => "True",
        RunPhase::Failed | RunPhase::Cancelled => "False",
        _ => "Unknown",
    };
    let finished = if phase.is_finished() { "True" } else { "False" };
    let reason = ledger.status.reason.map_or_else(|| format!("{phase:?}"), |reason| format!("{reason:?}"));
    // While the run goes on its message changes often; a condition tells of the change of its own status.
    let message = if phase.is_finished() { ledger.status.message.clone() } else { String::new() };
    for (kind, status) in [("Succeeded", succeeded), ("Finished", finished)] {
        let old = ledger.status.conditions.iter().position(|condition| condition.type_ == kind);
        let old_time = old
            .and_then(|index| ledger.status.conditions.get(index))
            .filter(|condition| condition.status == status)
            .map(|condition| condition.last_transition_time.clone());
        let condition = Condition {
            type_: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.clone(),
            message: message.clone(),
            observed_generation: seen.run.generation,
            last_transition_time: old_time.unwrap_or(Time(ledger.now)),
        };
        match old.and_then(|index| ledger.status.conditions.get_mut(index)) {
            Some(slot) => *slot = condition,
            None => ledger.status.conditions.push(condition),
        }
    }
}
