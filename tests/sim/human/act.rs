//! Doing it.

use gantline::api::{API_VERSION, label};
use gantline::plan::{child_name, claim_name, pod_name, resource_name};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::{Cascade, Forgery, Human, Kind, StatusEdit, segment};
use crate::model::Server;
use crate::scenario::{NAMESPACE, Scenario};
use crate::wire::{Wire, path, path_of};

/// The labels that make a pod one of ours.
const OUR_LABELS: [&str; 5] = [label::RUN, label::RUN_UID, label::TASK, label::INDEX, label::ATTEMPT];

impl Human {
    /// Does it, if it can be done now; returns whether it was.
    pub fn act(&self, server: &mut Server, scenario: &Scenario, now: Timestamp) -> bool {
        let mut wire = Wire { server, actor: "user", now };
        let run_path = |run: &str| path("workflowruns", NAMESPACE, run);
        let workflow_path = |workflow: &str| path("workflows", NAMESPACE, workflow);
        match self {
            Self::Cancel { run, grace_seconds } => {
                let mut cancel = json!({ "reason": "not needed" });
                // A cancel stops no generation after its own.
                let object = get(&wire, "workflowruns", run);
                if let Some(newest) = object.and_then(|object| object["spec"]["retry"]["generation"].as_u64()) {
                    cancel["generation"] = newest.into();
                }
                if let Some(seconds) = grace_seconds {
                    cancel["graceSeconds"] = (*seconds).into();
                }
                changes(&mut wire, "workflowruns", run, &json!({ "spec": { "cancel": cancel } }))
            }
            Self::SkipFinally { run } => {
                changes(&mut wire, "workflowruns", run, &json!({ "spec": { "cancel": { "skipFinally": true } } }))
            }
            Self::Suspend { run } => changes(&mut wire, "workflowruns", run, &json!({ "spec": { "suspend": true } })),
            Self::Resume { run } => changes(&mut wire, "workflowruns", run, &json!({ "spec": { "suspend": false } })),
            Self::Retry { run, task } => get(&wire, "workflowruns", run).is_some_and(|object| {
                let newest = object["spec"]["retry"]["generation"].as_u64().unwrap_or(0);
                // Merging would leave the tasks of the last one.
                let tasks = task.as_ref().map_or(Value::Null, |task| json!([task]));
                let retry = json!({ "generation": newest + 1, "tasks": tasks });
                changes(&mut wire, "workflowruns", run, &json!({ "spec": { "retry": retry } }))
            }),
            Self::EditParams { run } => {
                changes(&mut wire, "workflowruns", run, &json!({ "spec": { "params": { "edited": "since" } } }))
            }
            Self::DeleteRun { run, cascade } => {
                there(&wire, "workflowruns", run)
                    && wire.delete(&run_path(run), json!({ "propagationPolicy": cascade.policy() }))
            }
            Self::RecreateRun { run } => {
                let deleted = there(&wire, "workflowruns", run)
                    && wire.delete(&run_path(run), json!({ "propagationPolicy": "Background" }));
                let created = scenario.manifest("WorkflowRun", run).is_some_and(|manifest| wire.create(manifest));
                deleted || created
            }
            Self::Create { kind, name } => {
                scenario.manifest(kind.word(), name).is_some_and(|manifest| wire.create(manifest))
            }
            Self::DeletePod { run, task, force } => newest_pod(&wire, run, task).is_some_and(|pod| {
                let options = if *force { json!({ "gracePeriodSeconds": 0 }) } else { json!({}) };
                wire.delete(&path_of(&pod), options)
            }),
            Self::StripFinalizer { run, task } => newest_pod(&wire, run, task).is_some_and(|pod| {
                let held = pod["metadata"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
                held && wire.patch(&path_of(&pod), &json!({ "metadata": { "finalizers": null } }))
            }),
            Self::StripLabels { run, task } => newest_pod(&wire, run, task).is_some_and(|pod| {
                let labels: Map<String, Value> =
                    OUR_LABELS.iter().map(|label| ((*label).to_owned(), Value::Null)).collect();
                pod["metadata"]["labels"][label::RUN_UID].is_string()
                    && wire.patch(&path_of(&pod), &json!({ "metadata": { "labels": labels } }))
            }),
            Self::RestoreLabels { run, task } => newest_pod(&wire, run, task).is_some_and(|pod| {
                let of = |name| variable(&pod, name);
                let mut labels = labels(run, of("GANTLINE_RUN_UID"), task, of("GANTLINE_ATTEMPT"));
                if !of("GANTLINE_INDEX").is_empty() {
                    labels[label::INDEX] = of("GANTLINE_INDEX").into();
                }
                pod["metadata"]["labels"][label::RUN_UID].is_null()
                    && wire.patch(&path_of(&pod), &json!({ "metadata": { "labels": labels } }))
            }),
            Self::ReplacePod { run, task } => {
                newest_pod(&wire, run, task).is_some_and(|pod| replace_pod(&mut wire, &pod))
            }
            Self::ForeignPod { run, task, forgery } => foreign_pod(&mut wire, run, task, *forgery),
            Self::ForeignClaim { run, claim } => foreign_claim(&mut wire, run, claim),
            Self::DeleteChild { run, task } => newest_child(&wire, run, task)
                .is_some_and(|child| wire.delete(&path_of(&child), json!({ "propagationPolicy": "Background" }))),
            Self::CancelChild { run, task } => newest_child(&wire, run, task).is_some_and(|child| {
                let name = child["metadata"]["name"].as_str().unwrap_or_default();
                changes(&mut wire, "workflowruns", name, &json!({ "spec": { "cancel": { "reason": "not needed" } } }))
            }),
            Self::ForeignRun { run, task } => foreign_run(&mut wire, run, task),
            Self::DeleteResource { run, task } => newest_load(&wire, run, task)
                .is_some_and(|load| wire.delete(&path_of(&load), json!({ "propagationPolicy": "Background" }))),
            Self::ForeignResource { run, task } => foreign_load(&mut wire, run, task),
            Self::EditWorkflow { workflow } => edit_workflow(&mut wire, workflow),
            Self::DeleteWorkflow { workflow } => {
                there(&wire, "workflows", workflow) && wire.delete(&workflow_path(workflow), json!({}))
            }
            Self::DeleteRecord { run } => {
                let record = get(&wire, "workflowruns", run)
                    .and_then(|run| run["status"]["revision"].as_str().map(str::to_owned));
                record.is_some_and(|record| wire.delete(&path("workflowrecords", NAMESPACE, &record), json!({})))
            }
            Self::DeleteSegment { run } => segment::delete_newest(&mut wire, run),
            Self::DeleteOutputs { run } => segment::delete_outputs(&mut wire, run),
            Self::ForeignSegment { run } => segment::make_foreign(&mut wire, run),
            Self::EditStatus { run, edit } => edit_status(&mut wire, run, *edit),
            Self::DeleteNamespace => wire.delete(&path("namespaces", "", NAMESPACE), json!({})),
        }
    }
}

impl Cascade {
    const fn policy(self) -> &'static str {
        match self {
            Self::Background => "Background",
            Self::Foreground => "Foreground",
            Self::Orphan => "Orphan",
        }
    }
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Workflow => "Workflow",
            Self::WorkflowRun => "WorkflowRun",
        }
    }
}

