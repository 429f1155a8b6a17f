//! What may start now, and what does the rest wait for?
//!
//! In this order: the end of all others for a finally task, its trigger rule, its `when`, the list of its items; then, for each
//! item by itself, suspend, the wait before another attempt and the last pod's end, room to start, its environment.

use super::child;
use super::claim::{self, Ready};
use super::control::suspended_by;
use super::items::Items;
use super::ledger::Ledger;
use super::observed::{Observed, Sight};
use super::rule::{Kind, Needs, Ruling};
use super::scope::{Inputs, condition, inputs};
use super::text::{names, time};
use super::track::fail;
use super::unit::Unit;
use super::verdict::is_main_finished;
use super::{attempt, deadline, disruption, for_each, former, pace, resource, retry, tally};
use crate::api::{Attempt, Reason, RunPhase, TaskPhase, TaskStatus, WaitKind, WaitingFor};
use crate::mutant::{Mutant, is};
use crate::plan::{Plan, PlannedTask, Work};

/// Attempts of a run that may be without a pod at once: more intents would only queue behind the API server.
pub(super) const STARTING: usize = 256;
/// Items of a run that may be under way at once: an operator has their pods in its memory, and looks at all of them in each round.
const ITEMS: usize = 10_000;
/// Child runs and other objects but pods that may be under way at once in a run: each of them is spelt out in its status.
const OBJECTS: usize = 64;

/// The state of one task's gates.
#[derive(Debug, PartialEq, Eq)]
enum Gate {
    /// It may start.
    Open,
    /// It can never run: its phase, the reason, and why in words.
    Closed(TaskPhase, Option<Reason>, String),
    /// It fails without an attempt, since an expression has no value; says why.
    Fails(String),
    /// It waits.
    Waits(WaitKind, String),
}

/// Opens what may start, in an order in which each task comes after those it needs, so that one pass settles all.
pub(super) fn settle(ledger: &mut Ledger, plan: &Plan, seen: &Observed<'_>) {
    if !matches!(ledger.phase(), RunPhase::Running | RunPhase::Suspended | RunPhase::Stopping) {
        return;
    }
    let suspended = suspended_by(seen, &ledger.status);
    if is(Mutant::FinallyRunsAgain) {
        let again = |(planned, task): &mut (&PlannedTask, &mut TaskStatus)| {
            planned.finally && task.phase == TaskPhase::Succeeded && task.attempts.len() == 1
        };
        let ended =
            plan.tasks().iter().zip(&mut ledger.status.tasks).filter_map(|mut it| again(&mut it).then_some(it.1));
        ended.for_each(|task| task.phase = TaskPhase::Pending);
    }
    let mut room = Room::of(ledger);
    for &index in plan.order() {
        let (Some(planned), Some(task)) = (plan.tasks().get(index), ledger.task(index)) else { continue };
        if ledger.has_items(index) {
            for_each::start(ledger, index, plan, planned, seen, &mut room);
            for_each::settle(ledger, index, planned, seen);
            continue;
        }
        let is_pending = task.phase == TaskPhase::Pending;
        let gate = match task.phase {
            TaskPhase::Pending if planned.finally && !may_finally(ledger, plan) => {
                Gate::Waits(WaitKind::Dependency, "the end of all tasks".to_owned())
            }
            TaskPhase::Pending => match needs(ledger, planned, plan) {
                Gate::Open => when(ledger, index, planned, plan, seen),
                closed => closed,
            },
            TaskPhase::Backoff => {
                backoff(ledger, planned, task, seen).map_or(Gate::Open, |(kind, detail)| Gate::Waits(kind, detail))
            }
            _ => continue,
        };
        match gate {
            Gate::Closed(phase, reason, why) => close(ledger, index, phase, reason, &why),
            Gate::Fails(why) => fail(ledger, index, Some(Reason::ExpressionError), &why),
            Gate::Waits(kind, detail) => ledger.wait(index, kind, &detail),
            Gate::Open if planned.for_each.is_some() => {
                if for_each::open(ledger, index, plan, planned, seen) {
                    for_each::start(ledger, index, plan, planned, seen, &mut room);
                    for_each::settle(ledger, index, planned, seen);
                }
            }
            Gate::Open if suspended.is_some() => {
                ledger.wait(index, WaitKind::Suspended, suspended.unwrap_or_default());
            }
            Gate::Open if matches!(planned.work, Work::Join) && is_pending => {
                ledger.move_task(index, TaskPhase::Succeeded, None);
            }
            Gate::Open => match room
                .is_full(planned, is_pending)
                .map(|detail| (WaitKind::Quota, detail))
                .or_else(|| still(ledger, index, planned, seen))
            {
                Some((kind, detail)) => ledger.wait(index, kind, &detail),
                None => {
                    if intend(ledger, index.into(), plan, planned, seen) {
                        room.take(planned, is_pending);
                    }
                }
            },
        }
    }
}

