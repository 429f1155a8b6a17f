//! S15: operators write nothing but what is theirs to write (DESIGN, section 6). S16: everything by uid: a pod that an operator
//! deletes is its run's own, and an attempt's uid is that of a pod of this very run, task and attempt.

use gantline::api::{FINALIZER, label};
use serde_json::Value;

use super::journal::{Verb, Write};
use super::objects::is_object;
use super::read::{list, meta, text};
use super::world::{Step, World};
use super::{Findings, Invariant};

/// What is written, and to whom.
pub struct Rights;

impl<'j> Invariant<'j> for Rights {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        if !step.by_operator {
            return;
        }
        let write = step.write;
        let may = may_write(write, world.before(write));
        findings.check("S15", step.index, may, || {
            format!("{:?} of {}/{} {}", write.verb, write.resource, write.subresource, write.name)
        });
        if step.is(Verb::Create, "pods") {
            let run = world.runs.get(meta::label(&write.object, label::RUN_UID));
            let own =
                run.is_some_and(|run| run.namespace == write.namespace && run.uid == meta::controller(&write.object));
            findings.check("S16", step.index, own, || {
                format!("pod {} is not of the run that it is labelled with", write.name)
            });
        }
        let of_run = write.object.pointer("/spec/segment").or(write.object.pointer("/spec/outputs"));
        if let (true, Some(part)) = (step.is(Verb::Create, "workflowrecords"), of_run) {
            let uid = text(part, "runUid");
            let run = world.runs.get(uid).filter(|run| run.namespace == write.namespace);
            let told = [meta::label(&write.object, label::RUN_UID), meta::controller(&write.object)];
            findings.check("S16", step.index, run.is_some() && told == [uid, uid], || {
                format!("record {} is not of the run that it says it is of", write.name)
            });
        }
        if step.is(Verb::Delete, "pods") {
            let own = |pod: &Value| {
                !meta::controller(pod).is_empty() && meta::controller(pod) == meta::label(pod, label::RUN_UID)
            };
            let known = world.before(write).unwrap_or(&write.object);
            // Known by its uid on record, it is the run's own whatever became of its labels. Where a hand took it off the record, whoever
            // made it may know it still.
            let recorded = || {
                let Some(pod) = world.pods.get(write.uid.as_str()) else { return false };
                let Some(run) = world.runs.get(pod.owner) else { return false };
                let on_record = run.attempt(&write.name).is_some_and(|attempt| attempt.uid == Some(&write.uid));
                on_record || run.edited && pod.made
            };
            findings
                .check("S16", step.index, own(known) || recorded(), || format!("pod {} is no run's own", write.name));
        }
        if let (Some(after), Some(run)) = (&step.status, world.runs.get(write.uid.as_str())) {
            for (changed, attempt) in
                after.changed.iter().flat_map(|it| it.new.attempts.iter().map(move |attempt| (it, attempt)))
            {
                let task = changed.new.as_ref();
                let known = |uid: &&str| {
                    changed.old_attempts().iter().any(|old| old.pod == attempt.pod && old.uid == Some(uid))
                };
                let Some(uid) = attempt.uid.filter(|uid| !known(uid)) else { continue };
                if attempt.is_child {
                    let own = world.runs.get(uid).is_none_or(|child| meta::controller(child.object) == run.uid);
                    findings.check("S16", step.index, own, || {
                        format!("run {uid} is on record as the child of run {}, and is another's", run.uid)
                    });
                    continue;
                }
                if attempt.is_object {
                    // Whose it is, `objects` says.
                    continue;
                }
                // Made before the journal began.
                let Some(pod) = world.pods.get(uid) else { continue };
                let number = attempt.number.to_string();
                let told = (pod.name, pod.namespace, pod.owner, pod.run, pod.task.as_str(), pod.attempt);
                let own = told == (attempt.pod, run.namespace, run.uid, run.uid, task.name.as_str(), number.as_str());
                findings.check("S16", step.index, own, || {
                    format!("pod {uid} is on record as that of run {}, task {}, attempt {number}", run.uid, task.name)
                });
            }
        }
    }
}

fn may_write(write: &Write, before: Option<&Value>) -> bool {
    let ours = |object: &Value| {
        let labelled = [label::RUN, label::RUN_UID, label::TASK, label::ATTEMPT]
            .iter()
            .all(|name| !meta::label(object, name).is_empty());
        labelled && !meta::controller(object).is_empty()
    };
    match (write.resource.as_str(), write.subresource.as_str(), write.verb) {
        ("workflows" | "workflowruns", "status", Verb::Update)
        | ("workflowrecords", "", Verb::Create | Verb::Delete)
        | ("workflowruns", "", Verb::Delete)
        | ("events", "", Verb::Create)
        | ("leases", "", Verb::Create | Verb::Update) => true,
        ("persistentvolumeclaims", "", Verb::Create) => {
            let labelled = !meta::label(&write.object, label::RUN_UID).is_empty();
            labelled && !meta::controller(&write.object).is_empty()
        }
        ("pods", "", Verb::Create) => ours(&write.object) && meta::is_held(&write.object),
        // Without a finalizer: those are on pods only.
        ("workflowruns", "", Verb::Create) => ours(&write.object) && !meta::is_held(&write.object),
        ("pods", "", Verb::Delete) => {
            let known = before.unwrap_or(&write.object);
            // Someone may have taken the labels off; the owner stays.
            ours(known) || !meta::controller(known).is_empty()
        }
        (_, "", Verb::Create) if is_object(write) => ours(&write.object) && !meta::is_held(&write.object),
        (_, "", Verb::Delete) if is_object(write) => !meta::controller(before.unwrap_or(&write.object)).is_empty(),
        ("pods", "", Verb::Patch) => before.is_none_or(|before| is_release(before, write)),
        _ => false,
    }
}

/// Whether a pod lost our finalizer and nothing else.
fn is_release(before: &Value, write: &Write) -> bool {
    let after = write.object.as_ref();
    let fields = |pod: &Value| -> Vec<(String, Value)> {
        let all = meta::of(pod).as_object().into_iter().flatten();
        let skip = ["finalizers", "resourceVersion", "managedFields"];
        all.filter(|(field, _)| !skip.contains(&field.as_str()))
            .map(|(field, value)| (field.clone(), value.clone()))
            .collect()
    };
    let finalizers = |pod: &Value| -> Vec<Value> { list(meta::of(pod), "finalizers").to_vec() };
    let mut left = finalizers(before);
    left.retain(|name| name != FINALIZER);
    let whole = ["spec", "status"].iter().all(|field| before.get(field) == after.get(field));
    // A deletion that only the finalizer held up is carried out with it; on record is then what the pod last was.
    let released = left == finalizers(after) || (write.removed && left.is_empty());
    whole && released && fields(before) == fields(after)
}
