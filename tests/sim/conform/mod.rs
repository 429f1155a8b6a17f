//! Conformance: random sequences of requests go to the model and to a real API server, and each must answer as the other.
//!
//! Each sequence has a namespace of its own. The cluster's controllers work on meanwhile; what they would touch is left out:
//! pods name a scheduler that nobody is, owners are there or of a kind that the garbage collector doesn't know, and an object
//! whose deletion it takes part in is left alone from then on. Of a pod without a node that is being deleted and held, the
//! collector of pods may still set the status: a sequence that differs where the managed fields show that a controller wrote is
//! played once more.
//!
//! Not played, beside what [`compare`] leaves out: lists and watches from a revision that is still to come, compaction,
//! `fieldValidation=Strict`, strategic merge patches, server-side apply, the deletion of a whole collection.

mod compare;
mod objects;
mod sequence;
mod side;

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use self::compare::Names;
use self::sequence::{Sequence, Step, Subject};
use self::side::{Replies, ask_model, ask_real};
use crate::model::{Request, Server};

/// Requests of a sequence, beside the watches at its end.
const REQUESTS: usize = 60;
/// Sequences unless `SIM_CONFORMANCE` says otherwise.
const SEQUENCES: u64 = 40;
/// What a difference shows that is not the model's: the cluster's controllers wrote; the API server has remembered events of this
/// kind only since a moment ago, as it does once it was started, or the kind was made.
const DISTURBED: [&str; 2] = ["\"manager\":\"kube-controller-manager\"", "too old resource version"];
/// Sequences at a time.
const AT_ONCE: usize = 4;
/// The node that pods are bound to. It must be there: the collector of pods removes those of nodes that are not.
pub const NODE: &str = "nobody";

/// What a comparison came to.
#[derive(Debug, Default)]
pub struct Conformance {
    /// Requests that both servers answered.
    pub requests: usize,
    /// Of each sequence that differed: where, and how.
    pub mismatches: Vec<String>,
    /// Sequences that the cluster interfered with, and that were played again.
    pub disturbed: usize,
}

impl std::fmt::Display for Conformance {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (requests, mismatches) = (self.requests, self.mismatches.len());
        write!(formatter, "conformance: {requests} requests, {mismatches} mismatches")?;
        if self.disturbed > 0 {
            write!(formatter, " ({} sequences disturbed and played again)", self.disturbed)?;
        }
        Ok(())
    }
}

/// Compares the model with the cluster of `KUBECONFIG`; `None` without one.
pub async fn conformance() -> Option<Conformance> {
    std::env::var_os("KUBECONFIG")?;
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let (first, count) = (number("SIM_SEED").unwrap_or(1), number("SIM_CONFORMANCE").unwrap_or(SEQUENCES));
    let client = Client::try_default().await.expect("a client of the cluster that KUBECONFIG names");
    make_node(&client).await;
    let mut sum = Conformance::default();
    let mut running = tokio::task::JoinSet::new();
    for seed in first..first + count {
        while running.len() >= AT_ONCE {
            sum.add(running.join_next().await.expect("one is running").expect("it ends"));
        }
        running.spawn(twice_if_disturbed(client.clone(), seed));
    }
    while let Some(ended) = running.join_next().await {
        sum.add(ended.expect("it ends"));
    }
    remove_node(&client).await;
    Some(sum)
}

/// A node without a kubelet, and without room for anybody else's pods. Its pods tolerate it longer than a sequence takes.
async fn make_node(client: &Client) {
    let node =
        json!({ "apiVersion": "v1", "kind": "Node", "metadata": { "name": NODE }, "spec": { "unschedulable": true } });
    let made = ask_real(client, &Replies::default(), &step(Method::POST, "/api/v1/nodes".to_owned(), node)).await;
    assert!([201, 409].contains(&made.code), "{}", made.body);
}

async fn remove_node(client: &Client) {
    let path = format!("/api/v1/nodes/{NODE}");
    ask_real(client, &Replies::default(), &step(Method::DELETE, path, Value::Null)).await;
}

impl Conformance {
    fn add(&mut self, other: Self) {
        self.requests += other.requests;
        self.mismatches.extend(other.mismatches);
        self.disturbed += other.disturbed;
    }
}

/// Plays a sequence; once more if the cluster interfered.
async fn twice_if_disturbed(client: Client, seed: u64) -> Conformance {
    let mut sum = Conformance::default();
    for trial in 0..2 {
        let (requests, difference) = play(&client, seed, trial).await;
        sum.requests += requests;
        let Some(difference) = difference else { break };
        if trial == 1 || !DISTURBED.iter().any(|sign| difference.contains(sign)) {
            sum.mismatches.push(difference);
            break;
        }
        sum.disturbed += 1;
    }
    sum
}

