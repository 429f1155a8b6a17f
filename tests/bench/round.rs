//! A round: one load in a namespace of its own, from its creation to rest, and what it cost.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use futures::{StreamExt, TryStreamExt, stream};
use gantline::controller::CREATES;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{Api, Result, Seen, path};
use super::audit::{Log, Request};
use super::bare;
use super::figures::{Figures, Outcome};
use super::load::{Load, Shape, WORKFLOW};
use super::process::{Operator, cluster_cpu, release};

/// How often the log is looked at, by one who waits for what only it tells.
const LOOK: Duration = Duration::from_millis(200);
/// After so long without any request of anyone nothing more comes.
const STILL: Duration = Duration::from_mins(1);

/// Where rounds are played.
pub struct Ground {
    pub api: Api,
    /// The cluster's state directory.
    pub state: PathBuf,
    /// The manifest of bare pods, once it is known.
    pub manifest: Option<Value>,
    /// Rounds so far.
    pub rounds: usize,
}

impl Ground {
    /// Plays a round. What goes wrong is part of what it tells.
    pub async fn play(&mut self, load: Load) -> Result<Figures> {
        self.rounds += 1;
        let namespace = format!("bench-{}-{load}", self.rounds);
        self.api.make_namespace(&namespace).await?;
        let played = match load.shape {
            Shape::Bare => self.bare(load, &namespace).await,
            _ => self.gantline(load, &namespace).await,
        };
        let figures = played.unwrap_or_else(|problem| Figures::failed(load, problem));
        release(&namespace)?;
        self.api.remove_namespace(&namespace).await?;
        Ok(figures)
    }

    async fn bare(&mut self, load: Load, namespace: &str) -> Result<Figures> {
        let manifest = match &self.manifest {
            Some(manifest) => manifest.clone(),
            None => self.manifest.insert(self.sample(namespace).await?).clone(),
        };
        let cpu = cluster_cpu(&self.state);
        let took = bare::run(&self.api, namespace, &manifest, load.size).await?;
        Ok(Figures::bare(load, took, cluster_cpu(&self.state).saturating_sub(cpu)))
    }

    /// The pod of a task that Gantline made.
    async fn sample(&self, namespace: &str) -> Result<Value> {
        let load = Load { shape: Shape::FanOut, size: 1 };
        let operator = self.stage(load, namespace).await?;
        let version = self.api.version(&path(namespace, "workflowruns")).await?;
        self.create_runs(load, namespace).await?;
        self.await_ends(load, namespace, &version).await?;
        drop(operator);
        let pods: Vec<Value> = self.api.list(&path(namespace, "pods")).await?;
        pods.first().map(bare::manifest).ok_or_else(|| "the sample's pod is gone".to_owned())
    }

