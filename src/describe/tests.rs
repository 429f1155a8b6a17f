//! What is shown of a run.

use serde_json::{Value, json};

use super::{Part, Story};
use crate::api::{SealedOutputs, Segment, TaskPhase, TaskStatus, WorkflowRun};
use crate::plan::{Origin, Plan};

/// A run of two tasks that has ended; the first four of its transitions are in two records, the next in its log.
fn run() -> WorkflowRun {
    serde_json::from_value(json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": { "name": "nightly", "namespace": "demo", "uid": "uid-1", "creationTimestamp": "2030-01-01T00:00:00Z" },
        "spec": { "workflowRef": { "name": "sales" } },
        "status": {
            "phase": "Failed", "reason": "TaskFailed", "message": "load: exit code 3: row 17 has no price", "progress": "2/2",
            "revision": "sales-x", "startedAt": "2030-01-01T00:00:01.000000Z", "finishedAt": "2030-01-01T00:01:13.000000Z",
            "duration": "1m12s", "params": { "date": "2030-01-01" },
            "tasks": [
                { "name": "extract", "phase": "Succeeded", "startedAt": "2030-01-01T00:00:02.000000Z",
                  "finishedAt": "2030-01-01T00:00:04.500000Z", "outputs": { "rows": 42 }, "attempts": [
                    { "number": 1, "pod": "nightly-extract-1-a", "uid": "u", "startedAt": "2030-01-01T00:00:02.000000Z",
                      "finishedAt": "2030-01-01T00:00:04.500000Z", "exitCode": 0, "outcome": "Succeeded" } ] },
                { "name": "load", "phase": "Failed", "reason": "ExitCode", "message": "2 of 2 items failed", "items": {
                    "total": 2, "newestAttempt": 2, "failed": "0-1", "entries": [
                        { "index": 1, "phase": "Failed", "reason": "ExitCode", "message": "row 17\nhas no price",
                          "earlier": { "failed": 2 }, "attempts": [
                            { "number": 3, "pod": "nightly-load-1-3-b", "outcome": "Failed", "reason": "ExitCode", "exitCode": 3 } ] } ] } },
            ],
            "history": [
                { "seq": 6, "at": "2030-01-01T00:01:12.000000Z", "task": "load", "item": 1, "attempt": 3, "from": "Running", "to": "Failed",
                  "reason": "ExitCode" },
                { "seq": 7, "at": "2030-01-01T00:01:13.000000Z", "from": "Running", "to": "Failed", "reason": "TaskFailed" },
            ],
            "log": row(5, "load"),
            "sealed": { "segment": "nightly-log-2", "count": 2, "lines": 5 },
        },
    }))
    .unwrap()
}

fn row(seq: u64, task: &str) -> String {
    format!("{}\n", json!([seq, "2030-01-01T00:00:02.000000Z", task, null, 1, "Starting", "Running", null]))
}

fn part(number: u32, log: String) -> Part {
    let (name, lines) = (format!("nightly-log-{number}"), log.lines().count() as u64);
    let segment = Segment { run: "nightly".into(), run_uid: "uid-1".into(), number, lines, log, ..Segment::default() };
    Part { name, segment: Some(segment) }
}

fn parts() -> Vec<Part> {
    let item = json!({
        "task": "load", "item": 0, "phase": "Failed", "attempts": [{ "number": 1, "pod": "nightly-load-0-1-c", "outcome": "Failed" }],
    });
    vec![
        part(1, row(1, "extract") + &row(2, "extract")),
        part(2, row(3, "extract") + &format!("{item}\n") + &row(4, "extract")),
    ]
}

