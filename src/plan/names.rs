//! Names that are made from content, so that making one twice gives the same.

use sha2::{Digest, Sha256};

use super::limits::DNS_LABEL;
use crate::api::{OutputsPart, Segment};
use crate::mutant::{Mutant, is};

/// Crockford's base32, in lower case: no letter that reads like a digit (<https://www.crockford.com/base32.html>).
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters of hash in a pod's name: 50 bits, so that a run of 20,000 pods has a clash once in five million runs, and a clash
/// is found out, not acted on.
const POD_HASH: usize = 10;
/// Characters of hash in a revision's name: 100 bits, so that nobody makes two workflows of one name.
const REVISION_HASH: usize = 20;

/// The name of an attempt's pod: `<run ≤ 20>-<task ≤ 15>[-<item>]-<attempt>-<hash of run uid, task, item and attempt>`, at most
/// 63 characters. The words are for people; the hash alone makes it unique, over namespaces and re-created runs too. `item` is
/// the index of the item of a task with forEach.
#[must_use]
pub fn pod_name(run: &str, run_uid: &str, task: &str, item: Option<u32>, attempt: u32) -> String {
    let words = Words::of(run, task, item, attempt);
    if is(Mutant::NameWithoutHash) {
        return words.text();
    }
    words.with_hash([run_uid, task])
}

/// The name of a run's volume claim: `<run ≤ 20>-<claim ≤ 20>-<hash of run uid and claim>`, at most 52 characters.
#[must_use]
pub fn claim_name(run: &str, run_uid: &str, claim: &str) -> String {
    let hash: String = hash([run_uid, claim], POD_HASH).collect();
    format!("{}-{}-{hash}", cut(run, 20), cut(claim, 20))
}

/// The name of an attempt's child run: as that of a pod, and never the same.
#[must_use]
pub fn child_name(run: &str, run_uid: &str, task: &str, item: Option<u32>, attempt: u32) -> String {
    other_name("run", (run, run_uid), task, item, attempt)
}

/// The name of an attempt's object of any kind: as that of a pod, and never the same.
#[must_use]
pub fn resource_name(run: &str, run_uid: &str, task: &str, item: Option<u32>, attempt: u32) -> String {
    other_name("resource", (run, run_uid), task, item, attempt)
}

fn other_name(of: &str, (run, run_uid): (&str, &str), task: &str, item: Option<u32>, attempt: u32) -> String {
    Words::of(run, task, item, attempt).with_hash([of, run_uid, task])
}

/// What people read in the name of an attempt's object. Thousands of names are made in a round of a large run, so little is copied.
struct Words<'a> {
    run: &'a str,
    task: &'a str,
    index: Option<String>,
    number: String,
}

impl<'a> Words<'a> {
    fn of(run: &'a str, task: &'a str, item: Option<u32>, attempt: u32) -> Self {
        let index = item.map(|item| item.to_string());
        Self { run: cut(run, 20), task: cut(task, 15), index, number: attempt.to_string() }
    }

    fn text(&self) -> String {
        let mut name = String::with_capacity(DNS_LABEL);
        for word in [self.run, self.task].into_iter().chain(self.index.as_deref()).chain([self.number.as_str()]) {
            if !name.is_empty() {
                name.push('-');
            }
            name.push_str(word);
        }
        name
    }

    /// With the hash of these parts, the item and the attempt.
    fn with_hash<const N: usize>(&self, parts: [&str; N]) -> String {
        let mut name = self.text();
        name.push('-');
        let own = self.index.as_deref().into_iter().chain([self.number.as_str()]);
        name.extend(hash(parts.into_iter().chain(own), POD_HASH));
        name
    }
}

/// The name of the record that holds a workflow's spec: `<workflow ≤ 42>-<hash of the bytes>`; `inline-…` for a spec
/// written in a run.
#[must_use]
pub fn revision_name(workflow: Option<&str>, spec: &str) -> String {
    let hash: String = hash([spec], REVISION_HASH).collect();
    format!("{}-{hash}", cut(workflow.unwrap_or("inline"), 42))
}

/// The name of the record that holds a part of a run's log: `<run ≤ 20>-log-<number>-<hash of its content>`, at most 56
/// characters. What is on record gives the same name to whoever seals it. `taken` counts the names that turned out to be others'.
#[must_use]
pub fn segment_name(segment: &Segment, taken: u32) -> String {
    let (number, taken) = (segment.number.to_string(), taken.to_string());
    let before = segment.previous.as_deref().unwrap_or_default();
    let hash: String = hash([&segment.run_uid, &number, before, &segment.log, &taken], REVISION_HASH).collect();
    format!("{}-log-{number}-{hash}", cut(&segment.run, 20))
}

/// The name of the record that holds a part of the outputs of a run's tasks: `<run ≤ 20>-outputs-<hash of its content>`, and a number
/// where that name turned out to be another's; at most 60 characters.
#[must_use]
pub fn outputs_name(part: &OutputsPart, taken: u32) -> String {
    let number = if taken > 0 { format!("-{taken}") } else { String::new() };
    let hash: String = hash([part.run_uid.as_str(), &part.text], REVISION_HASH).collect();
    format!("{}-outputs-{hash}{number}", cut(&part.run, 20))
}

