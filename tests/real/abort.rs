//! The operator is killed at every write of a run, at every moment that differs: before the write is applied, before its
//! answer comes, after. Or it lives, and never learns what became of the write. Whatever is cut off, the next one asks again.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::proxy::{Proxy, Strike};
use super::stage::Stage;
use super::{api, fake};

/// Namespaces side by side.
const WORKERS: usize = 6;

/// What is played in a run.
struct Play {
    name: &'static str,
    tasks: fn() -> Vec<Value>,
    /// What is done to it once its first tasks run; the strike falls after that. Without it, from the start.
    then: Option<fn(&str, &str)>,
    /// The phase it must end in; without it, the run is deleted.
    end: Option<&'static str>,
    /// Writes that it takes at least, in whatever order: so many points there are.
    writes: u64,
}

const PLAYS: [Play; 3] = [
    // A record; an intent for each of three steps and the end; four creates; four releases.
    Play { name: "diamond", tasks: diamond, then: None, end: Some("Succeeded"), writes: 13 },
    // The wish and the end; two deletions; two releases.
    Play { name: "cancel", tasks: stuck, then: Some(cancel), end: Some("Cancelled"), writes: 6 },
    // Two releases.
    Play { name: "delete", tasks: stuck, then: Some(delete), end: None, writes: 2 },
];

fn diamond() -> Vec<Value> {
    let mut first = fake::task("first", &[], 0);
    first["outputs"] = json!([{ "name": "word", "type": "string" }]);
    first["podTemplate"]["metadata"]["annotations"]["fake/message"] = json!("word=hello");
    let mut last = fake::task("last", &["left", "right"], 0);
    last["needs"] = json!(["left", "right", "first"]);
    last["env"] = json!([{ "name": "WORD", "expr": "tasks.first.outputs.word" }]);
    vec![first, fake::task("left", &["first"], 0), fake::task("right", &["first"], 0), last]
}

fn stuck() -> Vec<Value> {
    vec![fake::endless("one", &[]), fake::endless("two", &[]), fake::task("next", &["one"], 0)]
}

fn cancel(namespace: &str, run: &str) {
    let wish = json!({ "spec": { "cancel": { "graceSeconds": 1, "reason": "enough" } } });
    api::patch(&api::run(namespace, run), &wish);
}

fn delete(namespace: &str, run: &str) {
    api::delete(&api::run(namespace, run));
}

/// The points, in order: of each play and strike, one write after the other, until a run ends before its turn comes.
struct Points {
    /// The next write of each play and strike; none once there are no more.
    next: Vec<(usize, Strike, Option<u64>)>,
    reached: Vec<(usize, Strike, u64)>,
}

impl Points {
    fn new() -> Self {
        let next = (0..PLAYS.len()).flat_map(|play| Strike::FINAL.map(|strike| (play, strike, Some(1)))).collect();
        Self { next, reached: Vec::new() }
    }

    /// The next one to try: of those that have come least far.
    fn take(&mut self) -> Option<(usize, Strike, u64)> {
        let (play, strike, next) = self.next.iter_mut().filter(|(.., next)| next.is_some()).min_by_key(|it| it.2)?;
        let number = (*next)?;
        *next = Some(number + 1);
        Some((*play, *strike, number))
    }

    fn tell(&mut self, point: (usize, Strike, u64), reached: bool) {
        let (play, strike, number) = point;
        if reached {
            self.reached.push(point);
            return;
        }
        assert!(number > PLAYS[play].writes, "{} ended before write {number}: that many it needs", PLAYS[play].name);
        for (of, at, next) in &mut self.next {
            if (*of, *at) == (play, strike) {
                *next = None;
            }
        }
    }

    fn figures(&self) -> String {
        let of = |play: usize, strike| self.reached.iter().filter(|it| (it.0, it.1) == (play, strike)).count();
        let row = |play: usize| Strike::FINAL.map(|strike| format!("{strike:?} {}", of(play, strike))).join(", ");
        let rows: Vec<String> = (0..PLAYS.len()).map(|play| format!("{}: {}", PLAYS[play].name, row(play))).collect();
        format!("{} points; {}", self.reached.len(), rows.join("; "))
    }
}

