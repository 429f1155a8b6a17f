//! A bound on requests under way, in which runs take turns: what a large run has to do never makes a small one wait until all of it
//! is done.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::locked;

/// Runs of which it costs nothing to know more than is needed.
const FEW: usize = 64;

/// So many requests under way at once.
///
/// A run may have all of them while nobody else has anything to do. Where others wait, no more of it waits for a place than it may
/// have at once; so one that comes later has only those before it, however much is left to do for the run.
#[derive(Debug)]
pub struct Bound {
    all: Arc<Semaphore>,
    size: usize,
    of_run: Mutex<OfRuns>,
}

/// The same of each run by uid, as long as something of it waits or is under way.
#[derive(Debug, Default)]
struct OfRuns {
    known: BTreeMap<String, Weak<Semaphore>>,
    /// How many there may be before it is looked which of them are needed no more.
    most: usize,
}

/// A place within a bound, until it is dropped.
#[derive(Debug)]
pub struct Turn {
    _all: OwnedSemaphorePermit,
    _of_run: OwnedSemaphorePermit,
}

impl Bound {
    /// So many at once.
    pub fn new(size: usize) -> Self {
        Self { all: Arc::new(Semaphore::new(size)), size, of_run: Mutex::default() }
    }

    /// Nobody gets a turn any more.
    pub fn close(&self) {
        self.all.close();
    }

    /// Waits for a turn of a run; `None` once the bound is closed.
    pub async fn turn(&self, run: &str) -> Option<Turn> {
        let of_run = self.of_run(run).acquire_owned().await.ok()?;
        let all = Arc::clone(&self.all).acquire_owned().await.ok()?;
        Some(Turn { _all: all, _of_run: of_run })
    }

    fn of_run(&self, run: &str) -> Arc<Semaphore> {
        let mut runs = locked(&self.of_run);
        if let Some(of_run) = runs.known.get(run).and_then(Weak::upgrade) {
            return of_run;
        }
        if runs.known.len() >= runs.most {
            runs.known.retain(|_, of_run| of_run.strong_count() > 0);
            runs.most = runs.known.len().saturating_mul(2).max(FEW);
        }
        let of_run = Arc::new(Semaphore::new(self.size));
        runs.known.insert(run.to_owned(), Arc::downgrade(&of_run));
        of_run
    }
}

#[cfg(test)]
mod tests {
    use std::task::Poll;

    use futures::{FutureExt, poll};

    use super::*;

    #[tokio::test]
    async fn one_run_may_have_all_of_it_and_then_another_comes_before_its_rest() {
        let bound = Bound::new(2);
        let mut had = vec![bound.turn("large").await, bound.turn("large").await];
        let mut rest: Vec<_> = (0..10).map(|_| Box::pin(bound.turn("large"))).collect();
        for waits in &mut rest {
            assert!(poll!(waits).is_pending());
        }
        let mut small = Box::pin(bound.turn("small"));
        assert!(poll!(&mut small).is_pending());
        had.pop();
        let large: Vec<bool> = rest.iter_mut().map(|waits| waits.now_or_never().is_some()).collect();
        assert_eq!(large, [false; 10], "the one of the other run came before");
        let Poll::Ready(Some(turn)) = poll!(&mut small) else { panic!("it is the small one's turn") };
        drop(turn);
        assert!(poll!(&mut rest[0]).is_ready(), "and then the next");
    }

    #[tokio::test]
    async fn nothing_is_known_of_a_run_that_has_nothing_to_do() {
        let bound = Bound::new(2);
        for run in 0..1_000 {
            bound.turn(&run.to_string()).await;
        }
        assert!(locked(&bound.of_run).known.len() <= FEW);
    }

    #[tokio::test]
    async fn nobody_gets_a_turn_of_a_closed_bound() {
        let bound = Bound::new(1);
        let has = bound.turn("a").await;
        let mut waits = Box::pin(bound.turn("a"));
        assert!(poll!(&mut waits).is_pending());
        bound.close();
        drop(has);
        assert!(waits.await.is_none());
    }
}
