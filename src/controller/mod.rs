//! The shell: the only code that knows a client, tokio or a clock.
//!
//! ```text
//! watch ─► cache ─► queue ─► gather ─► decide (pure, in `engine`) ─► apply ─► effect, event
//!            ▲                 │                                       │
//!            └─── live reads ──┘                  answers to writes ───┘
//! ```
//!
//! The whole operator is one future: whoever drops it ends the operator as a crash would, and nothing of it goes on elsewhere.
//!
//! | file | part |
//! |---|---|
//! | `lead` | the term: works while the lease is held |
//! | `work` | gives each key its rounds |
//! | `run`, `workflow` | a round for one object |
//! | `gather`, `look`, `revision`, `outputs`, `peers`, `kin` | what a round reads |
//! | `apply`, `effect`, `create`, `event` | what it writes |
//! | `segment` | parts of the logs of runs, and of their outputs, that their statuses no longer hold |
//! | `claim` | what it reads and writes of volume claims |
//! | `resource` | what it watches, reads and writes of objects of any kind |
//! | `orphan`, `poison` | runs that are gone, and runs that can't be read |
//! | `watch`, `follow`, `loose`, `cache`, `shelf`, `groups`, `memory` | what is known |
//! | `queue`, `bound` | whose turn it is: of keys, and of requests |
//! | `client` | the wire |
//! | `sweep` | old records |
//! | `history` | reading a run back with all of its log |
//! | `release` | letting go of every pod, before the operator itself goes |

mod apply;
mod bound;
mod cache;
mod claim;
mod client;
mod create;
mod effect;
mod event;
mod follow;
mod gather;
mod groups;
pub mod history;
mod kin;
mod lead;
mod look;
mod loose;
mod memory;
mod orphan;
mod outputs;
mod peers;
mod poison;
mod queue;
pub mod release;
mod resource;
mod revision;
mod run;
mod segment;
pub mod selftest;
mod shelf;
mod sweep;
mod watch;
mod work;
mod workflow;

use std::any::Any;
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::{BoxFuture, join_all};
use futures::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

pub use cache::{Cache, Kind};
pub use client::{Cluster, Failure, SILENCE};
pub use loose::{Loose, Readable};
pub use queue::Queue;

use crate::api::{Workflow, WorkflowRun};
use crate::engine::Hot;
use crate::lease::Place;
use crate::mutant::{Mutant, is};
use crate::plan::Granted;
use crate::pods::{PodSecurity, SlimPod};
use bound::Bound;
use memory::RunMemory;
use revision::Plans;

/// Creates under way at once that suit an API server with its default limits.
pub const CREATES: usize = 24;
/// Releases, deletions and Events under way at once. Apart from the creates, so that a cancel never waits behind them.
const OTHERS: usize = 8;

/// What the operator was told at its start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Namespaces to work in; all where empty.
    pub namespaces: Vec<String>,
    /// What pods are made with by default.
    pub pod_security: PodSecurity,
    /// Name of this process in Events and in the lease. No other process has it or ever had.
    pub identity: String,
    /// The lease through which one of several operators leads. Without one, this one always does.
    pub lease: Option<Place>,
    /// Creates of pods under way at once, at least 1.
    pub creates: usize,
    /// Pods that stay with a run; beyond that, those that succeeded go.
    pub kept_pods: usize,
    /// The kinds of objects that tasks may make.
    pub granted: Granted,
    /// How much of what has happened the status of a run holds.
    pub hot: Hot,
}

/// The wall clock: what goes on record as the time. Nobody trusts it for more; waits are by a clock that never leaps.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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
    pub creates: Bound,
    /// Bounds the releases, deletions and Events under way.
    pub others: Bound,
    clock: Clock,
    cache: Mutex<Cache>,
    /// Whose turn it is, as long as a term lasts: in between nobody would ever take a key out.
    queue: Mutex<Option<Queue<Key>>>,
    memories: Mutex<BTreeMap<String, RunMemory>>,
    /// Effects that were started and not yet taken up.
    spawned: Mutex<Vec<BoxFuture<'static, ()>>>,
    changed: Notify,
    rounds: AtomicU64,
}

impl Context {
    /// A context that knows nothing yet.
    #[must_use]
    pub fn new(cluster: Cluster, settings: Settings, clock: Clock) -> Self {
        Self {
            cluster,
            creates: Bound::new(settings.creates),
            settings,
            plans: Plans::default(),
            others: Bound::new(OTHERS),
            clock,
            cache: Mutex::default(),
            queue: Mutex::default(),
            memories: Mutex::default(),
            spawned: Mutex::default(),
            changed: Notify::new(),
            rounds: AtomicU64::new(0),
        }
    }

    /// How many rounds have begun so far, of all keys.
    pub fn rounds(&self) -> u64 {
        self.rounds.load(Ordering::Relaxed)
    }

