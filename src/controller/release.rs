//! Letting go of every pod, so that none is left that can't be deleted once the operator is gone: before `helm uninstall`, and
//! when the operator's own namespace is being deleted under it.

use std::time::Duration;

use http::Method;
use k8s_openapi::api::core::v1::Pod;
use kube::Resource;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Cluster, Failure};
use super::loose::Loose;
use crate::api::{FINALIZER, label};
use crate::pods::SlimPod;

/// Time between looks at what is still there.
const STEP: Duration = Duration::from_millis(500);
/// How long stopping the operator may take.
const STOP: Duration = Duration::from_mins(1);
/// Pods read at once.
const PAGE: u32 = 500;

/// A page of pods.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    items: Vec<Loose<SlimPod>>,
    #[serde(default)]
    metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ListMeta,
}

/// Takes our finalizer off every pod of these namespaces, or of all; returns how many.
///
/// # Errors
/// The last one met. One pod or namespace that can't be had doesn't keep the others.
pub async fn everything(cluster: &Cluster, namespaces: &[String]) -> Result<usize, Failure> {
    let scopes: Vec<Option<&str>> = match namespaces {
        [] => vec![None],
        some => some.iter().map(|namespace| Some(namespace.as_str())).collect(),
    };
    let mut released = 0;
    let mut outcome = Ok(());
    for scope in scopes {
        let mut token = String::new();
        loop {
            let path =
                format!("{}?labelSelector={}&limit={PAGE}&continue={token}", Pod::url_path(&(), scope), label::RUN_UID);
            let page: Page = match cluster.send(Method::GET, &path, None::<&()>).await {
                Ok(page) => page,
                Err(failure) => {
                    outcome = Err(failure);
                    break;
                }
            };
            for pod in page.items.into_iter().filter_map(|item| item.object.ok()) {
                match release(cluster, &pod).await {
                    Ok(done) => released += usize::from(done),
                    Err(failure) => outcome = Err(failure),
                }
            }
            match page.metadata.continue_.filter(|next| !next.is_empty()) {
                Some(next) => token = next,
                None => break,
            }
        }
    }
    outcome.map(|()| released)
}

/// Releases one pod. When its finalizers changed meanwhile it is read again, a few times.
async fn release(cluster: &Cluster, pod: &SlimPod) -> Result<bool, Failure> {
    let mut meta = pod.metadata.clone();
    for _ in 0..5 {
        if !meta.finalizers.iter().any(|finalizer| finalizer == FINALIZER) {
            return Ok(false);
        }
        match cluster.release_pod(&meta.namespace, &meta.name, &meta.uid, &meta.finalizers).await {
            Err(failure) if failure.code() == 422 => {
                // Read through the list, which is all the rights that the release hook has.
                let path =
                    format!("{}?fieldSelector=metadata.name={}", Pod::url_path(&(), Some(&meta.namespace)), meta.name);
                let page: Page = cluster.send(Method::GET, &path, None::<&()>).await?;
                let again =
                    page.items.into_iter().filter_map(|item| item.object.ok()).find(|now| now.metadata.uid == meta.uid);
                match again {
                    Some(now) => meta = now.metadata,
                    None => return Ok(false),
                }
            }
            answer => return answer.map(|released| released.is_some()),
        }
    }
    Err(Failure::Unknown(format!("the finalizers of pod {} keep changing", meta.name)))
}

/// Stops the operator's Deployment and waits until its pods are gone. That it doesn't exist is as good.
pub async fn stop_operator(cluster: &Cluster, namespace: &str, deployment: &str) -> Result<(), Failure> {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{deployment}/scale");
    let to_zero = json!({ "spec": { "replicas": 0 } });
    let scale: Value = match cluster.send_as(Method::PATCH, &path, "application/merge-patch+json", Some(&to_zero)).await
    {
        Err(failure) if failure.is_not_found() => return Ok(()),
        answer => answer?,
    };
    let selector = scale.pointer("/status/selector").and_then(Value::as_str).unwrap_or_default().to_owned();
    if selector.is_empty() {
        return Ok(());
    }
    let query = selector.replace('=', "%3D").replace(',', "%2C");
    let path = format!("{}?labelSelector={query}", Pod::url_path(&(), Some(namespace)));
    let deadline = tokio::time::Instant::now() + STOP;
    loop {
        let page: Page = cluster.send(Method::GET, &path, None::<&()>).await?;
        if page.items.is_empty() {
            return Ok(());
        }
        if tokio::time::Instant::now() > deadline {
            return Err(Failure::Unknown(format!(
                "the operator's pods ({selector}) did not end within {} s",
                STOP.as_secs()
            )));
        }
        tokio::time::sleep(STEP).await;
    }
}

/// Whether a namespace is being deleted.
///
/// # Errors
/// It could not be read.
pub async fn is_terminating(cluster: &Cluster, namespace: &str) -> Result<bool, Failure> {
    let path = format!("/api/v1/namespaces/{namespace}");
    let found: Value = cluster.send(Method::GET, &path, None::<&()>).await?;
    Ok(found.pointer("/metadata/deletionTimestamp").is_some())
}
