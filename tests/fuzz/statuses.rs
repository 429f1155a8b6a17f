//! Statuses are what a run goes on from after an upgrade: what a version has written every later one reads.
//!
//! `statuses/VERSION/` holds runs as that version stores them. They are never edited; a release adds a folder with
//!
//! ```text
//! FUZZ_WRITE_STATUSES=1 cargo test --test fuzz statuses
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use gantline::api::{
    AttemptOutcome, Cancel, RunPhase, TaskPhase, WaitKind, WorkflowRun, WorkflowRunSpec, WorkflowRunStatus,
    WorkflowSpec,
};
use gantline::controller::Loose;
use gantline::engine::{RefusalKind, Trouble};
use gantline::plan::{Origin, Plan};
use kube::api::ObjectList;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::cases::{Verdict, fuzz};
use super::json::{Corpus, documents};
use super::schema;
use super::world::{Known, World, outputs};

/// Rounds that a run of a few tasks needs to its end, disruptions and all.
pub const ROUNDS: usize = 60;

/// The workflow of the runs.
#[rustfmt::skip]
fn workflow() -> WorkflowSpec {
    let spec = json!({
        "params": [
            {"name": "date", "type": "string", "default": "2026-11-22"}, {"name": "share", "type": "number", "default": 0.1},
            {"name": "regions", "type": "list", "items": {"type": "string"}, "default": ["emea", "apac"]},
        ],
        "taskDefaults": {"image": "busybox:1.37"},
        "tasks": [
            {"name": "extract", "env": [{"name": "DATE", "expr": "params.date"}], "outputs": [{"name": "rows", "type": "int"}, {"name": "share", "type": "number"}]},
            {"name": "transform", "needs": ["extract"], "env": [{"name": "ROWS", "expr": "tasks.extract.outputs.rows"}], "outputs": [{"name": "files", "type": "list"}]},
            {"name": "publish", "needs": ["transform"], "env": [{"name": "FILE", "expr": "tasks.transform.outputs.files[0]"}]},
            {"name": "report", "timeout": "5m", "totalTimeout": "1h", "retry": {"limit": 1, "backoff": {"initial": "10s"}, "rules": [
                {"exitCodes": [75], "action": "Poll", "after": "30s"}, {"exitCodes": [3], "action": "FailRun"},
            ]}},
        ],
    });
    serde_json::from_value(spec).expect("a spec")
}

/// The workflow of runs in which not every task runs.
#[rustfmt::skip]
fn conditional() -> WorkflowSpec {
    let spec = json!({
        "taskDefaults": {"image": "busybox:1.37"},
        "tasks": [
            {"name": "lint", "allowFailure": true},
            {"name": "extract"},
            {"name": "alert", "needs": ["extract"], "triggerRule": "AnyFailed"},
            {"name": "both", "needs": ["lint", "extract"], "join": {}},
            {"name": "publish", "needs": ["both", "alert"], "triggerRule": "NoneFailed", "when": "run.generation == 0"},
            {"name": "again", "needs": ["both"], "when": "run.generation > 0"},
        ],
        "finally": [
            {"name": "tell", "env": [{"name": "VERDICT", "expr": "run.phase"}]},
            {"name": "page", "needs": ["tell"], "when": "run.phase == 'Failed'"},
        ],
    });
    serde_json::from_value(spec).expect("a spec")
}

/// The workflow of runs that wait for one another.
fn limited() -> WorkflowSpec {
    let spec = json!({
        "concurrency": {"max": 2, "key": "run.namespace", "whenFull": "CancelOldest"},
        "ttl": "1h",
        "taskDefaults": {"image": "busybox:1.37"},
        "tasks": [{"name": "load"}],
    });
    serde_json::from_value(spec).expect("a spec")
}

