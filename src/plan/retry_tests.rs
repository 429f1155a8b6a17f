use super::super::testing::{plan, refused};
use super::*;
use serde_json::Map;

/// A task `load` after `extract`, with this `retry`.
fn chain(retry: &str) -> String {
    format!(
        "params: [{{name: patience, type: int, default: 3}}]
taskDefaults: {{image: i}}
tasks:
- {{name: extract, outputs: [{{name: rows, type: int}}]}}
- {{name: load, needs: [extract], totalTimeout: 1h, retry: {retry}}}
- {{name: other}}
"
    )
}

fn retry(text: &str) -> Arc<PlannedRetry> {
    Arc::clone(&plan(&chain(text)).tasks()[1].retry)
}

/// What the rules say of a failure.
fn action(rules: &str, failure: &Failure<'_>) -> Result<Action, String> {
    let params = Map::from_iter([("patience".to_owned(), json!(3))]);
    let run = json!({ "name": "r", "uid": "u", "namespace": "n", "phase": "Running", "reason": "", "generation": 0 });
    let scope = Scope { params: &params, run: &run, tasks: &|_| None, attempt: failure.number, item: None };
    retry(&format!("{{rules: {rules}}}")).action(failure, &scope).map_err(|problem| problem.to_string())
}

const FAILURE: Failure<'static> =
    Failure { number: 2, exit_code: Some(75), reason: Some(Reason::ExitCode), message: "connection refused" };

#[test]
fn what_is_not_said_has_a_default() {
    let bare = retry("{}");
    assert_eq!((bare.limit, bare.disruptions), (0, 5));
    let PlannedBackoff { initial, factor, max, jitter_percent } = bare.backoff;
    assert_eq!((initial.as_secs(), factor, max.as_secs(), jitter_percent), (10, 2, 300, 20));
    let long = retry("{limit: 2, backoff: {initial: 1h}}");
    assert_eq!(long.backoff.max, SignedDuration::from_hours(1), "a first wait beyond the default bound raises it");
}

#[test]
fn an_own_retry_replaces_the_default_one_as_a_whole() {
    let plan = plan(
        "taskDefaults: {image: i, retry: {limit: 3, disruptions: 0}}\ntasks: [{name: a}, {name: b}, {name: c, retry: {limit: 1}}]",
    );
    let found: Vec<(u32, u32)> = plan.tasks().iter().map(|task| (task.retry.limit, task.retry.disruptions)).collect();
    assert_eq!(found, [(3, 0), (3, 0), (1, 5)]);
    assert!(Arc::ptr_eq(&plan.tasks()[0].retry, &plan.tasks()[1].retry), "they share what is the same");
}

#[test]
fn the_first_rule_that_applies_decides() {
    use Action::{FailRun, FailTask, Poll, Retry};
    for (rules, expected) in [
        ("[]", Retry),
        ("[{exitCodes: [75], action: FailTask}]", FailTask),
        ("[{exitCodes: [1, 2], action: FailTask}]", Retry),
        ("[{reason: ExitCode, action: FailRun}]", FailRun),
        ("[{reason: OutOfMemory, action: FailRun}]", Retry),
        (
            "[{exitCodes: [1], action: FailRun}, {exitCodes: [1, 75], action: FailTask}, {reason: ExitCode, action: Retry}]",
            FailTask,
        ),
        ("[{exitCodes: [75], action: Retry}, {expr: 'true', action: FailTask}]", Retry),
        ("[{expr: attempt.number >= 2, action: FailTask}]", FailTask),
        ("[{expr: attempt.number >= params.patience, action: FailTask}]", Retry),
        ("[{expr: \"attempt.message.contains('refused') && attempt.exitCode != 1\", action: FailRun}]", FailRun),
        ("[{expr: \"attempt.reason == 'ExitCode' && run.name == 'r'\", action: FailTask}]", FailTask),
        ("[{exitCodes: [75], action: Poll, after: 90s}]", Poll(SignedDuration::from_secs(90))),
    ] {
        assert_eq!(action(rules, &FAILURE), Ok(expected), "{rules}");
    }
    let never_ran = Failure { exit_code: None, reason: Some(Reason::InitFailed), ..FAILURE };
    assert_eq!(action("[{expr: attempt.exitCode == -1, action: FailTask}]", &never_ran), Ok(FailTask));
    assert_eq!(action("[{exitCodes: [1], action: FailTask}]", &never_ran), Ok(Retry));
}

#[test]
fn a_rule_without_an_answer_is_told_with_its_path() {
    for (rules, words) in [
        (
            "[{expr: attempt.number, action: Retry}]",
            "tasks[1].retry.rules[0].expr: the rule can't be evaluated: is neither",
        ),
        ("[{expr: 1 / (attempt.number - 2) > 0, action: Retry}]", "the rule can't be evaluated: "),
    ] {
        let told = action(rules, &FAILURE).expect_err(rules);
        assert!(told.contains(words), "{told}");
    }
    let answered = "[{exitCodes: [75], action: FailTask}, {expr: attempt.number, action: Retry}]";
    assert_eq!(action(answered, &FAILURE), Ok(Action::FailTask), "what comes after the first isn't asked");
}

