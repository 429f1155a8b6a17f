//! Objects of any kind that tasks are. S1: at most one is ever made for an attempt, and it is its run's own (S16). S2: none beside
//! another whose attempt isn't over. S6: the outcome of an attempt is the truth about its object. S8 and S11: what was stopped, and what
//! nobody follows any more, is deleted.
//!
//! What an object has to say for its task to end, only its task knows. Of the kind `Load`, which only tests have, the checker does too.

use std::collections::BTreeMap;

use gantline::api::{AttemptOutcome, RunPhase, TaskPhase, label};
use jiff::SignedDuration;
use serde_json::Value;

use super::journal::{Verb, Write};
use super::read::{Attempt, meta, text, unit};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// How long an operator waits for the answer to a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// Resources that are no task's object.
const OTHERS: [&str; 9] = [
    "namespaces",
    "pods",
    "persistentvolumeclaims",
    "events",
    "leases",
    "workflows",
    "workflowruns",
    "workflowrecords",
    "localsubjectaccessreviews",
];

/// Whether a write is about an object of any kind that a task is, by its labels. One without them is no run's at all, which S15 says.
pub fn is_object(write: &Write) -> bool {
    let labelled = !meta::label(&write.object, label::RUN_UID).is_empty();
    labelled && write.subresource.is_empty() && !OTHERS.contains(&write.resource.as_str())
}

/// An object that an operator made.
struct Made<'j> {
    uid: &'j str,
    name: &'j str,
    run: &'j str,
    task: String,
    /// As it last was.
    object: &'j Value,
    /// What it said of itself, in words.
    said: Vec<&'j str>,
    removed: bool,
    /// Whether somebody else than an operator deleted it.
    taken: bool,
}

/// Objects that operators made, by uid.
#[derive(Default)]
pub struct Objects<'j> {
    all: BTreeMap<&'j str, Made<'j>>,
    of_attempt: BTreeMap<(&'j str, String, &'j str), Vec<&'j str>>,
    /// Objects that somebody else made: their names, and the uid of the run that controls them, by uid.
    of_others: BTreeMap<&'j str, (&'j str, &'j str)>,
}

impl<'j> Invariant<'j> for Objects<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        if !OTHERS.contains(&write.resource.as_str()) {
            if step.by_operator && is_object(write) && write.verb == Verb::Create {
                self.made(step, world, findings);
            }
            self.seen(step);
        }
        let (Some(after), Some(run)) = (&step.status, world.runs.get(write.uid.as_str())) else { return };
        if !step.by_operator || run.edited {
            return;
        }
        for (changed, attempt) in after.changed.iter().flat_map(|it| it.new.attempts.iter().map(move |a| (it, a))) {
            let was_closed =
                changed.old_attempts().iter().any(|old| old.number == attempt.number && old.outcome.is_some());
            let Some(outcome) = attempt.outcome.filter(|_| attempt.is_object && !was_closed) else { continue };
            // Of a run that failed as a whole all is closed at once.
            let whole = after.phase == RunPhase::Failed
                && matches!(text(after.value, "reason"), "RevisionLost" | "OutputsLost");
            let fault = self.fault(run, attempt, outcome).filter(|_| !whole);
            findings.check("S6", step.index, fault.is_none(), || {
                let (number, reason) = (attempt.number, attempt.reason());
                let told = format!("attempt {number} of task {} is {outcome:?} {reason}", changed.new.name);
                format!("{told}: {}", fault.as_deref().unwrap_or_default())
            });
        }
    }

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        if !world.rules.settled {
            return;
        }
        for made in self.all.values().filter(|made| !made.removed && !meta::is_deleting(made.object)) {
            let Some(run) = world.runs.get(made.run) else { continue };
            // Nobody finds an object by labels that it doesn't have; and one that was orphaned belongs to nobody.
            let is_hidden = [meta::label(made.object, label::RUN_UID), meta::controller(made.object)] != [made.run; 2];
            let stays = run.edited || is_hidden || !run.removed && stays(run, made);
            findings.check("S11", world.entries, stays, || {
                format!(
                    "object {} of task {} was stopped, or nobody follows it, and it is still there",
                    made.name, made.task
                )
            });
        }
    }
}

/// Whether an object is to be there at the end: its attempt goes on, or it has said itself that it is over.
fn stays(run: &Run<'_>, made: &Made<'_>) -> bool {
    let Some(status) = run.status() else { return false };
    let Some(task) = status.task(&made.task) else { return false };
    let Some(attempt) = task.attempts.iter().find(|it| it.pod == made.name && it.uid == Some(made.uid)) else {
        // Of an item that has ended, how is all that is told; and of many attempts the oldest are only counted.
        return task.is_bare() && task.phase != TaskPhase::Cancelled || made.is_over();
    };
    match attempt.outcome {
        None => task.phase.has_pod() && task.phase != TaskPhase::Stopping,
        Some(_) => said_so(attempt),
    }
}

/// Whether an attempt ended since its object said so.
fn said_so(attempt: &Attempt<'_>) -> bool {
    match attempt.outcome {
        Some(AttemptOutcome::Succeeded | AttemptOutcome::NotYet) => true,
        Some(AttemptOutcome::Failed) => {
            matches!(attempt.reason(), "ResourceFailed" | "OutputMissing" | "OutputInvalid" | "OutputTooLarge")
        }
        Some(AttemptOutcome::Disrupted | AttemptOutcome::Cancelled) | None => false,
    }
}

