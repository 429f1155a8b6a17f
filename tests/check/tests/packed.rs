//! Runs of which little is spelt out: what letters, rows and the log tell is held against what was told before.

use gantline::api::label;
use gantline::plan::pod_name;
use serde_json::{Value, json};

use super::story::{RUN, Story};
use super::tell;
use crate::check::packed;

/// The name of the pod of an attempt.
fn name(task: &str, number: u32) -> String {
    pod_name("r", RUN, task, None, number)
}

/// The run's tasks `a` and `b` are letters: these, with these rows.
fn packs<'s>(s: &'s mut Story, states: &str, rows: &str, newest: u32) -> &'s mut Story {
    s.status["packed"] = json!({ "total": 2, "states": states, "rows": rows, "newestAttempt": newest });
    s.status["tasks"] = json!([]);
    s
}

/// A transition goes on record of a task that isn't spelt out.
fn goes<'s>(s: &'s mut Story, task: &str, attempt: u32, from: &str, to: &str) -> &'s mut Story {
    let at = s.stamp();
    let history = s.status["history"].as_array_mut().unwrap();
    let seq = history.last().map_or(0, |last| last["seq"].as_u64().unwrap()) + 1;
    history.push(json!({ "at": at, "seq": seq, "task": task, "attempt": attempt, "from": from, "to": to }));
    s
}

/// The log tells how a task ended.
fn tells<'s>(s: &'s mut Story, line: &Value) -> &'s mut Story {
    let log = s.status["log"].as_str().unwrap_or_default().to_owned();
    s.status["log"] = json!(format!("{log}{line}\n"));
    s
}

/// The first pod of `a` runs, and both tasks are letters.
fn running() -> Story {
    let mut s = Story::pinned_with("retry", json!({ "limit": 1, "backoff": { "initial": "2s", "jitterPercent": 0 } }));
    s = renamed(s);
    packs(&mut s, "ip", "", 1).records();
    makes(&mut s, 1);
    goes(&mut s, "a", 1, "Starting", "Running");
    packs(&mut s, "rp", "", 1).records();
    s
}

/// The intent is that of the pod whose name a letter stands for.
fn renamed(mut s: Story) -> Story {
    s.journal.entries.pop();
    s.attempt("a")["pod"] = json!(name("a", 1));
    s.records();
    s
}

/// The pod of an attempt of `a` is made, and runs.
fn makes(s: &mut Story, number: u32) -> &mut Story {
    let pod_of = name("a", number);
    let labels = |pod: &mut Value| {
        pod["metadata"]["labels"][label::TASK] = json!("a");
        pod["metadata"]["labels"][label::ATTEMPT] = json!(number.to_string());
    };
    s.makes_of(&pod_of, &format!("uid-{pod_of}"), labels).starts(&pod_of)
}

/// The first attempt of `a` failed, and another is to follow two seconds after that went on record.
fn fails(s: &mut Story) -> &mut Story {
    s.ends(&name("a", 1), 1);
    goes(s, "a", 1, "Running", "Backoff");
    let due = s.now.as_millisecond() + 2_000;
    packs(s, "bp", &format!("0,1,0,0,0,0,F,n{due}"), 1).records()
}

/// `a` has succeeded.
fn succeeds(s: &mut Story) -> &mut Story {
    s.ends(&name("a", 1), 0);
    goes(s, "a", 1, "Running", "Succeeded");
    packs(s, "sp", "", 1)
}

/// What there is to say of that.
fn line(s: &Story) -> Value {
    let uid = format!("uid-{}", name("a", 1));
    let attempt = json!({ "number": 1, "pod": name("a", 1), "uid": uid, "outcome": "Succeeded", "exitCode": 0 });
    json!({ "task": "a", "phase": "Succeeded", "finishedAt": s.stamp(), "attempts": [attempt] })
}

