//! When a task is tried again: with defaults filled in, within bounds, and rules that can be asked.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::duration::{self, Bounds};
use super::expr::Place;
use super::expression::{self, Numbers, PlannedExpr, Scope};
use super::limits;
use super::problem::{Code, Problem};
use super::report::{Path, Report, bounded};
use crate::api::{Backoff, FailureReason, Reason, Retry, RetryAction, RetryRule};

/// The waits that a backoff can have.
const WAITS: Bounds = Bounds { range: SignedDuration::ZERO..=SignedDuration::from_hours(24), words: "0s to 24h" };
/// The time between polls: a pod a second is enough.
const POLLS: Bounds =
    Bounds { range: SignedDuration::from_secs(1)..=SignedDuration::from_hours(24), words: "1s to 24h" };

/// When a task is tried again.
#[derive(Clone, Debug)]
pub struct PlannedRetry {
    /// How many failures of its own are followed by another attempt.
    pub limit: u32,
    /// How many disruptions after its start are.
    pub disruptions: u32,
    /// How long to wait before it.
    pub backoff: PlannedBackoff,
    /// What follows a failure; the first that applies decides.
    pub rules: Vec<PlannedRule>,
}

impl Default for PlannedRetry {
    fn default() -> Self {
        Self { limit: 0, disruptions: 5, backoff: PlannedBackoff::default(), rules: Vec::new() }
    }
}

/// How long to wait between a failure and the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedBackoff {
    /// The wait after the first failure.
    pub initial: SignedDuration,
    /// Each further wait is so many times as long.
    pub factor: u32,
    /// The longest wait.
    pub max: SignedDuration,
    /// By how many percent a wait is shortened at most.
    pub jitter_percent: u32,
}

impl Default for PlannedBackoff {
    fn default() -> Self {
        let (initial, max) = (SignedDuration::from_secs(10), SignedDuration::from_mins(5));
        Self { initial, factor: 2, max, jitter_percent: 20 }
    }
}

/// What follows a failure that it applies to.
#[derive(Clone, Debug)]
pub struct PlannedRule {
    /// When it applies.
    pub condition: Condition,
    /// What follows.
    pub action: Action,
}

/// What follows a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Another attempt, within the limit.
    Retry,
    /// The task fails.
    FailTask,
    /// The task fails, and the run with it.
    FailRun,
    /// It was no failure. Another attempt after this time.
    Poll(SignedDuration),
}

/// When a rule applies.
#[derive(Clone, Debug)]
pub enum Condition {
    /// The attempt has one of these exit codes.
    ExitCodes(Vec<i32>),
    /// It failed for this reason.
    Reason(Reason),
    /// This is true of it.
    Expr(PlannedExpr),
}

/// A failed attempt, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Failure<'a> {
    /// Its number, from 1.
    pub number: u32,
    /// The exit code of `main`, if it ended.
    pub exit_code: Option<i32>,
    /// Why it failed.
    pub reason: Option<Reason>,
    /// The end of its log, or Kubernetes' own words.
    pub message: &'a str,
}

/// What stands for the exit code of an attempt that has none.
const NO_EXIT_CODE: i32 = -1;

impl Failure<'_> {
    /// What expressions see as `attempt`.
    fn value(&self) -> Value {
        json!({
            "number": self.number,
            "exitCode": self.exit_code.unwrap_or(NO_EXIT_CODE),
            "reason": self.reason.map_or(json!(""), |reason| json!(reason)),
            "message": self.message,
        })
    }
}

impl PlannedRetry {
    /// What the first rule that applies says; Retry where none does.
    ///
    /// # Errors
    ///
    /// The first expression, of the rules up to there, that has no value or none that is true or false, at its path in the spec.
    pub fn action(&self, failure: &Failure<'_>, scope: &Scope<'_>) -> Result<Action, Problem> {
        for rule in &self.rules {
            let applies = match &rule.condition {
                Condition::ExitCodes(codes) => failure.exit_code.is_some_and(|code| codes.contains(&code)),
                Condition::Reason(reason) => failure.reason == Some(*reason),
                Condition::Expr(expr) => is_true(expr, failure, scope)?,
            };
            if applies {
                return Ok(rule.action);
            }
        }
        Ok(Action::Retry)
    }

