//! What an attempt's outcome may be, from the script of its pod.
//!
//! The rules: the pod's phase Succeeded wins over a disruption mark; in a failed pod, an exit 0 of `main` counts only if it came
//! before the disruption, and so does any other exit code. An eviction for the pod's own use is the task's fault.

use std::collections::BTreeSet;

use crate::kubelet::{Behaviour, OnTerm, Taken, Taker, When, Work};

/// How an attempt may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// Exit code 0.
    Succeeded,
    /// The task's fault.
    Failed,
    /// The infrastructure's fault, before `main` started.
    DisruptedBefore,
    /// The infrastructure's fault, after.
    DisruptedAfter,
}

use Outcome::{DisruptedAfter, DisruptedBefore, Failed, Succeeded};

/// The grace of a pod that says nothing of it, in milliseconds.
const GRACE_MS: u64 = 30_000;
/// Whatever comes closer than this to something else may come before or after it: reactions take time, and Kubernetes counts
/// in whole seconds.
const SLACK_MS: u64 = 2_000;

/// A node that is away for less isn't given up.
const GIVEN_UP_MS: u64 = 4_000;

/// The outcomes that a script allows: one, unless two things come too close to each other.
pub(super) fn outcomes(script: &Behaviour) -> BTreeSet<Outcome> {
    let own = own(script);
    let mut outcomes = BTreeSet::new();
    match script.taken {
        None | Some(Taken { by: Taker::Silence { .. }, .. }) => outcomes.extend([own]),
        Some(Taken { by: Taker::NodeLost { away_ms, returns: true }, .. }) if away_ms < GIVEN_UP_MS => {
            outcomes.extend([own]);
        }
        Some(Taken { when: When::Running(at), .. }) if script.runs_ms().is_none_or(|ms| ms <= at) => {
            outcomes.extend([own]);
        }
        Some(Taken { when: When::BeforeStart, by }) => before_start(script, own, by, &mut outcomes),
        Some(Taken { when: When::Running(at), by }) => while_running(script, own, at, by, &mut outcomes),
        Some(Taken { when: When::Ended(at), by }) => after_end(script, own, at, by, &mut outcomes),
    }
    outcomes
}

/// What comes of it if nobody takes the pod.
fn own(script: &Behaviour) -> Outcome {
    if matches!(script.work, Work::Exits { exit_code: 0, .. }) { Succeeded } else { Failed }
}

fn before_start(script: &Behaviour, own: Outcome, by: Taker, outcomes: &mut BTreeSet<Outcome>) {
    match by {
        Taker::OwnUse => outcomes.insert(Failed),
        // The node has seen the pod and goes on with it, where nobody sees it.
        Taker::NodeLost { away_ms, returns: true } => {
            let held_up: u64 = script.hindrances.iter().map(|it| it.for_ms).sum();
            let left = held_up + script.start_ms + script.runs_ms().unwrap_or(0);
            while_away(script, own, left, away_ms, outcomes);
            true
        }
        _ => outcomes.insert(DisruptedBefore),
    };
}

fn while_running(script: &Behaviour, own: Outcome, at: u64, by: Taker, outcomes: &mut BTreeSet<Outcome>) {
    let left = script.runs_ms().unwrap_or(0) - at;
    match by {
        Taker::Eviction | Taker::Preemption | Taker::Person => stopped(script, own, left, outcomes),
        Taker::NodeLost { away_ms, returns: true } => while_away(script, own, left, away_ms, outcomes),
        Taker::NodeLost { .. } => outcomes.extend([DisruptedBefore, DisruptedAfter]),
        _ => {
            outcomes.insert(if by == Taker::OwnUse { Failed } else { DisruptedAfter });
            if left < SLACK_MS {
                outcomes.insert(own);
            }
        }
    }
}

/// `main`, which would go on for `left`, is told to stop.
fn stopped(script: &Behaviour, own: Outcome, left: u64, outcomes: &mut BTreeSet<Outcome>) {
    let (stops_ms, finishes) = match script.on_term {
        OnTerm::Dies { after_ms } => (after_ms.min(GRACE_MS), false),
        OnTerm::Finishes { after_ms } => (after_ms.min(GRACE_MS), after_ms < GRACE_MS),
        OnTerm::Ignores => (GRACE_MS, false),
    };
    let mut ends_with_zero = |zero: bool| {
        // The other containers are killed, so that the pod fails: then an exit 0 comes too late.
        if zero && script.lingers_ms == 0 {
            outcomes.insert(Succeeded);
        } else {
            outcomes.insert(DisruptedAfter);
        }
    };
    if left < stops_ms + SLACK_MS {
        ends_with_zero(own == Succeeded);
    }
    if left + SLACK_MS > stops_ms {
        ends_with_zero(finishes);
    }
}

/// The node is away for long enough to be given up, and returns. `main` would go on for `left`.
fn while_away(script: &Behaviour, own: Outcome, left: u64, away: u64, outcomes: &mut BTreeSet<Outcome>) {
    if left + SLACK_MS > away {
        stopped(script, own, left.saturating_sub(away), outcomes);
    }
    if left < away + SLACK_MS {
        if own == Succeeded || left < GIVEN_UP_MS + SLACK_MS {
            outcomes.insert(own);
        }
        if (own == Failed || script.lingers_ms > 0) && left + SLACK_MS > GIVEN_UP_MS {
            outcomes.insert(DisruptedAfter);
        }
    }
}

fn after_end(script: &Behaviour, own: Outcome, at: u64, by: Taker, outcomes: &mut BTreeSet<Outcome>) {
    outcomes.insert(own);
    let settled_ms = script.reports.phase_lag_ms + script.lingers_ms;
    let unclear = match by {
        // The kubelet says that it ended the pod, and not when.
        Taker::NodePressure | Taker::Shutdown => at < settled_ms + SLACK_MS,
        Taker::NodeLost { .. } => at < script.reports.lag_ms + SLACK_MS || script.reports.collapsed,
        Taker::Eviction | Taker::Preemption => own == Failed && at < SLACK_MS,
        // When the deletion was asked for isn't known any more once it is done.
        Taker::Person => own == Failed || script.lingers_ms > 0,
        _ => false,
    };
    if unclear {
        outcomes.insert(DisruptedAfter);
    }
}
