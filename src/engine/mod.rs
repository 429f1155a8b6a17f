//! The decision: what a run's status is next, and what to do about it.
//!
//! [`decide`] is pure, total and deterministic; run on its own result it changes nothing; what has ended stays as it is.
//! It works on states, never on events: given the same facts it decides the same, however they came about.
//!
//! | file | question |
//! |---|---|
//! | `observed` | what was seen? |
//! | `peers`, `slot` | how many runs of the workflow run at the same time, and is it this one's turn? |
//! | `start` | can the run start, and with what? |
//! | `attempt` | how did a pod end? |
//! | `child` | how did a child run end, and may there be one? |
//! | `resource` | how did an object of any kind end, and which of them stay? |
//! | `lineage` | what does the run that this one is a child of want of it? |
//! | `retry` | the task failed: again, and when? |
//! | `disruption` | the infrastructure took its pod: again, and when? |
//! | `tally` | what came of all attempts so far, and which of them are listed? |
//! | `track` | what do the facts mean for each task? |
//! | `deadline` | what has taken too long, and what will have, when? |
//! | `claim` | are the volumes there that it mounts? |
//! | `control` | suspend and cancel |
//! | `stop` | what becomes of what is stopped before it has ended? |
//! | `gate` | what may start now, and what does the rest wait for? |
//! | `for_each` | the items of a task: its list, which of them may start, what they come to |
//! | `items` | the same items, as they are on record |
//! | `unit` | what has attempts: a task, or an item of one |
//! | `rule` | trigger rules: may a task run, as far as what it needs has come? |
//! | `scope` | what do a task's expressions see? |
//! | `verdict` | is the run finished, and how? |
//! | `generation` | a run that has ended goes on: what runs again? |
//! | `summary` | what do people read? |
//! | `effects` | what is to be done so that the world follows the record? |
//! | `retention` | which pods stay with the run? |
//! | `ttl` | how long does the run stay? |
//! | `ledger` | the record being written: every transition goes through it |
//! | `waiting` | what tasks, items and the run wait for, as it goes on record |
//! | `log` | where do transitions go that the status no longer spells out? |
//! | `sealed` | where do outputs go that the status has no room for? |
//! | `transition` | which transitions are legal |
//! | `packed` | how is all that stored in few words, where there is much? |
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

mod attempt;
mod child;
mod claim;
mod control;
mod deadline;
mod decision;
mod disruption;
mod effects;
mod for_each;
mod former;
mod gate;
mod generation;
mod items;
mod ledger;
mod lineage;
mod log;
mod observed;
pub mod outputs;
mod pace;
mod packed;
mod peers;
mod resource;
mod retention;
mod retry;
mod rule;
mod scope;
mod sealed;
mod slot;
mod start;
mod stop;
mod summary;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod track;
mod transition;
mod ttl;
mod unit;
mod verdict;
mod waiting;

pub use claim::{ClaimSight, Claims};
pub use control::is_suspended;
pub use decision::{Decision, Effect, Note, Urgency};
pub use generation::is_wanted as is_retry_wanted;
pub use ledger::IllegalTransition;
pub use lineage::{Ancestor, Followed, Lineage, Mood, Wish};
pub use log::{HOT, Hot, NamedSegment};
pub use observed::{
    ChildFacts, Definition, Disruption, Hold, MainEnd, MainState, Observed, PodFacts, PodPhase, Refusal, RefusalKind,
    ResourceFacts, RunFacts, Sight, Sights, Stage, Trouble,
};
pub use pace::is_held_up;
pub use packed::{Start, is_starting, pack, unpack};
pub use peers::{Age, Peer, Peers, Standing, Told, Turn, is_held_back};
pub use retention::KEPT_PODS;
pub use sealed::{NamedOutputs, Outputs};
pub use slot::needs_live_peers;
pub use text::{clip, duration};

use jiff::Timestamp;

use crate::api::RunPhase;
use crate::mutant::{Mutant, is};
use ledger::Ledger;

/// Decides what comes next for a run.
///
/// `now` is the only time it knows; it may be earlier than times on record, since clocks are not trusted.
#[must_use]
pub fn decide(seen: &Observed<'_>, now: Timestamp) -> Decision {
    let mut ledger = Ledger::open(seen.status, seen.hot, now);
    ledger.has_lists = seen.definition.has_lists();
    if ledger.phase().is_finished() && !generation::open(&mut ledger, seen) {
        if is(Mutant::EndedIsCancelled) && seen.run.spec.cancel.is_some() {
            ledger.status.phase = RunPhase::Cancelled;
            ledger.urgent = true;
        }
        generation::refuse(&mut ledger, seen);
        summary::acknowledge(&mut ledger, seen);
    } else {
        if let Some(plan) = start::settle(&mut ledger, seen) {
            track::record_facts(&mut ledger, plan, seen);
            deadline::settle(&mut ledger, plan, seen);
            slot::make_room(&mut ledger, plan, seen);
            control::settle(&mut ledger, plan, seen);
            gate::settle(&mut ledger, plan, seen);
            verdict::settle(&mut ledger, plan, seen);
            deadline::write(&mut ledger, plan, seen);
        }
        summary::write(&mut ledger, seen);
        ttl::write(&mut ledger, seen);
        if generation::is_wanted(seen.run.spec, &ledger.status, seen.lineage) {
            // Taken up once its end is on record.
            ledger.wake(ledger.now);
        }
    }
    effects::decide(ledger, seen)
}
