//! Plays a schedule to its end and judges it.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Once};

use gantline::controller::{Context, Kind, SILENCE};
use jiff::SignedDuration;
use serde_json::Value;
use tokio::time::{Duration, Instant, sleep, sleep_until};

use crate::check::journal::{Entry, Verb};
use crate::check::{self, Rules};
use crate::fault::{Class, Fault};
use crate::human::Human;
use crate::kubelet::{Behaviour, Kubelet, catalogue};
use crate::loader::Loader;
use crate::model::{GarbageCollector, NamespaceController, Server};
use crate::reached::{Rare, text};
use crate::reference;
use crate::replica;
use crate::scenario::{Scenario, standard};
use crate::schedule::{Latency, Schedule};
use crate::story::{self, Trace};
use crate::stream::Stream;
use crate::wire::Wire;
use crate::world::{LEASE, State, World};

/// How long nothing may have changed for the world to be at rest, if everything has come to its end: longer than any pause of
/// the operator's between two tries.
const REST: Duration = Duration::from_secs(100);
/// The same where something hasn't come to its end, and now and then where everything has.
const LONG_REST: Duration = Duration::from_mins(15);
/// Of so many seeds one rests long in any case.
const LONG_RESTS: u64 = 32;
/// A world that isn't at rest by then never will be.
const END: Duration = Duration::from_hours(6);
/// Nor one in which so many things have happened.
const STEPS: u64 = 400_000;
/// Time between looks whether the world is at rest.
const LOOK: Duration = Duration::from_secs(5);

/// What came of a schedule.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// A number for everything that happened.
    pub hash: u64,
    /// Virtual time that it took.
    pub took: Duration,
    /// Requests sent, by class.
    pub sent: BTreeMap<Class, u32>,
    /// Deletions of pods sent.
    pub deletions: u32,
    /// Watch events delivered.
    pub delivered: u32,
    /// Pods made, by run, task and attempt, and how often.
    pub pods: BTreeMap<String, u32>,
    /// What must not be.
    pub failures: Vec<Failure>,
    /// How often each invariant was evaluated.
    pub evaluated: BTreeMap<&'static str, u64>,
    /// The rare things that came to pass.
    pub reached: BTreeMap<Rare, u64>,
    /// Faults that struck, by class.
    pub struck: BTreeMap<&'static str, u64>,
    /// One line an event, where recorded.
    pub story: Vec<String>,
}

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Which.
    pub invariant: &'static str,
    /// What happened.
    pub what: String,
}

thread_local! {
    /// What panicked in the world that this thread plays; `None` if it plays none.
    static PANICS: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Plays a schedule. `recording` keeps its story.
///
/// # Panics
/// The schedule names no scenario.
pub fn play(schedule: &Schedule, recording: bool) -> Outcome {
    catch_panics();
    let named = standard().into_iter().find(|scenario| scenario.name == schedule.scenario);
    let mut scenario = named.unwrap_or_else(|| panic!("no scenario {}", schedule.scenario));
    for fault in &schedule.faults {
        match fault {
            Fault::Pod { task, behaviour } => set_behaviour(&mut scenario, task, *behaviour),
            Fault::Clock { .. } => scenario.clock_is_off = true,
            _ => {}
        }
    }
    PANICS.set(Some(Vec::new()));
    let log = recording.then(story::listen);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let runtime = runtime.expect("a runtime without I/O");
    let mut outcome = runtime.block_on(live(schedule, scenario, recording));
    drop(runtime);
    drop(log);
    let panics = PANICS.take().unwrap_or_default();
    outcome.failures.extend(panics.into_iter().map(|what| Failure { invariant: "S14", what }));
    *outcome.evaluated.entry("S14").or_insert(0) += 1;
    outcome
}

/// Panics of a world are kept for its outcome. The operator survives most of its own: each is a failure all the same.
fn catch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let kept = PANICS.with_borrow_mut(|panics| panics.as_mut().map(|panics| panics.push(info.to_string())));
            if kept.is_none() {
                usual(info);
            }
        }));
    });
}

