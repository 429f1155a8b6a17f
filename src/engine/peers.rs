//! The other runs of a workflow whose runs share slots, as far as they matter to one another.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::api::{ConcurrencyStatus, RunPhase, WhenFull, WorkflowRunSpec};
use crate::mutant::{Mutant, is};

/// The other runs of the same Workflow that have not ended.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Peers {
    /// All of them.
    pub all: Vec<Peer>,
    /// Whether they were read from the API server after this run's own status was on record. Only then may a slot be taken, or
    /// somebody be turned away: what a cache tells may be older than what others have claimed.
    pub live: bool,
}

/// Another run of the same Workflow.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// When its turn is.
    pub turn: Turn,
    /// What the key came to for it. One without a key shares its slots with all.
    pub key: Option<String>,
    /// What it has or wants.
    pub standing: Standing,
}

/// The order in which runs get slots, the first first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    priority: Reverse<i32>,
    age: Age,
}

/// How old a run is, the oldest first; of those of one second, by name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Age {
    created: Option<Timestamp>,
    name: String,
}

impl Turn {
    /// Of a run of this priority.
    #[must_use]
    pub fn new(priority: i32, created: Option<Timestamp>, name: &str) -> Self {
        let priority = if is(Mutant::PriorityIgnored) { 0 } else { priority };
        Self { priority: Reverse(priority), age: Age { created, name: name.to_owned() } }
    }

    /// How old the run is.
    #[must_use]
    pub const fn age(&self) -> &Age {
        &self.age
    }
}

/// What a run has or wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It has a slot.
    Holds {
        /// Whether it goes on: it is not being stopped or deleted.
        goes_on: bool,
    },
    /// It has none.
    Waits {
        /// Whether it lays claim to one, and may take it at any time.
        claimed: bool,
        /// Whether it asks for one: it is not suspended, nor about to end.
        asks: bool,
        /// How many may run at the same time, as it sees it.
        max: u32,
        /// What is to happen while all slots are taken.
        when_full: WhenFull,
    },
}

/// What a run's manifest and status tell its peers.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Its name.
    pub name: &'a str,
    /// When it was created.
    pub created: Option<Timestamp>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its priority.
    pub priority: i32,
    /// Whether `spec.suspend` or `spec.cancel` is set.
    pub held_back: bool,
    /// Its phase.
    pub phase: RunPhase,
    /// What it has on record of slots.
    pub concurrency: Option<&'a ConcurrencyStatus>,
}

/// Whether a run that is in this generation asks for no slot for now, or never will.
#[must_use]
pub fn is_held_back(spec: &WorkflowRunSpec, generation: u32) -> bool {
    spec.suspend || spec.cancel.as_ref().is_some_and(|cancel| cancel.generation >= generation)
}

impl Peer {
    /// A run as its peers see it; `None` if it neither has a slot nor waits for one.
    #[must_use]
    pub fn of(told: &Told<'_>) -> Option<Self> {
        let Told { name, created, deleting, priority, held_back, phase, concurrency } = *told;
        let ended = is(Mutant::SlotEndsWithStop) && phase == RunPhase::Stopping;
        let standing = match concurrency {
            _ if phase.is_under_way() && !ended => {
                Standing::Holds { goes_on: phase != RunPhase::Stopping && !deleting }
            }
            Some(own) if phase == RunPhase::Queued => Standing::Waits {
                claimed: own.claimed,
                asks: !held_back && !deleting,
                max: own.max,
                when_full: own.when_full,
            },
            _ => return None,
        };
        let key = concurrency.and_then(|own| own.key.clone());
        Some(Self { turn: Turn::new(priority, created, name), key, standing })
    }

    /// One that can't be read: it may have a slot.
    #[must_use]
    pub fn unreadable(created: Option<Timestamp>, name: &str) -> Self {
        Self { turn: Turn::new(0, created, name), key: None, standing: Standing::Holds { goes_on: false } }
    }

    /// Whether it shares slots with a run of this key. It is mutual.
    #[must_use]
    pub fn shares_with(&self, key: Option<&str>) -> bool {
        let own = self.key.as_deref();
        own.is_none() || key.is_none() || own == key
    }

    pub(super) const fn holds(&self) -> bool {
        matches!(self.standing, Standing::Holds { .. })
    }

    pub(super) const fn goes_on(&self) -> bool {
        matches!(self.standing, Standing::Holds { goes_on: true })
    }

    pub(super) const fn has_claimed(&self) -> bool {
        matches!(self.standing, Standing::Waits { claimed: true, .. })
    }

    pub(super) const fn asks(&self) -> bool {
        matches!(self.standing, Standing::Waits { asks: true, .. })
    }

    /// Whether it waits for the oldest run to be cancelled for it, and how many may run at the same time.
    pub(super) const fn displaces(&self) -> Option<u32> {
        match self.standing {
            Standing::Waits { asks: true, claimed: false, max, when_full: WhenFull::CancelOldest } => Some(max),
            _ => None,
        }
    }
}
