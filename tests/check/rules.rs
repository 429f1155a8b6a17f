//! S3, the other way round: a task is Skipped or UpstreamFailed only if its trigger rule lets it run no more, or its condition is
//! false; and what a condition came to stays. And what rules say, from the language's table, for this and for the gates of pods.

use gantline::api::TaskPhase;
use serde_json::Value;

use super::read::{Status, list, text};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Tasks that don't run.
pub struct NotRun;

impl<'j> Invariant<'j> for NotRun {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(run) = world.runs.get(step.write.uid.as_str()) else { return };
        for changed in &after.changed {
            let (task, was) = (changed.new.as_ref(), changed.old.as_ref().map(|old| old.phase));
            let before = changed.old.as_ref().and_then(|old| old.value.get("when"));
            let after_it = task.value.get("when");
            // It may have ended anew in the very write that opened it again.
            let had_ended = changed.old.as_ref().is_some_and(|old| old.phase.is_finished());
            let reopened = had_ended && run.status().is_some_and(|before| before.generation < after.generation);
            findings.check("S4", step.index, before.is_none() || before == after_it || reopened, || {
                format!("the condition of task {} was {before:?}, and became {after_it:?}", task.name)
            });
            let newly = was != Some(task.phase);
            if !newly || !matches!(task.phase, TaskPhase::Skipped | TaskPhase::UpstreamFailed) {
                continue;
            }
            let Some(needs) = Needs::of(world, run, after, &task.name) else { continue };
            if text(task.value, "reason") == "WhenFalse" {
                let is_false = task.phase == TaskPhase::Skipped && after_it == Some(&false.into());
                findings.check("S3", step.index, is_false && needs.let_run(), || {
                    format!("task {} is {:?}, its condition {after_it:?}, its rule {needs}", task.name, task.phase)
                });
                continue;
            }
            let ends_so = needs.end_without_running();
            findings.check("S3", step.index, ends_so == Some(task.phase), || {
                format!("task {} became {:?}, and by its rule it is {ends_so:?}: {needs}", task.name, task.phase)
            });
        }
    }
}

/// What a task needs, as far as a status has it, and the rule over that.
pub struct Needs<'j> {
    rule: &'j str,
    /// The phase of each, and whether it has `allowFailure`.
    all: Vec<(TaskPhase, bool)>,
}

impl<'j> Needs<'j> {
    /// The needs of a task; nothing if the journal doesn't have its spec.
    pub fn of(world: &World<'j>, run: &Run<'j>, status: &Status<'_>, task: &str) -> Option<Self> {
        let planned = world.planned(run, status, task)?;
        let rule = planned.get("triggerRule").and_then(Value::as_str).unwrap_or("AllSucceeded");
        let need = |name: &Value| {
            let name = name.as_str()?;
            let spec = world.planned(run, status, name)?;
            // One that a hand took out of the record has not ended.
            let phase = status.task(name).map_or(TaskPhase::Pending, |task| task.phase);
            Some((phase, spec["allowFailure"] == true))
        };
        Some(Self { rule, all: list(planned, "needs").iter().filter_map(need).collect() })
    }

    fn any(&self, test: fn(TaskPhase, bool) -> bool) -> bool {
        self.all.iter().any(|(phase, allowed)| test(*phase, *allowed))
    }

    fn goes_on(&self) -> bool {
        self.any(|phase, _| !phase.is_finished())
    }

    /// Whether the rule lets the task run now.
    pub fn let_run(&self) -> bool {
        let ended = !self.goes_on();
        match self.rule {
            "AllSucceeded" => self.all.iter().all(|(phase, allowed)| is_ok(*phase, *allowed)),
            "AnySucceeded" => self.any(is_ok),
            "NoneFailed" => ended && !self.any(is_bad),
            "NoneFailedMinOneSucceeded" => ended && !self.any(is_bad) && self.any(is_ok),
            "AllDone" => ended,
            "AllDoneMinOneSucceeded" => ended && self.any(is_ok),
            "AnyDone" => self.any(is_done),
            "NoneSkipped" => ended && !self.any(is_skipped),
            "AllSkipped" => self.all.iter().all(|(phase, _)| is_skipped(*phase, false)),
            "AllFailed" => self.all.iter().all(|(phase, _)| is_failed(*phase, false)),
            "AnyFailed" => self.any(is_failed),
            _ => false,
        }
    }

    /// Whether the rule may let the task run yet, however its unfinished needs end.
    fn may_let_run(&self) -> bool {
        let goes_on = self.goes_on();
        match self.rule {
            "AllSucceeded" => self.all.iter().all(|(phase, allowed)| !phase.is_finished() || is_ok(*phase, *allowed)),
            "AnySucceeded" | "AllDoneMinOneSucceeded" => goes_on || self.any(is_ok),
            "NoneFailed" => !self.any(is_bad),
            "NoneFailedMinOneSucceeded" => !self.any(is_bad) && (goes_on || self.any(is_ok)),
            "AnyDone" => goes_on || self.any(is_done),
            "NoneSkipped" => !self.any(is_skipped),
            "AllSkipped" => self.all.iter().all(|(phase, _)| !phase.is_finished() || is_skipped(*phase, false)),
            "AllFailed" => self.all.iter().all(|(phase, _)| !phase.is_finished() || is_failed(*phase, false)),
            "AnyFailed" => goes_on || self.any(is_failed),
            // AllDone, and what isn't known.
            _ => true,
        }
    }

    /// What the task ends as without running, where that is certain.
    fn end_without_running(&self) -> Option<TaskPhase> {
        let about_failures = matches!(self.rule, "AllFailed" | "AnyFailed");
        match () {
            () if self.may_let_run() => None,
            () if about_failures => Some(TaskPhase::Skipped),
            () if self.any(is_bad) => Some(TaskPhase::UpstreamFailed),
            // What goes on may end badly.
            () if self.goes_on() => None,
            () => Some(TaskPhase::Skipped),
        }
    }
}

impl std::fmt::Display for Needs<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} over {:?}", self.rule, self.all)
    }
}

fn is_ok(phase: TaskPhase, allowed: bool) -> bool {
    phase == TaskPhase::Succeeded || phase == TaskPhase::Failed && allowed
}

fn is_bad(phase: TaskPhase, allowed: bool) -> bool {
    is_failed(phase, allowed) && !is_ok(phase, allowed)
}

fn is_failed(phase: TaskPhase, _: bool) -> bool {
    matches!(phase, TaskPhase::Failed | TaskPhase::UpstreamFailed | TaskPhase::Cancelled)
}

fn is_done(phase: TaskPhase, _: bool) -> bool {
    matches!(phase, TaskPhase::Succeeded | TaskPhase::Failed)
}

fn is_skipped(phase: TaskPhase, _: bool) -> bool {
    phase == TaskPhase::Skipped
}
