use super::super::testing::{plan, refused};
use super::*;

#[test]
#[rustfmt::skip]
fn tasks_that_cannot_be() {
    for (tasks, code, path, message) in [
        ("{name: Load, image: i}", Code::BadTaskName, "tasks[0].name", "`Load` can't name a task: write lower-case letters"),
        ("{name: '', image: i}", Code::BadTaskName, "tasks[0].name", "can't name a task"),
        ("{name: load_sales, image: i}", Code::BadTaskName, "tasks[0].name", "`load_sales`"),
        ("{name: -a, image: i}", Code::BadTaskName, "tasks[0].name", "no dash at either end"),
        ("{name: a.b, image: i}", Code::BadTaskName, "tasks[0].name", "digits and dashes"),
        ("{name: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, image: i}", Code::TooLong, "tasks[0].name", "41 characters, 40 are allowed"),
        ("{name: a, image: i}, {name: b, image: i}, {name: a, image: i}", Code::DuplicateTask, "tasks[2].name", "task `a`: is the name of tasks[0] too"),
        ("{name: a}", Code::NoImage, "tasks[0]", "task `a`: has no image: set image here, or taskDefaults.image"),
        ("{name: a, podTemplate: {spec: {containers: [{name: log, image: i}]}}}", Code::NoImage, "tasks[0]", "has no image"),
        ("{name: a, image: ''}", Code::BadImage, "tasks[0].image", "is no image"),
        ("{name: a, image: 'busybox 1.37'}", Code::BadImage, "tasks[0].image", "without blanks, such as busybox:1.37"),
        ("{name: a, image: i, script: x, command: [y]}", Code::ScriptAndCommand, "tasks[0].command", "has script and command: remove one"),
        ("{name: a, image: i, script: x, args: [y]}", Code::ScriptAndCommand, "tasks[0].args", "has script and args"),
        ("{name: a, image: i, shell: [bash]}", Code::ShellWithoutScript, "tasks[0].shell", "no script for it"),
        ("{name: a, image: i, script: ' '}", Code::EmptyCommand, "tasks[0].script", "is empty"),
        ("{name: a, image: i, script: x, shell: []}", Code::EmptyCommand, "tasks[0].shell", "[bash, -ec]"),
        ("{name: a, image: i, command: []}", Code::EmptyCommand, "tasks[0].command", "names no program"),
        ("{name: a, image: i, command: ['']}", Code::EmptyCommand, "tasks[0].command", "the image's entrypoint"),
        ("{name: a, image: i, script: \"x\\0\"}", Code::NulCharacter, "tasks[0].script", "has a NUL character"),
        ("{name: a, image: i, args: [x, \"\\0\"]}", Code::NulCharacter, "tasks[0].args[1]", "has a NUL character"),
        ("{name: a, image: i, env: [{name: V, expr: run.name}], command: [sh, -c, 'echo $(V)']}", Code::ValueInText, "tasks[0].command[2]", "a shell reads it as \"$V\""),
        ("{name: a, image: i, env: [{name: V, expr: run.name}], args: [--v=$(V)., $(V)]}", Code::ValueInText, "tasks[0].args[0]", "task `a`: $(V) would write"),
        ("{name: a, image: i, env: [{name: V, expr: run.name}], script: x, shell: [sh$(V)]}", Code::ValueInText, "tasks[0].shell[0]", "$(V) would write"),
    ] {
        refused(&format!("tasks: [{tasks}]"), code, path, message);
    }
}

#[test]
#[rustfmt::skip]
fn defaults_that_cannot_be() {
    for (defaults, code, path, message) in [
        ("image: ' '", Code::BadImage, "taskDefaults.image", "is no image"),
        ("shell: []", Code::EmptyCommand, "taskDefaults.shell", "names no program"),
        ("env: [{name: 1A, value: x}]", Code::BadEnvName, "taskDefaults.env[0].name", "`1A` can't name a variable"),
        ("env: [{name: V, expr: run.name}], shell: [sh, x$(V)]", Code::ValueInText, "taskDefaults.shell[1]", "an element of its own"),
    ] {
        refused(
            &format!(
                "taskDefaults: {{{defaults}}}\ntasks: [{{name: a, image: i}}, {{name: b, image: i}}]"
            ),
            code,
            path,
            message,
        );
    }
    refused(
        "taskDefaults: {env: [{name: V, expr: run.name}]}\ntasks: [{name: a, image: i, args: [x$(V)]}]",
        Code::ValueInText,
        "tasks[0].args[0]",
        "task `a`",
    );
}

