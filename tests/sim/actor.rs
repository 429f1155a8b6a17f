//! What acts on the cluster by itself.

use jiff::Timestamp;

use crate::model::Server;

/// A played controller. It is called when the server's state has changed and when the time has come that it asked for.
pub trait Actor {
    /// Does all that is due; returns when it wants to act next, if nothing changes before.
    fn act(&mut self, server: &mut Server, now: Timestamp) -> Option<Timestamp>;
}
