//! Runs that are deleted some time after their end. When, goes on record with the end, so that it is the same for whoever leads then.

use super::decision::Effect;
use super::ledger::Ledger;
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

/// Deletes a run whose time has come, or asks to be woken then.
pub(super) fn settle(ledger: &mut Ledger, effects: &mut Vec<Effect>) {
    let Some(at) = ledger.status.expires_at.as_ref().map(|at| at.0).filter(|_| ledger.phase().is_finished()) else {
        return;
    };
    if at <= ledger.now {
        effects.push(Effect::DeleteRun);
    } else {
        ledger.wake(at);
    }
}
