//! The way in and out over HTTP/1.1: bytes become requests, requests become jobs, answers and streams.
//!
//! `door` has the sockets, `edge` what every request and refusal has in common, `api` and `stream` the calls. Alone in
//! the house it knows axum and hyper; it knows no SQL and does not decide what a stream is told.

#![allow(clippy::result_large_err, reason = "a problem is moved once, and costs nothing beside being written")]

mod api;
mod door;
mod edge;
#[cfg(test)]
mod fuzz;
mod stream;

use std::sync::Arc;
use std::time::Duration;

pub use door::listener::{Address, Listener};

use self::door::accept::Hold;
use self::door::listener::Listeners;
use crate::auth::Keys;
use crate::budget::Budget;
use crate::clock::Clock;
use crate::domain::address::Network;
use crate::hub::Hub;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// How requests are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<Network>,
    /// Whether a stream takes its token in the address too.
    pub query_token: bool,
    pub head_timeout: Duration,
    pub body_timeout: Duration,
    /// Time within which requests under way have ended when the server drains.
    pub drain_window: Duration,
    /// Connections open at a time, streams among them.
    pub connections: usize,
}

/// The rooms below that requests are handed to.
pub struct Parts {
    pub config: Config,
    pub budget: Budget,
    pub store: Store,
    pub hub: Hub,
    pub keys: Arc<Keys>,
    pub clock: Clock,
}

/// What every handler is handed.
struct Shared {
    parts: Parts,
    shutdown: Shutdown,
}

type App = Arc<Shared>;

impl std::ops::Deref for Shared {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

/// Serves until `shutdown` begins; then takes no connection any more, lets requests under way finish, closes idle
/// connections, and returns when all are closed, or cut at the end of the drain window. That streams end by themselves
/// is the hub's to see to.
pub async fn serve(listeners: Vec<Listener>, parts: Parts, shutdown: Shutdown) {
    let Config { connections, head_timeout, drain_window, .. } = parts.config;
    let hold = Hold { connections, head_timeout, drain_window };
    let router = api::routes::router(Arc::new(Shared { parts, shutdown: shutdown.clone() }));
    door::accept::serve(Listeners::new(listeners), router, hold, shutdown).await;
}
