//! Who is open, and what each is told next.
//!
//! The hub knows users, mailboxes and cursors; no SQL and no HTTP. The announcer offers each committed change to the
//! mailboxes of its user, and never waits; each [`Subscription`] joins what its mailbox holds with what the store
//! replays. What the hub carries is only news: a stream that missed some reads on from the store.

mod announcer;
mod mailbox;
mod registry;
mod subscription;
mod ticker;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::subscription::Subscription;

use self::mailbox::Mailbox;
use self::registry::Registry;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::domain::cursor::Presented;
use crate::domain::ids::{Millis, UserId};
use crate::domain::limits::CATCH_UP_READS;
use crate::random;
use crate::shutdown::Shutdown;
use crate::store::{Commits, Store};
use crate::wire::event::CloseReason;

/// How streams are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Silence after which a stream is sent a `ping`.
    pub heartbeat: Duration,
    /// How long a stream may take nothing of what waits for it.
    pub too_slow: Duration,
    /// Pause before a client comes back, drawn for each stream.
    pub retry: RangeInclusive<Duration>,
    /// Time within which a draining server has ended every stream; their returns are spread over as much.
    pub drain_window: Duration,
    pub streams_per_user: usize,
    pub streams_per_address: usize,
    /// All streams of this process.
    pub streams: usize,
    /// Streams opened in a second.
    pub connects_per_s: u32,
    /// Pause between two sweeps.
    pub sweep_pause: Duration,
}

/// What a stream asks for.
#[derive(Debug, Clone)]
pub struct Request {
    pub user: UserId,
    pub cursor: Presented,
    /// How many of the newest items it wants with its first event; 0 for none.
    pub snapshot: usize,
    /// When its token ends.
    pub expires_at: Millis,
    /// When its token was signed, if it says so.
    pub issued_at: Option<Millis>,
    /// Where it comes from, as far as that is known.
    pub from: Option<IpAddr>,
    /// Whether it counts for its address: a trusted proxy's own does not.
    pub counts_for_address: bool,
    /// Ends its connection, whether its client reads or not.
    pub cut: Shutdown,
}

/// Why a stream was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the server is draining")]
    Draining,
}

/// The open streams of this process. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    registry: Registry,
    store: Store,
    config: Config,
    #[expect(dead_code, reason = "mailboxes and pages take from it with the next commits")]
    budget: Budget,
    /// Held while a query's answer is waited for, never over a write to a socket.
    catch_up: Semaphore,
    draining: AtomicBool,
    /// Whole seconds of running, as the ticker last counted them.
    ticks: AtomicU64,
}

impl Hub {
    /// Starts the announcer and the ticker, which end when the store has ended and the last hub is gone.
    pub fn start(store: Store, commits: Commits, clock: Clock, config: Config, budget: Budget) -> Hub {
        let inner = Arc::new(Inner {
            registry: Registry::default(),
            store,
            config,
            budget,
            catch_up: Semaphore::new(CATCH_UP_READS),
            draining: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
        });
        tokio::spawn(announcer::run(commits, inner.clone()));
        tokio::spawn(ticker::run(Arc::downgrade(&inner), clock));
        Hub(inner)
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// [`Refused::Draining`] once [`Hub::drain`] was called.
    pub fn subscribe(&self, request: Request) -> Result<Subscription, Refused> {
        let Request { user, cursor, snapshot, expires_at, .. } = request;
        let mailbox = Arc::new(Mailbox::new(user, expires_at, self.0.ticks.load(Ordering::Relaxed)));
        // Registered before the store is read: a change between the two would be lost. And before `draining` is looked
        // at: a stream that comes with the drain is either refused here or found there.
        self.0.registry.add(&mailbox);
        if self.0.draining.load(Ordering::SeqCst) {
            self.0.registry.remove(&mailbox);
            return Err(Refused::Draining);
        }
        Ok(Subscription::open(self.0.clone(), mailbox, cursor, snapshot))
    }

    /// Ends every stream with `draining`, and refuses those that come later.
    pub fn drain(&self) {
        self.end_all(CloseReason::Draining);
    }

    /// Ends every stream for this reason, and refuses those that come later.
    pub fn end_all(&self, reason: CloseReason) {
        self.0.draining.store(true, Ordering::SeqCst);
        self.0.registry.for_each(|mailbox| mailbox.close(reason));
    }

    /// Draws a pause before a client comes back, in milliseconds.
    pub fn retry_ms(&self) -> u64 {
        self.0.retry_ms()
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.0.registry.len()
    }
}

impl Inner {
    /// Draws a pause before a client comes back.
    fn retry_ms(&self) -> u64 {
        let millis = |pause: &Duration| u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        random::within(millis(self.config.retry.start())..=millis(self.config.retry.end()))
    }
}
