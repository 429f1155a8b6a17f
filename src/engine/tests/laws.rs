//! The laws of `decide` over random graphs and random worlds: total, deterministic, idempotent, monotone, and at the end the
//! verdict that a reader of the rules would give.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::graph::{graph, timed_graph};
use super::happening::{
    happen, happening, is_busy, live_children, live_objects, live_pods, pick, run_out, with_child, with_object,
};
use super::reference;
use super::world::{World, main_end};
use crate::api::{Attempt, ItemsStatus, Reason, RunPhase, TaskPhase, TaskStatus, WorkflowRunStatus, WorkflowSpec};
use crate::engine::items::Items;
use crate::engine::tally::Tally;
use crate::engine::{Effect, HOT, Hot, MainState, PodPhase, Sight, Urgency};

/// The verdict, written from the rules alone.
fn verdict(spec: &WorkflowSpec, status: &WorkflowRunStatus) -> (RunPhase, Option<Reason>) {
    reference::check_tasks(spec, status);
    if status.reason == Some(Reason::RevisionLost) {
        return (RunPhase::Failed, status.reason);
    }
    if status.reason == Some(Reason::FailRun) {
        // Why it failed isn't on record of one that isn't spelt out.
        let is_it = |task: &TaskStatus| task.reason == status.reason || task.reason.is_none();
        let said_so = |task: &TaskStatus| task.phase == TaskPhase::Failed && is_it(task);
        assert!(status.tasks.iter().any(said_so), "no rule said so");
        return (RunPhase::Failed, status.reason);
    }
    if status.reason == Some(Reason::RunTimedOut) {
        assert!(spec.timeout.is_some(), "it has no timeout");
        return (RunPhase::Failed, status.reason);
    }
    let main = &status.tasks[..spec.tasks.len()];
    let cancelled = status.history.iter().any(|it| it.task.is_none() && it.to == "Stopping")
        || status.history.is_empty()
        || main.iter().any(|task| task.phase == TaskPhase::Cancelled);
    if cancelled {
        return (RunPhase::Cancelled, Some(Reason::CancelRequested));
    }
    let ends: Vec<TaskPhase> = status.tasks.iter().map(|task| task.phase).collect();
    reference::verdict(spec, &ends)
}

/// What never changes between two statuses of a run.
fn monotone(old: &WorkflowRunStatus, new: &WorkflowRunStatus) {
    if old.phase.is_finished() {
        assert_eq!(old, new, "a finished run changed");
    }
    for (old, new) in old.tasks.iter().zip(&new.tasks) {
        if old.phase.is_finished() {
            assert_eq!(old, new, "a finished task changed");
        }
        items_monotone(old, new);
        let counted = |task: &TaskStatus| {
            let earlier = task.earlier.unwrap_or_default();
            earlier.failed + earlier.disrupted_before_start + earlier.disrupted_after_start + earlier.not_yet
        };
        let numbers: Vec<u32> = new.attempts.iter().map(|it| it.number).collect();
        let first = counted(new) + 1;
        assert!(numbers.iter().copied().eq((first..).take(numbers.len())), "{first} {numbers:?}");
        let all = |task: &TaskStatus| counted(task) as usize + task.attempts.len();
        assert!(all(new) >= all(old) && counted(new) >= counted(old), "an attempt was lost");
        for was in old.attempts.iter().filter(|it| it.number >= first) {
            let is = new.attempts.iter().find(|it| it.number == was.number).unwrap();
            assert!(was.uid.as_ref().is_none_or(|uid| is.is(uid)) || was.is_untold(), "the pod of an attempt changed");
            assert!(was.outcome.is_none() || was == is, "an ended attempt changed: {was:?} {is:?}");
        }
        let former = new.attempts.iter().rev().skip(1);
        assert!(former.clone().all(|it| it.outcome.is_some()), "a new attempt before the last one's outcome");
    }
    let newest = old.history.last().map_or(0, |it| it.seq);
    let seqs: Vec<u64> = new.history.iter().map(|it| it.seq).filter(|seq| *seq > newest).collect();
    assert!(seqs.iter().enumerate().all(|(at, seq)| *seq == newest + 1 + at as u64), "{newest} {seqs:?}");
}

