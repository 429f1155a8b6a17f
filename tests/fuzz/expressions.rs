//! Any text is an expression or problems; any expression has a value or an error, over any inputs.

use std::collections::BTreeMap;

use gantline::plan::expr::{Expr, MAX_RESULT, MAX_TEXT, Place};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::cases::{Verdict, fuzz};
use super::json::{Corpus, documents};

/// The most that one problem or error may say, in bytes: words of ours, and names out of the text.
const WORDS: usize = MAX_TEXT + 1024;

/// What expressions are made of.
#[rustfmt::skip]
const TOKENS: &[&str] = &[
    "params", "run", "tasks", "attempt", ".a", ".?a", ".rows", ".m", "['b']", "[?'b']", "[0]", "[-1]", "(", ")", "[", "]", "{", "}", ",", " ", "x",
    "1", "0", "0x10", "9223372036854775807", "-", "!", "+", "*", "/", "%", "&&", "||", "?", ":", "==", "!=", "<", ">=", " in ", "'é'", "'%s'",
    "r'\\'", "b'x'", "1u", "1e9", "1e308", "0.0", "has(", ".map(x, ", ".all(x, ", ".exists_one(x, ", ".filter(x, ", ".sortBy(x, ", "math.",
    "math.greatest(", "lists.range(", "lists.range(20000)", ".size()", ".sort()", ".distinct()", ".flatten(9)", ".join(',')", ".split(',')",
    ".replace('', ", ".substring(", "json(", "string(", "int(", "double(", "dyn(", "type(", "null", "true", "//", "\n", "\"\"\"", "if",
    "tasks.extract.outputs", "tasks['a-b'].phase", "tasks.a-b.phase", ".matches('a')", ".matches('(a|a)*b')", ".matches('\\\\w{9}')",
    ".format([", "optional.none()", ".orValue(", ".hasValue()", "@result", "`a`", "\\", "\0", "👩‍👩‍👧", "\u{202e}",
];

/// What two of them are put together with.
const OPERATORS: &[&str] = &["+", "==", "!=", "<", "&&", "||", " in ", "?1:", "*", "%"];

/// Expressions that have a value over the inputs below.
#[rustfmt::skip]
const GOOD: &[&str] = &[
    "params.date", "params.rows + 1", "params.b.map(x, x * 2)", "params.m.a[0].b / 2.0", "params.?zz.orValue(run.name)", "size(params.regions) > 1",
    "params.regions.exists(r, r == 'emea') && has(params.a)", "params.regions.map(r, r + '-' + params.date).join(',')", "params.b.sort()[0]",
    "params.b.filter(x, x % 2 == 1).size()", "'%s/%d'.format([run.name, params.rows])", "params.date.matches('^[0-9-]+$') ? 'day' : params.date",
    "tasks.extract.outputs.rows > 0 ? tasks.extract.phase : ''", "json(params.m)", "attempt + int('1')", "lists.range(attempt * 100).all(x, x < params.a * 1000)",
    "params.date.split('-').map(p, int(p))", "math.greatest(params.rows, attempt)", "params.regions.sortBy(r, size(r))", "string(params.m.a[0].b)",
    "double(params.rows) / 0.7", "'emea' in params.regions", "params.date.replace('-', '/').substring(0, 7)", "dyn(params.b) == [1, 2, 3]",
];

/// Those, and every expression of the examples.
fn corpus() -> Vec<String> {
    fn gather(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| gather(item, found)),
            Value::Object(map) => {
                for (key, value) in map {
                    match value {
                        Value::String(text) if key == "expr" || key == "defaultExpr" => found.push(text.clone()),
                        other => gather(other, found),
                    }
                }
            }
            _ => {}
        }
    }
    let mut found: Vec<String> = GOOD.iter().map(|text| (*text).to_owned()).collect();
    for (_, document) in documents("examples") {
        gather(&document, &mut found);
    }
    assert!(found.len() > GOOD.len() + 20, "only {} expressions in the examples", found.len());
    found
}

