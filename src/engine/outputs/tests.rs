use proptest::prelude::*;
use serde_json::json;

use super::*;

fn decl(name: &str, kind: ValueType) -> OutputDecl {
    OutputDecl { name: name.to_owned(), kind, description: None, default: None, items: None }
}

/// One output of each type, none required: an absent one has its default, which is the name of its type.
fn one_of_each() -> Vec<OutputDecl> {
    [
        ("s", ValueType::String),
        ("i", ValueType::Int),
        ("n", ValueType::Number),
        ("b", ValueType::Bool),
        ("l", ValueType::List),
        ("o", ValueType::Object),
    ]
    .into_iter()
    .map(|(name, kind)| OutputDecl { default: Some(json!("default")), ..decl(name, kind) })
    .collect()
}

/// What was read, without the defaults.
fn written(message: &str) -> Result<Value, (Reason, String)> {
    let mut map = read(message, &one_of_each(), 1)?;
    map.retain(|_, value| value != "default");
    Ok(Value::Object(map))
}

#[test]
fn values_are_read_by_their_declared_type() {
    for (message, expected) in [
        // lines
        ("", json!({})),
        ("\n\n  \n", json!({})),
        ("i=42", json!({"i": 42})),
        ("i=42\ns=x\n", json!({"i": 42, "s": "x"})),
        ("i=42\r\ns=x\r\n", json!({"i": 42, "s": "x"})),
        ("i=1\ni=2", json!({"i": 2})),
        (" i = 42 ", json!({"i": 42})),
        ("i=007", json!({"i": 7})),
        ("i=+5", json!({"i": 5})),
        ("i=-9223372036854775808", json!({"i": i64::MIN})),
        ("s=", json!({"s": ""})),
        ("s= a b ", json!({"s": " a b "})),
        ("s=a=b=c", json!({"s": "a=b=c"})),
        ("s=\"quoted\"", json!({"s": "\"quoted\""})),
        ("s=null", json!({"s": "null"})),
        ("s=tschüß 🦀", json!({"s": "tschüß 🦀"})),
        ("s={\"a\":1}", json!({"s": "{\"a\":1}"})),
        ("s=one\rtwo", json!({"s": "one\rtwo"})),
        ("n=3", json!({"n": 3})),
        ("n=3.0", json!({"n": 3})),
        ("n=.5", json!({"n": 0.5})),
        ("n=1e3", json!({"n": 1000})),
        ("n=1e300", json!({"n": 1e300})),
        ("n=-0", json!({"n": 0})),
        ("b=true", json!({"b": true})),
        ("b=false ", json!({"b": false})),
        ("l=[1, \"a\", null]", json!({"l": [1, "a", null]})),
        ("o={\"a\": {\"b\": []}}", json!({"o": {"a": {"b": []}}})),
        ("l=null", json!({})),
        ("unknown=1\n=2\nexport i=3", json!({})),
        ("\u{feff}i=42", json!({"i": 42})),
        // one JSON object
        ("{}", json!({})),
        ("{\"i\": 42, \"unknown\": 1}", json!({"i": 42})),
        ("\n  {\"i\": 42}\n", json!({"i": 42})),
        ("\u{feff}{\"i\": 42}", json!({"i": 42})),
        ("{\r\n\"i\": 42\r\n}\r\n", json!({"i": 42})),
        ("{\"i\": 1, \"i\": 2}", json!({"i": 2})),
        ("{\"i\": 42.0}", json!({"i": 42})),
        ("{\"n\": 2}", json!({"n": 2})),
        ("{\"n\": 2.5}", json!({"n": 2.5})),
        ("{\"i\": null, \"s\": null}", json!({})),
        ("{\"s\": \"\"}", json!({"s": ""})),
        ("{\"l\": [1.0, [2.5]]}", json!({"l": [1, [2.5]]})),
        ("{\"o\": {\"a\": null}}", json!({"o": {"a": null}})),
    ] {
        assert_eq!(written(message), Ok(expected), "{message:?}");
    }
}

#[test]
fn what_is_not_of_its_type_is_refused() {
    let deep = |levels| format!("{}1{}", "[".repeat(levels), "]".repeat(levels));
    let (deep_line, bomb) = (format!("l={}", deep(33)), format!("{{\"l\":{}}}", deep(1500)));
    for (message, expected) in [
        ("i=", "output `i` is not an int"),
        ("i=4.2", "output `i` is not an int"),
        ("i=42 rows", "output `i` is not an int"),
        ("i=0x10", "output `i` is not an int"),
        ("i=9223372036854775808", "output `i` is not an int"),
        ("n=NaN", "output `n` is not a number"),
        ("n=inf", "output `n` is not a number"),
        ("n=1e999", "output `n` is not a number"),
        ("n=10000000000000000000", "output `n` holds a whole number beyond 64 bits"),
        ("b=True", "output `b` is not a bool: write true or false"),
        ("b=1", "output `b` is not a bool: write true or false"),
        ("l=a,b", "output `l` is not a list in JSON"),
        ("l={}", "output `l` is an object, not a list"),
        ("o=[]", "output `o` is a list, not an object"),
        ("o={'a': 1}", "output `o` is not an object in JSON"),
        ("s=a\0b", "output `s` holds a NUL character"),
        ("s=hello\nworld", "line 2 of the outputs is not `name=value`"),
        ("s", "line 1 of the outputs is not `name=value`"),
        ("[1]", "line 1 of the outputs is not `name=value`"),
        ("{\"i\": 42", "not one JSON object: see line 1, column 8"),
        ("{\"i\": 1}\n{\"i\": 2}", "not one JSON object: see line 2, column 1"),
        ("{\"i\": 42}\ns=x", "not one JSON object"),
        ("{\"i\": NaN}", "not one JSON object"),
        ("{\"n\": 1e999}", "not one JSON object"),
        ("{\"i\": \"42\"}", "output `i` is a string, not an int"),
        ("{\"i\": 4.2}", "output `i` is a number that is no int, not an int"),
        ("{\"i\": 9223372036854775808}", "output `i` holds a whole number beyond 64 bits"),
        ("{\"o\": {\"a\": [18446744073709551615]}}", "output `o` holds a whole number beyond"),
        ("{\"s\": 20261122}", "output `s` is an int, not a string: quote it"),
        ("{\"s\": [\"a\"]}", "output `s` is a list, not a string"),
        ("{\"b\": \"true\"}", "output `b` is a string, not a bool"),
        ("{\"s\": \"a\\u0000b\"}", "output `s` holds a NUL character"),
        ("{\"o\": {\"\\u0000\": 1}}", "output `o` holds a NUL character"),
        (&deep_line, "output `l` is nested more than 32 deep"),
        (&bomb, "not one JSON object"),
    ] {
        let (reason, text) = written(message).unwrap_err();
        assert_eq!(reason, Reason::OutputInvalid, "{message:?}");
        assert!(text.contains(expected), "{message:?}: {text}");
    }
    assert!(written(&format!("l={}", deep(32))).is_ok());
}

