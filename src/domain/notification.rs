//! A notification (checked): what it is, what it says, its key. How a draft becomes one is `draft`'s.

use std::fmt;
use std::sync::Arc;

use super::ids::UserId;
use super::limits::KEY_BYTES;

/// A notification's type: `like`, `comment`, `follow`, `system`, or a site's own `[a-z][a-z0-9_.-]{0,63}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Kind(Arc<str>);

/// What a notification says, as the text of a JSON object with `sender`, `content`, `link` and `extra`; compact, in one
/// line, checked. Kept as text, since it is written once and framed many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body(Arc<str>);

/// A producer's natural name for a notification: the same key for the same user is the same notification.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Key(Arc<str>);

/// SHA-256 of a draft without its users and its key, by which a retry is told from a mistake.
pub type Fingerprint = [u8; 32];

/// A checked draft, for any user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    pub kind: Kind,
    pub body: Body,
    pub key: Option<Key>,
    pub ttl_s: Option<u64>,
    pub fingerprint: Fingerprint,
}

/// A notification and who gets it, none of them twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addressed {
    pub users: Vec<UserId>,
    pub notification: Arc<Notification>,
}

impl Kind {
    /// Takes `[a-z][a-z0-9_.-]{0,63}`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut chars = text.bytes();
        let first = chars.next()?;
        let well = first.is_ascii_lowercase()
            && text.len() <= 64
            && chars.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_.-".contains(&b));
        well.then(|| Self(text.into()))
    }

    /// What the store kept of a checked one.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Body {
    /// What the store kept of a checked one.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key {
    /// Takes 1 to [`KEY_BYTES`] bytes without control characters.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() || text.len() > KEY_BYTES || text.chars().any(char::is_control) {
            return Err(format!("a key has 1 to {KEY_BYTES} bytes and no control characters"));
        }
        Ok(Self(text.into()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_a_letter_and_up_to_63_more_of_its_characters() {
        let longest = format!("a{}", "x".repeat(63));
        for good in ["a", "like", "a0", "z_.-9", &longest] {
            let kind = Kind::parse(good).expect(good);
            assert_eq!((kind.as_str(), kind.to_string().as_str()), (good, good));
        }
        for bad in ["", "A", "0a", "_a", "aB", "a b", "a/b", "aé", "a\n", &format!("{longest}x")] {
            assert_eq!(Kind::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_key_has_its_bounds() {
        let longest = "x".repeat(KEY_BYTES);
        for good in ["k", "like:9 ж", &longest] {
            assert_eq!(Key::parse(good).expect(good).as_str(), good);
        }
        for bad in ["", "a\nb", "a\u{0}", "\u{85}", &format!("{longest}x")] {
            assert!(Key::parse(bad).is_err(), "{bad:?}");
        }
    }
}
