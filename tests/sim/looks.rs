//! S10, of what no journal tells: whoever lets a run have a slot, or turns it away, has looked at all others since the run said that
//! it wants one. What a cache tells of them may be older than that.

use std::collections::BTreeMap;

use http::Method;

use crate::model::{Answer, Request, Server};
use crate::reached::{Place, text};

/// At which revision each process last asked for all runs, by its name.
#[derive(Default)]
pub struct Looks {
    last: BTreeMap<String, u64>,
}

/// The version of the run that waits for a slot, where a request is to write its status.
pub fn waiting(server: &Server, request: &Request) -> Option<u64> {
    let place = Place::of(&request.path);
    if request.method != Method::PUT || (place.resource, place.subresource) != ("workflowruns", "status") {
        return None;
    }
    let run = server.get(place.resource, place.namespace, place.name)?;
    let version = text(run, "/metadata/resourceVersion").parse().ok()?;
    (text(run, "/status/phase") == "Queued").then_some(version)
}

impl Looks {
    /// A request of an operator's was carried out, at this revision; says what is wrong with that. `waiting` is as it was before.
    pub fn judge(
        &mut self,
        operator: &str,
        request: &Request,
        waiting: Option<u64>,
        answer: &Answer,
        revision: u64,
    ) -> Option<String> {
        let Answer::Object { code: 200, body, .. } = answer else { return None };
        let place = Place::of(&request.path);
        if request.method == Method::GET && place.resource == "workflowruns" && place.name.is_empty() {
            self.last.insert(operator.to_owned(), revision);
        }
        let version = waiting?;
        let (phase, reason) = (text(body, "/status/phase"), text(body, "/status/reason"));
        let is_settled = matches!(phase, "Running" | "Suspended") || reason == "ConcurrencyLimit";
        let looked = self.last.get(operator).copied().unwrap_or(0);
        (is_settled && looked < version).then(|| {
            let run = place.name;
            format!(
                "run {run} waited for a slot at {version}, and is {phase} {reason} by what {operator} knew at {looked}"
            )
        })
    }
}
