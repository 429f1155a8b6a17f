//! A run read back whole: what its status tells, what its log does, and the records that the log went on in. For people and for
//! tools; what is missing is said before all else.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod json;
mod text;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{ItemStatus, LogLine, Segment, TaskStatus, Transition, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Outputs, RunFacts, unpack};
use crate::plan::Plan;

/// Problems that are told of; the rest are counted.
const PROBLEMS: usize = 50;

/// A record that a part of a run's log is in.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// What it holds; `None` where it is gone or can't be read.
    pub segment: Option<Segment>,
}

/// A record of outputs of a run's tasks: its name, and its text, or what became of it.
pub type Text = (String, Result<String, &'static str>);

/// A run with everything that ever happened to it.
#[derive(Clone, Debug)]
pub struct Story<'a> {
    run: &'a WorkflowRun,
    status: WorkflowRunStatus,
    /// The tasks, each with all of its items that are told of anywhere.
    tasks: Vec<TaskStatus>,
    transitions: Vec<Transition>,
    /// How many transitions are in records, in the log of the status, and listed in it.
    places: [usize; 3],
    /// How many records there are.
    parts: usize,
    problems: Problems,
}

/// What is missing, or isn't as it was written.
#[derive(Clone, Debug, Default)]
struct Problems {
    told: Vec<String>,
    count: usize,
}

impl Problems {
    fn add(&mut self, what: String) {
        self.count = self.count.saturating_add(1);
        if self.told.len() < PROBLEMS {
            self.told.push(what);
        }
    }
}

impl<'a> Story<'a> {
    /// Puts together a run, the records of its log, oldest first, and those of the outputs of its tasks. The status of a large run
    /// tells the states of its tasks, and its plan their names.
    #[must_use]
    pub fn new(run: &'a WorkflowRun, plan: Option<&Plan>, parts: &[Part], outputs: &[Text]) -> Self {
        let stored = run.status.clone().unwrap_or_default();
        let (found, is_whole) = Outputs::read(outputs.iter().map(|(_, text)| text.as_deref().ok()));
        let status = unpack(&stored, &RunFacts::of(&run.metadata, &run.spec), plan, Some(&found));
        let mut story = Self {
            run,
            tasks: Vec::new(),
            transitions: Vec::new(),
            places: [0; 3],
            parts: parts.len(),
            problems: Problems::default(),
            status,
        };
        story.find_lost_outputs(outputs, is_whole);
        let mut units = BTreeMap::new();
        story.read_parts(parts, &mut units);
        story.places = [story.transitions.len(), 0, story.status.history.len()];
        let log = std::mem::take(&mut story.status.log);
        story.read_lines("the log of the status", &log, &mut units);
        story.places = [story.places[0], story.transitions.len().saturating_sub(story.places[0]), story.places[2]];
        story.transitions.append(&mut story.status.history);
        story.find_gaps();
        let spelt = Spelt::of(&stored);
        story.tasks = tasks(std::mem::take(&mut story.status.tasks), &spelt, units);
        story.find_untold(&spelt);
        story
    }

