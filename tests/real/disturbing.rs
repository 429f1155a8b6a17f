//! What can't be done to one namespace alone: the API server goes away, and history is lost. These tests run one after the
//! other, beside nothing else; `tests/run` has a stage for them.

use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::Timestamp;
use kube::{Client, Config};
use serde_json::{Value, json};

use super::proxy::Proxy;
use super::stage::Stage;
use super::{api, fake};

/// The real node's part: each pod ends while nobody can be told of it.
const REAL: &str = r#"
apiVersion: gantline.dev/v1alpha1
kind: WorkflowRun
metadata: {name: real}
spec:
  workflow:
    taskDefaults: {image: "busybox:1.37"}
    tasks:
    - {name: first, script: 'sleep 20; echo word=hello >> "$GANTLINE_OUTPUT"', outputs: [{name: word, type: string}]}
    - {name: second, needs: [first], env: [{name: WORD, expr: tasks.first.outputs.word}], script: 'test "$WORD" = hello'}
"#;

/// Ends a component of the cluster as a crash would, and starts it again after so many seconds.
fn crash(component: &str, away: u32) {
    let restart = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cluster/restart");
    let output = Command::new(restart).args(["--kill", "--away", &away.to_string(), component]).output();
    let output = output.expect("tests/cluster/restart");
    assert!(output.status.success(), "{component}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A run that is busy when the API server is killed, and one that is not. Of what was under way in that moment the audit log
/// tells nothing, so that only the other's log is held against the rules.
#[test]
fn the_api_server_goes_away_in_the_middle_of_a_run() {
    let (mut busy, mut calm) = (Stage::new("api-server-busy"), Stage::new("api-server-calm"));
    // Steps of less than a second: some begin and some end while the API server is away.
    let names: Vec<String> = (0..48).map(|number| format!("task-{number}")).collect();
    let task = |number: usize| {
        let needs: Vec<&str> = number.checked_sub(4).map(|before| names[before].as_str()).into_iter().collect();
        fake::task(&names[number], &needs, 700 + 100 * u32::try_from(number % 4).expect("a digit"))
    };
    let tasks: Vec<Value> = (0..names.len()).map(task).collect();
    let chain = [fake::task("first", &[], 15_000), fake::task("second", &["first"], 0)];
    calm.apply(REAL);
    calm.task_in("real", "first", "Running");
    api::create(&api::runs(&calm.namespace), &fake::run("fake", "", &chain));
    calm.task_in("fake", "first", "Running");
    api::create(&api::runs(&busy.namespace), &fake::run("fake", "Twelve steps of four tasks.", &tasks));
    // That the tasks of the calm one run is on record; they end while nobody hears of it.
    api::block_on(api::status(api::client(), &busy.namespace, "fake", |status| done(status) > 4));
    let left = Timestamp::now();
    crash("kube-apiserver", 20);
    let back = Timestamp::now();

    let done = done(&busy.status("fake"));
    assert!(done < names.len(), "the run was over too soon to show anything");
    for (stage, run, tasks) in [(&busy, "fake", names.len()), (&calm, "fake", 2), (&calm, "real", 2)] {
        let status = api::block_on(api::finished(api::client(), &stage.namespace, run));
        assert_eq!(status["phase"], "Succeeded", "{run}: {status:#}");
        let released = |pods: &[Value]| !pods.iter().any(api::held);
        let pods = api::block_on(api::pods_of(api::client(), &stage.namespace, run, released));
        assert_eq!(pods.len(), tasks, "{run}: one pod a task: {status:#}");
    }
    assert!(busy.operator_is_up() && calm.operator_is_up(), "the operators outlive it");
    // The kubelet's times are whole seconds.
    let end = calm.status("real")["tasks"][0]["attempts"][0]["finishedAt"].clone();
    let ended: Timestamp = end.as_str().and_then(|at| at.parse().ok()).expect("when it ended");
    assert!((left.as_second()..=back.as_second()).contains(&ended.as_second()), "{ended}: nobody heard of it");
    let clean = calm.is_clean();
    println!("{done} of {} tasks were done when the API server was back; {clean}", names.len());
}

/// How many tasks have succeeded.
fn done(status: &Value) -> usize {
    status["tasks"].as_array().map_or(0, |all| all.iter().filter(|task| task["phase"] == "Succeeded").count())
}

/// The operator's watches are cut, the world goes on, and what happened meanwhile is forgotten: the API server answers the
/// watches that come back with 410 Gone. Whatever the operator missed, it finds by listing.
#[test]
fn a_watch_comes_back_after_its_history_is_gone() {
    let stage = Stage::without_operator("history");
    let (namespace, client) = (stage.namespace.as_str(), api::client());
    let proxy = Proxy::new();
    let mut operator = stage.operator_by(proxy.kubeconfig());
    let chain = [fake::task("first", &[], 15_000), fake::task("second", &["first"], 0)];
    api::create(&api::runs(namespace), &fake::run("goes-on", "", &chain));
    api::create(&api::runs(namespace), &fake::run("deleted", "", &[fake::endless("only", &[])]));
    for run in ["goes-on", "deleted"] {
        let runs = |status: &Value| status["tasks"][0]["phase"] == "Running";
        api::block_on(api::status(client.clone(), namespace, run, runs));
    }

    proxy.hold_watches();
    let over = |pods: &[Value]| pods.iter().any(|pod| pod["status"]["phase"] == "Succeeded");
    api::block_on(api::pods_of(client.clone(), namespace, "goes-on", over));
    api::create(&api::runs(namespace), &fake::run("new", "", &[fake::task("only", &[], 0)]));
    api::delete(&api::run(namespace, "deleted"));
    stage.until("a deletion that the operator does not see", || {
        let pods = api::list(&api::pods(namespace));
        pods.iter().any(|pod| pod["metadata"]["deletionTimestamp"].is_string()).then_some(())
    });
    compact();
    crash("kube-apiserver", 0);
    assert_eq!(proxy.watches_gone(), 0, "none was let through");
    assert_eq!(api::get(&api::run(namespace, "new")).expect("it")["status"], Value::Null, "nobody has seen it");
    proxy.release_watches();

    for run in ["goes-on", "new"] {
        let status = api::block_on(api::finished(client.clone(), namespace, run));
        assert_eq!(status["phase"], "Succeeded", "{run}: {status:#}");
    }
    api::block_on(api::pods_of(client, namespace, "deleted", <[Value]>::is_empty));
    let gone = proxy.watches_gone();
    assert!(gone >= 1, "no watch was refused for its age");
    assert!(operator.0.try_wait().expect("its state").is_none(), "the operator outlives it");
    println!("{gone} watches were answered with 410 Gone; {}", stage.is_clean());
}

/// Has etcd forget all versions of objects but the newest.
fn compact() {
    let etcd = etcd();
    let ask = |path: &str, body: &Value| {
        let request =
            http::Request::post(path).header("content-type", "application/json").body(body.to_string().into());
        let (etcd, request) = (etcd.clone(), request.expect("a request"));
        let answer = api::block_on(async move { etcd.request::<Value>(request).await });
        answer.unwrap_or_else(|error| panic!("etcd {path}: {error}"))
    };
    // Any key: the answer's header tells the revision.
    let revision = ask("/v3/kv/range", &json!({ "key": "Lw==" }))["header"]["revision"].clone();
    assert!(revision.is_string(), "etcd tells no revision");
    ask("/v3/kv/compaction", &json!({ "revision": revision, "physical": true }));
}

/// The cluster's etcd, which speaks plain HTTP on loopback. How it was started is on record.
fn etcd() -> Client {
    let cluster = std::env::var_os("GANTLINE_CLUSTER_DIR").expect("GANTLINE_CLUSTER_DIR: call tests/run");
    let command =
        std::fs::read_to_string(PathBuf::from(cluster).join("run/etcd.command")).expect("how etcd was started");
    let url = command.split('\0').find_map(|word| word.strip_prefix("--listen-client-urls=")).expect("its address");
    let config = Config::new(url.parse().expect("a URL"));
    api::block_on(async move { Client::try_from(config).expect("a client") })
}
