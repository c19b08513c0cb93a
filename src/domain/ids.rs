//! The names of things: users and notifications.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::limits::USER_ID_BYTES;

/// Number of a change in its inbox: 1, 2, 3 … without a gap; 0 is before the first.
pub type Rev = u64;

/// Milliseconds since 1970 by the wall clock.
pub type Millis = i64;

/// Who has an inbox: 1–128 bytes without control characters, and not `.` or `..`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserId(Arc<str>);

/// Why a text is no user id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UserIdFault {
    #[error("a user id has 1 to {USER_ID_BYTES} bytes")]
    Length,
    #[error("a user id has no control characters")]
    Control,
    /// Whoever sends a request folds such a step of a path away, escaped or not: a call about the user would be one
    /// about another.
    #[error("a user id is not . or .., which are steps in a path")]
    Step,
}

impl UserId {
    /// What the store kept of a checked one, whatever the rules were then.
    pub fn stored(text: &str) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = UserIdFault;

    fn from_str(text: &str) -> Result<Self, UserIdFault> {
        if text.is_empty() || text.len() > USER_ID_BYTES {
            return Err(UserIdFault::Length);
        }
        if text.chars().any(char::is_control) {
            return Err(UserIdFault::Control);
        }
        if matches!(text, "." | "..") {
            return Err(UserIdFault::Step);
        }
        Ok(Self(text.into()))
    }
}

impl TryFrom<String> for UserId {
    type Error = UserIdFault;

    fn try_from(text: String) -> Result<Self, UserIdFault> {
        text.parse()
    }
}

impl From<UserId> for String {
    fn from(user: UserId) -> String {
        user.0.as_ref().to_owned()
    }
}

impl std::borrow::Borrow<str> for UserId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// A notification's id: a UUIDv7, so that ids of one time lie together on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NotificationId(Uuid);

impl NotificationId {
    /// Builds the id of a notification made at `at`, with `random` for the rest.
    pub fn at(at: Millis, random: &[u8; 10]) -> Self {
        let millis = u64::try_from(at).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(millis, random).into_uuid())
    }

    pub fn as_bytes(&self) -> &[u8; 16] {
        self.0.as_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(Uuid::from_bytes(bytes))
    }
}

impl FromStr for NotificationId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, uuid::Error> {
        text.parse().map(Self)
    }
}

impl fmt::Display for NotificationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_has_its_bounds() {
        assert!("u42".parse::<UserId>().is_ok());
        assert!("x".repeat(128).parse::<UserId>().is_ok());
        assert_eq!("x".repeat(129).parse::<UserId>(), Err(UserIdFault::Length));
        assert_eq!("".parse::<UserId>(), Err(UserIdFault::Length));
        assert_eq!("a\nb".parse::<UserId>(), Err(UserIdFault::Control));
        assert_eq!("a\u{0}".parse::<UserId>(), Err(UserIdFault::Control));
        assert_eq!("a\u{85}".parse::<UserId>(), Err(UserIdFault::Control));
        assert_eq!([".", ".."].map(|step| step.parse::<UserId>()), [Err(UserIdFault::Step), Err(UserIdFault::Step)]);
        assert!("...".parse::<UserId>().is_ok());
    }

    #[test]
    fn a_user_id_is_its_text_wherever_it_is_read_or_shown() {
        let user: UserId = "a\"b".parse().unwrap();
        assert_eq!((user.as_str(), user.to_string().as_str()), ("a\"b", "a\"b"));
        assert_eq!(format!("{user:?}"), r#""a\"b""#);
        assert_eq!(serde_json::to_string(&user).unwrap(), r#""a\"b""#);
        assert_eq!(String::from(user.clone()), "a\"b");
        assert!(std::collections::HashSet::from([user]).contains("a\"b"));
    }

    #[test]
    fn an_id_is_its_bytes() {
        let bytes = std::array::from_fn(|at| at as u8);
        assert_eq!(NotificationId::from_bytes(bytes).as_bytes(), &bytes);
    }

    #[test]
    fn an_id_carries_its_time_and_reads_back() {
        let id = NotificationId::at(1_764_000_000_123, &[7; 10]);
        assert_eq!(id.to_string().parse::<NotificationId>().unwrap(), id);
        assert_eq!(&id.to_string()[14..15], "7");
        assert!(NotificationId::at(1_764_000_000_124, &[0; 10]) > id);
    }
}
