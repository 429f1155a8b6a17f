//! Every example can be read and planned, as the operator would.

use std::path::Path;

use gantline::api::{Workflow, WorkflowRun};
use gantline::plan::{Origin, Plan};
use serde_json::Value;

#[test]
fn every_example_plans() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut planned = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|it| it != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
            let name = path.display();
            let plan = match document["kind"].as_str().unwrap_or_default() {
                "Workflow" => {
                    let workflow: Workflow = serde_json::from_value(document).unwrap();
                    Plan::new(&workflow.spec)
                }
                "WorkflowRun" => {
                    let run: WorkflowRun = serde_json::from_value(document).unwrap();
                    let Some(spec) = run.spec.workflow else { continue };
                    Plan::checked(&spec, Origin::Inline)
                }
                _ => continue,
            };
            assert!(plan.is_ok(), "{name}: {:?}", plan.err());
            planned += 1;
        }
    }
    assert!(planned >= 15, "only {planned} workflows in examples");
}
