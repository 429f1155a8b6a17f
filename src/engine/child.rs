//! Tasks that are a run of their own. How an attempt ended, from what is seen of its child run:
//!
//! | the child run | outcome |
//! |---|---|
//! | Succeeded | Succeeded, with what it hands on |
//! | Failed | Failed (ChildFailed), which costs a retry |
//! | Cancelled, while this run doesn't stop it | Failed (ChildCancelled): it isn't tried again against someone's wish |
//! | Cancelled, since this run stops it | as what stopped it says |
//! | gone | Disrupted (ChildDeleted) |
//! | else | goes on |
//!
//! Cancel and suspend pass down without a write: the child looks at its parent (`lineage`).

use super::attempt::End;
use super::lineage::Lineage;
use super::observed::ChildFacts;
use crate::api::{AttemptOutcome, Reason, RunPhase, WorkflowRunSpec};
use crate::mutant::{Mutant, is};
use crate::plan::{ChildWorkflow, PlannedChild, limits};

/// How the attempt of this child run ended; `None` while it goes on.
pub(super) fn end(child: &ChildFacts) -> Option<End> {
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

/// What a task waits for whose child run is to be made.
pub(super) fn to_start(run: &str) -> String {
    format!("run {run} to start")
}

/// What a task waits for whose child run hasn't started.
pub(super) fn waits(child: &ChildFacts) -> String {
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
            phase,
            message: "load: exit code 2".into(),
            started_at: None,
            finished_at: None,
            outputs: (phase == RunPhase::Succeeded).then(|| Map::from_iter([("rows".to_owned(), json!(3))])),
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
            let end = end(&child(phase));
            let found = end.as_ref().map(|end| (end.outcome, end.reason, end.message.as_str()));
            assert_eq!(found, expected, "{phase:?}");
            let handed_on = end.is_some_and(|end| !end.outputs.is_empty());
            assert_eq!(handed_on, phase == RunPhase::Succeeded);
        }
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
