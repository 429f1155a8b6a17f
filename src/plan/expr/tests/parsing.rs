//! What is refused when an expression is parsed, and what people are told.

use super::super::Place;
use super::problems;

/// Each text has exactly the problems beside it, in words that start so.
fn refused(table: &[(&str, &[&str])]) {
    for (text, words) in table {
        let found = problems(text, Place::Env);
        assert_eq!(found.len(), words.len(), "{text}: {found:?}");
        for (found, words) in found.iter().zip(*words) {
            assert!(found.starts_with(words), "{text}: {found}");
        }
    }
}

#[test]
fn syntax() {
    refused(&[
        ("", &["column 1: the expression is empty"]),
        (" // nothing", &["column 12: the expression is empty"]),
        ("1 +", &["column 4: the expression ends too early"]),
        ("(1", &["column 3: the expression ends too early"]),
        ("1 2", &["column 3: `2` can't stand here"]),
        ("a = 1", &["column 3: `=` assigns nothing here; compare with `==`"]),
        ("true & false", &["column 6: a single `&`; write `&&`"]),
        ("true | false", &["column 6: a single `|`; write `||`"]),
        ("'abc", &["column 1: a quote is opened here and never closed"]),
        ("'é' + é", &["column 7: `é` can't stand here"]),
        ("1 + @x", &["column 5: `@` can't stand here"]),
        ("99999999999999999999", &["column 1: this integer is beyond 64 bits"]),
        ("1x", &["column 1: this is no number"]),
        ("'\\q'", &["column 1: this string has an escape that CEL doesn't know"]),
        ("if(true, 1, 2)", &["column 1: `if` is a reserved word of CEL"]),
        ("has(params)", &["column 5: has() asks for a field"]),
        ("[1].map(1, 2)", &["column 9: the first argument is the name of a variable"]),
        ("params.`a-b`", &["column 8: quote a key with brackets"]),
        ("${{ params.date }}", &["column 1: `$` can't stand here"]),
        ("1\n+ * 2", &["line 2, column 3: `*` can't stand here"]),
    ]);
}

#[test]
fn names() {
    refused(&[
        (
            "parms.date",
            &[
                "column 1: `parms` is not known here, did you mean `params`?; this expression can read `params`, `run`, `tasks`, `attempt`, `item` and `index`",
            ],
        ),
        ("1 + env.HOME", &["column 5: `env` is not known here; this"]),
        ("event", &["column 1: `event` is not known here"]),
        ("run.phse", &["column 4: `run` has no field `phse`, did you mean `phase`?; it has `name`"]),
        ("tasks.a.output.x", &["column 8: `tasks.a` has no field `output`, did you mean `outputs`?"]),
        ("tasks['load-sales'].state", &["column 20: `tasks['load-sales']` has no field `state`"]),
        ("tasks", &["column 1: `tasks` needs the literal name of a task"]),
        ("tasks[params.date].phase", &["column 1: `tasks` needs the literal name"]),
        ("tasks.map(t, t)", &["column 1: `tasks` needs the literal name"]),
        ("'a' in tasks", &["column 8: `tasks` needs the literal name"]),
        ("[1].map(run, run)", &["column 8: the variable `run` would hide"]),
        ("[1].map(x, [2].map(x, x))", &["column 19: the variable `x` would hide"]),
        ("[1].map(x, y)", &["column 12: `y` is not known here, did you mean `x`?"]),
        (".params.date", &["column 1: `.params` is not known here, did you mean `params`?"]),
        ("math", &["column 1: `math` is not known here"]),
    ]);
}

#[test]
fn the_place_decides_what_is_in_scope() {
    let found = problems("params.date + run.name", Place::ParamDefault);
    assert_eq!(found, ["column 1: `params` is not known here; this expression can read `run`"]);
    assert_eq!(problems("run.name", Place::ParamDefault), [] as [&str; 0]);
    assert_eq!(problems("attempt", Place::ParamDefault).len(), 1);
    assert_eq!(problems("params.a && run.name == tasks.b.phase", Place::When), [] as [&str; 0]);
    assert_eq!(problems("attempt == 1", Place::When).len(), 1);
}

