//! What the API server's audit log says of a namespace: what operators wrote there, and whether anything that must never happen
//! did.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::PathBuf;

use jiff::Timestamp;
use serde_json::Value;

use super::check::audit::{self, Audited as Audit};
use super::check::{Rules, check};

/// The part of the audit log from a moment on, as far as it concerns some namespaces. Empty where there is no log.
pub struct Audited {
    log: Option<(PathBuf, u64)>,
    namespaces: Vec<String>,
}

/// A write of an operator.
pub struct Write {
    /// When the API server received it.
    pub at: Timestamp,
    /// How the operator names itself.
    agent: String,
    /// Verb and path.
    pub what: String,
    /// Whether it was carried out.
    pub done: bool,
}

impl Write {
    /// Whether it is of the operator that runs as a pod of this name.
    pub fn is_by(&self, name: &str) -> bool {
        self.agent.contains(&format!("({name}_"))
    }
}

impl Audited {
    /// From now on.
    pub fn from_now(namespace: &str) -> Self {
        let log = std::env::var_os("GANTLINE_AUDIT_LOG").map(|path| {
            let path = PathBuf::from(path);
            let length = std::fs::metadata(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).len();
            (path, length)
        });
        Self { log, namespaces: vec![namespace.to_owned()] }
    }

    /// From the beginning of the log on.
    pub fn whole(namespaces: Vec<String>) -> Self {
        let log = std::env::var_os("GANTLINE_AUDIT_LOG").map(|path| (PathBuf::from(path), 0));
        Self { log, namespaces }
    }

    /// Whether there is a log.
    pub fn is_kept(&self) -> bool {
        self.log.is_some()
    }

    /// What operators wrote, oldest first, but for leases. The API server writes its log as it answers.
    pub fn writes(&self) -> Vec<Write> {
        let mut writes: Vec<Write> = self.entries().iter().filter_map(write).collect();
        writes.sort_by_key(|write| write.at);
        writes
    }

    /// Panics with everything that must never happen and did; returns figures. Everything must have come to rest, and no
    /// operator been killed with a request under way: of that the log may tell nothing.
    pub fn is_clean(&self) -> String {
        let (violations, figures) = self.check();
        let all = violations.join("\n");
        assert!(violations.is_empty(), "the audit log of {:?} tells what must never happen:\n{all}", self.namespaces);
        figures
    }

    /// What must never happen and did, each with its invariant first; and figures.
    pub fn check(&self) -> (Vec<String>, String) {
        if !self.is_kept() {
            return (Vec::new(), "there is no audit log".to_owned());
        }
        let lines = self.lines();
        let namespaces: Vec<&str> = self.namespaces.iter().map(String::as_str).collect();
        let Audit { journal, rules } = audit::read(lines.as_bytes(), &namespaces).expect("an audit log");
        assert!(!rules.operators.is_empty(), "the log of {namespaces:?} tells of no operator");
        let findings = check(&journal, &Rules { settled: true, ..rules });
        let violations = findings.violations.iter().map(|it| format!("{}: {}", it.invariant, it.what)).collect();
        let looks: Vec<_> =
            findings.evaluated.iter().map(|(invariant, times)| format!("{invariant} {times}")).collect();
        (
            violations,
            format!("{}: {} writes; looks: {}", namespaces.join(", "), journal.entries.len(), looks.join(", ")),
        )
    }

    fn entries(&self) -> Vec<Value> {
        let lines = self.lines();
        let entries = lines.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
        entries
            .filter(|entry| self.namespaces.iter().any(|it| entry["objectRef"]["namespace"] == it.as_str()))
            .collect()
    }

    /// The lines that have to do with the namespaces. Of the last one of all, the end may not be written yet.
    fn lines(&self) -> String {
        let Some((path, begin)) = &self.log else { return String::new() };
        let mut log = BufReader::new(File::open(path).expect("the audit log"));
        log.seek(SeekFrom::Start(*begin)).expect("a place in it");
        let (mut all, mut line) = (String::new(), String::new());
        while log.read_line(&mut line).expect("the audit log") > 0 && line.ends_with('\n') {
            if self.namespaces.iter().any(|namespace| line.contains(namespace)) {
                all.push_str(&line);
            }
            line.clear();
        }
        all
    }
}

fn write(entry: &Value) -> Option<Write> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (agent, verb) = (text(&entry["userAgent"]), text(&entry["verb"]));
    let is_write = !["get", "list", "watch"].contains(&verb.as_str()) && entry["objectRef"]["resource"] != "leases";
    (is_write && agent.starts_with("gantline/")).then(|| Write {
        at: text(&entry["requestReceivedTimestamp"]).parse().expect("a time"),
        agent,
        what: format!("{verb} {}", text(&entry["requestURI"])),
        done: entry["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300),
    })
}
