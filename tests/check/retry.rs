//! What a task's spec says of other attempts (LANGUAGE, section 7), read anew from the spec.

use gantline::api::AttemptOutcome;
use jiff::SignedDuration;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::read::{Attempt, Status, Task, list, text};
use super::world::{Run, World};

/// Disruptions before the start that are made good.
const BEFORE_START: u64 = 5;
/// The longest wait after a disruption.
const AFTER_DISRUPTION: SignedDuration = SignedDuration::from_secs(300);

/// Failures that come again whatever is tried, or leave no time to.
pub const FOR_GOOD: [&str; 11] = [
    "ExpressionError",
    "PodInvalid",
    "ChildInvalid",
    "ChildCancelled",
    "ResourceInvalid",
    "NotPermitted",
    "KindNotGranted",
    "NameClash",
    "NamespaceTerminating",
    "TotalTimedOut",
    "FinallyTimedOut",
];

/// When a task is tried again.
pub struct Retry<'j> {
    spec: &'j Value,
}

/// What the rules say of an attempt.
enum Said<'j> {
    /// This rule is the first that applies.
    By(&'j Value),
    /// None applies.
    Nothing,
    /// An expression decides, which is not evaluated here.
    Unclear,
}

/// How many attempts came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub failed: u64,
    pub disrupted_before_start: u64,
    pub disrupted_after_start: u64,
    pub not_yet: u64,
    /// Of generations before the present one.
    pub former: u64,
}

impl Counts {
    /// Those that a task lists no more.
    pub fn earlier(task: &Task<'_>) -> Self {
        let earlier = task.value.get("earlier").unwrap_or(&Value::Null);
        let count = |field: &str| earlier.get(field).and_then(Value::as_u64).unwrap_or(0);
        Self {
            failed: count("failed"),
            disrupted_before_start: count("disruptedBeforeStart"),
            disrupted_after_start: count("disruptedAfterStart"),
            not_yet: count("notYet"),
            former: count("former"),
        }
    }

    /// The same once the next generation has begun.
    pub fn reopened(self) -> Self {
        let Self { failed, disrupted_before_start, disrupted_after_start, not_yet, former } = self;
        let former = former + failed + disrupted_before_start + disrupted_after_start + not_yet;
        Self { former, ..Self::default() }
    }

    /// These, and those that came to something in this generation.
    pub fn and<'a, 'j: 'a>(mut self, generation: u64, attempts: impl IntoIterator<Item = &'a Attempt<'j>>) -> Self {
        for attempt in attempts {
            if attempt.generation != generation {
                self.former += 1;
                continue;
            }
            match attempt.outcome {
                Some(AttemptOutcome::Failed) => self.failed += 1,
                Some(AttemptOutcome::NotYet) => self.not_yet += 1,
                Some(AttemptOutcome::Disrupted) if attempt.has_started() => self.disrupted_after_start += 1,
                Some(AttemptOutcome::Disrupted) => self.disrupted_before_start += 1,
                _ => {}
            }
        }
        self
    }
}

impl<'j> Retry<'j> {
    /// Of a task of the spec that a run's status is pinned to; `None` if the journal doesn't have it.
    pub fn of_task(world: &World<'j>, run: &Run<'j>, status: &Status<'j>, task: &str) -> Option<Self> {
        Some(Self::of(world.pinned(run, status)?, world.planned(run, status, task)?))
    }

    /// Of a task of a pinned spec: its own, or that of the defaults.
    fn of(pinned: &'j Value, planned: &'j Value) -> Self {
        let own = planned.get("retry").filter(|retry| !retry.is_null());
        Self { spec: own.or_else(|| pinned.pointer("/taskDefaults/retry")).unwrap_or(&Value::Null) }
    }

    fn number(&self, pointer: &str, default: u64) -> u64 {
        self.spec.pointer(pointer).and_then(Value::as_u64).unwrap_or(default)
    }

    fn wait(&self, field: &str, default: i64) -> SignedDuration {
        let text = self.spec.pointer(&format!("/backoff/{field}")).and_then(Value::as_str);
        text.map_or(SignedDuration::from_secs(default), |text| text.parse().expect("a duration that was planned"))
    }

    /// The longest wait before another attempt.
    pub fn longest_wait(&self) -> SignedDuration {
        let polls = list(self.spec, "rules").iter().filter_map(after);
        polls.fold(self.wait("max", 300).max(self.wait("initial", 10)).max(AFTER_DISRUPTION), SignedDuration::max)
    }

