//! The operator as the world sees it. Only this file knows how it is started.

use std::pin::Pin;
use std::sync::Arc;

use gantline::controller::{self, Cluster, Context, Settings};
use gantline::engine::Hot;
use gantline::lease::{Permit, Place};
use gantline::plan::Granted;
use gantline::pods::PodSecurity;
use jiff::Timestamp;

use crate::world::LEASE;

/// A whole operator, its lease election included: not polling it freezes it, dropping it crashes it. It ends with a reason.
pub type Operator = Pin<Box<dyn Future<Output = String> + Send>>;

/// Why an operator ends that was asked to.
pub const STOPPED: &str = "stopped";

/// A wall clock.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Starts an operator under a name that no other has; it stops in good order when `stop` resolves. Beside it, what it knows.
pub fn start(
    client: kube::Client,
    identity: &str,
    clock: Clock,
    [creates, kept_pods]: [usize; 2],
    hot: Hot,
    stop: impl Future<Output = ()> + Send + 'static,
) -> (Operator, Arc<Context>) {
    let settings = Settings {
        namespaces: Vec::new(),
        pod_security: PodSecurity::default(),
        identity: identity.to_owned(),
        lease: Some(Place { namespace: LEASE.0.to_owned(), name: LEASE.1.to_owned() }),
        creates,
        kept_pods,
        granted: Granted::new(vec!["example.org/v1/Load=loads".parse().expect("a grant")]),
        hot,
    };
    let context = Arc::new(Context::new(Cluster::new(client, Permit::none()), settings, clock));
    let mind = Arc::clone(&context);
    let operator = Box::pin(async move {
        match controller::run(context, || {}, stop).await {
            Ok(()) => STOPPED.to_owned(),
            Err(broken) => broken.to_string(),
        }
    });
    (operator, mind)
}
