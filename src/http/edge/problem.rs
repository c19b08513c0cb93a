//! Why a request was refused, as `application/problem+json`.
//!
//! The policy. The rooms below know no status numbers: their errors become problems here, and only here is a status
//! chosen. `code` is stable and for programs; `title` says what, `detail` why, `cure` what to do, for people. A fault
//! of the request is told exactly, with the field and the rule. A fault of the server is told as what it means for the
//! caller (come back, or the outcome is unknown) and nothing inner: no path, no SQL, no token; what the operator needs
//! goes to the log, once, here. What is worth coming back for has `Retry-After`. A request without a good token is 401,
//! one whose token is for something else 403, both with `WWW-Authenticate`.

use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;

use axum::response::{IntoResponse, Response};
use http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use tracing::{error, warn};

use super::answer::json_text;
use crate::auth::TokenFault;
use crate::http::door::body::BodyFault;
use crate::store;
use crate::wire::problem::{MEDIA_TYPE, Problem};

/// The code of the problem that a response tells, for the log.
#[derive(Clone)]
pub struct Refusal(pub Cow<'static, str>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Texts and numbers are always JSON.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = json_text(status, MEDIA_TYPE, body);
        response.extensions_mut().insert(Refusal(self.code.clone()));
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        let challenge = match status {
            StatusCode::UNAUTHORIZED if self.code == TokenFault::Missing.code() => "Bearer realm=\"lumen\"",
            StatusCode::UNAUTHORIZED => "Bearer realm=\"lumen\", error=\"invalid_token\"",
            StatusCode::FORBIDDEN => "Bearer realm=\"lumen\", error=\"insufficient_scope\"",
            _ => return response,
        };
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        response
    }
}

impl From<TokenFault> for Problem {
    fn from(fault: TokenFault) -> Problem {
        let cure = match fault {
            TokenFault::Missing => {
                "send the header `Authorization: Bearer TOKEN`; on the server's host `lumen token --user ID` signs a \
                 user's, `lumen token --producer` a producer's, `lumen token --admin` an operator's"
            }
            TokenFault::Expired => {
                "come back with a fresh token; `lumen token` signs one, for --user ID, --producer or --admin"
            }
            TokenFault::NotYetValid => "set the signer's clock right, or wait",
            TokenFault::WrongIssuer(_) => {
                "send a token whose iss is the one that the server's configuration names (auth.issuer)"
            }
            TokenFault::WrongAudience(_) => {
                "send a token whose aud has a name that the server's configuration gives it (auth.audience), or one \
                 without aud where it gives none"
            }
            TokenFault::WrongKey => {
                "sign with a key that the server has: the bytes of the file `key` in its data directory, or the other \
                 half of one that its configuration names (auth.keys)"
            }
            TokenFault::Malformed => {
                "send a signed JWT, as `lumen token --user ID` or `lumen token --producer` prints one"
            }
            TokenFault::WrongAlgorithm => {
                "sign with HS256 and the bytes of the file `key` in the server's data directory, or with RS256, ES256 \
                 or EdDSA by a key that its configuration names (auth.keys)"
            }
            TokenFault::Claim(_) => "sign a token with sub and exp, and with scope for others than users",
            TokenFault::Revoked => {
                "come back with a token that was signed after that and says so in iat; `lumen token --user ID` signs one"
            }
        };
        Problem::new(401, fault.code(), "Not let in", fault.to_string(), cure)
    }
}

impl From<BodyFault> for Problem {
    fn from(fault: BodyFault) -> Problem {
        let detail = fault.to_string();
        match fault {
            BodyFault::TooLarge { .. } => {
                Problem::new(413, "body_too_large", "The body is too large", detail, "send it in several requests")
            }
            BodyFault::TooSlow { .. } => {
                Problem::new(408, "body_too_slow", "The body came too slowly", detail, "send it again, or less at once")
            }
            BodyFault::Broken => {
                Problem::new(400, "body_broken", "The body is not whole", detail, "send the request again")
            }
            BodyFault::NoRoom => busy(detail),
        }
    }
}

