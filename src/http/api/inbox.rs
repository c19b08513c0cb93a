//! A user's own inbox, read: the list, the counts, one notification.

use axum::extract::{FromRequestParts, Path, State};
use axum::response::Response;
use http::request::Parts;
use http::{StatusCode, Uri};

use crate::domain::ids::{NotificationId, Rev};
use crate::domain::limits::{LIST_PAGE, LIST_PAGE_MAX};
use crate::domain::notification::Kind;
use crate::http::App;
use crate::http::door::peer::Peer;
use crate::http::edge::answer::{json, json_text};
use crate::http::edge::caller::User;
use crate::http::edge::held::held;
use crate::http::edge::problem::not_found;
use crate::http::edge::query::{Query, bad_parameter};
use crate::store::ListQuery;
use crate::wire::api::{list_page, write_item};
use crate::wire::problem::Problem;

/// The id in a path. What is no id at all is not in the inbox either.
pub struct Id(pub NotificationId);

impl FromRequestParts<App> for Id {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, app).await.map_err(|_| not_found())?;
        text.parse().map(Id).map_err(|_| not_found())
    }
}

pub async fn list(State(app): State<App>, User(user): User, peer: Peer, uri: Uri) -> Result<Response, Problem> {
    let query = list_query(&Query::of(&uri))?;
    let list = app.store.list(&user, query).await?;
    let page = list_page(&list.items, list.next, list.counts, &list.cursor.to_string());
    // A megabyte, perhaps, for a client that need not take it.
    Ok(json_text(StatusCode::OK, "application/json", held(page, &app.budget, peer.cut)?))
}

pub async fn counts(State(app): State<App>, User(user): User) -> Result<Response, Problem> {
    json(StatusCode::OK, &app.store.counts(&user).await?)
}

pub async fn one(State(app): State<App>, User(user): User, Id(id): Id) -> Result<Response, Problem> {
    let item = app.store.get(&user, id).await?.ok_or_else(not_found)?;
    let mut text = String::with_capacity(512);
    write_item(&mut text, &item);
    Ok(json_text(StatusCode::OK, "application/json", text))
}

fn list_query(query: &Query) -> Result<ListQuery, Problem> {
    query.only(&["limit", "before", "unread", "type"])?;
    Ok(ListQuery {
        limit: query.get("limit")?.map_or(Ok(LIST_PAGE), limit)?,
        before: query.get("before")?.map(before).transpose()?,
        unread: query.get("unread")?.map_or(Ok(false), unread)?,
        kind: query.get("type")?.map(kind).transpose()?,
    })
}

fn limit(text: &str) -> Result<usize, Problem> {
    text.parse()
        .ok()
        .filter(|limit| (1..=LIST_PAGE_MAX).contains(limit))
        .ok_or_else(|| bad_parameter(format!("limit is a number from 1 to {LIST_PAGE_MAX}")))
}

fn before(text: &str) -> Result<Rev, Problem> {
    // A rev is what the store can count to.
    let rev: Option<i64> = text.parse().ok().filter(|&rev| rev >= 0);
    rev.map(i64::unsigned_abs).ok_or_else(|| bad_parameter("before is a rev, as the page before gave it in next"))
}

fn unread(text: &str) -> Result<bool, Problem> {
    text.parse().map_err(|_| bad_parameter("unread is true or false"))
}

fn kind(text: &str) -> Result<Kind, Problem> {
    Kind::parse(text)
        .ok_or_else(|| bad_parameter("type is one type: a lower-case letter and up to 63 of a-z, 0-9, _ . -"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &str) -> Result<ListQuery, Problem> {
        list_query(&Query::of(&format!("/path?{query}").parse().unwrap()))
    }

    #[test]
    fn a_list_has_its_bounds() {
        let plain = read("").unwrap();
        assert_eq!((plain.limit, plain.before, plain.unread, plain.kind), (20, None, false, None));
        let full = read("limit=100&before=7&unread=true&type=like").unwrap();
        assert_eq!((full.limit, full.before, full.unread), (100, Some(7), true));
        assert_eq!(full.kind.unwrap().as_str(), "like");
        for bad in [
            "limit=0",
            "limit=101",
            "limit=",
            "limit=x",
            "limit=1&limit=1",
            "before=-1",
            "before=1e3",
            "before=9223372036854775808",
            "unread=1",
            "unread=",
            "type=Like",
            "type=like,comment",
            "type=",
            "page=2",
        ] {
            let refusal = read(bad).unwrap_err();
            assert_eq!((refusal.status, refusal.code.as_ref()), (400, "bad_parameter"), "{bad}");
        }
    }
}
