//! The CRD files are those of the types, and Kubernetes and kubectl can take them.

use std::path::Path;

use serde_json::Value;

/// `kubectl apply` keeps a copy in an annotation, which holds 256 KiB; far below that is better.
const MAX_BYTES: usize = 200_000;

fn files() -> Vec<(&'static str, String)> {
    gantline::api::crd_files().into_iter().map(|(name, text)| (name, text.unwrap())).collect()
}

#[test]
fn the_files_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, text) in files() {
        assert!(text.len() < MAX_BYTES, "{name} has {} bytes", text.len());
        for folder in ["crds", "charts/gantline/files/crds"] {
            let path = root.join(folder).join(name);
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(found == text, "{} is out of date: cargo run -- crds --out {folder}", path.display());
        }
    }
}

/// Every field of every schema, by its path.
fn fields(schema: &Value, path: &str, visit: &mut impl FnMut(&str, &str, &Value)) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (name, property) in properties {
            let here = format!("{path}.{name}");
            visit(&here, name, property);
            fields(property, &here, visit);
        }
    }
    if let Some(items) = schema.get("items") {
        fields(items, &format!("{path}[]"), visit);
    }
}

fn every_field(mut visit: impl FnMut(&str, &str, &Value)) {
    for (name, crd) in gantline::api::crds() {
        let schema = serde_json::to_value(&crd.spec.versions[0].schema).unwrap();
        fields(&schema["openAPIV3Schema"], name, &mut visit);
    }
}

#[test]
fn kubectl_explain_has_a_sentence_for_every_field() {
    let mut seen = 0;
    every_field(|path, _, field| {
        seen += 1;
        let text = field.get("description").and_then(Value::as_str).unwrap_or_default();
        assert!(text.ends_with(['.', '`', ')']) && text.len() > 8, "{path}: `{text}`");
    });
    assert!(seen > 100, "only {seen} fields");
}

#[test]
fn every_list_text_and_map_of_a_spec_has_a_bound() {
    let mut seen = 0;
    every_field(|path, _, field| {
        // A status is written by the operator alone, which bounds what it writes.
        if !path.contains(".spec.") {
            return;
        }
        let bounded = |key: &str| field.get(key).is_some() || field.get("enum").is_some();
        let bound = match field.get("type").and_then(Value::as_str) {
            Some("array") => Some("maxItems"),
            Some("string") => Some("maxLength"),
            _ => None,
        };
        if let Some(bound) = bound {
            seen += 1;
            assert!(bounded(bound), "{path} has no {bound}");
        }
    });
    assert!(seen > 40, "only {seen} lists and texts");
}

/// kubectl reads YAML 1.1, where these are booleans: a key `on` would become `true`.
#[test]
fn no_field_or_value_is_a_boolean_in_yaml_1_1() {
    let boolean =
        |word: &str| ["on", "off", "yes", "no", "y", "n", "true", "false"].contains(&word.to_lowercase().as_str());
    every_field(|path, name, field| {
        assert!(!boolean(name), "{path}");
        for value in field.get("enum").and_then(Value::as_array).into_iter().flatten() {
            assert!(!boolean(value.as_str().unwrap_or_default()), "{path}: {value}");
        }
    });
}

#[test]
fn people_find_the_kinds_by_short_names_that_are_free() {
    for (_, crd) in gantline::api::crds() {
        let names = &crd.spec.names;
        assert_eq!(names.categories.as_deref(), Some(["gantline".to_owned()].as_slice()), "never `all`");
        let short: Vec<_> = names.short_names.iter().flatten().collect();
        assert!(!short.iter().any(|name| *name == "wf"), "Argo Workflows has that one");
    }
}
