//! The bounds of a spec as a whole, looked at first: what is too large is not looked at further, so that checking a
//! hostile spec costs no more than checking a large one.

use serde::Serialize;
use serde_json::{Map, Value};

use super::Origin;
use super::inline;
use super::limits;
use super::pod_expr;
use super::problem::Code;
use super::report::{Path, Report};
use super::resource;
use super::tasks::Tasks;
use crate::api::{EnvVar, Param, Task, TaskDefaults, WorkflowSpec};

/// Says what is too large about the spec.
pub(super) fn check(spec: &WorkflowSpec, origin: Origin, report: &mut Report) {
    let path = Path::Root("tasks");
    let count = spec.tasks.len();
    let (tasks, bytes, advice) = match origin {
        Origin::Workflow => {
            (limits::TASKS, limits::SPEC_BYTES, "split the workflow, or move large scripts into an image")
        }
        Origin::Inline => {
            (limits::INLINE_TASKS, limits::INLINE_SPEC_BYTES, "make it a Workflow and name it in workflowRef")
        }
    };
    if count == 0 {
        report.add(Code::NoTasks, &path, || "there is no task: a workflow needs at least one".to_owned());
    }
    if count > tasks {
        report.add(Code::TooMany, &path, || match origin {
            Origin::Workflow => {
                format!("there are {count} tasks, {tasks} are allowed: split the workflow")
            }
            Origin::Inline => {
                format!("there are {count} tasks, {tasks} are allowed in a run: {advice}")
            }
        });
    }
    let last = spec.finally.len();
    if last > limits::FINALLY {
        report.add(Code::TooMany, &Path::Root("finally"), || {
            format!("there are {last} tasks, {} are allowed: do more in one of them", limits::FINALLY)
        });
    }
    let lists = spec.tasks.iter().chain(&spec.finally).filter(|task| task.for_each.is_some()).count();
    if lists > limits::FOR_EACH_TASKS {
        report.add(Code::TooMany, &path, || {
            let max = limits::FOR_EACH_TASKS;
            format!("{lists} tasks have a forEach, {max} may: make one list of several, or a workflow of its own that a task runs for each item")
        });
    }
    check_nesting(spec, report);
    check_patterns(spec, report);
    // Serialising walks every value recursively; what is nested too deep was refused above.
    if report.is_empty() {
        let found = serialised(spec);
        if found > bytes {
            report.add(Code::SpecTooLarge, &Path::Root("spec"), || {
                format!("has {found} bytes, {bytes} are allowed: {advice}")
            });
        }
    }
}

/// Counts the regular expressions of the spec before any is compiled.
fn check_patterns(spec: &WorkflowSpec, report: &mut Report) {
    let defaults = spec.task_defaults.iter().flat_map(|defaults| &defaults.env);
    let tasks = || spec.tasks.iter().chain(&spec.finally);
    let env = tasks().flat_map(|task| &task.env).chain(defaults).filter_map(|entry| entry.expr.as_ref());
    let conditions = tasks().filter_map(|task| task.when.as_ref());
    let defaults = spec.task_defaults.iter().filter_map(|defaults| defaults.retry.as_ref());
    let retries = tasks().filter_map(|task| task.retry.as_ref()).chain(defaults);
    let rules = retries.flat_map(|retry| &retry.rules).filter_map(|rule| rule.expr.as_ref());
    let defaults = spec.task_defaults.iter().filter_map(|defaults| defaults.pod_expr.as_ref());
    let of_pods = tasks().filter_map(|task| task.pod_expr.as_ref()).chain(defaults).flat_map(pod_expr::texts);
    let given = tasks().flat_map(|task| &task.params).filter_map(|param| param.expr.as_ref());
    let of_objects = tasks().filter_map(|task| task.resource.as_ref()).flat_map(resource::texts);
    let outputs = spec.outputs.iter().map(|output| &output.expr);
    let inline = tasks().filter_map(|task| task.workflow.as_ref()).map(inline::patterns);
    let inline = inline.fold(0, usize::saturating_add);
    let of_params = spec.params.iter().filter_map(|param| param.default_expr.as_ref());
    let keys = spec.concurrency.iter().filter_map(|concurrency| concurrency.key.as_ref());
    let of_tasks = env.chain(conditions).chain(rules).chain(of_pods).chain(given).chain(of_objects);
    let expressions = of_tasks.chain(of_params).chain(outputs).chain(keys);
    // The name of the function, wherever it stands: that is at least how often it is called.
    let calls = expressions.map(|text| text.matches("matches").count()).fold(0, usize::saturating_add);
    let patterns = spec.params.iter().filter(|param| param.pattern.is_some()).count();
    let count = calls.saturating_add(patterns).saturating_add(inline);
    if count > limits::PATTERNS {
        report.add(Code::TooMany, &Path::Root("spec"), || {
            let max = limits::PATTERNS;
            format!("has {count} regular expressions, patterns of params and matches() in expr and when; {max} are allowed: use enum, or check it in a task")
        });
    }
}

