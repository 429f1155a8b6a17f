//! How a task may end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::pod::{Outcome, outcomes};
use super::retry::{self, Failure, Next};
use super::rule::{Need, has_ended, kept_from, lets_run};
use super::time::{self, TimesOut};
use super::{End, child, resource};
use crate::human::Human;
use crate::kubelet::{Behaviour, OnTerm, Taken, Taker, When};
use crate::scenario::Scenario;

/// Disruptions before the start that are made good (README, "When the infrastructure fails").
const BEFORE_START: usize = 5;

/// How a task may end.
#[derive(Clone, Debug)]
pub(super) struct TaskEnds {
    /// Its name.
    pub name: String,
    /// Whether it is one of `finally`.
    pub finally: bool,
    /// The tasks that it needs.
    pub needs: Vec<String>,
    /// Its trigger rule.
    pub rule: String,
    /// Whether the run may succeed although it fails.
    pub allow_failure: bool,
    /// What its condition comes to, after how all tasks ended; `None` where it hangs on time.
    when: Option<fn(&BTreeMap<String, String>) -> Option<bool>>,
    /// Its phases, if it runs; `FailRun` where it fails and the run with it.
    own: BTreeSet<&'static str>,
}

impl TaskEnds {
    /// From a task's spec, the script of its pods, and what people did to them.
    /// `above` are the names of the workflows that it would run within.
    pub fn of(scenario: &Scenario, task: &Value, finally: bool, deeds: &[&Human], above: &[&str]) -> Self {
        let name = task["name"].as_str().unwrap_or_default();
        let needs = task["needs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let plain = [Behaviour::succeeds(2_000, "")];
        let scripts_of = |name: &str| scenario.behaviours.get(name).map(Vec::as_slice);
        // Only where there is another container can one go on.
        let others = task.pointer("/podTemplate/spec/containers").and_then(Value::as_array).map_or(0, Vec::len) > 1;
        let of_its_containers =
            |script: &Behaviour| Behaviour { lingers_ms: if others { script.lingers_ms } else { 0 }, ..script.clone() };
        let of_item = |item: &str| -> Vec<Behaviour> {
            let scripts = scripts_of(item).or_else(|| scripts_of(name)).unwrap_or(&plain);
            scripts.iter().map(of_its_containers).collect()
        };
        let mine = || deeds.iter().filter(|deed| deed.task() == Some(name));
        let mut own = BTreeSet::new();
        if !task["join"].is_null() {
            own.insert("Succeeded");
        } else if scenario.broken_env.contains(&name) {
            own.insert("Failed");
        } else if task.get("workflow").is_some() || task.get("workflowRef").is_some() {
            own = child::ends(scenario, task, above);
            if deeds.iter().any(|deed| child::may_fail_it(deed, task)) {
                own.insert("Failed");
            }
        } else if task.get("resource").is_some() {
            let deleted = deeds.iter().filter(|deed| resource::takes_it(deed, task)).count();
            let ends = resource::ends(task, deleted);
            own = items(task).map_or_else(|| ends.clone(), |total| together(task, &vec![ends.clone(); total]));
            if deeds.iter().any(|deed| resource::may_fail_it(deed, task)) || scenario.clock_is_off && is_timed(task) {
                own.insert("Failed");
            }
        } else {
            let mounts = |claim: &str| {
                let containers =
                    task.pointer("/podTemplate/spec/containers").and_then(Value::as_array).into_iter().flatten();
                let mut mounts = containers.filter_map(|it| it["volumeMounts"].as_array()).flatten();
                mounts.any(|mount| mount["name"] == claim)
            };
            // A volume claim that has the name, and isn't the run's, keeps every task that mounts the run's own from starting.
            let kept = deeds.iter().any(|deed| matches!(deed, Human::ForeignClaim { claim, .. } if mounts(claim)));
            let mut words = deeds.iter().rev();
            let last_word = words.find(|deed| matches!(deed, Human::Suspend { .. } | Human::Resume { .. }));
            let deeds = mine().filter(|deed| deed.takes_a_pod()).count();
            let is_held = matches!(last_word, Some(Human::Suspend { .. }));
            let ends_of = |item: &str| {
                let mut ends = BTreeSet::new();
                let of = Of { scripts: &of_item(item), task, clock_is_off: scenario.clock_is_off, is_held };
                follow(&of, &Past { failures: 0, polls: 0, disruptions: [0, 0], deeds }, &mut ends);
                if kept || mine().any(|deed| takes_a_name(deed)) {
                    ends.insert("Failed");
                }
                ends
            };
            own = match items(task) {
                None => ends_of(name),
                Some(total) => {
                    let ends: Vec<_> = (0..total).map(|item| ends_of(&format!("{name}[{item}]"))).collect();
                    together(task, &ends)
                }
            };
        }
        Self {
            name: name.to_owned(),
            finally,
            needs: needs.collect(),
            rule: task["triggerRule"].as_str().unwrap_or("AllSucceeded").to_owned(),
            allow_failure: task["allowFailure"] == true,
            when: scenario.conditions.get(name).copied(),
            own,
        }
    }

    /// The same, where its time may be over before it has ended.
    pub fn within(mut self, bounded: bool) -> Self {
        if bounded {
            self.own.insert("Failed");
        }
        self
    }

    /// The one way in which it can end after these ends of those it needs and of all others that it may read, if there is only one.
    pub fn only(&self, needs: &[Need<'_>], ends: &BTreeMap<String, String>) -> Option<&'static str> {
        if !lets_run(&self.rule, needs) {
            return Some(kept_from(&self.rule, needs));
        }
        match self.when.map(|when| when(ends)) {
            Some(None) => None,
            Some(Some(false)) => Some("Skipped"),
            None | Some(Some(true)) => self.own.first().copied().filter(|_| self.own.len() == 1),
        }
    }

    /// Whether it may fail, and the run go on.
    pub fn may_fail(&self) -> bool {
        self.own.contains("Failed")
    }

    /// Whether it may fail, and the run with it.
    pub fn may_fail_the_run(&self) -> bool {
        self.own.contains("FailRun")
    }

    /// Whether the task may have come to what a run's end says of it. `needs` is how far what it needs has come; `stopped`: it may
    /// be cancelled; `open`: it may go on.
    pub fn admits(&self, end: &End, needs: &[Need<'_>], stopped: bool, open: bool) -> Result<(), String> {
        let runs = lets_run(&self.rule, needs);
        let when = self.when.map_or(Some(true), |when| when(&end.tasks));
        let phase = end.tasks.get(&self.name).map_or("", String::as_str);
        let admitted = match phase {
            "Cancelled" => stopped,
            // What goes on can't change it any more, however it ends.
            "UpstreamFailed" | "Skipped" if open && !needs.iter().all(has_ended) => true,
            "Skipped" if runs => when != Some(true),
            "UpstreamFailed" | "Skipped" => !runs && kept_from(&self.rule, needs) == phase,
            "Failed" => runs && when != Some(false) && (self.may_fail() || self.may_fail_the_run()),
            "Succeeded" => runs && when != Some(false) && self.own.contains("Succeeded"),
            _ => open,
        };
        let told = || {
            let rule = &self.rule;
            format!("task {} can't be {phase:?} by {rule} over {needs:?}; by itself: {:?}", self.name, self.own)
        };
        if admitted { Ok(()) } else { Err(told()) }
    }
}

/// Whether someone may have taken the name of a pod of a task's. Of a pod without labels that isn't on record yet, nobody can say
/// whose it is: it has the name, like a foreign one. So has one that took the place of a pod before that was on record.
fn takes_a_name(deed: &Human) -> bool {
    matches!(deed, Human::ForeignPod { .. } | Human::StripLabels { .. } | Human::ReplacePod { .. })
}

/// Whether something of a task may take too long.
fn is_timed(task: &Value) -> bool {
    ["timeout", "totalTimeout"].iter().any(|field| !task[*field].is_null())
}

/// How many items a task has, where it is done for each: of a list that is written out, or of `lists.range`.
fn items(task: &Value) -> Option<usize> {
    let for_each = task.get("forEach")?;
    let items = for_each["items"].as_str();
    let none = items.filter(|text| *text == "[]").map(|_| 0);
    let range = items.and_then(|text| text.strip_prefix("lists.range(")?.strip_suffix(")")?.parse().ok());
    for_each["values"].as_array().map(Vec::len).or(range).or(none)
}

/// How a task may end whose items may end so, each by itself.
fn together(task: &Value, items: &[BTreeSet<&'static str>]) -> BTreeSet<&'static str> {
    let percent = task["forEach"]["minSucceededPercent"].as_u64().unwrap_or(100);
    let is_enough = |succeeded: usize| succeeded * 100 >= usize::try_from(percent).unwrap_or(100) * items.len();
    let may = items.iter().filter(|ends| ends.contains("Succeeded")).count();
    let must = items.iter().filter(|ends| ends.len() == 1 && ends.contains("Succeeded")).count();
    let mut ends = BTreeSet::new();
    if is_enough(may) {
        ends.insert("Succeeded");
    }
    if !is_enough(must) {
        ends.insert("Failed");
    }
    if items.iter().any(|ends| ends.contains("FailRun")) {
        ends.insert("FailRun");
    }
    ends
}

/// Polls after which a sensor that never finds what it waits for has used up its totalTimeout.
const POLLS: usize = 50;

/// A task that is followed.
struct Of<'a> {
    scripts: &'a [Behaviour],
    task: &'a Value,
    clock_is_off: bool,
    /// Whether its run stays suspended: its totalTimeout moves along, and its pods go on.
    is_held: bool,
}

/// What happened to it so far.
#[derive(Clone, Copy)]
struct Past {
    failures: usize,
    polls: usize,
    /// Before and after the start.
    disruptions: [usize; 2],
    /// Disruptions that people may yet add.
    deeds: usize,
}

/// Follows a task from its next attempt on.
fn follow(of: &Of<'_>, past: &Past, ends: &mut BTreeSet<&'static str>) {
    let Of { scripts, task, clock_is_off, is_held } = *of;
    let attempt = past.failures + past.polls + past.disruptions[0] + past.disruptions[1];
    let Some(script) = scripts.get(attempt).or(scripts.last()) else { return };
    if past.polls > POLLS || clock_is_off && time::timeout(task, "totalTimeout").is_some() {
        ends.insert("Failed");
        if past.polls > POLLS {
            return;
        }
    }
    let outcomes = outcomes(script);
    let budgets = [BEFORE_START, retry::disruptions(task)];
    for (started, outcome) in [Outcome::DisruptedBefore, Outcome::DisruptedAfter].into_iter().enumerate() {
        let mut disruptions = past.disruptions;
        disruptions[started] += 1;
        // Of a node that is lost for long, nobody waits for the end of the story.
        let lost = matches!(script.taken, Some(Taken { by: Taker::NodeLost { .. }, .. }));
        let by_itself = outcomes.contains(&outcome) || lost && task["onNodeLost"] == "Replace";
        let by_itself = by_itself.then_some(past.deeds);
        for deeds in [by_itself, past.deeds.checked_sub(1)].into_iter().flatten() {
            if disruptions[started] > budgets[started] {
                ends.insert("Failed");
            } else {
                follow(of, &Past { disruptions, deeds, ..*past }, ends);
            }
        }
    }
    let [start, run] = time::times_out(script, task, clock_is_off);
    // Of tasks whose totalTimeout a single attempt uses up.
    let all = time::timeout(task, "totalTimeout").zip(script.runs_ms()).is_some_and(|(limit, ms)| ms > limit);
    if all {
        ends.insert("Failed");
    }
    let too_long = [start, run].contains(&TimesOut::Always) || all && !is_held;
    let mut failures = Vec::new();
    if outcomes.contains(&Outcome::Failed) && !too_long {
        failures.extend(Failure::all(script));
    }
    // Told to stop, it may finish in time.
    let finishes = matches!(script.on_term, OnTerm::Finishes { .. }) && run == TimesOut::Always;
    for (times_out, reason) in [(start, "StartTimedOut"), (run, "TimedOut")] {
        if times_out != TimesOut::Never && !(finishes && reason == "TimedOut") {
            failures.push(Failure::timed_out(reason));
        }
    }
    // A node that takes a pod tells first how its containers ended, and why only with the pod's final phase. If someone deletes the
    // pod in between, that end came before the one disruption that is known by then.
    let tells_late =
        matches!(script.taken, Some(Taken { when: When::Running(_), by: Taker::NodePressure | Taker::Shutdown }));
    if past.deeds > 0 && tells_late {
        failures.push(Failure::killed());
    }
    // A pod that is deleted may finish early, and that counts.
    let deleted = past.deeds > 0 || [start, run].iter().any(|it| *it != TimesOut::Never);
    let early = deleted && matches!(script.on_term, OnTerm::Finishes { .. });
    if outcomes.contains(&Outcome::Succeeded) && !too_long || early {
        if writes_outputs(script, task) {
            ends.insert("Succeeded");
        } else {
            failures.push(Failure::without_output());
        }
    }
    for failure in failures {
        let failures = past.failures + 1;
        match retry::next(task, failures, &failure) {
            Next::Again => follow(of, &Past { failures, ..*past }, ends),
            Next::NotYet => follow(of, &Past { polls: past.polls + 1, ..*past }, ends),
            Next::Fail => drop(ends.insert("Failed")),
            Next::FailRun => drop(ends.insert("FailRun")),
        }
    }
}

/// Whether the message of a script has every output that a task declares without a default.
fn writes_outputs(script: &Behaviour, task: &Value) -> bool {
    let mut declared = task["outputs"].as_array().into_iter().flatten().filter(|output| output["default"].is_null());
    declared.all(|output| {
        let name = output["name"].as_str().unwrap_or_default();
        let object: Result<Value, _> = serde_json::from_str(script.message());
        let line = || script.message().lines().any(|line| line.split_once('=').is_some_and(|(key, _)| key == name));
        object.map_or_else(|_| line(), |object| !object[name].is_null())
    })
}
