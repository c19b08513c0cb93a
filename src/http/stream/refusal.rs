//! A stream that is not opened. An EventSource gives up for good on anything but 200, so it is refused in-band, by a
//! `close` that says when to come back; others get the status.

use axum::body::Body;
use axum::response::Response;
use http::HeaderMap;
use http::header::ACCEPT;

use super::open::{EVENT_STREAM, response};
use crate::auth::TokenFault;
use crate::domain::cursor::Presented;
use crate::http::edge::problem::draining;
use crate::hub::Refused;
use crate::wire::event::close;
use crate::wire::problem::Problem;

/// Tells a refusal, and to come back after `retry_ms`. A refused token is a 401 for everybody: it is nothing that
/// passes.
pub fn tell(refused: Refused, cursor: Presented, retry_ms: u64, headers: &HeaderMap) -> Result<Response, Problem> {
    if refused == Refused::Disconnected || !names_event_stream(headers) {
        return Err(problem(refused, retry_ms.div_ceil(1_000)));
    }
    let id = match cursor {
        Presented::Cursor(cursor) => Some(cursor),
        Presented::Nothing | Presented::Unreadable => None,
    };
    Ok(response(Body::from(close(id, refused.reason(), retry_ms))))
}

fn problem(refused: Refused, retry_s: u64) -> Problem {
    let busy = |detail: String| {
        let cure = "open the stream again after Retry-After; what is missed meanwhile is replayed";
        Problem::new(503, "busy", "The server is busy", detail, cure).retry_after(retry_s)
    };
    let too_many = |detail: String, cure: &'static str| {
        Problem::new(429, "too_many_streams", "Too many streams are open", detail, cure).retry_after(retry_s)
    };
    match refused {
        Refused::Draining => draining().retry_after(retry_s),
        Refused::NoRoom => busy("what waits for readers fills the buffers that it may have".to_owned()),
        Refused::TooFast { per_s } => {
            busy(format!("{per_s} streams were opened within a second, the most that limits.connects_per_s lets in"))
        }
        Refused::TooManyOfUser { most } => too_many(
            format!("this user has {most} streams open, the most that limits.streams_per_user lets in"),
            "end one of them, or let the user's tabs share one",
        ),
        Refused::TooManyOfAddress { most } => too_many(
            format!("this address has {most} streams open, the most that limits.streams_per_address lets in"),
            "end one of them; where all come through a proxy, name it in http.trusted_proxies",
        ),
        Refused::TooMany { most } => too_many(
            format!("the server has {most} streams open, the most that limits.streams lets in"),
            "come back after Retry-After; the operator may raise limits.streams with the limit of open files",
        ),
        Refused::Disconnected => TokenFault::Revoked.into(),
    }
}

fn names_event_stream(headers: &HeaderMap) -> bool {
    let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    ranges.any(|range| range.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(EVENT_STREAM))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const REFUSALS: [(Refused, u16, &str, &str); 7] = [
        (Refused::Draining, 503, "draining", "draining"),
        (Refused::NoRoom, 503, "busy", "busy"),
        (Refused::TooFast { per_s: 7 }, 503, "busy", "busy"),
        (Refused::TooManyOfUser { most: 7 }, 429, "too_many_streams", "too_many_streams"),
        (Refused::TooManyOfAddress { most: 7 }, 429, "too_many_streams", "too_many_streams"),
        (Refused::TooMany { most: 7 }, 429, "too_many_streams", "too_many_streams"),
        (Refused::Disconnected, 401, "token_revoked", ""),
    ];

    fn accepting(values: &[&[u8]]) -> HeaderMap {
        values.iter().map(|value| (ACCEPT, HeaderValue::from_bytes(value).unwrap())).collect()
    }

    #[test]
    fn only_an_event_source_is_refused_in_band() {
        let refused = |accept: &[&[u8]]| tell(Refused::Draining, Presented::Nothing, 2_000, &accepting(accept));
        for events in [
            &[&b"text/event-stream"[..]][..],
            &[b"text/html, TEXT/Event-Stream;q=0.9"],
            &[b"a/b", EVENT_STREAM.as_bytes()],
        ] {
            let response = refused(events).unwrap();
            assert_eq!(response.status(), 200);
            assert_eq!(response.headers()["content-type"], "text/event-stream");
        }
        let others: [&[&[u8]]; 3] = [&[], &[b"*/*"], &[b"application/json"]];
        for other in others {
            assert_eq!(refused(other).unwrap_err().status, 503);
        }
    }

    #[tokio::test]
    async fn each_refusal_has_its_reason_in_band_and_its_status_else() {
        let cursor = Presented::Cursor("k3f9q2-7".parse().unwrap());
        for (refused, status, code, reason) in REFUSALS {
            let problem = tell(refused, cursor, 2_001, &HeaderMap::new()).unwrap_err();
            assert_eq!((problem.status, &*problem.code), (status, code), "{refused:?}");
            let names_the_cap = problem.detail.contains(" 7 ") || problem.detail.starts_with("7 ");
            assert_eq!(names_the_cap, format!("{refused:?}").contains('7'), "{problem:?}");
            let told = tell(refused, cursor, 2_001, &accepting(&[b"text/event-stream"]));
            if refused == Refused::Disconnected {
                assert_eq!(told.unwrap_err().status, 401);
                continue;
            }
            assert_eq!(problem.retry_after_s, Some(3), "{refused:?}");
            let body = axum::body::to_bytes(told.unwrap().into_body(), 1_024).await.unwrap();
            let data = format!("{{\"reason\":\"{reason}\",\"reconnect\":true,\"retry_ms\":2001}}");
            assert_eq!(body, format!("event: close\nretry: 2001\nid: k3f9q2-7\ndata: {data}\n\n"));
        }
    }
}
