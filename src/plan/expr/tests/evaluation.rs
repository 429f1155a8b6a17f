//! Operators, fields, optionals, loops, and what becomes JSON.

use serde_json::json;

use super::{failures, values};

#[test]
fn literals_and_arithmetic() {
    values(&[
        ("1 + 2 * 3", json!(7)),
        ("(1 + 2) * 3", json!(9)),
        ("7 / 2", json!(3)),
        ("-7 / 2", json!(-3)),
        ("-7 % 3", json!(-1)),
        ("7.0 / 2.0", json!(3.5)),
        ("-params.rows", json!(-42)),
        ("0x1F", json!(31)),
        ("'a' + \"b\" + r'\\d'", json!("ab\\d")),
        ("'caf\\u00e9 ☕'", json!("café ☕")),
        ("[1] + [2, 3]", json!([1, 2, 3])),
        ("null", json!(null)),
        ("!params.flag", json!(false)),
        ("1 // a comment", json!(1)),
    ]);
}

#[test]
fn comparison() {
    values(&[
        ("1 == 1.0", json!(true)),
        ("1 == '1'", json!(false)),
        ("9007199254740993 == 9007199254740992.0", json!(false)),
        ("2 < 2.5 && 2.5 < 3 && -2.5 < -2", json!(true)),
        ("'a' < 'b' && false < true", json!(true)),
        ("[1, [2]] == [1.0, [2]]", json!(true)),
        ("params.labels == params.labels", json!(true)),
        ("2 in params.numbers", json!(true)),
        ("'a' in params.labels", json!(true)),
        ("'x' in params.labels", json!(false)),
        ("0.0 / 0.0 == 0.0 / 0.0", json!(false)),
        (
            "type(params.rows) == int && type(null) == null_type",
            json!(true),
        ),
    ]);
}

#[test]
fn a_side_that_decides_covers_for_one_that_fails() {
    values(&[
        ("true || params.missing", json!(true)),
        ("params.missing || true", json!(true)),
        ("false && 1 / 0 == 1", json!(false)),
        ("1 / 0 == 1 && false", json!(false)),
        ("params.flag ? 'yes' : params.missing", json!("yes")),
        ("[1, 0].exists(x, 1 / x == 1)", json!(true)),
        ("[0, 1].all(x, 1 / x > 1)", json!(false)),
    ]);
    failures(&[
        (
            "params.missing || false",
            "column 7: there is no `missing`; guard the read",
        ),
        (
            "params.rows && true",
            "column 7: a condition must be bool, this is int",
        ),
        ("params.rows ? 1 : 2", "column 7: a condition must be bool"),
    ]);
}

#[test]
fn fields_and_indices() {
    values(&[
        ("params.date", json!("2026-11-22")),
        ("params['date']", json!("2026-11-22")),
        ("params.labels.c.d[1]", json!(2)),
        ("params.regions[0]", json!("emea")),
        ("tasks['load-sales'].phase", json!("Failed")),
        ("tasks['load-sales'].items[0].phase", json!("Failed")),
        ("tasks.extract.outputs.rows", json!(42)),
        ("attempt * 2", json!(4)),
        ("run.phase", json!("Running")),
        ("has(params.nothing)", json!(true)),
        ("has(params.labels.x)", json!(false)),
    ]);
    failures(&[
        (
            "params.regoin",
            "column 7: there is no `regoin`; guard the read with has()",
        ),
        (
            "params.regions[2]",
            "column 15: the index is outside the list",
        ),
        (
            "params.regions[-1]",
            "column 15: the index is outside the list",
        ),
        (
            "params.regions['a']",
            "column 15: `[]` doesn't take list and string",
        ),
        (
            "params.labels[params.date]",
            "column 14: the map has no such key",
        ),
        ("params.rows.x", "column 12: `a field` doesn't take int"),
        (
            "params.large",
            "column 7: the input has an integer beyond 64 bits",
        ),
    ]);
}

