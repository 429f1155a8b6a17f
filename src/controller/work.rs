//! Gives each key its rounds, and lets effects go on beside them.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use tokio::time::Instant;

use super::{Context, Failure, Key, event, locked, run, told, workflow};
use crate::engine::{Note, clip};
use crate::mutant::{Mutant, is};

/// Rounds that run at once.
const ROUNDS: usize = 64;
/// The wait after a round that failed, doubled each time.
const FIRST_FAILURE_WAIT: Duration = Duration::from_secs(1);
/// The longest wait after rounds that failed.
const MAX_FAILURE_WAIT: Duration = Duration::from_mins(1);
/// For how long all rounds of a run have to fail before people are told.
const STALLED: Duration = Duration::from_secs(10);
/// Bytes of a message.
const MESSAGE: usize = 1024;
/// A round that takes longer is given up and tried again.
const ROUND_TIMEOUT: Duration = Duration::from_mins(2);
/// A round takes the one thread from all others. One that takes longer than this
const SMALL: Duration = Duration::from_millis(1);
/// is followed by a rest so many times as long as it took beyond that, after which what has changed is looked at together: so the rounds of
/// one run take about a thirtieth of the thread, however large it is. What changes waits for that,
const REST: u32 = 32;
/// but for this at most.
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The time between looks at an empty queue; it bounds what a lost notice could cost.
const IDLE: Duration = Duration::from_hours(1);

/// What is under way. Dropping it cuts all of it off.
#[derive(Default)]
pub struct Work {
    rounds: FuturesUnordered<BoxFuture<'static, Key>>,
    effects: FuturesUnordered<BoxFuture<'static, ()>>,
}

impl Work {
    /// Works for ever.
    pub async fn go_on(&mut self, context: &Arc<Context>) {
        loop {
            while self.rounds.len() < ROUNDS
                && let Some(Some(key)) = context.with_queue(|queue| queue.next(Instant::now()))
            {
                self.rounds.push(Box::pin(round(Arc::clone(context), key)));
            }
            let wake = context.with_queue(|queue| queue.next_wake()).flatten().unwrap_or_else(|| Instant::now() + IDLE);
            self.advance(context, wake).await;
        }
    }

    /// Begins nothing new, and waits for what is under way: each part of it has a timeout. Effects that wait for their turn end
    /// without having begun.
    pub async fn wind_up(&mut self, context: &Arc<Context>) {
        context.creates.close();
        context.others.close();
        self.effects.extend(locked(&context.spawned).drain(..));
        while !self.rounds.is_empty() || !self.effects.is_empty() {
            self.advance(context, Instant::now() + IDLE).await;
        }
    }

    /// Goes on with what is under way, until some of it ends, something changes, or the time has come.
    async fn advance(&mut self, context: &Context, wake: Instant) {
        self.effects.extend(locked(&context.spawned).drain(..));
        tokio::select! {
            biased;
            Some(()) = self.effects.next() => {}
            Some(key) = self.rounds.next() => drop(context.with_queue(|queue| queue.done(&key))),
            () = context.changed.notified() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}

/// Does something, and tells how long it was at work itself, as opposed to waiting.
async fn timed<T>(mut work: impl Future<Output = T> + Unpin) -> (T, Duration) {
    let mut busy = Duration::ZERO;
    let done = poll_fn(|context| {
        let begun = Instant::now();
        let poll = work.poll_unpin(context);
        busy += begun.elapsed();
        poll
    });
    (done.await, busy)
}

/// How long a key rests after a round that was at work for so long.
fn rest(busy: Duration) -> Duration {
    busy.saturating_sub(SMALL).saturating_mul(REST).min(LONGEST_REST)
}

/// One round. A panic costs this key a round, not everyone the operator.
async fn round(context: Arc<Context>, key: Key) -> Key {
    context.rounds.fetch_add(1, Ordering::Relaxed);
    let mut is_too_much = false;
    let look = async {
        match &key {
            Key::Run(uid) => run::reconcile(&context, uid).await,
            Key::Workflow(uid) => workflow::reconcile(&context, uid).await,
        }
    };
    let (Key::Run(uid) | Key::Workflow(uid)) = &key;
    let look = AssertUnwindSafe(tokio::time::timeout(ROUND_TIMEOUT, look)).catch_unwind();
    let (end, busy) = timed(Box::pin(look)).await;
    if !rest(busy).is_zero() {
        context.hold(key.clone(), rest(busy));
    }
    let problem = match end {
        Ok(Ok(Ok(()))) => {
            context.went_well(uid);
            return key;
        }
        // The term is about to end, or the lease to be renewed.
        Ok(Ok(Err(Failure::NotLeading))) => {
            context.wake_in(key.clone(), FIRST_FAILURE_WAIT);
            return key;
        }
        Ok(Ok(Err(failure))) => {
            is_too_much = failure.is_too_much();
            failure.to_string()
        }
        Ok(Err(_)) => format!("no end within {} s", ROUND_TIMEOUT.as_secs()),
        Err(panic) => format!("a fault of ours, please report it: {}", told(panic.as_ref())),
    };
    let (failures, since) = context.with_memory(uid, |memory| {
        memory.failures = memory.failures.saturating_add(1);
        (memory.failures, *memory.failing_since.get_or_insert_with(Instant::now))
    });
    let wait = FIRST_FAILURE_WAIT.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(MAX_FAILURE_WAIT);
    tracing::warn!(?key, problem, wait_seconds = wait.as_secs(), "a round failed; it will be tried again");
    if let (Key::Run(uid), false) = (&key, is_too_much)
        && since.elapsed() >= STALLED
    {
        tell(&context, uid, &problem);
    }
    if is_too_much {
        // Who asks for less is to be asked less, whatever changes meanwhile. API Priority and Fairness says after how long: a second.
        context.hold(key.clone(), wait);
    }
    if !is(Mutant::FailureForgotten) {
        context.wake_in(key.clone(), wait);
    }
    key
}

/// Tells people, on the run, why nothing goes on with it.
fn tell(context: &Arc<Context>, uid: &str, problem: &str) {
    let Some(run) = context.cache().run(uid) else { return };
    if context.with_memory(uid, |memory| memory.may_tell("Stalled", Instant::now())) {
        let message = format!("nothing goes on with this run, and it is tried again and again: {problem}");
        let note = Note { seq: 0, warning: true, reason: "Stalled", message: clip(&message, MESSAGE) };
        event::publish(context, &run, &[note]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_rests_the_longer_its_round_took_up_to_a_second() {
        let micros = [500, 1_000, 1_500, 5_000, 31_000, 33_000, 60_000_000];
        let rests = micros.map(|busy| rest(Duration::from_micros(busy)).as_millis());
        assert_eq!(rests, [0, 0, 16, 128, 960, 1_000, 1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_is_no_work() {
        let (done, busy) = timed(Box::pin(tokio::time::sleep(Duration::from_secs(9)))).await;
        assert_eq!((done, busy), ((), Duration::ZERO));
    }
}
