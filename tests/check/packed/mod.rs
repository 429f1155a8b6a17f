//! Statuses with every task and item spelt out. Of a large run most are a letter in the record, with a short row where there is
//! more to tell; what rules go by is that, what was told of the unit before, and what the log tells of its end. What the record
//! says of a unit and what was told of it have to agree.
//!
//! | of a unit | is known |
//! |---|---|
//! | that is spelt out | what is told |
//! | that is a letter and is under way | what was told before of its attempts, and what letter and row add to that |
//! | that has ended and is a letter | what was told of it when it ended, in the status or in the log |

mod letter;
mod text;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use gantline::api::{RunPhase, TaskPhase};
use serde_json::{Map, Value};

use super::journal::{Entry, Journal, Write};
use super::log::{Records, Told};
use super::read::{self, list, unit};
use super::world::{Step, World};
use super::{Findings, Invariant};
use letter::{Lettered, Run};
use text::{Letter, Row};

/// A status with all that is known of each unit of its run.
pub struct Whole<'j> {
    /// The tasks, each followed by its items.
    pub units: Vec<Rc<Unit<'j>>>,
    /// What is told besides.
    pub told: Told<'j>,
    /// Where the record disagrees with what was told, and the invariant that it breaks.
    pub faults: Vec<(&'static str, String)>,
}

/// A task or an item, as far as it is known.
#[derive(Debug)]
pub struct Unit<'j> {
    /// Its name; of an item, `task[3]`.
    pub name: String,
    /// The index of the item.
    pub item: Option<u32>,
    pub phase: TaskPhase,
    /// What is known of it; null where that is its phase alone.
    pub value: Cow<'j, Value>,
    /// Whether everything is told of it, now or when it ended.
    pub is_told: bool,
    /// Whether the log tells how it ended.
    pub is_logged: bool,
}

/// That a status agrees with what was told before.
pub struct Agreement;

impl<'j> Invariant<'j> for Agreement {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        // What a hand wrote agrees with nothing.
        let edited = world.runs.get(step.write.uid.as_str()).is_none_or(|run| run.edited);
        if step.status.is_none() || !step.by_operator || edited {
            return;
        }
        for (invariant, what) in step.faults {
            findings.check(invariant, step.index, false, || what.clone());
        }
    }
}

/// The statuses of runs in a journal, by the index of the entry; `None` for what is none, or can't be read.
pub fn read<'j>(journal: &'j Journal, operators: &'j [String]) -> Vec<Option<Whole<'j>>> {
    let mut reader = Reader { operators, records: Records::default(), last: BTreeMap::new(), wholes: Vec::new() };
    for (index, entry) in journal.entries.iter().enumerate() {
        let whole = if let Entry::Write(write) = entry { reader.read(index, write) } else { None };
        reader.wholes.push(whole);
    }
    reader.wholes
}

/// The phase of each task of a run by its status, in the order of its spec; nothing where they can't be told.
pub fn phases(status: &Value, spec: &Value) -> Option<Vec<(String, TaskPhase)>> {
    let names = names(spec);
    let letters = text::letters(read::text(status.get("packed")?, "states"), names.len())?;
    let spelt = |name: &str| list(status, "tasks").iter().find(|task| task["name"] == name);
    let phase = |name: &str, letter: &Letter| spelt(name).map_or(Some(letter.phase), |task| read::word(task, "phase"));
    names.iter().zip(&letters).map(|(name, letter)| Some(((*name).to_owned(), phase(name, letter)?))).collect()
}

/// The names of the tasks of a spec, those of `finally` last.
fn names(spec: &Value) -> Vec<&str> {
    tasks(spec).map(|task| read::text(task, "name")).collect()
}

/// A task of a spec; null if there is none of this name.
fn planned<'a>(spec: &'a Value, name: &str) -> &'a Value {
    tasks(spec).find(|task| read::text(task, "name") == name).unwrap_or(&Value::Null)
}

fn tasks(spec: &Value) -> impl Iterator<Item = &Value> {
    list(spec, "tasks").iter().chain(list(spec, "finally"))
}

struct Reader<'j> {
    operators: &'j [String],
    records: Records<'j>,
    /// The newest status of each run, by its uid: the index of its entry, and itself.
    last: BTreeMap<&'j str, (usize, &'j Value)>,
    wholes: Vec<Option<Whole<'j>>>,
}

/// A list of units as a status has it.
struct List<'a, 'j> {
    /// The name of the task that they are items of; empty for tasks.
    task: &'a str,
    /// Of each its name, what is spelt out of it, its letter and its row.
    entries: Vec<Place<'a, 'j>>,
    /// What letters leave out.
    run: Run<'a>,
}

