//! Servers that are known already, as templates; any part of one can be typed anew.
//!
//! **Nchan**, after its README: a location for subscribers and one for publishers, here `/sub/ID` and `/pub/ID`, as a
//! configuration of `nchan_subscriber` and `nchan_publisher` has to name them. A POST is answered 201 where somebody
//! listens and 202 where nobody does. A stream resumes by Last-Event-ID.
//!
//! **Mercure**, after its specification: one address for both. A subscriber names its topics in the query; a publisher
//! posts a form with `topic` and `data`, and is answered 200 with the update's id. An event has `id` and `data`, a
//! heartbeat is a comment. A stream resumes by Last-Event-ID. Updates are public unless the form says `private`.
//!
//! **Centrifugo** with `uni_sse`, after its documentation: the connect request is JSON in the parameter `cf_connect`.
//! Every event's data is a push: `{"connect":…}` first, `{"channel":…,"pub":{"data":…}}` for a message,
//! `{"disconnect":{"code":…,"reason":…}}` last; an event `ping` without data between. Last-Event-ID is not supported.
//! A publisher posts JSON with the header X-API-Key; an error is told by the status where X-Centrifugo-Error-Mode asks
//! for that, and else in the body of a 200.

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderName, Method};
use serde::Deserialize;

use super::Close;

/// A kind of server other than lumen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Nothing is known of it.
    Generic,
    Nchan,
    Mercure,
    Centrifugo,
}

/// A request as it is typed: templates, of which any may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    pub method: Option<Method>,
    /// A whole one, or a path below the server's.
    pub url: Option<String>,
    pub headers: Vec<(HeaderName, String)>,
    pub body: Option<String>,
}

/// What a request has to be written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// A message goes to several users at once.
    pub audience: bool,
    /// There is a token.
    pub token: bool,
}

const X_API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const ERROR_MODE: HeaderName = HeaderName::from_static("x-centrifugo-error-mode");

