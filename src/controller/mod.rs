//! The shell: the only code that knows a client, tokio or a clock.
//!
//! ```text
//! watch ─► cache ─► queue ─► gather ─► decide (pure, in `engine`) ─► apply ─► effect, event
//!            ▲                 │                                       │
//!            └─── live reads ──┘                  answers to writes ───┘
//! ```
//!
//! | file | part |
//! |---|---|
//! | `run`, `workflow` | a round for one object |
//! | `gather`, `revision` | what a round reads |
//! | `apply`, `effect`, `event` | what it writes |
//! | `orphan`, `poison` | runs that are gone, and runs that can't be read |
//! | `watch`, `loose`, `cache`, `memory` | what is known |
//! | `queue` | whose turn it is |
//! | `client` | the wire |
//! | `sweep` | old records |
//! | `release` | letting go of every pod, before the operator itself goes |

mod apply;
mod cache;
mod client;
mod effect;
mod event;
mod gather;
mod loose;
mod memory;
mod orphan;
mod poison;
mod queue;
pub mod release;
mod revision;
mod run;
pub mod selftest;
mod sweep;
mod watch;
mod workflow;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinSet;

pub use cache::Cache;
pub use client::{Cluster, Failure};
pub use loose::Loose;
pub use queue::Queue;

use crate::api::{Workflow, WorkflowRun};
use crate::pods::{PodSecurity, SlimPod};
use memory::RunMemory;
use revision::Plans;

/// Rounds that run at once.
const ROUNDS: usize = 64;
/// Creates under way at once.
const CREATES: usize = 24;
/// Releases, deletions and Events under way at once. Apart from the creates, so that a cancel never waits behind them.
const OTHERS: usize = 8;
/// The wait after a round that failed, doubled each time.
const FIRST_FAILURE_WAIT: i64 = 1;
/// The longest wait after rounds that failed.
const MAX_FAILURE_WAIT: i64 = 60;
/// A round that takes longer is given up and tried again.
const ROUND_TIMEOUT: Duration = Duration::from_mins(2);

/// What the operator was told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespaces to work in; all where empty.
    pub namespaces: Vec<String>,
    /// What pods are made with by default.
    pub pod_security: PodSecurity,
    /// Name of this process in Events.
    pub instance: String,
}

/// An object to look at, by uid.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// A run; it may be gone, and its pods still there.
    Run(String),
    /// A workflow.
    Workflow(String),
}

/// Everything that rounds share.
pub struct Context {
    /// The API server.
    pub cluster: Cluster,
    /// What the operator was told at its start.
    pub settings: Settings,
    /// Plans of pinned revisions.
    pub plans: Plans,
    /// Bounds the creates under way.
    pub creates: Arc<Semaphore>,
    /// Bounds the releases, deletions and Events under way.
    pub others: Arc<Semaphore>,
    cache: Mutex<Cache>,
    queue: Mutex<Queue<Key>>,
    memories: Mutex<BTreeMap<String, RunMemory>>,
    changed: Notify,
}

