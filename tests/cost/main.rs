//! How many instructions a decision takes, on runs that stand half way and are always the same. `tests/cost/run` counts them and
//! compares them with `tests/cost/expected`; called alone, this prints what there is to count.

use std::hint::black_box;
use std::process::ExitCode;

use gantline::api::{WorkflowRunSpec, WorkflowRunStatus};
use gantline::engine::{
    Claims, Decision, Definition, Effect, HOT, KEPT_PODS, Lineage, MainEnd, MainState, NamedOutputs, Observed, Outputs,
    Peers, PodFacts, PodPhase, RunFacts, Sight, Sights, decide, unpack,
};
use gantline::plan::{Granted, Origin, Plan};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// Makes the spec of a workflow.
type Make = fn() -> Value;

/// The runs, each with the tasks and items that it has.
const RUNS: [(&str, Make); 7] = [
    ("diamond-10", diamond),
    ("fan-out-500", || tasks(500, |_| Vec::new())),
    ("layers-2000", || {
        tasks(2000, |i| if i < 100 { Vec::new() } else { vec![i - 100, i - i % 100 - 100 + (i + 1) % 100] })
    }),
    ("items-100", || items(100)),
    ("items-2000", || items(2000)),
    ("items-10000", || items(10_000)),
    // Outputs of 45 KB when half of the items have ended.
    ("outputs-10000", || {
        let mut spec = items(10_000);
        spec["tasks"][0]["outputs"] = json!([{ "name": "value", "type": "int", "default": 12_345_678 }]);
        spec
    }),
];

fn main() -> ExitCode {
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [name] = named.as_slice() else {
        for (name, _) in RUNS {
            println!("{name}");
        }
        return ExitCode::SUCCESS;
    };
    let Some((_, spec)) = RUNS.iter().find(|(known, _)| known == name) else {
        eprintln!("there is no run {name}");
        return ExitCode::FAILURE;
    };
    let mut world = World::new(spec());
    world.go_half_way();
    let outputs = world.sealed();
    let decision = black_box(measured(black_box(&world), &outputs));
    assert_ne!(decision.status, world.status, "there was something to decide");
    ExitCode::SUCCESS
}

/// What is counted: all that is done for a round, but for reading the world and writing to it.
#[inline(never)]
fn measured(world: &World, outputs: &Outputs) -> Decision {
    world.decide_with(outputs)
}

fn tasks(count: usize, needs: fn(usize) -> Vec<usize>) -> Value {
    let names = |all: Vec<usize>| all.into_iter().map(|i| format!("t{i}")).collect::<Vec<String>>();
    let task = |i: usize| json!({ "name": format!("t{i}"), "image": "i", "needs": names(needs(i)) });
    json!({ "tasks": (0..count).map(task).collect::<Vec<Value>>() })
}

fn items(count: usize) -> Value {
    let f = json!({ "name": "f", "image": "i", "forEach": { "items": format!("lists.range({count})") } });
    let z = json!({ "name": "z", "image": "i", "needs": ["f"] });
    json!({ "tasks": [f, z] })
}

fn diamond() -> Value {
    tasks(10, |i| match i {
        0 => Vec::new(),
        9 => (1..9).collect(),
        _ => vec![0],
    })
}

/// A run and its pods.
struct World {
    plan: Plan,
    spec: WorkflowRunSpec,
    status: WorkflowRunStatus,
    sights: Sights,
    /// Its records of outputs.
    outputs: Vec<NamedOutputs>,
    now: Timestamp,
    /// Pods made so far.
    made: usize,
}

impl World {
    fn new(spec: Value) -> Self {
        let spec = serde_json::from_value(spec).expect("a workflow");
        Self {
            plan: Plan::checked(&spec, Origin::Workflow).expect("no mistakes"),
            spec: WorkflowRunSpec::default(),
            status: WorkflowRunStatus::default(),
            sights: Sights::new(),
            outputs: Vec::new(),
            now: Timestamp::UNIX_EPOCH,
            made: 0,
        }
    }

