//! A task with a long list, through which the operator is killed.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::stage::Stage;
use super::{api, fake, whole};

/// Items of the list, unless `GANTLINE_ITEMS` says otherwise.
const ITEMS: usize = 1_000;
/// Every so many items, one fails.
const EVERY: usize = 100;

/// How many items of the first task have succeeded: of a long list there is a letter for each, with how many in a row.
fn succeeded(status: &Value) -> usize {
    let letters = status["tasks"][0]["items"]["states"].as_str().unwrap_or_default();
    let rows = letters.split_inclusive(|letter: char| letter.is_ascii_alphabetic());
    let count = |row: &str| if row.is_empty() { 1 } else { row.parse().expect("a number") };
    rows.filter_map(|row| row.strip_suffix('s')).map(count).sum()
}

#[test]
fn a_thousand_items_run_once_each_though_the_operator_dies_meanwhile() {
    let items = std::env::var("GANTLINE_ITEMS").ok().and_then(|text| text.parse().ok()).unwrap_or(ITEMS);
    let mut stage = Stage::for_kills("items");
    let mut task = fake::task("f", &[], 0);
    // A pod's annotations don't follow its item: what fails does so for want of a variable.
    task["forEach"] = json!({ "items": format!("lists.range({items})"), "minSucceededPercent": 99 });
    task["env"] = json!([{ "name": "SHARE", "expr": format!("100 / (item % {EVERY})") }]);
    task["podTemplate"]["metadata"]["annotations"]["fake/message"] = json!("value=7");
    task["outputs"] = json!([{ "name": "value", "type": "int" }]);
    api::create(&api::runs(&stage.namespace), &fake::run("items", "", &[task, fake::task("z", &["f"], 0)]));
    for share in 1..=3 {
        stage.start_operator();
        let so_many = |status: &Value| succeeded(status) >= items * share / 5;
        let status = api::block_on(api::status(api::client(), &stage.namespace, "items", so_many));
        assert!(status["finishedAt"].is_null(), "all kills fall into the run");
        stage.kill_operator();
    }
    let begun = std::time::Instant::now();
    stage.start_operator();
    let status = api::block_on(api::finished(api::client(), &stage.namespace, "items"));
    assert_eq!(
        (&status["phase"], &status["tasks"][0]["phase"]),
        (&"Succeeded".into(), &"Succeeded".into()),
        "{status:#}"
    );
    let of_task = &status["tasks"][0];
    assert_eq!(of_task["items"]["total"], items);
    assert!(of_task["items"]["entries"].as_array().is_some_and(|entries| entries.len() <= 64), "few are told of");

    let released = |pods: &[Value]| !pods.iter().any(api::held);
    let pods = api::block_on(api::pods_of(api::client(), &stage.namespace, "items", released));
    let of_items = pods.iter().filter(|pod| pod["metadata"]["labels"]["gantline.dev/task"] == "f");
    let label = |pod: &Value| pod["metadata"]["labels"]["gantline.dev/index"].as_str().unwrap_or_default().to_owned();
    let indices: Vec<String> = of_items.map(label).collect();
    let distinct: BTreeSet<&String> = indices.iter().collect();
    // Those beyond 500, of which one is of the last task, may be gone by now. That no item ever had two, the audit log tells.
    assert_eq!(indices.len(), distinct.len(), "one pod an item");
    assert!((499..=items).contains(&indices.len()), "{} pods stay", indices.len());
    let told = whole::reads_back(&stage, "items");
    // Of a longer list they are in records.
    let values = told["tasks"][0]["outputs"]["value"].as_array().expect("a list");
    let expected = (0..items).map(|item| if item % EVERY == 0 { Value::Null } else { 7.into() });
    assert!(values.iter().cloned().eq(expected), "the outputs are in the order of the items");
    let told = told["tasks"][0]["items"]["entries"].as_array().expect("a list");
    let at_once = told.iter().filter(|item| whole::succeeded_at_once(item)).count();
    assert_eq!((told.len(), at_once), (items, items - items.div_ceil(EVERY)), "how each ended can be read back");
    let bytes = status.to_string().len();
    assert!(bytes < 64 * 1024, "{bytes} bytes");
    println!(
        "{items} items in {:?} after the last kill, a status of {bytes} bytes; {}",
        begun.elapsed(),
        stage.is_clean()
    );
}
