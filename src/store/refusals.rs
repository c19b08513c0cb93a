//! Whose tokens are refused, and up to which moment of signing: in memory, since each request asks.

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use crate::domain::ids::{Millis, UserId};

/// Written by the writer alone, and only after COMMIT returned.
#[derive(Default)]
pub(super) struct Refusals(RwLock<HashMap<UserId, Millis>>);

impl Refusals {
    pub fn new(not_before: HashMap<UserId, Millis>) -> Self {
        Self(RwLock::new(not_before))
    }

    pub fn not_before(&self, user: &UserId) -> Option<Millis> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(user).copied()
    }

    /// Takes what was decided: a moment, or that there is none any more.
    pub fn enter(&self, decided: impl IntoIterator<Item = (UserId, Option<Millis>)>) {
        let mut decided = decided.into_iter().peekable();
        if decided.peek().is_none() {
            return;
        }
        let mut refusals = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for (user, not_before) in decided {
            match not_before {
                Some(moment) => drop(refusals.insert(user, moment)),
                None => drop(refusals.remove(&user)),
            }
        }
    }
}
