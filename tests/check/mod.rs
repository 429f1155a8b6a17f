//! What must never happen, checked over a journal of applied writes: of a simulated world, or of a real API server's audit log.
//!
//! Written from the rules, not from the operator's code: nothing here calls the engine or looks at its tables. Each file is
//! one invariant or a few close ones; it follows the entries once, beside one replay of the world ([`world`]).
//!
//! | file | invariants |
//! |---|---|
//! | `children` | S1, S2, S6, S8, S16 of child runs |
//! | `packed` | S4, S5, S7 what a large run tells in few words agrees with what it told before |
//! | `objects` | S1, S2, S6, S8, S11, S16 of objects of any kind |
//! | `pods` | S1 one pod an attempt, ever; S2 one live pod a task |
//! | `gates` | S3 no pod before its gates are satisfied on record; S8 none after a cancel, an end or a suspension on record |
//! | `claims` | S3, S11, S16 of the volume claims of runs |
//! | `rules` | S3 what is skipped, or failed by what it needs, is so by its trigger rule or its condition; S4 which is evaluated once |
//! | `terminal` | S4 what has ended stays as it is |
//! | `attempts` | S5 attempts only grow, within their budgets; S10 at most 256 wait for their pods |
//! | `outcome` | S6 no attempt is lost, and each outcome is the truth |
//! | `history` | S7 each transition is legal and on record once |
//! | `log` | S7 and stays on record, in the log of its run or a segment of that |
//! | `stops` | S7 and a run is cancelled only when someone asks for that |
//! | `outputs` | S7 what a status says of outputs that are elsewhere is on record; S12 where there are many |
//! | `deadlines` | S7 and nothing times out before its time |
//! | `for_each` | S10 as many items as may have a pod; S3 a task ends as its items did |
//! | `lease` | S9 who writes leads |
//! | `limits` | S10 no more runs of a workflow at the same time than its concurrency lets |
//! | `leftover`, `stay` | S11 nothing is left behind, and nothing goes before its time |
//! | `size` | S12 bounds |
//! | `unchanged` | S13 no write without a change |
//! | `rights` | S15 nothing but our own is written; S16 everything by uid |
//!
//! S14 (no input wedges the operator) and the promises that something will happen are not in what was written; whoever makes the
//! journal checks them. S17 is `tests/rights`.
//!
//! People may do what the rules forbid the operator: edit a status, strip a finalizer, delete the lease. That is seen in the
//! journal by who wrote, and each exemption for it is as narrow as it can be and says why it is one.

pub mod audit;
pub mod journal;

mod attempts;
mod children;
mod claims;
mod deadlines;
mod for_each;
mod gates;
mod generation;
mod history;
mod lease;
mod leftover;
mod limits;
mod log;
mod objects;
mod outcome;
mod outputs;
pub mod packed;
mod pods;
mod read;
mod retry;
mod rights;
mod rules;
mod size;
mod stay;
mod stops;
mod terminal;
#[cfg(test)]
mod tests;
mod truth;
mod unchanged;
mod world;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use journal::{Entry, Journal, Write};
use world::{Step, World};

/// What is known of a journal beforehand.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// The actors that are operators.
    pub operators: Vec<String>,
    /// Whether operators share a lease, so that S9 applies.
    pub leases: bool,
    /// Whether everything had come to rest when the journal ended. Only then must what is due have been done.
    pub settled: bool,
    /// How much later than in truth a write's `at` may be: zero in a simulated world; in an audit log, what the API server
    /// takes to write its answer.
    pub slack: SignedDuration,
    /// Whether an operator's clock is off, so that what it does at a time may be early or late.
    pub clock_is_off: bool,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What must never happen and did, in the order of the journal.
    pub violations: Vec<Violation>,
    /// How often each invariant was evaluated. One that looked at nothing proves nothing.
    pub evaluated: BTreeMap<&'static str, u64>,
}

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which: `S1` and so on.
    pub invariant: &'static str,
    /// The entry that broke it; the number of entries for what was found at the end.
    pub entry: usize,
    /// What happened, in a sentence.
    pub what: String,
}

