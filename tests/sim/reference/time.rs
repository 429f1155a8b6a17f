//! What may take too long, from the spec and the script of a pod (LANGUAGE, section 7).

use jiff::SignedDuration;
use serde_json::Value;

use crate::kubelet::{Behaviour, Trouble};

/// How long a kubelet may be unable to start a pod of a task without a startTimeout.
const UNABLE_TO_START_MS: u64 = 600_000;
/// Whatever comes closer than this to something else may come before or after it.
const SLACK_MS: u64 = 2_000;

/// Whether an attempt times out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimesOut {
    Never,
    /// Or it ends as it would otherwise.
    Maybe,
    Always,
}

/// A timeout of a task or a workflow, in milliseconds.
pub(super) fn timeout(of: &Value, field: &str) -> Option<u64> {
    let text = of[field].as_str()?;
    let duration: SignedDuration = text.parse().expect("a duration");
    u64::try_from(duration.as_millis()).ok()
}

/// Whether the pod of a script starts too late, and whether it runs too long.
pub(super) fn times_out(script: &Behaviour, task: &Value, clock_is_off: bool) -> [TimesOut; 2] {
    let held_up: u64 = script.hindrances.iter().map(|it| it.for_ms).sum();
    let unable = script.hindrances.iter().filter(|it| it.kind != Trouble::Unschedulable).map(|it| it.for_ms).max();
    let start = match timeout(task, "startTimeout") {
        Some(limit) => times_out_at(held_up + script.start_ms, limit, script, clock_is_off),
        None => unable.map_or(TimesOut::Never, |ms| times_out_at(ms, UNABLE_TO_START_MS, script, clock_is_off)),
    };
    let run = match (timeout(task, "timeout"), script.runs_ms()) {
        (Some(limit), Some(ms)) => times_out_at(ms, limit, script, clock_is_off),
        _ => TimesOut::Never,
    };
    [start, run]
}

fn times_out_at(takes: u64, limit: u64, script: &Behaviour, clock_is_off: bool) -> TimesOut {
    if clock_is_off || script.taken.is_some() || takes.abs_diff(limit) < SLACK_MS {
        TimesOut::Maybe
    } else if takes > limit {
        TimesOut::Always
    } else {
        TimesOut::Never
    }
}
