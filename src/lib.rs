//! Gantline runs workflows on Kubernetes.
pub mod api;
pub mod engine;
pub mod plan;
pub mod pods;
