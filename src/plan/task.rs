//! A task: its own fields merged over the defaults.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::command::{self, check_shell, check_text, check_words};
use super::expression::Numbers;
use super::output::{self, check_description};
use super::problem::Code;
use super::report::{Path, Report};
use super::tasks::Tasks;
use super::words::{is_dns_label, quote};
use super::{
    EnvSource, PlannedEnv, PlannedField, PlannedRetry, PlannedTask, PodField, Times, Work, child, condition, env,
    for_each, limits, pod_expr, resource, resources, retry, rule, template,
};
use crate::api::{LogTail, OnNodeLost, Resources, Task, TaskDefaults};

/// The fields that only pods have a use for, and whether a task has them.
pub(super) fn of_pods(task: &Task) -> [(&'static str, bool); 10] {
    [
        ("image", task.image.is_some()),
        ("script", task.script.is_some()),
        ("shell", task.shell.is_some()),
        ("command", task.command.is_some()),
        ("args", task.args.is_some()),
        ("env", !task.env.is_empty()),
        ("resources", task.resources.is_some()),
        ("podTemplate", task.pod_template.is_some()),
        ("podExpr", task.pod_expr.is_some()),
        ("outputs", !task.outputs.is_empty()),
    ]
}

/// What tasks have unless they say otherwise, checked once. Tasks share the large parts.
pub(super) struct Defaults<'a> {
    image: Option<&'a String>,
    shell: Option<&'a Vec<String>>,
    pub(super) env: Vec<Arc<PlannedEnv>>,
    resources: Option<Arc<Resources>>,
    template: Option<Arc<Map<String, Value>>>,
    pub(super) pod_fields: Vec<Arc<PlannedField>>,
    log_tail: Option<LogTail>,
    times: Times,
    on_node_lost: Option<OnNodeLost>,
    pub(super) retry: Arc<PlannedRetry>,
}

impl<'a> Defaults<'a> {
    /// Reads the defaults; says what is wrong with them.
    pub(super) fn new(defaults: Option<&'a TaskDefaults>, numbers: &Arc<Numbers>, report: &mut Report) -> Self {
        let path = Path::Root("taskDefaults");
        let Some(defaults) = defaults else {
            return Defaults {
                image: None,
                shell: None,
                env: Vec::new(),
                resources: None,
                template: None,
                pod_fields: Vec::new(),
                log_tail: None,
                times: Times::default(),
                on_node_lost: None,
                retry: Arc::default(),
            };
        };
        check_image(defaults.image.as_ref(), &path, report);
        check_shell(defaults.shell.as_ref(), &path.field("shell"), report);
        let env = env::plan(&defaults.env, &path.field("env"), numbers, report);
        let values = values(&env);
        if let Some(shell) = &defaults.shell {
            let words = shell.iter().map(String::as_str);
            command::check_values(words, &values, &path.field("shell"), report);
        }
        if let Some(resources) = &defaults.resources {
            resources::check(resources, &path.field("resources"), report);
        }
        if let Some(template) = &defaults.pod_template {
            let path = path.field("podTemplate");
            template::check(template, &path, report);
            template::check_values(template, &values, &path, report);
        }
        let pod_expr = defaults.pod_expr.as_ref();
        let pod_fields = pod_expr::plan(pod_expr, &path.field("podExpr"), numbers, report);
        let retry = defaults.retry.as_ref();
        let retry = retry.map(|retry| retry::plan(retry, &path.field("retry"), numbers, report)).unwrap_or_default();
        Defaults {
            image: defaults.image.as_ref(),
            shell: defaults.shell.as_ref(),
            env,
            resources: defaults.resources.clone().map(Arc::new),
            template: defaults.pod_template.clone().map(Arc::new),
            pod_fields,
            log_tail: defaults.log_tail,
            times: Times::of_defaults(defaults, &path, report),
            on_node_lost: defaults.on_node_lost,
            retry: Arc::new(retry),
        }
    }
}

