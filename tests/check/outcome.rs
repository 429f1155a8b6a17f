//! S6: no attempt is lost. Every pod that an operator made has one attempt on record; the outcome of an attempt is the truth
//! about its pod; and the finalizer that holds a pod until then isn't taken off sooner.

use gantline::api::{AttemptOutcome, Reason, RunPhase, TaskPhase};
use serde::Deserialize;
use serde_json::Value;

use super::read::{self, Attempt, Status, list, meta, task_of, text};
use super::truth::End;
use super::world::{Pod, Run, Step, World};
use super::{Findings, Invariant};

/// Outcomes.
pub struct Outcomes;

impl<'j> Invariant<'j> for Outcomes {
    fn step(&mut self, step: &Step<'j>, world: &World<'j>, findings: &mut Findings) {
        if !step.by_operator {
            return;
        }
        if let Some(after) = &step.status {
            let Some(run) = world.runs.get(step.write.uid.as_str()) else { return };
            for (changed, attempt) in
                after.changed.iter().flat_map(|it| it.new.attempts.iter().map(move |attempt| (it, attempt)))
            {
                let closed =
                    changed.old_attempts().iter().any(|old| old.number == attempt.number && old.outcome.is_some());
                let Some(outcome) = attempt.outcome.filter(|_| !closed && !attempt.is_child && !attempt.is_object)
                else {
                    continue;
                };
                let (task, is_told) = (changed.new.name.as_str(), changed.new.is_told);
                let claim = Claim { world, run, after, task, attempt, is_told };
                let fault = claim.fault(outcome);
                findings.check("S6", step.index, fault.is_none(), || {
                    let told = format!("attempt {} of task {task} is {outcome:?} {}", attempt.number, attempt.reason());
                    format!("{told}: {}", fault.as_deref().unwrap_or_default())
                });
            }
        } else if step.write.resource == "pods" {
            release(step, world, findings);
        }
    }

    fn end(&mut self, world: &World<'j>, findings: &mut Findings) {
        // What became of the attempts of a run that is gone, its record doesn't say any more.
        let kept = |pod: &&Pod<'_>| pod.made && world.runs.get(pod.run).is_some_and(|run| run.going.is_none());
        for pod in world.pods.values().filter(kept) {
            let run = &world.runs[pod.run];
            let Some(status) = run.status() else { continue };
            let all = status.tasks.iter().flat_map(|task| task.attempts.iter().map(move |attempt| (task, attempt)));
            let own: Vec<_> = all.filter(|(_, attempt)| attempt.pod == pod.name).collect();
            // A hand may have taken it out of the record; and of many attempts the oldest are only counted, once they have ended.
            let number: u64 = pod.attempt.parse().unwrap_or(0);
            let task = status.task(&pod.task);
            if own.is_empty() && task.is_some_and(|task| task.is_bare() && task.phase.is_finished()) {
                // How its item ended is all that is told.
                continue;
            }
            let first = task.and_then(|task| task.attempts.first()).map_or(0, |first| first.number);
            // Nor is anything told of the items of a list that was to be made anew, and then wasn't.
            let of_no_list = task.is_none() && status.generation > 0 && task_of(&pod.task) != pod.task;
            let counted = number < first || of_no_list || task.is_some_and(|task| status.has_counted(task, number));
            let counted = counted && run.closed.contains_key(pod.name);
            let lost = own.is_empty() && !run.edited && !counted;
            findings.check("S6", world.entries, own.len() <= 1 && !lost, || {
                format!("pod {} is that of {} attempts on record", pod.name, own.len())
            });
            if !world.rules.settled || !pod.is_over() {
                continue;
            }
            for (task, attempt) in own {
                // Without the finalizer it may have vanished before its uid went on record: then it never was.
                let unknown = attempt.uid != Some(pod.uid) && (attempt.uid.is_some() || pod.vanished());
                // A hand may have left an attempt that nobody follows any more.
                let followed = task.phase.has_pod() && !status.phase.is_finished();
                let due = !unknown && (followed || !run.edited);
                findings.check("S6", world.entries, !due || attempt.outcome.is_some(), || {
                    format!("pod {} is over, and its attempt has no outcome", pod.name)
                });
            }
        }
    }
}

/// Checks that a pod that is let go may be.
fn release(step: &Step<'_>, world: &World<'_>, findings: &mut Findings) {
    let write = step.write;
    let Some(pod) = world.pods.get(write.uid.as_str()) else { return };
    let held_after = meta::is_held(&write.object) && !write.removed;
    if !meta::is_held(pod.object) || held_after {
        return;
    }
    let may = may_release(world, pod, step);
    findings.check("S6", step.index, may, || {
        format!("pod {} is let go before the outcome of its attempt is on record", pod.name)
    });
}