impl Context {
    /// A context that knows nothing yet.
    #[must_use]
    pub fn new(cluster: Cluster, settings: Settings) -> Self {
        Self {
            cluster,
            settings,
            plans: Plans::default(),
            creates: Arc::new(Semaphore::new(CREATES)),
            others: Arc::new(Semaphore::new(OTHERS)),
            cache: Mutex::default(),
            queue: Mutex::default(),
            memories: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// The caches. Never held across a wait.
    pub fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// A key is to be looked at.
    pub fn add(&self, key: Key) {
        self.queue().add(key);
        self.changed.notify_one();
    }

    /// A key is to be looked at by then.
    pub fn wake(&self, key: Key, at: Timestamp) {
        self.queue().wake_at(key, at);
        self.changed.notify_one();
    }

    /// Changes the cache, and looks at the keys that this concerns.
    pub fn enqueue(&self, change: impl FnOnce(&mut Cache) -> Vec<Key>) {
        let keys = change(&mut self.cache());
        if keys.is_empty() {
            return;
        }
        let mut queue = self.queue();
        for key in keys {
            queue.add(key);
        }
        drop(queue);
        self.changed.notify_one();
    }

    /// What is known of a run's own writes, as it is now.
    #[must_use]
    pub fn memory(&self, uid: &str) -> RunMemory {
        self.memories().get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is known of a run's own writes.
    pub fn with_memory<R>(&self, uid: &str, change: impl FnOnce(&mut RunMemory) -> R) -> R {
        change(self.memories().entry(uid.to_owned()).or_default())
    }

    /// A run is gone with all of its pods.
    pub fn forget(&self, uid: &str) {
        self.memories().remove(uid);
    }

    /// Lets no further effect begin, and waits for those under way, each of which has a timeout.
    pub async fn settle(&self) {
        self.creates.close();
        self.others.close();
        while self.creates.available_permits() < CREATES || self.others.available_permits() < OTHERS {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn memories(&self) -> MutexGuard<'_, BTreeMap<String, RunMemory>> {
        self.memories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn queue(&self) -> MutexGuard<'_, Queue<Key>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the operator until `stop` resolves. `ready` is called once all caches are filled.
///
/// # Errors
/// A part that never ends has ended, which is a fault of ours: half an operator is worse than a restarted one.
pub async fn run(context: Arc<Context>, ready: impl FnOnce(), stop: impl Future<Output = ()>) -> Result<(), Broken> {
    let scopes: Vec<Option<String>> = match context.settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let mut filled = Vec::new();
    let mut parts = JoinSet::new();
    for scope in scopes {
        let mut begin = || {
            let (sender, receiver) = oneshot::channel();
            filled.push(receiver);
            sender
        };
        parts.spawn(watch::follow::<Workflow>(Arc::clone(&context), scope.clone(), begin()));
        parts.spawn(watch::follow::<WorkflowRun>(Arc::clone(&context), scope.clone(), begin()));
        parts.spawn(watch::follow::<SlimPod>(Arc::clone(&context), scope, begin()));
    }
    parts.spawn(sweep::forever(Arc::clone(&context)));
    let work = async {
        // A watch that ended before its first list never says that it is filled.
        if join_all(filled).await.into_iter().all(|filled| filled.is_ok()) {
            ready();
            work(&context).await;
        }
    };
    tokio::select! {
        biased;
        () = stop => Ok(()),
        ended = parts.join_next() => Err(Broken(format!("{ended:?}"))),
        () = work => Err(Broken("the queue ended".to_owned())),
    }
}

/// A part of the operator that never ends has ended.
#[derive(Debug, thiserror::Error)]
#[error("a part of the operator ended, so that it can't go on; please report this: {0}")]
pub struct Broken(String);

/// Gives each key its rounds. It begins only when all caches are filled: half a cache looks like pods that are gone.
async fn work(context: &Arc<Context>) {
    let slots = Arc::new(Semaphore::new(ROUNDS));
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (key, wake) = {
            let mut queue = context.queue();
            (queue.next(context.now()), queue.next_wake())
        };
        let Some(key) = key else {
            drop(slot);
            let sleep = wake.map_or(Duration::from_hours(1), |at| until(context.now(), at));
            tokio::select! {
                () = context.changed.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
            continue;
        };
        let context = Arc::clone(context);
        tokio::spawn(async move {
            round(&context, &key).await;
            context.queue().done(&key);
            drop(slot);
            context.changed.notify_one();
        });
    }
}

/// One round. It runs as a task of its own, so that a panic costs this key a round, not everyone the operator.
async fn round(context: &Arc<Context>, key: &Key) {
    let task = tokio::spawn({
        let (context, key) = (Arc::clone(context), key.clone());
        async move {
            match &key {
                Key::Run(uid) => tokio::time::timeout(ROUND_TIMEOUT, run::reconcile(&context, uid)).await,
                Key::Workflow(uid) => tokio::time::timeout(ROUND_TIMEOUT, workflow::reconcile(&context, uid)).await,
            }
        }
    });
    let (Key::Run(uid) | Key::Workflow(uid)) = key;
    let problem = match task.await {
        Ok(Ok(Ok(()))) => {
            if context.memory(uid).failures > 0 {
                context.with_memory(uid, |memory| memory.failures = 0);
            }
            return;
        }
        Ok(Ok(Err(failure))) => failure.to_string(),
        Ok(Err(_)) => format!("no end within {} s", ROUND_TIMEOUT.as_secs()),
        Err(panic) => format!("a fault of ours, please report it: {panic}"),
    };
    let failures = context.with_memory(uid, |memory| {
        memory.failures = memory.failures.saturating_add(1);
        memory.failures
    });
    let wait = (FIRST_FAILURE_WAIT << failures.saturating_sub(1).min(6)).min(MAX_FAILURE_WAIT);
    tracing::warn!(?key, problem, wait_seconds = wait, "a round failed; it will be tried again");
    let at = context.now().checked_add(SignedDuration::from_secs(wait)).unwrap_or(Timestamp::MAX);
    context.wake(key.clone(), at);
}

/// The time from `now` to `at`, at least a millisecond, so that a wake-up is never spun on.
fn until(now: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from(at.duration_since(now)).unwrap_or_default().max(Duration::from_millis(1))
}
