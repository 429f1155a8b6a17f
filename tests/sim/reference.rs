//! The end that a run must come to: from its spec, what its pods were scripted to do, and what people did. Written from the
//! rules alone, so that it can disagree with the operator.
//!
//! Faults of the operator, the network or the clock change no end, only its time. People's deeds do; when they strike is a
//! matter of time, so each then allows more than one end.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::human::{Human, Kind};
use crate::kubelet::{Behaviour, OnTerm, Taken, Taker, When, Work};
use crate::scenario::Scenario;

/// Disruptions before the start that are made good, and as many after (README, "When the infrastructure fails").
const BUDGET: usize = 5;

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Its phase.
    pub phase: String,
    /// Its reason, where the rules name one.
    pub reason: String,
    /// The phase of each task, by its name.
    pub tasks: BTreeMap<String, String>,
}

impl End {
    /// An end; `tasks` in words: `a Succeeded, b Failed`.
    pub fn new(phase: &str, reason: &str, tasks: &str) -> Self {
        let words = tasks.split(", ").filter_map(|task| task.split_once(' '));
        let tasks = words.map(|(name, phase)| (name.to_owned(), phase.to_owned())).collect();
        Self { phase: phase.to_owned(), reason: reason.to_owned(), tasks }
    }

    /// The state of a run as its status has it, finished or not.
    pub fn of(run: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let status = &run["status"];
        let tasks = status["tasks"].as_array().into_iter().flatten();
        // A cancelled run says in other words what its phase says.
        let reason = if status["phase"] == "Cancelled" { String::new() } else { text(&status["reason"]) };
        let tasks = tasks.map(|task| (text(&task["name"]), text(&task["phase"]))).collect();
        Self { phase: text(&status["phase"]), reason, tasks }
    }
}

/// What may have become of a run.
#[derive(Clone, Debug)]
pub struct Ends {
    /// The run is gone, and everything of it.
    pub gone: bool,
    /// Nothing is asked but that it ends: someone edited its status.
    any: bool,
    /// It may stay suspended for ever: nobody has resumed it.
    suspended: bool,
    /// It may be cancelled.
    cancelled: bool,
    /// Why it may end before it starts, and why it may be given up: reasons of phase Failed.
    unstarted: BTreeSet<&'static str>,
    /// Whether it can start at all.
    starts: bool,
    lost: bool,
    /// Each task with what it needs, and how it may end if those succeeded.
    tasks: Vec<(String, Vec<String>, BTreeSet<&'static str>)>,
}

/// What may become of a run of a scenario in which people did `deeds`, in that order.
pub fn ends(scenario: &Scenario, run: &str, deeds: &[Human]) -> Ends {
    // What was done to an earlier run of that name is gone with it.
    let begins = |deed: &Human| matches!(deed, Human::RecreateRun { .. } | Human::Create { kind: Kind::WorkflowRun, .. });
    let of_run = |deed: &&Human| deed.run().is_none_or(|of| of == run);
    let deeds: Vec<&Human> = deeds.iter().filter(of_run).collect();
    let (since, gone) = deeds.iter().enumerate().fold((0, false), |(since, gone), (place, deed)| match deed {
        Human::DeleteNamespace => (usize::MAX, true),
        Human::DeleteRun { .. } => (since, true),
        deed if begins(deed) && since != usize::MAX => (place, false),
        _ => (since, gone),
    });
    let all = deeds;
    let deeds = all.get(since..).unwrap_or_default();
    let did = |test: &dyn Fn(&Human) -> bool| deeds.iter().any(|deed| test(deed));

    let workflow = scenario.manifest("WorkflowRun", run).and_then(|run| run["spec"]["workflowRef"]["name"].as_str());
    let is_there = |manifest: &Value| manifest["kind"] == "Workflow" && manifest["metadata"]["name"].as_str() == workflow;
    let at_first = workflow.is_none() || scenario.manifests.iter().any(is_there);
    let comes = all.iter().any(|deed| matches!(deed, Human::Create { kind: Kind::Workflow, .. }));
    let goes = all.iter().any(|deed| matches!(deed, Human::DeleteWorkflow { .. }));
    let mut unstarted: BTreeSet<&'static str> = scenario.mistake.into_iter().collect();
    if !at_first || goes {
        unstarted.insert("WorkflowNotFound");
    }
    if did(&|deed| matches!(deed, Human::EditParams { .. })) {
        unstarted.insert("InvalidParams");
    }
    let last_word = deeds.iter().rev().find(|it| matches!(it, Human::Suspend { .. } | Human::Resume { .. }));
    Ends {
        gone,
        any: did(&Human::breaks_the_record),
        suspended: matches!(last_word, Some(Human::Suspend { .. })),
        cancelled: did(&|deed| matches!(deed, Human::Cancel { .. })),
        starts: scenario.mistake.is_none() && (at_first || comes),
        unstarted,
        lost: did(&|deed| matches!(deed, Human::DeleteRecord { .. })),
        tasks: scenario.tasks(run).iter().map(|task| task_ends(scenario, task, deeds)).collect(),
    }
}

fn task_ends(scenario: &Scenario, task: &Value, deeds: &[&Human]) -> (String, Vec<String>, BTreeSet<&'static str>) {
    let name = task["name"].as_str().unwrap_or_default();
    let needs = task["needs"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
    let plain = [Behaviour::succeeds(2_000, "")];
    let scripts = scenario.behaviours.get(name).map_or(&plain[..], Vec::as_slice);
    let mine = |deed: &&&Human| deed.task() == Some(name);
    let taken = deeds.iter().filter(mine).filter(|deed| deed.takes_a_pod()).count();
    let mut results = BTreeSet::new();
    if scenario.broken_env.contains(&name) {
        results.insert("Failed");
    } else {
        attempts(scripts, task, 0, [0, 0], taken, &mut results);
    }
    if deeds.iter().filter(mine).any(|deed| matches!(deed, Human::ForeignPod { .. })) {
        results.insert("Failed");
    }
    (name.to_owned(), needs.collect(), results)
}

/// Follows a task from an attempt on. `disruptions` are those so far, before and after the start; `taken` are those that people
/// may yet add.
fn attempts(
    scripts: &[Behaviour],
    task: &Value,
    attempt: usize,
    disruptions: [usize; 2],
    taken: usize,
    results: &mut BTreeSet<&'static str>,
) {
    let Some(script) = scripts.get(attempt).or(scripts.last()) else { return };
    let mut disrupted = |started: usize, taken: usize| {
        let mut disruptions = disruptions;
        disruptions[started] += 1;
        if disruptions[started] > BUDGET {
            results.insert("Failed");
        } else {
            attempts(scripts, task, attempt + 1, disruptions, taken, results);
        }
    };
    let pod = pod(script);
    for started in [0, 1] {
        if pod.contains(if started == 0 { "before" } else { "after" }) {
            disrupted(started, taken);
        }
        if taken > 0 {
            disrupted(started, taken - 1);
        }
    }
    if pod.contains("Failed") {
        results.insert("Failed");
    }
    if pod.contains("Succeeded") || (taken > 0 && matches!(script.on_term, OnTerm::Finishes { .. })) {
        results.insert(if writes_outputs(script, task) { "Succeeded" } else { "Failed" });
    }
}
