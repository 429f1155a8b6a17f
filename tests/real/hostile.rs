//! Input meant to break things, and things changed behind the operator's back. The operator stays up, the object itself says
//! what happened to it, and others' runs go on.

use serde_json::{Value, json};

use gantline::plan::pod_name;

use super::stage::Stage;

/// A run of these tasks.
fn run(name: &str, tasks: &str) -> String {
    let tasks = tasks.trim().replace('\n', "\n    ");
    format!(
        "---\napiVersion: gantline.dev/v1alpha1\nkind: WorkflowRun\nmetadata: {{name: {name}}}\nspec:\n  workflow:\n    taskDefaults: {{image: \"busybox:1.37\"}}\n    tasks:\n    {tasks}\n"
    )
}

/// The operator is up, and another run of the namespace succeeds.
fn others_go_on(stage: &mut Stage) {
    assert!(stage.operator_is_up(), "the operator stays up");
    stage.apply(&run("another", "- {name: a, script: 'true'}"));
    stage.succeeds("another");
    assert!(stage.operator_is_up(), "the operator stays up");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// What a task writes: its script, the reason that it fails for, and how its message begins and ends. Of a long log the kubelet reads
/// what the container's runtime has written down by the end of the container, which can be less than all: so it gets a while.
type Writes = (&'static str, &'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const WRITES: &[Writes] = &[
    ("large-output", "(printf v=; head -c 1000000 /dev/zero | tr '\\0' x) > \"$GANTLINE_OUTPUT\"", "OutputTooLarge", "OutputTooLarge", ""),
    ("many-outputs", "yes v=x | head -n 500000 > \"$GANTLINE_OUTPUT\"", "OutputTooLarge", "OutputTooLarge", ""),
    ("noise-output", "(echo noise; head -c 1000 /dev/urandom) > \"$GANTLINE_OUTPUT\"", "OutputInvalid", "OutputInvalid: line 1 of the outputs is not `name=value`", ""),
    ("deep-output", "(printf '{\"v\":'; head -c 1000 /dev/zero | tr '\\0' '['; head -c 1000 /dev/zero | tr '\\0' ']'; printf '}') > \"$GANTLINE_OUTPUT\"", "OutputInvalid", "OutputInvalid", ""),
    ("link-output", "ln -sf /etc/passwd \"$GANTLINE_OUTPUT\" || true", "OutputMissing", "OutputMissing", ""),
    ("large-log", "head -c 1000000 /dev/zero | tr '\\0' x; echo; echo the end; sleep 2; exit 3", "ExitCode", "exit code 3: ", "the end"),
    ("one-long-line", "head -c 1000000 /dev/zero | tr '\\0' x; sleep 2; exit 3", "ExitCode", "exit code 3: …xxx", "x…"),
    ("many-lines", "yes a line of the log | head -n 50000; echo the end; sleep 2; exit 3", "ExitCode", "exit code 3: ", "the end"),
    ("noise-log", "head -c 100000 /dev/urandom; echo; echo the end; sleep 2; exit 3", "ExitCode", "exit code 3: ", "the end"),
    ("colours", "printf '\\033[31mred\\033[0m\\r\\nthe\\tend\\007\\n'; exit 3", "ExitCode", "exit code 3: ", "end"),
];

#[test]
fn what_tasks_write_is_bounded_and_made_fit_to_print() {
    let mut stage = Stage::new("writes");
    let tasks = WRITES.iter().map(|(name, script, ..)| {
        format!("- name: {name}\n  outputs: [{{name: v, type: string}}]\n  script: |\n    {script}\n")
    });
    stage.apply(&run("writes", &tasks.collect::<String>()));
    let status = stage.finished("writes");
    let mut wrong = Vec::new();
    for ((name, _, reason, begin, end), task) in WRITES.iter().zip(status["tasks"].as_array().expect("tasks")) {
        let (told, kept) = (text(&task["message"]), text(&task["attempts"][0]["message"]));
        let shown: String = told.chars().take(200).collect();
        println!("{name}: {shown}");
        let fit = |text: &str| text.len() <= 1024 && !text.chars().any(|c| c.is_control() && c != '\n');
        let right = task["phase"] == "Failed"
            && task["reason"] == *reason
            && told.starts_with(begin)
            && told.ends_with(end)
            && fit(told)
            && fit(kept)
            && task["outputs"].is_null();
        if !right {
            wrong.push(format!("{name}: {} {} {told:?} {kept:?}", task["phase"], task["reason"]));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(status["reason"], "TaskFailed");
    assert!(serde_json::to_string(&status).expect("JSON").len() < 64 * 1024, "the status stays small");
    others_go_on(&mut stage);
}

/// Letters of many scripts, written in both directions, joined, beyond the first plane, and what shells, YAML and Kubernetes
/// take for more than letters.
const LETTERS: &str = "Grüße, 世界! שלום مرحبا हिन्दी 👩‍👩‍👧‍👦 🏳️‍🌈 e\u{301} \u{202e}over\u{202c} $(X) $$ ${Y} $(date) `date` \\n %s 'a' \"b\" # & ; | < > {{z}} \u{2028}\u{feff}end";

#[test]
fn letters_of_every_kind_come_through_whole() {
    let mut stage = Stage::new("letters");
    let run = json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": {"name": "letters", "annotations": {"note": LETTERS}},
        "spec": {
            "params": {"word": LETTERS, "all": {LETTERS: [LETTERS]}},
            "workflow": {
                "description": LETTERS,
                "params": [{"name": "word", "type": "string", "description": LETTERS, "enum": [LETTERS]}, {"name": "all", "type": "object"}],
                "taskDefaults": {"image": "busybox:1.37"},
                "tasks": [
                    {
                        "name": "say",
                        "description": LETTERS,
                        "env": [
                            {"name": "WORD", "expr": "params.word"},
                            {"name": "ALL", "expr": "params.all"},
                            {"name": "LITERAL", "expr": format!("'{}'", LETTERS.replace('\\', "\\\\").replace('\'', "\\'"))},
                        ],
                        "podTemplate": {"metadata": {"annotations": {"note": LETTERS}}},
                        "script": format!("# {LETTERS}\ntest \"$WORD\" = \"$LITERAL\"\nprintf 'word=%s\\nall=%s\\n' \"$WORD\" \"$ALL\" > \"$GANTLINE_OUTPUT\""),
                        "outputs": [{"name": "word", "type": "string"}, {"name": "all", "type": "object"}],
                    },
                    {
                        "name": "fail",
                        "needs": ["say"],
                        "env": [{"name": "WORD", "expr": "tasks.say.outputs.word"}],
                        "command": ["sh", "-c", "printf '%s\\n' \"$0\"; exit 3", "$(WORD)"],
                    },
                ],
            },
        },
    });
    stage.feed(&["create", "-f", "-"], &run.to_string()).expect("it is taken");
    let status = stage.finished("letters");
    assert_eq!(status["params"]["word"], LETTERS);
    assert_eq!(status["tasks"][0]["outputs"], json!({"word": LETTERS, "all": {LETTERS: [LETTERS]}}), "{status:#}");
    assert_eq!(status["tasks"][1]["message"], format!("exit code 3: {LETTERS}"), "{status:#}");
    assert_eq!(status["message"], format!("fail: exit code 3: {LETTERS}"), "{status:#}");
    others_go_on(&mut stage);
}

#[test]
fn a_run_with_metadata_without_end_is_a_run() {
    let mut stage = Stage::new("metadata");
    let labels = (0..5_000).map(|n| (format!("example.org/entry-{n}"), Value::from(format!("value-{n}"))));
    let metadata = [
        json!({"name": "laden", "labels": Value::Object(labels.collect())}),
        // The most that the API server takes: annotations of 256 KiB in all.
        json!({"name": "more", "annotations": {"a": "x".repeat(256 * 1024 - 1)}}),
    ];
    for metadata in metadata {
        let run = json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": metadata,
            "spec": {"workflow": {"tasks": [{"name": "a", "image": "busybox:1.37", "script": "true"}]}},
        });
        stage.feed(&["create", "-f", "-"], &run.to_string()).expect("it is taken");
    }
    stage.succeeds("laden");
    stage.succeeds("more");
    others_go_on(&mut stage);
}