struct Place<'a, 'j> {
    name: &'a str,
    /// Its task, or that which it is an item of, as the spec has it; null where that isn't known.
    planned: &'a Value,
    spelt: Option<&'j Value>,
    phase: TaskPhase,
    letter: Option<Letter>,
    row: Option<&'a Row>,
}

/// What units are read with.
struct Before<'a, 'j> {
    units: &'a [Rc<Unit<'j>>],
    by_name: BTreeMap<&'a str, &'a Rc<Unit<'j>>>,
    /// What the log tells that is new, by name.
    lines: BTreeMap<String, Value>,
    /// Whether a new generation begins.
    reopens: bool,
    /// Whether a hand writes: what it leaves out is on record no more.
    by_hand: bool,
}

impl<'j> Reader<'j> {
    fn read(&mut self, index: usize, write: &'j Write) -> Option<Whole<'j>> {
        let is_status = write.resource == "workflowruns" && write.subresource == "status" && !write.removed;
        let status = write.object.get("status").filter(|_| is_status);
        let whole = status.and_then(|status| self.whole(write, status));
        if let (Some(status), Some(_)) = (status, &whole) {
            self.last.insert(&write.uid, (index, status));
        }
        self.records.take(write);
        whole
    }

    fn whole(&self, write: &'j Write, status: &'j Value) -> Option<Whole<'j>> {
        read::word::<RunPhase>(status, "phase")?;
        let before = self.last.get(write.uid.as_str()).copied();
        let old = before.map_or(&Value::Null, |(_, status)| status);
        let units = before.and_then(|(index, _)| self.wholes.get(index)?.as_ref()).map_or(&[][..], |it| &it.units);
        let told = Told::new(&self.records, (&write.namespace, &write.uid), old, status);
        let generation = |status: &Value| status["generation"].as_u64().unwrap_or(0);
        let before = Before {
            units,
            by_name: units.iter().map(|unit| (unit.name.as_str(), unit)).collect(),
            lines: told.units.iter().filter_map(line).collect(),
            reopens: generation(status) > generation(old),
            by_hand: !self.operators.contains(&write.actor),
        };
        let mut faults = Vec::new();
        let units = self.units(write, status, &before, told.is_lost, &mut faults)?;
        numbers(old, status, &units, &mut faults);
        Some(Whole { units, told, faults })
    }

    /// The tasks, each followed by its items; `None` if a word of one is none of the language's.
    fn units(
        &self,
        write: &'j Write,
        status: &'j Value,
        before: &Before<'_, 'j>,
        is_lost: bool,
        faults: &mut Vec<(&'static str, String)>,
    ) -> Option<Vec<Rc<Unit<'j>>>> {
        let packed = status.get("packed").unwrap_or(&Value::Null);
        let run = Run {
            name: &write.name,
            uid: &write.uid,
            generation: status["generation"].as_u64().unwrap_or(0),
            former: packed["formerAttempts"].as_u64().unwrap_or(0),
            stop: read::text(status, "reason"),
            started_at: status.get("startedAt"),
            is_silent: matches!(read::text(status, "reason"), "RevisionLost" | "OutputsLost") || is_lost,
        };
        let rows = text::rows(read::text(packed, "rows")).unwrap_or_else(|| {
            faults.push(("S7", "the rows of the tasks can't be read".to_owned()));
            BTreeMap::new()
        });
        let tasks = self.tasks(write, status, before, &rows, faults)?;
        let outputs: Map<String, Value> = serde_json::from_str(read::text(packed, "outputs")).unwrap_or_default();
        let mut units = Vec::new();
        let list = List { task: "", entries: tasks, run };
        for place in &list.entries {
            let task = place.read(&list, None, units.len(), before, faults);
            let told = place.spelt.map_or_else(|| outputs.get(place.name), |task| task.get("outputs"));
            if told.is_some() && place.phase != TaskPhase::Succeeded {
                faults.push(("S4", format!("outputs of task {} are told, and it is {:?}", task.name, task.phase)));
            }
            if place.spelt.is_none() && task.is_told && task.value.get("outputs") != outputs.get(place.name) {
                let (was, is) = (task.value.get("outputs"), outputs.get(place.name));
                faults.push(("S4", format!("the outputs of task {} were {was:?} and are {is:?}", task.name)));
            }
            units.push(task);
            if let Some(value) = place.spelt {
                items(value, place.planned, &list.run, &mut units, before, faults)?;
            }
        }
        Some(units)
    }