/// One rule, or a few close ones.
trait Invariant<'j> {
    /// Looks at a write. `world` is as it was before.
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings);

    /// Looks at what is left at the end.
    fn end(&mut self, _world: &World<'j>, _findings: &mut Findings) {}
}

impl Findings {
    /// What was found, for people: each violation with the entry that broke the invariant, and those before it.
    pub fn told(&self, journal: &Journal, before: usize) -> String {
        let mut told = String::new();
        for Violation { invariant, entry, what } in &self.violations {
            let _ = writeln!(told, "{invariant} is broken at entry {entry}: {what}");
            let from = entry.saturating_sub(before);
            let around = journal.entries.iter().enumerate().skip(from).take(entry + 1 - from);
            for (index, entry) in around {
                let _ = writeln!(told, "{index:6} {entry}");
            }
        }
        told
    }

    /// Counts an evaluation, and keeps what it found.
    fn check(&mut self, invariant: &'static str, entry: usize, holds: bool, what: impl FnOnce() -> String) {
        *self.evaluated.entry(invariant).or_default() += 1;
        if !holds {
            self.violations.push(Violation { invariant, entry, what: what() });
        }
    }
}

/// Follows the journal and says what in it must never happen.
pub fn check(journal: &Journal, rules: &Rules) -> Findings {
    let (journal, sealed) = outputs::unsealed(journal);
    let journal = journal.as_ref();
    let mut wholes = packed::read(journal, &rules.operators);
    for (index, faults) in sealed {
        wholes.get_mut(index).into_iter().flatten().for_each(|whole| whole.faults.extend(faults.clone()));
    }
    let mut invariants: Vec<Box<dyn Invariant<'_> + '_>> = vec![
        Box::new(packed::Agreement),
        Box::new(pods::Pods::default()),
        Box::new(children::Children::default()),
        Box::new(objects::Objects::default()),
        Box::new(gates::Gates),
        Box::new(claims::Claims::default()),
        Box::new(rules::NotRun),
        Box::new(for_each::Items),
        Box::new(terminal::Terminal),
        Box::new(attempts::Attempts),
        Box::new(outcome::Outcomes),
        Box::new(history::History),
        Box::new(deadlines::Deadlines),
        Box::new(leftover::Leftovers),
        Box::new(limits::Limits::default()),
        Box::new(stay::Stays),
        Box::new(stops::Stops),
        Box::new(size::Sizes),
        Box::new(unchanged::Unchanged),
        Box::new(rights::Rights),
    ];
    if rules.leases {
        invariants.push(Box::new(lease::Leadership::default()));
    }
    let mut world = World::new(rules);
    let mut findings = Findings::default();
    for ((index, entry), whole) in journal.entries.iter().enumerate().zip(&wholes) {
        match entry {
            Entry::Started { pod, .. } => world.started(pod),
            Entry::Ended { pod, exit_code, .. } => world.ended(pod, *exit_code),
            Entry::Write(write) => {
                let step = Step::new(index, write, &world, whole.as_ref());
                for invariant in &mut invariants {
                    invariant.step(&step, &world, &mut findings);
                }
                world.take(step);
            }
        }
    }
    for invariant in &mut invariants {
        invariant.end(&world, &mut findings);
    }
    findings
}

/// What operators wrote after `since`, but for the lease: nothing, where the cluster is quiet.
pub fn quiet<'j>(journal: &'j Journal, rules: &Rules, since: Timestamp) -> Vec<&'j Write> {
    let writes = journal.entries.iter().filter_map(|entry| match entry {
        Entry::Write(write) => Some(write),
        Entry::Started { .. } | Entry::Ended { .. } => None,
    });
    writes
        .filter(|write| write.at > since && write.resource != "leases" && rules.operators.contains(&write.actor))
        .collect()
}
