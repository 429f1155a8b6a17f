//! Checks of the repository itself: that its layers hold, that what is generated is up to date, that examples plan.

mod crds;
mod layers;
mod manifests;
