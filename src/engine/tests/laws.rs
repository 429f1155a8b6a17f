//! The laws of `decide` over random graphs and random worlds: total, deterministic, idempotent, monotone, and at the end the
//! verdict that a reader of the rules would give.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::json;

use super::world::{World, main_end, new_pod};
use crate::api::{Attempt, Reason, Retry, RunPhase, Task, TaskPhase, TaskStatus, WorkflowRunStatus, WorkflowSpec};
use crate::engine::tally::Tally;
use crate::engine::{Disruption, Effect, MainState, PodFacts, PodPhase, Refusal, RefusalKind, Sight, Urgency};

/// Something that happens in a world. The number picks the pod or effect that it happens to.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Decide,
    CarryOut(usize),
    Refuse(usize, bool),
    Start(usize),
    End(usize, i32),
    Disrupt(usize),
    Vanish(usize),
    ForgetSight(usize),
    Suspend,
    Resume,
    Cancel,
    Wait(i64),
    /// A create that nobody got an answer to takes effect late.
    LatePod(usize),
    /// The revision is gone.
    Lose,
}

fn happening() -> impl Strategy<Value = Happening> {
    let pick = 0..64_usize;
    prop_oneof![
        6 => Just(Happening::Decide),
        6 => pick.clone().prop_map(Happening::CarryOut),
        1 => (pick.clone(), any::<bool>()).prop_map(|(n, quota)| Happening::Refuse(n, quota)),
        3 => pick.clone().prop_map(Happening::Start),
        5 => (pick.clone(), prop_oneof![12 => Just(0), 3 => Just(1), 1 => Just(2), 1 => Just(3), 2 => Just(4)])
            .prop_map(|(n, code)| Happening::End(n, code)),
        1 => pick.clone().prop_map(Happening::Disrupt),
        1 => pick.clone().prop_map(Happening::Vanish),
        1 => pick.prop_map(Happening::ForgetSight),
        1 => Just(Happening::Suspend),
        2 => Just(Happening::Resume),
        1 => prop::bool::weighted(0.1).prop_map(|really| if really { Happening::Cancel } else { Happening::Decide }),
        2 => (-5..400_i64).prop_map(Happening::Wait),
        1 => (0..64_usize).prop_map(Happening::LatePod),
        1 => prop::bool::weighted(0.03).prop_map(|really| if really { Happening::Lose } else { Happening::Decide }),
    ]
}

/// How a task may be tried again. An exit code 2 fails it at once, 3 may fail the run, and 4 is not yet.
fn retry() -> impl Strategy<Value = Retry> {
    let rules = |fail_run: bool| {
        let last = if fail_run { "FailRun" } else { "Retry" };
        json!([
            { "exitCodes": [2], "action": "FailTask" },
            { "exitCodes": [4], "action": "Poll", "after": "10s" },
            { "expr": "attempt.exitCode == 3", "action": last },
        ])
    };
    (0..4_u32, 0..4_u32, prop::sample::select(vec!["0s", "30s", "10m"]), prop::bool::weighted(0.1)).prop_map(
        move |(limit, disruptions, initial, fail_run)| {
            let backoff = json!({ "initial": initial });
            let retry =
                json!({ "limit": limit, "disruptions": disruptions, "backoff": backoff, "rules": rules(fail_run) });
            serde_json::from_value(retry).unwrap()
        },
    )
}