impl From<store::Error> for Problem {
    fn from(fault: store::Error) -> Problem {
        use store::Error;
        const UNSTORED: &str = "Not stored";
        match fault {
            Error::NotFound => not_found(),
            // Callers that know which draft is whose say more.
            Error::Conflict(_) => key_conflict(),
            Error::QueueFull => Problem::new(
                503,
                "queue_full",
                UNSTORED,
                "more is waiting to be written than the server holds",
                "send the same request again after Retry-After",
            )
            .retry_after(1),
            Error::OutcomeUnknown => Problem::new(
                503,
                "outcome_unknown",
                "Not known whether stored",
                "the disk is slow, and the write may still go through",
                "send the same request again, with the same key so that it is stored once",
            )
            .retry_after(5),
            Error::Locked => Problem::new(
                503,
                "database_locked",
                UNSTORED,
                "another process holds the database",
                "send the same request again after Retry-After",
            )
            .retry_after(2),
            Error::DiskFull => Problem::new(
                507,
                "disk_full",
                UNSTORED,
                "the server's disk is full",
                "send the same request again once the operator has made room",
            )
            .retry_after(30),
            Error::Down => Problem::new(
                503,
                "store_down",
                "Not known whether stored",
                "the server's storage has ended",
                "send the same request again once the server is back, with the same key so that it is stored once",
            )
            .retry_after(5),
            Error::Internal(why) => internal(&why),
        }
    }
}

/// A request that cannot be read as what it should be: a header, a parameter.
pub fn malformed(code: &'static str, title: &'static str, detail: impl Into<String>, cure: &'static str) -> Problem {
    Problem::new(400, code, title, detail.into(), cure)
}

pub fn not_found() -> Problem {
    Problem::new(
        404,
        "not_found",
        "No such notification",
        "the inbox of this token's user has no notification with this id",
        "list the inbox for the ids that are there; a removed one does not come back",
    )
}

pub fn key_conflict() -> Problem {
    Problem::new(
        409,
        "key_conflict",
        "The key holds another notification",
        "a key names one notification of a user, and this body is not the one that it was first sent with",
        "send the first body again, or give the new one a key of its own; nothing of this request was stored",
    )
}

pub fn draining() -> Problem {
    Problem::new(
        503,
        "draining",
        "The server is ending",
        "it takes nothing new while it ends",
        "come back after Retry-After, to this server or another",
    )
    .retry_after(2)
}

/// The buffers are full; they are emptied within moments.
pub fn busy(detail: impl Into<Cow<'static, str>>) -> Problem {
    let cure = "send the same request again after Retry-After";
    Problem::new(503, "busy", "The server is busy", detail, cure).retry_after(1)
}

/// A fault of lumen's own: the log has it, the caller is told none of it.
pub fn internal(why: &dyn Display) -> Problem {
    error!(%why, "a request failed inside");
    Problem::new(
        500,
        "internal",
        "The server failed",
        "something inside went wrong, and the server's log says what",
        "send the same request again, with the same key; if it stays, tell the operator the time of it",
    )
}

/// A handler panicked. The panic's own text is on stderr; here it stays out of the answer.
pub fn panicked(_: Box<dyn Any + Send>) -> Response {
    warn!("a handler panicked");
    internal(&"a panic").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a store may say, which is hard to bring about from outside: a full disk, a full queue, a fault inside.
    #[test]
    fn of_the_store() {
        use store::Error;
        let internal = || Error::Internal("SELECT a secret FROM a path".to_owned());
        let faults = [Error::NotFound, Error::Conflict(Vec::new()), Error::QueueFull, Error::OutcomeUnknown];
        let others = [Error::Locked, Error::DiskFull, Error::Down, internal()];
        let told = faults.into_iter().chain(others).map(|fault| {
            let problem = Problem::from(fault);
            let retry = problem.retry_after_s.map(|seconds| format!("retry-after: {seconds}\n")).unwrap_or_default();
            format!("{}\n{retry}{}\n\n", problem.status, serde_json::to_string_pretty(&problem).unwrap())
        });
        let told: String = told.collect();
        assert!(!told.contains("secret"), "{told}");
        insta::assert_snapshot!(told);
    }
}
