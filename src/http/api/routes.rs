//! Which call is where.

use axum::Router;
use axum::routing::{get, post};
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;

use super::{batch, health, inbox, marks, publish};
use crate::http::edge::problem::panicked;
use crate::http::{App, stream};
use crate::wire::api::{BATCH, NOTIFICATIONS, STREAM};
use crate::wire::problem::Problem;

pub fn router(app: App) -> Router {
    let below = |path: &str| format!("{NOTIFICATIONS}/{path}");
    Router::new()
        .route(NOTIFICATIONS, post(publish::post).get(inbox::list))
        .route(BATCH, post(batch::post))
        .route(STREAM, get(stream::open::get))
        .route(&below("unread-count"), get(inbox::counts))
        .route(&below("read"), post(marks::read))
        .route(&below("seen"), post(marks::seen))
        .route(&below("{id}"), get(inbox::one).delete(marks::delete))
        .route(&below("{id}/read"), post(marks::read_one))
        .route(&below("{id}/unread"), post(marks::unread_one))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .fallback(no_route)
        .method_not_allowed_fallback(no_method)
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(app)
}

async fn no_route() -> Problem {
    Problem::new(
        404,
        "no_route",
        "No such call",
        "nothing is served at this path",
        format!("the calls are below {NOTIFICATIONS}; check the path for a slip, also a slash too many at its end"),
    )
}

/// The router adds the header `Allow`.
async fn no_method(method: Method) -> Problem {
    let method: String = method.as_str().chars().take(16).collect();
    Problem::new(
        405,
        "no_method",
        "No such method here",
        format!("{method} is not served at this path"),
        "use a method that the header Allow names",
    )
}