fn may_release(world: &World<'_>, pod: &Pod<'_>, step: &Step<'_>) -> bool {
    let by_then = |at: jiff::Timestamp| at <= world.rules.latest(step.write.sent);
    // By its label, which is how an orphan is found; by its owner where that was taken off.
    let labelled = meta::label(pod.object, gantline::api::label::RUN_UID);
    let run = if labelled.is_empty() { pod.owner } else { labelled };
    let Some(run) = world.runs.get(run) else { return true };
    if run.going.is_some_and(by_then) || run.namespace != pod.namespace || meta::controller(pod.object) != run.uid {
        return true;
    }
    // A disguise could keep it from being found when its run is gone.
    if run.closed.get(pod.name).is_some_and(|at| by_then(*at)) || pod.disguised.is_some_and(by_then) {
        return true;
    }
    match run.attempt(pod.name) {
        // The attempt's own pod is another one.
        Some(attempt) if attempt.uid.is_some_and(|uid| uid != pod.uid) => true,
        // What a hand has put on record may leave an attempt that nobody follows any more.
        Some(_) => run.edited || world.is_operator_going(),
        None if run
            .status()
            .and_then(|it| it.task(&pod.task))
            .is_some_and(|it| it.is_bare() && it.phase.is_finished()) =>
        {
            true
        }
        // A hand made the pod, or took its attempt out of the record.
        None => !pod.made || run.edited || world.is_operator_going(),
    }
}

/// An outcome that goes on record.
struct Claim<'s, 'j> {
    world: &'s World<'j>,
    run: &'s Run<'j>,
    after: &'s Status<'j>,
    task: &'s str,
    attempt: &'s Attempt<'j>,
    /// Whether the task is no letter, which tells an outcome without its reason.
    is_told: bool,
}

impl Claim<'_, '_> {
    /// What speaks against it.
    fn fault(&self, outcome: AttemptOutcome) -> Option<String> {
        if outcome == AttemptOutcome::Cancelled {
            return self.cancelled();
        }
        let Some(uid) = self.attempt.uid.filter(|uid| !uid.is_empty()) else { return self.without_pod(outcome) };
        // Made before the journal began.
        let pod = self.world.pods.get(uid)?;
        self.exit_code(pod).or_else(|| match outcome {
            AttemptOutcome::Failed | AttemptOutcome::NotYet if !self.is_told => self.failed_somehow(pod),
            AttemptOutcome::Succeeded => succeeded(pod),
            AttemptOutcome::Failed | AttemptOutcome::NotYet => self.failed(pod),
            AttemptOutcome::Disrupted | AttemptOutcome::Cancelled => self.disrupted(pod),
        })
    }

    /// The exit code is that of the container, by the API server and by its node.
    fn exit_code(&self, pod: &Pod<'_>) -> Option<String> {
        let told = self.attempt.value.get("exitCode")?.as_i64();
        if told != pod.verdicts.exit_code {
            return Some(format!("exit code {told:?} is on record, and {:?} was told", pod.verdicts.exit_code));
        }
        // Where the kubelet lost track, its number is made up.
        let truth = pod.ended.filter(|_| !pod.verdicts.unknown).map(i64::from);
        (truth.is_some() && truth != told)
            .then(|| format!("exit code {told:?} is on record, and {truth:?} is the truth"))
    }

    /// It failed for a reason that isn't told: by itself, by what it did not write, or since it was stopped.
    fn failed_somehow(&self, pod: &Pod<'_>) -> Option<String> {
        let was_stopped = self.run.status().and_then(|status| status.task(self.task));
        let was_stopped = was_stopped.is_some_and(|task| task.phase == TaskPhase::Stopping);
        let lacks_outputs = pod.verdicts.has(End::Succeeded) && !self.outputs()?.is_empty();
        let may = pod.verdicts.has(End::Failed) || lacks_outputs || was_stopped;
        if was_stopped { self.was_honest() } else { (!may).then(|| format!("its pod tells {:?}", pod.verdicts)) }
    }