#[test]
fn a_missing_output_has_its_default_or_is_named_with_what_was_written_instead() {
    let with_default = OutputDecl { default: Some(json!(7)), ..decl("rows", ValueType::Int) };
    let expected = json!({"rows": 7});
    assert_eq!(read("other=1", &[with_default], 1).map(Value::Object), Ok(expected));

    let declared = [decl("rows", ValueType::Int), decl("bytes", ValueType::Int)];
    for (message, expected) in [
        ("", "not written to $GANTLINE_OUTPUT: `rows`, `bytes`"),
        ("row=1\nbytes=2", "not written to $GANTLINE_OUTPUT: `rows`; written but not declared: `row`"),
        (
            "{\"rows\": null, \"bytes\": 1, \"a\\nb\": 1}",
            "not written to $GANTLINE_OUTPUT: `rows`; written but not declared: `a\\nb`",
        ),
    ] {
        let (reason, text) = read(message, &declared, 1).unwrap_err();
        assert_eq!((reason, text.as_str()), (Reason::OutputMissing, expected));
    }

    let many: Vec<_> = (0..32).map(|i| decl(&format!("{}{i}", "o".repeat(60)), ValueType::Int)).collect();
    let (_, text) = read(&"🦀🦀🦀=1\n".repeat(100), &many, 1).unwrap_err();
    assert!(text.contains("and 24 more") && text.len() <= 1024);
}

#[test]
fn a_message_that_may_have_been_cut_is_refused() {
    let declared = [decl("s", ValueType::String)];
    for (containers, limit) in [(0, 4096), (1, 4096), (3, 4096), (4, 3072), (12, 1024)] {
        let message = |length: usize| format!("s={}", "x".repeat(length - 2));
        assert!(read(&message(limit - 1), &declared, containers).is_ok());
        let (reason, text) = read(&message(limit), &declared, containers).unwrap_err();
        assert_eq!(reason, Reason::OutputTooLarge);
        assert!(text.contains(&limit.to_string()), "{text}");
    }
    assert!(read("", &declared, u32::MAX).is_err());
}

#[test]
fn a_task_without_outputs_may_write_what_it_likes() {
    for message in ["", "hello", "{", "\0", &"x".repeat(10_000)] {
        assert_eq!(read(message, &[], 1), Ok(Map::new()));
    }
}

#[test]
fn items_of_a_list_are_checked() {
    let of = |kind| Some(ItemType { kind });
    for (value, items, expected) in [
        (json!([]), of(ValueType::Int), ""),
        (json!(["a"]), of(ValueType::String), ""),
        (json!([1, 2.5]), of(ValueType::Number), ""),
        (json!([1, "a"]), None, ""),
        (json!([1, null]), of(ValueType::Int), "has null as item 1, counted from 0, not an int"),
        (json!([["a"]]), of(ValueType::Object), "has a list as item 0, counted from 0, not an object"),
        (json!({}), of(ValueType::Int), "is an object, not a list"),
        (json!(null), None, "is null, not a list"),
    ] {
        let answer = matches_type(&value, ValueType::List, items);
        assert_eq!(answer.err().unwrap_or_default(), expected, "{value}");
    }
}

proptest! {
    #[test]
    fn any_message_is_answered(message in "(?s)[{\"\\[\\]:,=sionbl0-9e.\\-\\\\ \n\r\0ü\u{feff}]{0,60}|.{0,60}", containers: u32) {
        if let Ok(outputs) = read(&message, &one_of_each(), containers) {
            for decl in one_of_each() {
                let value = &outputs[&decl.name];
                prop_assert!(value == "default" || matches_type(value, decl.kind, None).is_ok());
            }
            // What is stored is what comes back.
            let text = serde_json::to_string(&outputs).unwrap();
            prop_assert_eq!(serde_json::from_str::<Map<String, Value>>(&text).unwrap(), outputs);
        }
        let errors = [decl("s", ValueType::String), decl("i", ValueType::Int)];
        if let Err((_, text)) = read(&message, &errors, containers) {
            prop_assert!(text.len() <= 1024 && !text.contains('\0'));
        }
    }
}
