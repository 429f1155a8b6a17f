//! The standard scenarios.

use serde_json::{Value, json};

use super::build::{inline, join, run, run_with, task, task_with, workflow, workflow_with};
use super::child::children;
use super::follow::follow;
use super::for_each::for_each;
use super::generation::generations;
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
    all.extend(generations());
    all.extend(controls());
    all.extend(deletions());
    all.extend(mistakes());
    all.extend(others());
    all.extend(follow());
    all.extend(super::limits::limits());
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
fn twelve_at_once() -> Vec<Value> {
    let twelve = (0..12).map(|number| task(&format!("b{number}"), &["a"]));
    std::iter::once(task("a", &[])).chain(twelve).collect()
}

fn cancelled_but_the_first(task: &Value) -> String {
    let phase = if task["name"] == "a" { "Succeeded" } else { "Cancelled" };
    format!("{} {phase}", task["name"].as_str().unwrap_or_default())
}

/// What runs, by how what it needs ended.
fn rules() -> Vec<Scenario> {
    let fails = || [Behaviour::exits(2_000, 3, "row 17 has no price")];
    let tolerant = |name: &str, needs: &[&str]| task_with(name, needs, json!({ "allowFailure": true }));
    let by = |rule: &str, name: &str, needs: &[&str]| task_with(name, needs, json!({ "triggerRule": rule }));
    let alert = [task("a", &[]), task("b", &["a"]), by("AnyFailed", "alert", &["a", "b"]), task("calm", &["alert"])];
    let diamond = [task("a", &[]), tolerant("b", &["a"]), task("c", &["a"]), task("d", &["b", "c"])];
    // Each ends in a way of its own: Succeeded, Failed, UpstreamFailed, Skipped.
    let ends = [task("s", &[]), task("f", &[]), task("u", &["f"]), by("AnyFailed", "k", &["s"])];
    let all = ["s", "f", "u", "k"];
    let some = [
        by("AnySucceeded", "any-succeeded", &["u", "s"]),
        by("AnyDone", "any-done", &["f", "u", "k"]),
        by("AllDone", "all-done", &all),
        by("AllDoneMinOneSucceeded", "min-one", &["f", "k"]),
    ];
    let others = [
        by("NoneSkipped", "none-skipped", &["s", "f", "u"]),
        by("NoneFailed", "none-failed", &["s", "k"]),
        by("AllFailed", "all-failed", &["f", "u"]),
        by("AllSkipped", "all-skipped", &["k"]),
    ];
    let joined = [
        task("a", &[]),
        tolerant("b", &[]),
        join("both", &["a", "b"], json!({})),
        join("one", &["a", "b"], json!({ "triggerRule": "AnyFailed" })),
        task("c", &["both"]),
        by("AnySucceeded", "d", &["one"]),
    ];
    let slow = [task("slow", &[]), task("fast", &[]), by("AnySucceeded", "first", &["slow", "fast"])];
    vec![
        Scenario::of("alert", &alert).behaves("b", fails()).with_standby().ends(
            "Failed",
            "TaskFailed",
            "a Succeeded, b Failed, alert Succeeded, calm Succeeded",
        ),
        Scenario::of("no-alert", &alert).ends("Succeeded", "", "a Succeeded, b Succeeded, alert Skipped, calm Skipped"),
        Scenario::of("allowed-failure", &diamond).behaves("b", fails()).with_standby().ends(
            "Succeeded",
            "AllowedFailures",
            "a Succeeded, b Failed, c Succeeded, d Succeeded",
        ),
        Scenario::of("rules", &[&ends[..], &some[..]].concat()).behaves("f", fails()).ends(
            "Failed",
            "TaskFailed",
            "s Succeeded, f Failed, u UpstreamFailed, k Skipped, any-succeeded Succeeded, any-done Succeeded, \
             all-done Succeeded, min-one UpstreamFailed",
        ),
        Scenario::of("more-rules", &[&ends[..], &others[..]].concat()).behaves("f", fails()).ends(
            "Failed",
            "TaskFailed",
            "s Succeeded, f Failed, u UpstreamFailed, k Skipped, none-skipped Succeeded, none-failed Succeeded, \
             all-failed Succeeded, all-skipped Succeeded",
        ),
        Scenario::of("joins", &joined).behaves("b", fails()).ends(
            "Succeeded",
            "AllowedFailures",
            "a Succeeded, b Failed, both Succeeded, one Succeeded, c Succeeded, d Succeeded",
        ),
        Scenario::of("first-of-two", &slow).behaves("slow", [Behaviour::succeeds(30_000, "")]).succeeds(),
    ]
}