#[test]
fn a_run_reads_like_a_page() {
    let text = Story::new(&run(), None, &parts(), &[]).text();
    let expected = "\
Run         nightly
Namespace   demo
UID         uid-1
Workflow    sales
Revision    sales-x
Phase       Failed (TaskFailed)
Message     load: exit code 3: row 17 has no price
Progress    2/2
Created     2030-01-01T00:00:00.000Z
Started     2030-01-01T00:00:01.000Z
Finished    2030-01-01T00:01:13.000Z
Took        1m12s
Params      {\"date\":\"2030-01-01\"}
History     7 transitions, without a gap: 2 in the status, 1 in its log, 4 in 2 records

TASKS
extract: Succeeded
  2030-01-01T00:00:02.000Z to 2030-01-01T00:00:04.500Z (2.5s)
  outputs {\"rows\":42}
  attempt 1: Succeeded, exit code 0, 2030-01-01T00:00:02.000Z to 2030-01-01T00:00:04.500Z (2.5s), pod nightly-extract-1-a
load: Failed (ExitCode)
  2 of 2 items failed
  2 items: failed 0-1
  item 0: Failed
    attempt 1: Failed, pod nightly-load-0-1-c
  item 1: Failed (ExitCode)
    row 17
    has no price
    attempts before: 2 failed
    attempt 3: Failed (ExitCode), exit code 3, pod nightly-load-1-3-b

TRANSITIONS
SEQ  TIME                      OF       ATTEMPT  FROM      TO       REASON
1    2030-01-01T00:00:02.000Z  extract  1        Starting  Running
2    2030-01-01T00:00:02.000Z  extract  1        Starting  Running
3    2030-01-01T00:00:02.000Z  extract  1        Starting  Running
4    2030-01-01T00:00:02.000Z  extract  1        Starting  Running
5    2030-01-01T00:00:02.000Z  load     1        Starting  Running
6    2030-01-01T00:01:12.000Z  load[1]  3        Running   Failed   ExitCode
7    2030-01-01T00:01:13.000Z  the run           Running   Failed   TaskFailed
";
    assert_eq!(text, expected);
}

#[test]
fn an_attempt_is_told_with_the_kind_of_its_object() {
    for (attempt, told) in [
        (json!({ "pod": "p" }), "attempt 1: goes on, pod p"),
        (json!({ "run": "r" }), "attempt 1: goes on, run r"),
        (json!({ "resource": { "apiVersion": "batch/v1", "kind": "Job", "name": "j" } }), "attempt 1: goes on, Job j"),
    ] {
        let mut run = run();
        let mut attempts = json!([{ "number": 1 }]);
        attempts[0].as_object_mut().unwrap().extend(attempt.as_object().unwrap().clone());
        run.status.as_mut().unwrap().tasks[0].attempts = serde_json::from_value(attempts).unwrap();
        let text = Story::new(&run, None, &parts(), &[]).text();
        assert!(text.lines().any(|line| line.trim() == told), "{told}: {text}");
    }
}

#[test]
fn tools_get_all_of_it_as_one_object() {
    let run = run();
    let json: Value = serde_json::from_str(&Story::new(&run, None, &parts(), &[]).json()).unwrap();
    let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["problems", "run", "tasks", "transitions", "whole"]);
    assert_eq!((&json["whole"], &json["problems"]), (&json!(true), &json!([])));
    let numbers: Vec<u64> =
        json["transitions"].as_array().unwrap().iter().filter_map(|it| it["seq"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7]);
    let items = json["tasks"][1]["items"]["entries"].as_array().unwrap();
    assert_eq!(items.iter().map(|item| &item["index"]).collect::<Vec<_>>(), [0, 1]);
    let names = ["name", "namespace", "uid"].map(|field| json["run"][field].as_str().unwrap());
    assert_eq!(names, ["nightly", "demo", "uid-1"]);
    assert_eq!(json["run"]["status"]["phase"], "Failed");
    let doubled = ["tasks", "history", "log", "sealed"].map(|field| json["run"]["status"].get(field));
    assert_eq!(doubled, [None; 4], "each thing is told once");
}

#[test]
fn what_is_missing_is_said_before_all_else() {
    type Damage = fn(&mut WorkflowRun, &mut Vec<Part>);
    let cases: [(&str, Damage, &[&str]); 9] = [
        ("nothing", |_, _| {}, &[]),
        (
            "a record",
            |_, parts| parts[0].segment = None,
            &[
                "WorkflowRecord nightly-log-1, a part of the log, is gone, or can't be read",
                "the log has 5 lines in 2 parts, and 3 of them are there",
                "transitions 1 to 2 are missing",
            ],
        ),
        (
            "a record that no other names",
            |_, parts| {
                parts.remove(0);
            },
            &[
                "WorkflowRecord nightly-log-2 is part 2 of the log, in the place of part 1",
                "the log has 5 lines in 2 parts, and 3 of them are there",
                "transitions 1 to 2 are missing",
            ],
        ),
        (
            "a record is another run's",
            |_, parts| parts[1].segment.as_mut().unwrap().run_uid = "uid-2".into(),
            &[
                "WorkflowRecord nightly-log-2 is a part of another run's log",
                "the log has 5 lines in 2 parts, and 2 of them are there",
                "transitions 3 to 4 are missing",
            ],
        ),
        (
            "a line",
            |_, parts| parts[0].segment.as_mut().unwrap().log = row(1, "extract"),
            &["the log has 5 lines in 2 parts, and 4 of them are there", "transition 2 is missing"],
        ),
        (
            "a line can't be read",
            |_, parts| parts[0].segment.as_mut().unwrap().log = row(1, "extract") + "[2\n",
            &[
                "line 2 of WorkflowRecord nightly-log-1 can't be read: EOF while parsing a list at line 1 column 2",
                "transition 2 is missing",
            ],
        ),
        ("the log of the status", |run, _| run.status.as_mut().unwrap().log.clear(), &["transition 5 is missing"]),
        (
            "a transition is told twice",
            |run, _| run.status.as_mut().unwrap().log = row(5, "load") + &row(5, "load"),
            &["transition 5 is told in the place of transition 6"],
        ),
        (
            "what the status says of the records",
            |run, parts| {
                run.status.as_mut().unwrap().sealed = None;
                parts.clear();
            },
            &["transitions 1 to 4 are missing"],
        ),
    ];
    for (name, damage, problems) in cases {
        let (mut run, mut parts) = (run(), parts());
        damage(&mut run, &mut parts);
        let story = Story::new(&run, None, &parts, &[]);
        assert_eq!(story.problems.told, problems, "{name}");
        let (text, json): (String, Value) = (story.text(), serde_json::from_str(&story.json()).unwrap());
        assert_eq!(text.starts_with("THE HISTORY OF THIS RUN IS NOT WHOLE\n"), !problems.is_empty(), "{name}");
        assert_eq!(text.contains("without a gap"), problems.is_empty(), "{name}");
        assert_eq!((story.is_whole(), &json["problems"]), (problems.is_empty(), &json!(problems)), "{name}");
    }
}

#[test]
fn outputs_are_shown_in_their_places_wherever_they_are() {
    let mut run = run();
    let status = run.status.as_mut().unwrap();
    status.tasks[0].outputs = None;
    let records = vec!["nightly-outputs-1".to_owned(), "nightly-outputs-2".to_owned()];
    let rest = "{\"tasks\":{\"extract\":{\"files\":[]}}}\n".to_owned();
    status.sealed_outputs = Some(SealedOutputs { records, rest });
    let text =
        |number: u32, text: Result<&str, &'static str>| (format!("nightly-outputs-{number}"), text.map(str::to_owned));
    let (head, tail) = ("{\"tasks\":{\"extract\":{\"ro", "ws\":42}}}\n");
    let gone = "WorkflowRecord nightly-outputs-2, which holds outputs of the tasks, was deleted: some are not shown";
    let odd = "the records of the outputs of the tasks don't fit together: some are not shown";
    for (second, outputs, problems) in [
        (Ok(tail), json!({ "files": [], "rows": 42 }), vec![]),
        (Err("was deleted"), json!({ "files": [] }), vec![gone]),
        (Ok("\n"), json!({ "files": [] }), vec![odd]),
    ] {
        let story = Story::new(&run, None, &parts(), &[text(1, Ok(head)), text(2, second)]);
        assert_eq!(story.problems.told, problems, "{second:?}");
        assert!(story.text().contains(&format!("\n  outputs {outputs}\n")), "{second:?}: {}", story.text());
        let json: Value = serde_json::from_str(&story.json()).unwrap();
        assert_eq!((&json["tasks"][0]["outputs"], &json["run"]["status"]["sealedOutputs"]), (&outputs, &Value::Null));
    }
}

#[test]
fn whatever_a_hand_wrote_makes_a_page() {
    let mut run = run();
    let status = run.status.as_mut().unwrap();
    status.log = "nonsense\n".repeat(1_000);
    status.message = "\u{1b}[31mred\u{7}".into();
    status.tasks.clear();
    let story = Story::new(&run, None, &parts(), &[]);
    let text = story.text();
    assert!(!text.contains('\u{1b}') && !text.contains('\u{7}'), "a terminal would take it for a command");
    assert!(text.contains("\n  and 9"), "a thousand problems are not all told: {text}");
    assert!(text.contains("\nload: Pending\n"), "what only the log tells of is shown: {text}");
    assert!(Story::new(&WorkflowRun::new("r", run.spec), None, &[], &[]).is_whole(), "one that has not begun");
}

/// A run of six tasks, of which its status spells out one, and of whose four items it spells out one as well.
fn large() -> (WorkflowRun, Plan, Vec<Part>) {
    let tasks: Vec<Value> = ["a", "b", "c", "d", "e"].map(|name| json!({ "name": name, "image": "i" })).to_vec();
    let mut spec = json!({ "tasks": tasks });
    spec["tasks"]
        .as_array_mut()
        .unwrap()
        .push(json!({ "name": "f", "image": "i", "forEach": { "values": [1, 2, 3, 4] } }));
    let plan = Plan::checked(&serde_json::from_value(spec).unwrap(), Origin::Workflow).unwrap();
    let run = serde_json::from_value(json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
        "metadata": { "name": "nightly", "namespace": "demo", "uid": "uid-1" },
        "spec": { "workflowRef": { "name": "sales" } },
        "status": {
            "phase": "Running", "revision": "sales-x", "startedAt": "2030-01-01T00:00:01.000000Z", "generation": 1,
            "tasks": [{ "name": "f", "phase": "Running", "items": {
                "total": 4, "newestAttempt": 1, "succeeded": "0-1", "running": "2", "pending": "3", "states": "2sr1p", "entries": [
                    { "index": 1, "phase": "Succeeded", "finishedAt": "2030-01-01T00:00:09.000000Z" } ] } }],
            "packed": { "total": 6, "states": "2srfp1r", "newestAttempt": 2, "formerAttempts": 1 },
            "log": "",
            "sealed": { "segment": "nightly-log-1", "count": 1, "lines": 5 },
        },
    }));
    let ended = |task: &str, item: Option<u32>, phase: &str| {
        let mut unit = json!({ "task": task, "phase": phase, "finishedAt": "2030-01-01T00:00:05.000000Z" });
        unit["attempts"] = json!([{ "number": 1, "pod": format!("{task}-1"), "outcome": phase }]);
        if let Some(item) = item {
            unit["item"] = json!(item);
        }
        format!("{unit}\n")
    };
    let log = ended("a", None, "Succeeded")
        + &ended("b", None, "Succeeded")
        + &ended("c", None, "Failed")
        + &ended("d", None, "Failed")
        + &ended("f", Some(0), "Succeeded");
    (run.unwrap(), plan, vec![part(1, log)])
}

