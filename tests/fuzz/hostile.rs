//! Inputs made to break things: each has a clear error, and little work is done before it is told.

use std::collections::BTreeMap;
use std::time::Instant;

use gantline::api::{OutputDecl, Reason, ValueType, WorkflowRun, WorkflowRunSpec, WorkflowSpec};
use gantline::controller::Loose;
use gantline::engine::outputs;
use gantline::plan::expr::{Expr, Place};
use gantline::plan::{Origin, Plan, Problem, limits};
use serde_json::{Map, Value, json};

use super::cases::peak_kib;

/// Items of a list without end.
const MANY: usize = 1_000_000;
/// Objects of a list that is far beyond what an API server takes.
const LARGE: usize = 20_000;

/// Does the work, and prints how long it took: a figure, no more, as the machine may be busy. What bounds the work are counts.
fn timed<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let begun = Instant::now();
    let result = work();
    let shown: String = what.chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    println!("figures: {:>8} µs  {shown}", begun.elapsed().as_micros());
    result
}

/// The words of the first problem with an expression, or of its error over these parameters.
fn told(text: &str, params: &Value) -> String {
    let roots = BTreeMap::from([("params".to_owned(), params.clone())]);
    timed(text, || match Expr::parse(text, Place::Env) {
        Err(problems) => problems[0].to_string(),
        Ok(expr) => expr.evaluate(&roots).expect_err(text).to_string(),
    })
}

#[test]
#[rustfmt::skip]
fn expressions() {
    let nested = |times: usize| format!("{}1{}", "(".repeat(times), ")".repeat(times));
    let params = json!({"large": u64::MAX, "many": vec![1; MANY], "text": "x".repeat(MANY)});
    for (text, words) in [
        (format!("'{}'", "x".repeat(100 * 1024)), "column 1: the expression has 102402 bytes, 1024 are allowed"),
        (nested(10_000), "column 1: the expression has 20001 bytes, 1024 are allowed"),
        (nested(500), "column 65: the expression is nested more than 64 deep"),
        (vec!["1"; 500].join("+"), "column 1: the expression is nested more than 64 deep"),
        ("'a'.matches('((a{99}){99}){99}')".into(), "the pattern of `matches` can't be used: "),
        ("'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a|aa)*(a|aa)*(?=b)')".into(), "the pattern of `matches` can't be used: "),
        ("params.text.matches('(x+x+)+y')".into(), "the expression takes more than 200000 steps on these inputs"),
        (format!("lists.range({MANY})"), "a range has between 0 and 20000 elements"),
        ("params.many.map(x, x + 1)".into(), "the expression takes more than 200000 steps on these inputs"),
        ("params.many.all(x, params.many.all(y, true))".into(), "the expression takes more than 200000 steps on these inputs"),
        ("params.many".into(), "the result has more than 262144 bytes as JSON"),
        ("params.text + params.text".into(), "the result has more than 262144 bytes as JSON"),
        ("params.large".into(), "the input has an integer beyond 64 bits"),
        ("9223372036854775807 + 1".into(), "the result of `+` is beyond a 64-bit int"),
        ("9223372036854775808".into(), "this integer is beyond 64 bits"),
        ("1e999".into(), "this number is beyond a double"),
        ("0.0 / 0.0".into(), "which has no JSON form"),
        ("1e308 * 10.0".into(), "which has no JSON form"),
        ("duration('999999999999h')".into(), "`duration` can't be used here; expressions have no clock"),
        ("'a\0b' + 1".into(), "`+` doesn't take"),
        ("\0".into(), "can't stand here"),
    ] {
        let told = told(&text, &params);
        let shown: String = text.chars().take(60).collect();
        assert!(told.contains(words) && told.len() < 512, "{shown}: {told}");
    }
}

/// The problems of a spec; each says where.
fn problems(what: &str, spec: &Value) -> Vec<Problem> {
    let spec: WorkflowSpec = serde_json::from_value(spec.clone()).expect("a spec");
    timed(what, || Plan::checked(&spec, Origin::Workflow)).expect_err("problems")
}

