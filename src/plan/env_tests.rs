use serde_json::json;

use super::super::expression::TaskView;
use super::super::testing::{plan, refused};
use super::*;
use crate::api::{Reason, TaskPhase};

fn task(env: &str) -> String {
    format!("tasks: [{{name: a, image: i, env: [{env}]}}]")
}

#[test]
#[rustfmt::skip]
fn variables_that_cannot_be() {
    for (env, code, path, message) in [
        ("{name: 1A, value: x}", Code::BadEnvName, "[0].name", "task `a`: `1A` can't name a variable"),
        ("{name: A-B, value: x}", Code::BadEnvName, "[0].name", "letters, digits and underscores"),
        ("{name: '', value: x}", Code::BadEnvName, "[0].name", "can't name"),
        ("{name: GANTLINE_TASK, value: x}", Code::ReservedEnv, "[0].name", "GANTLINE_ is the prefix of Gantline's own"),
        ("{name: A, value: x}, {name: A, value: z}", Code::DuplicateEnv, "[1].name", "`A` is set twice"),
        ("{name: A}", Code::EnvSource, "[0]", "`A` has no value: set value (\"\" for an empty one), valueFrom or expr"),
        ("{name: A, value: x, expr: run.name}", Code::EnvSource, "[0]", "`A` has several values: set exactly one"),
        ("{name: A, value: x, valueFrom: {}}", Code::EnvSource, "[0]", "several"),
        ("{name: A, value: \"\\0\"}", Code::NulCharacter, "[0].value", "NUL"),
        ("{name: A, valueFrom: {}}", Code::BadValueFrom, "[0].valueFrom", "names nothing: name exactly one of `fieldRef`"),
        ("{name: A, valueFrom: {fieldRef: {fieldPath: x}, secretKeyRef: {name: x, key: k}}}", Code::BadValueFrom, "[0].valueFrom", "names `fieldRef` and `secretKeyRef`"),
        ("{name: A, valueFrom: {secretRef: {name: x, key: k}}}", Code::BadValueFrom, "[0].valueFrom", "there is no source `secretRef`; did you mean `secretKeyRef`?; there are"),
        ("{name: A, valueFrom: {vault: {name: x, key: k}}}", Code::BadValueFrom, "[0].valueFrom", "there is no source `vault`; there are `fieldRef`"),
        ("{name: A, valueFrom: {secretKeyRef: {name: x}}}", Code::BadValueFrom, "[0].valueFrom.secretKeyRef", "has no key: a secretKeyRef is written with `name` and `key`"),
        ("{name: A, valueFrom: {fieldRef: metadata.name}}", Code::BadValueFrom, "[0].valueFrom.fieldRef", "has no fieldPath"),
    ] {
        refused(&task(env), code, &format!("tasks[0].env{path}"), message);
    }
    let long = "x".repeat(32_769);
    refused(
        &task(&format!("{{name: A, value: {long}}}")),
        Code::TooLong,
        "tasks[0].env[0].value",
        "32769 bytes, 32768 are allowed",
    );
    let long = "x".repeat(256);
    refused(
        &task(&format!("{{name: {long}, value: ''}}")),
        Code::TooLong,
        "tasks[0].env[0].name",
        "256 characters, 255 are allowed",
    );
    let many: Vec<String> = (0..65)
        .map(|n| format!("{{name: A{n}, value: ''}}"))
        .collect();
    refused(
        &task(&many.join(", ")),
        Code::TooMany,
        "tasks[0].env",
        "65 entries, 64 are allowed",
    );
}

#[test]
fn every_source_of_kubernetes_is_known() {
    for from in [
        "fieldRef: {fieldPath: metadata.name}",
        "resourceFieldRef: {resource: limits.cpu}",
        "configMapKeyRef: {name: x, key: k, optional: true}",
        "secretKeyRef: {name: x, key: k}",
        "fileKeyRef: {volumeName: x, path: p, key: z}",
    ] {
        plan(&task(&format!("{{name: A, valueFrom: {{{from}}}}}")));
    }
}