/// The first pod of a task behaves as the catalogue says, and those after it as the first would have.
fn set_behaviour(scenario: &mut Scenario, task: &str, index: usize) {
    let usual = scenario.behaviours.entry(task.to_owned()).or_insert_with(|| vec![Behaviour::succeeds(2_000, "")]);
    let message = usual.first().map(|behaviour| behaviour.message().to_owned()).unwrap_or_default();
    if let Some(behaviour) = catalogue(&message).into_iter().nth(index) {
        // What an attempt is to find hangs on its number, and not on how the one before it behaved.
        let expected: Vec<_> = usual.iter().map(|behaviour| behaviour.expects.clone()).collect();
        usual.insert(0, behaviour);
        for (behaviour, expects) in usual.iter_mut().zip(expected) {
            behaviour.expects = expects;
        }
    }
}

/// The whole life of a world.
async fn live(schedule: &Schedule, scenario: Scenario, recording: bool) -> Outcome {
    let (world, quiet_since) = settle(schedule, scenario, recording).await;
    let (quiet_since, failures) = match quiet_since {
        Ok(since) => (Some(since), Vec::new()),
        Err(restless) => (None, vec![restless]),
    };
    judge(&world, failures, quiet_since)
}

/// Lets a world go on until it is at rest; says since when it is.
pub async fn settle(
    schedule: &Schedule,
    scenario: Scenario,
    recording: bool,
) -> (Arc<World>, Result<Instant, Failure>) {
    let world = World::new(schedule, scenario, recording);
    let seed = schedule.seed;
    tokio::spawn(people(Arc::clone(&world)));
    let kubelet = Kubelet::new(seed, world.scenario.behaviours.clone());
    tokio::spawn(Arc::clone(&world).play(0, Box::new(kubelet)));
    let delays = Stream::new(seed, "controllers");
    let delay = |index| SignedDuration::from_millis(i64::try_from(1 + delays.below(index, 900)).unwrap_or(1));
    tokio::spawn(Arc::clone(&world).play(1, Box::new(GarbageCollector::new(delay(1)))));
    tokio::spawn(Arc::clone(&world).play(2, Box::new(NamespaceController::new(delay(2)))));
    tokio::spawn(Arc::clone(&world).play(3, Box::new(Loader)));
    let replicas = if schedule.replicas > 0 { schedule.replicas } else { world.scenario.replicas };
    for replica in 1..=replicas {
        tokio::spawn(replica::keep(Arc::clone(&world), replica));
    }
    let quiet_since = rest(&world).await;
    (world, quiet_since)
}

/// The manifests, then what people do at their times.
async fn people(world: Arc<World>) {
    world.hold();
    let pauses = Stream::new(world.schedule.seed, "people");
    let begun = Instant::now();
    for (index, manifest) in world.scenario.manifests.iter().enumerate() {
        sleep(Duration::from_millis(pauses.below(index as u64, 30))).await;
        world.act(|server, now| Wire { server, actor: "user", now }.create(manifest));
    }
    for (at, human) in &world.scenario.humans {
        sleep_until(begun + Duration::from_millis(*at)).await;
        world.human(human);
    }
    world.let_go();
}

/// Waits until nothing happens any more; returns since when.
async fn rest(world: &World) -> Result<Instant, Failure> {
    let long = Stream::new(world.schedule.seed, "rest").below(0, LONG_RESTS) == 0;
    let silences = |fault: &&Fault| match fault {
        Fault::Mute { .. } => true,
        Fault::Lost { at, .. } => at.class != Class::Write,
        _ => false,
    };
    let silences = u32::try_from(world.schedule.faults.iter().filter(silences).count()).unwrap_or(u32::MAX);
    loop {
        sleep(LOOK).await;
        let state = world.state();
        if world.elapsed() > END || state.trace.steps() > STEPS {
            let what = format!(
                "after {} s and {} steps there still is no rest",
                world.elapsed().as_secs(),
                state.trace.steps()
            );
            return Err(Failure { invariant: "L1", what });
        }
        let open = !unfinished(&state.server).is_empty() || is_holding(&state.server);
        // Longer than it takes to give up one silent connection after the other.
        let needed = if long || open { LONG_REST } else { REST + silences * SILENCE };
        if state.away == 0 && state.waits.is_empty() && state.quiet_since.elapsed() >= needed {
            return Ok(state.quiet_since);
        }
    }
}

