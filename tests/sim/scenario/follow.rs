//! Pods that follow values, and volumes that the tasks of a run share.

use serde_json::{Value, json};

use super::build::{merged, run, task, task_with, workflow_with};
use super::standard::LONG;
use super::{Refusal, Scenario};
use crate::kubelet::{Behaviour, Work};

/// The scenarios, in an order that stays.
pub(super) fn follow() -> Vec<Scenario> {
    let mut all = fields();
    all.extend(claims());
    all
}

/// Fields of pods.
fn fields() -> Vec<Scenario> {
    let limit = "/spec/containers/0/resources/limits/memory";
    let more = json!({
        "podExpr": { "limits": { "memory": "string(256 * attempt) + 'Mi'" } },
        "retry": { "limit": 2, "backoff": { "initial": "2s" } },
    });
    // Disrupted attempts have numbers too, so that there may be more than three.
    let with = |attempt: usize, behaviour: Behaviour| behaviour.expecting(limit, &format!("{}Mi", 256 * attempt));
    let works = || Behaviour::succeeds(2_000, "");
    let dies = || Behaviour::works(Work::OutOfMemory { after_ms: 2_000 });
    let wrong = json!({ "podExpr": { "requests": { "cpu": "'much'" } } });
    vec![
        Scenario::of("more-memory-after-each-failure", &[task_with("a", &[], more), task("b", &["a"])])
            .with_standby()
            .behaves(
                "a",
                std::array::from_fn::<_, 9, _>(|index| with(index + 1, if index < 2 { dies() } else { works() })),
            )
            .succeeds(),
        Scenario {
            broken_env: vec!["b"],
            ..Scenario::of(
                "field-without-a-good-value",
                &[task("a", &[]), task_with("b", &["a"], wrong), task("c", &["b"])],
            )
        }
        .ends("Failed", "TaskFailed", "a Succeeded, b Failed, c UpstreamFailed"),
    ]
}

/// Volume claims.
fn claims() -> Vec<Scenario> {
    let shared = || {
        let mounts = json!([{ "name": "main", "volumeMounts": [{ "name": "work", "mountPath": "/work" }] }]);
        json!({ "podTemplate": { "spec": { "containers": mounts } } })
    };
    let claim = json!({ "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "1Gi" } } });
    let of = |name: &'static str, tasks: &[Value]| {
        let claims = json!({ "volumeClaims": [{ "name": "work", "spec": claim }] });
        Scenario::new(name).with(workflow_with(tasks, claims)).with(run("run"))
    };
    let tasks = || {
        [
            task_with("a", &[], shared()),
            task_with("b", &[], shared()),
            task("c", &["a"]),
            task_with("d", &["c"], shared()),
        ]
    };
    let mounted = || Behaviour::succeeds(2_000, "").expecting("/spec/volumes/0/name", "work");
    let each = json!({
        "forEach": { "values": [1, 2, 3], "maxParallel": 2 },
        "podExpr": { "limits": { "memory": "string(item * 64) + 'Mi'" } },
    });
    let limit = "/spec/containers/0/resources/limits/memory";
    let quota = Refusal {
        code: 403,
        reason: "Forbidden",
        message: "persistentvolumeclaims \"run-work\" is forbidden: exceeded quota: small, requested: requests.storage=1Gi",
        from_ms: 0,
        until_ms: 20_000,
    };
    vec![
        of("shared-volume", &tasks()).with_standby().behaves("a", [mounted()]).behaves("d", [mounted()]).succeeds(),
        of("shared-volume-of-items", &[task_with("a", &[], merged(shared(), each)), task("b", &["a"])])
            .behaves("a[0]", [mounted().expecting(limit, "64Mi")])
            .behaves("a[1]", [mounted().expecting(limit, "128Mi")])
            .behaves("a[2]", [mounted().expecting(limit, "192Mi")])
            .succeeds(),
        of("shared-volume-over-quota", &tasks()).refusing(quota).succeeds(),
        of("shared-volume-deleted-with-its-run", &tasks())
            .behaves("a", [Behaviour::succeeds(LONG, "")])
            .at(6_000, "delete-run:run:background"),
        of("claim-of-someone-else", &[task("a", &[]), task_with("b", &["a"], shared()), task("c", &["b"])])
            .at(1_000, "foreign-claim:run:work")
            .ends("Failed", "TaskFailed", "a Succeeded, b Failed, c UpstreamFailed"),
    ]
}
