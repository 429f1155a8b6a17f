//! Random expressions over random inputs: the same result twice, and the result that cel's own evaluator has.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::objects::{Key, Map};
use cel::{Context, Env, extensions};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::super::{Expr, Fault, Place, ProblemKind};
use super::grammar::any_expression;

fn inputs() -> impl Strategy<Value = BTreeMap<String, Json>> {
    let text = "[a-cA-C,é☕ %]{0,6}";
    let ints = prop::collection::vec(-3_i64..6, 0..5);
    let texts = prop::collection::vec(text, 0..4);
    let double = prop_oneof![-4.0..4.0_f64, Just(0.0), Just(1e300), Just(9.3e18)];
    // Of no more bits than a double has: cel compares an int with a double as doubles, and the specification wants their exact
    // values (CEL specification, "Numbers").
    let wide = any::<i64>().prop_map(|wide| wide & !0x7ff);
    (wide, -3_i64..6, double, text, any::<bool>(), ints, texts).prop_map(|(wide, i, d, s, b, n, t)| {
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
            let map = Arc::new(entries.collect());
            cel::Value::Map(Map { map })
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
}
