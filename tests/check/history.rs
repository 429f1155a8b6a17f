//! S7: each transition is on record once, under a number of its own, is legal, and explains all that changed: phases, reasons,
//! attempts. No time on record is ever written anew.

use std::collections::BTreeMap;

use gantline::api::{RunPhase, TaskPhase};
use serde_json::Value;

use super::read::{Status, Task, list, text};
use super::world::{Run, Step, World};
use super::{Findings, Invariant};

/// Transitions that a status spells out.
const SPELT_OUT: usize = 64;

/// What a task may go through (DESIGN, section 3). A pod may be seen ended that was never seen running, so that the states
/// between may be passed over; what has ended stays.
const TASK: &[(TaskPhase, &[TaskPhase])] = {
    use TaskPhase::{Backoff, Cancelled, Failed, Pending, Running, Starting, Stopping, Succeeded, UpstreamFailed};
    &[
        (Pending, &[Starting, Failed, UpstreamFailed, Cancelled]),
        (Starting, &[Running, Stopping, Backoff, Succeeded, Failed, Cancelled]),
        (Running, &[Stopping, Backoff, Succeeded, Failed, Cancelled]),
        (Stopping, &[Succeeded, Failed, Cancelled]),
        (Backoff, &[Starting, Failed, Cancelled]),
    ]
};

/// What a run may go through.
const RUN: &[(RunPhase, &[RunPhase])] = {
    use RunPhase::{Cancelled, Failed, Pending, Running, Stopping, Succeeded, Suspended};
    &[
        (Pending, &[Running, Suspended, Failed, Cancelled]),
        (Running, &[Suspended, Stopping, Succeeded, Failed, Cancelled]),
        (Suspended, &[Running, Stopping, Succeeded, Failed, Cancelled]),
        (Stopping, &[Cancelled]),
    ]
};

/// The transitions of each run, by number.
#[derive(Default)]
pub struct History<'j> {
    of_run: BTreeMap<&'j str, BTreeMap<u64, &'j Value>>,
}

impl<'j> Invariant<'j> for History<'j> {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        if !step.is_status {
            return;
        }
        let uid = step.write.uid.as_str();
        let known = self.of_run.entry(uid).or_default();
        let Some(after) = step.status.as_ref() else {
            // The API server keeps the words to the schema's; what a hand writes past it is nobody's fault here.
            return findings.check("S7", step.index, !step.by_operator, || "the status can't be read".to_owned());
        };
        let last = known.last_key_value().map_or(0, |(seq, _)| *seq);
        if !step.by_operator {
            // What a hand wrote is what counts from here on.
            *known = after.history.iter().filter_map(|entry| Some((entry["seq"].as_u64()?, entry))).collect();
            return;
        }
        let mut faults = Vec::new();
        let fresh = numbered(after, known, last, &mut faults);
        let before = world.runs.get(uid).and_then(Run::status);
        let first = fresh.first().and_then(|entry| entry["seq"].as_u64()).unwrap_or(last + 1);
        Replay::new(before, first.saturating_sub(last + 1)).explain(&fresh, after, &mut faults);
        if let Some(before) = before {
            times(before, after, &mut faults);
        }
        let told = faults.join("; ");
        findings.check("S7", step.index, faults.is_empty(), || told);
        known.extend(fresh.iter().filter_map(|entry| Some((entry["seq"].as_u64()?, *entry))));
    }
}