#[test]
#[rustfmt::skip]
fn mistakes() {
    let at = |field: &str| format!("tasks[1].retry.{field}");
    for (retry, code, path, words) in [
        ("{limit: 101}", Code::BadRetry, "limit", "is 101: write a number from 0 to 100"),
        ("{disruptions: 101}", Code::BadRetry, "disruptions", "from 0 to 100"),
        ("{backoff: {factor: 0}}", Code::BadRetry, "backoff.factor", "from 1 to 10"),
        ("{backoff: {jitterPercent: 101}}", Code::BadRetry, "backoff.jitterPercent", "from 0 to 100"),
        ("{backoff: {initial: soon}}", Code::BadDuration, "backoff.initial", "`soon` is no duration from 0s to 24h"),
        ("{backoff: {initial: 1m, max: 30s}}", Code::BadRetry, "backoff.max", "is less than initial"),
        ("{rules: [{action: Retry}]}", Code::RuleCondition, "rules[0]", "set exitCodes, reason or expr"),
        ("{rules: [{exitCodes: [1], reason: ExitCode, action: Retry}]}", Code::RuleCondition, "rules[0]", "exactly one"),
        ("{rules: [{exitCodes: [1, 0], action: Retry}]}", Code::BadRetry, "rules[0].exitCodes[1]", "0 is no exit code of a failure"),
        ("{rules: [{expr: attempt.exit > 1, action: Retry}]}", Code::UnknownField, "rules[0].expr", "`attempt` has no field `exit`"),
        ("{rules: [{expr: failure.number > 1, action: Retry}]}", Code::BadExpression, "rules[0].expr", "is not known here"),
        ("{rules: [{expr: params.patient, action: Retry}]}", Code::UnknownParam, "rules[0].expr", "did you mean `patience`?"),
        ("{rules: [{expr: \"tasks.other.phase == 'Failed'\", action: Retry}]}", Code::NotUpstream, "rules[0].expr", "add `other` to needs"),
        ("{rules: [{expr: tasks.extract.outputs.row > 1, action: Retry}]}", Code::UnknownOutput, "rules[0].expr", "did you mean `rows`?"),
        ("{rules: [{exitCodes: [1], action: Poll}]}", Code::PollAfter, "rules[0]", "polls and has no after"),
        ("{rules: [{exitCodes: [1], action: Retry, after: 5s}]}", Code::PollAfter, "rules[0].after", "is for action Poll"),
        ("{rules: [{exitCodes: [1], action: Poll, after: 0s}]}", Code::BadDuration, "rules[0].after", "from 1s to 24h"),
    ] {
        refused(&chain(retry), code, &at(path), words);
    }
    let many = vec!["{exitCodes: [1], action: Retry}"; 17].join(", ");
    refused(&chain(&format!("{{rules: [{many}]}}")), Code::TooMany, &at("rules"), "17 rules, 16 are allowed");
    let codes: Vec<String> = (1..=65).map(|code| code.to_string()).collect();
    let rules = format!("{{rules: [{{exitCodes: [{}], action: Retry}}]}}", codes.join(", "));
    refused(&chain(&rules), Code::TooMany, &at("rules[0].exitCodes"), "65 exit codes, 64 are allowed");
}

#[test]
fn a_mistake_in_the_defaults_is_told_once_and_there() {
    let spec = |rule: &str| {
        format!("taskDefaults: {{image: i, retry: {{rules: [{rule}]}}}}\ntasks: [{{name: a}}, {{name: b}}]")
    };
    refused(
        &spec("{expr: params.x, action: Retry}"),
        Code::UnknownParam,
        "taskDefaults.retry.rules[0].expr",
        "params.x",
    );
    refused(
        &spec("{expr: \"tasks.a.phase == 'Failed'\", action: Retry}"),
        Code::NotUpstream,
        "taskDefaults.retry.rules[0].expr",
        "task `a`: reads itself",
    );
}

#[test]
fn what_polls_must_come_to_an_end() {
    let poll = "rules: [{exitCodes: [1], action: Retry}, {exitCodes: [75], action: Poll, after: 30s}]";
    let task = |more: &str| format!("taskDefaults: {{image: i{more}}}\ntasks: [{{name: a, retry: {{{poll}}}}}]");
    let words = "polls (retry.rules[1]), so that it could go on for ever: set totalTimeout";
    refused(&task(""), Code::PollWithoutEnd, "tasks[0].totalTimeout", words);
    plan(&task(", totalTimeout: 1h"));
    let defaults =
        format!("taskDefaults: {{image: i, retry: {{{poll}}}}}\ntasks: [{{name: a, totalTimeout: 1h}}, {{name: b}}]");
    refused(&defaults, Code::PollWithoutEnd, "tasks[1].totalTimeout", "task `b`: polls");
}