/// A random graph: task `i` needs some of those before it, listed in a shuffled order.
fn graph() -> impl Strategy<Value = WorkflowSpec> {
    let timed = prop::option::weighted(0.1, Just("1h".to_owned()));
    let tasks = vec((any::<u64>(), prop::option::of(retry()), any::<[bool; 3]>()), 9);
    (1..9_usize, tasks, any::<bool>(), timed).prop_map(|(size, random, reversed, timeout)| {
        let timed = |timed: bool, text: &str| timed.then(|| text.to_owned());
        let name = |index: usize| format!("t{index}");
        let mut tasks: Vec<Task> = (0..size)
            .map(|index| Task {
                name: name(index),
                image: Some("i".into()),
                needs: (0..index).filter(|need| (random[index].0 >> need) & 3 == 3).map(name).collect(),
                retry: random[index].1.clone(),
                timeout: timed(random[index].2[0], "10m"),
                start_timeout: timed(random[index].2[1], "5m"),
                // Those that poll must have one.
                total_timeout: timed(random[index].2[2] || random[index].1.is_some(), "2h"),
                ..Task::default()
            })
            .collect();
        if reversed {
            tasks.reverse();
        }
        WorkflowSpec { timeout, tasks, ..WorkflowSpec::default() }
    })
}

/// The verdict, written from the rules alone.
fn reference(spec: &WorkflowSpec, status: &WorkflowRunStatus) -> RunPhase {
    let phase = |name: &str| status.tasks.iter().find(|task| task.name == name).map(|task| task.phase).unwrap();
    for task in &spec.tasks {
        let needs_ok = task.needs.iter().all(|need| phase(need) == TaskPhase::Succeeded);
        match phase(&task.name) {
            TaskPhase::Succeeded | TaskPhase::Failed => assert!(needs_ok, "{} ran without what it needs", task.name),
            TaskPhase::UpstreamFailed => assert!(!needs_ok, "{} could have run", task.name),
            TaskPhase::Cancelled => {
                assert!(matches!(
                    status.reason,
                    Some(Reason::CancelRequested | Reason::RevisionLost | Reason::FailRun | Reason::RunTimedOut)
                ));
            }
            other => panic!("{} is {other:?} in a finished run", task.name),
        }
    }
    if status.reason == Some(Reason::RevisionLost) {
        return RunPhase::Failed;
    }
    if status.reason == Some(Reason::FailRun) {
        assert!(status.tasks.iter().any(|task| task.reason == Some(Reason::FailRun)), "no rule said so");
        return RunPhase::Failed;
    }
    if status.reason == Some(Reason::RunTimedOut) {
        assert!(spec.timeout.is_some(), "it has no timeout");
        return RunPhase::Failed;
    }
    let cancelled = status.history.iter().any(|it| it.task.is_none() && it.to == "Stopping")
        || status.history.is_empty()
        || status.tasks.iter().any(|task| task.phase == TaskPhase::Cancelled);
    if cancelled {
        RunPhase::Cancelled
    } else if status.tasks.iter().any(|task| task.phase == TaskPhase::Failed) {
        RunPhase::Failed
    } else {
        RunPhase::Succeeded
    }
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
            assert!(was.uid.is_none() || was.uid == is.uid, "the pod of an attempt changed");
            assert!(was.outcome.is_none() || was == is, "an ended attempt changed");
        }
        let former = new.attempts.iter().rev().skip(1);
        assert!(former.clone().all(|it| it.outcome.is_some()), "a new attempt before the last one's outcome");
        assert!(
            new.phase.is_finished()
                || matches!(new.phase, TaskPhase::Running | TaskPhase::Stopping)
                || new.waiting_for.is_some(),
            "{} waits without a reason",
            new.name
        );
    }
    let newest = old.history.last().map_or(0, |it| it.seq);
    let seqs: Vec<u64> = new.history.iter().map(|it| it.seq).filter(|seq| *seq > newest).collect();
    assert!(seqs.iter().enumerate().all(|(at, seq)| *seq == newest + 1 + at as u64), "{newest} {seqs:?}");
}

/// No task is tried more often than its budgets allow.
fn within_budgets(world: &World) {
    for (planned, task) in world.plan.tasks().iter().zip(&world.status.tasks) {
        let tally = Tally::of(task);
        let Tally { failed, disrupted_before_start, disrupted_after_start, .. } = tally;
        assert!(failed <= planned.retry.limit + 1, "{}: {tally:?}", task.name);
        assert!(disrupted_before_start <= 6, "{}: {tally:?}", task.name);
        assert!(disrupted_after_start <= planned.retry.disruptions + 1, "{}: {tally:?}", task.name);
    }
}

