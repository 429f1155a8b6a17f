//! One world: an API server, the actors that play the rest of the cluster, replicas of the operator, one clock.
//!
//! Everything in it is a task of one current-thread runtime whose clock is paused: time passes only when no task can go on,
//! and then it leaps to the next timer. So a schedule always gives the same world.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gantline::controller::{CREATES, Context};
use gantline::engine::{HOT, Hot, KEPT_PODS};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::actor::Actor;
use crate::check::journal::Entry;
use crate::fault::{Class, Fault, Point};
use crate::human::Human;
use crate::looks::Looks;
use crate::model::Server;
use crate::reached::{Reached, text};
use crate::scenario::Scenario;
use crate::schedule::{Latency, Schedule};
use crate::signal::{Listener, Signal};
use crate::story::Trace;
use crate::stream::{Stream, hash};

/// When every world begins, by the one true clock.
pub const BEGIN: Timestamp = Timestamp::constant(1_767_603_600, 0);

/// Namespace and name of the lease that replicas share.
pub const LEASE: (&str, &str) = ("gantline-system", "gantline");

/// What the tasks of a world share.
pub struct World {
    /// What happens in it.
    pub schedule: Schedule,
    /// What it is about.
    pub scenario: Scenario,
    /// The state, never held across a wait.
    state: Mutex<State>,
    started: Instant,
    /// Counts the changes to anything but leases: what actors wait for.
    changes: Arc<Signal>,
    /// The newest revision by resource: what watches wait for.
    revisions: BTreeMap<&'static str, Arc<Signal>>,
    /// Whether lists come in pages of two.
    pub pages_are_short: bool,
    /// Creates that an operator has under way at once.
    pub creates: usize,
    /// Pods that stay with a run.
    pub kept_pods: usize,
    /// How much of what has happened the status of a run holds.
    pub hot: Hot,
    latencies: Stream,
    lags: Stream,
    pauses: Stream,
}

/// The state of a world.
pub struct State {
    /// etcd and the API server.
    pub server: Server,
    /// What happened, as a hash and in words.
    pub trace: Trace,
    /// The rare things that came to pass.
    pub reached: Reached,
    /// Faults that struck, by class.
    pub struck: BTreeMap<&'static str, u64>,
    /// Names of all processes so far.
    pub operators: Vec<String>,
    /// What those that live know, by their names. It holds the world in its turn, so it has to be emptied at the end.
    pub minds: BTreeMap<String, Arc<Context>>,
    /// When each of them last looked at all runs.
    pub looks: Looks,
    /// What broke outside of the journal: panics, an operator that ended.
    pub broken: Vec<(&'static str, String)>,
    /// What people did, in its order.
    pub deeds: Vec<Human>,
    /// Who led when a fault began that strikes the others, by its place in the schedule.
    led: BTreeMap<usize, String>,
    /// Requests sent so far, by class.
    pub sent: BTreeMap<Class, u32>,
    /// Deletions of pods sent so far.
    pub deletions: u32,
    /// Watch events delivered so far.
    pub delivered: u32,
    /// Since when nothing but leases changed, and no fault ended.
    pub quiet_since: Instant,
    /// Replicas that are down or frozen, and writes under way.
    pub away: u32,
    /// When each actor wants to act next.
    pub waits: BTreeMap<usize, Instant>,
    published: usize,
}

/// How many tasks or items the statuses of a world spell out, up to which none is packed: in half of the worlds so few that most runs
/// are large.
fn spelt(seed: u64) -> usize {
    let draw = Stream::new(seed, "spelt").below(0, 8);
    [0, 1, 2, 2].get(usize::try_from(draw).unwrap_or(usize::MAX)).copied().unwrap_or(HOT.spelt)
}

/// Of so many seeds one has lists in short pages.
const SHORT_PAGES: u64 = 6;
/// Resources that are watched.
const WATCHED: [&str; 4] = ["pods", "workflowruns", "workflows", "loads"];

impl World {
    /// A world in which nothing has happened yet.
    pub fn new(schedule: &Schedule, scenario: Scenario, recording: bool) -> Arc<Self> {
        let now = Instant::now();
        let seed = schedule.seed;
        let measured = scenario.measured;
        let by_chance = |what: &str, one_of: u64| !measured && Stream::new(seed, what).below(0, one_of) == 0;
        // So little that a few transitions are sealed, or as much as everywhere.
        let is_short = scenario.short_logs || by_chance("hot", 2);
        let hot = if is_short { Hot { history: 3, log: 150, ..HOT } } else { HOT };
        // So few bytes that every output goes into a record, or all but the last.
        let few = [0, 24][usize::from(by_chance("room for outputs", 2))];
        let room = scenario.outputs.unwrap_or(if by_chance("outputs", 2) { few } else { HOT.outputs });
        let hot = Hot { outputs: room, ..hot };
        let hot =
            Hot { spelt: scenario.spelt.unwrap_or_else(|| if measured { HOT.spelt } else { spelt(seed) }), ..hot };
        Arc::new(Self {
            schedule: schedule.clone(),
            scenario,
            state: Mutex::new(State {
                server: Server::new(seed),
                trace: Trace::new(recording),
                reached: Reached::default(),
                struck: BTreeMap::new(),
                operators: Vec::new(),
                minds: BTreeMap::new(),
                looks: Looks::default(),
                broken: Vec::new(),
                deeds: Vec::new(),
                led: BTreeMap::new(),
                sent: BTreeMap::new(),
                deletions: 0,
                delivered: 0,
                quiet_since: now,
                away: 0,
                waits: BTreeMap::new(),
                published: 0,
            }),
            started: now,
            changes: Arc::default(),
            revisions: WATCHED.into_iter().map(|resource| (resource, Arc::default())).collect(),
            pages_are_short: by_chance("pages", SHORT_PAGES),
            // So few that most have to wait, or as many as everywhere.
            creates: if by_chance("creates", 2) { 1 } else { CREATES },
            // So few that some have to go, or as many as everywhere.
            kept_pods: if by_chance("kept", 2) { 1 } else { KEPT_PODS },
            hot,
            latencies: Stream::new(seed, "latency"),
            lags: Stream::new(seed, "lag"),
            pauses: Stream::new(seed, "pause"),
        })
    }

