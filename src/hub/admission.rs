//! Who is let in: caps a user, an address and in all, streams opened in a second, and room for what they will be sent.
//!
//! The newest is refused, and none that is open is ended for it. What was counted is given back by the drop of
//! [`Place`], whichever way its stream goes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::mailbox::Mailbox;
use super::{Config, Inner, Presence};
use crate::auth::{self, KeyId};
use crate::budget::Use;
use crate::domain::address::AddressBlock;
use crate::domain::ids::{Millis, UserId};
use crate::domain::limits::PAGE_BYTES;
use crate::shutdown::Shutdown;
use crate::wire::event::CloseReason;

/// Why a stream was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error("the server is draining")]
    Draining,
    #[error("the buffers have no room for a page")]
    NoRoom,
    #[error("{per_s} streams were opened within a second, which is the most")]
    TooFast { per_s: u32 },
    #[error("the user has {most} streams open, which is the most")]
    TooManyOfUser { most: usize },
    #[error("the address has {most} streams open, which is the most")]
    TooManyOfAddress { most: usize },
    #[error("the server has {most} streams open, which is the most")]
    TooMany { most: usize },
    /// The user's tokens were ended while this stream was opened.
    #[error("the token was ended by an operator")]
    Disconnected,
}

impl Refused {
    /// What ends the stream, where it is refused as one.
    pub fn reason(self) -> CloseReason {
        match self {
            Refused::Draining => CloseReason::Draining,
            Refused::NoRoom | Refused::TooFast { .. } => CloseReason::Busy,
            Refused::TooManyOfUser { .. } | Refused::TooManyOfAddress { .. } | Refused::TooMany { .. } => {
                CloseReason::TooManyStreams
            }
            Refused::Disconnected => CloseReason::Disconnected,
        }
    }
}

/// Who opened a stream, from where and until when.
pub(super) struct Arrival {
    pub user: UserId,
    /// The stream's name, drawn for it.
    pub stream: u64,
    pub since: Millis,
    pub expires_at: Millis,
    pub issued_at: Option<Millis>,
    pub key: KeyId,
    pub from: Option<IpAddr>,
    /// What it counts for, if it counts for an address.
    pub block: Option<AddressBlock>,
    pub cut: Shutdown,
}

impl Arrival {
    /// What a request may call the stream by, to know its own changes when they come back.
    pub fn name(&self) -> String {
        format!("{:016x}", self.stream)
    }

    pub fn presence(&self) -> Presence {
        Presence { stream: self.name(), since: self.since, from: self.from }
    }

    /// Whether its token is refused since the user's were ended, up to `not_before`.
    pub fn is_refused_by(&self, not_before: Option<Millis>) -> bool {
        auth::is_refused(self.issued_at, not_before)
    }
}

/// A stream's place: counted and registered until it is dropped.
pub(super) struct Place {
    pub hub: Arc<Inner>,
    pub mailbox: Arc<Mailbox>,
}

impl Place {
    pub fn take(hub: &Arc<Inner>, arrival: Arrival) -> Result<Place, Refused> {
        let config = &hub.config;
        if hub.draining.load(Ordering::SeqCst) {
            return Err(Refused::Draining);
        }
        if !hub.budget.has_room(Use::Page, PAGE_BYTES) {
            return Err(Refused::NoRoom);
        }
        hub.admission.enter(arrival.block, config)?;
        let mailbox = Arc::new(Mailbox::new(arrival, &hub.budget, hub.ticks.load(Ordering::Relaxed)));
        let place = Place { hub: hub.clone(), mailbox };
        if !hub.registry.add(&place.mailbox, config.streams_per_user) {
            return Err(Refused::TooManyOfUser { most: config.streams_per_user });
        }
        // Last, so that whoever is over a cap costs the others none of it.
        hub.admission.pace(config.connects_per_s)?;
        // Looked at again only once it is registered: a stream that comes together with the drain, or with the end of
        // its user's tokens, is either refused here or found there.
        if hub.draining.load(Ordering::SeqCst) {
            return Err(Refused::Draining);
        }
        let arrival = &place.mailbox.arrival;
        if arrival.is_refused_by(hub.store.not_before(&arrival.user)) {
            return Err(Refused::Disconnected);
        }
        Ok(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.registry.remove(&self.mailbox);
        self.hub.admission.leave(self.mailbox.arrival.block);
    }
}

/// How many streams there are in all and of each address, and how fast they come.
#[derive(Default)]
pub(super) struct Admission(Mutex<Counted>);

#[derive(Default)]
struct Counted {
    streams: usize,
    /// Only of those that have a stream.
    addresses: HashMap<AddressBlock, usize>,
    /// When the streams that came would all have come, had they kept their distance.
    paced_until: Option<Instant>,
}

impl Admission {
    /// Counts one more, or says which cap it would be over.
    fn enter(&self, block: Option<AddressBlock>, config: &Config) -> Result<(), Refused> {
        let mut counted = self.counted();
        if counted.streams >= config.streams {
            return Err(Refused::TooMany { most: config.streams });
        }
        if let Some(block) = block {
            let most = config.streams_per_address;
            if counted.addresses.get(&block).is_some_and(|&streams| streams >= most) {
                return Err(Refused::TooManyOfAddress { most });
            }
            *counted.addresses.entry(block).or_default() += 1;
        }
        counted.streams += 1;
        Ok(())
    }

    fn leave(&self, block: Option<AddressBlock>) {
        let mut counted = self.counted();
        counted.streams -= 1;
        let Some(block) = block else { return };
        if let Some(streams) = counted.addresses.get_mut(&block) {
            *streams -= 1;
            if *streams == 0 {
                counted.addresses.remove(&block);
            }
        }
    }

    /// Lets in so many a second, and as many at once after a quiet second. A few lines rather than a crate, whose clock
    /// a test could not turn.
    fn pace(&self, per_s: u32) -> Result<(), Refused> {
        const SECOND: Duration = Duration::from_secs(1);
        let (mut counted, now) = (self.counted(), Instant::now());
        let after_this = counted.paced_until.map_or(now, |until| until.max(now)) + SECOND / per_s.max(1);
        if after_this > now + SECOND {
            return Err(Refused::TooFast { per_s });
        }
        counted.paced_until = Some(after_this);
        Ok(())
    }

    pub fn streams(&self) -> usize {
        self.counted().streams
    }

    fn counted(&self) -> MutexGuard<'_, Counted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn addresses(&self) -> usize {
        self.counted().addresses.len()
    }
}
