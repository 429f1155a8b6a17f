//! The wire: one request, one timeout, one answer that says whether the thing was done, wasn't, or may have been.

use std::time::Duration;

use http::{Method, Request};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::core::Status;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::loose::{Loose, Typed};
use crate::api::{FINALIZER, WorkflowRecord, WorkflowRun};
use crate::lease::{Permit, Place};
use crate::mutant::{Mutant, is};
use crate::pods::SlimPod;

/// How long a read may take.
const READ: Duration = Duration::from_secs(10);
/// How long a write may take, where the permit lasts as long; after that its outcome counts as unknown.
const WRITE: Duration = Duration::from_secs(5);
/// How long a request about the lease may take: several fit into what the permit lasts.
const LEASE: Duration = Duration::from_secs(2);
/// A connection on which nothing has come for so long is given up: one that was cut off without a word would be listened to for
/// ever. On a watch the API server sends a bookmark about every minute.
pub const SILENCE: Duration = Duration::from_mins(2);
/// The name that our writes carry in `managedFields` and in the audit log.
pub(super) const FIELD_MANAGER: &str = "gantline";
const JSON: &str = "application/json";

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API server answered no: nothing was done.
    #[error("{} ({})", .0.message, .0.reason)]
    Refused(Box<Status>),
    /// No answer, or one that leaves open whether the thing was done.
    #[error("no clear answer from the API server: {0}")]
    Unknown(String),
    /// Nothing was sent: another operator leads, or may by the time of an answer.
    #[error("this operator doesn't lead, so it writes nothing")]
    NotLeading,
}

impl Failure {
    /// HTTP status of a refusal.
    #[must_use]
    pub fn code(&self) -> u16 {
        match self {
            Self::Refused(status) => status.code,
            Self::Unknown(_) | Self::NotLeading => 0,
        }
    }

    /// Whether the API server itself says that the object, or what it is in, doesn't exist. The page of a proxy in between, be
    /// it a 404, proves nothing.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(status) if status.code == 404 && status.reason == "NotFound" && status.details.is_some())
    }

    /// Whether the API server can't take as much now.
    #[must_use]
    pub fn is_too_much(&self) -> bool {
        self.code() == 429
    }

    /// Whether someone else changed the object, or it is another one by now.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code() == 409
    }

    /// Whether an object of that name exists.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self, Self::Refused(status) if status.reason == "AlreadyExists")
    }
}

/// The API server, as far as the operator's rights go.
#[derive(Clone)]
pub struct Cluster {
    client: Client,
    permit: Permit,
}

impl Cluster {
    /// Over a client whose own retries are off: each would be a write that nobody decided on. Writes need the permit.
    #[must_use]
    pub const fn new(client: Client, permit: Permit) -> Self {
        Self { client, permit }
    }

    /// The same API server, for one who needs no permit.
    #[must_use]
    pub fn unguarded(&self) -> Self {
        Self::new(self.client.clone(), Permit::always())
    }

    /// The permit of our writes.
    #[must_use]
    pub const fn permit(&self) -> &Permit {
        &self.permit
    }

    /// The client, for watches.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// A live read; `None` if it doesn't exist.
    pub async fn get<T: Typed + DeserializeOwned>(
        &self,
        namespace: &str,
        name: &str,
    ) -> Result<Option<Loose<T>>, Failure> {
        let path = format!("{}/{name}", T::Kind::url_path(&(), Some(namespace)));
        absent_is_none(self.send(Method::GET, &path, None::<&()>).await)
    }

    /// A record by name; `None` if it doesn't exist.
    pub async fn get_record(&self, namespace: &str, name: &str) -> Result<Option<WorkflowRecord>, Failure> {
        let path = format!("{}/{name}", WorkflowRecord::url_path(&(), Some(namespace)));
        absent_is_none(self.send(Method::GET, &path, None::<&()>).await)
    }

    /// A record as it is told, which may be more than can be parsed; `None` if it doesn't exist.
    pub async fn get_record_text(&self, namespace: &str, name: &str) -> Result<Option<Box<RawValue>>, Failure> {
        let path = format!("{}/{name}", WorkflowRecord::url_path(&(), Some(namespace)));
        absent_is_none(self.send(Method::GET, &path, None::<&()>).await)
    }

    /// Writes a record; false if one of that name already exists.
    pub async fn create_record(&self, namespace: &str, record: &WorkflowRecord) -> Result<bool, Failure> {
        let path = format!("{}?fieldManager={FIELD_MANAGER}", WorkflowRecord::url_path(&(), Some(namespace)));
        match self.send::<IgnoredAny>(Method::POST, &path, Some(record)).await {
            Err(failure) if failure.is_already_exists() => Ok(false),
            answer => answer.map(|_| true),
        }
    }