#[test]
#[rustfmt::skip]
fn workflows() {
    let task = |more: Value| {
        let mut task = json!({"name": "a", "image": "i"});
        task.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        json!({"tasks": [task]})
    };
    let param = |more: Value| {
        let mut param = json!({"name": "p", "type": "int"});
        param.as_object_mut().expect("an object").extend(more.as_object().cloned().unwrap_or_default());
        json!({"params": [param], "tasks": [{"name": "a", "image": "i"}]})
    };
    let many = |item: Value| vec![item; MANY];
    for (spec, path, words) in [
        (json!({"tasks": vec![json!({"name": "a"}); LARGE]}), "tasks", "there are 20000 tasks, 5000 are allowed"),
        (task(json!({"needs": many("b".into())})), "spec", "has 4000046 bytes, 786432 are allowed"),
        (task(json!({"args": many("".into())})), "spec", "786432 are allowed"),
        (task(json!({"env": vec![json!({"name": "A", "value": "x".repeat(40)}); LARGE]})), "spec", "786432 are allowed"),
        (task(json!({"outputs": vec![json!({"name": "x".repeat(40), "type": "int"}); LARGE]})), "spec", "786432 are allowed"),
        (task(json!({"podTemplate": {"spec": {"volumes": vec![json!({"name": "x".repeat(40)}); LARGE]}}})), "spec", "786432 are allowed"),
        (task(json!({"script": "x".repeat(100 * 1024)})), "tasks[0].script", "has 102400 bytes, 65536 are allowed"),
        (task(json!({"script": "a\0b"})), "tasks[0].script", "has a NUL character, which no program can be given"),
        (task(json!({"command": ["a\0b"]})), "tasks[0].command[0]", "has a NUL character"),
        (task(json!({"env": [{"name": "A", "value": "\0"}]})), "tasks[0].env[0].value", "has a NUL character, which no variable can hold"),
        (task(json!({"env": [{"name": "A", "expr": "x".repeat(100 * 1024)}]})), "tasks[0].env[0].expr", "102400 bytes"),
        (task(json!({"resources": {"limits": {"cpu": "9".repeat(100_000)}}})), "tasks[0].resources.limits.cpu", ""),
        (task(json!({"env": vec![json!({"name": "A", "expr": "''.matches('\\w{5}')"}); 2_000]})), "spec", "has 2000 regular expressions"),
        (task(json!({"timeout": format!("1{}h", "0".repeat(34))})), "tasks[0].timeout", "is no duration from 1s to 8784h"),
        (task(json!({"timeout": "9".repeat(100 * 1024) + "h"})), "tasks[0].timeout", "is no duration"),
        (task(json!({"retry": {"backoff": {"initial": format!("1{}h", "0".repeat(34))}}})), "tasks[0].retry.backoff.initial", "is no duration from 0s to 24h"),
        (task(json!({"podExpr": {"image": "x".repeat(100 * 1024)}})), "tasks[0].podExpr.image", "102400 bytes"),
        (task(json!({"podExpr": {"limits": (0..LARGE).map(|n| (n.to_string(), "'1'.matches('1')".to_owned())).collect::<BTreeMap<_, _>>()}})), "spec", "has 20000 regular expressions"),
        (task(json!({"podExpr": {"limits": (0..LARGE).map(|n| (n.to_string(), "'1'".to_owned())).collect::<BTreeMap<_, _>>()}})), "tasks[0].podExpr.limits", "has 20000 entries, 32 are allowed"),
        (json!({"volumeClaims": vec![json!({"name": "a", "spec": {}}); LARGE], "tasks": [{"name": "a", "image": "i"}]}), "volumeClaims", "has 20000 entries, 16 are allowed"),
        (param(json!({"type": "string", "pattern": "((a{99}){99}){99}"})), "params[0].pattern", "is too large when compiled"),
        (param(json!({"type": "string", "pattern": "(".repeat(100 * 1024)})), "params[0].pattern", "has 102400 characters, 256 are allowed"),
        (param(json!({"type": "string", "pattern": "(".repeat(256)})), "params[0].pattern", "is no regular expression"),
        (param(json!({"enum": vec![1; LARGE]})), "params[0].enum", "20000 values, 64 are allowed"),
        (param(json!({"default": 9_223_372_036_854_775_808_u64})), "params[0].default", "an int has 64 bits; pass it as a string"),
        (param(json!({"default": 1e300})), "params[0].default", "an int has 64 bits; pass it as a string"),
        (param(json!({"default": "NaN"})), "params[0].default", "must be an int, and this is a string"),
        (param(json!({"maxLength": 4_000_000_000_u32, "type": "list"})), "params[0].maxLength", "at most 1048576 is allowed"),
    ] {
        let found = problems(&format!("{path}: {words}"), &spec);
        assert!(found.len() <= limits::PROBLEMS + 1, "{path}: {} problems", found.len());
        let told = &found[0];
        assert!(told.path == path && told.message.contains(words) && told.message.len() < 512, "{path}, {words}: {told}");
    }
}

