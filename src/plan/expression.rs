//! Expressions of a plan, and the inputs that they are evaluated on.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::expr::{Expr, ExprError, Place, ProblemKind, Reference};
use super::problem::Code;
use super::report::{Path, Report};
use crate::api::{ItemType, ItemsStatus, Reason, TaskPhase, TaskStatus, ValueType, WorkflowSpec};

/// Parses an expression; says what is wrong with its text.
pub(super) fn parse(text: &str, place: Place, path: &Path<'_>, report: &mut Report) -> Option<Expr> {
    match Expr::parse(text, place) {
        Ok(expr) => Some(expr),
        Err(problems) => {
            for problem in problems {
                let code = match problem.kind {
                    ProblemKind::UnknownField { .. } => Code::UnknownField,
                    _ => Code::BadExpression,
                };
                report.add(code, path, || problem.to_string());
            }
            None
        }
    }
}

/// An expression of a task, with its place.
#[derive(Clone, Debug)]
pub struct PlannedExpr {
    /// The expression; it reads only what exists.
    pub expr: Expr,
    /// Where it stands in the spec: `tasks[1].env[0].expr`.
    pub path: String,
    /// What has to be made a double before the expression sees it.
    pub(super) numbers: Arc<Numbers>,
}

/// What an attempt's expressions can read. It only borrows: of all this, an expression is given a copy of what it names
/// and no more, so that an attempt of a task without expressions costs nothing, however large the run.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The parameters as resolved.
    pub params: &'a Map<String, Value>,
    /// The run: an object of name, uid, namespace, phase, reason and generation.
    pub run: &'a Value,
    /// Looks up a task by its name. It is asked only for tasks upstream of the one that reads.
    pub tasks: &'a dyn Fn(&str) -> Option<TaskView<'a>>,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// The item that it is for, and its index; none in a task without forEach.
    pub item: Option<(u32, &'a Value)>,
}

/// What expressions can read of a task.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TaskView<'a> {
    /// Its phase.
    pub phase: TaskPhase,
    /// Its reason; where there is none, expressions read an empty string.
    pub reason: Option<Reason>,
    /// Its outputs, if it succeeded.
    pub outputs: Option<&'a Map<String, Value>>,
    /// Its items, if it has forEach and they are known.
    pub items: Option<&'a ItemsStatus>,
}

impl<'a> From<&'a TaskStatus> for TaskView<'a> {
    fn from(status: &'a TaskStatus) -> Self {
        let TaskStatus { phase, reason, ref outputs, ref items, .. } = *status;
        TaskView { phase, reason, outputs: outputs.as_ref(), items: items.as_ref() }
    }
}

/// The parameters and outputs declared as numbers. A whole one is stored as `3`, even if it was written `3.0`, and an
/// expression would take that for an int: 3 / 2 would be 1. So it is made a double again, by its declaration.
#[derive(Clone, Debug, Default)]
pub(super) struct Numbers {
    params: BTreeMap<String, Shape>,
    outputs: BTreeMap<String, BTreeMap<String, Shape>>,
}

/// Where in a value the numbers are.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// It is one.
    One,
    /// It is a list of them.
    List,
    /// It is a list of lists of them.
    Lists,
}

impl Shape {
    fn of(kind: ValueType, items: Option<ItemType>) -> Option<Shape> {
        match (kind, items) {
            (ValueType::Number, _) => Some(Shape::One),
            (ValueType::List, Some(item)) if item.kind == ValueType::Number => Some(Shape::List),
            _ => None,
        }
    }

    /// Of a list of such values, as the outputs of the items of a task are. What is null stays so.
    const fn of_each(self) -> Shape {
        match self {
            Shape::One => Shape::List,
            Shape::List | Shape::Lists => Shape::Lists,
        }
    }

    fn apply(self, value: &Value) -> Value {
        match (self, value) {
            (Shape::One, Value::Number(number)) => {
                let double = number.as_f64().and_then(serde_json::Number::from_f64);
                double.map_or_else(|| value.clone(), Value::Number)
            }
            (Shape::List, Value::Array(items)) => {
                Value::Array(items.iter().map(|item| Shape::One.apply(item)).collect())
            }
            (Shape::Lists, Value::Array(items)) => {
                Value::Array(items.iter().map(|item| Shape::List.apply(item)).collect())
            }
            _ => value.clone(),
        }
    }
}

/// A copy of a value in which what is declared as a number is a double.
fn shaped(shape: Option<&Shape>, value: &Value) -> Value {
    shape.map_or_else(|| value.clone(), |shape| shape.apply(value))
}

impl Numbers {
    pub(super) fn of(spec: &WorkflowSpec) -> Self {
        let mut numbers = Numbers::default();
        for param in &spec.params {
            if let Some(shape) = Shape::of(param.kind, param.items) {
                numbers.params.insert(param.name.clone(), shape);
            }
        }
        for task in spec.tasks.iter().chain(&spec.finally) {
            let of_object = task.resource.iter().flat_map(|resource| &resource.outputs);
            let of_object = of_object.filter_map(|output| Some((&output.name, output.kind?, None)));
            let declared = task.outputs.iter().map(|output| (&output.name, output.kind, output.items));
            for (name, kind, items) in declared.chain(of_object) {
                if let Some(shape) = Shape::of(kind, items) {
                    let shape = if task.for_each.is_some() { shape.of_each() } else { shape };
                    let outputs = numbers.outputs.entry(task.name.clone()).or_default();
                    outputs.insert(name.clone(), shape);
                }
            }
        }
        numbers
    }

    fn param(&self, name: &str, value: &Value) -> Value {
        shaped(self.params.get(name), value)
    }

    fn output(&self, task: &str, name: &str, value: &Value) -> Value {
        let shape = self.outputs.get(task).and_then(|outputs| outputs.get(name));
        shaped(shape, value)
    }
}

