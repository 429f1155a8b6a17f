//! How long things may take.

use jiff::SignedDuration;

use super::duration::{self, Bounds};
use super::report::{Path, Report};
use crate::api::{Task, TaskDefaults};

/// What a timeout can be: at most a leap year.
const TIMEOUTS: Bounds =
    Bounds { range: SignedDuration::from_secs(1)..=SignedDuration::from_hours(8_784), words: "1s to 8784h" };
/// How long finally tasks may take where nothing is said.
pub(super) const FINALLY: SignedDuration = SignedDuration::from_mins(30);
/// What a pod has to start its container before the kubelet's own deadline, where no startTimeout says how long that may take.
const START_ALLOWANCE: SignedDuration = SignedDuration::from_hours(1);

/// How long a task may take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// An attempt, from the start of `main` to its end.
    pub timeout: Option<SignedDuration>,
    /// An attempt, from its pod's creation to the start of `main`.
    pub start_timeout: Option<SignedDuration>,
    /// All attempts and the waits between them.
    pub total_timeout: Option<SignedDuration>,
}

impl Times {
    /// After how many seconds the kubelet ends a pod by itself, counted from when it has first seen the pod: the backstop for an
    /// operator that is away. None where nothing bounds how long `main` may run.
    #[must_use]
    pub fn backstop_seconds(&self) -> Option<i64> {
        let start = self.start_timeout.unwrap_or(START_ALLOWANCE);
        let whole = self.timeout?.saturating_add(start);
        Some(whole.as_secs().saturating_add(i64::from(whole.subsec_nanos() > 0)))
    }

    /// Of the defaults; says what is wrong with them.
    pub(super) fn of_defaults(defaults: &TaskDefaults, path: &Path<'_>, report: &mut Report) -> Self {
        let TaskDefaults { timeout, start_timeout, total_timeout, .. } = defaults;
        Self::read([timeout, start_timeout, total_timeout], path, report)
    }

    /// Of a task, each filled in from the defaults; says what is wrong with its own.
    pub(super) fn of_task(task: &Task, defaults: Self, path: &Path<'_>, report: &mut Report) -> Self {
        let Task { timeout, start_timeout, total_timeout, .. } = task;
        let own = Self::read([timeout, start_timeout, total_timeout], path, report);
        Self {
            timeout: own.timeout.or(defaults.timeout),
            start_timeout: own.start_timeout.or(defaults.start_timeout),
            total_timeout: own.total_timeout.or(defaults.total_timeout),
        }
    }

    fn read([timeout, start, total]: [&Option<String>; 3], path: &Path<'_>, report: &mut Report) -> Self {
        let mut read = |text: &Option<String>, field| timeout_of(text.as_ref(), &path.field(field), report);
        Self {
            timeout: read(timeout, "timeout"),
            start_timeout: read(start, "startTimeout"),
            total_timeout: read(total, "totalTimeout"),
        }
    }
}

/// A timeout, if one is given; says what is wrong with it.
pub(super) fn timeout_of(text: Option<&String>, path: &Path<'_>, report: &mut Report) -> Option<SignedDuration> {
    duration::parse(text?, &TIMEOUTS, path, report)
}

#[cfg(test)]
mod tests {
    use super::super::problem::Code;
    use super::super::testing::{plan, refused};
    use super::*;

    #[test]
    fn what_a_task_does_not_say_the_defaults_do() {
        let plan = plan(
            "timeout: 2h
taskDefaults: {image: i, timeout: 30m, totalTimeout: 1h}
tasks: [{name: a}, {name: b, timeout: 90s, startTimeout: 1500ms}]",
        );
        assert_eq!(plan.timeout(), Some(SignedDuration::from_hours(2)));
        assert_eq!((plan.finally_timeout(), plan.ttl()), (FINALLY, None), "half an hour, and for ever");
        let minutes = |minutes| Some(SignedDuration::from_mins(minutes));
        let (a, b) = (plan.tasks()[0].times, plan.tasks()[1].times);
        assert_eq!(a, Times { timeout: minutes(30), start_timeout: None, total_timeout: minutes(60) });
        let start_timeout = Some(SignedDuration::from_millis(1_500));
        assert_eq!(
            b,
            Times { timeout: Some(SignedDuration::from_secs(90)), start_timeout, total_timeout: minutes(60) }
        );
    }

    #[test]
    fn the_kubelet_waits_for_start_and_work_in_whole_seconds() {
        let times = |timeout: Option<i64>, start: Option<i64>| {
            let [timeout, start_timeout] = [timeout, start].map(|millis| millis.map(SignedDuration::from_millis));
            Times { timeout, start_timeout, total_timeout: None }.backstop_seconds()
        };
        assert_eq!(times(Some(30_000), Some(60_000)), Some(90));
        assert_eq!(times(Some(30_000), Some(1_001)), Some(32), "rounded up");
        assert_eq!(times(Some(30_000), None), Some(3_630), "an hour to start where nothing is said");
        assert_eq!(times(None, Some(60_000)), None, "a start that took its time says nothing of the work");
        assert_eq!(times(None, None), None);
    }

    #[test]
    fn mistakes() {
        for (spec, path, words) in [
            ("timeout: 0s\ntasks: [{name: a, image: i}]", "timeout", "`0s` is no duration from 1s to 8784h"),
            ("tasks: [{name: a, image: i, timeout: 1d}]", "tasks[0].timeout", "such as 30s, 5m or 1h30m"),
            ("tasks: [{name: a, image: i, startTimeout: -5s}]", "tasks[0].startTimeout", "no duration"),
            ("tasks: [{name: a, image: i, totalTimeout: 8785h}]", "tasks[0].totalTimeout", "1s to 8784h"),
            ("finallyTimeout: 0s\ntasks: [{name: a, image: i}]", "finallyTimeout", "1s to 8784h"),
            ("ttl: 7d\ntasks: [{name: a, image: i}]", "ttl", "such as 30s, 5m or 1h30m"),
            ("taskDefaults: {timeout: ''}\ntasks: [{name: a, image: i}]", "taskDefaults.timeout", "no duration"),
        ] {
            refused(spec, Code::BadDuration, path, words);
        }
    }
}
