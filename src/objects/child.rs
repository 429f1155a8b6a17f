//! Child runs: a task's attempt as a WorkflowRun, and a WorkflowRun as facts for its parent.

use kube::api::ObjectMeta;
use serde_json::{Map, Value, json};

use crate::api::{API_VERSION, GROUP, RunPhase, WorkflowRun, label};
use crate::engine::{ChildFacts, is_held_up};
use crate::plan::{ChildWorkflow, PlannedChild};
use crate::pods::Owner;

/// Bytes kept of a name or message that comes from outside.
const MESSAGE: usize = 1024;

/// The run whose task a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent<'a> {
    /// Its uid, which is its identity.
    pub uid: &'a str,
    /// Its name; it is in the same namespace.
    pub name: &'a str,
}

/// The run that controls a run, if one does.
#[must_use]
pub fn parent(meta: &ObjectMeta) -> Option<Parent<'_>> {
    let owner = meta.owner_references.iter().flatten().find(|owner| {
        let group = owner.api_version.split_once('/').map(|(group, _)| group);
        owner.controller == Some(true) && group == Some(GROUP) && owner.kind == "WorkflowRun"
    })?;
    (!owner.uid.is_empty()).then_some(Parent { uid: &owner.uid, name: &owner.name })
}

/// The manifest of the child run of a task's attempt. The same arguments give the same bytes.
#[must_use]
pub fn build(
    owner: &Owner<'_>,
    task: &str,
    child: &PlannedChild,
    item: Option<u32>,
    attempt: u32,
    name: &str,
    params: Map<String, Value>,
) -> Value {
    let mut spec = match &child.workflow {
        ChildWorkflow::Reference(name) => Map::from_iter([("workflowRef".to_owned(), json!({ "name": name }))]),
        ChildWorkflow::Inline { spec, .. } => Map::from_iter([("workflow".to_owned(), Value::Object(spec.clone()))]),
    };
    if !params.is_empty() {
        spec.insert("params".to_owned(), Value::Object(params));
    }
    let mut labels = Map::new();
    for (key, value) in [
        (label::MANAGED_BY, "gantline"),
        (label::RUN, owner.name),
        (label::RUN_UID, owner.uid),
        (label::TASK, task),
        (label::ATTEMPT, &attempt.to_string()),
    ] {
        labels.insert(key.to_owned(), value.into());
    }
    labels.extend(item.map(|item| (label::INDEX.to_owned(), item.to_string().into())));
    json!({
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": name,
            "namespace": owner.namespace,
            "labels": labels,
            // Without blockOwnerDeletion, which would hold up the deletion of the parent.
            "ownerReferences": [{
                "apiVersion": API_VERSION,
                "kind": "WorkflowRun",
                "name": owner.name,
                "uid": owner.uid,
                "controller": true,
            }],
        },
        "spec": spec,
    })
}

