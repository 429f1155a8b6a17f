//! Tasks that are a run of their own. How an attempt ended, from what is seen of its child run:
//!
//! | the child run | outcome |
//! |---|---|
//! | Succeeded | Succeeded, with what it hands on |
//! | Failed | Failed (ChildFailed), which costs a retry |
//! | Cancelled, while this run doesn't stop it | Failed (ChildCancelled): it isn't tried again against someone's wish |
//! | Cancelled, since this run stops it | as what stopped it says |
//! | gone | Disrupted (ChildDeleted) |
//! | has ended, in a generation before the one that the attempt is | goes on: it opens that; if this run stops it, as what stopped it says |
//! | else | goes on |
//!
//! The first attempt of a new generation goes on with the child run of the last one, if that failed or was cancelled and is given the
//! same parameters; any other makes a new child run.
//!
//! Cancel and suspend pass down without a write: the child looks at its parent (`lineage`).

use serde_json::{Map, Value};

use super::attempt::End;
use super::lineage::Lineage;
use super::observed::ChildFacts;
use crate::api::{AttemptOutcome, Reason, RunPhase, WorkflowRunSpec};
use crate::mutant::{Mutant, is};
use crate::plan::{ChildWorkflow, PlannedChild, limits};

/// How the attempt, which is this generation of its child run, ended; `None` while it goes on.
pub(super) fn end(child: &ChildFacts, generation: u32, is_stopped: bool) -> Option<End> {
    if child.generation < generation && !(is_stopped && child.phase.is_finished()) && !is(Mutant::ChildEndsAgain) {
        return None;
    }
    let (outcome, reason) = match child.phase {
        RunPhase::Failed if is(Mutant::FailedChildSucceeds) => (AttemptOutcome::Succeeded, None),
        RunPhase::Succeeded => (AttemptOutcome::Succeeded, None),
        RunPhase::Failed => (AttemptOutcome::Failed, Some(Reason::ChildFailed)),
        RunPhase::Cancelled => (AttemptOutcome::Failed, Some(Reason::ChildCancelled)),
        RunPhase::Pending | RunPhase::Queued | RunPhase::Running | RunPhase::Suspended | RunPhase::Stopping => {
            return None;
        }
    };
    let message = if outcome == AttemptOutcome::Succeeded { "" } else { &child.message };
    let outputs = child.outputs.clone().unwrap_or_default();
    Some(End { finished_at: child.finished_at, outputs, ..End::new(outcome, reason, message) })
}

/// What a task waits for whose child run has started, and doesn't get on.
pub(super) fn held_up(run: &ChildFacts) -> String {
    format!("run {}: {}", run.name, run.message)
}

/// What a task waits for whose child run is to end.
pub(super) fn to_end(run: &str) -> String {
    format!("run {run} to end")
}

/// What a task waits for whose child run is to start.
pub(super) fn to_start(run: &str) -> String {
    format!("run {run} to start")
}

/// The generation that a child run opens, if the next attempt may go on with it: it has ended, but not well, and was given these parameters.
pub(super) fn next_generation(child: &ChildFacts, params: &Map<String, Value>) -> Option<u32> {
    let may_go_on = !child.deleting && child.given.as_ref() == Some(params);
    if may_go_on { child.generation.checked_add(1) } else { None }
}

/// What a task waits for whose child run hasn't started.
pub(super) fn waits(child: &ChildFacts, generation: u32) -> String {
    if child.generation < generation {
        return format!("run {} to begin generation {generation}", child.name);
    }
    let told = if child.message.is_empty() { String::new() } else { format!(": {}", child.message) };
    format!("run {} to start{told}", child.name)
}

