//! Every kind of mistake is named early, with its place and what to do: by the API server where a schema can say it, else in
//! the workflow's condition and by a run that fails without a single pod. `gantline check` says all of it before.

use gantline::check::{Finding, Severity, Source, check};
use serde_json::Value;

use super::stage::Stage;

/// A mistake that `kubectl apply` answers at once: what it is, the manifest, and part of the answer.
type Refused = (&'static str, String, &'static str);

/// A mistake that is reported: what it is, the workflow's spec, and the place and the advice that people are told.
type Reported = (&'static str, String, &'static str, &'static str);

/// A workflow with this spec.
fn workflow(name: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!("---\napiVersion: gantline.dev/v1alpha1\nkind: Workflow\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n")
}

/// A run with this spec.
fn run(name: &str, spec: &str) -> String {
    let spec = spec.replace('\n', "\n  ");
    format!("---\napiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec:\n  {spec}\n")
}

/// A workflow of one task with these fields beside its name and image.
fn task(fields: &str) -> String {
    workflow("refused", &task_spec(fields))
}

fn task_spec(fields: &str) -> String {
    format!("tasks: [{{name: a, image: i, {fields}}}]")
}

/// A workflow with one parameter.
fn param(fields: &str) -> String {
    workflow("refused", &param_spec(fields))
}

fn param_spec(fields: &str) -> String {
    format!("params: [{{{fields}}}]\ntasks: [{{name: a, image: i}}]")
}

/// A parameter, three tasks in a chain, and one beside it that has a variable with this expression.
fn reading(expr: &str) -> String {
    format!(
        "params: [{{name: date, type: string, default: today}}]
tasks:
- {{name: extract, image: i, outputs: [{{name: rows, type: int}}]}}
- {{name: load-sales, image: i, needs: [extract], outputs: [{{name: ok, type: bool}}]}}
- {{name: other, image: i}}
- {{name: report, image: i, needs: [load-sales], env: [{{name: X, expr: \"{expr}\"}}]}}
"
    )
}

#[rustfmt::skip]
fn refused() -> Vec<Refused> {
    let inline = "workflow: {tasks: [{name: a, image: i}]}";
    let tasks = |count: usize| (0..count).map(|n| format!("{{name: t{n}, image: i}}")).collect::<Vec<_>>().join(", ");
    let claim = "{name: w, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}";
    let needs = (0..5001).map(|n| format!("t{n}")).collect::<Vec<_>>().join(", ");
    vec![
        ("no tasks", workflow("refused", "tasks: []"), "spec.tasks in body should have at least 1 items"),
        ("tasks left out", workflow("refused", "description: none"), "spec.tasks: Required value"),
        ("too many tasks", workflow("refused", &format!("tasks: [{}]", tasks(5001))), "spec.tasks: Too many: 5001: must have at most 5000 items"),
        ("two tasks of one name", workflow("refused", "tasks: [{name: a, image: i}, {name: a, image: j}]"), "Duplicate value: {\"name\":\"a\"}"),
        ("a need twice", workflow("refused", "tasks: [{name: a, image: i}, {name: b, image: i, needs: [a, a]}]"), "spec.tasks[1].needs[1]: Duplicate value: \"a\""),
        ("too many needs", task(&format!("needs: [{needs}]")), "spec.tasks[0].needs: Too many: 5001: must have at most 5000 items"),
        ("a name of a task that is no DNS label", workflow("refused", "tasks: [{name: Load_Sales, image: i}]"), "spec.tasks[0].name in body should match"),
        ("a name of a task that is too long", workflow("refused", &format!("tasks: [{{name: {}, image: i}}]", "a".repeat(41))), "spec.tasks[0].name: Too long: may not be more than 40"),
        ("a field that there isn't", task("nedds: [b]"), "unknown field \"spec.tasks[0].nedds\""),
        ("a field of the wrong type", task("needs: b"), "spec.tasks[0].needs in body must be of type array"),
        ("script and command", task("script: x, command: [go]"), "spec.tasks[0]: Invalid value: set script, or command and args, not both"),
        ("script and args", task("script: x, args: [go]"), "set script, or command and args, not both"),
        ("a shell without a script", task("shell: [bash]"), "shell is for script; without script it has no meaning"),
        ("a log tail that there isn't", task("logTail: Never"), "supported values: \"Keep\", \"Omit\""),
        ("a timeout that is no duration", task("timeout: 1d"), "spec.tasks[0].timeout in body should match"),
        ("a timeout that is a number", task("timeout: 30"), "spec.tasks[0].timeout in body must be of type string"),
        ("too many retries", task("retry: {limit: 101}"), "spec.tasks[0].retry.limit in body should be less than or equal to 100"),
        ("a wait that is no duration", task("retry: {backoff: {initial: soon}}"), "spec.tasks[0].retry.backoff.initial in body should match"),
        ("a rule without a condition", task("retry: {rules: [{action: Retry}]}"), "spec.tasks[0].retry.rules[0]: Invalid value: set exactly one of exitCodes, reason and expr"),
        ("a rule with two conditions", task("retry: {rules: [{exitCodes: [1], reason: ExitCode, action: Retry}]}"), "set exactly one of exitCodes, reason and expr"),
        ("a rule for exit code 0", task("retry: {rules: [{exitCodes: [0], action: Retry}]}"), "spec.tasks[0].retry.rules[0].exitCodes[0] in body should be greater than or equal to 1"),
        ("an action that there isn't", task("retry: {rules: [{exitCodes: [1], action: Again}]}"), "supported values: \"Retry\", \"FailTask\", \"FailRun\", \"Poll\""),
        ("a poll that doesn't say when", task("retry: {rules: [{exitCodes: [1], action: Poll}]}"), "after is for action Poll, which can't do without it"),
        ("a retry that says when", task("retry: {rules: [{exitCodes: [1], action: Retry, after: 5s}]}"), "after is for action Poll, which can't do without it"),
        ("a variable without a value", task("env: [{name: A}]"), "spec.tasks[0].env[0]: Invalid value: set exactly one of value, valueFrom and expr"),
        ("a variable with two values", task("env: [{name: A, value: x, expr: run.name}]"), "set exactly one of value, valueFrom and expr"),
        ("a variable that no shell can read", task("env: [{name: 1A, value: x}]"), "spec.tasks[0].env[0].name in body should match"),
        ("a variable twice", task("env: [{name: A, value: x}, {name: A, value: z}]"), "spec.tasks[0].env[1]: Duplicate value"),
        ("an expression that is too long", task(&format!("env: [{{name: A, expr: '{}'}}]", "1 + ".repeat(300))), "spec.tasks[0].env[0].expr: Too long: may not be more than 1024"),
        ("an amount that is none", task("resources: {limits: {memory: lots}}"), "spec.tasks[0].resources.limits.memory in body should match"),
        ("an amount with a blank", task("resources: {requests: {memory: 5 GB}}"), "spec.tasks[0].resources.requests.memory in body should match"),
        ("a field of a pod that follows nothing", task("podExpr: {cpu: \"'1'\"}"), "unknown field \"spec.tasks[0].podExpr.cpu\""),
        ("a field that follows a number", task("podExpr: {limits: {memory: 5}}"), "spec.tasks[0].podExpr.limits.memory in body must be of type string"),
        ("a field that follows too long an expression", task(&format!("podExpr: {{image: '{}'}}", "1 + ".repeat(300))), "spec.tasks[0].podExpr.image: Too long: may not be more than 1024"),
        ("a volume claim without a spec", workflow("refused", "volumeClaims: [{name: w}]\ntasks: [{name: a, image: i}]"), "spec.volumeClaims[0].spec: Required value"),
        ("a volume claim twice", workflow("refused", &format!("volumeClaims: [{claim}, {claim}]\ntasks: [{{name: a, image: i}}]")), "Duplicate value: {\"name\":\"w\"}"),
        ("an output that no expression can read", task("outputs: [{name: row-count, type: int}]"), "spec.tasks[0].outputs[0].name in body should match"),
        ("an output twice", task("outputs: [{name: a, type: int}, {name: a, type: string}]"), "spec.tasks[0].outputs[1]: Duplicate value"),
        ("a type that there isn't", param("name: date, type: date"), "supported values: \"string\", \"int\", \"bool\", \"number\", \"list\", \"object\""),
        ("a param that no expression can read", param("name: run-date, type: string"), "spec.params[0].name in body should match"),
        ("a param without a type", param("name: date"), "spec.params[0].type: Required value"),
        ("a name of a workflow with dots", workflow("sales.daily", &task_spec("")), "the name must be a DNS label: at most 63 characters, no dots"),
        ("a run of nothing", run("refused", "suspend: true"), "set exactly one of workflowRef (the name of a Workflow) and workflow (a workflow written inline)"),
        ("a run of two workflows", run("refused", &format!("workflowRef: {{name: w}}\n{inline}")), "set exactly one of workflowRef"),
        ("a run with a name of dots", run("sales.2026-11-22", inline), "the name must be a DNS label: at most 63 characters, no dots"),
        ("a run with a name of 64 characters", run(&"a".repeat(64), inline), "the name must be a DNS label: at most 63 characters, no dots"),
        ("a run with a name of 253 characters", run(&"a".repeat(253), inline), "the name must be a DNS label: at most 63 characters, no dots"),
        ("a run of a workflow whose name can't be one", run("refused", "workflowRef: {name: Daily_Sales}"), "spec.workflowRef.name in body should match"),
        ("more than 100 tasks inline", run("refused", &format!("workflow: {{tasks: [{}]}}", tasks(101))), "an inline workflow has at most 100 tasks: make it a Workflow and name it in workflowRef"),
        ("params that are a list", run("refused", &format!("{inline}\nparams: [{{name: date, value: x}}]")), "spec.params in body must be of type object"),
        ("a grace below zero", run("refused", &format!("{inline}\ncancel: {{graceSeconds: -1}}")), "spec.cancel.graceSeconds in body should be greater than or equal to 0"),
    ]
}

#[test]
fn what_a_schema_can_say_is_refused_at_once() {
    let stage = Stage::without_operator("refused");
    let mut wrong = Vec::new();
    for (what, manifest, words) in refused() {
        match stage.try_apply(&manifest) {
            Ok(_) => wrong.push(format!("{what}: was taken")),
            Err(answer) if answer.contains(words) => println!("{what}: {answer}"),
            Err(answer) => wrong.push(format!("{what}: {answer}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[rustfmt::skip]
fn what_a_run_is_cannot_be_changed() {
    let stage = Stage::without_operator("changed");
    stage.apply(&run("by-name", "workflowRef: {name: one}\ncancel: {generation: 1}"));
    stage.apply(&run("inline", "workflow: {tasks: [{name: a, image: i}]}"));
    for (what, name, patch, words) in [
        ("another workflow", "by-name", r#"{"spec": {"workflowRef": {"name": "two"}}}"#, "workflowRef can't be changed: make a new run"),
        ("an inline workflow instead", "by-name", r#"{"spec": {"workflowRef": null, "workflow": {"tasks": [{"name": "a", "image": "i"}]}}}"#, "workflowRef can't be changed: make a new run"),
        ("a named workflow instead", "inline", r#"{"spec": {"workflow": null, "workflowRef": {"name": "one"}}}"#, "workflowRef can't be changed: make a new run"),
        ("no cancel after all", "by-name", r#"{"spec": {"cancel": null}}"#, "cancel can't be taken back"),
        ("less cancelled", "by-name", r#"{"spec": {"cancel": {"generation": 0}}}"#, "cancel.generation can only grow"),
    ] {
        let answer = stage.try_kubectl(&["patch", "wfr", name, "--type=merge", "-p", patch]);
        let answer = String::from_utf8_lossy(&answer.stderr).into_owned();
        assert!(answer.contains(words), "{what}: {answer}");
    }
}

#[rustfmt::skip]
fn reported() -> Vec<Reported> {
    let deep = (0..40).fold("1".to_owned(), |value, _| format!("[{value}]"));
    vec![
        ("a circle", "tasks: [{name: a, image: i, needs: [c]}, {name: b, image: i, needs: [a]}, {name: c, image: i, needs: [b]}]".into(), "tasks[0].needs[0]", "in a circle, so that none can start: a -> c -> b -> a; remove one of these needs"),
        ("a task that needs itself", task_spec("needs: [a]"), "tasks[0].needs[0]", "task `a`: needs itself, so that it could never start: remove this need"),
        ("a need that there isn't", "tasks: [{name: extract, image: i}, {name: b, image: i, needs: [extrat]}]".into(), "tasks[1].needs[0]", "needs `extrat`, and there is no such task; did you mean `extract`?"),
        ("Airflow's name of a rule", "tasks: [{name: a, image: i}, {name: b, image: i, needs: [a], triggerRule: all_success}]".into(), "tasks[1].triggerRule", "there is no rule `all_success`; did you mean `AllSucceeded`?"),
        ("a rule without needs", task_spec("triggerRule: AnyFailed"), "tasks[0].triggerRule", "AnyFailed looks at how the needs ended, and the task needs nothing: add needs, or remove triggerRule"),
        ("a condition that reads what is not upstream", "tasks: [{name: a, image: i}, {name: b, image: i, when: tasks.a.phase == 'Failed'}]".into(), "tasks[1].when", "add `a` to needs"),
        ("a need for a finally task", "tasks: [{name: a, image: i, needs: [x]}]\nfinally: [{name: x, image: i}]".into(), "tasks[0].needs[0]", "needs `x`, which is a finally task and starts once all tasks have ended"),
        ("a finally task that needs another", "tasks: [{name: a, image: i}]\nfinally: [{name: x, image: i, needs: [a]}]".into(), "finally[0].needs[0]", "needs `a`, which has ended anyway"),
        ("one name in both lists", "tasks: [{name: a, image: i}]\nfinally: [{name: a, image: i}]".into(), "finally[0].name", "is the name of tasks[0] too: give each task its own"),
        ("a join with a script", "tasks: [{name: a, join: {}, script: x}]".into(), "tasks[0].join", "runs no container, and the task has `script` too: remove one or the other"),
        ("a field of a pod that follows what is not upstream", "tasks: [{name: a, image: i}, {name: b, image: i, podExpr: {limits: {memory: tasks.a.phase}}}]".into(), "tasks[1].podExpr.limits.memory", "add `a` to needs"),
        ("a label of a node with a bad name", task_spec("podExpr: {nodeSelector: {-disk: run.name}}"), "tasks[0].podExpr.nodeSelector['-disk']", "can't be the name of a label"),
        ("a volume claim without a size", "volumeClaims: [{name: w, spec: {accessModes: [ReadWriteOnce]}}]\ntasks: [{name: a, image: i}]".into(), "volumeClaims[0].spec.resources", "write {requests: {storage: 1Gi}}"),
        ("a volume of the name of a claim", "volumeClaims: [{name: w, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\ntasks: [{name: a, image: i, podTemplate: {spec: {volumes: [{name: w, emptyDir: {}}]}}}]".into(), "tasks[0].podTemplate.spec.volumes[0].name", "is the name of a volume claim"),
        ("no image", "tasks: [{name: a, script: x}]".into(), "tasks[0]", "task `a`: has no image: set image here, or taskDefaults.image for all tasks"),
        ("an image with a blank", "tasks: [{name: a, image: busybox 1.37}]".into(), "tasks[0].image", "write a name without blanks, such as busybox:1.37"),
        ("a script that is empty", task_spec("script: ' '"), "tasks[0].script", "is empty: write what to run"),
        ("a script with a NUL", task_spec(r#"script: "x\0""#), "tasks[0].script", "has a NUL character"),
        ("a timeout beyond any", task_spec("timeout: 9999h"), "tasks[0].timeout", "`9999h` is no duration from 1s to 8784h: write whole h, m, s or ms, such as 30s, 5m or 1h30m"),
        ("a longest wait below the first", task_spec("retry: {backoff: {initial: 1m, max: 30s}}"), "tasks[0].retry.backoff.max", "is less than initial: raise it, or lower initial"),
        ("a rule that reads what there isn't", task_spec("retry: {rules: [{expr: attempt.code > 1, action: Retry}]}"), "tasks[0].retry.rules[0].expr", "`attempt` has no field `code`"),
        ("a poll without an end", task_spec("retry: {rules: [{exitCodes: [75], action: Poll, after: 30s}]}"), "tasks[0].totalTimeout", "polls (retry.rules[0]), so that it could go on for ever: set totalTimeout"),
        ("a command that names no program", task_spec("command: ['']"), "tasks[0].command", "names no program"),
        ("a value inside a script", task_spec("env: [{name: V, expr: run.name}], command: [sh, -c, 'echo $(V)']"), "tasks[0].command[2]", r#"a shell reads it as "$V""#),
        ("a value inside a template's script", task_spec("env: [{name: V, expr: run.name}], podTemplate: {spec: {containers: [{name: main, args: ['-c', 'echo $(V)']}]}}"), "tasks[0].podTemplate.spec.containers[0].args[1]", r#"a shell reads it as "$V""#),
        ("a variable of Gantline's", task_spec("env: [{name: GANTLINE_OUTPUT, value: x}]"), "tasks[0].env[0].name", "`GANTLINE_OUTPUT`: GANTLINE_ is the prefix of Gantline's own variables: choose another name"),
        ("a source that there isn't", task_spec("env: [{name: A, valueFrom: {secretRef: {name: s, key: k}}}]"), "tasks[0].env[0].valueFrom", "there is no source `secretRef`; did you mean `secretKeyRef`?"),
        ("a source without its key", task_spec("env: [{name: A, valueFrom: {secretKeyRef: {name: s}}}]"), "tasks[0].env[0].valueFrom.secretKeyRef", "has no key"),
        ("an expression that is none", reading("1 +"), "tasks[3].env[0].expr", "task `report`: "),
        ("a dash that would be a subtraction", reading("tasks.load-sales.outputs.ok"), "tasks[3].env[0].expr", "tasks['load-sales']"),
        ("a function that there isn't", reading("now()"), "tasks[3].env[0].expr", "now"),
        ("a param that there isn't", reading("params.dat"), "tasks[3].env[0].expr", "reads params.dat, which is not declared; did you mean `date`?"),
        ("a task that there isn't", reading("tasks.extrat.outputs.rows"), "tasks[3].env[0].expr", "reads the task `extrat`, and there is none; did you mean `extract`?"),
        ("an output that there isn't", reading("tasks.extract.outputs.row"), "tasks[3].env[0].expr", "which doesn't declare it; did you mean `rows`?"),
        ("an output of a task that is not upstream", reading("tasks.other.phase"), "tasks[3].env[0].expr", "so that it may not have ended: add `other` to needs"),
        ("a task that reads itself", reading("tasks.report.phase"), "tasks[3].env[0].expr", "reads itself, and has no outputs before it ends"),
        ("a field of the run that there isn't", reading("run.nam"), "tasks[3].env[0].expr", "did you mean `name`?"),
        ("a pattern that is none", param_spec("name: p, type: string, pattern: '[a'"), "params[0].pattern", "regular expression"),
        ("a pattern for a number", param_spec("name: p, type: int, pattern: '^1'"), "params[0].pattern", "string"),
        ("a least above the greatest", param_spec("name: p, type: int, min: 3, max: 2"), "params[0].min", "min 3 is above max 2, so that no value is allowed: swap them"),
        ("a default of another type", param_spec("name: p, type: string, default: 20261122"), "params[0].default", "must be a string, and this is an int: quote it, \"20261122\""),
        ("a default that is none of the enum", param_spec("name: p, type: string, enum: [small, large], default: smal"), "params[0].default", "did you mean `small`?"),
        ("two defaults", param_spec("name: p, type: string, default: x, defaultExpr: run.name"), "params[0]", "has default and defaultExpr: remove one"),
        ("a default that reads a task", param_spec("name: p, type: string, defaultExpr: tasks.a.phase"), "params[0].defaultExpr", "run"),
        ("a reserved word", param_spec("name: in, type: string"), "params[0].name", "reserved word"),
        ("an output's default of another type", task_spec("outputs: [{name: o, type: int, default: x}]"), "tasks[0].outputs[0].default", "must be an int, and this is a string"),
        ("an amount below zero", task_spec("resources: {limits: {cpu: -1}}"), "tasks[0].resources.limits.cpu", "is no amount: write a number and a unit"),
        ("a pod's field beside its spec", task_spec("podTemplate: {nodeSelector: {disk: ssd}}"), "tasks[0].podTemplate.nodeSelector", "fields of the pod's spec stand in podTemplate.spec"),
        ("restarts by the kubelet", task_spec("podTemplate: {spec: {restartPolicy: OnFailure}}"), "tasks[0].podTemplate.spec.restartPolicy", "must be Never, since each attempt is a pod of its own: remove it"),
        ("another place for outputs", task_spec("podTemplate: {spec: {containers: [{name: main, terminationMessagePath: /x}]}}"), "tasks[0].podTemplate.spec.containers[0].terminationMessagePath", "is how Gantline reads a task's outputs: remove it"),
        ("a label of Gantline's", task_spec("podTemplate: {metadata: {labels: {gantline.dev/run: x}}}"), "tasks[0].podTemplate.metadata.labels['gantline.dev/run']", "choose another prefix"),
        ("a pod with a name", task_spec("podTemplate: {metadata: {name: x}}"), "tasks[0].podTemplate.metadata.name", "name is set by Gantline or Kubernetes for each pod: remove it"),
        ("a container without a name", task_spec("podTemplate: {spec: {containers: [{image: log}]}}"), "tasks[0].podTemplate.spec.containers[0]", "has no name, by which containers are merged: add one; the task's own container is main"),
        ("main as an init container", task_spec("podTemplate: {spec: {initContainers: [{name: main, image: i}]}}"), "tasks[0].podTemplate.spec.initContainers[0].name", "main is the task's own container and no init container"),
        ("a template nested too deep", task_spec(&format!("podTemplate: {{spec: {{x: {deep}}}}}")), "tasks[0].podTemplate", "32"),
        ("a template that is too large", task_spec(&format!("podTemplate: {{metadata: {{annotations: {{a: {}}}}}}}", "x".repeat(33_000))), "tasks[0].podTemplate", "32768 are allowed"),
    ]
}

#[test]
fn what_no_schema_can_say_is_reported_and_makes_no_pod() {
    let stage = Stage::new("reported");
    let rows = reported();
    let name = |at: usize| format!("w{at}");
    let manifests = rows.iter().enumerate().map(|(at, (_, spec, ..))| {
        let of_it = run(&format!("{}-run", name(at)), &format!("workflowRef: {{name: {}}}", name(at)));
        workflow(&name(at), spec) + &of_it
    });
    stage.feed(&["create", "-f", "-"], &manifests.collect::<String>()).expect("all are taken");
    let workflows = stage.until("every workflow's condition", || {
        Some(stage.all("gwf")).filter(|all| all.values().all(|one| one["status"]["conditions"][0].is_object()))
    });
    let runs = finished_all(&stage);
    let mut wrong = Vec::new();
    for (at, (what, _, path, advice)) in rows.iter().enumerate() {
        let valid = &workflows[&name(at)]["status"]["conditions"][0];
        let status = &runs[&format!("{}-run", name(at))]["status"];
        let (told, told_by_run) = (text(&valid["message"]), text(&status["message"]));
        println!("{what}: {told}");
        let says = |told: &str| told.starts_with(&format!("{path}: ")) && told.contains(advice) && !told.contains('\n');
        let right = valid["type"] == "Valid"
            && valid["status"] == "False"
            && valid["reason"] == "InvalidWorkflow"
            && says(told)
            && status["phase"] == "Failed"
            && status["reason"] == "InvalidWorkflow"
            && says(told_by_run);
        if !right {
            wrong.push(format!("{what}: {told}\n    run: {told_by_run} {} {}", status["phase"], status["reason"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stage.kubectl(&["get", "pods", "-o", "name"]), "", "no pod for a workflow with a mistake");
}

const CHOOSY: &str = r"
params:
- {name: date, type: string, pattern: '^\d{4}-\d{2}-\d{2}$'}
- {name: regions, type: list, items: {type: string}, default: [emea]}
- {name: rate, type: number, default: 1, max: 2}
- {name: size, type: string, enum: [small, large], default: small}
- {name: label, type: string, defaultExpr: run.name, maxLength: 12}
tasks: [{name: a, image: i}]
";

#[rustfmt::skip]
fn wrong_params() -> Vec<Reported> {
    vec![
        ("a required one is missing", "{}".into(), "params.date", "is required and not given: set spec.params.date of the run, of type string"),
        ("null is not given", "{date: null}".into(), "params.date", "is required and not given"),
        ("a number for a string", "{date: 20261122}".into(), "params.date", "must be a string, and this is an int: quote it, \"20261122\""),
        ("a string for a number", "{date: '2026-11-22', rate: '1.5'}".into(), "params.rate", "write 1.5 without quotes"),
        ("not as the pattern has it", "{date: today}".into(), "params.date", "\"today\" doesn't match the pattern"),
        ("a name that there isn't", "{date: '2026-11-22', region: [emea]}".into(), "params.region", "the workflow declares no param `region`; did you mean `regions`?"),
        ("an item of another type", "{date: '2026-11-22', regions: [emea, 1]}".into(), "params.regions[1]", "must be a string, and this is an int"),
        ("too large a number", "{date: '2026-11-22', rate: 3}".into(), "params.rate", "3 is above max, which is 2"),
        ("none of the enum", "{date: '2026-11-22', size: smal}".into(), "params.size", "did you mean `small`?"),
        ("too long", "{date: '2026-11-22', label: thirteen-long}".into(), "params.label", "maxLength is 12"),
        ("too much in all", format!("{{date: '2026-11-22', regions: [{}]}}", "x".repeat(17_000)), "params", "16384 are allowed"),
    ]
}

#[test]
fn params_that_do_not_fit_are_reported_and_make_no_pod() {
    let stage = Stage::new("params");
    let rows = wrong_params();
    let runs = rows.iter().enumerate().map(|(at, (_, params, ..))| {
        run(&format!("r{at}"), &format!("workflowRef: {{name: choosy}}\nparams: {params}"))
    });
    let manifests = workflow("choosy", CHOOSY.trim()) + &runs.collect::<String>();
    stage.feed(&["create", "-f", "-"], &manifests).expect("all are taken");
    let runs = finished_all(&stage);
    let mut wrong = Vec::new();
    for (at, (what, _, path, advice)) in rows.iter().enumerate() {
        let status = &runs[&format!("r{at}")]["status"];
        let told = text(&status["message"]);
        println!("{what}: {told}");
        let right = status["phase"] == "Failed"
            && status["reason"] == "InvalidParams"
            && told.starts_with(&format!("{path}: "))
            && told.contains(advice);
        if !right {
            wrong.push(format!("{what}: {told} {} {}", status["phase"], status["reason"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(stage.kubectl(&["get", "pods", "-o", "name"]), "", "no pod for a run with a mistake");
}

/// What `gantline check` finds in a manifest.
fn found(manifest: &str) -> Vec<Finding> {
    check(&[Source { name: "-".to_owned(), bytes: manifest.as_bytes().to_vec() }]).findings
}

fn lines(findings: &[Finding]) -> Vec<String> {
    findings.iter().map(|found| format!("{} {}: {}", found.code, found.path, found.message)).collect()
}

/// Once each, at the same path and in the same words, and without a cluster.
#[test]
fn check_says_beforehand_what_the_api_server_and_the_operator_say() {
    let mut wrong = Vec::new();
    for (what, manifest, _) in refused() {
        let found = found(&manifest);
        // Of a thousand tasks that are too many, none is what others need.
        let is_told = found.len() == 1 || what.starts_with("too many needs");
        if !is_told || found.iter().any(|one| one.severity == Severity::Warning) {
            wrong.push(format!("{what}: {:#?}", lines(&found)));
        }
    }
    let reported = reported().into_iter().map(|(what, spec, path, advice)| (what, workflow("w", &spec), path, advice));
    let params = wrong_params().into_iter().map(|(what, params, path, advice)| {
        let of_it = run("r", &format!("workflowRef: {{name: choosy}}\nparams: {params}"));
        (what, workflow("choosy", CHOOSY.trim()) + &of_it, path, advice)
    });
    for (what, manifest, path, advice) in reported.chain(params) {
        let found = found(&manifest);
        let says = |only: &Finding| only.path == format!("spec.{path}") && only.message.contains(advice);
        if !matches!(found.as_slice(), [only] if says(only)) {
            wrong.push(format!("{what}: {path}: {advice}: {:#?}", lines(&found)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn all_mistakes_are_told_at_once_where_people_look() {
    let stage = Stage::new("at-once");
    let spec = "tasks: [{name: a, needs: [b]}, {name: c, image: i, needs: [a], env: [{name: X, expr: params.y}]}]";
    stage.apply(&workflow("wrong", spec));
    stage.apply(&run("of-it", "workflowRef: {name: wrong}"));
    stage.apply(&run("inline", &format!("workflow: {{{spec}}}")));
    stage.apply(&run("too-large", &format!("workflow: {{tasks: [{}]}}", large_tasks())));
    stage.apply(&run("of-none", "workflowRef: {name: wrog}"));
    for name in ["of-it", "inline"] {
        let status = stage.finished(name);
        let told = text(&status["message"]);
        assert!(told.starts_with("3 mistakes in workflow: tasks[0]: task `a`: has no image"), "{told}");
        assert!(told.contains("; tasks[0].needs[0]: ") && told.contains("; tasks[1].env[0].expr: "), "{told}");
        for condition in status["conditions"].as_array().expect("conditions") {
            assert_eq!((&condition["reason"], &condition["message"]), (&"InvalidWorkflow".into(), &status["message"]));
        }
    }
    let told = stage.finished("too-large");
    assert_eq!(told["reason"], "InvalidWorkflow", "{told:#}");
    assert!(text(&told["message"]).contains("65536 are allowed"), "{told:#}");
    let told = stage.finished("of-none");
    assert_eq!(told["reason"], "WorkflowNotFound", "{told:#}");
    assert!(text(&told["message"]).starts_with("no Workflow `wrog` in namespace"), "{told:#}");

    // In the table, in the Events, and mended by an edit.
    let table = stage.kubectl(&["get", "gwf", "wrong"]);
    assert!(table.contains("False") && table.contains("tasks[0]: task `a`: has no image"), "{table}");
    let events = stage.until("the Event of a failure", || {
        let story = stage.kubectl(&["describe", "wfr", "of-it"]);
        story.contains("Warning").then_some(story)
    });
    assert!(events.contains("3 mistakes in workflow"), "{events}");
    stage.apply(&workflow("wrong", "tasks: [{name: a, image: \"busybox:1.37\", script: \"true\"}]"));
    stage.kubectl(&["wait", "--for=condition=Valid", "gwf/wrong", "--timeout=180s"]);
    stage.apply(&run("again", "workflowRef: {name: wrong}"));
    stage.succeeds("again");
    assert_eq!(stage.status("of-it")["phase"], "Failed", "a run that has ended stays as it is");
    assert_eq!(stage.kubectl(&["get", "pods", "-o", "name"]).lines().count(), 1);
}

/// Two tasks that are too large together.
fn large_tasks() -> String {
    let script = "x".repeat(40_000);
    ["a", "b"].map(|name| format!("{{name: {name}, image: i, script: {script}}}")).join(", ")
}

/// All runs, once all have ended.
fn finished_all(stage: &Stage) -> std::collections::BTreeMap<String, Value> {
    stage.until("the end of every run", || {
        Some(stage.all("wfr")).filter(|all| all.values().all(|run| run["status"]["finishedAt"].is_string()))
    })
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