    /// Why there can't be another attempt after these, the last of which is `last`.
    pub fn forbids(&self, counts: Counts, last: &Attempt<'_>) -> Option<String> {
        let (count, limit, of) = match last.outcome {
            Some(AttemptOutcome::NotYet) => {
                let polls = match self.rule(last) {
                    Said::By(rule) => text(rule, "action") == "Poll",
                    Said::Nothing => false,
                    Said::Unclear => true,
                };
                return (!polls).then(|| "it ended NotYet, and no rule polls".to_owned());
            }
            Some(AttemptOutcome::Failed) => {
                if let Said::By(rule) = self.rule(last)
                    && text(rule, "action") != "Retry"
                {
                    return Some(format!("its rules say {}, and there is another attempt", text(rule, "action")));
                }
                if matches!(last.reason(), "ExpressionError" | "PodInvalid" | "NameClash" | "NamespaceTerminating") {
                    return Some(format!("it never had a pod ({}), and there is another attempt", last.reason()));
                }
                (counts.failed, self.number("/limit", 0), "failures")
            }
            Some(AttemptOutcome::Disrupted) if last.has_started() => {
                (counts.disrupted_after_start, self.number("/disruptions", 5), "disruptions after the start")
            }
            Some(AttemptOutcome::Disrupted) => {
                (counts.disrupted_before_start, BEFORE_START, "disruptions before the start")
            }
            outcome => return Some(format!("attempt {} ended {outcome:?}, and there is another", last.number)),
        };
        (count > limit).then(|| format!("{count} {of} where {limit} are made good, and there is another attempt"))
    }

    /// Why there has to be another attempt after these, the last of which is `last`.
    pub fn demands(&self, counts: Counts, last: &Attempt<'_>) -> Option<String> {
        let (count, limit, of) = match last.outcome {
            Some(AttemptOutcome::Failed) => {
                let may_be = match self.rule(last) {
                    Said::By(rule) => text(rule, "action") == "Retry",
                    Said::Nothing => true,
                    Said::Unclear => false,
                };
                if !may_be || FOR_GOOD.contains(&last.reason()) {
                    return None;
                }
                (counts.failed, self.number("/limit", 0), "failures")
            }
            Some(AttemptOutcome::Disrupted) if last.has_started() => {
                (counts.disrupted_after_start, self.number("/disruptions", 5), "disruptions after the start")
            }
            Some(AttemptOutcome::Disrupted) => {
                (counts.disrupted_before_start, BEFORE_START, "disruptions before the start")
            }
            _ => return None,
        };
        (count <= limit).then(|| format!("it was given up after {count} {of} where {limit} are made good"))
    }

    /// What the rules say of an attempt.
    fn rule(&self, last: &Attempt<'_>) -> Said<'j> {
        let code = last.value.get("exitCode").unwrap_or(&Value::Null);
        if code.is_null() && last.reason().is_empty() {
            // A letter tells no more than that it failed.
            return if list(self.spec, "rules").is_empty() { Said::Nothing } else { Said::Unclear };
        }
        for rule in list(self.spec, "rules") {
            if rule.get("expr").is_some() {
                return Said::Unclear;
            }
            if list(rule, "exitCodes").contains(code) || text(rule, "reason") == last.reason() {
                return Said::By(rule);
            }
        }
        Said::Nothing
    }

    /// The wait after an attempt that ended NotYet.
    pub fn wait_after_poll(&self, last: &Attempt<'_>) -> Option<SignedDuration> {
        if let Said::By(rule) = self.rule(last) { after(rule) } else { None }
    }

    /// The wait after a failure, to the millisecond: the first one, so many times as long after each failure, shortened by a part
    /// that follows from who it is for.
    pub fn wait_after(&self, counts: Counts, run: &str, task: &str, attempt: u64) -> SignedDuration {
        let max = self.wait("max", 300).max(if self.spec.pointer("/backoff/max").is_none() {
            self.wait("initial", 10)
        } else {
            SignedDuration::ZERO
        });
        let factor = u128::from(self.number("/backoff/factor", 2));
        let times = factor.saturating_pow(u32::try_from(counts.failed.saturating_sub(1)).unwrap_or(u32::MAX));
        let whole = self
            .wait("initial", 10)
            .as_millis()
            .unsigned_abs()
            .saturating_mul(times)
            .min(max.as_millis().unsigned_abs());
        let hash = Sha256::digest(format!("{run}/{task}/{attempt}"));
        let share = u128::from(hash[0]) * 256 + u128::from(hash[1]);
        let off = whole * u128::from(self.number("/backoff/jitterPercent", 20)) * share / (100 * 65_536);
        SignedDuration::from_millis(i64::try_from(whole - off).expect("at most a day"))
    }
}

/// How long a rule that polls waits.
fn after(rule: &Value) -> Option<SignedDuration> {
    Some(rule.get("after")?.as_str()?.parse().expect("a duration that was planned"))
}