/// Whether a pod carries our finalizer. It may be one that nobody has seen yet, since the watch that would tell of it has gone
/// silent.
fn is_holding(server: &Server) -> bool {
    let held =
        |pod: &Value| pod.pointer("/metadata/finalizers").and_then(Value::as_array).is_some_and(|all| !all.is_empty());
    server.list("pods").any(|pod| held(pod))
}

/// What has not come to its end.
fn unfinished(server: &Server) -> Vec<String> {
    let mut found = Vec::new();
    for run in server.list("workflowruns") {
        let (name, phase) = (text(run, "/metadata/name"), text(run, "/status/phase"));
        if run.pointer("/metadata/deletionTimestamp").is_some() {
            found.push(format!("run {name} is still being deleted"));
        } else if !is_finished(run) {
            found.push(format!("run {name} is {phase}: {}", text(run, "/status/message")));
        }
    }
    for pod in server.list("pods") {
        if pod.pointer("/metadata/deletionTimestamp").is_some() {
            found.push(format!("pod {} is still being deleted", text(pod, "/metadata/name")));
        }
    }
    for load in server.list("loads") {
        if load.pointer("/metadata/deletionTimestamp").is_some() {
            found.push(format!("load {} is still being deleted", text(load, "/metadata/name")));
        }
    }
    found
}

fn is_finished(run: &Value) -> bool {
    matches!(text(run, "/status/phase"), "Succeeded" | "Failed" | "Cancelled")
}

/// Whether a run is suspended with the one that it is a child of, which nobody has resumed.
fn waits_for_its_parent(run: &Value, server: &Server) -> bool {
    let parent = server
        .list("workflowruns")
        .find(|it| text(it, "/metadata/uid") == text(run, "/metadata/ownerReferences/0/uid"));
    text(run, "/status/phase") == "Suspended" && parent.is_some_and(|it| text(it, "/status/phase") == "Suspended")
}

/// Judges a world that came to rest, or didn't.
fn judge(world: &World, mut failures: Vec<Failure>, quiet_since: Option<Instant>) -> Outcome {
    let mut guard = world.state();
    let state = &mut *guard;
    let mut evaluated = BTreeMap::new();
    state.reached.ended(&state.server);
    let minds = std::mem::take(&mut state.minds);
    failures.extend(state.broken.drain(..).map(|(invariant, what)| Failure { invariant, what }));
    if quiet_since.is_some() {
        judge_ends(world, state, &mut failures, &mut evaluated);
        let leader = state.server.get("leases", LEASE.0, LEASE.1).map(|lease| text(lease, "/spec/holderIdentity"));
        // A pod whose labels came back was gone for the watch: it is looked at by its name from then on.
        let came_back = state.deeds.iter().any(|deed| matches!(deed, Human::RestoreLabels { .. }));
        let mind = leader.and_then(|leader| minds.get(leader));
        if let Some(mind) = mind.filter(|_| is_news_free(world) && !came_back) {
            *evaluated.entry("L3").or_insert(0) += 1;
            let what = misknown(mind, &state.server);
            failures.extend(what.map(|what| Failure { invariant: "L3", what }));
        }
    }
    let rules = Rules {
        operators: state.operators.clone(),
        leases: true,
        settled: quiet_since.is_some(),
        clock_is_off: world.scenario.clock_is_off,
        ..Rules::default()
    };
    let findings = check::check(&state.server.journal, &rules);
    for (invariant, count) in findings.evaluated {
        *evaluated.entry(invariant).or_insert(0) += count;
    }
    let found = findings.violations.into_iter();
    failures.extend(found.map(|found| Failure { invariant: found.invariant, what: found.what }));
    let trace = std::mem::replace(&mut state.trace, Trace::new(false));
    Outcome {
        hash: trace.hash(),
        took: world.elapsed(),
        sent: std::mem::take(&mut state.sent),
        deletions: state.deletions,
        delivered: state.delivered,
        pods: pods_made(state.server.journal.entries.iter()),
        failures,
        evaluated,
        reached: state.reached.counts().clone(),
        struck: std::mem::take(&mut state.struck),
        story: trace.into_lines(),
    }
}

