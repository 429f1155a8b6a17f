//! Whatever the text and the inputs, parsing and evaluating end, soon and in bounded space.

use std::collections::BTreeMap;
use std::thread;

use serde_json::{Value as Json, json};

use super::super::eval::Machine;
use super::super::{Expr, Fault, MAX_DEPTH, MAX_STEPS, MAX_TEXT, Place, ProblemKind};
use super::{evaluate, failures, parse, roots, values};

/// Runs on half the stack that a test or a tokio worker has. An overflow aborts the process.
fn on_a_small_stack(test: impl FnOnce() + Send + 'static) {
    let stack = 1024 * 1024;
    let thread = thread::Builder::new().stack_size(stack).spawn(test);
    thread.expect("a thread").join().expect("no panic");
}

/// `unit` as often as the text has room for.
fn filled(unit: &str) -> String {
    unit.repeat(MAX_TEXT / unit.len())
}

#[test]
fn no_text_overflows_the_stack() {
    let units = [
        "(",
        "[",
        "{",
        "!",
        "-",
        "!-",
        "a.b",
        ".b",
        "1+",
        "1-",
        "1+1*",
        "a?b:",
        "a?",
        "x[",
        "x[x[",
        "f(",
        "f(f(",
        "has(",
        "true&&",
        "true||",
        "a.?b",
        "[1].map(x,",
        "[1].map(x,x)",
        ".map(x,x)",
        "{'a':",
        "(1+",
        "((1)",
        "'",
        "a<",
        "1 in ",
        "[?",
        "a{b:",
        "-(",
        "!(",
        "tasks.a-",
        "-a",
        "a.b(",
    ];
    on_a_small_stack(move || {
        for unit in units {
            let open = filled(unit);
            let half = unit.repeat(MAX_TEXT / 2 / unit.len());
            let closers = [(open.clone(), ""), (half.clone(), "1"), (half.clone(), "x"), (half, "[1]")];
            for (start, end) in closers {
                for close in [")", "]", "}", "])", ""] {
                    let opened = start.matches(['(', '[', '{']).count();
                    let mut text = format!("{start}{end}{}", close.repeat(opened));
                    text.truncate(MAX_TEXT);
                    if let Ok(expr) = Expr::parse(&text, Place::Env) {
                        let _ = expr.evaluate(&roots());
                    }
                }
            }
        }
    });
}

#[test]
fn the_deepest_expressions_allowed_evaluate_on_a_small_stack() {
    let nest = |open: &str, inner: &str, close: &str, times: usize| {
        format!("{}{inner}{}", open.repeat(times), close.repeat(times))
    };
    let levels = MAX_DEPTH - 1;
    let texts = [
        nest("[", "1", "]", levels),
        nest("dyn(", "1", ")", levels),
        nest("(true ? ", "1", " : 2)", levels),
        nest("!(", "true", ")", levels),
        nest("(true && ", "true", ")", levels),
        nest("(1 + ", "1", ")", levels),
        nest("[0][", "0", "]", levels - 1),
        nest("", "[1]", ".map(x, x)", levels - 3),
        nest("[1].map(x, [1].map(y, ", "(1 + (1 + 1))", "))", 1),
        vec!["1"; MAX_DEPTH].join(" + "),
        format!("params{}", "['a']".repeat(levels)),
    ];
    on_a_small_stack(move || {
        for text in texts {
            let expr = Expr::parse(&text, Place::Env);
            let expr = expr.unwrap_or_else(|problems| panic!("{text}: {problems:?}"));
            let _ = expr.evaluate(&roots());
        }
    });
}

#[test]
fn no_pattern_overflows_the_stack() {
    on_a_small_stack(|| {
        for (open, close) in [("(", ")"), ("(?:a|", ")"), ("(a", ")*"), ("[[a]", "]"), ("(?i)(", ")")] {
            for times in [50, 120, 240, 400] {
                let pattern = format!("{}a{}", open.repeat(times), close.repeat(times));
                let text = format!("'aaaa'.matches('{pattern}')");
                if let Ok(expr) = Expr::parse(&text, Place::Env) {
                    let _ = expr.evaluate(&roots());
                }
            }
        }
    });
}