    /// The longest wait that it can ask for.
    #[must_use]
    pub fn longest_wait(&self) -> SignedDuration {
        let polls = self.rules.iter().filter_map(|rule| match rule.action {
            Action::Poll(after) => Some(after),
            Action::Retry | Action::FailTask | Action::FailRun => None,
        });
        polls.fold(self.backoff.max, SignedDuration::max)
    }

    /// The first rule that polls.
    pub(super) fn polls(&self) -> Option<usize> {
        self.rules.iter().position(|rule| matches!(rule.action, Action::Poll(_)))
    }

    /// The expressions of its rules.
    pub(super) fn expressions(&self) -> impl Iterator<Item = &PlannedExpr> {
        self.rules.iter().filter_map(|rule| match &rule.condition {
            Condition::Expr(expr) => Some(expr),
            Condition::ExitCodes(_) | Condition::Reason(_) => None,
        })
    }
}

fn is_true(expr: &PlannedExpr, failure: &Failure<'_>, scope: &Scope<'_>) -> Result<bool, Problem> {
    let value = expr.evaluate_after(scope, failure.value());
    let value = value.and_then(|value| value.as_bool().ok_or_else(|| "is neither true nor false".to_owned()));
    value.map_err(|error| {
        let message = bounded(format!("the rule can't be evaluated: {error}"));
        Problem { code: Code::ExpressionFailed, path: expr.path.clone(), message }
    })
}

