//! A fair world around a decision: what is asked for is done, pods end, time passes.

use gantline::api::{OutputDecl, Reason, ValueType, WorkflowRunSpec, WorkflowRunStatus};
use gantline::engine::{
    ClaimSight, Claims, Decision, Definition, Disruption, Effect, HOT, KEPT_PODS, Lineage, MainEnd, MainState,
    NamedOutputs, Observed, Outputs, Peers, PodFacts, PodPhase, Refusal, RefusalKind, RunFacts, Sight, Sights, Trouble,
    Urgency, decide, unpack,
};
use gantline::plan::{Code, Granted, Plan, Problem};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

/// When the run was created, in seconds: 2026-11-22T08:00:00Z.
const CREATED: i64 = 1_795_334_400;

/// What is known of the workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    Ready,
    Missing,
    Invalid,
    Unreadable,
    Lost,
}

/// A run and its pods.
#[derive(Clone, Debug)]
pub struct World {
    pub plan: Plan,
    pub known: Known,
    pub spec: WorkflowRunSpec,
    pub status: WorkflowRunStatus,
    pub sights: Sights,
    pub claims: Claims,
    pub peers: Peers,
    /// Records of outputs that were written.
    pub outputs: Vec<NamedOutputs>,
    pub now: Timestamp,
}

impl World {
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            known: Known::Ready,
            spec: WorkflowRunSpec::default(),
            status: WorkflowRunStatus::default(),
            sights: Sights::new(),
            claims: Claims::new(),
            peers: Peers { all: Vec::new(), live: true },
            outputs: Vec::new(),
            now: Timestamp::from_second(CREATED).expect("a time"),
        }
    }

    pub fn decide(&self) -> Decision {
        self.decide_at(self.now)
    }

    pub fn decide_at(&self, now: Timestamp) -> Decision {
        let problem = || Problem { code: Code::NoTasks, path: "tasks".into(), message: "there is no task".into() };
        let sealed = self.sealed();
        let definition = match self.known {
            // As it is gathered: of a run that has ended nothing is read.
            _ if self.status.phase.is_finished() => Definition::Unread,
            Known::Ready if sealed.is_none() => Definition::OutputsLost("WorkflowRecord r-outputs was deleted".into()),
            Known::Ready => Definition::Ready { plan: &self.plan, revision: "w-0123456789abcdefghjk" },
            Known::Missing => Definition::Missing,
            Known::Invalid => Definition::Invalid(vec![problem(), problem()]),
            Known::Unreadable => Definition::Unreadable("recursion limit exceeded".into()),
            Known::Lost => Definition::Lost("WorkflowRecord w-1, which the run is pinned to, was deleted".into()),
        };
        let created_at = Timestamp::from_second(CREATED).ok();
        let run = RunFacts {
            name: "r",
            namespace: "default",
            uid: "run-uid",
            created_at,
            generation: Some(1),
            spec: &self.spec,
        };
        let (status, sights, claims, peers) = (&self.status, &self.sights, &self.claims, &self.peers);
        let (children, lineage, definition) = (&Sights::new(), &Lineage::default(), &definition);
        let (kept_pods, hot, taken) = (KEPT_PODS, HOT, 0);
        let plan = matches!(definition, Definition::Ready { .. } | Definition::OutputsLost(_)).then_some(&self.plan);
        let (stored, status) = (status, &unpack(status, &run, plan, sealed.as_ref()));
        let sealed = &sealed.clone().unwrap_or_default();
        let (resources, granted) = (&Sights::new(), &Granted::default());
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
        decide(&seen, now)
    }

    /// The outputs in the records that the status names, if all of them are there.
    fn sealed(&self) -> Option<Outputs> {
        let records = self.status.sealed_outputs.iter().flat_map(|sealed| &sealed.records);
        let found = |name: &String| self.outputs.iter().find(|named| named.name == *name);
        let (outputs, is_whole) = Outputs::read(records.map(|name| Some(found(name)?.part.text.as_str())));
        is_whole.then_some(outputs)
    }

    /// Decides, stores the status, and does all that was asked for.
    pub fn round(&mut self) -> Decision {
        let decision = self.decide();
        self.outputs.extend(decision.outputs.iter().cloned());
        self.status = decision.status.clone();
        for effect in &decision.effects {
            self.carry_out(effect);
        }
        decision
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { pod, item, attempt, task, .. } => {
                let task = self.plan.tasks()[*task].name.clone();
                // A pod that is there already is the answer to a create, as good as a new one.
                if !matches!(self.sights.get(pod), Some(Sight::Pod(_))) {
                    self.sights.insert(
                        pod.clone(),
                        Sight::Pod(PodFacts { item: *item, ..new_pod(pod, &task, *attempt) }.into()),
                    );
                }
            }
            Effect::CreateClaim { name, .. } => {
                self.claims.insert(name.clone(), ClaimSight::Exists { uid: format!("uid-{name}") });
            }
            Effect::Release { pod, uid } => {
                if let Some(facts) = self.pod_of_uid(pod, uid) {
                    facts.held = false;
                }
            }
            Effect::CreateRun { .. }
            | Effect::CreateResource { .. }
            | Effect::DeleteResource { .. }
            | Effect::DeleteRun => {}
            Effect::Delete { pod, uid, .. } | Effect::Clear { pod, uid } => {
                let at = Some(self.now);
                if let Some(facts) = self.pod_of_uid(pod, uid) {
                    facts.deleting = true;
                    facts.phase = PodPhase::Failed;
                    facts.disruption.get_or_insert(Disruption {
                        reason: Reason::PodDeleted,
                        at,
                        message: String::new(),
                    });
                }
            }
        }
    }

    fn pod_of_uid(&mut self, name: &str, uid: &str) -> Option<&mut PodFacts> {
        self.sights.get_mut(name).and_then(Sight::pod_mut).filter(|facts| facts.uid == uid)
    }

    /// Goes on fairly until the run has ended and nothing is left to do; false if that never comes.
    pub fn comes_to_an_end(&mut self, rounds: usize) -> bool {
        self.spec.suspend = false;
        for _ in 0..rounds {
            self.look();
            let decision = self.round();
            if self.status.phase.is_finished() && decision.effects.is_empty() && decision.urgency == Urgency::Unchanged
            {
                return true;
            }
            self.end_pods();
            let later = self.now.checked_add(SignedDuration::from_secs(400)).unwrap_or(self.now);
            self.now = decision.wake_at.map_or(later, |at| at.max(later));
        }
        false
    }

    /// What is known of no pod is looked up; a create that was refused will not be refused again; a pod that is being deleted, is
    /// over and is not held, is gone.
    fn look(&mut self) {
        let gone = |pod: &PodFacts| pod.deleting && pod.is_over() && !pod.held;
        for sight in self.sights.values_mut() {
            match sight {
                Sight::Pod(pod) if gone(pod) => *sight = Sight::Absent,
                Sight::Creating | Sight::Refused(_) | Sight::Hidden(_) => *sight = Sight::Absent,
                Sight::Pod(_) | Sight::Child(_) | Sight::Resource(_) | Sight::Absent => {}
            }
        }
        for claim in self.status.volume_claims.iter().filter(|claim| claim.uid.is_none()) {
            let sight = self.claims.entry(claim.claim.clone()).or_insert(ClaimSight::Absent);
            if !matches!(sight, ClaimSight::Exists { .. }) {
                *sight = ClaimSight::Absent;
            }
        }
        for attempt in self.status.tasks.iter().flat_map(|task| &task.attempts) {
            self.sights.entry(attempt.pod.clone()).or_insert(Sight::Absent);
        }
    }

    /// Every pod that lives ends well.
    fn end_pods(&mut self) {
        let now = self.now;
        for pod in self.sights.values_mut().filter_map(Sight::pod_mut).filter(|pod| !pod.is_over()) {
            let task = self.plan.index(&pod.task).map(|index| &self.plan.tasks()[index]);
            end(pod, 0, &outputs(task.map_or(&[], |task| &task.outputs)), now);
        }
    }

    /// The newest pod of a task.
    pub fn pod(&mut self, task: &str) -> &mut PodFacts {
        let name = self.newest(task);
        let sight = self.sights.get_mut(&name);
        sight.and_then(Sight::pod_mut).unwrap_or_else(|| panic!("{task} has no pod"))
    }

    fn newest(&self, task: &str) -> String {
        let status = self.status.tasks.iter().find(|status| status.name == task).expect(task);
        status.attempts.last().expect("an attempt").pod.clone()
    }

    pub fn starts(&mut self, task: &str) {
        let now = self.now;
        let pod = self.pod(task);
        pod.phase = PodPhase::Running;
        pod.main = MainState::Running { since: Some(now) };
    }

    pub fn ends(&mut self, task: &str, exit_code: i32, message: &str) {
        let now = self.now;
        end(self.pod(task), exit_code, message, now);
    }

    pub fn is_drained(&mut self, task: &str) {
        let now = self.now;
        let pod = self.pod(task);
        pod.phase = PodPhase::Failed;
        pod.deleting = true;
        let message = "Eviction API: evicting".into();
        pod.disruption = Some(Disruption { reason: Reason::Drained, at: Some(now), message });
    }

    pub fn has_trouble(&mut self, task: &str, trouble: Trouble) {
        self.pod(task).trouble = Some(trouble);
    }

    pub fn is_refused(&mut self, task: &str, kind: RefusalKind, message: &str) {
        let refusal = Refusal { kind, message: message.into(), retry_at: self.now };
        let name = self.newest(task);
        self.sights.insert(name, Sight::Refused(refusal));
    }

    pub fn waits(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).expect("a time");
    }
}

