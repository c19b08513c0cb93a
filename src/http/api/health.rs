//! Whether the process lives, and whether to send it work.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use crate::http::App;
use crate::http::edge::answer::json_text;
use crate::http::edge::problem::draining;
use crate::wire::problem::Problem;

/// It lives: it can answer.
pub async fn alive() -> Response {
    json_text(StatusCode::OK, "application/json", r#"{"status":"alive"}"#)
}

/// It is ready while it can write and is not ending.
pub async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    if app.shutdown.has_begun() {
        return Err(draining());
    }
    if !app.store.is_writable() {
        return Err(not_writable());
    }
    Ok(json_text(StatusCode::OK, "application/json", r#"{"status":"ready"}"#))
}

fn not_writable() -> Problem {
    Problem::new(
        503,
        "not_writable",
        "The server cannot write",
        "the last write to its database failed",
        "see the server's log; a full disk is left by itself once there is room",
    )
    .retry_after(5)
}
