//! Laws that hold for every spec, however odd.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::testing::spec;
use super::{Code, Origin, Plan, Problem, TriggerRule, limits};
use crate::api::{Task, WorkflowSpec};

/// A short text that often means something.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-e]",
        2 => prop::sample::select(vec![
            "main", "load-sales", "while", "GANTLINE_X", "gantline.dev/x", "$(A)", "x=$(A)", "echo $(A)", "sh", "",
            "params.a", "tasks.a.outputs.a", "tasks['a'].phase", "run.name", "attempt + 1", "a - ", "has(tasks.b.outputs.c)",
            "spec", "metadata", "containers", "initContainers", "name", "env", "labels", "image", "command", "restartPolicy",
            "secretKeyRef", "fieldRef", "key", "fieldPath", "1Gi", "500m", "\0", "💥",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ]
}

/// Any JSON, in which words are often keys.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(word(), json_value(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

fn kind() -> impl Strategy<Value = Value> {
    prop::sample::select(vec!["string", "int", "bool", "number", "list", "object"]).prop_map(Value::from)
}

/// An object of some of these fields.
fn some_of(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    fields
        .into_iter()
        .map(|(name, value)| prop::option::weighted(0.4, value).prop_map(move |value| (name, value)))
        .collect::<Vec<_>>()
        .prop_map(|fields| {
            let set = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
            Value::Object(set.collect())
        })
        .boxed()
}

/// An object with these fields, and others.
fn with(fixed: impl Strategy<Value = Value> + 'static, other: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    (fixed, other)
        .prop_map(|(fixed, mut other)| {
            if let (Some(other), Value::Object(fixed)) = (other.as_object_mut(), fixed) {
                other.extend(fixed);
            }
            other
        })
        .boxed()
}

fn words() -> BoxedStrategy<Value> {
    prop::collection::vec(word(), 0..3).prop_map(Value::from).boxed()
}

fn text() -> BoxedStrategy<Value> {
    word().prop_map(Value::from).boxed()
}

fn list_of(item: BoxedStrategy<Value>) -> BoxedStrategy<Value> {
    prop::collection::vec(item, 0..4).prop_map(Value::from).boxed()
}

fn env() -> BoxedStrategy<Value> {
    let name = word().prop_map(|name| json!({"name": name}));
    let sources = vec![("value", text()), ("valueFrom", object().boxed()), ("expr", text())];
    list_of(with(name, some_of(sources)))
}

fn typed(more: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let items = kind().prop_map(|kind| json!({"type": kind})).boxed();
    let mut fields = vec![("description", text()), ("default", json_value().boxed()), ("items", items)];
    fields.extend(more);
    let fixed = (word(), kind()).prop_map(|(name, kind)| json!({"name": name, "type": kind}));
    list_of(with(fixed, some_of(fields)))
}

fn params() -> BoxedStrategy<Value> {
    let length = || (0..10_u32).prop_map(Value::from).boxed();
    typed(vec![
        ("defaultExpr", text()),
        ("enum", list_of(json_value().boxed())),
        ("min", json_value().boxed()),
        ("max", json_value().boxed()),
        ("pattern", text()),
        ("minLength", length()),
        ("maxLength", length()),
    ])
}

fn common() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let amounts = some_of(vec![("requests", object().boxed()), ("limits", object().boxed())]);
    vec![
        ("image", text()),
        ("shell", words()),
        ("env", env()),
        ("resources", amounts),
        ("podTemplate", object().boxed()),
        ("logTail", Just(json!("Omit")).boxed()),
    ]
}

fn rule() -> BoxedStrategy<Value> {
    let known = prop::sample::select(TriggerRule::ALL).prop_map(|rule| rule.to_string());
    prop_oneof![known, word()].prop_map(Value::from).boxed()
}

/// A workflow written inline, which may be none.
fn inline() -> BoxedStrategy<Value> {
    let task = some_of(vec![("name", text()), ("image", text()), ("when", text()), ("unknown", json_value().boxed())]);
    let spec = some_of(vec![("tasks", list_of(task)), ("params", params()), ("outputs", run_outputs())]);
    prop_oneof![3 => spec, 1 => object().boxed()].boxed()
}

fn run_outputs() -> BoxedStrategy<Value> {
    list_of((word(), word()).prop_map(|(name, expr)| json!({"name": name, "expr": expr})).boxed())
}

