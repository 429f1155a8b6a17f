//! From a spec to a plan that cannot be wrong.

pub mod expr;
