//! S7, of why a run is stopped: it was asked for, in the generation that the run is in.

use super::read::{is_cancelled, text};
use super::world::{Step, World};
use super::{Findings, Invariant};

/// What is on record of a run that someone has cancelled.
const ASKED: &str = "CancelRequested";

/// Stops.
pub struct Stops;

impl<'j> Invariant<'j> for Stops {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        let Some(after) = step.status.as_ref().filter(|_| step.by_operator) else { return };
        let Some(run) = world.runs.get(step.write.uid.as_str()).filter(|run| !run.edited) else { return };
        let before = run.status();
        let was =
            before.is_some_and(|before| text(before.value, "reason") == ASKED && before.generation == after.generation);
        if text(after.value, "reason") != ASKED || was {
            return;
        }
        // The status is written to the run as it is.
        let asked = is_cancelled(&step.write.object, after.generation);
        findings.check("S7", step.index, asked, || {
            let cancel = step.write.object.pointer("/spec/cancel");
            format!("run {} is {:?} {ASKED} in generation {}, by {cancel:?}", run.name, after.phase, after.generation)
        });
    }
}