/// A run at a moment of its life, by name.
type Moment = (&'static str, fn(&mut World));

#[rustfmt::skip]
const MOMENTS: &[Moment] = &[
    ("new", |_| {}),
    ("workflow-awaited", |world| { world.known = Known::Missing; world.round(); }),
    ("workflow-not-found", |world| { world.known = Known::Missing; world.waits(60); world.round(); }),
    ("workflow-invalid", |world| { world.known = Known::Invalid; world.round(); }),
    ("params-invalid", |world| { world.spec.params = json!({"date": 1}).as_object().cloned(); world.round(); }),
    ("cancelled-before-start", |world| { world.spec.cancel = Some(Cancel::default()); world.round(); }),
    ("suspended-before-start", |world| { world.spec.suspend = true; world.round(); }),
    ("queued", |world| {
        world.plan = Plan::new(&limited()).expect("a plan");
        // As long as it is suspended it asks for no slot.
        world.spec.suspend = true;
        world.round();
    }),
    ("starting", |world| { world.round(); }),
    ("unschedulable", |world| {
        world.round();
        world.has_trouble("extract", Trouble { kind: WaitKind::Unschedulable, message: "0/3 nodes are available: 3 Insufficient cpu.".into() });
        world.is_refused("report", RefusalKind::Quota, "exceeded quota: pods, requested: pods=1, used: pods=2, limited: pods=2");
        world.round();
    }),
    ("running", |world| { running(world); }),
    ("suspended", |world| { running(world); world.spec.suspend = true; world.round(); }),
    ("half-done", |world| { half_done(world); }),
    ("stopping", |world| {
        half_done(world);
        world.spec.cancel = Some(Cancel { reason: Some("enough".into()), grace_seconds: Some(5), ..Cancel::default() });
        let decision = world.decide();
        world.status = decision.status;
    }),
    ("cancelled", |world| { half_done(world); world.spec.cancel = Some(Cancel::default()); assert!(world.comes_to_an_end(ROUNDS)); }),
    ("backoff", |world| { disrupted(world, 2); }),
    ("third-attempt", |world| { disrupted(world, 2); world.waits(30); world.round(); world.starts("extract"); world.round(); }),
    ("disrupted-too-often", |world| { disrupted(world, 6); }),
    ("failed", |world| { running(world); world.ends("extract", 2, "one line\nconnection refused\n"); world.round(); assert!(world.comes_to_an_end(ROUNDS)); }),
    ("retrying", |world| { running(world); world.ends("report", 1, "connection refused"); world.round(); }),
    ("polling", |world| { running(world); world.ends("report", 75, ""); world.round(); }),
    ("polled-often", |world| {
        for _ in 0..20 {
            world.round();
            world.starts("report");
            world.round();
            world.ends("report", 75, "");
            world.round();
            world.waits(30);
        }
    }),
    ("timed-out", |world| { running(world); world.waits(300); let decision = world.decide(); world.status = decision.status; }),
    ("failed-by-a-rule", |world| { running(world); world.ends("report", 3, ""); assert!(world.comes_to_an_end(ROUNDS)); }),
    ("output-missing", |world| { running(world); world.ends("extract", 0, "row=1"); world.round(); }),
    ("succeeded", |world| { assert!(world.comes_to_an_end(ROUNDS)); }),
    ("skipped", |world| { conditions(world); world.ends("lint", 0, ""); world.ends("extract", 0, ""); world.round(); }),
    ("allowed-failures", |world| { conditions(world); world.ends("lint", 1, "unused variable"); assert!(world.comes_to_an_end(ROUNDS)); }),
    ("finally", |world| {
        conditions(world);
        world.ends("lint", 0, "");
        world.ends("extract", 0, "");
        world.round();
        world.starts("publish");
        world.ends("publish", 0, "");
        world.round();
        world.starts("tell");
        world.round();
    }),
    ("finally-after-cancel", |world| {
        conditions(world);
        world.spec.cancel = Some(Cancel::default());
        world.round();
        world.ends("lint", 143, "");
        world.ends("extract", 143, "");
        world.round();
        world.starts("tell");
        world.round();
    }),
    ("finally-skipped", |world| {
        conditions(world);
        world.spec.cancel = Some(Cancel { skip_finally: true, ..Cancel::default() });
        world.round();
        assert!(world.comes_to_an_end(ROUNDS));
    }),
    ("revision-lost", |world| { running(world); world.known = Known::Lost; world.round(); }),
];

/// A run of the other workflow.
fn conditions(world: &mut World) {
    world.plan = Plan::checked(&conditional(), Origin::Inline).expect("a plan");
    world.spec.workflow = Some(conditional());
    world.round();
}

fn running(world: &mut World) {
    world.round();
    world.waits(2);
    world.starts("extract");
    world.starts("report");
    world.round();
}

fn half_done(world: &mut World) {
    running(world);
    world.waits(40);
    let written = outputs(&world.plan.tasks()[0].outputs);
    world.ends("extract", 0, &written);
    world.round();
    world.waits(1);
    world.starts("transform");
    world.round();
}

fn disrupted(world: &mut World, times: usize) {
    world.round();
    for _ in 0..times {
        world.starts("extract");
        world.round();
        world.is_drained("extract");
        world.round();
        if times > 2 {
            world.waits(400);
            world.round();
        }
        world.round();
    }
}

/// A run as it is stored: with its workflow written inline, so that it can go on by itself.
fn stored(name: &str, spec: &WorkflowRunSpec, status: &WorkflowRunStatus) -> Value {
    let mut spec = spec.clone();
    spec.workflow.get_or_insert_with(workflow);
    json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": "default", "uid": format!("uid-{name}"), "resourceVersion": "7", "generation": 1},
        "spec": spec, "status": status,
    })
}

