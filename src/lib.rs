//! Gantline runs workflows on Kubernetes.
pub mod plan;
