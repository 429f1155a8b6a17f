//! The API server, asked from within this process. Where hundreds of runs are looked after at once, a kubectl for each question
//! would cost more than what is tested.

use std::sync::{LazyLock, Mutex};
use std::time::Duration;

use http::{Method, Request};
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::wait::await_condition;
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::time::Instant;

use super::stage::PATIENCE;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

static CLIENT: LazyLock<Client> =
    LazyLock::new(|| block_on(async { Client::try_default().await.expect("the cluster of $KUBECONFIG") }));

/// Runs a future from a test's thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// Runs a future in the background, as long as the tests run.
pub fn spawn(future: impl Future<Output = ()> + Send + 'static) {
    RUNTIME.spawn(future);
}

/// A client of the cluster, with all rights. Not from within a future.
pub fn client() -> Client {
    CLIENT.clone()
}

/// The path of a kind of ours in a namespace, by its plural.
pub fn ours(namespace: &str, plural: &str) -> String {
    format!("/apis/gantline.dev/v1alpha1/namespaces/{namespace}/{plural}")
}

/// The path of the runs of a namespace.
pub fn runs(namespace: &str) -> String {
    ours(namespace, "workflowruns")
}

/// The path of a run.
pub fn run(namespace: &str, name: &str) -> String {
    format!("{}/{name}", runs(namespace))
}

/// The path of the pods of a namespace.
pub fn pods(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/pods")
}

/// Reads an object or a list; `None` if it isn't there.
pub fn get(path: &str) -> Option<Value> {
    send(Method::GET, path, "application/json", &Value::Null).unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// The objects of a list.
pub fn list(path: &str) -> Vec<Value> {
    let mut list = get(path).unwrap_or_default();
    list["items"].as_array_mut().map(std::mem::take).unwrap_or_default()
}

/// Makes an object.
pub fn create(path: &str, object: &Value) {
    send(Method::POST, path, "application/json", object).unwrap_or_else(|error| panic!("POST {path}: {error}"));
}

/// Changes an object by a merge patch.
pub fn patch(path: &str, change: &Value) {
    let done = send(Method::PATCH, path, "application/merge-patch+json", change);
    done.unwrap_or_else(|error| panic!("PATCH {path}: {error}")).expect("it is there");
}

/// Deletes an object, or a collection. That it isn't there is as good.
pub fn delete(path: &str) {
    send(Method::DELETE, path, "application/json", &json!({ "propagationPolicy": "Background" }))
        .unwrap_or_else(|error| panic!("DELETE {path}: {error}"));
}

/// One request; `None` if what it is about isn't there.
fn send(method: Method, path: &str, content_type: &str, body: &Value) -> Result<Option<Value>, kube::Error> {
    let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    let request = Request::builder().method(method).uri(path).header(http::header::CONTENT_TYPE, content_type);
    let request = request.body(bytes).expect("a request");
    let client = client();
    match block_on(async move { client.request::<Value>(request).await }) {
        Ok(answer) => Ok(Some(answer)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(error),
    }
}

/// Waits by a watch until the run's status is as wanted, as long as something goes on; returns the status.
pub async fn status(client: Client, namespace: &str, run: &str, is_right: impl Fn(&Value) -> bool + Send) -> Value {
    let kind = ApiResource {
        group: "gantline.dev".to_owned(),
        version: "v1alpha1".to_owned(),
        api_version: "gantline.dev/v1alpha1".to_owned(),
        kind: "WorkflowRun".to_owned(),
        plural: "workflowruns".to_owned(),
    };
    let runs: Api<DynamicObject> = Api::namespaced_with(client, namespace, &kind);
    // How much a run has to do, and how fast the machine is, says nothing: one that is stuck changes no more.
    let newest = Mutex::new((None, Instant::now()));
    let is_so = |run: Option<&DynamicObject>| {
        let version = run.and_then(|run| run.metadata.resource_version.clone());
        let mut newest = newest.lock().expect("nobody panics with it");
        if newest.0 != version {
            *newest = (version, Instant::now());
        }
        run.is_some_and(|run| is_right(&run.data["status"]))
    };
    let begun = Instant::now();
    let stuck = async {
        loop {
            let end = (newest.lock().expect("nobody panics with it").1 + PATIENCE).min(begun + 10 * PATIENCE);
            if end <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(end).await;
        }
    };
    let waited = tokio::select! {
        waited = await_condition(runs, run, is_so) => waited,
        () = stuck => panic!("waited in vain for run {run} in {namespace}: it changes no more, or for ever"),
    };
    let mut run = waited.expect("the watch").expect("the run is there");
    run.data["status"].take()
}

/// The end of a run, whatever it is; returns its status.
pub async fn finished(client: Client, namespace: &str, run: &str) -> Value {
    status(client, namespace, run, |status| status["finishedAt"].is_string()).await
}

/// Waits until the pods of a run are as wanted; returns them.
pub async fn pods_of(client: Client, namespace: &str, run: &str, wanted: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let path = format!("{}?labelSelector=gantline.dev%2Frun%3D{run}", pods(namespace));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let request = Request::get(&path).body(Vec::new()).expect("a request");
        let mut list: Value = client.request(request).await.expect("the list of pods");
        let found = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if wanted(&found) {
            return found;
        }
        assert!(Instant::now() < deadline, "waited in vain for the pods of {run} in {namespace}: {found:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether the pod is held for its outcome.
pub fn held(pod: &Value) -> bool {
    pod["metadata"]["finalizers"].as_array().is_some_and(|all| all.iter().any(|it| it == "gantline.dev/outcome"))
}
