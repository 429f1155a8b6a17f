//! `gantline check` and the server agree on what a schema can say: on every field of the examples, with one thing changed.

use std::collections::BTreeSet;
use std::path::Path;

use gantline::check::{Finding, Severity, Source, check};
use gantline::plan::Code;

use super::*;

/// What only a schema finds, where it is about a field of a fixed name.
const OF_SCHEMAS: &[Code] = &[
    Code::DuplicateItem,
    Code::MissingField,
    Code::NotInEnum,
    Code::OutOfRange,
    Code::PatternMismatch,
    Code::RuleBroken,
    Code::WrongLength,
    Code::WrongType,
];

/// The objects of the examples that are ours.
fn examples() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    paths.sort();
    let texts = paths.iter().map(|path| std::fs::read_to_string(path).unwrap());
    let objects = texts.flat_map(|text| serde_saphyr::from_multiple::<Value>(&text).unwrap());
    objects.filter(|object| object["apiVersion"] == "gantline.dev/v1alpha1").collect()
}

/// Every place below one, as a JSON pointer, and as a path without the numbers of items.
fn places(value: &Value, pointer: &str, path: &str, found: &mut Vec<(String, String)>) {
    let children: Vec<(String, String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, child)| (format!("{pointer}/{key}"), format!("{path}.{key}"), child)).collect()
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(at, child)| (format!("{pointer}/{at}"), format!("{path}[]"), child))
            .collect(),
        _ => Vec::new(),
    };
    for (pointer, path, child) in children {
        // Names with slashes are users' own.
        if !path.contains('/') {
            places(child, &pointer, &path, found);
            found.push((pointer, path));
        }
    }
}

/// The object with one place changed in every way.
fn changed(object: &Value, pointer: &str) -> Vec<Value> {
    let long = "x".repeat(66_000);
    let values = [
        json!(null),
        json!(true),
        json!(7),
        json!(-1),
        json!(1.5),
        json!(""),
        json!("x"),
        json!("A b"),
        json!(long),
        json!([]),
        json!({}),
        json!(["x", "x"]),
        json!([null]),
        json!({ "x": 1 }),
        json!([{ "name": "x" }, { "name": "x" }]),
    ];
    let mut all: Vec<Value> = values
        .iter()
        .map(|value| {
            let mut object = object.clone();
            *object.pointer_mut(pointer).unwrap() = value.clone();
            object
        })
        .collect();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let mut without = object.clone();
    match without.pointer_mut(parent).unwrap() {
        Value::Object(map) => drop(map.remove(key)),
        Value::Array(items) => drop(items.remove(key.parse().unwrap())),
        _ => {}
    }
    all.push(without);
    all
}

fn found(object: &Value) -> Vec<Finding> {
    check(&[Source { name: "-".to_owned(), bytes: object.to_string().into_bytes() }]).findings
}

/// Whether a finding is one that the server must have too: none of the values that users choose.
fn is_of_schema(finding: &Finding) -> bool {
    let is_chosen = ["spec.params", "podTemplate", ".default", ".enum", ".min", ".max"].iter();
    // A workflow that is written in a task has no schema that the server knows.
    let is_nested = finding.path.contains("].workflow") && !finding.path.contains("].workflowRef");
    OF_SCHEMAS.contains(&finding.code) && !is_nested && !is_chosen.clone().any(|part| finding.path.contains(part))
}

#[test]
fn check_finds_what_the_server_refuses_and_nothing_that_it_takes() {
    let mut server = Server::new(1);
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    let (mut taken, mut told) = (0, 0);
    for object in examples() {
        let path = if object["kind"] == "Workflow" { WORKFLOWS } else { RUNS };
        let mut all = Vec::new();
        places(&object["spec"], "/spec", object["kind"].as_str().unwrap(), &mut all);
        all.retain(|(_, place)| seen.insert(place.clone()));
        for mut object in all.iter().flat_map(|(pointer, _)| changed(&object, pointer)) {
            object["metadata"] = json!({ "generateName": "a-" });
            let (code, answer) = send(&mut server, &Request::post(path, &object, at(0)));
            let findings = found(&object);
            let errors: Vec<&Finding> = findings.iter().filter(|one| one.severity == Severity::Error).collect();
            let agrees = if code < 300 { !errors.iter().any(|one| is_of_schema(one)) } else { !errors.is_empty() };
            taken += usize::from(code < 300);
            told += usize::from(code >= 300);
            if !agrees {
                let short: String = object["spec"].to_string().chars().take(300).collect();
                wrong.push(format!("{short}\n  {code} {}\n  {errors:?}", answer["message"]));
            }
        }
    }
    assert!(taken > 100 && told > 500, "{taken} taken, {told} refused");
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), taken + told, wrong.join("\n"));
}
