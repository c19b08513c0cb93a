//! How streams are ended. Why, whoever ends them says; here is how long it may take, and when their clients come back.
//!
//! A close goes before all that waits for its stream. A reader takes it at once; whoever takes nothing loses the
//! connection a few ticks later, so that no access outlasts its end for want of reading.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::admission::Arrival;
use super::{Hub, Inner};
use crate::auth::KeyId;
use crate::domain::ids::UserId;
use crate::random;
use crate::wire::event::CloseReason;

/// Ticks that a close may stay untaken before the connection is cut: time enough for a round trip on any link that
/// works, short enough that an ended token's stream is soon gone.
pub(super) const GRACE_TICKS: u64 = 5;

impl Hub {
    /// Ends every stream with `draining`, and refuses those that come later.
    pub fn drain(&self) {
        self.end_all(CloseReason::Draining);
    }

    /// Ends every stream for this reason, and refuses those that come later.
    pub fn end_all(&self, reason: CloseReason) {
        self.0.draining.store(true, Ordering::SeqCst);
        self.end_those(reason, |_| true);
    }

    /// Ends those streams whose tokens are good by a key that is there no more, as these would be refused now. A stream
    /// that opens meanwhile is for its opener to look at.
    pub fn end_without_key(&self, is_there: impl Fn(KeyId) -> bool + Send + 'static) {
        self.end_those(CloseReason::TokenExpired, move |arrival| !is_there(arrival.key));
    }

    fn end_those(&self, reason: CloseReason, those: impl Fn(&Arrival) -> bool + Send + 'static) {
        let hub = self.0.clone();
        tokio::spawn(async move {
            for shard in 0..hub.registry.shards() {
                hub.registry.for_each_of(shard, |mailbox| {
                    if those(&mailbox.arrival) {
                        mailbox.close(reason);
                    }
                });
                // Else all streams would stand in the runtime's queue before a request that is under way.
                tokio::task::yield_now().await;
            }
        });
    }

    /// Draws a pause before a client comes back that is told this reason, in milliseconds.
    pub fn retry_ms(&self, reason: CloseReason) -> u64 {
        self.0.retry_ms(Some(reason))
    }
}

impl Inner {
    /// Ends the streams of a user that are so, and says how many had not been ended before.
    pub fn close_of(&self, user: &UserId, reason: CloseReason, so: impl Fn(&Arrival) -> bool) -> usize {
        let mailboxes = self.registry.of(user);
        let those = mailboxes.iter().flat_map(|mailboxes| mailboxes.iter()).filter(|mailbox| so(&mailbox.arrival));
        those.filter(|mailbox| mailbox.close(reason)).count()
    }

    /// Draws a pause before a client comes back, in milliseconds. Whoever is told of a drain may come back later by the
    /// drain's window: until then this server may still be ending, and the next one has not to take all at once.
    pub fn retry_ms(&self, reason: Option<CloseReason>) -> u64 {
        let millis = |pause: Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        let (start, end) = (*self.config.retry.start(), *self.config.retry.end());
        let spread = if reason == Some(CloseReason::Draining) { self.config.drain_window } else { Duration::ZERO };
        random::within(millis(start)..=millis(end + spread))
    }
}