    fn failed(&self, pod: &Pod<'_>) -> Option<String> {
        let reason = self.attempt.reason();
        if matches!(reason, "TimedOut" | "StartTimedOut" | "TotalTimedOut" | "FinallyTimedOut") {
            return self.timed_out(pod);
        }
        if matches!(reason, "OutputMissing" | "OutputInvalid" | "OutputTooLarge") {
            let declared = !self.outputs()?.is_empty();
            return (!pod.verdicts.has(End::Succeeded) || !declared)
                .then(|| "it wrote what it was to write, or failed otherwise".to_owned());
        }
        if !pod.verdicts.has(End::Failed) {
            return Some(format!("its pod tells {:?}", pod.verdicts));
        }
        let status = pod.object.get("status").unwrap_or(&Value::Null);
        let main = read::main_end(pod.object);
        let word = main.map_or("", |main| text(main, "reason"));
        let told = match reason {
            "OutOfMemory" => word == "OOMKilled",
            "StartError" => matches!(word, "StartError" | "ContainerCannotRun"),
            "ExitCode" => main.is_some() && !matches!(word, "OOMKilled" | "StartError" | "ContainerCannotRun"),
            "Evicted" | "DeadlineExceeded" => text(status, "reason") == reason,
            "InitFailed" => main.is_none(),
            _ => false,
        };
        (!told).then(|| format!("nothing tells of {reason}: {status}"))
    }

    /// An attempt times out only once that is on record, or by its kubelet's own deadline; and what has succeeded by itself has
    /// succeeded.
    fn timed_out(&self, pod: &Pod<'_>) -> Option<String> {
        let reason = self.attempt.reason();
        let task = self.run.status().and_then(|status| status.task(self.task));
        let on_record = task.is_some_and(|it| it.phase == TaskPhase::Stopping && text(it.value, "reason") == reason);
        let exceeded = pod.object.pointer("/status/reason").is_some_and(|it| it == "DeadlineExceeded");
        let by_kubelet = exceeded && !matches!(reason, "TotalTimedOut" | "FinallyTimedOut");
        if !(on_record || by_kubelet) {
            return Some("nobody stopped its pod".to_owned());
        }
        self.was_honest()
    }

    fn disrupted(&self, pod: &Pod<'_>) -> Option<String> {
        // Without the finalizer it may vanish before anyone sees its end; under other labels nobody may find it.
        // Of a record that a hand made shorter the pod was a stranger when it was deleted, or let go.
        let forgotten = pod.removed && self.run.edited;
        let unseen = pod.vanished() || pod.disguised.is_some() || self.world.is_given_up(pod) || forgotten;
        if self.attempt.reason() == "PodDeleted" && pod.deleted_by_operator && !self.run.edited {
            return Some("an operator deleted the pod".to_owned());
        }
        (!pod.verdicts.has(End::Disrupted) && !unseen).then(|| format!("its pod tells {:?}", pod.verdicts))
    }

    /// An attempt that never had a pod ends only by a refusal.
    fn without_pod(&self, outcome: AttemptOutcome) -> Option<String> {
        let reason = self.attempt.reason();
        let refused = matches!(
            reason,
            "PodInvalid"
                | "NameClash"
                | "NamespaceTerminating"
                | "ExpressionError"
                | "TotalTimedOut"
                | "FinallyTimedOut"
        );
        if outcome == AttemptOutcome::Disrupted && self.run.edited {
            // A hand may have taken the uid off the record.
            return None;
        }
        if outcome != AttemptOutcome::Failed || !refused && self.is_told {
            return Some("no pod of it is on record".to_owned());
        }
        let own = |pod: &&Pod<'_>| pod.made && pod.name == self.attempt.pod && pod.run == self.run.uid;
        // Under other labels it is a stranger; of a record that a hand made shorter it was one when it went.
        let forgotten = |pod: &Pod<'_>| pod.removed && self.run.edited;
        let known = |pod: &&Pod<'_>| pod.disguised.is_none() && !pod.vanished() && !forgotten(pod);
        let seen = self.world.pods.values().filter(own).find(known)?;
        Some(format!("pod {} was made all the same", seen.uid))
    }

