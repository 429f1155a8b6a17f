//! What may happen to a run in a random world: its decisions are carried out, or not, or later; pods, child runs and objects go their
//! ways; people suspend, resume and cancel.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::laws::{step, units};
use super::world::{World, main_end, new_pod};
use crate::api::{Attempt, Reason, RunPhase, WorkflowSpec};
use crate::engine::{
    ClaimSight, Disruption, Effect, MainState, PodFacts, PodPhase, Refusal, RefusalKind, ResourceFacts, Sight,
};

/// Something that happens in a world. The number picks the pod or effect that it happens to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Happening {
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
    SkipFinally,
    Wait(i64),
    /// A create that nobody got an answer to takes effect late.
    LatePod(usize),
    /// The create of the volume claim is refused, for now or for good.
    RefuseClaim(bool),
    /// The revision is gone.
    Lose,
    /// A child run comes to a phase.
    Child(usize, RunPhase),
    /// An object of another kind says something of itself.
    Object(usize, &'static str),
}

pub(super) fn happening() -> impl Strategy<Value = Happening> {
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
        1 => prop::bool::weighted(0.1).prop_map(|really| if really { Happening::SkipFinally } else { Happening::Decide }),
        2 => (-5..400_i64).prop_map(Happening::Wait),
        1 => (0..64_usize).prop_map(Happening::LatePod),
        1 => any::<bool>().prop_map(Happening::RefuseClaim),
        1 => prop::bool::weighted(0.03).prop_map(|really| if really { Happening::Lose } else { Happening::Decide }),
        4 => (0..64_usize, prop::sample::select(&RunPhase::ALL[..])).prop_map(|(n, phase)| Happening::Child(n, phase)),
        4 => (0..64_usize, prop::sample::select(&["Done", "Failed", "Busy", "Odd"][..])).prop_map(|(n, word)| Happening::Object(n, word)),
    ]
}

pub(super) fn pick<T>(items: &[T], n: usize) -> Option<&T> {
    items.get(n.checked_rem(items.len())?)
}

pub(super) fn live_pods(world: &World) -> Vec<String> {
    let live =
        |(name, sight): (&String, &Sight)| matches!(sight, Sight::Pod(pod) if !pod.is_over()).then(|| name.clone());
    world.sights.iter().filter_map(live).collect()
}

pub(super) fn live_children(world: &World) -> Vec<String> {
    let lives = |sight: &Sight| matches!(sight, Sight::Child(child) if !child.phase.is_finished());
    world.children.iter().filter(|(_, sight)| lives(sight)).map(|(name, _)| name.clone()).collect()
}

pub(super) fn with_child(world: &mut World, name: &str, phase: RunPhase) {
    let now = world.now;
    if let Some(Sight::Child(child)) = world.children.get_mut(name) {
        child.phase = phase;
        if phase != RunPhase::Pending {
            child.started_at.get_or_insert(now);
        }
        child.finished_at = phase.is_finished().then_some(now);
    }
}

/// Whether an object has neither failed nor done its work, nor what nobody can judge.
pub(super) fn is_busy(facts: &ResourceFacts) -> bool {
    let object: Value = facts.object.as_ref().map_or(Value::Null, |text| serde_json::from_str(text).unwrap());
    !matches!(object["status"]["word"].as_str(), Some("Done" | "Failed"))
}

pub(super) fn live_objects(world: &World) -> Vec<String> {
    let lives = |sight: &Sight| matches!(sight, Sight::Resource(facts) if is_busy(facts));
    world.resources.iter().filter(|(_, sight)| lives(sight)).map(|(name, _)| name.clone()).collect()
}

/// What an object says of itself; `Odd` is no text, so that the conditions have no value.
pub(super) fn with_object(world: &mut World, name: &str, says: &str) {
    if let Some(Sight::Resource(facts)) = world.resources.get_mut(name) {
        let says = if says == "Odd" { json!(1) } else { json!(says) };
        facts.object = Ok(json!({ "status": { "word": says } }).to_string().into());
    }
}

pub(super) fn attempts(world: &World) -> Vec<Attempt> {
    units(&world.full()).into_iter().flat_map(|task| task.attempts).collect()
}

fn with_pod(world: &mut World, n: usize, change: impl FnOnce(&mut PodFacts)) {
    if let Some(name) = pick(&live_pods(world), n).cloned()
        && let Some(pod) = world.sights.get_mut(&name).and_then(Sight::pod_mut)
    {
        change(pod);
    }
}

/// The API server refuses to make something.
fn refuse(world: &mut World, effects: &mut Vec<Effect>, n: usize, quota: bool) {
    let is_create =
        |it: &&Effect| matches!(it, Effect::Create { .. } | Effect::CreateRun { .. } | Effect::CreateResource { .. });
    let creates: Vec<Effect> = effects.iter().filter(is_create).cloned().collect();
    if let Some(create) = pick(&creates, n) {
        let kind = if quota { RefusalKind::Quota } else { RefusalKind::Invalid };
        let refusal = Sight::Refused(Refusal { kind, message: "no".into(), retry_at: world.now });
        match create {
            Effect::CreateRun { run, .. } => world.children.insert(run.clone(), refusal),
            Effect::Create { pod, .. } => world.sights.insert(pod.clone(), refusal),
            Effect::CreateResource { resource, .. } => world.resources.insert(resource.clone(), refusal),
            _ => None,
        };
        effects.retain(|it| it != create);
    }
}

