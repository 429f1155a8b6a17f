//! What people ask for, and what they take away.

use serde_json::Value;

use super::Scenario;
use super::build::task;
use super::standard::{LONG, chain, diamond, twelve_at_once};
use crate::kubelet::{Behaviour, OnTerm, Trouble};

/// What people ask for in the spec.
pub(super) fn controls() -> Vec<Scenario> {
    let long = || Behaviour::succeeds(LONG, "");
    let cancelled = "a Succeeded, b Cancelled, c Cancelled, d Cancelled";
    vec![
        Scenario::of("cancel-while-starting", &[task("a", &[]), task("b", &["a"])])
            .behaves("a", [long().hindered(Trouble::Unschedulable, LONG)])
            .at(5_000, "cancel:run")
            .ends("Cancelled", "", "a Cancelled, b Cancelled"),
        Scenario::of("cancel-while-running", &diamond())
            .with_standby()
            .behaves("b", [long()])
            .behaves("c", [long().on_term(OnTerm::Ignores)])
            .at(8_000, "cancel:run:5")
            .ends("Cancelled", "", cancelled),
        Scenario::of("cancel-then-finishes", &chain())
            .behaves("a", [long().on_term(OnTerm::Finishes { after_ms: 1_000 })])
            .at(5_000, "cancel:run")
            .ends("Cancelled", "", "a Succeeded, b Cancelled, c Cancelled"),
        // Some have their pods by then, others wait for their turn.
        Scenario::of("cancel-while-creating", &twelve_at_once()).at(2_800, "cancel:run").ends(
            "Cancelled",
            "",
            &twelve_at_once().iter().map(cancelled_but_the_first).collect::<Vec<_>>().join(", "),
        ),
        Scenario::of("suspend-and-resume", &chain()).at(1_500, "suspend:run").at(20_000, "resume:run").succeeds(),
        Scenario::of("cancel-while-suspended", &chain()).at(1_500, "suspend:run").at(20_000, "cancel:run:0").ends(
            "Cancelled",
            "",
            "a Succeeded, b Cancelled, c Cancelled",
        ),
    ]
}

/// What goes away while runs go on.
pub(super) fn deletions() -> Vec<Scenario> {
    let long = || Behaviour::succeeds(LONG, "");
    vec![
        Scenario::of("delete-while-running", &diamond())
            .with_standby()
            .behaves("c", [long()])
            .at(6_000, "delete-run:run:background"),
        Scenario::of("delete-in-the-foreground", &chain())
            .behaves("b", [long()])
            .at(6_000, "delete-run:run:foreground"),
        Scenario::of("delete-and-recreate", &chain()).with_standby().at(5_500, "recreate-run:run").succeeds(),
        Scenario::of("delete-namespace", &diamond()).at(6_000, "delete-namespace"),
        Scenario::of("workflow-edited-and-deleted", &chain())
            .at(3_000, "edit-workflow:workflow")
            .at(5_000, "delete-workflow:workflow")
            .succeeds(),
        Scenario::of("labels-taken-off-then-deleted", &chain())
            .behaves("a", [long()])
            .at(3_000, "strip-labels:run:a")
            .at(300_000, "delete-run:run:background"),
        Scenario::of("pod-deleted-by-someone", &chain())
            .behaves("a", [Behaviour::succeeds(4_000, "")])
            .at(3_000, "delete-pod:run:a")
            .succeeds(),
    ]
}

fn cancelled_but_the_first(task: &Value) -> String {
    let phase = if task["name"] == "a" { "Succeeded" } else { "Cancelled" };
    format!("{} {phase}", task["name"].as_str().unwrap_or_default())
}
