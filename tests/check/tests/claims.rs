//! Volume claims: S3, S11, S15, S16.

use serde_json::{Value, json};

use super::story::{RUN, Story};
use super::tell;

/// A claim that the run has of `work`, with these labels and this owner.
fn claim(run: &str, owner: &str) -> Value {
    let owner = json!({
        "apiVersion": "gantline.dev/v1alpha1", "kind": "WorkflowRun", "name": "r", "uid": owner, "controller": true,
    });
    let labels = json!({ "gantline.dev/run": "r", "gantline.dev/run-uid": run });
    json!({ "kind": "PersistentVolumeClaim", "metadata": { "labels": labels, "ownerReferences": [owner] } })
}

/// The run is pinned, and nothing is intended.
fn begun() -> Story {
    let mut story = Story::pinned();
    story.is_cut_off();
    story
}

/// The claim is on record.
fn wants(story: &mut Story) -> &mut Story {
    story.sets("", "volumeClaims", json!([{ "name": "work", "claim": "r-work" }])).records()
}

fn makes(story: &mut Story) -> &mut Story {
    story.create("one", "persistentvolumeclaims", "r-work", claim(RUN, RUN))
}

fn knows<'s>(story: &'s mut Story, uid: &str) -> &'s mut Story {
    story.sets("", "volumeClaims", json!([{ "name": "work", "claim": "r-work", "uid": uid }])).records()
}

/// The pod of the first attempt of `a`, which mounts the claim.
fn mounts(story: &mut Story) -> &mut Story {
    mounts_of(story, "r-work")
}

fn mounts_of<'s>(story: &'s mut Story, claim: &str) -> &'s mut Story {
    let volumes = json!([{ "name": "work", "persistentVolumeClaim": { "claimName": claim } }]);
    story.makes_of("r-a-1", "uid-r-a-1", |pod| pod["spec"]["volumes"] = volumes)
}

#[test]
fn claims_are_on_record_before_they_are_made_and_there_before_their_pods() {
    tell(
        begun,
        &[
            ("as it should be", |s| mounts(knows(makes(wants(s)), "uid-r-work")), &[]),
            ("made and not on record", |s| makes(s), &["S3"]),
            ("made and known to exist", |s| makes(knows(wants(s), "uid-r-work")), &["S3"]),
            (
                "made again, as nobody had seen it",
                |s| makes(makes(wants(s)).remove("user", "persistentvolumeclaims", "r-work")),
                &[],
            ),
            ("a pod before it", |s| mounts(wants(s)), &["S3"]),
            ("a pod before it is known", |s| mounts(makes(wants(s))), &["S3"]),
            ("a pod with a claim of someone else's", |s| mounts_of(s, "shared"), &[]),
        ],
    );
}

#[test]
fn claims_are_their_runs_own() {
    tell(
        begun,
        &[
            (
                "of another owner",
                |s| wants(s).create("one", "persistentvolumeclaims", "r-work", claim(RUN, "x")),
                &["S16"],
            ),
            (
                "of another run",
                |s| wants(s).create("one", "persistentvolumeclaims", "r-work", claim("x", RUN)),
                &["S16", "S3"],
            ),
            (
                "of nobody",
                |s| {
                    let mut claim = claim(RUN, RUN);
                    claim["metadata"]["ownerReferences"] = json!([]);
                    wants(s).create("one", "persistentvolumeclaims", "r-work", claim)
                },
                &["S15", "S16"],
            ),
            (
                "someone else's is on record",
                |s| {
                    let foreign = json!({ "kind": "PersistentVolumeClaim", "metadata": {} });
                    knows(wants(s).create("user", "persistentvolumeclaims", "r-work", foreign), "uid-r-work")
                },
                &["S16"],
            ),
            ("deleted", |s| makes(wants(s)).remove("one", "persistentvolumeclaims", "r-work"), &["S15"]),
        ],
    );
}

#[test]
fn claims_go_with_their_run() {
    fn ended() -> Story {
        let mut story = Story::pinned();
        makes(wants(&mut story));
        story
    }
    tell(
        ended,
        &[
            ("it stays", |s| s.run_is_deleted(), &["S11"]),
            ("it goes", |s| s.run_is_deleted().remove("garbage-collector", "persistentvolumeclaims", "r-work"), &[]),
            (
                "someone freed it",
                |s| {
                    let place = ("persistentvolumeclaims", "", "r-work");
                    s.change("garbage-collector", place, |claim| claim["metadata"]["ownerReferences"] = json!([]));
                    s.run_is_deleted()
                },
                &[],
            ),
        ],
    );
}
