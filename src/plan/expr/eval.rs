//! Evaluates a checked expression, step by step, within a budget.
//!
//! Recursion is as deep as the expression is nested, which its parsing has bounded.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::call::call;
use super::compare::equal;
use super::fault::{ExprError, Fault};
use super::meter::Meter;
use super::node::{Access, Kind, Node, Operator, Pattern};
use super::operator::{arithmetic, negate};
use super::value::{List, Text, Value};

/// An evaluation under way.
pub(super) struct Machine<'a> {
    roots: &'a BTreeMap<String, Json>,
    /// The elements that the loops around are at, outermost first.
    pub(super) locals: Vec<Value<'a>>,
    pub(super) meter: Meter,
}

type Evaluated<'a> = Result<Value<'a>, ExprError>;

impl<'a> Machine<'a> {
    pub(super) fn new(roots: &'a BTreeMap<String, Json>) -> Machine<'a> {
        Machine { roots, locals: Vec::new(), meter: Meter::new() }
    }

    /// The value of `node`.
    pub(super) fn eval(&mut self, node: &'a Node) -> Evaluated<'a> {
        self.meter.spend(1).map_err(|fault| fault.at(node.at))?;
        match &node.kind {
            Kind::Null => Ok(Value::Null),
            Kind::Bool(value) => Ok(Value::Bool(*value)),
            Kind::Int(value) => Ok(Value::Int(*value)),
            Kind::Double(value) => Ok(Value::Double(*value)),
            Kind::Text(text) => Ok(Value::Text(Text::Borrowed(text))),
            Kind::Type(named) => Ok(Value::Type(*named)),
            Kind::Root(name) => self.root(name).map_err(|fault| fault.at(node.at)),
            Kind::Local(slot) => self.local(*slot).map_err(|fault| fault.at(node.at)),
            Kind::List(elements) => self.list(node, elements),
            Kind::Field(of, name, access) => self.field(node, of, name, *access),
            Kind::Has(of, name) => self.has(node, of, name),
            Kind::Index(of, index, access) => self.index(node, of, index, *access),
            Kind::Not(of) => self.condition(of).map(|value| Value::Bool(!value)),
            Kind::Negate(of) => self.negate(node, of),
            Kind::And(left, right) => self.decide(left, right, false),
            Kind::Or(left, right) => self.decide(left, right, true),
            Kind::If(condition, then, otherwise) => {
                let chosen = if self.condition(condition)? { then } else { otherwise };
                self.eval(chosen)
            }
            Kind::Binary(operator, left, right) => self.binary(node, *operator, left, right),
            Kind::Call(function, arguments) => {
                let mut values = Vec::with_capacity(arguments.len());
                for argument in arguments {
                    values.push(self.eval(argument)?);
                }
                call(*function, &values, &mut self.meter).map_err(|fault| fault.at(node.at))
            }
            Kind::Matches(text, pattern) => self.matches(node, text, pattern),
            Kind::Loop(inner) => self.run_loop(node, inner),
        }
    }

    /// The value of `node`, which has to be a bool.
    pub(super) fn condition(&mut self, node: &'a Node) -> Result<bool, ExprError> {
        match self.eval(node)? {
            Value::Bool(value) => Ok(value),
            other => Err(Fault::NotBool { found: other.kind().name() }.at(node.at)),
        }
    }

    fn root(&self, name: &str) -> Result<Value<'a>, Fault> {
        match self.roots.get(name) {
            Some(json) => Value::of(json),
            None => Err(Fault::NoRoot { name: name.to_owned() }),
        }
    }

    fn local(&self, slot: usize) -> Result<Value<'a>, Fault> {
        let value = self.locals.get(slot).cloned();
        value.ok_or_else(|| Fault::NoRoot { name: "the loop's variable".to_owned() })
    }