/// Plays a sequence to both; returns how many requests were answered, and the first difference.
async fn play(client: &Client, seed: u64, trial: u32) -> (usize, Option<String>) {
    let namespace = format!("conform-{}-{seed}-{trial}", std::process::id());
    let mut server = Server::new(seed);
    open(client, &mut server, &namespace).await;
    let (mut of_model, mut of_real) = (Names::default(), Names::default());
    let (mut model, mut real) = (Replies::default(), Replies::default());
    let mut sequence = Sequence::new(seed, &namespace);
    let mut difference = None;
    let mut requests = 0;
    let mut steps = Vec::new();
    while difference.is_none() && requests < REQUESTS {
        let step = sequence.step(&server);
        let (ours, theirs) = (ask_model(&mut server, &model, &step), ask_real(client, &real, &step).await);
        let hidden = &sequence.collected;
        let (ours_normal, theirs_normal) =
            (of_model.normal(&step, &ours, hidden), of_real.normal(&step, &theirs, hidden));
        difference = differ(seed, &steps, &step, &ours_normal, &theirs_normal, &theirs.body);
        sequence.learn(requests, &step, ours.code, &ours.body);
        model.push(ours);
        real.push(theirs);
        steps.push(step);
        requests += 1;
    }
    let watches = if difference.is_none() { sequence.watches() } else { Vec::new() };
    let answers = futures::future::join_all(watches.iter().map(|watch| ask_real(client, &real, watch))).await;
    for (watch, theirs) in watches.iter().zip(answers) {
        let ours = ask_model(&mut server, &model, watch);
        let hidden = &sequence.collected;
        let (ours, normal) = (of_model.normal(watch, &ours, hidden), of_real.normal(watch, &theirs, hidden));
        difference = difference.or_else(|| differ(seed, &steps, watch, &ours, &normal, &theirs.body));
        requests += 1;
    }
    if difference.is_none() && of_model.order() != of_real.order() {
        difference = Some(format!("seed {seed}: the writes are in another order"));
    }
    close(client, &namespace).await;
    (requests, difference)
}

/// A report on two answers that differ.
fn differ(seed: u64, before: &[Step], step: &Step, ours: &Value, theirs: &Value, raw: &Value) -> Option<String> {
    if ours == theirs {
        return None;
    }
    let text = |step: &Step| format!("{} {} {}", step.method, step.path, step.body);
    let concerned = step.path.split('?').next().unwrap_or_default().trim_end_matches("/status");
    let same: Vec<String> = before
        .iter()
        .enumerate()
        .filter(|(_, other)| other.method != Method::GET)
        .filter(|(_, other)| other.path.starts_with(concerned) || concerned.starts_with(&other.path))
        .map(|(number, other)| format!("  {number}: {}", text(other)))
        .collect();
    Some(format!(
        "seed {seed}, step {}: {}\nbefore:\n{}\nmodel:  {ours}\nserver: {theirs}\nin full: {raw}",
        before.len(),
        text(step),
        same.join("\n"),
    ))
}

fn step(method: Method, path: String, body: Value) -> Step {
    Step { method, path, content_type: "application/json", body }
}

/// Makes the namespace on both, and the service account that pods need.
async fn open(client: &Client, server: &mut Server, namespace: &str) {
    let manifest = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    let now = jiff::Timestamp::now();
    server.handle("user", &Request::post("/api/v1/namespaces", &manifest, now), now);
    let none = Replies::default();
    let made = ask_real(client, &none, &step(Method::POST, "/api/v1/namespaces".to_owned(), manifest)).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let account = json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "default" } });
    let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts");
    let made = ask_real(client, &none, &step(Method::POST, path, account)).await;
    assert!([201, 409].contains(&made.code), "{}", made.body);
}

/// Removes the namespace of the real server, with what finalizers would hold.
async fn close(client: &Client, namespace: &str) {
    let none = Replies::default();
    for subject in Subject::ALL {
        let (root, plural) = subject.place();
        let path = format!("{root}/namespaces/{namespace}/{plural}");
        let found = ask_real(client, &none, &step(Method::GET, path.clone(), Value::Null)).await;
        for item in found.body["items"].as_array().into_iter().flatten() {
            if item["metadata"].get("finalizers").is_some() {
                let path = format!("{path}/{}", item["metadata"]["name"].as_str().unwrap_or_default());
                let free = json!({ "metadata": { "finalizers": null } });
                let free = Step { content_type: "application/merge-patch+json", ..step(Method::PATCH, path, free) };
                ask_real(client, &none, &free).await;
            }
        }
    }
    ask_real(client, &none, &step(Method::DELETE, format!("/api/v1/namespaces/{namespace}"), Value::Null)).await;
}

/// Needs a cluster: without one it says that nothing was compared.
#[test]
fn conformance_of_the_model() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(conformance()) {
        None => println!("conformance: not run; it needs a cluster in KUBECONFIG"),
        Some(found) => {
            println!("{found}");
            assert!(found.requests > 0, "nothing was compared");
            assert!(found.mismatches.is_empty(), "{}", found.mismatches.join("\n\n"));
        }
    }
}
