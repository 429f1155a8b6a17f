//! Objects of one kind as they were last heard of. What is older than that, or comes after an object's end, changes nothing.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use indexmap::IndexMap;

use crate::mutant::{Mutant, is};

/// Uids of deleted objects that are remembered, oldest forgotten first.
const GRAVES: usize = 20_000;

/// Objects of one kind, by uid.
#[derive(Debug)]
pub struct Shelf<T> {
    items: IndexMap<String, (u64, Arc<T>)>,
    graves: Graves,
}

/// Uids of deleted objects.
#[derive(Debug, Default)]
struct Graves {
    order: VecDeque<String>,
    uids: HashSet<String>,
}

impl Graves {
    fn bury(&mut self, uid: &str) {
        if self.uids.insert(uid.to_owned()) {
            self.order.push_back(uid.to_owned());
        }
        while self.order.len() > GRAVES {
            if let Some(oldest) = self.order.pop_front() {
                self.uids.remove(&oldest);
            }
        }
    }
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { items: IndexMap::new(), graves: Graves::default() }
    }
}

impl<T> Shelf<T> {
    /// Takes an object in; false if what is known is as new, or the object was deleted.
    pub fn put(&mut self, uid: &str, version: u64, item: T) -> bool {
        let is_news = self.is_news(uid, version);
        if is_news {
            self.items.insert(uid.to_owned(), (version, Arc::new(item)));
        }
        is_news
    }

    /// What is known of an object is true still at this version; false as [`Shelf::put`] is, or if nothing is known.
    pub fn keep(&mut self, uid: &str, version: u64) -> bool {
        let is_news = self.is_news(uid, version);
        let known = self.items.get_mut(uid).filter(|_| is_news);
        known.map(|(known, _)| *known = version).is_some()
    }

    fn is_news(&self, uid: &str, version: u64) -> bool {
        let is_known = self.items.get(uid).is_some_and(|(known, _)| *known >= version) && !is(Mutant::OlderNewsWins);
        let is_dead = self.graves.uids.contains(uid) && !is(Mutant::DeadRise);
        !is_known && !is_dead
    }

    /// An object is gone; whether it was known.
    pub fn bury(&mut self, uid: &str) -> bool {
        self.graves.bury(uid);
        self.items.swap_remove(uid).is_some()
    }

    /// Uids of those of which this is so.
    pub fn uids(&self, which: impl Fn(&T) -> bool) -> BTreeSet<String> {
        self.iter().filter(|(_, item)| which(item)).map(|(uid, _)| uid.clone()).collect()
    }

    /// The object of this uid.
    pub fn get(&self, uid: &str) -> Option<Arc<T>> {
        self.items.get(uid).map(|(_, item)| Arc::clone(item))
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &T)> {
        self.items.iter().map(|(uid, (_, item))| (uid, item.as_ref()))
    }
}