fn text() -> impl Strategy<Value = String> {
    let cut = |text: &str, at: &Index| text.floor_char_boundary(at.index(text.len() + 1));
    let tokens = || prop::collection::vec(select(TOKENS), 0..12).prop_map(|tokens| tokens.concat());
    let good = || select(corpus());
    prop_oneof![
        2 => prop::collection::vec(select(TOKENS), 0..40).prop_map(|tokens| tokens.concat()),
        2 => "[a-z0-9 .,()\\[\\]{}?:'\"!&|<>=+*/%@_`é☕\n\\\\-]{0,80}",
        // The start of one, something in between, the end of another.
        5 => (good(), any::<Index>(), tokens(), good(), any::<Index>()).prop_map(move |(head, to, middle, tail, from)| {
            format!("{}{middle}{}", &head[..cut(&head, &to)], &tail[cut(&tail, &from)..])
        }),
        5 => good(),
        5 => (good(), select(OPERATORS), good()).prop_map(|(left, operator, right)| format!("({left}){operator}({right})")),
        3 => (good(), select(TOKENS), good()).prop_map(|(left, token, right)| format!("({left}){token}({right})")),
        1 => (select(TOKENS), good(), 1..200_usize).prop_map(|(token, good, times)| good + &token.repeat(times)),
        1 => any::<String>(),
    ]
}

fn inputs() -> impl Strategy<Value = String> {
    Corpus::new(&[good_roots()]).changed().prop_map(|(_, text)| text)
}

#[rustfmt::skip]
fn good_roots() -> Value {
    json!({
        "params": {"a": 1, "b": [1, 2, 3], "rows": 42, "year": 2026, "name": "n", "date": "2026-11-22", "m": {"a": [{"b": 0.5}]}, "regions": ["emea", "apac"],
            "numbers": [3, 1, 2], "minimumZones": 400},
        "run": {"name": "r", "uid": "u", "namespace": "n", "phase": "Running", "reason": "", "generation": 0},
        "tasks": {
            "extract": {"phase": "Succeeded", "reason": "", "outputs": {"rows": 42}, "items": []},
            "survey": {"phase": "Succeeded", "reason": "", "outputs": {"areas": ["Africa"], "zones": 418, "version": "2026a", "eras": 9, "links": 250, "rules": 1}, "items": []},
        },
        "attempt": 2,
    })
}

fn law(text: &str, roots: &str) -> Verdict {
    let place = if text.len().is_multiple_of(8) { Place::ParamDefault } else { Place::Env };
    let expr = match Expr::parse(text, place) {
        Ok(expr) => expr,
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            for problem in &problems {
                let words = problem.to_string();
                prop_assert!(!words.is_empty() && words.len() <= WORDS, "{} bytes of words", words.len());
            }
            prop_assert_eq!(Some(problems), Expr::parse(text, place).err());
            return Ok("refused");
        }
    };
    prop_assert!(text.len() <= MAX_TEXT);
    // What is no JSON can be no input.
    let roots: BTreeMap<String, Value> =
        serde_json::from_str(roots).or_else(|_| serde_json::from_value(good_roots())).unwrap_or_default();
    let result = expr.evaluate(&roots);
    prop_assert_eq!(&result, &expr.evaluate(&roots));
    match result {
        // A number may be written longer than it was counted.
        Ok(value) => prop_assert!(value.to_string().len() <= MAX_RESULT * 2),
        Err(error) => {
            let words = error.to_string();
            prop_assert!(!words.is_empty() && words.len() <= WORDS, "{} bytes of words", words.len());
            return Ok("failed");
        }
    }
    Ok("evaluated")
}

#[test]
fn any_text_is_an_expression_or_problems() {
    let inputs = (text(), inputs());
    let tally = fuzz("expressions", 2_000, &inputs, |(text, roots)| law(text, roots));
    tally.at_least(5, "evaluated").at_least(5, "failed").at_least(10, "refused");
}