/// Checks the numbers, and that what was on record is as it was; returns what is new.
fn numbered<'j>(
    after: &Status<'j>,
    known: &BTreeMap<u64, &'j Value>,
    last: u64,
    faults: &mut Vec<String>,
) -> Vec<&'j Value> {
    let mut fresh = Vec::new();
    let mut expected = None;
    for entry in after.history {
        let Some(seq) = entry["seq"].as_u64() else {
            faults.push("a transition has no number".to_owned());
            continue;
        };
        if expected.is_some_and(|expected| seq != expected) {
            faults.push(format!("transition {seq} stands where {} is next", expected.unwrap_or_default()));
        }
        expected = Some(seq + 1);
        match known.get(&seq) {
            Some(old) if *old != entry => faults.push(format!("transition {seq} was {old} and became {entry}")),
            Some(_) => {}
            None if seq <= last => faults.push(format!("transition {seq} is back, or came late")),
            None => fresh.push(entry),
        }
    }
    let first = after.history.first().and_then(|entry| entry["seq"].as_u64()).unwrap_or(1);
    let oldest = known.first_key_value().map_or(1, |(seq, _)| *seq);
    if first > oldest && after.history.len() < SPELT_OUT {
        faults.push(format!("the transitions before {first} are gone, though there is room for them"));
    }
    if expected.map_or(0, |next| next - 1) < last {
        faults.push(format!("transition {last} is gone"));
    }
    fresh
}

/// The phases that transitions lead through, one after another.
struct Replay<'s, 'j> {
    run: RunPhase,
    tasks: BTreeMap<&'j str, TaskPhase>,
    before: Option<&'s Status<'j>>,
    /// Transitions that there was no room to spell out: so many steps may stay unexplained.
    unseen: u64,
}

impl<'s, 'j> Replay<'s, 'j> {
    fn new(before: Option<&'s Status<'j>>, unseen: u64) -> Self {
        let tasks = before.into_iter().flat_map(|status| &status.tasks).map(|task| (task.name, task.phase)).collect();
        Self { run: before.map_or(RunPhase::Pending, |status| status.phase), tasks, before, unseen }
    }

