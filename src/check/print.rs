//! What is found, for people and for tools.

use std::fmt::Write as _;

use super::{Finding, Report, Severity};
use crate::plan::Code;

/// The report for people: each finding with the line it is about, then how many there are.
#[must_use]
pub fn human(report: &Report, files: usize) -> String {
    let mut text = String::new();
    for finding in &report.findings {
        text.push_str(&one(finding));
        text.push('\n');
    }
    let objects = counted(report.objects, "object");
    let files = counted(files, "file");
    let of = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let result = match (of(Severity::Error), of(Severity::Warning)) {
        (0, 0) => "no mistakes".to_owned(),
        (errors, 0) => counted(errors, "error"),
        (0, warnings) => counted(warnings, "warning"),
        (errors, warnings) => format!("{} and {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    // Writing to a string can't fail.
    let _ = writeln!(text, "{objects} in {files}: {result}");
    text
}

fn one(finding: &Finding) -> String {
    let Finding { file, line, column, path, code, severity, message, object, excerpt } = finding;
    let severity = severity.as_str();
    let of = object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
    let path = if path.is_empty() { String::new() } else { format!("{path}: ") };
    let number = line.to_string();
    let margin = " ".repeat(number.len());
    let (indent, mark) = (" ".repeat(excerpt.indent), "^".repeat(excerpt.width));
    format!(
        "{file}:{line}:{column}: {severity}[{code}]: {of}{path}{message}\n{number} | {}\n{margin} | {indent}{mark}\n",
        excerpt.line
    )
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}

/// The findings for tools: a JSON array, one object each.
#[must_use]
pub fn json(report: &Report) -> String {
    let findings = serde_json::to_value(&report.findings).unwrap_or_default();
    format!("{findings:#}\n")
}

/// Every code with what it means, in the order of their names.
#[must_use]
pub fn codes() -> String {
    let mut codes = Code::ALL.to_vec();
    codes.sort_by_key(|code| code.as_str());
    let width = codes.iter().map(|code| code.as_str().len()).max().unwrap_or(0);
    let line = |code: &Code| format!("{:width$}  {}\n", code.as_str(), code.meaning());
    codes.iter().map(line).collect::<Vec<_>>().concat()
}
