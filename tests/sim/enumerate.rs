//! Schedules that leave nothing out: one fault, or two, at every place where it can strike.

use std::collections::BTreeMap;

use crate::fault::{Class, Fault, Point, Stage};
use crate::human::Human;
use crate::outcome::{Outcome, play};
use crate::scenario::Scenario;
use crate::schedule::Schedule;
use crate::stranger;
use crate::stream::mix;

/// Writes of a scenario up to which pairs of crashes are enumerated.
const SMALL: u32 = 14;
/// Error codes that an API server, or what is before it, answers with.
const CODES: [u16; 7] = [403, 409, 422, 429, 500, 503, 504];
/// The resources that are watched whatever is played.
const WATCHED: [&str; 3] = ["pods", "workflowruns", "workflows"];

/// A scenario and what it is without faults.
#[derive(Debug)]
pub struct Baseline {
    /// The scenario.
    pub scenario: Scenario,
    /// What came of it with one replica, and with two.
    pub outcomes: [Outcome; 2],
}

impl Baseline {
    /// Plays a scenario without faults.
    pub fn of(scenario: Scenario) -> Self {
        let outcome = |replicas| play(&Schedule { replicas, ..Schedule::new(scenario.name, 1) }, false);
        Self { outcomes: [outcome(1), outcome(2)], scenario }
    }

    /// Requests of a class that it takes without faults.
    pub fn sent(&self, class: Class) -> u32 {
        self.outcomes[0].sent.get(&class).copied().unwrap_or(0)
    }

    /// Whether nothing in it happens at a given time, so that it comes out the same however long it takes. An object that is deleted
    /// before it is on record is made again.
    pub fn is_timeless(&self) -> bool {
        let scenario = &self.scenario;
        scenario.humans.is_empty()
            && scenario.refuse_creates.is_none()
            && !scenario.may_time_out()
            && !scenario.loses_objects()
            && !scenario.is_hasty()
    }

    /// The resources whose watches have something to tell.
    fn watched(&self) -> impl Iterator<Item = &'static str> + use<> {
        let has_objects = |run: &String| self.scenario.tasks_of(run).iter().any(|task| task.get("resource").is_some());
        let objects = self.scenario.names("WorkflowRun").iter().any(has_objects).then_some("loads");
        WATCHED.into_iter().chain(objects)
    }

    /// The requests of a class.
    fn points(&self, class: Class) -> impl Iterator<Item = Point> + use<> {
        (1..=self.sent(class)).map(move |number| Point { class, number })
    }
}

/// A family of schedules.
#[derive(Debug)]
pub struct Family {
    /// What it enumerates.
    pub name: &'static str,
    /// The schedules.
    pub schedules: Vec<Schedule>,
}

