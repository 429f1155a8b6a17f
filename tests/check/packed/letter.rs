//! What is known of a unit that is under way, or hasn't begun, and is a letter.

use gantline::api::{AttemptOutcome, TaskPhase};
use gantline::plan::{child_name, pod_name, resource_name};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::text::{Letter, Row};
use crate::check::read::{list, time};

/// What the letters of a list leave out, since it is the same for all.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub name: &'a str,
    pub uid: &'a str,
    /// The generation of the run.
    pub generation: u64,
    /// The highest number of an attempt of a former generation.
    pub former: u64,
    /// Why those are being stopped that are.
    pub stop: &'a str,
    /// When the run started.
    pub started_at: Option<&'a Value>,
    /// Whether its log needn't tell how units ended: a part of it could not be put on record, or the plan is lost, so that nobody knows
    /// any more what the letters speak of.
    pub is_silent: bool,
}

/// A unit as its letter and row tell of it.
pub struct Lettered<'a> {
    pub run: &'a Run<'a>,
    /// The name of its task.
    pub task: &'a str,
    /// Its own name.
    pub name: &'a str,
    pub item: Option<u32>,
    /// The task as its spec has it; null where that isn't known.
    pub planned: &'a Value,
    pub letter: Letter,
    pub row: Option<&'a Row>,
}

type Faults = Vec<(&'static str, String)>;

impl Lettered<'_> {
    /// What is known of it, after what was known before. `begins` where it was opened again since.
    pub fn value(&self, old: Option<&Value>, begins: bool, faults: &mut Faults) -> Value {
        let mut fields = old.and_then(Value::as_object).cloned().unwrap_or_default();
        match self.item {
            Some(index) => fields.insert("index".to_owned(), index.into()),
            None => fields.insert("name".to_owned(), self.name.into()),
        };
        if begins {
            reopen(&mut fields);
        }
        let phase = self.letter.phase;
        fields.insert("phase".to_owned(), format!("{phase:?}").into());
        // What it waits for isn't told, nor when it first started.
        for field in ["reason", "message", "waitingFor", "startedAt"] {
            fields.remove(field);
        }
        if phase == TaskPhase::Stopping {
            let reason = self.row.and_then(|row| row.reason.as_deref()).unwrap_or(self.run.stop);
            fields.insert("reason".to_owned(), reason.into());
        }
        if phase == TaskPhase::Pending {
            if let Some(row) = self.row {
                faults.push(("S7", format!("{} has not begun, and has a row: {row:?}", self.name)));
            }
            let was = fields.remove("when");
            if self.letter.when {
                fields.insert("when".to_owned(), true.into());
            } else if was.is_some() {
                faults.push(("S4", format!("what the condition of {} came to is forgotten", self.name)));
            }
            return Value::Object(fields);
        }
        let deadline = self.row.and_then(|row| row.deadline_at);
        if deadline.is_none() && fields.contains_key("deadlineAt") {
            faults.push(("S7", format!("the deadline of {} is forgotten", self.name)));
        }
        set(&mut fields, "deadlineAt", deadline.and_then(stamp));
        if self.item.is_none() && self.planned.get("forEach").is_some() {
            // Attempts are of its items, and never of itself; that it is a letter at all is a hand's doing.
            return Value::Object(fields);
        }
        let mut attempts = list(&Value::Object(fields.clone()), "attempts").to_vec();
        self.attempts(&fields, &mut attempts, faults);
        fields.insert("attempts".to_owned(), attempts.into());
        Value::Object(fields)
    }

    /// Brings the attempts up to what the letter and the row tell.
    fn attempts(&self, fields: &Map<String, Value>, attempts: &mut Vec<Value>, faults: &mut Faults) {
        let mut fault = |what: String| faults.push(("S5", format!("{}: {what}", self.name)));
        let number = self.row.map_or(self.run.former + 1, |row| row.number);
        let before = self.row.map_or([0; 4], |row| row.before);
        let newest = attempts.last().map_or(0, number_of);
        if newest > number {
            return fault(format!("it had attempt {newest}, and its newest is {number}"));
        }
        let knows_all = newest > 0 || number == self.run.former + 1;
        if newest < number {
            let counted = self.counts(fields, attempts);
            if let Some(open) = attempts.last_mut().filter(|last| last.get("outcome").is_none()) {
                // It ended, and the next one began in the same write.
                match only_more(counted, before) {
                    Some(place) => self.close(open, KINDS[place], None),
                    None => fault(format!("{counted:?} attempts had ended before it, and then {before:?}")),
                }
            }
            let mut attempt = self.made(u32::try_from(number).unwrap_or(0));
            if self.run.generation > 0 {
                attempt["generation"] = self.run.generation.into();
            }
            attempts.push(attempt);
        }
        let Some((last, earlier)) = attempts.split_last_mut() else { return };
        let counted = self.counts(fields, earlier);
        if knows_all && counted != before {
            fault(format!("{counted:?} attempts ended before number {number}, and it counts {before:?}"));
        }
        if self.letter.phase == TaskPhase::Backoff {
            return self.backoff(last, fault);
        }
        if last.get("outcome").is_some() {
            fault(format!("attempt {number} had ended, and is open again"));
        }
        if self.letter.is_made && last.get("uid").is_none() {
            last["uid"] = "".into();
        } else if !self.letter.is_made && last.get("uid").is_some() {
            fault(format!("attempt {number} was made, and is to be made again"));
        }
    }

    /// The attempt of this number, by the name of its object.
    fn made(&self, number: u32) -> Value {
        let Run { name, uid, .. } = *self.run;
        let of =
            |named: fn(&str, &str, &str, Option<u32>, u32) -> String| named(name, uid, self.task, self.item, number);
        let has = |field: &str| self.planned.get(field).is_some();
        if has("resource") {
            json!({ "number": number, "resource": { "name": of(resource_name) } })
        } else if has("workflowRef") || has("workflow") {
            json!({ "number": number, "run": of(child_name) })
        } else {
            json!({ "number": number, "pod": of(pod_name) })
        }
    }

    /// The newest attempt has ended, and another is to come at its time.
    fn backoff(&self, last: &mut Value, mut fault: impl FnMut(String)) {
        let number = number_of(last);
        let Some((end, next_at)) = self.row.and_then(|row| Some((row.end?, row.next_at?))) else {
            return fault(format!("when another attempt follows number {number} is not on record"));
        };
        let Some(known) = last.get("outcome") else { return self.close(last, end, stamp(next_at)) };
        if *known != format!("{:?}", end.0) {
            fault(format!("attempt {number} ended {known}, and then {:?}", end.0));
        }
        let was = time(last, "nextAt").map(Timestamp::as_millisecond);
        if was != Some(next_at) {
            fault(format!("the attempt after number {number} was due at {was:?}, and then at {next_at}"));
        }
    }

    fn close(&self, attempt: &mut Value, (outcome, started): (AttemptOutcome, bool), next_at: Option<Value>) {
        attempt["outcome"] = format!("{outcome:?}").into();
        if attempt.get("uid").is_none() {
            // If it was made, its pod is the one of its name.
            attempt["uid"] = "".into();
        }
        if !started {
            attempt.as_object_mut().map(|attempt| attempt.remove("startedAt"));
        } else if let Some(at) = self.run.started_at.filter(|_| attempt.get("startedAt").is_none()) {
            // When isn't told; that it had started counts.
            attempt["startedAt"] = at.clone();
        }
        if let Some(at) = next_at {
            attempt["nextAt"] = at;
        }
    }

    /// How many attempts of this generation came to each end that counts.
    fn counts(&self, fields: &Map<String, Value>, attempts: &[Value]) -> [u64; 4] {
        let earlier = fields.get("earlier").unwrap_or(&Value::Null);
        let mut counts = ["failed", "disruptedBeforeStart", "disruptedAfterStart", "notYet"]
            .map(|field| earlier[field].as_u64().unwrap_or(0));
        let own = |attempt: &&Value| attempt["generation"].as_u64().unwrap_or(0) == self.run.generation;
        for attempt in attempts.iter().filter(own) {
            let place = match (attempt["outcome"].as_str(), attempt.get("startedAt").is_some()) {
                (Some("Failed"), _) => 0,
                (Some("Disrupted"), false) => 1,
                (Some("Disrupted"), true) => 2,
                (Some("NotYet"), _) => 3,
                _ => continue,
            };
            counts[place] += 1;
        }
        counts
    }
}

