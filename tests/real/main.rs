//! Behaviour on a real Kubernetes: real API server, real kubelet, real faults. `tests/run` makes the cluster and calls this.
//!
//! Each test has a namespace and an operator of its own, so that tests run side by side and may kill theirs.

mod control;
mod crash;
mod deletion;
mod hostile;
mod mistakes;
mod quiet;
mod stage;
mod story;
mod trouble;
