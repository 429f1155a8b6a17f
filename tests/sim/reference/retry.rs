//! What follows a failure of a task's own, by its spec (LANGUAGE, section 7).

use serde_json::Value;

use crate::kubelet::{Behaviour, Taker, Work};

/// How an attempt failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    exit_code: i64,
    reason: &'static str,
    message: String,
}

impl Failure {
    fn new(exit_code: i64, reason: &'static str, message: &str) -> Self {
        Self { exit_code, reason, message: message.to_owned() }
    }

    /// It wrote no output that it declares.
    pub fn without_output() -> Self {
        Self::new(0, "OutputMissing", "")
    }

    /// It was killed, and nobody says why.
    pub fn killed() -> Self {
        Self::new(137, "ExitCode", "")
    }

    /// Its time was over.
    pub fn timed_out(reason: &'static str) -> Self {
        Self::new(143, reason, "")
    }

    /// How the pod of a script may fail, if it fails.
    pub fn all(script: &Behaviour) -> Vec<Self> {
        let own = match &script.work {
            Work::Exits { exit_code: 0, .. } => None,
            Work::Exits { exit_code, message, .. } => Some(Self::new(i64::from(*exit_code), "ExitCode", message)),
            Work::OutOfMemory { .. } => Some(Self::new(137, "OutOfMemory", "")),
            Work::StartError => Some(Self::new(128, "StartError", "")),
        };
        let evicted = script.taken.filter(|taken| taken.by == Taker::OwnUse);
        let evicted = evicted.into_iter().flat_map(|_| [137, -1].map(|code| Self::new(code, "Evicted", "")));
        own.into_iter().chain(evicted).collect()
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Again,
    /// Again, and it was no failure.
    NotYet,
    Fail,
    FailRun,
}

/// What follows the n-th failure of a task, from 1.
pub(super) fn next(task: &Value, failures: usize, failure: &Failure) -> Next {
    let retry = &task["retry"];
    let applies = |rule: &&Value| {
        let codes = rule["exitCodes"].as_array();
        codes.is_some_and(|codes| codes.iter().any(|code| *code == failure.exit_code))
            || rule["reason"] == failure.reason
            || rule["expr"].as_str().is_some_and(|expr| is_true(expr, failure))
    };
    let rule = retry["rules"].as_array().into_iter().flatten().find(applies);
    match rule.and_then(|rule| rule["action"].as_str()) {
        Some("FailTask") => Next::Fail,
        Some("FailRun") => Next::FailRun,
        Some("Poll") => Next::NotYet,
        _ if failures > usize::try_from(retry["limit"].as_u64().unwrap_or(0)).unwrap_or(usize::MAX) => Next::Fail,
        _ => Next::Again,
    }
}

/// What the expressions of the scenarios mean, in other words.
fn is_true(expr: &str, failure: &Failure) -> bool {
    match expr {
        "attempt.message.contains('refused') && attempt.exitCode == 1" => {
            failure.message.contains("refused") && failure.exit_code == 1
        }
        other => panic!("nobody has said what {other} means"),
    }
}

/// How many disruptions after the start are made good.
pub(super) fn disruptions(task: &Value) -> usize {
    usize::try_from(task["retry"]["disruptions"].as_u64().unwrap_or(5)).unwrap_or(usize::MAX)
}