    /// The caches. Never held across a wait.
    pub fn cache(&self) -> MutexGuard<'_, Cache> {
        locked(&self.cache)
    }

    /// The time, as it goes on record.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    /// A key is to be looked at.
    pub fn add(&self, key: Key) {
        self.with_queue(|queue| queue.add(key));
        self.changed.notify_one();
    }

    /// A key is to be looked at by then.
    pub fn wake(&self, key: Key, at: Timestamp) {
        self.wake_in(key, Duration::try_from(at.duration_since(self.now())).unwrap_or_default());
    }

    /// A key is to be looked at after this time at the latest.
    pub fn wake_in(&self, key: Key, wait: Duration) {
        // At least a millisecond, so that a wake-up is never spun on.
        let wait = wait.clamp(Duration::from_millis(1), LONGEST_WAIT);
        self.with_queue(|queue| queue.wake_at(key, Instant::now() + wait));
        self.changed.notify_one();
    }

    /// A key whose round goes on isn't looked at again for this time, whatever changes.
    pub fn hold(&self, key: Key, wait: Duration) {
        self.with_queue(|queue| queue.hold(key, Instant::now() + wait));
    }

    /// Whether a round of this key goes on.
    fn is_running(&self, key: &Key) -> bool {
        self.with_queue(|queue| queue.is_running(key)).unwrap_or(false)
    }

    /// Changes the cache, and looks at the keys that this concerns.
    pub fn enqueue(&self, change: impl FnOnce(&mut Cache) -> Vec<Key>) {
        let keys = change(&mut self.cache());
        if keys.is_empty() {
            return;
        }
        self.with_queue(|queue| keys.into_iter().for_each(|key| queue.add(key)));
        self.changed.notify_one();
    }

    /// The answer to a write or a live read of a run: the cache learns of it, and other runs that it concerns are looked at.
    fn learn(&self, run: Loose<WorkflowRun>) {
        self.enqueue(|cache| kin::put(cache, run).unwrap_or_default());
    }

    /// What is known of a run's own writes, as it is now.
    #[must_use]
    pub fn memory(&self, uid: &str) -> RunMemory {
        locked(&self.memories).get(uid).cloned().unwrap_or_default()
    }

    /// Changes what is known of a run's own writes.
    pub fn with_memory<R>(&self, uid: &str, change: impl FnOnce(&mut RunMemory) -> R) -> R {
        change(locked(&self.memories).entry(uid.to_owned()).or_default())
    }

    /// A round went well.
    fn went_well(&self, uid: &str) {
        let mut memories = locked(&self.memories);
        memories.get_mut(uid).into_iter().for_each(|memory| (memory.failures, memory.failing_since) = (0, None));
    }

    /// A run is gone with all of its pods.
    pub fn forget(&self, uid: &str) {
        locked(&self.memories).remove(uid);
    }

    /// Lets an effect go on beside the rounds, as long as this term lasts.
    pub fn spawn(&self, effect: impl Future<Output = ()> + Send + 'static) {
        locked(&self.spawned).push(Box::pin(effect));
        self.changed.notify_one();
    }

    /// A term begins: what an earlier one did isn't known, as others may have led since, and everything is looked at.
    fn begin_term(&self) {
        if !is(Mutant::TermsShareMemory) {
            locked(&self.memories).clear();
        }
        let mut queue = Queue::default();
        self.cache().keys().into_iter().for_each(|key| queue.add(key));
        *locked(&self.queue) = Some(queue);
        self.changed.notify_one();
    }

    /// A term is over: nothing of it goes on.
    fn end_term(&self) {
        locked(&self.spawned).clear();
        *locked(&self.queue) = None;
    }

    /// Does something with the queue; `None` outside of a term.
    fn with_queue<R>(&self, change: impl FnOnce(&mut Queue<Key>) -> R) -> Option<R> {
        locked(&self.queue).as_mut().map(change)
    }
}

/// The longest time between a wish to be woken and the wake-up.
const LONGEST_WAIT: Duration = Duration::from_hours(24);

/// A lock that survives a panic of who held it: each change under a lock of ours is whole by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs the operator until `stop` resolves; then it begins nothing new, ends what is under way and gives the lease back. `ready`
/// is called once all caches are filled, but for those of namespaces that are out of reach, which is before it leads.
///
/// # Errors
/// A part that never ends has ended, which is a fault of ours: half an operator is worse than a restarted one.
pub async fn run(context: Arc<Context>, ready: impl FnOnce(), stop: impl Future<Output = ()>) -> Result<(), Broken> {
    let scopes: Vec<Option<String>> = match context.settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let mut filled = Vec::new();
    let mut watches: FuturesUnordered<BoxFuture<'_, ()>> = FuturesUnordered::new();
    for scope in scopes {
        let mut begin = || {
            let (sender, receiver) = oneshot::channel();
            filled.push(receiver);
            sender
        };
        watches.push(Box::pin(watch::follow::<Workflow>(&context, scope.clone(), begin())));
        watches.push(Box::pin(watch::follow::<WorkflowRun>(&context, scope.clone(), begin())));
        watches.push(Box::pin(watch::follow::<SlimPod>(&context, scope.clone(), begin())));
        for grant in context.settings.granted.iter() {
            watches.push(Box::pin(follow::follow(&context, grant.clone(), scope.clone(), begin())));
        }
    }
    let mut stop = pin!(stop);
    let work = async {
        // Half a cache looks like pods that are gone; where a namespace is out of reach, nothing is done about its runs. A watch that ended before its first list never says that it is filled.
        tokio::select! {
            biased;
            () = stop.as_mut() => return,
            all = join_all(filled) => if all.iter().any(Result::is_err) { return std::future::pending().await },
        }
        ready();
        lead::until(&context, stop.as_mut()).await;
    };
    tokio::select! {
        biased;
        _ = watches.next() => Err(Broken("a watch")),
        () = work => Ok(()),
    }
}

/// A part of the operator that never ends has ended.
#[derive(Debug, thiserror::Error)]
#[error("a part of the operator ended, so that it can't go on; please report this: {0}")]
pub struct Broken(&'static str);

/// What a panic says of itself.
fn told(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no words")
}
