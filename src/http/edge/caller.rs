//! Who calls: the token of a request, and what it must be for.

use axum::extract::FromRequestParts;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::query::Query;
use crate::auth::{Caller, KeyId, TokenFault};
use crate::domain::ids::{Millis, UserId};
use crate::http::App;
use crate::wire::problem::Problem;

const SWITCHED_OFF: &str = "this server takes no token in the address (http.query_token), only in the header";

/// A user, on whose own inbox a call acts.
pub struct User(pub UserId);

/// A user who opens a stream, which ends with the token.
#[derive(Debug)]
pub struct StreamUser {
    pub user: UserId,
    pub expires_at: Millis,
    pub issued_at: Option<Millis>,
    pub key: KeyId,
}

/// One who may post for every user.
pub struct Producer;

/// One who may see and end what belongs to a user.
pub struct Operator;

impl FromRequestParts<App> for User {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        user_of(&by_header(parts, app)?).map(User)
    }
}

impl FromRequestParts<App> for StreamUser {
    type Rejection = Problem;

    /// Takes the token from the query too: a native EventSource can send no header.
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let query = Query::of(&parts.uri);
        let token = match bearer(&parts.headers)? {
            Some(token) => Some(token),
            None if app.config.query_token => query.get("token")?,
            None if query.has("token") => return Err(told(TokenFault::Missing, SWITCHED_OFF)),
            None => None,
        };
        let caller = verify(token.ok_or_else(|| missing(parts))?, app)?;
        let user = user_of(&caller)?;
        let Caller { expires_at, issued_at, key, .. } = caller;
        Ok(StreamUser { user, expires_at, issued_at, key })
    }
}

impl FromRequestParts<App> for Producer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if by_header(parts, app)?.is_producer() { Ok(Producer) } else { Err(not_a_producer()) }
    }
}

impl FromRequestParts<App> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        if by_header(parts, app)?.is_admin() { Ok(Operator) } else { Err(not_an_operator()) }
    }
}

/// The caller of any call but the stream: an address is kept in histories and logs, where no token should be.
fn by_header(parts: &Parts, app: &App) -> Result<Caller, Problem> {
    match bearer(&parts.headers)? {
        Some(token) => verify(token, app),
        None if Query::of(&parts.uri).has("token") => {
            Err(told(TokenFault::Missing, "only the stream takes the token in the address; this call takes the header"))
        }
        None => Err(missing(parts)),
    }
}

fn verify(token: &str, app: &App) -> Result<Caller, Problem> {
    let caller = app.keys.verify(token, app.clock.now())?;
    let not_before = caller.user().and_then(|user| app.store.not_before(user));
    if caller.is_refused_by(not_before) { Err(TokenFault::Revoked.into()) } else { Ok(caller) }
}

/// No token was found, though perhaps it was meant to be.
fn missing(parts: &Parts) -> Problem {
    if parts.headers.contains_key(AUTHORIZATION) {
        told(TokenFault::Missing, "the header Authorization is there, but is no `Bearer TOKEN`")
    } else {
        TokenFault::Missing.into()
    }
}

/// A fault of where the token stands, of which the token itself knows nothing.
fn told(fault: TokenFault, detail: &'static str) -> Problem {
    let mut problem = Problem::from(fault);
    problem.detail = detail.into();
    problem
}

/// The token of the header Authorization, if it has one. Another scheme is someone else's, a proxy's say.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let mut values = headers.get_all::<HeaderName>(AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(told(TokenFault::Malformed, "the header Authorization is there twice"));
    }
    let not_ascii = "the header Authorization has more than printable ASCII, which no token has";
    let text = value.to_str().map_err(|_| told(TokenFault::Malformed, not_ascii))?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    let token = token.trim();
    let found = scheme.eq_ignore_ascii_case("bearer") && !token.is_empty();
    Ok(found.then_some(token))
}

fn user_of(caller: &Caller) -> Result<UserId, Problem> {
    caller.user().cloned().ok_or_else(|| {
        Problem::new(
            403,
            "not_a_user",
            "Not a user's token",
            "this call acts on the inbox of the token's sub, and a token with a scope is no user's",
            "send a token of that user; `lumen token --user ID` signs one",
        )
    })
}

fn not_a_producer() -> Problem {
    Problem::new(
        403,
        "not_a_producer",
        "Not a producer's token",
        "this call needs the scope notifications:write",
        "send a producer's token; `lumen token --producer` signs one",
    )
}

fn not_an_operator() -> Problem {
    Problem::new(
        403,
        "not_an_operator",
        "Not an operator's token",
        "this call needs the scope admin",
        "send an operator's token; `lumen token --admin` signs one",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(values: &[&[u8]]) -> Result<Option<String>, String> {
        let values = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value).unwrap()));
        let headers: HeaderMap = values.collect();
        bearer(&headers).map(|token| token.map(str::to_owned)).map_err(|refusal| refusal.code.into_owned())
    }

    #[test]
    fn a_bearers_token_is_found() {
        assert_eq!(of(&[b"Bearer a.b.c"]), Ok(Some("a.b.c".into())));
        assert_eq!(of(&[b"bEARER   a.b.c "]), Ok(Some("a.b.c".into())));
        assert_eq!(of(&[]), Ok(None));
        for none in ["Bearer", "Bearer ", "Basic YTpi", "a.b.c"] {
            assert_eq!(of(&[none.as_bytes()]), Ok(None), "{none}");
        }
        for malformed in [&[&b"Bearer a"[..], b"Bearer a"][..], &[b"Bearer \xff"]] {
            assert_eq!(of(malformed), Err("token_malformed".to_owned()));
        }
    }
}
