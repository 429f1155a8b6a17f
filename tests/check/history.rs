//! S7: each transition is on record once, under a number of its own, is legal, and explains all that changed: phases, reasons,
//! attempts. No time on record is ever written anew.

use std::borrow::Cow;
use std::collections::BTreeMap;

use gantline::api::{RunPhase, TaskPhase};
use serde_json::Value;

use super::read::{Attempt, Changed, Status, Task, list, task_of, text, told_of};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// What a task may go through (DESIGN, section 3). A pod may be seen ended that was never seen running, so that the states
/// between may be passed over; what has ended stays.
const TASK: &[(TaskPhase, &[TaskPhase])] = {
    use TaskPhase::{
        Backoff, Cancelled, Failed, Pending, Running, Skipped, Starting, Stopping, Succeeded, UpstreamFailed,
    };
    &[
        (Pending, &[Starting, Succeeded, Failed, Skipped, UpstreamFailed, Cancelled]),
        (Starting, &[Running, Stopping, Backoff, Succeeded, Failed, Cancelled]),
        (Running, &[Stopping, Backoff, Succeeded, Failed, Cancelled]),
        (Stopping, &[Backoff, Succeeded, Failed, Cancelled]),
        (Backoff, &[Starting, Failed, Cancelled]),
    ]
};

/// What a run may go through.
const RUN: &[(RunPhase, &[RunPhase])] = {
    use RunPhase::{Cancelled, Failed, Pending, Queued, Running, Stopping, Succeeded, Suspended};
    &[
        (Pending, &[Queued, Running, Suspended, Failed, Cancelled]),
        (Queued, &[Running, Failed, Cancelled]),
        (Running, &[Suspended, Stopping, Succeeded, Failed, Cancelled]),
        (Suspended, &[Running, Stopping, Succeeded, Failed, Cancelled]),
        (Stopping, &[Failed, Cancelled]),
    ]
};

/// Transitions.
pub struct History;

impl<'j> Invariant<'j> for History {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        // The API server keeps what a hand writes to the schema's words; from there on it is what counts.
        if !step.is_status || !step.by_operator {
            return;
        }
        let Some(after) = step.status.as_ref() else {
            return findings.check("S7", step.index, false, || "the status can't be read".to_owned());
        };
        if after.told.is_lost {
            return;
        }
        let before = world.runs.get(step.write.uid.as_str()).and_then(Run::status);
        let mut faults = after.told.faults.clone();
        let fresh = fresh(before.map_or(&[], Status::history), &after.told.transitions, &mut faults);
        let reopens = before.is_some_and(|before| before.generation < after.generation);
        Replay::new(before, reopens).explain(fresh, after, &mut faults);
        if let Some(before) = before {
            times(before, after, reopens, &mut faults);
        }
        let told = faults.join("; ");
        findings.check("S7", step.index, faults.is_empty(), || told);
    }
}

/// The transitions that are new. Checks that all others are as they were, and the numbers.
fn fresh<'s, 'j>(before: &[Value], told: &'s [Cow<'j, Value>], faults: &mut Vec<String>) -> &'s [Cow<'j, Value>] {
    let seq = |entry: &Value| entry["seq"].as_u64().unwrap_or(0);
    for (old, new) in before.iter().zip(told).filter(|(old, new)| *old != new.as_ref()) {
        faults.push(format!("a transition was {old} and became {new}"));
    }
    let last = before.last().map_or(0, seq);
    let Some(fresh) = told.get(before.len()..) else {
        faults.push(format!("transition {last} is gone"));
        return &[];
    };
    for (entry, expected) in fresh.iter().zip(last + 1..) {
        if seq(entry) != expected {
            faults.push(format!("transition {} stands where {expected} is next", entry["seq"]));
        }
    }
    fresh
}

/// The phases that transitions lead through, one after another.
struct Replay<'s, 'j> {
    run: RunPhase,
    /// The phases of the tasks that have changed, or that a transition speaks of.
    tasks: BTreeMap<String, TaskPhase>,
    before: Option<&'s Status<'j>>,
    /// Whether a new generation begins, so that what has ended may be open again.
    reopens: bool,
}

impl<'s, 'j> Replay<'s, 'j> {
    fn new(before: Option<&'s Status<'j>>, reopens: bool) -> Self {
        let run = before.map_or(RunPhase::Pending, |status| status.phase);
        Self { run, tasks: BTreeMap::new(), before, reopens }
    }

