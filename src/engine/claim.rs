//! The volumes that a run's tasks share: a claim goes on record when the first task that mounts it could start, is made after that,
//! and the task starts once it is known to exist.
//!
//! | the claim | the task |
//! |---|---|
//! | exists: its uid is on record | starts |
//! | isn't on record | waits; from now on it is, and so it is made |
//! | is being made, or nothing is known of it | waits |
//! | was refused for now: quota, admission | waits, and it is asked for again |
//! | was refused for good, or its name is another's | fails without an attempt |
//!
//! One whose uid is on record is never made again. Should someone delete it, what the tasks wrote is gone, and one that started
//! over an empty volume would be worse than one that doesn't start: its pod waits, and says for what.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use super::control::is_suspended;
use super::decision::Effect;
use super::effects::may_retry;
use super::ledger::Ledger;
use super::observed::{Observed, Refusal, RefusalKind};
use crate::api::{Reason, VolumeClaimStatus, WaitKind};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask, claim_name};

/// How soon a claim is looked up of which nothing is known.
const LOOK: SignedDuration = SignedDuration::from_secs(1);

/// What is known of a claim that isn't known to exist.
#[derive(Clone, Debug, PartialEq)]
pub enum ClaimSight {
    /// It exists, and is ours by uid and label.
    Exists {
        /// Its uid.
        uid: String,
    },
    /// It doesn't exist: a live read said so, or its create was never sent.
    Absent,
    /// Its create was sent and hasn't been answered.
    Creating,
    /// Its create was refused.
    Refused(Refusal),
}

/// Claims by name. Of one that isn't here nothing is known.
pub type Claims = BTreeMap<String, ClaimSight>;

/// Whether a task has the claims that it mounts.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ready {
    /// All of them exist.
    Yes,
    /// One is yet to be.
    Waits(WaitKind, String),
    /// One can't be had.
    Fails(Reason, String),
}

/// Whether a task that could start has the claims that it mounts; puts on record those that are to be made for it.
pub(super) fn ready(ledger: &mut Ledger, planned: &PlannedTask, seen: &Observed<'_>) -> Ready {
    // All of them go on record at once, and so they are made at the same time.
    planned.claims.iter().map(|name| one(ledger, name, seen)).fold(Ready::Yes, |first, next| match (first, next) {
        (Ready::Yes, next) | (Ready::Waits(..), next @ Ready::Fails(..)) => next,
        (first, _) => first,
    })
}

/// What a task that could start waits for among the claims that it mounts, if for any.
pub(super) fn wait(ledger: &mut Ledger, planned: &PlannedTask, seen: &Observed<'_>) -> Option<(WaitKind, String)> {
    match ready(ledger, planned, seen) {
        Ready::Waits(kind, detail) => Some((kind, detail)),
        Ready::Yes | Ready::Fails(..) => None,
    }
}

fn one(ledger: &mut Ledger, name: &str, seen: &Observed<'_>) -> Ready {
    let Some(index) = ledger.status.volume_claims.iter().position(|known| known.name == name) else {
        let claim = claim_name(seen.run.name, seen.run.uid, name);
        let waits = to_be_made(&claim);
        ledger.status.volume_claims.push(VolumeClaimStatus { name: name.to_owned(), claim, uid: None });
        ledger.urgent = true;
        return waits;
    };
    let Some(known) = ledger.status.volume_claims.get_mut(index) else { return Ready::Yes };
    if known.uid.is_some() || is(Mutant::PodBeforeItsClaim) {
        return Ready::Yes;
    }
    match seen.claims.get(&known.claim) {
        Some(ClaimSight::Exists { uid }) => {
            known.uid = Some(uid.clone());
            Ready::Yes
        }
        Some(ClaimSight::Refused(refusal)) => refused(refusal),
        Some(ClaimSight::Absent | ClaimSight::Creating) => to_be_made(&known.claim),
        None => {
            // It was on record of a run that had ended, of which nothing is looked up.
            let waits = to_be_made(&known.claim);
            ledger.wake(ledger.now.checked_add(LOOK).unwrap_or(ledger.now));
            waits
        }
    }
}

fn to_be_made(claim: &str) -> Ready {
    Ready::Waits(WaitKind::PodConfig, format!("volume claim {claim} to be made"))
}

fn refused(refusal: &Refusal) -> Ready {
    let told = || refusal.message.clone();
    match refusal.kind {
        RefusalKind::Quota => Ready::Waits(WaitKind::Quota, told()),
        // Those of other objects never concern a claim.
        RefusalKind::Admission | RefusalKind::NotPermitted | RefusalKind::Unreviewed | RefusalKind::NoSuchKind => {
            Ready::Waits(WaitKind::Admission, told())
        }
        RefusalKind::Invalid => Ready::Fails(Reason::VolumeClaimInvalid, told()),
        RefusalKind::NameClash => Ready::Fails(Reason::NameClash, told()),
        RefusalKind::NamespaceTerminating => Ready::Fails(Reason::NamespaceTerminating, told()),
    }
}

/// The claims on record that surely don't exist yet, as long as a task may need them.
pub(super) fn creates(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>, effects: &mut Vec<Effect>) {
    if is_suspended(seen.run.spec, &ledger.status, seen.lineage) || ledger.phase().is_finished() {
        return;
    }
    for (claim, template) in plan.volume_claims().iter().enumerate() {
        let mut known = ledger.status.volume_claims.iter();
        let Some(known) = known.find(|known| known.name == template.name && known.uid.is_none()) else { continue };
        let name = known.claim.clone();
        let mut tasks = plan.tasks().iter().zip(&ledger.status.tasks);
        if !tasks.any(|(planned, task)| {
            planned.claims.iter().any(|name| **name == *template.name) && !task.phase.is_finished()
        }) {
            continue;
        }
        let recorded_now = seen.status.volume_claims.iter().all(|old| old.claim != name);
        match seen.claims.get(&name) {
            Some(ClaimSight::Refused(refusal)) if !may_retry(refusal, ledger.now) => {
                ledger.wake(refusal.retry_at);
                continue;
            }
            Some(ClaimSight::Absent | ClaimSight::Refused(_)) => {}
            _ if recorded_now => {}
            _ => continue,
        }
        effects.push(Effect::CreateClaim { claim, name });
    }
}
