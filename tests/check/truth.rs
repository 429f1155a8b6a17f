//! How a pod's attempt ended, by what the API server knows of the pod: the rules of LANGUAGE, section 7, and the documentation of
//! Kubernetes (Pod Lifecycle; Disruptions; KEP-3329) once more, and no code of the engine.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::read::{is_condemned, is_over, list, main_end, meta, text, time};

/// The ends that versions of a pod told. An operator decides on what it has seen, which may be any version so far; that what
/// has ended stays makes them nearly always one and the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    ends: Vec<End>,
    /// The exit code of `main` that was told.
    pub exit_code: Option<i64>,
    /// Whether the kubelet had lost track of the container, so that the exit code is made up.
    pub unknown: bool,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Succeeded,
    Failed,
    Disrupted,
}

impl Verdicts {
    /// Takes in a version of the pod.
    pub fn add(&mut self, pod: &Value) {
        if let Some(main) = main_end(pod) {
            self.exit_code = main.get("exitCode").and_then(Value::as_i64);
            self.unknown |= lost_track(main);
        }
        self.ends.extend(end(pod).filter(|end| !self.ends.contains(end)));
    }

    /// Whether some version told this end.
    pub fn has(&self, end: End) -> bool {
        self.ends.contains(&end)
    }
}

/// How this version of a pod says that its attempt ended; `None` while that is open.
fn end(pod: &Value) -> Option<End> {
    let phase = pod.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default();
    let mark = mark(pod, phase);
    let over = is_over(pod);
    let Some(main) = main_end(pod) else {
        return over.then(|| if mark.is_none() && is_own_fault(pod) { End::Failed } else { End::Disrupted });
    };
    let finished = time(main, "finishedAt");
    // By the kubelet's clock, which tells whole seconds. What ended in the second of the disruption was ended by it.
    let before = |mark: Mark| matches!((finished, mark.at), (Some(finished), Some(at)) if finished < at);
    let by_itself = mark.is_none_or(before);
    if main["exitCode"] == 0 {
        let not_after = |mark: Mark| matches!((finished, mark.at), (Some(finished), Some(at)) if finished <= at);
        return match phase {
            "Succeeded" => Some(End::Succeeded),
            // Containers that are being killed may well exit with 0.
            "Failed" if !mark.is_none_or(not_after) => Some(End::Disrupted),
            _ if by_itself || over => Some(End::Succeeded),
            _ => None,
        };
    }
    if !by_itself {
        return over.then_some(End::Disrupted);
    }
    // A node that takes a pod tells first how its containers ended, and why only with the pod's final phase. A pod that goes on
    // without the container could do so for ever.
    let last_word = over || mark.is_some() || goes_on(pod);
    let own = is_own_fault(pod) || !lost_track(main);
    last_word.then_some(if own { End::Failed } else { End::Disrupted })
}

/// Whether another ordinary container hasn't ended.
fn goes_on(pod: &Value) -> bool {
    let containers = pod.get("status").map_or(&[][..], |status| list(status, "containerStatuses"));
    containers.iter().any(|it| it["name"] != "main" && it.pointer("/state/terminated").is_none())
}

/// Whether the kubelet doesn't know how the container ended.
fn lost_track(main: &Value) -> bool {
    text(main, "reason") == "ContainerStatusUnknown"
}

/// Whether the pod's end is its own doing: it used more than it asked for or was given time for, or an init container failed.
fn is_own_fault(pod: &Value) -> bool {
    let status = pod.get("status").unwrap_or(&Value::Null);
    let failed = |it: &Value| it.pointer("/state/terminated/exitCode").is_some_and(|code| *code != 0);
    let sidecar = |name: &str| {
        let spec = pod.get("spec").map_or(&[][..], |spec| list(spec, "initContainers"));
        spec.iter().any(|it| text(it, "name") == name && text(it, "restartPolicy") == "Always")
    };
    matches!(text(status, "reason"), "Evicted" | "DeadlineExceeded")
        || list(status, "initContainerStatuses").iter().any(|it| failed(it) && !sidecar(text(it, "name")))
}

/// Someone else took the pod.
#[derive(Clone, Copy)]
struct Mark {
    /// When, where that is known.
    at: Option<Timestamp>,
}

/// That someone else took the pod: the condition `DisruptionTarget`, the words of a kubelet or a
/// controller that ended it for its node's sake, or a deletion.
fn mark(pod: &Value, phase: &str) -> Option<Mark> {
    let status = pod.get("status").unwrap_or(&Value::Null);
    let mut conditions = list(status, "conditions").iter();
    if let Some(target) = conditions.find(|it| it["type"] == "DisruptionTarget" && it["status"] == "True") {
        // The kubelet sends it after the end, with the time of sending.
        let by_kubelet = text(target, "reason") == "TerminationByKubelet";
        return Some(Mark { at: time(target, "lastTransitionTime").filter(|_| !by_kubelet) });
    }
    let ran = main_end(pod).is_some();
    let rejected = text(status, "message").starts_with("Pod was rejected: ");
    match text(status, "reason") {
        "NodeLost" => return Some(Mark { at: None }),
        "NodeShutdown" | "Terminated" | "Shutdown" | "Preempting" if phase == "Failed" => {
            return Some(Mark { at: None });
        }
        _ if phase == "Failed" && rejected => return Some(Mark { at: None }),
        // Refused by its node, in other words.
        other if phase == "Failed" && !ran && !matches!(other, "" | "Evicted" | "DeadlineExceeded") => {
            return Some(Mark { at: None });
        }
        _ => {}
    }
    meta::is_deleting(pod).then(|| Mark { at: asked_at(pod) })
}

/// When the deletion was asked for; unknown once the time to end is over.
fn asked_at(pod: &Value) -> Option<Timestamp> {
    let grace = meta::grace(pod).filter(|_| !is_condemned(pod))?;
    time(meta::of(pod), "deletionTimestamp")?.checked_sub(SignedDuration::from_secs(grace)).ok()
}