/// An object of the scenario's namespace as it is now.
pub(super) fn get(wire: &Wire<'_>, resource: &str, name: &str) -> Option<Value> {
    wire.server.get(resource, NAMESPACE, name).map(|object| Value::clone(object))
}

/// Whether an object is there and nobody has asked for its deletion.
fn there(wire: &Wire<'_>, resource: &str, name: &str) -> bool {
    get(wire, resource, name).is_some_and(|object| object["metadata"]["deletionTimestamp"].is_null())
}

/// Merge-patches an object; whether that changed it.
fn changes(wire: &mut Wire<'_>, resource: &str, name: &str, patch: &Value) -> bool {
    let before = wire.server.revision();
    wire.patch(&path(resource, NAMESPACE, name), patch) && wire.server.revision() > before
}

/// The pod of a task's newest attempt: known by its environment, which nobody can edit. Where a run was made again under its
/// name, that of the one that exists now.
fn newest_pod(wire: &Wire<'_>, run: &str, task: &str) -> Option<Value> {
    let uid = get(wire, "workflowruns", run).map(|run| run["metadata"]["uid"].clone());
    let pods = wire.server.list("pods").filter(|pod| {
        variable(pod, "GANTLINE_RUN") == run
            && variable(pod, "GANTLINE_TASK") == task
            && pod["metadata"]["namespace"] == NAMESPACE
    });
    let newest = pods.max_by_key(|pod| {
        let of_this_run = uid.as_ref().is_some_and(|uid| uid == variable(pod, "GANTLINE_RUN_UID"));
        (of_this_run, variable(pod, "GANTLINE_ATTEMPT").parse::<u32>().unwrap_or(0))
    });
    newest.map(|pod| Value::clone(pod))
}

