use serde_json::{Map, json};

use super::super::testing::{plan, refused};
use super::super::{Plan, TaskView};
use super::*;
use crate::api::TaskPhase;

/// A task `b` with this podExpr, after one with an output.
fn spec(pod_expr: &str) -> String {
    format!(
        "params:
- {{name: fast, type: bool, default: false}}
- {{name: cpus, type: number, default: 1.5}}
tasks:
- {{name: a, image: i, outputs: [{{name: size, type: int}}]}}
- {{name: b, image: i, needs: [a], podExpr: {pod_expr}}}
- {{name: c, image: i}}
"
    )
}

/// What the pod of an attempt of the task at `index` follows.
fn fields(plan: &Plan, index: usize, attempt: u32) -> Result<Vec<(PodField, String)>, String> {
    let params = plan.resolve_params(None, &json!({})).expect("params");
    let run = json!({"name": "r", "phase": "Running", "generation": 0});
    let outputs = Map::from_iter([("size".to_owned(), json!(300))]);
    let a = TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: Some(&outputs), items: None };
    let tasks = |name: &str| (name == "a").then_some(a);
    let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt, item: None };
    let values = plan.tasks()[index].pod_values(&scope).map_err(|problem| problem.to_string())?;
    Ok(values.fields.into_iter().collect())
}

fn limit(amount: &str) -> (PodField, String) {
    (PodField::Limit("memory".to_owned()), amount.to_owned())
}

#[test]
fn fields_follow_the_attempt_the_params_and_the_outputs() {
    let request = |amount: &str| (PodField::Request("cpu".to_owned()), amount.to_owned());
    let label = |label: &str| (PodField::NodeSelector("disktype".to_owned()), label.to_owned());
    for (pod_expr, attempt, expected) in [
        ("{}", 1, vec![]),
        ("{limits: {memory: \"attempt > 1 ? '512Mi' : '256Mi'\"}}", 1, vec![limit("256Mi")]),
        ("{limits: {memory: \"attempt > 1 ? '512Mi' : '256Mi'\"}}", 2, vec![limit("512Mi")]),
        ("{limits: {memory: \"string(tasks.a.outputs.size * attempt) + 'Mi'\"}}", 3, vec![limit("900Mi")]),
        ("{limits: {memory: tasks.a.outputs.size}}", 1, vec![limit("300")]),
        ("{requests: {cpu: params.cpus}}", 1, vec![request("1.5")]),
        ("{image: \"'etl:' + string(tasks.a.outputs.size)\"}", 1, vec![(PodField::Image, "etl:300".to_owned())]),
        ("{nodeSelector: {disktype: \"params.fast ? 'ssd' : 'hdd'\"}}", 1, vec![label("hdd")]),
        ("{nodeSelector: {disktype: \"''\"}}", 1, vec![label("")]),
        ("{nodeSelector: {disktype: \"params.fast ? 'ssd' : null\"}}", 1, vec![]),
        ("{limits: {memory: \"null\"}, requests: {cpu: \"'1'\"}}", 1, vec![request("1")]),
    ] {
        assert_eq!(fields(&plan(&spec(pod_expr)), 1, attempt), Ok(expected), "{pod_expr} {attempt}");
    }
}

#[test]
#[rustfmt::skip]
fn a_value_that_a_field_cannot_have_is_told_with_its_path() {
    let (long, image) = ("a".repeat(64), "i".repeat(513));
    for (pod_expr, expected) in [
        ("{limits: {memory: \"'256MB'\"}}", "tasks[1].podExpr.limits.memory: task `b`: \"256MB\" is no amount: make it a number and a unit"),
        ("{limits: {memory: \"'NaN'\"}}", "is no amount"),
        ("{limits: {memory: -1}}", "tasks[1].podExpr.limits.memory: task `b`: \"-1\" is no amount"),
        ("{limits: {memory: \"'1\\\\u0000'\"}}", "NUL"),
        ("{requests: {cpu: \"[1]\"}}", "tasks[1].podExpr.requests.cpu: task `b`: the amount is a list, not a string or a number"),
        ("{image: \"''\"}", "tasks[1].podExpr.image: task `b`: \"\" is no image"),
        ("{image: \"'a b'\"}", "is no image"),
        (&format!("{{image: \"'{image}'\"}}"), "is no image"),
        ("{image: \"null\"}", "the image is null, not a string"),
        ("{image: \"7\"}", "the image is an int, not a string"),
        ("{nodeSelector: {disktype: params.fast}}", "tasks[1].podExpr.nodeSelector.disktype: task `b`: the label is a bool, not a string: write string(…), or null to leave it out"),
        ("{nodeSelector: {disktype: \"'-a'\"}}", "is no label"),
        (&format!("{{nodeSelector: {{disktype: \"'{long}'\"}}}}"), "is no label: make it at most 63"),
        ("{limits: {memory: \"string(1 / (attempt - 1))\"}}", "tasks[1].podExpr.limits.memory: task `b`: "),
    ] {
        let told = fields(&plan(&spec(pod_expr)), 1, 1).expect_err(pod_expr);
        assert!(told.contains(expected), "{pod_expr}\n{told}\nlacks: {expected}");
    }
}

