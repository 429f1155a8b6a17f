//! The parameters that a workflow declares.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::expr::Place;
use super::output::{check_description, check_identifier, check_items};
use super::problem::Code;
use super::report::{Path, Report};
use super::words::quote;
use super::{PlannedParam, expression, limits, size, value};
use crate::api::{Param, ValueType};

/// The parameters with their rules compiled; says what is wrong with them.
pub(super) fn plan(params: &[Param], report: &mut Report) -> Vec<PlannedParam> {
    let path = Path::Root("params");
    if params.len() > limits::PARAMS {
        report.add(Code::TooMany, &path, || {
            let (count, max) = (params.len(), limits::PARAMS);
            format!("there are {count} parameters, {max} are allowed: gather some in one of type object")
        });
    }
    let mut seen = BTreeSet::new();
    let mut planned = Vec::with_capacity(params.len());
    for (index, param) in params.iter().enumerate() {
        report.about(format!("param `{}`: ", quote(&param.name)));
        let path = path.index(index);
        check_identifier(&param.name, &path.field("name"), report);
        if !seen.insert(param.name.as_str()) {
            report.add(Code::DuplicateParam, &path.field("name"), || "is declared twice: remove one".to_owned());
        }
        check_description(param.description.as_deref(), &path, report);
        planned.push(plan_one(param, &path, report));
    }
    report.about_nothing();
    planned
}

fn plan_one(param: &Param, path: &Path<'_>, report: &mut Report) -> PlannedParam {
    let rules = report.len();
    check_choices(param, path, report);
    check_range(param, path, report);
    check_length(param, path, report);
    check_items(param.kind, param.items, path, report);
    let pattern = plan_pattern(param, path, report);
    // A default is judged by rules that are right.
    let rules_are_right = report.len() == rules;

    if param.default.is_some() && param.default_expr.is_some() {
        report.add(Code::TwoDefaults, path, || "has default and defaultExpr: remove one".to_owned());
    }
    if let Some(default) = &param.default
        && rules_are_right
    {
        let path = path.field("default");
        value::check(param, pattern.as_ref(), default, &path, report);
        let bytes = size::serialised(default);
        if bytes > limits::PARAM_BYTES {
            report.add(Code::ParamsTooLarge, &path, || {
                let max = limits::PARAM_BYTES;
                format!("has {bytes} bytes, {max} are allowed for all parameters: pass large data by a volume")
            });
        }
    }
    let default_expr = param
        .default_expr
        .as_ref()
        .and_then(|text| expression::parse(text, Place::ParamDefault, &path.field("defaultExpr"), report));
    PlannedParam { decl: param.clone(), pattern, default_expr }
}

fn check_choices(param: &Param, path: &Path<'_>, report: &mut Report) {
    let Some(choices) = &param.choices else {
        return;
    };
    let path = path.field("enum");
    if choices.is_empty() {
        report.add(Code::BadRule, &path, || {
            "is empty, so that no value is allowed: list the values, or remove enum".to_owned()
        });
    }
    if choices.len() > limits::CHOICES {
        report.add(Code::TooMany, &path, || {
            let (count, max) = (choices.len(), limits::CHOICES);
            format!("has {count} values, {max} are allowed: use a pattern")
        });
    }
    for (at, choice) in choices.iter().enumerate() {
        value::check_type(param.kind, param.items, choice, &path.index(at), report);
    }
}

fn check_range(param: &Param, path: &Path<'_>, report: &mut Report) {
    let numeric = matches!(param.kind, ValueType::Int | ValueType::Number);
    for (bound, field) in [(&param.min, "min"), (&param.max, "max")] {
        let Some(bound) = bound else {
            continue;
        };
        let path = path.field(field);
        if numeric {
            value::check_type(param.kind, None, bound, &path, report);
        } else {
            report.add(Code::RuleForOtherType, &path, || {
                let kind = value::type_name(param.kind);
                let advice = match param.kind {
                    ValueType::String | ValueType::List => format!(": use {field}Length"),
                    _ => format!(": remove {field}"),
                };
                format!("{field} is for int and number, and the type is {kind}{advice}")
            });
        }
    }
    if let (Some(Value::Number(min)), Some(Value::Number(max))) = (&param.min, &param.max)
        && numeric
        && value::compare(min, max) == Ordering::Greater
    {
        report.add(Code::BadRule, &path.field("min"), || {
            format!("min {min} is above max {max}, so that no value is allowed: swap them")
        });
    }
}

