//! Two operators share a lease. The one who leads is killed, stopped or frozen: the other takes over in the time that we
//! promise, and nothing that the first one still does hurts. What is measured here is measured beside nothing else: see
//! `tests/run`.

use std::collections::BTreeMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::proxy::{Proxy, Strike};
use super::stage::{Process, Stage};
use super::{api, fake};

/// What we promise: the time from the end of a leader without warning to the first write of the next one.
const TAKEOVER: SignedDuration = SignedDuration::from_secs(15);
/// The same for a leader that is asked to stop.
const HANDOVER: SignedDuration = SignedDuration::from_secs(3);
/// How many writes of frozen leaders may be on their way from the program to the socket, a moment of microseconds: at most
/// one of each of the four chains.
const ON_THEIR_WAY: usize = 4;
/// Tasks of the long run.
const TASKS: usize = 64;
/// Namespaces side by side, each with a write that comes late.
const LATE: u64 = 8;

/// Two operators of a namespace, by name, and a run that always has something to write.
struct Pair {
    stage: Stage,
    operators: BTreeMap<&'static str, Process>,
}

impl Pair {
    fn new(name: &str) -> Self {
        let stage = Stage::for_kills(name);
        let operators = ["one", "two"].map(|name| (name, stage.replica(name, None))).into();
        Self { stage, operators }
    }

    /// Starts the run: a task ends every few tenths of a second, for a dozen seconds; nothing goes on while nobody leads.
    fn start(&self) {
        let names: Vec<String> = (0..TASKS).map(|number| format!("task-{number}")).collect();
        let task = |number: usize| {
            let needs: Vec<&str> = number.checked_sub(4).map(|before| names[before].as_str()).into_iter().collect();
            fake::task(&names[number], &needs, 600 + 50 * u32::try_from(number % 4).expect("a digit"))
        };
        let tasks: Vec<Value> = (0..names.len()).map(task).collect();
        api::create(&api::runs(&self.stage.namespace), &fake::run("long", "Four chains.", &tasks));
        let begun = |status: &Value| done(status) > 4;
        api::block_on(api::status(api::client(), &self.stage.namespace, "long", begun));
    }

    /// The one who leads, by name, once there is one that is not `before`.
    fn leader(&self, before: &str) -> &'static str {
        leader(&self.stage, before)
    }

    /// The run succeeds, each task with one pod; the log is clean.
    fn succeeds(&self) -> String {
        self.comes_to_its_end();
        self.stage.audited.is_clean()
    }

    /// The run succeeds, each task with one pod.
    fn comes_to_its_end(&self) {
        let status = api::block_on(api::finished(api::client(), &self.stage.namespace, "long"));
        assert_eq!(status["phase"], "Succeeded", "{status:#}");
        assert_eq!(done(&status), TASKS);
        let released = |pods: &[Value]| !pods.iter().any(api::held);
        let pods = api::block_on(api::pods_of(api::client(), &self.stage.namespace, "long", released));
        assert_eq!(pods.len(), TASKS, "one pod a task");
        self.stage.comes_to_rest();
    }

    /// The time from a moment to the first write, but for the lease, of the operator of this name.
    fn first_write(&self, of: &str, since: Timestamp) -> SignedDuration {
        let first =
            self.stage.audited.writes().into_iter().find(|write| write.at > since && write.done && write.is_by(of));
        first.unwrap_or_else(|| panic!("{of} wrote nothing")).at.duration_since(since)
    }
}

/// How many tasks have succeeded.
fn done(status: &Value) -> usize {
    list(&status["tasks"]).iter().filter(|task| task["phase"] == "Succeeded").count()
}

/// The one who holds the lease, by name, once there is one that is not `before`.
fn leader(stage: &Stage, before: &str) -> &'static str {
    let lease = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases/gantline", stage.namespace);
    stage.until("a leader", || {
        let lease = api::get(&lease)?;
        let holder = lease["spec"]["holderIdentity"].as_str()?;
        ["one", "two"].into_iter().find(|name| *name != before && holder.starts_with(&format!("{name}_")))
    })
}

#[test]
fn when_the_leader_is_killed_another_acts_soon() {
    let mut pair = Pair::new("leader-killed");
    let first = pair.leader("");
    pair.start();
    let killed = Timestamp::now();
    pair.operators.remove(first);
    let second = pair.leader(first);
    let clean = pair.succeeds();
    let took = pair.first_write(second, killed);
    println!("from the kill to the next leader's first write: {took:#}; {clean}");
    assert!(took < TAKEOVER, "{took:#}");
}

