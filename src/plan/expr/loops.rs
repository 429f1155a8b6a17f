//! The macros: `all`, `exists`, `exists_one`, `filter`, `map`, `sortBy`.

use super::eval::Machine;
use super::fault::{ExprError, Fault};
use super::list::sorted_by;
use super::node::{Fold, Loop, Node};
use super::value::{List, Text, Value, sorted_keys};

impl<'a> Machine<'a> {
    /// Goes through a list, or through the keys of a map in their order by code point.
    pub(super) fn run_loop(&mut self, node: &'a Node, inner: &'a Loop) -> Result<Value<'a>, ExprError> {
        let range = self.eval(&inner.range)?;
        let range = self.range(range).map_err(|fault| fault.at(inner.range.at))?;
        match inner.fold {
            Fold::All => self.decide_all(inner, &range, false),
            Fold::Exists => self.decide_all(inner, &range, true),
            Fold::ExistsOne => self.exists_one(inner, &range),
            Fold::Map => self.map(inner, &range).map(Value::list),
            Fold::SortBy => {
                let keys = self.map(inner, &range)?;
                sorted_by("sortBy", &range, keys, &mut self.meter).map_err(|fault| fault.at(node.at))
            }
        }
    }

    /// The elements to go through, paid for.
    fn range(&mut self, range: Value<'a>) -> Result<List<'a>, Fault> {
        let list = match range {
            Value::List(list) => list,
            Value::Map(entries) => {
                self.meter.spend(entries.len())?;
                let keys = sorted_keys(entries).into_iter();
                List::Made(keys.map(|key| Value::Text(Text::Borrowed(key))).collect())
            }
            other => {
                return Err(Fault::NotIterable { found: other.kind().name() });
            }
        };
        self.meter.spend(list.len())?;
        Ok(list)
    }

    /// Evaluates `node` with the loop's variable at `item`.
    fn with<T>(
        &mut self,
        item: Value<'a>,
        node: &'a Node,
        evaluate: impl FnOnce(&mut Machine<'a>, &'a Node) -> Result<T, ExprError>,
    ) -> Result<T, ExprError> {
        self.locals.push(item);
        let result = evaluate(self, node);
        self.locals.pop();
        result
    }

    /// `exists` if `by` is true, `all` if it is false: one element that is `by` decides, even when others
    /// can't be evaluated.
    fn decide_all(&mut self, inner: &'a Loop, range: &List<'a>, by: bool) -> Result<Value<'a>, ExprError> {
        let mut failed = None;
        for item in range.iter() {
            let item = item.map_err(|fault| fault.at(inner.range.at))?;
            match self.with(item, &inner.body, Machine::condition) {
                Ok(value) if value == by => return Ok(Value::Bool(by)),
                Ok(_) => {}
                Err(error) if error.fault.is_final() => return Err(error),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(Value::Bool(!by)),
        }
    }

    fn exists_one(&mut self, inner: &'a Loop, range: &List<'a>) -> Result<Value<'a>, ExprError> {
        let mut found = 0_usize;
        for item in range.iter() {
            let item = item.map_err(|fault| fault.at(inner.range.at))?;
            if self.with(item, &inner.body, Machine::condition)? {
                found = found.saturating_add(1);
            }
        }
        Ok(Value::Bool(found == 1))
    }

    /// The values of the body for every element that the filter lets through.
    fn map(&mut self, inner: &'a Loop, range: &List<'a>) -> Result<Vec<Value<'a>>, ExprError> {
        let mut values = Vec::new();
        for item in range.iter() {
            let item = item.map_err(|fault| fault.at(inner.range.at))?;
            if let Some(filter) = &inner.filter
                && !self.with(item.clone(), filter, Machine::condition)?
            {
                continue;
            }
            values.push(self.with(item, &inner.body, Machine::eval)?);
        }
        Ok(values)
    }
}