    /// How many pods it makes in all.
    fn pods(&self) -> usize {
        let items = self.status.tasks.iter().filter_map(|task| task.items.as_ref());
        let items: usize = items.map(|items| usize::try_from(items.total).unwrap_or(0)).sum();
        self.plan.tasks().len() + items
    }

    /// Pods start, run and end in turn, until half of them have been made.
    fn go_half_way(&mut self) {
        for round in 0.. {
            let decision = self.decide();
            self.outputs.extend(decision.outputs);
            self.status = decision.status;
            self.now = self.now.checked_add(SignedDuration::from_secs(1)).expect("a time");
            for effect in &decision.effects {
                self.carry_out(effect);
            }
            self.pods_go_on(round);
            if self.made > 0 && self.made * 2 >= self.pods() {
                return;
            }
        }
    }

    /// Each is made in one round, starts in the next, and ends in the third.
    fn pods_go_on(&mut self, round: usize) {
        let now = self.now;
        let pods = self.sights.values_mut().filter_map(Sight::pod_mut);
        for (place, pod) in pods.enumerate() {
            match &pod.main {
                MainState::Waiting => {
                    pod.phase = PodPhase::Running;
                    pod.main = MainState::Running { since: Some(now) };
                }
                MainState::Running { since } if (place + round).is_multiple_of(2) => {
                    let started_at = *since;
                    let (reason, message) = ("Completed".to_owned(), String::new());
                    pod.phase = PodPhase::Succeeded;
                    pod.main =
                        MainState::Ended(MainEnd { exit_code: 0, reason, message, started_at, finished_at: Some(now) });
                }
                MainState::Running { .. } | MainState::Ended(_) => {}
            }
        }
    }

    fn carry_out(&mut self, effect: &Effect) {
        match effect {
            Effect::Create { pod, item, attempt, task, .. } => {
                let task = self.plan.tasks()[*task].name.clone();
                self.made += 1;
                self.sights.insert(pod.clone(), Sight::Pod(new_pod(pod, task, *item, *attempt, self.now).into()));
            }
            Effect::Release { pod, .. } => {
                if let Some(facts) = self.sights.get_mut(pod).and_then(Sight::pod_mut) {
                    facts.held = false;
                }
            }
            Effect::Clear { pod, .. } => {
                self.sights.swap_remove(pod);
            }
            _ => unreachable!("nothing is stopped, and all is pods: {effect:?}"),
        }
    }

    /// The outputs in the records that its status names, which are read once.
    fn sealed(&self) -> Outputs {
        let records = self.status.sealed_outputs.iter().flat_map(|sealed| &sealed.records);
        let found = |name: &String| self.outputs.iter().find(|named| named.name == *name);
        Outputs::read(records.map(|name| Some(found(name)?.part.text.as_str()))).0
    }

    fn decide(&self) -> Decision {
        self.decide_with(&self.sealed())
    }

    fn decide_with(&self, outputs: &Outputs) -> Decision {
        let run = RunFacts {
            name: "r",
            namespace: "default",
            uid: "run-uid",
            created_at: Some(Timestamp::UNIX_EPOCH),
            generation: Some(1),
            spec: &self.spec,
        };
        let seen = Observed {
            run,
            stored: &self.status,
            status: &unpack(&self.status, &run, Some(&self.plan), Some(outputs)),
            sealed: outputs,
            definition: &Definition::Ready { plan: &self.plan, revision: "w-0123456789abcdefghjk" },
            sights: &self.sights,
            claims: &Claims::new(),
            peers: &Peers { all: Vec::new(), live: true },
            kept_pods: KEPT_PODS,
            hot: HOT,
            taken: 0,
            children: &Sights::new(),
            lineage: &Lineage::default(),
            resources: &Sights::new(),
            granted: &Granted::default(),
        };
        decide(&seen, self.now)
    }
}

fn new_pod(name: &str, task: String, item: Option<u32>, attempt: u32, now: Timestamp) -> PodFacts {
    PodFacts {
        name: name.to_owned(),
        uid: format!("uid-{name}"),
        task,
        item,
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
        created_at: Some(now),
        ends_by: None,
        condemned: false,
        astray: false,
        lingering: false,
        held: true,
        containers: 1,
    }
}