/// What was packed comes back: the phase of everything, and of what is under way its number, its budgets and its time.
fn comes_back(full: &WorkflowRunStatus, again: &WorkflowRunStatus, spelt: usize) {
    assert_eq!(full.tasks.len(), again.tasks.len());
    for (was, is) in full.tasks.iter().zip(&again.tasks) {
        assert_eq!((was.phase, &was.outputs), (is.phase, &is.outputs), "{}", was.name);
        let phases = |task: &TaskStatus| task.items.as_ref().map(ItemsStatus::phases);
        assert_eq!(phases(was), phases(is), "{}", was.name);
        let outputs = |task: &TaskStatus| task.items.as_ref().map(|items| items.outputs.clone());
        assert_eq!(outputs(was), outputs(is), "{}", was.name);
    }
    let goes_on = |task: &TaskStatus| task.phase.has_pod() || task.phase == TaskPhase::Backoff;
    let known = |status: &WorkflowRunStatus| -> Vec<TaskStatus> { units(status).into_iter().filter(goes_on).collect() };
    let (was, is) = (known(full), known(again));
    assert_eq!(was.len(), is.len(), "{spelt} are spelt out");
    for (was, is) in was.iter().zip(&is) {
        assert_eq!((&was.name, was.phase), (&is.name, is.phase));
        assert_eq!(Tally::of(was, full.generation), Tally::of(is, full.generation), "{}", was.name);
        assert_eq!(was.deadline_at.is_some(), is.deadline_at.is_some(), "{}", was.name);
        let (Some(old), Some(new)) = (was.attempts.last(), is.attempts.last()) else {
            assert!(was.items.is_some(), "{} has no attempt", was.name);
            continue;
        };
        assert_eq!((old.number, old.object()), (new.number, new.object()), "{}", was.name);
        assert_eq!(old.outcome, new.outcome, "{}", was.name);
        let is_made = (old.uid.is_some(), new.uid.is_some());
        assert!(is_made.0 == is_made.1 || !was.phase.has_pod() || was.phase == TaskPhase::Running, "{}", was.name);
        let millis = |attempt: &Attempt| attempt.next_at.as_ref().map(|at| at.0.as_millisecond());
        assert_eq!(millis(old), millis(new), "{}", was.name);
    }
}

/// What never changes of the items of a task.
fn items_monotone(old: &TaskStatus, new: &TaskStatus) {
    let (Some(was), Some(is)) = (&old.items, &new.items) else {
        assert!(old.items.is_none(), "the items of {} are gone", new.name);
        return;
    };
    assert_eq!(was.total, is.total, "{} has another list", new.name);
    for (index, (was, is)) in was.phases().into_iter().zip(is.phases()).enumerate() {
        assert!(!was.is_finished() || was == is, "{}[{index}] was {was:?} and is {is:?}", new.name);
    }
    let (was, is) = (Items::read(&old.name, was), Items::read(&new.name, is));
    for (index, was) in was.known() {
        // Of those that have ended not all are told of for ever.
        let Some(is) = is.get(index) else { continue };
        for was in &was.attempts {
            let same = is.attempts.iter().find(|it| it.number == was.number);
            let kept = |it: &&Attempt| {
                (was.uid.is_none() || was.is_untold() || was.uid == it.uid) && (was.outcome.is_none() || was == *it)
            };
            assert!(same.is_none_or(|it| kept(&it)), "an attempt of {}[{index}] changed: {was:?} {same:?}", new.name);
        }
    }
}

/// Whether what neither runs nor has ended says what it waits for; a task with items leaves that to them once one has begun.
fn says_why(task: &TaskStatus) -> bool {
    let goes_on = |phase: TaskPhase| phase.is_finished() || phase == TaskPhase::Running;
    let Some(items) = &task.items else { return goes_on(task.phase) || task.waiting_for.is_some() };
    let is_over = task.phase.is_finished() || task.phase == TaskPhase::Stopping;
    let pending = !items.pending.is_empty() && !is_over;
    let told = task.waiting_for.is_some() || items.waiting_for.is_some();
    let of_items = |item: &TaskStatus| goes_on(item.phase) || item.waiting_for.is_some();
    (told || !pending) && Items::read(&task.name, items).known().all(|(_, item)| of_items(item))
}