/// Fills in the defaults; says what is wrong.
pub(super) fn plan(retry: &Retry, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> PlannedRetry {
    let default = PlannedRetry::default();
    let limit = retry.limit.unwrap_or(default.limit);
    let disruptions = retry.disruptions.unwrap_or(default.disruptions);
    for (count, field) in [(limit, "limit"), (disruptions, "disruptions")] {
        check(count, 0, limits::RETRIES, &path.field(field), report);
    }
    let rules_path = path.field("rules");
    if retry.rules.len() > limits::RETRY_RULES {
        report.add(Code::TooMany, &rules_path, || {
            let (count, max) = (retry.rules.len(), limits::RETRY_RULES);
            format!("has {count} rules, {max} are allowed: gather exit codes in one rule, or write an expression")
        });
    }
    let rules = retry.rules.iter().enumerate();
    let rules = rules.filter_map(|(at, it)| rule(it, &rules_path.index(at), numbers, report)).collect();
    let backoff = backoff(retry.backoff.as_ref(), &path.field("backoff"), report);
    PlannedRetry { limit, disruptions, backoff, rules }
}

fn check(number: u32, least: u32, most: u32, path: &Path<'_>, report: &mut Report) {
    if !(least..=most).contains(&number) {
        report.add(Code::BadRetry, path, || format!("is {number}: write a number from {least} to {most}"));
    }
}

fn backoff(backoff: Option<&Backoff>, path: &Path<'_>, report: &mut Report) -> PlannedBackoff {
    let default = PlannedBackoff::default();
    let Some(backoff) = backoff else { return default };
    let factor = backoff.factor.unwrap_or(default.factor);
    let jitter_percent = backoff.jitter_percent.unwrap_or(default.jitter_percent);
    check(factor, 1, limits::BACKOFF_FACTOR, &path.field("factor"), report);
    check(jitter_percent, 0, 100, &path.field("jitterPercent"), report);
    let mut wait = |text: &Option<String>, default: SignedDuration, field: &str| {
        let read = text.as_ref().and_then(|text| duration::parse(text, &WAITS, &path.field(field), report));
        read.unwrap_or(default)
    };
    let initial = wait(&backoff.initial, default.initial, "initial");
    // A first wait that is longer than the default bound is meant as it is written.
    let max = wait(&backoff.max, default.max.max(initial), "max");
    if max < initial {
        report
            .add(Code::BadRetry, &path.field("max"), || "is less than initial: raise it, or lower initial".to_owned());
    }
    PlannedBackoff { initial, factor, max, jitter_percent }
}

fn rule(rule: &RetryRule, path: &Path<'_>, numbers: &Arc<Numbers>, report: &mut Report) -> Option<PlannedRule> {
    let condition = match (rule.exit_codes.as_slice(), rule.reason, &rule.expr) {
        ([_, ..], None, None) => exit_codes(&rule.exit_codes, &path.field("exitCodes"), report),
        ([], Some(reason), None) => Condition::Reason(reason.into()),
        ([], None, Some(text)) => {
            let path = path.field("expr");
            let expr = expression::parse(text, Place::Rule, &path, report)?;
            Condition::Expr(PlannedExpr { expr, path: path.to_string(), numbers: Arc::clone(numbers) })
        }
        ([], None, None) => {
            report.add(Code::RuleCondition, path, || {
                "applies to nothing: set exitCodes, reason or expr (`expr: 'true'` applies to everything)".to_owned()
            });
            return None;
        }
        _ => {
            report.add(Code::RuleCondition, path, || {
                "has several conditions: set exactly one of exitCodes, reason and expr".to_owned()
            });
            return None;
        }
    };
    let after = rule.after.as_ref().map(|text| duration::parse(text, &POLLS, &path.field("after"), report));
    let action = match (rule.action, after) {
        (RetryAction::Retry, None) => Action::Retry,
        (RetryAction::FailTask, None) => Action::FailTask,
        (RetryAction::FailRun, None) => Action::FailRun,
        (RetryAction::Poll, Some(after)) => Action::Poll(after?),
        (RetryAction::Poll, None) => {
            report.add(Code::PollAfter, path, || {
                "polls and has no after: say how long to wait, as in after: 30s".to_owned()
            });
            return None;
        }
        (_, Some(_)) => {
            report.add(Code::PollAfter, &path.field("after"), || {
                "is for action Poll: remove it; backoff says how long a retry waits".to_owned()
            });
            return None;
        }
    };
    Some(PlannedRule { condition, action })
}

fn exit_codes(codes: &[i32], path: &Path<'_>, report: &mut Report) -> Condition {
    if codes.len() > limits::EXIT_CODES {
        report.add(Code::TooMany, path, || {
            let (count, max) = (codes.len(), limits::EXIT_CODES);
            format!("has {count} exit codes, {max} are allowed: write an expression over attempt.exitCode")
        });
    }
    for (at, code) in codes.iter().enumerate().filter(|(_, code)| **code <= 0) {
        report.add(Code::BadRetry, &path.index(at), || {
            format!("{code} is no exit code of a failure: write numbers from 1")
        });
    }
    Condition::ExitCodes(codes.to_vec())
}

impl From<FailureReason> for Reason {
    fn from(reason: FailureReason) -> Self {
        match reason {
            FailureReason::ExitCode => Self::ExitCode,
            FailureReason::OutOfMemory => Self::OutOfMemory,
            FailureReason::StartError => Self::StartError,
            FailureReason::InitFailed => Self::InitFailed,
            FailureReason::Evicted => Self::Evicted,
            FailureReason::DeadlineExceeded => Self::DeadlineExceeded,
            FailureReason::TimedOut => Self::TimedOut,
            FailureReason::StartTimedOut => Self::StartTimedOut,
            FailureReason::OutputMissing => Self::OutputMissing,
            FailureReason::OutputInvalid => Self::OutputInvalid,
            FailureReason::OutputTooLarge => Self::OutputTooLarge,
            FailureReason::ChildFailed => Self::ChildFailed,
            FailureReason::ResourceFailed => Self::ResourceFailed,
        }
    }
}

#[cfg(test)]
#[path = "retry_tests.rs"]
mod tests;
