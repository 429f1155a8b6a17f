//! The decision.
mod observed;

pub use observed::{
    Disruption, MainEnd, MainState, PodFacts, PodPhase, Refusal, RefusalKind, Sight, Sights,
    Trouble,
};
