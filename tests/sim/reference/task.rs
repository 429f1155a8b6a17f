//! How a task may end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::End;
use super::pod::{Outcome, outcomes};
use super::rule::{Need, has_ended, kept_from, lets_run};
use crate::human::Human;
use crate::kubelet::{Behaviour, OnTerm, Taken, Taker, When};
use crate::scenario::Scenario;

/// Disruptions before the start that are made good, and as many after (README, "When the infrastructure fails").
const BUDGET: usize = 5;

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
    /// Its phases, if it runs.
    own: BTreeSet<&'static str>,
}

impl TaskEnds {
    /// From a task's spec, the script of its pods, and what people did to them.
    pub fn of(scenario: &Scenario, task: &Value, finally: bool, deeds: &[&Human]) -> Self {
        use Human::{ForeignPod, ReplacePod, StripLabels};
        let name = task["name"].as_str().unwrap_or_default();
        let needs = task["needs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let plain = [Behaviour::succeeds(2_000, "")];
        let scripts = scenario.behaviours.get(name).map_or(&plain[..], Vec::as_slice);
        // Only where there is another container can one go on.
        let others = task.pointer("/podTemplate/spec/containers").and_then(Value::as_array).map_or(0, Vec::len) > 1;
        let of_its_containers =
            |script: &Behaviour| Behaviour { lingers_ms: if others { script.lingers_ms } else { 0 }, ..script.clone() };
        let scripts: Vec<Behaviour> = scripts.iter().map(of_its_containers).collect();
        let mine = || deeds.iter().filter(|deed| deed.task() == Some(name));
        let mut own = BTreeSet::new();
        if !task["join"].is_null() {
            own.insert("Succeeded");
        } else if scenario.broken_env.contains(&name) {
            own.insert("Failed");
        } else {
            follow(&scripts, task, 0, [0, 0], mine().filter(|deed| deed.takes_a_pod()).count(), &mut own);
        }
        // Of a pod without labels that isn't on record yet, nobody can say whose it is: it has the name, like a foreign one. So
        // has one that took the place of a pod before that was on record.
        let taken = mine().any(|deed| matches!(deed, ForeignPod { .. } | StripLabels { .. } | ReplacePod { .. }));
        if taken && task["join"].is_null() {
            own.insert("Failed");
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
            own @ ("Succeeded" | "Failed") => runs && when != Some(false) && self.own.contains(own),
            _ => open,
        };
        let told = || {
            let rule = &self.rule;
            format!("task {} can't be {phase:?} by {rule} over {needs:?}; by itself: {:?}", self.name, self.own)
        };
        if admitted { Ok(()) } else { Err(told()) }
    }
}

/// Follows a task from an attempt on. `disruptions` are those so far, before and after the start; `deeds` those that people may
/// yet add.
fn follow(
    scripts: &[Behaviour],
    task: &Value,
    attempt: usize,
    disruptions: [usize; 2],
    deeds: usize,
    ends: &mut BTreeSet<&'static str>,
) {
    let Some(script) = scripts.get(attempt).or(scripts.last()) else { return };
    let outcomes = outcomes(script);
    for (started, outcome) in [Outcome::DisruptedBefore, Outcome::DisruptedAfter].into_iter().enumerate() {
        let mut counts = disruptions;
        counts[started] += 1;
        let by_itself = outcomes.contains(&outcome).then_some(deeds);
        for left in [by_itself, deeds.checked_sub(1)].into_iter().flatten() {
            if counts[started] > BUDGET {
                ends.insert("Failed");
            } else {
                follow(scripts, task, attempt + 1, counts, left, ends);
            }
        }
    }
    if outcomes.contains(&Outcome::Failed) {
        ends.insert("Failed");
    }
    // A node that takes a pod tells first how its containers ended, and why only with the pod's final phase. If someone deletes the
    // pod in between, that end came before the one disruption that is known by then.
    let tells_late =
        matches!(script.taken, Some(Taken { when: When::Running(_), by: Taker::NodePressure | Taker::Shutdown }));
    if deeds > 0 && tells_late {
        ends.insert("Failed");
    }
    // A pod that is deleted may finish early, and that counts.
    let early = deeds > 0 && matches!(script.on_term, OnTerm::Finishes { .. });
    if outcomes.contains(&Outcome::Succeeded) || early {
        ends.insert(if writes_outputs(script, task) { "Succeeded" } else { "Failed" });
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