/// The environment of task b, whose variables are these, beside a task that it needs.
fn environment(env: &str) -> Result<Vec<Value>, Problem> {
    let plan = plan(&format!(
        "params: [{{name: date, type: string, default: ''}}, {{name: rate, type: number, default: 1}}, {{name: rates, type: list, items: {{type: number}}, default: []}}]
tasks:
- {{name: load-sales, image: i, outputs: [{{name: rows, type: int}}, {{name: share, type: number}}, {{name: text, type: string}}]}}
- {{name: b, image: i, needs: [load-sales], env: [{env}]}}"
    ));
    let params = json!({"date": "2026-11-22", "rate": 3, "rates": [1, 2.5]});
    let run = json!({"name": "r", "uid": "u", "namespace": "n", "phase": "Running", "reason": "", "generation": 0});
    let outputs = json!({"rows": 42, "share": 3, "text": "a$(X)$$é"});
    let tasks = |name: &str| {
        assert_eq!(name, "load-sales", "only what is named is looked up");
        Some(TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: outputs.as_object(), items: None })
    };
    plan.tasks()[1].environment(&Scope {
        params: params.as_object().expect("an object"),
        run: &run,
        tasks: &tasks,
        attempt: 2,
        item: None,
    })
}

#[test]
#[rustfmt::skip]
fn values_of_expressions() {
    for (expr, value) in [
        ("params.date", "2026-11-22"),
        ("params.rate / 2.0", "1.5"),
        ("params", r#"{"date":"2026-11-22","rate":3.0,"rates":[1.0,2.5]}"#),
        ("params.rates[0] / 2.0", "0.5"),
        ("run.name + run.namespace", "rn"),
        ("run.generation", "0"),
        ("attempt", "2"),
        ("tasks['load-sales'].outputs.rows + 1", "43"),
        ("tasks['load-sales'].outputs.share / 2.0", "1.5"),
        ("tasks['load-sales'].outputs.text", "a$$(X)$$$$é"),
        ("tasks['load-sales'].phase + '/' + tasks['load-sales'].reason", "Succeeded/"),
        ("tasks['load-sales'].outputs", r#"{"rows":42,"share":3.0,"text":"a$$(X)$$$$é"}"#),
        ("has(tasks['load-sales'].outputs.rows)", "true"),
    ] {
        let environment = environment(&format!("{{name: X, expr: \"{expr}\"}}"));
        assert_eq!(
            environment,
            Ok(vec![json!({"name": "X", "value": value})]),
            "{expr}"
        );
    }
}

#[test]
fn entries_keep_their_order_and_form() {
    let environment = environment(
        "{name: Z, value: $(A)}, {name: S, valueFrom: {secretKeyRef: {name: x, key: k}}}, {name: A, expr: run.uid}",
    );
    let expected = vec![
        json!({"name": "Z", "value": "$(A)"}),
        json!({"name": "S", "valueFrom": {"secretKeyRef": {"name": "x", "key": "k"}}}),
        json!({"name": "A", "value": "u"}),
    ];
    assert_eq!(environment, Ok(expected));
}

#[test]
#[rustfmt::skip]
fn an_expression_without_a_value_is_told_with_its_path() {
    for (expr, message) in [
        ("tasks['load-sales'].outputs.rows / 0", "task `b`: the variable `X`: column "),
        ("null", "the value is null"),
    ] {
        let problem = environment(&format!(
            "{{name: A, value: ''}}, {{name: X, expr: \"{expr}\"}}"
        ))
        .expect_err(expr);
        assert_eq!(
            (problem.code, problem.path.as_str()),
            (Code::ExpressionFailed, "tasks[1].env[1].expr")
        );
        assert!(problem.message.contains(message), "{problem}");
    }
}

#[test]
fn what_a_task_has_not_is_not_there() {
    let plan = plan(
        "tasks: [{name: a, image: i, outputs: [{name: v, type: int}]}, {name: b, image: i, needs: [a], env: [{name: X, expr: 'tasks.a.?outputs.?v.orValue(7)'}, {name: Y, expr: tasks.a.reason}]}]",
    );
    let environment = |view: Option<TaskView<'static>>| {
        plan.tasks()[1].environment(&Scope {
            params: &Map::new(),
            run: &json!({}),
            tasks: &|_| view,
            attempt: 1,
            item: None,
        })
    };
    let failed = TaskView { phase: TaskPhase::Failed, reason: Some(Reason::ExitCode), outputs: None, items: None };
    let expected = vec![json!({"name": "X", "value": "7"}), json!({"name": "Y", "value": "ExitCode"})];
    assert_eq!(environment(Some(failed)), Ok(expected));
    let problem = environment(None).expect_err("no such task");
    assert_eq!(problem.path, "tasks[1].env[1].expr");
}
