//! What a token says, and whether that is good now. Its signature is the keys' business.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::Config;
use super::caller::{ADMIN, Caller, PRODUCER, Role, Scopes};
use super::key::KeyId;
use crate::domain::ids::{Millis, UserId};
use crate::domain::limits::USER_ID_BYTES;

/// What a token that lumen signs says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claims {
    sub: String,
    /// Seconds since 1970, as `exp`.
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'static str>,
}

impl Claims {
    /// A user's, good for at least `ttl` from `now` on: `exp` has whole seconds, the begun one counts.
    pub fn user(id: &UserId, now: Millis, ttl: Duration) -> Self {
        Self::new(id.as_str(), now, ttl, None)
    }

    /// A producer's, who may post for every user. A name has 1 to 128 bytes.
    pub fn producer(name: &str, now: Millis, ttl: Duration) -> Self {
        Self::new(name, now, ttl, Some(PRODUCER))
    }

    /// An operator's. A name has 1 to 128 bytes.
    pub fn admin(name: &str, now: Millis, ttl: Duration) -> Self {
        Self::new(name, now, ttl, Some(ADMIN))
    }

    /// From this instant on the token is refused.
    pub fn expires_at(&self) -> Millis {
        self.exp.saturating_mul(1000)
    }

    fn new(sub: &str, now: Millis, ttl: Duration, scope: Option<&'static str>) -> Self {
        let end = later(now, ttl);
        let exp = end.div_euclid(1000) + i64::from(end.rem_euclid(1000) > 0);
        Self { sub: sub.to_owned(), iat: now.div_euclid(1000), exp, scope }
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenFault {
    #[error("the request has no token")]
    Missing,
    #[error("the token is no JWT")]
    Malformed,
    #[error("the token is not signed with the algorithm of a key that this server has")]
    WrongAlgorithm,
    #[error("the token was signed with another key")]
    WrongKey,
    #[error("the token's claim {0}")]
    Claim(&'static str),
    #[error("the token {0}")]
    WrongIssuer(&'static str),
    #[error("the token {0}")]
    WrongAudience(&'static str),
    #[error("the token has expired")]
    Expired,
    #[error("the token's nbf or iat is still to come")]
    NotYetValid,
    /// It was good once; whether it is, only who knows the user's `not_before` can say.
    #[error("the user's tokens were ended, and this one was not issued after that, or does not say when in iat")]
    Revoked,
}

impl TokenFault {
    /// Stable, for programs.
    pub fn code(self) -> &'static str {
        match self {
            TokenFault::Missing => "token_missing",
            TokenFault::Malformed => "token_malformed",
            TokenFault::WrongAlgorithm => "token_wrong_algorithm",
            TokenFault::WrongKey => "token_wrong_key",
            TokenFault::Claim(_) => "token_bad_claim",
            TokenFault::WrongIssuer(_) => "token_wrong_issuer",
            TokenFault::WrongAudience(_) => "token_wrong_audience",
            TokenFault::Expired => "token_expired",
            TokenFault::NotYetValid => "token_not_yet_valid",
            TokenFault::Revoked => "token_revoked",
        }
    }
}

/// The claims of a token as they were presented: anything may be anything.
#[derive(Deserialize)]
pub(super) struct Payload {
    sub: Option<Value>,
    exp: Option<Value>,
    nbf: Option<Value>,
    iat: Option<Value>,
    iss: Option<Value>,
    aud: Option<Value>,
    scope: Option<Value>,
}

impl Payload {
    /// Checks everything that a good signature does not say. A token of the `own` key needs no `iss` and no `aud`,
    /// since whoever can read that key may do anything here; what it says of them must be right nevertheless.
    pub(super) fn check(self, config: &Config, key: KeyId, own: bool, now: Millis) -> Result<Caller, TokenFault> {
        check_issuer(self.iss.as_ref(), config.issuer.as_deref(), own)?;
        check_audience(self.aud.as_ref(), &config.audience, own)?;
        let expires_at = instant(self.exp, "exp must be a whole number of seconds since 1970")?
            .ok_or(TokenFault::Claim("exp is missing"))?;
        let not_before = instant(self.nbf, "nbf must be a whole number of seconds since 1970")?;
        let issued_at = instant(self.iat, "iat must be a whole number of seconds since 1970")?;
        let expires_at = later(expires_at, config.expiry_leeway);
        if now >= expires_at {
            return Err(TokenFault::Expired);
        }
        // Signed later than now it would escape an end of the user's tokens up to now.
        if not_before.max(issued_at).is_some_and(|start| start > later(now, config.not_before_leeway)) {
            return Err(TokenFault::NotYetValid);
        }
        let (subject, role) = role(self.sub, self.scope)?;
        Ok(Caller { subject, role, expires_at, issued_at, key })
    }
}

fn check_issuer(iss: Option<&Value>, wanted: Option<&str>, own: bool) -> Result<(), TokenFault> {
    match (iss, wanted) {
        (None, Some(_)) if !own => Err(TokenFault::WrongIssuer("has no iss, and only those of one issuer are taken")),
        (Some(iss), Some(wanted)) if iss != wanted => {
            Err(TokenFault::WrongIssuer("has another iss than that of the one issuer whose tokens are taken"))
        }
        _ => Ok(()),
    }
}

/// A token that is meant for others is refused, also where no name is given for this server: it may be anyone's.
fn check_audience(aud: Option<&Value>, names: &[String], own: bool) -> Result<(), TokenFault> {
    let is_name = |value: &Value| names.iter().any(|name| value == name);
    let named = match aud {
        None if own || names.is_empty() => true,
        None => return Err(TokenFault::WrongAudience("has no aud, and only those that name this server are taken")),
        Some(Value::Array(aud)) => aud.iter().any(is_name),
        Some(aud) => is_name(aud),
    };
    if named {
        return Ok(());
    }
    Err(TokenFault::WrongAudience("has an aud that does not name this server, so it is meant for something else"))
}

fn later(instant: Millis, by: Duration) -> Millis {
    instant.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX))
}

/// A time claim in milliseconds, if there is one.
fn instant(claim: Option<Value>, fault: &'static str) -> Result<Option<Millis>, TokenFault> {
    let Some(claim) = claim else { return Ok(None) };
    let seconds = claim.as_number().and_then(Number::as_i64).ok_or(TokenFault::Claim(fault))?;
    Ok(Some(seconds.saturating_mul(1000)))
}

fn role(sub: Option<Value>, scope: Option<Value>) -> Result<(String, Role), TokenFault> {
    let Some(Value::String(subject)) = sub else {
        return Err(TokenFault::Claim("sub must be a string that names the bearer"));
    };
    let role = match scope {
        None => {
            let user = subject.parse().map_err(|_| {
                TokenFault::Claim("sub must be a user id of 1 to 128 bytes without control characters, and not . or ..")
            })?;
            Role::User(user)
        }
        Some(Value::String(_)) if subject.is_empty() || subject.len() > USER_ID_BYTES => {
            return Err(TokenFault::Claim("sub must have 1 to 128 bytes"));
        }
        Some(Value::String(scopes)) => Role::Scoped(Scopes::parse(&scopes)),
        Some(_) => return Err(TokenFault::Claim("scope must be a string of scopes with spaces between")),
    };
    Ok((subject, role))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Millis = 1_764_000_000_500;

    fn check(claims: Value) -> Result<Caller, TokenFault> {
        check_by(&Config::default(), false, claims)
    }

    fn check_by(config: &Config, own: bool, claims: Value) -> Result<Caller, TokenFault> {
        serde_json::from_value::<Payload>(claims).unwrap().check(config, KeyId::default(), own, NOW)
    }

    fn code(claims: Value) -> &'static str {
        check(claims).expect_err("a fault").code()
    }

    #[test]
    fn a_token_without_scope_is_a_users() {
        let caller = check(json!({"sub": "u42", "exp": 1_764_000_001, "iat": 1_764_000_000, "other": [1]})).unwrap();
        assert_eq!(caller.user().map(UserId::as_str), Some("u42"));
        assert_eq!((caller.is_producer(), caller.is_admin()), (false, false));
        assert_eq!((caller.expires_at, caller.issued_at), (1_764_000_001_000, Some(1_764_000_000_000)));
    }

    #[test]
    fn a_token_with_a_scope_is_no_users_whatever_the_scope() {
        for (scope, producer, admin) in [
            ("notifications:write", true, false),
            ("admin", false, true),
            ("openid admin notifications:write", true, true),
            ("notifications:write,admin", false, false),
            ("openid", false, false),
            ("", false, false),
        ] {
            let caller = check(json!({"sub": "shop", "exp": 1_764_000_001, "scope": scope})).unwrap();
            assert_eq!((caller.is_producer(), caller.is_admin()), (producer, admin), "{scope}");
            assert_eq!(caller.user(), None, "{scope}");
        }
    }

    #[test]
    fn a_token_ends_at_its_instant_and_not_a_moment_later() {
        let at = |leeway: u64, now: Millis| {
            let config = Config { expiry_leeway: Duration::from_secs(leeway), ..Config::default() };
            let payload = serde_json::from_value::<Payload>(json!({"sub": "u", "exp": 100})).unwrap();
            payload.check(&config, KeyId::default(), false, now).map(|caller| caller.expires_at)
        };
        assert_eq!(at(0, 99_999), Ok(100_000));
        assert_eq!(at(0, 100_000), Err(TokenFault::Expired));
        // The stream that it opens ends with it, leeway and all.
        assert_eq!(at(30, 129_999), Ok(130_000));
        assert_eq!(at(30, 130_000), Err(TokenFault::Expired));
    }

    #[test]
    fn a_start_or_a_signing_to_come_is_believed_within_its_leeway() {
        for claim in ["nbf", "iat"] {
            let starting = |leeway: u64, at: i64| {
                let config = Config { not_before_leeway: Duration::from_secs(leeway), ..Config::default() };
                check_by(&config, false, json!({"sub": "u", "exp": 1_764_000_900, claim: at}))
            };
            assert!(starting(5, 1_764_000_005).is_ok(), "{claim}");
            assert_eq!(starting(5, 1_764_000_006), Err(TokenFault::NotYetValid), "{claim}");
            assert!(starting(0, 1_764_000_000).is_ok(), "{claim}");
            assert_eq!(starting(0, 1_764_000_001), Err(TokenFault::NotYetValid), "{claim}");
        }
    }

    #[test]
    fn the_issuer_is_the_one_that_is_named() {
        let issued = |issuer: Option<&str>, own: bool, iss: Value| {
            let config = Config { issuer: issuer.map(str::to_owned), ..Config::default() };
            check_by(&config, own, json!({"sub": "u", "exp": 1_764_000_900, "iss": iss}))
                .map_err(TokenFault::code)
                .err()
        };
        for own in [true, false] {
            assert_eq!(issued(Some("site"), own, json!("site")), None);
            for other in [json!("other"), json!("Site"), json!(""), json!(["site"]), json!(1)] {
                assert_eq!(issued(Some("site"), own, other.clone()), Some("token_wrong_issuer"), "{other}");
                assert_eq!(issued(None, own, other), None);
            }
        }
        assert_eq!(issued(Some("site"), true, Value::Null), None);
        assert_eq!(issued(Some("site"), false, Value::Null), Some("token_wrong_issuer"));
    }

    #[test]
    fn the_audience_names_this_server() {
        let meant = |names: &[&str], own: bool, aud: Value| {
            let config =
                Config { audience: names.iter().map(|name| (*name).to_owned()).collect(), ..Config::default() };
            check_by(&config, own, json!({"sub": "u", "exp": 1_764_000_900, "aud": aud}))
                .map_err(TokenFault::code)
                .err()
        };
        let wrong = Some("token_wrong_audience");
        for own in [true, false] {
            for good in [json!("lumen"), json!("inbox"), json!(["other", "inbox"]), json!([1, "lumen"])] {
                assert_eq!(meant(&["lumen", "inbox"], own, good.clone()), None, "{good}");
                assert_eq!(meant(&[], own, good), wrong);
            }
            for bad in [json!("other"), json!(""), json!([]), json!({}), json!({"lumen": 1}), json!([["lumen"]])] {
                assert_eq!(meant(&["lumen", "inbox"], own, bad.clone()), wrong, "{bad}");
                assert_eq!(meant(&[], own, bad), wrong);
            }
            assert_eq!(meant(&[], own, Value::Null), None);
        }
        assert_eq!(meant(&["lumen"], true, Value::Null), None);
        assert_eq!(meant(&["lumen"], false, Value::Null), wrong);
    }

    #[test]
    fn a_token_from_before_is_refused() {
        let issued = |claims: Value| check(claims).unwrap();
        let caller = issued(json!({"sub": "u", "exp": 1_764_000_900, "iat": 1_764_000_000}));
        assert!(!caller.is_refused_by(None));
        assert!(!caller.is_refused_by(Some(1_763_999_999_999)));
        assert!(caller.is_refused_by(Some(1_764_000_000_000)));
        assert!(caller.is_refused_by(Some(1_764_000_000_001)));
        let undated = issued(json!({"sub": "u", "exp": 1_764_000_900}));
        assert!(!undated.is_refused_by(None));
        assert!(undated.is_refused_by(Some(0)));
    }

    #[test]
    fn odd_claims_have_their_codes() {
        let exp = 1_764_000_900;
        for (claims, expected) in [
            (json!({"sub": "u"}), "token_bad_claim"),
            (json!({"sub": "u", "exp": null}), "token_bad_claim"),
            (json!({"sub": "u", "exp": "1764000900"}), "token_bad_claim"),
            (json!({"sub": "u", "exp": 1_764_000_900.0}), "token_bad_claim"),
            (json!({"sub": "u", "exp": u64::MAX}), "token_bad_claim"),
            (json!({"sub": "u", "exp": -1}), "token_expired"),
            (json!({"sub": "u", "exp": exp, "nbf": "soon"}), "token_bad_claim"),
            (json!({"sub": "u", "exp": exp, "iat": 1.5}), "token_bad_claim"),
            (json!({"exp": exp}), "token_bad_claim"),
            (json!({"sub": 7, "exp": exp}), "token_bad_claim"),
            (json!({"sub": "", "exp": exp}), "token_bad_claim"),
            (json!({"sub": "a\nb", "exp": exp}), "token_bad_claim"),
            (json!({"sub": "x".repeat(129), "exp": exp}), "token_bad_claim"),
            (json!({"sub": "x".repeat(129), "exp": exp, "scope": "admin"}), "token_bad_claim"),
            (json!({"sub": "", "exp": exp, "scope": "admin"}), "token_bad_claim"),
            (json!({"sub": "u", "exp": exp, "scope": ["admin"]}), "token_bad_claim"),
        ] {
            assert_eq!(code(claims.clone()), expected, "{claims}");
        }
        assert!(check(json!({"sub": "u", "exp": i64::MAX})).is_ok());
    }

    #[test]
    fn what_is_signed_lasts_at_least_as_long_as_asked() {
        let claims = Claims::user(&"u".parse().unwrap(), NOW, Duration::from_millis(600));
        assert_eq!((claims.iat, claims.exp), (1_764_000_000, 1_764_000_002));
        let exact = Claims::producer("shop", 1_764_000_000_000, Duration::from_secs(60));
        assert_eq!(exact.exp, 1_764_000_060);
    }
}
