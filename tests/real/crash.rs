//! The operator is killed again and again, or there are two of it: every task still runs once, and the record is whole.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

use super::stage::{Process, Stage};

/// How often the operator is killed.
const KILLS: usize = 20;

/// Twelve tasks that fan out and in three times. The last pod is held until the test lets it go, so that every kill falls
/// into the run.
const GRAPH: &str = r#"
apiVersion: gantline.dev/v1alpha1
kind: WorkflowRun
metadata: {name: graph}
spec:
  workflow:
    taskDefaults: {image: "busybox:1.37"}
    tasks:
    - {name: begin, script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: left, needs: [begin], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: middle, needs: [begin], script: 'sleep 2; echo "ran $GANTLINE_TASK"'}
    - {name: right, needs: [begin], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: meet, needs: [left, middle, right], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: north, needs: [meet], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: south, needs: [meet], script: 'sleep 2; echo "ran $GANTLINE_TASK"'}
    - {name: north-east, needs: [north], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: north-west, needs: [north], script: 'sleep 2; echo "ran $GANTLINE_TASK"'}
    - {name: south-east, needs: [south], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - {name: south-west, needs: [south], script: 'sleep 1; echo "ran $GANTLINE_TASK"'}
    - name: end
      needs: [north-east, north-west, south-east, south-west]
      podTemplate: {spec: {schedulingGates: [{name: gantline.dev/test}]}}
      script: 'sleep 1; echo "ran $GANTLINE_TASK"'
"#;

#[test]
fn every_task_runs_once_however_often_the_operator_is_killed() {
    let mut random = Random::new();
    let mut stage = Stage::for_kills("crash");
    stage.start_operator();
    let (_watch, writes) = writes_to_runs(&stage);
    stage.apply(GRAPH);
    let mut after_writes = 0;
    for kill in 0..KILLS {
        if kill % 2 == 0 {
            std::thread::sleep(Duration::from_millis(random.below(1_500)));
        } else {
            // Just after a status went on record, what it permits is under way: the moment that matters most. When there is
            // nothing to record, there is no such moment.
            while writes.try_recv().is_ok() {}
            after_writes += usize::from(writes.recv_timeout(Duration::from_secs(3)).is_ok());
            std::thread::sleep(Duration::from_millis(random.below(20)));
        }
        assert!(stage.operator_is_up(), "nothing but the test ends the operator");
        stage.kill_operator();
        std::thread::sleep(Duration::from_millis(random.below(500)));
        stage.start_operator();
    }
    let finished = stage.status("graph")["finishedAt"].is_string();
    assert!(!finished, "all kills fall into the run");
    release_the_end(&stage);
    let figures = ran_once(&stage, "graph", 12);
    println!("{KILLS} kills, {after_writes} of them just after a status write; {figures}");
    gone_with_its_run(&stage, "graph");
    println!("{}", stage.is_clean());
}

#[test]
fn two_operators_at_once_make_each_pod_once() {
    let mut random = Random::new();
    let mut stage = Stage::for_kills("two");
    stage.start_operator();
    let mut second = stage.another_operator();
    stage.apply(GRAPH);
    for _ in 0..5 {
        std::thread::sleep(Duration::from_millis(random.below(2_000)));
        // A fresh one knows nothing of its own, so it reads what it can't know.
        drop(second);
        second = stage.another_operator();
    }
    release_the_end(&stage);
    let figures = ran_once(&stage, "graph", 12);
    assert!(second.0.try_wait().expect("its state").is_none() && stage.operator_is_up(), "both still run");
    println!("two operators, one of them killed 5 times; {figures}");
    gone_with_its_run(&stage, "graph");
    println!("{}", stage.is_clean());
}

/// Lets the last pod be scheduled.
fn release_the_end(stage: &Stage) {
    let pod = stage.until("the last pod", || {
        let names = stage.kubectl(&["get", "pods", "-l", "gantline.dev/run=graph,gantline.dev/task=end", "-o", "name"]);
        names.lines().next().map(str::to_owned)
    });
    stage.kubectl(&["patch", &pod, "--type=json", "-p", r#"[{"op":"remove","path":"/spec/schedulingGates"}]"#]);
}

/// The run succeeds, and everything that left a trace says that each of its tasks ran exactly once; returns figures.
fn ran_once(stage: &Stage, run: &str, tasks: usize) -> String {
    let status = stage.succeeds(run);
    let names: BTreeSet<String> = list(&status["tasks"]).iter().map(|task| text(&task["name"]).to_owned()).collect();
    assert_eq!(names.len(), tasks);

    // The pods: one a task, none replaced, none restarted, and each has said its word once.
    // Their own end, and the release, may come a little after the run's.
    let over = |pod: &Value| pod["status"]["phase"] == "Succeeded" && pod["metadata"]["finalizers"].is_null();
    let pods = stage.until("the release of every pod", || {
        let pods = stage.all_pods();
        pods.iter().all(over).then_some(pods)
    });
    let mut ran = BTreeMap::new();
    for pod in &pods {
        let meta = &pod["metadata"];
        assert_eq!(meta["labels"]["gantline.dev/attempt"], "1", "{meta:#}");
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0, "{pod:#}");
        let task = text(&meta["labels"]["gantline.dev/task"]);
        assert_eq!(stage.kubectl(&["logs", text(&meta["name"])]), format!("ran {task}\n"));
        assert!(ran.insert(task.to_owned(), text(&meta["uid"]).to_owned()).is_none(), "{task} has a second pod");
    }
    assert_eq!(ran.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>());

    // The record: one attempt a task, with the uid of that very pod.
    for task in list(&status["tasks"]) {
        let attempts = list(&task["attempts"]);
        assert_eq!(attempts.len(), 1, "{task:#}");
        assert_eq!(attempts[0]["uid"], ran[text(&task["name"])], "{task:#}");
        assert_eq!((&attempts[0]["outcome"], &attempts[0]["exitCode"]), (&"Succeeded".into(), &0.into()), "{task:#}");
    }
    let history = list(&status["history"]);
    whole(history, &names);

    let audited = audited(stage, &pods);
    format!("{} pods, {} transitions{audited}", pods.len(), history.len())
}

/// Each transition is on record once: the numbers have no gap, and each task went the one legal way.
fn whole(history: &[Value], tasks: &BTreeSet<String>) {
    let numbers: Vec<u64> = history.iter().filter_map(|entry| entry["seq"].as_u64()).collect();
    assert_eq!(numbers, (1..=history.len() as u64).collect::<Vec<_>>());
    let way = |task: Option<&str>| -> Vec<String> {
        let own = history.iter().filter(|entry| entry["task"].as_str() == task);
        own.map(|entry| format!("{} {}", text(&entry["from"]), text(&entry["to"]))).collect()
    };
    assert_eq!(way(None), ["Pending Running", "Running Succeeded"]);
    for task in tasks {
        // A pod that ended while nobody looked was never seen running.
        let seen = ["Pending Starting", "Starting Running", "Running Succeeded"];
        let unseen = ["Pending Starting", "Starting Succeeded"];
        let way = way(Some(task));
        assert!(way == seen || way == unseen, "{task}: {way:?}");
    }
}

/// What the API server saw, where it keeps an audit log: of each pod one create and one binding to a node. A pod's name is made
/// of the run's uid, the task and the attempt.
fn audited(stage: &Stage, pods: &[Value]) -> String {
    let Some(path) = std::env::var_os("GANTLINE_AUDIT_LOG") else { return String::new() };
    let log = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut made, mut bound, mut cut_off, mut refused) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new(), 0);
    for line in BufReader::new(log).lines().map_while(Result::ok).filter(|line| line.contains(&stage.namespace)) {
        let Ok(event) = serde_json::from_str::<Value>(&line) else { continue };
        let object = &event["objectRef"];
        if event["verb"] != "create" || object["resource"] != "pods" || object["namespace"] != stage.namespace {
            continue;
        }
        let name = text(&object["name"]).to_owned();
        match (object["subresource"].as_str(), event["responseStatus"]["code"].as_u64()) {
            (None, Some(201)) => *made.entry(name).or_insert(0) += 1,
            (Some("binding"), Some(201)) => *bound.entry(name).or_insert(0) += 1,
            // Its sender was killed: it may have been carried out nevertheless.
            (None, Some(500..)) => {
                cut_off.insert(name);
            }
            (None, _) => refused += 1,
            _ => {}
        }
    }
    let carried_out = made.len();
    for name in &cut_off {
        made.entry(name.clone()).or_insert(1);
    }
    let once: BTreeMap<String, usize> = pods.iter().map(|pod| (text(&pod["metadata"]["name"]).to_owned(), 1)).collect();
    assert_eq!((&made, &bound), (&once, &once), "creates and bindings that were carried out, by pod");
    format!(
        "; audit log: {carried_out} creates carried out, {} cut off, {refused} refused, {} bindings",
        cut_off.len(),
        bound.len()
    )
}

fn gone_with_its_run(stage: &Stage, run: &str) {
    stage.kubectl(&["delete", "wfr", run, "--wait=false"]);
    stage.until("the end of the run and its pods", || {
        (stage.get("wfr", run).is_none() && stage.all_pods().is_empty()).then_some(())
    });
}

/// Tells of each write to a run of this namespace, as long as the process lives.
fn writes_to_runs(stage: &Stage) -> (Process, Receiver<()>) {
    let mut watch = Command::new("kubectl")
        .args(["--namespace", &stage.namespace, "get", "wfr", "--watch", "-o", "name"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("kubectl runs");
    let lines = BufReader::new(watch.stdout.take().expect("its output")).lines();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for _ in lines.map_while(Result::ok) {
            if sender.send(()).is_err() {
                return;
            }
        }
    });
    (Process(watch), receiver)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Numbers from a seed that is printed, so that a bad day can be had again (xorshift64*).
struct Random(u64);

impl Random {
    fn new() -> Self {
        let given = std::env::var("GANTLINE_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let seed = given.unwrap_or(now.as_secs() ^ u64::from(now.subsec_nanos()) << 20).max(1);
        println!("GANTLINE_TEST_SEED={seed}");
        Self(seed)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % bound
    }
}
