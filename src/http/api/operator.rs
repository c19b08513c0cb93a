//! What an operator sees and ends of one user: the open streams, the tokens, all of it.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;

use crate::domain::ids::{UserId, UserIdFault};
use crate::http::App;
use crate::http::edge::answer::json;
use crate::http::edge::caller::Operator;
use crate::http::edge::problem::malformed;
use crate::wire::api::{Disconnected, Erased, OpenStream, Presence, timestamp};
use crate::wire::problem::Problem;

/// The user whom a path names, percent-encoded.
pub struct Named(UserId);

impl FromRequestParts<App> for Named {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, app).await;
        let Path(text) = text.map_err(|_| bad_user("what stands in the path is no UTF-8 when it is decoded"))?;
        text.parse().map(Named).map_err(|fault: UserIdFault| bad_user(fault.to_string()))
    }
}

/// Where the user is now.
pub async fn presence(State(app): State<App>, _: Operator, Named(user): Named) -> Result<Response, Problem> {
    let open = app.hub.presence(&user).into_iter();
    let streams = open.map(|open| OpenStream { stream: open.stream, since: timestamp(open.since), from: open.from });
    json(StatusCode::OK, &Presence { streams: streams.collect(), user })
}

/// Ends the user's tokens of up to now; the streams that came with them are ended by whoever tells of it.
pub async fn disconnect(State(app): State<App>, _: Operator, Named(user): Named) -> Result<Response, Problem> {
    let closed = app.store.refuse_before(user, app.clock.now()).await?;
    json(StatusCode::OK, &Disconnected { closed })
}

/// Makes the user's inbox nobody's; its streams are ended by whoever tells of it.
pub async fn erase(State(app): State<App>, _: Operator, Named(user): Named) -> Result<Response, Problem> {
    json(StatusCode::OK, &Erased { erased: app.store.erase(user).await? })
}

fn bad_user(detail: impl Into<String>) -> Problem {
    malformed("bad_user", "The path names no user", detail, "put the user's id into the path, percent-encoded")
}