/// What runs came to, by the reference; that what was deleted is gone; that nothing sleeps for ever.
fn judge_ends(world: &World, state: &State, failures: &mut Vec<Failure>, evaluated: &mut BTreeMap<&'static str, u64>) {
    let timely = world.schedule.faults.is_empty() && world.schedule.latency != Latency::Wide;
    let named = timely.then(|| ("L1", reference::compare(&state.server, &world.scenario)));
    let judged = reference::judge(&state.server, &world.scenario, &state.deeds);
    for (invariant, wrong) in judged.into_iter().chain(named) {
        *evaluated.entry(invariant).or_insert(0) += 1;
        failures.extend(wrong.into_iter().map(|what| Failure { invariant, what }));
    }
    // Whatever it asks for, a run has an end.
    let names = world.scenario.names("WorkflowRun");
    let of_strangers =
        state.server.list("workflowruns").filter(|run| !names.iter().any(|name| text(run, "/metadata/name") == name));
    let wedged = of_strangers
        .filter(|run| !is_finished(run) && !waits_for_its_parent(run, &state.server))
        .map(|run| format!("run {} goes on for ever", text(run, "/metadata/name")));
    failures.extend(wedged.map(|what| Failure { invariant: "S14", what }));
    // At rest, with something to do: nothing will ever wake it.
    let stuck =
        unfinished(&state.server).into_iter().filter(|_| failures.iter().any(|failure| failure.invariant == "L1"));
    let stuck: Vec<Failure> = stuck.map(|what| Failure { invariant: "L3", what }).collect();
    failures.extend(stuck);
    *evaluated.entry("L3").or_insert(0) += 1;
    // The rest that was waited for had no write at all.
    *evaluated.entry("S13").or_insert(0) += 1;
}

/// Whether everything that a watch has to tell was told.
fn is_news_free(world: &World) -> bool {
    let lags = |fault: &Fault| matches!(fault, Fault::Lag { from, by, .. } | Fault::Deaf { from, by, .. } if from + by >= world.millis().saturating_sub(1_000));
    !world.schedule.faults.iter().any(lags)
}

/// Where what the leader knows of isn't what there is: nobody would ever tell it so.
fn misknown(mind: &Context, server: &Server) -> Option<String> {
    let cache = mind.cache();
    [("pods", Kind::Pod), ("workflowruns", Kind::Run), ("workflows", Kind::Workflow)].into_iter().find_map(
        |(resource, kind)| {
            let watched = |object: &&Arc<Value>| resource != "pods" || !text(object, RUN_UID_LABEL).is_empty();
            let there: BTreeSet<String> =
                server.list(resource).filter(watched).map(|object| text(object, "/metadata/uid").to_owned()).collect();
            let known = cache.known(kind, None);
            let wrong: Vec<&String> = known.symmetric_difference(&there).collect();
            (!wrong.is_empty()).then(|| format!("of {resource} the leader knows {known:?}, and there are {there:?}"))
        },
    )
}

/// The label by which pods are watched.
const RUN_UID_LABEL: &str = "/metadata/labels/gantline.dev~1run-uid";

/// How long an operator waits for the answer to a write.
const PATIENCE: SignedDuration = SignedDuration::from_secs(5);

/// Pods and other objects that were made by operators, by run, task and attempt: where the run is a child, by those that lead to it, since its name
/// holds a hash of what is another in each world. One that its sender had given up may come too late; nobody can call it back.
fn pods_made<'a>(entries: impl Iterator<Item = &'a Entry>) -> BTreeMap<String, u32> {
    let (mut made, mut children) = (BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        let Entry::Write(write) = entry else { continue };
        let label = |name: &str| text(&write.object, &format!("/metadata/labels/gantline.dev~1{name}"));
        let run = children.get(label("run")).cloned().unwrap_or_else(|| label("run").to_owned());
        let key = format!("{run}/{}/{}/{}", label("task"), label("index"), label("attempt"));
        if write.verb == Verb::Create && write.resource == "workflowruns" && write.actor.starts_with("op-") {
            children.insert(write.name.clone(), key.clone());
        }
        if write.verb == Verb::Create
            && ["pods", "loads"].contains(&write.resource.as_str())
            && write.actor.starts_with("op-")
        {
            let count = made.entry(key).or_insert(0);
            if *count == 0 || write.at.duration_since(write.sent) <= PATIENCE {
                *count += 1;
            }
        }
    }
    made
}