/// Whether this is what a record of that name holds.
#[must_use]
pub fn is_outputs_name(name: &str, part: &OutputsPart) -> bool {
    let rest = name.strip_prefix(&outputs_name(part, 0));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The first `max` characters without a dash at the end.
fn cut(name: &str, max: usize) -> &str {
    let end = name.char_indices().nth(max).map_or(name.len(), |(at, _)| at);
    name.get(..end).unwrap_or(name).trim_end_matches('-')
}

/// A hash over the parts; their lengths are in it, so that moving a border between two parts changes it.
fn hash<'a>(parts: impl IntoIterator<Item = &'a str>, chars: usize) -> impl Iterator<Item = char> {
    let mut state = Sha256::new();
    for part in parts {
        state.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        state.update(part.as_bytes());
    }
    let letter = |byte: u8| ALPHABET.get(usize::from(byte & 31)).map(|letter| char::from(*letter));
    state.finalize().into_iter().take(chars).filter_map(letter)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pod_names_fit_and_differ() {
        let long = "a".repeat(63);
        let plain = |run, uid, task, attempt| pod_name(run, uid, task, None, attempt);
        let name = pod_name(&long, "uid", &"b".repeat(40), Some(19_999), 9_999_999);
        assert!(name.len() <= 63, "{name}");
        assert_ne!(plain("r", "u1", "t", 1), plain("r", "u2", "t", 1), "another run of the same name");
        assert_ne!(plain("r", "u", "t1", 1), plain("r", "u", "t", 11), "the border between the parts counts");
        assert_ne!(pod_name("r", "u", "t", Some(0), 1), plain("r", "u", "t", 1), "an item is not its task");
        assert_ne!(pod_name("r", "u", "t", Some(1), 11), pod_name("r", "u", "t", Some(11), 1));
        assert_eq!(plain("r", "u", "t", 1), plain("r", "u", "t", 1));
        assert_eq!(pod_name("r", "u", "t", Some(7), 2).rsplit_once('-').map(|it| it.0), Some("r-t-7-2"));
    }

    #[test]
    fn a_child_run_is_named_as_a_pod_is_and_never_the_same() {
        let (child, pod) = (child_name("run", "u", "t", None, 1), pod_name("run", "u", "t", None, 1));
        assert_eq!((child.len(), &child[..8]), (pod.len(), "run-t-1-"));
        assert_ne!(child, pod);
        let resource = resource_name("run", "u", "t", None, 1);
        assert!(resource != child && resource != pod && resource.starts_with("run-t-1-"), "{resource}");
        let name = child_name(&"a".repeat(63), "uid", &"b".repeat(40), Some(19_999), 4_000_000);
        assert!(name.len() <= 63, "{name}");
        assert_ne!(name, child_name(&"a".repeat(63), "uid", &"b".repeat(40), Some(19_999), 4_000_001));
    }

    #[test]
    fn a_cut_never_leaves_a_dash_before_a_dash() {
        let name = pod_name("nineteen-characters-x", "u", "fourteen-chars-", None, 1);
        assert!(name.starts_with("nineteen-characters-fourteen-chars-1-"), "{name}");
        assert!(!name.contains("--"), "{name}");
    }

    #[test]
    fn a_segment_is_named_by_its_content() {
        let segment = Segment {
            run: "a".repeat(63),
            run_uid: "uid".into(),
            number: u32::MAX,
            previous: Some("one-before".into()),
            lines: 1,
            log: "[1]\n".into(),
        };
        let name = segment_name(&segment, 0);
        assert!(name.starts_with("aaaaaaaaaaaaaaaaaaaa-log-4294967295-") && name.len() == 56, "{name}");
        assert_eq!(name, segment_name(&segment.clone(), 0), "whoever seals it");
        for other in [
            Segment { run_uid: "other".into(), ..segment.clone() },
            Segment { number: 1, ..segment.clone() },
            Segment { previous: None, ..segment.clone() },
            Segment { log: "[2]\n".into(), ..segment.clone() },
        ] {
            assert_ne!(name, segment_name(&other, 0), "{other:?}");
        }
        assert_ne!(name, segment_name(&segment, 1), "where that name is another's");
    }

    #[test]
    fn outputs_are_named_by_their_content() {
        let part = OutputsPart { run: "a".repeat(63), run_uid: "uid".into(), text: "{}\n".into() };
        let name = outputs_name(&part, 0);
        assert!(name.starts_with("aaaaaaaaaaaaaaaaaaaa-outputs-") && name.len() == 49, "{name}");
        let taken = outputs_name(&part, u32::MAX);
        assert!(taken.len() <= 63 && taken != name, "{taken}");
        assert!(is_outputs_name(&name, &part) && is_outputs_name(&taken, &part));
        for other in [
            OutputsPart { run_uid: "other".into(), ..part.clone() },
            OutputsPart { text: "{}".into(), ..part.clone() },
            OutputsPart { run: "b".into(), ..part.clone() },
        ] {
            assert!(!is_outputs_name(&name, &other), "{other:?}");
        }
    }

    #[test]
    fn a_revision_is_named_by_its_content() {
        let name = revision_name(Some("daily-sales"), "{}");
        assert!(name.starts_with("daily-sales-"));
        assert_ne!(name, revision_name(Some("daily-sales"), "{ }"));
        assert!(revision_name(None, "{}").starts_with("inline-"));
        assert!(revision_name(Some(&"w".repeat(63)), "{}").len() <= 63);
    }
}