    /// Whether nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.problems.count == 0
    }

    /// For people: the run, its tasks with their attempts, and every transition.
    #[must_use]
    pub fn text(&self) -> String {
        text::of(self)
    }

    /// For tools: an object of `run`, `tasks`, `transitions`, `whole` and `problems`.
    #[must_use]
    pub fn json(&self) -> String {
        json::of(self)
    }

    /// Outputs are in records that can be had no more, or whose text can't be read.
    fn find_lost_outputs(&mut self, outputs: &[Text], is_whole: bool) {
        let lost = outputs.iter().filter_map(|(name, text)| Some((name, text.as_ref().err()?)));
        let lost: Vec<String> = lost
            .map(|(name, why)| {
                format!("WorkflowRecord {name}, which holds outputs of the tasks, {why}: some are not shown")
            })
            .collect();
        if lost.is_empty() && !is_whole {
            self.problems
                .add("the records of the outputs of the tasks don't fit together: some are not shown".to_owned());
        }
        for problem in lost {
            self.problems.add(problem);
        }
    }

    fn read_parts(&mut self, parts: &[Part], units: &mut Units) {
        let uid = self.run.metadata.uid.as_deref().unwrap_or_default();
        let (mut number, mut lines) = (0_u32, 0_u64);
        for Part { name, segment } in parts {
            number = number.saturating_add(1);
            let Some(segment) = segment else {
                self.problems.add(format!("WorkflowRecord {name}, a part of the log, is gone, or can't be read"));
                continue;
            };
            if segment.run_uid != uid {
                self.problems.add(format!("WorkflowRecord {name} is a part of another run's log"));
                continue;
            }
            if segment.number != number {
                self.problems.add(format!(
                    "WorkflowRecord {name} is part {} of the log, in the place of part {number}",
                    segment.number
                ));
                number = segment.number;
            }
            let found = self.read_lines(&format!("WorkflowRecord {name}"), &segment.log, units);
            lines = lines.saturating_add(found);
        }
        let (count, told) = self.status.sealed.as_ref().map_or((0, 0), |sealed| (sealed.count, sealed.lines));
        if number != count || lines != told {
            self.problems.add(format!("the log has {told} lines in {count} parts, and {lines} of them are there"));
        }
    }

    /// Reads lines of the log; returns how many.
    fn read_lines(&mut self, place: &str, log: &str, units: &mut Units) -> u64 {
        let mut count = 0_u64;
        for line in log.lines() {
            count = count.saturating_add(1);
            match LogLine::read(line) {
                Ok(LogLine::Transition(transition)) => self.transitions.push(transition),
                Ok(LogLine::Unit { item, status }) => {
                    units.insert((status.name.clone(), item), *status);
                }
                Err(error) => self.problems.add(format!("line {count} of {place} can't be read: {error}")),
            }
        }
        count
    }

    /// Transitions are numbered from 1.
    fn find_gaps(&mut self) {
        let mut next = 1_u64;
        for transition in &self.transitions {
            let seq = transition.seq;
            let last = seq.saturating_sub(1);
            if seq < next {
                self.problems.add(format!("transition {seq} is told in the place of transition {next}"));
            } else if last == next {
                self.problems.add(format!("transition {next} is missing"));
            } else if last > next {
                self.problems.add(format!("transitions {next} to {last} are missing"));
            }
            next = seq.saturating_add(1);
        }
    }

    /// Of what has ended, something has to tell how.
    fn find_untold(&mut self, spelt: &Spelt) {
        if let Some(packed) = self.status.packed.as_ref().filter(|packed| !packed.states.is_empty()) {
            let revision = self.status.revision.as_deref().unwrap_or_default();
            let untold = usize::try_from(packed.total).unwrap_or(usize::MAX).saturating_sub(spelt.tasks.len());
            self.problems.add(format!(
                "WorkflowRecord {revision}, which holds what the run runs, is gone or was changed: {untold} of its tasks are \
                 shown only as far as the log tells of them"
            ));
        }
        for task in &self.tasks {
            if task.phase.is_finished() && task.finished_at.is_none() && !spelt.tasks.contains(&task.name) {
                self.problems.add(format!("the end of task {} is told nowhere", task.name));
            }
            let Some(items) = task.items.as_ref().filter(|_| spelt.in_part.contains(&task.name)) else { continue };
            let told: BTreeSet<u32> = items.entries.iter().map(|entry| entry.index).collect();
            let ended = (0_u32..).zip(items.phases()).filter(|(_, phase)| phase.is_finished());
            let untold = ended.filter(|(index, _)| !told.contains(index)).count();
            if untold > 0 {
                self.problems.add(format!("how {untold} of the items of task {} ended is told nowhere", task.name));
            }
        }
    }
}

/// What a status spells out, by the names of tasks.
struct Spelt {
    /// The tasks that it does.
    tasks: BTreeSet<String>,
    /// Those of whose items it does some only.
    in_part: BTreeSet<String>,
}

impl Spelt {
    fn of(stored: &WorkflowRunStatus) -> Self {
        let in_part = |task: &&TaskStatus| task.items.as_ref().is_some_and(|items| !items.states.is_empty());
        let name = |task: &TaskStatus| task.name.clone();
        Self {
            tasks: stored.tasks.iter().map(name).collect(),
            in_part: stored.tasks.iter().filter(in_part).map(name).collect(),
        }
    }
}

/// What the log tells of tasks and items that have ended, by name and index. Of what ended more than once, the last is told.
type Units = BTreeMap<(String, Option<u32>), TaskStatus>;

/// The tasks of the status, and what the log tells of them. What the status spells out counts for more, and what goes on has not
/// ended as it did before.
fn tasks(listed: Vec<TaskStatus>, spelt: &Spelt, mut units: Units) -> Vec<TaskStatus> {
    let mut tasks = listed;
    for task in tasks.iter_mut().filter(|task| task.phase.is_finished() && !spelt.tasks.contains(&task.name)) {
        if let Some(ended) = units.remove(&(task.name.clone(), None)).filter(|ended| ended.phase == task.phase) {
            *task = ended;
        }
    }
    for ((name, item), unit) in units {
        let place = tasks.iter().position(|task| task.name == name);
        match (item, place.and_then(|place| tasks.get_mut(place))) {
            (None, None) => tasks.push(unit),
            (None, Some(_)) => {}
            (Some(index), Some(task)) => {
                let items = task.items.get_or_insert_default();
                if items.entries.iter().all(|entry| entry.index != index) {
                    items.entries.push(entry(index, unit));
                }
            }
            (Some(index), None) => {
                let mut task = TaskStatus { name, ..TaskStatus::default() };
                task.items.get_or_insert_default().entries.push(entry(index, unit));
                tasks.push(task);
            }
        }
    }
    for items in tasks.iter_mut().filter_map(|task| task.items.as_mut()) {
        items.entries.sort_by_key(|entry| entry.index);
    }
    tasks
}

fn entry(index: u32, item: TaskStatus) -> ItemStatus {
    ItemStatus {
        index,
        phase: item.phase,
        reason: item.reason,
        message: item.message,
        started_at: item.started_at,
        finished_at: item.finished_at,
        waiting_for: item.waiting_for,
        attempts: item.attempts,
        earlier: item.earlier,
    }
}
