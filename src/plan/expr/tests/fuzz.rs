//! Random expressions over random inputs: no panic, the same result twice, and the result that cel's own
//! evaluator has.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, extensions};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{Expr, Fault, Place, ProblemKind};

/// Expressions of one type each, so that most of them have a value.
#[derive(Clone, Copy)]
enum Of {
    Int,
    Double,
    Text,
    Bool,
    Ints,
    Texts,
}

fn leaf(of: Of) -> BoxedStrategy<String> {
    let fixed: &[&str] = match of {
        Of::Int => &["0", "1", "-1", "7", "9223372036854775807", "params.i", "params.n[0]", "params.m.i", "attempt"],
        Of::Double => &["0.0", "1.5", "-2.5", "params.d", "1e3"],
        Of::Text => &["''", "'a'", "'aé☕b'", "','", "params.s", "params.t[0]", "params['s']", "'%s'"],
        Of::Bool => &["true", "false", "params.b", "has(params.i)", "has(params.zz)", "params.zz"],
        Of::Ints => &["[]", "[1, 2, 1]", "params.n", "lists.range(4)"],
        Of::Texts => &["[]", "['b', 'a']", "params.t"],
    };
    proptest::sample::select(fixed).prop_map(str::to_owned).boxed()
}

/// Templates in which `I D T B L S` stand for expressions of the six types.
fn templates(of: Of) -> &'static [&'static str] {
    match of {
        Of::Int => &[
            "(I + I)",
            "(I - I)",
            "(I * I)",
            "(I / I)",
            "(I % I)",
            "-(I)",
            "(B ? I : I)",
            "int(D)",
            "int(T)",
            "size(T)",
            "L.size()",
            "L[I]",
            "T.indexOf(T)",
            "T.indexOf(T, I)",
            "T.lastIndexOf(T)",
            "T.lastIndexOf(T, I)",
            "math.greatest(I, I)",
            "math.least(L)",
            "math.abs(I)",
            "math.sign(I)",
            "math.bitShiftLeft(I, I)",
            "math.bitShiftRight(I, I)",
            "math.bitAnd(I, I)",
            "math.bitNot(I)",
            "params.?zz.orValue(I)",
            "L[?I].orValue(I)",
            "params.m.?i.orValue(I)",
            "dyn(I)",
        ],
        Of::Double => &[
            "(D + D)",
            "(D - D)",
            "(D * D)",
            "(D / D)",
            "-(D)",
            "double(I)",
            "double(T)",
            "math.round(D)",
            "math.floor(D)",
            "math.ceil(D)",
            "math.trunc(D)",
            "math.abs(D)",
            "math.sqrt(D)",
            "(B ? D : D)",
            "math.sign(D)",
        ],
        Of::Text => &[
            "(T + T)",
            "string(I)",
            "string(B)",
            "T.lowerAscii()",
            "T.upperAscii()",
            "T.trim()",
            "T.replace(T, T)",
            "T.replace(T, T, I)",
            "T.substring(I)",
            "T.substring(I, I)",
            "T.charAt(I)",
            "S.join(T)",
            "S.join()",
            "S[I]",
            "T.reverse()",
            "strings.quote(T)",
            "'%s-%d'.format([T, I])",
            "'%.2f %x %b'.format([D, I, I])",
            "(B ? T : T)",
            "'%e|%o|%X|%x'.format([D, I, I, T])",
            "T.format([T, I, B])",
        ],
        Of::Bool => &[
            "(B && B)",
            "(B || B)",
            "!(B)",
            "(I < I)",
            "(I == I)",
            "(I <= D)",
            "(D > I)",
            "(D == I)",
            "(T < T)",
            "(T == T)",
            "(T != T)",
            "(L == L)",
            "(S == S)",
            "(I in L)",
            "(T in S)",
            "(D in L)",
            "T.contains(T)",
            "T.startsWith(T)",
            "T.endsWith(T)",
            "T.matches('^[a-c]*$')",
            "L.all(x, x > I)",
            "L.exists(x, I / x == 1)",
            "L.exists_one(x, x == I)",
            "S.all(y, y.contains(T))",
            "math.isNaN(D)",
            "bool(T)",
            "(type(I) == int)",
            "(T in params.m)",
            "(B ? B : B)",
            "(params.m == params.m)",
            "optional.of(I).hasValue()",
            "(params.?zz == params.?i)",
        ],
        Of::Ints => &[
            "(L + L)",
            "[I, I]",
            "L.map(x, x + I)",
            "L.filter(x, x > I)",
            "L.map(x, x > I, x * I)",
            "L.sort()",
            "L.reverse()",
            "L.distinct()",
            "L.slice(I, I)",
            "L.sortBy(x, -x)",
            "[L, L].flatten()",
            "[L, [L]].flatten(2)",
            "lists.range(I)",
            "S.map(y, y.size())",
            "[?params.?i, ?params.?zz]",
            "L.map(x, L.map(z, x * z).size())",
        ],
        Of::Texts => &[
            "(S + S)",
            "[T, T]",
            "T.split(T)",
            "T.split(T, I)",
            "S.map(y, y + T)",
            "S.filter(y, y > T)",
            "S.sort()",
            "S.reverse()",
            "S.distinct()",
            "L.map(x, string(x))",
            "S.sortBy(y, y.size())",
        ],
    }
}

