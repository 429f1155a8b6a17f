//! Fields of a pod that follow values, written over whatever templates and the task say of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::plan::PodField;

/// Writes the fields into the pod's spec and its container `main`.
pub(super) fn hold(spec: &mut Map<String, Value>, main: &mut Map<String, Value>, fields: &BTreeMap<PodField, String>) {
    for (field, text) in fields {
        match field {
            PodField::Image => {
                main.insert("image".into(), text.as_str().into());
            }
            PodField::Request(name) => set(main, &["resources", "requests"], name, text),
            PodField::Limit(name) => set(main, &["resources", "limits"], name, text),
            PodField::NodeSelector(name) => set(spec, &["nodeSelector"], name, text),
        }
    }
}

/// Sets a text below a path of objects; what stands there and is no object gives way.
fn set(map: &mut Map<String, Value>, path: &[&str], name: &str, text: &str) {
    let Some((first, rest)) = path.split_first() else {
        map.insert(name.to_owned(), text.into());
        return;
    };
    let mut below = match map.remove(*first) {
        Some(Value::Object(below)) => below,
        _ => Map::new(),
    };
    set(&mut below, rest, name, text);
    map.insert((*first).to_owned(), Value::Object(below));
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn held(pod: &Value, fields: &[(PodField, &str)]) -> Value {
        let mut spec = pod["spec"].as_object().cloned().unwrap_or_default();
        let mut main = pod["main"].as_object().cloned().unwrap_or_default();
        let fields = fields.iter().map(|(field, text)| (field.clone(), (*text).to_owned())).collect();
        hold(&mut spec, &mut main, &fields);
        json!({ "spec": spec, "main": main })
    }

    #[test]
    fn fields_are_written_over_what_is_there_and_beside_the_rest() {
        let memory = |text: &'static str| (PodField::Limit("memory".into()), text);
        for (pod, fields, expected) in [
            (json!({ "spec": {}, "main": {} }), vec![], json!({ "spec": {}, "main": {} })),
            (
                json!({ "spec": {}, "main": { "image": "a" } }),
                vec![(PodField::Image, "b")],
                json!({ "spec": {}, "main": { "image": "b" } }),
            ),
            (
                json!({ "main": { "resources": { "limits": { "memory": "1Mi", "cpu": "1" }, "requests": { "cpu": "1" } } } }),
                vec![memory("2Mi"), (PodField::Request("memory".into()), "1Mi")],
                json!({ "spec": {}, "main": { "resources": {
                    "limits": { "memory": "2Mi", "cpu": "1" }, "requests": { "cpu": "1", "memory": "1Mi" },
                } } }),
            ),
            (
                json!({ "spec": { "nodeSelector": { "a": "x", "b": "y" } }, "main": {} }),
                vec![(PodField::NodeSelector("a".into()), "z")],
                json!({ "spec": { "nodeSelector": { "a": "z", "b": "y" } }, "main": {} }),
            ),
            (
                json!({ "spec": { "nodeSelector": 7 }, "main": { "resources": [] } }),
                vec![(PodField::NodeSelector("a".into()), "z"), memory("2Mi")],
                json!({ "spec": { "nodeSelector": { "a": "z" } }, "main": { "resources": { "limits": { "memory": "2Mi" } } } }),
            ),
        ] {
            assert_eq!(held(&pod, &fields), expected, "{pod} {fields:?}");
        }
    }
}