/// A pod that was just made.
pub fn new_pod(name: &str, task: &str, attempt: u32) -> PodFacts {
    PodFacts {
        name: name.into(),
        uid: format!("uid-{name}"),
        task: task.into(),
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
        deleting: false,
        created_at: None,
        ends_by: None,
        condemned: false,
        astray: false,
        lingering: false,
        held: true,
        containers: 1,
    }
}

fn end(pod: &mut PodFacts, exit_code: i32, message: &str, now: Timestamp) {
    let well = exit_code == 0;
    pod.phase = if well { PodPhase::Succeeded } else { PodPhase::Failed };
    let reason = if well { "Completed" } else { "Error" };
    let started_at = match &pod.main {
        MainState::Running { since } => *since,
        MainState::Waiting | MainState::Ended(_) => Some(now),
    };
    let (reason, message) = (reason.into(), message.into());
    pod.main = MainState::Ended(MainEnd { exit_code, reason, message, started_at, finished_at: Some(now) });
}

/// What a task writes that does as it declares.
pub fn outputs(declared: &[OutputDecl]) -> String {
    let value = |kind: ValueType| match kind {
        ValueType::String => json!("2026a"),
        ValueType::Int => json!(42),
        ValueType::Bool => json!(true),
        ValueType::Number => json!(0.5),
        ValueType::List => json!(["emea.csv", "apac.csv"]),
        ValueType::Object => json!({"k": [1, 0.5, null]}),
    };
    let written: Map<String, Value> = declared.iter().map(|decl| (decl.name.clone(), value(decl.kind))).collect();
    Value::Object(written).to_string()
}
