//! A user's own inbox, read page by page.

use reqwest::Method;

use super::call::call;
use super::endpoint::Endpoint;
use super::failure::Failure;
use crate::domain::ids::{Rev, UserId};
use crate::domain::notification::Kind;
use crate::wire::api::{ListPage, NOTIFICATIONS};

/// Which notifications of an inbox.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    pub unread: bool,
    pub kind: Option<Kind>,
    /// Those with a lower rev.
    pub before: Option<Rev>,
}

/// A page of `user`'s inbox, or of whom the token names, newest first.
///
/// # Errors
/// It was not answered with a page.
pub async fn page(
    server: &Endpoint,
    user: Option<&UserId>,
    wanted: &Wanted,
    limit: usize,
) -> Result<ListPage, Failure> {
    let mut url = server.url().at(NOTIFICATIONS);
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("limit", &limit.to_string());
        if wanted.unread {
            query.append_pair("unread", "true");
        }
        if let Some(kind) = &wanted.kind {
            query.append_pair("type", kind.as_str());
        }
        if let Some(before) = wanted.before {
            query.append_pair("before", &before.to_string());
        }
    }
    call(server, &server.access().for_user(user)?, Method::GET, url, None).await
}
