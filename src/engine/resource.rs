//! Tasks that are an object of any kind. How an attempt ended, from what is seen of its object:
//!
//! | the object | outcome |
//! |---|---|
//! | its failure holds | Failed (`ResourceFailed`), which costs a retry; that makes another object |
//! | its success holds, and it has all outputs | Succeeded, with them |
//! | its success holds, an output is missing or of another type | Failed (`OutputMissing`, `OutputInvalid`) |
//! | a condition or an output can't be evaluated | Failed (`ExpressionError`); a key that is missing only means not yet |
//! | it is too large or nested too deep to be read | Failed (`ResourceUnreadable`) |
//! | it is gone, and this run didn't delete it | Disrupted (`ResourceDeleted`) |
//! | else | goes on |
//!
//! The object stays with its run, unless the attempt ended without its saying so: what was cancelled, timed out or can't be followed any
//! more is deleted, and so is what belongs to no attempt on record.

use std::collections::BTreeMap;

use serde_json::Value;

use super::attempt::End;
use super::decision::Effect;
use super::effects::ended_as;
use super::ledger::Ledger;
use super::observed::{Observed, ResourceFacts, Sight};
use super::outputs::holdable;
use super::scope::{Of, in_scope};
use super::text::clip;
use super::unit::Unit;
use super::{for_each, gate};
use crate::api::{Attempt, AttemptOutcome, Reason, ResourceRef, TaskPhase, TaskStatus};
use crate::mutant::{Mutant, is};
use crate::plan::{Lack, Plan, PlannedResource, PlannedTask, Told};

/// Bytes of what an object says of itself that go into a message.
const WORDS: usize = 512;

/// Why there may be no object of this kind, if there may be none.
pub(super) fn refused(resource: &PlannedResource, seen: &Observed<'_>) -> Option<String> {
    let PlannedResource { api_version, kind, .. } = resource;
    seen.granted.find(api_version, kind).is_none().then(|| {
        format!(
            "tasks may not make objects of the kind {kind} ({api_version}) here: whoever installs Gantline grants it by the \
             chart's value resourceTasks: [{{apiVersion: {api_version}, kind: {kind}, resource: <its plural>}}]"
        )
    })
}

/// What a task waits for whose object is to be made.
pub(super) fn to_make(resource: &ResourceRef) -> String {
    format!("{} {} to be made", resource.kind, resource.name)
}

/// What a task waits for whose object is to go.
pub(super) fn to_go(resource: &ResourceRef) -> String {
    format!("{} {} to be gone", resource.kind, resource.name)
}

/// What a task waits for whose object can't be looked up.
pub(super) fn to_see(resource: &PlannedResource, why: &str) -> String {
    format!("a look at its {}, which fails: {}; it is tried again", resource.kind, clip(why, WORDS))
}

/// How the attempt of this object ended; `None` while it goes on.
pub(super) fn end(
    ledger: &mut Ledger,
    unit: Unit,
    (plan, planned): (&Plan, &PlannedTask),
    seen: &Observed<'_>,
    facts: &ResourceFacts,
) -> Option<End> {
    let failed = |reason, message: &str| Some(End::new(AttemptOutcome::Failed, Some(reason), message));
    let object = match read(facts) {
        Ok(object) => object,
        Err(why) => return failed(Reason::ResourceUnreadable, &why),
    };
    let item = match for_each::item(ledger, unit, plan, planned, seen) {
        Ok(item) => item,
        Err(why) => return failed(Reason::ExpressionError, &why),
    };
    let attempt = ledger.unit(unit)?.attempts.last()?.number;
    let of = Of { plan, planned, status: &ledger.status, seen, attempt, item: item.as_ref() };
    match in_scope(&of, |scope| planned.told_by(&object, scope)) {
        Err(problem) => failed(Reason::ExpressionError, &problem.to_string()),
        Ok(Told::NotYet) => None,
        Ok(Told::Failed) => failed(Reason::ResourceFailed, &why(planned.resource()?, &object)),
        Ok(Told::Succeeded(Err(Lack::Missing(why)))) => failed(Reason::OutputMissing, &why),
        Ok(Told::Succeeded(Err(Lack::Invalid(why)))) => failed(Reason::OutputInvalid, &why),
        Ok(Told::Succeeded(Ok(outputs))) => {
            let wrong = outputs.iter().find_map(|(name, value)| Some((name, holdable(value).err()?)));
            if let Some((name, why)) = wrong {
                return failed(Reason::OutputInvalid, &format!("output {name} {why}"));
            }
            Some(End { outputs, ..End::new(AttemptOutcome::Succeeded, None, "") })
        }
    }
}

