//! Trigger rules: may a task run, given how far those that it needs have come?
//!
//! A rule is decided at the first moment when every way its unfinished needs can still end gives the same result. So the
//! result doesn't hang on who ended first, only on how each ended. What a rule says depends on nothing but which kinds of ends
//! there are among the needs, not on how many of each; that makes every way few enough to be looked at.

use crate::api::TaskPhase;
use crate::mutant::{Mutant, is};
use crate::plan::TriggerRule;

/// How a need ended, as rules tell ends apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Succeeded = 1,
    /// Without `allowFailure`.
    Failed = 2,
    /// With it.
    AllowedFailure = 4,
    UpstreamFailed = 8,
    Cancelled = 16,
    Skipped = 32,
}

/// What becomes of a task by its rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ruling {
    /// It runs.
    Runs,
    /// It can't run, by the fault of what it needs.
    UpstreamFailed,
    /// It is not to run, and nothing is wrong with that.
    Skipped,
}

impl Kind {
    /// How a task in this phase ended; `None` while it goes on.
    pub(super) const fn of(phase: TaskPhase, allow_failure: bool) -> Option<Self> {
        match phase {
            TaskPhase::Succeeded => Some(Self::Succeeded),
            TaskPhase::Failed if allow_failure => Some(Self::AllowedFailure),
            TaskPhase::Failed => Some(Self::Failed),
            TaskPhase::UpstreamFailed => Some(Self::UpstreamFailed),
            TaskPhase::Cancelled => Some(Self::Cancelled),
            TaskPhase::Skipped => Some(Self::Skipped),
            TaskPhase::Pending
            | TaskPhase::Starting
            | TaskPhase::Running
            | TaskPhase::Stopping
            | TaskPhase::Backoff => None,
        }
    }