/// What a child run tells its parent; of one that can't be read, why.
#[must_use]
pub fn facts(meta: &ObjectMeta, run: Result<&WorkflowRun, &str>) -> ChildFacts {
    let status = run.ok().and_then(|run| run.status.clone()).unwrap_or_default();
    let held_up = is_held_up(&status);
    let has_started = !matches!(status.phase, RunPhase::Pending | RunPhase::Queued);
    let again_at = status.retried_at.filter(|_| has_started);
    let started_at = if status.generation == 0 { status.started_at } else { again_at }.map(|at| at.0);
    let ended_badly = matches!(status.phase, RunPhase::Failed | RunPhase::Cancelled);
    let may_go_on = ended_badly && status.revision.is_some();
    let given = run.ok().filter(|_| may_go_on).map(|run| run.spec.params.clone().unwrap_or_default());
    // While it gets on, nobody reads its message, which often changes.
    let told = started_at.is_none() || status.phase.is_finished() || held_up;
    let message = match run {
        Err(why) => format!("it can't be read: {why}"),
        Ok(_) if told => status.message,
        Ok(_) => String::new(),
    };
    ChildFacts {
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        generation: status.generation,
        phase: status.phase,
        message: crate::engine::clip(&message, MESSAGE),
        started_at,
        finished_at: status.finished_at.map(|at| at.0),
        outputs: status.outputs,
        given,
        deleting: meta.deletion_timestamp.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(workflow: ChildWorkflow, params: &Value) -> Value {
        let owner = Owner { name: "parent", namespace: "ns", uid: "u1" };
        let child = PlannedChild { workflow, params: Vec::new() };
        build(&owner, "load", &child, Some(3), 2, "parent-load-3-2-x", params.as_object().cloned().unwrap())
    }

    #[test]
    fn a_child_is_its_parents_and_says_so() {
        let run = manifest(ChildWorkflow::Reference("w".into()), &json!({"date": "x"}));
        assert_eq!(run["spec"], json!({"workflowRef": {"name": "w"}, "params": {"date": "x"}}));
        let typed: WorkflowRun = serde_json::from_value(run).unwrap();
        assert_eq!(parent(&typed.metadata), Some(Parent { uid: "u1", name: "parent" }));
        let label = |name: &str| typed.metadata.labels.as_ref().unwrap()[name].clone();
        let labels = [label::RUN_UID, label::TASK, label::INDEX, label::ATTEMPT].map(label);
        assert_eq!(labels, ["u1", "load", "3", "2"]);
        assert_eq!(typed.metadata.finalizers, None);
    }

    #[test]
    fn an_inline_workflow_is_given_as_it_is_written() {
        let spec = json!({"tasks": [{"name": "x", "image": "i", "podTemplate": {"spec": {"n": null}}}]});
        let workflow = ChildWorkflow::Inline { spec: spec.as_object().cloned().unwrap(), outputs: Vec::new() };
        assert_eq!(manifest(workflow, &json!({}))["spec"], json!({"workflow": spec}));
    }

    #[test]
    fn only_a_controller_of_our_kind_is_a_parent() {
        let meta = |owner: Value| serde_json::from_value::<ObjectMeta>(json!({"ownerReferences": [owner]})).unwrap();
        let owner = |api: &str, kind: &str, controller: bool| json!({"apiVersion": api, "kind": kind, "name": "p", "uid": "u", "controller": controller});
        assert!(parent(&meta(owner("gantline.dev/v1alpha1", "WorkflowRun", true))).is_some());
        assert!(parent(&meta(owner("gantline.dev/v1", "WorkflowRun", true))).is_some(), "whatever the version");
        assert!(parent(&meta(owner("gantline.dev/v1alpha1", "WorkflowRun", false))).is_none());
        assert!(parent(&meta(owner("gantline.dev/v1alpha1", "Workflow", true))).is_none());
        assert!(parent(&meta(owner("example.org/v1", "WorkflowRun", true))).is_none());
        assert!(parent(&ObjectMeta::default()).is_none());
    }

    #[test]
    fn what_has_started_and_ended_badly_may_go_on() {
        let given = |status: Value| {
            let run: WorkflowRun = serde_json::from_value(json!({
                "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "metadata": {"name": "c"},
                "spec": {"workflowRef": {"name": "w"}, "params": {"x": 1}}, "status": status,
            }))
            .unwrap();
            facts(&run.metadata, Ok(&run)).given.map(Value::Object)
        };
        let params = || Some(json!({"x": 1}));
        assert_eq!(given(json!({"phase": "Failed", "revision": "w-1"})), params());
        assert_eq!(given(json!({"phase": "Cancelled", "revision": "w-1"})), params());
        assert_eq!(given(json!({"phase": "Failed"})), None, "it never was pinned");
        assert_eq!(given(json!({"phase": "Succeeded", "revision": "w-1"})), None);
        assert_eq!(given(json!({"phase": "Running", "revision": "w-1"})), None);
    }

    #[test]
    fn what_a_run_tells() {
        let run = |status: Value| -> WorkflowRun {
            let metadata = json!({"name": "c", "uid": "u"});
            serde_json::from_value(json!({
                "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun",
                "metadata": metadata, "spec": {}, "status": status,
            }))
            .unwrap()
        };
        let told = |status: Value| {
            let run = run(status);
            let facts = facts(&run.metadata, Ok(&run));
            (facts.phase, facts.message, facts.outputs.is_some())
        };
        let at = "2026-11-22T06:00:01.120034Z";
        assert_eq!(told(json!({"phase": "Pending", "message": "no w"})), (RunPhase::Pending, "no w".into(), false));
        let running = json!({"phase": "Running", "message": "a running", "startedAt": at});
        assert_eq!(told(running), (RunPhase::Running, String::new(), false));
        let held = json!({"phase": "Suspended", "message": "suspended", "startedAt": at});
        assert_eq!(told(held), (RunPhase::Suspended, "suspended".into(), false));
        for (phase, kind, detail, message) in [
            ("Starting", "Node", "pod p to start", ""),
            ("Starting", "Node", "pod p to start: no volumes", "why"),
            ("Starting", "ImagePull", "no image", "why"),
            ("Running", "Child", "run d: suspended", "why"),
            ("Pending", "Dependency", "b", ""),
        ] {
            let waits = json!({"kind": kind, "detail": detail, "since": at});
            let task =
                json!({"name": "a", "phase": phase, "waitingFor": waits, "attempts": [{"number": 1, "pod": "p"}]});
            let run = json!({"phase": "Running", "message": "why", "startedAt": at, "tasks": [task]});
            assert_eq!(told(run), (RunPhase::Running, message.into(), false), "{phase} {kind} {detail}");
        }
        let ended = json!({"phase": "Failed", "message": "a: exit code 2", "startedAt": at});
        assert_eq!(told(ended), (RunPhase::Failed, "a: exit code 2".into(), false));
        let done = json!({"phase": "Succeeded", "startedAt": at, "outputs": {"x": 1}});
        assert_eq!(told(done), (RunPhase::Succeeded, String::new(), true));
        let again = json!({"phase": "Queued", "message": "no slot", "generation": 1, "startedAt": at, "retriedAt": at});
        assert_eq!(told(again), (RunPhase::Queued, "no slot".into(), false), "it has not started again");
        let unread = facts(&ObjectMeta::default(), Err("unknown variant"));
        assert_eq!((unread.phase, unread.message.as_str()), (RunPhase::Pending, "it can't be read: unknown variant"));
    }
}