/// What is told of the bounds that a run has of its own, after how many.
const OWN_BOUNDS: [&str; 3] = [
    "attempts of this run wait for their pods to be made",
    "child runs and other objects of this run are under way",
    "items of this run are under way",
];

/// Whether what a task waits for is its turn among the others of its run.
pub(super) fn is_own_bound(waiting: &WaitingFor) -> bool {
    waiting.kind == WaitKind::Quota && OWN_BOUNDS.iter().any(|bound| waiting.detail.ends_with(bound))
}

/// How many more attempts may begin now.
pub(super) struct Room {
    /// Attempts without a pod that may be added.
    starting: usize,
    /// Items that may be added to those under way.
    items: usize,
    /// Child runs and other objects but pods that may be added to those under way.
    objects: usize,
}

impl Room {
    fn of(ledger: &Ledger) -> Self {
        let under_way = ledger.items.values().map(Items::under_way).fold(0, usize::saturating_add);
        Self {
            starting: STARTING.saturating_sub(without_pod(ledger)),
            items: ITEMS.saturating_sub(under_way),
            objects: OBJECTS.saturating_sub(objects(ledger)),
        }
    }

    /// Why no other attempt of this task may begin, if so. One that is tried again is under way already.
    pub(super) fn is_full(&self, planned: &PlannedTask, is_new: bool) -> Option<String> {
        let [starting, objects, _] = OWN_BOUNDS;
        let (starting, objects) = (|| format!("{STARTING} {starting}"), || format!("{OBJECTS} {objects}"));
        let full = (is_new && is_object(planned) && self.objects == 0).then(objects);
        full.or_else(|| (self.starting == 0).then(starting))
    }

    /// The same of an item.
    pub(super) fn is_full_of_items(&self, planned: &PlannedTask, is_new: bool) -> Option<String> {
        let [.., items] = OWN_BOUNDS;
        let full = || format!("{ITEMS} {items}");
        self.is_full(planned, is_new).or_else(|| (is_new && self.items == 0).then(full))
    }

    /// One more attempt of this task has begun.
    pub(super) fn take(&mut self, planned: &PlannedTask, is_new: bool) {
        self.starting = self.starting.saturating_sub(1);
        if is_new && is_object(planned) {
            self.objects = self.objects.saturating_sub(1);
        }
    }

    /// The same of an item.
    pub(super) fn take_item(&mut self, planned: &PlannedTask, is_new: bool) {
        self.take(planned, is_new);
        self.items = self.items.saturating_sub(usize::from(is_new));
    }
}

/// What a task that may start waits for of a pod of its own that a former generation left.
fn still(ledger: &Ledger, index: usize, planned: &PlannedTask, seen: &Observed<'_>) -> Option<(WaitKind, String)> {
    let known = last_object(ledger, planned, ledger.task(index)?, seen);
    known.or_else(|| former::wait(ledger, index.into(), planned, seen))
}

/// Whether finally tasks may start: those that aren't have ended, however they did.
fn may_finally(ledger: &Ledger, plan: &Plan) -> bool {
    is(Mutant::FinallyBeforeTheEnd) || is_main_finished(&ledger.status, plan)
}

/// What the trigger rule says of a task that hasn't started.
fn needs(ledger: &Ledger, planned: &PlannedTask, plan: &Plan) -> Gate {
    let of = |index: &usize| Some((plan.tasks().get(*index)?, ledger.task(*index)?.phase));
    let all = || planned.needs.iter().filter_map(of);
    let has = |wanted: TaskPhase| all().any(|(_, phase)| phase == wanted);
    if is(Mutant::NeedsAny) && has(TaskPhase::Succeeded) || is(Mutant::NeedsRunning) && has(TaskPhase::Running) {
        return Gate::Open;
    }
    let mut needs = Needs::default();
    all().for_each(|(need, phase)| needs.add(phase, need.allow_failure));
    match needs.rule(planned.rule) {
        Some(Ruling::Runs) => Gate::Open,
        Some(Ruling::UpstreamFailed) => {
            let bad = |need: &PlannedTask, phase| Kind::of(phase, need.allow_failure).is_some_and(Kind::is_bad);
            let bad = all().filter(|(need, phase)| bad(need, *phase)).map(|(need, _)| need.name.as_str());
            let why = format!("needs {}, which did not succeed", names(bad));
            Gate::Closed(TaskPhase::UpstreamFailed, None, why)
        }
        Some(Ruling::Skipped) => {
            let ended = all().filter(|(_, phase)| phase.is_finished());
            let ended: Vec<String> = ended.map(|(need, phase)| format!("{} is {phase:?}", need.name)).collect();
            let why = format!("{} is not met: {}", planned.rule, names(ended.iter().map(String::as_str)));
            Gate::Closed(TaskPhase::Skipped, Some(Reason::RuleNotMet), why)
        }
        None => {
            let open = all().filter(|(_, phase)| !phase.is_finished()).map(|(need, _)| need.name.as_str());
            Gate::Waits(WaitKind::Dependency, names(open))
        }
    }
}

