//! Decisions over whatever someone wrote into a status: the next one is as good as the API server asks for, and the run ends.

use gantline::api::{RunPhase, TaskStatus, WorkflowRun, WorkflowRunStatus};
use gantline::controller::Loose;
use gantline::engine::{Decision, Refusal, RefusalKind, Sight, Urgency};
use gantline::plan::Plan;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::Value;

use super::cases::{Verdict, fuzz};
use super::json::Corpus;
use super::statuses::{ROUNDS, goldens};
use super::world::{Known, World};
use super::{pods, schema};

/// The most that a message of ours may have, in bytes.
const MESSAGE: usize = 1024;
/// Transitions that a status spells out.
const HISTORY: usize = 64;
/// Bytes that one decision may add to a status of a few tasks: some messages, transitions and outputs.
const GROWTH: usize = 64 * 1024;
/// Rounds until a decision changes nothing, if nothing else happens.
const SETTLED: usize = 3;

/// A pod, or what stands for one.
#[derive(Clone, Debug)]
struct Seen {
    /// Which of the names on record it has; one more is on no record.
    name: Index,
    /// Its JSON.
    pod: String,
    /// Whether its uid is the one on record.
    is_own: bool,
    /// What is seen in its place, if it isn't there.
    instead: Option<Sight>,
}

/// What a decision is made from.
#[derive(Clone, Debug)]
struct Situation {
    /// Which run it was, and what became of it.
    run: (usize, String),
    known: Known,
    pods: Vec<Seen>,
    now: Timestamp,
}

fn situations(documents: &[Value]) -> impl Strategy<Value = Situation> {
    use RefusalKind::{Admission, Invalid, NameClash, NamespaceTerminating, Quota};
    let time = |text: &str| text.parse::<Timestamp>().expect("a time");
    let times = [
        "2026-11-22T08:00:05Z",
        "2026-11-22T07:00:00Z",
        "2026-11-23T08:00:00.123456789Z",
        "1970-01-01T00:00:00Z",
        "9000-01-01T00:00:00Z",
    ];
    let times = times.map(time).to_vec();
    let refused = (
        select(vec![Quota, Admission, Invalid, NameClash, NamespaceTerminating]),
        any::<String>(),
        select(times.clone()),
    )
        .prop_map(|(kind, message, retry_at)| Sight::Refused(Refusal { kind, message, retry_at }));
    let instead =
        prop_oneof![Just(Sight::Absent), Just(Sight::Creating), refused, any::<String>().prop_map(Sight::Hidden)];
    let seen =
        (any::<Index>(), pods::corpus().changed(), prop::bool::weighted(0.8), prop::option::weighted(0.3, instead))
            .prop_map(|(name, (_, pod), is_own, instead)| Seen { name, pod, is_own, instead });
    let known = prop_oneof![
        8 => Just(Known::Ready), 1 => Just(Known::Missing), 1 => Just(Known::Invalid), 1 => Just(Known::Unreadable), 1 => Just(Known::Lost),
    ];
    let pods = prop::collection::vec(seen, 0..5);
    (Corpus::new(documents).changed(), known, pods, select(times)).prop_map(|(run, known, pods, now)| Situation {
        run,
        known,
        pods,
        now,
    })
}

/// Puts the pods into the world, under names that are on record and one that isn't.
fn populate(world: &mut World, pods: &[Seen]) {
    let attempts = world.status.tasks.iter().flat_map(|task| &task.attempts);
    let mut names: Vec<(String, Option<String>)> = attempts.map(|it| (it.pod.clone(), it.uid.clone())).collect();
    names.push(("stray".to_owned(), None));
    for seen in pods {
        let (name, uid) = seen.name.get(&names).clone();
        let sight = seen.instead.clone().or_else(|| {
            let mut facts = pods::facts_of(&seen.pod)?;
            facts.name.clone_from(&name);
            if let (true, Some(uid)) = (seen.is_own, uid) {
                facts.uid = uid;
            }
            Some(Sight::Pod(facts.into()))
        });
        if let Some(sight) = sight {
            world.sights.insert(name, sight);
        }
    }
}

fn bytes(status: &WorkflowRunStatus) -> usize {
    serde_json::to_string(status).map_or(usize::MAX, |text| text.len())
}

