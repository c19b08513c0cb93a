//! An operator's calls, each about one user.

use reqwest::{Method, Url};

use super::call::call;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::domain::ids::UserId;
use crate::wire::api::{Disconnected, Erased, Presence, USERS};

/// Where the user is now.
///
/// # Errors
/// It was not answered with that.
pub async fn presence(server: &Endpoint, user: &UserId) -> Result<Presence, Failure> {
    call(server, &server.access().for_operator()?, Method::GET, of_user(server, user, Some("presence")), None).await
}

/// Ends the user's streams, and the tokens that were signed up to now.
///
/// # Errors
/// The outcome may be unknown; it can always be sent again.
pub async fn disconnect(server: &Endpoint, user: &UserId) -> Result<Disconnected, Failure> {
    call(server, &server.access().for_operator()?, Method::DELETE, of_user(server, user, Some("streams")), None).await
}

/// Erases the user's inbox.
///
/// # Errors
/// The outcome may be unknown; it can always be sent again.
pub async fn erase(server: &Endpoint, user: &UserId) -> Result<Erased, Failure> {
    call(server, &server.access().for_operator()?, Method::DELETE, of_user(server, user, None), None).await
}

/// The address of what belongs to a user, whose id may have a slash or anything else that a path has to escape.
fn of_user(server: &Endpoint, user: &UserId, what: Option<&str>) -> Url {
    let mut url = server.url().at(USERS);
    // An http address can always have a path.
    if let Ok(mut path) = url.path_segments_mut() {
        path.push(user.as_str()).extend(what);
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::script::play;

    #[tokio::test]
    async fn a_path_holds_any_user() {
        let (server, _) = play(Vec::new()).await;
        let path = |user: &str| of_user(&server, &user.parse().unwrap(), Some("presence")).path().to_owned();
        assert_eq!(path("alice"), "/api/v1/users/alice/presence");
        assert_eq!(path("zoë/☃ %?#"), "/api/v1/users/zo%C3%AB%2F%E2%98%83%20%25%3F%23/presence");
        assert_eq!(path("..."), "/api/v1/users/.../presence");
    }
}