/// The state of a task, or of an item of it that is told of.
fn unit(status: &WorkflowRunStatus, task: usize, item: Option<u32>) -> TaskStatus {
    let task = &status.tasks[task];
    let Some(item) = item else { return task.clone() };
    let items = Items::read(&task.name, task.items.as_ref().unwrap());
    items.get(item).unwrap_or_else(|| panic!("{}[{item}] isn't told of", task.name)).clone()
}

/// Every task, and every item that is told of.
pub(super) fn units(status: &WorkflowRunStatus) -> Vec<TaskStatus> {
    let of_task = |task: &TaskStatus| {
        let items = task.items.iter().map(|items| Items::read(&task.name, items));
        let items = items.flat_map(|items| items.known().map(|(_, item)| item.clone()).collect::<Vec<_>>());
        items.chain([task.clone()]).collect::<Vec<_>>()
    };
    status.tasks.iter().flat_map(of_task).collect()
}

fn phase(status: &WorkflowRunStatus, name: &str) -> TaskPhase {
    status.tasks.iter().find(|task| task.name == name).unwrap().phase
}

/// No task is tried more often than its budgets allow.
fn within_budgets(world: &World) {
    for task in units(&world.full()) {
        let planned = &world.plan.tasks()[world.plan.index(&task.name).unwrap()];
        let tally = Tally::of(&task, 0);
        let Tally { failed, disrupted_before_start, disrupted_after_start, .. } = tally;
        assert!(failed <= planned.retry.limit + 1, "{}: {tally:?}", task.name);
        assert!(disrupted_before_start <= 6, "{}: {tally:?}", task.name);
        assert!(disrupted_after_start <= planned.retry.disruptions + 1, "{}: {tally:?}", task.name);
    }
}

