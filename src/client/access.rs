//! How a client is let in: a token handed to it, a file that holds one, or the key with which it signs its own.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use reqwest::header::HeaderValue;

use crate::domain::ids::UserId;

/// Bytes of a token file, beyond which it is no token: a request head holds no more.
const TOKEN_BYTES: u64 = 16 * 1024;

/// Where tokens come from.
#[derive(Clone)]
pub enum Access {
    /// One token, as it was handed in.
    Given(Token),
    /// A file that somebody keeps fresh; read at each use.
    File(PathBuf),
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
}

impl Access {
    /// The token that opens `user`'s stream. One that was handed in says by itself whose it is.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn for_user(&self, user: Option<&UserId>) -> Result<Token, AccessFault> {
        match self {
            Access::Given(token) => Ok(token.clone()),
            Access::File(path) => from_file(path),
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
        }
    }

    /// Whether another token can be had when one has ended.
    pub fn renews(&self) -> bool {
        match self {
            Access::Given(_) => false,
            Access::File(_) => true,
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

    pub(super) fn bearer(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

fn from_file(path: &Path) -> Result<Token, AccessFault> {
    let shown = path.display().to_string();
    let text =
        read_start(path).map_err(|fault| AccessFault::Unreadable { path: shown.clone(), why: fault.to_string() })?;
    Token::parse(&text, &shown)
}

fn read_start(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(TOKEN_BYTES).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_is_no_token_is_refused_and_none_is_shown() {
        for text in ["", " ", "a b", "a\nb", "ä"] {
            assert!(Token::parse(text, "it").is_err(), "{text:?}");
        }
        let token = Token::parse("abc.def", "it").unwrap();
        assert!(!format!("{token:?} {:?}", token.bearer()).contains("abc"));
    }
}