/// A spec of a million needs each of which is wrong would be a megabyte of problems; only the first are worded.
#[test]
fn a_workflow_of_nothing_but_mistakes() {
    let needs: Vec<String> = (0..100_000).map(|n| format!("{n:x}")).collect();
    let found = problems("nothing but mistakes", &json!({"tasks": [{"name": "a", "image": "i", "needs": needs}]}));
    assert_eq!(found.len(), limits::PROBLEMS + 1);
    let bytes: usize = found.iter().map(|problem| problem.to_string().len()).sum();
    assert!(bytes < 64 * 1024, "{bytes} bytes of problems");
}

#[test]
#[rustfmt::skip]
fn parameters() {
    let spec = json!({
        "params": [{"name": "n", "type": "number", "default": 1}, {"name": "l", "type": "list", "items": {"type": "int"}, "default": []}, {"name": "s", "type": "string", "pattern": "^(a|aa)*b$", "default": "b"}],
        "tasks": [{"name": "a", "image": "i"}],
    });
    let spec: WorkflowSpec = serde_json::from_value(spec).expect("a spec");
    let plan = Plan::new(&spec).expect("a plan");
    // Deeper than any parser of ours goes, and not so deep that it could not be dropped.
    let nested = (0..1_000).fold(Value::Null, |value, _| Value::Array(vec![value]));
    let unknown: Map<String, Value> = (0..MANY).map(|n| (n.to_string(), Value::Null)).collect();
    for (given, path, words) in [
        (json!({"l": vec![1; MANY]}), "params", "have 2000021 bytes, 16384 are allowed"),
        (json!({"l": vec!["x"; MANY]}), "params.l[0]", "must be an int, and this is a string"),
        (Value::Object(Map::from_iter([("l".to_owned(), nested)])), "params.l", "is nested more than 32 deep"),
        (json!({"s": "a".repeat(MANY)}), "params.s", "doesn't match the pattern"),
        (json!({"n": "NaN"}), "params.n", "must be a number, and this is a string"),
        (Value::Object(unknown), "params.0", "the workflow declares no param `0`"),
    ] {
        let found = plan.resolve_params(given.as_object(), &json!({})).expect_err(path);
        assert!(found.len() <= limits::PROBLEMS + 1, "{path}: {} problems", found.len());
        assert!(found[0].path == path && found[0].message.contains(words) && found[0].message.len() < 512, "{path}, {words}: {}", found[0]);
    }
}