/// The object as expressions see it.
fn read(facts: &ResourceFacts) -> Result<Value, String> {
    let text = facts.object.as_ref().map_err(Clone::clone)?;
    let mut object: Value = serde_json::from_str(text).map_err(|error| format!("the object can't be read: {error}"))?;
    // The items of a list lack what the list says once.
    if let Some(fields) = object.as_object_mut() {
        fields.insert("apiVersion".to_owned(), facts.resource.api_version.clone().into());
        fields.insert("kind".to_owned(), facts.resource.kind.clone().into());
    }
    Ok(object)
}

/// Why an object failed: in its own words, if it has any, else by the condition that holds.
fn why(resource: &PlannedResource, object: &Value) -> String {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
    let text = |of: &Value, field: &str| of.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut told = conditions.filter(|it| it.get("status").and_then(Value::as_str) == Some("True")).map(|it| {
        let words = [text(it, "reason"), text(it, "message")];
        words.into_iter().filter(|it| !it.is_empty()).collect::<Vec<String>>().join(": ")
    });
    let of_status = object.pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
    let words =
        if of_status.is_empty() { told.rfind(|it| !it.is_empty()).unwrap_or_default() } else { of_status.to_owned() };
    let condition = resource.failure.as_ref().map_or("", |failure| failure.expr.text());
    if words.is_empty() { format!("failure holds: {condition}") } else { clip(&words, WORDS) }
}

/// Whether the object of an attempt that has ended is deleted: it hasn't said itself that it is over.
pub(super) fn is_cut_off(attempt: &Attempt) -> bool {
    let cut_off = |reason| {
        matches!(
            reason,
            Reason::TimedOut
                | Reason::TotalTimedOut
                | Reason::FinallyTimedOut
                | Reason::ExpressionError
                | Reason::ResourceUnreadable
                | Reason::KindNotGranted
        )
    };
    attempt.outcome.is_some_and(|outcome| match outcome {
        // It came to be after its attempt was given up.
        _ if attempt.uid.is_none() => true,
        AttemptOutcome::Succeeded | AttemptOutcome::NotYet => false,
        AttemptOutcome::Failed => attempt.reason.is_some_and(cut_off),
        AttemptOutcome::Disrupted | AttemptOutcome::Cancelled => true,
    })
}

/// Deletes the objects that are not to stay.
pub(super) fn deletes(ledger: &Ledger, seen: &Observed<'_>) -> Vec<Effect> {
    if is(Mutant::ResourceOutlivesStop) {
        return Vec::new();
    }
    let items = ledger.items.values().flat_map(|items| items.known().map(|(_, item)| item));
    let attempts: BTreeMap<&str, (&TaskStatus, &Attempt)> = ledger
        .status
        .tasks
        .iter()
        .chain(items)
        .flat_map(|task| task.attempts.iter().map(move |attempt| (task, attempt)))
        .filter(|(_, attempt)| attempt.resource.is_some())
        .map(|(task, attempt)| (attempt.object(), (task, attempt)))
        .collect();
    let objects =
        seen.resources.values().filter_map(|sight| if let Sight::Resource(it) = sight { Some(it) } else { None });
    let to_go = |facts: &&ResourceFacts| {
        let named = attempts.get(facts.resource.name.as_str());
        !facts.deleting && is_to_go(ledger, facts, named.copied())
    };
    let delete =
        |facts: &ResourceFacts| Effect::DeleteResource { resource: facts.resource.clone(), uid: facts.uid.clone() };
    objects.filter(to_go).map(delete).collect()
}

/// Whether an object is to go; `named` is the attempt that has an object of its name.
fn is_to_go(ledger: &Ledger, facts: &ResourceFacts, named: Option<(&TaskStatus, &Attempt)>) -> bool {
    match named {
        // Another one, under the same name.
        Some((_, attempt)) if !attempt.may_be(&facts.uid) => true,
        Some((task, attempt)) if attempt.outcome.is_none() => {
            let is_last = task.attempts.last() == Some(attempt);
            let followed = task.phase.has_pod() && is_last && !ledger.phase().is_finished();
            task.phase == TaskPhase::Stopping || !followed
        }
        Some((_, attempt)) => is_cut_off(attempt),
        // Its task or item has ended, and how is all that is on record of it.
        None => match ended_as(ledger, &facts.task, facts.item) {
            Some(phase) => phase == TaskPhase::Cancelled,
            // One of an attempt that has ended, and is on record no more since others followed, stays.
            None => ledger.index(&facts.task).is_none_or(|task| {
                let unit = Unit { task, item: facts.item };
                let oldest = ledger.unit(unit).and_then(|task| task.attempts.first()).map(|attempt| attempt.number);
                facts.attempt >= oldest.unwrap_or_else(|| gate::next_number(ledger, unit))
            }),
        },
    }
}
