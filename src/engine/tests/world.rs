//! A small world for tests: a plan, a stored status, and pods that a kubelet of few words moves on.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::{Cancel, Reason, ResourceRef, RunPhase, Task, WorkflowRunSpec, WorkflowRunStatus, WorkflowSpec};
use crate::engine::{
    ChildFacts, ClaimSight, Claims, Decision, Definition, Disruption, Effect, HOT, Hot, Lineage, MainEnd, MainState,
    NamedOutputs, NamedSegment, Observed, Outputs, Peers, PodFacts, PodPhase, ResourceFacts, RunFacts, Sight, Sights,
    Urgency, decide, pace, unpack,
};
use crate::plan::{Granted, Plan};

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) spec: WorkflowRunSpec,
    pub(super) status: WorkflowRunStatus,
    pub(super) sights: Sights,
    /// What is seen of claims that aren't known to exist.
    pub(super) claims: Claims,
    pub(super) children: Sights,
    pub(super) lineage: Lineage,
    /// Objects of any kind.
    pub(super) resources: Sights,
    pub(super) granted: Granted,
    pub(super) now: Timestamp,
    /// Names of pods ever made, in order.
    pub(super) made: Vec<String>,
    /// The revision is gone.
    pub(super) lost: bool,
    /// Other runs of the workflow.
    pub(super) peers: Peers,
    /// How many pods stay.
    pub(super) kept_pods: usize,
    /// How much of what has happened its status holds.
    pub(super) hot: Hot,
    /// Names of segments that are others' records.
    pub(super) taken: u32,
    /// Its segments, in the order in which they were made.
    pub(super) segments: Vec<NamedSegment>,
    /// Records of outputs, in the order in which they were made.
    pub(super) outputs: Vec<NamedOutputs>,
    /// Whether the run itself was deleted.
    pub(super) deleted: bool,
}

/// A workflow of tasks and what they need.
pub(super) fn spec(tasks: &[(&str, &[&str])]) -> WorkflowSpec {
    let task = |(name, needs): &(&str, &[&str])| Task {
        name: (*name).to_owned(),
        image: Some("busybox:1.37".to_owned()),
        needs: needs.iter().map(|need| (*need).to_owned()).collect(),
        ..Task::default()
    };
    WorkflowSpec { tasks: tasks.iter().map(task).collect(), ..WorkflowSpec::default() }
}

impl World {
    pub(super) fn new(tasks: &[(&str, &[&str])]) -> Self {
        Self::of(&spec(tasks))
    }

    pub(super) fn of(spec: &WorkflowSpec) -> Self {
        Self {
            plan: Plan::new(spec).unwrap(),
            spec: WorkflowRunSpec::default(),
            status: WorkflowRunStatus::default(),
            sights: Sights::new(),
            claims: Claims::new(),
            children: Sights::new(),
            lineage: Lineage::default(),
            resources: Sights::new(),
            granted: Granted::new(vec!["example.org/v1/Fetch=fetches".parse().unwrap()]),
            now: Timestamp::from_second(1_000).unwrap(),
            made: Vec::new(),
            lost: false,
            peers: Peers::default(),
            kept_pods: crate::engine::KEPT_PODS,
            hot: HOT,
            taken: 0,
            segments: Vec::new(),
            outputs: Vec::new(),
            deleted: false,
        }
    }

    pub(super) fn decide(&self) -> Decision {
        if self.lost {
            return self.decide_on(&Definition::Lost("gone".to_owned()));
        }
        self.decide_on(&Definition::Ready { plan: &self.plan, revision: "w-1" })
    }

