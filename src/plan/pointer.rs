//! JSON pointers (RFC 6901): where in a manifest a value is set.

use serde_json::{Map, Value};

/// The steps of a pointer to a field.
pub(super) fn parse(text: &str) -> Result<Vec<String>, &'static str> {
    let Some(steps) = text.strip_prefix('/') else {
        return Err("is no JSON pointer: begin with a slash, as in /spec/parallelism");
    };
    let step = |step: &str| {
        let mut rest = step.split('~').skip(1);
        rest.all(|after| after.starts_with(['0', '1'])).then(|| step.replace("~1", "/").replace("~0", "~"))
    };
    let steps: Option<Vec<String>> = steps.split('/').map(step).collect();
    let steps = steps.ok_or("a ~ in a JSON pointer is written ~0, and a / within a name ~1")?;
    if steps.iter().any(String::is_empty) { Err("names no field: a part of it is empty") } else { Ok(steps) }
}

/// Says why nothing can be set there in a manifest.
pub(super) fn check(manifest: &Map<String, Value>, steps: &[String]) -> Result<(), String> {
    let Some((first, steps)) = steps.split_first() else { return Ok(()) };
    let mut at = manifest.get(first);
    for step in steps {
        at = match at {
            // Made, with all that is below.
            None | Some(Value::Null) => return Ok(()),
            Some(Value::Object(map)) => map.get(step),
            Some(Value::Array(items)) => {
                let item = index(step).and_then(|index| items.get(index));
                let item = item.ok_or_else(|| {
                    let count = items.len();
                    format!("leads to `{step}` of a list with {count} items in the manifest, counted from 0: write the item there, and set what is in it")
                })?;
                Some(item)
            }
            Some(_) => return Err(format!("leads to `{step}` of what is no object and no list in the manifest")),
        };
    }
    Ok(())
}

/// Sets a value where [`check`] said that one can be. null leaves a field out; an item of a list becomes null.
pub(super) fn set(manifest: &mut Map<String, Value>, steps: &[String], value: Value) {
    let Some((first, steps)) = steps.split_first() else { return };
    let Some((last, between)) = steps.split_last() else {
        if value.is_null() {
            manifest.remove(first);
        } else {
            manifest.insert(first.clone(), value);
        }
        return;
    };
    let mut at = manifest.entry(first.clone()).or_insert(Value::Null);
    for step in between {
        let Some(next) = below(at, step) else { return };
        at = next;
    }
    match at {
        Value::Object(map) if value.is_null() => {
            map.remove(last);
        }
        Value::Null if value.is_null() => {}
        _ => {
            if let Some(place) = below(at, last) {
                *place = value;
            }
        }
    }
}

/// The value one step below; an object is made where there is nothing.
fn below<'v>(at: &'v mut Value, step: &str) -> Option<&'v mut Value> {
    if at.is_null() {
        *at = Value::Object(Map::new());
    }
    match at {
        Value::Object(map) => Some(map.entry(step.to_owned()).or_insert(Value::Null)),
        Value::Array(items) => items.get_mut(index(step)?),
        _ => None,
    }
}

/// An index without a sign or leading zeros.
fn index(step: &str) -> Option<usize> {
    let plain = step == "0" || !step.starts_with('0') && step.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| step.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn after(manifest: &Value, pointer: &str, value: &Value) -> Result<Value, String> {
        let mut manifest = manifest.as_object().cloned().expect("an object");
        let steps = parse(pointer)?;
        check(&manifest, &steps)?;
        set(&mut manifest, &steps, value.clone());
        Ok(Value::Object(manifest))
    }

    #[test]
    fn what_is_set() {
        for (manifest, pointer, value, expected) in [
            (json!({}), "/spec", json!(1), json!({"spec": 1})),
            (json!({"spec": {"a": 1}}), "/spec/a", json!(2), json!({"spec": {"a": 2}})),
            (json!({"spec": {"a": 1}}), "/spec/b/c", json!(2), json!({"spec": {"a": 1, "b": {"c": 2}}})),
            (json!({"spec": null}), "/spec/a", json!(2), json!({"spec": {"a": 2}})),
            (json!({"spec": [{"a": 1}, {}]}), "/spec/1/a", json!("x"), json!({"spec": [{"a": 1}, {"a": "x"}]})),
            (json!({"spec": {"a/b": 1, "c~d": 1}}), "/spec/a~1b", json!(2), json!({"spec": {"a/b": 2, "c~d": 1}})),
            (json!({"spec": {"a/b": 1, "c~d": 1}}), "/spec/c~0d", json!(2), json!({"spec": {"a/b": 1, "c~d": 2}})),
            (json!({"spec": {"a": 1}}), "/spec/a", json!(null), json!({"spec": {}})),
            (json!({"spec": {"a": [1, 2]}}), "/spec/a/0", json!(null), json!({"spec": {"a": [null, 2]}})),
            (json!({"spec": {"10": 1}}), "/spec/10", json!(2), json!({"spec": {"10": 2}})),
            (json!({"spec": {}}), "/spec/a/0", json!(2), json!({"spec": {"a": {"0": 2}}})),
        ] {
            assert_eq!(after(&manifest, pointer, &value), Ok(expected), "{manifest} {pointer}");
        }
    }

    #[test]
    fn where_nothing_can_be_set() {
        for (manifest, pointer, words) in [
            (json!({}), "spec", "begin with a slash"),
            (json!({}), "/spec//a", "a part of it is empty"),
            (json!({}), "/", "a part of it is empty"),
            (json!({}), "/a~2b", "is written ~0"),
            (json!({}), "/a~", "is written ~0"),
            (json!({"spec": 1}), "/spec/a", "no object and no list"),
            (json!({"spec": [1]}), "/spec/1", "a list with 1 items"),
            (json!({"spec": [1]}), "/spec/-", "a list with 1 items"),
            (json!({"spec": [1]}), "/spec/00", "a list with 1 items"),
            (json!({"spec": [1]}), "/spec/+0", "a list with 1 items"),
        ] {
            let wrong = after(&manifest, pointer, &json!(1)).expect_err(pointer);
            assert!(wrong.contains(words), "{pointer}: {wrong}");
        }
    }
}
