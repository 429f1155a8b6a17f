//! Gantline runs workflows on Kubernetes: you apply a `Workflow`, each execution is a `WorkflowRun`, each task of it a Pod
//! started when what it needs is done, and every transition is on record in the run's status. This page is the map of the code.
//!
//! # The one sentence
//!
//! Look at a run, decide what is next, write it down, then do it.
//!
//! ```text
//! watch events ─► cache ─► queue of keys ─► gather ─► decide (pure) ─► apply ─► status, then pods, then events
//!                   ▲                                                    │
//!                   └────────────── answers to our own writes ───────────┘
//! ```
//!
//! Read `controller::run`, which is that sentence on one screen, then [`engine::decide`], then whatever you came for.
//!
//! # The rooms
//!
//! | room | what it is | what it never does |
//! |---|---|---|
//! | [`mutant`] | faults made by hand, for a test build only | exist in a release |
//! | [`api`] | what users write and read: types, schemas, bounds, CEL rules | behave |
//! | [`plan`] | from a spec to a plan that cannot be wrong; all mistakes at once, each with its path | I/O, read a clock, panic |
//! | [`check`] | manifests as people write them: every mistake at its line and column | the same, and need a cluster |
//! | [`engine`] | the decision: facts and a status in, the next status and effects out | the same, and remember |
//! | [`describe`] | a run read back whole, for people and for tools | I/O, read a clock, panic |
//! | [`pods`] | an attempt as a Pod manifest, a Pod as facts | the same |
//! | [`objects`] | an attempt as another object: a child run, and that as facts | the same |
//! | [`lease`] | who of several operators leads: permits, and the protocol of the lease | I/O |
//! | [`controller`] | the shell: watches, caches, the queue, writes | decide |
//! | [`telemetry`], [`args`], [`app`] | logs and health, the command line, what each subcommand does | |
//!
//! A room uses only those above it in this table; a test holds that, and that the pure ones stay pure.
//!
//! # The laws
//!
//! 1. **Write it down, then do it.** Each round writes in this order: the record of a revision, the status (one
//!    compare-and-swap on `resourceVersion`, the only fence), then pods are created, finalizers released, pods deleted, Events
//!    told. A conflict ends the round. Whatever is cut off in between, the next round asks for again.
//! 2. [`engine::decide`] is total, deterministic, idempotent on its own result, and what has ended stays as it is. Every
//!    transition goes through one ledger and one table of what is legal.
//! 3. Identity is a uid, never a name. A pod is a run's own only if the controller reference and the labels agree.
//! 4. Decisions are made from states, not from events; nothing is decided on what isn't known. Where the caches can't be sure,
//!    a live read is made before anything is created.
//! 5. A pod keeps the finalizer `gantline.dev/outcome` until its outcome is on record, its run is gone, or someone made it one
//!    that nobody can recognise. It is the only finalizer, and it sits on pods only: that is why no outcome is lost and no
//!    deletion hangs.
//! 6. Bad input gives a clear error on the object that holds it, and costs nobody else anything.
//!
//! # Words
//!
//! A *run* executes a pinned *revision* of a *workflow*; a *task* is tried in *attempts*, each at most one Pod ever, or one
//! *child* run. What a
//! task still waits for is a *gate*. The *main* tasks are those that aren't of `finally`. *Failed* is the task's own fault, *disrupted* the infrastructure's.

pub mod api;
pub mod app;
pub mod args;
pub mod check;
pub mod controller;
pub mod describe;
pub mod engine;
pub mod lease;
pub mod mutant;
pub mod objects;
pub mod plan;
pub mod pods;
pub mod telemetry;