    /// Writes a status, if the object's uid and resourceVersion still are those of `of`.
    pub async fn put_status<T>(&self, of: &Loose<T>, status: &impl Serialize) -> Result<Loose<T>, Failure>
    where
        T: Typed + DeserializeOwned,
    {
        let (namespace, name) = (of.meta.namespace.as_deref(), of.meta.name.as_deref().unwrap_or_default());
        let path = format!("{}/{name}/status?fieldManager={FIELD_MANAGER}", T::Kind::url_path(&(), namespace));
        let version = of.meta.resource_version.as_ref().filter(|_| !is(Mutant::StatusWithoutVersion));
        let body = json!({
            "apiVersion": T::Kind::api_version(&()),
            "kind": T::Kind::kind(&()),
            "metadata": {
                "name": name, "namespace": namespace,
                "uid": of.meta.uid, "resourceVersion": version,
            },
            "status": status,
        });
        self.send(Method::PUT, &path, Some(&body)).await
    }

    /// Makes a pod; an unknown field is an error.
    pub async fn create_pod(&self, namespace: &str, pod: &Value) -> Result<SlimPod, Failure> {
        let path =
            format!("{}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict", Pod::url_path(&(), Some(namespace)));
        self.send(Method::POST, &path, Some(pod)).await
    }

    /// A volume claim by name; `None` if it doesn't exist.
    pub async fn get_claim(&self, namespace: &str, name: &str) -> Result<Option<Value>, Failure> {
        let path = format!("{}/{name}", PersistentVolumeClaim::url_path(&(), Some(namespace)));
        absent_is_none(self.send(Method::GET, &path, None::<&()>).await)
    }

    /// Makes a volume claim; an unknown field is an error.
    pub async fn create_claim(&self, namespace: &str, claim: &Value) -> Result<(), Failure> {
        let all = PersistentVolumeClaim::url_path(&(), Some(namespace));
        let path = format!("{all}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        self.send::<Value>(Method::POST, &path, Some(claim)).await.map(|_| ())
    }

    /// Takes our finalizer off a pod of this uid. `finalizers` are those that it was seen with; if they changed meanwhile the
    /// server refuses with 422, and the next sight of the pod decides.
    pub async fn release_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        finalizers: &[String],
    ) -> Result<Option<SlimPod>, Failure> {
        let Some(index) = finalizers.iter().position(|finalizer| finalizer == FINALIZER) else { return Ok(None) };
        let at = format!("/metadata/finalizers/{index}");
        let removal = json!([
            { "op": "test", "path": "/metadata/uid", "value": uid },
            { "op": "test", "path": at, "value": FINALIZER },
            { "op": "remove", "path": at },
        ]);
        let path = format!("{}/{name}?fieldManager={FIELD_MANAGER}", Pod::url_path(&(), Some(namespace)));
        absent_is_none(self.send_as(Method::PATCH, &path, "application/json-patch+json", Some(&removal)).await)
    }

    /// Deletes a pod of this uid. That it is gone, or another one has its name, is as good. Returns the pod as it is being deleted,
    /// where it is still there.
    pub async fn delete_pod(
        &self,
        namespace: &str,
        name: &str,
        uid: &str,
        grace: Option<u32>,
    ) -> Result<Option<SlimPod>, Failure> {
        let path = format!("{}/{name}", Pod::url_path(&(), Some(namespace)));
        let mut options = json!({ "preconditions": { "uid": uid } });
        if is(Mutant::DeleteWithoutUid) {
            options = json!({});
        }
        if let Some(seconds) = grace {
            options["gracePeriodSeconds"] = json!(seconds);
        }
        // The answer is the pod, or a Status where nothing is left to show.
        match self.send::<Loose<SlimPod>>(Method::DELETE, &path, Some(&options)).await {
            Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(None),
            answer => Ok(answer?.object.ok().filter(|pod| pod.metadata.uid == uid)),
        }
    }