impl Dialect {
    pub fn as_str(self) -> &'static str {
        match self {
            Dialect::Generic => "generic",
            Dialect::Nchan => "nchan",
            Dialect::Mercure => "mercure",
            Dialect::Centrifugo => "centrifugo",
        }
    }

    /// Whether a stream goes on from its Last-Event-ID.
    pub(super) fn resumes(self) -> bool {
        self != Dialect::Centrifugo
    }

    pub(super) fn subscribe(self, wanted: Wanted) -> Words {
        let url = match self {
            Dialect::Generic => None,
            Dialect::Nchan => Some("/sub/{user}"),
            Dialect::Mercure => Some("/.well-known/mercure?topic={user}"),
            // {"token":"…","subs":{"…":{}}}
            Dialect::Centrifugo if wanted.token => Some(
                "/connection/uni_sse?cf_connect=%7B%22token%22:%22{token}%22,%22subs%22:%7B%22{user}%22:%7B%7D%7D%7D",
            ),
            Dialect::Centrifugo => Some("/connection/uni_sse?cf_connect=%7B%22subs%22:%7B%22{user}%22:%7B%7D%7D%7D"),
        };
        let mut headers = vec![(ACCEPT, "text/event-stream".to_owned())];
        if wanted.token && self == Dialect::Mercure {
            headers.push(bearer());
        }
        Words { method: Some(Method::GET), url: url.map(str::to_owned), headers, body: None }
    }

    pub(super) fn publish(self, wanted: Wanted) -> Words {
        let (url, kind, body) = match self {
            Dialect::Generic => (None, "application/json", None),
            Dialect::Nchan => (Some("/pub/{user}"), "text/plain", Some("{content}")),
            Dialect::Mercure => {
                (Some("/.well-known/mercure"), "application/x-www-form-urlencoded", Some("topic={user}&data={content}"))
            }
            Dialect::Centrifugo if wanted.audience => (
                Some("/api/broadcast"),
                "application/json",
                Some(r#"{"channels":{users},"data":{"content":"{content}"}}"#),
            ),
            Dialect::Centrifugo => (
                Some("/api/publish"),
                "application/json",
                Some(r#"{"channel":"{user}","data":{"content":"{content}"}}"#),
            ),
        };
        let mut headers = vec![(CONTENT_TYPE, kind.to_owned())];
        if self == Dialect::Centrifugo {
            headers.push((ERROR_MODE, "transport".to_owned()));
        }
        match self {
            Dialect::Mercure if wanted.token => headers.push(bearer()),
            Dialect::Centrifugo if wanted.token => headers.push((X_API_KEY, "{token}".to_owned())),
            _ => {}
        }
        Words { method: Some(Method::POST), url: url.map(str::to_owned), headers, body: body.map(str::to_owned) }
    }

    /// The end that the server tells in an event, if it is one.
    pub(super) fn close(self, data: &str) -> Option<Close> {
        if self != Dialect::Centrifugo || !data.contains("\"disconnect\"") {
            return None;
        }
        let Push { disconnect: Disconnect { code, reason } } = serde_json::from_str(data).ok()?;
        // The rest of each thousand's codes, its own and an application's, asks not to come back.
        let reconnect = !matches!(code, 3500..=3999 | 4500..=4999);
        Some(Close { reason: format!("{reason} ({code})"), reconnect, retry_ms: RETRY_MS })
    }
}

/// How long Centrifugo's own clients wait at least before they come back; it names no time itself.
const RETRY_MS: u64 = 500;

#[derive(Deserialize)]
struct Push {
    disconnect: Disconnect,
}

#[derive(Deserialize)]
struct Disconnect {
    code: u32,
    reason: String,
}

impl Words {
    /// These where they say something, and else those; a header takes the place of one of the same name.
    pub(super) fn over(self, ready: Words) -> Words {
        let typed = |name: &HeaderName| self.headers.iter().any(|(header, _)| header == name);
        let mut headers: Vec<_> = ready.headers.into_iter().filter(|(name, _)| !typed(name)).collect();
        headers.extend(self.headers);
        Words {
            method: self.method.or(ready.method),
            url: self.url.or(ready.url),
            headers,
            body: self.body.or(ready.body),
        }
    }
}

fn bearer() -> (HeaderName, String) {
    (AUTHORIZATION, "Bearer {token}".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_goes_over_what_is_ready() {
        let typed = Words {
            url: Some("/events".to_owned()),
            headers: vec![(ACCEPT, "*/*".to_owned()), (X_API_KEY, "a".to_owned()), (X_API_KEY, "b".to_owned())],
            ..Words::default()
        };
        let words = typed.clone().over(Dialect::Mercure.subscribe(Wanted { audience: false, token: true }));
        let mut headers = vec![bearer()];
        headers.extend(typed.headers);
        assert_eq!(words, Words { method: Some(Method::GET), url: typed.url, headers, body: None });
    }

    #[test]
    fn centrifugo_says_why_it_ends_a_stream() {
        let close = |data: &str| Dialect::Centrifugo.close(data);
        let ends = |reason: &str, reconnect| Some(Close { reason: reason.to_owned(), reconnect, retry_ms: 500 });
        assert_eq!(close(r#"{"disconnect":{"code":3001,"reason":"shutdown"}}"#), ends("shutdown (3001)", true));
        assert_eq!(
            close(r#"{"disconnect":{"code":3500,"reason":"invalid token"}}"#),
            ends("invalid token (3500)", false)
        );
        assert_eq!(close(r#"{"disconnect":{"code":4999,"reason":"bye"}}"#), ends("bye (4999)", false));
        for other in ["", "{}", r#"{"connect":{}}"#, r#"{"disconnect":7}"#, "\"disconnect\""] {
            assert_eq!(close(other), None, "{other}");
        }
        assert_eq!(Dialect::Mercure.close(r#"{"disconnect":{"code":3001,"reason":"shutdown"}}"#), None);
    }
}
