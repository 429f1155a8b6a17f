//! Any bytes are a manifest or findings: each with a place inside the file, after no more work than its bound.

use gantline::check::{Finding, Report, Severity, Source, check, human, json};
use gantline::plan::limits;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::cases::{Verdict, fuzz};
use super::json::{Corpus, examples};

/// Values that a file may be read as: its bound, and as many again for what one alias or merge stands for.
const VALUES: usize = 2_000_000;
/// Findings of a file: its bound, and one that counts the rest.
const FINDINGS: usize = 201;

/// What YAML is made of.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "\n", "\n", "\n  ", "\n- ", " ", "  ", "\t", "\r", "\r\n", ": ", ":", "- ", "-", "? ", "[", "]", "{", "}", ",", "#", " # x\n", "|\n", ">-\n  ", "&a ", "*a",
    "&b ", "*b", "<<: ", "!!str ", "!!int ", "!x ", "%YAML 1.2\n", "---\n", "\n---\n", "...\n", "\"", "'", "\"a\\n\"", "'b'", "\\", "@", "`", "a", "b: ", "0x1F", "1_0",
    "-0", ".inf", "1e999", "~", "null", "on", "é", "💥", "\u{feff}", "\u{2028}", "\0", "\u{7f}", "kind: Workflow\n", "apiVersion: gantline.dev/v1alpha1\n", "spec:\n",
    "metadata: {name: a}\n", "tasks:\n", "- name: a\n  image: i\n", "params: ", "status: ", "kind: List\nitems:\n",
];

fn law(bytes: &[u8]) -> Verdict {
    let source = Source { name: "f".to_owned(), bytes: bytes.to_vec() };
    let report = check(std::slice::from_ref(&source));
    prop_assert!(report.values <= VALUES, "{} values", report.values);
    prop_assert!(report.findings.len() <= FINDINGS, "{} findings", report.findings.len());
    let text = String::from_utf8_lossy(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes)).into_owned();
    let lines: Vec<&str> = lines(&text);
    for (at, finding) in report.findings.iter().enumerate() {
        finding_law(finding, &lines)?;
        prop_assert!(!report.findings[..at].contains(finding), "told twice: {:?}", finding);
    }
    let again = check(&[source]);
    prop_assert_eq!(&report.findings, &again.findings);
    prop_assert!(human(&report, 1).ends_with('\n') && json(&report).starts_with('['));
    Ok(reached(&report))
}

/// Lines as YAML breaks them.
fn lines(text: &str) -> Vec<&str> {
    text.split('\n').flat_map(|line| line.strip_suffix('\r').unwrap_or(line).split('\r')).collect()
}

fn finding_law(finding: &Finding, lines: &[&str]) -> Result<(), TestCaseError> {
    let Finding { line, column, message, path, excerpt, .. } = finding;
    let Some(text) = line.checked_sub(1).and_then(|line| lines.get(line)) else {
        return Err(TestCaseError::fail(format!("line {line} of {}: {finding:?}", lines.len())));
    };
    // One behind the end is where something is missing.
    prop_assert!((1..=text.chars().count() + 1).contains(column), "column {} of {:?}", column, text);
    prop_assert!(excerpt.width >= 1 && excerpt.indent <= excerpt.line.chars().count(), "{:?}", excerpt);
    prop_assert!(!message.is_empty() && message.len() <= limits::MESSAGE_BYTES, "{} bytes", message.len());
    prop_assert!(!message.chars().chain(path.chars()).any(char::is_control), "{:?} {:?}", path, message);
    prop_assert!(path.len() <= 16 * 1024, "a path of {} bytes", path.len());
    Ok(())
}

/// How far it got.
fn reached(report: &Report) -> &'static str {
    match (report.objects, report.findings.iter().any(|finding| finding.severity == Severity::Error)) {
        (0, false) => "passed over",
        (0, true) => "unreadable",
        (_, false) => "clean",
        (_, true) => "wrong",
    }
}

/// The text of every example, cut in two and put together with tokens, bytes and a piece of another one between.
fn texts() -> Vec<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).expect("examples").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|it| it == "yaml"));
    paths.sort();
    paths.iter().map(|path| std::fs::read_to_string(path).expect("a text")).collect()
}

fn spliced() -> impl Strategy<Value = Vec<u8>> {
    let cut = |text: &[u8], at: &Index| at.index(text.len() + 1);
    let tokens = || prop::collection::vec(select(TOKENS), 0..12).prop_map(|tokens| tokens.concat().into_bytes());
    let middle = prop_oneof![6 => tokens(), 1 => prop::collection::vec(any::<u8>(), 0..8)];
    (select(texts()), any::<Index>(), middle, any::<Index>()).prop_map(move |(text, to, middle, from)| {
        let text = text.into_bytes();
        let (to, from) = (cut(&text, &to), cut(&text, &from));
        // Often only a few bytes are left out.
        let from = if from < to { to } else { to + (from - to) % 64 };
        [&text[..to], &middle[..], &text[from.min(text.len())..]].concat()
    })
}

#[test]
fn any_bytes_are_a_manifest_or_findings() {
    let inputs = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..400),
        3 => prop::collection::vec(select(TOKENS), 0..60).prop_map(|tokens| tokens.concat().into_bytes()),
        1 => (select(TOKENS), 1..30_000_usize).prop_map(|(token, times)| token.repeat(times).into_bytes()),
        4 => spliced(),
    ];
    let tally = fuzz("manifests", 600, &inputs, |bytes| law(bytes));
    tally.at_least(5, "wrong").at_least(5, "unreadable");
}

#[test]
fn any_object_is_clean_or_wrong() {
    let mut objects = examples("Workflow");
    objects.extend(examples("WorkflowRun"));
    let inputs = Corpus::new(&objects).changed().prop_map(|(_, text)| text);
    fuzz("objects", 400, &inputs, |text| law(text.as_bytes())).at_least(5, "clean").at_least(20, "wrong");
}