/// What the task's `when` says. It is evaluated once: what it came to goes on record, and what it reads may change before the
/// task can start.
fn when(ledger: &mut Ledger, index: usize, planned: &PlannedTask, plan: &Plan, seen: &Observed<'_>) -> Gate {
    let Some(when) = &planned.when else { return Gate::Open };
    let recorded = ledger.task(index).and_then(|task| task.when).filter(|_| !is(Mutant::WhenEvaluatedAgain));
    let value = match recorded.map_or_else(|| condition(plan, planned, &ledger.status, seen), Ok) {
        Ok(value) => value,
        Err(problem) => return Gate::Fails(problem),
    };
    if let Some(task) = ledger.task_mut(index) {
        task.when = Some(value);
    }
    if value {
        return Gate::Open;
    }
    Gate::Closed(TaskPhase::Skipped, Some(Reason::WhenFalse), format!("when is false: {}", when.expr.text()))
}

/// Ends a task that is not to run.
fn close(ledger: &mut Ledger, index: usize, phase: TaskPhase, reason: Option<Reason>, why: &str) {
    let message = ledger.message(why);
    if let Some(task) = ledger.task_mut(index) {
        task.message = message;
    }
    ledger.move_task(index, phase, reason);
}

/// What another attempt waits for: the recorded time must have come, and the last object must really be over.
pub(super) fn backoff(
    ledger: &Ledger,
    planned: &PlannedTask,
    task: &TaskStatus,
    seen: &Observed<'_>,
) -> Option<(WaitKind, String)> {
    let last = task.attempts.last()?;
    let is_looked_up = seen.sight(last).is_some();
    if let Some(at) = last.next_at.as_ref().filter(|at| retry::is_ahead(at.0, &planned.retry, ledger.now)) {
        return Some((WaitKind::Backoff, format!("attempt {} at {}", last.number.saturating_add(1), time(at.0))));
    }
    if is(Mutant::RetryBesideLivePod) {
        return None;
    }
    let unknown = || match (&last.resource, last.run.as_str()) {
        (Some(resource), _) => (WaitKind::Resource, resource::to_go(resource)),
        (None, "") => (WaitKind::Node, format!("the end of pod {}", last.pod)),
        (None, run) => (WaitKind::Child, format!("the end of run {run}")),
    };
    if is_looked_up { last_object(ledger, planned, task, seen) } else { Some(unknown()) }
}

/// What another attempt waits for of the last one's object, as long as that is seen: its end. What a former generation left may be
/// ending still.
pub(super) fn last_object(
    ledger: &Ledger,
    planned: &PlannedTask,
    task: &TaskStatus,
    seen: &Observed<'_>,
) -> Option<(WaitKind, String)> {
    let last = task.attempts.last()?;
    match seen.sight(last)? {
        Sight::Pod(pod) => {
            let goes_on = !disruption::is_over(pod, planned, ledger.now) && last.is(&pod.uid);
            goes_on.then(|| (WaitKind::Node, pace::to_end(&last.pod)))
        }
        Sight::Child(child) => {
            let goes_on = !child.phase.is_finished() && last.is(&child.uid);
            goes_on.then(|| (WaitKind::Child, child::to_end(&last.run)))
        }
        // One that said itself that it is over stays.
        Sight::Resource(facts) => {
            let goes_on = resource::is_cut_off(last) && last.is(&facts.uid);
            goes_on.then(|| (WaitKind::Resource, resource::to_go(&facts.resource)))
        }
        // Whether it is gone isn't known.
        Sight::Hidden(why) => {
            let resource = planned.resource().filter(|_| resource::is_cut_off(last))?;
            Some((WaitKind::Admission, resource::to_see(resource, why)))
        }
        Sight::Absent | Sight::Creating | Sight::Refused(_) => None,
    }
}