#[test]
fn one_level_more_is_refused() {
    let sum = |terms| vec!["1"; terms].join(" + ");
    let list = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    for text in [sum(MAX_DEPTH + 1), list(MAX_DEPTH), list(MAX_DEPTH + 1), filled("(")] {
        let kinds: Vec<_> =
            Expr::parse(&text, Place::Env).expect_err(&text).into_iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, [ProblemKind::TooDeep { max: MAX_DEPTH }], "{text}");
    }
}

#[test]
fn a_text_has_at_most_a_kibibyte() {
    let literal = |bytes: usize| format!("'{}'", "x".repeat(bytes - 2));
    assert!(Expr::parse(&literal(MAX_TEXT), Place::Env).is_ok());
    assert!(Expr::parse(&literal(MAX_TEXT + 1), Place::Env).is_err());
}

#[test]
fn two_loops_may_be_nested() {
    parse("[1].map(x, [2].map(y, x + y)).map(z, z)");
    parse("[1].map(x, [2].sortBy(y, x + y))");
    for text in ["[1].map(x, [2].map(y, [3].map(z, z)))", "[1].map(x, [2].map(y, [3].sortBy(z, z)))"] {
        let problems = Expr::parse(text, Place::Env).expect_err(text);
        assert_eq!(problems[0].kind, ProblemKind::TooManyLoops { max: 2 });
    }
}

/// A budget that only counted loops would let all of these through.
#[test]
fn nothing_grows_beyond_the_budget() {
    let chain = |start: &str, link: &str| format!("{start}{}", link.repeat((MAX_TEXT - 200) / link.len() / 2));
    let texts = [
        chain("[params.date]", ".map(x, x + x)") + "[0].size()",
        chain("[[1]]", ".map(x, x + x)") + "[0].size()",
        "[params.date].map(x, x.replace('', x)).map(x, x.replace('', x)).map(x, x.replace('', x)).map(x, x.replace('', x))[0].size()".to_owned(),
        "lists.range(20000).map(x, lists.range(20000).map(y, x + y)).size()".to_owned(),
        "lists.range(20000).exists(x, lists.range(20000) == [x])".to_owned(),
        "lists.range(2000).distinct().size()".to_owned(),
        "lists.range(1000).exists(x, lists.range(1000).exists(y, x + y < 0))".to_owned(),
        "lists.range(20000).map(x, params.date.replace('', params.date)).join().size()".to_owned(),
        "lists.range(20000).all(x, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'.matches('(a|a)*b') == false)".to_owned(),
    ];
    for text in texts {
        let error = parse(&text).evaluate(&roots()).expect_err(&text);
        assert_eq!(error.fault, Fault::TooCostly { max: MAX_STEPS }, "{text}");
    }
}

#[test]
fn a_pattern_costs_by_the_places_it_can_be_at() {
    let searched = |pattern: &str, bytes: usize| {
        let text = format!("'{}'.matches('{pattern}')", "x".repeat(bytes));
        let roots = roots();
        let expr = parse(&text);
        let mut machine = Machine::new(&roots);
        let _ = machine.eval(&expr.inner.tree);
        machine.meter.spent() / bytes
    };
    assert_eq!(searched("^[0-9-]+$", 100), 5);
    assert_eq!(searched(r"^\\w+-\\w+$", 100), 5);
    assert!(searched("([a-z][0-9]?){50}q", 100) >= 50);
    assert!(searched("([a-z][0-9]?){700}q", 100) >= 1000);
}

/// Lists share their elements, so that this one of 2^20 elements costs a hundred steps to make.
#[test]
fn sharing_does_not_get_around_the_bounds() {
    let shared = format!("[1]{}", ".map(x, [x, x])".repeat(20));
    let result = parse(&shared).evaluate(&roots()).expect_err("too large");
    assert!(matches!(result.fault, Fault::ResultTooLarge { .. }), "{result}");
    for text in [format!("{shared} == {shared}"), format!("{shared}.flatten(64).size()")] {
        let error = parse(&text).evaluate(&roots()).expect_err(&text);
        assert!(error.fault.is_final(), "{text}: {error}");
    }
    let error = parse(&format!("json({shared}).size()")).evaluate(&roots()).expect_err("too large");
    assert!(matches!(error.fault, Fault::ResultTooLarge { .. }), "{error}");
}