impl PlannedExpr {
    /// The value of the expression, or why it has none.
    pub(super) fn evaluate(&self, scope: &Scope<'_>) -> Result<Value, String> {
        self.evaluate_after(scope, Value::from(scope.attempt))
    }

    /// The same where `attempt` stands for more than its number.
    pub(super) fn evaluate_after(&self, scope: &Scope<'_>, attempt: Value) -> Result<Value, String> {
        self.evaluate_on(scope, attempt, None).map_err(|error| error.to_string())
    }

    /// The same over an object, or where and why it has none.
    pub(super) fn evaluate_over(&self, object: &Value, scope: &Scope<'_>) -> Result<Value, ExprError> {
        self.evaluate_on(scope, Value::from(scope.attempt), Some(object))
    }

    fn evaluate_on(&self, scope: &Scope<'_>, attempt: Value, object: Option<&Value>) -> Result<Value, ExprError> {
        let mut inputs = Inputs::default();
        for reference in self.expr.references() {
            inputs.add(reference, scope, &self.numbers);
        }
        inputs.attempt = Some(attempt);
        inputs.item = scope.item;
        inputs.object = object.filter(|_| self.expr.references().contains(&Reference::Object)).cloned();
        self.expr.evaluate(&inputs.into_roots())
    }
}

/// The roots of one evaluation, as far as they are read.
#[derive(Default)]
struct Inputs<'a> {
    params: Option<Map<String, Value>>,
    run: Option<Map<String, Value>>,
    tasks: BTreeMap<String, Map<String, Value>>,
    attempt: Option<Value>,
    item: Option<(u32, &'a Value)>,
    object: Option<Value>,
}

impl<'a> Inputs<'a> {
    fn add(&mut self, reference: &Reference, scope: &Scope<'a>, numbers: &Numbers) {
        match reference {
            Reference::Param(name) => {
                let params = self.params.get_or_insert_default();
                if let Some(value) = scope.params.get(name) {
                    params.insert(name.clone(), numbers.param(name, value));
                }
            }
            Reference::Params => {
                let params = self.params.get_or_insert_default();
                for (name, value) in scope.params {
                    params.insert(name.clone(), numbers.param(name, value));
                }
            }
            Reference::Run(field) => {
                let run = self.run.get_or_insert_default();
                if let Some(value) = scope.run.get(field) {
                    run.insert(field.clone(), value.clone());
                }
            }
            Reference::WholeRun => {
                let run = self.run.get_or_insert_default();
                run.extend(scope.run.as_object().cloned().unwrap_or_default());
            }
            Reference::Task(task) => {
                let has_items = (scope.tasks)(task).is_some_and(|view| view.items.is_some());
                for field in ["phase", "reason", "outputs"].into_iter().chain(has_items.then_some("items")) {
                    self.add_field(task, field, scope, numbers);
                }
            }
            Reference::TaskField { task, field } => self.add_field(task, field, scope, numbers),
            Reference::Output { task, output } => {
                let outputs = (scope.tasks)(task).and_then(|view| view.outputs);
                let value = outputs.and_then(|outputs| outputs.get(output));
                let copy = self.outputs(task);
                if let (Some(copy), Some(value)) = (copy, value) {
                    copy.insert(output.clone(), numbers.output(task, output, value));
                }
            }
            // They are there for all.
            Reference::Attempt | Reference::Item | Reference::Index | Reference::Object => {}
        }
    }

    fn add_field(&mut self, task: &str, field: &str, scope: &Scope<'a>, numbers: &Numbers) {
        let Some(view) = (scope.tasks)(task) else {
            self.tasks.entry(task.to_owned()).or_default();
            return;
        };
        let value = match field {
            "phase" => word(&view.phase),
            "reason" => view.reason.map_or_else(|| Value::String(String::new()), |reason| word(&reason)),
            "items" => view.items.map_or_else(|| Value::Array(Vec::new()), items),
            _ => {
                if let Some(copy) = self.outputs(task) {
                    for (name, value) in view.outputs.into_iter().flatten() {
                        copy.insert(name.clone(), numbers.output(task, name, value));
                    }
                }
                return;
            }
        };
        let fields = self.tasks.entry(task.to_owned()).or_default();
        fields.insert(field.to_owned(), value);
    }

    /// The outputs of a task among the inputs; empty ones if it has none, so that `has()` can ask for one.
    fn outputs(&mut self, task: &str) -> Option<&mut Map<String, Value>> {
        let fields = self.tasks.entry(task.to_owned()).or_default();
        let outputs = fields.entry("outputs").or_insert_with(|| Value::Object(Map::new()));
        outputs.as_object_mut()
    }

    fn into_roots(self) -> BTreeMap<String, Value> {
        let tasks: Map<String, Value> =
            self.tasks.into_iter().map(|(name, fields)| (name, Value::Object(fields))).collect();
        let roots = [
            ("params", self.params.map(Value::Object)),
            ("run", self.run.map(Value::Object)),
            ("tasks", (!tasks.is_empty()).then_some(Value::Object(tasks))),
            ("attempt", self.attempt),
            ("item", self.item.map(|(_, item)| item.clone())),
            ("index", self.item.map(|(index, _)| Value::from(index))),
            ("object", self.object),
        ];
        roots.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

/// The items of a task, by index, each with its phase.
fn items(items: &ItemsStatus) -> Value {
    let phases = items.phases().into_iter();
    phases.map(|phase| Value::Object(Map::from_iter([("phase".to_owned(), word(&phase))]))).collect()
}

/// A word of a closed set, as status writes it.
fn word(word: &impl serde::Serialize) -> Value {
    serde_json::to_value(word).unwrap_or_default()
}