fn moments() -> Vec<(&'static str, WorkflowRunSpec, WorkflowRunStatus)> {
    let plan = Plan::checked(&workflow(), Origin::Inline).expect("a plan");
    let at = |(name, happen): &Moment| {
        let mut world = World::new(plan.clone());
        happen(&mut world);
        (*name, world.spec, world.status)
    };
    MOMENTS.iter().map(at).collect()
}

/// Runs as every version stored them, each with its plan and its JSON.
pub fn goldens() -> Vec<(String, Plan, Value)> {
    let golden = |(name, document): (String, Value)| {
        let run: WorkflowRun =
            serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let spec = run.spec.workflow.expect("an inline workflow");
        let plan = Plan::checked(&spec, Origin::Inline).unwrap_or_else(|problems| panic!("{name}: {problems:?}"));
        (name, plan, document)
    };
    documents("tests/fuzz/statuses").into_iter().map(golden).collect()
}

/// A status after it was written and read.
fn again(status: &WorkflowRunStatus) -> (Value, WorkflowRunStatus) {
    let written = serde_json::to_value(status).expect("JSON");
    let text = written.to_string();
    let read = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    (written, read)
}

#[test]
fn todays_statuses_speak_every_word_and_fit_the_schema() {
    let schema = schema::of_run_status();
    let (mut runs, mut tasks, mut outcomes) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for (name, spec, status) in moments() {
        let (written, read) = again(&status);
        assert_eq!(read, status, "{name}");
        assert_eq!(schema::check(&schema, &written, "status"), Ok(()), "{name}");
        runs.insert(status.phase);
        tasks.extend(status.tasks.iter().map(|task| task.phase));
        let attempts = status.tasks.iter().flat_map(|task| &task.attempts);
        outcomes.extend(attempts.filter_map(|attempt| attempt.outcome).map(|outcome| format!("{outcome:?}")));
        if std::env::var_os("FUZZ_WRITE_STATUSES").is_some() {
            let folder =
                Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/statuses").join(env!("CARGO_PKG_VERSION"));
            std::fs::create_dir_all(&folder).expect("a folder");
            let text = serde_json::to_string_pretty(&stored(name, &spec, &status)).expect("JSON");
            std::fs::write(folder.join(format!("{name}.json")), text + "\n").expect("a file");
        }
    }
    assert_eq!(runs, BTreeSet::from(RunPhase::ALL));
    assert_eq!(tasks, BTreeSet::from(TaskPhase::ALL));
    let all = [
        AttemptOutcome::Succeeded,
        AttemptOutcome::Failed,
        AttemptOutcome::NotYet,
        AttemptOutcome::Disrupted,
        AttemptOutcome::Cancelled,
    ];
    assert_eq!(outcomes, BTreeSet::from(all.map(|outcome| format!("{outcome:?}"))));
}

#[test]
fn every_version_is_read_and_its_runs_come_to_an_end() {
    let goldens = goldens();
    assert!(goldens.len() >= MOMENTS.len(), "only {} statuses", goldens.len());
    for (name, plan, document) in goldens {
        let run: WorkflowRun = serde_json::from_value(document.clone()).expect("a run");
        let status = run.status.expect("a status");
        let (written, _) = again(&status);
        assert_eq!(written, document["status"], "{name}: something of it is lost");
        let finished = status.phase.is_finished().then(|| status.clone());
        let mut world = World::new(plan);
        (world.spec, world.status) = (run.spec, status);
        assert!(world.comes_to_an_end(ROUNDS), "{name} comes to no end: {:#?}", world.status);
        assert!(finished.is_none_or(|finished| finished == world.status), "{name} had ended, and changed");
    }
}