#[test]
#[rustfmt::skip]
fn expressions_that_cannot_be() {
    let name = "x".repeat(318);
    for (pod_expr, code, path, words) in [
        ("{image: ''}", Code::BadExpression, "tasks[1].podExpr.image", "task `b`: "),
        ("{limits: {memory: 1 +}}", Code::BadExpression, "tasks[1].podExpr.limits.memory", "task `b`: "),
        ("{limits: {nvidia.com/gpu: attempt.number}}", Code::UnknownField, "tasks[1].podExpr.limits['nvidia.com/gpu']", "`attempt`"),
        ("{requests: {cpu: params.cpu}}", Code::UnknownParam, "tasks[1].podExpr.requests.cpu", "did you mean `cpus`?"),
        ("{nodeSelector: {disktype: tasks.c.phase}}", Code::NotUpstream, "tasks[1].podExpr.nodeSelector.disktype", "add `c` to needs"),
        ("{nodeSelector: {-disk: run.name}}", Code::BadLabelName, "tasks[1].podExpr.nodeSelector['-disk']", "can't be the name of a label"),
        ("{nodeSelector: {a/b/c: run.name}}", Code::BadLabelName, "tasks[1].podExpr.nodeSelector['a/b/c']", "example.org/disktype"),
        (&format!("{{limits: {{{name}: run.name}}}}"), Code::TooLong, &format!("tasks[1].podExpr.limits['{}…']", "x".repeat(64)), "317"),
        (&format!("{{requests: {{{}}}}}", (0..33).map(|at| format!("r{at}: '1'")).collect::<Vec<_>>().join(", ")), Code::TooMany, "tasks[1].podExpr.requests", "33 entries, 32 are allowed"),
    ] {
        refused(&spec(pod_expr), code, path, words);
    }
    let in_defaults = "taskDefaults: {image: i, podExpr: {limits: {memory: tasks.a.phase}}}\ntasks: [{name: a}, {name: b}]";
    refused(in_defaults, Code::NotUpstream, "taskDefaults.podExpr.limits.memory", "task `a`: reads itself");
    let of_a_join = "tasks: [{name: a, join: {}, podExpr: {image: run.name}}]";
    refused(of_a_join, Code::JoinWithContainer, "tasks[0].join", "podExpr");
}

#[test]
#[rustfmt::skip]
fn what_is_nearer_to_the_task_holds() {
    for (task, expected) in [
        ("{name: a}", vec![("Image", "default"), ("Limit", "1"), ("NodeSelector", "ssd")]),
        ("{name: a, podExpr: {image: \"'own'\", limits: {memory: \"'2'\"}}}", vec![("Image", "own"), ("Limit", "2"), ("NodeSelector", "ssd")]),
        ("{name: a, podExpr: {nodeSelector: {disk: \"null\"}}}", vec![("Image", "default"), ("Limit", "1")]),
        ("{name: a, image: literal}", vec![("Limit", "1"), ("NodeSelector", "ssd")]),
        ("{name: a, resources: {requests: {cpu: 1}}}", vec![("Image", "default"), ("NodeSelector", "ssd")]),
        ("{name: a, image: literal, podExpr: {image: \"'own'\"}}", vec![("Image", "own"), ("Limit", "1"), ("NodeSelector", "ssd")]),
    ] {
        let text = format!("taskDefaults: {{podExpr: {{image: \"'default'\", limits: {{memory: \"'1'\"}}, nodeSelector: {{disk: \"'ssd'\"}}}}}}\ntasks: [{task}]");
        let found = fields(&plan(&text), 0, 1).expect("values");
        let found: Vec<(String, String)> = found.into_iter().map(|(field, text)| (format!("{field:?}").split('(').next().unwrap_or_default().to_owned(), text)).collect();
        let expected: Vec<(String, String)> = expected.into_iter().map(|(field, text)| (field.to_owned(), text.to_owned())).collect();
        assert_eq!(found, expected, "{task}");
    }
}

#[test]
fn fields_follow_the_item() {
    let text = "tasks: [{name: a, image: i, forEach: {values: [1, 2]}, podExpr: {limits: {memory: \"string(item * 64 + index) + 'Mi'\"}}}]";
    let plan = plan(text);
    let (params, run, item) = (Map::new(), json!({}), json!(2));
    let scope = Scope { params: &params, run: &run, tasks: &|_| None, attempt: 1, item: Some((1, &item)) };
    let values = plan.tasks()[0].pod_values(&scope).expect("values");
    assert_eq!(values.fields.into_iter().collect::<Vec<_>>(), [limit("129Mi")]);
    let of_none = "tasks: [{name: a, image: i, podExpr: {limits: {memory: item}}}]";
    refused(of_none, Code::NoItem, "tasks[0].podExpr.limits.memory", "the task has no forEach");
}

#[test]
fn names_and_values_of_labels() {
    for (name, good) in [
        ("disktype", true),
        ("a.b-c_D", true),
        ("example.org/d", true),
        ("", false),
        ("a/", false),
        ("/a", false),
        ("A.org/x", false),
    ] {
        assert_eq!(is_label_name(name), good, "{name}");
    }
    for (value, good) in
        [("", true), ("ssd", true), ("1.5_a-B", true), ("a b", false), (".a", false), ("a.", false), ("é", false)]
    {
        assert_eq!(is_label_value(value), good, "{value}");
    }
}
