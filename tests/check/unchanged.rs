//! S13: no operator writes what changes nothing.

use serde_json::Value;

use super::journal::Verb;
use super::read::meta;
use super::world::{Step, World};
use super::{Findings, Invariant};

/// Writes that change nothing.
pub struct Unchanged;

impl<'j> Invariant<'j> for Unchanged {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let write = step.write;
        // What a lease is written for is to be written.
        if !step.by_operator || write.removed || write.verb == Verb::Create || write.resource == "leases" {
            return;
        }
        let Some(before) = world.before(write) else { return };
        findings.check("S13", step.index, !is_same(before, &write.object), || {
            format!("a write to {} {} changed nothing", write.resource, write.name)
        });
    }
}

/// Whether two versions of an object differ in nothing but what the API server keeps for itself.
fn is_same(before: &Value, after: &Value) -> bool {
    let own = |field: &str| matches!(field, "resourceVersion" | "managedFields" | "generation");
    let same_but = |before: &Value, after: &Value, skip: &dyn Fn(&str) -> bool| {
        let fields = |value: &Value| value.as_object().map_or(0, |all| all.keys().filter(|field| !skip(field)).count());
        let mut all = before.as_object().into_iter().flatten();
        fields(before) == fields(after) && all.all(|(field, value)| skip(field) || after.get(field) == Some(value))
    };
    // Where something has changed, it is most likely the status.
    before.get("status") == after.get("status")
        && same_but(before, after, &|field| field == "metadata")
        && same_but(meta::of(before), meta::of(after), &own)
}