/// Decides, and checks the laws on the spot. Returns what is to be done.
fn step(world: &mut World) -> Vec<Effect> {
    let decision = world.decide();
    assert_eq!(decision, world.decide(), "not deterministic");
    assert_eq!(decision.illegal, [], "illegal transitions");
    monotone(&world.status, &decision.status);
    let stopping = matches!(world.status.phase, RunPhase::Stopping);
    let changed = decision.status != world.status;
    assert_eq!(changed, decision.urgency != Urgency::Unchanged);
    world.status = decision.status;
    for effect in &decision.effects {
        if let Effect::Create { task, attempt, pod, .. } = effect {
            assert!(!stopping, "a pod after cancel");
            let status = &world.status.tasks[*task];
            let last = status.attempts.last().unwrap();
            assert_eq!((last.number, &last.pod), (*attempt, pod), "a pod without an intent on record");
            assert_eq!(status.phase, TaskPhase::Starting);
            for earlier in status.attempts.iter().rev().skip(1) {
                let lives = |sight: &Sight| matches!(sight, Sight::Pod(it) if !it.is_over() && earlier.uid.as_ref() == Some(&it.uid));
                assert!(!world.sights.get(&earlier.pod).is_some_and(lives), "a pod beside {}", earlier.pod);
            }
            for need in &world.plan.tasks()[*task].needs {
                assert_eq!(world.status.tasks[*need].phase, TaskPhase::Succeeded, "a pod before its needs");
            }
        }
    }
    within_budgets(world);
    let again = world.decide();
    assert_eq!(again.status, world.status, "not idempotent");
    assert_eq!(again.urgency, Urgency::Unchanged);
    decision.effects
}

fn pick<T>(items: &[T], n: usize) -> Option<&T> {
    items.get(n.checked_rem(items.len())?)
}

fn live_pods(world: &World) -> Vec<String> {
    let live =
        |(name, sight): (&String, &Sight)| matches!(sight, Sight::Pod(pod) if !pod.is_over()).then(|| name.clone());
    world.sights.iter().filter_map(live).collect()
}

fn attempts(world: &World) -> impl Iterator<Item = &Attempt> {
    world.status.tasks.iter().flat_map(|task| &task.attempts)
}

fn with_pod(world: &mut World, n: usize, change: impl FnOnce(&mut PodFacts)) {
    if let Some(name) = pick(&live_pods(world), n).cloned()
        && let Some(Sight::Pod(pod)) = world.sights.get_mut(&name)
    {
        change(pod);
    }
}

