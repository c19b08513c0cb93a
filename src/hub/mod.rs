//! Who is open, and what each is told next.
//!
//! The hub knows users, mailboxes and cursors; no SQL and no HTTP. The announcer offers each committed change to the
//! mailboxes of its user, and never waits; each [`Subscription`] joins what its mailbox holds with what the store
//! replays. What the hub carries is only news: a stream that missed some reads on from the store.

mod admission;
mod announcer;
mod catch_up;
mod close;
mod housekeeping;
mod mailbox;
mod registry;
mod subscription;
mod ticker;

#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::time::Duration;

use tokio::sync::Semaphore;

pub use self::admission::Refused;
pub use self::subscription::Subscription;

use self::admission::{Admission, Arrival, Place};
use self::registry::Registry;
use crate::auth::KeyId;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::domain::address::AddressBlock;
use crate::domain::cursor::Presented;
use crate::domain::ids::{Millis, UserId};
use crate::domain::limits::CATCH_UP_READS;
use crate::random;
use crate::shutdown::Shutdown;
use crate::store::{Commits, Store};

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
    /// By which key its token is good.
    pub key: KeyId,
    /// Where it comes from, as far as that is known.
    pub from: Option<IpAddr>,
    /// Whether it counts for its address: a trusted proxy's own does not.
    pub counts_for_address: bool,
    /// Ends its connection, whether its client reads or not.
    pub cut: Shutdown,
}

/// An open stream, as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Its name, as its `ready` says it.
    pub stream: String,
    pub since: Millis,
    pub from: Option<IpAddr>,
}

/// The open streams of this process. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    registry: Registry,
    admission: Admission,
    store: Store,
    clock: Clock,
    config: Config,
    budget: Budget,
    /// Turns to read the store.
    catch_up: Arc<Semaphore>,
    draining: AtomicBool,
    /// Whole seconds of running, as the ticker last counted them.
    ticks: AtomicU64,
}

impl Hub {
    /// Starts the announcer, the ticker and the housekeeping, which end when the store has ended and the last hub is gone.
    pub fn start(store: Store, commits: Commits, clock: Clock, config: Config, budget: Budget) -> Hub {
        let inner = Arc::new(Inner {
            registry: Registry::default(),
            admission: Admission::default(),
            store,
            clock: clock.clone(),
            config: config.clone(),
            budget,
            catch_up: Arc::new(Semaphore::new(CATCH_UP_READS)),
            draining: AtomicBool::new(false),
            ticks: AtomicU64::new(0),
        });
        tokio::spawn(announcer::run(commits, inner.clone()));
        tokio::spawn(ticker::run(Arc::downgrade(&inner), clock));
        tokio::spawn(housekeeping::run(Arc::downgrade(&inner), config.sweep_pause));
        Hub(inner)
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// A cap that it would be over, a server that is draining or has no room, a token that was ended meanwhile.
    pub fn subscribe(&self, request: Request) -> Result<Subscription, Refused> {
        let Request { user, cursor, snapshot, expires_at, issued_at, key, from, counts_for_address, cut } = request;
        let arrival = Arrival {
            user,
            stream: u64::from_le_bytes(random::bytes()),
            since: self.0.clock.now(),
            expires_at,
            issued_at,
            key,
            from,
            block: from.filter(|_| counts_for_address).map(AddressBlock::of),
            cut,
        };
        // Registered before the store is read: a change between the two would be lost.
        let place = Place::take(&self.0, arrival)?;
        Ok(Subscription::open(place, cursor, snapshot))
    }

    /// The user's open streams, in the order in which they came.
    pub fn presence(&self, user: &UserId) -> Vec<Presence> {
        let mailboxes = self.0.registry.of(user);
        let open =
            mailboxes.iter().flat_map(|mailboxes| mailboxes.iter()).filter(|mailbox| mailbox.closing().is_none());
        open.map(|mailbox| mailbox.arrival.presence()).collect()
    }

    /// How many streams are open.
    pub fn streams(&self) -> usize {
        self.0.admission.streams()
    }
}
