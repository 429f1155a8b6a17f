//! What a run has to do with those that it is a child of. A child run is told nothing: it looks at its parent, and obeys.
//!
//! First match:
//!
//! | the parent | the child |
//! |---|---|
//! | is gone or being deleted | starts nothing new: soon it is deleted too |
//! | has ended | stops |
//! | is stopping the child's attempt, or has put its outcome on record | stops |
//! | names the child in no attempt | stops: nothing may come of it |
//! | is suspended | is suspended too |
//! | else | goes on; one that has ended, where the parent's attempt is of its next generation, opens that |
//!
//! That a parent stops its child never changes, so that it can be read from an old record; that no attempt names it can't.

use std::collections::BTreeMap;

use crate::api::{Attempt, Cancel, RunPhase, TaskPhase, WorkflowRunSpec, WorkflowRunStatus};
use crate::mutant::{Mutant, is};

/// What a run has to do with those that it is a child of. By default it is nobody's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lineage {
    /// What the parent wants of it.
    pub wish: Wish,
    /// How many runs are above it.
    pub depth: usize,
    /// Names of the Workflows that those run, the uppermost first; one that is written inline has none.
    pub workflows: Vec<String>,
    /// The generation that the parent's attempt is of: a run that ended in an earlier one goes on.
    pub generation: u32,
}

/// What a parent wants of its child run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// It goes on.
    #[default]
    GoOn,
    /// It starts nothing new; says why.
    Hold(String),
    /// It stops, as a cancel of the parent says, where there is one.
    Stop(Cancel),
}

/// What a parent's open attempt says of the child run that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed<'a> {
    /// The uid of the child run, once that is on record.
    pub uid: Option<&'a str>,
    /// The generation of the child run that the attempt is.
    pub generation: u32,
}

/// A run that another is a child of.
#[derive(Clone, Copy, Debug)]
pub struct Ancestor<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, unless it is gone or can't be read.
    pub run: Option<(&'a WorkflowRunSpec, &'a WorkflowRunStatus)>,
    /// Whether its deletion was asked for.
    pub deleting: bool,
}

/// What all child runs of a run go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mood {
    /// It is gone, or being deleted.
    pub going: bool,
    /// It has ended.
    pub ended: bool,
    /// It is suspended.
    pub suspended: bool,
}

impl<'a> Followed<'a> {
    fn of(attempt: &'a Attempt) -> Self {
        Self { uid: attempt.uid.as_deref(), generation: attempt.run_generation }
    }
}

impl Ancestor<'_> {
    /// What all child runs of it go by.
    #[must_use]
    pub fn mood(&self) -> Mood {
        let suspended = |(spec, status): (&WorkflowRunSpec, &WorkflowRunStatus)| {
            status.phase == RunPhase::Suspended || spec.suspend && status.phase != RunPhase::Stopping
        };
        Mood {
            going: self.deleting || self.run.is_none(),
            ended: self.run.is_some_and(|(_, status)| status.phase.is_finished()),
            suspended: self.run.is_some_and(suspended),
        }
    }

    /// The child runs that it follows, by name: open attempts that it doesn't stop.
    #[must_use]
    pub fn followed(&self) -> BTreeMap<&str, Followed<'_>> {
        let tried = self.run.into_iter().flat_map(|(_, status)| status.tried());
        let goes_on = tried.filter(|(phase, _)| matches!(phase, TaskPhase::Starting | TaskPhase::Running));
        let open = goes_on.filter_map(|(_, attempts)| attempts.last()).filter(|last| last.outcome.is_none());
        open.filter(|last| !last.run.is_empty()).map(|last| (last.run.as_str(), Followed::of(last))).collect()
    }

    /// What it says of this run, if it follows it.
    #[must_use]
    pub fn follows(&self, child: &str, uid: &str) -> Option<Followed<'_>> {
        self.followed().get(child).copied().filter(|it| it.uid.is_none_or(|known| known == uid))
    }

    /// Whether an attempt of it names this run, which is known by its uid once that is on record.
    #[must_use]
    pub fn names(&self, child: &str, uid: &str) -> bool {
        let tried = self.run.into_iter().flat_map(|(_, status)| status.tried());
        let mut attempts = tried.flat_map(|(_, attempts)| attempts);
        attempts.any(|attempt| attempt.run == child && attempt.uid.as_ref().is_none_or(|known| known == uid))
    }
}

