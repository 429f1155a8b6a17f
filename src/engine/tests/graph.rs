//! Random workflows: each feature of the language that decides how a task ends is switched on at random.

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::reference;
use crate::api::{Join, OutputDecl, ResourceTask, Retry, Task, VolumeClaim, WorkflowRef, WorkflowSpec};
use crate::plan::TriggerRule;

/// How a task may be tried again. An exit code 2 fails it at once, 3 may fail the run, and 4 is not yet.
fn retry() -> impl Strategy<Value = Retry> {
    let rules = |fail_run: bool| {
        let last = if fail_run { "FailRun" } else { "Retry" };
        json!([
            { "exitCodes": [2], "action": "FailTask" },
            { "exitCodes": [4], "action": "Poll", "after": "10s" },
            { "expr": "attempt.exitCode == 3", "action": last },
        ])
    };
    (0..4_u32, 0..4_u32, prop::sample::select(vec!["0s", "30s", "10m"]), prop::bool::weighted(0.1)).prop_map(
        move |(limit, disruptions, initial, fail_run)| {
            let backoff = json!({ "initial": initial });
            let retry =
                json!({ "limit": limit, "disruptions": disruptions, "backoff": backoff, "rules": rules(fail_run) });
            serde_json::from_value(retry).unwrap()
        },
    )
}

/// A graph whose tasks may be tried again, and may time out.
pub(super) fn timed_graph() -> impl Strategy<Value = WorkflowSpec> {
    let timed = prop::option::weighted(0.1, Just("1h".to_owned()));
    let tasks = vec((prop::option::of(retry()), any::<[bool; 3]>()), TASKS);
    (graph(), tasks, timed).prop_map(|(mut spec, random, timeout)| {
        let timed = |timed: bool, text: &str| timed.then(|| text.to_owned());
        let all = spec.tasks.iter_mut().chain(&mut spec.finally);
        for (task, (retry, times)) in all.zip(random).filter(|(task, _)| task.join.is_none()) {
            task.timeout = timed(times[0], "10m");
            task.start_timeout = timed(times[1] && task.resource.is_none(), "5m");
            // Those that poll must have one.
            task.total_timeout = timed(times[2] || retry.is_some(), "2h");
            task.retry = retry;
        }
        spec.timeout = timeout;
        spec
    })
}

/// The most tasks of a random graph, those of `finally` among them.
const TASKS: usize = 60;

/// What is special about a task. Each feature of the language that decides how a task ends is switched on here.
type Traits = (Option<TriggerRule>, bool, u8, u8, u8);

fn traits() -> impl Strategy<Value = Traits> {
    let rule = prop::option::of(prop::sample::select(TriggerRule::ALL));
    (rule, prop::bool::weighted(0.3), 0..8_u8, 0..10_u8, 0..16_u8)
}

/// A random graph: task `i` needs some of those before it, listed in a shuffled order; half of the tasks are plain, the others
/// have rules or conditions, allow failures, are joins, child runs or objects, have items, have pods that follow values, or mount a volume of the run. Most
/// are small, as those show a fault best.
pub(super) fn graph() -> impl Strategy<Value = WorkflowSpec> {
    let last = prop_oneof![2 => Just(0_usize), 1 => 1..4_usize];
    let size = prop_oneof![7 => 1..9_usize, 1 => 9..=TASKS - 3];
    (size, last, vec(any::<u64>(), TASKS), vec(traits(), TASKS), any::<bool>()).prop_map(
        |(size, last, bits, traits, reversed)| {
            let name = |index: usize| format!("t{index}");
            // Tasks of `from` on need one another.
            let task = |index: usize, from: usize| {
                let (rule, allow_failure, join, when, pod) = traits[index];
                let needs: Vec<String> =
                    (from..index).filter(|need| (bits[index] >> need) & 3 == 3).map(name).collect();
                let (is_join, is_child, is_object) = (join == 0, matches!(join, 1 | 2), join == 3);
                let is_container = !is_join && !is_child && !is_object;
                let rule = rule.filter(|_| !needs.is_empty());
                // What a task reads must have ended by then, or the end would hang on the order.
                let waits_for_all = !rule.is_some_and(|rule| rule.as_str().starts_with("Any"));
                let when = match (when, needs.first().filter(|_| waits_for_all)) {
                    (0, _) => Some("run.generation == 0".to_owned()),
                    (1, _) => Some("run.generation == 1".to_owned()),
                    (2, _) => Some("run.name".to_owned()),
                    (3 | 4, Some(need)) => Some(format!("tasks.{need}.phase == 'Succeeded'")),
                    _ => None,
                };
                let follows = |amount: &str| serde_json::from_value(json!({ "limits": { "memory": amount } })).unwrap();
                let pod_expr = match pod {
                    0 => Some(follows("string(16 * attempt) + 'Mi'")),
                    1 => Some(follows(reference::NO_AMOUNT)),
                    _ => None,
                };
                let for_each = match pod {
                    3 => Some(json!({ "values": vec!["x"; index % 3 + 1] })),
                    4 => Some(json!({ "items": "lists.range(3)", "minSucceededPercent": 0 })),
                    5 => Some(json!({ "items": "['a', 'b', 'c']", "maxParallel": 1, "failFast": true })),
                    6 => Some(json!({ "items": reference::NO_ITEMS })),
                    _ => None,
                };
                Task {
                    for_each: for_each.filter(|_| !is_join).map(|it| serde_json::from_value(it).unwrap()),
                    pod_expr: pod_expr.filter(|_| is_container),
                    pod_template: (pod == 2 && is_container).then(mounts_work),
                    name: name(index),
                    image: is_container.then(|| "i".into()),
                    workflow_ref: is_child.then(|| WorkflowRef { name: "w".into() }),
                    resource: is_object.then(object),
                    trigger_rule: rule.map(|rule| rule.to_string()),
                    needs,
                    when,
                    allow_failure,
                    join: is_join.then_some(Join {}),
                    outputs: if is_container && bits[index] & 1 == 0 { handed_on() } else { Vec::new() },
                    ..Task::default()
                }
            };
            let mut tasks: Vec<Task> = (0..size).map(|index| task(index, 0)).collect();
            let finally = (size..size + last).map(|index| task(index, size)).collect();
            if reversed {
                tasks.reverse();
            }
            WorkflowSpec { tasks, finally, volume_claims: vec![work()], ..WorkflowSpec::default() }
        },
    )
}

/// An object of another kind, which says of itself how it is.
fn object() -> ResourceTask {
    let object = json!({
        "manifest": { "apiVersion": "example.org/v1", "kind": "Fetch" },
        "set": [{ "path": "/spec/number", "expr": "attempt" }],
        "success": "object.status.word.startsWith('Done')",
        "failure": "object.status.word.startsWith('Failed')",
    });
    serde_json::from_value(object).unwrap()
}

/// What half of the containers hand on, though they write nothing.
fn handed_on() -> Vec<OutputDecl> {
    serde_json::from_value(json!([{ "name": "said", "type": "string", "default": "nothing" }])).unwrap()
}

/// The volume that some tasks of a random graph share.
fn work() -> VolumeClaim {
    let spec = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    VolumeClaim { name: "work".into(), spec: spec.as_object().cloned().unwrap() }
}

fn mounts_work() -> Map<String, Value> {
    let mounts = json!([{ "name": "work", "mountPath": "/work" }]);
    let template = json!({ "spec": { "containers": [{ "name": "main", "volumeMounts": mounts }] } });
    template.as_object().cloned().unwrap()
}
