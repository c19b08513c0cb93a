//! How a kind of server is spoken to: what opens a stream, what publishes a message, and what an event says.

mod dialect;
mod lumen;
mod pattern;
mod producer;
mod template;
mod templated;
mod tokens;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use reqwest::Url;

use super::stamp::{RunId, Stamp};
use crate::client::access::AccessFault;
use crate::wire::sse::Block;
pub use dialect::{Dialect, Words};
pub use lumen::Lumen;
pub use pattern::WordsFault;
pub use templated::{Server, Templated};
pub use tokens::{Tokens, TokensFault};

/// One server's way of speaking, for one run. What it tells is the same for every stream, so it is shared.
pub struct Profile {
    run: RunId,
    speaks: Speaks,
}

enum Speaks {
    Lumen(Lumen),
    Templated(Templated),
}

/// Who opens a stream.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    pub user: u32,
    /// The id of the last event that it was told.
    pub cursor: Option<&'a str>,
    /// How long its token is to hold; without it longer than any run.
    pub token_ttl: Option<Duration>,
}

/// Why a request cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProfileFault {
    #[error(transparent)]
    Access(#[from] AccessFault),
    #[error("the server's cursor cannot be sent back to it: it has characters that no header may have")]
    Cursor,
    #[error("what is to go into the header {0} has characters that no header may have")]
    Header(HeaderName),
    #[error("no URL ({0})")]
    Url(String),
}

impl Profile {
    pub fn lumen(lumen: Lumen, run: RunId) -> Self {
        Self { run, speaks: Speaks::Lumen(lumen) }
    }

    pub fn templated(templated: Templated, run: RunId) -> Self {
        Self { run, speaks: Speaks::Templated(templated) }
    }

    pub fn name(&self) -> &str {
        match &self.speaks {
            Speaks::Lumen(_) => "lumen",
            Speaks::Templated(templated) => templated.dialect().as_str(),
        }
    }

    /// By what the server knows a user. Each run has its own users, so that none begins with another's inbox.
    pub fn user_name(&self, user: u32) -> String {
        format!("lt-{}-{user}", self.run.as_str())
    }

    /// The request that opens a stream.
    ///
    /// # Errors
    /// There is no token to be had, or what is to go into it does not fit there.
    pub fn subscribe(&self, seat: &Seat<'_>) -> Result<Request, ProfileFault> {
        match &self.speaks {
            Speaks::Lumen(lumen) => lumen.subscribe(&self.user_name(seat.user), seat),
            Speaks::Templated(templated) => templated.subscribe(self.run, &self.user_name(seat.user), seat),
        }
    }

    /// The request that publishes a message to `users`, who are at least one. Its answer is good if its status is 2xx.
    ///
    /// # Errors
    /// As [`Profile::subscribe`].
    pub fn publish(&self, stamp: Stamp, users: &[u32]) -> Result<Request, ProfileFault> {
        match &self.speaks {
            Speaks::Lumen(lumen) => lumen.publish(stamp, users, |user| self.user_name(user)),
            Speaks::Templated(templated) => templated.publish(stamp, users, |user| self.user_name(user)),
        }
    }

    /// What an event says.
    pub fn hear(&self, block: &Block) -> Heard {
        match &self.speaks {
            Speaks::Lumen(_) => lumen::hear(block),
            Speaks::Templated(templated) => templated.hear(block),
        }
    }

    /// Whether an event says that a stream is open; else it is with the head of its answer.
    pub fn greets(&self) -> bool {
        matches!(self.speaks, Speaks::Lumen(_))
    }

    /// Whether a message that is sent twice is stored once, so that a try whose outcome is unknown may be repeated.
    pub fn resends(&self) -> bool {
        matches!(self.speaks, Speaks::Lumen(_))
    }

    /// Whether a fresh token can be had for a user when one has ended.
    pub fn renews(&self) -> bool {
        matches!(self.speaks, Speaks::Lumen(_))
    }
}

/// A request, ready to be sent. Shows nothing that could hold a token.
#[derive(Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    /// `Host` and `Content-Length` are not among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({} {}, {} bytes)", self.method, self.url.path(), self.body.len())
    }
}

/// What an event says of its stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The stream is open (lumen's `ready`).
    Ready(Ready),
    /// A message of some run.
    Message(Message),
    /// Several in one event.
    Messages(Vec<Message>),
    /// The server ends the stream.
    Close(Close),
    /// A change of the inbox that is no message.
    Changed { unread: u64, rev: u64 },
    /// A hole that the server cannot fill.
    Resync,
    /// Anything else: a heartbeat, somebody else's event.
    Other,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ready {
    pub rev: u64,
    pub unread: u64,
    /// The silence after which the server would have sent something.
    pub heartbeat_s: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message {
    pub stamp: Stamp,
    /// Where the server tells them.
    pub counts: Option<Counts>,
}

/// Counts with the rev that they are of, and the rev of the message that brought them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub unread: u64,
    pub counts_rev: u64,
    pub rev: u64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Close {
    pub reason: String,
    pub reconnect: bool,
    pub retry_ms: u64,
}
