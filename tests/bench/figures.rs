//! What a round came to: whether the work was done, and the figures.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::Value;

use super::audit::Request;
use super::load::{Load, Shape};
use super::process::load_average;
use super::round::{is_create, is_release, last_words};

/// The figures of a round, as tools read them. What a load doesn't have is absent.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Figures {
    /// Name of the load.
    pub load: String,
    /// Why the round counts for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Tasks, items or bare pods.
    pub tasks: usize,
    /// Until the last run was seen finished.
    pub seconds: f64,
    /// Until the last pod was let go of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_to_rest: Option<f64>,
    pub tasks_per_second: f64,
    /// To bare pods a second, as the rounds of those before and after have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio: Option<f64>,
    /// From the last word of the node about what a task needs to the answer to its pod's create.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_p50_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edge_p99_ms: Option<f64>,
    /// The operator's requests by verb and resource, however they were answered.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, usize>,
    /// Those that were refused, by code.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<u16, usize>,
    /// The operator's writes, but for deletions of pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writes_per_task: Option<f64>,
    /// Deletions of pods that are no longer kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clean_up_per_task: Option<f64>,
    /// CPU of the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms_per_task: Option<f64>,
    /// CPU of the API server, etcd, the controllers, the scheduler and the fake nodes.
    pub cluster_cpu_ms_per_task: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_mb: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transitions: Option<u64>,
    /// Bytes of statuses and records written, by transition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes_per_transition: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_status_kb: Option<f64>,
    /// Of runs and records.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_object_kb: Option<f64>,
    /// From the start of the second operator until it had made its first pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_seconds: Option<f64>,
    /// How busy the machine was at the end, by its load over a minute.
    pub load_average: f64,
}

impl Figures {
    /// A round that counts for nothing.
    pub fn failed(load: Load, problem: String) -> Self {
        Self { load: load.to_string(), problem: Some(problem), ..Self::default() }
    }

    /// Of bare pods.
    pub fn bare(load: Load, took: Duration, of_cluster: Duration) -> Self {
        Self {
            load: load.to_string(),
            tasks: load.size,
            seconds: took.as_secs_f64(),
            tasks_per_second: rate(load.size, took.as_secs_f64()),
            cluster_cpu_ms_per_task: each(of_cluster.as_secs_f64() * 1000.0, load.size),
            load_average: load_average(),
            ..Self::default()
        }
    }
}

/// What was seen of a round.
pub struct Outcome<'a> {
    pub load: Load,
    pub took: Duration,
    pub begun_at: Timestamp,
    pub cpu: Duration,
    pub of_cluster: Duration,
    pub memory: u64,
    /// When the second operator was started, if there was one.
    pub restarted_at: Option<Timestamp>,
    pub requests: &'a [Request],
    pub runs: &'a [Value],
    /// What pods were told.
    pub told: Vec<String>,
}

