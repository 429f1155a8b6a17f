//! Faults made by hand in the operator: the simulator catches every one.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use gantline::mutant::{self, Mutant};

use crate::campaign::{Deck, on_all_cores};
use crate::stream::mix;

/// Beginnings in the deck from which each fault is looked for, where `SIM_TRIALS` doesn't say how many.
const TRIALS: u64 = 1;
/// Schedules within which it must be caught.
const WITHIN: u64 = 2_000;

/// How a fault was caught.
struct Caught {
    mutant: Mutant,
    /// Schedules that it took, from each beginning, in order of size.
    took: Vec<u64>,
    /// The invariants that broke.
    by: Vec<&'static str>,
    /// Schedules met on the way that fail without any fault.
    unsound: Vec<String>,
}

/// What came of the hunt.
pub struct Hunt {
    /// Part of the report.
    pub page: String,
    /// Faults that were missed.
    pub missed: Vec<Mutant>,
    /// Schedules that fail without any fault.
    pub unsound: Vec<String>,
}

/// Looks for every fault, or for those that have one of the words of `SIM_MUTANTS` in their names.
pub fn hunt_all(deck: &Deck) -> Hunt {
    let words = std::env::var("SIM_MUTANTS").unwrap_or_default();
    let is_asked =
        |mutant: &Mutant| words.is_empty() || words.split(',').any(|word| format!("{mutant:?}").contains(word));
    let asked: Vec<Mutant> = Mutant::ALL.into_iter().filter(is_asked).collect();
    let trials = std::env::var("SIM_TRIALS").map_or(TRIALS, |text| text.parse().expect("SIM_TRIALS is a number"));
    let next = AtomicUsize::new(0);
    let found = on_all_cores(|| {
        let mine = std::iter::from_fn(|| asked.get(next.fetch_add(1, Ordering::Relaxed)));
        mine.map(|mutant| hunt(deck, *mutant, trials)).collect::<Vec<_>>()
    });
    let mut caught: Vec<Caught> = found.into_iter().flatten().collect();
    caught.sort_by_key(|caught| caught.mutant);
    let missed: Vec<Mutant> = caught.iter().filter(|it| it.most() >= WITHIN).map(|it| it.mutant).collect();
    let mut medians: Vec<u64> = caught.iter().map(Caught::median).collect();
    medians.sort_unstable();
    let mut page = format!(
        "mutants: {} of {} caught within {WITHIN} schedules from each of {trials} beginnings; the median takes {} schedules\n\
         median, most, and by which invariants\n",
        caught.len() - missed.len(),
        caught.len(),
        medians[medians.len() / 2],
    );
    for it in &caught {
        let _ = writeln!(page, "  {:>5} {:>5}  {:?} {}", it.median(), it.most(), it.mutant, it.by.join(" "));
    }
    let mut unsound: Vec<String> = caught.into_iter().flat_map(|it| it.unsound).collect();
    unsound.sort();
    unsound.dedup();
    Hunt { page, missed, unsound }
}

impl Caught {
    fn median(&self) -> u64 {
        self.took[self.took.len() / 2]
    }

    fn most(&self) -> u64 {
        self.took[self.took.len() - 1]
    }
}

fn hunt(deck: &Deck, fault: Mutant, trials: u64) -> Caught {
    let mut caught = Caught { mutant: fault, took: Vec::new(), by: Vec::new(), unsound: Vec::new() };
    for trial in 0..trials {
        let begin = mix(trial) % deck.size();
        let mut number = 0;
        while number < WITHIN {
            number += 1;
            let schedule = deck.at(begin + number).1;
            mutant::choose(Some(fault));
            let failures = deck.play(&schedule, false).failures;
            mutant::choose(None);
            let Some(failure) = failures.first() else { continue };
            // What fails without the fault too has caught something else.
            if let Some(own) = deck.play(&schedule, false).failures.first() {
                caught.unsound.push(format!("{} {schedule}\n  {}", own.invariant, own.what));
                continue;
            }
            println!("{fault:?}: {} in schedule {number}, {schedule}", failure.invariant);
            caught.by.push(failure.invariant);
            break;
        }
        caught.took.push(number);
    }
    caught.took.sort_unstable();
    caught.by.sort_unstable();
    caught.by.dedup();
    println!("hunted {fault:?}: schedules {:?}, {:?} {:?}", caught.took, caught.by, caught.unsound);
    caught
}
