//! What is told of manifests, as tables: a mistake, its place, its words.

mod files;
mod output;
mod plan;
mod schema;
mod yaml;

use super::{Report, Source, check};

/// A Workflow whose spec is these lines: the first of them is line 5, indented by two.
fn workflow(spec: &str) -> String {
    object("Workflow", spec)
}

/// The same of a run.
fn run(spec: &str) -> String {
    object("WorkflowRun", spec)
}

fn object(kind: &str, spec: &str) -> String {
    let spec: Vec<String> = spec.lines().map(|line| format!("  {line}\n")).collect();
    let spec = spec.concat();
    format!("apiVersion: gantline.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: w}}\nspec:\n{spec}")
}

fn checked(texts: &[&str]) -> Report {
    let source = |(at, text): (usize, &&str)| Source { name: format!("{at}.yaml"), bytes: text.as_bytes().to_vec() };
    check(&texts.iter().enumerate().map(source).collect::<Vec<_>>())
}

/// Everything that is told of a file: `5:3 Code path: message`.
fn told(text: &str) -> Vec<String> {
    let findings = checked(&[text]).findings;
    findings
        .iter()
        .map(|found| {
            let path = if found.path.is_empty() { String::new() } else { format!("{}: ", found.path) };
            format!("{}:{} {} {path}{}", found.line, found.column, found.code, found.message)
        })
        .collect()
}

/// Asserts that this is told of a file, and nothing else.
#[track_caller]
fn tells(text: &str, expected: &[&str]) {
    assert_eq!(told(text), expected, "{text}");
}
