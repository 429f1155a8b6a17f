//! The standard scenarios.

use serde_json::{Value, json};

use super::build::{inline, run, run_with, task, task_with, workflow, workflow_with};
use super::child::children;
use super::follow::follow;
use super::for_each::for_each;
use super::generation::generations;
use super::people::{controls, deletions};
use super::resource::resources;
use super::rules::{conditions, finally, rules};
use super::{Refusal, Scenario};
use crate::kubelet::{Behaviour, OnTerm, Taker, Trouble, When, Work};

/// A task that runs until someone stops it.
pub(super) const LONG: u64 = 3_600_000;

/// All of them, in an order that stays.
pub fn standard() -> Vec<Scenario> {
    let mut all = graphs();
    all.extend(rules());
    all.extend(conditions());
    all.extend(finally());
    all.extend(values());
    all.extend(disruptions());
    all.extend(retries());
    all.extend(timeouts());
    all.extend(for_each());
    all.extend(children());
    all.extend(resources());
    all.extend(generations());
    all.extend(controls());
    all.extend(deletions());
    all.extend(mistakes());
    all.extend(others());
    all.extend(follow());
    all.extend(super::limits::limits());
    all.extend(super::log::logs());
    all.extend(super::packed::packed());
    all.extend(super::outputs::outputs());
    all
}

