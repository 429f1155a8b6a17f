//! Whether the API server would take a status: its check of an object against the CRD's schema, as far as ours go.

use gantline::api::crds;
use serde_json::Value;

/// The schema of the status of a run.
pub fn of_run_status() -> Value {
    let crds = crds();
    let (_, crd) = crds.iter().find(|(name, _)| *name == "workflowrun.yaml").expect("the CRD");
    let schema = serde_json::to_value(&crd.spec.versions[0].schema).expect("JSON");
    schema["openAPIV3Schema"]["properties"]["status"].clone()
}

/// What is wrong with a value, with its path. Unknown fields are pruned, so they are not.
pub fn check(schema: &Value, value: &Value, path: &str) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("{path}: {what}"));
    if value.is_null() {
        // Where null is no value, the API server takes the field for one that isn't there.
        return Ok(());
    }
    let is = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64(),
        Some("boolean") => value.is_boolean(),
        Some(other) => panic!("{path}: no check of type {other}"),
        None => true,
    };
    if !is {
        return wrong("is of another type");
    }
    if schema["enum"].as_array().is_some_and(|allowed| !allowed.contains(value)) {
        return wrong("is not in the enum");
    }
    let beyond = |key: &str, count: usize| schema[key].as_u64().is_some_and(|max| count as u64 > max);
    match value {
        Value::String(text) => {
            if beyond("maxLength", text.chars().count()) {
                return wrong("is too long");
            }
            if schema["format"] == "date-time" && !is_date_time(text) {
                return wrong("is no time");
            }
        }
        Value::Number(number) => {
            if schema["minimum"].as_f64().is_some_and(|min| number.as_f64() < Some(min)) {
                return wrong("is below the minimum");
            }
        }
        Value::Array(items) => {
            if beyond("maxItems", items.len()) {
                return wrong("has too many items");
            }
            if schema["x-kubernetes-list-type"] == "map" {
                let key = |item: &Value| item["type"].to_string();
                let twice = |at: usize| items.iter().take(at).any(|other| key(other) == key(&items[at]));
                if (0..items.len()).any(twice) {
                    return wrong("has two items of one key");
                }
            }
            for (at, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{path}[{at}]"))?;
            }
        }
        Value::Object(map) => {
            let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
            for name in required {
                if map.get(name).is_none_or(Value::is_null) {
                    return wrong(&format!("lacks {name}"));
                }
            }
            for (name, property) in schema["properties"].as_object().into_iter().flatten() {
                if let Some(value) = map.get(name) {
                    check(property, value, &format!("{path}.{name}"))?;
                }
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
    Ok(())
}

/// RFC 3339, whose years have four digits.
fn is_date_time(text: &str) -> bool {
    let year = text.get(..5).is_some_and(|year| year.ends_with('-') && year[..4].bytes().all(|it| it.is_ascii_digit()));
    year && text.parse::<jiff::Timestamp>().is_ok()
}
