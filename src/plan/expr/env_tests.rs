use serde_json::json;

use super::{EnvError, MAX_ENV, escape_dollars, to_env};

#[test]
fn values_as_variables() {
    let table = [
        (json!("as it is $(X) \n"), "as it is $(X) \n"),
        (json!(""), ""),
        (json!(42), "42"),
        (json!(-1), "-1"),
        (json!(i64::MIN), "-9223372036854775808"),
        (json!(true), "true"),
        (json!(0.1), "0.1"),
        (json!(1.0), "1"),
        (json!(1e21), "1e21"),
        (json!(1e-7), "1e-7"),
        (json!(["a", 1, null]), r#"["a",1,null]"#),
        (json!({"b": 1, "a": {"c": "d"}}), r#"{"a":{"c":"d"},"b":1}"#),
    ];
    for (value, text) in table {
        assert_eq!(to_env(&value).as_deref(), Ok(text));
    }
}

#[test]
fn what_a_variable_cannot_hold() {
    assert_eq!(to_env(&json!(null)), Err(EnvError::Null));
    assert_eq!(to_env(&json!("a\0b")), Err(EnvError::Nul));
    // JSON writes the NUL of a list's element as an escape.
    assert_eq!(to_env(&json!(["a\0b"])).as_deref(), Ok(r#"["a\u0000b"]"#));
    let fits = "x".repeat(MAX_ENV);
    assert_eq!(to_env(&json!(fits)), Ok(fits.clone()));
    let bytes = MAX_ENV + 1;
    let error = to_env(&json!(format!("{fits}x")));
    assert_eq!(
        error,
        Err(EnvError::TooLarge {
            bytes,
            max: MAX_ENV
        })
    );
}

#[test]
fn dollars_are_doubled() {
    let table = [
        ("", ""),
        ("a", "a"),
        ("$", "$$"),
        ("$(A) $$ $", "$$(A) $$$$ $$"),
    ];
    for (text, escaped) in table {
        assert_eq!(escape_dollars(text), escaped);
    }
}