#[test]
fn a_task_with_a_dash_is_no_subtraction() {
    refused(&[
        (
            "tasks.load-sales.outputs.rows > 0",
            &[
                "column 1: `tasks.load-sales` is a subtraction; a task whose name has a `-` is written tasks['load-sales']",
            ],
        ),
        ("1 + tasks.load-sales.outputs.rows", &["column 5: `tasks.load-sales` is a subtraction"]),
        ("1 - 2 * tasks.a-b-c.outputs.x - 3", &["column 9: `tasks.a-b-c` is a subtraction"]),
        ("has(tasks.a-b.outputs.x)", &["column 12: has() asks for a field"]),
        ("tasks.a-b-c.phase == 'x'", &["column 1: `tasks.a-b-c` is a subtraction"]),
        ("tasks.load-2024.phase", &["column 1: `tasks.load-2024` is a subtraction"]),
        ("tasks.a-b.outputs.names.size()", &["column 1: `tasks.a-b` is a subtraction"]),
        ("tasks.a-b.outputs.list[0]", &["column 1: `tasks.a-b` is a subtraction"]),
    ]);
    assert_eq!(problems("tasks.a.outputs.x - params.rows", Place::Env), [] as [&str; 0]);
}

#[test]
fn functions() {
    refused(&[
        ("foo(1)", &["column 1: there is no function `foo`"]),
        ("params.date.startWith('x')", &["column 13: there is no function `startWith`, did you mean `startsWith`?"]),
        ("contains('a', 'b')", &["column 1: `contains` is called as x.contains(a)"]),
        ("'a'.int()", &["column 5: `int` is called as int(a)"]),
        ("'a'.replace('b')", &["column 5: `replace` is called as x.replace(a, b[, c])"]),
        ("[1].map(x)", &["column 5: `map` is called as list.map(x, value)"]),
        ("math.abs()", &["column 6: `math.abs` is called as math.abs(a)"]),
        ("math.greatest()", &["column 6: `math.greatest` is called as math.greatest(a[, …])"]),
        ("math.foo(1)", &["column 6: there is no function `math.foo`"]),
        ("timestamp('2026-01-01T00:00:00Z')", &["column 1: `timestamp` can't be used here; expressions have no clock"]),
        ("now()", &["column 1: `now` can't be used here"]),
        ("uint(1)", &["column 1: `uint` can't be used here; all integers are int"]),
    ]);
}

#[test]
fn parts_of_cel_that_are_left_out() {
    refused(&[
        ("{'a': 1}", &["column 1: a map `{…}` can't be used here; pass values separately"]),
        ("[{}]", &["column 2: a map `{…}`"]),
        ("Foo{a: 1}", &["column 1: a message `Name{…}` can't be used here"]),
        ("1u", &["column 1: an unsigned number can't be used here"]),
        ("b'x'", &["column 1: a bytes literal can't be used here"]),
    ]);
}

#[test]
fn patterns_are_literal_and_small() {
    refused(&[
        ("params.date.matches(params.date)", &["column 27: `matches` needs a literal pattern"]),
        ("params.date.matches('a' + 'b')", &["column 25: `matches` needs a literal pattern"]),
        (
            "params.date.matches('(')",
            &["column 21: the pattern of `matches` can't be used: it is no regular expression"],
        ),
        ("params.date.matches('(?=a)')", &["column 21: the pattern"]),
        (r"params.date.matches('\\w{60}b')", &["column 21: the pattern of `matches` can't be used: it is too large"]),
        ("params.date.matches('a{1000}{1000}')", &["column 21: the pattern"]),
    ]);
    let dates = r"params.date.matches('^\\d{4}-\\d{2}-\\d{2}$')";
    assert_eq!(problems(dates, Place::Env), [] as [&str; 0]);
}

#[test]
fn all_problems_at_once() {
    refused(&[(
        "parms.a + foo(tasks) + {}",
        &["column 1: `parms`", "column 11: there is no function `foo`", "column 15: `tasks` needs", "column 24: a map"],
    )]);
}
