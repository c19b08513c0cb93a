//! The inboxes' counters in memory, as of the last commit.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::domain::change::Counts;
use crate::domain::cursor::Epoch;
use crate::domain::ids::{Rev, UserId};

/// An inbox's row, with its latest generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Inbox {
    pub id: i64,
    pub head: Rev,
    pub unread: u64,
    pub unseen: u64,
    /// The seen mark.
    pub seen: Rev,
    pub rows: u64,
    pub logged: u64,
    pub log_floor: Rev,
    pub generation: Option<i64>,
    pub epoch: Epoch,
}

impl Inbox {
    pub fn new(id: i64) -> Self {
        Self {
            id,
            head: 0,
            unread: 0,
            unseen: 0,
            seen: 0,
            rows: 0,
            logged: 0,
            log_floor: 0,
            generation: None,
            epoch: Epoch::NONE,
        }
    }

    pub fn counts(&self) -> Counts {
        Counts { unread: self.unread, unseen: self.unseen, rev: self.head }
    }
}

/// Inboxes that are kept; with some 150 bytes each this is 15 MB, and a miss costs one lookup.
const INBOXES: usize = 100_000;

/// Written by the writer alone, and only after COMMIT returned. Held for a lookup or an insertion, never over SQL.
#[derive(Default)]
pub(in crate::store) struct Cache(Mutex<HashMap<UserId, Inbox>>);

impl Cache {
    pub(super) fn get(&self, user: &UserId) -> Option<Inbox> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(user).copied()
    }

    pub(in crate::store) fn head(&self, user: &UserId) -> Option<Rev> {
        self.get(user).map(|inbox| inbox.head)
    }

    /// Takes changed inboxes; `None` is one that is its user's no more.
    pub(super) fn enter(&self, copies: HashMap<UserId, Option<Inbox>>) {
        let mut inboxes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if inboxes.len() >= INBOXES {
            inboxes.clear();
        }
        for (user, copy) in copies {
            match copy {
                Some(inbox) => drop(inboxes.insert(user, inbox)),
                None => drop(inboxes.remove(&user)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_keeps_what_came_before() {
        let cache = Cache::default();
        let users = ["ada", "ben"].map(|user| user.parse::<UserId>().unwrap());
        for (user, id) in users.iter().zip(1..) {
            cache.enter(HashMap::from([(user.clone(), Some(Inbox::new(id)))]));
        }
        assert_eq!(users.each_ref().map(|user| cache.get(user).map(|inbox| inbox.id)), [Some(1), Some(2)]);
        cache.enter(HashMap::from([(users[0].clone(), None)]));
        assert_eq!(users.each_ref().map(|user| cache.head(user)), [None, Some(0)]);
    }

    /// Whether inboxes come one by one or a full group at a time.
    #[test]
    fn it_has_a_bound_and_keeps_what_came_last() {
        for group in [1, 10_000] {
            let cache = Cache::default();
            let users = (0..(INBOXES as i64 * 5 / 2)).map(|n| (format!("u{n}").parse().unwrap(), Inbox::new(n)));
            let users: Vec<(UserId, Inbox)> = users.collect();
            for entered in users.chunks(group) {
                cache.enter(entered.iter().map(|(user, inbox)| (user.clone(), Some(*inbox))).collect());
                assert!(cache.0.lock().unwrap().len() < INBOXES + group);
            }
            assert!(users.iter().rev().take(group).all(|(user, inbox)| cache.get(user) == Some(*inbox)));
        }
    }
}
