//! A task's attempt as a Pod, and a Pod as facts.
//!
//! [`build()`] is the only place that knows what a pod of ours looks like, [`facts()`] the only one that knows how Kubernetes
//! tells what became of it. Both are total: every task gives a manifest, every pod, however odd, gives facts.
//! Pure: no I/O, no clock, no chance.
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::string_slice,
        clippy::todo,
        clippy::unimplemented,
        clippy::unreachable,
        clippy::unwrap_used
    )
)]

mod build;
mod claim;
mod disruption;
mod facts;
mod follow;
mod lenient;
mod merge;
#[cfg(test)]
mod odd;
mod slim;
mod text;
mod trouble;

pub use build::{Owner, PodSecurity, build};
pub use claim::{is_claim_of, volume_claim};
pub use facts::{belongs_to, facts, is_unlabelled_of, run_uid};
pub use merge::merge;
pub use slim::{SlimMeta, SlimPod};