    fn list(&mut self, node: &Node, elements: &'a [(Node, Access)]) -> Evaluated<'a> {
        let mut items = Vec::with_capacity(elements.len());
        for (element, access) in elements {
            match (self.eval(element)?, access) {
                (value, Access::Required) => items.push(value),
                (Value::Optional(value), Access::Optional) => {
                    items.extend(value.map(|value| (*value).clone()));
                }
                (other, Access::Optional) => {
                    let types = other.kind().name().to_owned();
                    return Err(Fault::Types { operation: "[?…]", types }.at(node.at));
                }
            }
        }
        Ok(Value::list(items))
    }

    /// `of.name` is an error without the field, `of.?name` an empty optional. On an optional, both are
    /// optional.
    fn field(&mut self, node: &Node, of: &'a Node, name: &str, access: Access) -> Evaluated<'a> {
        let (target, access) = match self.eval(of)? {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => ((*value).clone(), Access::Optional),
            value => (value, access),
        };
        let found = match &target {
            Value::Map(entries) => match entries.get(name) {
                Some(json) => Value::of(json),
                None => Err(Fault::NoField { name: name.to_owned() }),
            },
            other => Err(Fault::Types { operation: "a field", types: other.kind().name().to_owned() }),
        };
        optional(found, access).map_err(|fault| fault.at(node.at))
    }

    fn has(&mut self, node: &Node, of: &'a Node, name: &str) -> Evaluated<'a> {
        let target = match self.eval(of)? {
            Value::Optional(None) => return Ok(Value::Bool(false)),
            Value::Optional(Some(value)) => (*value).clone(),
            value => value,
        };
        match target {
            Value::Map(entries) => Ok(Value::Bool(entries.contains_key(name))),
            other => Err(Fault::Types { operation: "has", types: other.kind().name().to_owned() }.at(node.at)),
        }
    }

    fn index(&mut self, node: &Node, of: &'a Node, index: &'a Node, access: Access) -> Evaluated<'a> {
        let (target, access) = match self.eval(of)? {
            Value::Optional(None) => return Ok(Value::Optional(None)),
            Value::Optional(Some(value)) => ((*value).clone(), Access::Optional),
            value => (value, access),
        };
        let index = self.eval(index)?;
        optional(element(&target, &index), access).map_err(|fault| fault.at(node.at))
    }

    fn negate(&mut self, node: &Node, of: &'a Node) -> Evaluated<'a> {
        let value = self.eval(of)?;
        negate(&value).map_err(|fault| fault.at(node.at))
    }

    /// `left || right` if `by` is true, `left && right` if it is false: a side that is `by` decides, even
    /// when the other can't be evaluated.
    fn decide(&mut self, left: &'a Node, right: &'a Node, by: bool) -> Evaluated<'a> {
        let left = match self.condition(left) {
            Ok(value) if value == by => return Ok(Value::Bool(by)),
            Err(error) if error.fault.is_final() => return Err(error),
            left => left,
        };
        match (left, self.condition(right)) {
            (_, Err(error)) if error.fault.is_final() => Err(error),
            (_, Ok(value)) if value == by => Ok(Value::Bool(by)),
            (Err(error), _) | (_, Err(error)) => Err(error),
            (Ok(_), Ok(_)) => Ok(Value::Bool(!by)),
        }
    }

    fn binary(&mut self, node: &Node, operator: Operator, left: &'a Node, right: &'a Node) -> Evaluated<'a> {
        let left = self.eval(left)?;
        let right = self.eval(right)?;
        let result = match operator {
            Operator::Equal => equal(&left, &right, &mut self.meter).map(Value::Bool),
            Operator::NotEqual => equal(&left, &right, &mut self.meter).map(|same| Value::Bool(!same)),
            Operator::In => self.contains(&left, &right).map(Value::Bool),
            _ => arithmetic(operator, &left, &right, &mut self.meter),
        };
        result.map_err(|fault| fault.at(node.at))
    }

    /// `item in container`: an element of a list, or a key of a map.
    fn contains(&mut self, item: &Value<'a>, container: &Value<'a>) -> Result<bool, Fault> {
        match (item, container) {
            (_, Value::List(list)) => {
                for element in list.iter() {
                    if equal(item, &element?, &mut self.meter)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            (Value::Text(key), Value::Map(entries)) => Ok(entries.contains_key(key.as_ref())),
            _ => Err(Fault::Types {
                operation: "in",
                types: format!("{} and {}", item.kind().name(), container.kind().name()),
            }),
        }
    }

    fn matches(&mut self, node: &Node, text: &'a Node, pattern: &'a Pattern) -> Evaluated<'a> {
        match self.eval(text)? {
            Value::Text(text) => {
                let steps = text.as_ref().len().saturating_mul(pattern.steps_a_byte);
                let paid = self.meter.spend(steps);
                paid.map_err(|fault| fault.at(node.at))?;
                Ok(Value::Bool(pattern.regex.is_match(text.as_ref())))
            }
            other => Err(Fault::Types { operation: "matches", types: other.kind().name().to_owned() }.at(node.at)),
        }
    }
}

/// What was found, as an optional if it need not be there.
fn optional(found: Result<Value<'_>, Fault>, access: Access) -> Result<Value<'_>, Fault> {
    match (found, access) {
        (found, Access::Required) => found,
        (Ok(value), Access::Optional) => Ok(Value::some(value)),
        (Err(Fault::NoField { .. } | Fault::NoKey | Fault::OutOfRange | Fault::Types { .. }), Access::Optional) => {
            Ok(Value::Optional(None))
        }
        (Err(fault), Access::Optional) => Err(fault),
    }
}

/// `target[index]`
fn element<'a>(target: &Value<'a>, index: &Value<'a>) -> Result<Value<'a>, Fault> {
    match (target, index) {
        (Value::List(list), Value::Int(index)) => at(list, *index),
        (Value::Map(entries), Value::Text(key)) => match entries.get(key.as_ref()) {
            Some(json) => Value::of(json),
            None => Err(Fault::NoKey),
        },
        _ => Err(Fault::Types {
            operation: "[]",
            types: format!("{} and {}", target.kind().name(), index.kind().name()),
        }),
    }
}

fn at<'a>(list: &List<'a>, index: i64) -> Result<Value<'a>, Fault> {
    let index = usize::try_from(index).map_err(|_| Fault::OutOfRange)?;
    list.get(index).ok_or(Fault::OutOfRange)?
}
