//! Functions on lists, and `reverse`, which strings have too.

use std::cmp::Ordering;

use super::call::text;
use super::compare::{equal, is_ordered, order};
use super::fault::Fault;
use super::function::Function;
use super::meter::Meter;
use super::string;
use super::value::{List, Value};

/// The most elements that `lists.range` makes: the most items that a task can have.
const MAX_RANGE: i64 = 20_000;

/// Nothing for types that the function doesn't take.
pub(super) fn call<'a>(
    function: Function,
    arguments: &[Value<'a>],
    meter: &mut Meter,
) -> Result<Option<Value<'a>>, Fault> {
    Ok(Some(match (function, arguments) {
        (Function::Range, [Value::Int(size)]) => range(*size, meter)?,
        (Function::Reverse, [Value::List(list)]) => {
            let mut items = list.to_vec(meter)?;
            items.reverse();
            Value::list(items)
        }
        (Function::Reverse, [other]) => match text(other) {
            Some(text) => string::reverse(text, meter)?,
            None => return Ok(None),
        },
        (Function::Sort, [Value::List(list)]) => {
            let keys = list.to_vec(meter)?;
            sorted_by("sort", list, keys, meter)?
        }
        (Function::Distinct, [Value::List(list)]) => distinct(list, meter)?,
        (Function::Slice, [Value::List(list), Value::Int(start), Value::Int(end)]) => {
            slice(list, *start, *end, meter)?
        }
        (Function::Flatten, [Value::List(list)]) => flatten(list, 1, meter)?,
        (Function::Flatten, [Value::List(list), Value::Int(levels)]) => {
            flatten(list, *levels, meter)?
        }
        _ => return Ok(None),
    }))
}

/// The ints from 0 up to, and without, `size`.
fn range<'a>(size: i64, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    if !(0..=MAX_RANGE).contains(&size) {
        return Err(Fault::Argument {
            function: "lists.range",
            reason: "a range has between 0 and 20000 elements",
        });
    }
    meter.spend(usize::try_from(size).unwrap_or(usize::MAX))?;
    Ok(Value::list((0..size).map(Value::Int).collect()))
}

/// The first of all equal elements, in order.
fn distinct<'a>(list: &List<'a>, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let mut kept: Vec<Value<'a>> = Vec::new();
    for item in list.iter() {
        let item = item?;
        meter.spend(1)?;
        let mut is_new = true;
        for known in &kept {
            if equal(known, &item, meter)? {
                is_new = false;
                break;
            }
        }
        if is_new {
            kept.push(item);
        }
    }
    Ok(Value::list(kept))
}

/// The elements from `start` up to, and without, `end`.
fn slice<'a>(list: &List<'a>, start: i64, end: i64, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let refuse = |reason| Fault::Argument {
        function: "slice",
        reason,
    };
    let outside = || refuse("the position is outside the list");
    let start = usize::try_from(start).map_err(|_| outside())?;
    let end = usize::try_from(end).map_err(|_| outside())?;
    if end > list.len() {
        return Err(outside());
    }
    let size = end
        .checked_sub(start)
        .ok_or_else(|| refuse("the end is before the start"))?;
    meter.spend(size)?;
    let items: Result<Vec<_>, _> = list.iter().skip(start).take(size).collect();
    items.map(Value::list)
}

/// The elements, those of inner lists in their place, for `levels` of lists in lists.
fn flatten<'a>(list: &List<'a>, levels: i64, meter: &mut Meter) -> Result<Value<'a>, Fault> {
    let levels = usize::try_from(levels).map_err(|_| Fault::Argument {
        function: "flatten",
        reason: "the number of levels is negative",
    })?;
    let mut flat = Vec::new();
    // Lists under way, and the next element of each: no recursion, however many levels are asked for.
    let mut open: Vec<(List<'a>, usize)> = vec![(list.clone(), 0)];
    while let Some((current, next)) = open.pop() {
        let Some(item) = current.get(next) else {
            continue;
        };
        meter.spend(1)?;
        open.push((current, next.saturating_add(1)));
        match item? {
            Value::List(inner) if open.len() <= levels => open.push((inner, 0)),
            other => flat.push(other),
        }
    }
    Ok(Value::list(flat))
}

/// `list` in the order of `keys`, one for each element. Keys are of one ordered type; equal ones keep
/// their order.
pub(super) fn sorted_by<'a>(
    function: &'static str,
    list: &List<'a>,
    keys: Vec<Value<'a>>,
    meter: &mut Meter,
) -> Result<Value<'a>, Fault> {
    let refuse = |reason| Fault::Argument { function, reason };
    let items = list.to_vec(meter)?;
    if let Some(first) = keys.first() {
        // A NaN is ordered with nothing.
        if !keys
            .iter()
            .all(|key| key.kind() == first.kind() && is_ordered(key))
        {
            return Err(refuse(
                "what is sorted by must be all int, all double, all string or all bool",
            ));
        }
    }
    let comparisons = keys.len().checked_ilog2().unwrap_or(0).saturating_add(1) as usize;
    for key in &keys {
        let bytes = text(key).map_or(1, str::len);
        meter.text(bytes.saturating_mul(comparisons))?;
    }
    let mut keyed: Vec<(Value<'a>, Value<'a>)> = keys.into_iter().zip(items).collect();
    keyed.sort_by(|(a, _), (b, _)| order(a, b).unwrap_or(Ordering::Equal));
    Ok(Value::list(
        keyed.into_iter().map(|(_, item)| item).collect(),
    ))
}