    /// Whether it is a failure that nothing tolerates.
    pub(super) const fn is_bad(self) -> bool {
        Kinds::BAD.has(Kinds(self as u8))
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Kinds(u8);

impl Kinds {
    /// As good as a success.
    const OK: Self = Self(Kind::Succeeded as u8 | Kind::AllowedFailure as u8);
    /// Failures that nothing tolerates, and what follows from them.
    const BAD: Self = Self(Kind::Failed as u8 | Kind::UpstreamFailed as u8 | Kind::Cancelled as u8);
    /// All that didn't go as it should.
    const FAILED: Self = Self(Self::BAD.0 | Kind::AllowedFailure as u8);
    /// Those that ran to an end.
    const DONE: Self = Self(Self::OK.0 | Kind::Failed as u8);
    const SKIPPED: Self = Self(Kind::Skipped as u8);
    /// As many sets as there are.
    const SETS: u8 = 64;

    const fn has(self, any: Self) -> bool {
        self.0 & any.0 != 0
    }

    const fn is_within(self, all: Self) -> bool {
        self.0 & !all.0 == 0
    }

    const fn with(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

/// How far the needs of a task have come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Needs {
    /// The kinds of ends among those that have ended.
    ended: Kinds,
    /// How many go on without `allowFailure`.
    open: u32,
    /// How many go on with it.
    open_allowing: u32,
}

impl Needs {
    /// Counts a need.
    pub(super) fn add(&mut self, phase: TaskPhase, allow_failure: bool) {
        match Kind::of(phase, allow_failure) {
            Some(kind) => self.ended = self.ended.with(Kinds(kind as u8)),
            None if allow_failure => self.open_allowing = self.open_allowing.saturating_add(1),
            None => self.open = self.open.saturating_add(1),
        }
    }

    /// What the rule says; `None` while it hangs on how the unfinished end.
    pub(super) fn rule(self, rule: TriggerRule) -> Option<Ruling> {
        if is(Mutant::AnyDoneNeedsSuccess) && rule == TriggerRule::AnyDone {
            return self.rule(TriggerRule::AnySucceeded);
        }
        if is(Mutant::RuleDecidedEarly) && self.ended != Kinds::default() {
            return Some(judge(rule, self.ended));
        }
        let open = self.open.saturating_add(self.open_allowing);
        if open == 0 {
            return Some(judge(rule, self.ended));
        }
        let mut ways = (1..Kinds::SETS).map(Kinds).filter(|ends| self.may_end(*ends));
        let first = judge(rule, self.ended.with(ways.next()?));
        let certain = ways.all(|ends| judge(rule, self.ended.with(ends)) == first);
        // What is to run when all have ended waits for that, be it certain or not.
        let early = first == Ruling::Runs && waits_for_all(rule);
        (certain && !early).then_some(first)
    }

    /// Whether the unfinished can end in these kinds, each in one, so that all of them occur.
    fn may_end(self, ends: Kinds) -> bool {
        let failed = ends.has(Kinds(Kind::Failed as u8));
        let allowed = ends.has(Kinds(Kind::AllowedFailure as u8));
        let open = self.open.saturating_add(self.open_allowing);
        ends.0.count_ones() <= open
            && (!failed || self.open > 0)
            && (!allowed || self.open_allowing > 0)
            // Some end in a kind that isn't theirs alone, unless all ends are such.
            && (failed || !ends.is_within(Kinds(Kind::AllowedFailure as u8)) || self.open == 0)
            && (allowed || !ends.is_within(Kinds(Kind::Failed as u8)) || self.open_allowing == 0)
    }
}

/// Whether the rule lets nothing run before all needs have ended, however certain it is.
const fn waits_for_all(rule: TriggerRule) -> bool {
    matches!(rule, TriggerRule::AllDone | TriggerRule::AllDoneMinOneSucceeded | TriggerRule::NoneSkipped)
}

/// What the rule says when the needs have ended in these kinds.
fn judge(rule: TriggerRule, ends: Kinds) -> Ruling {
    let (ok, bad) = (ends.has(Kinds::OK), ends.has(Kinds::BAD));
    let runs = match rule {
        TriggerRule::AllSucceeded => ends.is_within(Kinds::OK),
        TriggerRule::AnySucceeded | TriggerRule::AllDoneMinOneSucceeded => ok,
        TriggerRule::NoneFailed => !bad,
        TriggerRule::NoneFailedMinOneSucceeded => !bad && ok,
        TriggerRule::AllDone => true,
        TriggerRule::AnyDone => ends.has(Kinds::DONE),
        TriggerRule::NoneSkipped => !ends.has(Kinds::SKIPPED),
        TriggerRule::AllSkipped => ends.is_within(Kinds::SKIPPED),
        TriggerRule::AllFailed => ends.is_within(Kinds::FAILED),
        TriggerRule::AnyFailed => ends.has(Kinds::FAILED),
    };
    match rule {
        _ if runs => Ruling::Runs,
        // These are about failures: that there is one is what they ask.
        TriggerRule::AllFailed | TriggerRule::AnyFailed => Ruling::Skipped,
        _ if bad => Ruling::UpstreamFailed,
        _ => Ruling::Skipped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A need: how it will end, by a letter. `a` is a failure with `allowFailure`.
    const ENDS: [(char, TaskPhase, bool); 6] = [
        ('S', TaskPhase::Succeeded, false),
        ('F', TaskPhase::Failed, false),
        ('a', TaskPhase::Failed, true),
        ('U', TaskPhase::UpstreamFailed, false),
        ('C', TaskPhase::Cancelled, false),
        ('K', TaskPhase::Skipped, false),
    ];

    fn needs(ended: &[(TaskPhase, bool)], open: &[bool]) -> Needs {
        let mut needs = Needs::default();
        for (phase, allow) in ended {
            needs.add(*phase, *allow);
        }
        for allow in open {
            needs.add(TaskPhase::Running, *allow);
        }
        needs
    }

    /// The table of the language, word by word, over the ends of all needs.
    fn table(rule: TriggerRule, ends: &[(TaskPhase, bool)]) -> Ruling {
        use TaskPhase::{Cancelled, Failed, Skipped, Succeeded, UpstreamFailed};
        let ok = |(phase, allow): &(TaskPhase, bool)| *phase == Succeeded || *phase == Failed && *allow;
        let bad = |(phase, allow): &(TaskPhase, bool)| {
            *phase == Failed && !*allow || *phase == UpstreamFailed || *phase == Cancelled
        };
        let failed = |(phase, _): &(TaskPhase, bool)| [Failed, UpstreamFailed, Cancelled].contains(phase);
        let skipped = |(phase, _): &(TaskPhase, bool)| *phase == Skipped;
        let done = |(phase, _): &(TaskPhase, bool)| *phase == Succeeded || *phase == Failed;
        let runs = match rule {
            TriggerRule::AllSucceeded => ends.iter().all(ok),
            TriggerRule::AnySucceeded | TriggerRule::AllDoneMinOneSucceeded => ends.iter().any(ok),
            TriggerRule::NoneFailed => !ends.iter().any(bad),
            TriggerRule::NoneFailedMinOneSucceeded => !ends.iter().any(bad) && ends.iter().any(ok),
            TriggerRule::AllDone => true,
            TriggerRule::AnyDone => ends.iter().any(done),
            TriggerRule::NoneSkipped => !ends.iter().any(skipped),
            TriggerRule::AllSkipped => ends.iter().all(skipped),
            TriggerRule::AllFailed => ends.iter().all(failed),
            TriggerRule::AnyFailed => ends.iter().any(failed),
        };
        let about_failures = [TriggerRule::AllFailed, TriggerRule::AnyFailed].contains(&rule);
        if runs {
            Ruling::Runs
        } else if ends.iter().any(bad) && !about_failures {
            Ruling::UpstreamFailed
        } else {
            Ruling::Skipped
        }
    }

    /// By trying out every way in which the unfinished can end, `open` saying of each whether it has `allowFailure`.
    fn brute_force(rule: TriggerRule, ended: &[(TaskPhase, bool)], open: &[bool]) -> Option<Ruling> {
        let certain = certain(rule, &mut ended.to_vec(), open);
        let all_done =
            [TriggerRule::AllDone, TriggerRule::AllDoneMinOneSucceeded, TriggerRule::NoneSkipped].contains(&rule);
        certain.filter(|ruling| *ruling != Ruling::Runs || !all_done || open.is_empty())
    }

    fn certain(rule: TriggerRule, ends: &mut Vec<(TaskPhase, bool)>, open: &[bool]) -> Option<Ruling> {
        let Some((allow, rest)) = open.split_first() else { return Some(table(rule, ends)) };
        let mut found: Option<Ruling> = None;
        for phase in ENDS.iter().filter(|end| !end.2).map(|end| end.1) {
            ends.push((phase, *allow && phase == TaskPhase::Failed));
            let ruling = certain(rule, ends, rest);
            ends.pop();
            if ruling.is_none() || found.is_some_and(|found| Some(found) != ruling) {
                return None;
            }
            found = ruling;
        }
        found
    }

    /// All sequences of up to `most` ends.
    fn sequences(most: usize) -> Vec<Vec<(TaskPhase, bool)>> {
        let mut all: Vec<Vec<(TaskPhase, bool)>> = vec![Vec::new()];
        let mut last = all.clone();
        for _ in 0..most {
            last = last
                .iter()
                .flat_map(|head| {
                    ENDS.iter().map(move |(_, phase, allow)| [head.as_slice(), &[(*phase, *allow)]].concat())
                })
                .collect();
            all.extend(last.iter().cloned());
        }
        all
    }

    #[test]
    fn every_rule_over_every_end_in_every_order_of_up_to_four_needs() {
        let mut looked_at = 0;
        for rule in TriggerRule::ALL.iter().copied() {
            for ends in sequences(4) {
                // One that doesn't fail may have allowFailure too, which matters while it goes on.
                for allowing in [false, true] {
                    let allows = |at: usize| ends[at].1 || allowing && ends[at].0 != TaskPhase::Failed;
                    let mut before = None;
                    for arrived in 0..=ends.len() {
                        let open: Vec<bool> = (arrived..ends.len()).map(allows).collect();
                        let ruling = needs(&ends[..arrived], &open).rule(rule);
                        let expected = brute_force(rule, &ends[..arrived], &open);
                        assert_eq!(ruling, expected, "{rule} {:?} and {open:?} go on", &ends[..arrived]);
                        assert!(before.is_none() || before == ruling, "{rule} changed its mind: {ends:?}");
                        before = ruling;
                        looked_at += 1;
                    }
                    assert_eq!(before, Some(table(rule, &ends)), "{rule} {ends:?}");
                }
            }
        }
        assert!(looked_at > 150_000, "{looked_at}");
    }

    /// The rules as a picture: a row is a rule, a column how two needs stand. `.` goes on.
    #[test]
    fn the_rules_at_a_glance() {
        let columns = ["SS", "S.", "SF", "F.", "Sa", "a.", "aa", "FF", "SK", "K.", "KK", "U.", "FK", "aK", ".."];
        let letter = |ruling: Option<Ruling>| match ruling {
            Some(Ruling::Runs) => "run",
            Some(Ruling::UpstreamFailed) => "up-failed",
            Some(Ruling::Skipped) => "skip",
            None => "-",
        };
        let needs = |column: &&str| {
            let mut needs = Needs::default();
            for wanted in column.chars() {
                match ENDS.iter().find(|(letter, ..)| *letter == wanted) {
                    Some((_, phase, allow)) => needs.add(*phase, *allow),
                    None => needs.add(TaskPhase::Running, false),
                }
            }
            needs
        };
        let line = |head: &str, cells: Vec<&str>| {
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<9}")).collect();
            format!("{head:<25} {}\n", cells.join(" ").trim_end())
        };
        let row = |rule: &TriggerRule| {
            line(rule.as_str(), columns.iter().map(|column| letter(needs(column).rule(*rule))).collect())
        };
        let rows: Vec<String> = TriggerRule::ALL.iter().map(row).collect();
        let picture = line("rule", columns.to_vec()) + &rows.concat();
        assert_eq!(picture, PICTURE, "\n{picture}");
    }

    const PICTURE: &str = "\
rule                      SS        S.        SF        F.        Sa        a.        aa        FF        SK        K.        KK        U.        FK        aK        ..
AllSucceeded              run       -         up-failed up-failed run       -         run       up-failed skip      -         skip      up-failed up-failed skip      -
AnySucceeded              run       run       run       -         run       run       run       up-failed run       -         skip      -         up-failed run       -
NoneFailed                run       -         up-failed up-failed run       -         run       up-failed run       -         run       up-failed up-failed run       -
NoneFailedMinOneSucceeded run       -         up-failed up-failed run       -         run       up-failed run       -         skip      up-failed up-failed run       -
AllDone                   run       -         run       -         run       -         run       run       run       -         run       -         run       run       -
AllDoneMinOneSucceeded    run       -         run       -         run       -         run       up-failed run       -         skip      -         up-failed run       -
AnyDone                   run       run       run       run       run       run       run       run       run       -         skip      -         run       run       -
NoneSkipped               run       -         run       -         run       -         run       run       skip      -         skip      -         up-failed skip      -
AllSkipped                skip      -         up-failed up-failed skip      -         skip      up-failed skip      -         run       up-failed up-failed skip      -
AllFailed                 skip      skip      skip      -         skip      -         run       run       skip      skip      skip      -         skip      skip      -
AnyFailed                 skip      -         run       run       run       run       run       run       skip      -         skip      run       run       run       -
";
}
