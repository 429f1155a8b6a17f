//! Child runs. S1: at most one is ever made for an attempt, and it is its run's own (S16). S2: none beside another that goes on. S6:
//! the outcome of an attempt is the truth about its child run, and isn't on record before that has ended. S8: a child run stops when
//! the run that it is a child of stops it.

use std::collections::BTreeMap;

use gantline::api::{AttemptOutcome, RunPhase, TaskPhase, label};
use jiff::{SignedDuration, Timestamp};

use super::journal::Verb;
use super::read::{Attempt, Status, meta, text, unit};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// How long an operator waits for the answer to a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);
/// How long a child run may go on after it was stopped, with every fault that there is, and the time that its pods have to end.
const PROMPT: SignedDuration = SignedDuration::from_mins(30);

/// Child runs that operators made.
#[derive(Default)]
pub struct Children<'j> {
    of_attempt: BTreeMap<(&'j str, String, &'j str), u32>,
    of_task: BTreeMap<(&'j str, String), Vec<&'j str>>,
}

impl<'j> Invariant<'j> for Children<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        // One without labels is no run's at all, which S15 says.
        if step.is(Verb::Create, "workflowruns") && !meta::label(&step.write.object, label::RUN_UID).is_empty() {
            self.made(step, world, findings);
        }
        let (Some(after), Some(run)) = (&step.status, world.runs.get(step.write.uid.as_str())) else { return };
        if !step.by_operator || run.edited {
            return;
        }
        for (changed, attempt) in after.changed.iter().flat_map(|it| it.new.attempts.iter().map(move |a| (it, a))) {
            let was_closed =
                changed.old_attempts().iter().any(|old| old.number == attempt.number && old.outcome.is_some());
            let Some(outcome) = attempt.outcome.filter(|_| attempt.is_child && !was_closed) else { continue };
            // Of a run that failed as a whole all is closed at once.
            let whole = after.phase == RunPhase::Failed
                && matches!(text(after.value, "reason"), "RevisionLost" | "OutputsLost");
            let fault = fault(world, run, attempt, outcome).filter(|_| !whole);
            findings.check("S6", step.index, fault.is_none(), || {
                let told = format!(
                    "attempt {} of task {} is {outcome:?} {}",
                    attempt.number,
                    changed.new.name,
                    attempt.reason()
                );
                format!("{told}: {}", fault.as_deref().unwrap_or_default())
            });
        }
    }

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        let parent = |run: &Run<'j>| world.runs.get(meta::controller(run.object));
        for (child, parent) in world.runs.values().filter_map(|run| Some((run, parent(run)?))) {
            if child.going.is_some() || parent.going.is_some() || child.edited || parent.edited {
                continue;
            }
            let Some(stopped) = stopped_at(parent, child) else { continue };
            let obeyed = |run: &Run<'j>| {
                let by_then = |at: Timestamp| at.duration_since(stopped) <= PROMPT;
                let ends = |phase: RunPhase| phase == RunPhase::Stopping || phase.is_finished();
                run.statuses.iter().any(|it| ends(it.status.phase) && by_then(it.at))
            };
            findings.check("S8", world.entries, !world.rules.settled || obeyed(child), || {
                format!("run {} goes on, though its parent stopped it at {stopped}", child.name)
            });
        }
    }
}