fn expression(of: Of, depth: u32) -> BoxedStrategy<String> {
    if depth == 0 {
        return leaf(of);
    }
    let filled = proptest::sample::select(templates(of)).prop_flat_map(move |template| {
        let pieces: Vec<BoxedStrategy<String>> = pieces(template)
            .into_iter()
            .map(|piece| match piece {
                Ok(of) => expression(of, depth - 1),
                Err(text) => Just(text).boxed(),
            })
            .collect();
        pieces.prop_map(|pieces| pieces.concat())
    });
    prop_oneof![1 => leaf(of), 4 => filled].boxed()
}

/// The holes of a template, and the text between them. Quoted text and names have no holes.
fn pieces(template: &str) -> Vec<Result<Of, String>> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut is_quoted = false;
    let mut last = ' ';
    let mut chars = template.chars().peekable();
    while let Some(c) = chars.next() {
        is_quoted ^= c == '\'';
        let alone = !last.is_alphanumeric() && !chars.peek().is_some_and(char::is_ascii_alphanumeric);
        let hole = match c {
            'I' => Some(Of::Int),
            'D' => Some(Of::Double),
            'T' => Some(Of::Text),
            'B' => Some(Of::Bool),
            'L' => Some(Of::Ints),
            'S' => Some(Of::Texts),
            _ => None,
        };
        match hole {
            Some(of) if alone && !is_quoted => {
                pieces.push(Err(std::mem::take(&mut text)));
                pieces.push(Ok(of));
            }
            _ => text.push(c),
        }
        last = c;
    }
    pieces.push(Err(text));
    pieces
}

fn any_expression() -> impl Strategy<Value = String> {
    prop_oneof![
        expression(Of::Int, 3),
        expression(Of::Double, 3),
        expression(Of::Text, 3),
        expression(Of::Bool, 3),
        expression(Of::Ints, 3),
        expression(Of::Texts, 3),
    ]
}

fn inputs() -> impl Strategy<Value = BTreeMap<String, Json>> {
    let text = "[a-cA-C,é☕ %]{0,6}";
    let ints = prop::collection::vec(-3_i64..6, 0..5);
    let texts = prop::collection::vec(text, 0..4);
    let double = prop_oneof![-4.0..4.0_f64, Just(0.0), Just(1e300), Just(9.3e18)];
    (any::<i64>(), -3_i64..6, double, text, any::<bool>(), ints, texts).prop_map(|(wide, i, d, s, b, n, t)| {
        let params = json!({"i": i, "d": d, "s": s, "b": b, "n": n, "t": t, "m": {"i": i, "s": s, "a": [wide]}});
        BTreeMap::from([("params".to_owned(), params), ("attempt".to_owned(), json!(wide))])
    })
}

/// What the same text evaluates to with cel alone.
/// Nothing if its macros find something wrong with the text, as they do where ours wait for a value.
fn with_cel(text: &str, inputs: &BTreeMap<String, Json>) -> Option<Result<Option<Json>, String>> {
    static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
        let mut env = Env::stdlib();
        env.add_extension(extensions::strings).expect("strings");
        env.add_extension(extensions::lists).expect("lists");
        env.add_extension(extensions::math).expect("math");
        Arc::new(env)
    });
    let program = ENV.compile(text).ok()?;
    let mut context = Context::with_env(Arc::clone(&ENV));
    for (name, json) in inputs {
        context.add_variable_from_value(name, cel_value(json));
    }
    let value = program.execute(&context).map_err(|error| error.to_string());
    Some(value.map(|value| value.json().ok()))
}

