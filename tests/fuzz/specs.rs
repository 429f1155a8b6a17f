//! A workflow is a plan, or problems that say where and what; so are the parameters of a run.

use std::collections::BTreeSet;

use gantline::api::{Workflow, WorkflowRun, WorkflowSpec};
use gantline::controller::Loose;
use gantline::plan::{Origin, Plan, PodValues, Problem, limits};
use gantline::pods::{Owner, PodSecurity, build};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::cases::{Verdict, fuzz};
use super::json::{Corpus, examples};

/// The most that a path may have, in bytes: a few names within their bounds.
const PATH: usize = 512;
/// The most that the reader of an object may say of it, in bytes.
const WORDS: usize = 1024;

/// Manifests may have each byte of a spec in their templates and in those of the defaults, with Gantline's own beside it.
fn manifest_bound(spec: usize) -> usize {
    spec * 2 + 8 * 1024
}

fn problems_law(problems: &[Problem]) -> Result<(), TestCaseError> {
    prop_assert!(!problems.is_empty() && problems.len() <= limits::PROBLEMS + 1, "{} problems", problems.len());
    for problem in problems {
        prop_assert!(!problem.path.is_empty() && problem.path.len() <= PATH, "a path of {} bytes", problem.path.len());
        prop_assert!(!problem.message.is_empty() && problem.message.len() <= limits::MESSAGE_BYTES);
        let text = problem.to_string();
        prop_assert!(!text.chars().any(char::is_control), "{:?}", text);
    }
    Ok(())
}

fn plan_law(spec: &WorkflowSpec, plan: &Plan) -> Result<(), TestCaseError> {
    let tasks = spec.tasks.len() + spec.finally.len();
    prop_assert_eq!(plan.tasks().len(), tasks);
    prop_assert_eq!(plan.order().iter().collect::<BTreeSet<_>>().len(), tasks, "an order of all tasks");
    let bytes = serde_json::to_string(spec).map_or(0, |text| text.len());
    prop_assert!(bytes <= limits::SPEC_BYTES);
    let owner = Owner { name: "run", namespace: "default", uid: "uid" };
    // The first tasks stand for all: a spec may repeat one a thousand times.
    for task in plan.tasks().iter().take(8) {
        prop_assert!(task.env.len() <= 2 * limits::ENV && task.templates.len() <= 2);
        prop_assert!(task.outputs.len() <= limits::OUTPUTS && task.needs.len() < plan.tasks().len());
        let pod = build(&owner, task, None, 1, "pod", PodValues::default(), PodSecurity::Restricted);
        prop_assert_eq!(&pod["spec"]["containers"][0]["name"], "main");
        let found = pod.to_string().len();
        prop_assert!(found <= manifest_bound(bytes), "a manifest of {} bytes from a spec of {}", found, bytes);
    }
    Ok(())
}

/// The plan of a spec, or nothing if it has problems.
fn plan_of(spec: &WorkflowSpec, origin: Origin) -> Result<Option<Plan>, TestCaseError> {
    match Plan::checked(spec, origin) {
        Ok(plan) => {
            plan_law(spec, &plan)?;
            let again = Plan::checked(spec, origin).map(|plan| plan.order().to_vec());
            prop_assert_eq!(again, Ok(plan.order().to_vec()));
            Ok(Some(plan))
        }
        Err(problems) => {
            problems_law(&problems)?;
            prop_assert_eq!(Err(problems), Plan::checked(spec, origin).map(|_| ()));
            Ok(None)
        }
    }
}

fn unreadable(why: &str) -> Verdict {
    prop_assert!(!why.is_empty() && why.len() <= WORDS, "{} bytes of words", why.len());
    prop_assert!(!why.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{:?}", why);
    Ok("unreadable")
}

fn workflow_law(text: &str) -> Verdict {
    match Loose::<Workflow>::parse(text).object {
        Ok(workflow) => Ok(if plan_of(&workflow.spec, Origin::Workflow)?.is_some() { "planned" } else { "refused" }),
        Err(why) => unreadable(&why),
    }
}

fn run_law(text: &str, workflow: &Plan) -> Verdict {
    let run = match Loose::<WorkflowRun>::parse(text).object {
        Ok(run) => run,
        Err(why) => return unreadable(&why),
    };
    let inline = match &run.spec.workflow {
        Some(spec) => match plan_of(spec, Origin::Inline)? {
            Some(plan) => Some(plan),
            None => return Ok("refused"),
        },
        None => None,
    };
    let plan = inline.as_ref().unwrap_or(workflow);
    params_law(plan, run.spec.params.as_ref())
}

fn params_law(plan: &Plan, given: Option<&Map<String, Value>>) -> Verdict {
    let run = json!({"name": "r", "uid": "u", "namespace": "n", "phase": "Running", "reason": "", "generation": 0});
    match plan.resolve_params(given, &run) {
        Ok(resolved) => {
            let text = Value::Object(resolved.clone()).to_string();
            prop_assert!(text.len() <= limits::PARAM_BYTES, "{} bytes of parameters", text.len());
            let read: Map<String, Value> = serde_json::from_str(&text).expect("what was written");
            prop_assert_eq!(plan.resolve_params(Some(&read), &run), Ok(resolved), "the same once it was stored");
            Ok("planned")
        }
        Err(problems) => {
            problems_law(&problems)?;
            Ok("params refused")
        }
    }
}

#[test]
fn any_workflow_is_planned_or_refused() {
    let mut documents = examples("Workflow");
    // Those that are written in a run are as good.
    for run in examples("WorkflowRun").iter().filter(|run| run["spec"]["workflow"].is_object()) {
        documents.push(json!({"metadata": {"name": "w"}, "spec": run["spec"]["workflow"]}));
    }
    let inputs = Corpus::new(&documents).changed().prop_map(|(_, text)| text);
    fuzz("workflows", 500, &inputs, |text| workflow_law(text)).at_least(20, "planned").at_least(10, "refused");
}

#[test]
fn any_run_is_planned_or_refused() {
    let params = examples("WorkflowRun").into_iter().find(|run| run["spec"]["params"].is_object());
    let mut documents = examples("WorkflowRun");
    documents.extend(vec![params.expect("a run with parameters"); 8]);
    let workflow = examples("Workflow").into_iter().find(|workflow| workflow["metadata"]["name"] == "daily-sales");
    let workflow: Workflow = serde_json::from_value(workflow.expect("daily-sales")).expect("a workflow");
    let workflow = Plan::new(&workflow.spec).expect("a plan");
    let inputs = Corpus::new(&documents).changed().prop_map(|(_, text)| text);
    fuzz("runs", 500, &inputs, |text| run_law(text, &workflow)).at_least(10, "planned").at_least(5, "params refused");
}
