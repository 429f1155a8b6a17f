//! Fuzzing: whatever comes from outside, it is answered with a result or a clear error, within bounds, and others go on.
//!
//! | file | what is fed | what is asked |
//! |---|---|---|
//! | `pods` | the JSON of a pod | facts, the outputs in its message |
//! | `specs` | the JSON of a Workflow or a run | a plan or problems, parameters, manifests |
//! | `manifests` | bytes, and the text of manifests | findings with a place in the file |
//! | `expressions` | text, and JSON to evaluate it over | a value or an error |
//! | `statuses` | the JSON of a run, also of earlier versions | the same status after it was written and read |
//! | `names` | names of runs and tasks | names of pods and revisions |
//! | `decisions` | a status, a spec, pods and a time | the next status, and an end |
//! | `lists` | a list with one poisoned item | the other items |
//! | `hostile` | inputs made to break things | the words of the error |
//!
//! # How
//!
//! Inputs are documents that we know to be good, `examples/` and `statuses/` among them, changed in up to six places (`json`):
//! fields go, are repeated, are nested a thousand deep, get values of other types, of the same field elsewhere, or numbers that
//! no type holds. So most inputs get past the parser, where the code is that has to be tried. They are text, as the API
//! server sends it: repeated keys and numbers beyond a double are part of the game.
//!
//! It runs on stable Rust with proptest, which is a dependency anyway, makes such inputs and shrinks those that fail. Of the
//! tools that follow coverage, `cargo fuzz` needs a nightly compiler, and cargo-bolero, cargo-afl and honggfuzz need a tool
//! to be installed, an instrumented build of everything beside the usual one, and change bytes rather than fields: nobody
//! would run that with every change. That inputs get deep enough is counted and asserted instead.
//!
//! Every case has a number, which is its seed. `cargo test --test fuzz` runs the same few thousand cases every time;
//!
//! ```text
//! FUZZ_SECONDS=600 FUZZ_FROM=1000000 cargo test --test fuzz decisions -- --nocapture
//! ```
//!
//! goes on for ten minutes from another number. What fails is printed with the number that repeats it, and the smallest input
//! found that fails too. An input that aborts the process, as an overflow of the stack does, is the last that `FUZZ_TRACE=1`
//! prints.
//!
//! Laws over inputs that are made rather than changed stand beside the code: `src/plan/laws.rs`, `src/engine/tests/laws.rs`
//! and `src/plan/expr/tests/agreement.rs`, which compares with cel's own evaluator.

mod cases;
mod decisions;
mod expressions;
mod hostile;
mod json;
mod lists;
mod manifests;
mod names;
mod pods;
mod schema;
mod specs;
mod statuses;
mod world;