/// What runs, by what it reads.
fn conditions() -> Vec<Scenario> {
    let extract = task_with("extract", &[], json!({ "outputs": [{ "name": "rows", "type": "int" }] }));
    let load = task_with("load", &["extract"], json!({ "when": "tasks.extract.outputs.rows > 0" }));
    let empty = task_with("empty", &["extract"], json!({ "when": "tasks.extract.outputs.rows == 0" }));
    let last = task_with("last", &["load", "empty"], json!({ "triggerRule": "NoneFailedMinOneSucceeded" }));
    let branches = [extract.clone(), load, empty, last];
    let share = task_with("share", &["extract"], json!({ "when": "100 / tasks.extract.outputs.rows > 1" }));
    let first = json!({ "triggerRule": "AnySucceeded", "when": "tasks.slow.phase != 'Succeeded'" });
    let slow = [task("slow", &[]), task("fast", &[]), task_with("first", &["slow", "fast"], first)];
    vec![
        Scenario::of("branches", &branches)
            .with_standby()
            .behaves("extract", [Behaviour::succeeds(2_000, "rows=42\n")])
            .when("load", |_| Some(true))
            .when("empty", |_| Some(false))
            .ends("Succeeded", "", "extract Succeeded, load Succeeded, empty Skipped, last Succeeded"),
        Scenario { broken_env: vec!["share"], ..Scenario::of("condition-error", &[extract, share]) }
            .behaves("extract", [Behaviour::succeeds(2_000, "rows=0\n")])
            .ends("Failed", "TaskFailed", "extract Succeeded, share Failed"),
        Scenario::of(
            "nothing-to-do",
            &[task_with("a", &[], json!({ "when": "run.name == 'other'" })), task("b", &["a"])],
        )
        .when("a", |_| Some(false))
        .ends("Succeeded", "AllSkipped", "a Skipped, b Skipped"),
        // It is true when it is asked, and would not be when the run is resumed.
        Scenario::of("condition-asked-once", &slow)
            .behaves("slow", [Behaviour::succeeds(8_000, "")])
            .at(1_500, "suspend:run")
            .at(20_000, "resume:run")
            .when("first", |_| None)
            .succeeds(),
    ]
}

/// What runs at the end, however that was.
fn finally() -> Vec<Scenario> {
    let of = |name: &'static str, tasks: &[Value], last: &[Value]| {
        Scenario::new(name).with(workflow_with(tasks, json!({ "finally": last }))).with(run("run"))
    };
    let fails = || [Behaviour::exits(2_000, 3, "row 17 has no price")];
    let long = || [Behaviour::succeeds(LONG, "")];
    let verdict = json!({ "env": [{ "name": "VERDICT", "expr": "run.phase + run.reason" }] });
    let two = [task("a", &[]), task("b", &["a"])];
    let last = [task_with("report", &[], verdict), task("clean", &["report"])];
    let alert = task_with("alert", &[], json!({ "when": "tasks.b.phase == 'Failed'" }));
    vec![
        of("finally", &two, &last).with_standby().succeeds(),
        of("finally-after-failure", &two, &[last[0].clone(), alert.clone()])
            .behaves("a", fails())
            .when("alert", |ends| Some(ends["b"] == "Failed"))
            .ends("Failed", "TaskFailed", "a Failed, b UpstreamFailed, report Succeeded, alert Skipped"),
        of("finally-fails", &two, &[task("report", &[]), alert])
            .with_standby()
            .behaves("report", fails())
            .when("alert", |ends| Some(ends["b"] == "Failed"))
            .ends("Failed", "FinallyFailed", "a Succeeded, b Succeeded, report Failed, alert Skipped"),
        of("finally-after-cancel", &two, &[task("report", &[]), task("clean", &["report"])])
            .with_standby()
            .behaves("a", long())
            .at(5_000, "cancel:run:5")
            .ends("Cancelled", "", "a Cancelled, b Cancelled, report Succeeded, clean Succeeded"),
        of("finally-skipped", &two, &[task("report", &[]), task("clean", &["report"])])
            .behaves("report", long())
            .at(12_000, "skip-finally:run")
            .ends("Succeeded", "", "a Succeeded, b Succeeded, report Cancelled, clean Cancelled"),
    ]
}