/// Bytes of a value, serialised.
pub(super) fn serialised(value: &impl Serialize) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

/// Looks at every free-form value of the spec.
fn check_nesting(spec: &WorkflowSpec, report: &mut Report) {
    let params = Path::Root("params");
    for (index, param) in spec.params.iter().enumerate() {
        check_param(param, &params.index(index), report);
    }
    if let Some(defaults) = &spec.task_defaults {
        let path = Path::Root("taskDefaults");
        let TaskDefaults { env, pod_template, .. } = defaults;
        check_env(env, &path, report);
        check_map(pod_template.as_ref(), &path.field("podTemplate"), report);
    }
    let claims = Path::Root("volumeClaims");
    for (index, claim) in spec.volume_claims.iter().enumerate() {
        check_map(Some(&claim.spec), &claims.index(index).field("spec"), report);
    }
    let listed = Tasks::of(spec);
    for (index, task) in listed.all.iter().enumerate() {
        let path = listed.path(index);
        let Task { env, pod_template, outputs, .. } = task;
        check_env(env, &path, report);
        check_map(pod_template.as_ref(), &path.field("podTemplate"), report);
        check_map(task.workflow.as_ref(), &path.field("workflow"), report);
        let manifest = task.resource.as_ref().map(|resource| &resource.manifest);
        check_map(manifest, &path.field("resource").field("manifest"), report);
        for (at, param) in task.params.iter().enumerate() {
            let path = path.field("params");
            check_value(param.value.as_ref(), &path.index(at).field("value"), report);
        }
        for (at, output) in outputs.iter().enumerate() {
            let path = path.field("outputs");
            let path = path.index(at);
            check_value(output.default.as_ref(), &path.field("default"), report);
        }
    }
}

fn check_param(param: &Param, path: &Path<'_>, report: &mut Report) {
    check_value(param.default.as_ref(), &path.field("default"), report);
    check_value(param.min.as_ref(), &path.field("min"), report);
    check_value(param.max.as_ref(), &path.field("max"), report);
    for choice in param.choices.iter().flatten() {
        check_value(Some(choice), &path.field("enum"), report);
    }
}

fn check_env(env: &[EnvVar], path: &Path<'_>, report: &mut Report) {
    for (at, entry) in env.iter().enumerate() {
        let path = path.field("env");
        let path = path.index(at);
        check_map(entry.value_from.as_ref(), &path.field("valueFrom"), report);
    }
}

fn check_map(map: Option<&Map<String, Value>>, path: &Path<'_>, report: &mut Report) {
    for value in map.into_iter().flat_map(Map::values) {
        check_value(Some(value), path, report);
    }
}

/// Refuses a value that is nested too deep.
pub(super) fn check_value(value: Option<&Value>, path: &Path<'_>, report: &mut Report) {
    if value.is_some_and(is_too_deep) {
        report.add(Code::TooDeep, path, || format!("is nested more than {} deep: flatten it", limits::NESTING));
    }
}

/// Whether a map has a value that is nested too deep.
pub(super) fn is_too_deep_map(map: &Map<String, Value>) -> bool {
    map.values().any(is_too_deep)
}

