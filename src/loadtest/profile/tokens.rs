//! Tokens for a server whose key we do not have: a file with one a line.

use std::fmt;
use std::fs;
use std::path::Path;

/// What opens the streams. Never shown.
pub struct Tokens(Vec<String>);

/// Why a file holds no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokensFault {
    #[error("the tokens in {path} cannot be read: {why}; give a file with --tokens that you may read")]
    Unreadable { path: String, why: String },
    #[error("{path} holds no token; write one a line into it")]
    Empty { path: String },
    #[error("line {number} of {path} is no token; a token is one line of letters, digits and signs, without spaces")]
    Line { path: String, number: usize },
}

impl Tokens {
    /// Reads a file; empty lines are passed over.
    ///
    /// # Errors
    /// It cannot be read, has none, or has a line that no header could carry.
    pub fn read(path: &Path) -> Result<Self, TokensFault> {
        let shown = path.display().to_string();
        let text =
            fs::read(path).map_err(|fault| TokensFault::Unreadable { path: shown.clone(), why: fault.to_string() })?;
        let text = String::from_utf8_lossy(&text);
        let mut tokens = Vec::new();
        for (number, line) in (1..).zip(text.lines()) {
            let token = line.trim();
            if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(TokensFault::Line { path: shown, number });
            }
            if !token.is_empty() {
                tokens.push(token.to_owned());
            }
        }
        if tokens.is_empty() { Err(TokensFault::Empty { path: shown }) } else { Ok(Self(tokens)) }
    }

    /// A user's. With fewer tokens than users, several users have the same.
    pub fn of(&self, user: u32) -> &str {
        &self.0[user as usize % self.0.len()]
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_has_a_line_and_the_lines_begin_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens");
        let read = |text: &str| {
            fs::write(&path, text).unwrap();
            Tokens::read(&path)
        };
        let tokens = read("\n first \r\n\nsecond\nthird").unwrap();
        assert_eq!([0, 1, 2, 3, 7].map(|user| tokens.of(user)), ["first", "second", "third", "first", "second"]);
        assert!(!format!("{tokens:?}").contains("first"));
        assert!(matches!(read("\n \n"), Err(TokensFault::Empty { .. })));
        for faulty in ["a\nb c\n", "a\nb\u{7}\n", "a\nbä\n"] {
            let fault = read(faulty).unwrap_err();
            assert!(matches!(fault, TokensFault::Line { number: 2, .. }), "{fault:?}");
            assert!(!fault.to_string().contains('ä'));
        }
        assert!(matches!(Tokens::read(directory.path()), Err(TokensFault::Unreadable { .. })));
    }
}
