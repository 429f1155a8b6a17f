//! The API server, as whoever measures asks it.

use futures::StreamExt;
use http::{Method, Request};
use kube::Client;
use kube::core::WatchEvent;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What goes wrong ends the round.
pub type Result<T> = std::result::Result<T, String>;

/// A client with all rights.
#[derive(Clone)]
pub struct Api(Client);

/// An object as far as whoever waits for it looks.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Seen {
    pub metadata: Meta,
    pub status: Status,
}

/// Its metadata.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Meta {
    pub name: String,
    pub uid: String,
    pub resource_version: String,
}

/// Its status: that of a pod, or of a run.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    pub phase: String,
    pub message: String,
    pub finished_at: Option<String>,
}

#[derive(Deserialize)]
struct List<T> {
    metadata: Meta,
    items: Vec<T>,
}

/// The path of a kind in a namespace: of ours, or `pods`.
pub fn path(namespace: &str, plural: &str) -> String {
    let group = if plural == "pods" { "/api/v1" } else { "/apis/gantline.dev/v1alpha1" };
    format!("{group}/namespaces/{namespace}/{plural}")
}

impl Api {
    /// Of the cluster of `$KUBECONFIG`.
    pub async fn connect() -> Result<Self> {
        Client::try_default().await.map(Self).map_err(|error| error.to_string())
    }

    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &Value) -> Result<T> {
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let request = Request::builder().method(method.clone()).uri(path).header("Content-Type", "application/json");
        let request = request.body(bytes).map_err(|error| error.to_string())?;
        self.0.request(request).await.map_err(|error| format!("{method} {path}: {error}"))
    }

    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        self.send(Method::GET, path, &Value::Null).await
    }

    pub async fn create(&self, path: &str, object: &Value) -> Result<Seen> {
        self.send(Method::POST, path, object).await
    }

    /// The objects at a path.
    pub async fn list<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>> {
        Ok(self.get::<List<T>>(path).await?.items)
    }

    /// Watches what changes after a version, until `is_enough` says so of an object. An API server may end a watch at any time: it goes
    /// on from the last version then.
    pub async fn watch(
        &self,
        path: &str,
        version: &str,
        mut is_enough: impl FnMut(&Seen) -> Result<bool>,
    ) -> Result<()> {
        let mut version = version.to_owned();
        loop {
            let path = format!("{path}?watch=1&resourceVersion={version}");
            let request = Request::get(&path).body(Vec::new()).map_err(|error| error.to_string())?;
            let events = self.0.request_events::<Seen>(request).await.map_err(|error| error.to_string())?;
            let mut events = std::pin::pin!(events);
            while let Some(event) = events.next().await {
                match event.map_err(|error: kube::Error| error.to_string())? {
                    WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                        if is_enough(&object)? {
                            return Ok(());
                        }
                        version = object.metadata.resource_version;
                    }
                    WatchEvent::Error(status) => return Err(format!("watch of {path}: {}", status.message)),
                    _ => {}
                }
            }
        }
    }

    /// The version to watch from so that nothing made later is missed.
    pub async fn version(&self, path: &str) -> Result<String> {
        Ok(self.get::<List<Value>>(&format!("{path}?limit=1")).await?.metadata.resource_version)
    }

    /// A namespace in which pods can be made.
    pub async fn make_namespace(&self, name: &str) -> Result<()> {
        self.create("/api/v1/namespaces", &json!({ "metadata": { "name": name } })).await?;
        let account = format!("/api/v1/namespaces/{name}/serviceaccounts/default");
        while self.get::<Seen>(&account).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Takes a namespace away with all that is in it; returns when nothing of it costs anyone anything any more.
    pub async fn remove_namespace(&self, name: &str) -> Result<()> {
        let at_once = json!({ "gracePeriodSeconds": 0, "propagationPolicy": "Background" });
        for plural in ["workflowruns", "workflows", "pods"] {
            let path = path(name, plural);
            // A deletion of thousands takes longer than the API server lets a request take.
            while !self.list::<Value>(&format!("{path}?limit=1")).await?.is_empty() {
                if let Err(error) = self.send::<Value>(Method::DELETE, &path, &at_once).await {
                    tracing::debug!(error, "deleting goes on");
                }
            }
        }
        let path = format!("/api/v1/namespaces/{name}");
        self.send::<Value>(Method::DELETE, &path, &at_once).await?;
        while self.get::<Value>(&path).await.is_ok() {
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
        Ok(())
    }
}
