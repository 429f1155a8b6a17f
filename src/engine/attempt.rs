//! An attempt: which object it is, and how it ended, from what is seen of its pod.
//!
//! The rules of precedence, first match (Kubernetes documentation: Pod Lifecycle; Disruptions; KEP-3329):
//!
//! | seen | outcome |
//! |---|---|
//! | the pod Succeeded | by its outputs, whatever else marks it |
//! | `main` ended with 0, not after a disruption of a pod that failed | by its outputs |
//! | a disruption, and `main` didn't end badly before it | Disrupted, once the pod is over |
//! | `main` ended otherwise | Failed, once the pod is over, was disrupted later, or goes on without it |
//! | the pod is over without an end of `main` | by its init containers, its own reason; else Disrupted |

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::observed::{Disruption, MainEnd, MainState, PodFacts, PodPhase, RunFacts};
use super::{disruption, outputs, text};
use crate::api::{Attempt, AttemptOutcome, OutputDecl, Reason, ResourceRef};
use crate::mutant::{Mutant, is};
use crate::plan::{PlannedTask, Work, child_name, pod_name, resource_name};

/// The attempt of this number of a task or its item, with the name of its object.
pub(super) fn named(run: &RunFacts<'_>, planned: &PlannedTask, item: Option<u32>, number: u32) -> Attempt {
    let of =
        |name: fn(&str, &str, &str, Option<u32>, u32) -> String| name(run.name, run.uid, &planned.name, item, number);
    match &planned.work {
        Work::Pod | Work::Join => Attempt { number, pod: of(pod_name), ..Attempt::default() },
        Work::Child(_) => Attempt { number, run: of(child_name), ..Attempt::default() },
        Work::Resource(resource) => {
            let (api_version, kind) = (resource.api_version.clone(), resource.kind.clone());
            let resource = Some(ResourceRef { api_version, kind, name: of(resource_name) });
            Attempt { number, resource, ..Attempt::default() }
        }
    }
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct End {
    pub(super) outcome: AttemptOutcome,
    pub(super) reason: Option<Reason>,
    pub(super) message: String,
    pub(super) exit_code: Option<i32>,
    pub(super) started_at: Option<Timestamp>,
    pub(super) finished_at: Option<Timestamp>,
    pub(super) outputs: Map<String, Value>,
}

impl End {
    pub(super) fn new(outcome: AttemptOutcome, reason: Option<Reason>, message: &str) -> Self {
        Self {
            outcome,
            reason,
            message: message.to_owned(),
            exit_code: None,
            started_at: None,
            finished_at: None,
            outputs: Map::new(),
        }
    }

    fn of(main: &MainEnd, outcome: AttemptOutcome, reason: Option<Reason>, message: &str) -> Self {
        Self {
            exit_code: Some(main.exit_code),
            started_at: main.started_at,
            finished_at: main.finished_at,
            ..Self::new(outcome, reason, message)
        }
    }
}

/// How the attempt of this pod ended; `None` while it goes on.
pub(super) fn end(pod: &PodFacts, planned: &PlannedTask, now: Timestamp) -> Option<End> {
    let over = disruption::is_over(pod, planned, now);
    let main = match &pod.main {
        MainState::Ended(main) => Some(main),
        MainState::Waiting | MainState::Running { .. } => None,
    };
    if let Some(main) = main.filter(|main| succeeded(pod, main)) {
        // While a pod is being taken, an exit 0 may come of that; its final phase tells.
        let being_taken = pod.disruption.as_ref().is_some_and(|it| !ended_before(main, it)) && !over;
        return (!being_taken).then(|| with_outputs(main, &planned.outputs, pod.containers));
    }
    if let Some(disruption) = pod.disruption.as_ref().filter(|it| !main.is_some_and(|main| ended_before(main, it))) {
        return (over || is(Mutant::RetryBesideLivePod)).then(|| disrupted(disruption, main));
    }
    match main {
        // A node that takes a pod tells first how its containers ended, and why only with the pod's final phase: the kubelet holds
        // back the pod's reason and its condition DisruptionTarget until then. What goes on beside `main` could do so for ever.
        Some(main) => (over || pod.disruption.is_some() || pod.lingering).then(|| failed(pod, main, planned)),
        None => over.then(|| over_without_main(pod, planned)),
    }
}

/// Exit code 0, and no disruption of a failed pod that came first: containers that are being killed may well exit with 0.
fn succeeded(pod: &PodFacts, main: &MainEnd) -> bool {
    let disrupted_first = || {
        pod.phase == PodPhase::Failed
            && pod.disruption.as_ref().is_some_and(|it| match (main.finished_at, it.at) {
                (Some(finished), Some(at)) => finished > at,
                _ => true,
            })
    };
    main.exit_code == 0 && (pod.phase == PodPhase::Succeeded || !disrupted_first())
}

/// Whether `main` ended by itself before it was disrupted. The kubelet's times are whole seconds: within the same second the
/// disruption is taken for the cause.
fn ended_before(main: &MainEnd, disruption: &Disruption) -> bool {
    matches!((main.finished_at, disruption.at), (Some(finished), Some(at)) if finished < at)
        && main.reason != "ContainerStatusUnknown"
}

fn with_outputs(main: &MainEnd, declared: &[OutputDecl], containers: u32) -> End {
    match outputs::read(&main.message, declared, containers) {
        Ok(outputs) => End { outputs, ..End::of(main, AttemptOutcome::Succeeded, None, "") },
        Err((reason, message)) => End::of(main, AttemptOutcome::Failed, Some(reason), &message),
    }
}

fn disrupted(disruption: &Disruption, main: Option<&MainEnd>) -> End {
    match main {
        Some(main) => End::of(main, AttemptOutcome::Disrupted, Some(disruption.reason), &disruption.message),
        None => End::new(AttemptOutcome::Disrupted, Some(disruption.reason), &disruption.message),
    }
}

/// Why a pod failed that reached its deadline: of a task with a timeout that is the backstop of its timeouts.
fn deadline(planned: &PlannedTask, started: bool) -> Reason {
    match (planned.times.timeout, started) {
        (None, _) => Reason::DeadlineExceeded,
        (Some(_), true) => Reason::TimedOut,
        (Some(_), false) => Reason::StartTimedOut,
    }
}

fn failed(pod: &PodFacts, main: &MainEnd, planned: &PlannedTask) -> End {
    let reason = match (pod.reason.as_deref(), main.reason.as_str()) {
        (Some("Evicted"), _) => Reason::Evicted,
        (Some("DeadlineExceeded"), _) => deadline(planned, main.started_at.is_some()),
        (_, "OOMKilled") => Reason::OutOfMemory,
        (_, "StartError" | "ContainerCannotRun") => Reason::StartError,
        // The kubelet lost track of the container: nobody can say that it was the task's fault.
        (_, "ContainerStatusUnknown") => {
            return End::of(main, AttemptOutcome::Disrupted, Some(Reason::PodLost), &main.message);
        }
        _ => Reason::ExitCode,
    };
    let own_words = if pod.message.is_empty() { &main.message } else { &pod.message };
    let message = match reason {
        Reason::Evicted | Reason::DeadlineExceeded | Reason::TimedOut | Reason::StartTimedOut => own_words,
        _ => &main.message,
    };
    End::of(main, AttemptOutcome::Failed, Some(reason), message)
}

fn over_without_main(pod: &PodFacts, planned: &PlannedTask) -> End {
    if let Some((name, exit_code, message)) = &pod.failed_init {
        let message = format!("init container `{name}` ended with exit code {exit_code}: {message}");
        return End::new(AttemptOutcome::Failed, Some(Reason::InitFailed), message.trim_end_matches([':', ' ']));
    }
    match pod.reason.as_deref() {
        Some("Evicted") => End::new(AttemptOutcome::Failed, Some(Reason::Evicted), &pod.message),
        Some("DeadlineExceeded") => End::new(AttemptOutcome::Failed, Some(deadline(planned, false)), &pod.message),
        _ => End::new(AttemptOutcome::Disrupted, Some(Reason::PodLost), &pod.message),
    }
}

/// What an attempt's end means, in a clause: `exit code 2 on attempt 3: connection refused`.
pub(super) fn told(reason: Option<Reason>, exit_code: Option<i32>, attempt: u32, message: &str) -> String {
    let what = match (reason, exit_code) {
        (Some(Reason::ExitCode), Some(code)) => format!("exit code {code}"),
        (Some(Reason::OutOfMemory), _) => "out of memory: raise resources.limits.memory".to_owned(),
        (Some(Reason::TimedOut), _) => "ran longer than its timeout".to_owned(),
        (Some(Reason::StartTimedOut), _) => "did not start in time".to_owned(),
        (Some(Reason::ChildFailed), _) => "its child run failed".to_owned(),
        (Some(Reason::ChildCancelled), _) => "its child run was cancelled".to_owned(),
        (Some(Reason::ResourceFailed), _) => "its object failed".to_owned(),
        (Some(Reason::NotPermitted), _) => "not permitted".to_owned(),
        (Some(Reason::TotalTimedOut), _) => "was not done within its totalTimeout".to_owned(),
        (Some(Reason::FinallyTimedOut), _) => "was not done within the run's finallyTimeout".to_owned(),
        (Some(reason), _) => format!("{reason:?}"),
        (None, _) => "ended".to_owned(),
    };
    let number = if attempt > 1 { format!(" on attempt {attempt}") } else { String::new() };
    let line = text::last_line(message);
    if line.is_empty() { format!("{what}{number}") } else { format!("{what}{number}: {line}") }
}