    /// The tasks in their order.
    fn tasks<'a>(
        &'a self,
        write: &'j Write,
        status: &'j Value,
        before: &Before<'a, 'j>,
        rows: &'a BTreeMap<usize, Row>,
        faults: &mut Vec<(&'static str, String)>,
    ) -> Option<Vec<Place<'a, 'j>>>
    where
        'j: 'a,
    {
        let spelt: Vec<(&'j str, &'j Value)> =
            list(status, "tasks").iter().map(|task| (read::text(task, "name"), task)).collect();
        let packed = status.get("packed").map_or("", |packed| read::text(packed, "states"));
        let spec = self.records.pinned(&write.namespace, &write.object, read::text(status, "revision"));
        let planned = |name: &str| spec.map_or(&Value::Null, |spec| planned(spec, name));
        let of_before = || before.units.iter().filter(|unit| unit.item.is_none()).map(|unit| unit.name.as_str());
        let names: Vec<&'a str> = spec.map_or_else(|| of_before().collect(), |spec| names(spec));
        let letters = text::letters(packed, names.len()).filter(|_| !packed.is_empty());
        let Some(letters) = letters else {
            if !packed.is_empty() && !names.is_empty() {
                faults.push(("S7", format!("{packed} does not tell the states of {} tasks", names.len())));
            }
            let place = |(name, value): &(&'j str, &'j Value)| {
                let (planned, phase) = (planned(name), read::word(value, "phase")?);
                Some(Place { name, planned, spelt: Some(value), phase, letter: None, row: None })
            };
            return spelt.iter().map(place).collect();
        };
        let mut by_name: BTreeMap<&str, &'j Value> = spelt.into_iter().collect();
        let place = |(index, (name, letter)): (usize, (&&'a str, &Letter))| {
            let spelt = by_name.remove(*name);
            let phase = spelt.map_or(Some(letter.phase), |value| read::word(value, "phase"))?;
            Some(Place { name, planned: planned(name), spelt, phase, letter: Some(*letter), row: rows.get(&index) })
        };
        names.iter().zip(&letters).enumerate().map(place).collect()
    }
}

/// The items of a task, by index.
fn items<'j>(
    task: &'j Value,
    planned: &Value,
    run: &Run<'_>,
    units: &mut Vec<Rc<Unit<'j>>>,
    before: &Before<'_, 'j>,
    faults: &mut Vec<(&'static str, String)>,
) -> Option<()> {
    let Some(items) = task.get("items") else { return Some(()) };
    let total = usize::try_from(items.get("total")?.as_u64()?).ok().filter(|total| *total <= 20_000)?;
    let states = read::text(items, "states");
    let letters = if states.is_empty() { None } else { Some(text::letters(states, total)?) };
    let rows = text::rows(read::text(items, "rows"))?;
    let phases = match &letters {
        Some(letters) => letters.iter().map(|letter| letter.phase).collect(),
        None => read::ranges(items, total)?,
    };
    let mut spelt: Vec<Option<&'j Value>> = vec![None; total];
    for entry in list(items, "entries") {
        let (index, phase) =
            (usize::try_from(entry.get("index")?.as_u64()?).ok()?, read::word::<TaskPhase>(entry, "phase")?);
        *spelt.get_mut(index).filter(|_| phases.get(index) == Some(&phase))? = Some(entry);
    }
    let name = read::text(task, "name");
    let stop = if task["phase"] == "Stopping" { read::text(task, "reason") } else { "" };
    let former = items["formerAttempts"].as_u64().unwrap_or(0);
    let names: Vec<String> = (0..total).map(|index| unit(name, &index.to_string())).collect();
    let mut entries = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let letter = letters.as_ref().map(|letters| letters[index]);
        entries.push(Place { name, planned, spelt: spelt[index], phase: phases[index], letter, row: rows.get(&index) });
    }
    let list = List { task: name, entries, run: Run { former, stop, ..*run } };
    for (index, place) in (0..).zip(&list.entries) {
        let item = place.read(&list, Some(index), units.len(), before, faults);
        units.push(item);
    }
    Some(())
}