fn check_length(param: &Param, path: &Path<'_>, report: &mut Report) {
    let has_length = matches!(param.kind, ValueType::String | ValueType::List);
    for (bound, field) in [(param.min_length, "minLength"), (param.max_length, "maxLength")] {
        let Some(bound) = bound else {
            continue;
        };
        let path = path.field(field);
        if !has_length {
            report.add(Code::RuleForOtherType, &path, || {
                let kind = value::type_name(param.kind);
                format!("{field} is for string and list, and the type is {kind}: remove {field}")
            });
        } else if bound > limits::LENGTH {
            report.add(Code::BadRule, &path, || format!("is {bound}, at most {} is allowed", limits::LENGTH));
        }
    }
    if let (Some(min), Some(max)) = (param.min_length, param.max_length)
        && has_length
        && min > max
    {
        report.add(Code::BadRule, &path.field("minLength"), || {
            format!("minLength {min} is above maxLength {max}, so that no value is allowed: swap them")
        });
    }
}

fn plan_pattern(param: &Param, path: &Path<'_>, report: &mut Report) -> Option<Regex> {
    let pattern = param.pattern.as_ref()?;
    let path = path.field("pattern");
    let count = pattern.chars().count();
    if param.kind != ValueType::String {
        report.add(Code::RuleForOtherType, &path, || {
            let kind = value::type_name(param.kind);
            format!("a pattern is for strings, and the type is {kind}: make the type string, or remove pattern")
        });
        None
    } else if count == 0 {
        report.add(Code::BadPattern, &path, || "is empty, which every string matches: remove it".to_owned());
        None
    } else if count > limits::PATTERN {
        report.add(Code::TooLong, &path, || {
            let max = limits::PATTERN;
            format!("has {count} characters, {max} are allowed: use enum, or check it in a task")
        });
        None
    } else {
        compile(pattern).map_err(|message| report.add(Code::BadPattern, &path, || message)).ok()
    }
}