/// The ends that count, in their order.
const KINDS: [(AttemptOutcome, bool); 4] = [
    (AttemptOutcome::Failed, true),
    (AttemptOutcome::Disrupted, false),
    (AttemptOutcome::Disrupted, true),
    (AttemptOutcome::NotYet, true),
];

/// Of which kind there is one more now; nothing if that isn't all.
fn only_more(was: [u64; 4], is: [u64; 4]) -> Option<usize> {
    (0..4).find(|place| {
        let mut more = was;
        more[*place] += 1;
        more == is
    })
}

/// What begins anew keeps its attempts, which are counted no more.
fn reopen(fields: &mut Map<String, Value>) {
    let earlier: u64 = fields
        .get("earlier")
        .and_then(Value::as_object)
        .map_or(0, |earlier| earlier.values().filter_map(Value::as_u64).sum());
    set(fields, "earlier", (earlier > 0).then(|| json!({ "former": earlier })));
    for field in ["when", "finishedAt", "deadlineAt", "outputs"] {
        fields.remove(field);
    }
}

fn number_of(attempt: &Value) -> u64 {
    attempt["number"].as_u64().unwrap_or(0)
}

fn stamp(millis: i64) -> Option<Value> {
    Some(Timestamp::from_millisecond(millis).ok()?.to_string().into())
}

fn set(fields: &mut Map<String, Value>, field: &str, value: Option<Value>) {
    match value {
        Some(value) => fields.insert(field.to_owned(), value),
        None => fields.remove(field),
    };
}