#[test]
fn a_large_run_is_shown_as_its_status_its_plan_and_its_log_tell_it() {
    let (run, plan, parts) = large();
    let story = Story::new(&run, Some(&plan), &parts, &[]);
    assert_eq!(story.problems.told, [""; 0]);
    let attempts = |task: &TaskStatus| task.attempts.iter().map(|it| it.number).collect::<Vec<u32>>();
    let tasks: Vec<_> = story.tasks.iter().map(|task| (task.name.as_str(), task.phase, attempts(task))).collect();
    assert_eq!(
        tasks,
        [
            ("a", TaskPhase::Succeeded, vec![1]),
            ("b", TaskPhase::Succeeded, vec![1]),
            // It failed once, and was tried again.
            ("c", TaskPhase::Running, vec![2]),
            ("d", TaskPhase::Failed, vec![1]),
            ("e", TaskPhase::Pending, vec![]),
            ("f", TaskPhase::Running, vec![]),
        ]
    );
    let items: Vec<_> = story.tasks[5].items.as_ref().unwrap().entries.iter().map(|it| (it.index, it.phase)).collect();
    assert_eq!(items, [(0, TaskPhase::Succeeded), (1, TaskPhase::Succeeded), (2, TaskPhase::Running)]);
}

#[test]
fn what_a_large_run_can_not_tell_any_more_is_said() {
    let (run, plan, parts) = large();
    let lost = Story::new(&run, None, &parts, &[]);
    assert_eq!(
        lost.problems.told,
        [
            "WorkflowRecord sales-x, which holds what the run runs, is gone or was changed: 5 of its tasks are shown only as far as the \
            log tells of them"
        ]
    );
    assert_eq!(lost.tasks.len(), 5, "the one that has not begun is told nowhere");
    let mut run = run;
    run.status.as_mut().unwrap().sealed = None;
    let story = Story::new(&run, Some(&plan), &[], &[]);
    let told = |task: &str| format!("the end of task {task} is told nowhere");
    assert_eq!(
        story.problems.told,
        [told("a"), told("b"), told("d"), "how 1 of the items of task f ended is told nowhere".to_owned()]
    );
}
