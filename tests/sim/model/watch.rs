//! Watches: what happened since a revision, as those see it whom only some objects concern.

use std::collections::VecDeque;

use serde_json::{Value, json};

use super::Server;
use super::catalog::{self, Resource};
use super::refusal::Refusal;
use super::request::Call;
use super::selector::Selection;
use super::store::{Change, Effect};

/// A watch. Nothing is lost between two looks, unless it was compacted.
#[derive(Clone, Debug)]
pub struct Watch {
    resource: usize,
    selection: Selection,
    /// What comes before any change: the state, for a watch without a revision.
    initial: VecDeque<Value>,
    /// The revision up to which everything was told.
    cursor: u64,
    closed: bool,
}

impl Server {
    pub(super) fn watch(&self, call: &Call<'_>) -> Result<Watch, Refusal> {
        if call.query.flag("sendInitialEvents") {
            return Err(Refusal::bad_request("sendInitialEvents is not modelled"));
        }
        let selection = Selection::of(call)?;
        let newest = self.store.revision();
        let from = match call.query.get("resourceVersion").map(str::parse) {
            None | Some(Ok(0)) => None,
            Some(Ok(revision)) => Some(revision),
            Some(Err(_)) => return Err(Refusal::bad_request("resourceVersion must be a number")),
        };
        let initial = if from.is_some() {
            VecDeque::new()
        } else {
            let chosen = self.store.list(call.resource).values().filter(|object| selection.holds(object));
            chosen.map(|object| json!({ "type": "ADDED", "object": **object })).collect()
        };
        let cursor = from.unwrap_or(newest);
        Ok(Watch { resource: call.resource.index, selection, initial, cursor, closed: false })
    }
}

impl Watch {
    /// The events after the cursor up to the revision `upto`, in order; moves the cursor. Where they were compacted it is one
    /// ERROR with a 410, and the watch is closed.
    pub fn events(&mut self, server: &Server, upto: u64) -> Vec<Value> {
        let mut events: Vec<Value> = self.initial.drain(..).collect();
        if self.closed {
            return events;
        }
        let Some(changes) = server.store.since(self.cursor) else {
            self.closed = true;
            let status = Refusal::gone(self.cursor, server.store.oldest()).status();
            events.push(json!({ "type": "ERROR", "object": status }));
            return events;
        };
        let changes = changes.take_while(|(revision, _)| *revision <= upto);
        events.extend(changes.filter_map(|(revision, change)| self.event(revision, change)));
        self.cursor = self.cursor.max(upto.min(server.store.revision()));
        events
    }

    /// Whether it ended with an ERROR.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// A bookmark at the cursor.
    pub fn bookmark(&self) -> Value {
        let resource = self.of();
        json!({ "type": "BOOKMARK", "object": {
            "kind": resource.kind, "apiVersion": resource.api_version(),
            "metadata": { "resourceVersion": self.cursor.to_string() },
        }})
    }

    /// The resource that is watched, in the plural.
    pub fn resource(&self) -> &str {
        &self.of().plural
    }

    fn of(&self) -> &'static Resource {
        &catalog::all()[self.resource]
    }

    /// How a change looks to this watch, if it concerns it.
    fn event(&self, revision: u64, change: &Change) -> Option<Value> {
        if change.resource != self.resource {
            return None;
        }
        let was = change.before.as_ref().filter(|object| self.selection.holds(object));
        let is = change.effect != Effect::Deleted && self.selection.holds(&change.object);
        let (kind, object) = match (was, is) {
            (None, false) => return None,
            (None, true) => ("ADDED", Value::clone(&change.object)),
            (Some(_), true) => ("MODIFIED", Value::clone(&change.object)),
            (Some(before), false) => {
                // As it last was when it concerned this watch, with the revision at which that ended.
                let mut last = Value::clone(before);
                last["metadata"]["resourceVersion"] = revision.to_string().into();
                ("DELETED", last)
            }
        };
        Some(json!({ "type": kind, "object": object }))
    }
}
