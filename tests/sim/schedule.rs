//! A schedule: what happens in one world, and nothing else does.

use std::fmt;

use crate::fault::Fault;

/// A scenario, a seed, and the faults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Name of the scenario.
    pub scenario: String,
    /// What everything that is left to chance comes from.
    pub seed: u64,
    /// Replicas of the operator; those of the scenario where 0.
    pub replicas: u8,
    /// How long messages take.
    pub latency: Latency,
    /// The faults.
    pub faults: Vec<Fault>,
}

/// How long messages take, one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Latency {
    /// A millisecond.
    Least,
    /// Up to 15 ms, and up to 30 ms until a watch shows it.
    Short,
    /// The same, but now and then up to 4 s, and up to 20 s until a watch shows it.
    Wide,
}

impl Latency {
    const NAMES: [(Self, &str); 3] = [(Self::Least, "least"), (Self::Short, "short"), (Self::Wide, "wide")];
}

impl Schedule {
    /// A schedule without faults.
    pub fn new(scenario: &str, seed: u64) -> Self {
        Self { scenario: scenario.to_owned(), seed, replicas: 0, latency: Latency::Short, faults: Vec::new() }
    }

    /// Reads the textual form.
    ///
    /// # Errors
    /// The word that says nothing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut schedule = Self::new("", 0);
        for word in text.split_whitespace() {
            let understood = match word.split_once('=') {
                Some(("scenario", name)) => {
                    name.clone_into(&mut schedule.scenario);
                    Some(())
                }
                Some(("seed", seed)) => seed.parse().ok().map(|seed| schedule.seed = seed),
                Some(("replicas", replicas)) => replicas.parse().ok().map(|replicas| schedule.replicas = replicas),
                Some(("latency", name)) => {
                    let found = Latency::NAMES.into_iter().find(|(_, of)| *of == name);
                    found.map(|(latency, _)| schedule.latency = latency)
                }
                Some(_) => None,
                None => Fault::parse(word).map(|fault| schedule.faults.push(fault)),
            };
            understood.ok_or_else(|| format!("`{word}` is no part of a schedule"))?;
        }
        Ok(schedule)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "scenario={} seed={}", self.scenario, self.seed)?;
        if self.replicas > 0 {
            write!(f, " replicas={}", self.replicas)?;
        }
        let latency = Latency::NAMES.into_iter().find(|(latency, _)| *latency == self.latency);
        write!(f, " latency={}", latency.map_or("", |(_, name)| name))?;
        self.faults.iter().try_for_each(|fault| write!(f, " {fault}"))
    }
}

#[test]
fn a_schedule_is_read_as_it_is_written() {
    let text = "scenario=diamond seed=7 replicas=2 latency=wide crash@w5:applied:2000ms freeze@l3:held:20000ms";
    let schedule = Schedule::parse(text).expect("a schedule");
    assert_eq!(schedule.to_string(), text);
    assert_eq!(schedule.faults.len(), 2);
    assert_eq!(Schedule::parse("scenario=x seven"), Err("`seven` is no part of a schedule".to_owned()));
}