    /// Whether the new transitions lead to the new status, with its reasons and its attempts, and to nothing else.
    fn explain(mut self, fresh: &[Cow<'_, Value>], after: &Status<'j>, faults: &mut Vec<String>) {
        let mut reasons = BTreeMap::new();
        let mut intents = Vec::new();
        for entry in fresh.iter().map(Cow::as_ref) {
            if let Err(why) = self.follow(entry) {
                faults.push(format!("transition {}: {why}", entry["seq"]));
            }
            let task = told_of(entry);
            // A task with items begins with the first of them.
            if entry["to"] == "Starting" && entry.get("attempt").is_some() {
                intents.push((task.clone(), entry["attempt"].as_u64().unwrap_or(0)));
            }
            reasons.insert(task, entry.get("reason"));
        }
        // A task that is as it was may have been led away from there.
        let led = self.tasks.keys().filter_map(|name| after.task(name));
        let changed = after.changed.iter().filter(|it| !self.is_called_off(it, after)).map(|it| it.new.as_ref());
        let changed = changed.filter(|it| !self.tasks.contains_key(&it.name));
        let tasks: Vec<&Task<'_>> = led.chain(changed).collect();
        let elsewhere: Vec<&Task<'_>> = tasks.into_iter().filter(|task| !self.leads_to(task)).collect();
        if self.run != after.phase || !elsewhere.is_empty() {
            let phases: Vec<_> = elsewhere.iter().map(|task| (&task.name, task.phase)).collect();
            faults.push(format!("no transition explains run {:?}, tasks {phases:?}", after.phase));
        }
        for (task, reason) in &reasons {
            // A letter tells why a unit is being stopped, and why no other is as it is.
            let tells = |task: &&Task<'_>| !task.is_bare() && (task.is_told || task.phase == TaskPhase::Stopping);
            let told = after.task(task).filter(tells).map(|task| task.value);
            let told = if task.is_empty() { Some(after.value) } else { told };
            if told.is_some_and(|told| told.get("reason") != *reason) {
                faults.push(format!("the reason of the newest transition of {task:?} is not the one on record"));
            }
        }
        let added: Vec<(String, u64)> = after.changed.iter().flat_map(added).collect();
        let told = |attempt: &&(String, u64)| intents.contains(attempt);
        if !added.iter().all(|attempt| told(&attempt)) || !intents.iter().all(|attempt| added.contains(attempt)) {
            faults.push(format!("attempts added: {added:?}; transitions to Starting: {intents:?}"));
        }
    }

    /// Goes along one transition.
    fn follow(&mut self, entry: &Value) -> Result<(), String> {
        let (name, from, to) = (told_of(entry), &entry["from"], &entry["to"]);
        if name.is_empty() {
            let (from, to) = (phase::<RunPhase>(from)?, phase::<RunPhase>(to)?);
            if self.run != from {
                return Err(format!("the run was {:?}, not {from:?}", self.run));
            }
            self.run = to;
            return if self.opens(from.is_finished(), to == RunPhase::Pending) { Ok(()) } else { legal(RUN, from, to) };
        }
        let (from, to) = (phase::<TaskPhase>(from)?, phase::<TaskPhase>(to)?);
        let was = self.phase_of(&name);
        let back = self.reopens && name.ends_with(']') && was.is_finished();
        let was = if back { TaskPhase::Pending } else { was };
        if was != from {
            return Err(format!("task {name} was {was:?}, not {from:?}"));
        }
        self.tasks.insert(name, to);
        if self.opens(from.is_finished(), to == TaskPhase::Pending) { Ok(()) } else { legal(TASK, from, to) }
    }

    /// Whether a transition is the way back that a new generation takes.
    const fn opens(&self, has_ended: bool, to_the_start: bool) -> bool {
        self.reopens && has_ended && to_the_start
    }

    /// Whether a task has the phase on record to which it was led.
    fn leads_to(&self, task: &Task<'_>) -> bool {
        let phase = self.phase_of(&task.name);
        // That an item is open again its task tells.
        let back = self.reopens && phase.is_finished() && task.item.is_some();
        let phase = if back && !task.phase.is_finished() { TaskPhase::Pending } else { phase };
        phase == task.phase
    }

    /// Whether an item that had not begun never will: that it is cancelled its task tells, for any number of them. So it does where a
    /// generation in which they were to run again is cancelled before it is on record: that they were open nobody saw.
    fn is_called_off(&self, Changed { old, new }: &Changed<'_>, after: &Status<'_>) -> bool {
        let opened = || self.reopens && self.before.is_some_and(|before| begins_again(before, after, &new.name));
        let was_pending = |old: &Task<'_>| old.phase == TaskPhase::Pending || old.phase.is_finished() && opened();
        new.item.is_some() && new.phase == TaskPhase::Cancelled && old.as_ref().is_none_or(|old| was_pending(old))
    }

    /// Where a task is, so far.
    fn phase_of(&self, name: &str) -> TaskPhase {
        let so_far = self.tasks.get(name).copied();
        so_far.or_else(|| Some(self.before?.task(name)?.phase)).unwrap_or_default()
    }
}

/// The attempts that a task has now and had not.
fn added(task: &Changed<'_>) -> impl Iterator<Item = (String, u64)> {
    let name = &task.new.name;
    let last = task.old_attempts().last().map_or(0, |last| last.number);
    let added = task.new.attempts.iter().filter(|attempt| attempt.number > last);
    added.map(|attempt| (name.clone(), attempt.number)).collect::<Vec<_>>().into_iter()
}

fn phase<'v, P: serde::Deserialize<'v>>(word: &'v Value) -> Result<P, String> {
    P::deserialize(word).map_err(|_| format!("{word} is no phase"))
}

fn legal<P: Copy + PartialEq + std::fmt::Debug>(law: &[(P, &[P])], from: P, to: P) -> Result<(), String> {
    let may = law.iter().any(|(phase, next)| *phase == from && next.contains(&to));
    if may { Ok(()) } else { Err(format!("the law forbids {from:?} to {to:?}")) }
}

/// Times on record stay: when something started, ended, or came to be as it is.
fn times(before: &Status<'_>, after: &Status<'_>, reopens: bool, faults: &mut Vec<String>) {
    let mut stay = |whose: &str, before: &Value, after: &Value, fields: &[&str]| {
        for field in fields {
            if before.get(field).is_some_and(|old| after.get(field) != Some(old)) {
                faults.push(format!("{field} of {whose} was {} and became {}", before[*field], after[*field]));
            }
        }
    };
    let of_run: &[&str] = if reopens { &["startedAt"] } else { &["startedAt", "finishedAt"] };
    stay("the run", before.value, after.value, of_run);
    for old in list(before.value, "conditions") {
        let same = |new: &&Value| new["type"] == old["type"] && new["status"] == old["status"];
        if let Some(new) = list(after.value, "conditions").iter().find(same) {
            stay(text(old, "type"), old, new, &["lastTransitionTime"]);
        }
    }
    since(&mut stay, "the run", before.value, after.value);
    for changed in after.changed.iter().filter(|it| !it.new.is_bare()) {
        let Changed { old: Some(old), new } = changed else { continue };
        if !(old.is_told && new.is_told) {
            // When it first started a letter doesn't tell.
            continue;
        }
        if reopens && (changed.is_reopened() || begins_again(before, after, &new.name)) {
            continue;
        }
        stay(&old.name, old.value, new.value, &["startedAt", "finishedAt"]);
        since(&mut stay, &old.name, old.value, new.value);
        let same = |old: &Attempt<'_>| new.attempts.iter().find(|new| new.number == old.number);
        for (old, new) in old.attempts.iter().filter_map(|old| Some((old, same(old)?))) {
            stay(old.pod, old.value, new.value, &["startedAt", "finishedAt"]);
        }
    }
}

/// Whether a task was open again between these two statuses, though it has ended in both. Of an item its task tells.
fn begins_again(before: &Status<'_>, after: &Status<'_>, unit: &str) -> bool {
    let last = before.history().last().and_then(|entry| entry["seq"].as_u64()).unwrap_or(0);
    let fresh = after.told.newest().take_while(|entry| entry["seq"].as_u64() > Some(last));
    fresh.into_iter().any(|entry| told_of(entry) == task_of(unit) && entry["to"] == "Pending")
}

/// What waits for a thing of a kind does so since when it began to.
fn since(stay: &mut impl FnMut(&str, &Value, &Value, &[&str]), whose: &str, before: &Value, after: &Value) {
    if let (Some(old), Some(new)) = (before.get("waitingFor"), after.get("waitingFor"))
        && old["kind"] == new["kind"]
    {
        stay(whose, old, new, &["since"]);
    }
}