    /// Whether the new transitions lead to the new status, with its reasons and its attempts, and to nothing else.
    fn explain(mut self, fresh: &[&'j Value], after: &Status<'j>, faults: &mut Vec<String>) {
        let mut reasons = BTreeMap::new();
        let mut intents = Vec::new();
        for entry in fresh {
            if let Err(why) = self.follow(entry) {
                faults.push(format!("transition {}: {why}", entry["seq"]));
            }
            let task = text(entry, "task");
            reasons.insert(task, entry.get("reason"));
            if entry["to"] == "Starting" {
                intents.push((task, entry["attempt"].as_u64().unwrap_or(0)));
            }
        }
        let unexplained =
            self.steps_to_run(after.phase) + after.tasks.iter().map(|task| self.steps_to(task)).sum::<u64>();
        if unexplained > self.unseen {
            let phases: Vec<_> =
                after.tasks.iter().filter(|task| self.steps_to(task) > 0).map(|it| (it.name, it.phase)).collect();
            faults.push(format!("no transition explains run {:?}, tasks {phases:?}", after.phase));
        }
        for (task, reason) in &reasons {
            let told = if task.is_empty() { Some(after.value) } else { after.task(task).map(|task| task.value) };
            if told.is_some_and(|told| told.get("reason") != *reason) {
                faults.push(format!("the reason of the newest transition of {task:?} is not the one on record"));
            }
        }
        let added: Vec<(&str, u64)> = after.tasks.iter().flat_map(|task| self.added(task)).collect();
        let told = |attempt: &&(&str, u64)| intents.contains(attempt);
        let untold = added.iter().filter(|attempt| !told(attempt)).count();
        let vain = intents.iter().filter(|attempt| !added.contains(attempt)).count();
        if vain > 0 || u64::try_from(untold).unwrap_or(u64::MAX) > self.unseen {
            faults.push(format!("attempts added: {added:?}; transitions to Starting: {intents:?}"));
        }
    }

    /// Goes along one transition.
    fn follow(&mut self, entry: &'j Value) -> Result<(), String> {
        let (name, from, to) = (text(entry, "task"), &entry["from"], &entry["to"]);
        if name.is_empty() {
            let (from, to) = (phase::<RunPhase>(from)?, phase::<RunPhase>(to)?);
            self.unseen = self
                .unseen
                .checked_sub(self.steps_to_run(from))
                .ok_or(format!("the run was {:?}, not {from:?}", self.run))?;
            self.run = to;
            return legal(RUN, from, to);
        }
        let (from, to) = (phase::<TaskPhase>(from)?, phase::<TaskPhase>(to)?);
        let was = self.tasks.get(name).copied().unwrap_or_default();
        let skipped = steps(TASK, was, from).unwrap_or(u64::MAX);
        self.unseen = self.unseen.checked_sub(skipped).ok_or(format!("task {name} was {was:?}, not {from:?}"))?;
        self.tasks.insert(name, to);
        legal(TASK, from, to)
    }

    /// Steps from where the run is to a phase.
    fn steps_to_run(&self, phase: RunPhase) -> u64 {
        steps(RUN, self.run, phase).unwrap_or(1 << 32)
    }

    /// Steps from where a task is to the phase that it has on record.
    fn steps_to(&self, task: &Task<'_>) -> u64 {
        steps(TASK, self.tasks.get(task.name).copied().unwrap_or_default(), task.phase).unwrap_or(1 << 32)
    }

    /// The attempts that a task has now and had not.
    fn added(&self, task: &Task<'j>) -> Vec<(&'j str, u64)> {
        let old = self.before.and_then(|before| before.task(task.name)).map_or(0, |old| old.attempts.len());
        task.attempts.iter().skip(old).map(|attempt| (task.name, attempt.number)).collect()
    }
}

fn phase<'j, P: serde::Deserialize<'j>>(word: &'j Value) -> Result<P, String> {
    P::deserialize(word).map_err(|_| format!("{word} is no phase"))
}

fn legal<P: Copy + PartialEq + std::fmt::Debug>(law: &[(P, &[P])], from: P, to: P) -> Result<(), String> {
    let may = law.iter().any(|(phase, next)| *phase == from && next.contains(&to));
    if may { Ok(()) } else { Err(format!("the law forbids {from:?} to {to:?}")) }
}

/// The least number of legal steps between two phases.
fn steps<P: Copy + PartialEq>(law: &[(P, &[P])], from: P, to: P) -> Option<u64> {
    if from == to {
        return Some(0);
    }
    let mut reached = vec![from];
    let mut count = 0;
    while !reached.contains(&to) {
        let next: Vec<P> =
            law.iter().filter(|(phase, _)| reached.contains(phase)).flat_map(|(_, next)| *next).copied().collect();
        let new: Vec<P> = next.into_iter().filter(|phase| !reached.contains(phase)).collect();
        if new.is_empty() {
            return None;
        }
        reached.extend(new);
        count += 1;
    }
    Some(count)
}

/// Times on record stay: when something started, ended, or came to be as it is.
fn times(before: &Status<'_>, after: &Status<'_>, faults: &mut Vec<String>) {
    let mut stay = |whose: &str, before: &Value, after: &Value, fields: &[&str]| {
        for field in fields {
            if before.get(field).is_some_and(|old| after.get(field) != Some(old)) {
                faults.push(format!("{field} of {whose} was {} and became {}", before[*field], after[*field]));
            }
        }
    };
    stay("the run", before.value, after.value, &["startedAt", "finishedAt"]);
    for old in list(before.value, "conditions") {
        let same = |new: &&Value| new["type"] == old["type"] && new["status"] == old["status"];
        if let Some(new) = list(after.value, "conditions").iter().find(same) {
            stay(text(old, "type"), old, new, &["lastTransitionTime"]);
        }
    }
    since(&mut stay, "the run", before.value, after.value);
    for old in &before.tasks {
        let Some(new) = after.task(old.name) else { continue };
        stay(old.name, old.value, new.value, &["startedAt", "finishedAt"]);
        since(&mut stay, old.name, old.value, new.value);
        for (old, new) in old.attempts.iter().zip(&new.attempts) {
            stay(old.pod, old.value, new.value, &["startedAt", "finishedAt"]);
        }
    }
}

/// What waits for a thing of a kind does so since when it began to.
fn since(stay: &mut impl FnMut(&str, &Value, &Value, &[&str]), whose: &str, before: &Value, after: &Value) {
    if let (Some(old), Some(new)) = (before.get("waitingFor"), after.get("waitingFor"))
        && old["kind"] == new["kind"]
    {
        stay(whose, old, new, &["since"]);
    }
}
