//! The scheduler, the kubelets, and the node controllers (node lifecycle, taint eviction, pod garbage collection), played by
//! script.
//!
//! What they write goes through the API server under their own names; what containers really do goes into the journal. A
//! kubelet tells late, and in whole seconds; it runs no pod that it didn't see, and goes on running one that was removed
//! behind its back until it has seen that too.

mod behaviour;
mod catalogue;
mod pod;
mod status;
mod taking;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

pub use self::behaviour::{Behaviour, OnTerm, Taken, Taker, Trouble, When, Work};
pub use self::catalogue::catalogue;

use self::pod::NodePod;
use crate::actor::Actor;
use crate::model::Server;
use crate::rng::Rng;

/// All nodes and what watches over them.
pub struct Kubelet {
    seed: u64,
    behaviours: BTreeMap<String, Vec<Behaviour>>,
    /// The pods that were seen, by uid, until their objects are gone and their containers have ended.
    pods: BTreeMap<String, NodePod>,
    /// The revision up to which the pods were looked at.
    seen: u64,
}

impl Kubelet {
    /// Nodes whose delays come from `seed`. `behaviours` are those of the pods of each task, or of an item `task[3]`, by attempt, the last of which repeats; any
    /// other pod succeeds after two seconds.
    pub const fn new(seed: u64, behaviours: BTreeMap<String, Vec<Behaviour>>) -> Self {
        Self { seed, behaviours, pods: BTreeMap::new(), seen: 0 }
    }

    /// Looks at every pod: new ones get a node, changes of others are noticed.
    fn look(&mut self, server: &Server, now: Timestamp) {
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let there: BTreeMap<String, &Arc<Value>> = server.list("pods").map(|pod| (uid(pod), pod)).collect();
        for (uid, pod) in &mut self.pods {
            pod.notice(there.get(uid).map(|object| &***object), now);
        }
        self.pods.retain(|_, pod| !pod.is_done());
        for (uid, object) in there {
            if !self.pods.contains_key(&uid) && awaits_a_node(object) {
                let (behaviour, rng) = self.script(&uid, object);
                self.pods.insert(uid, NodePod::schedule(object, behaviour, rng, now));
            }
        }
    }

    /// The behaviour of a pod and the stream of its delays. A pod is known by its environment, which nobody can edit: what
    /// people do to its labels changes nothing on its node.
    fn script(&self, uid: &str, pod: &Value) -> (Behaviour, Rng) {
        let variable = |name| status::variable(pod, name);
        let attempt = variable("GANTLINE_ATTEMPT").and_then(|number| number.parse::<usize>().ok());
        let (Some(run), Some(task), Some(attempt)) = (variable("GANTLINE_RUN"), variable("GANTLINE_TASK"), attempt)
        else {
            return (Behaviour::succeeds(2_000, ""), Rng::stream(self.seed, &["foreign pod", uid]));
        };
        let index = variable("GANTLINE_INDEX").unwrap_or_default();
        let item = format!("{task}[{index}]");
        let scripts = self.behaviours.get(&item).or_else(|| self.behaviours.get(task)).map_or(&[][..], Vec::as_slice);
        let script = scripts.get(attempt.saturating_sub(1)).or(scripts.last()).cloned();
        let rng = Rng::stream(self.seed, &["pod", run, task, index, &attempt.to_string()]);
        (script.unwrap_or_else(|| Behaviour::succeeds(2_000, "")), rng)
    }
}

impl Actor for Kubelet {
    fn act(&mut self, server: &mut Server, now: Timestamp) -> Option<Timestamp> {
        loop {
            if self.seen != server.revision() {
                self.seen = server.revision();
                self.look(server, now);
            }
            let next = self.pods.iter().filter_map(|(uid, pod)| Some((pod.next()?, uid.clone()))).min();
            match next {
                Some((at, uid)) if at <= now => {
                    let pod = self.pods.get_mut(&uid).expect("it was just found");
                    pod.step(server, now);
                    if pod.is_done() {
                        self.pods.remove(&uid);
                    }
                }
                later => return later.map(|(at, _)| at),
            }
        }
    }
}

/// Whether the scheduler has to find a node for a pod.
fn awaits_a_node(pod: &Value) -> bool {
    let gated = pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty());
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    let bound = pod["spec"]["nodeName"].as_str().is_some_and(|node| !node.is_empty());
    !gated && !over && !bound && pod["metadata"]["deletionTimestamp"].is_null()
}
