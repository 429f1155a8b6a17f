//! Runs that are deleted some time after their end. When, goes on record with the end, so that it is the same for whoever leads then.

use jiff::{SignedDuration, Timestamp};

use super::decision::Effect;
use super::ledger::Ledger;
use super::lineage::Wish;
use super::observed::{Definition, Observed};
use crate::mutant::{Mutant, is};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

/// Writes down when a run that ends now is deleted. One that never came to know its workflow stays.
pub(super) fn write(ledger: &mut Ledger, seen: &Observed<'_>) {
    if !ledger.phase().is_finished() {
        return;
    }
    let Definition::Ready { plan, .. } = seen.definition else { return };
    let since = if is(Mutant::TtlFromCreation) { seen.run.created_at.unwrap_or(ledger.now) } else { ledger.now };
    let expires_at = plan.ttl().and_then(|ttl| since.checked_add(ttl).ok());
    ledger.status.expires_at = expires_at.map(MicroTime);
}

/// The time between looks whether the parent of a child run has its end on record.
const LOOK: SignedDuration = SignedDuration::from_secs(10);

/// Deletes a run whose time has come, or asks to be woken then. A child run stays until its parent has its end on record: before
/// that it would count as deleted by someone.
pub(super) fn settle(ledger: &mut Ledger, seen: &Observed<'_>, effects: &mut Vec<Effect>) {
    let Some(at) = ledger.status.expires_at.as_ref().map(|at| at.0).filter(|_| ledger.phase().is_finished()) else {
        return;
    };
    let is_awaited = seen.lineage.depth > 0 && !matches!(seen.lineage.wish, Wish::Stop(_));
    if at <= ledger.now && is_awaited {
        ledger.wake(ledger.now.checked_add(LOOK).unwrap_or(Timestamp::MAX));
    } else if at <= ledger.now {
        effects.push(Effect::DeleteRun);
    } else {
        ledger.wake(at);
    }
}
