//! Who a token says its bearer is.

use super::key::KeyId;
use crate::domain::ids::{Millis, UserId};

/// The scope of those who post notifications.
pub(super) const PRODUCER: &str = "notifications:write";
/// The scope of operators.
pub(super) const ADMIN: &str = "admin";

/// The bearer of a token that is good now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// `sub`: the user's id, or the name of a producer or an operator.
    pub subject: String,
    pub role: Role,
    /// From this instant on the token is refused.
    pub expires_at: Millis,
    pub issued_at: Option<Millis>,
    /// The token is good as long as this is one of the server's.
    pub key: KeyId,
}

/// What a token is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Its own inbox.
    User(UserId),
    /// What its scopes allow, and nobody's inbox: a token with a scope is no user's.
    Scoped(Scopes),
}

/// The scopes of a token that lumen knows; a token may have both, or none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scopes {
    pub producer: bool,
    pub admin: bool,
}

impl Scopes {
    /// Reads a space-separated list; what is unknown in it gives nothing.
    pub(super) fn parse(text: &str) -> Self {
        let has = |scope: &str| text.split(' ').any(|named| named == scope);
        Self { producer: has(PRODUCER), admin: has(ADMIN) }
    }
}

impl Caller {
    pub fn user(&self) -> Option<&UserId> {
        match &self.role {
            Role::User(user) => Some(user),
            Role::Scoped(_) => None,
        }
    }

    pub fn is_producer(&self) -> bool {
        matches!(self.role, Role::Scoped(Scopes { producer: true, .. }))
    }

    pub fn is_admin(&self) -> bool {
        matches!(self.role, Role::Scoped(Scopes { admin: true, .. }))
    }

    /// Whether its user's tokens were ended, and this is one of them.
    pub fn is_refused_by(&self, not_before: Option<Millis>) -> bool {
        is_refused(self.issued_at, not_before)
    }
}

/// Whether a user's tokens up to `not_before` were ended, and this is one of them: issued at that instant or earlier, or
/// without saying when.
pub fn is_refused(issued_at: Option<Millis>, not_before: Option<Millis>) -> bool {
    not_before.is_some_and(|not_before| issued_at.is_none_or(|issued_at| issued_at <= not_before))
}