/// All families over all scenarios.
pub fn families(baselines: &BTreeMap<&'static str, Baseline>) -> Vec<Family> {
    let makers: [(&'static str, fn(&Baseline) -> Vec<Vec<Fault>>, u8); 19] = [
        ("crash at every write, at four stages", crashes, 1),
        ("crash of the leader at every write, with a standby", crashes, 2),
        ("two crashes, in small scenarios", pairs, 1),
        ("crash at every write, and watches that lag after it", blind, 1),
        ("another leads that doesn't know yet what people did", succeeded, 2),
        ("orderly stop at every write", stops, 1),
        ("every error, at every request", errors, 1),
        ("answer lost or connection broken, at every request", losses, 1),
        ("write late, at every write, with a standby", late, 2),
        ("leader frozen at every write, with a standby", freezes, 2),
        ("leader frozen at every write, alone", freezes, 1),
        ("network down at every write, alone", apart, 1),
        ("network down at every write, and another leads in between", deposed, 2),
        ("watch cut, silent, gone, or an event twice, at every event", watches, 1),
        ("watches of one kind that lag", lags, 1),
        ("a person's every action, at every write", humans, 1),
        ("an object that nobody expects, at every write", strangers, 1),
        ("a namesake in the place of a pod, just before its deletion", namesakes, 1),
        ("every behaviour of a pod, for every task", pods, 1),
    ];
    let mut families = Vec::new();
    for (name, make, replicas) in makers {
        let mut schedules = Vec::new();
        for baseline in baselines.values().filter(|baseline| !baseline.scenario.wide) {
            for faults in make(baseline) {
                let seed = mix(schedules.len() as u64) % 1_000_000;
                schedules.push(Schedule { replicas, faults, ..Schedule::new(baseline.scenario.name, seed) });
            }
        }
        families.push(Family { name, schedules });
    }
    families
}

/// How long a crashed operator is away: shorter than its lease, about as long, longer.
const fn downtime(at: Point) -> u64 {
    [200, 3_000, 12_000][(at.number % 3) as usize]
}

fn crashes(of: &Baseline) -> Vec<Vec<Fault>> {
    let crash = |at| Stage::ALL.map(|stage| vec![Fault::Crash { at, stage, downtime: downtime(at) }]);
    of.points(Class::Write).flat_map(crash).collect()
}

fn pairs(of: &Baseline) -> Vec<Vec<Fault>> {
    if of.sent(Class::Write) > SMALL {
        return Vec::new();
    }
    let stages = || Stage::ALL.into_iter();
    let mut all = Vec::new();
    for first in of.points(Class::Write) {
        for number in first.number + 1..=of.sent(Class::Write) + 3 {
            let second = Point { number, ..first };
            for (one, two) in stages().flat_map(|one| stages().map(move |two| (one, two))) {
                all.push(vec![
                    Fault::Crash { at: first, stage: one, downtime: downtime(first) },
                    Fault::Crash { at: second, stage: two, downtime: downtime(second) },
                ]);
            }
        }
    }
    all
}

fn blind(of: &Baseline) -> Vec<Vec<Fault>> {
    let with = |at: Point| {
        of.watched().flat_map(move |resource| {
            [4_000, 40_000].map(|by| {
                let crash = Fault::Crash { at, stage: Stage::Applied, downtime: downtime(at) };
                vec![crash, Fault::Blind { resource: resource.to_owned(), by }]
            })
        })
    };
    of.points(Class::Write).flat_map(with).collect()
}

/// A standby isn't told what someone has done to a run, nor anything after it, and leads from some write on.
fn succeeded(of: &Baseline) -> Vec<Vec<Fault>> {
    let resource = || "workflowruns".to_owned();
    let deaf = |(at, _): &(u64, Human)| Fault::Deaf { resource: resource(), from: at.saturating_sub(200), by: 60_000 };
    let with = |deaf: Fault| {
        of.points(Class::Write).map(move |at| {
            let crash = Fault::Crash { at, stage: Stage::Applied, downtime: 12_000 };
            vec![deaf.clone(), if at.number.is_multiple_of(2) { crash } else { Fault::Stop { at, downtime: 12_000 } }]
        })
    };
    of.scenario.humans.iter().map(deaf).flat_map(with).collect()
}

fn stops(of: &Baseline) -> Vec<Vec<Fault>> {
    of.points(Class::Write).map(|at| vec![Fault::Stop { at, downtime: downtime(at) }]).collect()
}

fn errors(of: &Baseline) -> Vec<Vec<Fault>> {
    let points = of.points(Class::Write).chain(of.points(Class::Read)).chain(of.points(Class::Watch));
    let first_leases = of.points(Class::Lease).take(8);
    let mut all = Vec::new();
    for at in points.chain(first_leases) {
        for code in CODES {
            all.push(vec![Fault::Answer { at, code, applied: false }]);
            if code >= 500 && at.class == Class::Write {
                all.push(vec![Fault::Answer { at, code, applied: true }]);
            }
        }
    }
    all
}

fn losses(of: &Baseline) -> Vec<Vec<Fault>> {
    let points = of.points(Class::Write).chain(of.points(Class::Read)).chain(of.points(Class::Watch));
    let mut all = Vec::new();
    for at in points.chain(of.points(Class::Lease).take(8)) {
        for applied in [false, true] {
            all.push(vec![Fault::Lost { at, applied }]);
            all.push(vec![Fault::Reset { at, applied }]);
        }
    }
    all
}

fn late(of: &Baseline) -> Vec<Vec<Fault>> {
    let with = |at: Point| [7_000, 25_000].map(|by| vec![Fault::Late { at, by }]);
    of.points(Class::Write).flat_map(with).collect()
}

fn freezes(of: &Baseline) -> Vec<Vec<Fault>> {
    let mut all = Vec::new();
    for at in of.points(Class::Write).chain(of.points(Class::Lease).take(12)) {
        for held in [true, false] {
            for length in [6_000, 13_000, 30_000] {
                all.push(vec![Fault::Freeze { at, held, length }]);
            }
        }
    }
    all
}

/// For longer than the lease lasts, so that one term ends and another begins in the same process.
fn apart(of: &Baseline) -> Vec<Vec<Fault>> {
    let with = |at: Point| [14_000, 30_000].map(|length| vec![Fault::Apart { at, length }]);
    of.points(Class::Write).flat_map(with).collect()
}

/// Whoever was cut off leads again once the one that took over gives the lease back.
fn deposed(of: &Baseline) -> Vec<Vec<Fault>> {
    let with = |first: Point| {
        [2, 5, 9].map(|later| {
            let second = Point { number: first.number + later, ..first };
            vec![Fault::Apart { at: first, length: 14_000 }, Fault::Stop { at: second, downtime: 12_000 }]
        })
    };
    of.points(Class::Write).flat_map(with).collect()
}

fn watches(of: &Baseline) -> Vec<Vec<Fault>> {
    let events = 1..=of.outcomes[0].delivered;
    events
        .flat_map(|event| [Fault::Cut { event }, Fault::Mute { event }, Fault::Gone { event }, Fault::Twice { event }])
        .map(|fault| vec![fault])
        .collect()
}

fn lags(of: &Baseline) -> Vec<Vec<Fault>> {
    let took = u64::try_from(of.outcomes[0].took.as_millis()).unwrap_or(0).min(60_000);
    let mut all = Vec::new();
    for resource in of.watched() {
        for from in (0..took).step_by(1_500) {
            for by in [2_000, 20_000, 60_000] {
                all.push(vec![Fault::Lag { resource: resource.to_owned(), from, by }]);
            }
        }
    }
    all
}

fn humans(of: &Baseline) -> Vec<Vec<Fault>> {
    let mut all = Vec::new();
    for at in of.points(Class::Write) {
        for action in Human::all(&of.scenario) {
            for after in [false, true] {
                let mut faults = vec![Fault::Human { at, after, action: action.clone() }];
                // What is suspended for ever has no end.
                if let Human::Suspend { run } = &action {
                    let resume = Human::Resume { run: run.clone() };
                    faults.push(Fault::Human { at: Point { number: at.number + 1, ..at }, after, action: resume });
                }
                all.push(faults);
            }
        }
    }
    all
}

fn strangers(of: &Baseline) -> Vec<Vec<Fault>> {
    let with = |at: Point| (0..stranger::KINDS).map(move |kind| vec![Fault::Stranger { at, kind }]);
    of.points(Class::Write).flat_map(with).collect()
}

fn namesakes(of: &Baseline) -> Vec<Vec<Fault>> {
    (1..=of.outcomes[0].deletions).map(|deletion| vec![Fault::Namesake { deletion }]).collect()
}

fn pods(of: &Baseline) -> Vec<Vec<Fault>> {
    let mut all = Vec::new();
    for task in of.scenario.tasks() {
        for behaviour in 0..crate::kubelet::catalogue("").len() {
            all.push(vec![Fault::Pod { task: task.clone(), behaviour }]);
        }
    }
    all
}
