//! A sign that others wait for. They are woken in the order in which they began to wait: tokio's own `watch` channel wakes them in
//! a random one, and one schedule would have several stories.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// Says that something changed, as often as it does.
#[derive(Default)]
pub struct Signal {
    count: AtomicU64,
    given: Notify,
}

impl Signal {
    /// Something changed.
    pub fn give(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.given.notify_waiters();
    }

    /// Listens from now on.
    pub fn listen(self: &Arc<Self>) -> Listener {
        Listener { signal: Arc::clone(self), seen: self.count.load(Ordering::Relaxed) }
    }
}

/// One who listens.
pub struct Listener {
    signal: Arc<Signal>,
    seen: u64,
}

impl Listener {
    /// What happened so far is known.
    pub fn catch_up(&mut self) {
        self.seen = self.signal.count.load(Ordering::Relaxed);
    }

    /// Resolves when something changed since it last did.
    pub async fn changed(&mut self) {
        loop {
            let mut given = pin!(self.signal.given.notified());
            given.as_mut().enable();
            let count = self.signal.count.load(Ordering::Relaxed);
            if count != self.seen {
                self.seen = count;
                return;
            }
            given.await;
        }
    }
}
