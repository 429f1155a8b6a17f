//! What comes over a world: requests, people, strangers, processes that start and end.

use serde_json::json;

use crate::fault::{Class, Point};
use crate::human::{Human, named_by};
use crate::looks;
use crate::model::{Answer, Request, Server};
use crate::network::short;
use crate::reached::{Place, Rare, text};
use crate::replica::Process;
use crate::scenario::NAMESPACE;
use crate::stranger;
use crate::stream::hash;
use crate::wire::Wire;
use crate::world::{LEASE, World};

impl World {
    /// Carries out a request of an operator's; then everyone learns of what changed.
    pub fn carry_out(&self, process: &Process, point: Point, request: &Request) -> Answer {
        let now = self.now();
        let mut guard = self.state();
        let state = &mut *guard;
        let late = point.class == Class::Write && !leads(&state.server, &process.identity);
        let waiting = looks::waiting(&state.server, request);
        let refusal = self.refusal(request);
        let answer = refusal.unwrap_or_else(|| state.server.handle(&process.identity, request, now));
        let (code, version) = match &answer {
            Answer::Object { code, body, .. } => (*code, text(body, "/metadata/resourceVersion")),
            Answer::Watch(_) => (200, ""),
        };
        if late {
            state.reached.count(Rare::LateWrite);
            if code < 300 {
                state.reached.count(Rare::LateWriteApplied);
            }
        }
        state.reached.judged(process, request, &answer, &state.server);
        let revision = state.server.revision();
        let wrong = state.looks.judge(&process.identity, request, waiting, &answer, revision);
        state.broken.extend(wrong.map(|wrong| ("S10", wrong)));
        let numbers = [4, u64::from(process.replica), u64::from(code), hash(version.as_bytes())];
        let line = || {
            format!("{} == {point} {} {}: {code} @{version}", process.identity, request.method, short(&request.path))
        };
        if point.class == Class::Lease && code < 300 {
            state.trace.quietly(self.millis(), &numbers);
        } else {
            state.trace.note(self.millis(), &numbers, line);
        }
        self.publish(state);
        answer
    }

    /// What the scenario has the API server say to a create of a pod or a volume claim, where it refuses those for a while.
    fn refusal(&self, request: &Request) -> Option<Answer> {
        let refusal = self.scenario.refuse_creates.as_ref()?;
        let now = self.millis();
        let resource = Place::of(&request.path).resource;
        let refused = ["pods", "persistentvolumeclaims"].contains(&resource);
        let is_create = request.method == http::Method::POST && refused;
        (is_create && (refusal.from_ms..refusal.until_ms).contains(&now)).then(|| Answer::Object {
            code: refusal.code,
            body: json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": refusal.code,
                "reason": refusal.reason, "message": refusal.message, "details": { "kind": resource },
            }),
            retry_after: None,
        })
    }

    /// A person acts.
    pub fn human(&self, action: &Human) {
        if self.act(|server, now| action.act(server, &self.scenario, now)) {
            self.state().deeds.push(action.clone());
        }
    }

    /// Someone replaces the pod that is about to be deleted.
    pub fn namesake(&self, request: &Request) {
        let path = request.path.split('?').next().unwrap_or_default();
        let name = path.rsplit('/').next().unwrap_or_default();
        let named = self.state().server.get("pods", NAMESPACE, name).and_then(|pod| named_by(pod));
        if let Some((run, task)) = named {
            self.human(&Human::ReplacePod { run, task });
        }
    }

    /// A stranger comes.
    pub fn stranger(&self, kind: u8) {
        self.act(|server, now| {
            let object = stranger::object(kind, server);
            Wire { server, actor: "stranger", now }.create(&object)
        });
    }

    /// A process starts.
    pub fn process_starts(&self, process: &Process) {
        let mut guard = self.state();
        let state = &mut *guard;
        state.operators.push(process.identity.clone());
        if process.incarnation > 1 {
            state.reached.restarted(&state.server);
        }
        let numbers = [5, u64::from(process.replica), u64::from(process.incarnation)];
        state.trace.note(self.millis(), &numbers, || format!("{} starts", process.identity));
    }

    /// A process ended.
    pub fn process_ended(&self, process: &Process, why: &str) {
        let numbers = [6, u64::from(process.replica), u64::from(process.incarnation)];
        self.state().trace.note(self.millis(), &numbers, || format!("{} ended: {why}", process.identity));
    }

    /// A process thawed.
    pub fn process_thawed(&self, process: &Process) {
        let mut guard = self.state();
        let state = &mut *guard;
        let holder = holder(&state.server);
        if !process.is_dead() && !holder.is_empty() && holder != process.identity {
            state.reached.count(Rare::TwoLeaders);
        }
        state.trace.note(self.millis(), &[8, u64::from(process.replica)], || format!("{} thaws", process.identity));
    }
}

/// Who holds the lease; empty if nobody does, or there is none.
fn holder(server: &Server) -> &str {
    server.get("leases", LEASE.0, LEASE.1).map_or("", |lease| text(lease, "/spec/holderIdentity"))
}

/// Whether nobody else holds the lease.
fn leads(server: &Server, identity: &str) -> bool {
    matches!(holder(server), holder if holder == identity || server.get("leases", LEASE.0, LEASE.1).is_none())
}