    /// The run, but for its status.
    fn facts(&self) -> RunFacts<'_> {
        RunFacts {
            name: "run",
            namespace: "ns",
            uid: "uid",
            created_at: Timestamp::from_second(1_000).ok(),
            generation: Some(1),
            spec: &self.spec,
        }
    }

    /// Its status, unpacked.
    pub(super) fn full(&self) -> WorkflowRunStatus {
        unpack(
            &self.status,
            &self.facts(),
            (!self.lost).then_some(&self.plan),
            (!self.lost).then(|| self.sealed()).as_ref(),
        )
    }

    /// The same to one who has the plan, though the operator may not.
    pub(super) fn full_by_plan(&self) -> WorkflowRunStatus {
        unpack(&self.status, &self.facts(), Some(&self.plan), Some(&self.sealed()))
    }

    /// The outputs in the records that the status names; all of them have to be there.
    fn sealed(&self) -> Outputs {
        let records = self.status.sealed_outputs.iter().flat_map(|sealed| &sealed.records);
        let found = |name: &String| self.outputs.iter().find(|named| named.name == *name);
        let (outputs, is_whole) = Outputs::read(records.map(|name| Some(found(name)?.part.text.as_str())));
        assert!(is_whole, "{:?}", self.status.sealed_outputs);
        outputs
    }

    pub(super) fn decide_on(&self, definition: &Definition<'_>) -> Decision {
        let run = self.facts();
        let World {
            status, sights, claims, peers, kept_pods, hot, taken, children, lineage, resources, granted, ..
        } = self;
        let (kept_pods, hot, taken) = (*kept_pods, *hot, *taken);
        let is_ready = matches!(definition, Definition::Ready { .. });
        let plan = (is_ready || matches!(definition, Definition::OutputsLost(_))).then_some(&self.plan);
        let sealed = is_ready.then(|| self.sealed());
        let (stored, status) = (status, &unpack(status, &run, plan, sealed.as_ref()));
        let sealed = &sealed.unwrap_or_default();
        let seen = Observed {
            run,
            stored,
            status,
            sealed,
            definition,
            sights,
            claims,
            peers,
            kept_pods,
            hot,
            taken,
            children,
            lineage,
            resources,
            granted,
        };
        decide(&seen, self.now)
    }

    /// Decides, stores the status, and carries out every effect at once.
    pub(super) fn round(&mut self) -> Decision {
        let decision = self.decide();
        self.segments.extend(decision.segments.iter().cloned());
        self.outputs.extend(decision.outputs.iter().cloned());
        self.status = decision.status.clone();
        for effect in &decision.effects {
            self.carry_out(effect);
        }
        decision
    }

    /// Rounds until nothing more follows.
    pub(super) fn settle(&mut self) {
        for _ in 0..100 {
            let decision = self.round();
            if decision.urgency == Urgency::Unchanged && decision.effects.is_empty() {
                return;
            }
        }
        panic!("it doesn't settle: {:#?}", self.status);
    }

    pub(super) fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { pod, item, attempt, task, .. } => {
                assert!(!self.made.contains(pod), "{pod} was made twice");
                self.made.push(pod.clone());
                let task = self.plan.tasks()[*task].name.clone();
                self.sights
                    .insert(pod.clone(), Sight::Pod(PodFacts { item: *item, ..new_pod(pod, &task, *attempt) }.into()));
            }
            Effect::CreateClaim { name, .. } => {
                let before = self.claims.insert(name.clone(), ClaimSight::Exists { uid: format!("uid-{name}") });
                assert!(!matches!(before, Some(ClaimSight::Exists { .. })), "{name} was made twice");
            }
            Effect::CreateRun { run, .. } => {
                assert!(!self.made.contains(run), "{run} was made twice");
                self.made.push(run.clone());
                self.children.insert(run.clone(), Sight::Child(new_child(run)));
            }
            Effect::CreateResource { resource: name, task, item, attempt, manifest } => {
                assert!(!self.made.contains(name), "{name} was made twice");
                self.made.push(name.clone());
                let task = &self.plan.tasks()[*task].name;
                let made = new_resource(name, task, *item, &manifest.clone().into(), self.now);
                let made = ResourceFacts { attempt: *attempt, ..made };
                self.resources.insert(name.clone(), Sight::Resource(made));
            }
            Effect::DeleteResource { resource, uid } => {
                let of_uid = |sight: &Sight| matches!(sight, Sight::Resource(facts) if facts.uid == *uid);
                if self.resources.get(&resource.name).is_some_and(of_uid) {
                    self.resources.insert(resource.name.clone(), Sight::Absent);
                }
            }
            Effect::Release { pod, uid } => {
                let gone = match self.sights.get_mut(pod).and_then(Sight::pod_mut) {
                    Some(facts) if facts.uid == *uid => {
                        facts.held = false;
                        facts.deleting && facts.is_over()
                    }
                    _ => false,
                };
                if gone {
                    self.sights.insert(pod.clone(), Sight::Absent);
                }
            }
            Effect::DeleteRun => self.deleted = true,
            Effect::Delete { pod, uid, .. } | Effect::Clear { pod, uid } => {
                if let Some(facts) = self.sights.get_mut(pod).and_then(Sight::pod_mut)
                    && facts.uid == *uid
                {
                    facts.deleting = true;
                    facts.disruption.get_or_insert(Disruption {
                        reason: Reason::PodDeleted,
                        at: Some(self.now),
                        message: "the pod was deleted".to_owned(),
                    });
                }
            }
        }
    }

    /// The same, where pods that are to go stay for now.
    pub(super) fn settle_but_for_clears(&mut self) {
        for _ in 0..100 {
            let decision = self.decide();
            self.status = decision.status.clone();
            let mut effects = decision.effects;
            effects.retain(|effect| !matches!(effect, Effect::Clear { .. }));
            for effect in &effects {
                self.carry_out(effect);
            }
            if decision.urgency == Urgency::Unchanged && effects.is_empty() {
                return;
            }
        }
        panic!("it doesn't settle: {:#?}", self.status);
    }

    /// The newest pod of a task, or of an item, written `task[3]`.
    pub(super) fn pod(&mut self, task: &str) -> &mut PodFacts {
        let (name, item) = task.split_once('[').unwrap_or((task, ""));
        let status = self.full().tasks.into_iter().find(|it| it.name == name).unwrap();
        let attempts = match item.trim_end_matches(']').parse::<u32>() {
            Err(_) => &status.attempts,
            Ok(index) => {
                let entries = &status.items.as_ref().unwrap_or_else(|| panic!("{name} has no items")).entries;
                &entries.iter().find(|it| it.index == index).unwrap_or_else(|| panic!("{task} isn't told of")).attempts
            }
        };
        let name = attempts.last().unwrap_or_else(|| panic!("{task} has no attempt")).pod.clone();
        let sight = self.sights.get_mut(&name);
        sight.and_then(Sight::pod_mut).unwrap_or_else(|| panic!("{task} has no pod"))
    }

    /// The newest child run of a task.
    pub(super) fn child(&mut self, task: &str) -> &mut ChildFacts {
        let status = self.status.tasks.iter().find(|it| it.name == task).unwrap();
        let name = status.attempts.last().unwrap_or_else(|| panic!("{task} has no attempt")).run.clone();
        match self.children.get_mut(&name) {
            Some(Sight::Child(facts)) => facts,
            other => panic!("child run of {task}: {other:?}"),
        }
    }

    /// The newest object of a task.
    pub(super) fn resource(&mut self, task: &str) -> &mut ResourceFacts {
        let status = self.status.tasks.iter().find(|it| it.name == task).unwrap();
        let name = status.attempts.last().unwrap_or_else(|| panic!("{task} has no attempt")).object().to_owned();
        match self.resources.get_mut(&name) {
            Some(Sight::Resource(facts)) => facts,
            other => panic!("object of {task}: {other:?}"),
        }
    }

    pub(super) fn start(&mut self, task: &str) {
        let now = self.now;
        let pod = self.pod(task);
        pod.phase = PodPhase::Running;
        pod.main = MainState::Running { since: Some(now) };
    }

    pub(super) fn end(&mut self, task: &str, exit_code: i32) {
        self.end_with(task, exit_code, "");
    }

    pub(super) fn end_with(&mut self, task: &str, exit_code: i32, message: &str) {
        let now = self.now;
        let pod = self.pod(task);
        pod.phase = if exit_code == 0 { PodPhase::Succeeded } else { PodPhase::Failed };
        pod.main = MainState::Ended(main_end(exit_code, message, now));
    }

    /// Someone drains the node: the pod is over, and by whose fault is known.
    pub(super) fn drain(&mut self, task: &str) {
        let now = self.now;
        let pod = self.pod(task);
        pod.phase = PodPhase::Failed;
        pod.deleting = true;
        pod.disruption = Some(Disruption { reason: Reason::Drained, at: Some(now), message: "drained".into() });
    }

    pub(super) fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    pub(super) fn cancel(&mut self) {
        self.spec.cancel = Some(Cancel { reason: Some("enough".into()), ..Cancel::default() });
    }

    /// The run's own phase and why.
    pub(super) fn story_of_run(&self) -> String {
        let reason = self.status.reason.map(|reason| format!("({reason:?})")).unwrap_or_default();
        format!("{:?}{reason}", self.status.phase)
    }

    /// The run as one line: its phase, its tasks' phases, what they wait for.
    pub(super) fn story(&self) -> String {
        let task = |task: &crate::api::TaskStatus| {
            let reason = task.reason.map(|reason| format!("({reason:?})")).unwrap_or_default();
            let waits = task
                .waiting_for
                .as_ref()
                .filter(|it| !(task.phase.has_pod() && pace::is_ordinary(it, task.attempts.last())))
                .map(|it| format!("[{:?} {}]", it.kind, it.detail))
                .unwrap_or_default();
            let attempts = if task.attempts.len() > 1 { format!("#{}", task.attempts.len()) } else { String::new() };
            let items = task.items.as_ref().map(items).unwrap_or_default();
            format!(" {}:{:?}{attempts}{reason}{waits}{items}", task.name, task.phase)
        };
        let tasks: String = self.status.tasks.iter().map(task).collect();
        format!("{}{tasks}", self.story_of_run())
    }
}