/// An environment variable of a pod's first container; empty where it has none.
fn variable<'a>(pod: &'a Value, name: &str) -> &'a str {
    let mut env = pod["spec"]["containers"][0]["env"].as_array().into_iter().flatten();
    env.find(|entry| entry["name"] == name).and_then(|entry| entry["value"].as_str()).unwrap_or_default()
}

pub(super) fn labels(run: &str, uid: &str, task: &str, attempt: &str) -> Value {
    json!({ (label::RUN): run, (label::RUN_UID): uid, (label::TASK): task, (label::ATTEMPT): attempt })
}

/// What `kubectl replace --force` does, and an impatient hand before it: the pod is gone at once, and another has its name.
fn replace_pod(wire: &mut Wire<'_>, pod: &Value) -> bool {
    let path = path_of(pod);
    wire.patch(&path, &json!({ "metadata": { "finalizers": null } }));
    wire.delete(&path, json!({ "gracePeriodSeconds": 0 }));
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    wire.create(&plain_pod(name, &json!({ "app": "someone-elses" })))
}

fn plain_pod(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
        "spec": { "restartPolicy": "Never", "containers": [{ "name": "main", "image": "busybox:1.37" }] },
    })
}

/// The run and the task that a pod of ours says it is of; as someone who replaces it would name it.
pub fn named_by(pod: &Value) -> Option<(String, String)> {
    let of = |name| Some(variable(pod, name)).filter(|value| !value.is_empty()).map(str::to_owned);
    Some((of("GANTLINE_RUN")?, of("GANTLINE_TASK")?))
}

/// A pod of someone else's under the name that the task's next pod will have, if that name is still free.
fn foreign_pod(wire: &mut Wire<'_>, run: &str, task: &str, forgery: Forgery) -> bool {
    let Some((uid, item, number)) = next_attempt(wire, run, task) else { return false };
    let uid = uid.as_str();
    let attempt = number.to_string();
    let (labels, owner) = match forgery {
        Forgery::Name => (json!({ "app": "someone-elses" }), None),
        Forgery::Labels => (labels(run, uid, task, &attempt), None),
        Forgery::Attempt => (labels(run, uid, task, &number.saturating_add(1).to_string()), Some(uid)),
        Forgery::Task => (labels(run, uid, "another", &attempt), Some(uid)),
        Forgery::OlderRun => (labels(run, OLDER_RUN, task, &attempt), Some(OLDER_RUN)),
    };
    let mut pod = plain_pod(&pod_name(run, uid, task, item, number), &labels);
    if let Some(owner) = owner {
        pod["metadata"]["ownerReferences"] = json!([{
            "apiVersion": API_VERSION, "kind": "WorkflowRun", "name": run, "uid": owner, "controller": true,
        }]);
    }
    wire.create(&pod)
}

/// A volume claim of someone else's under the name that the run's own will have, if that name is still free.
fn foreign_claim(wire: &mut Wire<'_>, run: &str, claim: &str) -> bool {
    let Some(object) = get(wire, "workflowruns", run) else { return false };
    let name = claim_name(run, object["metadata"]["uid"].as_str().unwrap_or_default(), claim);
    let labels = json!({ "app": "someone-elses" });
    wire.create(&json!({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": { "name": name, "namespace": NAMESPACE, "labels": labels },
        "spec": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } },
    }))
}

/// A run of someone else's under the name that the task's next child run will have, if that name is still free.
fn foreign_run(wire: &mut Wire<'_>, run: &str, task: &str) -> bool {
    let Some((uid, item, number)) = next_attempt(wire, run, task) else { return false };
    wire.create(&json!({
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": { "name": child_name(run, &uid, task, item, number), "namespace": NAMESPACE },
        "spec": { "workflow": { "tasks": [{ "name": "others", "image": "busybox:1.37" }] } },
    }))
}