fn compile(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern)
        .size_limit(limits::PATTERN_PROGRAM_BYTES)
        .dfa_size_limit(limits::PATTERN_PROGRAM_BYTES)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "is too large when compiled: use smaller repetitions, and [0-9A-Za-z_] for \\w".to_owned()
            }
            other => {
                // The last line says what is wrong; those before draw the pattern.
                let text = other.to_string();
                let line = text.lines().last().unwrap_or_default().trim();
                let line = line.strip_prefix("error: ").unwrap_or(line);
                format!("is no regular expression: {line}")
            }
        })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{plan, refused};
    use super::*;

    fn spec(params: &str) -> String {
        format!("params: [{params}]\ntasks: [{{name: a, image: i}}]")
    }

    #[test]
    fn params_that_can_be() {
        let all = r"{name: date, type: string, pattern: '^\d{4}-\d{2}-\d{2}$', default: '2026-11-22'},
            {name: regions, type: list, items: {type: string}, default: [emea, apac], minLength: 1, maxLength: 8},
            {name: rate, type: number, min: 0, max: 1.5, default: 1},
            {name: size, type: string, enum: [small, large], default: small},
            {name: label, type: string, defaultExpr: run.name}, {name: _x, type: object, default: null},
            {name: word, type: string, pattern: '^\w{5}$'}, {name: id, type: string, pattern: '^[0-9A-Za-z_]{1,63}$'}";
        plan(&spec(all));
    }

    #[test]
    #[rustfmt::skip]
    fn params_that_cannot_be() {
        for (params, code, path, message) in [
            ("{name: load-date, type: string}", Code::BadIdentifier, "params[0].name", "param `load-date`: `load-date` is no identifier"),
            ("{name: in, type: string}", Code::ReservedWord, "params[0].name", "reserved word of CEL"),
            ("{name: a, type: int}, {name: a, type: int}", Code::DuplicateParam, "params[1].name", "declared twice"),
            ("{name: a, type: string, default: x, defaultExpr: run.name}", Code::TwoDefaults, "params[0]", "default and defaultExpr: remove one"),
            ("{name: a, type: string, default: 20261122}", Code::WrongType, "params[0].default", "quote it, \"20261122\""),
            ("{name: a, type: string, enum: [x], default: z}", Code::NotInEnum, "params[0].default", "\"z\" is not allowed"),
            ("{name: a, type: int, min: 2, default: 1}", Code::OutOfRange, "params[0].default", "below min"),
            ("{name: a, type: string, pattern: x, default: z}", Code::PatternMismatch, "params[0].default", "doesn't match"),
            ("{name: a, type: string, maxLength: 1, default: yy}", Code::WrongLength, "params[0].default", "maxLength is 1"),
            ("{name: a, type: list, items: {type: int}, default: [x]}", Code::WrongType, "params[0].default[0]", "must be an int"),
            ("{name: a, type: string, min: 1}", Code::RuleForOtherType, "params[0].min", "min is for int and number, and the type is string: use minLength"),
            ("{name: a, type: bool, max: 1}", Code::RuleForOtherType, "params[0].max", "remove max"),
            ("{name: a, type: int, min: x}", Code::WrongType, "params[0].min", "must be an int"),
            ("{name: a, type: int, max: 1.5}", Code::WrongType, "params[0].max", "must be an int"),
            ("{name: a, type: number, min: 2, max: 1.5}", Code::BadRule, "params[0].min", "min 2 is above max 1.5"),
            ("{name: a, type: int, minLength: 1}", Code::RuleForOtherType, "params[0].minLength", "for string and list"),
            ("{name: a, type: list, minLength: 3, maxLength: 2}", Code::BadRule, "params[0].minLength", "above maxLength"),
            ("{name: a, type: list, maxLength: 4000000000}", Code::BadRule, "params[0].maxLength", "at most 1048576"),
            ("{name: a, type: int, pattern: x}", Code::RuleForOtherType, "params[0].pattern", "a pattern is for strings"),
            ("{name: a, type: string, pattern: ''}", Code::BadPattern, "params[0].pattern", "every string matches"),
            ("{name: a, type: string, pattern: '('}", Code::BadPattern, "params[0].pattern", "no regular expression: unclosed group"),
            ("{name: a, type: string, pattern: '(?=x)'}", Code::BadPattern, "params[0].pattern", "look-around"),
            ("{name: a, type: string, pattern: '\\w{9}'}", Code::BadPattern, "params[0].pattern", "too large when compiled"),
            ("{name: a, type: string, pattern: '((a{99}){99}){99}'}", Code::BadPattern, "params[0].pattern", "too large when compiled"),
            ("{name: a, type: string, items: {type: int}}", Code::RuleForOtherType, "params[0].items", "items is for lists"),
            ("{name: a, type: string, enum: []}", Code::BadRule, "params[0].enum", "no value is allowed"),
            ("{name: a, type: string, enum: [x, 1]}", Code::WrongType, "params[0].enum[1]", "must be a string"),
            ("{name: a, type: string, defaultExpr: params.b}", Code::BadExpression, "params[0].defaultExpr", "`params`"),
            ("{name: a, type: string, defaultExpr: run.nam}", Code::UnknownField, "params[0].defaultExpr", "did you mean `name`?"),
        ] {
            refused(&spec(params), code, path, message);
        }
    }

    #[test]
    fn params_that_are_too_large() {
        let text = "x".repeat(20_000);
        refused(
            &spec(&format!("{{name: a, type: string, default: {text}}}")),
            Code::ParamsTooLarge,
            "params[0].default",
            "20002 bytes, 16384 are allowed",
        );
        let pattern = "x".repeat(257);
        refused(
            &spec(&format!("{{name: a, type: string, pattern: {pattern}}}")),
            Code::TooLong,
            "params[0].pattern",
            "257 characters",
        );
        let many: Vec<String> = (0..65).map(|n| format!("{{name: p{n}, type: int}}")).collect();
        refused(&spec(&many.join(", ")), Code::TooMany, "params", "65 parameters, 64 are allowed");
        let many: Vec<String> = (0..65).map(|n| n.to_string()).collect();
        let many = many.join(", ");
        refused(
            &spec(&format!("{{name: a, type: int, enum: [{many}]}}")),
            Code::TooMany,
            "params[0].enum",
            "65 values",
        );
    }
}
