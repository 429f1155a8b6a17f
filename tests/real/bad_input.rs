//! The worst of what people may write, by mistake or with intent, all at once: each gets a clear error, from the API server where
//! its schema can say it, else from the run itself; and another run of the namespace goes on beside them.

use serde_json::{Value, json};

use super::stage::Stage;

/// A run of one task with these fields, and these more in its spec.
fn run(name: &str, task: &Value, more: &Value) -> Value {
    let mut one = json!({"name": "a", "image": "busybox:1.37", "script": "true"});
    merge(&mut one, task);
    let mut spec = json!({"workflow": {"tasks": [one]}});
    merge(&mut spec["workflow"], &more["workflow"]);
    if let Some(params) = more.get("params") {
        spec["params"] = params.clone();
    }
    json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": {"name": name}, "spec": spec})
}

fn merge(object: &mut Value, more: &Value) {
    for (field, value) in more.as_object().into_iter().flatten() {
        object[field] = value.clone();
    }
}

fn env(expr: &str) -> Value {
    json!({"env": [{"name": "X", "expr": expr}]})
}

/// What the task writes as its output `v`, of this type: so many bytes in all.
fn output(bytes: usize) -> Value {
    let script = format!("(printf v=; head -c {} /dev/zero | tr '\\0' x) > \"$GANTLINE_OUTPUT\"", bytes - 2);
    json!({"script": script, "outputs": [{"name": "v", "type": "string"}]})
}

/// What the API server answers at once: a name, the run, and part of the answer.
#[rustfmt::skip]
fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let none = json!({});
    let nested = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let ages = format!("1{}h", "0".repeat(34));
    vec![
        ("expression-of-100-kb", run("refused", &env(&"x".repeat(100 * 1024)), &none), "may not be more than 1024"),
        ("expression-nested-10000-deep", run("refused", &env(&nested), &none), "may not be more than 1024"),
        ("field-of-100-kb", run("refused", &json!({"podExpr": {"image": "x".repeat(100 * 1024)}}), &none), "may not be more than 1024"),
        ("timeout-of-1e30-years", run("refused", &json!({"timeout": ages}), &none), "may not be more than 32"),
        ("list-of-1e6-items", run("refused", &none, &json!({"params": {"l": vec![1; 1_000_000]}})), "too large"),
        ("seventeen-claims", run("refused", &none, &json!({"workflow": {"volumeClaims": (0..17).map(|n| json!({"name": format!("c{n}"), "spec": {}})).collect::<Vec<_>>()}})), "must have at most 16 items"),
    ]
}

/// What a run itself says at its end: a name, the run, its reason, and part of its message.
#[rustfmt::skip]
fn told() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let none = json!({});
    let nested = format!("{}1{}", "(".repeat(500), ")".repeat(500));
    let number = json!({"workflow": {"params": [{"name": "n", "type": "number"}]}, "params": {"n": "NaN"}});
    let list = json!({"workflow": {"params": [{"name": "l", "type": "list"}]}, "params": {"l": vec![1; 100_000]}});
    let work = |spec: Value| json!({"workflow": {"volumeClaims": [{"name": "work", "spec": spec}]}});
    vec![
        ("nested", run("nested", &env(&nested), &none), "InvalidWorkflow", "the expression is nested more than 64 deep"),
        ("bomb", run("bomb", &env("run.name.matches('((a{99}){99}){99}')"), &none), "InvalidWorkflow", "the pattern of `matches` can't be used"),
        ("backtracks", run("backtracks", &env("string('a'.repeat(1000).matches('(a|aa)*b'))"), &none), "InvalidWorkflow", "`repeat`"),
        ("costly", run("costly", &env("lists.range(20000).map(x, lists.range(20000).map(y, x + y)).size()"), &none), "TaskFailed", "takes more than 200000 steps"),
        ("large-result", run("large-result", &env("lists.range(20000).map(x, 'abcdefghijklmnopqrstuvwxyz')"), &none), "TaskFailed", "the result has more than 262144 bytes"),
        ("not-a-number", run("not-a-number", &env("0.0 / 0.0"), &none), "TaskFailed", "which has no JSON form"),
        ("beyond", run("beyond", &env("9223372036854775807 + attempt"), &none), "TaskFailed", "is beyond a 64-bit int"),
        ("nul", run("nul", &json!({"env": [{"name": "X", "value": "a\0b"}]}), &none), "InvalidWorkflow", "has a NUL character, which no variable can hold"),
        ("nul-value", run("nul-value", &env(r"'a\u0000b'"), &none), "TaskFailed", "contains a NUL character"),
        ("ages", run("ages", &json!({"timeout": format!("{}h", "9".repeat(31))}), &none), "InvalidWorkflow", "is no duration from 1s to 8784h"),
        ("param-nan", run("param-nan", &none, &number), "InvalidParams", "must be a number, and this is a string"),
        ("param-list", run("param-list", &none, &list), "InvalidParams", "16384 are allowed"),
        ("amount", run("amount", &json!({"podExpr": {"limits": {"memory": "'NaN'"}}}), &none), "TaskFailed", "\"NaN\" is no amount"),
        ("no-image", run("no-image", &json!({"podExpr": {"image": "' '"}}), &none), "TaskFailed", "is no image"),
        ("claim", run("claim", &none, &work(json!({"accessModes": ["Sometimes"], "resources": {"requests": {"storage": "1Gi"}}}))), "InvalidWorkflow", "ReadWriteOnce"),
        ("output-4096", run("output-4096", &output(4_096), &none), "TaskFailed", "OutputTooLarge"),
        ("output-4097", run("output-4097", &output(4_097), &none), "TaskFailed", "OutputTooLarge"),
    ]
}

#[test]
fn bad_input_gets_a_clear_error_and_costs_nobody_else_anything() {
    let mut stage = Stage::new("bad-input");
    let mut wrong = Vec::new();
    for (what, manifest, words) in refused() {
        let answer = stage.feed(&["create", "-f", "-"], &manifest.to_string()).err().unwrap_or_default();
        let shown: String = answer.chars().rev().take(300).collect::<String>().chars().rev().collect();
        println!("{what}: {shown}");
        if !answer.contains(words) {
            wrong.push(format!("{what}: {shown:?} lacks {words:?}"));
        }
    }
    for (_, manifest, ..) in told() {
        stage.feed(&["create", "-f", "-"], &manifest.to_string()).expect("the API server takes it");
    }
    let fits = run("output-4095", &output(4_095), &json!({}));
    stage.feed(&["create", "-f", "-"], &fits.to_string()).expect("the API server takes it");
    for (name, _, reason, words) in told() {
        let status = stage.finished(name);
        let message = status["message"].as_str().unwrap_or_default();
        println!("{name}: {} {message}", status["reason"]);
        if status["reason"] != reason || !message.contains(words) || message.len() > 1024 {
            wrong.push(format!("{name}: {} {message:?} is not {reason} with {words:?}", status["reason"]));
        }
        let ran = name.starts_with("output");
        if ran == stage.pods(name).is_empty() {
            wrong.push(format!("{name}: only what writes outputs has a pod"));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    stage.succeeds("output-4095");
    assert!(stage.operator_is_up(), "the operator stays up");
}
