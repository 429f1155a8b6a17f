//! Schedules by chance. Each seed switches some classes of faults on and the others off, so that rare combinations get depth:
//! with all classes on, each would drown the others (Groce et al.: Swarm Testing, ISSTA 2012).

use std::collections::BTreeMap;

use crate::enumerate::Baseline;
use crate::fault::{Class, Fault, Point, Stage};
use crate::human::Human;
use crate::kubelet::catalogue;
use crate::rng::Rng;
use crate::schedule::{Latency, Schedule};
use crate::stranger;

/// How often, in a hundred, a class of faults is switched on.
const ON: u64 = 28;

/// The schedule of a seed.
pub fn schedule(seed: u64, baselines: &BTreeMap<&'static str, Baseline>) -> Schedule {
    let mut rng = Rng::stream(seed, &["swarm"]);
    let all: Vec<&Baseline> = baselines.values().collect();
    // One in a hundred is a large one.
    let wide = rng.chance(1);
    let fitting: Vec<&&Baseline> = all.iter().filter(|baseline| baseline.scenario.wide == wide).collect();
    let baseline = if fitting.is_empty() { rng.pick(&all) } else { rng.pick(&fitting) };
    let mut schedule = Schedule::new(baseline.scenario.name, seed);
    schedule.replicas = *rng.pick(&[1, 1, 2, 2, 3]);
    schedule.latency = *rng.pick(&[Latency::Least, Latency::Short, Latency::Short, Latency::Wide, Latency::Wide]);
    let makers: [fn(&Baseline, &mut Rng) -> Fault; 16] = [
        crash, stop, answer, lost, reset, late, freeze, lag, blind, watch, clock, human, strange, namesake, pod, apart,
    ];
    for make in makers {
        if rng.chance(ON) {
            for _ in 0..rng.within(1..=3) {
                let fault = make(baseline, &mut rng);
                schedule.faults.push(fault);
            }
        }
    }
    resume_what_is_suspended(&mut schedule);
    schedule
}

/// What is suspended for ever has no end.
fn resume_what_is_suspended(schedule: &mut Schedule) {
    let mut resumes = Vec::new();
    for fault in &schedule.faults {
        if let Fault::Human { at, after, action: Human::Suspend { run } } = fault {
            let at = Point { number: at.number + 1, ..*at };
            resumes.push(Fault::Human { at, after: *after, action: Human::Resume { run: run.clone() } });
        }
    }
    schedule.faults.extend(resumes);
}

/// A request of a class: one that happens without faults, or one of those that faults bring about.
fn point(of: &Baseline, class: Class, rng: &mut Rng) -> Point {
    let most = u64::from(of.sent(class)) * 3 / 2 + 2;
    Point { class, number: u32::try_from(rng.within(1..=most.min(10_000))).unwrap_or(1) }
}

fn write(of: &Baseline, rng: &mut Rng) -> Point {
    point(of, Class::Write, rng)
}

/// Most often a write.
fn any(of: &Baseline, rng: &mut Rng) -> Point {
    let class = *rng.pick(&[Class::Write, Class::Write, Class::Write, Class::Read, Class::Watch, Class::Lease]);
    let point = point(of, class, rng);
    // Most leases are renewed when all is over.
    if class == Class::Lease { Point { number: 1 + point.number % 20, ..point } } else { point }
}

fn length(rng: &mut Rng) -> u64 {
    match rng.below(3) {
        0 => rng.within(1..=500),
        1 => rng.within(500..=9_000),
        _ => rng.within(9_000..=40_000),
    }
}

fn crash(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Crash { at: any(of, rng), stage: *rng.pick(&Stage::ALL), downtime: length(rng) }
}

fn stop(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Stop { at: any(of, rng), downtime: length(rng) }
}

fn answer(of: &Baseline, rng: &mut Rng) -> Fault {
    let code = *rng.pick(&[409, 429, 500, 500, 503, 504, 504]);
    Fault::Answer { at: any(of, rng), code, applied: code >= 500 && rng.chance(50) }
}

fn lost(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Lost { at: any(of, rng), applied: rng.chance(50) }
}

fn reset(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Reset { at: any(of, rng), applied: rng.chance(50) }
}

fn late(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Late { at: write(of, rng), by: length(rng) }
}

fn freeze(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Freeze { at: any(of, rng), held: rng.chance(50), length: length(rng) }
}

fn apart(of: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Apart { at: any(of, rng), length: length(rng) }
}

fn resource(rng: &mut Rng) -> String {
    (*rng.pick(&["pods", "pods", "workflowruns", "workflowruns", "workflows"])).to_owned()
}

fn lag(_: &Baseline, rng: &mut Rng) -> Fault {
    let (resource, from, by) = (resource(rng), rng.below(30_000), length(rng));
    if rng.chance(30) { Fault::Deaf { resource, from, by } } else { Fault::Lag { resource, from, by } }
}

fn blind(_: &Baseline, rng: &mut Rng) -> Fault {
    Fault::Blind { resource: resource(rng), by: length(rng) }
}

fn watch(of: &Baseline, rng: &mut Rng) -> Fault {
    let most = u64::from(of.outcomes[0].delivered) * 3 / 2 + 2;
    let event = u32::try_from(rng.within(1..=most)).unwrap_or(1);
    match rng.below(4) {
        0 => Fault::Cut { event },
        1 => Fault::Mute { event },
        2 => Fault::Gone { event },
        _ => Fault::Twice { event },
    }
}

fn clock(_: &Baseline, rng: &mut Rng) -> Fault {
    let offset = i64::try_from(rng.below(7_200_000)).unwrap_or(0) - 3_600_000;
    let replica = u8::try_from(rng.within(1..=3)).unwrap_or(1);
    Fault::Clock { replica, from: rng.pick(&[0, 0, 2_000, 7_000, 20_000]).to_owned(), offset }
}

fn human(of: &Baseline, rng: &mut Rng) -> Fault {
    let actions = Human::all(&of.scenario);
    Fault::Human { at: write(of, rng), after: rng.chance(50), action: rng.pick(&actions).clone() }
}

fn strange(of: &Baseline, rng: &mut Rng) -> Fault {
    let kind = u8::try_from(rng.below(u64::from(stranger::KINDS))).unwrap_or(0);
    Fault::Stranger { at: write(of, rng), kind }
}

fn namesake(of: &Baseline, rng: &mut Rng) -> Fault {
    let most = u64::from(of.outcomes[0].deletions) + 2;
    Fault::Namesake { deletion: u32::try_from(rng.within(1..=most)).unwrap_or(1) }
}

fn pod(of: &Baseline, rng: &mut Rng) -> Fault {
    let tasks = of.scenario.tasks();
    // A run of a workflow that isn't there has no pods that could behave.
    if tasks.is_empty() {
        return watch(of, rng);
    }
    let behaviour = usize::try_from(rng.below(catalogue("").len() as u64)).unwrap_or(0);
    Fault::Pod { task: rng.pick(&tasks).clone(), behaviour }
}
