//! Which call is where.

use axum::Router;
use axum::middleware::from_fn;
use axum::routing::{MethodRouter, delete, get, post};
use http::Method;
use tower_http::catch_panic::CatchPanicLayer;

use super::{batch, health, inbox, marks, operator, publish, retract};
use crate::http::edge::problem::panicked;
use crate::http::edge::requests;
use crate::http::{App, stream};
use crate::wire::api::{BATCH, NOTIFICATIONS, STREAM, USERS};
use crate::wire::problem::Problem;

pub fn router(app: App) -> Router {
    let below = |path: &str| format!("{NOTIFICATIONS}/{path}");
    let of_user = |path: &str| format!("{USERS}/{{user}}{path}");
    let notifications = post(publish::post).get(inbox::list).delete(retract::delete);
    Router::new()
        .route(NOTIFICATIONS, only("GET, POST or DELETE", notifications))
        .route(BATCH, only("POST", post(batch::post)))
        .route(STREAM, only("GET", get(stream::open::get)))
        .route(&below("unread-count"), only("GET", get(inbox::counts)))
        .route(&below("read"), only("POST", post(marks::read)))
        .route(&below("seen"), only("POST", post(marks::seen)))
        .route(&below("{id}"), only("GET or DELETE", get(inbox::one).delete(marks::delete)))
        .route(&below("{id}/read"), only("POST", post(marks::read_one)))
        .route(&below("{id}/unread"), only("POST", post(marks::unread_one)))
        .route(&of_user(""), only("DELETE", delete(operator::erase)))
        .route(&of_user("/presence"), only("GET", get(operator::presence)))
        .route(&of_user("/streams"), only("DELETE", delete(operator::disconnect)))
        .route("/healthz", only("GET", get(health::alive)))
        .route("/readyz", only("GET", get(health::ready)))
        .fallback(no_route)
        .layer(CatchPanicLayer::custom(panicked))
        // Outermost, so that it sees what a panic was answered with.
        .layer(from_fn(requests::log))
        .with_state(app)
}

async fn no_route() -> Problem {
    Problem::new(
        404,
        "no_route",
        "No such call",
        "nothing is served at this path",
        format!(
            "the calls are below {NOTIFICATIONS} and, for operators, {USERS}/ID; check the path for a slip, also a slash \
             too many at its end"
        ),
    )
}

/// A path's calls, and what is said of any other method. The router adds the header `Allow`.
fn only(methods: &'static str, calls: MethodRouter<App>) -> MethodRouter<App> {
    calls.fallback(move |method: Method| async move { no_method(&method, methods) })
}

fn no_method(method: &Method, methods: &str) -> Problem {
    let method: String = method.as_str().chars().take(16).collect();
    Problem::new(
        405,
        "no_method",
        "No such method here",
        format!("{method} is not served at this path"),
        format!("use {methods}"),
    )
}
