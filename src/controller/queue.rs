//! The queue of keys: at most one round a key at a time, no change lost, nothing waits that could go on.
//!
//! Synchronous, ordered, and told the time: whoever drives it owns the clock. It is a clock that never leaps, so that no wake-up
//! is late because someone set the time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use tokio::time::Instant;

use crate::mutant::{Mutant, is};

/// Keys that are ready, running, or wait for a time.
#[derive(Debug)]
pub struct Queue<K> {
    ready: VecDeque<K>,
    states: BTreeMap<K, State>,
    wakes: BTreeSet<(Instant, K)>,
}

/// What is known of a key that is not at rest.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    queued: bool,
    running: bool,
    /// Something changed while it ran: it must run again.
    dirty: bool,
    wake: Option<Instant>,
    /// It doesn't run before.
    held: Option<Instant>,
}

impl State {
    const fn at_rest(self) -> bool {
        !self.queued && !self.running && self.wake.is_none() && self.held.is_none()
    }
}

impl<K> Default for Queue<K> {
    fn default() -> Self {
        Self { ready: VecDeque::new(), states: BTreeMap::new(), wakes: BTreeSet::new() }
    }
}

impl<K: Clone + Ord> Queue<K> {
    /// Something changed for this key: it is to run, as soon as it doesn't run already and isn't held back.
    pub fn add(&mut self, key: K) {
        let state = self.states.entry(key.clone()).or_default();
        if let Some(until) = state.held {
            self.wake_at(key, until);
        } else if state.running {
            state.dirty = !is(Mutant::ChangeLost);
        } else if !state.queued {
            state.queued = true;
            self.ready.push_back(key);
        }
    }

    /// The key, whose round goes on, is not to run again before `until`: whatever changes meanwhile is looked at then, at once. The
    /// latest of several such times holds.
    pub fn hold(&mut self, key: K, until: Instant) {
        let state = self.states.entry(key.clone()).or_default();
        let until = state.held.map_or(until, |later| later.max(until));
        state.held = Some(until);
        if std::mem::take(&mut state.dirty) || state.wake.is_some_and(|at| at < until) {
            self.forget_wake(&key);
            self.wake_at(key, until);
        } else {
            // Nobody may ask for it again; then it is forgotten.
            self.wakes.insert((until, key));
        }
    }

    fn forget_wake(&mut self, key: &K) {
        if let Some(at) = self.states.get_mut(key).and_then(|state| state.wake.take()) {
            self.wakes.remove(&(at, key.clone()));
        }
    }

    /// The key is to run at `at` at the latest, but not while it is held back. The earliest of several wishes holds until the key
    /// runs.
    pub fn wake_at(&mut self, key: K, at: Instant) {
        let state = self.states.entry(key.clone()).or_default();
        let at = state.held.map_or(at, |until| at.max(until));
        if state.wake.is_some_and(|earlier| earlier <= at) {
            return;
        }
        if let Some(later) = state.wake.replace(at) {
            self.wakes.remove(&(later, key.clone()));
        }
        if !is(Mutant::WakeForgotten) {
            self.wakes.insert((at, key));
        }
    }

    /// Takes the next key to run at `now`. Its wishes for a later time are forgotten: the round makes them anew.
    pub fn next(&mut self, now: Instant) -> Option<K> {
        while self.wakes.first().is_some_and(|(at, _)| *at <= now) {
            let Some((at, key)) = self.wakes.pop_first() else { break };
            let Some(state) = self.states.get_mut(&key) else { continue };
            state.held = state.held.filter(|until| *until > at);
            if state.wake == Some(at) {
                state.wake = None;
                self.add(key);
            } else if state.at_rest() {
                self.states.remove(&key);
            }
        }
        let key = self.ready.pop_front()?;
        let state = self.states.entry(key.clone()).or_default();
        (state.queued, state.running, state.held) = (false, true, None);
        self.forget_wake(&key);
        Some(key)
    }