impl Made<'_> {
    /// Whether it has said itself that it is over.
    fn is_over(&self) -> bool {
        self.said.iter().any(|word| matches!(*word, "Done" | "Broken"))
    }
}

impl<'j> Objects<'j> {
    /// Takes in what an object is now.
    fn seen(&mut self, step: &Step<'j>) {
        let write = step.write;
        if !step.by_operator && write.verb == Verb::Create {
            self.of_others.insert(&write.uid, (&write.name, meta::controller(&write.object)));
        }
        let Some(made) = self.all.get_mut(write.uid.as_str()) else { return };
        made.object = &write.object;
        made.removed = write.removed;
        made.taken |= !step.by_operator && write.verb == Verb::Delete;
        let said = write.object.pointer("/status/phase").map(|phase| phase.as_str().unwrap_or("odd"));
        made.said.extend(said);
    }

    fn made(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        let of = |name| meta::label(&write.object, name);
        let (run, attempt) = (of(label::RUN_UID), of(label::ATTEMPT));
        let task = unit(of(label::TASK), of(label::INDEX));
        let known = world.runs.get(run);
        let own = known.is_some_and(|it| it.namespace == write.namespace);
        findings.check("S16", step.index, own && meta::controller(&write.object) == run, || {
            format!("object {} is not of the run that it is labelled with", write.name)
        });

        // One that its sender gave up on can't be called back.
        let given_up = write.at.duration_since(write.sent) > PATIENCE;
        let edited = known.is_some_and(|run| run.edited);
        let made = self.of_attempt.entry((run, task.clone(), attempt)).or_default();
        // Nothing holds the name of one that someone deleted before anyone had put it on record.
        let recorded = |uid: &str| {
            known.and_then(Run::status).is_some_and(|status| status.attempts().any(|it| it.uid == Some(uid)))
        };
        let counts = |uid: &&&str| self.all.get(**uid).is_none_or(|it| !(it.taken && it.removed) || recorded(uid));
        let count = made.iter().filter(counts).count();
        findings.check("S1", step.index, count == 0 || given_up || edited, || {
            format!("object {} is number {} of run {run}, task {task}, attempt {attempt}", write.name, count + 1)
        });
        made.push(&write.uid);

        let lives = |it: &&Made<'j>| {
            let on_record = known.and_then(Run::status).and_then(|status| status.task(&task));
            let attempt = on_record.and_then(|task| task.attempts.iter().find(|attempt| attempt.uid == Some(it.uid)));
            !it.removed && !attempt.map_or_else(|| it.is_over(), said_so)
        };
        let live = self.all.values().filter(|it| it.run == run && it.task == task).find(lives);
        findings.check("S2", step.index, live.is_none() || given_up || edited, || {
            let live = live.map_or("", |it| it.name);
            format!("object {} of task {task} is made while object {live} goes on", write.name)
        });
        self.all.insert(
            &write.uid,
            Made {
                uid: &write.uid,
                name: &write.name,
                run,
                task,
                object: &write.object,
                said: Vec::new(),
                removed: false,
                taken: false,
            },
        );
    }

    /// What speaks against the outcome of an attempt.
    fn fault(&self, run: &Run<'_>, attempt: &Attempt<'_>, outcome: AttemptOutcome) -> Option<String> {
        let reason = attempt.reason();
        let Some(uid) = attempt.uid else {
            let never_made = matches!(outcome, AttemptOutcome::Cancelled | AttemptOutcome::Failed);
            return (!never_made || said_so(attempt)).then(|| "no object of it is on record".to_owned());
        };
        if let Some((name, _)) = self.of_others.get(uid).filter(|(_, owner)| *owner != run.uid) {
            return Some(format!("object {name} is another's"));
        }
        // Made before the journal began.
        let made = self.all.get(uid)?;
        if made.run != run.uid {
            return Some(format!("object {} is another's", made.name));
        }
        // Of other kinds only their tasks know.
        let is_known = made.object["kind"] == "Load" && text(made.object, "apiVersion") == "example.org/v1";
        let said = |word: &str| !is_known || made.said.contains(&word);
        let right = match (outcome, reason) {
            (AttemptOutcome::Succeeded, _) | (_, "OutputMissing" | "OutputInvalid" | "OutputTooLarge") => said("Done"),
            (_, "ResourceFailed") => said("Broken"),
            (_, "ExpressionError") => said("odd"),
            (AttemptOutcome::Disrupted, _) => made.removed && (made.taken || run.going.is_some()),
            // It was stopped: its object is gone, or has ended by itself meanwhile.
            (AttemptOutcome::Cancelled, _) | (_, "TimedOut" | "TotalTimedOut" | "FinallyTimedOut") => {
                made.removed || !is_known || said("Broken") || said("odd") || said("Done")
            }
            _ => false,
        };
        (!right).then(|| {
            format!(
                "its object {} has said {:?}{}",
                made.name,
                made.said,
                if made.removed { ", and is gone" } else { "" }
            )
        })
    }
}
