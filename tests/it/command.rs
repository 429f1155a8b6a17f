//! `gantline check` as people and tools call it: what it prints, and its exit codes. The README shows what is true.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

const GOOD: &str =
    "apiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec: {tasks: [{name: a, image: i}]}\n";
const WRONG: &str =
    "apiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {name: w}\nspec: {tasks: [{name: a}]}\n";
const WARNS: &str =
    "apiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {name: r}\nspec: {workflowRef: {name: x}}\n";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs the command in the repository, with a text as its standard input.
fn gantline(arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    command.current_dir(root()).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_exit_code_tells_errors_from_warnings_and_misuse() {
    for (input, code, last) in [
        (GOOD, 0, "1 object in 1 file: no mistakes"),
        (WARNS, 0, "1 object in 1 file: 1 warning"),
        (WRONG, 1, "1 object in 1 file: 1 error"),
        ("a: [", 1, "0 objects in 1 file: 1 error"),
    ] {
        let (found, out, err) = printed(&gantline(&["check", "-"], input));
        assert_eq!((found, out.lines().last(), err.as_str()), (Some(code), Some(last), ""), "{out}");
    }
    for (arguments, words) in [
        (&["check"][..], "required arguments were not provided"),
        (&["check", "examples/none.yaml"], "gantline: examples/none.yaml: No such file or directory"),
        (&["check", "examples/diamond.yaml", "examples"], "gantline: examples: Is a directory"),
        (&["check", "-o", "xml", "-"], "invalid value 'xml'"),
    ] {
        let (found, out, err) = printed(&gantline(arguments, ""));
        assert!(found == Some(2) && out.is_empty() && err.contains(words), "{arguments:?}: {found:?} {out} {err}");
    }
}

#[test]
fn tools_get_json() {
    let (code, out, _) = printed(&gantline(&["check", "-o", "json", "-"], WRONG));
    let found: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, Some(1));
    let [only] = found.as_array().unwrap().as_slice() else { panic!("{out}") };
    let keys: Vec<&String> = only.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["code", "column", "file", "line", "message", "object", "path", "severity"]);
    assert_eq!((&only["file"], &only["line"], &only["code"]), (&"-".into(), &4.into(), &"NoImage".into()));
    let (code, out, _) = printed(&gantline(&["check", "--output=json", "-"], GOOD));
    assert_eq!((code, out.as_str()), (Some(0), "[]\n"));
}

#[test]
fn every_code_is_printed_with_its_meaning() {
    let (code, out, _) = printed(&gantline(&["check", "--codes"], ""));
    assert_eq!(code, Some(0));
    for code in gantline::plan::Code::ALL {
        assert!(out.lines().any(|line| line.split_whitespace().next() == Some(code.as_str())), "{code}");
    }
}

/// What the README shows of a file of `examples/` is what is printed of it.
#[test]
fn the_readme_shows_what_is_printed() {
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let (_, shown) = readme.split_once("$ gantline check ").unwrap();
    let (shown, _) = shown.split_once("```").unwrap();
    let (arguments, shown) = shown.split_once('\n').unwrap();
    let arguments: Vec<&str> = std::iter::once("check").chain(arguments.split_whitespace()).collect();
    let (_, out, _) = printed(&gantline(&arguments, ""));
    assert_eq!(out, shown);
}

/// But for the runs that an example's header promises to be refused for their params, so that people see what is said of them.
#[test]
fn every_example_is_clean() {
    let files = |folder: &str| std::fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let paths = files("examples").chain(files("examples/from-argo"));
    let manifests = paths.filter(|path| path.extension().is_some_and(|it| it == "yaml"));
    let mut names: Vec<String> =
        manifests.map(|path| path.strip_prefix(root()).unwrap().display().to_string()).collect();
    names.sort();
    assert!(names.len() >= 15, "only {} examples", names.len());
    let texts = names.iter().map(|name| std::fs::read_to_string(root().join(name)).unwrap()).collect::<String>();
    let refused = |object: &str| {
        let run = object.strip_prefix("WorkflowRun/").unwrap_or_default();
        texts.contains(&format!("# expect: wfr/{run} Failed reason=InvalidParams"))
    };
    let arguments: Vec<&str> = ["check", "-o", "json"].into_iter().chain(names.iter().map(String::as_str)).collect();
    let (_, out, _) = printed(&gantline(&arguments, ""));
    let found: Vec<Value> = serde_json::from_str(&out).unwrap();
    let unexpected = found.iter().filter(|finding| !refused(finding["object"].as_str().unwrap_or_default()));
    assert_eq!(unexpected.collect::<Vec<_>>(), Vec::<&Value>::new());
    assert!(!found.is_empty(), "the refused run is not refused");
}