/// Why there may be no such child run, if there may be none: it would be nested too deep, or a workflow would run within itself.
pub(super) fn refused(child: &PlannedChild, lineage: &Lineage, own: &WorkflowRunSpec) -> Option<String> {
    if lineage.depth >= limits::CHILD_DEPTH {
        let max = limits::CHILD_DEPTH;
        return Some(format!(
            "child runs are nested {max} deep at most, and this one would be deeper: flatten the workflows"
        ));
    }
    let ChildWorkflow::Reference(name) = &child.workflow else { return None };
    let own = own.workflow_ref.as_ref().map(|reference| reference.name.as_str());
    let above: Vec<&str> = lineage.workflows.iter().map(String::as_str).chain(own).collect();
    let place = above.iter().position(|above| above == name)?;
    let circle = above.iter().skip(place).copied().chain([name.as_str()]);
    let circle: Vec<&str> = circle.collect();
    Some(format!("Workflow `{name}` would run within itself, and so without end: {}", circle.join(" -> ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Map, json};

    fn child(phase: RunPhase) -> ChildFacts {
        ChildFacts {
            name: "c".into(),
            uid: "u".into(),
            generation: 0,
            phase,
            message: "load: exit code 2".into(),
            started_at: None,
            finished_at: None,
            outputs: (phase == RunPhase::Succeeded).then(|| Map::from_iter([("rows".to_owned(), json!(3))])),
            given: None,
            deleting: false,
        }
    }

    #[test]
    fn how_attempts_end() {
        use AttemptOutcome::{Failed, Succeeded};
        for (phase, expected) in [
            (RunPhase::Pending, None),
            (RunPhase::Running, None),
            (RunPhase::Suspended, None),
            (RunPhase::Stopping, None),
            (RunPhase::Succeeded, Some((Succeeded, None, ""))),
            (RunPhase::Failed, Some((Failed, Some(Reason::ChildFailed), "load: exit code 2"))),
            (RunPhase::Cancelled, Some((Failed, Some(Reason::ChildCancelled), "load: exit code 2"))),
        ] {
            let end = end(&child(phase), 0, false);
            let found = end.as_ref().map(|end| (end.outcome, end.reason, end.message.as_str()));
            assert_eq!(found, expected, "{phase:?}");
            let handed_on = end.is_some_and(|end| !end.outputs.is_empty());
            assert_eq!(handed_on, phase == RunPhase::Succeeded);
        }
    }

    #[test]
    fn the_end_of_a_former_generation_is_no_end() {
        for (generation, is_stopped, ends) in [(0, false, true), (1, false, false), (1, true, true)] {
            let end = end(&child(RunPhase::Failed), generation, is_stopped);
            assert_eq!(end.is_some(), ends, "generation {generation}, stopped: {is_stopped}");
        }
        assert!(end(&child(RunPhase::Running), 1, true).is_none(), "it goes on");
    }

    #[test]
    fn a_child_goes_on_if_it_ended_badly_and_is_given_the_same() {
        let params = |x: i32| Map::from_iter([("x".to_owned(), json!(x))]);
        let ended = ChildFacts { generation: 1, given: Some(params(7)), ..child(RunPhase::Failed) };
        assert_eq!(next_generation(&ended, &params(7)), Some(2));
        assert_eq!(next_generation(&ended, &params(8)), None, "it would run with what it was given");
        assert_eq!(next_generation(&child(RunPhase::Succeeded), &Map::new()), None);
        assert_eq!(next_generation(&ChildFacts { deleting: true, ..ended }, &params(7)), None);
    }

    #[test]
    fn what_may_be_nested() {
        let of = |name: &str| PlannedChild { workflow: ChildWorkflow::Reference(name.into()), params: Vec::new() };
        let own = |name: &str| serde_json::from_value(json!({"workflowRef": {"name": name}})).unwrap();
        let lineage = |depth, workflows: &[&str]| Lineage {
            depth,
            workflows: workflows.iter().map(|name| (*name).to_owned()).collect(),
            ..Lineage::default()
        };
        for (child, own_name, lineage, expected) in [
            ("b", "a", lineage(0, &[]), None),
            ("a", "a", lineage(0, &[]), Some("a -> a")),
            ("a", "c", lineage(2, &["x", "a"]), Some("a -> c -> a")),
            ("d", "c", lineage(7, &["x", "a"]), None),
            ("d", "c", lineage(8, &["x", "a"]), Some("nested 8 deep at most")),
        ] {
            let found = refused(&of(child), &lineage, &own(own_name));
            match expected {
                None => assert_eq!(found, None, "{child}"),
                Some(words) => assert!(found.as_ref().is_some_and(|it| it.contains(words)), "{child}: {found:?}"),
            }
        }
    }
}