#[test]
fn when_the_leader_is_stopped_another_acts_at_once() {
    let mut pair = Pair::new("leader-stopped");
    let first = pair.leader("");
    pair.start();
    let asked = Timestamp::now();
    let mut operator = pair.operators.remove(first).expect("it leads");
    operator.signal("TERM");
    assert!(operator.0.wait().expect("its end").success());
    let second = pair.leader(first);
    let clean = pair.succeeds();
    let took = pair.first_write(second, asked);
    println!("from SIGTERM to the next leader's first write: {took:#}; {clean}");
    assert!(took < HANDOVER, "{took:#}");
}

/// Twice, so that each of them is frozen and thawed once.
#[test]
fn a_leader_that_was_frozen_does_no_harm() {
    let pair = Pair::new("leader-frozen");
    let mut leader = pair.leader("");
    pair.start();
    let mut frozen = Vec::new();
    for _ in 0..2 {
        pair.operators[leader].signal("STOP");
        let next = pair.leader(leader);
        pair.operators[leader].signal("CONT");
        frozen.push(leader);
        leader = next;
    }
    pair.comes_to_its_end();
    let (violations, figures) = pair.stage.audited.check();
    // What it had begun to send when it froze is sent when it thaws, which no permit can prevent: no code runs in between.
    let is_on_its_way = |it: &String| frozen.iter().any(|name| it.starts_with(&format!("S9: {name}_")));
    assert!(violations.iter().all(is_on_its_way) && violations.len() <= ON_THEIR_WAY, "{violations:#?}");
    let late = violations.len();
    println!("two leaders were frozen until the other led, with {late} writes on their way; {figures}");
}

/// The leader is frozen with a write on its way, which arrives when the other one has long been leading, or has even ended the
/// run. No permit can prevent that; it does no harm, whatever write it is.
#[test]
fn a_write_that_comes_when_another_leads_does_no_harm() {
    let came = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for at in 1..=LATE {
            let came = &came;
            scope.spawn(move || {
                let answer = late(at);
                came.lock().expect("no other failed").push(answer);
            });
        }
    });
    let mut came = came.into_inner().expect("none failed");
    came.sort();
    println!("{} late writes and their answers:\n{}", came.len(), came.join("\n"));
}

/// Has the `at`-th write of a run come late; returns what it was and how it was answered.
fn late(at: u64) -> String {
    let stage = Stage::without_operator("late");
    let proxy = Proxy::new();
    let frozen = stage.replica("one", Some(proxy.kubeconfig()));
    assert_eq!(leader(&stage, ""), "one");
    let _other = stage.replica("two", None);
    let tasks = [fake::task("first", &[], 0), fake::task("left", &["first"], 0), fake::task("right", &["first"], 0)];
    proxy.strike(at, Strike::Late);
    api::create(&api::runs(&stage.namespace), &fake::run("late", "", &tasks));
    api::block_on(proxy.strikes());
    frozen.signal("STOP");
    assert_eq!(leader(&stage, "one"), "two");
    let finished = || api::finished(api::client(), &stage.namespace, "late");
    if at.is_multiple_of(2) {
        api::block_on(finished());
    }
    proxy.deliver();
    let (what, code) = stage.until("the late write to arrive", || proxy.delivered());
    frozen.signal("CONT");

    let status = api::block_on(finished());
    assert_eq!(status["phase"], "Succeeded", "write {at}: {status:#}");
    let released = |pods: &[Value]| !pods.iter().any(api::held);
    let pods = api::block_on(api::pods_of(api::client(), &stage.namespace, "late", released));
    assert_eq!(pods.len(), tasks.len(), "write {at}: {pods:#?}");
    stage.comes_to_rest();
    // The log tells when a write arrived, not when it was sent: the late one, if it was carried out, seems to be without a lease.
    let (violations, figures) = stage.audited.check();
    let by_one = violations.iter().filter(|it| it.starts_with("S9: one_")).count();
    assert_eq!(violations.len(), by_one, "write {at}: {violations:#?}");
    let expected = code.is_success() && stage.audited.is_kept() && !what.contains("/events");
    assert_eq!(by_one, usize::from(expected), "write {at}, {what} {code}: {violations:#?}");
    println!("{figures}");
    format!("{} {}", what.replace(&stage.namespace, "…"), code.as_u16())
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