fn cel_value(json: &Json) -> cel::Value {
    match json {
        Json::Null => cel::Value::Null,
        Json::Bool(value) => cel::Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(int) => cel::Value::Int(int),
            None => cel::Value::Float(number.as_f64().expect("a double")),
        },
        Json::String(text) => cel::Value::String(Arc::new(text.clone())),
        Json::Array(items) => cel::Value::List(Arc::new(items.iter().map(cel_value).collect())),
        Json::Object(entries) => {
            let entries = entries.iter();
            let entries = entries.map(|(key, value)| (Key::from(key.as_str()), cel_value(value)));
            let map: HashMap<Key, cel::Value> = entries.collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

/// Where we say no and cel says yes, on purpose.
fn is_ours_alone(fault: &Fault) -> bool {
    matches!(fault, Fault::TooCostly { .. } | Fault::ResultTooLarge { .. } | Fault::NotJson { .. })
}

fn is_a_bound(kind: &ProblemKind) -> bool {
    matches!(kind, ProblemKind::TooManyLoops { .. } | ProblemKind::TooDeep { .. } | ProblemKind::VariableHides { .. })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_expressions_agree_with_cel(text in any_expression(), inputs in inputs()) {
        prop_assume!(text.len() <= super::super::MAX_TEXT);
        let expr = match Expr::parse(&text, Place::Env) {
            Ok(expr) => expr,
            // Templates within one another can go beyond what is allowed, but nothing else is wrong.
            Err(problems) => {
                let allowed = problems.iter().all(|problem| is_a_bound(&problem.kind));
                prop_assert!(allowed, "{:?}", problems);
                return Ok(());
            }
        };
        let first = expr.evaluate(&inputs);
        prop_assert_eq!(&first, &expr.evaluate(&inputs));
        let Some(theirs) = with_cel(&text, &inputs) else {
            return Ok(());
        };
        match (first, theirs) {
            (Ok(ours), Ok(theirs)) => prop_assert_eq!(Some(ours), theirs),
            (Err(error), Ok(_)) => prop_assert!(is_ours_alone(&error.fault), "{}", error),
            (Ok(ours), Err(theirs)) => prop_assert!(false, "{} but {}", ours, theirs),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn random_text_never_panics(text in "[a-z0-9 .,()\\[\\]{}?:'\"!&|<>=+*/%@_`é☕\n\\\\-]{0,80}", inputs in inputs()) {
        if let Ok(expr) = Expr::parse(&text, Place::Env) {
            let _ = expr.evaluate(&inputs);
        }
    }

    #[test]
    fn random_tokens_never_panic(
        tokens in prop::collection::vec(proptest::sample::select(TOKENS), 0..30),
        inputs in inputs(),
    ) {
        if let Ok(expr) = Expr::parse(&tokens.concat(), Place::Env) {
            let result = expr.evaluate(&inputs);
            prop_assert_eq!(result, expr.evaluate(&inputs));
        }
    }
}

const TOKENS: &[&str] = &[
    "params",
    "run",
    "tasks",
    ".a",
    ".?a",
    ".i",
    ".m",
    "['b']",
    "[?'b']",
    "[0]",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    " ",
    "x",
    "1",
    "0x10",
    "-",
    "!",
    "+",
    "*",
    "/",
    "%",
    "&&",
    "||",
    "?",
    ":",
    "==",
    " in ",
    "'é'",
    "r'\\'",
    "b'x'",
    "1u",
    "1e9",
    "has(",
    ".map(x, ",
    ".all(x, ",
    ".filter(",
    "math.",
    "lists.range(",
    ".size()",
    ".sort()",
    "null",
    "true",
    "//",
    "\n",
    "\"\"\"",
    "if",
    "tasks.a-b.phase",
    ".matches('a')",
    ".format([",
    "optional.none()",
    ".orValue(",
    "@result",
    "`a`",
    "\\",
];