/// Params of a child run.
fn given() -> BoxedStrategy<Value> {
    let name = word().prop_map(|name| json!({"name": name}));
    list_of(with(name, some_of(vec![("value", json_value().boxed()), ("expr", text())])))
}

/// A spec of odd tasks.
fn odd_spec() -> impl Strategy<Value = WorkflowSpec> {
    let mut fields = common();
    fields.extend([
        ("description", text()),
        ("needs", words()),
        ("triggerRule", rule()),
        ("allowFailure", any::<bool>().prop_map(Value::from).boxed()),
        ("when", text()),
        ("join", Just(json!({})).boxed()),
        ("workflowRef", word().prop_map(|name| json!({"name": name})).boxed()),
        ("workflow", inline()),
        ("params", given()),
        ("script", text()),
        ("command", words()),
        ("args", words()),
        ("outputs", typed(Vec::new())),
    ]);
    let task = with(word().prop_map(|name| json!({"name": name})), some_of(fields));
    let tasks = (list_of(task.clone()), prop::option::weighted(0.3, list_of(task)));
    let tasks = tasks.prop_map(|(tasks, last)| match last {
        Some(last) => json!({"tasks": tasks, "finally": last}),
        None => json!({"tasks": tasks}),
    });
    let rest = some_of(vec![("params", params()), ("taskDefaults", some_of(common())), ("outputs", run_outputs())]);
    with(tasks, rest).prop_map(|spec| serde_json::from_value(spec).expect("a spec"))
}

/// A spec of plain tasks that need one another at random, in circles too.
fn graph_spec() -> impl Strategy<Value = WorkflowSpec> {
    (1..40_usize, any::<bool>())
        .prop_flat_map(|(count, circles)| {
            let edge = (0..count, 0..count);
            (Just(count), Just(circles), prop::collection::btree_set(edge, 0..80))
        })
        .prop_map(|(count, circles, edges)| {
            let tasks = (0..count).map(|task| {
                let needs = edges.iter().filter(|(from, to)| *from == task && (circles || to < from));
                let needs: Vec<String> = needs.map(|(_, to)| format!("t{to}")).collect();
                json!({"name": format!("t{task}"), "image": "i", "needs": needs})
            });
            let tasks: Vec<Value> = tasks.collect();
            serde_json::from_value(json!({"tasks": tasks})).expect("a spec")
        })
}

fn check_plan(spec: &WorkflowSpec, plan: &Plan) -> Result<(), TestCaseError> {
    let all: Vec<&Task> = spec.tasks.iter().chain(&spec.finally).collect();
    prop_assert_eq!(plan.tasks().len(), all.len());
    let mut done = BTreeSet::new();
    for index in plan.order() {
        let task = &plan.tasks()[*index];
        prop_assert!(task.needs.is_sorted_by(|a, b| a < b));
        prop_assert!(task.needs.iter().all(|need| done.contains(need)), "{} before its needs", task.name);
        prop_assert!(done.insert(*index), "{} twice", task.name);
        let needs: BTreeSet<&str> = task.needs.iter().map(|need| plan.tasks()[*need].name.as_str()).collect();
        let declared: BTreeSet<&str> = all[*index].needs.iter().map(String::as_str).collect();
        prop_assert_eq!(needs, declared);
        prop_assert_eq!(plan.index(&task.name), Some(*index));
    }
    prop_assert_eq!(done.len(), all.len());
    let last = plan.order().iter().map(|index| plan.tasks()[*index].finally);
    prop_assert!(last.is_sorted());
    Ok(())
}

fn check_problems(problems: &[Problem]) -> Result<(), TestCaseError> {
    prop_assert!(!problems.is_empty());
    prop_assert!(problems.len() <= limits::PROBLEMS + 1);
    for problem in problems {
        prop_assert!(!problem.path.is_empty() && !problem.message.is_empty());
        prop_assert!(problem.message.len() <= limits::MESSAGE_BYTES);
        let printable = |text: &str| !text.chars().any(char::is_control);
        prop_assert!(printable(&problem.path) && printable(&problem.message), "{:?}", problem);
    }
    Ok(())
}

