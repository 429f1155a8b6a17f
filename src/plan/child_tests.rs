use serde_json::{Value, json};

use super::super::testing::{plan, problems, refused};
use super::super::{Code, Plan, TaskView};
use super::*;
use crate::api::TaskPhase;

fn spec(task: &str) -> String {
    format!(
        "params: [{{name: regions, type: list, default: [emea]}}]
taskDefaults: {{image: i, env: [{{name: X, value: x}}], retry: {{limit: 3}}, timeout: 1h}}
tasks:
- {{name: a, outputs: [{{name: rows, type: int}}]}}
- {{name: b, needs: [a], {task}}}
"
    )
}

fn given(plan: &Plan) -> Result<Value, String> {
    let params = plan.resolve_params(None, &json!({})).expect("params");
    let run = json!({"name": "r", "phase": "Running", "generation": 0});
    let outputs = Map::from_iter([("rows".to_owned(), json!(3))]);
    let a = TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: Some(&outputs), items: None };
    let tasks = |name: &str| (name == "a").then_some(a);
    let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt: 2, item: None };
    plan.tasks()[1].child_params(&scope).map(Value::Object).map_err(|problem| problem.to_string())
}

#[test]
fn a_child_has_the_defaults_that_are_not_about_containers() {
    let plan = plan(&spec("workflowRef: {name: w}"));
    let task = &plan.tasks()[1];
    assert!(
        matches!(&task.work, Work::Child(child) if matches!(&child.workflow, ChildWorkflow::Reference(name) if name == "w"))
    );
    assert_eq!((task.retry.limit, task.times.timeout), (3, Some(jiff::SignedDuration::from_hours(1))));
    assert!(task.image.is_none() && task.env.is_empty() && task.templates.is_empty());
}

#[test]
fn what_a_child_is_given() {
    for (params, expected) in [
        ("{name: a, value: [1, x]}, {name: b, expr: tasks.a.outputs.rows + 1}", Ok(json!({"a": [1, "x"], "b": 4}))),
        ("{name: a, expr: params.regions}, {name: n, expr: attempt}", Ok(json!({"a": ["emea"], "n": 2}))),
        ("{name: a, value: {k: 1.0}}, {name: b, expr: 'null'}", Ok(json!({"a": {"k": 1}}))),
        ("", Ok(json!({}))),
    ] {
        let plan = plan(&spec(&format!("workflowRef: {{name: w}}, params: [{params}]")));
        assert_eq!(given(&plan), expected, "{params}");
    }
    let wrong =
        given(&plan(&spec("workflowRef: {name: w}, params: [{name: x, expr: 1 / (tasks.a.outputs.rows - 3)}]")));
    assert!(
        wrong.as_ref().is_err_and(|it| it.starts_with("tasks[1].params[0].expr: task `b`: param x: ")),
        "{wrong:?}"
    );
    let long = "lists.range(6000)";
    let wrong = given(&plan(&spec(&format!("workflowRef: {{name: w}}, params: [{{name: x, expr: '{long}'}}]"))));
    assert!(wrong.as_ref().is_err_and(|it| it.contains("16384 are allowed")), "{wrong:?}");
}