    /// The key's round is over.
    pub fn done(&mut self, key: &K) {
        let Some(state) = self.states.get_mut(key) else { return };
        state.running = false;
        if std::mem::take(&mut state.dirty) {
            self.add(key.clone());
        } else if state.at_rest() {
            self.states.remove(key);
        }
    }

    /// Whether a round of the key goes on.
    #[must_use]
    pub fn is_running(&self, key: &K) -> bool {
        self.states.get(key).is_some_and(|state| state.running)
    }

    /// The earliest time at which a key asked to be woken.
    #[must_use]
    pub fn next_wake(&self) -> Option<Instant> {
        self.wakes.first().map(|(at, _)| *at)
    }

    /// Keys that are ready or run.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.states.values().filter(|state| state.queued || state.running).count()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_key_is_queued_once() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.add("a");
        queue.add("b");
        queue.add("a");
        assert_eq!((queue.next(at(0)), queue.next(at(0)), queue.next(at(0))), (Some("a"), Some("b"), None));
    }

    #[test]
    fn a_change_during_a_round_is_not_lost_and_never_runs_beside_it() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.add("a");
        assert_eq!(queue.next(at(0)), Some("a"));
        queue.add("a");
        assert_eq!(queue.next(at(0)), None, "it runs already");
        queue.done(&"a");
        assert_eq!(queue.next(at(0)), Some("a"));
        queue.done(&"a");
        assert_eq!(queue.next(at(0)), None);
        assert_eq!(queue.depth(), 0);
    }

    #[test]
    fn what_changes_while_a_key_is_held_back_is_looked_at_once_and_then_at_once() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.add("a");
        assert_eq!(queue.next(at(0)), Some("a"));
        queue.add("a");
        queue.wake_at("a", at(2));
        queue.hold("a", at(5));
        queue.wake_at("a", at(1));
        queue.done(&"a");
        queue.add("a");
        assert_eq!((queue.next(at(4)), queue.next_wake()), (None, Some(at(5))));
        assert_eq!(queue.next(at(5)), Some("a"));
        queue.done(&"a");
        assert_eq!((queue.next(at(9)), queue.depth()), (None, 0), "once");
    }

    #[test]
    fn a_key_that_is_held_back_runs_at_once_when_something_changes_after_that() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.add("a");
        assert_eq!(queue.next(at(0)), Some("a"));
        queue.hold("a", at(5));
        queue.done(&"a");
        assert_eq!(queue.next(at(5)), None, "nothing changed, so it isn't woken");
        assert!(queue.states.is_empty(), "and it is forgotten");
        queue.wake_at("a", at(30));
        queue.add("a");
        assert_eq!(queue.next(at(6)), Some("a"));
    }

    #[test]
    fn the_latest_of_several_times_until_which_a_key_is_held_back_holds() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.add("a");
        assert_eq!(queue.next(at(0)), Some("a"));
        queue.hold("a", at(3));
        queue.hold("a", at(5));
        queue.hold("a", at(4));
        queue.done(&"a");
        queue.add("a");
        assert_eq!((queue.next(at(4)), queue.next_wake()), (None, Some(at(5))));
        assert_eq!(queue.next(at(5)), Some("a"));
    }

    #[test]
    fn the_earliest_wish_holds_and_is_forgotten_when_the_key_runs() {
        let begin = Instant::now();
        let at = |second| begin + Duration::from_secs(second);
        let mut queue = Queue::default();
        queue.wake_at("a", at(20));
        queue.wake_at("a", at(10));
        queue.wake_at("a", at(30));
        assert_eq!(queue.next_wake(), Some(at(10)));
        assert_eq!(queue.next(at(9)), None);
        assert_eq!(queue.next(at(10)), Some("a"));
        assert_eq!(queue.next_wake(), None);
        queue.wake_at("a", at(40));
        queue.done(&"a");
        assert_eq!(queue.next_wake(), Some(at(40)), "a wish made during the round stays");
        queue.add("a");
        assert_eq!(queue.next(at(11)), Some("a"));
        queue.done(&"a");
        assert_eq!(queue.next_wake(), None);
    }
}
