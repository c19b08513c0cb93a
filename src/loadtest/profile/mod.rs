//! How a kind of server is spoken to: what opens a stream, what publishes a message, and what an event says.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method};
use reqwest::Url;

use super::stamp::Stamp;

/// A request, ready to be sent.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: Method,
    pub url: Url,
    /// `Host` and `Content-Length` are not among them.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    pub body: Bytes,
}

/// What an event says of its stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// The stream is open (lumen's `ready`).
    Ready(Ready),
    /// A message of some run.
    Message(Message),
    /// The server ends the stream.
    Close(Close),
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
