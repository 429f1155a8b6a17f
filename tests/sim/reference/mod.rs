//! The end that a run must come to: from its spec, what its pods were scripted to do, and what people did. Written from the
//! rules alone, so that it can disagree with the operator.
//!
//! Faults of the operator, the network or the clock change no end, only its time. People's deeds do; when they strike is a
//! matter of time, so each then allows more than one end.

mod child;
mod pod;
mod resource;
mod retry;
mod rule;
mod task;
#[cfg(test)]
mod tests;
mod time;

use std::collections::{BTreeMap, BTreeSet};

use gantline::api::TaskPhase;
use gantline::api::label::RUN_UID;
use serde_json::{Value, json};

use self::task::TaskEnds;
use crate::check::packed;
use crate::human::{Human, Kind};
use crate::model::Server;
use crate::scenario::{NAMESPACE, Scenario};

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
    /// And its finally tasks too.
    skipped: bool,
    /// Someone asks for another generation: what that comes to hangs on when.
    retried: bool,
    /// It can start.
    starts: bool,
    /// Why it may fail before it starts.
    unstarted: BTreeSet<&'static str>,
    /// Its pinned revision may be lost.
    lost: BTreeSet<&'static str>,
    /// Whether the run as a whole has a timeout.
    timed: bool,
    /// What becomes of it while the slots of its workflow are taken; nothing where there are any number.
    when_full: Option<String>,
    /// It may wait for ever for a slot: somebody who has one is suspended, or it is itself.
    waits: bool,
    /// Whether it is deleted some time after its end; `None` if nobody can say when, since clocks are off.
    expires: Option<bool>,
    /// How each task may end.
    tasks: Vec<TaskEnds>,
}

/// Whether a run that has ended has taken up what was asked for last, unless there is nothing to do again.
fn is_taken_up(run: &Value, end: &End, lost: &BTreeSet<&'static str>) -> Result<(), String> {
    let (asked, present) = (&run["spec"]["retry"], run["status"]["generation"].as_u64().unwrap_or(0));
    let named = asked["tasks"].as_array().is_some_and(|tasks| !tasks.is_empty());
    let again = end.tasks.values().any(|phase| matches!(phase.as_str(), "Failed" | "UpstreamFailed" | "Cancelled"));
    // A revision that is lost can't be run again, nor can one of whose outputs some are; and a run without tasks never started.
    let can =
        !end.tasks.is_empty() && (named || again) && end.reason != "RevisionLost" && !lost.contains("OutputsLost");
    if can && asked["generation"].as_u64().is_some_and(|asked| asked > present) {
        return Err(format!("{asked} is asked for, and the run has ended in generation {present}"));
    }
    Ok(())
}

/// A run with the phase of each of its tasks, of which its status may spell out few.
fn run(server: &Server, scenario: &Scenario, name: &str) -> Option<Value> {
    let mut run = server.get("workflowruns", NAMESPACE, name).map(|run| Value::clone(run))?;
    let phases = scenario.workflow_of(name).and_then(|spec| packed::phases(&run["status"], spec));
    if let Some(phases) = phases {
        let task = |(name, phase): (String, TaskPhase)| json!({ "name": name, "phase": phase });
        run["status"]["tasks"] = phases.into_iter().map(task).collect();
    }
    Some(run)
}