impl Lineage {
    /// Of a run of this name and uid; `above` are the runs that it is a child of, its parent first.
    #[must_use]
    pub fn of(child: &str, uid: &str, above: &[Ancestor<'_>]) -> Self {
        let Some(parent) = above.first() else { return Self::default() };
        let references = above.iter().rev().filter_map(|it| it.run?.0.workflow_ref.as_ref());
        Self {
            wish: wish(child, uid, parent, above),
            depth: above.len(),
            workflows: references.map(|reference| reference.name.clone()).collect(),
            generation: parent.follows(child, uid).map_or(0, |it| it.generation),
        }
    }
}

fn wish(child: &str, uid: &str, parent: &Ancestor<'_>, above: &[Ancestor<'_>]) -> Wish {
    let mood = parent.mood();
    if mood.going {
        return Wish::Hold(format!("its parent run {} is gone or being deleted, and so will this one be", parent.name));
    }
    if mood.ended || parent.follows(child, uid).is_none() {
        if is(Mutant::ChildOutlivesCancel) {
            return Wish::GoOn;
        }
        // In the words of whoever asked for it, wherever in the line that is.
        let mut asked = above
            .iter()
            .filter_map(|it| it.run)
            .filter_map(|(spec, status)| spec.cancel.as_ref().filter(|cancel| cancel.generation >= status.generation));
        return Wish::Stop(asked.next().cloned().unwrap_or_default());
    }
    if mood.suspended {
        return Wish::Hold(format!("its parent run {} is suspended", parent.name));
    }
    Wish::GoOn
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(phase: &str, task: &str, attempt: &serde_json::Value) -> WorkflowRunStatus {
        serde_json::from_value(json!({
            "phase": phase, "tasks": [{"name": "t", "phase": task, "attempts": [attempt]}],
        }))
        .unwrap()
    }

    fn spec(spec: serde_json::Value) -> WorkflowRunSpec {
        serde_json::from_value(spec).unwrap()
    }

    fn of(spec: &WorkflowRunSpec, status: &WorkflowRunStatus) -> Wish {
        let parent = Ancestor { name: "p", run: Some((spec, status)), deleting: false };
        Lineage::of("c", "u", &[parent]).wish
    }

    #[test]
    fn what_a_parent_wants() {
        let stop = || Wish::Stop(Cancel::default());
        let hold = || Wish::Hold("its parent run p is suspended".into());
        let open = || json!({"number": 1, "run": "c", "uid": "u"});
        let plain = || json!({"workflowRef": {"name": "w"}});
        let suspended = || json!({"workflowRef": {"name": "w"}, "suspend": true});
        for (given, phase, task, attempt, expected) in [
            (plain(), "Running", "Starting", json!({"number": 1, "run": "c"}), Wish::GoOn),
            (plain(), "Running", "Running", open(), Wish::GoOn),
            (plain(), "Suspended", "Running", open(), hold()),
            (suspended(), "Running", "Running", open(), hold()),
            (suspended(), "Stopping", "Running", open(), Wish::GoOn),
            (plain(), "Running", "Stopping", open(), stop()),
            (plain(), "Stopping", "Stopping", open(), stop()),
            (plain(), "Failed", "Running", open(), stop()),
            (
                plain(),
                "Running",
                "Backoff",
                json!({"number": 1, "run": "c", "uid": "u", "outcome": "Disrupted"}),
                stop(),
            ),
            (plain(), "Running", "Running", json!({"number": 1, "run": "c", "uid": "another"}), stop()),
            (plain(), "Running", "Running", json!({"number": 1, "run": "d", "uid": "u"}), stop()),
            (plain(), "Running", "Running", json!({"number": 1, "pod": "c", "uid": "u"}), stop()),
        ] {
            let found = of(&spec(given), &status(phase, task, &attempt));
            assert_eq!(found, expected, "{phase} {task} {attempt}");
        }
    }

    #[test]
    fn the_generation_is_that_of_the_attempt_that_goes_on() {
        let spec = spec(json!({}));
        for (task, attempt, expected) in [
            ("Starting", json!({"number": 2, "run": "c", "uid": "u", "runGeneration": 1}), 1),
            ("Running", json!({"number": 1, "run": "c", "uid": "u"}), 0),
            ("Stopping", json!({"number": 2, "run": "c", "uid": "u", "runGeneration": 1}), 0),
            ("Starting", json!({"number": 2, "run": "c", "uid": "another", "runGeneration": 1}), 0),
            ("Failed", json!({"number": 2, "run": "c", "uid": "u", "runGeneration": 1, "outcome": "Failed"}), 0),
        ] {
            let status = status("Running", task, &attempt);
            let parent = Ancestor { name: "p", run: Some((&spec, &status)), deleting: false };
            assert_eq!(Lineage::of("c", "u", &[parent]).generation, expected, "{task} {attempt}");
        }
    }

    #[test]
    fn a_parent_that_is_gone_or_going_lets_nothing_start() {
        let (spec, status) = (spec(json!({})), status("Running", "Running", &json!({"number": 1, "run": "c"})));
        for (run, deleting) in [(None, false), (Some((&spec, &status)), true)] {
            let parent = Ancestor { name: "p", run, deleting };
            assert!(matches!(Lineage::of("c", "u", &[parent]).wish, Wish::Hold(_)));
        }
    }

    #[test]
    fn a_cancel_is_passed_on_in_its_own_words() {
        let asked = spec(json!({"workflowRef": {"name": "top"}, "cancel": {"graceSeconds": 7, "reason": "enough"}}));
        let between = spec(json!({"workflowRef": {"name": "middle"}}));
        let (above, below) = (
            status("Stopping", "Stopping", &json!({"number": 1, "run": "m"})),
            status("Stopping", "Stopping", &json!({"number": 1, "run": "c"})),
        );
        let ancestors = [
            Ancestor { name: "m", run: Some((&between, &below)), deleting: false },
            Ancestor { name: "t", run: Some((&asked, &above)), deleting: false },
        ];
        let lineage = Lineage::of("c", "u", &ancestors);
        let Wish::Stop(cancel) = &lineage.wish else { panic!("{lineage:?}") };
        assert_eq!((cancel.grace_seconds, cancel.reason.as_deref()), (Some(7), Some("enough")));
        assert_eq!((lineage.depth, lineage.workflows), (2, vec!["top".to_owned(), "middle".to_owned()]));
    }
}
