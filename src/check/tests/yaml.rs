//! What kubectl would say of the file itself.

use std::fmt::Write as _;

use super::super::parse::{DEPTH, VALUES};
use super::{checked, tells, told, workflow};

/// Asserts that one thing is told of a file, which begins so.
#[track_caller]
fn tells_once(text: &str, expected: &str) {
    let found = told(text);
    let shown: String = text.chars().take(200).collect();
    assert!(matches!(found.as_slice(), [only] if only.starts_with(expected)), "{shown}\n{expected}\n{found:#?}");
}

#[test]
fn syntax_is_told_with_its_place() {
    for (text, expected) in [
        ("a: [1, 2", "1:4 BadYaml is no YAML: unclosed bracket '['"),
        ("a: b: c", "1:5 BadYaml is no YAML: "),
        ("a: \"x", "1:4 BadYaml is no YAML: "),
        ("a: 1\n\tb: 2", "1:4 BadYaml is no YAML: while scanning a plain scalar, found a tab"),
        ("a: *b", "1:4 BadYaml is no YAML: "),
        ("{{ .Values.x }}", "1:"),
        ("%YAML 3.0\n---\na: 1", "1:"),
        ("a: 1\n  b: 2", "2:4 BadYaml is no YAML: "),
        ("a: &x [*x]", "1:8 BadYaml a[0]: is inside of what it stands for"),
        ("? [a]\n: 1", "1:3 BadYaml a key must be a text: put it in quotes"),
        ("~: 1", "1:1 BadYaml a key can't be empty: name it"),
    ] {
        tells_once(text, expected);
    }
}

#[test]
fn bytes_that_are_no_text_are_told_with_their_place() {
    let bytes = b"a: 1\nb: \xff\n".to_vec();
    let report = super::check(&[super::Source { name: "x".into(), bytes }]);
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((finding.line, finding.column, finding.code.as_str()), (2, 4, "BadYaml"));
}

#[test]
fn documents_after_a_broken_one_are_checked() {
    let text = format!("a: [1\n---\n{}", workflow("tasks: [{name: a}]"));
    let found = told(&text);
    assert!(
        matches!(found.as_slice(), [first, second]
        if first.contains("BadYaml") && second.starts_with("7:11 NoImage")),
        "{found:#?}"
    );
}

#[test]
fn a_key_that_is_set_twice_is_told_where_it_is_the_second_time() {
    tells(
        &workflow("tasks:\n- name: a\n  image: i\n  image: j"),
        &["8:5 DuplicateKey spec.tasks[0].image: `image` is in line 7 already: remove one"],
    );
}

#[test]
fn anchors_aliases_and_merges_are_what_they_stand_for() {
    let spec = "taskDefaults: {image: i}
tasks:
- &one
  name: a
  env: &env
  - {name: X, value: x}
- <<: *one
  name: b
  needs: [a]
- {name: c, env: *env, needs: [b]}";
    tells(&workflow(spec), &[]);
    tells_once(&workflow("tasks: [{name: a, image: i, <<: 1}]"), "5:35 BadYaml spec.tasks[0]: `<<` merges a map");
}

#[test]
fn a_bomb_is_refused() {
    let mut laughs = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n".to_owned();
    for level in 1..10 {
        let alias = format!("*a{}", level - 1);
        writeln!(laughs, "a{level}: &a{level} [{}]", vec![alias; 10].join(", ")).expect("a string");
    }
    let words = format!("the file holds more than {VALUES} values, aliases counted as what they stand for: split it");
    let found = told(&laughs);
    assert!(matches!(found.as_slice(), [only] if only.ends_with(&words)), "{found:#?}");
    assert!(checked(&[&laughs]).values <= VALUES + 111_111);
    // The same by merging.
    let mut merges = "a0: &a0 {k: 1, l: 2, m: 3, n: 4}\n".to_owned();
    for level in 1..1_000 {
        writeln!(merges, "a{level}: &a{level} {{k{level}: 1, <<: *a{}}}", level - 1).expect("a string");
    }
    assert!(checked(&[&merges]).values <= VALUES * 2);
}

#[test]
fn nesting_is_bounded() {
    for text in [
        "[".repeat(10_000),
        "{a: ".repeat(10_000),
        "- ".repeat(10_000),
        (0..2_000).map(|depth| " ".repeat(depth)).collect::<Vec<_>>().join("a:\n"),
        format!("{}1{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1)),
    ] {
        let found = told(&text);
        assert!(found.iter().any(|found| found.contains("TooDeep") || found.contains("BadYaml")), "{found:#?}");
    }
    let deep = format!("{}1{}", "[".repeat(DEPTH + 1), "]".repeat(DEPTH + 1));
    tells_once(&deep, &format!("1:{} TooDeep is nested more than {DEPTH} deep: flatten it", DEPTH + 1));
}

#[test]
fn what_is_told_of_one_file_is_bounded() {
    let found = told(&"--- a\n".repeat(100_000));
    assert_eq!(found.len(), 201);
    assert!(found.last().is_some_and(|last| last.ends_with("and 99800 more: mend these first")), "{:?}", found.last());
    let broken = told(&"--- [\n".repeat(100_000));
    assert!(broken.len() <= 202, "{}", broken.len());
    let found = told(&workflow(&format!("{}tasks: [{{name: a, image: i}}]", "description: x\n".repeat(100))));
    assert_eq!(found.len(), 51, "{:#?}", found.last());
    assert!(found.last().is_some_and(|last| last.starts_with("56:3 MoreProblems")), "{:?}", found.last());
    let fields = (0..10_000).map(|at| format!("f{at}: 1\n")).collect::<Vec<_>>().concat();
    let found = told(&workflow(&format!("{fields}tasks: [{{name: a, image: i}}]")));
    assert_eq!(found.len(), 51, "{:#?}", found.last());
    let last = "54:3 MoreProblems and 9950 more that the schema doesn't allow: mend these first";
    assert_eq!(found.last().map(String::as_str), Some(last));
}
