//! Plays many schedules, on all cores, and adds up what came of them.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::enumerate::{Baseline, Family, families};
use crate::fault::Fault;
use crate::outcome::{Failure, Outcome, play};
use crate::reached::Rare;
use crate::scenario;
use crate::schedule::Schedule;
use crate::stream::mix;
use crate::swarm;

/// Stack of a thread that plays: the operator's own threads have as much, since expressions recurse.
const STACK_BYTES: usize = 16 << 20;
/// Failing schedules that are kept of each invariant.
const KEPT: usize = 3;

/// How much is played.
#[derive(Clone, Debug)]
pub enum Size {
    /// So many schedules: the same ones on every machine.
    Schedules(u64),
    /// As many as there is time for.
    Time(Duration),
    /// All of the families that have these words in their names.
    Families(String),
}

/// What came of many schedules.
#[derive(Debug, Default)]
pub struct Tally {
    /// Schedules played.
    pub schedules: u64,
    /// Virtual time.
    pub took: Duration,
    /// Requests and watch events.
    pub messages: u64,
    /// How many schedules of each family were played, of how many.
    pub families: BTreeMap<&'static str, (u64, u64)>,
    /// Schedules by chance.
    pub swarm: u64,
    /// Faults that struck, by class.
    pub struck: BTreeMap<&'static str, u64>,
    /// Rare things that came to pass.
    pub reached: BTreeMap<Rare, u64>,
    /// How often each invariant was evaluated.
    pub evaluated: BTreeMap<&'static str, u64>,
    /// Schedules that failed.
    pub failed: u64,
    /// The first of them by the invariant that broke, in their order, and how.
    pub failures: BTreeMap<&'static str, BTreeMap<u64, (Schedule, Failure)>>,
}

impl Tally {
    fn add(&mut self, index: u64, schedule: &Schedule, family: Option<&'static str>, outcome: Outcome) {
        self.schedules += 1;
        self.took += outcome.took;
        self.messages +=
            outcome.sent.values().map(|count| u64::from(*count)).sum::<u64>() + u64::from(outcome.delivered);
        match family {
            Some(family) => self.families.entry(family).or_default().0 += 1,
            None => self.swarm += 1,
        }
        sum(&mut self.struck, outcome.struck);
        sum(&mut self.reached, outcome.reached);
        sum(&mut self.evaluated, outcome.evaluated);
        if let Some(failure) = outcome.failures.into_iter().next() {
            self.failed += 1;
            let kept = self.failures.entry(failure.invariant).or_default();
            kept.insert(index, (schedule.clone(), failure));
            if kept.len() > KEPT {
                kept.pop_last();
            }
        }
    }

    fn join(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.took += other.took;
        self.messages += other.messages;
        self.swarm += other.swarm;
        self.failed += other.failed;
        for (family, (played, _)) in other.families {
            self.families.entry(family).or_default().0 += played;
        }
        sum(&mut self.struck, other.struck);
        sum(&mut self.reached, other.reached);
        sum(&mut self.evaluated, other.evaluated);
        for (invariant, failures) in other.failures {
            let kept = self.failures.entry(invariant).or_default();
            kept.extend(failures);
            while kept.len() > KEPT {
                kept.pop_last();
            }
        }
    }
}

fn sum<K: Ord>(into: &mut BTreeMap<K, u64>, from: BTreeMap<K, u64>) {
    for (key, count) in from {
        *into.entry(key).or_insert(0) += count;
    }
}

/// All schedules in the order in which they are played: every second one of the enumerated, family by family in turn, else one
/// by chance.
pub struct Deck {
    baselines: BTreeMap<&'static str, Baseline>,
    enumerated: Vec<(&'static str, Schedule)>,
    sizes: BTreeMap<&'static str, u64>,
}

impl Deck {
    /// The deck that all tests play from.
    pub fn get() -> &'static Self {
        static DECK: OnceLock<Deck> = OnceLock::new();
        DECK.get_or_init(Self::new)
    }

    /// Plays every scenario without faults, and makes the schedules from what that tells.
    fn new() -> Self {
        let words = std::env::var("SIM_SCENARIOS").unwrap_or_default();
        let mut scenarios = scenario::standard();
        scenarios.retain(|scenario| words.split(',').any(|word| scenario.name.contains(word)));
        let next = AtomicUsize::new(0);
        let of_all = on_all_cores(|| {
            let mine = std::iter::from_fn(|| scenarios.get(next.fetch_add(1, Ordering::Relaxed)));
            mine.cloned().map(|scenario| (scenario.name, Baseline::of(scenario))).collect::<Vec<_>>()
        });
        let baselines: BTreeMap<&'static str, Baseline> = of_all.into_iter().flatten().collect();
        let families = families(&baselines);
        let sizes = families.iter().map(|family| (family.name, family.schedules.len() as u64)).collect();
        Self { enumerated: deal(families), baselines, sizes }
    }

