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
}

/// Looks for every fault. Returns a page, and the faults that were missed.
pub fn hunt_all(deck: &Deck) -> (String, Vec<Mutant>) {
    let trials = std::env::var("SIM_TRIALS").map_or(TRIALS, |text| text.parse().expect("SIM_TRIALS is a number"));
    let next = AtomicUsize::new(0);
    let found = on_all_cores(|| {
        let mine = std::iter::from_fn(|| Mutant::ALL.get(next.fetch_add(1, Ordering::Relaxed)));
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
    (page, missed)
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
    let (mut took, mut by) = (Vec::new(), Vec::new());
    mutant::choose(Some(fault));
    for trial in 0..trials {
        let begin = mix(trial) % deck.size();
        let mut number = 0;
        while number < WITHIN {
            number += 1;
            let failures = deck.play(&deck.at(begin + number).1, false).failures;
            if let Some(failure) = failures.first() {
                by.push(failure.invariant);
                break;
            }
        }
        took.push(number);
    }
    mutant::choose(None);
    took.sort_unstable();
    by.sort_unstable();
    by.dedup();
    println!("hunted {fault:?}: schedules {took:?}, {by:?}");
    Caught { mutant: fault, took, by }
}
