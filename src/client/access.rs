//! How a client is let in: a token handed to it, a file that holds one, or the key with which it signs its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::header::HeaderValue;
use serde_json::Value;

use crate::auth::{Claims, Keys};
use crate::clock::Clock;
use crate::domain::ids::UserId;
use crate::domain::limits::HEAD_BYTES;

/// How long a token holds that we sign ourselves. A stream that outlives it comes back with a fresh one.
const OWN_TTL: Duration = Duration::from_secs(3600);
/// The name that we post under.
const PRODUCER: &str = "lumen-send";
/// The name that we operate under.
const OPERATOR: &str = "lumen-operator";

/// Where tokens come from.
#[derive(Clone)]
pub enum Access {
    /// One token, as it was handed in.
    Given(Token),
    /// A file that somebody keeps fresh; read at each use.
    File(PathBuf),
    /// The server's own key: a fresh token at each use.
    Key { keys: Arc<Keys>, clock: Clock },
}

/// A token, ready for its header. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(HeaderValue);

/// Why there is no token to use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessFault {
    #[error("the token file {path} cannot be read: {why}; give one with --token-file that you may read")]
    Unreadable { path: String, why: String },
    #[error("{0} holds no token; a token is one line of letters, digits and - _ .")]
    NoToken(String),
    #[error("nobody is named whose stream it is; say it with --user")]
    Nobody,
    #[error("the token is {of}'s and not {user}'s; leave --user out, or hand over {user}'s token")]
    Anothers { of: String, user: UserId },
}

impl Access {
    /// The token that opens `user`'s inbox and stream. One that was handed in says by itself whose it is.
    ///
    /// # Errors
    /// There is none to be had, or it is another's.
    pub fn for_user(&self, user: Option<&UserId>) -> Result<Token, AccessFault> {
        match self {
            Access::Given(token) => token.clone().only_of(user),
            Access::File(path) => from_file(path)?.only_of(user),
            Access::Key { keys, clock } => {
                let user = user.ok_or(AccessFault::Nobody)?;
                signed(keys, &Claims::user(user, clock.now(), OWN_TTL))
            }
        }
    }

    /// The token that puts notifications in.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn for_producer(&self) -> Result<Token, AccessFault> {
        match self {
            Access::Given(token) => Ok(token.clone()),
            Access::File(path) => from_file(path),
            Access::Key { keys, clock } => signed(keys, &Claims::producer(PRODUCER, clock.now(), OWN_TTL)),
        }
    }

    /// The token that sees and ends what belongs to a user.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn for_operator(&self) -> Result<Token, AccessFault> {
        match self {
            Access::Given(token) => Ok(token.clone()),
            Access::File(path) => from_file(path),
            Access::Key { keys, clock } => signed(keys, &Claims::admin(OPERATOR, clock.now(), OWN_TTL)),
        }
    }

    /// Whether another token can be had when one has ended.
    pub fn renews(&self) -> bool {
        match self {
            Access::Given(_) => false,
            Access::File(_) | Access::Key { .. } => true,
        }
    }
}

impl Token {
    /// Reads a token that came from `source`.
    ///
    /// # Errors
    /// A text that is none.
    pub fn parse(text: &str, source: &str) -> Result<Self, AccessFault> {
        let token = text.trim();
        let well = !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic());
        let header = HeaderValue::from_str(&format!("Bearer {token}"));
        match (well, header) {
            (true, Ok(mut header)) => {
                header.set_sensitive(true);
                Ok(Self(header))
            }
            _ => Err(AccessFault::NoToken(source.to_owned())),
        }
    }

    /// This token, unless it is another's.
    fn only_of(self, user: Option<&UserId>) -> Result<Self, AccessFault> {
        match (user, self.user()) {
            (Some(user), Some(of)) if of != user.as_str() => Err(AccessFault::Anothers { of, user: user.clone() }),
            _ => Ok(self),
        }
    }

    /// The user that it names, if it does: the server alone knows whether that is true, and refuses a token of a scope.
    fn user(&self) -> Option<String> {
        let claims = self.0.to_str().ok()?.split('.').nth(1)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        let user = claims.get("sub").filter(|_| claims.get("scope").is_none())?;
        user.as_str().map(str::to_owned)
    }

    /// The value of its header `Authorization`, which shows itself to nobody.
    pub fn bearer(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn signed(keys: &Keys, claims: &Claims) -> Result<Token, AccessFault> {
    Token::parse(&keys.sign(claims), "the signing key")
}

fn from_file(path: &Path) -> Result<Token, AccessFault> {
    let shown = path.display().to_string();
    let text =
        read_start(path).map_err(|fault| AccessFault::Unreadable { path: shown.clone(), why: fault.to_string() })?;
    Token::parse(&text, &shown)
}

fn read_start(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    // A longer one would not fit into the head of a request.
    File::open(path)?.take(HEAD_BYTES as u64).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Caller;

    #[test]
    fn a_file_is_read_at_each_use() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let access = Access::File(path.clone());
        assert!(matches!(access.for_producer(), Err(AccessFault::Unreadable { .. })));
        for text in ["first", "second\n"] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(access.for_producer().unwrap().bearer(), format!("Bearer {}", text.trim()));
        }
        std::fs::write(&path, "\n").unwrap();
        assert!(matches!(access.for_user(None), Err(AccessFault::NoToken(_))));
    }

    #[test]
    fn the_key_signs_for_whom_it_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Arc::new(Keys::load_or_create(&directory.path().join("key")).unwrap());
        let access = Access::Key { keys: keys.clone(), clock: Clock::System };
        let caller = |token: Token| -> Caller {
            let bearer = token.bearer().to_str().unwrap().to_owned();
            keys.verify(bearer.strip_prefix("Bearer ").unwrap(), Clock::System.now()).unwrap()
        };
        let ann: UserId = "ann".parse().unwrap();
        assert_eq!(caller(access.for_user(Some(&ann)).unwrap()).user(), Some(&ann));
        assert!(caller(access.for_producer().unwrap()).is_producer());
        assert!(caller(access.for_operator().unwrap()).is_admin());
        assert_eq!(access.for_user(None), Err(AccessFault::Nobody));
    }

    #[test]
    fn a_users_token_is_that_users_alone() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::load_or_create(&directory.path().join("key")).unwrap();
        let (ann, ben): (UserId, UserId) = ("ann".parse().unwrap(), "ben".parse().unwrap());
        let anns = Access::Given(signed(&keys, &Claims::user(&ann, Clock::System.now(), OWN_TTL)).unwrap());
        assert!(anns.for_user(None).is_ok() && anns.for_user(Some(&ann)).is_ok());
        assert_eq!(anns.for_user(Some(&ben)), Err(AccessFault::Anothers { of: "ann".to_owned(), user: ben.clone() }));
        // Of what is no user's token the server says it better.
        let shops = signed(&keys, &Claims::producer("shop", Clock::System.now(), OWN_TTL)).unwrap();
        for other in [shops, Token::parse("a.b.c", "it").unwrap(), Token::parse("abc", "it").unwrap()] {
            assert_eq!(Access::Given(other.clone()).for_user(Some(&ben)), Ok(other));
        }
    }

    #[test]
    fn what_is_no_token_is_refused_and_none_is_shown() {
        for text in ["", " ", "a b", "a\nb", "ä"] {
            assert!(Token::parse(text, "it").is_err(), "{text:?}");
        }
        let token = Token::parse("abc.def", "it").unwrap();
        assert!(!format!("{token:?} {:?}", token.bearer()).contains("abc"));
    }
}
