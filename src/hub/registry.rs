//! Which mailboxes each user has.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
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
    streams: AtomicUsize,
}

impl Default for Registry {
    fn default() -> Self {
        let shards = std::array::from_fn(|_| Mutex::default());
        Self { shards, hasher: RandomState::new(), streams: AtomicUsize::new(0) }
    }
}

impl Registry {
    pub fn add(&self, mailbox: &Arc<Mailbox>) {
        let mut shard = self.shard(mailbox.user());
        Arc::make_mut(shard.entry(mailbox.user().clone()).or_default()).push(mailbox.clone());
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub fn remove(&self, mailbox: &Arc<Mailbox>) {
        let mut shard = self.shard(mailbox.user());
        let Some(mailboxes) = shard.get_mut(mailbox.user()) else { return };
        let before = mailboxes.len();
        Arc::make_mut(mailboxes).retain(|other| !Arc::ptr_eq(other, mailbox));
        self.streams.fetch_sub(before - mailboxes.len(), Ordering::Relaxed);
        if mailboxes.is_empty() {
            shard.remove(mailbox.user());
        }
    }

    pub fn of(&self, user: &UserId) -> Option<Mailboxes> {
        self.shard(user).get(user).cloned()
    }

    /// Visits every mailbox that is there at its shard's turn.
    pub fn for_each(&self, mut visit: impl FnMut(&Arc<Mailbox>)) {
        for shard in &self.shards {
            let users: Vec<Mailboxes> =
                shard.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect();
            users.iter().flat_map(|mailboxes| mailboxes.iter()).for_each(&mut visit);
        }
    }

    pub fn len(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    fn shard(&self, user: &UserId) -> std::sync::MutexGuard<'_, HashMap<UserId, Mailboxes>> {
        let index = self.hasher.hash_one(user) as usize % SHARDS;
        self.shards[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