    /// The workflow is there, and an operator that is ready for runs of it.
    async fn stage(&self, load: Load, namespace: &str) -> Result<Operator> {
        let workflow = json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "Workflow", "metadata": { "name": WORKFLOW }, "spec": load.spec(),
        });
        self.api.create(&path(namespace, "workflows"), &workflow).await?;
        let operator = Operator::start(namespace)?;
        operator.is_ready().await?;
        Ok(operator)
    }

    async fn create_run(&self, namespace: &str, name: &str) -> Result<()> {
        let run = json!({
            "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": { "name": name },
            "spec": { "workflowRef": { "name": WORKFLOW } },
        });
        self.api.create(&path(namespace, "workflowruns"), &run).await.map(drop)
    }

    async fn create_runs(&self, load: Load, namespace: &str) -> Result<()> {
        let runs = (0..load.runs()).map(|number| async move { self.create_run(namespace, &Load::run(number)).await });
        stream::iter(runs).buffer_unordered(CREATES).try_collect().await
    }

    async fn await_ends(&self, load: Load, namespace: &str, version: &str) -> Result<()> {
        let mut ended = BTreeSet::new();
        let all_ended = |run: &Seen| {
            if run.status.finished_at.is_some() {
                if run.status.phase != "Succeeded" {
                    return Err(format!("run {} is {}: {}", run.metadata.name, run.status.phase, run.status.message));
                }
                ended.insert(run.metadata.name.clone());
            }
            Ok(ended.len() == load.runs())
        };
        self.api.watch(&path(namespace, "workflowruns"), version, all_ended).await
    }

    async fn gantline(&mut self, load: Load, namespace: &str) -> Result<Figures> {
        let mut seen = Watched { log: Log::from_now(&self.state.join("audit.log"), namespace)?, requests: Vec::new() };
        let mut operator = self.stage(load, namespace).await?;
        let version = self.api.version(&path(namespace, "workflowruns")).await?;
        let (cpu, of_cluster) = (operator.cpu(), cluster_cpu(&self.state));
        let (begun, begun_at) = (Instant::now(), Timestamp::now());
        let mut used = Used::default();
        self.create_runs(load, namespace).await?;
        match load.shape {
            Shape::Live => {
                let all = load.runs() * load.pods();
                seen.until(|requests| requests.iter().filter(|it| is_of_node(it)).count() >= all).await?;
                used.took = begun.elapsed();
                used.replace(&mut operator, namespace)?;
                self.create_run(namespace, "more").await?;
                let since = used.restarted_at;
                seen.until(|requests| requests.iter().any(|it| is_create(it) && it.answered > since)).await?;
            }
            Shape::Restart => {
                seen.until(|requests| requests.iter().filter(|it| is_create(it)).count() * 2 >= load.size).await?;
                used.replace(&mut operator, namespace)?;
                self.await_ends(load, namespace, &version).await?;
            }
            _ => self.await_ends(load, namespace, &version).await?,
        }
        if load.shape != Shape::Live {
            used.took = begun.elapsed();
            let all = load.runs() * load.pods();
            seen.until(|requests| requests.iter().filter(|it| is_release(it)).count() >= all).await?;
        }
        if !operator.is_up() {
            return Err("the operator ended by itself".to_owned());
        }
        used.cpu += operator.cpu().saturating_sub(if used.cpu.is_zero() { cpu } else { Duration::ZERO });
        used.memory = used.memory.max(operator.peak_memory());
        let of_cluster = cluster_cpu(&self.state).saturating_sub(of_cluster);
        let runs: Vec<Value> = self.api.list(&path(namespace, "workflowruns")).await?;
        let told = self.told(load, namespace).await?;
        let outcome = Outcome {
            load,
            took: used.took,
            begun_at,
            cpu: used.cpu,
            of_cluster,
            memory: used.memory,
            restarted_at: (used.restarts > 0).then_some(used.restarted_at),
            requests: &seen.requests,
            runs: &runs,
            told,
        };
        Ok(outcome.figures())
    }

    /// What the pods that are told something were told.
    async fn told(&self, load: Load, namespace: &str) -> Result<Vec<String>> {
        let Some((task, _)) = load.told() else { return Ok(Vec::new()) };
        let pods: Vec<Value> =
            self.api.list(&format!("{}?labelSelector=gantline.dev/task%3D{task}", path(namespace, "pods"))).await?;
        let of = |pod: &Value| {
            let env = pod["spec"]["containers"][0]["env"].as_array()?.iter().find(|it| it["name"] == "TOLD")?;
            env["value"].as_str().map(str::to_owned)
        };
        Ok(pods.iter().map(|pod| of(pod).unwrap_or_default()).collect())
    }
}

/// What the operators of a round used.
struct Used {
    took: Duration,
    cpu: Duration,
    memory: u64,
    restarts: usize,
    restarted_at: Timestamp,
}

impl Default for Used {
    fn default() -> Self {
        Self { took: Duration::ZERO, cpu: Duration::ZERO, memory: 0, restarts: 0, restarted_at: Timestamp::UNIX_EPOCH }
    }
}

impl Used {
    /// Ends an operator as by `kill -9`, and starts another.
    fn replace(&mut self, operator: &mut Operator, namespace: &str) -> Result<()> {
        self.cpu += operator.cpu();
        self.memory = self.memory.max(operator.peak_memory());
        self.restarts += 1;
        operator.kill();
        self.restarted_at = Timestamp::now();
        *operator = Operator::start(namespace)?;
        Ok(())
    }
}

/// The requests of a round, as far as they are known.
struct Watched {
    log: Log,
    requests: Vec<Request>,
}

impl Watched {
    /// Waits until the requests are as wanted.
    async fn until(&mut self, is_so: impl Fn(&[Request]) -> bool) -> Result<()> {
        let mut last = Instant::now();
        loop {
            let more = self.log.more()?;
            if !more.is_empty() {
                last = Instant::now();
                self.requests.extend(more);
            }
            if is_so(&self.requests) {
                return Ok(());
            }
            if last.elapsed() > STILL {
                return Err(format!("nothing has happened for {} s, and the load isn't done", STILL.as_secs()));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Whether an operator made a pod.
pub fn is_create(request: &Request) -> bool {
    request.operator.is_some() && request.verb == "create" && request.resource == "pods" && request.code == 201
}

/// Whether an operator let go of a pod.
pub fn is_release(request: &Request) -> bool {
    request.operator.is_some() && request.verb == "patch" && request.resource == "pods" && request.code == 200
}

/// Whether the node said how a pod is.
pub fn is_of_node(request: &Request) -> bool {
    request.operator.is_none() && request.verb == "patch" && request.resource == "pods/status" && request.code == 200
}

/// The last that the node said of each pod: its end, of those that have ended.
pub fn last_words(requests: &[Request]) -> BTreeMap<&str, Timestamp> {
    requests.iter().filter(|it| is_of_node(it)).map(|it| (it.name.as_str(), it.answered)).collect()
}
