//! An attempt as another object than a Pod, and that object as facts.
//!
//! Pure and total, as `pods` is: every task gives a manifest, every object, however odd, gives facts.
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

pub mod child;
pub mod resource;