/// A task of the plan, but for its needs; says what is wrong with it.
pub(super) fn plan(
    index: usize,
    task: &Task,
    tasks: &Tasks<'_>,
    defaults: &Defaults<'_>,
    numbers: &Arc<Numbers>,
    report: &mut Report,
) -> PlannedTask {
    let path = tasks.path(index);
    check_name(index, task, tasks, &path.field("name"), report);
    check_description(task.description.as_deref(), &path, report);
    let rule = rule::plan(task, &path, report);
    let when = condition::plan(task, &path, numbers, report);
    let for_each = for_each::plan(task, rule, &path, numbers, report);
    let gate = PlannedTask {
        name: task.name.clone(),
        finally: tasks.is_finally(index),
        rule,
        when,
        for_each,
        allow_failure: task.allow_failure,
        work: if task.join.is_some() { Work::Join } else { Work::Pod },
        keep_log_tail: true,
        ..PlannedTask::default()
    };
    if task.join.is_some() {
        // The defaults are about what is tried, and a gate isn't.
        rule::check_join(task, &path, report);
        return gate;
    }
    let retry = task.retry.as_ref().map(|retry| retry::plan(retry, &path.field("retry"), numbers, report));
    let retry = retry.map_or_else(|| Arc::clone(&defaults.retry), Arc::new);
    let times = Times::of_task(task, defaults.times, &path, report);
    check_polls(&retry, times, &path, report);
    if let Some(resource) = &task.resource {
        let work = resource::plan(task, resource, &path, numbers, report);
        return PlannedTask { work, times: Times { start_timeout: None, ..times }, retry, ..gate };
    }
    if child::is_child(task) {
        let work = child::plan(task, &path, numbers, report);
        return PlannedTask { work, times, retry, ..gate };
    }
    check_no_params(task, &path, report);
    check_image(task.image.as_ref(), &path, report);
    check_has_image(task, defaults, &path, report);
    check_command(task, &path, report);

    let own = env::plan(&task.env, &path.field("env"), numbers, report);
    let own_values = values(&own);
    if let (Some(template), false) = (&defaults.template, own_values.is_empty()) {
        // Those of the defaults were looked at with the defaults.
        let path = Path::Root("taskDefaults");
        template::check_values(template, &own_values, &path.field("podTemplate"), report);
    }
    let env = env::merge(&defaults.env, own);
    check_values(task, &values(&env), &path, report);
    if let Some(template) = &task.pod_template {
        template::check(template, &path.field("podTemplate"), report);
    }
    if let Some(resources) = &task.resources {
        resources::check(resources, &path.field("resources"), report);
    }
    let pod_fields = pod_expr::plan(task.pod_expr.as_ref(), &path.field("podExpr"), numbers, report);
    output::check(&task.outputs, &path.field("outputs"), report);

    let shell = task.shell.as_ref().or(defaults.shell);
    let script = task.script.as_ref();
    let script = script.map(|script| command::of_script(shell, script));
    let own_template = task.pod_template.clone().map(Arc::new);
    let log_tail = task.log_tail.or(defaults.log_tail);
    PlannedTask {
        image: task.image.as_ref().or(defaults.image).cloned(),
        command: script.or_else(|| task.command.clone()),
        args: task.args.clone(),
        env,
        resources: task.resources.clone().map(Arc::new).or_else(|| defaults.resources.clone()),
        templates: defaults.template.iter().cloned().chain(own_template).collect(),
        pod_fields: pod_expr::merge(&defaults.pod_fields, pod_fields, task),
        outputs: task.outputs.clone(),
        // The outputs of its items are a list, which there is none of before all have ended.
        default_outputs: if task.for_each.is_some() { Map::new() } else { output::defaults(&task.outputs) },
        keep_log_tail: log_tail != Some(LogTail::Omit),
        times,
        on_node_lost: task.on_node_lost.or(defaults.on_node_lost).unwrap_or_default(),
        retry,
        ..gate
    }
}

fn check_no_params(task: &Task, path: &Path<'_>, report: &mut Report) {
    if !task.params.is_empty() {
        report.add(Code::ParamsWithoutChild, &path.field("params"), || {
            "params are for a child run, and the task is a container: write env, or name a workflowRef".to_owned()
        });
    }
}

/// Polls cost no retry, so that something else must end them.
fn check_polls(retry: &PlannedRetry, times: Times, path: &Path<'_>, report: &mut Report) {
    if let (Some(rule), None) = (retry.polls(), times.total_timeout) {
        report.add(Code::PollWithoutEnd, &path.field("totalTimeout"), || {
            format!("polls (retry.rules[{rule}]), so that it could go on for ever: set totalTimeout")
        });
    }
}