#[test]
fn a_run_whose_tasks_are_letters_is_followed() {
    tell(
        running,
        &[
            ("it goes on", |s| s.is_cut_off(), &[]),
            ("it fails, and another attempt is due", |s| fails(s).is_cut_off(), &[]),
            (
                "the next attempt begins in its time",
                |s| {
                    fails(s).waits(5);
                    goes(s, "a", 2, "Backoff", "Starting");
                    packs(s, "ip", "0,2,1,0,0,0", 2).records().is_cut_off()
                },
                &[],
            ),
            (
                "it succeeds, and the log tells how",
                |s| {
                    let line = line(succeeds(s));
                    tells(s, &line).records().is_cut_off()
                },
                &[],
            ),
        ],
    );
}

#[test]
fn a_letter_goes_the_way_of_its_transitions() {
    tell(
        running,
        &[
            ("it goes backwards", |s| packs(s, "mp", "", 1).records().is_cut_off(), &["S7"]),
            ("its pod is to be made again", |s| packs(s, "ip", "", 1).records().is_cut_off(), &["S5", "S7"]),
            ("the letters are those of other tasks", |s| packs(s, "pr", "", 1).records().is_cut_off(), &["S5", "S7"]),
            (
                "there are fewer letters than tasks",
                |s| packs(s, "r", "", 1).records().is_cut_off(),
                &["S5", "S6", "S7"],
            ),
        ],
    );
}

#[test]
fn two_pods_are_made_for_an_attempt_of_a_letter() {
    let mut s = running();
    let again = |pod: &mut Value| {
        pod["metadata"]["labels"][label::TASK] = json!("a");
        pod["metadata"]["labels"][label::ATTEMPT] = json!("1");
    };
    s.makes_of(&name("a", 1), "uid-another", again).is_cut_off();
    assert!(s.broken().contains(&"S1"), "{:?}", s.broken());
}

#[test]
fn a_row_tells_what_was_told_before() {
    tell(
        running,
        &[
            (
                "the time of the next attempt is lost",
                |s| {
                    fails(s);
                    packs(s, "bp", "0,1,0,0,0,0,F", 1).records().is_cut_off()
                },
                &["S5"],
            ),
            (
                "the row is lost",
                |s| {
                    fails(s);
                    packs(s, "bp", "", 1).records().is_cut_off()
                },
                &["S5"],
            ),
            (
                "the next attempt forgets that the first failed",
                |s| {
                    fails(s).waits(5);
                    goes(s, "a", 2, "Backoff", "Starting");
                    packs(s, "ip", "0,2,0,0,0,0", 2).records().is_cut_off()
                },
                &["S5"],
            ),
            (
                "the next attempt begins before its time",
                |s| {
                    fails(s);
                    goes(s, "a", 2, "Backoff", "Starting");
                    packs(s, "ip", "0,2,1,0,0,0", 2).records().is_cut_off()
                },
                &["S5"],
            ),
        ],
    );
}

#[test]
fn how_a_unit_ended_is_told_in_the_log() {
    tell(
        running,
        &[
            ("it is told nowhere", |s| succeeds(s).records().is_cut_off(), &["S7"]),
            (
                "its outputs are lost",
                |s| {
                    let mut line = line(succeeds(s));
                    line["outputs"] = json!({ "rows": 4 });
                    tells(s, &line).records().is_cut_off()
                },
                &["S4"],
            ),
            (
                "it is told to be another end",
                |s| {
                    let mut line = line(succeeds(s));
                    line["attempts"][0]["outcome"] = json!("Failed");
                    line["attempts"][0]["reason"] = json!("ExitCode");
                    tells(s, &line).records().is_cut_off()
                },
                &["S6"],
            ),
        ],
    );
}

#[test]
fn the_phases_of_all_tasks_are_told_by_letters_and_what_is_spelt_out() {
    let spec = json!({ "tasks": [{ "name": "a" }, { "name": "b" }], "finally": [{ "name": "l" }] });
    let status =
        |states: &str| json!({ "packed": { "states": states }, "tasks": [{ "name": "b", "phase": "Failed" }] });
    let told = |states: &str| {
        let phases = packed::phases(&status(states), &spec)?;
        Some(phases.into_iter().map(|(name, phase)| format!("{name} {phase:?}")).collect::<Vec<_>>().join(", "))
    };
    assert_eq!(told("sfp").as_deref(), Some("a Succeeded, b Failed, l Pending"));
    assert_eq!((told("sf"), packed::phases(&json!({}), &spec)), (None, None));
}
