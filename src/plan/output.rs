//! The outputs that a task declares, and the names that outputs and parameters can have.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::limits;
use super::problem::Code;
use super::report::{Path, Report};
use super::value;
use super::words::{is_identifier, is_reserved, quote};
use crate::api::{ItemType, OutputDecl, ValueType};

/// Says what is wrong with the outputs of a task.
pub(super) fn check(outputs: &[OutputDecl], path: &Path<'_>, report: &mut Report) {
    if outputs.len() > limits::OUTPUTS {
        report.add(Code::TooMany, path, || {
            let (count, max) = (outputs.len(), limits::OUTPUTS);
            format!("has {count} entries, {max} are allowed: gather some in an output of type object")
        });
    }
    let mut seen = BTreeSet::new();
    for (at, output) in outputs.iter().enumerate() {
        let path = path.index(at);
        check_identifier(&output.name, &path.field("name"), report);
        if !seen.insert(output.name.as_str()) {
            report.add(Code::DuplicateOutput, &path.field("name"), || {
                format!("the output `{}` is declared twice: remove one", quote(&output.name))
            });
        }
        check_description(output.description.as_deref(), &path, report);
        check_items(output.kind, output.items, &path, report);
        if let Some(default) = &output.default {
            value::check_type(output.kind, output.items, default, &path.field("default"), report);
        }
    }
}

/// What can be read of the outputs of a task that didn't succeed: the defaults.
pub(super) fn defaults(outputs: &[OutputDecl]) -> Map<String, Value> {
    let with_default = outputs.iter().filter_map(|output| Some((output, output.default.as_ref()?)));
    with_default
        .filter(|(_, default)| !default.is_null())
        .map(|(output, default)| (output.name.clone(), default.clone()))
        .collect()
}

/// Says why an expression couldn't read `name` after a dot.
pub(super) fn check_identifier(name: &str, path: &Path<'_>, report: &mut Report) {
    if !is_identifier(name) {
        report.add(Code::BadIdentifier, path, || {
            let name = quote(name);
            format!("`{name}` is no identifier: write a letter or underscore, then letters, digits and underscores")
        });
    } else if name.len() > limits::IDENTIFIER {
        report.add(Code::TooLong, path, || {
            let (count, max) = (name.len(), limits::IDENTIFIER);
            format!("the name has {count} characters, {max} are allowed: shorten it")
        });
    } else if is_reserved(name) {
        report.add(Code::ReservedWord, path, || {
            format!("`{name}` is a reserved word of CEL: choose another name, such as `{name}_`")
        });
    }
}

/// Refuses `items` where there are none.
pub(super) fn check_items(kind: ValueType, items: Option<ItemType>, path: &Path<'_>, report: &mut Report) {
    if items.is_some() && kind != ValueType::List {
        report.add(Code::RuleForOtherType, &path.field("items"), || {
            let kind = value::type_name(kind);
            format!("items is for lists, and the type is {kind}: make the type list, or remove items")
        });
    }
}

/// Refuses a description that is too long; `path` is that of what is described.
pub(super) fn check_description(text: Option<&str>, path: &Path<'_>, report: &mut Report) {
    let count = text.map_or(0, |text| text.chars().count());
    if count > limits::DESCRIPTION {
        report.add(Code::TooLong, &path.field("description"), || {
            let max = limits::DESCRIPTION;
            format!("has {count} characters, {max} are allowed: shorten it, or write it as a comment")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, refused};
    use super::*;

    fn task(outputs: &str) -> String {
        format!("tasks: [{{name: a, image: i, outputs: [{outputs}]}}]")
    }

    #[test]
    fn outputs_that_can_be() {
        let all = "{name: a, type: string, default: ''}, {name: b, type: number, default: 1}, {name: c, type: list, items: {type: int}, default: [1]}, {name: d, type: object, default: null}";
        let plan = plan(&task(all));
        assert_eq!(plan.tasks()[0].outputs.len(), 4);
        assert_eq!(serde_json::json!(plan.tasks()[0].default_outputs), serde_json::json!({"a": "", "b": 1, "c": [1]}));
    }

    #[test]
    #[rustfmt::skip]
    fn outputs_that_cannot_be() {
        for (outputs, code, path, message) in [
            ("{name: row-count, type: int}", Code::BadIdentifier, "tasks[0].outputs[0].name", "task `a`: `row-count` is no identifier"),
            ("{name: 1st, type: int}", Code::BadIdentifier, "tasks[0].outputs[0].name", "write a letter or underscore"),
            ("{name: while, type: int}", Code::ReservedWord, "tasks[0].outputs[0].name", "`while` is a reserved word of CEL: choose another name, such as `while_`"),
            ("{name: a, type: int}, {name: a, type: int}", Code::DuplicateOutput, "tasks[0].outputs[1].name", "declared twice"),
            ("{name: a, type: int, default: '1'}", Code::WrongType, "tasks[0].outputs[0].default", "write 1 without quotes"),
            ("{name: a, type: list, items: {type: int}, default: [x]}", Code::WrongType, "tasks[0].outputs[0].default[0]", "must be an int"),
            ("{name: a, type: int, items: {type: int}}", Code::RuleForOtherType, "tasks[0].outputs[0].items", "items is for lists, and the type is int"),
        ] {
            refused(&task(outputs), code, path, message);
        }
        let long = "x".repeat(64);
        refused(
            &task(&format!("{{name: {long}, type: int}}")),
            Code::TooLong,
            "tasks[0].outputs[0].name",
            "64 characters, 63 are allowed",
        );
        let text = "x".repeat(1_025);
        refused(
            &task(&format!("{{name: a, type: int, description: {text}}}")),
            Code::TooLong,
            "tasks[0].outputs[0].description",
            "1025 characters",
        );
        let many: Vec<String> = (0..33)
            .map(|n| format!("{{name: o{n}, type: int}}"))
            .collect();
        refused(
            &task(&many.join(", ")),
            Code::TooMany,
            "tasks[0].outputs",
            "33 entries, 32 are allowed",
        );
    }
}