fn bounded(world: &World, decision: &Decision) -> Result<(), TestCaseError> {
    let (old, new) = (&world.status, &decision.status);
    prop_assert!(new.history.len() <= HISTORY.max(old.history.len()));
    prop_assert!(new.message.len() <= MESSAGE.max(old.message.len()));
    prop_assert!(bytes(new) <= bytes(old) + GROWTH, "{} bytes from {}", bytes(new), bytes(old));
    let tasks = new.tasks.len();
    prop_assert!(decision.effects.len() <= tasks + 2 * world.sights.len(), "{} effects", decision.effects.len());
    prop_assert!(decision.notes.len() <= 2 * tasks + 2, "{} notes", decision.notes.len());
    prop_assert!(decision.notes.iter().all(|note| note.message.len() <= MESSAGE));
    Ok(())
}

/// What has ended stays, but for the generation that it speaks of.
fn monotone(old: &WorkflowRunStatus, new: &WorkflowRunStatus) -> Result<(), TestCaseError> {
    if old.phase.is_finished() {
        prop_assert_eq!((old.phase, &old.tasks, &old.history), (new.phase, &new.tasks, &new.history));
    }
    // One that names no revision is pinned anew, and its tasks with it.
    for (old, new) in old.tasks.iter().zip(&new.tasks).filter(|_| old.revision.is_some()) {
        prop_assert!(!old.phase.is_finished() || old == new, "{} had ended, and changed", old.name);
        // The oldest make room for new ones, and are counted from then on.
        let last = |task: &TaskStatus| task.attempts.last().map(|last| last.number);
        prop_assert!(new.attempts.len() >= old.attempts.len() || last(new) > last(old), "{} lost an attempt", old.name);
    }
    Ok(())
}

/// Whether the API server would take a status.
fn is_stored(schema: &Value, status: &WorkflowRunStatus) -> Result<(), String> {
    let written = serde_json::to_value(status).map_err(|error| error.to_string())?;
    schema::check(schema, &written, "status")
}

fn law(plans: &[Plan], schema: &Value, situation: &Situation) -> Verdict {
    let (which, text) = &situation.run;
    let Ok(run) = Loose::<WorkflowRun>::parse(text).object else { return Ok("unreadable") };
    let mut world = World::new(plans[*which].clone());
    (world.spec, world.status) = (run.spec, run.status.unwrap_or_default());
    (world.known, world.now) = (situation.known, situation.now);
    populate(&mut world, &situation.pods);

    for now in [Timestamp::MIN, Timestamp::MAX] {
        let _ = world.decide_at(now);
    }
    let decision = world.decide();
    prop_assert_eq!(&decision, &world.decide(), "not deterministic");
    if is_stored(schema, &world.status).is_err() {
        return Ok("not stored");
    }
    prop_assert_eq!(is_stored(schema, &decision.status), Ok(()), "the API server would refuse it");
    bounded(&world, &decision)?;
    monotone(&world.status, &decision.status)?;
    prop_assert!(decision.illegal.is_empty(), "{:?}", decision.illegal);

    let mut settled = world.clone();
    let is_settled = (0..SETTLED).any(|_| {
        let decision = settled.decide();
        settled.status = decision.status;
        decision.urgency == Urgency::Unchanged
    });
    prop_assert!(is_settled, "it doesn't settle: {:#?}", settled.status);

    let finished = world.status.phase.is_finished();
    prop_assert!(world.comes_to_an_end(ROUNDS), "it comes to no end: {:#?}\n{:#?}", world.status, world.sights);
    Ok(match world.status.phase {
        _ if finished => "finished",
        RunPhase::Succeeded => "succeeds",
        _ => "ends otherwise",
    })
}

#[test]
fn any_situation_leads_to_an_end() {
    let goldens = goldens();
    let plans: Vec<Plan> = goldens.iter().map(|(_, plan, _)| plan.clone()).collect();
    let documents: Vec<Value> = goldens.into_iter().map(|(_, _, document)| document).collect();
    let schema = schema::of_run_status();
    let tally = fuzz("decisions", 1_000, &situations(&documents), |situation| law(&plans, &schema, situation));
    tally.at_least(10, "succeeds").at_least(10, "ends otherwise").at_least(5, "finished");
}