/// Records the intent of the next attempt, once the volumes that its pod mounts are there. What can't be made fails the task without an
/// attempt.
pub(super) fn intend(ledger: &mut Ledger, unit: Unit, plan: &Plan, planned: &PlannedTask, seen: &Observed<'_>) -> bool {
    let mut number = next_number(ledger, unit);
    if is(Mutant::NumberFromPods) {
        let own =
            |sight: &&Sight| matches!(sight, Sight::Pod(pod) if pod.task == planned.name && pod.item == unit.item);
        number = u32::try_from(seen.sights.values().filter(own).count()).unwrap_or(0).saturating_add(1);
    }
    if let Some(why) = planned.child().and_then(|child| child::refused(child, seen.lineage, seen.run.spec)) {
        fail(ledger, unit, Some(Reason::NestingRefused), &why);
        return false;
    }
    if let Some(why) = planned.resource().and_then(|resource| resource::refused(resource, seen)) {
        fail(ledger, unit, Some(Reason::KindNotGranted), &why);
        return false;
    }
    let inputs = match inputs(ledger, unit, plan, planned, seen, number) {
        Ok(inputs) => inputs,
        Err(problem) => {
            fail(ledger, unit, Some(Reason::ExpressionError), &problem);
            return false;
        }
    };
    match claim::ready(ledger, planned, seen) {
        Ready::Yes => {}
        Ready::Waits(kind, detail) => {
            ledger.wait(unit, kind, &detail);
            return false;
        }
        Ready::Fails(reason, why) => {
            fail(ledger, unit, Some(reason), &why);
            return false;
        }
    }
    let same = goes_on(ledger, unit, planned, seen, &inputs).map(|same| Attempt { number, ..same });
    let attempt = same.unwrap_or_else(|| {
        let attempt = attempt::named(&seen.run, planned, unit.item, number);
        let (kind, detail) = match &attempt {
            Attempt { resource: Some(resource), .. } => (WaitKind::Resource, resource::to_make(resource)),
            Attempt { run, .. } if !run.is_empty() => (WaitKind::Child, child::to_start(run)),
            Attempt { pod, .. } => (WaitKind::Node, pace::to_start(pod)),
        };
        ledger.wait(unit, kind, &detail);
        attempt
    });
    let with_items = ledger.items.values().map(Items::total).fold(0, usize::saturating_add);
    let listed = tally::listed(ledger.status.tasks.len().saturating_add(with_items));
    let generation = ledger.status.generation;
    let Some(task) = ledger.unit_mut(unit) else { return false };
    tally::make_room(task, generation, listed);
    task.attempts.push(Attempt { generation, ..attempt });
    if let Some(items) = ledger.items.get_mut(&unit.task) {
        items.begin(number);
    }
    ledger.intended.insert(unit);
    ledger.move_task(unit, TaskPhase::Starting, None)
}

/// The next attempt of a task whose child run ended badly in a former generation and now goes on.
fn goes_on(
    ledger: &mut Ledger,
    unit: Unit,
    planned: &PlannedTask,
    seen: &Observed<'_>,
    inputs: &Inputs,
) -> Option<Attempt> {
    let last = ledger.unit(unit)?.attempts.last()?;
    let is_former = last.generation < ledger.status.generation;
    let (Inputs::Params(params), Sight::Child(run), true) = (inputs, seen.sight(last)?, is_former) else { return None };
    let run_generation = child::next_generation(run, params).filter(|_| last.uid.as_ref() == Some(&run.uid))?;
    let mut next = Attempt { run: last.run.clone(), run_generation, uid: last.uid.clone(), ..Attempt::default() };
    deadline::created(&mut next, &planned.times, ledger.now);
    ledger.wait(unit, WaitKind::Child, &child::waits(run, run_generation));
    Some(next)
}

/// The number of the next attempt.
pub(super) fn next_number(ledger: &Ledger, unit: Unit) -> u32 {
    let newest = match (ledger.unit(unit), unit.item) {
        (Some(task), _) => task.attempts.last().map(|last| last.number).or_else(|| Some(task.earlier?.former)),
        (None, Some(_)) => ledger.items.get(&unit.task).map(Items::former_attempts),
        (None, None) => None,
    };
    newest.unwrap_or(0).saturating_add(1)
}

/// Open attempts whose object isn't known to exist.
fn without_pod(ledger: &Ledger) -> usize {
    let open = |task: &&TaskStatus| task.phase == TaskPhase::Starting;
    let unmade = |task: &&TaskStatus| task.attempts.last().is_some_and(|last| last.uid.is_none());
    units(ledger).filter(open).filter(unmade).count()
}

/// Whether the attempts of a task are child runs or other objects but pods.
const fn is_object(planned: &PlannedTask) -> bool {
    matches!(planned.work, Work::Child(_) | Work::Resource(_))
}

/// Tasks and items under way that are such, also while they wait for their next attempts.
fn objects(ledger: &Ledger) -> usize {
    let is_object = |task: &&TaskStatus| task.attempts.last().is_some_and(|last| !last.is_pod());
    let is_live = |task: &&TaskStatus| task.phase.has_pod() || task.phase == TaskPhase::Backoff;
    units(ledger).filter(is_live).filter(is_object).count()
}

/// Tasks and items that are known.
fn units(ledger: &Ledger) -> impl Iterator<Item = &TaskStatus> {
    let items = ledger.items.values().flat_map(|items| items.known().map(|(_, item)| item));
    ledger.status.tasks.iter().chain(items)
}
