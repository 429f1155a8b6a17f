//! The evidence, on one page: what was played, what it met, what was checked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use crate::campaign::{Deck, Size, Tally, run};
use crate::conform::{self, Conformance};
use crate::fault::Class;
use crate::reached::Rare;
use crate::schedule::Schedule;
use crate::shrink::shrink;

/// Schedules of a plain `cargo test`: about twenty seconds on two cores.
const SLICE: u64 = 200;

#[test]
fn report() {
    let (minutes, schedules) = (number("SIM_MINUTES"), number("SIM_SCHEDULES"));
    let size = match (std::env::var("SIM_FAMILIES"), minutes) {
        (Ok(words), _) => Size::Families(words),
        (_, Some(minutes)) => Size::Time(Duration::from_secs(minutes * 60)),
        _ => Size::Schedules(schedules.unwrap_or(SLICE)),
    };
    let begun = Instant::now();
    let deck = Deck::get();
    let tally = run(deck, &size);
    let mut page = page(deck, &tally, begun.elapsed());
    #[cfg(feature = "mutants")]
    let hunt = minutes.map(|_| crate::mutants::hunt_all(deck));
    #[cfg(feature = "mutants")]
    if let Some(hunt) = &hunt {
        let _ = write!(page, "\n{}", hunt.page);
    }
    // A plain `cargo test` has a test of its own for that.
    let conformance = minutes.or(schedules).and_then(|_| conformance());
    if let Some(conformance) = &conformance {
        let _ = writeln!(page, "\n{conformance}");
    }
    for (schedule, failure) in tally.failures.values().flat_map(BTreeMap::values) {
        let _ = writeln!(page, "FAILED {} {schedule}\n  {}", failure.invariant, failure.what);
    }
    println!("{page}");
    for (schedule, failure) in tally.failures.values().filter_map(|failures| failures.values().next()) {
        println!("{}", told(deck, schedule, failure.invariant));
    }
    assert_eq!(tally.failed, 0, "schedules failed; the page above has the first of them");
    if let Some(conformance) = conformance {
        assert_eq!(conformance.mismatches, Vec::<String>::new(), "the model is not what the API server is");
    }
    #[cfg(feature = "mutants")]
    if let Some(hunt) = hunt {
        assert_eq!(hunt.unsound, Vec::<String>::new(), "schedules fail without any fault made by hand");
        assert_eq!(hunt.missed, [], "faults made by hand were not caught");
    }
    if minutes.is_some() {
        let never: Vec<&str> =
            Rare::ALL.iter().filter(|rare| !tally.reached.contains_key(rare)).map(|rare| rare.words()).collect();
        assert_eq!(never, Vec::<&str>::new(), "these never came to pass, so nothing is known of them");
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is to be a number, not {text}")))
}

/// The model compared with a real API server, where there is one.
fn conformance() -> Option<Conformance> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(conform::conformance())
}

/// A failing schedule as small as it can be, with its story.
pub fn told(deck: &Deck, schedule: &Schedule, invariant: &'static str) -> String {
    let fails = |schedule: &Schedule| deck.play(schedule, false).failures.iter().any(|it| it.invariant == invariant);
    let smallest = shrink(schedule, fails);
    let outcome = deck.play(&smallest, true);
    let mut text = format!(
        "FAILED {invariant}\n  found   {schedule}\n  replay  SIM_REPLAY='{smallest}' cargo test --test sim replay\n"
    );
    for failure in &outcome.failures {
        let _ = writeln!(text, "  {} {}", failure.invariant, failure.what);
    }
    for line in &outcome.story {
        let _ = writeln!(text, "  {line}");
    }
    text
}

fn page(deck: &Deck, tally: &Tally, real: Duration) -> String {
    let mut page = String::new();
    let hours = tally.took.as_secs() / 3_600;
    let _ = writeln!(
        page,
        "{} schedules, {hours} virtual hours, {} messages, {} s of real time; {} failed",
        tally.schedules,
        tally.messages,
        real.as_secs(),
        tally.failed
    );
    let _ = writeln!(
        page,
        "\nscenarios without faults: writes, reads, watch events, virtual seconds until all was at rest"
    );
    for baseline in deck.baselines().values() {
        let outcome = &baseline.outcomes[0];
        let (writes, reads) = (baseline.sent(Class::Write), baseline.sent(Class::Read));
        let (events, seconds, name) = (outcome.delivered, outcome.took.as_secs(), baseline.scenario.name);
        let _ = writeln!(page, "  {writes:>5} {reads:>5} {events:>5} {seconds:>6}  {name}");
    }
    let _ = writeln!(page, "\nschedules");
    for (family, (played, of)) in &tally.families {
        let _ = writeln!(page, "  {played:>8} of {of:<7} {family}");
    }
    let _ = writeln!(page, "  {:>8}            by chance", tally.swarm);
    let _ = writeln!(page, "\nfaults that struck");
    for (class, count) in &tally.struck {
        let _ = writeln!(page, "  {count:>8}  {class}");
    }
    let _ = writeln!(page, "\nrare things that came to pass");
    for rare in Rare::ALL {
        let _ = writeln!(page, "  {:>8}  {}", tally.reached.get(rare).copied().unwrap_or(0), rare.words());
    }
    let _ = writeln!(page, "\ninvariants, and how often each was evaluated");
    for (invariant, count) in &tally.evaluated {
        let _ = writeln!(page, "  {count:>12}  {invariant}");
    }
    page
}
