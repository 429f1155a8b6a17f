//! A pod's status as the kubelet and the controllers write it. Kubernetes' times are whole seconds.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::pod::NodePod;

/// The scheduler's words.
pub(super) const NO_NODE: &str = "0/1 nodes are available: 1 Insufficient cpu.";

/// A container on its node, as it truly is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// It hasn't started.
    Waiting,
    /// It runs.
    Running {
        /// Since then.
        since: Timestamp,
    },
    /// It has ended, or could not be started.
    Ended(Ending),
}

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ending {
    since: Timestamp,
    at: Timestamp,
    exit_code: i32,
    reason: String,
    message: String,
}

impl Ending {
    /// An end; the reason follows from the exit code where none is given.
    pub fn of(since: Timestamp, at: Timestamp, exit_code: i32, reason: &str, message: &str) -> Self {
        let usual = if exit_code == 0 { "Completed" } else { "Error" };
        let reason = if reason.is_empty() { usual } else { reason };
        Self { since, at, exit_code, reason: reason.to_owned(), message: message.to_owned() }
    }

    /// The runtime could not start the program.
    pub fn start_error(at: Timestamp) -> Self {
        let words = "failed to create containerd task: exec: \"reprot\": executable file not found in $PATH";
        Self::of(Timestamp::UNIX_EPOCH, at, 128, "StartError", words)
    }

    fn state(&self) -> Value {
        json!({ "terminated": {
            "exitCode": self.exit_code, "reason": self.reason, "message": self.message,
            "startedAt": seconds(self.since), "finishedAt": seconds(self.at),
        }})
    }
}

/// Why the kubelet fails a pod as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    reason: &'static str,
    message: &'static str,
    /// Whether it marks the pod as the target of a disruption.
    disruption: bool,
    /// Whether the pod was never let in, so that it has no containers to tell of.
    rejected: bool,
}

impl Verdict {
    pub const fn node_pressure() -> Self {
        let message = "The node was low on resource: memory. Container main was using 51200Ki, request is 0.";
        Self { reason: "Evicted", message, disruption: true, rejected: false }
    }

    pub const fn shutdown() -> Self {
        let message = "Pod was terminated in response to imminent node shutdown.";
        Self { reason: "Terminated", message, disruption: true, rejected: false }
    }

    pub const fn own_use() -> Self {
        let message = "Pod ephemeral local storage usage exceeds the total limit of containers 1Gi. ";
        Self { reason: "Evicted", message, disruption: false, rejected: false }
    }

    pub const fn deadline() -> Self {
        let message = "Pod was active on the node longer than the specified deadline";
        Self { reason: "DeadlineExceeded", message, disruption: false, rejected: false }
    }

    pub const fn rejection() -> Self {
        let message =
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 1000, used: 3500, capacity: 4000";
        Self { reason: "OutOfcpu", message, disruption: false, rejected: true }
    }
}

/// The status by the truth on the node, given the object as it is: what others wrote of its conditions stays.
pub(super) fn of(pod: &NodePod, object: &Value, now: Timestamp) -> Value {
    let ready = matches!(pod.main, Container::Running { .. });
    let mut status = with_condition(object, "Ready", if ready { "True" } else { "False" }, "", "", now);
    let verdict = pod.verdict.as_ref().filter(|_| pod.settled);
    if verdict.is_some_and(|verdict| verdict.disruption) {
        let words = verdict.map_or("", |verdict| verdict.message);
        let marked = json!({ "status": status });
        status = with_condition(&marked, "DisruptionTarget", "True", "TerminationByKubelet", words, now);
    }
    status["phase"] = phase(pod).into();
    status["reason"] = verdict.map(|verdict| verdict.reason).into();
    status["message"] = verdict.map(|verdict| verdict.message).into();
    status["startTime"] = object["status"].get("startTime").cloned().unwrap_or_else(|| seconds(now).into());
    if !verdict.is_some_and(|verdict| verdict.rejected) {
        status["containerStatuses"] = container_statuses(pod, object);
    }
    status
}

