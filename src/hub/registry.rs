//! Which mailboxes each user has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use super::mailbox::Mailbox;
use crate::domain::ids::UserId;

/// Maps, so that streams that open and close do not wait for each other or for the announcer.
const SHARDS: usize = 64;

/// A user's mailboxes; copied when one is added or removed while somebody reads the list.
type Mailboxes = Arc<Vec<Arc<Mailbox>>>;

/// No lock of it is held while a mailbox is offered anything.
pub(super) struct Registry {
    shards: [Mutex<HashMap<UserId, Mailboxes>>; SHARDS],
    hasher: RandomState,
}

impl Default for Registry {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new() }
    }
}

impl Registry {
    /// Adds it, unless its user has `most` already.
    pub fn add(&self, mailbox: &Arc<Mailbox>, most: usize) -> bool {
        let user = &mailbox.arrival.user;
        let mut shard = self.shard(user);
        if shard.get(user).map_or(0, |mailboxes| mailboxes.len()) >= most {
            return false;
        }
        Arc::make_mut(shard.entry(user.clone()).or_default()).push(mailbox.clone());
        true
    }

    /// Removes it, if it is there.
    pub fn remove(&self, mailbox: &Arc<Mailbox>) {
        let user = &mailbox.arrival.user;
        let mut shard = self.shard(user);
        let Some(mailboxes) = shard.get_mut(user) else { return };
        // One that was refused was never added: the others' list stays as it is.
        if mailboxes.iter().any(|other| Arc::ptr_eq(other, mailbox)) {
            Arc::make_mut(mailboxes).retain(|other| !Arc::ptr_eq(other, mailbox));
        }
        if mailboxes.is_empty() {
            shard.remove(user);
        }
    }

    pub fn of(&self, user: &UserId) -> Option<Mailboxes> {
        self.shard(user).get(user).cloned()
    }

    /// Visits every mailbox that is there at its shard's turn.
    pub fn for_each(&self, mut visit: impl FnMut(&Arc<Mailbox>)) {
        (0..self.shards()).for_each(|shard| self.for_each_of(shard, &mut visit));
    }

    pub fn for_each_of(&self, shard: usize, visit: impl FnMut(&Arc<Mailbox>)) {
        let shard = self.shards[shard].lock().unwrap_or_else(PoisonError::into_inner);
        let users: Vec<Mailboxes> = shard.values().cloned().collect();
        drop(shard);
        users.iter().flat_map(|mailboxes| mailboxes.iter()).for_each(visit);
    }

    pub fn shards(&self) -> usize {
        SHARDS
    }

    fn shard(&self, user: &UserId) -> std::sync::MutexGuard<'_, HashMap<UserId, Mailboxes>> {
        let index = self.hasher.hash_one(user) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