impl<'j> Children<'j> {
    fn made(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        let of = |name| meta::label(&write.object, name);
        let (run, attempt) = (of(label::RUN_UID), of(label::ATTEMPT));
        let task = unit(of(label::TASK), of(label::INDEX));
        let own = world.runs.get(run).is_some_and(|it| it.namespace == write.namespace);
        findings.check("S16", step.index, own && meta::controller(&write.object) == run, || {
            format!("run {} is not of the run that it is labelled with", write.name)
        });

        let count = self.of_attempt.entry((run, task.clone(), attempt)).or_default();
        // One that its sender gave up on can't be called back; nor does anything hold the name of one that someone deleted.
        let given_up = write.at.duration_since(write.sent) > PATIENCE;
        // Nor can anybody know of one that was deleted before its uid went on record.
        let unknown = |status: &Status<'_>| status.attempts().all(|it| it.pod != write.name || it.uid.is_none());
        let unknown = world.runs.get(run).is_some_and(|run| run.as_of(write.sent, world.rules).any(unknown));
        let of_name = |child: &&Run<'_>| child.name == write.name && meta::controller(child.object) == run;
        let is_gone = unknown && world.runs.values().filter(of_name).all(|child| child.removed);
        findings.check("S1", step.index, *count == 0 || given_up || is_gone, || {
            format!("run {} is number {} of run {run}, task {task}, attempt {attempt}", write.name, *count + 1)
        });
        *count += 1;

        let others = self.of_task.entry((run, task.clone())).or_default();
        let lives =
            |child: &&Run<'_>| !child.removed && child.status().is_none_or(|status| !status.phase.is_finished());
        let live = others.iter().filter_map(|uid| world.runs.get(uid)).find(lives);
        let edited = world.runs.get(run).is_some_and(|run| run.edited);
        findings.check("S2", step.index, live.is_none() || given_up || edited, || {
            let live = live.map_or("", |child| child.name);
            format!("run {} of task {task} is made while run {live} goes on", write.name)
        });
        if !given_up {
            others.push(&write.uid);
        }
    }
}

/// What speaks against the outcome of an attempt.
fn fault(world: &World<'_>, run: &Run<'_>, attempt: &Attempt<'_>, outcome: AttemptOutcome) -> Option<String> {
    let Some(uid) = attempt.uid else {
        let never_made = matches!(outcome, AttemptOutcome::Cancelled | AttemptOutcome::Failed);
        let told = matches!(attempt.reason(), "ChildFailed" | "ChildCancelled");
        return (!never_made || told).then(|| "no child run of it is on record".to_owned());
    };
    // Made before the journal began.
    let child = world.runs.get(uid)?;
    if meta::controller(child.object) != run.uid && !child.removed {
        return Some(format!("run {} is another's", child.name));
    }
    let phase = child.status().map_or(RunPhase::Pending, |status| status.phase);
    let (generation, wanted) =
        (child.status().map_or(0, |status| status.generation), attempt.value["runGeneration"].as_u64().unwrap_or(0));
    let ended_by_itself =
        outcome == AttemptOutcome::Succeeded || matches!(attempt.reason(), "ChildFailed" | "ChildCancelled");
    if ended_by_itself && generation < wanted {
        return Some(format!("it is generation {wanted} of run {}, which is at {generation}", child.name));
    }
    let right = match (outcome, attempt.reason()) {
        (AttemptOutcome::Succeeded, _) => phase == RunPhase::Succeeded,
        (AttemptOutcome::Failed, "ChildFailed") => phase == RunPhase::Failed,
        (AttemptOutcome::Failed, "ChildCancelled") => phase == RunPhase::Cancelled,
        (AttemptOutcome::Disrupted, _) => child.removed,
        // It failed or was cancelled for a reason of its own, and the child run was stopped: that is waited for.
        _ => child.removed || phase.is_finished(),
    };
    (!right).then(|| format!("its run {} is {phase:?}{}", child.name, if child.removed { ", and gone" } else { "" }))
}

/// When the parent stopped the child: its attempt is being stopped, or has an outcome.
fn stopped_at(parent: &Run<'_>, child: &Run<'_>) -> Option<Timestamp> {
    let stops = |task: &super::read::Task<'_>| {
        let own = task.attempts.iter().find(|it| it.is_child && it.pod == child.name && it.uid == Some(child.uid));
        own.is_some_and(|own| own.outcome.is_some() || task.phase == TaskPhase::Stopping)
    };
    let recorded = parent.statuses.iter().find(|it| it.status.tasks.iter().any(|task| stops(task)))?;
    Some(recorded.at)
}
