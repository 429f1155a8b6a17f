//! The operator over a played cluster, in virtual time: a model of the API server, played controllers, and the comparison of
//! the model with a real API server.

mod actor;
#[path = "../check/journal.rs"]
mod journal;
mod check {
    pub(crate) use crate::journal;
}
mod conform;
mod model;