/// Judges a cluster at rest by what was played in it: what is wrong, by invariant. `deeds` are what people did, in its order.
pub fn judge(server: &Server, scenario: &Scenario, deeds: &[Human]) -> [(&'static str, Vec<String>); 2] {
    let verdict = |name: String| {
        let verdict = ends(scenario, &name, deeds).admits(run(server, scenario, &name).as_ref());
        verdict.err().map(|wrong| format!("run {name}: {wrong}"))
    };
    let ends = scenario.names("WorkflowRun").into_iter().filter_map(verdict).collect();
    let deleted =
        ["loads", "namespaces", "persistentvolumeclaims", "pods", "workflowrecords", "workflowruns", "workflows"]
            .into_iter()
            .flat_map(|resource| {
                let going = server.list(resource).filter(|object| !object["metadata"]["deletionTimestamp"].is_null());
                // Whether a pod without labels could have been found, the checker judges (S11).
                let going =
                    going.filter(move |object| resource != "pods" || object["metadata"]["labels"][RUN_UID].is_string());
                going.map(move |object| format!("{resource}/{} is still being deleted", object["metadata"]["name"]))
            });
    [("L1", ends), ("L2", deleted.collect())]
}

/// Compares a cluster at rest with the one end that a scenario names for each run, where neither a fault nor a slow message
/// made it come to another: what is wrong.
pub fn compare(server: &Server, scenario: &Scenario) -> Vec<String> {
    let wrong = |name: String| {
        let end = run(server, scenario, &name).map(|run| End::of(&run));
        let named = scenario.ends.get(&name);
        (end.as_ref() != named).then(|| format!("run {name} came to {end:?} instead of {named:?}"))
    };
    scenario.names("WorkflowRun").into_iter().filter_map(wrong).collect()
}

/// What may become of a run of a scenario in which people did `deeds`, in that order.
pub fn ends(scenario: &Scenario, run: &str, deeds: &[Human]) -> Ends {
    let limit = slots(scenario, run);
    let waits = limit.is_some() && suspends_any(scenario, deeds);
    // What was done to an earlier run of that name is gone with it.
    let begins =
        |deed: &Human| matches!(deed, Human::RecreateRun { .. } | Human::Create { kind: Kind::WorkflowRun, .. });
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
    let is_there =
        |manifest: &Value| manifest["kind"] == "Workflow" && manifest["metadata"]["name"].as_str() == workflow;
    let at_first = workflow.is_none() || scenario.manifests.iter().any(is_there);
    let comes = all
        .iter()
        .any(|deed| matches!(deed, Human::Create { kind: Kind::Workflow, name } if Some(name.as_str()) == workflow));
    let goes = all
        .iter()
        .any(|deed| matches!(deed, Human::DeleteWorkflow { workflow: name } if Some(name.as_str()) == workflow));
    let mut unstarted: BTreeSet<&'static str> = scenario.mistake.into_iter().collect();
    if !at_first || goes {
        unstarted.insert("WorkflowNotFound");
    }
    if did(&|deed| matches!(deed, Human::EditParams { .. })) {
        unstarted.insert("InvalidParams");
    }
    // A run that waits for a slot is pinned, and has no tasks yet.
    if limit.is_some() && did(&|deed| matches!(deed, Human::DeleteRecord { .. })) {
        unstarted.insert("RevisionLost");
    }
    let mut lost = BTreeSet::new();
    if did(&|deed| matches!(deed, Human::DeleteRecord { .. })) {
        lost.insert("RevisionLost");
    }
    if did(&|deed| matches!(deed, Human::DeleteOutputs { .. })) {
        lost.insert("OutputsLost");
    }
    let last = scenario.finally_of(run);
    let above: Vec<&str> = workflow.into_iter().collect();
    let of_task = |task: &Value| {
        let finally = last.contains(task);
        let ends = TaskEnds::of(scenario, task, finally, deeds, &above);
        ends.within(finally && finally_is_timed(scenario, run))
    };
    let last_word = deeds.iter().rev().find(|it| matches!(it, Human::Suspend { .. } | Human::Resume { .. }));
    Ends {
        gone,
        any: did(&Human::breaks_the_record),
        suspended: matches!(last_word, Some(Human::Suspend { .. })),
        cancelled: did(&|deed| matches!(deed, Human::Cancel { .. } | Human::SkipFinally { .. })),
        // What has not begun when the finally tasks' time is over is cancelled.
        skipped: did(&|deed| matches!(deed, Human::SkipFinally { .. })) || finally_is_timed(scenario, run),
        retried: did(&|deed| matches!(deed, Human::Retry { .. })),
        starts: scenario.mistake.is_none() && (at_first || comes),
        unstarted,
        lost,
        when_full: limit,
        waits,
        expires: Some(scenario.workflow_of(run).is_some_and(|workflow| !workflow["ttl"].is_null()))
            .filter(|expires| !(*expires && scenario.clock_is_off)),
        timed: scenario.workflow_of(run).is_some_and(|workflow| !workflow["timeout"].is_null()),
        tasks: scenario.tasks_of(run).into_iter().map(of_task).collect(),
    }
}

/// What becomes of a run while all slots of its workflow are taken; nothing where there is no limit.
fn slots(scenario: &Scenario, run: &str) -> Option<String> {
    let concurrency = &scenario.workflow_of(run)?["concurrency"];
    (!concurrency.is_null()).then(|| concurrency["whenFull"].as_str().unwrap_or("Queue").to_owned())
}

/// Whether some run is suspended in the end.
fn suspends_any(scenario: &Scenario, deeds: &[Human]) -> bool {
    let last_word = |run: &String| {
        let of_run = |deed: &&Human| deed.run() == Some(run.as_str());
        deeds.iter().rev().filter(of_run).find(|it| matches!(it, Human::Suspend { .. } | Human::Resume { .. }))
    };
    scenario.names("WorkflowRun").iter().any(|run| matches!(last_word(run), Some(Human::Suspend { .. })))
}

/// Whether the time of a run's finally tasks may be over before they are: their workflow says how long they may take, or a clock
/// that leaps makes the half hour pass that they have anyway.
fn finally_is_timed(scenario: &Scenario, run: &str) -> bool {
    let says = scenario.workflow_of(run).is_some_and(|workflow| !workflow["finallyTimeout"].is_null());
    says || scenario.clock_is_off
}

impl Ends {
    /// The one end that there is; `None` if there are more, or if the run is gone.
    pub fn only(&self) -> Option<End> {
        let full = self.when_full.as_ref().is_some_and(|word| word != "Queue") || self.waits;
        let free = full
            || self.expires != Some(false)
            || self.gone
            || self.any
            || self.suspended
            || self.cancelled
            || !self.lost.is_empty()
            || self.timed
            || self.retried;
        match (free, self.starts, self.unstarted.iter().collect::<Vec<_>>().as_slice()) {
            (false, false, [reason]) => return Some(End::new("Failed", reason, "")),
            (false, true, []) => {}
            _ => return None,
        }
        let mut tasks: BTreeMap<String, String> = BTreeMap::new();
        // Each round settles at least one task whose needs are settled, so there are no more rounds than tasks. Finally tasks may
        // read all others.
        let main = self.tasks.iter().filter(|task| !task.finally);
        let last = self.tasks.iter().filter(|task| task.finally);
        for tasks_of_a_kind in [main.collect::<Vec<_>>(), last.collect()] {
            for task in tasks_of_a_kind.iter().flat_map(|_| &tasks_of_a_kind) {
                let Some(needs) = self.needs(task, |need| tasks.get(need).map(String::as_str)) else { continue };
                let phase = task.only(&needs, &tasks)?;
                tasks.insert(task.name.clone(), phase.to_owned());
            }
        }
        if tasks.values().any(|phase| phase == "FailRun") {
            // What else is stopped is a matter of time.
            return None;
        }
        let (phase, reason) = self.verdict(&tasks);
        Some(End { phase: phase.to_owned(), reason: reason.to_owned(), tasks })
    }

    /// How far what a task needs has come; nothing if one of them has no phase.
    fn needs<'a>(&self, task: &TaskEnds, phase: impl Fn(&str) -> Option<&'a str>) -> Option<Vec<rule::Need<'a>>> {
        let allows = |need: &str| self.tasks.iter().any(|task| task.name == need && task.allow_failure);
        task.needs.iter().map(|need| Some((phase(need)?, allows(need)))).collect()
    }

    /// The verdict over how all tasks ended, if nobody cancelled the run.
    fn verdict(&self, ends: &BTreeMap<String, String>) -> (&'static str, &'static str) {
        let is = |task: &TaskEnds, phase: &str| ends.get(&task.name).is_some_and(|it| it == phase);
        let failed = |allowed: bool, finally: bool| {
            let mut tasks = self.tasks.iter().filter(|task| task.finally == finally && task.allow_failure == allowed);
            tasks.any(|task| is(task, "Failed"))
        };
        match () {
            () if failed(false, false) => ("Failed", "TaskFailed"),
            () if failed(false, true) => ("Failed", "FinallyFailed"),
            () if failed(true, false) => ("Succeeded", "AllowedFailures"),
            () if self.tasks.iter().filter(|task| !task.finally).all(|task| is(task, "Skipped")) => {
                ("Succeeded", "AllSkipped")
            }
            () => ("Succeeded", ""),
        }
    }

    /// Whether each task may have come to where this end has it. All may have been stopped, or the main ones.
    fn admit_tasks(&self, end: &End, all: bool, main: bool, open: bool) -> Result<(), String> {
        self.tasks.iter().try_for_each(|task| {
            let cancelled = self.may_be_cancelled();
            // One that waits for a slot again runs nothing when it is cancelled.
            let skipped = self.skipped || cancelled && self.retried && self.when_full.is_some();
            let stopped = all || if task.finally { skipped } else { main || cancelled && !open };
            let needs = self.needs(task, |need| Some(end.tasks.get(need).map_or("", String::as_str)));
            task.admits(end, &needs.unwrap_or_default(), stopped, open)
        })
    }

    /// Whether it may end Cancelled once it has tasks: someone wants that, or it gives way to another.
    fn may_be_cancelled(&self) -> bool {
        self.cancelled
            || match self.when_full.as_deref() {
                Some("CancelOldest") => true,
                Some("Reject") => self.retried,
                _ => false,
            }
    }

    /// Whether time decides how it ends: a task may fail the whole run, whatever the others are at.
    #[cfg(test)]
    fn is_a_matter_of_time(&self) -> bool {
        let turned_away = self.when_full.as_ref().is_some_and(|word| word != "Queue");
        let bounded = self.timed || self.skipped || self.expires != Some(false) || turned_away;
        bounded || self.tasks.iter().any(TaskEnds::may_fail_the_run)
    }

    /// Whether a run may have come to this, in the end; says what is wrong with it. `None` is a run that is gone.
    pub fn admits(&self, run: Option<&Value>) -> Result<(), String> {
        let Some(run) = run else {
            return if self.gone || self.expires != Some(false) {
                Ok(())
            } else {
                Err("the run is gone, and nobody deleted it".to_owned())
            };
        };
        if self.gone {
            return Err("the run was deleted and is still there".to_owned());
        }
        let end = End::of(run);
        if self.waits && end.phase == "Queued" {
            return Ok(());
        }
        if self.expires == Some(true) && !end.tasks.is_empty() && !self.any && !self.suspended {
            return Err("its ttl is over, and it is still there".to_owned());
        }
        if self.suspended && end.phase == "Suspended" {
            return self.admit_tasks(&end, false, false, true);
        }
        if !matches!(end.phase.as_str(), "Succeeded" | "Failed" | "Cancelled") {
            return Err(format!("the run hasn't ended: it is {}", end.phase));
        }
        if self.any {
            return Ok(());
        }
        if self.retried {
            return is_taken_up(run, &end, &self.lost);
        }
        if end.tasks.is_empty() {
            return self.admits_unstarted(&end);
        }
        let lost = self.lost.contains(end.reason.as_str());
        let failed = |task: &&TaskEnds| end.tasks.get(&task.name).is_some_and(|phase| phase == "Failed");
        let mut failed = self.tasks.iter().filter(failed);
        let by_a_rule = end.reason == "FailRun" && failed.clone().any(TaskEnds::may_fail_the_run);
        let in_time = !(self.timed && end.reason == "RunTimedOut");
        self.admit_tasks(&end, lost, by_a_rule || !in_time, false)?;
        if end.tasks.len() != self.tasks.len() || !self.starts {
            return Err(format!("the run has tasks that it can't have: {:?}", end.tasks.keys()));
        }
        // A finally task can be cancelled after the others have come to their verdict.
        let is_main = |name: &String| self.tasks.iter().any(|task| task.name == *name && !task.finally);
        let has = |phase: &str| end.tasks.iter().any(|(name, it)| it == phase && is_main(name));
        let verdict = match (end.phase.as_str(), end.reason.as_str()) {
            ("Failed", "RevisionLost" | "OutputsLost") => lost,
            // Cancel on record before the last task finished, whatever that came to.
            ("Cancelled", _) => self.may_be_cancelled(),
            ("Failed", "FailRun") => by_a_rule,
            ("Failed", "RunTimedOut") => !in_time,
            own => own == self.verdict(&end.tasks) && !has("Cancelled") && failed.all(TaskEnds::may_fail),
        };
        if verdict {
            Ok(())
        } else {
            Err(format!("tasks {:?} don't make a run {} ({})", end.tasks, end.phase, end.reason))
        }
    }

    fn admits_unstarted(&self, end: &End) -> Result<(), String> {
        match end.phase.as_str() {
            "Failed" if self.unstarted.contains(end.reason.as_str()) => Ok(()),
            "Cancelled" if self.cancelled || self.when_full.as_ref().is_some_and(|word| word != "Queue") => Ok(()),
            phase => Err(format!("the run ended {phase} ({}) before it started", end.reason)),
        }
    }
}
