//! Trigger rules by their names, and tasks that are nothing but a gate.

use std::fmt;

use super::problem::Code;
use super::report::{Path, Report};
use super::task::of_pods;
use super::words::{did_you_mean, listing, quote};
use crate::api::Task;

/// Makes the enum, the list of all its members and their names from one table.
macro_rules! rules {
    ($($(#[$doc:meta])+ $rule:ident = $airflow:literal,)+) => {
        /// When a task runs, by how those that it needs ended.
        ///
        /// *ok* is Succeeded, or Failed with `allowFailure`; *bad* is Failed without it, UpstreamFailed or Cancelled; *failed* is
        /// Failed, UpstreamFailed or Cancelled.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
        pub enum TriggerRule {
            $($(#[$doc])+ $rule,)+
        }

        impl TriggerRule {
            /// Every rule.
            pub const ALL: &'static [TriggerRule] = &[$(TriggerRule::$rule,)+];

            /// The name, as manifests write it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(TriggerRule::$rule => stringify!($rule),)+
                }
            }

            /// What the rule is called in Airflow (`airflow.utils.trigger_rule.TriggerRule`); empty where it has no such rule.
            const fn airflow(self) -> &'static str {
                match self {
                    $(TriggerRule::$rule => $airflow,)+
                }
            }
        }
    };
}

rules! {
    /// All are ok.
    #[default]
    AllSucceeded = "all_success",
    /// At least one is ok; the others are not waited for.
    AnySucceeded = "one_success",
    /// None is bad.
    NoneFailed = "none_failed",
    /// None is bad, and at least one is ok.
    NoneFailedMinOneSucceeded = "none_failed_min_one_success",
    /// All have ended.
    AllDone = "all_done",
    /// All have ended, and at least one is ok.
    AllDoneMinOneSucceeded = "all_done_min_one_success",
    /// At least one has Succeeded or Failed; the others are not waited for.
    AnyDone = "one_done",
    /// All have ended, and none was Skipped.
    NoneSkipped = "none_skipped",
    /// All were Skipped.
    AllSkipped = "all_skipped",
    /// All have failed.
    AllFailed = "all_failed",
    /// At least one has failed; the others are not waited for.
    AnyFailed = "one_failed",
}

impl fmt::Display for TriggerRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The rule of a task; says what is wrong with it. `path` is that of the task.
pub(super) fn plan(task: &Task, path: &Path<'_>, report: &mut Report) -> TriggerRule {
    let Some(name) = &task.trigger_rule else {
        return TriggerRule::default();
    };
    let path = path.field("triggerRule");
    let Some(rule) = TriggerRule::ALL.iter().copied().find(|rule| rule.as_str() == name) else {
        report.add(Code::UnknownTriggerRule, &path, || {
            let advice = meant(name).map(|rule| format!("; did you mean `{rule}`?")).unwrap_or_default();
            format!("there is no rule `{}`{advice}; there are {}", quote(name), all())
        });
        return TriggerRule::default();
    };
    if task.needs.is_empty() && rule != TriggerRule::AllSucceeded {
        report.add(Code::RuleWithoutNeeds, &path, || {
            format!("{rule} looks at how the needs ended, and the task needs nothing: add needs, or remove triggerRule")
        });
    }
    rule
}

/// The rule that a name was probably meant to be: by Airflow's spelling of it, or by a slip of the pen.
fn meant(name: &str) -> Option<TriggerRule> {
    let lower = name.to_lowercase();
    let own = TriggerRule::ALL.iter().map(|rule| rule.as_str());
    let theirs = TriggerRule::ALL.iter().map(|rule| rule.airflow());
    // Airflow has two names for one of its rules.
    let skipped = ["none_failed_or_skipped"];
    let known = own.chain(theirs).chain(skipped);
    let nearest = known.clone().find(|known| known.to_lowercase() == lower).or_else(|| did_you_mean(name, known))?;
    let is_it = |rule: &&TriggerRule| {
        rule.as_str() == nearest
            || rule.airflow() == nearest
            || skipped.contains(&nearest) && **rule == TriggerRule::NoneFailedMinOneSucceeded
    };
    TriggerRule::ALL.iter().find(is_it).copied()
}

/// All names, as a sentence has them. There are more than a listing shows.
fn all() -> String {
    let names: Vec<&str> = TriggerRule::ALL.iter().map(|rule| rule.as_str()).collect();
    names.join(", ")
}

/// Says what a task that is nothing but a gate has besides.
pub(super) fn check_join(task: &Task, path: &Path<'_>, report: &mut Report) {
    if task.join.is_none() {
        return;
    }
    let fields = [
        ("logTail", task.log_tail.is_some()),
        ("retry", task.retry.is_some()),
        ("timeout", task.timeout.is_some()),
        ("startTimeout", task.start_timeout.is_some()),
        ("totalTimeout", task.total_timeout.is_some()),
        ("onNodeLost", task.on_node_lost.is_some()),
        ("workflowRef", task.workflow_ref.is_some()),
        ("workflow", task.workflow.is_some()),
        ("resource", task.resource.is_some()),
        ("params", !task.params.is_empty()),
        ("forEach", task.for_each.is_some()),
    ];
    let found: Vec<&str> =
        of_pods(task).iter().chain(&fields).filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    if !found.is_empty() {
        report.add(Code::JoinWithContainer, &path.field("join"), || {
            let found = listing(found.iter().copied());
            format!("a join is nothing but a gate and runs no container, and the task has {found} too: remove one or the other")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::Work;
    use super::super::testing::{plan, refused};
    use super::*;

    fn spec(task: &str) -> String {
        format!("taskDefaults: {{image: i}}\ntasks: [{{name: a}}, {{name: b, needs: [a], {task}}}]")
    }

    #[test]
    fn every_rule_has_a_name_and_no_name_is_the_default() {
        for rule in TriggerRule::ALL {
            assert_eq!(plan(&spec(&format!("triggerRule: {rule}"))).tasks()[1].rule, *rule);
        }
        assert_eq!(plan(&spec("")).tasks()[1].rule, TriggerRule::AllSucceeded);
        assert_eq!(TriggerRule::ALL.len(), 11);
    }

    #[test]
    #[rustfmt::skip]
    fn names_that_mean_a_rule() {
        for (written, meant) in [
            ("all_success", "AllSucceeded"), ("one_success", "AnySucceeded"), ("none_failed", "NoneFailed"),
            ("none_failed_min_one_success", "NoneFailedMinOneSucceeded"), ("none_failed_or_skipped", "NoneFailedMinOneSucceeded"),
            ("all_done", "AllDone"), ("all_done_min_one_success", "AllDoneMinOneSucceeded"), ("one_done", "AnyDone"),
            ("none_skipped", "NoneSkipped"), ("all_skipped", "AllSkipped"), ("all_failed", "AllFailed"), ("one_failed", "AnyFailed"),
            ("ALL_DONE", "AllDone"), ("allDone", "AllDone"), ("anysucceeded", "AnySucceeded"), ("AllSuceeded", "AllSucceeded"),
            ("NoneFailled", "NoneFailed"),
        ] {
            let words = format!("there is no rule `{written}`; did you mean `{meant}`?; there are AllSucceeded, AnySucceeded,");
            refused(&spec(&format!("triggerRule: {written}")), Code::UnknownTriggerRule, "tasks[1].triggerRule", &words);
        }
    }

    #[test]
    fn names_that_mean_nothing() {
        for written in ["always", "dummy", "x"] {
            let words = format!("task `b`: there is no rule `{written}`; there are AllSucceeded, AnySucceeded,");
            refused(
                &spec(&format!("triggerRule: {written}")),
                Code::UnknownTriggerRule,
                "tasks[1].triggerRule",
                &words,
            );
        }
    }

    #[test]
    fn a_rule_needs_something_to_look_at() {
        for rule in TriggerRule::ALL.iter().filter(|rule| **rule != TriggerRule::AllSucceeded) {
            let words = format!("{rule} looks at how the needs ended, and the task needs nothing: add needs");
            let spec = format!("tasks: [{{name: a, image: i, triggerRule: {rule}}}]");
            refused(&spec, Code::RuleWithoutNeeds, "tasks[0].triggerRule", &words);
        }
        plan("tasks: [{name: a, image: i, triggerRule: AllSucceeded}]");
    }

    #[test]
    fn a_join_has_nothing_of_a_container() {
        let joined = plan(&spec("join: {}, description: both, allowFailure: true"));
        let joined = &joined.tasks()[1];
        assert!(matches!(joined.work, Work::Join) && joined.allow_failure);
        plan("tasks: [{name: a, join: {}}]");
        for (field, more) in [
            ("image", "image: i"),
            ("script", "script: x"),
            ("command", "command: [x]"),
            ("args", "args: [x]"),
            ("env", "env: [{name: A, value: x}]"),
            ("resources", "resources: {limits: {cpu: 1}}"),
            ("podTemplate", "podTemplate: {spec: {nodeName: n}}"),
            ("outputs", "outputs: [{name: o, type: int}]"),
            ("logTail", "logTail: Omit"),
        ] {
            let words = format!("runs no container, and the task has `{field}` too: remove one or the other");
            refused(&spec(&format!("join: {{}}, {more}")), Code::JoinWithContainer, "tasks[1].join", &words);
        }
        let words = "and the task has `image` and `script` too";
        refused(&spec("join: {}, image: i, script: x"), Code::JoinWithContainer, "tasks[1].join", words);
    }
}
