//! The API server's audit log, as it grows: every request with its microseconds, under `tests/bench/audit-policy.yaml`.

use std::fs::File;
use std::io::{BufRead, BufReader, Seek, SeekFrom};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::api::Result;

/// A log that is read on and on.
pub struct Log {
    reader: BufReader<File>,
    /// A line that isn't whole yet.
    rest: String,
    namespace: String,
}

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Request {
    /// The operator that sent it, if one did.
    pub operator: Option<String>,
    pub verb: String,
    /// `pods`, `pods/status`, …
    pub resource: String,
    /// Name of the object; of a create, of what was made.
    pub name: String,
    pub code: u16,
    pub answered: Timestamp,
    /// Bytes of its body, where the policy keeps it.
    pub bytes: usize,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    stage: &'a str,
    verb: String,
    #[serde(default)]
    user_agent: String,
    #[serde(default)]
    object_ref: Target,
    response_status: Option<Answer>,
    stage_timestamp: Timestamp,
    #[serde(borrow)]
    request_object: Option<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Target {
    resource: String,
    subresource: String,
    namespace: String,
    name: String,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    code: u16,
}

impl Log {
    /// From now on, as far as it is about a namespace.
    pub fn from_now(path: &Path, namespace: &str) -> Result<Self> {
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        let mut file = File::open(path).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { reader: BufReader::new(file), rest: String::new(), namespace: namespace.to_owned() })
    }

    /// What has come since it was last asked, in the order of the answers.
    pub fn more(&mut self) -> Result<Vec<Request>> {
        let mut all = Vec::new();
        while self.reader.read_line(&mut self.rest).map_err(|error| error.to_string())? > 0 && self.rest.ends_with('\n')
        {
            if self.rest.contains(&self.namespace) {
                let event =
                    serde_json::from_str::<Event<'_>>(&self.rest).map_err(|error| format!("audit log: {error}"))?;
                all.extend(Some(event).filter(|it| it.object_ref.namespace == self.namespace).and_then(request));
            }
            self.rest.clear();
        }
        Ok(all)
    }
}

fn request(event: Event<'_>) -> Option<Request> {
    if event.stage != "ResponseComplete" {
        return None;
    }
    let Target { resource, subresource, name, .. } = event.object_ref;
    let operator = event.user_agent.strip_prefix("gantline/").map(str::to_owned);
    Some(Request {
        operator,
        verb: event.verb,
        resource: if subresource.is_empty() { resource } else { format!("{resource}/{subresource}") },
        name,
        code: event.response_status.map_or(0, |status| status.code),
        answered: event.stage_timestamp,
        bytes: event.request_object.map_or(0, |body| body.get().len()),
    })
}