    /// Every scenario without faults, by its name.
    pub const fn baselines(&self) -> &BTreeMap<&'static str, Baseline> {
        &self.baselines
    }

    /// The n-th schedule, and the family that it is of.
    pub fn at(&self, index: u64) -> (Option<&'static str>, Schedule) {
        let half = index / 2;
        let enumerated = usize::try_from(half).ok().and_then(|half| self.enumerated.get(half));
        match enumerated.filter(|_| index.is_multiple_of(2)) {
            Some((family, schedule)) => (Some(family), schedule.clone()),
            None => (None, self.by_chance(mix(index) % 1_000_000_000)),
        }
    }

    /// Places in the deck of the schedules of the families that have these words in their names.
    fn of_families(&self, words: &str) -> Vec<u64> {
        let places = (0..).zip(&self.enumerated);
        places.filter(|(_, (family, _))| family.contains(words)).map(|(place, _)| place * 2).collect()
    }

    /// How many schedules there are before only those by chance are left.
    #[cfg(feature = "mutants")]
    pub fn size(&self) -> u64 {
        self.enumerated.len() as u64 * 2
    }

    /// The schedule that a seed makes by chance.
    pub fn by_chance(&self, seed: u64) -> Schedule {
        swarm::schedule(seed, &self.baselines)
    }

    /// Plays a schedule, and compares it with its scenario without faults.
    pub fn play(&self, schedule: &Schedule, recording: bool) -> Outcome {
        let mut outcome = play(schedule, recording);
        if schedule.faults.iter().all(Fault::is_gentle)
            && let Some(baseline) = self.baselines.get(schedule.scenario.as_str())
            && baseline.is_timeless()
        {
            *outcome.evaluated.entry("L4").or_insert(0) += 1;
            let (usual, now) = (&baseline.outcomes[0].pods, &outcome.pods);
            if usual != now {
                let what = format!("other pods were made than without faults: {now:?} instead of {usual:?}");
                outcome.failures.push(Failure { invariant: "L4", what });
            }
        }
        outcome
    }
}

/// One schedule of each family in turn, each family in an order without an order: so any beginning holds some of everything.
fn deal(families: Vec<Family>) -> Vec<(&'static str, Schedule)> {
    let mut piles: Vec<(&'static str, std::vec::IntoIter<Schedule>)> = Vec::new();
    for family in families {
        let mut shuffled: Vec<(u64, Schedule)> =
            family.schedules.into_iter().enumerate().map(|(index, schedule)| (mix(index as u64), schedule)).collect();
        shuffled.sort_by_key(|(key, _)| *key);
        let schedules: Vec<Schedule> = shuffled.into_iter().map(|(_, schedule)| schedule).collect();
        piles.push((family.name, schedules.into_iter()));
    }
    let mut dealt = Vec::new();
    loop {
        let before = dealt.len();
        for (name, pile) in &mut piles {
            dealt.extend(pile.next().map(|schedule| (*name, schedule)));
        }
        if dealt.len() == before {
            return dealt;
        }
    }
}

/// Does the same work on every core, each on a stack as large as the operator's.
pub fn on_all_cores<R: Send>(work: impl Fn() -> R + Sync) -> Vec<R> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let start =
            |_| std::thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, &work).expect("a thread");
        let threads: Vec<_> = (0..cores).map(start).collect();
        threads.into_iter().map(|thread| thread.join().expect("no player panics")).collect()
    })
}

/// Plays the deck from its top, or some families of it.
pub fn run(deck: &Deck, size: &Size) -> Tally {
    let begun = Instant::now();
    let next = AtomicU64::new(0);
    let chosen = if let Size::Families(words) = size { deck.of_families(words) } else { Vec::new() };
    // The place in the deck of the n-th schedule to be played.
    let place = |number: u64| match size {
        Size::Schedules(count) => (number < *count).then_some(number),
        Size::Time(time) => (begun.elapsed() < *time).then_some(number),
        Size::Families(_) => usize::try_from(number).ok().and_then(|number| chosen.get(number)).copied(),
    };
    let tallies = on_all_cores(|| {
        let mut tally = Tally::default();
        loop {
            let Some(index) = place(next.fetch_add(1, Ordering::Relaxed)) else { return tally };
            let (family, schedule) = deck.at(index);
            let outcome = deck.play(&schedule, false);
            tally.add(index, &schedule, family, outcome);
        }
    });
    let mut tally = Tally::default();
    for part in tallies {
        tally.join(part);
    }
    for (family, size) in &deck.sizes {
        tally.families.entry(family).or_default().1 = *size;
    }
    tally
}
