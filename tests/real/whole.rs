//! Reading a large run back: what its status no longer spells out is all there.

use std::process::Command;

use serde_json::Value;

use super::stage::Stage;

/// What `gantline describe` tells of a run, which must be all of it: every transition from the first, and how everything ended.
pub fn reads_back(stage: &Stage, run: &str) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gantline"));
    let output = command.args(["describe", run, "--namespace", &stage.namespace, "--output", "json"]).output();
    let output = output.expect("describe runs");
    let told: Value = serde_json::from_slice(&output.stdout).expect("an object");
    let problems = &told["problems"];
    assert!(
        output.status.success() && told["whole"] == true,
        "{problems:#} {:?}",
        String::from_utf8_lossy(&output.stderr)
    );
    let numbers =
        told["transitions"].as_array().expect("a list").iter().map(|it| it["seq"].as_u64().expect("a number"));
    let count = u64::try_from(told["transitions"].as_array().map_or(0, Vec::len)).expect("a count");
    assert!(numbers.eq(1..=count), "each transition once, in its order");
    told
}

/// Whether it succeeded, with its first attempt.
pub fn succeeded_at_once(unit: &Value) -> bool {
    let attempts = unit["attempts"].as_array().map(Vec::as_slice);
    let is_first = |it: &Value| it["number"] == 1 && it["outcome"] == "Succeeded";
    unit["phase"] == "Succeeded" && matches!(attempts, Some([only]) if is_first(only))
}