#[test]
#[rustfmt::skip]
fn children_that_cannot_be() {
    for (task, code, path, words) in [
        ("workflowRef: {name: W}", Code::BadName, "tasks[1].workflowRef.name", "`W` can't name a Workflow"),
        ("workflowRef: {name: w}, image: i, script: x", Code::ChildWithContainer, "tasks[1].workflowRef", "it has `image` and `script` too"),
        ("workflowRef: {name: w}, podExpr: {image: params.x}", Code::ChildWithContainer, "tasks[1].workflowRef", "it has `podExpr` too"),
        ("workflowRef: {name: w}, outputs: [{name: o, type: int}]", Code::ChildWithContainer, "tasks[1].workflowRef", "it has `outputs` too"),
        ("workflowRef: {name: w}, workflow: {tasks: [{name: x, image: i}]}", Code::ChildWithContainer, "tasks[1].workflow", "it has `workflowRef` too"),
        ("join: {}, workflowRef: {name: w}", Code::JoinWithContainer, "tasks[1].join", "has `workflowRef` too"),
        ("params: [{name: x, value: 1}]", Code::ParamsWithoutChild, "tasks[1].params", "the task is a container"),
        ("workflowRef: {name: w}, params: [{name: x}]", Code::ParamSource, "tasks[1].params[0]", "one of value and expr"),
        ("workflowRef: {name: w}, params: [{name: x, value: 1, expr: '1'}]", Code::ParamSource, "tasks[1].params[0]", "and only one"),
        ("workflowRef: {name: w}, params: [{name: x, value: 1}, {name: x, value: 2}]", Code::DuplicateParam, "tasks[1].params[1].name", "given twice"),
        ("workflowRef: {name: w}, params: [{name: a-b, value: 1}]", Code::BadIdentifier, "tasks[1].params[0].name", "no identifier"),
        ("workflowRef: {name: w}, params: [{name: x, expr: '1 +'}]", Code::BadExpression, "tasks[1].params[0].expr", ""),
        ("workflowRef: {name: w}, params: [{name: x, expr: tasks.a.outputs.row}]", Code::UnknownOutput, "tasks[1].params[0].expr", "did you mean `rows`?"),
        ("workflowRef: {name: w}, params: [{name: x, expr: params.region}]", Code::UnknownParam, "tasks[1].params[0].expr", "did you mean `regions`?"),
        ("workflow: {}", Code::WrongType, "tasks[1].workflow", "can't be read as a workflow: missing field `tasks`"),
        ("workflow: {tasks: []}", Code::NoTasks, "tasks[1].workflow.tasks", "there is no task"),
        ("workflow: {tasks: [{name: x}]}", Code::NoImage, "tasks[1].workflow.tasks[0]", "task `b`: task `x`: has no image"),
        ("workflow: {tasks: [{name: x, image: i, scrpt: echo}]}", Code::UnknownField, "tasks[1].workflow", "no field `tasks[0].scrpt` in a workflow"),
        ("workflow: {params: [{name: p, type: int}], tasks: [{name: x, image: i}]}", Code::MissingParam, "tasks[1].workflow", "its param `p` is required"),
        ("workflow: {params: [{name: p, type: int, default: 1}], tasks: [{name: x, image: i}]}, params: [{name: q, value: 1}]", Code::UnknownParam, "tasks[1].workflow", "its params are `p`"),
    ] {
        refused(&spec(task), code, path, words);
    }
    plan(&spec("workflow: {finally: [], tasks: [{name: x, image: i, allowFailure: false, needs: []}]}"));
}

#[test]
fn outputs_of_a_child_are_known_where_it_is_inline() {
    let reader = |work: &str, output: &str| {
        format!(
            "tasks: [{{name: a, {work}}}, {{name: b, image: i, needs: [a], env: [{{name: X, expr: tasks.a.outputs.{output}}}]}}]"
        )
    };
    let inline = "workflow: {tasks: [{name: x, image: i}], outputs: [{name: rows, expr: '1'}]}";
    plan(&reader(inline, "rows"));
    refused(&reader(inline, "row"), Code::UnknownOutput, "tasks[1].env[0].expr", "did you mean `rows`?");
    plan(&reader("workflowRef: {name: w}", "anything"));
}

/// Workflows written so deep in one another.
fn nested(depth: usize) -> String {
    let inner = "tasks: [{name: x, image: i}]".to_owned();
    (0..depth).fold(inner, |inner, _| format!("tasks: [{{name: x, workflow: {{{inner}}}}}]"))
}

#[test]
fn workflows_are_nested_so_deep_and_no_deeper() {
    plan(&nested(limits::CHILD_DEPTH));
    let found = problems(&nested(limits::CHILD_DEPTH + 1));
    assert_eq!((found.len(), found[0].code, found[0].path.as_str()), (1, Code::NestedTooDeep, "tasks[0].workflow"));
    let found = problems(&nested(12));
    assert_eq!((found.len(), found[0].code), (1, Code::TooDeep));
}

#[test]
fn patterns_are_counted_wherever_they_are_written() {
    let many = "params.x.matches('a') && ".repeat(limits::PATTERNS + 1) + "true";
    let inline = format!("tasks: [{{name: a, workflow: {{tasks: [{{name: x, image: i, when: \"{many}\"}}]}}}}]");
    let found = problems(&inline);
    assert_eq!((found.len(), found[0].code), (1, Code::TooMany), "{found:?}");
}
