//! One schedule again, by its text; and that a schedule has one outcome.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::campaign::{Deck, on_all_cores};
use crate::schedule::Schedule;

/// Schedules that failed once, one a line.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// Schedules that are played twice.
const TWICE: u64 = 24;

/// Plays the schedule of `SIM_REPLAY`, or the one by chance of `SIM_SEED`, with its story; else all that failed once.
#[test]
fn replay() {
    let deck = Deck::get();
    let asked = match (std::env::var("SIM_REPLAY"), std::env::var("SIM_SEED")) {
        (Ok(text), _) => Some(Schedule::parse(&text).expect("SIM_REPLAY is a schedule")),
        (_, Ok(seed)) => Some(deck.by_chance(seed.parse().expect("SIM_SEED is a number"))),
        _ => None,
    };
    let recording = asked.is_some();
    let lines = REGRESSIONS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let schedules = match asked {
        Some(schedule) => vec![schedule],
        None => lines.map(|line| Schedule::parse(line).expect("a schedule")).collect(),
    };
    let next = AtomicUsize::new(0);
    on_all_cores(|| {
        while let Some(schedule) = schedules.get(next.fetch_add(1, Ordering::Relaxed)) {
            let outcome = deck.play(schedule, recording);
            for line in &outcome.story {
                println!("{line}");
            }
            assert_eq!(outcome.failures, [], "{schedule}");
        }
    });
}

#[test]
fn a_schedule_has_one_outcome() {
    let deck = Deck::get();
    let next = AtomicU64::new(0);
    on_all_cores(|| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= TWICE {
                return;
            }
            let (_, schedule) = deck.at(index);
            let (one, two) = (deck.play(&schedule, false), deck.play(&schedule, true));
            assert_eq!((one.hash, one.failures), (two.hash, two.failures), "{schedule}");
        }
    });
}