#[test]
fn optionals() {
    values(&[
        ("params.?missing.orValue('none')", json!("none")),
        ("params.?date.orValue('none')", json!("2026-11-22")),
        ("params.?labels.c.d[0].value()", json!(1)),
        ("params.?labels.x.y.orValue(0)", json!(0)),
        ("params.regions[?9].orValue('none')", json!("none")),
        ("params.labels[?'a'].orValue(0)", json!(1)),
        ("tasks['load-sales'].outputs.?rows.orValue(-1)", json!(-1)),
        (
            "params.?missing.or(params.?date).value()",
            json!("2026-11-22"),
        ),
        ("params.?missing.hasValue()", json!(false)),
        ("[?params.?missing, ?params.?rows, 1]", json!([42, 1])),
        (
            "optional.of(1).value() + optional.none().orValue(2)",
            json!(3),
        ),
        (
            "optional.ofNonZeroValue(params.empty).orValue('-')",
            json!("-"),
        ),
        ("has(params.?labels.a)", json!(true)),
    ]);
    failures(&[
        (
            "params.?missing.value()",
            "column 17: `value`: the optional is empty",
        ),
        (
            "params.?date",
            "column 7: the result is an optional, which has no JSON form; end it with .orValue",
        ),
    ]);
}

#[test]
fn loops() {
    values(&[
        ("params.numbers.map(n, n * 2)", json!([6, 2, 4])),
        ("params.numbers.map(n, n > 1, string(n))", json!(["3", "2"])),
        ("params.numbers.filter(n, n > 1)", json!([3, 2])),
        ("params.numbers.all(n, n > 0)", json!(true)),
        ("params.numbers.exists(n, n > 3)", json!(false)),
        ("params.numbers.exists_one(n, n == 3)", json!(true)),
        ("params.numbers.sortBy(n, -n)", json!([3, 2, 1])),
        (
            "[1, 2].map(a, [10, 20].map(b, a + b))",
            json!([[11, 21], [12, 22]]),
        ),
        (
            "[[1, 2], [3]].map(a, a.filter(b, b > 1))",
            json!([[2], [3]]),
        ),
        ("[].all(x, x)", json!(true)),
    ]);
    failures(&[
        (
            "params.rows.map(x, x)",
            "column 7: only a list or a map can be looped over, this is int",
        ),
        ("[1, 0].map(x, 1 / x)", "column 17: division by zero"),
        (
            "['b', 1].sortBy(x, x)",
            "column 10: `sortBy`: what is sorted by must be all int",
        ),
    ]);
}

#[test]
fn maps_are_gone_through_in_the_order_of_their_keys() {
    values(&[
        ("params.labels.map(k, k)", json!(["a", "b", "c"])),
        ("params.labels.filter(k, k != 'a')", json!(["b", "c"])),
        ("params.labels.exists(k, k == 'b')", json!(true)),
        (
            "json(params.labels)",
            json!(r#"{"a":1,"b":2,"c":{"d":[1,2]}}"#),
        ),
    ]);
}

#[test]
fn arithmetic_fails_rather_than_wraps() {
    failures(&[
        (
            "9223372036854775807 + 1",
            "column 21: the result of `+` is beyond a 64-bit int",
        ),
        ("-9223372036854775808 - 1", "column 22: the result of `-`"),
        ("9223372036854775807 * 2", "column 21: the result of `*`"),
        ("-9223372036854775808 / -1", "column 22: the result of `/`"),
        ("-9223372036854775808 % -1", "column 22: the result of `%`"),
        ("-(-9223372036854775808)", "column 1: the result of `-`"),
        ("1 / 0", "column 3: division by zero"),
        ("1 % 0", "column 3: division by zero"),
        (
            "1 + 1.0",
            "column 3: `+` doesn't take int and double; convert with int(), double()",
        ),
        ("'a' + 1", "column 5: `+` doesn't take string and int"),
        ("[1] < [2]", "column 5: `<` doesn't take list and list"),
    ]);
}

#[test]
fn some_results_have_no_json_form() {
    failures(&[
        ("0.0 / 0.0", "column 5: the result is NaN or infinite"),
        ("[1.0 / 0.0]", "column 1: the result is NaN or infinite"),
        ("int", "column 1: the result is a type"),
        ("optional.none()", "column 10: the result is an optional"),
    ]);
}

#[test]
fn errors_never_contain_values() {
    let texts = [
        "params.secret + 1",
        "params.secret.missing",
        "int(params.secret)",
        "params.labels[params.secret]",
        "params.secret.substring(99)",
        "[params.secret, 1].sort()",
        "params.secret ? 1 : 2",
        "params.secret.map(x, x)",
        "params.secret.format([params.secret])",
        "'%d'.format([params.secret])",
    ];
    for text in texts {
        if let Err(error) = super::evaluate(text) {
            assert!(!error.contains("s3cr3t"), "{text}: {error}");
        }
    }
}

#[test]
fn positions_count_lines_and_characters() {
    failures(&[
        ("'é☕' + 1", "column 6: `+`"),
        ("[1,\n  2 / 0]", "line 2, column 5: division by zero"),
    ]);
}
