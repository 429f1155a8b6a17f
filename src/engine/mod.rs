//! The decision.
mod observed;
pub mod outputs;

pub use observed::{
    Disruption, MainEnd, MainState, PodFacts, PodPhase, Refusal, RefusalKind, Sight, Sights,
    Trouble,
};
