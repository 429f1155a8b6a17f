//! One schedule again, by its text; and that a schedule has one outcome.

use crate::campaign::Deck;
use crate::schedule::Schedule;

/// Schedules that failed once, one a line.
const REGRESSIONS: &str = include_str!("regressions.txt");
/// Schedules that are played twice.
const TWICE: u64 = 24;

/// Plays the schedule of `SIM_REPLAY`, or the one by chance of `SIM_SEED`, with its story; else all that failed once.
#[test]
fn replay() {
    let deck = Deck::new();
    let asked = match (std::env::var("SIM_REPLAY"), std::env::var("SIM_SEED")) {
        (Ok(text), _) => Some(Schedule::parse(&text).expect("SIM_REPLAY is a schedule")),
        (_, Ok(seed)) => Some(deck.by_chance(seed.parse().expect("SIM_SEED is a number"))),
        _ => None,
    };
    let schedules = match &asked {
        Some(schedule) => vec![schedule.clone()],
        None => REGRESSIONS
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(|line| Schedule::parse(line).expect("a schedule"))
            .collect(),
    };
    for schedule in schedules {
        let outcome = deck.play(&schedule, asked.is_some());
        for line in &outcome.story {
            println!("{line}");
        }
        assert_eq!(outcome.failures, [], "{schedule}");
    }
}

#[test]
fn a_schedule_has_one_outcome() {
    let deck = Deck::new();
    for index in 0..TWICE {
        let (_, schedule) = deck.at(index);
        let (one, two) = (deck.play(&schedule, false), deck.play(&schedule, true));
        assert_eq!((one.hash, one.failures), (two.hash, two.failures), "{schedule}");
    }
}