fn happen(world: &mut World, effects: &mut Vec<Effect>, happening: Happening) {
    let now = world.now;
    match happening {
        Happening::Decide => *effects = step(world),
        Happening::CarryOut(n) => {
            if n < effects.len() {
                let effect = effects.remove(n);
                world.carry_out(&effect);
            }
        }
        Happening::Refuse(n, quota) => {
            let creates: Vec<String> = effects
                .iter()
                .filter_map(|it| if let Effect::Create { pod, .. } = it { Some(pod.clone()) } else { None })
                .collect();
            if let Some(pod) = pick(&creates, n) {
                let kind = if quota { RefusalKind::Quota } else { RefusalKind::Invalid };
                let refusal = Refusal { kind, message: "no".into(), retry_at: now };
                world.sights.insert(pod.clone(), Sight::Refused(refusal));
                effects.retain(|it| !matches!(it, Effect::Create { pod: it, .. } if it == pod));
            }
        }
        Happening::Start(n) => with_pod(world, n, |pod| {
            pod.phase = PodPhase::Running;
            pod.main = MainState::Running { since: Some(now) };
        }),
        Happening::End(n, code) => with_pod(world, n, |pod| {
            pod.phase = if code == 0 { PodPhase::Succeeded } else { PodPhase::Failed };
            pod.main = MainState::Ended(main_end(code, "", now));
        }),
        Happening::Disrupt(n) => with_pod(world, n, |pod| {
            pod.deleting = true;
            pod.condemned = true;
            pod.disruption = Some(Disruption { reason: Reason::Drained, at: Some(now), message: String::new() });
        }),
        Happening::Vanish(n) => {
            // Our finalizer holds a pod until its uid is on record and more; only then can it vanish by itself.
            let known = |pod: &str| attempts(world).any(|it| it.pod == pod && it.uid.is_some());
            let pods: Vec<String> = live_pods(world).into_iter().filter(|pod| known(pod)).collect();
            if let Some(name) = pick(&pods, n) {
                world.sights.insert(name.clone(), Sight::Absent);
            }
        }
        Happening::ForgetSight(n) => {
            let absent = |(name, sight): (&String, &Sight)| matches!(sight, Sight::Refused(_)).then(|| name.clone());
            let names: Vec<String> = world.sights.iter().filter_map(absent).collect();
            if let Some(name) = pick(&names, n) {
                world.sights.remove(name);
            }
        }
        Happening::Suspend => world.spec.suspend = true,
        Happening::Resume => world.spec.suspend = false,
        Happening::Cancel => world.cancel(),
        Happening::Wait(seconds) => world.wait(seconds),
        Happening::LatePod(n) => {
            let unmade: Vec<(String, u32, String)> = world
                .status
                .tasks
                .iter()
                .flat_map(|task| task.attempts.iter().map(|it| (it.pod.clone(), it.number, task.name.clone())))
                .filter(|(pod, ..)| !world.made.contains(pod))
                .collect();
            if let Some((pod, number, task)) = pick(&unmade, n) {
                world.made.push(pod.clone());
                world.sights.insert(pod.clone(), Sight::Pod(new_pod(pod, task, *number)));
                effects.retain(|it| !matches!(it, Effect::Create { pod: it, .. } if it == pod));
            }
        }
        Happening::Lose => world.lost = true,
    }
}

/// Faults stop: everything asked for is done, every pod ends well.
fn run_out(world: &mut World) {
    world.spec.suspend = false;
    for _ in 0..200 {
        for sight in world.sights.values_mut() {
            if matches!(sight, Sight::Refused(_)) {
                *sight = Sight::Absent;
            }
        }
        // What was asked for and never done is known not to exist, as a live read would tell.
        let open: Vec<String> = attempts(world).map(|it| it.pod.clone()).collect();
        for pod in open {
            world.sights.entry(pod).or_insert(Sight::Absent);
        }
        let effects = step(world);
        if world.status.phase.is_finished() && effects.is_empty() {
            return;
        }
        for effect in &effects {
            world.carry_out(effect);
        }
        let now = world.now;
        for name in live_pods(world) {
            if let Some(Sight::Pod(pod)) = world.sights.get_mut(&name) {
                pod.phase = PodPhase::Succeeded;
                pod.main = MainState::Ended(main_end(0, "", now));
            }
        }
        world.wait(400);
    }
    panic!("no end: {}", world.story());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_world_obeys_the_laws_and_every_run_ends(spec in graph(), happenings in vec(happening(), 0..120)) {
        let mut world = World::of(&spec);
        let mut effects = step(&mut world);
        for it in happenings {
            happen(&mut world, &mut effects, it);
        }
        run_out(&mut world);
        prop_assert_eq!(world.status.phase, reference(&spec, &world.status), "{}", world.story());
        let runs_on = |sight: &Sight| matches!(sight, Sight::Pod(pod) if !pod.is_over() && !pod.deleting);
        prop_assert!(!world.sights.values().any(runs_on), "a pod of a finished run runs on");
        let held = |sight: &Sight| matches!(sight, Sight::Pod(pod) if pod.held);
        prop_assert!(!world.sights.values().any(held), "a pod kept its finalizer");
    }
}