fn check_laws(spec: &WorkflowSpec) -> Result<(), TestCaseError> {
    for origin in [Origin::Workflow, Origin::Inline] {
        match Plan::checked(spec, origin) {
            Ok(plan) => {
                check_plan(spec, &plan)?;
                let again = Plan::checked(spec, origin).expect("a plan again");
                prop_assert_eq!(format!("{plan:?}"), format!("{again:?}"));
            }
            Err(problems) => {
                check_problems(&problems)?;
                prop_assert_eq!(Err(problems), Plan::checked(spec, origin).map(|_| ()));
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn an_odd_spec_is_a_plan_or_problems(spec in odd_spec()) {
        check_laws(&spec)?;
    }

    #[test]
    fn a_graph_is_a_plan_unless_it_has_circles(spec in graph_spec()) {
        check_laws(&spec)?;
        if let Err(problems) = Plan::new(&spec) {
            let circles = [Code::Cycle, Code::SelfNeed];
            prop_assert!(problems.iter().all(|problem| circles.contains(&problem.code)), "{:?}", problems);
        }
    }

    #[test]
    fn parameters_are_resolved_or_problems(params in params(), given in object(), run in object()) {
        let params: Vec<Value> = params.as_array().cloned().unwrap_or_default();
        // The ones that can be declared, each under a name of its own.
        for param in params {
            let spec: WorkflowSpec = serde_json::from_value(json!({"params": [param], "tasks": [{"name": "a", "image": "i"}]})).expect("a spec");
            let Ok(plan) = Plan::new(&spec) else { continue };
            match plan.resolve_params(given.as_object(), &run) {
                Ok(resolved) => {
                    prop_assert_eq!(resolved.len(), 1);
                    prop_assert_eq!(plan.resolve_params(Some(&resolved), &run), Ok(resolved), "once more changes nothing");
                }
                Err(problems) => {
                    check_problems(&problems)?;
                    prop_assert!(problems.iter().all(|problem| problem.path.starts_with("params")));
                }
            }
        }
    }
}

/// Names of two letters, so that as many needs as possible fit into a spec.
fn short(index: usize) -> String {
    let letter = |n: usize| char::from(b"abcdefghijklmnopqrstuvwxyz0123456789"[n % 36]);
    [letter(index / 1_296), letter(index / 36), letter(index)].iter().collect()
}

#[test]
fn the_densest_graphs_are_planned() {
    let layers = |width: usize| {
        let mut yaml = "taskDefaults: {image: i}\ntasks:\n".to_owned();
        let mut bytes = 0;
        for index in 0..limits::TASKS {
            let layer = index / width * width;
            let from = layer.saturating_sub(width);
            // Until the spec is full.
            let needs: Vec<String> = (from..layer).take_while(|_| bytes < 330_000).map(short).collect();
            bytes += needs.len() * 6;
            let reads = if layer > 0 && !needs.is_empty() { "tasks['aaa'].phase" } else { "run.name" };
            let needs = needs.join(", ");
            writeln!(yaml, "- {{name: {}, needs: [{needs}], env: [{{name: X, expr: \"{reads}\"}}]}}", short(index))
                .expect("a line");
        }
        spec(&yaml)
    };
    for (what, spec, edges) in [
        ("a chain", layers(1), 4_999),
        ("layers of 30", layers(30), 50_000),
        ("layers of 300", layers(300), 50_000),
        ("ten layers", layers(500), 50_000),
    ] {
        let plan = Plan::new(&spec).expect(what);
        let planned: usize = plan.tasks().iter().map(|task| task.needs.len()).sum();
        assert!(planned >= edges, "{what}: {planned} edges");
    }
}

#[test]
fn hostile_specs_are_refused_in_few_words() {
    let unknown: Vec<String> = (0..110_000).map(|n| format!("{:x}", n % 4096)).collect();
    let tasks: Vec<Value> = unknown
        .chunks(1_000)
        .enumerate()
        .map(|(index, needs)| json!({"name": format!("t{index}"), "image": "i", "needs": needs}))
        .collect();
    let spec: WorkflowSpec = serde_json::from_value(json!({"tasks": tasks})).expect("a spec");
    let problems = Plan::new(&spec).expect_err("unknown needs");
    assert_eq!(problems.last().map(|problem| problem.code), Some(Code::MoreProblems));
    assert!(problems.len() <= 51, "{} problems", problems.len());
}

#[test]
fn codes_have_different_names() {
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len());
    assert!(names.len() >= 25);
}
