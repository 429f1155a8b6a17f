//! What the operator would say.

use super::{checked, run, tells, told, workflow};

#[test]
#[rustfmt::skip]
fn mistakes_that_the_plan_knows() {
    for (spec, expected) in [
        ("tasks:\n- name: extract\n  image: i\n- name: load\n  image: i\n  needs: [extrct]",
            "10:13 UnknownNeed spec.tasks[1].needs[0]: task `load`: needs `extrct`, and there is no such task; did you mean `extract`?"),
        ("tasks:\n- {name: a, image: i, needs: [b]}\n- {name: b, image: i, needs: [a]}",
            "6:33 Cycle spec.tasks[0].needs[0]: the tasks need one another in a circle, so that none can start: a -> b -> a"),
        ("tasks:\n- name: a", "6:5 NoImage spec.tasks[0]: task `a`: has no image: set image here, or taskDefaults.image for all tasks"),
        ("tasks:\n- name: a\n  image: i\n  script: x\n  command: [x]",
            "9:5 ScriptAndCommand spec.tasks[0].command: task `a`: has script and command: remove one; a script's values come through env"),
        ("tasks:\n- name: a\n  image: i\n  env: [{name: X}]",
            "8:11 EnvSource spec.tasks[0].env[0]: task `a`: the variable `X` has no value: set value (\"\" for an empty one), valueFrom or expr"),
        ("tasks:\n- name: A_b\n  image: i", "6:11 BadTaskName spec.tasks[0].name: task `A_b`: `A_b` can't name a task"),
        ("tasks:\n- {name: a, image: i}\n- {name: a, image: i}", "7:12 DuplicateTask spec.tasks[1].name: "),
        ("tasks: []", "5:3 NoTasks spec.tasks: there is no task"),
        ("taskDefaults: {image: i}\ntasks:\n- name: a\n  env:\n  - {name: X, expr: parms.x}",
            "9:23 BadExpression spec.tasks[0].env[0].expr: task `a`: "),
        ("tasks:\n- name: a\n  resource:\n    manifest: {apiVersion: v1, kind: Secret}\n    success: 'true'",
            "8:40 ForbiddenKind spec.tasks[0].resource.manifest.kind: task `a`: no task may make a v1 Secret: "),
        ("tasks:\n- name: a\n  resource:\n    manifest: {apiVersion: batch/v1, kind: Job}\n    success: objct.status.succeeded > 0",
            "9:16 BadExpression spec.tasks[0].resource.success: task `a`: column 1: `objct` is not known here, did you mean `object`?"),
        ("tasks: [{name: a, image: i, podTemplate: {spec: {restartPolicy: Always}}}]",
            "5:67 ReservedField spec.tasks[0].podTemplate.spec.restartPolicy: "),
    ] {
        let found = told(&workflow(spec));
        assert!(matches!(found.as_slice(), [only] if only.starts_with(expected)), "{spec}\n{expected}\n{found:#?}");
    }
}

/// The schema has them too, and the API server says them of the item.
#[test]
#[rustfmt::skip]
fn what_is_there_twice_is_told_once_at_its_name() {
    for (spec, expected) in [
        ("tasks: [{name: a, image: i}, {name: b, image: i, needs: [a, a]}]", "5:63 DuplicateNeed spec.tasks[1].needs[1]"),
        ("tasks: [{name: a, image: i, env: [{name: A, value: x}, {name: A, value: z}]}]", "5:65 DuplicateEnv spec.tasks[0].env[1].name"),
        ("tasks: [{name: a, image: i, outputs: [{name: o, type: int}, {name: o, type: int}]}]", "5:70 DuplicateOutput spec.tasks[0].outputs[1].name"),
        ("params: [{name: p, type: int}, {name: p, type: int}]\ntasks: [{name: a, image: i}]", "5:41 DuplicateParam spec.params[1].name"),
    ] {
        let found = told(&workflow(spec));
        assert!(matches!(found.as_slice(), [only] if only.starts_with(expected)), "{spec}\n{expected}\n{found:#?}");
    }
}

#[test]
fn an_inline_workflow_has_its_own_bounds_and_its_own_path() {
    let tasks: Vec<String> = (0..101).map(|at| format!("  - {{name: t{at}, image: i}}")).collect();
    let found = told(&run(&format!("workflow:\n  tasks:\n{}", tasks.join("\n"))));
    assert_eq!(
        found,
        [
            "6:5 TooMany spec.workflow.tasks: there are 101 tasks, 100 are allowed in a run: make it a Workflow and name it in workflowRef"
        ]
    );
}

const WORKFLOW: &str =
    "params: [{name: date, type: string}, {name: count, type: int, max: 9, default: 1}]\ntasks: [{name: a, image: i}]";

#[test]
#[rustfmt::skip]
fn params_of_runs_are_checked_against_the_workflow_that_they_name() {
    let both = |params: &str| format!("{}---\n{}", workflow(WORKFLOW), run(&format!("workflowRef: {{name: w}}\n{params}")));
    tells(&both("params: {date: \"2026-11-22\"}"), &[]);
    let found = told(&both("params: {date: 20261122, count: 10, dat: x}"));
    assert!(matches!(found.as_slice(), [a, b, c]
        if a.starts_with("13:18 WrongType spec.params.date: ")
            && b.starts_with("13:35 OutOfRange spec.params.count: ")
            && c == "13:39 UnknownParam spec.params.dat: the workflow declares no param `dat`; did you mean `date`?; its params are `date` and `count`"), "{found:#?}");
    tells(&both(""), &[
        "11:1 MissingParam spec.params.date: is required and not given: set spec.params.date of the run, of type string",
    ]);
}

