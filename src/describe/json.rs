//! A run for tools.

use serde_json::{Value, json};

use super::Story;

/// One object, with a line break at its end.
pub(super) fn of(story: &Story<'_>) -> String {
    let meta = &story.run.metadata;
    let mut status = json!(story.status);
    if let Value::Object(fields) = &mut status {
        fields.remove("sealed");
    }
    let whole = json!({
        "run": {
            "name": meta.name, "namespace": meta.namespace, "uid": meta.uid, "createdAt": meta.creation_timestamp,
            "spec": story.run.spec, "status": status,
        },
        "tasks": story.tasks,
        "transitions": story.transitions,
        "whole": story.is_whole(),
        "problems": story.problems.told,
    });
    format!("{whole:#}\n")
}
