//! Objects as the rules speak of them. Everything borrows from the journal: nothing large is copied.

use std::rc::Rc;

use gantline::api::{AttemptOutcome, RunPhase, TaskPhase};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::log::Told;
use super::packed::{Unit, Whole};
use super::retry::Counts;

/// The text of a field; empty where there is none.
pub fn text<'j>(value: &'j Value, field: &str) -> &'j str {
    value.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a field; none where it is no list.
pub fn list<'j>(value: &'j Value, field: &str) -> &'j [Value] {
    value.get(field).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A time that a field holds.
pub fn time(value: &Value, field: &str) -> Option<Timestamp> {
    value.get(field)?.as_str()?.parse().ok()
}

/// A word of a closed set that a field holds; its default where the field is missing, nothing where the word is none of the set.
pub fn word<'j, T: Deserialize<'j> + Default>(value: &'j Value, field: &str) -> Option<T> {
    value.get(field).map_or_else(|| Some(T::default()), |word| T::deserialize(word).ok())
}

/// The status of a run.
#[derive(Debug)]
pub struct Status<'j> {
    pub value: &'j Value,
    pub phase: RunPhase,
    /// The generation of the run.
    pub generation: u64,
    /// The tasks, each followed by its items.
    pub tasks: Vec<Rc<Task<'j>>>,
    /// The tasks that differ from what they were in the status before, or were not in it.
    pub changed: Vec<Changed<'j>>,
    /// The tasks that were in the status before, and are not in this one.
    pub gone: Vec<Rc<Task<'j>>>,
    /// The newest transitions, oldest first: those that are listed, and before them those that left the list since the status
    /// before.
    pub told: &'j Told<'j>,
}

/// A task that has changed.
#[derive(Debug)]
pub struct Changed<'j> {
    pub old: Option<Rc<Task<'j>>>,
    pub new: Rc<Task<'j>>,
}

/// The state of a task, or of an item of a task with `forEach`.
#[derive(Debug)]
pub struct Task<'j> {
    /// What it was read from.
    unit: &'j Unit<'j>,
    pub value: &'j Value,
    /// Its name; of an item, `task[3]`.
    pub name: String,
    /// The index of the item.
    pub item: Option<u32>,
    pub phase: TaskPhase,
    /// Those that are known.
    pub attempts: Vec<Attempt<'j>>,
    /// Whether everything is told of it, now or when it ended. Of others a letter tells, and what was told before.
    pub is_told: bool,
}

/// One try at a task.
#[derive(Debug)]
pub struct Attempt<'j> {
    pub value: &'j Value,
    pub number: u64,
    /// The generation of the run that it was made in.
    pub generation: u64,
    /// Name of its pod, its child run, or its object of another kind.
    pub pod: &'j str,
    /// Whether it is an object of another kind.
    pub is_object: bool,
    /// Whether it is a child run.
    pub is_child: bool,
    pub uid: Option<&'j str>,
    pub outcome: Option<AttemptOutcome>,
}

impl<'j> Status<'j> {
    /// Reads a status that follows another; `None` if its words are none of the language's. Most tasks are as they were, and are
    /// not read again. `uid_of` names the pod of a name.
    pub fn read(
        value: &'j Value,
        whole: &'j Whole<'j>,
        before: Option<&Self>,
        uid_of: impl Fn(&str) -> Option<&'j str>,
    ) -> Option<Self> {
        let (mut tasks, mut changed) = (Vec::new(), Vec::new());
        for unit in whole.units.iter().map(Rc::as_ref) {
            let same_place =
                before.and_then(|before| before.tasks.get(tasks.len())).filter(|old| old.name == unit.name);
            let old = same_place.or_else(|| before?.tasks.iter().find(|old| old.name == unit.name));
            if let Some(old) = old.filter(|old| std::ptr::eq(old.unit, unit)) {
                tasks.push(Rc::clone(old));
                continue;
            }
            let new = Rc::new(Task::read(unit, &uid_of)?);
            changed.push(Changed { old: old.cloned(), new: Rc::clone(&new) });
            tasks.push(new);
        }
        let is_gone = |old: &&Rc<Task<'j>>| tasks.iter().all(|new| new.name != old.name);
        let all_there =
            before.is_none_or(|before| before.tasks.len() == tasks.len() && changed.iter().all(|it| it.old.is_some()));
        let gone = before
            .into_iter()
            .filter(|_| !all_there)
            .flat_map(|before| &before.tasks)
            .filter(is_gone)
            .cloned()
            .collect();
        let generation = value.get("generation").and_then(Value::as_u64).unwrap_or(0);
        Some(Self { value, phase: word(value, "phase")?, generation, tasks, changed, gone, told: &whole.told })
    }

