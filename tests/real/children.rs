//! Tasks that are runs: made once, stopped with their parent, gone with it, and gone on with by its next generation.

use std::time::Duration;

use serde_json::{Value, json};

use super::stage::Stage;
use super::{api, fake};

/// How often the operator is killed.
const KILLS: usize = 8;

/// A task that is a run of these tasks, on the fake nodes.
fn child(name: &str, needs: &[&str], tasks: &[Value]) -> Value {
    let workflow = fake::run("", "", tasks)["spec"]["workflow"].clone();
    json!({ "name": name, "needs": needs, "workflow": workflow })
}

/// The child runs of a run by name.
fn children(stage: &Stage, parent: &str) -> Vec<(String, Value)> {
    let is_of = |run: &Value| run["metadata"]["labels"]["gantline.dev/run"] == parent;
    stage.all("wfr").into_iter().filter(|(_, run)| is_of(run)).collect()
}

fn attempts(task: &Value) -> &[Value] {
    task["attempts"].as_array().map_or(&[], Vec::as_slice)
}

/// How many pods each task of each of these runs has.
fn pods_of_each(stage: &Stage, runs: &[(String, Value)]) -> Vec<usize> {
    let tasks = runs.iter().flat_map(|(name, run)| {
        let tasks = run["status"]["tasks"].as_array().expect("tasks");
        tasks.iter().map(move |task| (name, task["name"].as_str().expect("a name")))
    });
    let count = |(run, task): (&String, &str)| {
        let of = format!("gantline.dev/run={run},gantline.dev/task={task}");
        stage.kubectl(&["get", "pods", "-l", &of, "-o", "name"]).lines().count()
    };
    tasks.map(count).collect()
}

#[test]
fn each_child_run_is_made_once_however_often_the_operator_is_killed() {
    let mut stage = Stage::for_kills("child-kills");
    stage.start_operator();
    let mut each = child("each", &["group"], &[fake::task("only", &[], 300)]);
    each["forEach"] = json!({ "values": [1, 2, 3] });
    let mut last = fake::task("last", &["each"], 0);
    last["podTemplate"]["spec"] = json!({ "schedulingGates": [{ "name": "gantline.dev/test" }] });
    let group = child("group", &[], &[fake::task("a", &[], 300), fake::task("b", &["a"], 300)]);
    api::create(&api::runs(&stage.namespace), &fake::run("parent", "", &[group, each, last]));
    for kill in 0..KILLS {
        std::thread::sleep(Duration::from_millis(200 * u64::try_from(kill).expect("a small number")));
        assert!(stage.operator_is_up(), "nothing but the test ends the operator");
        stage.kill_operator();
        stage.start_operator();
    }
    let held = stage.pod_of("parent", "last");
    let status = stage.get("wfr", "parent").expect("the run")["status"].clone();
    assert!(status["finishedAt"].is_null(), "all kills fall into the run: {status:#}");
    let release = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
    stage.kubectl(&["patch", "pod", &held, "--type=json", "-p", release]);

    let status = stage.succeeds("parent");
    let runs = children(&stage, "parent");
    assert_eq!(runs.len(), 4, "one of the group, one of each item: {status:#}");
    let uid = stage.get("wfr", "parent").expect("the run")["metadata"]["uid"].clone();
    for (name, run) in &runs {
        let owner = &run["metadata"]["ownerReferences"][0];
        assert_eq!((&run["status"]["phase"], &owner["uid"]), (&json!("Succeeded"), &uid), "{name}: {run:#}");
    }
    let group = attempts(&status["tasks"][0]);
    assert_eq!((group.len(), &group[0]["uid"]), (1, &runs[runs.len() - 1].1["metadata"]["uid"]), "{status:#}");
    assert_eq!(pods_of_each(&stage, &runs), [1; 5], "{status:#}");
    println!("{KILLS} kills; {}", stage.is_clean());
}