/// The items of a task: `{0-1 Succeeded, 2 Running, 3 Pending[Pool maxParallel is 3]}`.
fn items(items: &crate::api::ItemsStatus) -> String {
    let waits = items.waiting_for.as_ref().map(|it| format!("[{:?} {}]", it.kind, it.detail)).unwrap_or_default();
    let told = [
        (&items.succeeded, "Succeeded"),
        (&items.failed, "Failed"),
        (&items.cancelled, "Cancelled"),
        (&items.stopping, "Stopping"),
        (&items.running, "Running"),
        (&items.starting, "Starting"),
        (&items.backoff, "Backoff"),
        (&items.pending, "Pending"),
    ];
    let told = told.iter().filter(|(ranges, _)| !ranges.is_empty()).map(|(ranges, phase)| format!("{ranges} {phase}"));
    format!("{{{}{waits}}}", told.collect::<Vec<String>>().join(", "))
}

pub(super) fn new_pod(name: &str, task: &str, attempt: u32) -> PodFacts {
    PodFacts {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        task: task.to_owned(),
        item: None,
        attempt,
        phase: PodPhase::Pending,
        main: MainState::Waiting,
        reason: None,
        message: String::new(),
        failed_init: None,
        disruption: None,
        trouble: None,
        hold: None,
        created_at: None,
        deleting: false,
        ends_by: None,
        condemned: false,
        lingering: false,
        held: true,
        astray: false,
        containers: 1,
    }
}

pub(super) fn new_child(name: &str) -> ChildFacts {
    ChildFacts {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        generation: 0,
        phase: RunPhase::Pending,
        message: String::new(),
        started_at: None,
        finished_at: None,
        outputs: None,
        given: None,
        deleting: false,
    }
}

pub(super) fn new_resource(name: &str, task: &str, item: Option<u32>, object: &Value, now: Timestamp) -> ResourceFacts {
    ResourceFacts {
        resource: ResourceRef { api_version: "example.org/v1".into(), kind: "Fetch".into(), name: name.to_owned() },
        uid: format!("uid-{name}"),
        task: task.to_owned(),
        item,
        attempt: 1,
        created_at: Some(now),
        object: Ok(object.to_string().into()),
        deleting: false,
    }
}

pub(super) fn main_end(exit_code: i32, message: &str, at: Timestamp) -> MainEnd {
    MainEnd {
        exit_code,
        reason: if exit_code == 0 { "Completed".into() } else { "Error".into() },
        message: message.to_owned(),
        started_at: Some(at),
        finished_at: Some(at),
    }
}
