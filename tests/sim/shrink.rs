//! Makes a failing schedule as small as it can be while the same invariant still fails.

use crate::fault::Fault;
use crate::schedule::{Latency, Schedule};

/// Plays that shrinking may take.
const PLAYS: u32 = 300;

/// The smallest schedule found that still fails as `fails` says.
pub fn shrink(schedule: &Schedule, fails: impl Fn(&Schedule) -> bool) -> Schedule {
    let mut smallest = schedule.clone();
    let mut plays = 0;
    loop {
        let smaller = candidates(&smallest).into_iter().find(|candidate| {
            plays += 1;
            plays <= PLAYS && fails(candidate)
        });
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}

/// Schedules that are a step smaller, the biggest steps first.
fn candidates(of: &Schedule) -> Vec<Schedule> {
    let mut found = Vec::new();
    let count = of.faults.len();
    let mut size = count.div_ceil(2);
    while size > 0 {
        for begin in (0..count).step_by(size) {
            let mut faults = of.faults.clone();
            faults.drain(begin..(begin + size).min(count));
            found.push(Schedule { faults, ..of.clone() });
        }
        if size == 1 {
            break;
        }
        size = size.div_ceil(2);
    }
    if of.replicas > 1 {
        found.push(Schedule { replicas: of.replicas - 1, ..of.clone() });
    }
    match of.latency {
        Latency::Wide => found.push(Schedule { latency: Latency::Short, ..of.clone() }),
        Latency::Short => found.push(Schedule { latency: Latency::Least, ..of.clone() }),
        Latency::Least => {}
    }
    for (index, fault) in of.faults.iter().enumerate() {
        if let Some(simpler) = simpler(fault) {
            let mut smaller = of.clone();
            smaller.faults[index] = simpler;
            found.push(smaller);
        }
    }
    found
}

/// The same fault with rounder numbers, if they aren't round yet.
fn simpler(fault: &Fault) -> Option<Fault> {
    let round = |millis: &mut u64| {
        let before = *millis;
        *millis = if before > 1_000 { before.div_ceil(1_000) * 1_000 } else { before.div_ceil(100) * 100 };
        *millis != before
    };
    let mut simpler = fault.clone();
    let changed = match &mut simpler {
        Fault::Crash { downtime: time, .. }
        | Fault::Stop { downtime: time, .. }
        | Fault::Late { by: time, .. }
        | Fault::Freeze { length: time, .. }
        | Fault::Apart { length: time, .. }
        | Fault::Lag { by: time, .. }
        | Fault::Deaf { by: time, .. }
        | Fault::Blind { by: time, .. } => round(time),
        _ => false,
    };
    changed.then_some(simpler)
}

#[test]
fn what_does_not_matter_is_left_out() {
    let text = "scenario=x seed=7 replicas=3 latency=wide cut@e1 gone@e2 lost@w3:after lag@pods:0ms:1234ms twice@e9";
    let schedule = Schedule::parse(text).expect("a schedule");
    let matters = |schedule: &Schedule| {
        let has = |name: &str| schedule.faults.iter().any(|fault| fault.to_string().starts_with(name));
        has("lost@w3") && has("lag@pods") && schedule.replicas >= 2
    };
    let smallest = shrink(&schedule, matters);
    assert_eq!(smallest.to_string(), "scenario=x seed=7 replicas=2 latency=least lost@w3:after lag@pods:0ms:2000ms");
}
