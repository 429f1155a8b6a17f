//! The null controller: makes pods with as many creates under way as Gantline has, waits for their ends, and does nothing else. No
//! controller of any kind goes faster on the same API server, so its pods a second are what Gantline's tasks a second are held to.

use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use gantline::controller::CREATES;
use serde_json::Value;

use super::api::{Api, Result, path};

/// Makes so many pods of a manifest and waits until all have succeeded; returns how long that took.
pub async fn run(api: &Api, namespace: &str, manifest: &Value, count: usize) -> Result<Duration> {
    let pods = path(namespace, "pods");
    let version = api.version(&pods).await?;
    let begun = Instant::now();
    let (watching, watched, at) = (api.clone(), pods.clone(), version.clone());
    let ends = tokio::spawn(async move {
        let mut ended = 0;
        let all_ended = |pod: &super::api::Seen| match pod.status.phase.as_str() {
            "Succeeded" => {
                ended += 1;
                Ok(ended == count)
            }
            "Failed" => Err(format!("pod {} failed", pod.metadata.name)),
            _ => Ok(false),
        };
        watching.watch(&watched, &at, all_ended).await
    });
    let creates = (0..count).map(|number| {
        let mut pod = manifest.clone();
        pod["metadata"]["name"] = format!("bare-{number}").into();
        let (api, pods) = (api.clone(), pods.clone());
        async move { api.create(&pods, &pod).await.map(drop) }
    });
    stream::iter(creates).buffer_unordered(CREATES).try_collect::<Vec<()>>().await?;
    ends.await.map_err(|error| error.to_string())??;
    Ok(begun.elapsed())
}

/// A pod of Gantline's as a manifest for bare ones: the same, but for owner and finalizer, and for what the API server fills in.
pub fn manifest(pod: &Value) -> Value {
    let mut pod = pod.clone();
    if let Some(metadata) = pod["metadata"].as_object_mut() {
        metadata.retain(|field, _| ["labels", "annotations"].contains(&field.as_str()));
    }
    if let Some(spec) = pod["spec"].as_object_mut() {
        for filled in
            ["nodeName", "tolerations", "priority", "preemptionPolicy", "serviceAccount", "serviceAccountName"]
        {
            spec.remove(filled);
        }
    }
    if let Some(pod) = pod.as_object_mut() {
        pod.remove("status");
    }
    pod
}
