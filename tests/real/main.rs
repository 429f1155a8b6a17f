//! Behaviour on a real Kubernetes: real API server, real kubelet, real faults. `tests/run` makes the cluster and calls this.
//!
//! Each test has a namespace and an operator of its own, so that tests run side by side and may kill theirs. Those of
//! `disturbing` and `leadership` run by themselves: the ones disturb all others, the others measure time.

mod abort;
mod api;
mod audited;
mod bad_input;
#[path = "../check/mod.rs"]
mod check;
mod children;
mod control;
mod crash;
mod deletion;
mod disturbing;
mod fake;
mod hostile;
mod installed;
mod items;
mod leadership;
mod many;
mod mistakes;
mod nodes;
mod proxy;
mod quiet;
mod resource;
mod someone;
mod stage;
mod story;
mod time;
mod trouble;
mod volume;
mod whole;
