//! The term: works while the lease is held, and gives it back at the end. What is allowed is [`crate::lease`]'s to say.

use std::pin::Pin;
use std::sync::Arc;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::time::{Instant, sleep};

use super::work::Work;
use super::{Context, Failure, sweep};
use crate::lease::{Election, LOOK, Place, RENEW, Step};

/// Leads whenever it can, until `stop` resolves. Then nothing new begins, what is under way ends, and the lease is given back.
pub async fn until(context: &Arc<Context>, mut stop: Pin<&mut impl Future<Output = ()>>) {
    let Some(place) = context.settings.lease.clone() else {
        term(context, std::future::pending(), stop).await;
        return;
    };
    let mut election = Election::new(context.settings.identity.clone());
    loop {
        let Some(mut held) = take(context, &place, &mut election, stop.as_mut()).await else { return };
        tracing::info!(lease = place.name, identity = context.settings.identity, "leading");
        let stopped = term(context, keep(context, &place, &mut election, &mut held), stop.as_mut()).await;
        context.cluster.permit().revoke();
        if stopped {
            give_back(context, &place, &election, &held).await;
            return;
        }
        tracing::warn!(
            lease = place.name,
            "lost the lease; what was under way is cut off, and whoever leads takes it up"
        );
    }
}

/// One term: works until the lease is lost or `stop` resolves; true for the latter.
async fn term(
    context: &Arc<Context>,
    lost: impl Future<Output = ()>,
    stop: Pin<&mut impl Future<Output = ()>>,
) -> bool {
    context.begin_term();
    let mut work = Work::default();
    let stopped = tokio::select! {
        biased;
        () = stop => true,
        () = lost => false,
        () = sweep::forever(context) => false,
        () = work.go_on(context) => false,
    };
    if stopped {
        // The permit lasts longer than any write that it let begin, so that nothing here needs a renewal.
        work.wind_up(context).await;
    }
    drop(work);
    context.end_term();
    stopped
}

/// Waits until the lease is ours; `None` if `stop` resolves first. A look that is under way is never cut off: it may have taken the
/// lease, which is then to be given back.
async fn take(
    context: &Context,
    place: &Place,
    election: &mut Election,
    mut stop: Pin<&mut impl Future<Output = ()>>,
) -> Option<Lease> {
    loop {
        match look(context, place, election).await {
            Ok(Some(lease)) => return Some(lease),
            Ok(None) => {}
            Err(failure) => tracing::warn!(lease = place.name, %failure, "the lease could not be had; trying again"),
        }
        tokio::select! {
            biased;
            () = stop.as_mut() => return None,
            () = sleep(LOOK) => {}
        }
    }
}

/// Looks at the lease and takes it if that is allowed; it is ours if it is returned.
async fn look(context: &Context, place: &Place, election: &mut Election) -> Result<Option<Lease>, Failure> {
    let lease = context.cluster.get_lease(place).await?;
    let sent = Instant::now();
    let Step::Write(wanted) = election.step(place, lease.as_ref(), sent, context.now()) else { return Ok(None) };
    match context.cluster.write_lease(place, &wanted).await {
        Ok(lease) => {
            context.cluster.permit().grant(sent);
            Ok(Some(lease))
        }
        // Another was quicker.
        Err(failure) if failure.is_conflict() => Ok(None),
        Err(failure) => Err(failure),
    }
}

/// Renews the lease; resolves when it is lost, or was not renewed for as long as the permit lasts.
async fn keep(context: &Context, place: &Place, election: &mut Election, held: &mut Lease) {
    let mut pause = RENEW;
    loop {
        sleep(pause).await;
        pause = LOOK;
        let sent = Instant::now();
        let Step::Write(wanted) = election.step(place, Some(held), sent, context.now()) else { return };
        match context.cluster.write_lease(place, &wanted).await {
            Ok(renewed) => {
                context.cluster.permit().grant(sent);
                *held = renewed;
                pause = RENEW;
            }
            Err(failure) => {
                tracing::warn!(lease = place.name, %failure, "the lease could not be renewed");
                // An answer that was lost, a hand at the lease, or another holder: see which.
                match context.cluster.get_lease(place).await {
                    Ok(Some(lease)) if election.holds(&lease) => *held = lease,
                    Ok(_) => return,
                    Err(_) => {}
                }
            }
        }
        if context.cluster.permit().remaining(Instant::now()).is_none() {
            return;
        }
    }
}

/// Gives the lease back, so that nobody waits for it to run out. Best effort.
async fn give_back(context: &Context, place: &Place, election: &Election, held: &Lease) {
    let released = election.released(place, held, context.now());
    match context.cluster.write_lease(place, &released).await {
        Ok(_) => tracing::info!(lease = place.name, "gave the lease back"),
        Err(failure) => {
            tracing::warn!(lease = place.name, %failure, "the lease was not given back; it runs out by itself");
        }
    }
}
