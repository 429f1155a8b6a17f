//! Replicas of the operator: processes that crash, freeze and are started again.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::Notify;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::network::Connection;
use crate::operator;
use crate::world::World;

/// The pause before an operator that ended by itself is started again.
const RESTART: Duration = Duration::from_secs(1);

/// One process: a replica from its start to its end.
pub struct Process {
    /// Which replica it is, from 1.
    pub replica: u8,
    /// The how-manieth process of it, from 1.
    pub incarnation: u32,
    /// Name in leases, Events, and the journal.
    pub identity: String,
    gate: Mutex<Gate>,
    crashed: Notify,
    stopped: Notify,
}

/// Whether a process goes on.
#[derive(Debug, Default)]
struct Gate {
    dead: bool,
    /// How often it was frozen, less how often it thawed.
    frozen: u32,
    /// Until when the network between it and the API server is down.
    apart: Option<Instant>,
    downtime: Duration,
    waker: Option<Waker>,
}

impl Process {
    fn new(replica: u8, incarnation: u32) -> Arc<Self> {
        let identity = format!("op-{replica}.{incarnation}");
        Arc::new(Self {
            replica,
            incarnation,
            identity,
            gate: Mutex::default(),
            crashed: Notify::new(),
            stopped: Notify::new(),
        })
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is gone: it does nothing from now on, and nothing reaches it.
    pub fn is_dead(&self) -> bool {
        self.gate().dead
    }

    /// It dies on the spot, and is started again after a while.
    pub fn crash(&self, downtime: Duration) {
        let mut gate = self.gate();
        if !gate.dead {
            gate.dead = true;
            gate.downtime = downtime;
            self.crashed.notify_one();
        }
    }

    /// It is asked to stop in good order, as by SIGTERM, and is started again a while after it did.
    pub fn stop(&self, downtime: Duration) {
        self.gate().downtime = downtime;
        self.stopped.notify_one();
    }

    /// The network between it and the API server is down for a while.
    pub fn part(&self, world: &Arc<World>, length: Duration) {
        let until = Instant::now() + length;
        let mut gate = self.gate();
        gate.apart = gate.apart.max(Some(until));
        world.hold();
        let world = Arc::clone(world);
        tokio::spawn(async move {
            sleep_until(until).await;
            world.let_go();
        });
    }

    /// When the network between it and the API server is up.
    pub fn in_touch_at(&self) -> Instant {
        let now = Instant::now();
        self.gate().apart.map_or(now, |until| until.max(now))
    }

    /// It stands still for a while, as after SIGSTOP: its timers run out meanwhile, and what is sent to it waits.
    pub fn freeze(self: &Arc<Self>, world: &Arc<World>, length: Duration) {
        self.gate().frozen += 1;
        world.hold();
        let (process, world) = (Arc::clone(self), Arc::clone(world));
        tokio::spawn(async move {
            sleep(length).await;
            let waker = {
                let mut gate = process.gate();
                gate.frozen = gate.frozen.saturating_sub(1);
                if gate.frozen > 0 || gate.dead { None } else { gate.waker.take() }
            };
            world.process_thawed(&process);
            if let Some(waker) = waker {
                waker.wake();
            }
            world.let_go();
        });
    }
}

/// The operator as a process runs it: it gets no turn while the process is frozen, and none after its death.
struct Running {
    operator: operator::Operator,
    process: Arc<Process>,
}

impl Future for Running {
    type Output = String;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<String> {
        {
            let mut gate = self.process.gate();
            if gate.dead || gate.frozen > 0 {
                gate.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
        }
        self.operator.as_mut().poll(context)
    }
}

/// Keeps a replica running, as a Deployment does.
pub async fn keep(world: Arc<World>, replica: u8) {
    for incarnation in 1.. {
        let process = Process::new(replica, incarnation);
        let connection = Connection::new(Arc::clone(&world), Arc::clone(&process));
        let client = kube::Client::new(connection, "default");
        let clock = {
            let world = Arc::clone(&world);
            move || world.clock_of(replica)
        };
        world.process_starts(&process);
        let stop = {
            let process = Arc::clone(&process);
            async move { process.stopped.notified().await }
        };
        let bounds = [world.creates, world.kept_pods];
        let (operator, mind) = operator::start(client, &process.identity, Arc::new(clock), bounds, world.hot, stop);
        world.state().minds.insert(process.identity.clone(), mind);
        let mut task = tokio::spawn(Running { operator, process: Arc::clone(&process) });
        let (why, downtime) = tokio::select! {
            biased;
            () = process.crashed.notified() => ("crashed".to_owned(), process.gate().downtime),
            ended = &mut task => {
                let why = match ended {
                    Ok(why) => {
                        if why != operator::STOPPED {
                            world.state().broken.push(("S14", format!("{} ended: {why}", process.identity)));
                        }
                        why
                    }
                    Err(panic) => {
                        world.state().broken.push(("S14", format!("{} panicked: {panic}", process.identity)));
                        "panicked".to_owned()
                    }
                };
                let downtime = process.gate().downtime.max(RESTART);
                process.crash(downtime);
                (why, downtime)
            }
        };
        world.hold();
        world.state().minds.remove(&process.identity);
        if !task.is_finished() {
            // What the process had in memory goes here.
            task.abort();
            let _ = task.await;
        }
        world.process_ended(&process, &why);
        sleep(downtime).await;
        world.let_go();
    }
}