/// The phase. It becomes final when all is settled, which is later than the last container's end.
fn phase(pod: &NodePod) -> &'static str {
    let all = || [Some(&pod.main), pod.others.as_ref()].into_iter().flatten();
    let well = |container: &Container| matches!(container, Container::Ended(end) if end.exit_code == 0);
    if pod.settled {
        if pod.verdict.is_none() && all().all(well) { "Succeeded" } else { "Failed" }
    } else if all().all(|container| *container == Container::Waiting) {
        "Pending"
    } else {
        "Running"
    }
}

fn container_statuses(pod: &NodePod, object: &Value) -> Value {
    let containers = object["spec"]["containers"].as_array().map_or(&[][..], Vec::as_slice);
    let statuses = containers.iter().enumerate().map(|(place, spec)| {
        let container = if place == 0 { &pod.main } else { pod.others.as_ref().unwrap_or(&pod.main) };
        let state = match container {
            Container::Running { since } => json!({ "running": { "startedAt": seconds(*since) } }),
            Container::Ended(end) => end.state(),
            // The kubelet makes up an end for containers that never were (TerminatePod in pkg/kubelet/status).
            Container::Waiting if pod.settled => json!({ "terminated": {
                "exitCode": 137, "reason": "ContainerStatusUnknown",
                "message": "The container could not be located when the pod was terminated",
                "startedAt": null, "finishedAt": null,
            }}),
            Container::Waiting => match pod.waiting.filter(|_| place == 0) {
                Some(word) => json!({ "waiting": { "reason": word, "message": words(word, spec) } }),
                None => json!({ "waiting": { "reason": "ContainerCreating" } }),
            },
        };
        let runs = matches!(container, Container::Running { .. });
        json!({
            "name": spec["name"], "image": spec["image"], "imageID": "", "restartCount": 0, "lastState": {},
            "ready": runs, "started": runs, "state": state,
        })
    });
    Value::Array(statuses.collect())
}

/// The kubelet's words for what a container waits for.
fn words(reason: &str, container: &Value) -> String {
    let image = container["image"].as_str().unwrap_or_default();
    let cause = format!("failed to pull and unpack image {image:?}: failed to resolve reference: not found");
    match reason {
        "ErrImagePull" => cause,
        "ImagePullBackOff" => format!("Back-off pulling image {image:?}: ErrImagePull: {cause}"),
        _ => "secret \"prices\" not found".to_owned(),
    }
}

/// What an old controller writes of a pod whose node doesn't answer.
pub(super) fn unknown() -> Value {
    let message = "Node node-1 which was running pod is unresponsive";
    json!({ "phase": "Unknown", "reason": "NodeLost", "message": message })
}

/// The conditions of a pod with one set; its time changes only with its status.
pub(super) fn with_condition(
    object: &Value,
    kind: &str,
    status: &str,
    reason: &str,
    message: &str,
    now: Timestamp,
) -> Value {
    let mut conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let mut new = json!({ "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": seconds(now) });
    for (field, text) in [("reason", reason), ("message", message)] {
        if !text.is_empty() {
            new[field] = text.into();
        }
    }
    match conditions.iter_mut().find(|condition| condition["type"] == kind) {
        Some(old) => {
            if old["status"] == status {
                new["lastTransitionTime"] = old["lastTransitionTime"].clone();
            }
            *old = new;
        }
        None => conditions.push(new),
    }
    json!({ "conditions": conditions })
}

/// Whether a pod's phase is final.
pub(super) fn is_over(object: &Value) -> bool {
    matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"))
}

/// An environment variable of a pod's first container.
pub(super) fn variable<'a>(pod: &'a Value, name: &str) -> Option<&'a str> {
    let mut env = pod["spec"]["containers"][0]["env"].as_array()?.iter();
    env.find(|entry| entry["name"] == name)?["value"].as_str()
}

fn seconds(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).expect("within a timestamp's range").to_string()
}