#[test]
fn whatever_write_is_cut_off_the_run_goes_on() {
    let points = Mutex::new(Points::new());
    let stages = Mutex::new(Vec::new());
    let take = || points.lock().expect("no worker failed").take();
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                let stage = Stage::without_operator("abort");
                while let Some(point) = take() {
                    let reached = play(&stage, point);
                    points.lock().expect("no other worker failed").tell(point, reached);
                }
                nothing_is_left(&stage);
                stages.lock().expect("no other worker failed").push(stage);
            });
        }
    });
    println!("{}", points.into_inner().expect("no worker failed").figures());
    for stage in stages.into_inner().expect("no worker failed") {
        let (mut violations, figures) = stage.audited.check();
        // An operator that never had an answer can't know that its write changes nothing any more.
        violations.retain(|it| !(it.starts_with("S13: ") && it.contains("-broken-")));
        assert!(violations.is_empty(), "{violations:#?}");
        println!("{figures}");
    }
}

/// Plays a run and strikes; false if it ended before.
fn play(stage: &Stage, (number, strike, at): (usize, Strike, u64)) -> bool {
    let play = &PLAYS[number];
    let namespace = stage.namespace.as_str();
    let run = format!("{}-{strike:?}-{at}", play.name).to_lowercase();
    // A description of its own, so that each run makes a record of its own.
    let manifest = fake::run(&run, &format!("{strike:?} at write {at}"), &(play.tasks)());
    let proxy = Proxy::new();
    let mut operator = stage.operator_by(proxy.kubeconfig());
    if let Some(then) = play.then {
        api::create(&api::runs(namespace), &manifest);
        api::block_on(api::status(api::client(), namespace, &run, two_run));
        proxy.strike(at, strike);
        then(namespace, &run);
    } else {
        proxy.strike(at, strike);
        api::create(&api::runs(namespace), &manifest);
    }
    let end = || over(namespace, &run, play);
    let first = end();
    let reached = api::block_on(async {
        tokio::select! {
            biased;
            () = proxy.struck() => true,
            // The run's last writes bring about its end before their answers are there to strike at.
            () = first => {
                let has_come = proxy.has_come();
                if has_come {
                    proxy.strikes().await;
                }
                has_come
            }
        }
    });
    if reached && strike.kills() {
        drop(operator);
        operator = stage.operator_by(proxy.kubeconfig());
    }
    api::block_on(end());
    drop(operator);
    reached
}

fn two_run(status: &Value) -> bool {
    list(&status["tasks"]).iter().filter(|task| task["phase"] == "Running").count() == 2
}

/// Resolves when the run has come to its end and nothing is left to do; the end must be right.
fn over(namespace: &str, run: &str, play: &Play) -> impl Future<Output = ()> {
    let client = api::client();
    async move {
        let Some(phase) = play.end else {
            api::pods_of(client, namespace, run, <[Value]>::is_empty).await;
            return;
        };
        let status = api::finished(client.clone(), namespace, run).await;
        assert_eq!(status["phase"], phase, "{run}: {status:#}");
        let attempts = list(&status["tasks"]).iter().flat_map(|task| list(&task["attempts"]));
        let recorded: BTreeSet<&str> = attempts.filter_map(|attempt| attempt["uid"].as_str()).collect();
        if phase == "Cancelled" {
            assert_eq!(recorded.len(), 2, "{run}: {status:#}");
            api::pods_of(client, namespace, run, <[Value]>::is_empty).await;
            return;
        }
        let pods = api::pods_of(client, namespace, run, |pods| !pods.iter().any(api::held)).await;
        let there: BTreeSet<&str> = pods.iter().filter_map(|pod| pod["metadata"]["uid"].as_str()).collect();
        assert_eq!((recorded.len(), &recorded), (4, &there), "{run}: one pod a task, and that on record: {status:#}");
        assert!(list(&status["tasks"]).iter().all(|task| list(&task["attempts"]).len() == 1), "{run}: {status:#}");
    }
}

/// Nobody is there to let a pod go, and nothing has to be.
fn nothing_is_left(stage: &Stage) {
    api::delete(&api::runs(&stage.namespace));
    stage.until("the end of all runs and pods", || {
        (api::list(&api::runs(&stage.namespace)).is_empty() && api::list(&api::pods(&stage.namespace)).is_empty())
            .then_some(())
    });
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