#[test]
fn a_child_run_is_held_stopped_and_deleted_with_its_parent() {
    let stage = Stage::new("child-stop");
    let parent = |name: &str| fake::run(name, "", &[child("group", &[], &[fake::endless("long", &[])])]);
    let under_way = |name: &str| {
        api::create(&api::runs(&stage.namespace), &parent(name));
        stage.task_in(name, "group", "Running");
        let child = attempts(&stage.task(name, "group"))[0]["run"].as_str().expect("its run").to_owned();
        stage.task_in(&child, "long", "Running");
        child
    };
    let none_left = |run: &str| stage.pods(run).is_empty().then_some(());

    let child = under_way("stopped");
    stage.patch("stopped", r#"{"spec": {"suspend": true}}"#);
    let status = stage
        .until("the child to be held", || Some(stage.status(&child)).filter(|status| status["phase"] == "Suspended"));
    let why = status["waitingFor"]["detail"].as_str().unwrap_or_default();
    assert!(why.contains("stopped"), "it names the parent: {status:#}");
    stage.patch("stopped", r#"{"spec": {"cancel": {"reason": "enough", "graceSeconds": 1}}}"#);
    assert_eq!(stage.finished("stopped")["phase"], "Cancelled");
    let status = stage.status(&child);
    assert_eq!((&status["phase"], &status["reason"]), (&json!("Cancelled"), &json!("ParentStopped")), "{status:#}");
    stage.until("the child's pods to be gone", || none_left(&child));

    let child = under_way("deleted");
    stage.kubectl(&["delete", "wfr", "deleted"]);
    stage.until("the child to go with its parent", || stage.get("wfr", &child).is_none().then_some(()));
    stage.until("its pods to go", || none_left(&child));

    let child = under_way("bereft");
    stage.kubectl(&["delete", "wfr", &child]);
    // Someone took the child: that is no fault of the task, which makes another one.
    let other = stage.until("another child run", || {
        let task = stage.task("bereft", "group");
        let [first, second] = attempts(&task) else { return None };
        assert_eq!((&first["outcome"], &first["reason"]), (&json!("Disrupted"), &json!("ChildDeleted")), "{task:#}");
        second["uid"].is_string().then(|| second["run"].as_str().map(str::to_owned))?
    });
    stage.patch("bereft", r#"{"spec": {"cancel": {"graceSeconds": 1}}}"#);
    assert_eq!(stage.finished("bereft")["phase"], "Cancelled");
    assert_eq!(stage.status(&other)["phase"], "Cancelled");
    for run in [&child, &other] {
        stage.until("their pods to go", || none_left(run));
    }
    println!("{}", stage.is_clean());
}

#[test]
fn the_next_generation_of_a_parent_goes_on_with_its_child_run() {
    let stage = Stage::new("child-retry");
    let fixed =
        json!({"name": "FIXED", "valueFrom": {"configMapKeyRef": {"name": "fix", "key": "fixed", "optional": true}}});
    let template = json!({"spec": {"containers": [{"name": "main", "env": [fixed]}]}});
    let tasks = json!([
        {"name": "done", "script": "echo rows=7 >> \"$GANTLINE_OUTPUT\"", "outputs": [{"name": "rows", "type": "int"}]},
        {"name": "broken", "needs": ["done"], "podTemplate": template, "script": "test \"$FIXED\" = yes"},
    ]);
    let group = json!({"name": "group", "workflow": {
        "taskDefaults": {"image": "busybox:1.37"}, "tasks": tasks,
        "outputs": [{"name": "rows", "expr": "tasks.done.outputs.rows"}],
    }});
    stage.apply(
        &json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": {"name": "parent"},
            "spec": {"workflow": {"tasks": [group]}},
        })
        .to_string(),
    );
    let status = stage.finished("parent");
    assert_eq!((&status["phase"], &status["tasks"][0]["reason"]), (&json!("Failed"), &json!("ChildFailed")));
    let message = status["message"].as_str().expect("a message");
    assert!(message.starts_with("group: ") && message.contains("broken"), "{message}");
    let (child, before) = children(&stage, "parent").remove(0);

    stage.kubectl(&["create", "configmap", "fix", "--from-literal=fixed=yes"]);
    stage.patch("parent", r#"{"spec": {"retry": {"generation": 1}}}"#);
    let status = stage.until("the next generation to end", || {
        Some(stage.finished("parent")).filter(|status| status["generation"] == 1)
    });
    assert_eq!((&status["phase"], &status["tasks"][0]["outputs"]), (&json!("Succeeded"), &json!({"rows": 7})));
    let after = children(&stage, "parent");
    let [(name, after)] = after.as_slice() else { panic!("{after:#?}") };
    assert_eq!((name, &after["metadata"]["uid"]), (&child, &before["metadata"]["uid"]), "it is the same run");
    assert_eq!((&after["status"]["generation"], &after["status"]["phase"]), (&json!(1), &json!("Succeeded")));
    let task = |run: &Value, name: &str| {
        let tasks = run["status"]["tasks"].as_array().expect("tasks");
        tasks.iter().find(|task| task["name"] == name).expect("the task").clone()
    };
    assert_eq!(attempts(&task(after, "done")), attempts(&task(&before, "done")), "what is done isn't done again");
    assert_eq!(attempts(&task(after, "broken")).len(), 2, "{after:#}");
    println!("{}", stage.is_clean());
}