/// Shapes of the graph.
fn graphs() -> Vec<Scenario> {
    let fan: Vec<Value> = ["b", "c", "d", "e"].map(|name| task(name, &["a"])).into();
    let fan = [&[task("a", &[])], fan.as_slice(), &[task("f", &["b", "c", "d", "e"])]].concat();
    let wide: Vec<Value> = (0..38).map(|number| task(&format!("middle-{number}"), &["first"])).collect();
    let names: Vec<String> = (0..38).map(|number| format!("middle-{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wide = [&[task("first", &[])], wide.as_slice(), &[task("last", &names)]].concat();
    vec![
        Scenario::of("single", &[task("a", &[])]).succeeds(),
        Scenario::of("chain", &chain()).with_standby().succeeds(),
        Scenario::of("diamond", &diamond()).succeeds(),
        Scenario::of("fan-out-and-in", &fan).with_standby().succeeds(),
        Scenario::new("inline").with(inline("run", &chain())).succeeds(),
        Scenario::of("two-runs", &diamond()).with_standby().with(run("other")).succeeds().ends_of(
            "other",
            "Succeeded",
            "",
            "a Succeeded, b Succeeded, c Succeeded, d Succeeded",
        ),
        Scenario::of("failing-branch", &[task("a", &[]), task("b", &["a"]), task("c", &["b"]), task("d", &["a"])])
            .behaves("b", [Behaviour::exits(2_000, 3, "row 17 has no price")])
            .ends("Failed", "TaskFailed", "a Succeeded, b Failed, c UpstreamFailed, d Succeeded"),
        Scenario::of("twelve-at-once", &twelve_at_once()).with_standby().succeeds(),
        Scenario { wide: true, ..Scenario::of("wide", &wide).with_standby().succeeds() },
    ]
}

/// So many that creates wait for their turn where few may be under way.
pub(super) fn twelve_at_once() -> Vec<Value> {
    let twelve = (0..12).map(|number| task(&format!("b{number}"), &["a"]));
    std::iter::once(task("a", &[])).chain(twelve).collect()
}

pub(super) fn chain() -> [Value; 3] {
    [task("a", &[]), task("b", &["a"]), task("c", &["b"])]
}

pub(super) fn diamond() -> [Value; 4] {
    [task("a", &[]), task("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])]
}

/// What tasks hand on.
fn values() -> Vec<Scenario> {
    let extract = task_with("extract", &[], json!({ "outputs": [{ "name": "rows", "type": "int" }] }));
    let load = task_with(
        "load",
        &["extract"],
        json!({ "env": [{ "name": "ROWS", "expr": "tasks.extract.outputs.rows + 1" }] }),
    );
    let params =
        json!({ "params": [{ "name": "day", "type": "string" }, { "name": "all", "type": "bool", "default": false }] });
    let greet = task_with(
        "greet",
        &[],
        json!({ "env": [{ "name": "DAY", "expr": "params.day" }, { "name": "ALL", "expr": "params.all" }] }),
    );
    vec![
        Scenario::of("outputs", &[extract.clone(), load.clone()])
            .with_standby()
            .behaves("extract", [Behaviour::succeeds(2_000, "rows=42\n")])
            .behaves("load", [Behaviour::succeeds(2_000, "").expecting("ROWS", "43")])
            .succeeds(),
        Scenario::of("output-missing", &[extract, load])
            .behaves("extract", [Behaviour::succeeds(2_000, "columns=7\n")])
            .ends("Failed", "TaskFailed", "extract Failed, load UpstreamFailed"),
        Scenario::new("params")
            .with(workflow_with(&[greet], params))
            .with(run_with("run", json!({ "params": { "day": "2026-11-22" } })))
            .behaves("greet", [Behaviour::succeeds(2_000, "").expecting("DAY", "2026-11-22").expecting("ALL", "false")])
            .at(4_000, "edit-params:run")
            .succeeds(),
    ]
}

/// What nodes and their controllers do.
fn disruptions() -> Vec<Scenario> {
    let taken = |when, by| Behaviour::succeeds(4_000, "").taken(when, by);
    let plain = || Behaviour::succeeds(2_000, "");
    let evicted = |times| vec![taken(When::Running(1_000), Taker::Eviction); times];
    let lost = |returns| Taker::NodeLost { away_ms: 60_000, returns };
    let two = || [task("a", &[]), task("b", &["a"])];
    vec![
        Scenario::of("evicted-before-start", &two())
            .behaves("a", [taken(When::BeforeStart, Taker::Eviction), plain()])
            .succeeds(),
        Scenario::of("preempted-while-running", &two())
            .with_standby()
            .behaves("a", [taken(When::Running(1_000), Taker::Preemption), plain()])
            .succeeds(),
        Scenario::of("node-pressure", &two())
            .behaves("a", [taken(When::Running(1_000), Taker::NodePressure), plain()])
            .succeeds(),
        Scenario::of("node-lost", &two()).behaves("a", [taken(When::Running(1_000), lost(false)), plain()]).succeeds(),
        Scenario::of("node-returns", &two())
            .behaves("a", [Behaviour::succeeds(LONG, "").taken(When::Running(1_000), lost(true)), plain()])
            .succeeds(),
        Scenario::of("finishes-while-evicted", &two())
            .behaves("a", [taken(When::Running(1_000), Taker::Eviction).on_term(OnTerm::Finishes { after_ms: 1_500 })])
            .succeeds(),
        Scenario::of("disrupted-too-often", &two()).behaves("a", [taken(When::Running(1_000), Taker::Eviction)]).ends(
            "Failed",
            "TaskFailed",
            "a Failed, b UpstreamFailed",
        ),
        // Each kind has a budget of its own, and neither is used up.
        Scenario::of("disrupted-before-and-after", &two())
            .behaves("a", [vec![taken(When::BeforeStart, Taker::Eviction); 3], evicted(3), vec![plain()]].concat())
            .succeeds(),
        Scenario::of("own-faults", &[task("a", &[]), task("b", &[]), task("c", &[]), task("d", &["a", "b", "c"])])
            .behaves("a", [Behaviour::works(Work::OutOfMemory { after_ms: 2_000 })])
            .behaves("b", [Behaviour::works(Work::StartError)])
            .behaves("c", [taken(When::Running(1_000), Taker::OwnUse)])
            .ends("Failed", "TaskFailed", "a Failed, b Failed, c Failed, d UpstreamFailed"),
        Scenario::of("image-pull-trouble", &two())
            .behaves("a", [plain().hindered(Trouble::ImagePull, 45_000)])
            .succeeds(),
        Scenario::of("lingering-container", &[lingering("a", &Value::Null), task("b", &["a"])])
            .behaves("a", [Behaviour { lingers_ms: LONG, ..plain() }])
            .succeeds(),
    ]
}

/// What tasks do wrong themselves, and what their retry makes of it.
fn retries() -> Vec<Scenario> {
    let retry = |retry: Value| [task_with("a", &[], json!({ "retry": retry })), task("b", &["a"]), task("c", &[])];
    let fails = |exit_code| Behaviour::exits(2_000, exit_code, "connection refused");
    let plain = || Behaviour::succeeds(2_000, "");
    let taken = || Behaviour::succeeds(4_000, "").taken(When::Running(1_000), Taker::Eviction);
    let rules = json!([
        { "exitCodes": [2], "action": "FailTask" },
        { "expr": "attempt.message.contains('refused') && attempt.exitCode == 1", "action": "Retry" },
        { "reason": "ExitCode", "action": "FailRun" },
    ]);
    vec![
        Scenario::of("flaky-task", &retry(json!({ "limit": 2, "backoff": { "initial": "5s" } })))
            .with_standby()
            .behaves("a", [fails(1), fails(1), plain()])
            .succeeds(),
        Scenario::of("retries-used-up", &retry(json!({ "limit": 1, "backoff": { "initial": "2s", "factor": 1 } })))
            .behaves("a", [fails(1), taken(), fails(1)])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed, c Succeeded"),
        Scenario::of("failures-and-disruptions", &retry(json!({ "limit": 2, "disruptions": 2 })))
            .with_standby()
            .behaves("a", [taken(), fails(1), taken(), fails(1), plain()])
            .succeeds(),
        Scenario::of(
            "fails-beside-another-container",
            &[lingering("a", &json!({ "limit": 1, "backoff": { "initial": "0s" } })), task("b", &["a"])],
        )
        .behaves("a", [Behaviour { lingers_ms: LONG, on_term: OnTerm::Ignores, ..fails(1) }, plain()])
        .succeeds(),
        Scenario::of("at-most-once", &retry(json!({ "disruptions": 0 })))
            .behaves("a", [Behaviour::succeeds(2_000, "").taken(When::BeforeStart, Taker::Eviction), taken()])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed, c Succeeded"),
        Scenario::of("rule-fail-task", &retry(json!({ "limit": 5, "backoff": { "initial": "1s" }, "rules": rules })))
            .behaves("a", [fails(1), fails(2)])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed, c Succeeded"),
        Scenario::of("rule-fail-run", &retry(json!({ "limit": 5, "backoff": { "initial": "1s" }, "rules": rules })))
            .with_standby()
            .behaves("a", [fails(1), fails(3)])
            .behaves("c", [Behaviour::succeeds(LONG, "")])
            .ends("Failed", "FailRun", "a Failed, b Cancelled, c Cancelled"),
    ]
}

/// What takes too long, and what is asked for again and again.
fn timeouts() -> Vec<Scenario> {
    let two = |a: Value| [task_with("a", &[], a), task("b", &["a"])];
    let long = || Behaviour::succeeds(LONG, "");
    let plain = || Behaviour::succeeds(2_000, "");
    let retry = json!({ "limit": 1, "backoff": { "initial": "2s" } });
    let poll = json!({ "rules": [{ "exitCodes": [75], "action": "Poll", "after": "10s" }] });
    let not_yet = || Behaviour::exits(1_000, 75, "");
    let in_a_minute = workflow_with(&chain(), json!({ "timeout": "1m" }));
    let lost = Taker::NodeLost { away_ms: 600_000, returns: true };
    vec![
        Scenario::of("timeout-then-retry", &two(json!({ "timeout": "20s", "retry": retry })))
            .with_standby()
            .behaves("a", [Behaviour { start_ms: 15_000, ..long() }, plain()])
            .succeeds(),
        Scenario::of("timeout", &two(json!({ "timeout": "20s" })))
            .behaves("a", [long().on_term(OnTerm::Ignores)])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed"),
        Scenario::of("finishes-when-timed-out", &two(json!({ "timeout": "20s" })))
            .behaves("a", [long().on_term(OnTerm::Finishes { after_ms: 1_000 })])
            .succeeds(),
        Scenario::of("start-timeout", &two(json!({ "startTimeout": "30s", "retry": retry })))
            .behaves("a", [plain().hindered(Trouble::Unschedulable, LONG), plain()])
            .succeeds(),
        Scenario::of("image-pull-in-vain", &two(json!({})))
            .with_standby()
            .behaves("a", [plain().hindered(Trouble::ImagePull, LONG)])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed"),
        Scenario::of("poll", &two(json!({ "totalTimeout": "6h", "retry": poll })))
            .with_standby()
            .behaves("a", [not_yet(), not_yet(), not_yet(), plain()])
            .succeeds(),
        Scenario::of("poll-in-vain", &two(json!({ "totalTimeout": "1m", "retry": poll })))
            .behaves("a", [not_yet()])
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed"),
        Scenario::new("run-timeout").with(in_a_minute).with(run("run")).behaves("b", [long()]).with_standby().ends(
            "Failed",
            "RunTimedOut",
            "a Succeeded, b Cancelled, c Cancelled",
        ),
        Scenario::of("node-lost-and-replaced", &two(json!({ "onNodeLost": "Replace" })))
            .with_standby()
            .behaves("a", [long().taken(When::Running(1_000), lost), plain()])
            .succeeds(),
    ]
}

/// A task with a second ordinary container, and how it is tried again.
fn lingering(name: &str, retry: &Value) -> Value {
    let containers = json!([{ "name": "main" }, { "name": "proxy", "image": "proxy:1" }]);
    task_with(name, &[], json!({ "podTemplate": { "spec": { "containers": containers } }, "retry": retry }))
}

/// Runs that can't start, or whose tasks can't.
fn mistakes() -> Vec<Scenario> {
    let count = task_with("count", &[], json!({ "outputs": [{ "name": "rows", "type": "int" }] }));
    let share = json!({ "env": [{ "name": "SHARE", "expr": "100 / tasks.count.outputs.rows" }] });
    let divide = [count, task_with("divide", &["count"], share), task("report", &["divide"])];
    vec![
        Scenario {
            mistake: Some("InvalidWorkflow"),
            ..Scenario::of("invalid-workflow", &[task("a", &["z"]), task("b", &["a"])])
        }
        .ends("Failed", "InvalidWorkflow", ""),
        Scenario { mistake: Some("InvalidParams"), ..Scenario::new("invalid-params") }
            .with(workflow(&chain()))
            .with(run_with("run", json!({ "params": { "day": "2026-11-22" } })))
            .ends("Failed", "InvalidParams", ""),
        Scenario::new("missing-workflow").with(run("run")).ends("Failed", "WorkflowNotFound", ""),
        Scenario::new("late-workflow")
            .with(run("run"))
            .with_later(workflow(&chain()))
            .at(4_000, "create:workflow:workflow")
            .succeeds(),
        Scenario { broken_env: vec!["divide"], ..Scenario::of("expression-error", &divide) }
            .behaves("count", [Behaviour::succeeds(2_000, "rows=0\n")])
            .ends("Failed", "TaskFailed", "count Succeeded, divide Failed, report UpstreamFailed"),
        Scenario::of("name-clash", &chain()).at(2_000, "foreign-pod:run:b:name").ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, b Failed, c UpstreamFailed",
        ),
    ]
}

/// What the API server does.
fn others() -> Vec<Scenario> {
    let quota = Refusal {
        code: 403,
        reason: "Forbidden",
        message: "pods \"run-a-1\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=5, limited: pods=5",
        from_ms: 0,
        until_ms: 20_000,
    };
    let busy = Refusal {
        code: 429,
        reason: "TooManyRequests",
        message: "Too many requests, please try again later.",
        from_ms: 2_000,
        until_ms: 30_000,
    };
    vec![
        Scenario::of("quota", &diamond()).refusing(quota).succeeds(),
        Scenario::of("busy-server", &diamond()).with_standby().refusing(busy).succeeds(),
    ]
}
