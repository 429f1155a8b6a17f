//! S4, from one generation to the next: a run is opened again only once it has ended and someone asks, and exactly those of its
//! tasks that are to run again are.

use std::collections::BTreeSet;

use gantline::api::TaskPhase;
use serde_json::Value;

use super::read::{Status, list, meta, text};
use super::world::{Run, Step, World};

/// The names of the tasks that a new generation opens, where one begins; says what is wrong with that.
pub fn opened(
    world: &World<'_>,
    step: &Step<'_>,
    before: &Status<'_>,
    after: &Status<'_>,
    faults: &mut Vec<String>,
) -> Option<BTreeSet<String>> {
    if after.generation == before.generation {
        return None;
    }
    let run = world.runs.get(step.write.uid.as_str())?;
    // The status is written to the run as it is.
    let asked = step.write.object.pointer("/spec/retry").unwrap_or(&Value::Null);
    let by_parent = is_gone_on_with(world, run, after.generation);
    let by_hand = asked["generation"].as_u64().is_some_and(|asked| asked >= after.generation);
    let asked = if by_parent { &Value::Null } else { asked };
    if !(by_parent || by_hand) || after.generation < before.generation {
        faults.push(format!("generation {} became {}, and {asked} is asked for", before.generation, after.generation));
    }
    if !before.phase.is_finished() {
        faults.push(format!("generation {} began when the run was {:?}", after.generation, before.phase));
    }
    let again = again(world, run, before, asked)?;
    for task in before.tasks.iter().filter(|task| task.item.is_none()) {
        let now = after.task(&task.name).map(|task| task.phase);
        let opened =
            now.is_some_and(|now| !now.is_finished()) || after.changed.iter().any(|it| it.new.name == task.name);
        if opened != again.contains(&task.name) && !run.edited {
            faults.push(format!("task {} was {:?}, and is {now:?} in the new generation", task.name, task.phase));
        }
    }
    Some(again)
}

/// Whether the run that this one is a child of had an attempt on record that is this generation of it.
fn is_gone_on_with(world: &World<'_>, run: &Run<'_>, generation: u64) -> bool {
    let Some(parent) = world.runs.get(meta::controller(run.object)) else { return false };
    let mut attempts =
        parent.statuses.iter().flat_map(|it| &it.status.tasks).flat_map(|task| &task.attempts).filter(|it| it.is_child);
    attempts.any(|it| it.uid == Some(run.uid) && it.value["runGeneration"] == generation)
}

/// The tasks that are to run again: those that are named, or did not succeed; all that come after them; all of `finally`.
fn again(world: &World<'_>, run: &Run<'_>, before: &Status<'_>, asked: &Value) -> Option<BTreeSet<String>> {
    let spec = world.pinned(run, before)?;
    let named = list(asked, "tasks");
    let phase = |name: &str| before.task(name).map_or(TaskPhase::Pending, |task| task.phase);
    let is_base = |name: &str| match named {
        [] => matches!(phase(name), TaskPhase::Failed | TaskPhase::UpstreamFailed | TaskPhase::Cancelled),
        named => named.iter().any(|it| it == name),
    };
    let all: Vec<&Value> = list(spec, "tasks").iter().chain(list(spec, "finally")).collect();
    let all_names = || all.iter().map(|task| text(task, "name"));
    let mut below: BTreeSet<&str> = all_names().filter(|name| is_base(name)).collect();
    let mut again: BTreeSet<String> = below.iter().map(|name| (*name).to_owned()).collect();
    for _ in &all {
        for task in &all {
            if list(task, "needs").iter().filter_map(Value::as_str).any(|need| below.contains(need)) {
                let name = text(task, "name");
                below.insert(name);
                if asked["clearDownstream"] != false || phase(name) != TaskPhase::Succeeded {
                    again.insert(name.to_owned());
                }
            }
        }
    }
    // And what lies between two of them.
    for _ in &all {
        let needed = |name: &str| {
            let needs = |task: &&&Value| list(task, "needs").iter().any(|need| need == name);
            all.iter().filter(|task| again.contains(text(task, "name"))).any(|task| needs(&task))
        };
        let between: Vec<&str> = below.iter().copied().filter(|name| needed(name)).collect();
        again.extend(between.into_iter().map(str::to_owned));
    }
    again.extend(list(spec, "finally").iter().map(|task| text(task, "name").to_owned()));
    Some(again)
}
