//! A large run through which the operator is killed every two seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::stage::Stage;
use super::{api, fake, whole};

/// Steps of the run, one after the other.
const STEPS: usize = 12;
/// Tasks of a step.
const WIDTH: usize = 25;
/// Time between a start of the operator and its end.
const LIFE: Duration = Duration::from_secs(2);
/// On a slow machine an operator comes to little in its short life: the one after so many may live.
const MAX_KILLS: u32 = 20;
/// A task takes two to three seconds, so that the run outlasts so many kills in any case.
const MIN_KILLS: u32 = 5;

/// Every task needs two of the step before, so that no two steps keep apart.
fn tasks() -> Vec<Value> {
    let name = |step: usize, task: usize| format!("step-{step}-{}", task % WIDTH);
    let all = (0..STEPS).flat_map(|step| (0..WIDTH).map(move |task| (step, task)));
    all.map(|(step, task)| {
        let needs = match step {
            0 => Vec::new(),
            _ => vec![name(step - 1, task), name(step - 1, task + 7)],
        };
        let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
        let milliseconds = 2_000 + u32::try_from((step * 31 + task * 17) % 10).expect("a digit") * 100;
        fake::task(&name(step, task), &needs, milliseconds)
    })
    .collect()
}

#[test]
fn three_hundred_tasks_run_once_though_the_operator_dies_every_two_seconds() {
    let mut stage = Stage::for_kills("many");
    api::create(&api::ours(&stage.namespace, "workflows"), &fake::workflow("many", &tasks()));
    api::create(&api::runs(&stage.namespace), &fake::run_of("many", "many"));
    let mut kills = 0;
    loop {
        stage.start_operator();
        if kills == MAX_KILLS {
            break;
        }
        std::thread::sleep(LIFE);
        if stage.status("many")["finishedAt"].is_string() {
            break;
        }
        assert!(stage.operator_is_up(), "nothing but the test ends the operator");
        stage.kill_operator();
        kills += 1;
    }
    let status = api::block_on(api::finished(api::client(), &stage.namespace, "many"));
    assert_eq!(status["phase"], "Succeeded", "{}", status["message"]);
    assert!(kills >= MIN_KILLS, "only {kills} kills fell into the run");

    let released = |pods: &[Value]| !pods.iter().any(api::held);
    let pods = api::block_on(api::pods_of(api::client(), &stage.namespace, "many", released));
    let made: BTreeMap<&str, &Value> = pods.iter().map(|pod| (label(pod, "task"), &pod["metadata"])).collect();
    assert_eq!((pods.len(), made.len()), (STEPS * WIDTH, STEPS * WIDTH), "one pod a task");
    assert_eq!(status["packed"]["states"], format!("{}s", STEPS * WIDTH));
    assert!(list(&status["tasks"]).len() <= 64 && status.to_string().len() < 64 * 1024, "few are spelt out");
    let told = whole::reads_back(&stage, "many");
    for task in list(&told["tasks"]) {
        assert!(whole::succeeded_at_once(task), "{task:#}");
        let (attempt, pod) = (&task["attempts"][0], made[text(&task["name"])]);
        assert_eq!(attempt["pod"], pod["name"], "{task:#}");
        assert!([text(&pod["uid"]), ""].contains(&text(&attempt["uid"])), "{task:#}");
    }
    let tasks: BTreeSet<&str> = list(&told["tasks"]).iter().map(|task| text(&task["name"])).collect();
    assert_eq!(tasks.len(), STEPS * WIDTH);
    println!("{} tasks, {kills} kills; {}", tasks.len(), stage.is_clean());
}

fn label<'a>(pod: &'a Value, name: &str) -> &'a str {
    text(&pod["metadata"]["labels"][format!("gantline.dev/{name}")])
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
