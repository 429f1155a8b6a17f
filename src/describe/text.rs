//! A run for people.

use std::fmt::{Display, Write as _};

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;

use super::Story;
use crate::api::{Attempt, EarlierAttempts, ItemStatus, ItemsStatus, Reason, TaskStatus, WaitingFor};
use crate::engine::{clip, duration};

/// Bytes of a text on record, which a hand may have made longer.
const MESSAGE: usize = 1024;

/// The page. Writing to a string can't fail.
pub(super) fn of(story: &Story<'_>) -> String {
    let mut page = String::new();
    problems(&mut page, story);
    run(&mut page, story);
    page.push_str("\nTASKS\n");
    story.tasks.iter().for_each(|each| task(&mut page, each));
    if story.tasks.is_empty() {
        page.push_str("  none yet\n");
    }
    page.push_str("\nTRANSITIONS\n");
    transitions(&mut page, story);
    page
}

fn problems(page: &mut String, story: &Story<'_>) {
    if story.is_whole() {
        return;
    }
    page.push_str("THE HISTORY OF THIS RUN IS NOT WHOLE\n");
    for problem in &story.problems.told {
        let _ = writeln!(page, "  {}", clip(problem, MESSAGE));
    }
    let more = story.problems.count.saturating_sub(story.problems.told.len());
    if more > 0 {
        let _ = writeln!(page, "  and {more} more");
    }
    page.push('\n');
}

fn run(page: &mut String, story: &Story<'_>) {
    let (meta, spec, status) = (&story.run.metadata, &story.run.spec, &story.status);
    let plain = |text: &Option<String>| text.clone().unwrap_or_default();
    field(page, "Run", plain(&meta.name));
    field(page, "Namespace", plain(&meta.namespace));
    field(page, "UID", plain(&meta.uid));
    let workflow = spec.workflow_ref.as_ref().map_or("written inline", |workflow| workflow.name.as_str());
    field(page, "Workflow", workflow);
    field(page, "Revision", plain(&status.revision));
    field(page, "Phase", phase(&status.phase, status.reason));
    field(page, "Message", clip(&status.message, MESSAGE));
    field(page, "Progress", &status.progress);
    if let Some(waiting) = &status.waiting_for {
        field(page, "Waits for", waits(waiting));
    }
    field(page, "Created", meta.creation_timestamp.as_ref().map(|at| time(at.0)).unwrap_or_default());
    field(page, "Started", moment(status.started_at.as_ref()));
    field(page, "Retried", moment(status.retried_at.as_ref()));
    field(page, "Finished", moment(status.finished_at.as_ref()));
    field(page, "Took", plain(&status.duration));
    if status.generation > 0 {
        field(page, "Generation", status.generation);
    }
    let json = |values| clip(&serde_json::to_string(values).unwrap_or_default(), usize::MAX);
    field(page, "Params", status.params.as_ref().filter(|params| !params.is_empty()).map(json).unwrap_or_default());
    field(page, "Outputs", status.outputs.as_ref().map(json).unwrap_or_default());
    let [sealed, logged, listed] = story.places;
    let gaps = if story.is_whole() { ", without a gap" } else { "" };
    let of = format!("{listed} in the status, {logged} in its log, {sealed} in {}", counted(story.parts, "record"));
    field(page, "History", format!("{}{gaps}: {of}", counted(story.transitions.len(), "transition")));
}

/// A line of the head, if there is something to say.
fn field(page: &mut String, name: &str, value: impl Display) {
    let value = value.to_string();
    if !value.is_empty() {
        let _ = writeln!(page, "{name:<12}{}", value.replace('\n', "\n            "));
    }
}

fn task(page: &mut String, task: &TaskStatus) {
    let finally = if task.finally { " (finally)" } else { "" };
    let _ = writeln!(page, "{}{finally}: {}", clip(&task.name, MESSAGE), phase(&task.phase, task.reason));
    let took = span(task.started_at.as_ref(), task.finished_at.as_ref());
    line(page, 1, &took);
    line(page, 1, &task.message);
    task.waiting_for.iter().for_each(|waiting| line(page, 1, &format!("waits for {}", waits(waiting))));
    if let Some(outputs) = &task.outputs {
        line(page, 1, &format!("outputs {}", serde_json::to_string(outputs).unwrap_or_default()));
    }
    attempts(page, 1, task.earlier, &task.attempts);
    if let Some(items) = &task.items {
        line(page, 1, &of_items(items));
        items.entries.iter().for_each(|each| item(page, each));
    }
}

fn item(page: &mut String, item: &ItemStatus) {
    let took = span(item.started_at.as_ref(), item.finished_at.as_ref());
    let took = if took.is_empty() { took } else { format!(", {took}") };
    line(page, 1, &format!("item {}: {}{took}", item.index, phase(&item.phase, item.reason)));
    line(page, 2, &item.message);
    item.waiting_for.iter().for_each(|waiting| line(page, 2, &format!("waits for {}", waits(waiting))));
    attempts(page, 2, item.earlier, &item.attempts);
}

