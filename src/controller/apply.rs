//! Carrying out a decision, in this order: the records, the status, then what the status permits.
//!
//! The status write is the only fence: it succeeds only if nobody else wrote since it was read. Everything after it may be
//! cut off at any point, and the next round asks for it again.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::client::Failure;
use super::gather::{Gathered, open_attempts};
use super::loose::Loose;
use super::revision::Pinned;
use super::segment::{self, Part, Written};
use super::{Context, Key, claim, create, effect, event, look};
use crate::api::{Attempt, RunPhase, TaskPhase, WorkflowRun, WorkflowRunStatus};
use crate::engine::{Decision, Effect, Note, Urgency};
use crate::mutant::{Mutant, is};

/// Least time between writes that nothing hangs on, where the API server answers quickly,
const LAZY: Duration = Duration::from_secs(1);
/// and how many times as long as the last one took it is otherwise,
const LAZY_FACTOR: u32 = 50;
/// up to this.
const LAZY_MAX: Duration = Duration::from_secs(10);
/// Least time before a write for the sake of wording alone.
const WORDING: Duration = Duration::from_mins(5);
/// The pause after someone else wrote first.
const CONFLICT: Duration = Duration::from_millis(50);
/// Live attempts above which urgent writes are paced, so that changes share a write.
const PACED_ABOVE: usize = 16;
/// Of fewer one waits this many times as long as the last one took: a server that is slow to answer is asked less.
const PACE_FEW: u32 = 2;
/// A paced write waits this many times as long as the last one took,
const PACE_FACTOR: u32 = 4;
/// and so long for each live attempt: the more there are, the more changes share a write, and the more a write costs.
const PACE_LIVE: Duration = Duration::from_millis(4);
/// The longest wait of a paced write.
const PACE_MAX: Duration = Duration::from_millis(250);

/// Writes the decision down, then does it.
pub async fn decision(context: &Arc<Context>, gathered: &Gathered, decision: Decision) -> Result<(), Failure> {
    let uid = gathered.run.meta.uid.clone().unwrap_or_default();
    for illegal in &decision.illegal {
        tracing::error!(run = ?gathered.run.meta.name, ?illegal, "a transition that the law forbids was refused; please report this");
    }
    if let Some(at) = decision.wake_at {
        context.wake(Key::Run(uid.clone()), at);
    }
    if gathered.is_named() {
        // The record that the status names was deleted.
        write_record(context, gathered).await?;
    }
    if is(Mutant::EffectsBeforeStatus) || is(Mutant::ReleaseUnrecorded) {
        let all = is(Mutant::EffectsBeforeStatus);
        let early = decision.effects.iter().filter(|effect| all || matches!(effect, Effect::Release { .. }));
        effect::start(context, gathered, early.cloned().collect());
    }
    let wait = wait(context, &uid, &decision);
    if decision.urgency != Urgency::Unchanged && !wait.is_zero() {
        if decision.urgency == Urgency::Urgent {
            // What is to be done hangs on a record that isn't written yet.
            context.hold(Key::Run(uid.clone()), wait);
            context.wake_in(Key::Run(uid), wait);
            return Ok(());
        }
        context.wake_in(Key::Run(uid.clone()), wait);
    } else if decision.urgency != Urgency::Unchanged && !write(context, gathered, &decision, &uid).await? {
        return Ok(());
    }
    context.with_memory(&uid, |memory| {
        let objects = open_attempts(&decision.full).map(|attempt| Cow::Borrowed(attempt.object()));
        let claims = claim::wanted(&decision.status).map(|name| Cow::Owned(claim::key(name)));
        let open: HashSet<Cow<'_, str>> = objects.chain(claims).collect();
        memory.keep_only(|name| open.contains(name), Instant::now());
    });
    effect::start(context, gathered, decision.effects);
    Ok(())
}

/// How long until the status may be written.
fn wait(context: &Context, uid: &str, decision: &Decision) -> Duration {
    let Some((at, took)) = context.with_memory(uid, |memory| memory.last_write) else { return Duration::ZERO };
    let pause = match decision.urgency {
        Urgency::Wording => WORDING,
        Urgency::Lazy => took.saturating_mul(LAZY_FACTOR).clamp(LAZY, LAZY_MAX),
        Urgency::Urgent => pace(&decision.full, took),
        Urgency::Unchanged => Duration::ZERO,
    };
    (at + took + pause).saturating_duration_since(Instant::now())
}

/// The least time between urgent writes of a status, of which the last took so long.
fn pace(status: &WorkflowRunStatus, took: Duration) -> Duration {
    let live = live_attempts(status);
    if live <= PACED_ABOVE {
        return took.saturating_mul(PACE_FEW).min(PACE_MAX);
    }
    let by_live = PACE_LIVE.saturating_mul(u32::try_from(live).unwrap_or(u32::MAX));
    took.saturating_mul(PACE_FACTOR).max(by_live).min(PACE_MAX)
}

fn live_attempts(status: &WorkflowRunStatus) -> usize {
    status.tried().filter(|(phase, attempts)| phase.has_pod() && !attempts.is_empty()).count()
}

/// The objects that may be made once this status is on record.
fn wanted(status: &WorkflowRunStatus) -> impl Iterator<Item = &str> {
    let goes_on = status.phase != RunPhase::Suspended && !status.phase.is_finished();
    let starting = status.tried().filter(move |(phase, _)| goes_on && *phase == TaskPhase::Starting);
    starting.filter_map(|(_, attempts)| attempts.last()).map(Attempt::object)
}

