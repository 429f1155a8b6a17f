//! Slots: how many runs of a workflow run at the same time (`concurrency`).
//!
//! Nobody can write two runs at once, so that a slot is taken in two steps, like a number in Lamport's bakery:
//!
//! 1. A queued run whose turn has come writes down that it *claims* a slot.
//! 2. With that on record it looks at all others anew. If those that have or claim a slot leave one, it starts; if another comes
//!    first, it gives its claim back.
//!
//! Of runs that have slots at the same time, the one that claimed last has seen all others before it started. So the limit holds
//! whatever caches don't know yet, whoever else leads and whichever request comes late: a start rests on the very version of the
//! run that holds its claim. Nothing is counted anywhere but in the runs themselves.
//!
//! | a queued run | and | then |
//! |---|---|---|
//! | is suspended | | gives a claim back, and waits |
//! | is in turn: those with slots, and those before it, leave one | has no claim | claims |
//! | | its claim is on record, and all other claims leave a slot too | starts |
//! | | its claim is on record | waits for who comes later to give theirs back |
//! | isn't | Reject | ends Cancelled (ConcurrencyLimit) |
//! | | CancelOldest, and a newer one waits | ends Cancelled (ConcurrencyLimit) |
//! | | else | gives a claim back, and waits |
//!
//! A run that has a slot, and whose main tasks go on, is stopped (ConcurrencyLimit) if one waits with CancelOldest and it is among
//! the oldest that have to make room.

use super::ledger::Ledger;
use super::observed::{Observed, RunFacts};
use super::peers::{Peer, Peers, Turn, is_held_back};
use super::text::count;
use super::verdict::is_main_finished;
use super::{start, stop};
use crate::api::{ConcurrencyStatus, Reason, RunPhase, WaitKind, WhenFull, WorkflowRunStatus};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedConcurrency, quote};

/// What a run that shares slots does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// It goes on as it is: it waits, or has a slot.
    Stay,
    /// It claims a slot.
    Claim,
    /// It gives its claim back.
    GiveBack,
    /// It takes the slot that it has claimed.
    Start,
    /// It ends or is stopped.
    Cancel,
}

impl Next {
    /// Whether it must not be done on knowledge that may be old.
    const fn must_be_sure(self) -> bool {
        matches!(self, Self::Start | Self::Cancel)
    }
}

/// Whether the peers have to be read from the API server before this run is decided, from what the cache tells of them.
#[must_use]
pub fn needs_live_peers(run: &RunFacts<'_>, status: &WorkflowRunStatus, peers: &Peers) -> bool {
    next(run, status, peers).is_some_and(Next::must_be_sure)
}

/// What the run does next about its slot; `None` if it shares none.
fn next(run: &RunFacts<'_>, status: &WorkflowRunStatus, peers: &Peers) -> Option<Next> {
    let own = status.concurrency.as_ref()?;
    let turn = Turn::new(run.spec.priority, run.created_at, run.name);
    let rivals: Vec<&Peer> = peers.all.iter().filter(|peer| peer.shares_with(own.key.as_deref())).collect();
    match status.phase {
        RunPhase::Queued => Some(of_queued(own, &turn, !is_held_back(run.spec, status.generation), &rivals)),
        RunPhase::Running | RunPhase::Suspended if has_to_make_room(&turn, &rivals) => Some(Next::Cancel),
        _ => Some(Next::Stay),
    }
}

fn of_queued(own: &ConcurrencyStatus, turn: &Turn, asks: bool, rivals: &[&Peer]) -> Next {
    let max = usize::try_from(own.max).unwrap_or(usize::MAX);
    let many = |test: &dyn Fn(&Peer) -> bool| rivals.iter().filter(|peer| test(peer)).count();
    let taken = many(&|peer| peer.holds());
    let before = many(&|peer| peer.asks() && peer.turn < *turn);
    let claims = many(&|peer| peer.has_claimed());
    let in_turn = asks && taken.saturating_add(before) < max;
    let newer_waits = rivals.iter().any(|peer| peer.displaces().is_some() && peer.turn.age() > turn.age());
    match own.when_full {
        _ if in_turn && !own.claimed && is(Mutant::SlotUnclaimed) => Next::Start,
        _ if in_turn && !own.claimed => Next::Claim,
        _ if in_turn && taken.saturating_add(claims) < max => Next::Start,
        _ if in_turn => Next::Stay,
        WhenFull::Reject if asks => Next::Cancel,
        WhenFull::CancelOldest if asks && newer_waits => Next::Cancel,
        _ if own.claimed => Next::GiveBack,
        _ => Next::Stay,
    }
}