#[test]
#[rustfmt::skip]
fn what_no_parser_takes() {
    let run = |spec: &str| Loose::<WorkflowRun>::parse(&format!(r#"{{"metadata":{{"name":"r"}},"spec":{spec}}}"#));
    let deep = |times: usize| format!("{}1{}", "[".repeat(times), "]".repeat(times));
    for (spec, words) in [
        (format!(r#"{{"params":{{"a":{}}}}}"#, deep(10_000)), "recursion limit exceeded"),
        (r#"{"params":{"a":1e999}}"#.to_owned(), "number out of range"),
        (r#"{"params":{"a":NaN}}"#.to_owned(), "expected value"),
        (r#"{"cancel":{"graceSeconds":99999999999}}"#.to_owned(), "expected u32"),
        (r#"{"cancel":{"generation":-1}}"#.to_owned(), "expected u32"),
        (format!(r#"{{"workflow":"{}"}}"#, "x".repeat(MANY)), "invalid type: string"),
        (format!(r#"{{"workflow":{{"tasks":[{{"name":"a","logTail":"{}"}}]}}}}"#, "x".repeat(MANY)), "unknown variant `xxx"),
        (r#"{"suspend":true,"suspend":false}"#.to_owned(), "duplicate field `suspend`"),
    ] {
        let why = run(&spec).object.expect_err(words);
        assert!(why.contains(words) && why.len() <= 1024, "{words}: {why}");
    }
    let read: Result<WorkflowRunSpec, _> = serde_json::from_str(r#"{"params":{"a":1e308}}"#);
    assert!(read.is_ok(), "the largest number is one");
}

#[test]
fn outputs_that_a_task_may_write() {
    let decl = |name: &str, kind| OutputDecl { name: name.into(), kind, description: None, default: None, items: None };
    let declared = [decl("v", ValueType::String)];
    let of_bytes = |bytes: usize| format!("v={}", "x".repeat(bytes - 2));
    assert!(outputs::read(&of_bytes(4_095), &declared, 1).is_ok());
    for (message, kind, reason, words) in [
        (
            of_bytes(4_096),
            ValueType::String,
            Reason::OutputTooLarge,
            "take 4096 bytes; the kubelet may have cut what reaches 4096",
        ),
        (of_bytes(4_097), ValueType::String, Reason::OutputTooLarge, "take 4097 bytes"),
        (of_bytes(MANY), ValueType::String, Reason::OutputTooLarge, "take 1000000 bytes"),
        ("v=NaN".into(), ValueType::Number, Reason::OutputInvalid, "output `v` is not a number"),
        ("v=inf".into(), ValueType::Number, Reason::OutputInvalid, "output `v` is not a number"),
        ("v=1e999".into(), ValueType::Number, Reason::OutputInvalid, "output `v` is not a number"),
        ("{\"v\": NaN}".into(), ValueType::Number, Reason::OutputInvalid, "not one JSON object: see line 1, column 7"),
        ("v=9223372036854775808".into(), ValueType::Int, Reason::OutputInvalid, "output `v` is not an int"),
        (
            "{\"v\": 1e19}".into(),
            ValueType::Int,
            Reason::OutputInvalid,
            "output `v` holds a whole number beyond 64 bits",
        ),
        ("v=a\0b".into(), ValueType::String, Reason::OutputInvalid, "output `v` holds a NUL character"),
        (
            format!("v={}", "[".repeat(4_000)),
            ValueType::List,
            Reason::OutputInvalid,
            "output `v` is not a list in JSON",
        ),
        (format!("{{\"v\":{}", "[".repeat(4_000)), ValueType::List, Reason::OutputInvalid, "not one JSON object"),
        ("\0".into(), ValueType::String, Reason::OutputInvalid, "line 1 of the outputs is not `name=value`"),
    ] {
        let shown: String = message.chars().take(40).collect();
        let (found, told) = outputs::read(&message, &[decl("v", kind)], 1).expect_err(&shown);
        assert!(found == reason && told.contains(words) && told.len() < 512, "{shown:?}: {found:?} {told}");
    }
    assert!(peak_kib() < 2 * 1024 * 1024, "{} KiB of memory at the peak", peak_kib());
}
