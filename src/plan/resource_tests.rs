use serde_json::{Value, json};

use super::super::testing::{plan, problems, refused};
use super::super::{Code, Plan, PlannedTask, TaskView};
use super::*;
use crate::api::TaskPhase;

const MANIFEST: &str = "{apiVersion: example.org/v1, kind: Fetch, spec: {urls: [{url: x}], tries: 1}}";

fn spec(more: &str) -> String {
    format!(
        "params: [{{name: tries, type: int, default: 3}}]
taskDefaults: {{image: i, env: [{{name: X, value: x}}], retry: {{limit: 3}}, timeout: 1h, startTimeout: 5m}}
tasks:
- {{name: a, outputs: [{{name: rows, type: int}}]}}
- {{name: b, needs: [a], {more}}}
"
    )
}

fn resource(more: &str) -> String {
    spec(&format!("resource: {{manifest: {MANIFEST}, success: object.status.done{more}}}"))
}

fn in_scope<T>(plan: &Plan, read: impl FnOnce(&PlannedTask, &Scope<'_>) -> T) -> T {
    let params = plan.resolve_params(None, &json!({})).expect("params");
    let run = json!({"name": "r", "phase": "Running", "generation": 0});
    let outputs = Map::from_iter([("rows".to_owned(), json!(3))]);
    let a = TaskView { phase: TaskPhase::Succeeded, reason: None, outputs: Some(&outputs), items: None };
    let tasks = |name: &str| (name == "a").then_some(a);
    let scope = Scope { params: &params, run: &run, tasks: &tasks, attempt: 2, item: None };
    read(&plan.tasks()[1], &scope)
}

#[test]
fn an_object_has_the_defaults_that_are_not_about_containers() {
    let plan = plan(&resource(""));
    let task = &plan.tasks()[1];
    let resource = task.resource().expect("an object");
    assert_eq!((resource.api_version.as_str(), resource.kind.as_str()), ("example.org/v1", "Fetch"));
    assert_eq!(resource.account, "default");
    assert_eq!((task.retry.limit, task.times.timeout), (3, Some(jiff::SignedDuration::from_hours(1))));
    assert!(task.image.is_none() && task.env.is_empty() && task.times.start_timeout.is_none());
}

#[test]
fn what_an_object_is_made_from() {
    let made = |set: &str| {
        let plan = plan(&resource(&format!(", set: [{set}]")));
        in_scope(&plan, PlannedTask::resource_manifest).map(Value::Object).map_err(|it| it.to_string())
    };
    let spec = |spec: Value| Ok(json!({"apiVersion": "example.org/v1", "kind": "Fetch", "spec": spec}));
    for (set, expected) in [
        ("", spec(json!({"urls": [{"url": "x"}], "tries": 1}))),
        ("{path: /spec/tries, expr: params.tries}", spec(json!({"urls": [{"url": "x"}], "tries": 3}))),
        ("{path: /spec/tries, expr: 'null'}", spec(json!({"urls": [{"url": "x"}]}))),
        (
            "{path: /spec/urls/0/url, expr: run.name}, {path: /spec/a/b, expr: double(tasks.a.outputs.rows) * 2.0}",
            spec(json!({"urls": [{"url": "r"}], "tries": 1, "a": {"b": 6}})),
        ),
    ] {
        assert_eq!(made(set), expected, "{set}");
    }
    for (set, words) in [
        ("{path: /spec/x, expr: 1 / (attempt - 2)}", "tasks[1].resource.set[0].expr: task `b`: set: "),
        (
            "{path: /spec/x, expr: 'lists.range(20000)'}, {path: /spec/y, expr: 'lists.range(20000)'}, {path: /spec/z, expr: 'lists.range(20000)'}",
            "262144 are allowed",
        ),
    ] {
        let wrong = made(set).expect_err(set);
        assert!(wrong.contains(words), "{set}: {wrong}");
    }
}

#[test]
fn what_an_object_tells() {
    let told = |conditions: &str, object: Value| {
        let plan = plan(&spec(&format!("resource: {{manifest: {MANIFEST}, {conditions}}}")));
        in_scope(&plan, |task, scope| task.told_by(&object, scope)).map_err(|problem| problem.to_string())
    };
    let succeeded = |outputs: Value| Told::Succeeded(Ok(outputs.as_object().cloned().expect("a map")));
    let done = || json!({"status": {"n": 1, "done": true, "list": [{"a": "x"}]}});
    for (conditions, object, expected) in [
        ("success: object.status.n > 0", json!({}), Told::NotYet),
        ("success: object.status.n > 0", json!({"status": {}}), Told::NotYet),
        ("success: object.status.n > 0", done(), succeeded(json!({}))),
        ("success: \"object.status.list[1].a == 'x'\"", done(), Told::NotYet),
        ("success: object.status.missing > 0 || object.status.done", done(), succeeded(json!({}))),
        ("success: object.status.n == params.tries - attempt", done(), succeeded(json!({}))),
        ("success: object.status.n > 0, failure: object.status.done", done(), Told::Failed),
        ("success: object.status.n > 0, failure: object.status.missing", done(), succeeded(json!({}))),
        (
            "success: object.status.done, outputs: [{name: n, expr: double(object.status.n) + 0.5, type: number}]",
            done(),
            succeeded(json!({"n": 1.5})),
        ),
        (
            "success: object.status.done, outputs: [{name: n, expr: object.status.list}]",
            done(),
            succeeded(json!({"n": [{"a": "x"}]})),
        ),
        (
            "success: object.status.done, outputs: [{name: n, expr: object.status.n, type: string}]",
            done(),
            Told::Succeeded(Err(Lack::Invalid("output n is an int, and its type is string".into()))),
        ),
    ] {
        assert_eq!(told(conditions, object), Ok(expected), "{conditions}");
    }
    for (conditions, words) in [
        (
            "success: object.status.n",
            "tasks[1].resource.success: task `b`: success: it is an int, not true or false: compare it",
        ),
        ("success: object.status.n.a == 1", "tasks[1].resource.success: task `b`: success: "),
        (
            "success: object.status.done, failure: object.status.list > 1",
            "tasks[1].resource.failure: task `b`: failure: ",
        ),
        (
            "success: object.status.done, outputs: [{name: n, expr: object.status.n / 0}]",
            "tasks[1].resource.outputs[0].expr: task `b`: output n: ",
        ),
    ] {
        let wrong = told(conditions, done()).expect_err(conditions);
        assert!(wrong.starts_with(words), "{conditions}: {wrong}");
    }
    let missing = told("success: object.status.done, outputs: [{name: n, expr: object.status.nn}]", done());
    assert!(
        matches!(&missing, Ok(Told::Succeeded(Err(Lack::Missing(why)))) if why.starts_with("output n: ")),
        "{missing:?}"
    );
}

#[test]
#[rustfmt::skip]
fn objects_that_cannot_be() {
    for (more, code, path, words) in [
        (", set: [{path: spec, expr: '1'}]", Code::BadPointer, "set[0].path", "begin with a slash"),
        (", set: [{path: /spec/urls/1/url, expr: '1'}]", Code::BadPointer, "set[0].path", "a list with 1 items"),
        (", set: [{path: /spec/tries, expr: '1'}, {path: /spec/tries, expr: '2'}]", Code::BadPointer, "set[1].path", "set each field once"),
        (", set: [{path: /spec, expr: '1'}, {path: /spec/tries, expr: '2'}]", Code::BadPointer, "set[1].path", "set each field once"),
        (", set: [{path: /metadata/name, expr: '1'}]", Code::ReservedField, "set[0].path", "metadata can't follow a value"),
        (", set: [{path: /kind, expr: '1'}]", Code::ReservedField, "set[0].path", "kind can't follow a value"),
        (", set: [{path: /apiVersion, expr: '1'}]", Code::ReservedField, "set[0].path", "apiVersion can't follow a value"),
        (", set: [{path: /spec/x, expr: object.spec}]", Code::BadExpression, "set[0].expr", "`object` is not known here"),
        (", set: [{path: /spec/x, expr: item}]", Code::NoItem, "set[0].expr", "has no forEach"),
        (", set: [{path: /spec/x, expr: params.trise}]", Code::UnknownParam, "set[0].expr", "did you mean `tries`?"),
        (", failure: objects.x", Code::BadExpression, "failure", "did you mean `object`?"),
        (", failure: tasks.b.phase == 'x'", Code::NotUpstream, "failure", "reads itself"),
        (", outputs: [{name: a-b, expr: object.x}]", Code::BadIdentifier, "outputs[0].name", "no identifier"),
        (", outputs: [{name: a, expr: object.x}, {name: a, expr: object.x}]", Code::DuplicateOutput, "outputs[1].name", "declared twice"),
        (", outputs: [{name: a, expr: object. }]", Code::BadExpression, "outputs[0].expr", ""),
        (", serviceAccountName: Not_One", Code::BadName, "serviceAccountName", "can't name a service account"),
    ] {
        refused(&resource(more), code, &format!("tasks[1].resource.{path}"), words);
    }
    for (manifest, code, path, words) in [
        ("{kind: Fetch}", Code::BadManifest, "apiVersion", "as in v1 or batch/v1"),
        ("{apiVersion: a/b/c, kind: Fetch}", Code::BadManifest, "apiVersion", "as in v1 or batch/v1"),
        ("{apiVersion: v1}", Code::BadManifest, "kind", "as in Job"),
        ("{apiVersion: v1, kind: Secret}", Code::ForbiddenKind, "kind", "no task may make a v1 Secret"),
        ("{apiVersion: v1, kind: Pod}", Code::ForbiddenKind, "kind", "a pod is a task of its own"),
        ("{apiVersion: rbac.authorization.k8s.io/v1, kind: RoleBinding}", Code::ForbiddenKind, "kind", "give rights"),
        ("{apiVersion: gantline.dev/v1alpha1, kind: WorkflowRun}", Code::ForbiddenKind, "kind", "a task with workflowRef"),
        ("{apiVersion: v1, kind: X, metadata: {name: x}}", Code::ReservedField, "metadata.name", "Gantline names the object"),
        ("{apiVersion: v1, kind: X, metadata: {generateName: x}}", Code::ReservedField, "metadata.generateName", "remove it"),
        ("{apiVersion: v1, kind: X, metadata: {namespace: x}}", Code::ReservedField, "metadata.namespace", "remove it"),
        ("{apiVersion: v1, kind: X, metadata: {finalizers: [a/b]}}", Code::ReservedField, "metadata.finalizers", "remove it"),
        ("{apiVersion: v1, kind: X, metadata: {ownerReferences: []}}", Code::ReservedField, "metadata.ownerReferences", "remove it"),
        ("{apiVersion: v1, kind: X, metadata: {labels: {gantline.dev/run-uid: x}}}", Code::ReservedField, "metadata.labels['gantline.dev/run-uid']", "choose another prefix"),
        ("{apiVersion: v1, kind: X, metadata: {labels: {a: 1}}}", Code::BadManifest, "metadata.labels.a", "quote it"),
        ("{apiVersion: v1, kind: X, metadata: {labels: [a]}}", Code::BadManifest, "metadata.labels", "must be an object"),
        ("{apiVersion: v1, kind: X, metadata: 1}", Code::BadManifest, "metadata", "must be an object"),
    ] {
        let spec = spec(&format!("resource: {{manifest: {manifest}, success: 'true'}}"));
        refused(&spec, code, &format!("tasks[1].resource.manifest.{path}"), words);
    }
    let long = "x".repeat(33_000);
    let large = spec(&format!("resource: {{manifest: {{apiVersion: v1, kind: X, data: {long}}}, success: 'true'}}"));
    refused(&large, Code::TooLong, "tasks[1].resource.manifest", "32768 are allowed");
}

#[test]
fn an_object_has_no_container_and_is_no_other_thing() {
    for more in [
        "image: i",
        "script: x",
        "outputs: [{name: o, type: int}]",
        "startTimeout: 5m",
        "env: [{name: A, value: b}]",
        "logTail: Omit",
        "onNodeLost: Wait",
        "workflowRef: {name: w}",
    ] {
        let (field, _) = more.split_once(':').expect("a field");
        let spec = format!("{}, {more}}}", resource("").trim_end().strip_suffix('}').expect("a task"));
        refused(&spec, Code::ResourceNotAlone, "tasks[1].resource", &format!("it has `{field}` too"));
    }
    let joined = spec(&format!("join: {{}}, resource: {{manifest: {MANIFEST}, success: 'true'}}"));
    refused(&joined, Code::JoinWithContainer, "tasks[1].join", "has `resource` too");
}

#[test]
fn what_others_read_of_an_object() {
    let reader = "\n- {name: c, needs: [b], env: [{name: X, expr: ";
    let with_output = resource(", outputs: [{name: bytes, expr: object.status.bytes, type: number}]");
    let good = plan(&format!("{}{reader}tasks.b.outputs.bytes}}]}}", with_output.trim_end()));
    assert_eq!(good.tasks()[1].output_names().collect::<Vec<_>>(), ["bytes"]);
    let bad = format!("{}{reader}tasks.b.outputs.byte}}]}}", with_output.trim_end());
    refused(&bad, Code::UnknownOutput, "tasks[2].env[0].expr", "did you mean `bytes`?");
    assert_eq!(problems(&bad).len(), 1);
}

#[test]
fn an_unguarded_read_is_warned_about_in_an_object_too() {
    let spec = resource(", set: [{path: /spec/x, expr: tasks.a.outputs.rows}]")
        .replace("needs: [a]", "needs: [a], triggerRule: AllDone");
    let warnings: Vec<String> = plan(&spec).warnings().iter().map(|it| it.path.clone()).collect();
    assert_eq!(warnings, ["tasks[1].resource.set[0].expr"]);
}