/// Puts a field that we don't know into every object, but for those that hold what users named.
fn with_unknown_fields(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(with_unknown_fields),
        Value::Object(map) => {
            let ours = map.iter_mut().filter(|(key, _)| !["params", "outputs"].contains(&key.as_str()));
            ours.for_each(|(_, value)| with_unknown_fields(value));
            map.insert("ofALaterVersion".into(), json!({"a": [1, {"b": null}]}));
        }
        _ => {}
    }
}

#[test]
fn unknown_fields_are_passed_over() {
    for (name, _, document) in goldens() {
        let status: WorkflowRunStatus = serde_json::from_value(document["status"].clone()).expect("a status");
        let mut later = document["status"].clone();
        with_unknown_fields(&mut later);
        assert_ne!(later, document["status"]);
        let read: WorkflowRunStatus = serde_json::from_value(later).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(read, status, "{name}");
    }
}

/// A status as another version of the CRD would have it, by what is other about it, and words that say so.
#[rustfmt::skip]
const FOREIGN: &[(&str, &str, &str)] = &[
    ("/phase", r#""Waiting""#, "unknown variant `Waiting`"),
    ("/reason", r#""PolicyDenied""#, "unknown variant `PolicyDenied`"),
    ("/tasks", r#"{"extract": {"phase": "Running"}}"#, "expected a sequence"),
    ("/tasks/0/phase", r#""Waiting""#, "unknown variant `Waiting`"),
    ("/tasks/0/attempts/0/number", r#""first""#, "expected u32"),
    ("/tasks/0/attempts/0/number", "4294967296", "expected u32"),
    ("/tasks/0/waitingFor", r#"{"kind": "Approval", "since": "2026-11-22T08:00:00Z"}"#, "unknown variant `Approval`"),
    ("/startedAt", r#""yesterday""#, "failed to parse"),
    ("/history/0/seq", "-1", "expected u64"),
];

#[test]
fn a_status_of_another_version_is_told_of_its_run_alone() {
    let goldens = goldens();
    let (_, _, running) = goldens.iter().find(|(name, ..)| name == "running").expect("a run");
    for (path, value, words) in FOREIGN {
        let mut foreign = running.clone();
        let (parent, field) = path.rsplit_once('/').expect("a path");
        let parent = foreign["status"].pointer_mut(parent).unwrap_or_else(|| panic!("no {path}"));
        parent[field] = serde_json::from_str(value).expect("JSON");
        foreign["metadata"]["name"] = "foreign".into();
        let mut items: Vec<Value> = goldens.iter().map(|(_, _, document)| document.clone()).collect();
        items.insert(items.len() / 2, foreign);
        let list = json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRunList", "metadata": {"resourceVersion": "9"}, "items": items});
        let list: ObjectList<Loose<WorkflowRun>> = serde_json::from_str(&list.to_string()).expect("a list");
        for run in &list.items {
            match (&run.object, run.meta.name.as_deref()) {
                (Err(why), Some("foreign")) => {
                    assert!(run.has_status && why.contains(words), "{path}: {why}");
                }
                (Ok(_), Some(name)) if name != "foreign" => {}
                other => panic!("{path}: {other:?}"),
            }
        }
    }
}

fn law(schema: &Value, text: &str) -> Verdict {
    let object = Loose::<WorkflowRun>::parse(text).object;
    let Ok(WorkflowRun { status: Some(status), .. }) = object else { return Ok("unreadable") };
    if serde_json::to_value(&status).is_ok_and(|status| schema::check(schema, &status, "status").is_err()) {
        return Ok("not stored");
    }
    // A time of nanoseconds is stored with microseconds; what was stored once stays.
    let (written, read) = again(&status);
    let (written_again, read_again) = again(&read);
    prop_assert_eq!(written, written_again);
    prop_assert_eq!(read, read_again);
    Ok("read")
}

#[test]
fn any_status_that_is_read_is_written_and_read_as_the_same() {
    let goldens: Vec<Value> = goldens().into_iter().map(|(_, _, document)| document).collect();
    let inputs = Corpus::new(&goldens).changed().prop_map(|(_, text)| text);
    let schema = schema::of_run_status();
    fuzz("statuses", 1_000, &inputs, |text| law(&schema, text)).at_least(30, "read").at_least(10, "unreadable");
}