/// Whether a value is nested deeper than the bound. It doesn't recurse, so it can be asked of anything.
fn is_too_deep(value: &Value) -> bool {
    let mut left = vec![(value, 0_usize)];
    while let Some((value, depth)) = left.pop() {
        if depth >= limits::NESTING {
            return true;
        }
        let below = depth.saturating_add(1);
        match value {
            Value::Array(items) => left.extend(items.iter().map(|item| (item, below))),
            Value::Object(map) => left.extend(map.values().map(|item| (item, below))),
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::Plan;
    use super::super::testing::{self, only, refused, spec};
    use super::*;

    fn tasks(count: usize) -> String {
        let tasks: Vec<String> = (0..count).map(|n| format!("{{name: t{n}, image: i}}")).collect();
        format!("tasks: [{}]", tasks.join(", "))
    }

    #[test]
    fn how_many_tasks_there_can_be() {
        refused("tasks: []", Code::NoTasks, "tasks", "at least one");
        refused(&tasks(5_001), Code::TooMany, "tasks", "5001 tasks, 5000 are allowed");
        assert!(Plan::new(&spec(&tasks(5_000))).is_ok());
    }

    #[test]
    fn how_many_finally_tasks_there_can_be() {
        let last = |count: usize| tasks(count).replace("tasks:", "tasks: [{name: a, image: i}]\nfinally:");
        assert!(Plan::new(&spec(&last(50))).is_ok());
        refused(&last(51), Code::TooMany, "finally", "51 tasks, 50 are allowed");
        assert!(
            Plan::checked(&spec(&format!("{}\nfinally: [{{name: x, image: i}}]", tasks(100))), Origin::Inline).is_ok()
        );
    }

    #[test]
    fn how_many_tasks_can_have_lists() {
        let lists = |count: usize| tasks(count).replace("image: i", "image: i, forEach: {items: '[1]'}");
        assert!(Plan::new(&spec(&lists(500))).is_ok());
        refused(&lists(501), Code::TooMany, "tasks", "501 tasks have a forEach, 500 may");
    }

    #[test]
    fn an_inline_workflow_is_smaller() {
        let inline = |yaml: &str| Plan::checked(&spec(yaml), Origin::Inline);
        assert!(inline(&tasks(100)).is_ok());
        let problems = inline(&tasks(101)).expect_err("a task too many");
        only("", &problems, Code::TooMany, "tasks", "make it a Workflow and name it in workflowRef");
        let script = "x".repeat(60_000);
        let yaml = format!("tasks: [{{name: a, image: i, script: {script}}}, {{name: b, image: i, script: {script}}}]");
        let problems = inline(&yaml).expect_err("too large");
        only("", &problems, Code::SpecTooLarge, "spec", "65536 are allowed: make it a Workflow");
        assert!(Plan::new(&spec(&yaml)).is_ok());
    }

    #[test]
    fn how_large_a_spec_can_be() {
        let script = "x".repeat(60_000);
        let tasks: Vec<String> = (0..14).map(|n| format!("{{name: t{n}, image: i, script: {script}}}")).collect();
        let yaml = format!("tasks: [{}]", tasks.join(", "));
        refused(&yaml, Code::SpecTooLarge, "spec", "786432 are allowed: split the workflow");
    }

    #[test]
    fn how_many_patterns_there_can_be() {
        let spec = |patterns: usize, calls: usize| {
            let param = |n| format!("{{name: p{n}, type: string, pattern: '^a{n}$', default: a{n}}}");
            let entry = |n| format!("{{name: A{n}, expr: \"run.name.matches('^a{n}$')\"}}");
            let params: Vec<String> = (0..patterns).map(param).collect();
            let env: Vec<String> = (0..calls).map(entry).collect();
            format!("params: [{}]\ntasks: [{{name: a, image: i, env: [{}]}}]", params.join(", "), env.join(", "))
        };
        assert!(Plan::new(&testing::spec(&spec(2, limits::PATTERNS - 2))).is_ok());
        refused(&spec(2, limits::PATTERNS - 1), Code::TooMany, "spec", "33 regular expressions");
        refused(&spec(limits::PATTERNS + 1, 0), Code::TooMany, "spec", "32 are allowed: use enum");
    }

    #[test]
    fn how_deep_values_can_be_nested() {
        // Without the parser, which has a bound of its own.
        let nested = (0..1_000).fold(Value::Null, |value, _| Value::Array(vec![value]));
        let mut bad = spec(
            "params: [{name: p, type: list}]\ntasks: [{name: a, image: i, podTemplate: {spec: {}}, outputs: [{name: o, type: list}]}]",
        );
        bad.params[0].default = Some(nested.clone());
        bad.tasks[0].outputs[0].default = Some(nested.clone());
        let template = bad.tasks[0].pod_template.as_mut().expect("a template");
        template.insert("spec".into(), nested);
        let problems = Plan::new(&bad).expect_err("too deep");
        let paths: Vec<&str> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(paths, ["params[0].default", "tasks[0].podTemplate", "tasks[0].outputs[0].default"]);
    }
}