impl Outcome<'_> {
    /// The figures; of work that wasn't done as it should be, why.
    pub fn figures(&self) -> Figures {
        let tasks = self.load.runs() * self.load.pods();
        let own = || self.requests.iter().filter(|it| it.operator.is_some());
        let mut requests = BTreeMap::new();
        let mut refused = BTreeMap::new();
        for request in own() {
            *requests.entry(format!("{} {}", request.verb, request.resource)).or_insert(0) += 1;
            if request.code >= 300 {
                *refused.entry(request.code).or_insert(0) += 1;
            }
        }
        let is_write = |it: &&Request| !["get", "list", "watch"].contains(&it.verb.as_str());
        let is_clean_up = |it: &&Request| it.verb == "delete" && it.resource == "pods";
        let clean_up = own().filter(is_clean_up).count();
        let writes = own().filter(is_write).count() - clean_up;
        let statuses = || own().filter(|it| it.resource == "workflowruns/status");
        let records = || own().filter(|it| it.resource == "workflowrecords" && it.verb == "create");
        let bytes: usize = statuses().chain(records()).map(|it| it.bytes).sum();
        let largest_status = statuses().map(|it| it.bytes).max().unwrap_or(0);
        let runs = self.runs.iter().map(|run| run.to_string().len());
        let largest = runs.chain(records().map(|it| it.bytes)).max().unwrap_or(0).max(largest_status);
        let transitions: u64 = self.runs.iter().map(newest_transition).sum();
        let (p50, p99) = self.edges().unzip();
        let released = self.requests.iter().filter(|it| is_release(it)).map(|it| it.answered).max();
        let seconds = self.took.as_secs_f64();
        Figures {
            load: self.load.to_string(),
            problem: self.problem(),
            tasks,
            seconds,
            seconds_to_rest: released.map(|at| at.duration_since(self.begun_at).as_secs_f64()),
            tasks_per_second: rate(tasks, seconds),
            ratio: None,
            edge_p50_ms: p50,
            edge_p99_ms: p99,
            requests,
            refused,
            writes_per_task: Some(each(number(writes), tasks)),
            clean_up_per_task: Some(each(number(clean_up), tasks)),
            cpu_ms_per_task: Some(each(self.cpu.as_secs_f64() * 1000.0, tasks)),
            cluster_cpu_ms_per_task: each(self.of_cluster.as_secs_f64() * 1000.0, tasks),
            peak_memory_mb: Some(number(usize::try_from(self.memory / 1024).unwrap_or(0)) / 1024.0),
            transitions: Some(transitions),
            bytes_per_transition: Some(each(number(bytes), usize::try_from(transitions).unwrap_or(0))),
            largest_status_kb: Some(number(largest_status) / 1024.0),
            largest_object_kb: Some(number(largest) / 1024.0),
            restart_seconds: self.restart_seconds(),
            load_average: load_average(),
        }
    }

    /// What is wrong with the work, if anything: each pod that was to be made was made once, no other was, all were let go, and what
    /// was handed on is right.
    fn problem(&self) -> Option<String> {
        let mut made: BTreeMap<&str, usize> = BTreeMap::new();
        self.requests.iter().filter(|it| is_create(it)).for_each(|it| *made.entry(it.name.as_str()).or_default() += 1);
        if let Some((name, times)) = made.iter().find(|(_, times)| **times > 1) {
            return Some(format!("pod {name} was made {times} times"));
        }
        let ended = last_words(self.requests);
        let of_runs = self.runs.iter().filter(|run| run["metadata"]["name"] != "more");
        let expected =
            of_runs.flat_map(|run| self.load.expected(text(&run["metadata"]["name"]), text(&run["metadata"]["uid"])));
        let expected: BTreeSet<String> = expected.map(|(name, _)| name).collect();
        // Of a request that was under way when an operator was killed, the log may tell nothing; the node tells of the pod.
        if let Some(name) = expected.iter().find(|name| !ended.contains_key(name.as_str())) {
            return Some(format!("pod {name} never ran"));
        }
        let surplus = made.keys().find(|name| !expected.contains(**name));
        if let Some(name) = surplus.filter(|_| self.load.shape != Shape::Live) {
            return Some(format!("pod {name} is of no task"));
        }
        let wanted = self.load.told().map(|(_, wanted)| wanted);
        let wrong = self.told.iter().find(|told| Some(*told) != wanted.as_ref());
        if let Some(wrong) = wrong {
            return Some(format!("a task was handed `{wrong}`, and not `{}`", wanted.unwrap_or_default()));
        }
        (wanted.is_some() && self.told.len() != self.load.runs()).then(|| "a task was handed nothing".to_owned())
    }

    /// The latencies of dependency edges, half of which and 99 of 100 of which were shorter.
    fn edges(&self) -> Option<(f64, f64)> {
        let needs = self.load.needs();
        let ended = last_words(self.requests);
        let made: BTreeMap<&str, Timestamp> =
            self.requests.iter().filter(|it| is_create(it)).map(|it| (it.name.as_str(), it.answered)).collect();
        let mut edges: Vec<SignedDuration> = Vec::new();
        for run in self.runs {
            let pods = self.load.expected(text(&run["metadata"]["name"]), text(&run["metadata"]["uid"]));
            let mut ends: BTreeMap<&str, Timestamp> = BTreeMap::new();
            for (pod, task) in &pods {
                if let Some(end) = ended.get(pod.as_str()) {
                    ends.entry(task).and_modify(|last| *last = (*last).max(*end)).or_insert(*end);
                }
            }
            for (pod, task) in &pods {
                let last = needs.get(task).into_iter().flatten().filter_map(|need| ends.get(need.as_str())).max();
                if let (Some(last), Some(made)) = (last, made.get(pod.as_str())) {
                    edges.push(made.duration_since(*last));
                }
            }
        }
        edges.sort_unstable();
        let at = |percent: usize| {
            let place = (edges.len() * percent).div_ceil(100).saturating_sub(1);
            edges.get(place).map(|edge| edge.as_secs_f64() * 1000.0)
        };
        Some((at(50)?, at(99)?))
    }

    /// From the start of the second operator to its first pod.
    fn restart_seconds(&self) -> Option<f64> {
        let since = self.restarted_at?;
        let second = self.requests.iter().rfind(|it| it.operator.is_some())?.operator.clone();
        let first =
            self.requests.iter().filter(|it| is_create(it) && it.operator == second).map(|it| it.answered).min()?;
        Some(first.duration_since(since).as_secs_f64())
    }
}

/// The number of a run's newest transition.
fn newest_transition(run: &Value) -> u64 {
    run["status"]["history"].as_array().and_then(|all| all.last()?["seq"].as_u64()).unwrap_or(0)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

fn each(sum: f64, count: usize) -> f64 {
    if count == 0 { 0.0 } else { sum / number(count) }
}

fn rate(count: usize, seconds: f64) -> f64 {
    if seconds > 0.0 { number(count) / seconds } else { 0.0 }
}
