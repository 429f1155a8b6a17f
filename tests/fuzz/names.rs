//! Names that are made are names that Kubernetes takes, and no two things have the same.

use std::collections::BTreeMap;

use gantline::plan::{pod_name, revision_name};
use proptest::prelude::*;
use proptest::sample::select;

use super::cases::{Verdict, fuzz};

/// RFC 1123: what a name of a pod, and a label's value, can be.
fn is_dns_label(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let inside = name.chars().all(|c| plain(c) || c == '-');
    inside && name.len() <= 63 && name.starts_with(plain) && name.ends_with(plain)
}

/// Names of tasks and runs that are easily taken for one another: they share their beginnings, and hold the digits and dashes that
/// names are put together with.
fn label(max: usize) -> impl Strategy<Value = String> {
    let parts =
        prop::collection::vec(select(&["a", "b", "0", "1", "11", "-", "--", "aaaaaaaaaaaaaaaa", "1-1"][..]), 1..12);
    let odd = prop_oneof![4 => parts.prop_map(|parts| parts.concat()), 1 => "[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"];
    odd.prop_map(move |text| {
        let text: String = text.chars().take(max).collect();
        let text = text.trim_matches('-');
        if text.is_empty() { "a".to_owned() } else { text.to_owned() }
    })
}

type Pods = (String, String, Vec<(String, Option<u32>, u32)>);

fn pods_law((run, uid, attempts): &Pods) -> Verdict {
    let mut named = BTreeMap::new();
    for (task, item, attempt) in attempts {
        let name = pod_name(run, uid, task, *item, *attempt);
        prop_assert!(is_dns_label(&name), "{}", name);
        prop_assert_eq!(&name, &pod_name(run, uid, task, *item, *attempt));
        prop_assert_ne!(&name, &pod_name(run, &format!("{uid}x"), task, *item, *attempt), "a run of the same name");
        let other = named.insert(name, (task, item, attempt));
        prop_assert!(
            other.is_none_or(|other| other == (task, item, attempt)),
            "{:?} and {:?}",
            other,
            (task, item, attempt)
        );
    }
    Ok("named")
}

fn revisions_law((workflows, specs): &(Vec<String>, Vec<String>)) -> Verdict {
    let mut named = BTreeMap::new();
    for workflow in workflows.iter().map(|name| Some(name.as_str())).chain([None]) {
        for spec in specs {
            let name = revision_name(workflow, spec);
            prop_assert!(is_dns_label(&name), "{}", name);
            let other = named.insert(name, spec);
            prop_assert!(other.is_none_or(|other| other == spec), "two specs under one name");
        }
    }
    Ok("named")
}

#[test]
fn names_of_pods_are_labels_and_differ() {
    let attempt = prop_oneof![4 => 1..70_u32, 1 => 0..=99_999_999_u32];
    let attempts = prop::collection::vec((label(40), prop::option::of(0..20_000_u32), attempt), 1..60);
    let inputs = (label(63), any::<String>(), attempts);
    fuzz("pod names", 300, &inputs, pods_law);
}

#[test]
fn names_of_revisions_are_labels_and_differ() {
    let inputs = (prop::collection::vec(label(63), 0..6), prop::collection::vec(any::<String>(), 1..20));
    fuzz("revision names", 100, &inputs, revisions_law);
}
