//! Every behaviour worth trying on any task: a schedule names one by its place in this list.

use super::behaviour::{Behaviour, OnTerm, Reports, Taken, Taker, Trouble, When, Work};

/// All of them, in an order that stays. Those that succeed leave `message`, so that what reads the outputs goes on.
pub fn catalogue(message: &str) -> Vec<Behaviour> {
    let plain = || Behaviour::succeeds(2_000, message);
    let term = |on_term| plain().on_term(on_term);
    let mut all = vec![
        plain(),
        Behaviour::succeeds(0, message),
        Behaviour { start_ms: 0, reports: Reports { lag_ms: 0, phase_lag_ms: 0, collapsed: false }, ..plain() },
        Behaviour { start_ms: 30_000, ..plain() },
        Behaviour { reports: Reports { lag_ms: 2_000, phase_lag_ms: 8_000, collapsed: false }, ..plain() },
        Behaviour { reports: Reports { lag_ms: 20, phase_lag_ms: 0, collapsed: true }, ..plain() },
        Behaviour { lingers_ms: 60_000, ..plain() },
        Behaviour::exits(2_000, 3, "row 17 has no price"),
        Behaviour { lingers_ms: 60_000, ..Behaviour::exits(2_000, 3, "row 17 has no price") },
        Behaviour::exits(2_000, 0, "no=output that is declared"),
        Behaviour::works(Work::OutOfMemory { after_ms: 2_000 }),
        Behaviour::works(Work::StartError),
        plain().hindered(Trouble::Unschedulable, 45_000),
        plain().hindered(Trouble::ImagePull, 45_000),
        plain().hindered(Trouble::PodConfig, 45_000),
        plain().hindered(Trouble::Unschedulable, 5_000).hindered(Trouble::ImagePull, 5_000),
        plain().taken(When::BeforeStart, Taker::Rejection),
    ];
    let takers = [
        Taker::Eviction,
        Taker::Preemption,
        Taker::NodePressure,
        Taker::Shutdown,
        Taker::OwnUse,
        Taker::NodeLost { away_ms: 60_000, returns: true },
        Taker::NodeLost { away_ms: 60_000, returns: false },
        Taker::NodeLost { away_ms: 1_000, returns: true },
        Taker::Silence { for_ms: 30_000 },
        Taker::Person,
    ];
    for by in takers {
        for when in [When::BeforeStart, When::Running(1_000), When::Ended(300), When::Ended(5_000)] {
            all.push(plain().taken(when, by));
        }
    }
    for by in [Taker::Eviction, Taker::NodeLost { away_ms: 60_000, returns: true }, Taker::Person] {
        let taken = Some(Taken { when: When::Running(1_000), by });
        all.push(Behaviour { taken, ..term(OnTerm::Finishes { after_ms: 700 }) });
        all.push(Behaviour { taken, ..term(OnTerm::Ignores) });
        all.push(Behaviour { taken, lingers_ms: 60_000, ..term(OnTerm::Dies { after_ms: 3_000 }) });
    }
    all
}
