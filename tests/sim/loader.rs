//! The controller of the kind `Load`, played: each of its objects says itself what becomes of it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::actor::Actor;
use crate::model::Server;
use crate::wire::{Wire, path_of};

/// What the objects of attempts come to is in their `spec.comes`: a list of words, one for each attempt, the last of which repeats.
///
/// | word | what follows, two seconds after it was made |
/// |---|---|
/// | `Done` | its status says `phase: Done` and `bytes: 42` |
/// | `Bare` | its status says `phase: Done` and no more |
/// | `Broken` | its status says `phase: Broken` |
/// | `Odd` | its status says `phase: 7`, which its conditions can't take |
/// | `Gone` | somebody deletes it |
/// | `Busy` | its status says `phase: Busy`; an hour later what `Done` says |
/// | `Silent` | nothing; an hour later what `Done` says |
pub struct Loader;

/// How long an object works.
const WORKS: SignedDuration = SignedDuration::from_secs(2);
/// How long one works that takes long.
const WORKS_LONG: SignedDuration = SignedDuration::from_hours(1);

/// The word for an object.
pub fn word(load: &Value) -> &str {
    let words = load["spec"]["comes"].as_array().map_or(&[][..], Vec::as_slice);
    let attempt = load["spec"]["attempt"].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(1);
    let word = words.get(attempt.saturating_sub(1)).or(words.last());
    word.and_then(Value::as_str).unwrap_or("Done")
}

fn status(word: &str) -> Option<Value> {
    match word {
        "Done" => Some(json!({ "phase": "Done", "bytes": 42 })),
        "Bare" => Some(json!({ "phase": "Done" })),
        "Broken" | "Busy" => Some(json!({ "phase": word })),
        "Odd" => Some(json!({ "phase": 7 })),
        _ => None,
    }
}

impl Actor for Loader {
    fn act(&mut self, server: &mut Server, now: Timestamp) -> Option<Timestamp> {
        let goes_on = |load: &&Arc<Value>| {
            let open = load["status"].is_null() || load["status"]["phase"] == "Busy";
            open && load["metadata"]["deletionTimestamp"].is_null()
        };
        let open: Vec<Value> = server.list("loads").filter(goes_on).map(|load| Value::clone(load)).collect();
        let mut next: Option<Timestamp> = None;
        for load in open {
            let made: Option<Timestamp> = load["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse().ok());
            let takes_long = word(&load) == "Silent" || load["status"]["phase"] == "Busy";
            let due = made.unwrap_or(now) + if takes_long { WORKS_LONG } else { WORKS };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            let mut wire = Wire { server, actor: "loader", now };
            match status(if takes_long { "Done" } else { word(&load) }) {
                Some(status) => wire.patch(&format!("{}/status", path_of(&load)), &json!({ "status": status })),
                None => wire.delete(&path_of(&load), json!({})),
            };
            if word(&load) == "Busy" && !takes_long {
                let due = made.unwrap_or(now) + WORKS_LONG;
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        next
    }
}
