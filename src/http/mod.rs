//! The way in and out over HTTP/1.1: bytes become requests, requests become jobs, answers and streams.
//!
//! `door` has the sockets, `edge` what every request and refusal has in common, `api` and `stream` the calls. Alone in
//! the house it knows axum and hyper; it knows no SQL and does not decide what a stream is told.

#![allow(clippy::result_large_err, reason = "a problem is moved once, and costs nothing beside being written")]

mod api;
mod door;
mod edge;
mod stream;

use std::sync::Arc;

use tokio::net::TcpListener;

pub use door::options::bind;

use crate::auth::Keys;
use crate::clock::Clock;
use crate::hub::Hub;
use crate::shutdown::Shutdown;
use crate::store::Store;

/// The rooms below that requests are handed to.
pub struct Parts {
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
/// connections, and returns when all are closed, or cut at the end of
/// [`DRAIN_WINDOW`](crate::domain::limits::DRAIN_WINDOW). That streams end by themselves is the hub's to see to.
pub async fn serve(listener: TcpListener, parts: Parts, shutdown: Shutdown) {
    let router = api::routes::router(Arc::new(Shared { parts, shutdown: shutdown.clone() }));
    door::accept::serve(listener, router, shutdown).await;
}