    /// Only a cancel on record, or the failure of the run as a whole in the same write, cancels an attempt; and what has
    /// succeeded by itself has succeeded.
    fn cancelled(&self) -> Option<String> {
        let asked = matches!(self.attempt.reason(), "CancelRequested" | "ParentStopped");
        if asked && self.world.is_finally(self.run, self.after, self.task) {
            return self.cancelled_finally();
        }
        if self.attempt.reason() == "FailFast" {
            return self.too_many_failed();
        }
        let reason = text(self.after.value, "reason");
        if matches!(self.attempt.reason(), "RevisionLost" | "OutputsLost") && self.run.edited {
            // What a hand made of the record can't be followed any more, whatever the run was being stopped for.
            return None;
        }
        if matches!(reason, "FailRun" | "RunTimedOut") {
            let said_so =
                |task: &read::Task<'_>| task.phase == TaskPhase::Failed && text(task.value, "reason") == reason;
            let said_so = reason == "RunTimedOut" || self.after.tasks.iter().any(|task| said_so(task));
            if !said_so || self.attempt.reason() != reason {
                return Some(format!("the run is {:?} {reason}", self.after.phase));
            }
            return self.was_honest();
        }
        if self.after.phase == RunPhase::Failed {
            let whole = Reason::deserialize(&self.after.value["reason"])
                .is_ok_and(|reason| !matches!(reason, Reason::TaskFailed | Reason::FinallyFailed));
            return (!whole || self.attempt.reason() != reason).then(|| format!("the run is Failed {reason}"));
        }
        let stopping = self.run.status().is_some_and(|status| status.phase == RunPhase::Stopping);
        // That it gives way to a newer one only when it must is S10.
        let gives_way = reason == "ConcurrencyLimit" && self.attempt.reason() == reason;
        // The status is written to the run as it is.
        let by_hand = read::is_cancelled(self.run.object, self.after.generation);
        let asked = by_hand || self.world.is_stopped_by_parent(self.run) || gives_way;
        if !matches!(self.after.phase, RunPhase::Stopping | RunPhase::Cancelled) || !(asked || stopping) {
            return Some(format!(
                "the run is {:?}, and its cancel was {}",
                self.after.phase,
                if asked { "asked for" } else { "not asked for" }
            ));
        }
        if !matches!(self.attempt.reason(), "CancelRequested" | "ParentStopped" | "ConcurrencyLimit") {
            // Its revision was lost while it was stopping: what its pods do counts no more.
            return None;
        }
        self.was_honest()
    }

    /// So many items failed that their task could not succeed any more, and it says that the rest is cancelled then.
    fn too_many_failed(&self) -> Option<String> {
        let task = read::task_of(self.task);
        let for_each = self.world.planned(self.run, self.after, task)?.get("forEach")?;
        let items: Vec<_> =
            self.after.tasks.iter().filter(|it| it.item.is_some() && read::task_of(&it.name) == task).collect();
        let failed = items.iter().filter(|item| item.phase == TaskPhase::Failed).count();
        let percent = for_each.get("minSucceededPercent").and_then(Value::as_u64).unwrap_or(100);
        let in_reach = (items.len() - failed) * 100 >= usize::try_from(percent).unwrap_or(100) * items.len();
        if in_reach || for_each.get("failFast") != Some(&true.into()) {
            return Some(format!("{failed} of {} items failed, by {for_each}", items.len()));
        }
        self.was_honest()
    }

    /// A finally task goes on after a cancel, unless that says otherwise; whatever the run has come to by then.
    fn cancelled_finally(&self) -> Option<String> {
        let says = |run: &Run<'_>| run.object.pointer("/spec/cancel/skipFinally").is_some_and(|skips| skips == true);
        let own = says(self.run) && read::is_cancelled(self.run.object, self.after.generation);
        let skips = own || self.world.above(self.run).iter().any(|run| says(run));
        let was = self.run.status().and_then(|status| status.task(self.task)).map(|task| task.phase);
        if !skips && was != Some(TaskPhase::Stopping) {
            return Some("it is a finally task, and nobody asked to skip those".to_owned());
        }
        self.was_honest()
    }

    /// What has succeeded by itself, though it was to be stopped, has succeeded.
    fn was_honest(&self) -> Option<String> {
        let pod = self.world.pods.get(self.attempt.uid?)?;
        let honest = text(pod.object.get("status")?, "phase") == "Succeeded" && !read::is_condemned(pod.object);
        (honest && !pod.removed && self.outputs()?.is_empty()).then(|| "its pod succeeded".to_owned())
    }

    /// The outputs that the task declares; nothing if the journal doesn't have its spec.
    fn outputs(&self) -> Option<&[Value]> {
        Some(list(self.world.planned(self.run, self.after, self.task)?, "outputs"))
    }
}

fn succeeded(pod: &Pod<'_>) -> Option<String> {
    if !pod.verdicts.has(End::Succeeded) {
        return Some(format!("its pod tells {:?}", pod.verdicts));
    }
    (pod.started && pod.ended != Some(0)).then(|| format!("its container ended {:?}", pod.ended))
}
