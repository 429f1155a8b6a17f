//! Gantline runs workflows on Kubernetes.
pub mod api;
pub mod app;
pub mod args;
pub mod controller;
pub mod engine;
pub mod plan;
pub mod pods;
pub mod telemetry;