fn chain() -> [Value; 3] {
    [task("a", &[]), task("b", &["a"]), task("c", &["b"])]
}

fn diamond() -> [Value; 4] {
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

/// What people ask for in the spec.
fn controls() -> Vec<Scenario> {
    let long = || Behaviour::succeeds(LONG, "");
    let cancelled = "a Succeeded, b Cancelled, c Cancelled, d Cancelled";
    vec![
        Scenario::of("cancel-while-starting", &[task("a", &[]), task("b", &["a"])])
            .behaves("a", [long().hindered(Trouble::Unschedulable, LONG)])
            .at(5_000, "cancel:run")
            .ends("Cancelled", "", "a Cancelled, b Cancelled"),
        Scenario::of("cancel-while-running", &diamond())
            .with_standby()
            .behaves("b", [long()])
            .behaves("c", [long().on_term(OnTerm::Ignores)])
            .at(8_000, "cancel:run:5")
            .ends("Cancelled", "", cancelled),
        Scenario::of("cancel-then-finishes", &chain())
            .behaves("a", [long().on_term(OnTerm::Finishes { after_ms: 1_000 })])
            .at(5_000, "cancel:run")
            .ends("Cancelled", "", "a Succeeded, b Cancelled, c Cancelled"),
        // Some have their pods by then, others wait for their turn.
        Scenario::of("cancel-while-creating", &twelve_at_once()).at(2_800, "cancel:run").ends(
            "Cancelled",
            "",
            &twelve_at_once().iter().map(cancelled_but_the_first).collect::<Vec<_>>().join(", "),
        ),
        Scenario::of("suspend-and-resume", &chain()).at(1_500, "suspend:run").at(20_000, "resume:run").succeeds(),
        Scenario::of("cancel-while-suspended", &chain()).at(1_500, "suspend:run").at(20_000, "cancel:run:0").ends(
            "Cancelled",
            "",
            "a Succeeded, b Cancelled, c Cancelled",
        ),
    ]
}

/// What goes away while runs go on.
fn deletions() -> Vec<Scenario> {
    let long = || Behaviour::succeeds(LONG, "");
    vec![
        Scenario::of("delete-while-running", &diamond())
            .with_standby()
            .behaves("c", [long()])
            .at(6_000, "delete-run:run:background"),
        Scenario::of("delete-in-the-foreground", &chain())
            .behaves("b", [long()])
            .at(6_000, "delete-run:run:foreground"),
        Scenario::of("delete-and-recreate", &chain()).with_standby().at(5_500, "recreate-run:run").succeeds(),
        Scenario::of("delete-namespace", &diamond()).at(6_000, "delete-namespace"),
        Scenario::of("workflow-edited-and-deleted", &chain())
            .at(3_000, "edit-workflow:workflow")
            .at(5_000, "delete-workflow:workflow")
            .succeeds(),
        Scenario::of("labels-taken-off-then-deleted", &chain())
            .behaves("a", [long()])
            .at(3_000, "strip-labels:run:a")
            .at(300_000, "delete-run:run:background"),
        Scenario::of("pod-deleted-by-someone", &chain())
            .behaves("a", [Behaviour::succeeds(4_000, "")])
            .at(3_000, "delete-pod:run:a")
            .succeeds(),
    ]
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