#[test]
fn the_workflow_may_stand_in_another_file_and_after_the_run() {
    let run = run("workflowRef: {name: w}");
    let findings = checked(&[&run, &workflow(WORKFLOW)]).findings;
    let seen: Vec<_> = findings.iter().map(|found| (found.file.as_str(), found.line, found.code.as_str())).collect();
    assert_eq!(seen, [("0.yaml", 4, "MissingParam")]);
}

#[test]
fn a_workflow_that_is_in_no_file_is_a_warning() {
    let report = checked(&[&run("workflowRef: {name: v}"), &workflow("tasks: [{name: a, image: i}]")]);
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert!(!report.has_errors());
    assert_eq!((finding.line, finding.column, finding.code.as_str()), (5, 23, "WorkflowNotGiven"));
    assert_eq!(
        finding.message,
        "no Workflow `v` is in the files, so that the run's params can't be checked; did you mean `w`?"
    );
}

#[test]
fn an_output_that_may_not_be_there_is_a_warning() {
    let text = workflow(
        "taskDefaults: {image: i}
tasks:
- {name: extract, outputs: [{name: rows, type: int}]}
- name: report
  needs: [extract]
  triggerRule: AllDone
  env: [{name: ROWS, expr: tasks.extract.outputs.rows}]",
    );
    let report = checked(&[&text]);
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert!(!report.has_errors());
    assert_eq!((finding.line, finding.column, finding.code.as_str()), (11, 30, "UnguardedOutput"));
    assert_eq!(finding.path, "spec.tasks[1].env[0].expr");
}

#[test]
fn a_workflow_of_another_namespace_is_another() {
    let of = |text: &str, namespace: &str| {
        text.replace("{name: w}\nspec", &format!("{{name: w, namespace: {namespace}}}\nspec"))
    };
    let (run, workflow) = (run("workflowRef: {name: w}"), workflow(WORKFLOW));
    let codes = |run: &str, workflow: &str| -> Vec<&str> {
        checked(&[run, workflow]).findings.iter().map(|found| found.code.as_str()).collect()
    };
    assert_eq!(codes(&of(&run, "one"), &of(&workflow, "two")), ["WorkflowNotGiven"]);
    assert_eq!(codes(&of(&run, "one"), &of(&workflow, "one")), ["MissingParam"]);
    assert_eq!(codes(&run, &of(&workflow, "one")), ["MissingParam"]);
}

#[test]
fn params_of_a_wrong_workflow_are_not_judged() {
    let workflow = workflow("params: [{name: p, type: int}]\ntasks: [{name: a}]");
    let findings = checked(&[&run("workflowRef: {name: w}"), &workflow]).findings;
    assert!(matches!(findings.as_slice(), [only] if only.code.as_str() == "NoImage"), "{findings:?}");
}

/// A workflow of one task that runs others.
fn parent(name: &str, task: &str) -> String {
    format!(
        "apiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {{name: {name}}}\nspec:\n  tasks:\n  - {{name: t, {task}}}\n"
    )
}

#[test]
fn child_runs_are_checked_against_the_workflows_that_they_run() {
    let child = "apiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {name: c}\nspec:\n  params: [{name: date, type: string}, {name: rows, type: int, default: 1}]\n  tasks: [{name: x, image: i}]\n";
    for (task, expected) in [
        ("workflowRef: {name: c}, params: [{name: date, value: x}]", ""),
        (
            "workflowRef: {name: c}, params: [{name: rows, value: 1}]",
            "6:35 MissingParam spec.tasks[0].workflowRef.name: Workflow `c` requires the param `date`",
        ),
        (
            "workflowRef: {name: c}, params: [{name: date, value: x}, {name: m, value: 1}]",
            "6:79 UnknownParam spec.tasks[0].params[1].name: Workflow `c` declares no param `m`",
        ),
        (
            "workflowRef: {name: cc}, params: [{name: date, value: x}]",
            "6:35 WorkflowNotGiven spec.tasks[0].workflowRef.name: no Workflow `cc` is in the files, so that the task's params can't be checked; did you mean `c`?",
        ),
    ] {
        let found = told(&format!("{}---\n{child}", parent("p", task)));
        let right = match found.as_slice() {
            [] => expected.is_empty(),
            [only] => !expected.is_empty() && only.starts_with(expected),
            _ => false,
        };
        assert!(right, "{task}\n{expected}\n{found:#?}");
    }
}

#[test]
fn workflows_that_run_one_another_in_a_circle_are_told_once() {
    let files = [
        parent("a", "workflowRef: {name: b}"),
        parent("b", "workflow: {tasks: [{name: x, workflowRef: {name: c}}]}"),
        parent("c", "workflowRef: {name: a}"),
        parent("d", "workflowRef: {name: a}"),
    ];
    let found = told(&files.join("---\n"));
    assert_eq!(
        found,
        [
            "6:35 WorkflowCycle spec.tasks[0].workflowRef.name: the workflow would run within itself, and so without end: a -> b -> c -> a"
        ]
    );
}