#[test]
fn an_exhausted_budget_is_never_passed_over() {
    let costly = "lists.range(20000).all(x, lists.range(20000).all(y, true))";
    let texts = [
        format!("{costly} || true"),
        format!("true && !{costly} || true"),
        format!("[1, 2].exists(z, z == 2 || z == 1 && {costly})").replace("all(y, true)", "size() > 0"),
        format!("[{costly}].all(z, z) || true"),
    ];
    for text in texts {
        let error = parse(&text).evaluate(&roots()).expect_err(&text);
        assert_eq!(error.fault, Fault::TooCostly { max: MAX_STEPS }, "{text}");
    }
}

#[test]
fn results_are_bounded() {
    values(&[("lists.range(20000).size()", json!(20_000))]);
    failures(&[("lists.range(20000).map(x, 'abcdefghijklmn')", "column 23: the result has more than 262144 bytes")]);
    let deep = format!("[1]{}", ".map(x, [x])".repeat(60));
    assert!(matches!(evaluate(&deep), Ok(Json::Array(_))));
    let deeper = format!("[1]{}", ".map(x, [[x]])".repeat(40));
    let error = parse(&deeper).evaluate(&roots()).expect_err("too deep");
    assert_eq!(error.fault, Fault::TooDeep { max: MAX_DEPTH });
}

#[test]
fn a_result_counts_the_bytes_that_json_takes() {
    use super::super::value::{Room, Value, to_json};
    let texts = ["[1, -20, 0.5, null, true, 'a\\n\\u0001\\\"é']", "params.labels", "[[], ['']]"];
    for text in texts {
        let expr = parse(text);
        let json = expr.evaluate(&roots()).expect(text);
        let mut room = Room::new(1000);
        to_json(&Value::of(&json).expect(text), &mut room).expect(text);
        let written = json.to_string().len();
        assert!((written..written + 8).contains(&room.taken()), "{text}: {} {written}", room.taken());
    }
}

/// Inputs may be nested as deep as `serde_json` reads, twice as deep as results may be.
#[test]
fn deep_inputs_are_no_trouble() {
    on_a_small_stack(|| {
        let deep = (0..120).fold(json!(1), |inner, _| json!([inner]));
        let roots = BTreeMap::from([("params".to_owned(), json!({"a": deep.clone(), "b": deep}))]);
        for text in
            ["params.a", "params.a == params.b", "params.a in [params.b]", "json(params)", "[params.a].distinct()"]
        {
            let result = parse(text).evaluate(&roots);
            let fault = result.map_err(|error| error.fault);
            let is_fine = text.ends_with("distinct()") || fault == Err(Fault::TooDeep { max: MAX_DEPTH });
            assert!(is_fine, "{text}: {fault:?}");
        }
    });
}

#[test]
fn a_missing_root_is_an_error() {
    let error = parse("attempt").evaluate(&BTreeMap::new()).expect_err("no root");
    assert_eq!(error.to_string(), "column 1: `attempt` has no value here");
}

/// Inputs are borrowed: a step costs the same however large they are.
#[test]
fn ordinary_expressions_take_few_steps() {
    let roots = roots();
    for (text, steps) in [
        ("params.date", 2),
        ("tasks.extract.outputs.rows > 0", 6),
        ("params.regions.map(r, r + '-' + params.date)", 21),
        ("'%s/%s'.format([run.name, params.date])", 12),
    ] {
        let expr = parse(text);
        let mut machine = Machine::new(&roots);
        assert!(machine.eval(&expr.inner.tree).is_ok());
        assert!(machine.meter.spent() <= steps, "{text}: {}", machine.meter.spent());
    }
}
