//! Outputs that are in records, and in one text of the status.

use gantline::api::{API_VERSION, label};
use serde_json::{Value, json};

use super::story::{RUN, Story};
use super::tell;

/// `a` has handed on a number, and the run goes on.
fn handed_on() -> Story {
    let mut s = Story::pinned();
    s.makes("r-a-1").starts("r-a-1").knows("a").moves("a", "Running").records();
    s.ends("r-a-1", 0).succeeds("a");
    s.task("a")["outputs"] = json!({ "rows": 42 });
    s.records().is_cut_off();
    s
}

/// Operator `one` puts a text of outputs of the run of this uid on record.
fn keeps<'s>(s: &'s mut Story, name: &str, uid: &str, text: &str) -> &'s mut Story {
    let labels = json!({ (label::RUN): "r", (label::RUN_UID): RUN });
    let owner =
        json!({ "apiVersion": API_VERSION, "kind": "WorkflowRun", "name": "r", "uid": RUN, "controller": true });
    let meta = json!({ "labels": labels, "ownerReferences": [owner] });
    let part = json!({ "run": "r", "runUid": uid, "text": text });
    s.create("one", "workflowrecords", name, json!({ "metadata": meta, "spec": { "outputs": part } }))
}

/// The outputs of `a` are elsewhere now: in these records, and in this text.
fn seals<'s>(s: &'s mut Story, records: &[&str], rest: &str) -> &'s mut Story {
    s.task("a").as_object_mut().unwrap().remove("outputs");
    s.status["sealedOutputs"] = json!({ "records": records, "rest": rest });
    s.moves("", "Suspended").records()
}

const LINE: &str = "{\"tasks\":{\"a\":{\"rows\":42}}}\n";

#[test]
fn s7_outputs_that_a_status_names_are_on_record_and_s4_the_same() {
    tell(
        handed_on,
        &[
            ("in a record", |s| seals(keeps(s, "o", RUN, LINE), &["o"], ""), &[]),
            ("in the text of the status", |s| seals(s, &[], LINE), &[]),
            (
                "in two records, the first of which ends in the midst of it",
                |s| {
                    let (head, tail) = LINE.split_at(11);
                    keeps(s, "o1", RUN, head);
                    seals(keeps(s, "o2", RUN, tail), &["o1", "o2"], "")
                },
                &[],
            ),
            ("in a record that nobody made", |s| seals(s, &["o"], ""), &["S4", "S7"]),
            (
                "in one that is made later",
                |s| {
                    seals(s, &["o"], "");
                    keeps(s, "o", RUN, LINE)
                },
                &["S4", "S7"],
            ),
            ("of another run", |s| seals(keeps(s, "o", "uid-other", LINE), &["o"], ""), &["S16", "S4", "S7"]),
            ("another number", |s| seals(s, &[], "{\"tasks\":{\"a\":{\"rows\":43}}}\n"), &["S4"]),
            ("nowhere", |s| seals(s, &[], ""), &["S4"]),
            ("a text that is none", |s| seals(s, &[], "{\"tasks\":"), &["S4", "S7"]),
            (
                "and of one that has none",
                |s| seals(s, &[], "{\"tasks\":{\"a\":{\"rows\":42},\"b\":{\"rows\":1}}}\n"),
                &["S4"],
            ),
            (
                "and of a task that isn't there",
                |s| seals(s, &[], "{\"tasks\":{\"a\":{\"rows\":42},\"c\":{\"rows\":1}}}\n"),
                &["S7"],
            ),
            (
                "and of items of a task that has none",
                |s| seals(s, &[], "{\"tasks\":{\"a\":{\"rows\":42}},\"items\":{\"c\":{\"rows\":{\"0\":1}}}}\n"),
                &["S7"],
            ),
        ],
    );
}

#[test]
fn s12_few_outputs_are_in_a_status() {
    let long = |more: usize| format!("{LINE}{}\n", json!("x".repeat(more)));
    let story = |rest: &str| {
        let mut s = handed_on();
        seals(&mut s, &[], rest);
        s.broken()
    };
    let room = 32 * 1024 - json!(long(0)).to_string().len();
    assert_eq!([story(&long(room)), story(&long(room + 1))], [vec![], vec!["S12"]]);
    let mut s = handed_on();
    let names: Vec<String> = (0..65).map(|number| format!("o{number}")).collect();
    for name in &names {
        keeps(&mut s, name, RUN, "");
    }
    seals(&mut s, &names.iter().map(String::as_str).collect::<Vec<&str>>(), LINE);
    assert_eq!(s.broken(), ["S12"]);
    let mut s = handed_on();
    keeps(&mut s, "o", RUN, &"1".repeat(256 * 1024));
    assert_eq!(s.broken(), ["S12"]);
}

/// `a` has two items, of which the first has handed on a number.
fn with_items() -> Story {
    let mut s = Story::pinned_with("forEach", json!({ "values": [1, 2] }));
    s.status["tasks"][0] = items(r#"{"rows":[42]}"#);
    s.records().is_cut_off();
    s
}

fn items(outputs: &str) -> Value {
    let items = json!({ "total": 2, "succeeded": "0", "pending": "1", "newestAttempt": 1, "outputs": outputs });
    json!({ "name": "a", "phase": "Running", "items": items })
}

#[test]
fn s4_outputs_of_items_stay() {
    let of = |outputs: &str, sealed: Value| {
        let mut s = with_items();
        let before = s.findings().violations.len();
        s.status["tasks"][0] = items(outputs);
        if !sealed.is_null() {
            s.status["sealedOutputs"] = sealed;
        }
        s.moves("", "Suspended").records();
        let new = s.findings().violations.split_off(before);
        let told = new.into_iter().filter(|it| it.invariant == "S4" && it.what.contains("output"));
        told.map(|it| it.what).collect::<Vec<String>>()
    };
    let rest = |rest: &str| json!({ "rest": rest });
    let line = |list: &str| rest(&format!("{{\"items\":{{\"a\":{{\"rows\":{list}}}}}}}\n"));
    let gone = "output rows of item 0 of a was 42, and no longer is";
    let early = "output rows of item 1 of a is told, and it hasn't succeeded";
    for (outputs, sealed, told) in [
        (r#"{"rows":[42]}"#, Value::Null, None),
        ("", line(r#"{"0":42}"#), None),
        ("", Value::Null, Some(gone)),
        ("", line(r#"{"0":43}"#), Some(gone)),
        ("", line(r#"{"0":42,"1":1}"#), Some(early)),
    ] {
        assert_eq!(of(outputs, sealed.clone()), Vec::from_iter(told.map(str::to_owned)), "{outputs} {sealed}");
    }
}