impl<'j> Place<'_, 'j> {
    /// What is known of it.
    fn read(
        &self,
        list: &List<'_, 'j>,
        item: Option<u32>,
        index: usize,
        before: &Before<'_, 'j>,
        faults: &mut Vec<(&'static str, String)>,
    ) -> Rc<Unit<'j>> {
        let same_place = before.units.get(index).filter(|old| old.name == self.name);
        let old = same_place.or_else(|| before.by_name.get(self.name).copied());
        let old = old.filter(|_| !before.by_hand || self.spelt.is_some());
        let line = before.lines.get(self.name).filter(|_| self.phase.is_finished());
        let stays = |old: &Rc<Unit<'_>>| old.phase.is_finished() && self.phase.is_finished();
        let mut is_logged = line.is_some() || old.is_some_and(|old| old.is_logged && stays(old));
        let ends = old.is_some_and(|old| !old.phase.is_finished()) && self.phase.is_finished();
        let mut fault = |invariant, what: &str| faults.push((invariant, format!("{} {what}", self.name)));
        if self.letter.is_some_and(|letter| letter.phase != self.phase) {
            fault("S7", "is in one phase by its letter, and in another by what is told of it");
        }
        // That an item which had not begun never will its task tells.
        let is_called_off = |old: &Rc<Unit<'_>>| {
            item.is_some() && old.phase == TaskPhase::Pending && self.phase == TaskPhase::Cancelled
        };
        // One that has items is always spelt out.
        let has_items = self.spelt.is_some_and(|value| value.get("items").is_some());
        let is_silent = list.run.is_silent || old.is_some_and(is_called_off) || has_items;
        if self.letter.is_some() && ends && line.is_none() && !is_silent {
            fault("S7", "has ended, and no line of the log tells how");
        }
        if let Some(value) = self.spelt {
            if let Some(old) = old.filter(|old| old.is_told && *old.value == *value && old.is_logged == is_logged) {
                return Rc::clone(old);
            }
            let name = self.name.to_owned();
            return Rc::new(Unit {
                name,
                item,
                phase: self.phase,
                value: Cow::Borrowed(value),
                is_told: true,
                is_logged,
            });
        }
        let (value, is_told) = match (line, old) {
            (Some(line), _) => {
                if read::word(line, "phase") != Some(self.phase) {
                    fault("S7", "has ended in another way by the log than by its letter");
                }
                (line.clone(), true)
            }
            (None, Some(old)) if self.phase.is_finished() && old.phase == self.phase => {
                if self.letter.is_some() && old.is_told && !old.is_logged {
                    fault("S7", "is told of no longer, and no line of the log tells how it ended");
                }
                return Rc::clone(old);
            }
            (None, _) if self.phase.is_finished() => {
                is_logged = false;
                (Value::Null, false)
            }
            (None, old) => {
                let Some(letter) = self.letter else { return Rc::new(self.untold(item)) };
                let run = &list.run;
                let task = if item.is_some() { list.task } else { self.name };
                let lettered =
                    Lettered { run, task, name: self.name, item, planned: self.planned, letter, row: self.row };
                let begins = before.reopens && old.is_some_and(|old| old.phase.is_finished());
                (lettered.value(old.map(|old| &*old.value), begins, faults), false)
            }
        };
        if let Some(old) = old.filter(|old| old.is_told == is_told && *old.value == value && old.phase == self.phase) {
            return Rc::clone(old);
        }
        Rc::new(Unit { value: Cow::Owned(value), is_told, is_logged, ..self.untold(item) })
    }

    fn untold(&self, item: Option<u32>) -> Unit<'j> {
        Unit {
            name: self.name.to_owned(),
            item,
            phase: self.phase,
            value: Cow::Owned(Value::Null),
            is_told: false,
            is_logged: false,
        }
    }
}

/// What a line of the log tells of a unit that has ended, by the name of that, in the fields of the status.
fn line(line: &Value) -> Option<(String, Value)> {
    let mut fields = line.as_object()?.clone();
    let (task, item) = (fields.remove("task")?, fields.remove("item"));
    let index = item.as_ref().map(Value::to_string).unwrap_or_default();
    let name = unit(task.as_str()?, &index);
    let (field, value) = item.map_or(("name", task), |item| ("index", item));
    fields.insert(field.to_owned(), value);
    Some((name, Value::Object(fields)))
}

/// The numbers of attempts that letters rest upon.
fn numbers(old: &Value, new: &Value, units: &[Rc<Unit<'_>>], faults: &mut Vec<(&'static str, String)>) {
    let number = |status: &Value, field: &str| status["packed"][field].as_u64().unwrap_or(0);
    if new.get("packed").is_none() {
        return;
    }
    let tasks = units.iter().filter(|unit| unit.item.is_none());
    let newest = tasks.flat_map(|task| list(&task.value, "attempts")).filter_map(|it| it["number"].as_u64()).max();
    if newest.unwrap_or(0) > number(new, "newestAttempt") {
        let told = number(new, "newestAttempt");
        faults.push(("S5", format!("there is an attempt {newest:?}, and the newest is said to be {told}")));
    }
    let told = number(new, "formerAttempts");
    let (newest, former) = (number(old, "newestAttempt"), number(old, "formerAttempts"));
    let begins = new["generation"] != old["generation"];
    // A generation in which nothing can run again begins and ends at once.
    let is_refused = begins && read::word(new, "phase").is_some_and(RunPhase::is_finished) && told == former;
    let due = if begins { newest } else { former };
    if old.get("packed").is_some() && told != due && !is_refused {
        faults.push(("S5", format!("attempts of former generations are said to go up to {told}, and did to {due}")));
    }
}