#[test]
fn a_pod_of_someone_else_under_our_name_is_left_alone() {
    let mut stage = Stage::without_operator("clash");
    stage.apply(&run(
        "taken",
        "- {name: a, script: 'true'}\n- {name: b, script: 'true'}\n- {name: c, needs: [a], script: 'true'}",
    ));
    let uid = text(&stage.get("wfr", "taken").expect("the run")["metadata"]["uid"]).to_owned();
    let name = pod_name("taken", &uid, "a", None, 1);
    let foreign = |name: &str, labels: &Value, owner: &Value| {
        let owners = if owner.is_null() { json!([]) } else { json!([owner]) };
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": labels, "ownerReferences": owners},
            "spec": {"schedulingGates": [{"name": "example.org/never"}], "containers": [{"name": "main", "image": "busybox:1.37"}]},
        })
    };
    let ours = json!({"gantline.dev/run": "taken", "gantline.dev/run-uid": uid, "gantline.dev/task": "b", "gantline.dev/attempt": "1"});
    let another = json!({"gantline.dev/run": "taken", "gantline.dev/run-uid": "no-such-uid", "gantline.dev/task": "b", "gantline.dev/attempt": "1"});
    let not_in_control =
        json!({"apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": "taken", "uid": uid});
    let pods = [
        foreign(&name, &json!({"app": "theirs"}), &Value::Null),
        foreign("labelled", &ours, &Value::Null),
        foreign("labelled-for-none", &another, &Value::Null),
        foreign("owned-not-controlled", &ours, &not_in_control),
    ];
    let names = pods.iter().map(|pod| text(&pod["metadata"]["name"]).to_owned()).collect::<Vec<_>>();
    for pod in &pods {
        stage.feed(&["create", "-f", "-"], &pod.to_string()).expect("it is made");
    }
    let versions = |stage: &Stage| {
        let all = stage.all("pods");
        let parts = |pod: &Value| {
            [
                &pod["metadata"]["uid"],
                &pod["metadata"]["deletionTimestamp"],
                &pod["metadata"]["labels"],
                &pod["metadata"]["finalizers"],
                &pod["spec"],
            ]
            .map(Clone::clone)
        };
        names.iter().map(|name| parts(all.get(name).expect(name))).collect::<Vec<_>>()
    };
    let before = versions(&stage);
    stage.start_operator();
    let status = stage.finished("taken");
    let phases = status["tasks"].as_array().expect("tasks").iter().map(|task| text(&task["phase"])).collect::<Vec<_>>();
    assert_eq!(phases, ["Failed", "Succeeded", "UpstreamFailed"], "{status:#}");
    let a = &status["tasks"][0];
    assert_eq!(a["reason"], "NameClash", "{status:#}");
    let advice = format!(
        "a pod named {name} exists that is not this run's: find out who made it (kubectl get pod {name} -o yaml), delete it, and make a new run"
    );
    assert_eq!(a["message"], format!("NameClash: {advice}"), "{status:#}");
    assert_eq!(status["message"], format!("a: NameClash: {advice}"), "{status:#}");
    others_go_on(&mut stage);
    assert_eq!(versions(&stage), before, "nobody's pod is touched");
}