/// Whether a run that has a slot is among the oldest, of which as many have to go as is needed for one that waits.
fn has_to_make_room(turn: &Turn, rivals: &[&Peer]) -> bool {
    let Some(max) = rivals.iter().filter_map(|peer| peer.displaces()).min() else { return false };
    let stay = usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(1);
    let others = rivals.iter().filter(|peer| peer.goes_on() || peer.has_claimed()).count();
    let older = rivals.iter().filter(|peer| peer.goes_on() && peer.turn.age() < turn.age()).count();
    let surplus = others.saturating_add(1).saturating_sub(stay);
    older < surplus
}

/// A run of a workflow whose runs share slots enters the queue.
pub(super) fn enter(ledger: &mut Ledger, limit: &PlannedConcurrency, key: Option<String>) {
    let PlannedConcurrency { max, when_full, .. } = *limit;
    ledger.status.concurrency = Some(ConcurrencyStatus { key, max, when_full, claimed: false });
    ledger.move_run(RunPhase::Queued, None);
    // Until that is on record, nobody tells it what changes.
    ledger.wake(ledger.now);
}

/// Decides what becomes of a queued run. Whether it has a slot from now on.
pub(super) fn settle(ledger: &mut Ledger, seen: &Observed<'_>) -> bool {
    let Some(next) = next(&seen.run, &ledger.status, seen.peers) else { return true };
    match next {
        Next::Start if seen.peers.live => {
            if let Some(own) = &mut ledger.status.concurrency {
                own.claimed = false;
            }
            return true;
        }
        Next::Cancel if seen.peers.live => {
            start::cancel(ledger, Reason::ConcurrencyLimit);
            return false;
        }
        Next::Claim | Next::GiveBack => {
            if let Some(own) = &mut ledger.status.concurrency {
                own.claimed = next == Next::Claim;
            }
            // With that on record it goes on at once.
            ledger.urgent = true;
            ledger.wake(ledger.now);
        }
        // It came only now: what others have is read once that is on record.
        Next::Start | Next::Cancel => ledger.wake(ledger.now),
        Next::Stay => {}
    }
    wait(ledger, seen);
    false
}

fn wait(ledger: &mut Ledger, seen: &Observed<'_>) {
    if seen.run.spec.suspend {
        return ledger.wait_run(WaitKind::Suspended, "spec.suspend is true; set it to false to wait for a slot");
    }
    let Some(own) = &ledger.status.concurrency else { return };
    let workflow = seen.run.spec.workflow_ref.as_ref().map_or("", |reference| reference.name.as_str());
    let of_key = own.key.as_ref().map(|key| format!(" with the key `{}`", quote(key))).unwrap_or_default();
    let runs = count(usize::try_from(own.max).unwrap_or(usize::MAX), "run");
    let detail = format!(
        "waits for a slot: at most {runs} of `{workflow}`{of_key} at the same time, as the workflow was when this run came; who has \
         one: kubectl get wfr --field-selector spec.workflowRef.name={workflow}"
    );
    ledger.wait_run(WaitKind::Concurrency, &detail);
}

/// Stops a run that has to make room for a newer one. What comes after its last main task is let finish.
pub(super) fn make_room(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    let has_to = next(&seen.run, &ledger.status, seen.peers) == Some(Next::Cancel);
    if has_to && seen.peers.live && !is_main_finished(&ledger.status, plan) {
        stop::run(ledger, seen, Reason::ConcurrencyLimit);
    }
}

/// Why a run ended that was Cancelled (ConcurrencyLimit).
pub(super) fn told(status: &WorkflowRunStatus) -> String {
    let Some(own) = &status.concurrency else { return "cancelled".to_owned() };
    let max = usize::try_from(own.max).unwrap_or(usize::MAX);
    match own.when_full {
        WhenFull::CancelOldest if !status.tasks.is_empty() => {
            "cancelled to make room for a newer run (concurrency.whenFull is CancelOldest)".to_owned()
        }
        WhenFull::CancelOldest => "a newer run waits in its place (concurrency.whenFull is CancelOldest)".to_owned(),
        WhenFull::Reject | WhenFull::Queue => format!(
            "no slot was free: {} at the same time (concurrency.whenFull is Reject); make a new run later",
            count(max, "run")
        ),
    }
}
