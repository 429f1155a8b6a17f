//! What an expression reads, and where.

use super::position::Position;
use super::problem::{ExprProblem, ProblemKind, nearest};

/// Where an expression stands, which says what it can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The value of a task's environment variable: `params`, `run`, `tasks`, `attempt`, and in a task with forEach `item` and `index`.
    Env,
    /// Whether a task runs, and the list of its items: `params`, `run`, `tasks`. There is no attempt yet.
    When,
    /// The default of a parameter: `run` alone.
    ParamDefault,
    /// What runs that share slots have in common: `params`, `run`.
    Key,
    /// What a run hands on when it has succeeded: `params`, `run`, `tasks`.
    RunOutput,
    /// What an object of any kind has come to, and what it hands on: the same as of a variable, and `object`.
    Object,
    /// A rule about a failed attempt: the same as of a variable, but `attempt` has fields.
    Rule,
}

impl Place {
    /// The names in scope.
    #[must_use]
    pub fn roots(self) -> &'static [&'static str] {
        match self {
            Place::Env | Place::Rule => &["params", "run", "tasks", "attempt", "item", "index"],
            Place::Object => &["params", "run", "tasks", "attempt", "item", "index", "object"],
            Place::When | Place::RunOutput => &["params", "run", "tasks"],
            Place::Key => &["params", "run"],
            Place::ParamDefault => &["run"],
        }
    }
}

/// One thing that an expression reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reference {
    /// `params.date`
    Param(String),
    /// `params`, as a whole or with a computed name.
    Params,
    /// `run.phase`
    Run(String),
    /// `run`, as a whole or with a computed name.
    WholeRun,
    /// `tasks.extract.phase`, `.reason`, `.items`, or `.outputs` as a whole or with a computed name.
    TaskField {
        /// The task.
        task: String,
        /// One of [`TASK_FIELDS`].
        field: String,
    },
    /// `tasks.extract.outputs.rows`
    Output {
        /// The task.
        task: String,
        /// Its output.
        output: String,
    },
    /// `tasks.extract`, as a whole or with a computed field.
    Task(String),
    /// `attempt`
    Attempt,
    /// `item`, or something of it.
    Item,
    /// `index`
    Index,
    /// `object`, or something of it.
    Object,
}

/// The fields of `attempt`, where it has any.
pub const ATTEMPT_FIELDS: [&str; 4] = ["number", "exitCode", "reason", "message"];
/// The fields of `run`.
pub const RUN_FIELDS: [&str; 6] = ["name", "uid", "namespace", "phase", "reason", "generation"];
/// The fields of a task.
pub const TASK_FIELDS: [&str; 4] = ["phase", "reason", "outputs", "items"];

/// One step from a root towards what is read: `.name`, `['name']`, or `[computed]`.
pub(super) struct Segment {
    /// The literal name; none if it is computed.
    pub(super) name: Option<String>,
    /// Whether absence is allowed for: `.?name`, `[?'name']`.
    pub(super) optional: bool,
    /// Whether it is only asked for: `has(x.name)`.
    pub(super) tested: bool,
    /// Where it is.
    pub(super) at: Position,
}

/// What has been read so far, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Reads {
    references: Vec<Reference>,
    guards: Vec<Guard>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Guard {
    /// Read at least once as if it were always there.
    plain: bool,
    /// Asked for with `has()`.
    tested: bool,
}

impl Reads {
    pub(super) fn references(&self) -> &[Reference] {
        &self.references
    }

    /// A read is guarded if the expression asks for it with `has()`, or never reads it but by `.?`.
    pub(super) fn is_guarded(&self, reference: &Reference) -> bool {
        self.references
            .iter()
            .zip(&self.guards)
            .find(|(known, _)| *known == reference)
            .is_some_and(|(_, guard)| guard.tested || !guard.plain)
    }

    /// Takes down what the path `root` + `segments` reads, or says why it reads nothing.
    pub(super) fn note(
        &mut self,
        place: Place,
        root: &str,
        at: Position,
        segments: &[Segment],
    ) -> Result<(), ExprProblem> {
        let (reference, used) = match root {
            "params" => (param(segments), 1),
            "run" => (run(segments)?, 1),
            "tasks" => task(at, segments)?,
            "item" => (Reference::Item, 0),
            "index" => (Reference::Index, 0),
            "object" => (Reference::Object, 0),
            _ => (attempt(place, segments)?, 0),
        };
        let path: &[Segment] = segments.get(..used).unwrap_or(segments);
        let tested = path.last().is_some_and(|last| last.tested);
        let optional = path.iter().any(|segment| segment.optional);
        let known = self.references.iter().position(|known| *known == reference);
        if known.is_none() {
            self.references.push(reference);
            self.guards.push(Guard::default());
        }
        let guard = match known {
            Some(index) => self.guards.get_mut(index),
            None => self.guards.last_mut(),
        };
        if let Some(guard) = guard {
            guard.tested |= tested;
            guard.plain |= !tested && !optional;
        }
        Ok(())
    }
}

fn param(segments: &[Segment]) -> Reference {
    match segments.first().and_then(|segment| segment.name.as_ref()) {
        Some(name) => Reference::Param(name.clone()),
        None => Reference::Params,
    }
}

fn run(segments: &[Segment]) -> Result<Reference, ExprProblem> {
    match segments {
        [Segment { name: Some(field), at, .. }, ..] => {
            known_field("run", field, &RUN_FIELDS, *at)?;
            Ok(Reference::Run(field.clone()))
        }
        _ => Ok(Reference::WholeRun),
    }
}

fn attempt(place: Place, segments: &[Segment]) -> Result<Reference, ExprProblem> {
    // Elsewhere it is a number.
    let fields: &[&str] = if place == Place::Rule { &ATTEMPT_FIELDS } else { &[] };
    if let [Segment { name: Some(field), at, .. }, ..] = segments {
        known_field("attempt", field, fields, *at)?;
    }
    Ok(Reference::Attempt)
}

/// The reference, and how many segments it takes.
fn task(at: Position, segments: &[Segment]) -> Result<(Reference, usize), ExprProblem> {
    let [Segment { name: Some(task), .. }, fields @ ..] = segments else {
        let kind = ProblemKind::TaskNotNamed;
        return Err(ExprProblem { at, kind });
    };
    let task = task.clone();
    let [Segment { name: Some(field), at, .. }, below @ ..] = fields else {
        return Ok((Reference::Task(task), 1));
    };
    known_field(&spelt(&task), field, &TASK_FIELDS, *at)?;
    Ok(match below {
        [Segment { name: Some(output), .. }, ..] if field == "outputs" => {
            let output = output.clone();
            (Reference::Output { task, output }, 3)
        }
        _ => {
            let field = field.clone();
            (Reference::TaskField { task, field }, 2)
        }
    })
}

/// A task as an expression has to write it.
fn spelt(task: &str) -> String {
    let plain = task.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let starts = task.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if plain && starts { format!("tasks.{task}") } else { format!("tasks['{task}']") }
}

fn known_field(of: &str, field: &str, known: &[&str], at: Position) -> Result<(), ExprProblem> {
    if known.contains(&field) {
        return Ok(());
    }
    let kind = ProblemKind::UnknownField {
        of: of.to_owned(),
        field: field.to_owned(),
        suggestion: nearest(field, known.iter().copied()),
        fields: enumerate(known),
    };
    Err(ExprProblem { at, kind })
}

/// `a`, `b` and `c`, for people.
pub(super) fn enumerate(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [only] => format!("`{only}`"),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(|name| format!("`{name}`")).collect();
            format!("{} and `{last}`", first.join(", "))
        }
    }
}