#[test]
fn a_run_that_is_nested_too_deep_says_so() {
    let mut stage = Stage::new("deep");
    let deep = (0..200).fold("1".to_owned(), |value, _| format!("{{\"a\":{value}}}"));
    let object = |kind: &str, name: &str, spec: &str| {
        format!(
            r#"{{"apiVersion":"gantline.dev/v1alpha1","kind":"{kind}","metadata":{{"name":"{name}"}},"spec":{spec}}}"#
        )
    };
    let create = |stage: &Stage, resource: &str, object: &str| {
        let path = format!("/apis/gantline.dev/v1alpha1/namespaces/{}/{resource}", stage.namespace);
        stage.feed(&["create", "--raw", &path, "-f", "-"], object).expect("the API server takes it");
    };
    let params = format!(r#"{{"workflow":{{"tasks":[{{"name":"a","image":"i"}}]}},"params":{{"deep":{deep}}}}}"#);
    create(&stage, "workflowruns", &object("WorkflowRun", "deep-params", &params));
    let template = format!(r#"{{"tasks":[{{"name":"a","image":"i","podTemplate":{{"spec":{deep}}}}}]}}"#);
    create(&stage, "workflows", &object("Workflow", "deep-template", &template));
    create(&stage, "workflowruns", &object("WorkflowRun", "of-it", r#"{"workflowRef":{"name":"deep-template"}}"#));

    let status = stage.finished("deep-params");
    assert_eq!((&status["phase"], &status["reason"]), (&"Failed".into(), &"InvalidWorkflow".into()), "{status:#}");
    assert!(
        text(&status["message"]).starts_with("this run can't be read, so nothing is done about it: "),
        "{status:#}"
    );
    println!("{}", text(&status["message"]));
    stage.until("the Event", || stage.kubectl(&["get", "events"]).contains("this run can't be read").then_some(()));
    let valid = stage.until("the workflow's condition", || {
        let args = ["get", "gwf", "deep-template", "-o", "jsonpath={.status.conditions[0]}"];
        serde_json::from_str::<Value>(&stage.kubectl(&args)).ok()
    });
    assert_eq!((&valid["status"], &valid["reason"]), (&"False".into(), &"InvalidWorkflow".into()), "{valid:#}");
    println!("{}", text(&valid["message"]));
    assert!(text(&valid["message"]).starts_with("this workflow can't be read: "), "{valid:#}");
    let status = stage.finished("of-it");
    assert_eq!(status["reason"], "InvalidWorkflow", "{status:#}");
    println!("{}", text(&status["message"]));
    others_go_on(&mut stage);
    stage.kill_operator();
    stage.start_operator();
    stage.kubectl(&["delete", "wfr", "another"]);
    others_go_on(&mut stage);
}

/// A task that waits at its gate, and one after it. Each run has a record of its own.
fn gated(name: &str) -> String {
    run(
        name,
        &format!(
            "- {{name: first, script: 'true', podTemplate: {{spec: {{schedulingGates: [{{name: example.org/wait}}]}}}}}}\n- {{name: second, needs: [first], script: 'true # {name}'}}"
        ),
    )
}

/// Lets the first task of a [`gated`] run start.
fn open_gate(stage: &Stage, run: &str) {
    let gate = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
    stage.kubectl(&["patch", "pod", &stage.pod_of(run, "first"), "--type=json", "-p", gate]);
}

#[test]
fn a_record_that_is_gone_or_changed_is_missed_only_where_it_must_be() {
    let mut stage = Stage::new("record");
    let names = ["deleted", "edited", "deleted-restarted", "edited-restarted", "lost"];
    for name in &names[..4] {
        stage.apply(&gated(name));
    }
    stage.apply("{apiVersion: gantline.dev/v1alpha1, kind: Workflow, metadata: {name: lost}, spec: {tasks: [{name: first, image: 'busybox:1.37', podTemplate: {spec: {schedulingGates: [{name: example.org/wait}]}}}]}}");
    stage.apply("{apiVersion: gantline.dev/v1alpha1, kind: WorkflowRun, metadata: {name: lost}, spec: {workflowRef: {name: lost}}}");
    for name in names {
        stage.pod_of(name, "first");
        let record = text(&stage.status(name)["revision"]).to_owned();
        if name.starts_with("edited") {
            let patch = r#"{"spec": {"data": {"tasks": [{"name": "evil", "image": "evil"}]}}}"#;
            let refused = stage.try_kubectl(&["patch", "workflowrecords", &record, "--type=merge", "-p", patch]);
            let words = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(!refused.status.success() && words.contains("a record never changes"), "{words}");
        }
        stage.kubectl(&["delete", "workflowrecords", &record]);
        if name.starts_with("edited") {
            // Who may not change a record may still put another in its place.
            let evil = r#"spec: {workflow: "", data: {tasks: [{name: evil, image: evil}]}}"#;
            stage.apply(&format!(
                "{{apiVersion: gantline.dev/v1alpha1, kind: WorkflowRecord, metadata: {{name: {record}}}, {evil}}}"
            ));
        }
    }
    // While the operator knows what it pinned, nobody notices.
    for name in ["deleted", "edited"] {
        open_gate(&stage, name);
        stage.succeeds(name);
    }
    // After a restart it reads the records: one that is gone is written again if its content is still to be had.
    stage.kill_operator();
    stage.kubectl(&["patch", "gwf", "lost", "--type=merge", "-p", r#"{"spec": {"description": "edited"}}"#]);
    stage.start_operator();
    open_gate(&stage, "deleted-restarted");
    let status = stage.succeeds("deleted-restarted");
    stage.kubectl(&["get", "workflowrecords", text(&status["revision"])]);
    for (name, why) in [
        ("edited-restarted", "was changed: it no longer holds what its name says"),
        ("lost", "which the run is pinned to, was deleted"),
    ] {
        let status = stage.finished(name);
        assert_eq!((&status["phase"], &status["reason"]), (&"Failed".into(), &"RevisionLost".into()), "{status:#}");
        assert!(text(&status["message"]).starts_with("WorkflowRecord "), "{status:#}");
        assert!(text(&status["message"]).ends_with(why), "{status:#}");
        no_pod_goes_on(&stage, name);
    }
    others_go_on(&mut stage);
}

/// No pod of a run that has ended waits or runs, and none is held.
fn no_pod_goes_on(stage: &Stage, run: &str) {
    stage.until(&format!("the pods of {run} to end, and to be let go"), || {
        let of_it = |pod: &&Value| pod["metadata"]["labels"]["gantline.dev/run"] == run;
        let over = |pod: &Value| {
            let phase = text(&pod["status"]["phase"]);
            matches!(phase, "Succeeded" | "Failed") && pod["metadata"]["finalizers"].is_null()
        };
        stage.all("pods").values().filter(of_it).all(over).then_some(())
    });
}

/// A status edited by hand: what is patched, and the phase and reason that the run comes to.
type Edit = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip]
const EDITS: &[Edit] = &[
    ("nothing", r#"[{"op": "remove", "path": "/status"}]"#, "Succeeded", ""),
    ("no-tasks", r#"[{"op": "replace", "path": "/status/tasks", "value": []}]"#, "Failed", "RevisionLost"),
    ("other-tasks", r#"[{"op": "replace", "path": "/status/tasks/1/name", "value": "other"}]"#, "Failed", "RevisionLost"),
    ("no-attempt", r#"[{"op": "replace", "path": "/status/tasks/0", "value": {"name": "first"}}]"#, "Succeeded", ""),
    ("no-uid", r#"[{"op": "remove", "path": "/status/tasks/0/attempts/0/uid"}]"#, "Succeeded", ""),
    ("other-pod", r#"[{"op": "replace", "path": "/status/tasks/0/attempts/0/pod", "value": "no-such-pod"}]"#, "Succeeded", ""),
    ("no-revision", r#"[{"op": "remove", "path": "/status/revision"}]"#, "Succeeded", ""),
    ("other-revision", r#"[{"op": "replace", "path": "/status/revision", "value": "no-such-record"}]"#, "Failed", "RevisionLost"),
    ("task-done", r#"[{"op": "replace", "path": "/status/tasks/0/phase", "value": "Succeeded"}]"#, "Succeeded", ""),
    ("task-undone", r#"[{"op": "replace", "path": "/status/tasks/0/phase", "value": "Pending"}]"#, "Succeeded", ""),
    ("done", r#"[{"op": "replace", "path": "/status/phase", "value": "Succeeded"}]"#, "Succeeded", ""),
    ("undone", r#"[{"op": "replace", "path": "/status/phase", "value": "Pending"}]"#, "Succeeded", ""),
    ("stopping", r#"[{"op": "replace", "path": "/status/phase", "value": "Stopping"}]"#, "Cancelled", ""),
    ("no-history", r#"[{"op": "remove", "path": "/status/history"}, {"op": "remove", "path": "/status/conditions"}]"#, "Succeeded", ""),
];

#[test]
fn a_status_edited_by_hand_leads_to_an_end() {
    let mut stage = Stage::new("edited");
    for (name, ..) in EDITS {
        stage.apply(&gated(name));
    }
    for (name, ..) in EDITS {
        stage.pod_of(name, "first");
    }
    for (name, patch, ..) in EDITS {
        stage.kubectl(&["patch", "wfr", name, "--subresource=status", "--type=json", "-p", patch]);
    }
    let mut wrong = Vec::new();
    for (name, _, phase, reason) in EDITS {
        // Some of the pods are gone by now, and some replaced: those that still wait may start.
        let status = stage.until(&format!("the end of {name}"), || {
            let gate = r#"[{"op": "remove", "path": "/spec/schedulingGates"}]"#;
            for pod in stage.pods(name) {
                stage.try_kubectl(&["patch", "pod", &pod, "--type=json", "-p", gate]);
            }
            let status = stage.status(name);
            let finished = matches!(text(&status["phase"]), "Succeeded" | "Failed" | "Cancelled");
            finished.then_some(status)
        });
        println!("{name}: {} {} {}", status["phase"], status["reason"], status["message"]);
        if status["phase"] != *phase || text(&status["reason"]) != *reason && !reason.is_empty() {
            wrong.push(format!("{name}: {status:#}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, ..) in EDITS {
        no_pod_goes_on(&stage, name);
    }
    others_go_on(&mut stage);
}