/// How many items there are, and which are in which phase.
fn of_items(items: &ItemsStatus) -> String {
    let told = [
        ("succeeded", &items.succeeded),
        ("failed", &items.failed),
        ("cancelled", &items.cancelled),
        ("running", &items.running),
        ("starting", &items.starting),
        ("stopping", &items.stopping),
        ("waiting to retry", &items.backoff),
        ("pending", &items.pending),
    ];
    let told = told.iter().filter(|(_, ranges)| !ranges.is_empty()).map(|(verb, ranges)| format!("{verb} {ranges}"));
    let told = told.collect::<Vec<String>>().join("; ");
    format!("{}: {told}", counted(usize::try_from(items.total).unwrap_or(usize::MAX), "item"))
}

fn attempts(page: &mut String, depth: usize, earlier: Option<EarlierAttempts>, attempts: &[Attempt]) {
    if let Some(it) = earlier {
        let told = [
            (it.failed, "failed"),
            (it.disrupted_before_start, "disrupted before they started"),
            (it.disrupted_after_start, "disrupted after they started"),
            (it.not_yet, "found nothing yet"),
            (it.former, "of former generations"),
        ];
        let told = told.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        line(page, depth, &format!("attempts before: {}", told.collect::<Vec<String>>().join(", ")));
    }
    for it in attempts {
        let outcome = it.outcome.map_or_else(|| "goes on".to_owned(), |outcome| phase(&outcome, it.reason));
        let code = it.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        let took = span(it.started_at.as_ref(), it.finished_at.as_ref());
        let took = if took.is_empty() { took } else { format!(", {took}") };
        let kind = match &it.resource {
            Some(resource) => resource.kind.as_str(),
            None if it.run.is_empty() => "pod",
            None => "run",
        };
        line(page, depth, &format!("attempt {}: {outcome}{code}{took}, {} {}", it.number, clip(kind, 64), it.object()));
        line(page, depth.saturating_add(1), &it.message);
        if let Some(next) = &it.next_at {
            line(page, depth.saturating_add(1), &format!("the next one may start at {}", time(next.0)));
        }
    }
}

fn transitions(page: &mut String, story: &Story<'_>) {
    let unit = |task: &Option<String>, item: Option<u32>| match (task, item) {
        (None, _) => "the run".to_owned(),
        (Some(task), None) => clip(task, MESSAGE),
        (Some(task), Some(item)) => format!("{}[{item}]", clip(task, MESSAGE)),
    };
    let rows = story.transitions.iter().map(|it| {
        let attempt = it.attempt.map(|attempt| attempt.to_string()).unwrap_or_default();
        let reason = it.reason.map(|reason| format!("{reason:?}")).unwrap_or_default();
        [
            it.seq.to_string(),
            time(it.at.0),
            unit(&it.task, it.item),
            attempt,
            clip(&it.from, 32),
            clip(&it.to, 32),
            reason,
        ]
    });
    let head = ["SEQ", "TIME", "OF", "ATTEMPT", "FROM", "TO", "REASON"].map(str::to_owned);
    let rows: Vec<[String; 7]> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0_usize; 7];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let _ = writeln!(page, "{}", cells.collect::<Vec<String>>().join("  ").trim_end());
    }
}

/// A text on lines of its own, indented, if there is one.
fn line(page: &mut String, depth: usize, text: &str) {
    for each in clip(text, MESSAGE).lines() {
        let _ = writeln!(page, "{:indent$}{each}", "", indent = depth.saturating_mul(2));
    }
}

fn phase(phase: &impl std::fmt::Debug, reason: Option<Reason>) -> String {
    reason.map_or_else(|| format!("{phase:?}"), |reason| format!("{phase:?} ({reason:?})"))
}

fn waits(waiting: &WaitingFor) -> String {
    let detail = clip(&waiting.detail, MESSAGE);
    let detail = if detail.is_empty() { detail } else { format!(": {detail}") };
    format!("{:?} since {}{detail}", waiting.kind, time(waiting.since.0))
}

/// From when to when, and how long that is.
fn span(from: Option<&MicroTime>, to: Option<&MicroTime>) -> String {
    match (from, to) {
        (Some(from), Some(to)) => {
            format!("{} to {} ({})", time(from.0), time(to.0), duration(to.0.duration_since(from.0)))
        }
        (Some(from), None) => format!("since {}", time(from.0)),
        (None, Some(to)) => format!("ended {}", time(to.0)),
        (None, None) => String::new(),
    }
}

fn moment(at: Option<&MicroTime>) -> String {
    at.map(|at| time(at.0)).unwrap_or_default()
}

/// To the millisecond.
fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
