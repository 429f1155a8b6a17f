//! Faults made by hand in the operator: the simulator catches every one.

use gantline::mutant::{self, Mutant};

use crate::campaign::Deck;
use crate::stream::mix;

/// Beginnings in the deck from which each fault is looked for.
const TRIALS: u64 = 5;
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

#[test]
fn every_mutant_is_caught() {
    let deck = Deck::new();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let caught = std::sync::Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let hunt = || {
                while let Some(mutant) = Mutant::ALL.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    let found = hunt(&deck, *mutant);
                    caught.lock().expect("no hunter panics").push(found);
                }
            };
            std::thread::Builder::new().stack_size(16 << 20).spawn_scoped(scope, hunt).expect("a thread");
        }
    });
    let mut caught = caught.into_inner().expect("no hunter panicked");
    caught.sort_by_key(|caught| caught.mutant);
    let mut missed = Vec::new();
    println!("mutants, schedules until each was caught (median, most), and by which invariants");
    for Caught { mutant, took, by } in &caught {
        let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
        println!("  {median:>5} {most:>5}  {mutant:?} {}", by.join(" "));
        if most >= WITHIN {
            missed.push(mutant);
        }
    }
    assert!(missed.is_empty(), "not caught within {WITHIN} schedules from every beginning: {missed:?}");
}

fn hunt(deck: &Deck, fault: Mutant) -> Caught {
    let (mut took, mut by) = (Vec::new(), Vec::new());
    mutant::choose(Some(fault));
    for trial in 0..TRIALS {
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
    Caught { mutant: fault, took, by }
}
