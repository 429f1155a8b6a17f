//! For each invariant, journals that break it, and ones close to them that are legal.

mod control;
mod life;
mod place;
mod record;
mod story;

use story::Story;

/// A table: what happened after a common beginning, and which invariants that breaks.
type Cases = &'static [(&'static str, fn(&mut Story), &'static [&'static str])];

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
