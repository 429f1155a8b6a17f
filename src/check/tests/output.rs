//! How it is printed.

use serde_json::{Value, json};

use super::super::{codes, human, json};
use super::{checked, run, workflow};
use crate::plan::Code;

#[test]
fn people_see_the_line_and_what_is_meant() {
    let text = workflow("tasks:\n- name: load\n  image: i\n  needs: [extrct]\n- name: extract\n  image: 5");
    let report = checked(&[&text, &run("workflowRef: {name: x}")]);
    assert_eq!(
        human(&report, 2),
        "\
0.yaml:8:13: error[UnknownNeed]: Workflow/w: spec.tasks[0].needs[0]: task `load`: needs `extrct`, and there is no such task; did you mean `extract`?
8 |     needs: [extrct]
  |             ^^^^^^

0.yaml:10:12: error[WrongType]: Workflow/w: spec.tasks[1].image: must be a string, and YAML reads 5 as a number: quote it, \"5\"
10 |     image: 5
   |            ^

1.yaml:5:23: warning[WorkflowNotGiven]: WorkflowRun/w: spec.workflowRef.name: no Workflow `x` is in the files, so that the run's params can't be checked; did you mean `w`?
5 |   workflowRef: {name: x}
  |                       ^

2 objects in 2 files: 2 errors and 1 warning
"
    );
}

#[test]
fn nothing_wrong_is_one_line() {
    let report = checked(&[&workflow("tasks: [{name: a, image: i}]")]);
    assert_eq!(human(&report, 1), "1 object in 1 file: no mistakes\n");
    assert_eq!(json(&report), "[]\n");
}

#[test]
fn tools_get_an_array() {
    let report = checked(&[&workflow("tasks: [{name: a}]"), "a: ["]);
    let mut found: Value = serde_json::from_str(&json(&report)).expect("JSON");
    let message = found[1]["message"].take();
    assert!(message.as_str().is_some_and(|message| message.starts_with("is no YAML: ")), "{message}");
    assert_eq!(
        found,
        json!([
            {
                "file": "0.yaml", "line": 5, "column": 11, "path": "spec.tasks[0]", "code": "NoImage", "severity": "error",
                "message": "task `a`: has no image: set image here, or taskDefaults.image for all tasks",
                "object": "Workflow/w",
            },
            {
                "file": "1.yaml", "line": 1, "column": 4, "path": "", "code": "BadYaml", "severity": "error",
                "message": null, "object": null,
            },
        ])
    );
}

#[test]
fn every_code_is_explained() {
    let text = codes();
    assert_eq!(text.lines().count(), Code::ALL.len());
    assert!(text.contains("UnknownNeed         A task needs a task that doesn't exist.\n"), "{text}");
}
