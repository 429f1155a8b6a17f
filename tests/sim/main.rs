//! The real operator in a simulated cluster: thousands of worlds, each with its own faults, each as its seed has it.
//!
//! | file | part |
//! |---|---|
//! | `model` | the API server and etcd, the garbage collector, the namespace controller |
//! | `kubelet`, `loader`, `human`, `scenario`, `reference` | what is played in it, and the end that must come |
//! | `conform` | the model compared with a real API server |
//! | `network`, `watching`, `signal` | what lies between an operator and the API server |
//! | `replica`, `operator` | processes that crash, freeze and are started again |
//! | `world`, `happening`, `outcome` | one world, from its beginning to the verdict |
//! | `fault`, `stranger`, `schedule` | what goes wrong, and where |
//! | `enumerate`, `swarm` | schedules: all of a kind, and by chance |
//! | `mutants` | faults made by hand in the operator, each of which must be caught |
//! | `campaign`, `shrink`, `story`, `reached`, `report` | many worlds, small failures, evidence |
//! | `counts` | what runs cost: requests, bytes and rounds |

#![expect(
    clippy::similar_names,
    reason = "a server serves, what is sent is sent on, and at and it are at hand everywhere"
)]
#![expect(clippy::struct_excessive_bools, reason = "facts of a played pod or run, any of which may hold together")]
#![expect(clippy::type_complexity, reason = "tables of functions, each read once")]

mod actor;
mod campaign;
#[path = "../check/mod.rs"]
mod check;
mod conform;
mod counts;
mod enumerate;
mod fault;
mod happening;
mod human;
mod kubelet;
mod loader;
mod looks;
mod model;
#[cfg(feature = "mutants")]
mod mutants;
mod network;
mod operator;
mod outcome;
mod reached;
mod reference;
mod replay;
mod replica;
mod report;
mod rng;
mod scenario;
mod schedule;
mod shrink;
mod signal;
mod story;
mod stranger;
mod stream;
mod swarm;
mod watching;
mod wire;
mod world;