/// The uid of a run, and the item and the number of the attempt of a task whose object is the next to be made.
fn next_attempt(wire: &Wire<'_>, run: &str, task: &str) -> Option<(String, Option<u32>, u32)> {
    let object = get(wire, "workflowruns", run)?;
    let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
    let tasks = object["status"]["tasks"].as_array();
    let status = tasks.into_iter().flatten().find(|it| it["name"] == task);
    // Of a task with items, the first of them.
    let item = status.and_then(|it| it["items"].as_object()).map(|_| 0);
    let attempts =
        status.map(|it| if item.is_some() { &it["items"]["entries"][0]["attempts"] } else { &it["attempts"] });
    // An attempt that is on record without a uid may still be without its object.
    let made = attempts.and_then(Value::as_array).into_iter().flatten().filter(|attempt| {
        let is_there =
            |resource, field: &str| get(wire, resource, attempt[field].as_str().unwrap_or_default()).is_some();
        !attempt["uid"].is_null()
            || !attempt["outcome"].is_null()
            || is_there("pods", "pod")
            || is_there("workflowruns", "run")
            || get(wire, "loads", attempt["resource"]["name"].as_str().unwrap_or_default()).is_some()
    });
    let number = u32::try_from(made.count()).unwrap_or(u32::MAX).saturating_add(1);
    Some((uid.to_owned(), item, number))
}

/// The child run of a task's newest attempt, of the run of that name that exists now.
fn newest_child(wire: &Wire<'_>, run: &str, task: &str) -> Option<Value> {
    let uid = get(wire, "workflowruns", run)?["metadata"]["uid"].clone();
    let of = |child: &Value, name: &str| child["metadata"]["labels"][name].clone();
    let children = wire.server.list("workflowruns").filter(|child| {
        of(child, label::RUN_UID) == uid
            && of(child, label::TASK) == task
            && child["metadata"]["deletionTimestamp"].is_null()
    });
    let newest = children.max_by_key(|child| of(child, label::ATTEMPT).as_str().and_then(|it| it.parse::<u32>().ok()));
    newest.map(|child| Value::clone(child))
}

/// The object of any kind of a task's newest attempt, of the run of that name that exists now.
fn newest_load(wire: &Wire<'_>, run: &str, task: &str) -> Option<Value> {
    let uid = get(wire, "workflowruns", run)?["metadata"]["uid"].clone();
    let of = |load: &Value, name: &str| load["metadata"]["labels"][name].clone();
    let loads = wire.server.list("loads").filter(|load| {
        of(load, label::RUN_UID) == uid
            && of(load, label::TASK) == task
            && load["metadata"]["deletionTimestamp"].is_null()
    });
    let newest = loads.max_by_key(|load| of(load, label::ATTEMPT).as_str().and_then(|it| it.parse::<u32>().ok()));
    newest.map(|load| Value::clone(load))
}

/// An object of someone else's under the name that the task's next object will have, if that name is still free. It says at once
/// that it is done.
fn foreign_load(wire: &mut Wire<'_>, run: &str, task: &str) -> bool {
    let Some((uid, item, number)) = next_attempt(wire, run, task) else { return false };
    wire.create(&json!({
        "apiVersion": "example.org/v1",
        "kind": "Load",
        "metadata": { "name": resource_name(run, &uid, task, item, number), "namespace": NAMESPACE },
        "spec": { "comes": ["Done"] },
    }))
}

/// The uid of a run that is long gone.
const OLDER_RUN: &str = "01d3a0e5-0000-4000-8000-00000000001d";

fn edit_workflow(wire: &mut Wire<'_>, workflow: &str) -> bool {
    let Some(mut object) = get(wire, "workflows", workflow) else { return false };
    for task in object["spec"]["tasks"].as_array_mut().into_iter().flatten() {
        if ["join", "workflow", "workflowRef", "resource"].iter().all(|kind| task.get(kind).is_none()) {
            task["command"] = json!(["edited"]);
        }
    }
    changes(wire, "workflows", workflow, &json!({ "spec": { "tasks": object["spec"]["tasks"] } }))
}

fn edit_status(wire: &mut Wire<'_>, run: &str, edit: StatusEdit) -> bool {
    let Some(mut object) = get(wire, "workflowruns", run).filter(|run| !run["status"].is_null()) else { return false };
    match edit {
        StatusEdit::Clear => object["status"] = json!({}),
        StatusEdit::ForgetAttempts => {
            for task in object["status"]["tasks"].as_array_mut().into_iter().flatten() {
                task.as_object_mut().map(|task| task.remove("attempts"));
            }
        }
        StatusEdit::DropTask => {
            object["status"]["tasks"].as_array_mut().map(Vec::pop);
        }
    }
    let before = wire.server.revision();
    wire.replace(&format!("{}/status", path_of(&object)), &object) && wire.server.revision() > before
}
