//! What expressions do, as tables.

mod agreement;
mod bounds;
mod evaluation;
mod functions;
mod grammar;
mod parsing;
mod references;

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::{Expr, Place};

/// Inputs for every table: a run of a small workflow.
fn roots() -> BTreeMap<String, Json> {
    let roots = json!({
        "params": {
            "date": "2026-11-22", "empty": "", "regions": ["emea", "apac"], "rows": 42, "share": 0.5,
            "flag": true, "nothing": null, "labels": {"b": 2, "a": 1, "c": {"d": [1, 2]}},
            "numbers": [3, 1, 2], "large": 18_446_744_073_709_551_615_u64, "secret": "s3cr3t",
        },
        "run": {"name": "daily", "uid": "u-1", "namespace": "default", "phase": "Running", "reason": "", "generation": 0},
        "tasks": {
            "extract": {"phase": "Succeeded", "reason": "", "outputs": {"rows": 42}, "items": []},
            "load-sales": {"phase": "Failed", "reason": "TaskFailed", "outputs": {}, "items": [{"phase": "Failed"}]},
        },
        "attempt": 2,
    });
    match roots {
        Json::Object(entries) => entries.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

fn parse(text: &str) -> Expr {
    Expr::parse(text, Place::Env).unwrap_or_else(|problems| panic!("{text}: {problems:?}"))
}

/// The value, or the words of the error.
fn evaluate(text: &str) -> Result<Json, String> {
    parse(text).evaluate(&roots()).map_err(|error| error.to_string())
}

/// Each expression has the value beside it.
fn values(table: &[(&str, Json)]) {
    let wrong = table.iter().filter_map(|(text, value)| match evaluate(text) {
        Ok(found) if found == *value => None,
        result => Some(format!("{text}: {result:?}, not {value}")),
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each expression fails with words that start as those beside it.
fn failures(table: &[(&str, &str)]) {
    let wrong = table.iter().filter_map(|(text, words)| match evaluate(text) {
        Err(error) if error.starts_with(words) => None,
        result => Some(format!("{text}: {result:?}, not {words}")),
    });
    let wrong: Vec<String> = wrong.collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The words of all problems with `text`.
fn problems(text: &str, place: Place) -> Vec<String> {
    match Expr::parse(text, place) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}
