use serde_json::json;

use super::super::testing::{only, plan};
use super::*;

const PARAMS: &str = r"
params:
- {name: date, type: string, pattern: '^\d{4}-\d{2}-\d{2}$'}
- {name: regions, type: list, items: {type: string}, default: [emea, apac], maxLength: 3}
- {name: rate, type: number, default: 1, max: 2}
- {name: size, type: string, enum: [small, large], default: small}
- {name: label, type: string, defaultExpr: run.name + '-x', maxLength: 12}
- {name: options, type: object, default: {}}
tasks: [{name: a, image: i}]
";

fn resolve(given: &Value) -> Result<Map<String, Value>, Vec<Problem>> {
    let run =
        json!({"name": "nightly", "uid": "u", "namespace": "n", "phase": "Running", "reason": "", "generation": 0});
    plan(PARAMS).resolve_params(given.as_object(), &run)
}

#[test]
#[rustfmt::skip]
fn values_given_and_defaults() {
    let all = |date: &str, more: Value| {
        let mut all = json!({"date": date, "regions": ["emea", "apac"], "rate": 1, "size": "small", "label": "nightly-x", "options": {}});
        let all = all.as_object_mut().expect("an object");
        all.extend(more.as_object().cloned().unwrap_or_default());
        Ok(all.clone())
    };
    for (given, more) in [
        (json!({"date": "2026-11-22"}), json!({})),
        (json!({"date": "2026-11-22", "regions": null, "label": null}), json!({})),
        (json!({"date": "2026-11-22", "regions": []}), json!({"regions": []})),
        (json!({"date": "2026-11-22", "rate": 1.5}), json!({"rate": 1.5})),
        (json!({"date": "2026-11-22", "rate": 2.0}), json!({"rate": 2})),
        (json!({"date": "2026-11-22", "options": {"a": [1.0]}}), json!({"options": {"a": [1]}})),
        (json!({"date": "2026-11-22", "label": "l"}), json!({"label": "l"})),
    ] {
        assert_eq!(resolve(&given), all("2026-11-22", more), "{given}");
    }
}

#[test]
#[rustfmt::skip]
fn values_that_cannot_be() {
    let deep = (0..40).fold(json!(1), |value, _| json!([value]));
    for (given, code, path, message) in [
        (json!({}), Code::MissingParam, "params.date", "is required and not given: set spec.params.date of the run, of type string"),
        (json!({"date": null}), Code::MissingParam, "params.date", "is required"),
        (json!({"date": 20_261_122}), Code::WrongType, "params.date", "must be a string, and this is an int: quote it, \"20261122\""),
        (json!({"date": "today"}), Code::PatternMismatch, "params.date", "\"today\" doesn't match the pattern"),
        (json!({"date": "2026-11-22", "rates": 1}), Code::UnknownParam, "params.rates", "the workflow declares no param `rates`; did you mean `rate`?; its params are `date`, `regions`"),
        (json!({"date": "2026-11-22", "x y": null}), Code::UnknownParam, "params['x y']", "declares no param `x y`"),
        (json!({"date": "2026-11-22", "rate": "1"}), Code::WrongType, "params.rate", "write 1 without quotes"),
        (json!({"date": "2026-11-22", "rate": 3}), Code::OutOfRange, "params.rate", "3 is above max, which is 2"),
        (json!({"date": "2026-11-22", "size": "smal"}), Code::NotInEnum, "params.size", "did you mean `small`?"),
        (json!({"date": "2026-11-22", "regions": ["a", 1]}), Code::WrongType, "params.regions[1]", "must be a string"),
        (json!({"date": "2026-11-22", "regions": ["a", "b", "c", "d"]}), Code::WrongLength, "params.regions", "has 4 items"),
        (json!({"date": "2026-11-22", "options": {"text": "x".repeat(17_000)}}), Code::ParamsTooLarge, "params", "16384 are allowed"),
        (json!({"date": "2026-11-22", "options": {"deep": deep}}), Code::TooDeep, "params.options", "more than 32 deep"),
    ] {
        only(
            &given.to_string(),
            &resolve(&given).expect_err(path),
            code,
            path,
            message,
        );
    }
}

#[test]
fn all_mistakes_at_once() {
    let problems = resolve(&json!({"rate": true, "nope": 1})).expect_err("mistakes");
    let paths: Vec<&str> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["params.date", "params.rate", "params.nope"]);
}

#[test]
fn a_default_expression_is_held_to_the_rules() {
    let resolve = |run: Value| {
        let given = json!({"date": "2026-11-22"});
        plan(PARAMS).resolve_params(given.as_object(), &run).expect_err("a mistake")
    };
    only("", &resolve(json!({"name": "a-very-long-name"})), Code::WrongLength, "params.label", "maxLength is 12");
    only("", &resolve(json!({})), Code::ExpressionFailed, "params.label", "its defaultExpr has no value: column ");
}

#[test]
fn nothing_given_and_nothing_declared() {
    let plan = plan("tasks: [{name: a, image: i}]");
    assert_eq!(plan.resolve_params(None, &json!({})), Ok(Map::new()));
}
