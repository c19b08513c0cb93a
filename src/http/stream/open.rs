//! `GET /notifications/stream`: reads where the client stands, and subscribes. How it is refused is `refusal`'s.

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};

use super::body::Events;
use super::refusal;
use crate::auth::TokenFault;
use crate::domain::cursor::Presented;
use crate::domain::limits::LIST_PAGE_MAX;
use crate::http::App;
use crate::http::door::peer::Peer;
use crate::http::edge::caller::StreamUser;
use crate::http::edge::client::Client;
use crate::http::edge::query::{Query, bad_parameter};
use crate::hub::Request;
use crate::wire::problem::Problem;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
pub(super) const EVENT_STREAM: &str = "text/event-stream";

pub async fn get(
    State(app): State<App>,
    caller: StreamUser,
    client: Client,
    peer: Peer,
    method: Method,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Problem> {
    let query = Query::of(&uri);
    let cursor = presented(&headers, &query)?;
    let snapshot = snapshot(&query)?;
    if method == Method::HEAD {
        // Whoever asks for the head alone opens no stream.
        return Ok(response(Body::empty()));
    }
    let StreamUser { user, expires_at, issued_at, key } = caller;
    let request = Request {
        user,
        cursor,
        snapshot,
        expires_at,
        issued_at,
        key,
        from: client.from,
        counts_for_address: client.counts_for_address,
        cut: peer.cut,
    };
    match app.hub.subscribe(request) {
        // Looked at again only now: a stream that comes together with a reload is either refused here or found there.
        Ok(_) if !app.keys.has(key) => Err(TokenFault::WrongKey.into()),
        Ok(subscription) => Ok(response(Body::new(Events(subscription)))),
        Err(refused) => refusal::tell(refused, cursor, app.hub.retry_ms(refused.reason()), &headers),
    }
}

/// Where the client says that it stands. With the header present and not empty, the parameter is not looked at.
///
/// # Errors
/// A 400 for a parameter that is no cursor. A header that is none is told in the stream instead: a browser sends it by
/// itself, and would give up for good on a 400.
fn presented(headers: &HeaderMap, query: &Query) -> Result<Presented, Problem> {
    let mut values = headers.get_all(LAST_EVENT_ID).iter();
    match (values.next(), values.next()) {
        (Some(_), Some(_)) => return Ok(Presented::Unreadable),
        (Some(value), None) if !value.is_empty() => {
            let cursor = value.to_str().ok().and_then(|text| text.parse().ok());
            return Ok(cursor.map_or(Presented::Unreadable, Presented::Cursor));
        }
        _ => {}
    }
    match query.get("last_event_id")? {
        None | Some("") => Ok(Presented::Nothing),
        Some(text) => text
            .parse()
            .map(Presented::Cursor)
            .map_err(|fault| bad_parameter(format!("last_event_id is no cursor: {fault}"))),
    }
}

/// How many of the newest items `ready` should have; 0 for none.
fn snapshot(query: &Query) -> Result<usize, Problem> {
    let Some(text) = query.get("snapshot")? else { return Ok(0) };
    text.parse()
        .ok()
        .filter(|&items| items <= LIST_PAGE_MAX)
        .ok_or_else(|| bad_parameter(format!("snapshot is a number from 0 to {LIST_PAGE_MAX}")))
}

pub(super) fn response(body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    // nginx holds a stream back without it.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (name.clone(), HeaderValue::from_bytes(value).unwrap())).collect()
    }

    fn query(text: &str) -> Query {
        Query::of(&format!("/path?{text}").parse().unwrap())
    }

    fn at(text: &str) -> Presented {
        Presented::Cursor(text.parse().unwrap())
    }

    #[test]
    fn a_header_that_is_there_wins_and_is_never_a_400() {
        let from = |values: &[&[u8]], text: &str| presented(&headers(LAST_EVENT_ID, values), &query(text)).unwrap();
        let parameter = "last_event_id=k3f9q2-7";
        assert_eq!(from(&[b"k3f9q2-128"], parameter), at("k3f9q2-128"));
        assert_eq!(from(&[b"k3f9q2-128"], "last_event_id=nonsense"), at("k3f9q2-128"));
        for unreadable in [
            &[&b"abc"[..]][..],
            &[b"-1"],
            &[b"1e3"],
            &[b"k3f9q2-18446744073709551616"],
            &[b"\xff"],
            &[&[b'1'; 10_240]],
            &[b"k3f9q2-1", b"k3f9q2-1"],
            &[b"", b""],
        ] {
            assert_eq!(from(unreadable, parameter), Presented::Unreadable);
        }
    }

    #[test]
    fn without_a_header_or_with_an_empty_one_the_parameter_counts() {
        for none in [&[][..], &[&b""[..]]] {
            let from = |text: &str| presented(&headers(LAST_EVENT_ID, none), &query(text));
            assert_eq!(from("").unwrap(), Presented::Nothing);
            assert_eq!(from("last_event_id=").unwrap(), Presented::Nothing);
            assert_eq!(from("last_event_id=k3f9q2-7&r=0.5").unwrap(), at("k3f9q2-7"));
            for bad in ["last_event_id=abc", "last_event_id=k3f9q2-7%00", "last_event_id=a&last_event_id=a"] {
                assert_eq!(from(bad).unwrap_err().status, 400, "{bad}");
            }
        }
    }

    #[test]
    fn a_snapshot_has_its_bound() {
        assert_eq!(snapshot(&query("")).unwrap(), 0);
        assert_eq!(snapshot(&query("snapshot=0")).unwrap(), 0);
        assert_eq!(snapshot(&query("snapshot=100")).unwrap(), 100);
        for bad in ["snapshot=101", "snapshot=", "snapshot=-1", "snapshot=x", "snapshot=1&snapshot=1"] {
            assert_eq!(snapshot(&query(bad)).unwrap_err().status, 400, "{bad}");
        }
    }
}