#[test]
#[rustfmt::skip]
fn tasks_that_are_too_large() {
    let long = "x".repeat(70_000);
    let words = vec!["x"; 257].join(", ");
    for (task, code, path) in [
        (format!("script: {long}"), Code::TooLong, "tasks[0].script"),
        (format!("args: [{long}]"), Code::TooLong, "tasks[0].args[0]"),
        (format!("args: [{words}]"), Code::TooMany, "tasks[0].args"),
        (format!("script: x, shell: [{words}]"), Code::TooMany, "tasks[0].shell"),
        (format!("description: {long}"), Code::TooLong, "tasks[0].description"),
        (format!("podTemplate: {{spec: {{x: {long}}}}}"), Code::TooLong, "tasks[0].podTemplate"),
    ] {
        refused(
            &format!("tasks: [{{name: a, image: i, {task}}}]"),
            code,
            path,
            "allowed",
        );
    }
    refused(
        &format!("tasks: [{{name: a, image: {long}}}]"),
        Code::TooLong,
        "tasks[0].image",
        "512 are allowed",
    );
}

#[test]
fn all_mistakes_at_once() {
    let problems = super::super::testing::problems(
        "params: [{name: 1, type: int}]
tasks: [{name: A, needs: [b]}, {name: c, image: i, env: [{name: X}], outputs: [{name: in, type: int}]}]",
    );
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "params[0].name",
            "tasks[0].name",
            "tasks[0]",
            "tasks[1].env[0]",
            "tasks[1].outputs[0].name",
            "tasks[0].needs[0]",
        ]
    );
}

#[test]
fn a_task_is_merged_over_the_defaults() {
    let all = plan(
        "taskDefaults: {image: d, shell: [bash, -c], logTail: Omit, resources: {limits: {cpu: 1}},
  env: [{name: A, value: d}, {name: B, value: d}], podTemplate: {spec: {x: 1}}}
tasks:
- {name: plain}
- {name: own, image: o, script: 'echo $(date)', shell: [sh], logTail: Keep, resources: {requests: {cpu: 2}},
   env: [{name: C, value: o}, {name: A, value: o}], podTemplate: {spec: {y: 1}}}
- {name: script, script: x}
- {name: command, command: [a], args: [b]}",
    );
    let [plain, own, scripted, command] = all.tasks() else {
        panic!("four tasks");
    };
    assert_eq!((plain.image.as_deref(), own.image.as_deref()), (Some("d"), Some("o")));
    assert_eq!((&plain.command, &plain.args), (&None, &None));
    assert_eq!(own.command.as_deref().expect("a command"), ["sh", "echo $$(date)"]);
    assert_eq!(scripted.command.as_deref().expect("a command"), ["bash", "-c", "x"]);
    assert_eq!(command.command.as_deref().expect("a command"), ["a"]);
    assert_eq!(command.args.as_deref().expect("arguments"), ["b"]);
    assert_eq!((plain.keep_log_tail, own.keep_log_tail), (false, true));
    let env = |task: &PlannedTask| {
        let entries = task.env.iter().map(|entry| match &entry.source {
            EnvSource::Literal(text) => format!("{}={text}", entry.name),
            other => panic!("{other:?}"),
        });
        entries.collect::<Vec<String>>().join(" ")
    };
    assert_eq!((env(plain), env(own)), ("A=d B=d".into(), "A=o B=d C=o".into()));
    assert_eq!((plain.templates.len(), own.templates.len()), (1, 2));
    assert!(own.templates[1].get("spec").is_some_and(|spec| spec.get("y").is_some()));
    assert!(plain.resources.as_ref().is_some_and(|all| all.limits.contains_key("cpu")));
    assert!(own.resources.as_ref().is_some_and(|all| all.limits.is_empty()));
}
