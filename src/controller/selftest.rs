//! `gantline selftest`: a run of two tasks, from its creation to its end, as `helm test` asks for it.

use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use kube::Resource;
use serde_json::{Value, json};

use super::client::{Cluster, Failure};
use crate::api::{API_VERSION, WorkflowRun};

/// Time between looks at the run.
const STEP: Duration = Duration::from_secs(1);

/// Runs it; returns the run's phase and message.
///
/// # Errors
/// What the API server refused, or that the run did not end in time; the run is deleted in any case.
pub async fn run(
    cluster: &Cluster,
    namespace: &str,
    image: &str,
    timeout: Duration,
) -> Result<(String, String), Failure> {
    let name = format!("gantline-selftest-{}", Timestamp::now().as_millisecond());
    let task = |name: &str, needs: &[&str]| json!({ "name": name, "needs": needs, "command": ["true"] });
    let manifest = json!({
        "apiVersion": API_VERSION, "kind": "WorkflowRun", "metadata": { "name": name },
        "spec": { "workflow": {
            "description": "Two tasks that do nothing, one after the other.",
            "taskDefaults": {
                "image": image,
                // So that it also runs where the restricted Pod Security standard is enforced.
                "podTemplate": { "spec": {
                    "securityContext": { "runAsNonRoot": true, "runAsUser": 65532 },
                    "containers": [{ "name": "main", "securityContext": { "capabilities": { "drop": ["ALL"] } } }],
                } },
            },
            "tasks": [task("first", &[]), task("second", &["first"])],
        } },
    });
    cluster.create_run(namespace, &manifest).await?;
    let result = wait(cluster, namespace, &name, timeout).await;
    let path = format!("{}/{name}", WorkflowRun::url_path(&(), Some(namespace)));
    cluster.send::<Value>(Method::DELETE, &path, None::<&()>).await?;
    result
}

async fn wait(cluster: &Cluster, namespace: &str, name: &str, timeout: Duration) -> Result<(String, String), Failure> {
    let deadline = tokio::time::Instant::now() + timeout;
    let mut told = String::from("nothing: does the operator run, and watch this namespace?");
    loop {
        let found = cluster.get::<WorkflowRun>(namespace, name).await?;
        let status = found.and_then(|run| run.object.ok()).and_then(|run| run.status);
        if let Some(status) = status {
            if status.phase.is_finished() {
                return Ok((format!("{:?}", status.phase), status.message));
            }
            told = format!("{:?} {} {}", status.phase, status.progress, status.message);
        }
        if tokio::time::Instant::now() > deadline {
            let why = format!("run {name} has not finished within {} s; its status: {told}", timeout.as_secs());
            return Err(Failure::Unknown(why));
        }
        tokio::time::sleep(STEP).await;
    }
}
