//! S7, of the log: what a status no longer spells out is in its log, and what its log no longer holds is in the segments that it
//! names. Those are on record by then, are the run's own, and hold exactly those lines.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::read::{Status, list, text};
use super::world::World;

/// What a status, its log, and the segments that are new with it tell.
#[derive(Debug, Default)]
pub struct Told<'j> {
    /// The transitions that left the list since the status before, then those that are listed.
    pub transitions: Vec<Cow<'j, Value>>,
    /// What it tells of tasks and items that have ended.
    pub units: Vec<Value>,
    /// Whether a part of it could not be put on record, since the namespace is being deleted with all that is in it.
    pub is_lost: bool,
    /// What is missing or wrong.
    pub faults: Vec<String>,
}

impl<'j> Told<'j> {
    /// What is told by a status of the run of this uid that follows another.
    pub fn new(world: &World<'j>, place: (&str, &str), before: Option<&Status<'j>>, after: &'j Value) -> Self {
        let mut told = Self::default();
        let before = before.map_or(&Value::Null, |before| before.value);
        let mut lines: String = told.segments(world, place, before, after).concat();
        lines.push_str(text(after, "log"));
        match lines.strip_prefix(text(before, "log")) {
            Some(added) => added.lines().for_each(|line| told.line(line)),
            None if told.is_lost => {}
            None => told.faults.push("lines of the log are gone".to_owned()),
        }
        told.transitions.extend(list(after, "history").iter().map(Cow::Borrowed));
        told
    }

    /// The transitions, the newest first.
    pub fn newest(&self) -> impl Iterator<Item = &Value> {
        self.transitions.iter().rev().map(Cow::as_ref)
    }

    /// The lines of the segments that are new, oldest first.
    fn segments(
        &mut self,
        world: &World<'j>,
        (namespace, uid): (&str, &str),
        before: &Value,
        after: &'j Value,
    ) -> Vec<&'j str> {
        let (known, sealed) = (&before["sealed"], &after["sealed"]);
        let (mut parts, mut lines) = (Vec::new(), 0);
        let (mut name, mut number) = (text(sealed, "segment"), sealed["count"].as_u64().unwrap_or(0));
        while name != text(known, "segment") {
            let Some(segment) = world.segment(namespace, name) else {
                if world.is_going(namespace) {
                    self.is_lost = true;
                    return parts;
                }
                self.faults.push(format!("segment {name:?} is named, and not on record"));
                break;
            };
            let log = text(segment, "log");
            if text(segment, "runUid") != uid || segment["number"] != number || segment["lines"] != log.lines().count()
            {
                self.faults.push(format!("segment {name} isn't number {number} of run {uid}, or not of its length"));
            }
            lines += segment["lines"].as_u64().unwrap_or(0);
            parts.insert(0, log);
            (name, number) = (text(segment, "previous"), number.saturating_sub(1));
        }
        if number != known["count"].as_u64().unwrap_or(0)
            || sealed["lines"].as_u64().unwrap_or(0) != known["lines"].as_u64().unwrap_or(0) + lines
        {
            self.faults.push(format!("{} new segments of {lines} lines lead from {known} to {sealed}", parts.len()));
        }
        parts
    }

    fn line(&mut self, line: &str) {
        match serde_json::from_str(line) {
            Ok(Value::Array(row)) if row.len() == ROW.len() => {
                let fields = ROW.iter().map(|field| (*field).to_owned()).zip(row).filter(|(_, value)| !value.is_null());
                self.transitions.push(Cow::Owned(Value::Object(fields.collect::<Map<_, _>>())));
            }
            Ok(unit @ Value::Object(_)) => self.units.push(unit),
            _ => self.faults.push(format!("{line} is no line of a log")),
        }
    }
}

/// The fields of a transition, in the order of its line.
const ROW: [&str; 8] = ["seq", "at", "task", "item", "attempt", "from", "to", "reason"];