/// Names of the variables that come from expressions.
fn values(env: &[Arc<PlannedEnv>]) -> BTreeSet<&str> {
    env.iter().filter(|entry| matches!(entry.source, EnvSource::Expr(_))).map(|entry| entry.name.as_str()).collect()
}

fn check_name(index: usize, task: &Task, tasks: &Tasks<'_>, path: &Path<'_>, report: &mut Report) {
    let name = &task.name;
    let count = name.chars().count();
    if count > limits::TASK_NAME {
        report.add(Code::TooLong, path, || {
            let max = limits::TASK_NAME;
            format!(
                "the name has {count} characters, {max} are allowed, so that it fits into names of pods: shorten it"
            )
        });
    } else if !is_dns_label(name) {
        report.add(Code::BadTaskName, path, || {
            let name = quote(name);
            format!("`{name}` can't name a task: write lower-case letters, digits and dashes, no dash at either end")
        });
    }
    if let Some(first) = tasks.names.get(name.as_str()).filter(|first| **first != index) {
        report.add(Code::DuplicateTask, path, || {
            format!("is the name of {} too: give each task its own", tasks.path(*first))
        });
    }
}

/// `path` is that of what has the image.
fn check_image(image: Option<&String>, path: &Path<'_>, report: &mut Report) {
    let Some(image) = image else {
        return;
    };
    let path = path.field("image");
    let count = image.chars().count();
    if count > limits::IMAGE {
        report.add(Code::TooLong, &path, || format!("has {count} characters, {} are allowed", limits::IMAGE));
    } else if image.is_empty() || image.chars().any(|c| c.is_whitespace() || c.is_control()) {
        report.add(Code::BadImage, &path, || {
            let image = quote(image);
            format!("\"{image}\" is no image: write a name without blanks, such as busybox:1.37")
        });
    }
}

fn check_has_image(task: &Task, defaults: &Defaults<'_>, path: &Path<'_>, report: &mut Report) {
    let templates = [task.pod_template.as_ref(), defaults.template.as_deref()];
    let in_template = || templates.into_iter().flatten().any(template::has_image);
    let computed = task.pod_expr.as_ref().is_some_and(|expr| expr.image.is_some())
        || defaults.pod_fields.iter().any(|field| field.field == PodField::Image);
    if task.image.is_none() && defaults.image.is_none() && !computed && !in_template() {
        report.add(Code::NoImage, path, || {
            "has no image: set image here, or taskDefaults.image for all tasks".to_owned()
        });
    }
}

fn check_command(task: &Task, path: &Path<'_>, report: &mut Report) {
    let Task { script, shell, command, args, .. } = task;
    check_shell(shell.as_ref(), &path.field("shell"), report);
    if let Some(script) = script {
        let path = path.field("script");
        check_text(script, limits::SCRIPT_BYTES, &path, report);
        if script.trim().is_empty() {
            report.add(Code::EmptyCommand, &path, || {
                "is empty: write what to run, or remove it for the image's entrypoint".to_owned()
            });
        }
    }
    for (words, field) in [(command, "command"), (args, "args")] {
        let Some(words) = words else {
            continue;
        };
        check_words(words, limits::COMMAND_WORDS, limits::COMMAND_WORD_BYTES, &path.field(field), report);
        if script.is_some() {
            report.add(Code::ScriptAndCommand, &path.field(field), || {
                format!("has script and {field}: remove one; a script's values come through env")
            });
        }
    }
    if command.as_ref().is_some_and(|words| words.iter().all(String::is_empty)) {
        report.add(Code::EmptyCommand, &path.field("command"), || {
            "names no program: write one, or remove it for the image's entrypoint".to_owned()
        });
    }
    if shell.is_some() && script.is_none() {
        report.add(Code::ShellWithoutScript, &path.field("shell"), || {
            "has shell and no script for it: write script, or remove shell".to_owned()
        });
    }
}

/// Says where the value of an expression would become part of a text.
fn check_values(task: &Task, values: &BTreeSet<&str>, path: &Path<'_>, report: &mut Report) {
    for (words, field) in [(&task.shell, "shell"), (&task.command, "command"), (&task.args, "args")] {
        let words = words.iter().flatten().map(String::as_str);
        command::check_values(words, values, &path.field(field), report);
    }
    if let Some(template) = &task.pod_template {
        template::check_values(template, values, &path.field("podTemplate"), report);
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
