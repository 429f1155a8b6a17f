//! Checks of the repository itself: that its layers hold, that what is generated is up to date, that examples are clean; and of
//! the checker that the simulator and the tests on a cluster use.

#[path = "../check/mod.rs"]
mod check;
mod command;
mod crds;
mod layers;