    /// The task of this name.
    pub fn task(&self, name: &str) -> Option<&Task<'j>> {
        self.tasks.iter().find(|task| task.name == name).map(Rc::as_ref)
    }

    /// The highest number of an attempt of a former generation, from which a unit goes on of which nothing more is told.
    pub fn former(&self, task: &Task<'_>) -> u64 {
        let list = match task.item {
            Some(_) => self.task(task_of(&task.name)).and_then(|task| task.value.get("items")),
            None => self.value.get("packed"),
        };
        list.and_then(|list| list["formerAttempts"].as_u64()).unwrap_or(0)
    }

    /// Whether an attempt of this number is one of a former generation, of which it is only counted that there were some.
    pub fn has_counted(&self, task: &Task<'_>, number: u64) -> bool {
        task.attempts.is_empty() && number <= self.last_counted(task)
    }

    /// The highest number that an attempt of a former generation may have of which it is only counted that there were some.
    pub fn last_counted(&self, task: &Task<'_>) -> u64 {
        self.former(task).max(Counts::earlier(task).former)
    }

    /// The transitions that are listed.
    pub fn history(&self) -> &'j [Value] {
        list(self.value, "history")
    }

    /// Every attempt.
    pub fn attempts(&self) -> impl Iterator<Item = &Attempt<'j>> {
        self.tasks.iter().flat_map(|task| &task.attempts)
    }
}

/// The task that a name is of: itself, or the task of the item.
pub fn task_of(name: &str) -> &str {
    name.split_once('[').map_or(name, |(task, _)| task)
}

/// The name of a task or, with an index, of an item.
pub fn unit(task: &str, index: &str) -> String {
    if index.is_empty() { task.to_owned() } else { format!("{task}[{index}]") }
}

/// The name of what a transition is of; empty for the run itself.
pub fn told_of(transition: &Value) -> String {
    let index = transition.get("item").and_then(Value::as_u64).map(|item| item.to_string()).unwrap_or_default();
    unit(text(transition, "task"), &index)
}

/// The phase of each item of a task, by the ranges of their indices.
pub fn ranges(items: &Value, total: usize) -> Option<Vec<TaskPhase>> {
    let mut all = vec![TaskPhase::Pending; total];
    for (field, phase) in [
        ("starting", TaskPhase::Starting),
        ("running", TaskPhase::Running),
        ("stopping", TaskPhase::Stopping),
        ("backoff", TaskPhase::Backoff),
        ("cancelled", TaskPhase::Cancelled),
        ("failed", TaskPhase::Failed),
        ("succeeded", TaskPhase::Succeeded),
    ] {
        for range in text(items, field).split(',').filter(|range| !range.is_empty()) {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
            all.get_mut(first..=last)?.fill(phase);
        }
    }
    Some(all)
}

impl<'j> Changed<'j> {
    /// Whether it had ended and is open again.
    pub fn is_reopened(&self) -> bool {
        self.old.as_ref().is_some_and(|old| old.phase.is_finished()) && !self.new.phase.is_finished()
    }

    /// The attempts that the task had before.
    pub fn old_attempts(&self) -> &[Attempt<'j>] {
        self.old.as_ref().map_or(&[], |old| &old.attempts)
    }
}

impl<'j> Task<'j> {
    fn read(unit: &'j Unit<'j>, uid_of: impl Fn(&str) -> Option<&'j str>) -> Option<Self> {
        let value = &*unit.value;
        let attempts = list(value, "attempts").iter().map(|it| Attempt::read(it, &uid_of)).collect::<Option<_>>()?;
        let Unit { name, item, phase, is_told, .. } = unit;
        Some(Self { unit, value, name: name.clone(), item: *item, phase: *phase, attempts, is_told: *is_told })
    }

    /// Whether nothing is known of it but its phase. Of items that have ended that is all that some runs go on telling.
    pub fn is_bare(&self) -> bool {
        self.value.is_null()
    }
}

