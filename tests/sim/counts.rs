//! What a run costs an API server and its operator, counted in a world without faults. Its time is virtual, so that the counts are the
//! same on any machine: bounds stand some way above them, since a change elsewhere may move a write.

use crate::check::journal::{Entry, Verb, Write};
use crate::outcome::settle;
use crate::scenario::{Scenario, graph, items};
use crate::schedule::{Latency, Schedule};

/// What a run cost.
#[derive(Debug)]
struct Cost {
    /// Pods that it made.
    pods: usize,
    /// Transitions on record.
    transitions: usize,
    /// Writes of the operator, but for the renewal of its lease, and for the deletion of pods that have had their time.
    writes: usize,
    /// Bytes of the statuses and records that it wrote.
    bytes: usize,
    /// Bytes of its largest status.
    largest: usize,
    /// Rounds that the operator gave to anything.
    rounds: usize,
}

impl Cost {
    fn per_pod(&self) -> f64 {
        share(self.writes, self.pods)
    }

    fn bytes_per_transition(&self) -> f64 {
        share(self.bytes, self.transitions)
    }

    fn rounds_per_transition(&self) -> f64 {
        share(self.rounds, self.transitions)
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn share(all: usize, of: usize) -> f64 {
    all as f64 / of as f64
}

fn of(scenario: Scenario) -> Cost {
    let schedule = Schedule { latency: Latency::Least, ..Schedule::new(scenario.name, 1) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without I/O").block_on(count(&schedule, scenario))
}

async fn count(schedule: &Schedule, scenario: Scenario) -> Cost {
    let (world, quiet_since) = settle(schedule, scenario, false).await;
    quiet_since.expect("the run comes to its end");
    let mut guard = world.state();
    let state = &mut *guard;
    let rounds: u64 = std::mem::take(&mut state.minds).values().map(|mind| mind.rounds()).sum();
    let all = state.server.journal.entries.iter().filter_map(|entry| match entry {
        Entry::Write(write) => Some(write),
        _ => None,
    });
    let is_ours = |write: &&Write| state.operators.contains(&write.actor) && write.resource != "leases";
    let writes: Vec<&Write> = all.filter(is_ours).collect();
    let of = |resource: &str, subresource: &str| {
        let such = writes.iter().filter(|it| it.resource == resource && it.subresource == subresource);
        such.map(|it| &it.object).collect::<Vec<_>>()
    };
    let statuses: Vec<usize> = of("workflowruns", "status").iter().map(|run| run["status"].to_string().len()).collect();
    let records: usize = of("workflowrecords", "").iter().map(|record| record.to_string().len()).sum();
    let run = state.server.list("workflowruns").next().expect("the run");
    assert_eq!(run["status"]["phase"], "Succeeded");
    let newest = run["status"]["history"].as_array().and_then(|all| all.last()?["seq"].as_u64());
    let of_pods = |verb: Verb| writes.iter().filter(|it| it.resource == "pods" && it.verb == verb).count();
    let cost = Cost {
        pods: of_pods(Verb::Create),
        transitions: newest.and_then(|seq| usize::try_from(seq).ok()).expect("a history"),
        writes: writes.len() - of_pods(Verb::Delete),
        bytes: statuses.iter().sum::<usize>() + records,
        largest: statuses.into_iter().max().unwrap_or(0),
        rounds: usize::try_from(rounds).expect("a count"),
    };
    drop(guard);
    cost
}

#[test]
fn the_cost_of_a_task_does_not_grow_with_its_run() {
    let (few, many) = (of(items(100)), of(items(2_000)));
    println!("{few:?}\n{many:?}");
    assert_eq!((few.pods, many.pods), (101, 2_001));
    for cost in [&few, &many] {
        assert!(cost.per_pod() <= 2.3, "{cost:?}: writes a pod, of which two are to make it and to let it go");
        assert!(cost.rounds_per_transition() <= 0.3, "{cost:?}: rounds a transition");
        assert!(cost.largest <= 64 * 1024, "{cost:?}: bytes of a status");
    }
    let times = many.bytes_per_transition() / few.bytes_per_transition();
    assert!(times <= 1.5, "of many items a transition takes {times} times as many bytes: {few:?}, {many:?}");
}

#[test]
fn the_cost_of_a_task_of_a_graph_does_not_grow_with_it() {
    let (few, many) = (of(graph(100, 20)), of(graph(500, 20)));
    println!("{few:?}\n{many:?}");
    assert_eq!((few.pods, many.pods), (100, 500));
    for cost in [&few, &many] {
        assert!(cost.per_pod() <= 2.6, "{cost:?}: writes a pod");
        assert!(cost.rounds_per_transition() <= 0.8, "{cost:?}: rounds a transition");
        assert!(cost.largest <= 64 * 1024, "{cost:?}: bytes of a status");
    }
    let times = many.bytes_per_transition() / few.bytes_per_transition();
    assert!(times <= 1.5, "in a large graph a transition takes {times} times as many bytes: {few:?}, {many:?}");
}
