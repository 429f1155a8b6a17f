//! The log of a run: a line for each thing that its status no longer spells out, in one string, since what a write costs the API
//! server hangs on the number of values in the object and hardly on their length.
//!
//! A line is JSON. A transition is an array, what is told of a task or an item an object:
//!
//! ```text
//! [17,"2030-01-01T00:00:00.000000Z","load",3,1,"Running","Succeeded",null]
//! {"task":"load","item":3,"phase":"Succeeded","attempts":[{"number":1,"pod":"nightly-load-3-1-9k2m4x7q0c","outcome":"Succeeded"}]}
//! ```

use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

// `Reason` by its path: the derive brings a type of that name into scope.
use super::phase;
use super::status::{TaskStatus, Transition};

/// The part of a run's log that is no longer in its status.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Sealed {
    /// Name of the WorkflowRecord with the newest part; each names the one before it.
    #[schemars(length(max = 63))]
    pub segment: String,
    /// How many such records there are.
    pub count: u32,
    /// How many lines they have together.
    pub lines: u64,
}

/// A line of a log.
#[derive(Clone, Debug, PartialEq)]
pub enum LogLine {
    /// A transition that is no longer one of the newest: number, time, task, item, attempt, the phase left, the phase entered, reason.
    Transition(Transition),
    /// A task or an item that has ended.
    Unit {
        /// The item's index, from 0; absent for the task as a whole.
        item: Option<u32>,
        /// What there is to say of it.
        status: Box<TaskStatus>,
    },
}

/// A transition as it is written.
type Row = (u64, MicroTime, Option<String>, Option<u32>, Option<u32>, String, String, Option<phase::Reason>);

impl LogLine {
    /// Reads a line.
    ///
    /// # Errors
    /// Why it is none; only a hand can have written it, or a later version of Gantline.
    pub fn read(line: &str) -> Result<Self, serde_json::Error> {
        if line.starts_with('[') {
            let (seq, at, task, item, attempt, from, to, reason): Row = serde_json::from_str(line)?;
            return Ok(Self::Transition(Transition { seq, at, task, item, attempt, from, to, reason }));
        }
        let mut fields: Map<String, Value> = serde_json::from_str(line)?;
        let item = fields.remove("item").map(serde_json::from_value).transpose()?;
        if let Some(name) = fields.remove("task") {
            fields.insert("name".to_owned(), name);
        }
        Ok(Self::Unit { item, status: serde_json::from_value(Value::Object(fields))? })
    }
}

/// The line of a transition, with the line break.
#[must_use]
pub fn transition_line(it: &Transition) -> String {
    let row = (it.seq, &it.at, &it.task, it.item, it.attempt, &it.from, &it.to, it.reason);
    terminated(serde_json::to_string(&row))
}

/// The line of a task or, with an index, of an item, with the line break.
#[must_use]
pub fn unit_line(item: Option<u32>, status: &TaskStatus) -> String {
    let Ok(Value::Object(mut fields)) = serde_json::to_value(status) else { return String::new() };
    fields.remove("name");
    let mut line = Map::from_iter([("task".to_owned(), Value::from(status.name.as_str()))]);
    line.extend(item.map(|item| ("item".to_owned(), Value::from(item))));
    line.extend(fields);
    terminated(serde_json::to_string(&line))
}

/// Nothing that is written here can fail to be JSON: every key is a text.
fn terminated(line: serde_json::Result<String>) -> String {
    line.map(|line| line + "\n").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_transition_is_read_as_it_was_written() {
        for (transition, line) in [
            (
                json!({ "seq": 1, "at": "2030-01-01T00:00:00.000000Z", "from": "Pending", "to": "Running" }),
                r#"[1,"2030-01-01T00:00:00.000000Z",null,null,null,"Pending","Running",null]"#,
            ),
            (
                json!({ "seq": 17, "at": "2030-01-01T00:00:00.000001Z", "task": "load", "item": 3, "attempt": 2, "from": "Running",
                    "to": "Failed", "reason": "ExitCode" }),
                r#"[17,"2030-01-01T00:00:00.000001Z","load",3,2,"Running","Failed","ExitCode"]"#,
            ),
            (
                json!({ "seq": 2, "at": "2030-01-01T00:00:00.000000Z", "task": "a\"\nb", "from": "Pending", "to": "Skipped" }),
                r#"[2,"2030-01-01T00:00:00.000000Z","a\"\nb",null,null,"Pending","Skipped",null]"#,
            ),
        ] {
            let transition: Transition = serde_json::from_value(transition).unwrap();
            assert_eq!(transition_line(&transition), format!("{line}\n"));
            assert_eq!(LogLine::read(line).unwrap(), LogLine::Transition(transition));
        }
    }

    #[test]
    fn a_task_and_an_item_are_read_as_they_were_written() {
        let status: TaskStatus = serde_json::from_value(json!({
            "name": "load", "phase": "Failed", "message": "row 17\nhas no price", "attempts": [{ "number": 1, "pod": "p", "exitCode": 3 }],
        }))
        .unwrap();
        let line = unit_line(Some(3), &status);
        assert!(line.starts_with('{') && line.ends_with("}\n") && line.lines().count() == 1, "{line}");
        assert_eq!(LogLine::read(&line).unwrap(), LogLine::Unit { item: Some(3), status: Box::new(status.clone()) });
        let line = unit_line(None, &status);
        assert_eq!(LogLine::read(&line).unwrap(), LogLine::Unit { item: None, status: Box::new(status) });
    }

    #[test]
    fn what_a_hand_wrote_is_no_line() {
        for line in ["", "[1]", "nonsense", "{\"item\":\"x\"}", "[1,\"yesterday\",null,null,null,\"a\",\"b\",null]"] {
            assert!(LogLine::read(line).is_err(), "{line}");
        }
    }
}