/// Decides, and checks the laws on the spot. Returns what is to be done.
pub(super) fn step(world: &mut World, spec: &WorkflowSpec) -> Vec<Effect> {
    let decision = world.decide();
    assert_eq!(decision, world.decide(), "not deterministic");
    assert_eq!(decision.illegal, [], "illegal transitions");
    let before = world.full();
    monotone(&before, &decision.full);
    let stopping = matches!(world.status.phase, RunPhase::Stopping);
    let changed = decision.status != world.status;
    assert_eq!(changed, decision.urgency != Urgency::Unchanged);
    world.status = decision.status;
    world.outputs.extend(decision.outputs);
    let status = decision.full;
    comes_back(&status, &world.full(), world.hot.spelt);
    // Of those that aren't spelt out nobody asks.
    let silent = status.tasks.iter().find(|task| world.hot.spelt == HOT.spelt && !says_why(task));
    assert_eq!(silent.map(|task| &task.name), None, "it waits without a reason");
    for effect in &decision.effects {
        if let Effect::Create { task, item, attempt, pod: name, .. }
        | Effect::CreateRun { task, item, attempt, run: name, .. }
        | Effect::CreateResource { task, item, attempt, resource: name, .. } = effect
        {
            let main = &status.tasks[..spec.tasks.len()];
            assert!(!stopping || *task >= main.len(), "a pod after cancel");
            let all_ended = main.iter().all(|task| task.phase.is_finished());
            assert!(all_ended || *task < main.len(), "a finally task before the end of all others");
            let has = |claim: &str| world.status.volume_claims.iter().any(|it| it.name == claim && it.uid.is_some());
            assert!(world.plan.tasks()[*task].claims.iter().all(|claim| has(claim)), "a pod before its volume");
            let own = unit(&status, *task, *item);
            let last = own.attempts.last().unwrap();
            assert_eq!((last.number, last.object()), (*attempt, name.as_str()), "a pod without an intent on record");
            assert_eq!(own.phase, TaskPhase::Starting);
            for earlier in own.attempts.iter().rev().skip(1) {
                let lives = |sight: &Sight| match sight {
                    Sight::Pod(it) => !it.is_over() && earlier.uid.as_ref() == Some(&it.uid),
                    Sight::Child(it) => !it.phase.is_finished() && earlier.uid.as_ref() == Some(&it.uid),
                    Sight::Resource(it) => is_busy(it) && earlier.uid.as_ref() == Some(&it.uid),
                    Sight::Absent | Sight::Creating | Sight::Refused(_) | Sight::Hidden(_) => false,
                };
                assert!(!world.resources.get(earlier.object()).is_some_and(lives), "an object beside {earlier:?}");
                assert!(!world.sights.get(&earlier.pod).is_some_and(lives), "a pod beside {}", earlier.pod);
                assert!(!world.children.get(&earlier.run).is_some_and(lives), "a run beside {}", earlier.run);
            }
            let (task, phase) = (reference::tasks(spec)[*task], |need: &str| phase(&status, need));
            assert!(
                reference::may_run(task, &reference::needs(spec, task, phase)),
                "a pod before its rule lets it run"
            );
        }
    }
    within_budgets(world);
    let again = world.decide();
    assert_eq!(again.status, world.status, "not idempotent");
    assert_eq!(again.urgency, Urgency::Unchanged);
    decision.effects
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_world_obeys_the_laws_and_every_run_ends(
        spec in timed_graph(), happenings in vec(happening(), 0..120), spelt in select(vec![0, 2, 8, HOT.spelt]),
        outputs in select(vec![0, 64, 256, HOT.outputs])
    ) {
        let mut world = World { hot: Hot { spelt, outputs, ..HOT }, ..World::of(&spec) };
        let mut effects = step(&mut world, &spec);
        for it in happenings {
            happen(&mut world, &spec, &mut effects, it);
        }
        run_out(&mut world, &spec);
        let end = (world.status.phase, world.status.reason);
        prop_assert_eq!(end, verdict(&spec, &world.full_by_plan()), "{}", world.story());
        let runs_on = |sight: &Sight| matches!(sight, Sight::Pod(pod) if !pod.is_over() && !pod.deleting);
        prop_assert!(!world.sights.values().any(runs_on), "a pod of a finished run runs on");
        let held = |sight: &Sight| matches!(sight, Sight::Pod(pod) if pod.held);
        prop_assert!(!world.sights.values().any(held), "a pod kept its finalizer");
        let live = live_objects(&world);
        prop_assert!(live.is_empty(), "objects of a finished run go on: {:?}", live);
    }

    #[test]
    fn the_end_is_the_same_whatever_the_order(
        spec in graph(), fates in any::<u64>(), orders in vec((any::<u8>(), select(vec![0, 8, HOT.spelt]), select(vec![0, 64, HOT.outputs])), 2)
    ) {
        let ends_well = |name: &str| fates >> name[1..].parse::<u32>().unwrap() & 1 == 1;
        let ends = reference::ends(&spec, ends_well);
        for (order, spelt, outputs) in orders {
            let mut world = World { hot: Hot { spelt, outputs, ..HOT }, ..World::of(&spec) };
            for round in 0.. {
                let effects = step(&mut world, &spec);
                for effect in &effects {
                    world.carry_out(effect);
                }
                let live = [live_pods(&world), live_children(&world), live_objects(&world)].concat();
                // One at a time, each time another one.
                let Some(name) = pick(&live, usize::from(order).wrapping_mul(round + 1) >> 1).cloned() else {
                    if effects.is_empty() {
                        break;
                    }
                    continue;
                };
                let now = world.now;
                if world.children.contains_key(&name) {
                    let of_it = |task: &TaskStatus| task.attempts.iter().any(|it| it.run == name);
                    let task = units(&world.full()).into_iter().find(of_it).unwrap().name;
                    let task = task.split('[').next().unwrap();
                    with_child(&mut world, &name, if ends_well(task) { RunPhase::Succeeded } else { RunPhase::Failed });
                    continue;
                }
                if let Some(Sight::Resource(facts)) = world.resources.get(&name) {
                    let well = ends_well(&facts.task);
                    with_object(&mut world, &name, if well { "Done" } else { "Failed" });
                    continue;
                }
                let Some(pod) = world.sights.get_mut(&name).and_then(Sight::pod_mut) else { panic!("it is there") };
                let well = ends_well(&pod.task);
                pod.phase = if well { PodPhase::Succeeded } else { PodPhase::Failed };
                pod.main = MainState::Ended(main_end(i32::from(!well), "", now));
            }
            let found: Vec<TaskPhase> = world.full().tasks.iter().map(|task| task.phase).collect();
            prop_assert_eq!(&found, &ends, "{}", world.story());
            prop_assert_eq!((world.status.phase, world.status.reason), reference::verdict(&spec, &ends));
        }
    }
}
