//! What is written about a pod, and what truly became of it, told line by line.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::behaviour::{Behaviour, OnTerm, Reports, Taker, Trouble, When, Work};
use super::{Kubelet, catalogue};
use crate::actor::Actor;
use crate::check::journal::{Entry, Verb};
use crate::model::Server;
use crate::wire::{Wire, path};

const BEGIN: Timestamp = Timestamp::constant(1_700_000_000, 250_000_000);

/// Something that a test does to the pod, and when.
type Deed = (u64, fn(&mut Wire<'_>));

/// A pod as the operator makes it, with these containers.
fn manifest(containers: &[&str]) -> Value {
    let variable = |name: &str, value: &str| json!({ "name": name, "value": value });
    let env = [variable("GANTLINE_RUN", "run"), variable("GANTLINE_TASK", "a"), variable("GANTLINE_ATTEMPT", "1")];
    let container = |name: &&str| json!({ "name": name, "image": "busybox:1.37", "env": env });
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "pod", "namespace": "default", "finalizers": ["gantline.dev/outcome"] },
        "spec": { "restartPolicy": "Never", "containers": containers.iter().map(container).collect::<Vec<_>>() },
    })
}

/// Plays a pod to its end; returns the server.
fn play(behaviour: Behaviour, containers: &[&str], deeds: &[Deed]) -> Server {
    let mut server = Server::new(1);
    assert!(Wire { server: &mut server, actor: "user", now: BEGIN }.create(&manifest(containers)));
    let mut kubelet = Kubelet::new(1, BTreeMap::from([("a".to_owned(), vec![behaviour])]));
    let mut deeds: Vec<(Timestamp, fn(&mut Wire<'_>))> =
        deeds.iter().map(|(ms, deed)| (BEGIN + SignedDuration::from_millis(ms.cast_signed()), *deed)).collect();
    let mut now = BEGIN;
    loop {
        let due = kubelet.act(&mut server, now);
        let next = deeds.first().map(|(at, _)| *at);
        now = match (due, next) {
            (None, None) => return server,
            (due, next) => due.into_iter().chain(next).min().expect("one of them").max(now),
        };
        if next.is_some_and(|at| at <= now) {
            let (_, deed) = deeds.remove(0);
            deed(&mut Wire { server: &mut server, actor: "user", now });
        }
    }
}

/// What happened, a line for each entry of the journal: who did what, the pod's phase, the state of `main`, and marks.
fn told(server: &Server) -> Vec<String> {
    server.journal.entries.iter().map(line).collect()
}

fn line(entry: &Entry) -> String {
    let write = match entry {
        Entry::Started { .. } => return "it starts".to_owned(),
        Entry::Ended { exit_code, .. } => return format!("it ends with {exit_code}"),
        Entry::Write(write) => write,
    };
    let (status, meta) = (&write.object["status"], &write.object["metadata"]);
    let state = &status["containerStatuses"][0]["state"];
    let main = match (&state["waiting"]["reason"], &state["terminated"]) {
        (Value::String(reason), _) => format!(" {reason}"),
        (_, Value::Object(end)) => format!(" {}({})", end["reason"].as_str().unwrap_or_default(), end["exitCode"]),
        _ if state["running"].is_object() => " runs".to_owned(),
        _ => String::new(),
    };
    let verb = match write.verb {
        Verb::Create => "creates",
        Verb::Delete if write.removed => "removes",
        Verb::Delete => "deletes",
        Verb::Patch | Verb::Update => "writes",
    };
    let conditions = status["conditions"].as_array();
    let target = conditions.into_iter().flatten().find(|condition| condition["type"] == "DisruptionTarget");
    let marks = [
        status["reason"].as_str(),
        target.and_then(|condition| condition["reason"].as_str()),
        meta["deletionTimestamp"].as_str().map(|_| "deleting"),
    ];
    let marks = marks.into_iter().flatten().fold(String::new(), |all, mark| all + " +" + mark);
    format!("{} {verb} {}{main}{marks}", write.actor, status["phase"].as_str().unwrap_or("-"))
}

#[track_caller]
fn expect(behaviour: Behaviour, deeds: &[Deed], story: &[&str]) {
    let server = play(behaviour, &["main"], deeds);
    // The first three lines are always the same.
    let told = told(&server);
    assert_eq!(told[..3], ["user creates Pending", "scheduler writes Pending", "scheduler writes Pending"]);
    assert_eq!(told[3..], *story, "{told:#?}");
}

fn plain() -> Behaviour {
    Behaviour::succeeds(4_000, "rows=42")
}

fn delete(wire: &mut Wire<'_>) {
    assert!(wire.delete(&path("pods", "default", "pod"), json!({})));
}

fn delete_by_force(wire: &mut Wire<'_>) {
    assert!(wire.delete(&path("pods", "default", "pod"), json!({ "gracePeriodSeconds": 0 })));
}

fn strip(wire: &mut Wire<'_>) {
    assert!(wire.patch(&path("pods", "default", "pod"), &json!({ "metadata": { "finalizers": null } })));
}

#[test]
fn the_state_of_the_container_comes_before_the_phase() {
    expect(
        plain(),
        &[],
        &[
            "it starts",
            "kubelet writes Running runs",
            "it ends with 0",
            "kubelet writes Running Completed(0)",
            "kubelet writes Succeeded Completed(0)",
        ],
    );
    let collapsed = Behaviour { reports: Reports { collapsed: true, ..plain().reports }, ..plain() };
    expect(collapsed, &[], &["it starts", "it ends with 0", "kubelet writes Succeeded Completed(0)"]);
}

#[test]
fn the_faults_of_a_task() {
    let starts = ["it starts", "kubelet writes Running runs"];
    let fails = |behaviour, end: &[&str]| expect(behaviour, &[], &[&starts, end].concat());
    fails(
        Behaviour::exits(2_000, 3, "no price"),
        &["it ends with 3", "kubelet writes Running Error(3)", "kubelet writes Failed Error(3)"],
    );
    fails(
        Behaviour::works(Work::OutOfMemory { after_ms: 2_000 }),
        &["it ends with 137", "kubelet writes Running OOMKilled(137)", "kubelet writes Failed OOMKilled(137)"],
    );
    fails(
        plain().taken(When::Running(1_000), Taker::OwnUse),
        &["it ends with 137", "kubelet writes Running Error(137)", "kubelet writes Failed Error(137) +Evicted"],
    );
    expect(
        plain().expecting("ROWS", "43"),
        &[],
        &["it starts", "it ends with 97", "kubelet writes Running Error(97)", "kubelet writes Failed Error(97)"],
    );
    expect(
        Behaviour::works(Work::StartError),
        &[],
        &["kubelet writes Running StartError(128)", "kubelet writes Failed StartError(128)"],
    );
}

#[test]
fn what_keeps_it_from_starting() {
    let ran = [
        "it starts",
        "kubelet writes Running runs",
        "it ends with 0",
        "kubelet writes Running Completed(0)",
        "kubelet writes Succeeded Completed(0)",
    ];
    let pull = ["kubelet writes Pending ErrImagePull", "kubelet writes Pending ImagePullBackOff"];
    expect(plain().hindered(Trouble::ImagePull, 45_000), &[], &[&pull[..], &ran].concat());
    let config = ["kubelet writes Pending CreateContainerConfigError"];
    expect(plain().hindered(Trouble::PodConfig, 45_000), &[], &[&config[..], &ran].concat());
    let told = told(&play(plain().hindered(Trouble::Unschedulable, 45_000), &["main"], &[]));
    assert_eq!(told[1..4], ["scheduler writes Pending"; 3]);
}

#[test]
fn a_pod_that_is_deleted_ends_within_its_grace_and_stays_while_it_is_held() {
    let begins = ["it starts", "kubelet writes Running runs", "user deletes Running runs +deleting"];
    let ends = |behaviour: Behaviour, end: &[&str]| expect(behaviour, &[(2_000, delete)], &[&begins, end].concat());
    ends(
        plain(),
        &[
            "it ends with 143",
            "kubelet writes Running Error(143) +deleting",
            "kubelet writes Failed Error(143) +deleting",
            "kubelet deletes Failed Error(143) +deleting",
        ],
    );
    ends(
        plain().on_term(OnTerm::Finishes { after_ms: 500 }),
        &[
            "it ends with 0",
            "kubelet writes Running Completed(0) +deleting",
            "kubelet writes Succeeded Completed(0) +deleting",
            "kubelet deletes Succeeded Completed(0) +deleting",
        ],
    );
    let server = play(Behaviour::succeeds(600_000, "").on_term(OnTerm::Ignores), &["main"], &[(2_000, delete)]);
    assert!(told(&server).contains(&"it ends with 137".to_owned()));
    let pod = server.get("pods", "default", "pod").expect("the finalizer holds it");
    assert_eq!(pod["metadata"]["deletionGracePeriodSeconds"], 0);
    let time = |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).expect("a time").parse::<Timestamp>();
    let finished = time("/status/containerStatuses/0/state/terminated/finishedAt").expect("a time");
    assert_eq!(finished.as_second() - BEGIN.as_second(), 2 + 30, "killed when the grace was over");
}

#[test]
fn a_pod_that_is_deleted_before_it_started_never_runs() {
    expect(
        plain().hindered(Trouble::PodConfig, 45_000),
        &[(2_000, delete)],
        &[
            "kubelet writes Pending CreateContainerConfigError",
            "user deletes Pending CreateContainerConfigError +deleting",
            "kubelet writes Failed ContainerStatusUnknown(137) +deleting",
            "kubelet deletes Failed ContainerStatusUnknown(137) +deleting",
        ],
    );
    let told = told(&play(plain().hindered(Trouble::Unschedulable, 45_000), &["main"], &[(2_000, delete)]));
    assert_eq!(told, ["user creates Pending", "scheduler writes Pending", "user deletes Pending +deleting"]);
}

#[test]
fn a_pod_removed_behind_its_back_runs_on_for_a_while() {
    let held = ["it starts", "kubelet writes Running runs", "user deletes Running runs +deleting"];
    expect(
        plain(),
        &[(2_000, delete_by_force)],
        &[
            &held[..],
            &[
                "it ends with 143",
                "kubelet writes Running Error(143) +deleting",
                "kubelet writes Failed Error(143) +deleting",
            ],
        ]
        .concat(),
    );
    let gone = ["user writes Running runs", "user removes Running runs +deleting", "it ends with 143"];
    expect(plain(), &[(1_900, strip), (2_000, delete_by_force)], &[&held[..2], &gone].concat());
}

#[test]
fn who_takes_a_pod_marks_it() {
    let begins = ["it starts", "kubelet writes Running runs"];
    for (by, actor, mark) in [
        (Taker::Eviction, "eviction", "EvictionByEvictionAPI"),
        (Taker::Preemption, "scheduler", "PreemptionByScheduler"),
    ] {
        expect(
            plain().taken(When::Running(1_000), by),
            &[],
            &[
                begins[0],
                begins[1],
                &format!("{actor} writes Running runs +{mark}"),
                &format!("{actor} deletes Running runs +{mark} +deleting"),
                "it ends with 143",
                &format!("kubelet writes Running Error(143) +{mark} +deleting"),
                &format!("kubelet writes Failed Error(143) +{mark} +deleting"),
                &format!("kubelet deletes Failed Error(143) +{mark} +deleting"),
            ],
        );
    }
    expect(
        plain().taken(When::Running(1_000), Taker::NodePressure),
        &[],
        &[
            begins[0],
            begins[1],
            "it ends with 137",
            "kubelet writes Running Error(137)",
            "kubelet writes Failed Error(137) +Evicted +TerminationByKubelet",
        ],
    );
    expect(plain().taken(When::BeforeStart, Taker::Rejection), &[], &["kubelet writes Failed +OutOfcpu"]);
}

#[test]
fn a_node_that_is_lost() {
    let lost = |returns| plain().taken(When::Running(1_000), Taker::NodeLost { away_ms: 60_000, returns });
    let mark = "+DeletionByTaintManager +deleting";
    let begins = ["it starts", "kubelet writes Running runs", "it ends with 0"];
    let tainted = [
        "node-lifecycle writes Running runs +DeletionByTaintManager".to_owned(),
        format!("node-lifecycle deletes Running runs {mark}"),
    ];
    let tainted = tainted.each_ref().map(String::as_str);
    // What ended while the node was away is told when it comes back.
    expect(
        lost(true),
        &[],
        &[
            &begins[..],
            &tainted,
            &[
                &format!("kubelet writes Succeeded Completed(0) {mark}"),
                &format!("kubelet deletes Succeeded Completed(0) {mark}"),
            ],
        ]
        .concat(),
    );
    // Of a node that never comes back, nobody tells.
    expect(
        lost(false),
        &[],
        &[
            &begins[..],
            &tainted,
            &[
                "pod-gc writes Failed runs +DeletionByPodGC +deleting",
                "pod-gc deletes Failed runs +DeletionByPodGC +deleting",
            ],
        ]
        .concat(),
    );
    let silent = plain().taken(When::Running(1_000), Taker::Silence { for_ms: 30_000 });
    expect(
        silent,
        &[],
        &[&begins[..], &["node-lifecycle writes Unknown runs +NodeLost", "kubelet writes Succeeded Completed(0)"]]
            .concat(),
    );
}

#[test]
fn another_container_holds_the_phase_up() {
    let lingers = Behaviour { lingers_ms: 60_000, ..plain() };
    let told_of = |deeds: &[Deed]| told(&play(lingers.clone(), &["main", "proxy"], deeds))[5..].to_vec();
    assert_eq!(
        told_of(&[]),
        ["it ends with 0", "kubelet writes Running Completed(0)", "kubelet writes Succeeded Completed(0)"]
    );
    assert_eq!(
        told_of(&[(8_000, delete)]),
        [
            "it ends with 0",
            "kubelet writes Running Completed(0)",
            "user deletes Running Completed(0) +deleting",
            "kubelet writes Failed Completed(0) +deleting",
            "kubelet deletes Failed Completed(0) +deleting",
        ]
    );
}

/// Whatever happens on nodes, a container starts once at most, ends once if it started, and comes to an end.
#[test]
fn every_behaviour_comes_to_an_end() {
    // Done where it can be done: the pod may be gone by then.
    let delete = |wire: &mut Wire<'_>| {
        wire.delete(&path("pods", "default", "pod"), json!({}));
    };
    let remove = |wire: &mut Wire<'_>| {
        wire.patch(&path("pods", "default", "pod"), &json!({ "metadata": { "finalizers": null } }));
        wire.delete(&path("pods", "default", "pod"), json!({ "gracePeriodSeconds": 0 }));
    };
    let deeds: [&[Deed]; 4] = [&[], &[(2_000, delete)], &[(50, delete)], &[(2_000, remove)]];
    for (place, behaviour) in catalogue("rows=42").into_iter().enumerate() {
        for deeds in deeds {
            let server = play(behaviour.clone(), &["main", "proxy"], deeds);
            let count = |test: fn(&Entry) -> bool| server.journal.entries.iter().filter(|entry| test(entry)).count();
            let started = count(|entry| matches!(entry, Entry::Started { .. }));
            let ended = count(|entry| matches!(entry, Entry::Ended { .. }));
            assert!(started <= 1 && started == ended, "{place}: {behaviour:#?}");
            let pod = server.get("pods", "default", "pod");
            let over = pod.is_none_or(|pod| {
                let deleted = pod["metadata"]["deletionGracePeriodSeconds"] == 0;
                matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) || deleted
            });
            assert!(over, "{place}: {behaviour:#?} {pod:#?}");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_story() {
    let lines = |server: &Server| format!("{:?}", server.journal.entries);
    for behaviour in catalogue("") {
        let [one, two] = [0, 1].map(|_| lines(&play(behaviour.clone(), &["main"], &[(2_000, delete)])));
        assert_eq!(one, two);
    }
}