    /// Deletes a run, if it still is what was seen: of this uid and resourceVersion.
    pub async fn delete_run(&self, of: &Loose<WorkflowRun>) -> Result<(), Failure> {
        let (namespace, name) = (of.meta.namespace.as_deref(), of.meta.name.as_deref().unwrap_or_default());
        let path = format!("{}/{name}", WorkflowRun::url_path(&(), namespace));
        let same = json!({ "uid": of.meta.uid, "resourceVersion": of.meta.resource_version });
        let options = json!({ "preconditions": same, "propagationPolicy": "Background" });
        match self.send::<Value>(Method::DELETE, &path, Some(&options)).await {
            Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Deletes a record of this uid, if it still is what was seen.
    pub async fn delete_record(&self, namespace: &str, name: &str, uid: &str) -> Result<(), Failure> {
        let path = format!("{}/{name}", WorkflowRecord::url_path(&(), Some(namespace)));
        let options = json!({ "preconditions": { "uid": uid } });
        match self.send::<Value>(Method::DELETE, &path, Some(&options)).await {
            Err(failure) if failure.is_not_found() || failure.is_conflict() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// Makes a Kubernetes Event; one of that name may already exist.
    pub async fn create_event(&self, namespace: &str, event: &Value) -> Result<(), Failure> {
        let path = format!("/apis/events.k8s.io/v1/namespaces/{namespace}/events?fieldManager={FIELD_MANAGER}");
        match self.send::<Value>(Method::POST, &path, Some(event)).await {
            Err(failure) if failure.is_already_exists() => Ok(()),
            answer => answer.map(|_| ()),
        }
    }

    /// The lease; `None` if it doesn't exist.
    pub async fn get_lease(&self, place: &Place) -> Result<Option<Lease>, Failure> {
        absent_is_none(
            self.exchange(Method::GET, &lease_path(place, Some(&place.name)), JSON, None::<&()>, LEASE).await,
        )
    }

    /// Creates the lease where it has no resourceVersion, else replaces it if it is unchanged. This is what permits are made of,
    /// so it needs none.
    pub async fn write_lease(&self, place: &Place, lease: &Lease) -> Result<Lease, Failure> {
        let (method, name) = match lease.metadata.resource_version {
            None => (Method::POST, None),
            Some(_) => (Method::PUT, Some(place.name.as_str())),
        };
        let path = format!("{}?fieldManager={FIELD_MANAGER}", lease_path(place, name));
        self.exchange(method, &path, JSON, Some(lease), LEASE).await
    }

    /// Makes a run; an unknown field is an error.
    pub async fn create_run(&self, namespace: &str, run: &Value) -> Result<Loose<WorkflowRun>, Failure> {
        let all = WorkflowRun::url_path(&(), Some(namespace));
        let path = format!("{all}?fieldManager={FIELD_MANAGER}&fieldValidation=Strict");
        self.send(Method::POST, &path, Some(run)).await
    }

    /// Sends any request with a JSON body.
    pub async fn send<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        self.send_as(method, path, JSON, body).await
    }

    /// Sends any request. A write needs the permit, and takes no longer than that lasts.
    pub async fn send_as<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, Failure> {
        let timeout = if method == Method::GET {
            READ
        } else {
            self.permit.remaining(Instant::now()).ok_or(Failure::NotLeading)?.min(WRITE)
        };
        self.exchange(method, path, content_type, body, timeout).await
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        content_type: &str,
        body: Option<&impl Serialize>,
        timeout: Duration,
    ) -> Result<T, Failure> {
        let unknown = |error: &dyn std::fmt::Display| Failure::Unknown(error.to_string());
        let bytes = match body {
            Some(body) => serde_json::to_vec(body).map_err(|error| unknown(&error))?,
            None => Vec::new(),
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(http::header::CONTENT_TYPE, content_type)
            .body(bytes)
            .map_err(|error| unknown(&error))?;
        match tokio::time::timeout(timeout, self.client.request::<T>(request)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(kube::Error::Api(status))) => Err(classify(status)),
            Ok(Err(error)) => Err(unknown(&error)),
            Err(_) => Err(Failure::Unknown(format!("none within {} ms", timeout.as_millis()))),
        }
    }
}

fn lease_path(place: &Place, name: Option<&str>) -> String {
    let all = Lease::url_path(&(), Some(&place.namespace));
    name.map_or_else(|| all.clone(), |name| format!("{all}/{name}"))
}

/// A 5xx may come after the write took effect; any other refusal says that it did not.
fn classify(status: Box<Status>) -> Failure {
    if status.code >= 500 {
        Failure::Unknown(format!("{} {}: {}", status.code, status.reason, status.message))
    } else {
        Failure::Refused(status)
    }
}

fn absent_is_none<T>(answer: Result<T, Failure>) -> Result<Option<T>, Failure> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(failure) if failure.is_not_found() => Ok(None),
        Err(failure) => Err(failure),
    }
}
