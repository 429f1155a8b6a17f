//! The scheduler, the kubelets and the node controllers, played by script.

mod behaviour;
mod catalogue;

pub use behaviour::{Behaviour, Hindrance, OnTerm, Reports, Taken, Taker, Trouble, WRONG_ENV, When, Work};
pub use catalogue::catalogue;
