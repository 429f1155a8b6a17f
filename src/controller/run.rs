//! A round for one run: gather, decide, apply.

use std::sync::Arc;
use std::time::Duration;

use super::client::Failure;
use super::{Context, Key, apply, gather, orphan, poison};
use crate::engine::{Observed, RunFacts, decide};

/// Time between looks whether all of a namespace is known.
const UNFILLED: Duration = Duration::from_secs(1);

/// Looks at a run, decides what is next, writes it down, then does it.
pub async fn reconcile(context: &Arc<Context>, uid: &str) -> Result<(), Failure> {
    let Some(run) = context.cache().run(uid) else { return orphan::settle(context, uid).await };
    if run.meta.deletion_timestamp.is_some() {
        return orphan::settle(context, uid).await;
    }
    // Half a cache looks like pods that are gone. One namespace may have come within reach after the others.
    if !context.cache().is_filled(run.meta.namespace.as_deref()) {
        context.wake_in(Key::Run(uid.to_owned()), UNFILLED);
        return Ok(());
    }
    if let Err(why) = &run.object {
        return poison::report(context, &run, why).await;
    }
    let Some(gathered) = gather::run(context, run).await? else { return orphan::settle(context, uid).await };
    let object = match &gathered.run.object {
        Ok(object) => object,
        Err(why) => return poison::report(context, &gathered.run, why).await,
    };
    let stored = object.status.clone().unwrap_or_default();
    let definition = gathered.definition.as_definition();
    let seen = Observed {
        run: RunFacts::of(&gathered.run.meta, &object.spec),
        stored: &stored,
        status: &gathered.status,
        sealed: &gathered.sealed,
        definition: &definition,
        sights: &gathered.seen.pods,
        claims: &gathered.claims,
        peers: &gathered.peers,
        kept_pods: context.settings.kept_pods,
        hot: context.settings.hot,
        taken: context.with_memory(uid, |memory| memory.taken),
        children: &gathered.seen.children,
        lineage: &gathered.lineage,
        resources: &gathered.seen.resources,
        granted: &context.settings.granted,
    };
    let decision = decide(&seen, context.now());
    apply::decision(context, &gathered, decision).await?;
    orphan::release_strangers(context, uid, seen.run.namespace).await
}
