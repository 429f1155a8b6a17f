//! Operators that have few rights, or not everywhere.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::stage::{Stage, kubectl};

/// A way to the API server with the rights of someone who has these rules in the stage's namespace.
pub fn as_someone(stage: &Stage, rules: &Value) -> PathBuf {
    let metadata = json!({ "name": "someone" });
    let version = "rbac.authorization.k8s.io/v1";
    stage.apply(&json!({ "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules }).to_string());
    let user = format!("someone-of-{}", stage.namespace);
    stage.kubectl(&["create", "rolebinding", "someone", "--role=someone", &format!("--user={user}")]);
    let mut config: Value = serde_json::from_str(&kubectl(&["config", "view", "--raw", "-o", "json"])).expect("JSON");
    for it in config["users"].as_array_mut().expect("users") {
        it["user"]["as"] = json!(user);
    }
    let path = std::env::temp_dir().join(format!("gantline-test-{}.kubeconfig", stage.namespace));
    std::fs::write(&path, config.to_string()).expect("a kubeconfig");
    path
}

/// The rights that go with a namespace go when it does; whoever begins after that has none there.
#[test]
fn a_namespace_that_is_out_of_reach_holds_up_no_other() {
    let mut stage = Stage::without_operator("reach");
    let all = |group: &str| json!({ "apiGroups": [group], "resources": ["*"], "verbs": ["*"] });
    let rules: Vec<Value> = ["", "gantline.dev", "events.k8s.io"].into_iter().map(all).collect();
    stage.reaches_by(as_someone(&stage, &json!(rules)));
    stage.also_watches("gone-for-good");
    stage.start_operator();
    stage.apply(
        r#"{apiVersion: gantline.dev/v1alpha1, kind: WorkflowRun, metadata: {name: run}, spec: {workflow: {tasks: [
            {name: t, image: "busybox:1.37", script: "true"}]}}}"#,
    );
    stage.succeeds("run");
    assert!(stage.operator_is_up(), "it goes on");
    println!("{}", stage.is_clean());
}