    /// The state.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    /// Milliseconds since the beginning.
    pub fn millis(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The one true time.
    pub fn now(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        BEGIN.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    /// The time as the wall clock of a replica shows it.
    pub fn clock_of(&self, replica: u8) -> Timestamp {
        let elapsed = self.millis();
        let offset = self.schedule.faults.iter().rev().find_map(|fault| match fault {
            Fault::Clock { replica: of, from, offset } if *of == replica && *from <= elapsed => Some(*offset),
            _ => None,
        });
        let offset = SignedDuration::from_millis(offset.unwrap_or(0));
        self.now().checked_add(offset).unwrap_or(Timestamp::MAX)
    }

    /// The moment of a time.
    fn instant(&self, at: Timestamp) -> Instant {
        self.started + Duration::try_from(at.duration_since(BEGIN)).unwrap_or_default()
    }

    /// Faults that strike at a request.
    pub fn faults_at(&self, point: Point) -> impl Iterator<Item = &Fault> {
        self.schedule.faults.iter().filter(move |fault| fault.point() == Some(point))
    }

    /// Faults that strike at a deletion of a pod.
    pub fn faults_at_deletion(&self, number: u32) -> impl Iterator<Item = &Fault> {
        self.schedule
            .faults
            .iter()
            .filter(move |fault| matches!(fault, Fault::Namesake { deletion } if *deletion == number))
    }

    /// A fault struck.
    pub fn strike(&self, fault: &Fault) {
        let at = self.millis();
        let mut state = self.state();
        *state.struck.entry(fault.class()).or_insert(0) += 1;
        state.trace.note(at, &[7], || format!("       !  {fault}"));
    }

    /// A message takes so long one way. A floor of one millisecond keeps cause before effect.
    pub fn latency(&self, index: u64) -> Duration {
        let draw = |bound| self.latencies.below(index, bound);
        Duration::from_millis(match self.schedule.latency {
            Latency::Least => 1,
            Latency::Short => 1 + draw(15),
            Latency::Wide => match self.latencies.at(index.wrapping_add(1 << 40)) % 100 {
                0..85 => 1 + draw(15),
                85..98 => 1 + draw(800),
                _ => 1 + draw(4_000),
            },
        })
    }

    /// The news of a revision takes so long to a watch.
    pub fn lag(&self, watch: u64, revision: u64) -> Duration {
        let index = (watch << 32) ^ revision;
        Duration::from_millis(match self.schedule.latency {
            Latency::Least => 1,
            Latency::Short => 1 + self.lags.below(index, 30),
            Latency::Wide => match self.lags.at(index.wrapping_add(1 << 62)) % 100 {
                0..80 => 1 + self.lags.below(index, 50),
                80..97 => 1 + self.lags.below(index, 3_000),
                _ => 1 + self.lags.below(index, 20_000),
            },
        })
    }

    /// Lets an actor act on the server; then everyone learns of what changed.
    pub fn act<R>(&self, act: impl FnOnce(&mut Server, Timestamp) -> R) -> R {
        let now = self.now();
        let mut state = self.state();
        let result = act(&mut state.server, now);
        self.publish(&mut state);
        result
    }

    /// Tells watches and actors of the writes that are new in the journal.
    pub fn publish(&self, state: &mut State) {
        let at = self.millis();
        let State { server, trace, published, quiet_since, reached, .. } = state;
        let mut changed = false;
        for entry in &server.journal.entries[*published..] {
            let Entry::Write(write) = entry else { continue };
            trace.wrote(at, write);
            if write.resource == "leases" {
                let holder = text(&write.object, "/spec/holderIdentity");
                if reached.led(holder) {
                    trace.note(at, &[9, hash(holder.as_bytes())], || format!("{holder} leads"));
                }
            } else {
                changed = true;
            }
        }
        let new: Vec<&'static str> = WATCHED
            .into_iter()
            .filter(|resource| {
                server.journal.entries[*published..]
                    .iter()
                    .any(|entry| matches!(entry, Entry::Write(write) if write.resource == *resource))
            })
            .collect();
        *published = server.journal.entries.len();
        for resource in new {
            if let Some(signal) = self.revisions.get(resource) {
                signal.give();
            }
        }
        if changed {
            *quiet_since = Instant::now();
            self.changes.give();
        }
    }

    /// Tells of each new revision of a resource.
    pub fn revisions_of(&self, resource: &str) -> Option<Listener> {
        self.revisions.get(resource).map(Signal::listen)
    }

    /// Something that keeps the world from being quiet begins.
    pub fn hold(&self) {
        self.state().away += 1;
    }

    /// It ended.
    pub fn let_go(&self) {
        let mut state = self.state();
        state.away = state.away.saturating_sub(1);
        state.quiet_since = Instant::now();
    }

    /// Until when an operator's watch of this resource shows nothing.
    pub fn lagging_until(&self, operator: &str, resource: &str, at: Instant) -> Instant {
        let mut until = at;
        for (index, fault) in self.schedule.faults.iter().enumerate() {
            let (Fault::Lag { resource: of, from, by } | Fault::Deaf { resource: of, from, by }) = fault else {
                continue;
            };
            let begin = self.started + Duration::from_millis(*from);
            let end = begin + Duration::from_millis(*by);
            let is_spared = || matches!(fault, Fault::Deaf { .. }) && self.led_at(index) == operator;
            if of == resource && until >= begin && until < end && !is_spared() {
                until = end;
            }
        }
        until
    }

    /// Who led when this fault was first met.
    fn led_at(&self, fault: usize) -> String {
        let State { server, led, .. } = &mut *self.state();
        let leader = || server.get("leases", LEASE.0, LEASE.1).map_or("", |lease| text(lease, "/spec/holderIdentity"));
        led.entry(fault).or_insert_with(|| leader().to_owned()).clone()
    }

    /// Plays an actor for ever: it acts when something changed, after a little while, and when its own time came.
    pub async fn play(self: Arc<Self>, index: usize, mut actor: Box<dyn Actor + Send>) {
        let mut changes = self.changes.listen();
        for step in 0_u64.. {
            changes.catch_up();
            let next = self.act(|server, now| actor.act(server, now)).map(|at| self.instant(at));
            {
                let mut state = self.state();
                match next {
                    Some(next) => state.waits.insert(index, next),
                    None => state.waits.remove(&index),
                };
            }
            let due = async {
                match next {
                    Some(next) => sleep_until(next).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = changes.changed() => {
                    let pause = self.pauses.below(((index as u64) << 32) + step, 20);
                    sleep(Duration::from_millis(1 + pause)).await;
                }
                () = due => {}
            }
        }
    }
}
