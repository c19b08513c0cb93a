//! One connection: its requests under time and size limits, and an end that lets the last answer arrive.

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use tracing::debug;

use super::listener::Connection;
use crate::domain::limits::{BATCH_BYTES, HEAD_BYTES, HEAD_TIMEOUT};
use crate::shutdown::Shutdown;

/// How long, and for how many bytes, a refused body is still taken in and thrown away. A socket that is closed with
/// bytes unread is reset, and the reset would overtake the answer that says why.
const LINGER_TIME: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 2 * BATCH_BYTES;

/// Serves the requests of one connection until either side ends it.
pub async fn serve(stream: Connection, router: Router, shutdown: Shutdown) {
    let mut stream = TokioIo::new(stream);
    exchange(&mut stream, router, &shutdown).await;
    tokio::select! {
        () = shutdown.begun() => {}
        () = linger(stream.into_inner()) => {}
    }
}

async fn exchange(stream: &mut TokioIo<Connection>, router: Router, shutdown: &Shutdown) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_header_size(HEAD_BYTES);
    let mut connection = std::pin::pin!(http.serve_connection(stream, TowerToHyperService::new(router)));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.begun() => {
            // Ends an idle one at once, any other after its answer.
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A peer that vanished, a head that is too slow or no HTTP: everyday, and nothing that an operator can mend.
    if let Err(fault) = ended {
        debug!(%fault, "connection ended");
    }
}

/// Says that nothing more comes, and reads until the peer has closed its side too.
async fn linger(mut stream: Connection) {
    let drained = async {
        let _ = stream.shutdown().await;
        let mut scrap = [0; 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match stream.read(&mut scrap).await {
                Ok(0) | Err(_) => break,
                Ok(bytes) => left = left.saturating_sub(bytes),
            }
        }
    };
    let _ = timeout(LINGER_TIME, drained).await;
}
