//! Amounts of CPU, memory and other resources.

use std::collections::BTreeMap;

use serde_json::Value;

use super::limits;
use super::problem::Code;
use super::report::{Path, Report};
use super::words::quote;
use crate::api::Resources;

/// Units of a quantity: decimal and binary (resource.Quantity in the API reference of Kubernetes).
const UNITS: [&str; 15] = ["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi"];
const EXBI: &str = "Ei";

/// Says which amounts are no quantities. Names are left to the cluster, which knows its devices.
pub(super) fn check(resources: &Resources, path: &Path<'_>, report: &mut Report) {
    check_amounts(&resources.requests, &path.field("requests"), report);
    check_amounts(&resources.limits, &path.field("limits"), report);
}

fn check_amounts(amounts: &BTreeMap<String, Value>, path: &Path<'_>, report: &mut Report) {
    if amounts.len() > limits::RESOURCES {
        report.add(Code::TooMany, path, || {
            let (count, max) = (amounts.len(), limits::RESOURCES);
            format!("has {count} entries, {max} are allowed")
        });
    }
    for (name, amount) in amounts {
        let path = path.key(name);
        if name.chars().count() > limits::RESOURCE_NAME {
            report.add(Code::TooLong, &path, || {
                let max = limits::RESOURCE_NAME;
                format!("the name of the resource has more than {max} characters: shorten it")
            });
        }
        match amount {
            Value::String(text) if is_quantity(text) => {}
            Value::Number(number) if number.as_i64().is_some_and(|amount| amount >= 0) => {}
            Value::Number(number) if number.as_f64().is_some_and(|amount| amount >= 0.0) => {
                report.add(Code::BadQuantity, &path, || format!("quote it: \"{number}\""));
            }
            other => report.add(Code::BadQuantity, &path, || {
                let other = quote(&other.to_string());
                format!("{other} is no amount: write a number and a unit, such as 500m (CPU), 256Mi or 2Gi")
            }),
        }
    }
}

/// Whether a text is an amount, not below zero: a number, then a unit or a decimal exponent.
pub(super) fn is_quantity(text: &str) -> bool {
    let text = text.strip_prefix('+').unwrap_or(text);
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (Some(number), Some(unit)) = (text.get(..end), text.get(end..)) else {
        return false;
    };
    text.len() <= limits::QUANTITY && is_decimal(number) && is_unit(unit)
}

/// Digits, with at most one point, before, between or after them.
fn is_decimal(text: &str) -> bool {
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    digits(whole) && digits(part) && !(whole.is_empty() && part.is_empty())
}

fn is_unit(text: &str) -> bool {
    let exponent = text.strip_prefix(['e', 'E']).map(|text| text.strip_prefix(['+', '-']).unwrap_or(text));
    UNITS.contains(&text) || text == EXBI || exponent.is_some_and(is_decimal)
}

#[cfg(test)]
mod tests {
    use super::super::testing::refused;
    use super::*;

    #[test]
    fn quantities() {
        for good in ["1", "0", "500m", "1.5", ".5", "5.", "256Mi", "2Gi", "1e3", "1E-3", "100n", "+1", "8Ei", "3E"] {
            assert!(is_quantity(good), "{good}");
        }
        for bad in ["", "-1", "lots", "256MB", "256mi", "1 Gi", "1Gi ", ".", "1.2.3", "Gi", "1e", "é", "1\0"] {
            assert!(!is_quantity(bad), "{bad:?}");
        }
    }

    #[test]
    fn amounts_that_cannot_be() {
        let task = |resources: &str| format!("tasks: [{{name: a, image: i, resources: {resources}}}]");
        for (resources, path, message) in [
            ("{requests: {memory: 256MB}}", "tasks[0].resources.requests.memory", "task `a`: \"256MB\" is no amount"),
            ("{limits: {cpu: 1.5}}", "tasks[0].resources.limits.cpu", "quote it: \"1.5\""),
            ("{limits: {nvidia.com/gpu: -1}}", "tasks[0].resources.limits['nvidia.com/gpu']", "-1 is no amount"),
            ("{limits: {cpu: [1]}}", "tasks[0].resources.limits.cpu", "such as 500m"),
        ] {
            refused(&task(resources), Code::BadQuantity, path, message);
        }
        refused(
            "taskDefaults: {resources: {limits: {cpu: x}}}\ntasks: [{name: a, image: i}]",
            Code::BadQuantity,
            "taskDefaults.resources.limits.cpu",
            "no amount",
        );
        let name = "x".repeat(400);
        refused(
            &task(&format!("{{limits: {{{name}: 1}}}}")),
            Code::TooLong,
            &format!("tasks[0].resources.limits['{}…']", "x".repeat(64)),
            "317",
        );
    }
}