/// Writes the record of the run's revision, where it isn't known to exist.
async fn write_record(context: &Arc<Context>, gathered: &Gathered) -> Result<(), Failure> {
    let Pinned::Ready { record: Some(record), .. } = &gathered.definition else { return Ok(()) };
    let run = gathered.run.as_ref();
    let written = context.cluster.create_record(run.meta.namespace.as_deref().unwrap_or_default(), record).await;
    written.map(|_| ()).inspect_err(|failure| tell_refusal(context, run, "the record of its revision", failure))
}

/// Writes the parts of the log, and the outputs, that the status is about to name instead of holding them. False if the name of one is another
/// record's: then the status may not be written, and the next decision gives it another name.
async fn write_parts<'a>(
    context: &Arc<Context>,
    gathered: &Gathered,
    parts: impl Iterator<Item = Part<'a>>,
) -> Result<bool, Failure> {
    let run = gathered.run.as_ref();
    for part in parts {
        let name = part.name;
        match segment::write(&context.cluster, run.meta.namespace.as_deref().unwrap_or_default(), part).await {
            Ok(Written::Yes) => {}
            Ok(Written::Taken) => {
                tracing::warn!(run = ?run.meta.name, namespace = ?run.meta.namespace, name, "a record of someone else's has the name of a part of a run");
                let message = format!(
                    "a WorkflowRecord named {name} exists that is not this run's: what it keeps there goes on under another name; find \
                     out who made that one (kubectl get workflowrecord {name} -o yaml)"
                );
                event::publish(context, run, &[Note { seq: 0, warning: true, reason: "SegmentNameTaken", message }]);
                let uid = run.meta.uid.clone().unwrap_or_default();
                context.with_memory(&uid, |memory| memory.taken = memory.taken.wrapping_add(1));
                context.wake_in(Key::Run(uid), CONFLICT);
                return Ok(false);
            }
            // Its pods wait for their outcomes, and all that the part could be read with goes with the namespace.
            Err(Failure::Refused(status)) if create::is_terminating(&status) => return Ok(true),
            Err(failure) => {
                tell_refusal(context, run, "a part of the run's record", &failure);
                return Err(failure);
            }
        }
    }
    Ok(true)
}

/// Tells people that the API server won't have what has to be on record before the run can go on.
fn tell_refusal(context: &Arc<Context>, run: &Loose<WorkflowRun>, what: &str, failure: &Failure) {
    if matches!(failure, Failure::Refused(_)) && !failure.is_too_much() {
        let message = format!("the API server refused {what}, so the run can't go on: {failure}");
        event::publish(context, run, &[Note { seq: 0, warning: true, reason: "StatusRefused", message }]);
    }
}

/// Writes the status. False if someone else wrote first: then nothing of this decision holds.
async fn write(context: &Arc<Context>, gathered: &Gathered, decision: &Decision, uid: &str) -> Result<bool, Failure> {
    let run = gathered.run.as_ref();
    if decision.status.revision.is_some() && !gathered.is_named() {
        write_record(context, gathered).await?;
    }
    let segments = || decision.segments.iter().map(Part::from);
    let outputs = || decision.outputs.iter().map(Part::from);
    if !is(Mutant::SegmentAfterStatus) && !write_parts(context, gathered, segments()).await? {
        return Ok(false);
    }
    if !is(Mutant::OutputsSealedAfterStatus) && !write_parts(context, gathered, outputs()).await? {
        return Ok(false);
    }
    let wanted: HashSet<&str> = wanted(&decision.full).collect();
    context.with_memory(uid, |memory| memory.withdraw_all_but(|pod| wanted.contains(pod)));
    let begun = Instant::now();
    match context.cluster.put_status::<WorkflowRun>(run, &decision.status).await {
        Ok(written) => {
            let took = begun.elapsed();
            let newest = written.meta.resource_version.clone();
            context.learn(written);
            let pace = pace(&decision.full, took);
            if !pace.is_zero() {
                // Before that nothing more could be written, so that looking would come to nothing.
                context.hold(Key::Run(uid.to_owned()), pace);
            }
            context.with_memory(uid, |memory| {
                memory.newest = newest;
                memory.last_write = Some((begun, took));
                for effect in &decision.effects {
                    match effect {
                        Effect::Create { pod: name, .. }
                        | Effect::CreateRun { run: name, .. }
                        | Effect::CreateResource { resource: name, .. } => memory.intended(name),
                        Effect::CreateClaim { name, .. } => memory.intended(&claim::key(name)),
                        Effect::Release { .. }
                        | Effect::Delete { .. }
                        | Effect::DeleteResource { .. }
                        | Effect::Clear { .. }
                        | Effect::DeleteRun => {}
                    }
                }
            });
            event::publish(context, run, &decision.notes);
            if is(Mutant::SegmentAfterStatus) {
                write_parts(context, gathered, segments()).await?;
            }
            if is(Mutant::OutputsSealedAfterStatus) {
                write_parts(context, gathered, outputs()).await?;
            }
            Ok(true)
        }
        Err(failure) if failure.is_not_found() || failure.is_conflict() => {
            tracing::debug!(run = ?run.meta.name, %failure, "someone else wrote first; looking again");
            // It is surely not on record, so what it didn't want may be wanted still.
            context.with_memory(uid, |memory| memory.withdraw_all_but(|_| true));
            if look::run(context, run).await?.is_some() && failure.is_not_found() {
                // It can be read and not written, as what is left over in a namespace that is gone: that takes its time.
                return Err(failure);
            }
            context.wake_in(Key::Run(uid.to_owned()), CONFLICT);
            Ok(is(Mutant::ConflictIgnored))
        }
        Err(failure) => {
            tell_refusal(context, run, "the run's status", &failure);
            Err(failure)
        }
    }
}
