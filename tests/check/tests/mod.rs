//! For each invariant, journals that break it, and ones close to them that are legal.

mod audit;
mod bounds;
mod claims;
mod control;
mod history;
mod outcome;
mod outputs;
mod packed;
mod place;
mod pods;
mod record;
mod rules;
mod story;
mod time;

use story::Story;

/// A table: what happened after a common beginning, and which invariants that breaks.
type Cases = &'static [(&'static str, fn(&mut Story) -> &mut Story, &'static [&'static str])];

/// Tells each case after the beginning, and compares.
fn tell(begin: fn() -> Story, cases: Cases) {
    let mut wrong = Vec::new();
    for (name, case, broken) in cases {
        let mut story = begin();
        case(&mut story);
        if story.broken() != *broken {
            wrong.push(format!(
                "{name}: breaks {:?}, not {broken:?}: {:#?}",
                story.broken(),
                story.findings().violations
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_run_that_goes_well_breaks_nothing_and_is_looked_at_by_every_invariant() {
    let findings = Story::told().findings();
    assert_eq!(findings.violations, []);
    let evaluated: Vec<&str> = findings.evaluated.into_keys().collect();
    let all = ["S1", "S10", "S11", "S12", "S13", "S15", "S16", "S2", "S3", "S4", "S5", "S6", "S7", "S8", "S9"];
    // S16 is of deletions and uids, S2 of a second pod; both are there.
    assert_eq!(evaluated, all);
}

#[test]
fn a_violation_is_told_with_what_led_to_it() {
    let mut story = Story::pinned();
    story.makes("r-b-1").starts("r-b-1").ends("r-b-1", 0);
    let told = story.findings().told(&story.journal, 2);
    let first: Vec<&str> = told.lines().skip(1).take(2).collect();
    let expected = [
        "     2 2030-01-01T00:00:03Z one: Create workflowrecords default/w-1 (uid-w-1)",
        "     3 2030-01-01T00:00:04Z one: Update workflowruns/status default/r (uid-r)",
    ];
    assert!(
        told.starts_with("S3 is broken at entry 4: pod r-b-1 of task b, attempt 1: the task is Pending on record\n"),
        "{told}"
    );
    assert_eq!(first, expected);
    assert!(told.contains("node: main of pod uid-r-b-1 ended with 0"), "{told}");
}
