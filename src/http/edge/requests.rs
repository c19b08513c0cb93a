//! A line in the log for each request that was answered, for whoever asks for it (debug).

use std::time::Instant;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use tracing::{Level, debug, enabled};

use super::problem::Refusal;

/// Answers, and tells of it: never the query, which may hold a token. A stream is answered once it is open.
pub async fn log(request: Request, next: Next) -> Response {
    // Asked each time, since a SIGHUP turns the level.
    if !enabled!(Level::DEBUG) {
        return next.run(request).await;
    }
    let (method, uri, begun) = (request.method().clone(), request.uri().clone(), Instant::now());
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Refusal>();
    debug!(
        %method,
        path = uri.path(),
        status = response.status().as_u16(),
        ms = begun.elapsed().as_millis() as u64,
        code = refusal.map(|Refusal(code)| &**code),
        "answered"
    );
    response
}