/// Someone deletes a pod, a child run and an object of another kind.
fn vanish(world: &mut World, n: usize) {
    let is_known = |world: &World, name: &str| attempts(world).iter().any(|it| it.object() == name && it.uid.is_some());
    // Our finalizer holds a pod until its uid is on record and more; only then can it vanish by itself.
    let pods: Vec<String> = live_pods(world).into_iter().filter(|pod| is_known(world, pod)).collect();
    if let Some(name) = pick(&pods, n) {
        world.sights.insert(name.clone(), Sight::Absent);
    }
    // Nothing holds a child run. One that nobody knew of by then is made again.
    if let Some(name) = pick(&live_children(world), n) {
        world.children.insert(name.clone(), Sight::Absent);
        let known = is_known(world, name);
        world.made.retain(|made| known || made != name);
    }
    // The same of an object of another kind.
    if let Some(name) = pick(&live_objects(world), n) {
        world.resources.insert(name.clone(), Sight::Absent);
        let known = is_known(world, name);
        world.made.retain(|made| known || made != name);
    }
}

pub(super) fn happen(world: &mut World, spec: &WorkflowSpec, effects: &mut Vec<Effect>, happening: Happening) {
    let now = world.now;
    match happening {
        Happening::Decide => *effects = step(world, spec),
        Happening::CarryOut(n) => {
            if n < effects.len() {
                let effect = effects.remove(n);
                world.carry_out(&effect);
            }
        }
        Happening::Refuse(n, quota) => refuse(world, effects, n, quota),
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
        Happening::Vanish(n) => vanish(world, n),
        Happening::ForgetSight(n) => {
            let absent = |(name, sight): (&String, &Sight)| matches!(sight, Sight::Refused(_)).then(|| name.clone());
            let all = world.sights.iter().chain(&world.children).chain(&world.resources);
            let names: Vec<String> = all.filter_map(absent).collect();
            if let Some(name) = pick(&names, n) {
                world.sights.swap_remove(name);
                world.resources.swap_remove(name);
                world.children.swap_remove(name);
            }
        }
        Happening::Suspend => world.spec.suspend = true,
        Happening::Resume => world.spec.suspend = false,
        Happening::Cancel => world.cancel(),
        Happening::SkipFinally => {
            world.cancel();
            world.spec.cancel.iter_mut().for_each(|cancel| cancel.skip_finally = true);
        }
        Happening::Wait(seconds) => world.wait(seconds),
        Happening::LatePod(n) => {
            let unmade: Vec<(String, u32, String)> = world
                .full()
                .tasks
                .iter()
                .flat_map(|task| task.attempts.iter().map(|it| (it.pod.clone(), it.number, task.name.clone())))
                .filter(|(pod, ..)| !pod.is_empty() && !world.made.contains(pod))
                .collect();
            if let Some((pod, number, task)) = pick(&unmade, n) {
                world.made.push(pod.clone());
                world.sights.insert(pod.clone(), Sight::Pod(new_pod(pod, task, *number).into()));
                effects.retain(|it| !matches!(it, Effect::Create { pod: it, .. } if it == pod));
            }
        }
        Happening::RefuseClaim(quota) => {
            let create =
                |it: &Effect| if let Effect::CreateClaim { name, .. } = it { Some(name.clone()) } else { None };
            if let Some(name) = effects.iter().find_map(create) {
                let kind = if quota { RefusalKind::Quota } else { RefusalKind::Invalid };
                world.claims.insert(name, ClaimSight::Refused(Refusal { kind, message: "no".into(), retry_at: now }));
                effects.retain(|it| create(it).is_none());
            }
        }
        Happening::Lose => world.lost = true,
        Happening::Child(n, phase) => {
            if let Some(name) = pick(&live_children(world), n) {
                with_child(world, name, phase);
            }
        }
        Happening::Object(n, says) => {
            if let Some(name) = pick(&live_objects(world), n) {
                with_object(world, name, says);
            }
        }
    }
}

/// Faults stop: everything asked for is done, every pod ends well.
pub(super) fn run_out(world: &mut World, spec: &WorkflowSpec) {
    world.spec.suspend = false;
    for _ in 0..400 {
        for sight in world.sights.values_mut().chain(world.children.values_mut()).chain(world.resources.values_mut()) {
            if matches!(sight, Sight::Refused(_)) {
                *sight = Sight::Absent;
            }
        }
        for claim in &world.status.volume_claims {
            let sight = world.claims.entry(claim.claim.clone()).or_insert(ClaimSight::Absent);
            if matches!(sight, ClaimSight::Refused(_)) {
                *sight = ClaimSight::Absent;
            }
        }
        // What was asked for and never done is known not to exist, as a live read would tell.
        for attempt in attempts(world) {
            let all = match &attempt {
                Attempt { resource: Some(_), .. } => &mut world.resources,
                Attempt { run, .. } if !run.is_empty() => &mut world.children,
                _ => &mut world.sights,
            };
            all.entry(attempt.object().to_owned()).or_insert(Sight::Absent);
        }
        let effects = step(world, spec);
        if world.status.phase.is_finished() && effects.is_empty() {
            return;
        }
        for effect in &effects {
            world.carry_out(effect);
        }
        let now = world.now;
        for name in live_pods(world) {
            if let Some(pod) = world.sights.get_mut(&name).and_then(Sight::pod_mut) {
                pod.phase = PodPhase::Succeeded;
                pod.main = MainState::Ended(main_end(0, "", now));
            }
        }
        for name in live_children(world) {
            with_child(world, &name, RunPhase::Succeeded);
        }
        for name in live_objects(world) {
            with_object(world, &name, "Done");
        }
        world.wait(400);
    }
    panic!("no end: {}", world.story());
}