impl<'j> Attempt<'j> {
    fn read(value: &'j Value, uid_of: impl Fn(&str) -> Option<&'j str>) -> Option<Self> {
        let of_object = value.get("resource").map_or("", |it| text(it, "name"));
        let names = [text(value, "pod"), text(value, "run"), of_object];
        let pod = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        // Of one of many it is told only that its pod was made: it is that of its name.
        let uid = value.get("uid").and_then(Value::as_str);
        let uid = if uid == Some("") { uid_of(pod).or(uid) } else { uid };
        Some(Self {
            value,
            number: value.get("number")?.as_u64()?,
            generation: value.get("generation").and_then(Value::as_u64).unwrap_or(0),
            pod,
            is_object: value.get("resource").is_some(),
            is_child: value.get("run").is_some(),
            uid,
            outcome: word(value, "outcome")?,
        })
    }

    /// Whether the container `main` is on record as having run.
    pub fn has_started(&self) -> bool {
        self.value.get("startedAt").is_some()
    }

    /// The one word that says why it ended.
    pub fn reason(&self) -> &'j str {
        text(self.value, "reason")
    }
}

/// Views of an object's metadata.
pub mod meta {
    use gantline::api::{FINALIZER, GROUP};
    use serde_json::Value;

    use super::{list, text};

    /// The whole of it.
    pub fn of(object: &Value) -> &Value {
        object.get("metadata").unwrap_or(&Value::Null)
    }

    /// Its identity.
    pub fn uid(object: &Value) -> &str {
        text(of(object), "uid")
    }

    /// A label; empty where there is none.
    pub fn label<'j>(object: &'j Value, name: &str) -> &'j str {
        of(object).get("labels").map_or("", |labels| text(labels, name))
    }

    /// Whether its deletion was asked for.
    pub fn is_deleting(object: &Value) -> bool {
        of(object).get("deletionTimestamp").is_some()
    }

    /// The time that it has to end, in seconds.
    pub fn grace(object: &Value) -> Option<i64> {
        of(object).get("deletionGracePeriodSeconds")?.as_i64()
    }

    /// Whether our finalizer holds it.
    pub fn is_held(object: &Value) -> bool {
        list(of(object), "finalizers").iter().any(|name| name == FINALIZER)
    }

    /// The uid of the WorkflowRun that controls it; empty where there is none.
    pub fn controller(object: &Value) -> &str {
        let owners = list(of(object), "ownerReferences").iter();
        let group = |owner: &Value| text(owner, "apiVersion").split_once('/').is_some_and(|(group, _)| group == GROUP);
        let mut ours =
            owners.filter(|owner| owner["controller"] == true && group(owner) && owner["kind"] == "WorkflowRun");
        ours.next().map_or("", |owner| text(owner, "uid"))
    }
}

/// Whether someone asks for a run to be cancelled in this generation of it: a cancel stops none after its own.
pub fn is_cancelled(run: &Value, generation: u64) -> bool {
    let cancel = run.pointer("/spec/cancel").filter(|cancel| !cancel.is_null());
    cancel.is_some_and(|cancel| cancel["generation"].as_u64().unwrap_or(0) >= generation)
}

/// The words with which the API server says that a pod has ended: its phase, or a deletion whose time to end is over.
pub fn is_over(pod: &Value) -> bool {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str);
    matches!(phase, Some("Succeeded" | "Failed")) || is_condemned(pod)
}

/// Whether a deletion's time to end is over: no container runs any more, or someone didn't want to wait for that.
pub fn is_condemned(pod: &Value) -> bool {
    meta::is_deleting(pod) && meta::grace(pod) == Some(0)
}

/// When the container `main` began to run, in the kubelet's words.
pub fn main_start(pod: &Value) -> Option<Timestamp> {
    let containers = list(pod.get("status")?, "containerStatuses");
    let state = containers.iter().find(|container| container["name"] == "main")?.get("state")?;
    ["running", "terminated"].iter().find_map(|field| time(state.get(field)?, "startedAt"))
}

/// How the container `main` ended, in the kubelet's words.
pub fn main_end(pod: &Value) -> Option<&Value> {
    let containers = list(pod.get("status")?, "containerStatuses");
    containers.iter().find(|container| container["name"] == "main")?.get("state")?.get("terminated")
}
